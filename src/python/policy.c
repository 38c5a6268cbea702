/* The walk of the language policy: one pass over CPython's own syntax tree, judging every
 * identifier and every import by the tables in policy_rules.c. Runs in the worker, between parsing
 * and compiling, on a program whose author is hostile; the tree itself was made by CPython's parser
 * and its shape is trusted.
 *
 * The walk keeps its own stack, so that no program can exhaust the C stack with it. Each pending
 * node carries the scope its names belong to and its depth. Parts are pushed last first and so
 * visited in the order of the text. What can only be decided with the whole program in view (a
 * builtin function that the program may have bound itself, a positional class pattern) is noted and
 * decided at the end. */
#include "python/policy_walk.h"

#include "catalog/profiles.h"

int walk_grow(void **items, size_t len, size_t *cap, size_t item_size)
{
    if (len < *cap)
        return 0;
    size_t grown = *cap ? *cap * 2 : 64;
    void *p = reallocarray(*items, grown, item_size);
    if (!p) {
        PyErr_NoMemory();
        return -1;
    }
    *items = p;
    *cap = grown;
    return 0;
}

/* ---- pending nodes ---- */

int walk_push(struct walk *w, PyObject *node, uint32_t scope, uint32_t depth)
{
    if (node == Py_None)
        return 0;
    if (WALK_GROW(w->stack, w->stack_len, w->stack_cap) < 0)
        return -1;
    w->stack[w->stack_len++] = (struct pending_node){node, scope, depth + 1};
    return 0;
}

/* A field's value: a node, a list of nodes, or None; None may be in lists, too. */
int walk_push_value(struct walk *w, PyObject *value, uint32_t scope, uint32_t depth)
{
    if (!value)
        return -1;
    if (!PyList_Check(value))
        return walk_push(w, value, scope, depth);
    for (Py_ssize_t i = PyList_GET_SIZE(value) - 1; i >= 0; i--)
        if (walk_push(w, PyList_GET_ITEM(value, i), scope, depth) < 0)
            return -1;
    return 0;
}

int walk_push_field(struct walk *w, const struct pending_node *at, PyObject *field, uint32_t scope)
{
    return walk_push_value(w, ast_field(at->node, field), scope, at->depth);
}

/* Identifiers of a field, each of which binds a name. */
static int bind_field(struct walk *w, const struct pending_node *at, PyObject *field)
{
    PyObject *value = ast_field(at->node, field);
    if (!value)
        return -1;
    if (PyUnicode_Check(value))
        return scope_bind(w, at->scope, value, at->node);
    if (!PyList_Check(value))
        return 0; /* None */
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(value); i++)
        if (scope_bind(w, at->scope, PyList_GET_ITEM(value, i), at->node) < 0)
            return -1;
    return 0;
}

