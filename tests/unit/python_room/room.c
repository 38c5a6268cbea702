/* The room `python` as a module for tests, so that what it does to Python values and programs can
 * be tested from Python. Never installed. It runs what it is given in the testing process, with the
 * language's walls only. */
#include <Python.h>

#include "python/audit.h"
#include "python/compat.h"
#include "python/events.h"
#include "python/guards.h"
#include "python/imports.h"
#include "python/policy.h"
#include "python/roads.h"
#include "python/serialise.h"
#include "python/source.h"
#include "python/text.h"

static struct msg_launch launch; /* as start() was told; kept for the audit hook */
static PyObject *seen;           /* list of (layer, rule, detail, remedy) */

static void see(void *ctx, const struct msg_event *e)
{
    (void)ctx;
    auto_py PyObject *row = Py_BuildValue("(isss)", e->layer, e->rule, e->detail, e->remedy);
    if (row)
        PyList_Append(seen, row);
}

static PyObject *strv_list(const struct strv *v)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < v->len; i++) {
        auto_py PyObject *s = PyUnicode_FromString(v->items[i]);
        if (!s || PyList_Append(list, s) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static int to_strv(PyObject *list, struct strv *ret)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        const char *s = PyUnicode_AsUTF8(PyList_GET_ITEM(list, i));
        if (!s || strv_add(ret, s, NULL) < 0)
            return -1;
    }
    return 0;
}

/* start(modules, preload, profiles, overridden) → (installed, missing) */
static PyObject *start(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *modules, *preload;
    int profiles_on, overridden;
    auto_strv struct strv installed = STRV_INIT, missing = STRV_INIT;
    if (!PyArg_ParseTuple(args, "O!O!ip", &PyList_Type, &modules, &PyList_Type, &preload,
                          &profiles_on, &overridden))
        return NULL;
    launch.profiles = (uint8_t)profiles_on;
    launch.imports_overridden = overridden;
    PyObject *result = NULL;
    if (to_strv(modules, &launch.modules) == 0 && to_strv(preload, &launch.preload) == 0 &&
        events_init() == 0 && source_init() == 0 && text_init() == 0 && policy_init() == 0 &&
        guards_init() == 0 && roads_init() == 0 &&
        imports_init(&launch, &installed, &missing) == 0 && serialise_init() == 0) {
        events_set_sink(see, NULL);
        result = Py_BuildValue("(NN)", strv_list(&installed), strv_list(&missing));
    }
    return result;
}

/* builtins(allowed_imports or None) → dict */
static PyObject *builtins(PyObject *self, PyObject *allowed)
{
    (void)self;
    struct msg_run run = {.narrowed = allowed != Py_None};
    if (run.narrowed && to_strv(allowed, &run.imports) < 0)
        return NULL;
    PyObject *dict = imports_new_builtins(&run);
    strv_done(&run.imports);
    return dict;
}

/* serialise(value, max_bytes) → (json as bytes, type, truncated) */
static PyObject *serialise(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *value;
    Py_ssize_t max;
    if (!PyArg_ParseTuple(args, "On", &value, &max))
        return NULL;
    char *json, *type;
    bool truncated;
    if (serialise_value(value, (size_t)max, &json, &type, &truncated, NULL) < 0)
        return PyErr_NoMemory();
    PyObject *result = Py_BuildValue("(ysN)", json, type, PyBool_FromLong(truncated));
    free(json);
    free(type);
    return result;
}

/* refusal(permitted, narrowed or None, dotted) → (verdict, message, remedy) */
static PyObject *refusal(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *permitted, *narrowed;
    const char *dotted;
    if (!PyArg_ParseTuple(args, "O!Os", &PyList_Type, &permitted, &narrowed, &dotted))
        return NULL;
    auto_strv struct strv server = STRV_INIT, caller = STRV_INIT;
    if (to_strv(permitted, &server) < 0 || (narrowed != Py_None && to_strv(narrowed, &caller) < 0))
        return NULL;
    const struct strv *given = narrowed != Py_None ? &caller : NULL;
    char *message, *remedy;
    if (imports_refusal(&server, given, dotted, &message, &remedy, NULL) < 0)
        return PyErr_NoMemory();
    PyObject *result =
        Py_BuildValue("(iss)", (int)imports_verdict(&server, given, dotted), message, remedy);
    free(message);
    free(remedy);
    return result;
}

static PyObject *events(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    PyObject *list = seen;
    seen = PyList_New(0);
    events_set_sink(see, NULL);
    return list;
}

static PyObject *safe_builtins(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    auto_strv struct strv names = STRV_INIT;
    return imports_safe_builtins(&names) < 0 ? PyErr_NoMemory() : strv_list(&names);
}

static PyObject *basic_modules(PyObject *self, PyObject *args)
{
    (void)self;
    unsigned bits;
    if (!PyArg_ParseTuple(args, "I", &bits))
        return NULL;
    auto_strv struct strv names = STRV_INIT;
    return profile_modules(bits, &names, NULL) < 0 ? PyErr_NoMemory() : strv_list(&names);
}

/* arm(audited): from here on as in a worker, with or without its audit hook; there is no way back.
 */
static PyObject *arm(PyObject *self, PyObject *audited)
{
    (void)self;
    if ((audited == Py_True && audit_init(&launch) < 0) || guards_learn() < 0 || roads_learn() < 0)
        return NULL;
    guards_arm();
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"start", start, METH_VARARGS, NULL},
    {"arm", arm, METH_O, NULL},
    {"builtins", builtins, METH_O, NULL},
    {"serialise", serialise, METH_VARARGS, NULL},
    {"refusal", refusal, METH_VARARGS, NULL},
    {"events", events, METH_NOARGS, NULL},
    {"safe_builtins", safe_builtins, METH_NOARGS, NULL},
    {"profile_modules", basic_modules, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_python_room",
                                        .m_size = -1, .m_methods = functions};

PyMODINIT_FUNC PyInit__python_room(void);
PyMODINIT_FUNC PyInit__python_room(void)
{
    seen = PyList_New(0);
    PyObject *module = seen ? PyModule_Create(&definition) : NULL;
    return module;
}
