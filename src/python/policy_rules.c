/* The language policy as tables: what names a program may use, what syntax, and what a refusal
 * says. Nothing here runs; policy.c walks a program's tree by these tables and tests/policy prints
 * them as docs/POLICY.md.
 *
 * Two mistakes are possible in a row, and both count as defects: a name that leads from an object
 * to code, frames, globals, the class graph or serialisation machinery and is permitted; and a name
 * that people and models write in good faith and is refused. Special names are an allow list, for
 * every version of CPython adds some. */
#include "python/policy_rules.h"

#include "base/macros.h"

#define GET    USE_GET
#define SET    USE_SET
#define READ   USE_READ
#define DEFINE USE_DEFINE
#define METHOD USE_METHOD

const char special_name_remedy[] =
    "Names with two underscores at both ends belong to Python itself; choose another name";

/* dataclasses, CPython 3.11 to 3.14 */
const char *const generated_names[] = {"__create_fn__", "__dataclass_*", "__class__", NULL};

/* ---- special names a program may use ---- */

static const struct name_row methods[] = {
    /* life of an object, making of a class */
    {"__init__", METHOD, NULL},
    {"__new__", METHOD, NULL},
    {"__post_init__", METHOD, NULL},
    {"__call__", METHOD, NULL},
    {"__init_subclass__", METHOD, NULL},
    {"__set_name__", METHOD, NULL},
    {"__class_getitem__", METHOD, NULL},
    {"__prepare__", METHOD, NULL},
    {"__mro_entries__", METHOD, NULL},
    {"__instancecheck__", METHOD, NULL},
    {"__subclasscheck__", METHOD, NULL},
    {"__subclasshook__", METHOD, NULL},
    /* text and comparison */
    {"__repr__", METHOD, NULL},
    {"__str__", METHOD, NULL},
    {"__format__", METHOD, NULL},
    {"__bytes__", METHOD, NULL},
    {"__hash__", METHOD, NULL},
    {"__bool__", METHOD, NULL},
    {"__sizeof__", METHOD, NULL},
    {"__dir__", METHOD, NULL},
    {"__lt__", METHOD, NULL},
    {"__le__", METHOD, NULL},
    {"__eq__", METHOD, NULL},
    {"__ne__", METHOD, NULL},
    {"__gt__", METHOD, NULL},
    {"__ge__", METHOD, NULL},
    /* attributes and descriptors */
    {"__getattr__", METHOD, NULL},
    {"__setattr__", METHOD, NULL},
    {"__delattr__", METHOD, NULL},
    {"__get__", METHOD, NULL},
    {"__set__", METHOD, NULL},
    {"__delete__", METHOD, NULL},
    /* containers and iteration */
    {"__len__", METHOD, NULL},
    {"__length_hint__", METHOD, NULL},
    {"__getitem__", METHOD, NULL},
    {"__setitem__", METHOD, NULL},
    {"__delitem__", METHOD, NULL},
    {"__missing__", METHOD, NULL},
    {"__contains__", METHOD, NULL},
    {"__iter__", METHOD, NULL},
    {"__next__", METHOD, NULL},
    {"__reversed__", METHOD, NULL},
    /* with, async */
    {"__enter__", METHOD, NULL},
    {"__exit__", METHOD, NULL},
    {"__aenter__", METHOD, NULL},
    {"__aexit__", METHOD, NULL},
    {"__await__", METHOD, NULL},
    {"__aiter__", METHOD, NULL},
    {"__anext__", METHOD, NULL},
    /* arithmetic */
    {"__add__", METHOD, NULL},
    {"__radd__", METHOD, NULL},
    {"__iadd__", METHOD, NULL},
    {"__sub__", METHOD, NULL},
    {"__rsub__", METHOD, NULL},
    {"__isub__", METHOD, NULL},
    {"__mul__", METHOD, NULL},
    {"__rmul__", METHOD, NULL},
    {"__imul__", METHOD, NULL},
    {"__matmul__", METHOD, NULL},
    {"__rmatmul__", METHOD, NULL},
    {"__imatmul__", METHOD, NULL},
    {"__truediv__", METHOD, NULL},
    {"__rtruediv__", METHOD, NULL},
    {"__itruediv__", METHOD, NULL},
    {"__floordiv__", METHOD, NULL},
    {"__rfloordiv__", METHOD, NULL},
    {"__ifloordiv__", METHOD, NULL},
    {"__mod__", METHOD, NULL},
    {"__rmod__", METHOD, NULL},
    {"__imod__", METHOD, NULL},
    {"__divmod__", METHOD, NULL},
    {"__rdivmod__", METHOD, NULL},
    {"__pow__", METHOD, NULL},
    {"__rpow__", METHOD, NULL},
    {"__ipow__", METHOD, NULL},
    {"__lshift__", METHOD, NULL},
    {"__rlshift__", METHOD, NULL},
    {"__ilshift__", METHOD, NULL},
    {"__rshift__", METHOD, NULL},
    {"__rrshift__", METHOD, NULL},
    {"__irshift__", METHOD, NULL},
    {"__and__", METHOD, NULL},
    {"__rand__", METHOD, NULL},
    {"__iand__", METHOD, NULL},
    {"__or__", METHOD, NULL},
    {"__ror__", METHOD, NULL},
    {"__ior__", METHOD, NULL},
    {"__xor__", METHOD, NULL},
    {"__rxor__", METHOD, NULL},
    {"__ixor__", METHOD, NULL},
    {"__neg__", METHOD, NULL},
    {"__pos__", METHOD, NULL},
    {"__abs__", METHOD, NULL},
    {"__invert__", METHOD, NULL},
    {"__complex__", METHOD, NULL},
    {"__int__", METHOD, NULL},
    {"__float__", METHOD, NULL},
    {"__index__", METHOD, NULL},
    {"__round__", METHOD, NULL},
    {"__trunc__", METHOD, NULL},
    {"__floor__", METHOD, NULL},
    {"__ceil__", METHOD, NULL},
    /* methods of Python 2, which Python 3 does not call */
    {"__nonzero__", METHOD, NULL},
    {"__unicode__", METHOD, NULL},
    {"__cmp__", METHOD, NULL},
    {"__div__", METHOD, NULL},
    {"__rdiv__", METHOD, NULL},
    /* copying */
    {"__copy__", METHOD, NULL},
    {"__deepcopy__", METHOD, NULL},
    {"__replace__", METHOD, NULL},
    /* protocols of libraries */
    {"__fspath__", METHOD, NULL},
    {"__html__", METHOD, NULL},
    {"__json__", METHOD, NULL},
    {"__rich__", METHOD, NULL},
    {"__rich_repr__", METHOD, NULL},
    {"__tablename__", METHOD, NULL},
    {"__array__", METHOD, NULL},
    {"__array_ufunc__", METHOD, NULL},
    {"__array_function__", METHOD, NULL},
    {"__array_wrap__", METHOD, NULL},
    {"__array_finalize__", METHOD, NULL},
    {"__array_priority__", METHOD, NULL},
};

