/* Suggestions: see suggest.h. Runs in the worker, after the program has failed. Candidates are what
 * CPython's own 3.12 would look at: the names of the frame that failed, or those of the object and
 * its classes. */
#include "python/suggest.h"

#include <stdbool.h>

#include "python/compat.h"

#if PY_VERSION_HEX >= 0x030c0000

int suggest_init(void)
{
    return 0;
}

int suggest_correction(PyObject *Py_UNUSED(exc), PyObject *Py_UNUSED(te))
{
    return 0;
}

#else

#define MAX_CANDIDATES 750 /* CPython's own limits */
#define MAX_NAME       40

static PyObject *get_close_matches; /* difflib's */

int suggest_init(void)
{
    auto_py PyObject *difflib = PyImport_ImportModule("difflib");
    get_close_matches = difflib ? PyObject_GetAttrString(difflib, "get_close_matches") : NULL;
    return get_close_matches ? 0 : -1;
}

/* The frame in which the exception was raised; borrowed from @tb. */
static PyFrameObject *last_frame(PyObject *tb)
{
    PyTracebackObject *t = (PyTracebackObject *)tb;
    while (t && t->tb_next)
        t = t->tb_next;
    return t ? t->tb_frame : NULL;
}

static int add_keys(PyObject *names, PyObject *mapping)
{
    if (!mapping || !PyDict_Check(mapping))
        return 0;
    auto_py PyObject *keys = PyDict_Keys(mapping);
    Py_ssize_t end = PyList_GET_SIZE(names);
    return keys ? PyList_SetSlice(names, end, end, keys) : -1;
}

static PyObject *names_in_scope(PyObject *exc)
{
    auto_py PyObject *tb = PyException_GetTraceback(exc);
    PyObject *names = PyList_New(0);
    PyFrameObject *frame = tb ? last_frame(tb) : NULL;
    if (!names || !frame)
        return names;
    auto_py PyObject *locals = PyFrame_GetLocals(frame);
    auto_py PyObject *globals = PyFrame_GetGlobals(frame);
    auto_py PyObject *builtins = PyFrame_GetBuiltins(frame);
    if (add_keys(names, locals) < 0 || add_keys(names, globals) < 0 ||
        add_keys(names, builtins) < 0)
        Py_CLEAR(names);
    return names;
}

/* Only str, and private names only for who asks for one. */
static int drop_unsuitable(PyObject *names, PyObject *wanted)
{
    bool private_too = PyUnicode_READ_CHAR(wanted, 0) == '_';
    for (Py_ssize_t i = PyList_GET_SIZE(names) - 1; i >= 0; i--) {
        PyObject *s = PyList_GET_ITEM(names, i);
        bool fits = PyUnicode_CheckExact(s) && PyUnicode_GET_LENGTH(s) > 0 &&
                    (private_too || PyUnicode_READ_CHAR(s, 0) != '_') &&
                    PyUnicode_Compare(s, wanted) != 0;
        if (!fits && PyList_SetSlice(names, i, i + 1, NULL) < 0)
            return -1;
    }
    return 0;
}

static int add_class_names(PyObject *names, PyTypeObject *type)
{
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t i = 0; mro && i < PyTuple_GET_SIZE(mro); i++)
        if (add_keys(names, ((PyTypeObject *)PyTuple_GET_ITEM(mro, i))->tp_dict) < 0)
            return -1;
    return 0;
}

/* What dir() would say, from the structures: dir() asks the object, which may be hostile, and reads
 * attributes that are guarded. */
static PyObject *names_of(PyObject *obj)
{
    PyObject *names = PyList_New(0);
    PyObject **dict = _PyObject_GetDictPtr(obj);
    if (!names)
        return NULL;
    if ((dict && add_keys(names, *dict) < 0) || add_class_names(names, Py_TYPE(obj)) < 0 ||
        (PyType_Check(obj) && add_class_names(names, (PyTypeObject *)obj) < 0))
        Py_CLEAR(names);
    return names;
}

static PyObject *candidates(PyObject *exc, PyObject **ret_wanted)
{
    PyObject *names = NULL;
    if (Py_TYPE(exc) == (PyTypeObject *)PyExc_NameError) {
        *ret_wanted = Py_XNewRef(((PyNameErrorObject *)exc)->name);
        names = names_in_scope(exc);
    } else if (Py_TYPE(exc) == (PyTypeObject *)PyExc_AttributeError) {
        PyAttributeErrorObject *e = (PyAttributeErrorObject *)exc;
        *ret_wanted = Py_XNewRef(e->name);
        names = e->obj ? names_of(e->obj) : NULL;
    }
    /* out of memory: then there is no suggestion */
    PyErr_Clear();
    return names;
}

int suggest_correction(PyObject *exc, PyObject *te)
{
    auto_py PyObject *wanted = NULL;
    auto_py PyObject *names = candidates(exc, &wanted);
    if (!names || !wanted || !PyUnicode_CheckExact(wanted))
        return 0;
    Py_ssize_t length = PyUnicode_GET_LENGTH(wanted);
    if (length == 0 || length > MAX_NAME || PyList_GET_SIZE(names) > MAX_CANDIDATES)
        return 0;
    if (drop_unsuitable(names, wanted) < 0)
        return -1;
    auto_py PyObject *best = PyObject_CallFunction(get_close_matches, "OOi", wanted, names, 1);
    if (!best)
        return -1;
    if (!PyList_Check(best) || PyList_GET_SIZE(best) == 0)
        return 0;
    auto_py PyObject *text = PyObject_GetAttrString(te, "_str");
    auto_py PyObject *longer =
        text ? PyUnicode_FromFormat("%U. Did you mean: '%U'?", text, PyList_GET_ITEM(best, 0))
             : NULL;
    return longer ? PyObject_SetAttrString(te, "_str", longer) : -1;
}

#endif
