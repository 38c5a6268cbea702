/* Numbers, bytes and dict keys as text, without calling a method that a program could have written:
 * the slots of the built-in types are applied to instances of subclasses, too. Runs in the worker.
 */
#include <math.h>
#include <string.h>

#include "python/compat.h"
#include "python/serialise_impl.h"

/* JSON's readers keep integers exactly up to here. */
#define EXACT_INT (1LL << 53)
/* Writing an int out takes time in the square of its digits: this many take some 60 ms. */
#define MAX_INT_DIGITS 100000
#define BITS_PER_DIGIT 3.3219280948873623
/* Keys are read by people. */
#define MAX_KEY_BYTES 65536

static long long int_bits(PyObject *value)
{
    auto_py PyObject *bits =
        PyObject_CallMethod((PyObject *)&PyLong_Type, "bit_length", "O", value);
    long long n = bits ? PyLong_AsLongLong(bits) : -1;
    return n < 0 && PyErr_Occurred() ? -1 : n;
}

/* Call sys.NAME(*args): the interpreter's own sys, which no program can reach. */
static PyObject *sys_call(const char *name, PyObject *arg)
{
    PyObject *f = PySys_GetObject(name); /* borrowed */
    if (!f) {
        PyErr_SetString(PyExc_AttributeError, name);
        return NULL;
    }
    return arg ? PyObject_CallOneArg(f, arg) : PyObject_CallNoArgs(f);
}

/* All digits, though sys.set_int_max_str_digits() says otherwise: our own limit applies instead. */
static PyObject *unlimited_digits(PyObject *value)
{
    auto_py PyObject *limit = sys_call("get_int_max_str_digits", NULL);
    auto_py PyObject *none = PyLong_FromLong(0);
    if (!limit || !none)
        return NULL;
    Py_XDECREF(sys_call("set_int_max_str_digits", none));
    PyErr_Clear();
    PyObject *text = PyLong_Type.tp_repr(value);
    PyObject *pending = exc_take();
    Py_XDECREF(sys_call("set_int_max_str_digits", limit));
    PyErr_Clear();
    exc_put(pending);
    return text;
}

/* The digits of @value, or how many there are when they are too many. */
static PyObject *int_text(PyObject *value, bool *ret_cut)
{
    long long bits = int_bits(value);
    if (bits < 0)
        return NULL;
    if ((double)bits > MAX_INT_DIGITS * BITS_PER_DIGIT) {
        *ret_cut = true;
        return PyUnicode_FromFormat("<int of about %lld digits>",
                                    (long long)((double)bits / BITS_PER_DIGIT));
    }
    PyObject *text = PyLong_Type.tp_repr(value);
    if (text || !PyErr_ExceptionMatches(PyExc_ValueError))
        return text;
    PyErr_Clear();
    return unlimited_digits(value);
}

bool serialise_int(struct serialise *s, PyObject *value)
{
    int overflow = 0;
    long long n = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (!overflow && n >= -EXACT_INT && n <= EXACT_INT) {
        char digits[32];
        int len = snprintf(digits, sizeof(digits), "%lld", n);
        return json_raw(&s->out, digits, (size_t)len);
    }
    bool cut = false;
    auto_py PyObject *text = int_text(value, &cut);
    if (!text) {
        PyErr_Clear();
        return json_ascii(&s->out, "<int>"); /* no memory for its digits */
    }
    s->out.truncated |= cut;
    return json_str(&s->out, text, false);
}

/* "1.5", "1e+16", and for what JSON has no number: "NaN", "Infinity", "-Infinity". */
static const char *float_special(double v)
{
    if (isnan(v))
        return "NaN";
    if (isinf(v))
        return v > 0 ? "Infinity" : "-Infinity";
    return NULL;
}

bool serialise_float(struct serialise *s, PyObject *value)
{
    double v = PyFloat_AS_DOUBLE(value);
    const char *special = float_special(v);
    if (special)
        return json_ascii(&s->out, special);
    char *text = PyOS_double_to_string(v, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (!text) {
        PyErr_Clear();
        s->out.full = s->out.truncated = s->out.nomem = true;
        return false;
    }
    bool written = json_raw(&s->out, text, strlen(text));
    PyMem_Free(text);
    return written;
}

PyObject *serialise_bytes_text(PyObject *value, size_t max, bool *ret_cut)
{
    bool array = PyByteArray_Check(value);
    size_t n = (size_t)(array ? PyByteArray_GET_SIZE(value) : PyBytes_GET_SIZE(value));
    if (n > max) {
        *ret_cut = true;
        n = max;
    }
    const char *data = array ? PyByteArray_AS_STRING(value) : PyBytes_AS_STRING(value);
    auto_py PyObject *part = array ? PyByteArray_FromStringAndSize(data, (Py_ssize_t)n)
                                   : PyBytes_FromStringAndSize(data, (Py_ssize_t)n);
    if (!part)
        return NULL;
    return array ? PyByteArray_Type.tp_repr(part) : PyBytes_Type.tp_repr(part);
}

PyObject *serialise_description(PyObject *value, const char *method)
{
    const char *name = Py_TYPE(value)->tp_name;
    auto_py PyObject *exc = exc_take();
    if (!exc)
        return PyUnicode_FromFormat("<%.200s object>", name);
    return PyUnicode_FromFormat("<%.200s object (%s raised %.200s)>", name, method,
                                Py_TYPE(exc)->tp_name);
}

/* str(@key) by the key's type; anything its own __str__ raises ends in a description. */
static PyObject *key_text(PyObject *key, bool *ret_cut)
{
    if (PyUnicode_Check(key))
        return PyUnicode_FromObject(key);
    if (PyLong_Check(key) && !PyBool_Check(key))
        return int_text(key, ret_cut);
    if (PyFloat_Check(key)) {
        const char *special = float_special(PyFloat_AS_DOUBLE(key));
        return special ? PyUnicode_FromString(special) : PyFloat_Type.tp_repr(key);
    }
    if (PyBytes_Check(key))
        return serialise_bytes_text(key, MAX_KEY_BYTES, ret_cut);
    PyObject *text = serialise_library_text(key);
    if (text)
        return text;
    PyErr_Clear();
    text = PyObject_Str(key);
    return text ? text : serialise_description(key, "str");
}

PyObject *serialise_key_text(PyObject *key, bool *ret_cut)
{
    auto_py PyObject *text = key_text(key, ret_cut);
    if (!text)
        return NULL;
    /* A key does not have to be cut because of the limit: it has one of its own, unless it is a
     * str. */
    if (!PyUnicode_Check(key) && PyUnicode_GET_LENGTH(text) > MAX_KEY_BYTES) {
        *ret_cut = true;
        return PyUnicode_Substring(text, 0, MAX_KEY_BYTES);
    }
    return PyUnicode_FromObject(text);
}
