/* The program's __main__: see namespace.h. Runs in the worker. */
#include "python/namespace.h"

#include <string.h>

#include "python/compat.h"
#include "python/imports.h"
#include "python/text.h"

static PyObject *before; /* the module that was __main__ until now */

/* Made by the rehearsal in the zygote and kept: the only other program that ever sees it is the one
 * that the worker is for, and a copy in each worker would cost it a private page for nearly every
 * built-in type. */
static PyObject *builtins;

static int prepare_builtins(const struct msg_run *run)
{
    if (builtins)
        return imports_narrow(run);
    builtins = imports_new_builtins(run);
    return builtins ? 0 : -1;
}

PyObject *namespace_builtins(void)
{
    return builtins;
}

PyObject *namespace_new(const struct msg_run *run)
{
    if (prepare_builtins(run) < 0)
        return NULL;
    auto_py PyObject *module = PyModule_New("__main__");
    if (!module)
        return NULL;
    PyObject *globals = PyModule_GetDict(module);
    if (PyDict_SetItemString(globals, "__builtins__", builtins) < 0)
        return NULL;
#if PY_VERSION_HEX < 0x030e0000
    auto_py PyObject *annotations = PyDict_New();
    if (!annotations || PyDict_SetItemString(globals, "__annotations__", annotations) < 0)
        return NULL;
#endif
    PyObject *modules = PyImport_GetModuleDict();
    Py_XSETREF(before, Py_XNewRef(PyDict_GetItemString(modules, "__main__")));
    if (PyDict_SetItemString(modules, "__main__", module) < 0)
        return NULL;
    return Py_NewRef(globals);
}

void namespace_free(PyObject *globals)
{
    PyObject *modules = PyImport_GetModuleDict();
    if (before)
        PyDict_SetItemString(modules, "__main__", before);
    else
        PyDict_DelItemString(modules, "__main__");
    PyErr_Clear();
    Py_CLEAR(before);
    /* functions refer to the dict and the dict to them */
    PyDict_Clear(globals);
    Py_DECREF(globals);
}

int namespace_public_names(PyObject *globals, struct strv *ret)
{
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    while (ret->len < MSG_MAX_VARIABLES && PyDict_Next(globals, &pos, &key, &value)) {
        if (!PyUnicode_CheckExact(key) || PyModule_Check(value))
            continue;
        Py_ssize_t n;
        const char *name = PyUnicode_AsUTF8AndSize(key, &n);
        if (!name) {
            PyErr_Clear();
            continue;
        }
        /* not a name that source text could have bound, or one the wire cannot carry */
        if (n == 0 || *name == '_' || n > TEXT_MAX_NAME || memchr(name, '\0', (size_t)n))
            continue;
        if (strv_addn(ret, name, (size_t)n, NULL) < 0)
            return -1;
    }
    return 0;
}
