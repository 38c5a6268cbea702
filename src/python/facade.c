/* Facades: see facade.h. Made in the zygote for what is preloaded and in the worker for the rest;
 * read by programs, which are hostile: everything a facade holds, a program has.
 *
 * Facades are exactly of type module, so CPython's caches work for them; what is special is the
 * way a miss and an assignment go, and for these the slots of the module type itself are replaced.
 * A facade is told from other modules by its definition. A miss inside `from m import n` must not
 * end in AttributeError, for then CPython takes sys.modules["m.n"], which is a real module. */
#include "python/facade.h"

#include <string.h>

#include "python/compat.h"
#include "python/events.h"
#include "python/facade_impl.h"

static PyObject *facades; /* address of the real module → facade */
static getattrofunc module_getattro;
static setattrofunc module_setattro;

/* ---- the object ---- */

static int facade_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct facade *f = PyModule_GetState(self);
    if (f)
        Py_VISIT(f->real);
    return 0;
}

static void facade_free(void *self)
{
    struct facade *f = PyModule_GetState(self);
    if (f) {
        Py_CLEAR(f->real);
        Py_CLEAR(f->dotted);
    }
}

static struct PyModuleDef facade_def = {
    PyModuleDef_HEAD_INIT,         .m_name = "facade",    .m_size = sizeof(struct facade),
    .m_traverse = facade_traverse, .m_free = facade_free,
};

struct facade *facade_state(PyObject *module)
{
    return PyModule_Check(module) && PyModule_GetDef(module) == &facade_def
               ? PyModule_GetState(module)
               : NULL;
}

/* Harmless texts that a program may ask of a module. */
static int copy_description(PyObject *dict, PyObject *real)
{
    static const char *const names[] = {"__name__", "__doc__", "__version__", "__author__"};
    PyObject *from = PyModule_GetDict(real); /* borrowed */
    for (size_t i = 0; i < Py_ARRAY_LENGTH(names); i++) {
        PyObject *value = PyDict_GetItemString(from, names[i]);
        if (value && PyUnicode_CheckExact(value) && PyDict_SetItemString(dict, names[i], value) < 0)
            return -1;
    }
    return 0;
}

static PyObject *facade_new(PyObject *real, const char *dotted)
{
    auto_py PyObject *self = PyModule_Create(&facade_def);
    if (!self)
        return NULL;
    struct facade *f = PyModule_GetState(self);
    f->real = Py_NewRef(real);
    f->dotted = PyUnicode_InternFromString(dotted);
    f->rule = facade_rule_of(dotted);
    f->sys = strcmp(dotted, "sys") == 0;
    f->foreign = !profile_of_module(dotted);
    PyObject *dict = PyModule_GetDict(self);
    if (!f->dotted || PyDict_SetItemString(dict, "__name__", f->dotted) < 0 ||
        copy_description(dict, real) < 0)
        return NULL;
    return Py_NewRef(self);
}

/* ---- filling ---- */

/* Make sure that @name is in the facade's dict if a program may have it: 1 = it is, 0 = it may not,
 * -1 = Python exception. */
static int fill_name(PyObject *self, PyObject *name)
{
    PyObject *dict = PyModule_GetDict(self), *value = NULL;
    if (!PyUnicode_CheckExact(name))
        return 0;
    int there = PyDict_Contains(dict, name);
    if (there != 0)
        return there;
    enum facade_find found = facade_find(self, name, &value);
    auto_py PyObject *held = value;
    PyErr_Clear(); /* a lazy name that cannot be loaded is as good as absent */
    if (found != FACADE_FOUND)
        return 0;
    return PyDict_SetItem(dict, name, held) < 0 ? -1 : 1;
}

/* __all__ as far as it can be had, so that `from m import *` is the real one's. */
static int fill_all(PyObject *self, PyObject *all)
{
    auto_py PyObject *names = PyList_New(0);
    for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(all); i++) {
        PyObject *name = PyTuple_GET_ITEM(all, i);
        int there = fill_name(self, name);
        if (there < 0 || (there && PyList_Append(names, name) < 0))
            return -1;
    }
    return names ? PyDict_SetItemString(PyModule_GetDict(self), "__all__", names) : -1;
}

