/* Class patterns. `case C(name=x)` reads an attribute, so the keyword is judged like one. `case C(x)`
 * reads the attribute that C.__match_args__ names, so C must be a class whose __match_args__ is
 * known: `match f: case Evil(g)` would read f.__globals__ if Evil said so, and Evil's metaclass can
 * make every object its instance. Known are builtin types, imported classes, dataclasses,
 * NamedTuples, and classes with a literal __match_args__ or derived from one of these.
 *
 * Runs in the worker over a hostile program. Where a program has positional class patterns at all,
 * a second pass collects what binds each name; a class is known only if every binding of its name,
 * anywhere in the program, makes a known class. A program that can invent a __match_args__ (a
 * metaclass with __getattr__, a __prepare__) has no known classes of its own. */
#include "python/policy_walk.h"

#include <string.h>

int pattern_class(struct walk *w, PyObject *node)
{
    Py_ssize_t n = 0;
    Py_ssize_t nkeywords = 0;
    Py_ssize_t npatterns = 0;
    PyObject *positional = ast_list(node, ast_str.patterns, &n);
    PyObject *keywords = ast_list(node, ast_str.kwd_attrs, &nkeywords);
    PyObject *patterns = ast_list(node, ast_str.kwd_patterns, &npatterns);
    if (!positional || !keywords || !patterns)
        return -1;
    for (Py_ssize_t i = 0; i < nkeywords; i++) {
        PyObject *near = i < npatterns ? PyList_GET_ITEM(patterns, i) : node;
        PyObject *name = PyList_GET_ITEM(keywords, i);
        if (report_attribute(w, RULE_KEYWORD, near, AT_START, name, USE_GET) < 0)
            return -1;
    }
    if (n == 0)
        return 0;
    if (WALK_GROW(w->patterns, w->patterns_len, w->patterns_cap) < 0)
        return -1;
    w->patterns[w->patterns_len++] = node;
    return 0;
}

int pattern_literal_args(PyObject *value)
{
    if (!ast_is(value, "Tuple"))
        return 0;
    Py_ssize_t n = 0;
    PyObject *elts = ast_list(value, ast_str.elts, &n);
    if (!elts)
        return -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PyList_GET_ITEM(elts, i);
        if (!ast_is(item, "Constant"))
            return 0;
        PyObject *name = ast_field(item, ast_str.value);
        if (!name)
            return -1;
        if (!PyUnicode_Check(name) || !names_permit(name, names_find(name), USE_GET, true))
            return 0;
    }
    return 1;
}

/* A chain of classes longer than this is not followed: its end counts as unknown. */
#define CLASS_DEPTH_MAX 50

static const char pattern_remedy[] =
    "Name the attributes: case Point(x=a, y=b); or give the class a literal __match_args__";

/* ---- what binds each name ---- */

struct bindings {
    PyObject *of;    /* dict: name → list of what binds it: a node, or None for anything else */
    PyObject *known; /* dict: name → bool, classes judged so far; False while being judged */
    PyObject *plain; /* the same for: is it certainly no metaclass? */
    unsigned depth;  /* of classes derived from classes, while judging */
};

static int bindings_add(struct bindings *b, PyObject *name, PyObject *source)
{
    PyObject *list = PyDict_GetItemWithError(b->of, name);
    if (list)
        return PyList_Append(list, source);
    list = PyErr_Occurred() ? NULL : PyList_New(0);
    int rc = list ? PyList_Append(list, source) : -1;
    if (rc == 0)
        rc = PyDict_SetItem(b->of, name, list);
    Py_XDECREF(list);
    return rc;
}

static int bindings_add_value(struct bindings *b, PyObject *value)
{
    if (!value)
        return -1;
    if (PyUnicode_Check(value))
        return bindings_add(b, value, Py_None);
    if (!PyList_Check(value))
        return 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(value); i++)
        if (PyUnicode_Check(PyList_GET_ITEM(value, i)) &&
            bindings_add(b, PyList_GET_ITEM(value, i), Py_None) < 0)
            return -1;
    return 0;
}

struct node_stack {
    PyObject **items;
    size_t len, cap;
};

static int stack_push(struct node_stack *s, PyObject *value)
{
    if (!value)
        return -1;
    if (PyList_Check(value)) {
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(value); i++)
            if (stack_push(s, PyList_GET_ITEM(value, i)) < 0)
                return -1;
        return 0;
    }
    if (value == Py_None || !ast_plan(value))
        return 0;
    if (WALK_GROW(s->items, s->len, s->cap) < 0)
        return -1;
    s->items[s->len++] = value;
    return 0;
}

/* One target of a plain assignment; anything but a single name is an ordinary part. */
static int bindings_target(struct bindings *b, struct node_stack *s, PyObject *target,
                           PyObject *value)
{
    const struct node_plan *plan = ast_plan(target);
    if (!plan || plan->rule->kind != NODE_NAME)
        return stack_push(s, target);
    PyObject *name = ast_field(target, ast_str.id);
    return name ? bindings_add(b, name, value) : -1;
}

