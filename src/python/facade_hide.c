/* warnings.catch_warnings() keeps the real warnings module, and with it sys, in an attribute of
 * each of its objects. A data descriptor in the class answers for that attribute instead: its own
 * methods get the module, everybody else gets AttributeError. Runs in the zygote; asked by
 * programs. */
#include "python/facade.h"

#include <string.h>

#include "python/compat.h"
#include "python/guards.h"

#define MAX_METHODS 16

struct hidden {
    PyObject_HEAD PyObject *value;  /* owned: the module */
    PyObject *readers[MAX_METHODS]; /* owned: code objects of the class's methods */
    size_t len;
};

static PyObject *hidden_get(PyObject *self, PyObject *object, PyObject *type)
{
    (void)type;
    struct hidden *h = (struct hidden *)self;
    PyFrameObject *frame = object ? PyEval_GetFrame() : NULL;
    PyObject *code = frame ? (PyObject *)PyFrame_GetCode(frame) : NULL;
    bool own = false;
    for (size_t i = 0; code && i < h->len; i++)
        own |= h->readers[i] == code;
    Py_XDECREF(code);
    if (own)
        return Py_NewRef(h->value);
    PyErr_SetString(PyExc_AttributeError, "'_module' is not available in the sandbox");
    return NULL;
}

/* The class sets it for each object, always to the same. */
static int hidden_set(PyObject *self, PyObject *object, PyObject *value)
{
    (void)self;
    (void)object;
    (void)value;
    return 0;
}

static void hidden_dealloc(PyObject *self)
{
    struct hidden *h = (struct hidden *)self;
    for (size_t i = 0; i < h->len; i++)
        Py_DECREF(h->readers[i]);
    Py_XDECREF(h->value);
    Py_TYPE(self)->tp_free(self);
}

static PyTypeObject hidden_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "_vivarium.hidden",
    .tp_basicsize = sizeof(struct hidden),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = hidden_dealloc,
    .tp_descr_get = hidden_get,
    .tp_descr_set = hidden_set,
};

/* Remember the code of every function in the class's namespace. */
static int learn_readers(struct hidden *h, PyObject *class)
{
    auto_py PyObject *dict = PyObject_GetAttrString(class, "__dict__");
    auto_py PyObject *values = dict ? PyMapping_Values(dict) : NULL;
    for (Py_ssize_t i = 0; values && i < PyList_GET_SIZE(values); i++) {
        PyObject *f = PyList_GET_ITEM(values, i);
        if (PyFunction_Check(f) && h->len < MAX_METHODS)
            h->readers[h->len++] = Py_NewRef(PyFunction_GetCode(f));
    }
    return values ? 0 : -1;
}

int facade_hide_holders(void)
{
    if (guards_type_ready(&hidden_type) < 0)
        return -1;
    auto_py PyObject *module = PyImport_ImportModule("warnings");
    auto_py PyObject *class = module ? PyObject_GetAttrString(module, "catch_warnings") : NULL;
    auto_py PyObject *self = class ? hidden_type.tp_alloc(&hidden_type, 0) : NULL;
    if (!self)
        return -1;
    struct hidden *h = (struct hidden *)self;
    h->value = Py_NewRef(module);
    if (learn_readers(h, class) < 0)
        return -1;
    return PyObject_SetAttrString(class, "_module", self);
}
