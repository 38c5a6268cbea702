/* Which classes are known, in the sense of policy_patterns.c: nobody but the program's own literals
 * and the standard library decides their __match_args__. Runs in the worker over a hostile program:
 * a name counts for what it is only if every binding of it, anywhere in the program, agrees. Errors
 * (memory) make a class unknown and leave an exception, which pattern_resolve() reports. */
#include "python/policy_classes.h"

#include <string.h>

/* A chain of classes longer than this is not followed: its end counts as unknown. */
#define CLASS_DEPTH_MAX 50

/* ---- names ---- */

/* The last name of `Name` or `pkg.mod.Name`, of `Name[T]` too. NULL: something else, or exception.
 */
PyObject *class_last_name(PyObject *node)
{
    if (ast_is(node, "Subscript") && !(node = ast_field(node, ast_str.value)))
        return NULL;
    if (ast_is(node, "Name"))
        return ast_field(node, ast_str.id);
    return ast_is(node, "Attribute") ? ast_field(node, ast_str.attr) : NULL;
}

static bool name_in(PyObject *name, const char *const *list)
{
    for (; name && *list; list++)
        if (PyUnicode_CompareWithASCIIString(name, *list) == 0)
            return true;
    return false;
}

static const char *const self_matching[] = {"bool",  "bytearray", "bytes", "dict",
                                            "float", "frozenset", "int",   "list",
                                            "set",   "str",       "tuple", NULL};
static const char *const tuple_makers[] = {"namedtuple", "NamedTuple", NULL};
static const char *const dataclass_maker[] = {"dataclass", NULL};
static const char *const dataclass_function[] = {"make_dataclass", NULL};
static const char *const partial_maker[] = {"partial", NULL};
static const char *const plain_metaclasses[] = {"ABCMeta", "EnumMeta", "EnumType", NULL};
static const char *const metaclasses[] = {"type", "ABCMeta", "EnumMeta", "EnumType", NULL};

/* Every binding of @name is accepted by @accept. */
static bool all_bindings(struct bindings *b, PyObject *name,
                         bool (*accept)(struct bindings *, PyObject *))
{
    PyObject *list = name ? PyDict_GetItemWithError(b->of, name) : NULL;
    if (!list)
        return false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++)
        if (!accept(b, PyList_GET_ITEM(list, i)))
            return false;
    return true;
}

static bool accept_import(struct bindings *b, PyObject *source)
{
    (void)b;
    return source != Py_None && ast_is(source, "alias");
}

/* The first name of `pkg.mod.Name`. */
static PyObject *first_name(PyObject *node)
{
    while (node && ast_is(node, "Attribute"))
        node = ast_field(node, ast_str.value);
    return node && ast_is(node, "Name") ? ast_field(node, ast_str.id) : NULL;
}

/* Does nothing but a star import, if there is one, bind @name? */
static bool from_star_import(struct bindings *b, PyObject *name)
{
    PyObject *star = PyUnicode_FromString("*");
    bool yes = name && star && !PyDict_GetItemWithError(b->of, name) &&
               PyDict_GetItemWithError(b->of, star);
    Py_XDECREF(star);
    return yes;
}

bool classes_library_name(struct bindings *b, PyObject *node, const char *const *list)
{
    PyObject *name = class_last_name(node);
    if (!name)
        return false;
    if (ast_is(node, "Attribute"))
        return name_in(name, list) && all_bindings(b, first_name(node), accept_import);
    PyObject *sources = PyDict_GetItemWithError(b->of, name);
    if (!sources)
        return name_in(name, list) && from_star_import(b, name);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(sources); i++) {
        PyObject *source = PyList_GET_ITEM(sources, i);
        if (!accept_import(b, source) || !name_in(ast_field(source, ast_str.name), list))
            return false;
    }
    return true;
}

static bool calls_library(struct bindings *b, PyObject *node, const char *const *list)
{
    PyObject *func = ast_is(node, "Call") ? ast_field(node, ast_str.func) : NULL;
    return func && classes_library_name(b, func, list);
}

/* ---- known classes ---- */

/* Has the Call a keyword @name? */
static bool has_keyword(PyObject *node, const char *name)
{
    Py_ssize_t n = 0;
    PyObject *keywords = ast_list(node, ast_str.keywords, &n);
    for (Py_ssize_t i = 0; keywords && i < n; i++) {
        PyObject *arg = ast_field(PyList_GET_ITEM(keywords, i), ast_str.arg);
        /* **options may hide it */
        if (arg && (arg == Py_None || PyUnicode_CompareWithASCIIString(arg, name) == 0))
            return true;
    }
    return false;
}

/* `dataclass`, `dataclasses.dataclass`, `dataclass(frozen=True)`, `partial(dataclass, …)`; not with
 * match_args=…, which leaves __match_args__ to whoever else provides one. */
