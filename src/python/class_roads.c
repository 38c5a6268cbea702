/* Roads through classes: see class_roads.h. Runs in the worker on behalf of a hostile program; in
 * the zygote and for library code everything is passed on as it is. */
#include "python/class_roads.h"

#include <Python.h>
#include <stdbool.h>

#include "base/macros.h"
#include "python/compat.h"
#include "python/events.h"
#include "python/guard_readers.h"
#include "python/guard_trust.h"
#include "python/guards.h"
#include "python/roads.h"

static newfunc real_type_new;
static setattrofunc real_type_setattro;

static bool name_in(PyObject *name, const char *const *names)
{
    for (; PyUnicode_Check(name) && *names; names++)
        if (PyUnicode_CompareWithASCIIString(name, *names) == 0)
            return true;
    return false;
}

/* ---- ExceptionGroup.split ---- */

static PyObject *group_type; /* BaseExceptionGroup; borrowed, lives as long as the interpreter */
static PyObject *real_split; /* owned: its method */
static PyObject *own_split;  /* owned: what stands for it now */
/* owned set of the classes that exception groups of the program derive from */
static PyObject *group_bases;

static int refuse_split(void)
{
    static const char detail[] = "'split' of an exception group may not be replaced";
    events_report(LAYER_GUARD, 0, "attribute", detail,
                  "Override derive(), which split() and subgroup() call");
    PyErr_SetString(events_violation_type, detail);
    return -1;
}

static PyObject *split_get(PyObject *self, PyObject *object, PyObject *type)
{
    return object ? Py_TYPE(real_split)->tp_descr_get(real_split, object, type) : Py_NewRef(self);
}

/* A data descriptor, so that an attribute of the exception itself does not come first. */
static int split_set(PyObject *self _unused_, PyObject *object _unused_, PyObject *value _unused_)
{
    return refuse_split();
}

static PyTypeObject split_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "method",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_descr_get = split_get,
    .tp_descr_set = split_set,
};

/* @type has just been made. What it derives from is remembered, for it could be changed later. */
static int check_group(PyTypeObject *type)
{
    PyObject *mro = type->tp_mro; /* borrowed */
    for (Py_ssize_t i = 0; mro && i < PyTuple_GET_SIZE(mro); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        if ((PyObject *)base == group_type)
            return 0;
        auto_py PyObject *dict = guards_type_dict(base);
        if (PyDict_GetItemString(dict, "split"))
            return refuse_split();
        if (PySet_Add(group_bases, (PyObject *)base) < 0)
            return -1;
    }
    return 0;
}

static bool is_split_of_group(PyObject *type, PyObject *name)
{
    return PyUnicode_CompareWithASCIIString(name, "split") == 0 &&
           (type == group_type || PySet_Contains(group_bases, type) != 0);
}

static int fix_split(void)
{
    if (guards_type_ready(&split_type) < 0 || !(group_bases = PySet_New(NULL)))
        return -1;
    group_type = PyDict_GetItemString(PyEval_GetBuiltins(), "BaseExceptionGroup");
    auto_py PyObject *dict = group_type ? guards_type_dict((PyTypeObject *)group_type) : NULL;
    real_split = dict ? Py_XNewRef(PyDict_GetItemString(dict, "split")) : NULL;
    own_split = real_split ? PyObject_New(PyObject, &split_type) : NULL;
    if (!own_split || PyDict_SetItemString(dict, "split", own_split) < 0)
        return -1;
    PyType_Modified((PyTypeObject *)group_type);
    return 0;
}

/* ---- new classes ---- */

/* Bits of tp_flags that CPython does not use, and does not hand down. A class that was there before
 * any program; one that a program's own class statement has made. */
#define IS_LIBRARY_CLASS  (1ul << 48)
#define IS_PROGRAMS_CLASS (1ul << 49)

/* What a class statement puts into every namespace by itself, in one version of CPython or another;
 * and __match_args__, whose names are judged. */
static const char *const from_class[] = {"__module__",
                                         "__qualname__",
                                         "__classcell__",
                                         "__orig_bases__",
                                         "__annotations__",
                                         "__type_params__",
                                         "__static_attributes__",
                                         "__firstlineno__",
                                         "__classdictcell__",
                                         "__annotate_func__",
                                         "__annotate__",
                                         "__conditional_annotations__",
                                         "__match_args__",
                                         NULL};
