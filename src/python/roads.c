/* Guards on the roads: see roads.h. Runs in the worker, with names made by a hostile program. */
#include "python/roads.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "python/buffer_roads.h"
#include "python/class_roads.h"
#include "python/compat.h"
#include "python/dict_roads.h"
#include "python/events.h"
#include "python/guards.h"
#include "python/library_roads.h"
#include "python/policy_walk.h"

static const char *verdict_text(const char *name, enum name_use use)
{
    switch (use) {
    case USE_SET:
        return policy_name_verdict_assign(name);
    case USE_DEFINE:
        return policy_name_verdict_define(name);
    default:
        return policy_name_verdict(name);
    }
}

/* A name that is no text of UTF-8 (a lone surrogate) names nothing that exists. */
int roads_judge_name(PyObject *name, enum name_use use)
{
    if (!guards_armed)
        return 0;
    if (PyUnicode_IS_ASCII(name) && names_permit(name, names_find(name), use, true))
        return 0;
    const char *text = PyUnicode_AsUTF8(name);
    const char *message = text ? verdict_text(text, use) : NULL;
    if (!message) {
        PyErr_Clear();
        return 0;
    }
    events_report(LAYER_GUARD, 0, "attribute", message, policy_name_remedy(text));
    PyErr_SetString(events_violation_type, message);
    return -1;
}

/* @name judged, as an exact str (new reference): one of a class that the program derived from str
 * could say that it equals another. What is no str is for the real function to refuse. */
static PyObject *judged(PyObject *name, enum name_use use)
{
    if (!PyUnicode_Check(name))
        return Py_NewRef(name);
    PyObject *exact = PyUnicode_FromObject(name);
    if (exact && roads_judge_name(exact, use) < 0)
        Py_CLEAR(exact);
    return exact;
}

/* ---- getattr and its like ---- */

/* The real ones, strong references. */
static PyObject *real_getattr, *real_setattr, *real_delattr, *real_hasattr;

static PyObject *checked_call(PyObject *real, enum name_use use, PyObject *const *args,
                              Py_ssize_t nargs)
{
    if (nargs < 2 || nargs > 3)
        return PyObject_Vectorcall(real, args, (size_t)nargs, NULL); /* refuses that */
    auto_py PyObject *name = judged(args[1], use);
    PyObject *call[] = {args[0], name, nargs == 3 ? args[2] : NULL};
    return name ? PyObject_Vectorcall(real, call, (size_t)nargs, NULL) : NULL;
}

static PyObject *guarded_getattr(PyObject *self _unused_, PyObject *const *args, Py_ssize_t nargs)
{
    return checked_call(real_getattr, USE_GET, args, nargs);
}

static PyObject *guarded_setattr(PyObject *self _unused_, PyObject *const *args, Py_ssize_t nargs)
{
    return checked_call(real_setattr, USE_SET, args, nargs);
}

static PyObject *guarded_delattr(PyObject *self _unused_, PyObject *const *args, Py_ssize_t nargs)
{
    return checked_call(real_delattr, USE_SET, args, nargs);
}

static PyObject *guarded_hasattr(PyObject *self _unused_, PyObject *const *args, Py_ssize_t nargs)
{
    return checked_call(real_hasattr, USE_GET, args, nargs);
}

#define FASTCALL(f) ((PyCFunction)(void (*)(void))(f))

static struct {
    PyMethodDef def;
    PyObject **real;
} guarded[] = {
    {{"getattr", FASTCALL(guarded_getattr), METH_FASTCALL, NULL}, &real_getattr},
    {{"setattr", FASTCALL(guarded_setattr), METH_FASTCALL, NULL}, &real_setattr},
    {{"delattr", FASTCALL(guarded_delattr), METH_FASTCALL, NULL}, &real_delattr},
    {{"hasattr", FASTCALL(guarded_hasattr), METH_FASTCALL, NULL}, &real_hasattr},
};

int roads_fill(PyObject *builtins)
{
    for (size_t i = 0; i < ARRAY_LEN(guarded); i++) {
        if (!PyDict_GetItemString(builtins, guarded[i].def.ml_name))
            continue;
        auto_py PyObject *module = PyUnicode_FromString("builtins");
        auto_py PyObject *f = module ? PyCFunction_NewEx(&guarded[i].def, NULL, module) : NULL;
        if (!f || PyDict_SetItemString(builtins, guarded[i].def.ml_name, f) < 0)
            return -1;
    }
    return 0;
}