static const struct name_row descriptions[] = {
    /* A class whose __module__ names another module has its text annotations evaluated there, so
     * neither __module__ nor the module's own __name__, from which it comes, can be chosen. */
    {"__name__", GET | SET | READ, "A program's __name__ is always '__main__'"},
    {"__module__", GET, "A class or function belongs to the module that defines it"},
    {"__qualname__", GET | SET, NULL},
    {"__doc__", METHOD, NULL},
    {"__class__", GET | READ,
     "__class__ may be read and compared, never assigned: make a new object of the other class"},
    {"__annotations__", GET, "Write annotations where the names are bound"},
    {"__defaults__", GET,
     "Write defaults where the function is defined, or use functools.partial()"},
    {"__type_params__", GET, NULL},
    {"__isabstractmethod__", GET | DEFINE, "Use @abstractmethod"},
    {"__abstractmethods__", GET, "Use @abstractmethod"},
    {"__slots__", GET | READ | DEFINE, "Write __slots__ in the body of the class"},
    {"__match_args__", GET | READ,
     "Write it in the body of a class, as a tuple of plain attribute names: "
     "__match_args__ = (\"x\", \"y\")"},
    {"__members__", GET, "Define the members in the body of the Enum"},
    {"__dataclass_fields__", GET, "Use @dataclass"},
    {"__notes__", GET, "Use add_note()"},
    {"__suppress_context__", GET, "Use raise … from None"},
    {"__debug__", READ, NULL},
    /* typing */
    {"__args__", GET, NULL},
    {"__origin__", GET, NULL},
    {"__parameters__", GET, NULL},
    {"__metadata__", GET, NULL},
    {"__supertype__", GET, NULL},
    {"__bound__", GET, NULL},
    {"__constraints__", GET, NULL},
    {"__covariant__", GET, NULL},
    {"__contravariant__", GET, NULL},
    {"__default__", GET, NULL},
    {"__value__", GET, NULL},
    {"__total__", GET, NULL},
    {"__required_keys__", GET, NULL},
    {"__optional_keys__", GET, NULL},
    {"__forward_arg__", GET, NULL},
    {"__final__", GET, NULL},
};