/* What functions of the library add to a program's namespace while they pass it on. */
static const char *const from_library[] = {"__dataclass_fields__",
                                           "__dataclass_params__",
                                           "__required_keys__",
                                           "__optional_keys__",
                                           "__readonly_keys__",
                                           "__mutable_keys__",
                                           "__total__",
                                           "__closed__",
                                           "__extra_items__",
                                           "__parameters__",
                                           "__abstractmethods__",
                                           "__weakref__",
                                           "__reduce_ex__",
                                           "__new_member__",
                                           "__protocol_attrs__",
                                           "__non_callable_proto_members__",
                                           NULL};

/* Names that a class pattern reads. Whoever puts them there, the library does it for a program:
 * @value of anything else than a tuple of names is for CPython to refuse. */
static int judge_match_args(PyObject *value)
{
    for (Py_ssize_t i = 0; PyTuple_CheckExact(value) && i < PyTuple_GET_SIZE(value); i++) {
        PyObject *name = PyTuple_GET_ITEM(value, i);
        if (PyUnicode_CheckExact(name) && roads_judge_name(name, USE_GET) < 0)
            return -1;
    }
    return 0;
}

static int judge_namespace(PyObject *namespace, bool passed_on)
{
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    while (PyDict_Next(namespace, &pos, &key, &value)) {
        if (!PyUnicode_Check(key) || name_in(key, from_class) ||
            (passed_on && name_in(key, from_library)))
            continue;
        /* an exact str: one of a class of the program's could say that it equals another */
        auto_py PyObject *name = PyUnicode_FromObject(key);
        if (!name || roads_judge_name(name, USE_DEFINE) < 0)
            return -1;
    }
    return 0;
}

/* Class statements arrive here too and have been judged by the policy: they pass again. */
static PyObject *type_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (!guards_armed)
        return real_type_new(type, args, kwargs);
    if (PyTuple_GET_SIZE(args) == 3 && PyDict_Check(PyTuple_GET_ITEM(args, 2))) {
        bool passed_on = !guards_caller_is_program();
        PyObject *pattern = /* borrowed */
            PyDict_GetItemString(PyTuple_GET_ITEM(args, 2), "__match_args__");
        if (pattern && judge_match_args(pattern) < 0)
            return NULL;
        if ((!passed_on || guards_passed_on_by_program(PASSES_CLASS)) &&
            judge_namespace(PyTuple_GET_ITEM(args, 2), passed_on) < 0)
            return NULL;
    }
    bool own = PyTuple_GET_SIZE(args) == 3 && guards_caller_is_program();
    PyObject *made = real_type_new(type, args, kwargs);
    if (made && own && PyType_Check(made))
        ((PyTypeObject *)made)->tp_flags |= IS_PROGRAMS_CLASS;
    if (made && PyType_Check(made) &&
        PyType_IsSubtype((PyTypeObject *)made, (PyTypeObject *)group_type) &&
        check_group((PyTypeObject *)made) < 0)
        Py_CLEAR(made);
    return made;
}

/* ---- attributes of classes ---- */

/* Does @type say that a library module holds it, and does that module? */
static bool is_in_module(PyTypeObject *type)
{
    auto_py PyObject *dict = guards_type_dict(type);
    PyObject *name = PyDict_GetItemString(dict, "__module__"); /* borrowed, as are the others */
    PyObject *module = name && PyUnicode_CheckExact(name)
                           ? PyDict_GetItemWithError(PyImport_GetModuleDict(), name)
                           : NULL;
    PyErr_Clear();
    if (!module || !PyModule_Check(module) ||
        PyUnicode_CompareWithASCIIString(name, "__main__") == 0)
        return false;
    return PyDict_GetItemString(PyModule_GetDict(module), type->tp_name) == (PyObject *)type;
}

static int refuse_patch(PyTypeObject *type, PyObject *name)
{
    char detail[256];
    const char *text = PyUnicode_AsUTF8(name);
    snprintf(detail, sizeof(detail), "'%s' of the library's class '%s' may not be changed",
             text ? text : "?", type->tp_name);
    events_report(LAYER_GUARD, 0, "attribute", detail,
                  "Derive a class of your own from it and change that");
    PyErr_SetString(events_violation_type, detail);
    return -1;
}

