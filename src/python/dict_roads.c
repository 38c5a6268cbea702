/* Roads through mappingproxy: see dict_roads.h. Runs in the worker, with objects of a hostile
 * program. A copy is made of a dict only; any other mapping is an object that the program gave. */
#include "python/dict_roads.h"

#include <Python.h>

#include "base/macros.h"
#include "python/compat.h"
#include "python/guards.h"

static richcmpfunc real_compare;
static binaryfunc real_or;

/* What @proxy shows, as a proxy of a copy. New reference; other objects as they are. */
static PyObject *detached(PyObject *proxy)
{
    if (!Py_IS_TYPE(proxy, &PyDictProxy_Type))
        return Py_NewRef(proxy);
    auto_py PyObject *copy = PyObject_CallMethod(proxy, "copy", NULL);
    if (copy && PyDict_Check(copy))
        return PyDictProxy_New(copy);
    if (!copy && !PyErr_ExceptionMatches(PyExc_AttributeError))
        return NULL;
    PyErr_Clear();
    return Py_NewRef(proxy);
}

static PyObject *compare(PyObject *left, PyObject *right, int how)
{
    auto_py PyObject *l = detached(left);
    auto_py PyObject *r = l ? detached(right) : NULL;
    return r ? real_compare(l, r, how) : NULL;
}

static PyObject *join(PyObject *left, PyObject *right)
{
    auto_py PyObject *l = detached(left);
    auto_py PyObject *r = l ? detached(right) : NULL;
    return r ? real_or(l, r) : NULL;
}

int dict_roads_init(void)
{
    static const char *const compared[] = {"__eq__", "__ne__", "__lt__",
                                           "__le__", "__gt__", "__ge__"};
    PyTypeObject *type = &PyDictProxy_Type;
    if (real_compare)
        return 0;
    real_compare = type->tp_richcompare;
    real_or = type->tp_as_number->nb_or;
    auto_py PyObject *dict = guards_type_dict(type);
    for (size_t i = 0; i < ARRAY_LEN(compared); i++)
        guards_put_wrapper(dict, compared[i], (void *)real_compare, (void *)compare);
    guards_put_wrapper(dict, "__or__", (void *)real_or, (void *)join);
    guards_put_wrapper(dict, "__ror__", (void *)real_or, (void *)join);
    type->tp_richcompare = compare;
    type->tp_as_number->nb_or = join;
    PyType_Modified(type);
    return 0;
}