static bool is_dataclass_maker(struct bindings *b, PyObject *node)
{
    if (!ast_is(node, "Call"))
        return classes_library_name(b, node, dataclass_maker);
    if (has_keyword(node, "match_args"))
        return false;
    if (calls_library(b, node, dataclass_maker))
        return true;
    Py_ssize_t n = 0;
    PyObject *args = ast_list(node, ast_str.args, &n);
    return args && n > 0 && calls_library(b, node, partial_maker) &&
           classes_library_name(b, PyList_GET_ITEM(args, 0), dataclass_maker);
}

/* `make_dataclass("Point", ["x", "y"])`, with nothing that could bring another __match_args__. */
static bool makes_dataclass(struct bindings *b, PyObject *node)
{
    return calls_library(b, node, dataclass_function) && !has_keyword(node, "bases") &&
           !has_keyword(node, "namespace");
}

static bool accept_dataclass_maker(struct bindings *b, PyObject *source)
{
    return source != Py_None && is_dataclass_maker(b, source);
}

bool classes_dataclass_maker(struct bindings *b, PyObject *node)
{
    return is_dataclass_maker(b, node) ||
           (ast_is(node, "Name") && all_bindings(b, class_last_name(node), accept_dataclass_maker));
}

static bool decorated_as_dataclass(struct bindings *b, PyObject *node)
{
    Py_ssize_t n = 0;
    PyObject *list = ast_list(node, ast_str.decorator_list, &n);
    for (Py_ssize_t i = 0; list && i < n; i++)
        if (classes_dataclass_maker(b, PyList_GET_ITEM(list, i)))
            return true;
    return false;
}

/* Has the body an own __match_args__? It is literal, or the program is refused anyway. */
static bool has_own_match_args(PyObject *node)
{
    Py_ssize_t n = 0;
    PyObject *body = ast_list(node, ast_str.body, &n);
    for (Py_ssize_t i = 0; body && i < n; i++) {
        PyObject *statement = PyList_GET_ITEM(body, i);
        PyObject *target = NULL;
        if (ast_is(statement, "AnnAssign")) {
            target = ast_field(statement, ast_str.target);
        } else if (ast_is(statement, "Assign")) {
            PyObject *targets = ast_field(statement, ast_str.targets);
            target = targets && PyList_GET_SIZE(targets) == 1 ? PyList_GET_ITEM(targets, 0) : NULL;
        }
        PyObject *value = target ? ast_field(statement, ast_str.value) : NULL;
        PyObject *name = target && ast_is(target, "Name") ? ast_field(target, ast_str.id) : NULL;
        if (value && value != Py_None && name && name_eq(name, ast_str.__match_args__))
            return true;
    }
    return false;
}

static bool has_plain_metaclass(struct bindings *b, PyObject *node)
{
    Py_ssize_t n = 0;
    PyObject *keywords = ast_list(node, ast_str.keywords, &n);
    for (Py_ssize_t i = 0; keywords && i < n; i++) {
        PyObject *arg = ast_field(PyList_GET_ITEM(keywords, i), ast_str.arg);
        PyObject *value = ast_field(PyList_GET_ITEM(keywords, i), ast_str.value);
        if (!arg || !value || arg == Py_None)
            return false;
        if (PyUnicode_CompareWithASCIIString(arg, "metaclass") == 0 &&
            !classes_library_name(b, value, plain_metaclasses))
            return false;
    }
    return keywords != NULL;
}

static bool name_is_known(struct bindings *b, PyObject *name);

static bool base_is_known(struct bindings *b, PyObject *base)
{
    if (calls_library(b, base, tuple_makers) || classes_library_name(b, base, tuple_makers))
        return true;
    PyObject *name = class_last_name(base);
    return name && name_is_known(b, name);
}

/* ---- classes that are what their statement says, and whose metaclass is the library's ---- */

static bool class_is_ordinary(struct bindings *b, PyObject *node);
static bool base_is_ordinary(struct bindings *b, PyObject *base);

static bool accept_ordinary(struct bindings *b, PyObject *source)
{
    if (source == Py_None)
        return false;
    if (ast_is(source, "alias"))
        return true;
    if (ast_is(source, "ClassDef"))
        return class_is_ordinary(b, source);
    if (ast_is(source, "Name"))
        return base_is_ordinary(b, source);
    return calls_library(b, source, tuple_makers) || makes_dataclass(b, source);
}