static int bindings_assign(struct bindings *b, struct node_stack *s, PyObject *node)
{
    PyObject *value = ast_field(node, ast_str.value);
    if (stack_push(s, value) < 0)
        return -1;
    if (ast_is(node, "AnnAssign")) {
        PyObject *target = ast_field(node, ast_str.target);
        if (!target || stack_push(s, ast_field(node, ast_str.annotation)) < 0)
            return -1;
        return value == Py_None ? 0 : bindings_target(b, s, target, value);
    }
    Py_ssize_t n = 0;
    PyObject *targets = ast_list(node, ast_str.targets, &n);
    if (!targets)
        return -1;
    for (Py_ssize_t i = 0; i < n; i++)
        if (bindings_target(b, s, PyList_GET_ITEM(targets, i), value) < 0)
            return -1;
    return 0;
}

static int bindings_imports(struct bindings *b, PyObject *node)
{
    Py_ssize_t n = 0;
    PyObject *names = ast_list(node, ast_str.names, &n);
    if (!names)
        return -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *alias = PyList_GET_ITEM(names, i);
        PyObject *name = ast_field(alias, ast_str.asname);
        if (name == Py_None)
            name = ast_field(alias, ast_str.name);
        if (!name || bindings_add(b, name, alias) < 0)
            return -1;
    }
    return 0;
}

/* A Name or an Attribute: being read binds nothing. */
static int bindings_store(struct bindings *b, PyObject *node, PyObject *field)
{
    int load = ast_is_load(node);
    if (load != 0)
        return load < 0 ? -1 : 0;
    return bindings_add_value(b, ast_field(node, field));
}

