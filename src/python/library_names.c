/* What typing and annotationlib see of sys and builtins: see library_names.h. Runs in the worker,
 * asked by library functions on behalf of a hostile program. */
#include "python/library_names.h"

#include <Python.h>
#include <stdbool.h>
#include <string.h>

#include "base/macros.h"
#include "python/compat.h"
#include "python/facade_impl.h"
#include "python/guards.h"
#include "python/imports_impl.h"

/* ---- sys.modules.get(name, default=None) ---- */

/* What a program may see of the module called @name; borrowed from @ret_held or sys.modules. */
static PyObject *visible_module(PyObject *name, PyObject **ret_held)
{
    PyObject *module = PyDict_GetItemWithError(PyImport_GetModuleDict(), name); /* borrowed */
    if (!module || !guards_armed)
        return module;
    if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "__main__") == 0)
        return module;
    *ret_held = facade_known(module);
    return *ret_held;
}

static PyObject *modules_get(PyObject *self _unused_, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || nargs > 2)
        return PyErr_Format(PyExc_TypeError, "get expected 1 or 2 arguments, got %zd", nargs);
    auto_py PyObject *held = NULL;
    PyObject *module = visible_module(args[0], &held);
    if (!module && PyErr_Occurred())
        return NULL;
    return Py_NewRef(module ? module : nargs == 2 ? args[1] : Py_None);
}

static PyMethodDef modules_methods[] = {
    {"get", (PyCFunction)(void (*)(void))modules_get, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyObject *modules_item(PyObject *self _unused_, PyObject *name)
{
    auto_py PyObject *held = NULL;
    PyObject *module = visible_module(name, &held);
    if (!module && !PyErr_Occurred())
        PyErr_SetObject(PyExc_KeyError, name);
    return Py_XNewRef(module);
}

static PyMappingMethods modules_mapping = {.mp_subscript = modules_item};

static PyTypeObject modules_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_vivarium.visible_modules",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_methods = modules_methods,
    .tp_as_mapping = &modules_mapping,
};

/* ---- sys ---- */

/* Everything but `modules` is that of the real one, at the moment of asking. */
static PyObject *sys_getattr(PyObject *self _unused_, PyObject *name)
{
    PyObject *sys = PyDict_GetItemString(PyImport_GetModuleDict(), "sys"); /* borrowed */
    return sys ? PyObject_GetAttr(sys, name) : NULL;
}
static PyMethodDef sys_getattr_def = {"__getattr__", sys_getattr, METH_O, NULL};

static PyObject *make_sys(void)
{
    auto_py PyObject *sys = PyModule_New("sys");
    auto_py PyObject *modules = PyObject_New(PyObject, &modules_type);
    auto_py PyObject *get = PyCFunction_New(&sys_getattr_def, NULL);
    if (!sys || !modules || !get || PyObject_SetAttrString(sys, "modules", modules) < 0 ||
        PyObject_SetAttrString(sys, "__getattr__", get) < 0)
        return NULL;
    return Py_NewRef(sys);
}

/* ---- builtins ---- */

static PyObject *make_builtins(void)
{
    auto_py PyObject *module = PyModule_New("builtins");
    auto_py PyObject *names = builtins_visible();
    if (!module || !names || PyDict_Update(PyModule_GetDict(module), names) < 0)
        return NULL;
    return Py_NewRef(module);
}

/* ---- set-up ---- */

static const struct {
    const char *module, *name;
    PyObject *(*make)(void);
} replaced[] = {
    {"typing", "sys", make_sys},
    {"warnings", "sys", make_sys},
    {"annotationlib", "sys", make_sys},
    {"annotationlib", "builtins", make_builtins},
};

int library_names_learn(void)
{
    if (PyType_Ready(&modules_type) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(replaced); i++) {
        PyObject *module =
            PyDict_GetItemString(PyImport_GetModuleDict(), replaced[i].module); /* borrowed */
        auto_py PyObject *ours = module ? replaced[i].make() : NULL;
        if (module && (!ours || PyObject_SetAttrString(module, replaced[i].name, ours) < 0))
            return -1;
    }
    return 0;
}