/* What every kind of node gets that needs nothing special. */
static int walk_plain(struct walk *w, const struct node_plan *plan, const struct pending_node *at)
{
    for (size_t i = plan->len; i-- > 0;) {
        PyObject *field = plan->fields[i].name;
        int rc = plan->fields[i].kind == FIELD_PARTS ? walk_push_field(w, at, field, at->scope)
                                                     : bind_field(w, at, field);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* ---- names ---- */

static int walk_comprehension(struct walk *w, const struct node_plan *plan,
                              const struct pending_node *at)
{
    struct pending_node inner = *at;
    if (scope_new(w, at->scope, SCOPE_COMPREHENSION, NULL, &inner.scope) < 0)
        return -1;
    return walk_plain(w, plan, &inner);
}

static int walk_name(struct walk *w, const struct pending_node *at)
{
    PyObject *name = ast_field(at->node, ast_str.id);
    int load = name ? ast_is_load(at->node) : -1;
    if (load < 0)
        return -1;
    return load ? scope_load(w, at->scope, name, at->node)
                : scope_bind(w, at->scope, name, at->node);
}

/* `[last := x for x in …]` binds last in the scope around the comprehension. */
static int walk_named_expr(struct walk *w, const struct pending_node *at)
{
    uint32_t scope = at->scope;
    while (w->scopes[scope].kind == SCOPE_COMPREHENSION)
        scope = w->scopes[scope].parent;
    if (walk_push_field(w, at, ast_str.value, at->scope) < 0)
        return -1;
    return walk_push_field(w, at, ast_str.target, scope);
}

static int walk_attribute(struct walk *w, const struct pending_node *at)
{
    PyObject *name = ast_field(at->node, ast_str.attr);
    int load = name ? ast_is_load(at->node) : -1;
    if (load < 0 || walk_push_field(w, at, ast_str.value, at->scope) < 0)
        return -1;
    /* Class attributes assigned from outside escape the rules for the body of the class. */
    if (!load && (name_eq(name, ast_str.__getattr__) || name_eq(name, ast_str.__setattr__) ||
                  name_eq(name, ast_str.__prepare__)))
        w->tainted = true;
    return report_attribute(w, RULE_ATTRIBUTE, at->node, AT_NAME, name, load ? USE_GET : USE_SET);
}

static int walk_global(struct walk *w, const struct pending_node *at)
{
    Py_ssize_t n = 0;
    PyObject *names = ast_list(at->node, ast_str.names, &n);
    if (!names)
        return -1;
    for (Py_ssize_t i = 0; i < n; i++)
        if (scope_global(w, at->scope, PyList_GET_ITEM(names, i), at->node) < 0)
            return -1;
    return 0;
}

/* ---- assignments, calls, patterns ---- */

/* Is @target the plain name __match_args__ in the body of a class? There, and only there, a literal
 * may be assigned. 1, 0 or -1. */
static int is_match_args(const struct walk *w, const struct pending_node *at, PyObject *target)
{
    const struct node_plan *plan = ast_plan(target);
    if (w->scopes[at->scope].kind != SCOPE_CLASS || !plan || plan->rule->kind != NODE_NAME)
        return 0;
    PyObject *name = ast_field(target, ast_str.id);
    return name ? name_eq(name, ast_str.__match_args__) : -1;
}

static int walk_target(struct walk *w, const struct pending_node *at, PyObject *target,
                       PyObject *value)
{
    int special = is_match_args(w, at, target);
    if (special > 0) {
        int harmless = value == Py_None ? 1 : pattern_literal_args(value);
        if (harmless != 0)
            return harmless < 0 ? -1 : 0;
    }
    return special < 0 ? -1 : walk_push(w, target, at->scope, at->depth);
}

static int walk_assign(struct walk *w, const struct node_plan *plan, const struct pending_node *at)
{
    PyObject *value = ast_field(at->node, ast_str.value);
    if (walk_push_value(w, value, at->scope, at->depth) < 0)
        return -1;
    if (plan->fields[0].name == ast_str.target) {
        PyObject *target = ast_field(at->node, ast_str.target);
        if (!target || walk_push_field(w, at, ast_str.annotation, at->scope) < 0)
            return -1;
        return walk_target(w, at, target, value);
    }
    Py_ssize_t n = 0;
    PyObject *targets = ast_list(at->node, ast_str.targets, &n);
    if (!targets)
        return -1;
    while (n-- > 0)
        if (walk_target(w, at, PyList_GET_ITEM(targets, n), value) < 0)
            return -1;
    return 0;
}

/* vars(obj), with exactly one plain argument: its stand-in answers for objects of the program's own
 * classes. 1, 0 or -1. */
static int is_vars_of_object(PyObject *node, PyObject *func)
{
    const struct node_plan *plan = ast_plan(func);
    if (!plan || plan->rule->kind != NODE_NAME)
        return 0;
    PyObject *name = ast_field(func, ast_str.id);
    if (!name || !name_eq(name, ast_str.vars))
        return name ? 0 : -1;
    Py_ssize_t nargs = 0;
    Py_ssize_t nkeywords = 0;
    PyObject *args = ast_list(node, ast_str.args, &nargs);
    if (!args || !ast_list(node, ast_str.keywords, &nkeywords))
        return -1;
    return nargs == 1 && nkeywords == 0 && !ast_is(PyList_GET_ITEM(args, 0), "Starred");
}

static int walk_call(struct walk *w, const struct pending_node *at)
{
    PyObject *func = ast_field(at->node, ast_str.func);
    int vars = func ? is_vars_of_object(at->node, func) : -1;
    if (vars < 0 || walk_push_field(w, at, ast_str.keywords, at->scope) < 0 ||
        walk_push_field(w, at, ast_str.args, at->scope) < 0)
        return -1;
    return vars ? 0 : walk_push(w, func, at->scope, at->depth);
}

/* A keyword may become a key of a dict, a name in a class or an attribute; an argument that was
 * bound as a plain name must be callable by it. So special names are judged, reflective ones are
 * not. */
static int walk_keyword(struct walk *w, const struct pending_node *at)
{
    PyObject *name = ast_field(at->node, ast_str.arg);
    if (!name || walk_push_field(w, at, ast_str.value, at->scope) < 0)
        return -1;
    if (name == Py_None)
        return 0;
    const struct name_entry *entry = names_find(name);
    if (names_permit(name, entry, USE_DEFINE, false) || names_permit(name, entry, USE_SET, false))
        return 0;
    return report_name(w, RULE_KEYWORD, at->node, AT_START, name, "Keyword", "is not allowed",
                       names_remedy(entry));
}

static int walk_class_pattern(struct walk *w, const struct pending_node *at)
{
    if (pattern_class(w, at->node) < 0 ||
        walk_push_field(w, at, ast_str.kwd_patterns, at->scope) < 0 ||
        walk_push_field(w, at, ast_str.patterns, at->scope) < 0)
        return -1;
    return walk_push_field(w, at, ast_str.cls, at->scope);
}

/* ---- the walk ---- */

static int walk_unknown(struct walk *w, PyObject *node)
{
    PyObject *name = PyUnicode_FromString(Py_TYPE(node)->tp_name);
    int rc = name ? report_name(w, RULE_SYNTAX, node, AT_START, name, "Syntax",
                                "is not known to this version of the policy",
                                "Write it in another way, or ask for a newer version")
                  : -1;
    Py_XDECREF(name);
    return rc;
}

static int walk_node(struct walk *w, const struct pending_node *at)
{
    const struct node_plan *plan = ast_plan(at->node);
    if (!plan)
        return walk_unknown(w, at->node);
    if (analysis_node(w, plan, at->node) < 0)
        return -1;
    switch (plan->rule->kind) {
    case NODE_PLAIN:
    case NODE_BOOL_OP:
    case NODE_GENERATOR:
    case NODE_MATCH_CASE:
        return walk_plain(w, plan, at);
    case NODE_FUNCTION:
        return walk_function(w, plan, at);
    case NODE_LAMBDA:
        return walk_lambda(w, at);
    case NODE_CLASS:
        return walk_class(w, plan, at);
    case NODE_COMPREHENSION:
        return walk_comprehension(w, plan, at);
    case NODE_ASSIGN:
        return walk_assign(w, plan, at);
    case NODE_NAMED_EXPR:
        return walk_named_expr(w, at);
    case NODE_IMPORT:
        return import_statement(w, at->scope, at->node);
    case NODE_IMPORT_FROM:
        return import_from_statement(w, at->scope, at->node);
    case NODE_GLOBAL:
        return walk_global(w, at);
    case NODE_CALL:
        return walk_call(w, at);
    case NODE_ATTRIBUTE:
        return walk_attribute(w, at);
    case NODE_NAME:
        return walk_name(w, at);
    case NODE_KEYWORD:
        return walk_keyword(w, at);
    case NODE_MATCH_CLASS:
        return walk_class_pattern(w, at);
    case NODE_MODULE:
    case NODE_NOT_VISITED:
    case NODE_UNKNOWN:
        break;
    }
    return walk_unknown(w, at->node);
}

/* 1 = all judged, 0 = stopped at a cap, -1 = exception. */
static int walk_tree(struct walk *w)
{
    while (w->stack_len > 0) {
        struct pending_node at = w->stack[--w->stack_len];
        if (++w->nodes > POLICY_MAX_NODES || at.depth > POLICY_MAX_DEPTH)
            return 0;
        if (walk_node(w, &at) < 0)
            return -1;
    }
    return 1;
}

static int walk_module(struct walk *w, PyObject *module)
{
    const struct node_plan *plan = ast_plan(module);
    if (!plan || plan->rule->kind != NODE_MODULE) {
        PyErr_SetString(PyExc_TypeError, "the policy judges an ast.Module or an ast.Expression");
        return -1;
    }
    const struct name_entry *open = names_find(ast_str.open);
    if (open && w->rules->profiles & PROFILE_FILESYSTEM)
        w->builtins_on |= open->builtin;
    uint32_t scope;
    if (scope_new(w, 0, SCOPE_MODULE, NULL, &scope) < 0 ||
        walk_push_value(w, ast_field(module, ast_str.body), scope, 0) < 0)
        return -1;
    int whole = walk_tree(w);
    if (whole < 0)
        return -1;
    w->report->too_complex = !whole;
    if (scope_resolve(w) < 0 || (whole && pattern_resolve(w, module) < 0))
        return -1;
    report_finish(w);
    return 0;
}

int policy_check(PyObject *module, const struct policy_rules *rules, struct policy_report *ret)
{
    struct walk w = {.rules = rules, .report = ret};
    ret->cyclomatic_complexity = 1;
    int rc = walk_module(&w, module);
    free(w.stack);
    free(w.scopes);
    free(w.loads);
    free(w.patterns);
    free(w.hooked);
    free(w.line_starts);
    Py_XDECREF(w.imports_seen);
    return rc;
}

int policy_init(void)
{
    static bool done;
    if (done)
        return 0;
    if (ast_init() < 0 || names_init() < 0)
        return -1;
    done = true;
    return 0;
}