/* Take over what may be had of the real module's present contents. */
static int fill(PyObject *self, bool eager)
{
    struct facade *f = PyModule_GetState(self);
    auto_py PyObject *all = facade_real_all(f);
    auto_py PyObject *listed = all ? PySet_New(all) : NULL;
    PyErr_Clear(); /* an unhashable name: as if there were no __all__ */
    auto_py PyObject *copy = PyDict_Copy(PyModule_GetDict(f->real));
    PyObject *dict = PyModule_GetDict(self), *name, *value;
    Py_ssize_t pos = 0;
    if (!copy)
        return -1;
    while (PyDict_Next(copy, &pos, &name, &value)) {
        if (!PyUnicode_CheckExact(name) || (!eager && PyModule_Check(value)))
            continue;
        bool in_all = !listed || PySet_Contains(listed, name) == 1;
        PyObject *given = NULL;
        enum facade_find found = facade_judge(f, name, value, in_all, eager, &given);
        auto_py PyObject *held = given;
        if (found == FACADE_ERROR || (held && PyDict_SetItem(dict, name, held) < 0))
            return -1;
    }
    return 0;
}

int facade_refresh(PyObject *facade)
{
    struct facade *f = facade_state(facade);
    if (!f || f->path_only || f->sys)
        return 0;
    if (fill(facade, true) < 0)
        return -1;
    auto_py PyObject *all = facade_real_all(f);
    return all ? fill_all(facade, all) : 0;
}

PyObject *facade_known(PyObject *module)
{
    auto_py PyObject *address = PyLong_FromVoidPtr(module);
    PyObject *known = address ? PyDict_GetItemWithError(facades, address) : NULL;
    PyErr_Clear();
    return Py_XNewRef(known);
}

PyObject *facade_of(PyObject *module, const char *dotted, bool eager)
{
    auto_py PyObject *address = PyLong_FromVoidPtr(module);
    PyObject *known = address ? PyDict_GetItemWithError(facades, address) : NULL;
    if (known || PyErr_Occurred())
        return Py_XNewRef(known);
    auto_py PyObject *self = facade_new(module, dotted);
    /* Registered before it is filled: packages and their submodules refer to each other. It holds
     * the real module, so the address stays taken. */
    if (!self || PyDict_SetItem(facades, address, self) < 0)
        return NULL;
    struct facade *f = PyModule_GetState(self);
    if (f->sys ? facade_sys_fill(PyModule_GetDict(self)) < 0 : fill(self, eager) < 0) {
        PyObject *pending = exc_take();
        PyDict_DelItem(facades, address);
        exc_put(pending);
        return NULL;
    }
    return Py_NewRef(self);
}

PyObject *facade_path(PyObject *module, const char *dotted)
{
    PyObject *self = facade_new(module, dotted);
    if (self)
        ((struct facade *)PyModule_GetState(self))->path_only = true;
    return self;
}

int facade_attach(PyObject *facade, const char *name, PyObject *child)
{
    return PyDict_SetItemString(PyModule_GetDict(facade), name, child);
}

/* ---- a miss ---- */

static bool has_underscore(PyObject *name)
{
    return PyUnicode_GET_LENGTH(name) > 0 && PyUnicode_READ_CHAR(name, 0) == '_';
}

static bool is_special(PyObject *name)
{
    return PyUnicode_GET_LENGTH(name) > 1 && has_underscore(name) &&
           PyUnicode_READ_CHAR(name, 1) == '_';
}

/* What the real module has under @name, its own __getattr__ included. */
static enum facade_find find_in_real(PyObject *self, PyObject *name, PyObject **ret)
{
    struct facade *f = PyModule_GetState(self);
    if (has_underscore(name) || f->sys) { /* only to tell withheld from absent */
        PyObject *dict = PyModule_GetDict(f->real);
        return PyDict_Contains(dict, name) == 1 ? FACADE_WITHHELD : FACADE_ABSENT;
    }
    auto_py PyObject *value = PyObject_GetAttr(f->real, name);
    if (!value) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return FACADE_ERROR;
        PyErr_Clear();
        return FACADE_ABSENT;
    }
    auto_py PyObject *all = facade_real_all(f);
    int listed = all ? PySequence_Contains(all, name) : 1;
    PyErr_Clear();
    enum facade_find found = facade_judge(f, name, value, listed == 1, false, ret);
    if (found == FACADE_FOUND && PyModule_Check(*ret) &&
        PyDict_SetItem(PyModule_GetDict(self), name, *ret) < 0) {
        Py_CLEAR(*ret);
        return FACADE_ERROR;
    }
    return found;
}

enum facade_find facade_find(PyObject *facade, PyObject *name, PyObject **ret)
{
    struct facade *f = facade_state(facade);
    PyObject *value = PyDict_GetItemWithError(PyModule_GetDict(facade), name);
    if (value) {
        *ret = Py_NewRef(value);
        return FACADE_FOUND;
    }
    if (PyErr_Occurred())
        return FACADE_ERROR;
    if (f && f->sys && facade_sys_is_live(name)) {
        *ret = facade_sys_get(name);
        return *ret ? FACADE_FOUND : FACADE_ERROR;
    }
    return f ? find_in_real(facade, name, ret) : FACADE_ABSENT;
}

