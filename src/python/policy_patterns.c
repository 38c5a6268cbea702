/* Class patterns. `case C(name=x)` reads an attribute, so the keyword is judged like one. `case
 * C(x)` reads the attribute that C.__match_args__ names, so C must be a class whose __match_args__
 * is known: `match f: case Evil(g)` would read f.__globals__ if Evil said so, and Evil's metaclass
 * can make every object its instance. Known are builtin types, imported classes, dataclasses,
 * NamedTuples, and classes with a literal __match_args__ or derived from one of these. A program
 * that can invent a __match_args__ (a metaclass with __getattr__, a __prepare__) has no known
 * classes of its own.
 *
 * Runs in the worker over a hostile program. */
#include "python/policy_classes.h"

static const char pattern_remedy[] =
    "Name the attributes: case Point(x=a, y=b); or give the class a literal __match_args__";

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

static int pattern_judge(struct walk *w, struct bindings *b)
{
    bool tainted = classes_tainted(w, b);
    for (size_t i = 0; i < w->patterns_len; i++) {
        PyObject *cls = ast_field(w->patterns[i], ast_str.cls);
        if (!cls)
            return -1;
        bool known = classes_know(b, cls, tainted);
        if (PyErr_Occurred())
            return -1;
        if (known)
            continue;
        PyObject *name = class_last_name(cls);
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
    struct bindings b = {0};
    PyObject **const dicts[] = {&b.of, &b.known, &b.plain, &b.ordinary, &b.identities, &b.makers};
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(dicts); i++)
        if (!(*dicts[i] = PyDict_New()))
            rc = -1;
    if (rc == 0)
        rc = bindings_collect(&b, module);
    if (rc == 0)
        rc = pattern_judge(w, &b);
    for (size_t i = 0; i < ARRAY_LEN(dicts); i++)
        Py_XDECREF(*dicts[i]);
    return rc;
}
