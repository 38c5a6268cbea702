/* What binds each name of a program: class statements, imports, plain assignments, and anything
 * else. Collected in a pass of its own, and only for programs with positional class patterns. Runs
 * in the worker over a hostile program; linear in its size. */
#include "python/policy_classes.h"

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

int node_stack_push(struct node_stack *s, PyObject *value)
{
    if (!value)
        return -1;
    if (PyList_Check(value)) {
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(value); i++)
            if (node_stack_push(s, PyList_GET_ITEM(value, i)) < 0)
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
        return node_stack_push(s, target);
    PyObject *name = ast_field(target, ast_str.id);
    return name ? bindings_add(b, name, value) : -1;
}

static int bindings_assign(struct bindings *b, struct node_stack *s, PyObject *node)
{
    PyObject *value = ast_field(node, ast_str.value);
    if (node_stack_push(s, value) < 0)
        return -1;
    if (ast_is(node, "AnnAssign")) {
        PyObject *target = ast_field(node, ast_str.target);
        if (!target || node_stack_push(s, ast_field(node, ast_str.annotation)) < 0)
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
        int rc = plan->fields[i].kind == FIELD_PARTS ? node_stack_push(s, value)
                                                     : bindings_add_value(b, value);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* The parts of a node whose identifiers have been seen to. */
static int bindings_parts(struct node_stack *s, const struct node_plan *plan, PyObject *node)
{
    for (size_t i = 0; i < plan->len; i++)
        if (plan->fields[i].kind == FIELD_PARTS &&
            node_stack_push(s, ast_field(node, plan->fields[i].name)) < 0)
            return -1;
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
        if (node_stack_push(s, ast_field(node, ast_str.value)) < 0)
            return -1;
        return bindings_store(b, node, ast_str.attr);
    case NODE_KEYWORD: /* binds nothing here */
        return node_stack_push(s, ast_field(node, ast_str.value));
    case NODE_MATCH_CLASS:
        if (node_stack_push(s, ast_field(node, ast_str.patterns)) < 0)
            return -1;
        return node_stack_push(s, ast_field(node, ast_str.kwd_patterns));
    case NODE_FUNCTION:
        name = ast_field(node, ast_str.name);
        return !name || bindings_add(b, name, node) < 0 ? -1 : bindings_parts(s, plan, node);
    case NODE_CLASS:
        name = ast_field(node, ast_str.name);
        if (!name || bindings_add(b, name, node) < 0)
            return -1;
        if (node_stack_push(s, ast_field(node, ast_str.bases)) < 0 ||
            node_stack_push(s, ast_field(node, ast_str.keywords)) < 0 ||
            node_stack_push(s, ast_field(node, ast_str.decorator_list)) < 0)
            return -1;
        return node_stack_push(s, ast_field(node, ast_str.body));
    default:
        return bindings_plain(b, s, plan, node);
    }
}

int bindings_collect(struct bindings *b, PyObject *module)
{
    struct node_stack s = {0};
    int rc = node_stack_push(&s, ast_field(module, ast_str.body));
    while (rc == 0 && s.len > 0)
        rc = bindings_node(b, &s, s.items[--s.len]);
    free(s.items);
    return rc;
}