static const struct name_row module_names[] = {
    {"__all__", GET | READ | DEFINE, NULL},          {"__version__", GET | READ | DEFINE, NULL},
    {"__version_info__", GET | READ | DEFINE, NULL}, {"__author__", GET | READ | DEFINE, NULL},
    {"__authors__", GET | READ | DEFINE, NULL},      {"__email__", GET | READ | DEFINE, NULL},
    {"__maintainer__", GET | READ | DEFINE, NULL},   {"__license__", GET | READ | DEFINE, NULL},
    {"__licence__", GET | READ | DEFINE, NULL},      {"__copyright__", GET | READ | DEFINE, NULL},
    {"__credits__", GET | READ | DEFINE, NULL},      {"__status__", GET | READ | DEFINE, NULL},
    {"__date__", GET | READ | DEFINE, NULL},         {"__created__", GET | READ | DEFINE, NULL},
    {"__title__", GET | READ | DEFINE, NULL},        {"__description__", GET | READ | DEFINE, NULL},
    {"__summary__", GET | READ | DEFINE, NULL},      {"__docformat__", GET | READ | DEFINE, NULL},
    {"__url__", GET | READ | DEFINE, NULL},
};

/* Defining them is harmless and ordinary; reading them off another object is not: called on a class
 * or a module, object.__getstate__ hands out its __dict__. */
static const struct name_row define_only[] = {
    {"__getstate__", DEFINE, NULL},
    {"__setstate__", DEFINE, NULL},
    {"__getnewargs__", DEFINE, NULL},
    {"__getnewargs_ex__", DEFINE, NULL},
};

/* ---- special names that are refused, with something better to say than the default ---- */

#define USE_ISINSTANCE "Ask with isinstance() and issubclass(); type(obj).__name__ gives the name"
#define USE_TRACEBACK  "str(e) gives the message, traceback.format_exc() the whole story as text"
#define USE_CHAIN                                                                                  \
    "traceback.format_exc() tells the whole chain as text; to use the first exception, keep it "   \
    "when it is caught: error.reason = e"
#define USE_OWN_VAR  "Keep the object or the function in a variable of your own"
#define USE_COPY     "Use copy, json or dataclasses.asdict(); __copy__ and __deepcopy__ may be defined"
#define USE_NO_FILES "A program is a text without a file; nothing is to be found beside it"