bool facade_withholds(const char *dotted, PyObject *name)
{
    PyObject *module = PyDict_GetItemString(PyImport_GetModuleDict(), dotted); /* borrowed */
    if (!module) { /* it could be loaded later: what the table says of it holds in any case */
        const char *text = PyUnicode_AsUTF8(name);
        PyErr_Clear();
        return text && (*text == '_' || !facade_rule_permits(facade_rule_of(dotted), text));
    }
    auto_py PyObject *facade = module && PyModule_Check(module) ? facade_known(module) : NULL;
    struct facade *f = facade ? facade_state(facade) : NULL;
    if (!f || PyDict_Contains(PyModule_GetDict(facade), name) ||
        (f->sys && facade_sys_is_live(name)))
        return false;
    PyObject *value = PyDict_GetItemWithError(PyModule_GetDict(f->real), name); /* borrowed */
    if (!value || has_underscore(name) || f->sys)
        return value != NULL;
    auto_py PyObject *all = facade_real_all(f);
    int listed = all ? PySequence_Contains(all, name) : 1;
    PyObject *given = NULL;
    bool withheld = facade_judge(f, name, value, listed == 1, false, &given) == FACADE_WITHHELD;
    Py_XDECREF(given);
    PyErr_Clear();
    return withheld;
}

/* The module type's tp_getattro. */
static PyObject *getattro(PyObject *self, PyObject *name)
{
    struct facade *f = facade_state(self);
    if (!f)
        return module_getattro(self, name);
    PyObject *value = PyObject_GenericGetAttr(self, name);
    if (value || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return value;
    PyErr_Clear();
    if (is_special(name))
        return facade_miss(self, name, false);
    switch (facade_find(self, name, &value)) {
    case FACADE_FOUND:
        return value;
    case FACADE_ERROR:
        return NULL;
    case FACADE_WITHHELD:
        return facade_miss(self, name, true);
    case FACADE_ABSENT:
        break;
    }
    return facade_miss(self, name, false);
}

/* What the library calls by its own name, and a program is meant to replace. */
static bool is_hook(const struct facade *f, PyObject *name)
{
    return PyUnicode_CompareWithASCIIString(f->dotted, "warnings") == 0 &&
           (PyUnicode_CompareWithASCIIString(name, "showwarning") == 0 ||
            PyUnicode_CompareWithASCIIString(name, "formatwarning") == 0);
}

/* From now on it is looked up in the real module, for catch_warnings() puts the old one back there.
 */
static int set_hook(PyObject *self, const struct facade *f, PyObject *name, PyObject *value)
{
    PyObject *dict = PyModule_GetDict(self);
    int there = PyDict_Contains(dict, name);
    if (there < 0 || (there && PyDict_DelItem(dict, name) < 0))
        return -1;
    return PyObject_SetAttr(f->real, name, value);
}

/* The module type's tp_setattro. A facade's special names stay: with another __class__ it would no
 * longer come through here. */
static int setattro(PyObject *self, PyObject *name, PyObject *value)
{
    struct facade *f = facade_state(self);
    if (!f || !PyUnicode_Check(name))
        return module_setattro(self, name, value);
    if (is_special(name)) {
        PyErr_Format(PyExc_AttributeError, "'%U' of module '%U' cannot be changed in the sandbox",
                     name, f->dotted);
        return -1;
    }
    if (f->sys && facade_sys_is_live(name))
        return facade_sys_set(name, value);
    if (value && is_hook(f, name))
        return set_hook(self, f, name, value);
    return module_setattro(self, name, value);
}

/* From 3.13 on, object.__setattr__(facade, "__class__", …) does not come through setattro above,
 * but it is announced. */
static int on_event(const char *event, PyObject *args, void *ctx)
{
    (void)ctx;
    if (strcmp(event, "object.__setattr__") != 0 || PyTuple_GET_SIZE(args) < 2 ||
        !facade_state(PyTuple_GET_ITEM(args, 0)))
        return 0;
    PyErr_Format(PyExc_AttributeError, "'%S' of a module cannot be changed in the sandbox",
                 PyTuple_GET_ITEM(args, 1));
    return -1;
}

/* ---- set-up ---- */

int facade_init(facade_verdict_fn *verdict, unsigned on)
{
    if (facades)
        return 0;
    facades = PyDict_New();
    if (!facades || facade_judge_init(verdict, on) < 0)
        return -1;
    module_getattro = PyModule_Type.tp_getattro;
    module_setattro = PyModule_Type.tp_setattro;
    PyModule_Type.tp_getattro = getattro;
    PyModule_Type.tp_setattro = setattro;
    PyType_Modified(&PyModule_Type);
    if (PySys_AddAuditHook(on_event, NULL) < 0)
        return -1;
    return facade_hide_holders();
}
