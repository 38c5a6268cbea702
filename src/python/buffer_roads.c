/* Buffered and text streams: see buffer_roads.h. Runs in the worker, with objects of a hostile
 * program. A raw stream is trusted when everything that the buffer calls of it is C or the
 * library's. */
#include "python/buffer_roads.h"

#include <Python.h>
#include <stdbool.h>

#include "base/macros.h"
#include "python/compat.h"
#include "python/events.h"
#include "python/guard_trust.h"
#include "python/guards.h"

static struct stream {
    const char *name;
    bool text;          /* over one of the others, which hold bytes */
    PyTypeObject *type; /* borrowed: the module keeps it */
    initproc real;
} streams[] = {
    {.name = "BufferedReader"},
    {.name = "BufferedWriter"},
    {.name = "BufferedRandom"},
    {.name = "BufferedRWPair"},
    {.name = "TextIOWrapper", .text = true},
};

static const struct stream *stream_of(PyObject *self)
{
    for (size_t i = 0; i < ARRAY_LEN(streams); i++)
        if (streams[i].type && PyObject_TypeCheck(self, streams[i].type))
            return &streams[i];
    return NULL;
}

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
static bool is_over_buffer(PyObject *args)
{
    const PyTypeObject *given =
        PyTuple_GET_SIZE(args) > 0 ? Py_TYPE(PyTuple_GET_ITEM(args, 0)) : NULL;
    for (size_t i = 0; given && i < ARRAY_LEN(streams); i++)
        if (given == streams[i].type && !streams[i].text)
            return true;
    return false;
}

static int init_buffer(PyObject *self, PyObject *args, PyObject *kwargs)
{
    const struct stream *stream = stream_of(self);
    if (!stream) {
        PyErr_SetString(PyExc_TypeError, "not a buffered stream");
        return -1;
    }
    bool ok = !guards_armed || !stream->text || !guards_caller_is_program() || is_over_buffer(args);
    for (Py_ssize_t i = 0; guards_armed && i < PyTuple_GET_SIZE(args); i++)
        ok &= is_trusted(PyTuple_GET_ITEM(args, i));
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    while (guards_armed && kwargs && PyDict_Next(kwargs, &pos, &key, &value))
        ok &= is_trusted(value);
    return ok ? stream->real(self, args, kwargs) : refuse();
}

int buffer_roads_init(void)
{
    auto_py PyObject *module = PyImport_ImportModule("_io");
    for (size_t i = 0; module && i < ARRAY_LEN(streams); i++) {
        struct stream *s = &streams[i];
        auto_py PyObject *type = PyObject_GetAttrString(module, s->name);
        if (!type || !PyType_Check(type))
            return -1;
        if (s->type)
            continue;
        s->type = (PyTypeObject *)type;
        s->real = s->type->tp_init;
        auto_py PyObject *dict = guards_type_dict(s->type);
        guards_put_wrapper(dict, "__init__", (void *)s->real, (void *)init_buffer);
        s->type->tp_init = init_buffer;
        PyType_Modified(s->type);
    }
    return module ? 0 : -1;
}
