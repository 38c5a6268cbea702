/* What differs between CPython 3.11 and 3.14, under one name. */
#ifndef PYTHON_COMPAT_H
#define PYTHON_COMPAT_H

#include <Python.h>

/* Take the pending exception, normalised and with its traceback attached; NULL when there is none.
 * New reference. */
static inline PyObject *exc_take(void)
{
#if PY_VERSION_HEX >= 0x030c0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    if (!type)
        return NULL;
    PyErr_NormalizeException(&type, &value, &tb);
    if (tb)
        PyException_SetTraceback(value, tb);
    Py_XDECREF(type);
    Py_XDECREF(tb);
    return value;
#endif
}

/* Make @exc (stolen, may be NULL) the pending exception again. */
static inline void exc_put(PyObject *exc)
{
#if PY_VERSION_HEX >= 0x030c0000
    PyErr_SetRaisedException(exc);
#else
    if (!exc) {
        PyErr_Clear();
        return;
    }
    PyErr_Restore(Py_NewRef(Py_TYPE(exc)), exc, PyException_GetTraceback(exc));
#endif
}

/* Py_XDECREF at the end of the scope. */
static inline void auto_py_fn(PyObject **p)
{
    Py_XDECREF(*p);
}
#define auto_py __attribute__((cleanup(auto_py_fn)))

#endif
