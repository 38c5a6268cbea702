/* Definitions: functions, lambdas and classes. Each opens a scope, and not all of its parts belong
 * to it: decorators, defaults and annotations are evaluated around it, and type parameters (`def
 * f[T](x: T)`) live in a scope in between. Runs in the worker over a hostile program. */
#include "python/policy_walk.h"

/* One argument: its name belongs to the function, its annotation to the scope around. */
static int walk_arg(struct walk *w, PyObject *arg, uint32_t around, uint32_t inside, uint32_t depth)
{
    if (!arg)
        return -1;
    if (arg == Py_None)
        return 0;
    w->nodes++;
    PyObject *name = ast_field(arg, ast_str.arg);
    if (!name || scope_bind(w, inside, name, arg) < 0)
        return -1;
    return walk_push_value(w, ast_field(arg, ast_str.annotation), around, depth);
}

static int walk_arg_list(struct walk *w, PyObject *arguments, PyObject *field, uint32_t around,
                         uint32_t inside, uint32_t depth)
{
    Py_ssize_t n = 0;
    PyObject *list = ast_list(arguments, field, &n);
    if (!list)
        return -1;
    while (n-- > 0)
        if (walk_arg(w, PyList_GET_ITEM(list, n), around, inside, depth) < 0)
            return -1;
    return 0;
}

static int walk_arguments(struct walk *w, const struct pending_node *at, uint32_t around,
                          uint32_t inside)
{
    PyObject *arguments = ast_field(at->node, ast_str.args);
    uint32_t depth = at->depth + 1;
    if (!arguments)
        return -1;
    w->nodes++;
    if (walk_arg(w, ast_field(arguments, ast_str.kwarg), around, inside, depth) < 0 ||
        walk_arg_list(w, arguments, ast_str.kwonlyargs, around, inside, depth) < 0 ||
        walk_arg(w, ast_field(arguments, ast_str.vararg), around, inside, depth) < 0 ||
        walk_arg_list(w, arguments, ast_str.args, around, inside, depth) < 0 ||
        walk_arg_list(w, arguments, ast_str.posonlyargs, around, inside, depth) < 0)
        return -1;
    if (walk_push_value(w, ast_field(arguments, ast_str.kw_defaults), at->scope, depth) < 0)
        return -1;
    return walk_push_value(w, ast_field(arguments, ast_str.defaults), at->scope, depth);
}

/* Type parameters (`def f[T](x: T)`) live in a scope between the one around and the one inside. */
static int scope_of_type_params(struct walk *w, const struct node_plan *plan,
                                const struct pending_node *at, uint32_t *ret)
{
    *ret = at->scope;
    for (size_t i = 0; i < plan->len; i++) {
        if (plan->fields[i].name != ast_str.type_params)
            continue;
        PyObject *params = ast_field(at->node, ast_str.type_params);
        if (!params)
            return -1;
        if (PyList_Check(params) && PyList_GET_SIZE(params) > 0)
            return scope_new(w, at->scope, SCOPE_FUNCTION, NULL, ret) < 0 ||
                           walk_push_value(w, params, *ret, at->depth) < 0
                       ? -1
                       : 0;
    }
    return 0;
}

static int bind_own_name(struct walk *w, const struct pending_node *at)
{
    PyObject *name = ast_field(at->node, ast_str.name);
    return name ? scope_bind(w, at->scope, name, at->node) : -1;
}

int walk_function(struct walk *w, const struct node_plan *plan, const struct pending_node *at)
{
    uint32_t around;
    uint32_t inside;
    if (bind_own_name(w, at) < 0 || scope_of_type_params(w, plan, at, &around) < 0 ||
        scope_new(w, around, SCOPE_FUNCTION, NULL, &inside) < 0)
        return -1;
    if (walk_push_field(w, at, ast_str.body, inside) < 0 ||
        walk_push_field(w, at, ast_str.returns, around) < 0 ||
        walk_arguments(w, at, around, inside) < 0)
        return -1;
    return walk_push_field(w, at, ast_str.decorator_list, at->scope);
}

int walk_lambda(struct walk *w, const struct pending_node *at)
{
    uint32_t inside;
    if (scope_new(w, at->scope, SCOPE_FUNCTION, NULL, &inside) < 0 ||
        walk_push_field(w, at, ast_str.body, inside) < 0)
        return -1;
    return walk_arguments(w, at, at->scope, inside);
}

int walk_class(struct walk *w, const struct node_plan *plan, const struct pending_node *at)
{
    uint32_t around;
    uint32_t inside;
    if (bind_own_name(w, at) < 0 || scope_of_type_params(w, plan, at, &around) < 0 ||
        scope_new(w, around, SCOPE_CLASS, at->node, &inside) < 0)
        return -1;
    if (walk_push_field(w, at, ast_str.body, inside) < 0 ||
        walk_push_field(w, at, ast_str.keywords, around) < 0 ||
        walk_push_field(w, at, ast_str.bases, around) < 0)
        return -1;
    return walk_push_field(w, at, ast_str.decorator_list, at->scope);
}