/* Would a program change a class of the library, by itself or by having a function of the library
 * set an attribute of its choice? @name is an exact str. */
static bool is_patch(PyTypeObject *type, PyObject *name, bool by_program)
{
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE))
        return false; /* CPython refuses it */
    if (type->tp_flags & IS_LIBRARY_CLASS)
        return by_program || !guards_reader_names(name);
    return by_program && !(type->tp_flags & IS_PROGRAMS_CLASS) && is_in_module(type);
}

/* The name that a program assigned last to a class of its own: a counter on a class is assigned in
 * a loop, and need not be judged each time. Owned; never "split" or "__match_args__". */
static PyObject *judged_name;

static bool is_judged(PyObject *type, PyObject *name)
{
    unsigned long flags = ((PyTypeObject *)type)->tp_flags;
    return name == judged_name && (flags & IS_PROGRAMS_CLASS) && !(flags & IS_LIBRARY_CLASS);
}

static int type_setattro(PyObject *type, PyObject *name, PyObject *value)
{
    if (guards_armed && PyUnicode_Check(name) && !is_judged(type, name)) {
        auto_py PyObject *exact = PyUnicode_FromObject(name);
        bool by_program = guards_caller_is_program();
        if (!exact || (by_program && roads_judge_name(exact, USE_SET) < 0))
            return -1;
        if (is_patch((PyTypeObject *)type, exact, by_program))
            return refuse_patch((PyTypeObject *)type, exact);
        if (is_split_of_group(type, exact))
            return refuse_split();
        if (value && PyUnicode_CompareWithASCIIString(exact, "__match_args__") == 0 &&
            judge_match_args(value) < 0)
            return -1;
        if (by_program && name == exact && PyUnicode_CompareWithASCIIString(name, "split") != 0 &&
            PyUnicode_CompareWithASCIIString(name, "__match_args__") != 0)
            Py_XSETREF(judged_name, Py_NewRef(name));
    }
    return real_type_setattro(type, name, value);
}

/* @metatype and those derived from it that have inherited the slot. */
static int put_setattro(PyTypeObject *metatype)
{
    if (metatype->tp_setattro == real_type_setattro)
        metatype->tp_setattro = type_setattro;
    auto_py PyObject *list = PyObject_CallMethod((PyObject *)metatype, "__subclasses__", NULL);
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++)
        if (put_setattro((PyTypeObject *)PyList_GET_ITEM(list, i)) < 0)
            return -1;
    return list ? 0 : -1;
}

static int put_wrapper(PyObject *dict, const char *name)
{
    if (guards_put_wrapper(dict, name, (void *)real_type_setattro, (void *)type_setattro))
        return 0;
    PyErr_Format(PyExc_SystemError, "type.%s is not as expected", name);
    return -1;
}

/* @type and everything derived from it. */
static int mark(PyTypeObject *type)
{
    if (type->tp_flags & IS_LIBRARY_CLASS)
        return 0;
    type->tp_flags |= IS_LIBRARY_CLASS;
    auto_py PyObject *list = PyObject_CallMethod((PyObject *)type, "__subclasses__", NULL);
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++)
        if (mark((PyTypeObject *)PyList_GET_ITEM(list, i)) < 0)
            return -1;
    return list ? 0 : -1;
}

int class_roads_learn(void)
{
    PyBaseObject_Type.tp_flags &= ~IS_LIBRARY_CLASS;
    return mark(&PyBaseObject_Type);
}

int class_roads_init(void)
{
    if (real_type_new)
        return 0;
    real_type_new = PyType_Type.tp_new;
    PyType_Type.tp_new = type_new;
    real_type_setattro = PyType_Type.tp_setattro;
    auto_py PyObject *dict = guards_type_dict(&PyType_Type);
    if (put_setattro(&PyType_Type) < 0 || put_wrapper(dict, "__setattr__") < 0 ||
        put_wrapper(dict, "__delattr__") < 0)
        return -1;
    return fix_split();
}
