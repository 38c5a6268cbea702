/* The program's text: see source.h. Runs in the worker (set-up in the zygote). The text is hostile
 * but known to be well-formed UTF-8. Lines end where CPython's tokenizer ends them: at \n, \r\n and
 * a lone \r, and nowhere else (str.splitlines would also cut at form feeds and U+2028). */
#include "python/source.h"

#include <string.h>

#include "python/compat.h"

static PyObject *name;  /* "<sandbox>" */
static PyObject *cache; /* linecache.cache */
static PyObject *lines; /* list of str of the present program, or NULL */

int source_init(void)
{
    name = PyUnicode_InternFromString(SOURCE_NAME);
    auto_py PyObject *linecache = PyImport_ImportModule("linecache");
    if (!name || !linecache)
        return -1;
    cache = PyObject_GetAttrString(linecache, "cache");
    return cache ? 0 : -1;
}

PyObject *source_name(void)
{
    return name;
}

bool source_owns(PyCodeObject *code)
{
    PyObject *file = code->co_filename;
    return file == name || (file && PyUnicode_Check(file) && PyUnicode_Compare(file, name) == 0);
}

/* Length of the line at @p including its end; *ret_end is the length of that end. */
static size_t line_length(const char *p, const char *end, size_t *ret_end)
{
    const char *q = p;
    while (q < end && *q != '\n' && *q != '\r')
        q++;
    *ret_end = q == end ? 0 : (*q == '\r' && q + 1 < end && q[1] == '\n') ? 2 : 1;
    return (size_t)(q - p) + *ret_end;
}

/* The lines as linecache keeps them: each ends in exactly one \n. */
static PyObject *split(const char *text, size_t n)
{
    PyObject *list = PyList_New(0);
    const char *p = text, *end = text + n;
    while (list && p < end) {
        size_t eol, len = line_length(p, end, &eol);
        const char *body_end = p + len - eol;
        PyObject *line;
        if (eol == 1 && *body_end == '\n') {
            line = PyUnicode_DecodeUTF8(p, (Py_ssize_t)len, "replace");
        } else {
            line = PyUnicode_DecodeUTF8(p, body_end - p, "replace");
            PyObject *nl = line ? PyUnicode_FromString("\n") : NULL;
            PyUnicode_Append(&line, nl);
            Py_XDECREF(nl);
        }
        if (!line || PyList_Append(list, line) < 0)
            Py_CLEAR(list);
        Py_XDECREF(line);
        p += len;
    }
    return list;
}

int source_register(const char *text, size_t n)
{
    auto_py PyObject *list = split(text, n);
    if (!list)
        return -1;
    auto_py PyObject *entry = Py_BuildValue("(nOOO)", (Py_ssize_t)n, Py_None, list, name);
    if (!entry || PyDict_SetItem(cache, name, entry) < 0)
        return -1;
    Py_XSETREF(lines, Py_NewRef(list));
    return 0;
}

void source_forget(void)
{
    Py_CLEAR(lines);
    if (PyDict_DelItem(cache, name) < 0)
        PyErr_Clear();
}

PyObject *source_line(uint32_t line)
{
    if (!lines || line < 1 || line > (size_t)PyList_GET_SIZE(lines))
        return NULL;
    PyObject *s = PyList_GET_ITEM(lines, line - 1);
    return PyUnicode_Substring(s, 0, PyUnicode_GET_LENGTH(s) - 1);
}

uint32_t source_current_line(void)
{
    PyObject *pending = exc_take();
    uint32_t line = 0;
    PyFrameObject *f = (PyFrameObject *)Py_XNewRef((PyObject *)PyEval_GetFrame());
    while (f) {
        PyCodeObject *code = PyFrame_GetCode(f);
        int at = source_owns(code) ? PyFrame_GetLineNumber(f) : 0;
        Py_DECREF(code);
        PyFrameObject *back = at > 0 ? NULL : PyFrame_GetBack(f);
        Py_DECREF(f);
        f = back;
        if (at > 0)
            line = (uint32_t)at;
    }
    PyErr_Clear();
    exc_put(pending);
    return line;
}

uint32_t source_count_lines(const char *text, size_t n)
{
    uint32_t count = 0;
    size_t eol;
    for (const char *p = text; p < text + n; p += line_length(p, text + n, &eol))
        count++;
    return count;
}

uint64_t source_count_characters(const char *text, size_t n)
{
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}
