/* The walk from a program's value to bounded JSON: see serialise.h. Runs in the worker, after the
 * program, on objects that the program made to be walked: containers that change while they are
 * read, a repr that raises, lies or never ends (that one is for the deadline), names of any length.
 * So the storage of built-in containers is read directly, subclasses included, each element is held
 * while it is written, and sizes are read again after every element. */
#include "python/serialise.h"

#include <string.h>

#include "base/str.h"
#include "python/compat.h"
#include "python/serialise_impl.h"

#define MAX_TYPE_CHARS 200

/* ---- containers ---- */

bool serialise_enter(struct serialise *s, PyObject *container, const char *placeholder,
                     bool *ret_written)
{
    bool again = s->depth >= SERIALISE_MAX_DEPTH;
    for (int i = 0; i < s->depth && !again; i++)
        again = s->path[i] == container;
    if (again) {
        s->out.truncated = true;
        *ret_written = json_ascii(&s->out, placeholder);
        return false;
    }
    s->path[s->depth++] = container;
    return true;
}

void serialise_leave(struct serialise *s)
{
    s->depth--;
}

bool serialise_element(struct serialise *s, PyObject *value, bool first)
{
    size_t mark = s->out.len;
    if ((first || json_raw(&s->out, ",", 1)) && serialise_any(s, value))
        return true;
    json_rollback(&s->out, mark);
    return false;
}

/* Lists and tuples by index, as long as the index is in it. */
static void write_sequence(struct serialise *s, PyObject *v)
{
    bool list = PyList_Check(v);
    for (Py_ssize_t i = 0; i < (list ? PyList_GET_SIZE(v) : PyTuple_GET_SIZE(v)); i++) {
        auto_py PyObject *item = Py_NewRef(list ? PyList_GET_ITEM(v, i) : PyTuple_GET_ITEM(v, i));
        if (!serialise_element(s, item, i == 0))
            break;
    }
}

/* What the built-in iterator of a set yields. It raises when the set changes meanwhile. */
static void write_iterator(struct serialise *s, PyObject *iterator)
{
    bool first = true;
    PyObject *next;
    while ((next = PyIter_Next(iterator))) {
        auto_py PyObject *item = next;
        if (!serialise_element(s, item, first))
            break;
        first = false;
    }
    if (PyErr_Occurred()) {
        PyErr_Clear();
        s->out.truncated = true;
    }
}

static bool write_array(struct serialise *s, PyObject *v, getiterfunc iter)
{
    bool written;
    if (!serialise_enter(s, v, "[...]", &written))
        return written;
    written = json_open(&s->out, '[');
    if (written) {
        if (iter) {
            auto_py PyObject *iterator = iter(v);
            if (iterator)
                write_iterator(s, iterator);
            PyErr_Clear();
        } else {
            write_sequence(s, v);
        }
        json_close(&s->out, ']');
    }
    serialise_leave(s);
    return written;
}

/* ---- dicts ---- */

struct cursor {
    PyObject *dict;  /* borrowed */
    PyObject *order; /* owned: iterator over the keys of an OrderedDict, else NULL */
    Py_ssize_t pos, size;
};

/* The next entry as new references. false: the end, or the dict has changed. */
static bool cursor_next(struct cursor *c, PyObject **ret_key, PyObject **ret_value)
{
    PyObject *key, *value;
    if (PyDict_GET_SIZE(c->dict) != c->size)
        return false;
    if (c->order) {
        key = PyIter_Next(c->order);
        if (!key)
            return false;
        value = Py_XNewRef(PyDict_GetItemWithError(c->dict, key));
        if (!value) {
            Py_DECREF(key);
            return false;
        }
    } else {
        if (!PyDict_Next(c->dict, &c->pos, &key, &value))
            return false;
        Py_INCREF(key);
        Py_INCREF(value);
    }
    *ret_key = key;
    *ret_value = value;
    return true;
}

static bool has_surrogate(PyObject *text)
{
    int kind = PyUnicode_KIND(text);
    if (kind == PyUnicode_1BYTE_KIND)
        return false;
    const void *data = PyUnicode_DATA(text);
    for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(text); i++)
        if (Py_UNICODE_IS_SURROGATE(PyUnicode_READ(kind, data, i)))
            return true;
    return false;
}

