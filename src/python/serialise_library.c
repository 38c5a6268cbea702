/* Values of the library's types and of numpy and pandas. Runs in the worker. The types are found
 * through sys.modules, which no program can reach, and their own methods are applied to instances,
 * so that a subclass that a program wrote is not asked. Arrays and frames are converted piece by
 * piece: whole, they could need many times the memory that is left. */
#include <string.h>

#include "python/compat.h"
#include "python/serialise_impl.h"

#define CHUNK_ITEMS 4096 /* elements of an array converted at once */
#define CHUNK_ROWS  256  /* rows of a frame */

struct library_type;
typedef int write_fn(struct serialise *s, PyObject *value, const struct library_type *type);

static int write_text(struct serialise *s, PyObject *value, const struct library_type *type);
static int write_scalar(struct serialise *s, PyObject *value, const struct library_type *type);
static int write_masked(struct serialise *s, PyObject *value, const struct library_type *type);
static int write_ndarray(struct serialise *s, PyObject *value, const struct library_type *type);
static int write_frame(struct serialise *s, PyObject *value, const struct library_type *type);

/* In this order: a Timestamp is a datetime, a datetime is a date. */
static struct library_type {
    const char *module, *name, *method;
    write_fn *write;
    PyTypeObject *type; /* owned; NULL while the module is not loaded */
    PyObject *call;     /* owned: the method, unbound */
} library[] = {
    {"decimal", "Decimal", "__str__", write_text, NULL, NULL},
    {"fractions", "Fraction", "__str__", write_text, NULL, NULL},
    {"uuid", "UUID", "__str__", write_text, NULL, NULL},
    {"pandas", "NaT", "isoformat", write_text, NULL, NULL},
    {"pandas", "Timestamp", "isoformat", write_text, NULL, NULL},
    {"pandas", "Timedelta", "__str__", write_text, NULL, NULL},
    {"datetime", "datetime", "isoformat", write_text, NULL, NULL},
    {"datetime", "date", "isoformat", write_text, NULL, NULL},
    {"datetime", "time", "isoformat", write_text, NULL, NULL},
    {"datetime", "timedelta", "__str__", write_text, NULL, NULL},
    {"numpy", "datetime64", "__str__", write_text, NULL, NULL},
    {"numpy", "timedelta64", "__str__", write_text, NULL, NULL},
    {"numpy", "generic", "item", write_scalar, NULL, NULL},
    {"numpy.ma", "MaskedArray", "tolist", write_masked, NULL, NULL},
    {"numpy", "ndarray", "tolist", write_ndarray, NULL, NULL},
    {"pandas", "DataFrame", "to_dict", write_frame, NULL, NULL},
    {"pandas", "Series", "to_frame", write_frame, NULL, NULL},
};

void serialise_library_refresh(void)
{
    PyObject *modules = PyImport_GetModuleDict(); /* borrowed */
    for (size_t i = 0; i < Py_ARRAY_LENGTH(library); i++) {
        struct library_type *l = &library[i];
        PyObject *module = l->type ? NULL : PyDict_GetItemString(modules, l->module);
        if (!module)
            continue;
        auto_py PyObject *found = PyObject_GetAttrString(module, l->name);
        PyTypeObject *type = !found                ? NULL
                             : PyType_Check(found) ? (PyTypeObject *)found
                                                   : Py_TYPE(found); /* pandas.NaT */
        PyObject *call = type ? PyObject_GetAttrString((PyObject *)type, l->method) : NULL;
        if (call) {
            l->type = (PyTypeObject *)Py_NewRef((PyObject *)type);
            l->call = call;
        }
    }
    PyErr_Clear();
}

static const struct library_type *library_find(PyObject *value)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(library); i++)
        if (library[i].type && PyType_IsSubtype(Py_TYPE(value), library[i].type))
            return &library[i];
    return NULL;
}

int serialise_library(struct serialise *s, PyObject *value)
{
    const struct library_type *type = library_find(value);
    if (!type)
        return -1;
    size_t mark = s->out.len;
    int written = type->write(s, value, type);
    PyErr_Clear();
    if (written < 0)
        json_rollback(&s->out, mark);
    return written;
}

PyObject *serialise_library_text(PyObject *value)
{
    const struct library_type *type = library_find(value);
    if (!type || type->write != write_text)
        return NULL;
    PyObject *text = PyObject_CallOneArg(type->call, value);
    if (text && !PyUnicode_Check(text))
        Py_CLEAR(text);
    return text;
}

static int write_text(struct serialise *s, PyObject *value, const struct library_type *type)
{
    (void)type;
    auto_py PyObject *text = serialise_library_text(value);
    return text ? json_str(&s->out, text, false) : -1;
}

/* ---- arrays ---- */

