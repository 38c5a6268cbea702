/* Suggestions: see suggest.h. Runs in the worker, after the program has failed. Candidates are what
 * CPython's own 3.12 would look at: the names of the frame that failed, or those of the object and
 * its classes. */
#include "python/suggest.h"

#include "python/closest.h"
#include "python/compat.h"

#if PY_VERSION_HEX >= 0x030c0000

int suggest_correction(PyObject *Py_UNUSED(exc), PyObject *Py_UNUSED(te))
{
    return 0;
}

#else

#define MAX_CANDIDATES 750 /* CPython's own limit */

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

/* Only str, and private names only for who asks for one. */
static void offer_all(struct closest *c, PyObject *names)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(names); i++) {
        PyObject *s = PyList_GET_ITEM(names, i);
        const char *text = PyUnicode_CheckExact(s) ? PyUnicode_AsUTF8(s) : NULL;
        PyErr_Clear();
        if (text && (*text != '_' || *c->wanted == '_'))
            closest_offer(c, text);
    }
}

int suggest_correction(PyObject *exc, PyObject *te)
{
    auto_py PyObject *wanted = NULL;
    auto_py PyObject *names = candidates(exc, &wanted);
    const char *text = wanted && PyUnicode_CheckExact(wanted) ? PyUnicode_AsUTF8(wanted) : NULL;
    PyErr_Clear();
    if (!names || !text || PyList_GET_SIZE(names) > MAX_CANDIDATES)
        return 0;
    struct closest c;
    closest_init(&c, text);
    offer_all(&c, names);
    if (!closest_best(&c))
        return 0;
    auto_py PyObject *said = PyObject_GetAttrString(te, "_str");
    auto_py PyObject *longer =
        said ? PyUnicode_FromFormat("%U. Did you mean: '%s'?", said, closest_best(&c)) : NULL;
    return longer ? PyObject_SetAttrString(te, "_str", longer) : -1;
}

#endif
