/* Bounded, well-formed, scrubbed text: see text.h. Runs in the worker, on hostile text. */
#include "python/text.h"

#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "python/compat.h"

#define STANDIN  "<python>"
#define LEFT_OUT " [...] "

static struct strv folders; /* longest first */

static int by_length(const void *a, const void *b)
{
    size_t la = strlen(*(char *const *)a), lb = strlen(*(char *const *)b);
    return (la < lb) - (la > lb);
}

int text_init(void)
{
    PyObject *path = PySys_GetObject("path");
    for (Py_ssize_t i = 0; path && i < PyList_Size(path); i++) {
        const char *s = PyUnicode_AsUTF8(PyList_GET_ITEM(path, i));
        if (!s)
            return -1;
        /* "/" or "/opt" would match half of all texts */
        if (strlen(s) > 5 && !strv_has(&folders, s) && strv_add(&folders, s, NULL) < 0) {
            PyErr_NoMemory();
            return -1;
        }
    }
    if (folders.len)
        qsort(folders.items, folders.len, sizeof(char *), by_length);
    return 0;
}

/* Length of the folder that @s starts with, 0 = none of ours. */
static size_t folder_at(const char *s, size_t n)
{
    for (size_t i = 0; i < folders.len; i++) {
        size_t len = strlen(folders.items[i]);
        if (len <= n && memcmp(s, folders.items[i], len) == 0)
            return len;
    }
    return 0;
}

bool text_in_library(const char *path)
{
    size_t len = folder_at(path, strlen(path));
    return len > 0 && (path[len] == '/' || path[len] == '\0');
}

static int scrub(struct buf *out, const char *s, size_t n)
{
    size_t from = 0;
    for (size_t i = 0; i < n;) {
        const char *slash = memchr(s + i, '/', n - i);
        const char *nul = memchr(s + i, '\0', (slash ? (size_t)(slash - s) : n) - i);
        if (!slash && !nul)
            break;
        size_t at = (size_t)((nul ? nul : slash) - s);
        size_t len = nul ? 1 : folder_at(s + at, n - at);
        i = at + (len ? len : 1);
        if (len == 0)
            continue;
        if (buf_add(out, s + from, at - from, NULL) < 0 ||
            buf_add_str(out, nul ? "\\x00" : STANDIN, NULL) < 0)
            return -1;
        from = i;
    }
    return buf_add(out, s + from, n - from, NULL);
}

/* The first byte at or after @p that begins a character. */
static const char *next_character(const char *p, const char *end)
{
    while (p < end && ((unsigned char)*p & 0xc0) == 0x80)
        p++;
    return p;
}

char *text_from_utf8(const char *s, size_t n, size_t max_bytes)
{
    auto_buf struct buf out = BUF_INIT(0);
    size_t keep = n;
    if (n > max_bytes) {
        /* the end of a message matters as much as its beginning */
        keep = utf8_floor(s, (max_bytes - strlen(LEFT_OUT)) / 2);
        const char *tail = next_character(s + n - keep, s + n);
        if (scrub(&out, s, keep) < 0 || buf_add_str(&out, LEFT_OUT, NULL) < 0 ||
            scrub(&out, tail, (size_t)(s + n - tail)) < 0)
            return NULL;
    } else if (scrub(&out, s, n) < 0) {
        return NULL;
    }
    /* replacing can lengthen: never past what the caller can carry */
    if (out.len > max_bytes)
        out.len = utf8_floor(out.data, max_bytes);
    if (out.len == 0)
        return strdup("");
    size_t ignored;
    return utf8_repair(out.data, out.len, &ignored);
}

char *text_from_str(PyObject *str, size_t max_bytes)
{
    auto_py PyObject *part = NULL;
    Py_ssize_t n = PyUnicode_GET_LENGTH(str), most = (Py_ssize_t)max_bytes;
    if (n > 2 * most) {
        /* encode no more than can be kept: text_from_utf8 drops the middle of the rest */
        auto_py PyObject *head = PyUnicode_Substring(str, 0, most);
        auto_py PyObject *tail = PyUnicode_Substring(str, n - most, n);
        part = head && tail ? PyUnicode_Concat(head, tail) : NULL;
    } else {
        part = Py_NewRef(str);
    }
    auto_py PyObject *bytes =
        part ? PyUnicode_AsEncodedString(part, "utf-8", "backslashreplace") : NULL;
    if (!bytes) {
        PyErr_Clear();
        return NULL;
    }
    return text_from_utf8(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes), max_bytes);
}