static const struct name_row refused_special[] = {
    {"__dict__", 0,
     "Use vars(obj) with an object of a class of your own, or getattr() and setattr() by name"},
    {"__subclasses__", 0,
     "Keep a list of your own: __init_subclass__ is called for every subclass"},
    {"__bases__", 0, USE_ISINSTANCE},
    {"__base__", 0, USE_ISINSTANCE},
    {"__mro__", 0, USE_ISINSTANCE},
    {"__orig_bases__", 0, USE_ISINSTANCE},
    {"__globals__", 0, "Pass what a function needs as an argument"},
    {"__builtins__", 0, "Use the builtin functions by their names"},
    {"__import__", 0, "Write an import statement"},
    {"__build_class__", 0, "Write a class statement"},
    {"__code__", 0, "Pass what you need to know of a function as an argument"},
    {"__closure__", 0, "Let the inner function return the value"},
    {"__kwdefaults__", 0, "Pass the value as an argument, or use functools.partial()"},
    {"__func__", 0, USE_OWN_VAR},
    {"__self__", 0, USE_OWN_VAR},
    {"__wrapped__", 0, USE_OWN_VAR " before it is decorated"},
    {"__objclass__", 0, USE_OWN_VAR},
    {"__thisclass__", 0, USE_OWN_VAR},
    {"__self_class__", 0, USE_OWN_VAR},
    {"__getattribute__", 0, "Define __getattr__, which is asked for what is not found"},
    {"__del__", 0, "Release things with a context manager: __enter__ and __exit__"},
    {"__reduce__", 0, USE_COPY},
    {"__reduce_ex__", 0, USE_COPY},
    {"__traceback__", 0, USE_TRACEBACK},
    {"__context__", 0, USE_CHAIN},
    {"__cause__", 0, USE_CHAIN},
    {"__loader__", 0, "Write an import statement"},
    {"__spec__", 0, "Write an import statement"},
    {"__package__", 0, "Write an import statement"},
    {"__file__", 0, USE_NO_FILES},
    {"__path__", 0, USE_NO_FILES},
    {"__cached__", 0, USE_NO_FILES},
    {"__weakref__", 0, "Keep the object itself"},
    {"__annotate__", 0, "Read __annotations__"},
    {"__metaclass__", 0, "Python 3 writes class A(metaclass=M)"},
    {"__array_interface__", 0, "Use the array's methods; its memory is its own"},
    {"__array_struct__", 0, "Use the array's methods; its memory is its own"},
};

/* ---- reflective names without underscores: exactly those of CPython 3.11 to 3.14 ---- */

static const struct name_row reflective[] = {
    /* generators */
    {"gi_code", 0, NULL},
    {"gi_frame", 0, NULL},
    {"gi_running", 0, NULL},
    {"gi_suspended", 0, NULL},
    {"gi_yieldfrom", 0, NULL},
    /* coroutines */
    {"cr_await", 0, NULL},
    {"cr_code", 0, NULL},
    {"cr_frame", 0, NULL},
    {"cr_origin", 0, NULL},
    {"cr_running", 0, NULL},
    {"cr_suspended", 0, NULL},
    /* asynchronous generators */
    {"ag_await", 0, NULL},
    {"ag_code", 0, NULL},
    {"ag_frame", 0, NULL},
    {"ag_running", 0, NULL},
    {"ag_suspended", 0, NULL},
    /* tracebacks */
    {"tb_frame", 0, USE_TRACEBACK},
    {"tb_lasti", 0, USE_TRACEBACK},
    {"tb_lineno", 0, USE_TRACEBACK},
    {"tb_next", 0, USE_TRACEBACK},
    /* frames */
    {"f_back", 0, NULL},
    {"f_builtins", 0, NULL},
    {"f_code", 0, NULL},
    {"f_generator", 0, NULL},
    {"f_globals", 0, NULL},
    {"f_lasti", 0, NULL},
    {"f_lineno", 0, NULL},
    {"f_locals", 0, NULL},
    {"f_trace", 0, NULL},
    {"f_trace_lines", 0, NULL},
    {"f_trace_opcodes", 0, NULL},
    /* code objects */
    {"co_argcount", 0, NULL},
    {"co_branches", 0, NULL},
    {"co_cellvars", 0, NULL},
    {"co_code", 0, NULL},
    {"co_consts", 0, NULL},
    {"co_exceptiontable", 0, NULL},
    {"co_filename", 0, NULL},
    {"co_firstlineno", 0, NULL},
    {"co_flags", 0, NULL},
    {"co_freevars", 0, NULL},
    {"co_kwonlyargcount", 0, NULL},
    {"co_lines", 0, NULL},
    {"co_linetable", 0, NULL},
    {"co_lnotab", 0, NULL},
    {"co_name", 0, NULL},
    {"co_names", 0, NULL},
    {"co_nlocals", 0, NULL},
    {"co_positions", 0, NULL},
    {"co_posonlyargcount", 0, NULL},
    {"co_qualname", 0, NULL},
    {"co_stacksize", 0, NULL},
    {"co_varnames", 0, NULL},
    {"_co_code_adaptive", 0, NULL},
    {"_varname_from_oparg", 0, NULL},
    /* cells and classes */
    {"cell_contents", 0, NULL},
    {"mro", 0, USE_ISINSTANCE},
    /* functions and methods as Python 2 named them */
    {"func_closure", 0, NULL},
    {"func_code", 0, NULL},
    {"func_defaults", 0, NULL},
    {"func_dict", 0, NULL},
    {"func_globals", 0, NULL},
    {"im_class", 0, NULL},
    {"im_func", 0, NULL},
    {"im_self", 0, NULL},
};

