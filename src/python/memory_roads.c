/* Memory roads: see memory_roads.h. Runs in the worker, with objects of a hostile program. An exact
 * int, the usual case, costs one comparison. */
#include "python/memory_roads.h"

#include <Python.h>
#include <stdbool.h>

#include "base/macros.h"
#include "python/compat.h"
#include "python/guards.h"

/* ---- exact values ---- */

static bool is_inert(PyObject *value)
{
    return !value || PyLong_Check(value) || PyFloat_Check(value) || PyUnicode_Check(value);
}

/* @value as what nothing is called for: an int, or a float where only that can be had. What is
 * neither is for the real operation to refuse. New reference. */
static PyObject *inert(PyObject *value, bool want_float)
{
    const PyNumberMethods *number = Py_TYPE(value)->tp_as_number;
    if (want_float && number && (number->nb_float || number->nb_index))
        return PyNumber_Float(value);
    return PyIndex_Check(value) ? PyNumber_Index(value) : Py_NewRef(value);
}

static PyObject *inert_bound(PyObject *bound)
{
    return bound != Py_None && PyIndex_Check(bound) ? PyNumber_Index(bound) : Py_NewRef(bound);
}

static PyObject *inert_key(PyObject *key)
{
    if (!PySlice_Check(key))
        return inert(key, false);
    const PySliceObject *slice = (PySliceObject *)key;
    auto_py PyObject *start = inert_bound(slice->start);
    auto_py PyObject *stop = start ? inert_bound(slice->stop) : NULL;
    auto_py PyObject *step = stop ? inert_bound(slice->step) : NULL;
    return step ? PySlice_New(start, stop, step) : NULL;
}

/* ---- array.array ---- */

static PyTypeObject *array_type; /* owned */
static PyObject *typecode;       /* owned: its descriptor */
static objobjargproc array_real_subscript;
static ssizeobjargproc array_real_item;

static bool holds_floats(PyObject *array)
{
    auto_py PyObject *code =
        Py_TYPE(typecode)->tp_descr_get(typecode, array, (PyObject *)Py_TYPE(array));
    Py_UCS4 c = code && PyUnicode_Check(code) && PyUnicode_GET_LENGTH(code) == 1
                    ? PyUnicode_READ_CHAR(code, 0)
                    : 0;
    PyErr_Clear();
    return c == 'f' || c == 'd';
}

static int array_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    if (PyLong_CheckExact(key) && is_inert(value))
        return array_real_subscript(self, key, value);
    auto_py PyObject *own_key = inert_key(key);
    auto_py PyObject *own_value =
        !own_key || is_inert(value) ? Py_XNewRef(value) : inert(value, holds_floats(self));
    return own_key && (own_value || !value) ? array_real_subscript(self, own_key, own_value) : -1;
}

static int array_item(PyObject *self, Py_ssize_t at, PyObject *value)
{
    if (is_inert(value))
        return array_real_item(self, at, value);
    auto_py PyObject *own = inert(value, holds_floats(self));
    return own ? array_real_item(self, at, own) : -1;
}

static PyObject *real_append, *real_insert, *real_extend, *real_fromlist, *real_tofile; /* owned */
static PyObject *real_tobytes;                                                          /* owned */

static PyObject *call_real(PyObject *real, PyObject *self, PyObject *a, PyObject *b)
{
    return PyObject_CallFunctionObjArgs(real, self, a, b, NULL);
}

static PyObject *array_append(PyObject *self, PyObject *value)
{
    auto_py PyObject *own = is_inert(value) ? Py_NewRef(value) : inert(value, holds_floats(self));
    return own ? call_real(real_append, self, own, NULL) : NULL;
}

static PyObject *array_insert(PyObject *self, PyObject *args)
{
    PyObject *at, *value;
    if (!PyArg_ParseTuple(args, "OO:insert", &at, &value))
        return NULL;
    auto_py PyObject *own_at = inert(at, false);
    auto_py PyObject *own = !own_at           ? NULL
                            : is_inert(value) ? Py_NewRef(value)
                                              : inert(value, holds_floats(self));
    return own ? call_real(real_insert, self, own_at, own) : NULL;
}

static bool is_inert_list(PyObject *list)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++)
        if (!is_inert(PyList_GET_ITEM(list, i)))
            return false;
    return true;
}

static PyObject *array_fromlist(PyObject *self, PyObject *list)
{
    if (!PyList_Check(list) || is_inert_list(list))
        return call_real(real_fromlist, self, list, NULL);
    bool floats = holds_floats(self);
    auto_py PyObject *own = PyList_GetSlice(list, 0, PyList_GET_SIZE(list));
    for (Py_ssize_t i = 0; own && i < PyList_GET_SIZE(own); i++) {
        PyObject *item = PyList_GET_ITEM(own, i);
        PyObject *value = is_inert(item) ? Py_NewRef(item) : inert(item, floats);
        if (!value || PyList_SetItem(own, i, value) < 0)
            return NULL;
    }
    return own ? call_real(real_fromlist, self, own, NULL) : NULL;
}

static PyObject *array_extend(PyObject *self, PyObject *values)
{
    if (PyObject_TypeCheck(values, array_type))
        return call_real(real_extend, self, values, NULL);
    auto_py PyObject *iterator = PyObject_GetIter(values);
    while (iterator) {
        auto_py PyObject *value = PyIter_Next(iterator);
        auto_py PyObject *done = value ? array_append(self, value) : NULL;
        if (!value && !PyErr_Occurred())
            return Py_NewRef(Py_None);
        if (!done)
            return NULL;
    }
    return NULL;
}

