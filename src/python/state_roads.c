/* Roads through objects at work: see state_roads.h. Runs in the worker, with objects of a hostile
 * program. */
#include "python/state_roads.h"

#include <Python.h>
#include <stdbool.h>

#include "base/macros.h"
#include "python/compat.h"
#include "python/guards.h"

/* ---- objects that are made once ---- */

/* What these do with a program's objects relies on what another __init__() would replace:
 * pack_into() walks the codes of a Struct, a Task runs its coroutine. Which value tells that an
 * object has been made is asked of the type itself, for a class of the program's could say
 * otherwise. */
static struct once {
    const char *module, *type, *tells;
    PyTypeObject *class; /* owned, as is: */
    PyObject *value;     /* the descriptor of @tells */
    initproc real;
} made_once[] = {
    {"_struct", "Struct", "size", NULL, NULL, NULL},
    {"_asyncio", "Task", "_loop", NULL, NULL, NULL},
    {"_asyncio", "Future", "_loop", NULL, NULL, NULL},
};

/* A Struct without a format has the size -1, a Future without a loop None or nothing. */
static bool is_made(const struct once *o, PyObject *self)
{
    auto_py PyObject *value =
        Py_TYPE(o->value)->tp_descr_get(o->value, self, (PyObject *)Py_TYPE(self));
    PyErr_Clear();
    if (!value || value == Py_None)
        return false;
    return !PyLong_Check(value) || PyLong_AsSsize_t(value) >= 0;
}

static int init_once(PyObject *self, PyObject *args, PyObject *kwargs)
{
    for (size_t i = 0; i < ARRAY_LEN(made_once); i++) {
        const struct once *o = &made_once[i];
        if (!o->class || !PyObject_TypeCheck(self, o->class))
            continue;
        if (!guards_armed || !is_made(o, self))
            return o->real(self, args, kwargs);
        PyErr_Format(PyExc_TypeError, "a %s is made once", o->type);
        return -1;
    }
    PyErr_SetString(PyExc_TypeError, "not an object that is made once");
    return -1;
}

/* ---- csv.reader ---- */

/* Readers whose next row is being made; on the stacks of their threads. */
struct reading {
    PyObject *reader;
    struct reading *next, **at;
};
static struct reading *readings;
static iternextfunc csv_real_next;

/* It asks the program for lines, and has lost the row when it has been asked for another meanwhile.
 */
static PyObject *csv_next(PyObject *self)
{
    for (const struct reading *r = readings; r; r = r->next) {
        if (r->reader == self) {
            PyErr_SetString(PyExc_ValueError, "the csv reader is reading already");
            return NULL;
        }
    }
    struct reading mine = {self, readings, &readings};
    if (readings)
        readings->at = &mine.next;
    readings = &mine;
    PyObject *row = csv_real_next(self);
    *mine.at = mine.next;
    if (mine.next)
        mine.next->at = mine.at;
    return row;
}

/* ---- set-up ---- */

static PyTypeObject *type_of_module(const char *module, const char *name)
{
    PyObject *real = PyDict_GetItemString(PyImport_GetModuleDict(), module); /* borrowed */
    PyObject *type = real ? PyObject_GetAttrString(real, name) : NULL;
    PyErr_Clear();
    if (type && !PyType_Check(type))
        Py_CLEAR(type);
    return (PyTypeObject *)type;
}

static void wrap_init(struct once *o)
{
    if (o->class)
        return;
    PyTypeObject *type = type_of_module(o->module, o->type);
    if (!type)
        return;
    auto_py PyObject *dict = guards_type_dict(type);
    o->value = Py_XNewRef(PyDict_GetItemString(dict, o->tells));
    if (!o->value || !Py_TYPE(o->value)->tp_descr_get || type->tp_init == init_once) {
        Py_CLEAR(o->value);
        Py_DECREF(type);
        return;
    }
    o->class = type;
    o->real = type->tp_init;
    guards_put_wrapper(dict, "__init__", (void *)o->real, (void *)init_once);
    type->tp_init = init_once;
    PyType_Modified(type);
}

static void wrap_csv(void)
{
    if (csv_real_next)
        return;
    PyTypeObject *type = type_of_module("_csv", "Reader");
    if (!type) { /* before 3.12 it has no name */
        PyObject *csv = PyDict_GetItemString(PyImport_GetModuleDict(), "_csv"); /* borrowed */
        auto_py PyObject *one = csv ? PyObject_CallMethod(csv, "reader", "[]") : NULL;
        PyErr_Clear();
        if (!one)
            return;
        type = (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(one));
    }
    auto_py PyObject *dict = guards_type_dict(type);
    csv_real_next = type->tp_iternext;
    guards_put_wrapper(dict, "__next__", (void *)csv_real_next, (void *)csv_next);
    type->tp_iternext = csv_next;
    PyType_Modified(type);
    Py_DECREF(type);
}

/* Names that are taken out of types: a state of the program's choice for an object that is at work;
 * a parser that outlives the one it depends on; an epoll object made from a descriptor of the
 * program's choice, which would close any of the process. */
static const struct {
    const char *module, *type, *name;
} removed[] = {
    {"_functools", "partial", "__setstate__"},
    {"itertools", "combinations", "__setstate__"},
    {"itertools", "combinations_with_replacement", "__setstate__"},
    {"itertools", "permutations", "__setstate__"},
    {"itertools", "product", "__setstate__"},
    {"pyexpat", "XMLParserType", "ExternalEntityParserCreate"},
    {"select", "epoll", "fromfd"},
};

static int remove_names(void)
{
    for (size_t i = 0; i < ARRAY_LEN(removed); i++) {
        PyTypeObject *type = type_of_module(removed[i].module, removed[i].type);
        int rc = type ? guards_remove_name(type, removed[i].name) : 0;
        Py_XDECREF(type);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int state_roads_learn(void)
{
    for (size_t i = 0; i < ARRAY_LEN(made_once); i++)
        wrap_init(&made_once[i]);
    wrap_csv();
    return remove_names();
}