static int bindings_plain(struct bindings *b, struct node_stack *s, const struct node_plan *plan,
                          PyObject *node)
{
    for (size_t i = 0; i < plan->len; i++) {
        PyObject *value = ast_field(node, plan->fields[i].name);
        int rc = plan->fields[i].kind == FIELD_PARTS ? stack_push(s, value)
                                                     : bindings_add_value(b, value);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int bindings_node(struct bindings *b, struct node_stack *s, PyObject *node)
{
    const struct node_plan *plan = ast_plan(node);
    PyObject *name;
    switch (plan->rule->kind) {
    case NODE_ASSIGN:
        return bindings_assign(b, s, node);
    case NODE_IMPORT:
    case NODE_IMPORT_FROM:
        return bindings_imports(b, node);
    case NODE_NAME:
        return bindings_store(b, node, ast_str.id);
    case NODE_ATTRIBUTE:
        if (stack_push(s, ast_field(node, ast_str.value)) < 0)
            return -1;
        return bindings_store(b, node, ast_str.attr);
    case NODE_KEYWORD: /* binds nothing here */
        return stack_push(s, ast_field(node, ast_str.value));
    case NODE_MATCH_CLASS:
        if (stack_push(s, ast_field(node, ast_str.patterns)) < 0)
            return -1;
        return stack_push(s, ast_field(node, ast_str.kwd_patterns));
    case NODE_CLASS:
        name = ast_field(node, ast_str.name);
        if (!name || bindings_add(b, name, node) < 0)
            return -1;
        if (stack_push(s, ast_field(node, ast_str.bases)) < 0 ||
            stack_push(s, ast_field(node, ast_str.keywords)) < 0 ||
            stack_push(s, ast_field(node, ast_str.decorator_list)) < 0)
            return -1;
        return stack_push(s, ast_field(node, ast_str.body));
    default:
        return bindings_plain(b, s, plan, node);
    }
}

static int bindings_collect(struct bindings *b, PyObject *module)
{
    struct node_stack s = {0};
    int rc = stack_push(&s, ast_field(module, ast_str.body));
    while (rc == 0 && s.len > 0)
        rc = bindings_node(b, &s, s.items[--s.len]);
    free(s.items);
    return rc;
}

/* ---- which classes are known ---- */

/* The last name of `Name` or `pkg.mod.Name`, of `Name[T]` too. NULL: something else, or exception. */
static PyObject *last_name(PyObject *node)
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

static const char *const self_matching[] = {"bool",  "bytearray", "bytes", "dict", "float",
                                            "frozenset", "int",   "list",  "set",  "str",
                                            "tuple", NULL};
static const char *const tuple_makers[] = {"namedtuple", "NamedTuple", NULL};
static const char *const dataclass_maker[] = {"dataclass", NULL};
static const char *const dataclass_function[] = {"make_dataclass", NULL};
static const char *const partial_maker[] = {"partial", NULL};
static const char *const plain_metaclasses[] = {"ABCMeta", "EnumMeta", "EnumType", NULL};
static const char *const metaclasses[] = {"type", "ABCMeta", "EnumMeta", "EnumType", NULL};

/* The function that a Call calls, by its last name. NULL: no call, or no name. */
static PyObject *called_name(PyObject *node)
{
    PyObject *func = ast_is(node, "Call") ? ast_field(node, ast_str.func) : NULL;
    return func ? last_name(func) : NULL;
}

static bool makes_named_tuple(PyObject *node)
{
    return name_in(called_name(node), tuple_makers);
}

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
static bool is_dataclass_maker(PyObject *node)
{
    if (!ast_is(node, "Call"))
        return name_in(last_name(node), dataclass_maker);
    if (has_keyword(node, "match_args"))
        return false;
    PyObject *called = called_name(node);
    if (name_in(called, dataclass_maker))
        return true;
    Py_ssize_t n = 0;
    PyObject *args = ast_list(node, ast_str.args, &n);
    return args && n > 0 && name_in(called, partial_maker) &&
           name_in(last_name(PyList_GET_ITEM(args, 0)), dataclass_maker);
}

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

static bool accept_dataclass_maker(struct bindings *b, PyObject *source)
{
    (void)b;
    return source != Py_None && is_dataclass_maker(source);
}

static bool decorated_as_dataclass(struct bindings *b, PyObject *node)
{
    Py_ssize_t n = 0;
    PyObject *list = ast_list(node, ast_str.decorator_list, &n);
    for (Py_ssize_t i = 0; list && i < n; i++) {
        PyObject *decorator = PyList_GET_ITEM(list, i);
        if (is_dataclass_maker(decorator))
            return true;
        if (ast_is(decorator, "Name") &&
            all_bindings(b, last_name(decorator), accept_dataclass_maker))
            return true;
    }
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

static bool has_plain_metaclass(PyObject *node)
{
    Py_ssize_t n = 0;
    PyObject *keywords = ast_list(node, ast_str.keywords, &n);
    for (Py_ssize_t i = 0; keywords && i < n; i++) {
        PyObject *arg = ast_field(PyList_GET_ITEM(keywords, i), ast_str.arg);
        PyObject *value = ast_field(PyList_GET_ITEM(keywords, i), ast_str.value);
        if (!arg || !value || arg == Py_None)
            return false;
        if (PyUnicode_CompareWithASCIIString(arg, "metaclass") == 0 &&
            !name_in(last_name(value), plain_metaclasses))
            return false;
    }
    return keywords != NULL;
}

static bool name_is_known(struct bindings *b, PyObject *name);

static bool base_is_known(struct bindings *b, PyObject *base)
{
    if (makes_named_tuple(base))
        return true;
    PyObject *name = last_name(base);
    return name && (name_in(name, tuple_makers) || name_is_known(b, name));
}

static bool class_is_known(struct bindings *b, PyObject *node)
{
    if (!has_plain_metaclass(node))
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
        return makes_named_tuple(source) ||
               (name_in(called_name(source), dataclass_function) && !has_keyword(source, "bases") &&
                !has_keyword(source, "namespace"));
    return ast_is(source, "Name") && name_is_known(b, last_name(source));
}

/* Judge @name once, with @accept for each of its bindings. */
static bool judge_name(struct bindings *b, PyObject *verdicts, PyObject *name,
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
    return judge_name(b, b->known, name, accept_class);
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
    return makes_named_tuple(source);
}

static bool base_is_plain(struct bindings *b, PyObject *base)
{
    if (makes_named_tuple(base))
        return true;
    PyObject *name = last_name(base);
    if (!name || name_in(name, metaclasses))
        return false;
    if (!PyDict_GetItemWithError(b->of, name))
        return true; /* a builtin class, or an attribute of an imported module */
    return judge_name(b, b->plain, name, accept_plain_base);
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

static bool can_invent_match_args(const struct walk *w, struct bindings *b)
{
    for (size_t i = 0; i < w->hooked_len; i++)
        if (!class_is_plain(b, w->hooked[i]))
            return true;
    return w->tainted;
}

/* ---- the verdict ---- */

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

static bool pattern_is_known(struct bindings *b, PyObject *cls, bool tainted)
{
    PyObject *name = last_name(cls);
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
    return name_is_known(b, name);
}

static int pattern_judge(struct walk *w, struct bindings *b)
{
    bool tainted = can_invent_match_args(w, b);
    for (size_t i = 0; i < w->patterns_len; i++) {
        PyObject *cls = ast_field(w->patterns[i], ast_str.cls);
        if (!cls)
            return -1;
        bool known = pattern_is_known(b, cls, tainted);
        if (PyErr_Occurred())
            return -1;
        if (known)
            continue;
        PyObject *name = last_name(cls);
        if (!name && PyErr_Occurred())
            return -1;
        if (report_name(w, RULE_PATTERN, w->patterns[i], AT_START, name ? name : ast_str.cls,
                        "Positional class pattern", "is not allowed", pattern_remedy) < 0)
            return -1;
    }
    return 0;
}

int pattern_resolve(struct walk *w, PyObject *module)
{
    if (w->patterns_len == 0)
        return 0;
    struct bindings b = {.of = PyDict_New(), .known = PyDict_New(), .plain = PyDict_New()};
    int rc = -1;
    if (b.of && b.known && b.plain && bindings_collect(&b, module) == 0)
        rc = pattern_judge(w, &b);
    Py_XDECREF(b.of);
    Py_XDECREF(b.known);
    Py_XDECREF(b.plain);
    return rc;
}