/* ---- builtin functions ---- */

static const struct name_row refused_builtins[] = {
    {"eval", 0, "Compute the value directly; json.loads() reads data from text"},
    {"exec", 0, "Put the code into the program itself"},
    {"compile", 0,
     "Put the code into the program itself; re.compile() is something else and works"},
    {"input", 0, "A program has no keyboard: assign the value in the program"},
    {"breakpoint", 0, "There is no debugger: print what you want to see"},
    {"help", 0, "There is no terminal to read it on: print what you want to see"},
    {"globals", 0, "Keep values in a dict of your own"},
    {"locals", 0, "Name the variables, or keep values in a dict of your own"},
    {"vars", 0, "Call it directly with one object of a class of your own: vars(obj)"},
    {"open", 0,
     "Files need SANDBOX_ENABLE_FILESYSTEM=true; io.StringIO and io.BytesIO work without"},
};
_Static_assert(ARRAY_LEN(refused_builtins) <= POLICY_MAX_BUILTINS, "a set of them is a bit mask");

const struct name_section name_sections[] = {
    {NAME_SPECIAL, "Special methods",
     "A program may define, call and assign these, as the language reference describes them.",
     special_name_remedy, methods, ARRAY_LEN(methods)},
    {NAME_SPECIAL, "What objects tell about themselves",
     "Harmless facts. Each may be used as the table says and in no other way.", special_name_remedy,
     descriptions, ARRAY_LEN(descriptions)},
    {NAME_SPECIAL, "What a module tells about itself",
     "Written at the top of many programs, and read from libraries.", special_name_remedy,
     module_names, ARRAY_LEN(module_names)},
    {NAME_SPECIAL, "Defined, but not called by hand",
     "Python and its libraries call these; a program may only define them.",
     "A class may define it; the program does not call or read it", define_only,
     ARRAY_LEN(define_only)},
    {NAME_SPECIAL, "Refused special names",
     "Every special name that is not listed above is refused. These are the ones with something "
     "better to offer.",
     special_name_remedy, refused_special, ARRAY_LEN(refused_special)},
    {NAME_REFLECTIVE, "Refused attributes without underscores",
     "They lead from generators, coroutines, tracebacks and functions to frames, code and globals. "
     "Exactly these names are refused, as attributes only: a local variable, an argument or a "
     "function of such a name is fine, and so is `self.f_score`.",
     "Python keeps frames and code under this name; choose another", reflective,
     ARRAY_LEN(reflective)},
    {NAME_BUILTIN, "Refused builtin functions",
     "Refused where the name means Python's own function. A program that binds the name itself (an "
     "argument `input`, a variable `open`, a method `compile`) uses its own.",
     "", refused_builtins, ARRAY_LEN(refused_builtins)},
};
const size_t name_sections_len = ARRAY_LEN(name_sections);

/* ---- syntax: every kind of node of CPython 3.11 to 3.14 ---- */

