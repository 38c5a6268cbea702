/* _policy_test: the language policy as a module for the tests, in an ordinary interpreter. It gives
 * policy_check() and the verdicts on single names to tests/policy/run.py and nothing else. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <time.h>

#include "catalog/profiles.h"
#include "python/policy.h"

/* A list of str → @list. */
static int strings_from(PyObject *seq, struct strv *list)
{
    PyObject *fast = PySequence_Fast(seq, "a list of names is wanted");
    if (!fast)
        return -1;
    int rc = 0;
    for (Py_ssize_t i = 0; rc == 0 && i < PySequence_Fast_GET_SIZE(fast); i++) {
        const char *text = PyUnicode_AsUTF8(PySequence_Fast_GET_ITEM(fast, i));
        rc = text ? strv_add(list, text, NULL) : -1;
    }
    Py_DECREF(fast);
    return rc;
}

static PyObject *strings_to(const struct strv *list)
{
    PyObject *out = PyList_New(0);
    for (size_t i = 0; out && i < list->len; i++) {
        PyObject *item = PyUnicode_FromString(list->items[i]);
        if (!item || PyList_Append(out, item) < 0)
            Py_CLEAR(out);
        Py_XDECREF(item);
    }
    return out;
}

static PyObject *violations_to(const struct policy_report *r)
{
    PyObject *out = PyList_New(0);
    for (size_t i = 0; out && i < r->len; i++) {
        const struct violation *v = &r->items[i];
        PyObject *item =
            Py_BuildValue("{sIsIsssssO}", "line", (unsigned)v->line, "column", (unsigned)v->column,
                          "rule", v->rule, "message", v->message, "remedy", Py_None);
        PyObject *remedy = PyUnicode_FromString(v->remedy);
        if (!item || !remedy || PyDict_SetItemString(item, "remedy", remedy) < 0 ||
            PyList_Append(out, item) < 0)
            Py_CLEAR(out);
        Py_XDECREF(remedy);
        Py_XDECREF(item);
    }
    return out;
}

static PyObject *report_to(const struct policy_report *r)
{
    PyObject *violations = violations_to(r);
    PyObject *imports = strings_to(&r->imports);
    if (!violations || !imports) {
        Py_XDECREF(violations);
        Py_XDECREF(imports);
        return NULL;
    }
    return Py_BuildValue("{sNsNsOsOsIsIsI}", "violations", violations, "imports", imports, "more",
                         r->more ? Py_True : Py_False, "too_complex",
                         r->too_complex ? Py_True : Py_False, "functions", (unsigned)r->functions,
                         "classes", (unsigned)r->classes, "complexity",
                         (unsigned)r->cyclomatic_complexity);
}

/* check(tree, source, profiles=1, permitted=None, narrowed=None, generated=0): the report as a
 * dict. */
static PyObject *test_check(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *tree, *permitted = Py_None, *narrowed = Py_None;
    const char *source;
    Py_ssize_t len;
    unsigned bits = PROFILE_BASIC;
    int generated = 0;
    if (!PyArg_ParseTuple(args, "Oz#|IOOp", &tree, &source, &len, &bits, &permitted, &narrowed,
                          &generated))
        return NULL;
    auto_strv struct strv server = STRV_INIT;
    auto_strv struct strv call = STRV_INIT;
    if (permitted == Py_None ? profile_modules(bits, &server, NULL) < 0
                             : strings_from(permitted, &server) < 0)
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    if (narrowed != Py_None && strings_from(narrowed, &call) < 0)
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    struct policy_rules rules = {.permitted = &server,
                                 .narrowed = narrowed == Py_None ? NULL : &call,
                                 .profiles = bits,
                                 .imports_overridden = permitted != Py_None,
                                 .generated = generated,
                                 .code = (const uint8_t *)source,
                                 .code_len = (size_t)len};
    struct policy_report report = {0};
    PyObject *out = policy_check(tree, &rules, &report) == 0 ? report_to(&report) : NULL;
    policy_report_done(&report);
    return out;
}

/* walk_ns(tree, rounds): nanoseconds of CPU time of the quickest of @rounds walks. */
static PyObject *test_walk_ns(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *tree;
    int rounds;
    if (!PyArg_ParseTuple(args, "Oi", &tree, &rounds))
        return NULL;
    auto_strv struct strv server = STRV_INIT;
    if (profile_modules(PROFILE_BASIC, &server, NULL) < 0)
        return PyErr_NoMemory();
    struct policy_rules rules = {.permitted = &server, .profiles = PROFILE_BASIC};
    long long best = -1;
    for (int i = 0; i < rounds; i++) {
        struct policy_report report = {0};
        struct timespec from, to;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        int rc = policy_check(tree, &rules, &report);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        policy_report_done(&report);
        if (rc < 0)
            return NULL;
        long long ns = (to.tv_sec - from.tv_sec) * 1000000000LL + (to.tv_nsec - from.tv_nsec);
        best = best < 0 ? ns : MIN(best, ns);
    }
    return PyLong_FromLongLong(best);
}

/* name_verdict(name, use): None or the message; use is "get", "set" or "define". */
static PyObject *test_name_verdict(PyObject *self, PyObject *args)
{
    (void)self;
    const char *name, *use;
    if (!PyArg_ParseTuple(args, "ss", &name, &use))
        return NULL;
    const char *message = *use == 'g'   ? policy_name_verdict(name)
                          : *use == 's' ? policy_name_verdict_assign(name)
                                        : policy_name_verdict_define(name);
    if (!message)
        Py_RETURN_NONE;
    return PyUnicode_FromFormat("%s|%s", message, policy_name_remedy(name));
}

/* rules(): (id, example that is refused, example that passes) of each rule of the documentation. */
static PyObject *test_rules(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    PyObject *out = PyList_New(0);
    for (size_t i = 0; out && i < RULES; i++) {
        const struct rule_row *row = &rule_rows[i];
        PyObject *item = Py_BuildValue("(szz)", row->id, row->example, row->instead);
        if (!item || PyList_Append(out, item) < 0)
            Py_CLEAR(out);
        Py_XDECREF(item);
    }
    return out;
}

static PyMethodDef methods[] = {
    {"check", test_check, METH_VARARGS, NULL},
    {"walk_ns", test_walk_ns, METH_VARARGS, NULL},
    {"rules", test_rules, METH_NOARGS, NULL},
    {"name_verdict", test_name_verdict, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_policy_test", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__policy_test(void);
__attribute__((visibility("default"))) PyMODINIT_FUNC PyInit__policy_test(void)
{
    return policy_init() < 0 ? NULL : PyModule_Create(&definition);
}