/* Could two keys of @dict have the same text? Not when all are plain strings. */
static bool keys_may_clash(PyObject *dict)
{
    PyObject *key;
    Py_ssize_t pos = 0;
    while (PyDict_Next(dict, &pos, &key, NULL))
        if (!PyUnicode_CheckExact(key) || has_surrogate(key))
            return true;
    return false;
}

/* Lone surrogates as they will be written, so that clashes are seen. New reference. */
static PyObject *escape_surrogates(PyObject *text)
{
    if (!has_surrogate(text))
        return Py_NewRef(text);
    auto_py PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    return bytes ? PyUnicode_FromEncodedObject(bytes, "utf-8", "strict") : NULL;
}

/* @key's text, made different from all in @used by a number, and entered there. New reference. */
static PyObject *unique_key(PyObject *key, PyObject *used, bool *ret_cut)
{
    auto_py PyObject *raw = serialise_key_text(key, ret_cut);
    PyObject *text = raw ? escape_surrogates(raw) : NULL;
    auto_py PyObject *base = Py_XNewRef(text);
    for (long n = 2; text; n++) {
        int there = used ? PySet_Contains(used, text) : 0;
        if (there < 0 || (there == 0 && used && PySet_Add(used, text) < 0))
            Py_CLEAR(text);
        if (there <= 0)
            break;
        Py_SETREF(text, PyUnicode_FromFormat("%U (%ld)", base, n));
    }
    return text;
}

/* One `"key": value` with the comma before it. */
static bool write_entry(struct serialise *s, PyObject *key, PyObject *value, PyObject *used,
                        bool first)
{
    bool cut = false;
    auto_py PyObject *text = unique_key(key, used, &cut);
    if (!text) {
        PyErr_Clear();
        s->out.full = s->out.truncated = true;
        return false;
    }
    s->out.truncated |= cut;
    size_t mark = s->out.len;
    if ((first || json_raw(&s->out, ",", 1)) && json_str(&s->out, text, true) &&
        json_raw(&s->out, ":", 1) && serialise_any(s, value))
        return true;
    json_rollback(&s->out, mark);
    return false;
}

static void write_entries(struct serialise *s, PyObject *dict)
{
    struct cursor c = {.dict = dict, .size = PyDict_GET_SIZE(dict)};
    auto_py PyObject *used = keys_may_clash(dict) ? PySet_New(NULL) : NULL;
    auto_py PyObject *order = PyODict_Check(dict) ? PyODict_Type.tp_iter(dict) : NULL;
    c.order = order;
    PyErr_Clear();
    PyObject *k, *v;
    Py_ssize_t n = 0;
    while (cursor_next(&c, &k, &v)) {
        auto_py PyObject *key = k, *value = v;
        if (!write_entry(s, key, value, used, n == 0))
            break;
        n++;
    }
    PyErr_Clear();
    if (n < c.size)
        s->out.truncated = true;
}

static bool write_object(struct serialise *s, PyObject *dict)
{
    bool written;
    if (!serialise_enter(s, dict, "{...}", &written))
        return written;
    written = json_open(&s->out, '{');
    if (written) {
        write_entries(s, dict);
        json_close(&s->out, '}');
    }
    serialise_leave(s);
    return written;
}

/* ---- one value ---- */

bool serialise_repr(struct serialise *s, PyObject *value)
{
    auto_py PyObject *text = PyObject_Repr(value);
    if (!text)
        text = serialise_description(value, "repr");
    if (!text) {
        PyErr_Clear();
        return json_ascii(&s->out, "<object>");
    }
    return json_str(&s->out, text, false);
}

static bool write_bytes(struct serialise *s, PyObject *value)
{
    bool cut = false;
    auto_py PyObject *text = serialise_bytes_text(value, s->out.max, &cut);
    if (!text) {
        PyErr_Clear();
        return json_ascii(&s->out, "<bytes>");
    }
    s->out.truncated |= cut;
    return json_str(&s->out, text, false);
}

