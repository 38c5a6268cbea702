/* The bounded JSON writer: see json_out.h. Runs in the worker; what is written is hostile, the
 * limit is not. */
#include "python/json_out.h"

#include <stdlib.h>
#include <string.h>

/* Is there room for @n more bytes, within the limit and in memory? */
static bool room(struct json_out *o, size_t n)
{
    if (o->full)
        return false;
    size_t used = o->len + o->reserved;
    if (used > o->max || n > o->max - used) {
        o->full = o->truncated = true;
        return false;
    }
    size_t need = used + n;
    if (need <= o->cap)
        return true;
    size_t cap = o->cap ? o->cap : 256;
    while (cap < need)
        cap *= 2;
    char *data = realloc(o->data, cap);
    if (!data) {
        o->full = o->truncated = o->nomem = true;
        return false;
    }
    o->data = data;
    o->cap = cap;
    return true;
}

bool json_raw(struct json_out *o, const char *text, size_t n)
{
    if (!room(o, n))
        return false;
    memcpy(o->data + o->len, text, n);
    o->len += n;
    return true;
}

bool json_open(struct json_out *o, char bracket)
{
    if (!room(o, 2))
        return false;
    o->data[o->len++] = bracket;
    o->reserved++;
    return true;
}

void json_close(struct json_out *o, char bracket)
{
    o->data[o->len++] = bracket;
    o->reserved--;
}

void json_rollback(struct json_out *o, size_t mark)
{
    o->len = mark;
}

/* One character as JSON into @out (at least 8 bytes); how many bytes. */
static size_t character(Py_UCS4 c, char *out)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[] = "btn\0fr"; /* for U+0008 and up */
    if (c == '"' || c == '\\') {
        out[0] = '\\';
        out[1] = (char)c;
        return 2;
    }
    if (c < 0x20) {
        out[0] = '\\';
        if (c >= 8 && c <= 13 && shorts[c - 8]) {
            out[1] = shorts[c - 8];
            return 2;
        }
        memcpy(out + 1, "u00", 3);
        out[4] = hex[c >> 4];
        out[5] = hex[c & 15];
        return 6;
    }
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | (c >> 6));
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c >= 0xd800 && c <= 0xdfff) {
        /* No UTF-8 form, and \udXXX alone is refused by strict parsers: so the six characters. */
        memcpy(out, "\\\\ud", 4);
        for (unsigned i = 0; i < 3; i++)
            out[4 + i] = hex[(c >> (8 - 4 * i)) & 15];
        return 7;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | (c >> 12));
        out[1] = (char)(0x80 | ((c >> 6) & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (c >> 18));
    out[1] = (char)(0x80 | ((c >> 12) & 0x3f));
    out[2] = (char)(0x80 | ((c >> 6) & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static bool plain(Py_UCS1 c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Copy the run of plain ASCII at @text, as much of it as fits; how many characters. */
static Py_ssize_t plain_run(struct json_out *o, const Py_UCS1 *text, Py_ssize_t n)
{
    Py_ssize_t run = 0;
    while (run < n && plain(text[run]))
        run++;
    size_t used = o->len + o->reserved;
    size_t left = used < o->max ? o->max - used : 0;
    if ((size_t)run > left)
        run = (Py_ssize_t)left;
    if (run && !json_raw(o, (const char *)text, (size_t)run))
        return 0;
    return run;
}

bool json_str(struct json_out *o, PyObject *text, bool whole)
{
    size_t mark = o->len;
    if (!json_open(o, '"'))
        return false;
    int kind = PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    Py_ssize_t n = PyUnicode_GET_LENGTH(text);
    char piece[8];
    for (Py_ssize_t i = 0; i < n;) {
        if (kind == PyUnicode_1BYTE_KIND) {
            i += plain_run(o, (const Py_UCS1 *)data + i, n - i);
            if (i == n)
                break;
        }
        if (!json_raw(o, piece, character(PyUnicode_READ(kind, data, i), piece)))
            break;
        i++;
    }
    json_close(o, '"');
    if (whole && o->full) {
        json_rollback(o, mark);
        return false;
    }
    return true;
}

bool json_ascii(struct json_out *o, const char *text)
{
    size_t n = strlen(text);
    if (!room(o, n + 2))
        return false;
    o->data[o->len++] = '"';
    memcpy(o->data + o->len, text, n);
    o->len += n;
    o->data[o->len++] = '"';
    return true;
}