/* ---- str.format ---- */

static PyObject *real_format, *real_format_map;

/* Judge one attribute name that starts at @at; returns where it ends, or -1. */
static Py_ssize_t judge_field_name(PyObject *text, Py_ssize_t at)
{
    Py_ssize_t len = PyUnicode_GET_LENGTH(text);
    Py_ssize_t end = at;
    while (end < len && !strchr(".[]!:{}", (int)MIN(PyUnicode_READ_CHAR(text, end), 0x7fu)))
        end++;
    auto_py PyObject *name = PyUnicode_Substring(text, at, end);
    return name && roads_judge_name(name, USE_GET) == 0 ? end : -1;
}

/* Every `.name` in every replacement field of @text, nested ones included. Looks at more than
 * str.format would (a name after a malformed field), never at less. */
static int judge_format(PyObject *text)
{
    if (!guards_armed)
        return 0;
    Py_ssize_t len = PyUnicode_GET_LENGTH(text);
    int kind = (int)PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    if (PyUnicode_FindChar(text, '.', 0, len, 1) < 0)
        return 0;
    bool in_name = false, in_brackets = false; /* where } : ! end nothing */
    for (Py_ssize_t i = 0; i < len; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (c == '{') {
            in_name = true;
            in_brackets = false;
        } else if (c == '[' || c == ']') {
            in_brackets = in_name && c == '[';
        } else if (!in_brackets && (c == '}' || c == ':' || c == '!')) {
            in_name = false;
        } else if (c == '.' && in_name) {
            Py_ssize_t end = judge_field_name(text, i + 1);
            if (end < 0)
                return -1;
            i = end - 1;
        }
    }
    return 0;
}

/* Call the method descriptor @real; without a bound method in between where its kind is the usual
 * one, for this is on the way of every str.format(). */
static PyObject *call_real(PyObject *real, PyObject *self, PyObject *args, PyObject *kwargs)
{
    const PyMethodDef *def =
        Py_IS_TYPE(real, &PyMethodDescr_Type) ? ((PyMethodDescrObject *)real)->d_method : NULL;
    if (def && def->ml_flags == (METH_VARARGS | METH_KEYWORDS))
        return ((PyCFunctionWithKeywords)(void (*)(void))def->ml_meth)(self, args, kwargs);
    auto_py PyObject *bound = Py_TYPE(real)->tp_descr_get(real, self, (PyObject *)Py_TYPE(self));
    return bound ? PyObject_Call(bound, args, kwargs) : NULL;
}

static PyObject *guarded_format(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return judge_format(self) < 0 ? NULL : call_real(real_format, self, args, kwargs);
}

static PyObject *guarded_format_map(PyObject *self, PyObject *args)
{
    return judge_format(self) < 0 ? NULL : call_real(real_format_map, self, args, NULL);
}

static PyMethodDef format_def = {"format", FASTCALL(guarded_format), METH_VARARGS | METH_KEYWORDS,
                                 NULL};
static PyMethodDef format_map_def = {"format_map", FASTCALL(guarded_format_map), METH_VARARGS,
                                     NULL};

static int replace_method(PyTypeObject *type, PyMethodDef *def, PyObject **ret_real)
{
    auto_py PyObject *dict = guards_type_dict(type);
    auto_py PyObject *key = PyUnicode_InternFromString(def->ml_name);
    PyObject *real = key ? PyDict_GetItemWithError(dict, key) : NULL; /* borrowed */
    if (!real || !Py_TYPE(real)->tp_descr_get) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_SystemError, "%s.%s is missing", type->tp_name, def->ml_name);
        return -1;
    }
    *ret_real = Py_NewRef(real);
    auto_py PyObject *ours = PyDescr_NewMethod(type, def);
    if (!ours || PyDict_SetItem(dict, key, ours) < 0)
        return -1;
    PyType_Modified(type);
    return 0;
}

/* ---- attrgetter, methodcaller ---- */

static newfunc real_attrgetter_new, real_methodcaller_new;