const struct node_rule node_rules[] = {
    {"Module", "body -type_ignores", NODE_MODULE, 0},
    {"Expression", "body", NODE_MODULE, 0},
    /* statements */
    {"FunctionDef", "=name args body decorator_list returns -type_comment type_params",
     NODE_FUNCTION, 0},
    {"AsyncFunctionDef", "=name args body decorator_list returns -type_comment type_params",
     NODE_FUNCTION, 0},
    {"ClassDef", "=name bases keywords body decorator_list type_params", NODE_CLASS, 0},
    {"Return", "value", NODE_PLAIN, 0},
    {"Delete", "targets", NODE_PLAIN, 0},
    {"Assign", "targets value -type_comment", NODE_ASSIGN, 0},
    {"TypeAlias", "name type_params value", NODE_PLAIN, 0},
    {"AugAssign", "target -op value", NODE_PLAIN, 0},
    {"AnnAssign", "target annotation value -simple", NODE_ASSIGN, 0},
    {"For", "target iter body orelse -type_comment", NODE_PLAIN, 1},
    {"AsyncFor", "target iter body orelse -type_comment", NODE_PLAIN, 1},
    {"While", "test body orelse", NODE_PLAIN, 1},
    {"If", "test body orelse", NODE_PLAIN, 1},
    {"With", "items body -type_comment", NODE_PLAIN, 0},
    {"AsyncWith", "items body -type_comment", NODE_PLAIN, 0},
    {"Match", "subject cases", NODE_PLAIN, 0},
    {"Raise", "exc cause", NODE_PLAIN, 0},
    {"Try", "body handlers orelse finalbody", NODE_PLAIN, 0},
    {"TryStar", "body handlers orelse finalbody", NODE_PLAIN, 0},
    {"Assert", "test msg", NODE_PLAIN, 1},
    {"Import", "names", NODE_IMPORT, 0},
    {"ImportFrom", "=module names -level", NODE_IMPORT_FROM, 0},
    {"Global", "=names", NODE_GLOBAL, 0},
    {"Nonlocal", "=names", NODE_PLAIN, 0},
    {"Expr", "value", NODE_PLAIN, 0},
    {"Pass", "", NODE_PLAIN, 0},
    {"Break", "", NODE_PLAIN, 0},
    {"Continue", "", NODE_PLAIN, 0},
    /* expressions */
    {"BoolOp", "-op values", NODE_BOOL_OP, 0},
    {"NamedExpr", "target value", NODE_NAMED_EXPR, 0},
    {"BinOp", "left -op right", NODE_PLAIN, 0},
    {"UnaryOp", "-op operand", NODE_PLAIN, 0},
    {"Lambda", "args body", NODE_LAMBDA, 0},
    {"IfExp", "test body orelse", NODE_PLAIN, 1},
    {"Dict", "keys values", NODE_PLAIN, 0},
    {"Set", "elts", NODE_PLAIN, 0},
    {"ListComp", "elt generators", NODE_COMPREHENSION, 0},
    {"SetComp", "elt generators", NODE_COMPREHENSION, 0},
    {"DictComp", "key value generators", NODE_COMPREHENSION, 0},
    {"GeneratorExp", "elt generators", NODE_COMPREHENSION, 0},
    {"Await", "value", NODE_PLAIN, 0},
    {"Yield", "value", NODE_PLAIN, 0},
    {"YieldFrom", "value", NODE_PLAIN, 0},
    {"Compare", "left -ops comparators", NODE_PLAIN, 0},
    {"Call", "func args keywords", NODE_CALL, 0},
    {"FormattedValue", "value -conversion format_spec", NODE_PLAIN, 0},
    {"Interpolation", "value -str -conversion format_spec", NODE_PLAIN, 0},
    {"JoinedStr", "values", NODE_PLAIN, 0},
    {"TemplateStr", "values", NODE_PLAIN, 0},
    {"Constant", "-value -kind", NODE_PLAIN, 0},
    {"Attribute", "value =attr -ctx", NODE_ATTRIBUTE, 0},
    {"Subscript", "value slice -ctx", NODE_PLAIN, 0},
    {"Starred", "value -ctx", NODE_PLAIN, 0},
    {"Name", "=id -ctx", NODE_NAME, 0},
    {"List", "elts -ctx", NODE_PLAIN, 0},
    {"Tuple", "elts -ctx", NODE_PLAIN, 0},
    {"Slice", "lower upper step", NODE_PLAIN, 0},
    /* parts of them */
    {"comprehension", "target iter ifs -is_async", NODE_GENERATOR, 1},
    {"ExceptHandler", "type =name body", NODE_PLAIN, 1},
    {"arguments", "posonlyargs args vararg kwonlyargs kw_defaults kwarg defaults", NODE_NOT_VISITED,
     0},
    {"arg", "=arg annotation -type_comment", NODE_NOT_VISITED, 0},
    {"keyword", "=arg value", NODE_KEYWORD, 0},
    {"alias", "=name =asname", NODE_NOT_VISITED, 0},
    {"withitem", "context_expr optional_vars", NODE_PLAIN, 0},
    /* patterns */
    {"match_case", "pattern guard body", NODE_MATCH_CASE, 0},
    {"MatchValue", "value", NODE_PLAIN, 0},
    {"MatchSingleton", "-value", NODE_PLAIN, 0},
    {"MatchSequence", "patterns", NODE_PLAIN, 0},
    {"MatchMapping", "keys patterns =rest", NODE_PLAIN, 0},
    {"MatchClass", "cls patterns =kwd_attrs kwd_patterns", NODE_MATCH_CLASS, 0},
    {"MatchStar", "=name", NODE_PLAIN, 0},
    {"MatchAs", "pattern =name", NODE_PLAIN, 0},
    {"MatchOr", "patterns", NODE_PLAIN, 0},
    /* type parameters */
    {"TypeVar", "=name bound default_value", NODE_PLAIN, 0},
    {"ParamSpec", "=name default_value", NODE_PLAIN, 0},
    {"TypeVarTuple", "=name default_value", NODE_PLAIN, 0},
};
const size_t node_rules_len = ARRAY_LEN(node_rules);