/* Begin an array or write its placeholder: 1 = begun, else what the caller returns is in *ret. */
static bool array_begin(struct serialise *s, PyObject *value, int *ret)
{
    bool written;
    if (!serialise_enter(s, value, "[...]", &written)) {
        *ret = written;
        return false;
    }
    if (json_open(&s->out, '['))
        return true;
    serialise_leave(s);
    *ret = 0;
    return false;
}

static int array_end(struct serialise *s)
{
    json_close(&s->out, ']');
    serialise_leave(s);
    if (PyErr_Occurred()) { /* it ended early */
        PyErr_Clear();
        s->out.truncated = true;
    }
    return 1;
}

/* numpy.float64(2.5) → 2.5. What has no Python counterpart (longdouble) goes by way of float. */
static int write_scalar(struct serialise *s, PyObject *value, const struct library_type *type)
{
    auto_py PyObject *item = PyObject_CallOneArg(type->call, value);
    if (!item)
        return -1;
    if (!PyType_IsSubtype(Py_TYPE(item), type->type))
        return serialise_any(s, item);
    auto_py PyObject *number = PyNumber_Float(item);
    return number ? serialise_float(s, number) : -1;
}

static int write_masked(struct serialise *s, PyObject *value, const struct library_type *type)
{
    Py_ssize_t n = PyObject_Size(value);
    if (n < 0 || n > CHUNK_ITEMS)
        return -1;
    auto_py PyObject *list = PyObject_CallOneArg(type->call, value);
    return list ? serialise_any(s, list) : -1;
}

/* The elements @from up to @to of a one-dimensional array, as Python objects. */
static PyObject *array_chunk(PyObject *array, Py_ssize_t from, Py_ssize_t to,
                             const struct library_type *type)
{
    auto_py PyObject *part = PySequence_GetSlice(array, from, to);
    PyObject *list = part ? PyObject_CallOneArg(type->call, part) : NULL;
    if (list && !PyList_Check(list))
        Py_CLEAR(list);
    return list;
}

/* Write the elements of a one-dimensional array of plain numbers or objects. */
static void write_vector(struct serialise *s, PyObject *array, Py_ssize_t n,
                         const struct library_type *type)
{
    for (Py_ssize_t from = 0; from < n && !s->out.full; from += CHUNK_ITEMS) {
        Py_ssize_t to = from + CHUNK_ITEMS < n ? from + CHUNK_ITEMS : n;
        auto_py PyObject *list = array_chunk(array, from, to, type);
        if (!list)
            return;
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
            auto_py PyObject *item = Py_NewRef(PyList_GET_ITEM(list, i));
            if (!serialise_element(s, item, from + i == 0))
                return;
        }
    }
}

/* By index: rows of a matrix, and dates, which tolist() would turn into bare integers. */
static void write_rows(struct serialise *s, PyObject *array, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        auto_py PyObject *row = PySequence_GetItem(array, i);
        if (!row || !serialise_element(s, row, i == 0))
            return;
    }
}

static long attribute_long(PyObject *object, const char *name)
{
    auto_py PyObject *value = PyObject_GetAttrString(object, name);
    return value ? PyLong_AsLong(value) : -1;
}

/* 'i', 'f', 'M' …: numpy's one-letter code of what an array holds; 0 = exception. */
static Py_UCS4 dtype_kind(PyObject *array)
{
    auto_py PyObject *dtype = PyObject_GetAttrString(array, "dtype");
    auto_py PyObject *kind = dtype ? PyObject_GetAttrString(dtype, "kind") : NULL;
    return kind && PyUnicode_Check(kind) && PyUnicode_GET_LENGTH(kind) == 1
               ? PyUnicode_READ_CHAR(kind, 0)
               : 0;
}

/* An array without dimensions is its one item, which may be the array itself. */
static int write_single(struct serialise *s, PyObject *value, PyObject *array,
                        const struct library_type *type)
{
    auto_py PyObject *item = PyObject_CallOneArg(type->call, array);
    bool written;
    if (!item)
        return -1;
    if (!serialise_enter(s, value, "[...]", &written))
        return written;
    written = serialise_any(s, item);
    serialise_leave(s);
    return written;
}

static int write_ndarray(struct serialise *s, PyObject *value, const struct library_type *type)
{
    /* A view as the base class: the methods of a program's subclass are left alone. */
    auto_py PyObject *view = PyObject_GetAttrString((PyObject *)type->type, "view");
    auto_py PyObject *array =
        view ? PyObject_CallFunctionObjArgs(view, value, (PyObject *)type->type, NULL) : NULL;
    long ndim = array ? attribute_long(array, "ndim") : -1;
    Py_UCS4 kind = ndim < 0 ? 0 : dtype_kind(array);
    int result;
    if (!kind)
        return -1;
    if (ndim == 0)
        return write_single(s, value, array, type);
    Py_ssize_t n = PySequence_Size(array);
    if (n < 0)
        return -1;
    if (!array_begin(s, value, &result))
        return result;
    if (ndim == 1 && kind != 'M' && kind != 'm')
        write_vector(s, array, n, type);
    else
        write_rows(s, array, n);
    return array_end(s);
}