bool serialise_any(struct serialise *s, PyObject *v)
{
    if (v == Py_None)
        return json_raw(&s->out, "null", 4);
    if (v == Py_True)
        return json_raw(&s->out, "true", 4);
    if (v == Py_False)
        return json_raw(&s->out, "false", 5);
    if (PyLong_Check(v))
        return serialise_int(s, v);
    if (PyFloat_Check(v))
        return serialise_float(s, v);
    if (PyUnicode_Check(v))
        return json_str(&s->out, v, false);
    if (PyList_Check(v) || PyTuple_Check(v))
        return write_array(s, v, NULL);
    if (PyDict_Check(v))
        return write_object(s, v);
    if (PyAnySet_Check(v))
        return write_array(s, v, PyFrozenSet_Type.tp_iter);
    if (PyBytes_Check(v) || PyByteArray_Check(v))
        return write_bytes(s, v);
    int library = serialise_library(s, v);
    return library >= 0 ? library : serialise_repr(s, v);
}

/* ---- the type's name ---- */

/* The module that @type says it is from: its __module__ if that is a str, without asking a
 * metaclass. New reference or NULL, never with an exception. */
static PyObject *type_module(PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030c0000
    auto_py PyObject *dict = PyType_GetDict(type);
#else
    auto_py PyObject *dict = Py_XNewRef(type->tp_dict);
#endif
    PyObject *module = dict ? PyDict_GetItemString(dict, "__module__") : NULL; /* borrowed */
    return module && PyUnicode_Check(module) ? Py_NewRef(module) : NULL;
}

/* Printable, one line, no NUL: what goes into a log and a terminal. */
static char *tidy(PyObject *text)
{
    auto_py PyObject *part = PyUnicode_Substring(text, 0, MAX_TYPE_CHARS);
    auto_py PyObject *bytes = part ? PyUnicode_AsEncodedString(part, "utf-8", "replace") : NULL;
    if (!bytes) {
        PyErr_Clear();
        return NULL;
    }
    char *copy = strdup(PyBytes_AS_STRING(bytes));
    for (char *p = copy; copy && *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return copy;
}

static char *type_name(PyTypeObject *type)
{
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE))
        return strdup(str_starts(type->tp_name, "builtins.") ? type->tp_name + 9 : type->tp_name);
    auto_py PyObject *module = type_module(type);
    auto_py PyObject *name = PyType_GetQualName(type);
    if (!name) {
        PyErr_Clear();
        return strdup("object");
    }
    bool bare = !module || PyUnicode_CompareWithASCIIString(module, "builtins") == 0 ||
                PyUnicode_CompareWithASCIIString(module, "__main__") == 0;
    if (bare)
        return tidy(name);
    auto_py PyObject *full = PyUnicode_FromFormat("%U.%U", module, name);
    PyErr_Clear();
    return tidy(full ? full : name);
}

/* ---- entry ---- */

int serialise_value(PyObject *value, size_t max_bytes, char **ret_json, char **ret_type,
                    bool *ret_truncated, struct err *err)
{
    /* Even a limit of nothing leaves room for "null". */
    struct serialise s = {.out = {.max = max_bytes < 4 ? 4 : max_bytes}};
    auto_py PyObject *held = Py_NewRef(value);
    serialise_library_refresh();
    char *type = type_name(Py_TYPE(held));
    bool written = serialise_any(&s, held);
    char *json = NULL;
    if (!s.out.nomem) {
        if (!written) {
            s.out.full = false;
            written = json_raw(&s.out, "null", 4);
        }
        json = written ? realloc(s.out.data, s.out.len + 1) : NULL;
        if (json) {
            s.out.data = NULL;
            json[s.out.len] = '\0';
        }
    }
    free(s.out.data);
    if (!json || !type) {
        free(json);
        free(type);
        return err_nomem(err);
    }
    *ret_json = json;
    *ret_type = type;
    *ret_truncated = s.out.truncated;
    return 0;
}

int serialise_init(void)
{
    serialise_library_refresh();
    return 0;
}
