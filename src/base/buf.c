/* Growable byte buffer: see buf.h. Used in every process; bounds are the caller's `max`. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void buf_done(struct buf *b)
{
    if (!b)
        return;
    free(b->data);
    b->data = NULL;
    b->len = b->cap = 0;
}

int buf_reserve(struct buf *b, size_t n, struct err *err)
{
    size_t max = b->max ? b->max : SIZE_MAX / 2;
    if (n > max || b->len > max - n)
        return err_set(err, ERR_LIMIT, "more than %zu bytes", max);
    size_t want = b->len + n;
    if (want <= b->cap)
        return 0;
    size_t cap = b->cap ? b->cap : 256;
    while (cap < want)
        cap *= 2;
    uint8_t *data = realloc(b->data, cap);
    if (!data)
        return err_nomem(err);
    b->data = data;
    b->cap = cap;
    return 0;
}

int buf_add(struct buf *b, const void *data, size_t n, struct err *err)
{
    if (n == 0)
        return 0;
    if (buf_reserve(b, n, err) < 0)
        return -1;
    memcpy(b->data + b->len, data, n);
    b->len += n;
    return 0;
}

int buf_add_str(struct buf *b, const char *s, struct err *err)
{
    return buf_add(b, s, strlen(s), err);
}

int buf_addf(struct buf *b, struct err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = NULL;
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        return err_nomem(err);
    int r = buf_add(b, text, (size_t)n, err);
    free(text);
    return r;
}

void buf_consume(struct buf *b, size_t n)
{
    n = MIN(n, b->len);
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}

void buf_clear(struct buf *b)
{
    b->len = 0;
}

char *buf_take_str(struct buf *b)
{
    char *s = realloc(b->data, b->len + 1);
    if (!s)
        return NULL;
    s[b->len] = '\0';
    b->data = NULL;
    b->len = b->cap = 0;
    return s;
}