/* ---- frames ---- */

/* Write `part` of to_dict("split") of the first @rows rows as the elements of an open array; how
 * many were written, -1 = exception. */
static Py_ssize_t write_part(struct serialise *s, PyObject *frame, const char *part,
                             Py_ssize_t rows, bool flat)
{
    Py_ssize_t written = 0;
    auto_py PyObject *rows_of = PyObject_GetAttrString(frame, "iloc");
    for (Py_ssize_t from = 0; rows_of && from < rows && !s->out.full; from += CHUNK_ROWS) {
        Py_ssize_t to = from + CHUNK_ROWS < rows ? from + CHUNK_ROWS : rows;
        auto_py PyObject *start = PyLong_FromSsize_t(from), *stop = PyLong_FromSsize_t(to);
        auto_py PyObject *slice = start && stop ? PySlice_New(start, stop, NULL) : NULL;
        auto_py PyObject *chunk = slice ? PyObject_GetItem(rows_of, slice) : NULL;
        auto_py PyObject *split =
            chunk ? PyObject_CallMethod(chunk, "to_dict", "s", "split") : NULL;
        PyObject *list = split ? PyDict_GetItemString(split, part) : NULL; /* borrowed */
        if (!list || !PyList_Check(list))
            return -1;
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++, written++) {
            PyObject *row = PyList_GET_ITEM(list, i);
            auto_py PyObject *item =
                flat && PySequence_Check(row) ? PySequence_GetItem(row, 0) : Py_NewRef(row);
            if (!item)
                return -1;
            if (!serialise_element(s, item, written == 0))
                return written;
        }
    }
    return rows_of ? written : -1;
}

/* `,"name":[ … ]`; like write_part, and -2 when not even the brackets fitted. */
static Py_ssize_t write_member(struct serialise *s, PyObject *frame, const char *name,
                               Py_ssize_t rows, bool flat)
{
    if (!json_raw(&s->out, ",", 1) || !json_ascii(&s->out, name) || !json_raw(&s->out, ":", 1) ||
        !json_open(&s->out, '['))
        return -2;
    Py_ssize_t n = write_part(s, frame, name, rows, flat);
    json_close(&s->out, ']');
    return n;
}

/* Index and data of as many rows as fit: what an index takes is not known before it is written, so
 * it gets no more than half, and is written again when the data turn out to be fewer. */
static int write_frame_rows(struct serialise *s, PyObject *frame, Py_ssize_t rows, bool flat)
{
    size_t mark = s->out.len, max = s->out.max;
    for (int attempt = 0; attempt < 8; attempt++) {
        size_t left = max - s->out.len - s->out.reserved;
        s->out.max = max - left / 2;
        Py_ssize_t indexed = write_member(s, frame, "index", rows, false);
        s->out.max = max;
        if (indexed == -1)
            return -1;
        s->out.full = false;
        Py_ssize_t n = indexed < 0 ? -2 : write_member(s, frame, "data", indexed, flat);
        if (n == -1)
            return -1;
        if (n == indexed)
            return 1;
        json_rollback(&s->out, mark);
        s->out.full = false;
        if (n < 0)
            break;
        rows = n;
    }
    s->out.full = true;
    return 0;
}

static int write_frame_body(struct serialise *s, PyObject *frame, bool flat)
{
    auto_py PyObject *columns = PyObject_GetAttrString(frame, "columns");
    auto_py PyObject *labels = columns ? PyObject_CallMethod(columns, "tolist", NULL) : NULL;
    Py_ssize_t rows = labels ? PyObject_Size(frame) : -1;
    if (rows < 0)
        return -1;
    if (!json_ascii(&s->out, "columns") || !json_raw(&s->out, ":", 1) || !serialise_any(s, labels))
        return 0;
    return write_frame_rows(s, frame, rows, flat);
}

/* A DataFrame; a Series as the frame of its one column, its data not in rows. */
static int write_frame(struct serialise *s, PyObject *value, const struct library_type *type)
{
    bool series = strcmp(type->name, "Series") == 0;
    auto_py PyObject *frame = series ? PyObject_CallOneArg(type->call, value) : Py_NewRef(value);
    bool written;
    if (!frame)
        return -1;
    if (!serialise_enter(s, value, "{...}", &written))
        return written;
    size_t mark = s->out.len;
    int result = json_open(&s->out, '{');
    if (result) {
        result = write_frame_body(s, frame, series);
        json_close(&s->out, '}');
    }
    if (result <= 0)
        json_rollback(&s->out, mark);
    serialise_leave(s);
    return result;
}