/* Each name of "a.b.c", an exact str. */
static int judge_dotted(PyObject *path)
{
    auto_py PyObject *dot = PyUnicode_FromString(".");
    auto_py PyObject *parts = dot ? PyUnicode_Split(path, dot, -1) : NULL;
    if (!parts)
        return -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(parts); i++)
        if (roads_judge_name(PyList_GET_ITEM(parts, i), USE_GET) < 0)
            return -1;
    return 0;
}

/* @args with the first @n made exact strs. New reference. */
static PyObject *exact_args(PyObject *args, Py_ssize_t n)
{
    auto_py PyObject *list = PySequence_List(args);
    for (Py_ssize_t i = 0; list && i < n; i++) {
        PyObject *item = PyTuple_GET_ITEM(args, i);
        PyObject *exact = PyUnicode_Check(item) ? PyUnicode_FromObject(item) : Py_NewRef(item);
        if (!exact || PyList_SetItem(list, i, exact) < 0)
            return NULL;
    }
    return list ? PyList_AsTuple(list) : NULL;
}

static PyObject *attrgetter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (!guards_armed)
        return real_attrgetter_new(type, args, kwargs);
    auto_py PyObject *paths = exact_args(args, PyTuple_GET_SIZE(args));
    for (Py_ssize_t i = 0; paths && i < PyTuple_GET_SIZE(paths); i++)
        if (PyUnicode_Check(PyTuple_GET_ITEM(paths, i)) &&
            judge_dotted(PyTuple_GET_ITEM(paths, i)) < 0)
            return NULL;
    return paths ? real_attrgetter_new(type, paths, kwargs) : NULL;
}

static PyObject *methodcaller_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (!guards_armed || PyTuple_GET_SIZE(args) == 0)
        return real_methodcaller_new(type, args, kwargs);
    auto_py PyObject *call = exact_args(args, 1);
    PyObject *name = call ? PyTuple_GET_ITEM(call, 0) : NULL;
    if (!name || (PyUnicode_Check(name) && roads_judge_name(name, USE_GET) < 0))
        return NULL;
    return real_methodcaller_new(type, call, kwargs);
}

static int guard_operator(PyObject *module, const char *name, newfunc ours, newfunc *ret_real)
{
    auto_py PyObject *type = PyObject_GetAttrString(module, name);
    if (!type || !PyType_Check(type))
        return -1;
    PyTypeObject *t = (PyTypeObject *)type;
    if (t->tp_new == ours)
        return 0;
    *ret_real = t->tp_new;
    t->tp_new = ours;
    return 0;
}

int roads_init(void)
{
    PyObject *builtins = PyEval_GetBuiltins(); /* borrowed */
    for (size_t i = 0; i < ARRAY_LEN(guarded); i++) {
        *guarded[i].real = Py_XNewRef(PyDict_GetItemString(builtins, guarded[i].def.ml_name));
        if (!*guarded[i].real) {
            PyErr_Format(PyExc_SystemError, "no builtin %s", guarded[i].def.ml_name);
            return -1;
        }
    }
    if (class_roads_init() < 0 || dict_roads_init() < 0 || buffer_roads_init() < 0 ||
        replace_method(&PyUnicode_Type, &format_def, &real_format) < 0 ||
        replace_method(&PyUnicode_Type, &format_map_def, &real_format_map) < 0)
        return -1;
    auto_py PyObject *module = PyImport_ImportModule("_operator");
    return module &&
                   guard_operator(module, "attrgetter", attrgetter_new, &real_attrgetter_new) ==
                       0 &&
                   guard_operator(module, "methodcaller", methodcaller_new,
                                  &real_methodcaller_new) == 0
               ? 0
               : -1;
}

int roads_learn(void)
{
    /* string.Formatter.get_field calls getattr: let it find ours */
    PyObject *module = PyDict_GetItemString(PyImport_GetModuleDict(), "string"); /* borrowed */
    auto_py PyObject *f = module ? PyCFunction_New(&guarded[0].def, NULL) : NULL;
    if (module && (!f || PyObject_SetAttrString(module, "getattr", f) < 0))
        return -1;
    return library_roads_learn() < 0 ? -1 : class_roads_learn();
}