static bool base_is_ordinary(struct bindings *b, PyObject *base)
{
    if (calls_library(b, base, tuple_makers))
        return true;
    if (ast_is(base, "Subscript") && !(base = ast_field(base, ast_str.value)))
        return false;
    PyObject *name = class_last_name(base);
    if (!name)
        return false;
    if (ast_is(base, "Attribute"))
        return all_bindings(b, first_name(base), accept_import);
    if (!PyDict_GetItemWithError(b->of, name))
        return true; /* a builtin class, or one of a star import */
    return bindings_judge(b, b->ordinary, name, accept_ordinary);
}

static bool class_is_ordinary(struct bindings *b, PyObject *node)
{
    if (!has_plain_metaclass(b, node) || !decorators_harmless(b, node))
        return false;
    Py_ssize_t n = 0;
    PyObject *bases = ast_list(node, ast_str.bases, &n);
    for (Py_ssize_t i = 0; bases && i < n; i++)
        if (!base_is_ordinary(b, PyList_GET_ITEM(bases, i)))
            return false;
    return bases != NULL;
}

/* ---- known classes, all in all ---- */

static bool class_is_known(struct bindings *b, PyObject *node)
{
    if (!class_is_ordinary(b, node))
        return false;
    if (has_own_match_args(node) || decorated_as_dataclass(b, node))
        return true;
    Py_ssize_t n = 0;
    PyObject *bases = ast_list(node, ast_str.bases, &n);
    for (Py_ssize_t i = 0; bases && i < n; i++)
        if (base_is_known(b, PyList_GET_ITEM(bases, i)))
            return true;
    return false;
}

static bool accept_class(struct bindings *b, PyObject *source)
{
    if (source == Py_None)
        return false;
    if (ast_is(source, "ClassDef"))
        return class_is_known(b, source);
    if (ast_is(source, "alias"))
        return true;
    if (ast_is(source, "Call"))
        return calls_library(b, source, tuple_makers) || makes_dataclass(b, source);
    return ast_is(source, "Name") && name_is_known(b, class_last_name(source));
}

bool bindings_judge(struct bindings *b, PyObject *verdicts, PyObject *name,
                    bool (*accept)(struct bindings *, PyObject *))
{
    PyObject *verdict = PyDict_GetItemWithError(verdicts, name);
    if (verdict)
        return verdict == Py_True;
    if (b->depth >= CLASS_DEPTH_MAX || PyDict_SetItem(verdicts, name, Py_False) < 0)
        return false;
    b->depth++;
    bool yes = all_bindings(b, name, accept);
    b->depth--;
    return yes && PyDict_SetItem(verdicts, name, Py_True) == 0;
}

static bool name_is_known(struct bindings *b, PyObject *name)
{
    return bindings_judge(b, b->known, name, accept_class);
}

/* ---- metaclasses that could invent a __match_args__ ---- */

static bool class_is_plain(struct bindings *b, PyObject *node);

/* Does this binding of the name of a base class make something that is certainly no metaclass? */
static bool accept_plain_base(struct bindings *b, PyObject *source)
{
    if (source == Py_None)
        return false;
    if (ast_is(source, "alias"))
        return !name_in(ast_field(source, ast_str.name), metaclasses);
    if (ast_is(source, "ClassDef"))
        return class_is_plain(b, source);
    return calls_library(b, source, tuple_makers);
}

static bool base_is_plain(struct bindings *b, PyObject *base)
{
    if (calls_library(b, base, tuple_makers))
        return true;
    PyObject *name = class_last_name(base);
    if (!name || name_in(name, metaclasses))
        return false;
    if (!PyDict_GetItemWithError(b->of, name))
        return true; /* a builtin class, or an attribute of an imported module */
    return bindings_judge(b, b->plain, name, accept_plain_base);
}

static bool class_is_plain(struct bindings *b, PyObject *node)
{
    Py_ssize_t n = 0;
    PyObject *bases = ast_list(node, ast_str.bases, &n);
    for (Py_ssize_t i = 0; bases && i < n; i++)
        if (!base_is_plain(b, PyList_GET_ITEM(bases, i)))
            return false;
    return bases != NULL;
}

bool classes_tainted(const struct walk *w, struct bindings *b)
{
    for (size_t i = 0; i < w->hooked_len; i++)
        if (!class_is_plain(b, w->hooked[i]))
            return true;
    return w->tainted;
}

/* ---- what the patterns ask ---- */

bool classes_know(struct bindings *b, PyObject *cls, bool tainted)
{
    PyObject *name = class_last_name(cls);
    if (!name)
        return false;
    if (ast_is(cls, "Name") && name_in(name, self_matching) &&
        !PyDict_GetItemWithError(b->of, name))
        return true;
    if (tainted)
        return false;
    if (ast_is(cls, "Attribute") && all_bindings(b, first_name(cls), accept_import) &&
        !PyDict_GetItemWithError(b->of, name))
        return true;
    return from_star_import(b, name) || name_is_known(b, name);
}