const struct rule_row rule_rows[RULES] = {
    [RULE_IMPORT] = {"import",
                     "A module that is not permitted, in any form of import and in any place; a "
                     "name that a permitted module withholds; relative imports.",
                     "import os", "import math"},
    [RULE_BUILTIN] = {"builtin", "A builtin function that a program cannot have.",
                      "n = eval(\"2 + 2\")", "n = 2 + 2"},
    [RULE_NAME] = {"name",
                   "A special name that is read, or bound by any means: assignment, definition, "
                   "argument, import, except, match, global, type parameter.",
                   "print(__builtins__)", "print(__name__)"},
    [RULE_ATTRIBUTE] =
        {"attribute",
         "An attribute that leads to code, frames, globals or the class graph, and "
         "any special name not on the list; also names bound in the body of a class, "
         "which become attributes.",
         "print(f.__globals__)", "print(f.__name__)"},
    [RULE_KEYWORD] = {"keyword",
                      "The same names as keyword of a call, of a class statement or of a class "
                      "pattern.",
                      "match f:\n    case object(__globals__=g): print(g)",
                      "match f:\n    case object(__name__=n): print(n)"},
    [RULE_PATTERN] = {"pattern",
                      "A positional class pattern on a class whose __match_args__ cannot be known: "
                      "anything but builtin types, dataclasses, NamedTuples, imported classes, and "
                      "classes that the program defines with a literal __match_args__, and that no "
                      "decorator or metaclass can have replaced.",
                      "def f(cls, x):\n    match x:\n        case cls(a): return a",
                      "match x:\n    case int(a): print(a)"},
    [RULE_MATCH_ARGS] = {"match-args",
                         "A __match_args__ that is not a literal tuple of harmless names in the "
                         "body of a class.",
                         "class A:\n    __match_args__ = (\"__globals__\",)",
                         "class A:\n    __match_args__ = (\"x\", \"y\")"},
    [RULE_SYNTAX] = {"syntax",
                     "A kind of syntax that this version of Vivarium does not know: what has not "
                     "been judged is not passed.",
                     NULL, NULL},
};
