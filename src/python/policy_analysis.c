/* What validate_code tells about a program besides the verdict: functions, classes, imports and
 * McCabe's cyclomatic complexity, counted while the policy walks. policy.h says what counts. Runs
 * in the worker; all numbers are bounded by the number of nodes. */
#include "python/policy_walk.h"

/* A list of module names is for people; a hostile program may import sixty thousand. */
#define IMPORTS_MAX 1000

static int count_bool_op(struct policy_report *r, PyObject *node)
{
    Py_ssize_t n = 0;
    if (!ast_list(node, ast_str.values, &n))
        return -1;
    if (n > 1)
        r->cyclomatic_complexity += (uint32_t)n - 1;
    return 0;
}

static int count_generator(struct policy_report *r, PyObject *node)
{
    Py_ssize_t n = 0;
    if (!ast_list(node, ast_str.ifs, &n))
        return -1;
    r->cyclomatic_complexity += (uint32_t)n;
    return 0;
}

/* `case _:` and `case name:` cannot fail; every other pattern, and every guard, is a decision. */
static int count_match_case(struct policy_report *r, PyObject *node)
{
    PyObject *pattern = ast_field(node, ast_str.pattern);
    PyObject *guard = ast_field(node, ast_str.guard);
    if (!pattern || !guard)
        return -1;
    bool irrefutable = false;
    if (ast_is(pattern, "MatchAs")) {
        PyObject *inner = ast_field(pattern, ast_str.pattern);
        if (!inner)
            return -1;
        irrefutable = inner == Py_None;
    }
    r->cyclomatic_complexity += !irrefutable;
    r->cyclomatic_complexity += guard != Py_None;
    return 0;
}

int analysis_node(struct walk *w, const struct node_plan *plan, PyObject *node)
{
    struct policy_report *r = w->report;
    r->cyclomatic_complexity += plan->rule->decisions;
    switch (plan->rule->kind) {
    case NODE_FUNCTION:
        r->functions++;
        return 0;
    case NODE_CLASS:
        r->classes++;
        return 0;
    case NODE_BOOL_OP:
        return count_bool_op(r, node);
    case NODE_GENERATOR:
        return count_generator(r, node);
    case NODE_MATCH_CASE:
        return count_match_case(r, node);
    default:
        return 0;
    }
}

int analysis_import(struct walk *w, PyObject *name)
{
    if (!w->imports_seen && !(w->imports_seen = PySet_New(NULL)))
        return -1;
    int seen = PySet_Contains(w->imports_seen, name);
    if (seen != 0 || w->report->imports.len >= IMPORTS_MAX)
        return seen < 0 ? -1 : 0;
    if (PySet_Add(w->imports_seen, name) < 0)
        return -1;
    const char *text = PyUnicode_AsUTF8(name);
    if (!text)
        return -1;
    if (strv_add(&w->report->imports, text, NULL) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}
