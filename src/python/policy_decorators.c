/* What decorators do to a class, as far as class patterns care (policy_patterns.c): `@register`
 * over `class Point` may bind Point to anything at all. Harmless are a few of the library's, and
 * the program's own functions that give back what they are given: `def register(cls): …; return
 * cls`, and `@register("name")` where register gives back such a function. Runs in the worker over
 * a hostile program; each function is looked at once. */
#include "python/policy_classes.h"

static const char *const plain_decorators[] = {
    "dataclass", "total_ordering", "final",      "runtime_checkable",   "no_type_check",
    "unique",    "verify",         "deprecated", "dataclass_transform", NULL};

/* ---- one function: does every return give back @name, which nothing rebinds? ---- */

struct scan {
    PyObject *name; /* borrowed */
    unsigned bound, returns;
    bool elsewhere; /* a return gives something else, or it is a generator */
    struct node_stack own, nested;
};

/* Identifiers of @node that bind a name in its scope or in one around. */
static bool binds(PyObject *node, const struct node_plan *plan)
{
    switch (plan->rule->kind) {
    case NODE_ATTRIBUTE:
    case NODE_KEYWORD:
    case NODE_MATCH_CLASS:
        return false;
    case NODE_NAME:
        return ast_is_load(node) != 1;
    default:
        return true;
    }
}

static void scan_identifiers(struct scan *s, PyObject *value)
{
    if (PyUnicode_Check(value)) {
        s->bound += PyUnicode_Compare(value, s->name) == 0;
        return;
    }
    for (Py_ssize_t i = 0; PyList_Check(value) && i < PyList_GET_SIZE(value); i++)
        if (PyUnicode_Check(PyList_GET_ITEM(value, i)))
            scan_identifiers(s, PyList_GET_ITEM(value, i));
}

/* `import os.path` binds os. */
static void scan_import(struct scan *s, PyObject *node)
{
    Py_ssize_t n = 0;
    PyObject *names = ast_list(node, ast_str.names, &n);
    for (Py_ssize_t i = 0; names && i < n; i++) {
        PyObject *alias = PyList_GET_ITEM(names, i);
        PyObject *name = ast_field(alias, ast_str.asname);
        if (name == Py_None)
            name = ast_field(alias, ast_str.name);
        Py_ssize_t dot =
            name ? PyUnicode_FindChar(name, '.', 0, PyUnicode_GET_LENGTH(name), 1) : -1;
        PyObject *first =
            name ? PyUnicode_Substring(name, 0, dot < 0 ? PyUnicode_GET_LENGTH(name) : dot) : NULL;
        if (first)
            scan_identifiers(s, first);
        Py_XDECREF(first);
    }
}

static void scan_return(struct scan *s, PyObject *node)
{
    PyObject *value = ast_field(node, ast_str.value);
    PyObject *name = value && ast_is(value, "Name") ? ast_field(value, ast_str.id) : NULL;
    s->returns++;
    s->elsewhere |= !name || PyUnicode_Compare(name, s->name) != 0;
}

static int scan_node(struct scan *s, PyObject *node, bool nested)
{
    const struct node_plan *plan = ast_plan(node);
    enum node_kind kind = plan->rule->kind;
    bool opens = kind == NODE_FUNCTION || kind == NODE_LAMBDA || kind == NODE_CLASS;
    if (kind == NODE_IMPORT || kind == NODE_IMPORT_FROM)
        scan_import(s, node);
    else if (!nested && ast_is(node, "Return"))
        scan_return(s, node);
    else if (!nested && (ast_is(node, "Yield") || ast_is(node, "YieldFrom")))
        s->elsewhere = true;
    for (size_t i = 0; i < plan->len; i++) {
        PyObject *value = ast_field(node, plan->fields[i].name);
        if (!value)
            return -1;
        if (plan->fields[i].kind == FIELD_PARTS) {
            if (node_stack_push(nested || opens ? &s->nested : &s->own, value) < 0)
                return -1;
        } else if (binds(node, plan)) {
            scan_identifiers(s, value);
        }
    }
    return 0;
}

/* Look at the whole body of @function. -1 = exception. */
static int scan_body(struct scan *s, PyObject *function)
{
    int rc = node_stack_push(&s->own, ast_field(function, ast_str.body));
    while (rc == 0 && s->own.len > 0)
        rc = scan_node(s, s->own.items[--s->own.len], false);
    while (rc == 0 && s->nested.len > 0)
        rc = scan_node(s, s->nested.items[--s->nested.len], true);
    free(s->own.items);
    free(s->nested.items);
    return rc;
}

/* Does @function return @name only, bound @bound times in its body? */
static bool returns_only(PyObject *function, PyObject *name, unsigned bound)
{
    struct scan s = {.name = name};
    return scan_body(&s, function) == 0 && s.returns > 0 && !s.elsewhere && s.bound == bound;
}

static bool is_undecorated(PyObject *function)
{
    Py_ssize_t n = 0;
    return ast_is(function, "FunctionDef") && ast_list(function, ast_str.decorator_list, &n) &&
           n == 0;
}

/* The name of the first positional argument, or NULL. */
static PyObject *first_argument(PyObject *function)
{
    PyObject *arguments = ast_field(function, ast_str.args);
    PyObject *const fields[] = {ast_str.posonlyargs, ast_str.args};
    for (size_t i = 0; arguments && i < 2; i++) {
        Py_ssize_t n = 0;
        PyObject *list = ast_list(arguments, fields[i], &n);
        if (list && n > 0)
            return ast_field(PyList_GET_ITEM(list, 0), ast_str.arg);
    }
    return NULL;
}

/* `def register(cls): …; return cls` */
static bool gives_back(struct bindings *b, PyObject *source)
{
    (void)b;
    if (source == Py_None || !is_undecorated(source))
        return false;
    PyObject *name = first_argument(source);
    return name && returns_only(source, name, 0);
}

/* `def register(key):` / `    def inner(cls): …; return cls` / `    return inner` */
static bool gives_such_a_function(struct bindings *b, PyObject *source)
{
    if (source == Py_None || !is_undecorated(source))
        return false;
    Py_ssize_t n = 0;
    PyObject *body = ast_list(source, ast_str.body, &n);
    for (Py_ssize_t i = 0; body && i < n; i++) {
        PyObject *inner = PyList_GET_ITEM(body, i);
        if (!gives_back(b, inner))
            continue;
        PyObject *name = ast_field(inner, ast_str.name);
        return name && returns_only(source, name, 1);
    }
    return false;
}

/* ---- the decorators of a class ---- */

static bool is_harmless(struct bindings *b, PyObject *decorator)
{
    bool call = ast_is(decorator, "Call");
    PyObject *function = call ? ast_field(decorator, ast_str.func) : decorator;
    if (!function)
        return false;
    if (classes_library_name(b, function, plain_decorators) ||
        classes_dataclass_maker(b, decorator))
        return true;
    if (!ast_is(function, "Name"))
        return false;
    PyObject *name = ast_field(function, ast_str.id);
    return name && (call ? bindings_judge(b, b->makers, name, gives_such_a_function)
                         : bindings_judge(b, b->identities, name, gives_back));
}

bool decorators_harmless(struct bindings *b, PyObject *node)
{
    Py_ssize_t n = 0;
    PyObject *list = ast_list(node, ast_str.decorator_list, &n);
    for (Py_ssize_t i = 0; list && i < n; i++)
        if (!is_harmless(b, PyList_GET_ITEM(list, i)))
            return false;
    return list != NULL;
}