/* The real one reckons its blocks before it asks the file to write the first. */
static PyObject *array_tofile(PyObject *self, PyObject *file)
{
    auto_py PyObject *bytes = PyObject_CallFunctionObjArgs(real_tobytes, self, NULL);
    auto_py PyObject *written = bytes ? PyObject_CallMethod(file, "write", "O", bytes) : NULL;
    return written ? Py_NewRef(Py_None) : NULL;
}

#define DOC(signature) signature "\n--\n\n"
static PyMethodDef array_methods[] = {
    {"append", array_append, METH_O, DOC("append($self, v, /)") "Append a new value v to the end."},
    {"insert", array_insert, METH_VARARGS,
     DOC("insert($self, i, v, /)") "Insert a new item v before position i."},
    {"extend", array_extend, METH_O, DOC("extend($self, bb, /)") "Append items to the end."},
    {"tofile", array_tofile, METH_O, DOC("tofile($self, f, /)") "Write all items to a file."},
    {"fromlist", array_fromlist, METH_O, DOC("fromlist($self, list, /)") "Append items of a list."},
};
static PyObject **const array_reals[] = {&real_append, &real_insert, &real_extend, &real_tofile,
                                         &real_fromlist};

/* ---- bytearray ---- */

static objobjargproc bytes_real_subscript;
static ssizeobjargproc bytes_real_item;
static binaryfunc bytes_real_remainder;

static int bytes_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    if (PyLong_CheckExact(key) && (!value || PyLong_CheckExact(value)))
        return bytes_real_subscript(self, key, value);
    auto_py PyObject *own_key = inert_key(key);
    auto_py PyObject *own_value =
        !own_key || !value || PySlice_Check(key) ? Py_XNewRef(value) : inert(value, false);
    return own_key && (own_value || !value) ? bytes_real_subscript(self, own_key, own_value) : -1;
}

static int bytes_item(PyObject *self, Py_ssize_t at, PyObject *value)
{
    auto_py PyObject *own = value ? inert(value, false) : NULL;
    return own || !value ? bytes_real_item(self, at, own) : -1;
}

/* The text of a format is read while objects are asked for theirs. */
static PyObject *bytes_remainder(PyObject *left, PyObject *right)
{
    if (!PyByteArray_Check(left))
        return bytes_real_remainder(left, right);
    auto_py PyObject *copy =
        PyByteArray_FromStringAndSize(PyByteArray_AS_STRING(left), PyByteArray_GET_SIZE(left));
    return copy ? bytes_real_remainder(copy, right) : NULL;
}

/* ---- set-up ---- */

static void put_item_slots(PyTypeObject *type, PyObject *dict, objobjargproc subscript,
                           ssizeobjargproc item)
{
    static const char *const names[] = {"__setitem__", "__delitem__"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        guards_put_wrapper(dict, names[i], (void *)type->tp_as_mapping->mp_ass_subscript,
                           (void *)subscript);
        guards_put_wrapper(dict, names[i], (void *)type->tp_as_sequence->sq_ass_item, (void *)item);
    }
    type->tp_as_mapping->mp_ass_subscript = subscript;
    type->tp_as_sequence->sq_ass_item = item;
    PyType_Modified(type);
}

static int wrap_bytearray(void)
{
    PyTypeObject *type = &PyByteArray_Type;
    if (bytes_real_subscript)
        return 0;
    auto_py PyObject *dict = guards_type_dict(type);
    bytes_real_subscript = type->tp_as_mapping->mp_ass_subscript;
    bytes_real_item = type->tp_as_sequence->sq_ass_item;
    bytes_real_remainder = type->tp_as_number->nb_remainder;
    put_item_slots(type, dict, bytes_subscript, bytes_item);
    guards_put_wrapper(dict, "__mod__", (void *)bytes_real_remainder, (void *)bytes_remainder);
    guards_put_wrapper(dict, "__rmod__", (void *)bytes_real_remainder, (void *)bytes_remainder);
    type->tp_as_number->nb_remainder = bytes_remainder;
    return 0;
}

static int wrap_array(void)
{
    PyObject *module = PyDict_GetItemString(PyImport_GetModuleDict(), "array"); /* borrowed */
    if (!module || array_type)
        return 0;
    auto_py PyObject *type = PyObject_GetAttrString(module, "array");
    if (!type || !PyType_Check(type))
        return -1;
    auto_py PyObject *dict = guards_type_dict((PyTypeObject *)type);
    typecode = Py_XNewRef(PyDict_GetItemString(dict, "typecode"));
    real_tobytes = Py_XNewRef(PyDict_GetItemString(dict, "tobytes"));
    if (!typecode || !real_tobytes)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(array_methods); i++) {
        const char *name = array_methods[i].ml_name;
        *array_reals[i] = Py_XNewRef(PyDict_GetItemString(dict, name));
        auto_py PyObject *ours = PyDescr_NewMethod((PyTypeObject *)type, &array_methods[i]);
        if (!*array_reals[i] || !ours || PyDict_SetItemString(dict, name, ours) < 0)
            return -1;
    }
    array_type = (PyTypeObject *)Py_NewRef(type);
    array_real_subscript = array_type->tp_as_mapping->mp_ass_subscript;
    array_real_item = array_type->tp_as_sequence->sq_ass_item;
    put_item_slots(array_type, dict, array_subscript, array_item);
    return 0;
}

int memory_roads_learn(void)
{
    return wrap_bytearray() < 0 ? -1 : wrap_array();
}
