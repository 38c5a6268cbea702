/* Buffered streams: see buffer_roads.h. Runs in the worker, with objects of a hostile program. A
 * raw stream is trusted when everything that the buffer calls of it is C or the library's. */
#include "python/buffer_roads.h"

#include <Python.h>
#include <stdbool.h>

#include "base/macros.h"
#include "python/compat.h"
#include "python/events.h"
#include "python/guard_trust.h"
#include "python/guards.h"

static struct {
    const char *name;
    PyTypeObject *type; /* borrowed: static */
    initproc real;
} buffers[] = {
    {"BufferedReader", NULL, NULL}, {"BufferedWriter", NULL, NULL}, {"BufferedRandom", NULL, NULL},
    {"BufferedRWPair", NULL, NULL}, {"TextIOWrapper", NULL, NULL},
};

/* In what @type calls itself there is no function of a program's. */
static bool is_library_stream(PyTypeObject *type)
{
    static const char *const called[] = {"readinto",         "read",       "read1",
                                         "readall",          "write",      "flush",
                                         "__getattribute__", "__getattr__"};
    for (size_t i = 0; i < ARRAY_LEN(called); i++) {
        auto_py PyObject *name = PyUnicode_FromString(called[i]);
        PyObject *found = name ? _PyType_Lookup(type, name) : NULL; /* borrowed */
        if (!name)
            return false;
        if (found && !guards_is_library(found) && !Py_IS_TYPE(found, &PyMethodDescr_Type) &&
            !Py_IS_TYPE(found, &PyWrapperDescr_Type))
            return false;
    }
    return true;
}

static int refuse(void)
{
    static const char detail[] = "A stream over an object of the program's own is not "
                                 "available in the sandbox";
    events_report(LAYER_GUARD, 0, "descriptor", detail,
                  "io.BytesIO and io.StringIO are streams in memory");
    PyErr_SetString(events_violation_type, detail);
    return -1;
}

static bool is_trusted(PyObject *raw)
{
    if (!raw)
        return true;
    PyTypeObject *type = Py_TYPE(raw);
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE))
        return true;
    /* an attribute of the object itself comes before a method of its class */
    auto_py PyObject *name = PyUnicode_FromString("readinto");
    auto_py PyObject *dict = PyObject_GenericGetDict(raw, NULL);
    bool own = dict && name && PyDict_Check(dict) && PyDict_Contains(dict, name) == 1;
    PyErr_Clear();
    return !own && is_library_stream(type);
}

/* A text stream goes on asking its buffer, whose methods a program could replace at any time: it
 * may have one over a file, which open() makes. */
static bool is_over_file(PyObject *self, PyObject *args)
{
    const PyTypeObject *text = buffers[ARRAY_LEN(buffers) - 1].type;
    if (!text || !PyObject_TypeCheck(self, (PyTypeObject *)text))
        return true;
    const PyTypeObject *given =
        PyTuple_GET_SIZE(args) > 0 ? Py_TYPE(PyTuple_GET_ITEM(args, 0)) : NULL;
    for (size_t i = 0; given && i < ARRAY_LEN(buffers) - 1; i++)
        if (given == buffers[i].type)
            return true;
    return false;
}

static int init_buffer(PyObject *self, PyObject *args, PyObject *kwargs)
{
    bool ok = !guards_armed || !guards_caller_is_program() || is_over_file(self, args);
    for (Py_ssize_t i = 0; guards_armed && i < PyTuple_GET_SIZE(args); i++)
        ok &= is_trusted(PyTuple_GET_ITEM(args, i));
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    while (guards_armed && kwargs && PyDict_Next(kwargs, &pos, &key, &value))
        ok &= is_trusted(value);
    if (!ok)
        return refuse();
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++)
        if (buffers[i].type && PyObject_TypeCheck(self, buffers[i].type))
            return buffers[i].real(self, args, kwargs);
    PyErr_SetString(PyExc_TypeError, "not a buffered stream");
    return -1;
}

int buffer_roads_init(void)
{
    auto_py PyObject *module = PyImport_ImportModule("_io");
    for (size_t i = 0; module && i < ARRAY_LEN(buffers); i++) {
        auto_py PyObject *type = PyObject_GetAttrString(module, buffers[i].name);
        if (!type || !PyType_Check(type))
            return -1;
        if (buffers[i].type)
            continue;
        buffers[i].type = (PyTypeObject *)type;
        buffers[i].real = buffers[i].type->tp_init;
        buffers[i].type->tp_init = init_buffer;
        auto_py PyObject *dict = guards_type_dict(buffers[i].type);
        PyObject *found = PyDict_GetItemString(dict, "__init__"); /* borrowed */
        if (found && Py_IS_TYPE(found, &PyWrapperDescr_Type))
            ((PyWrapperDescrObject *)found)->d_wrapped = (void *)init_buffer;
        PyType_Modified(buffers[i].type);
    }
    return module ? 0 : -1;
}
