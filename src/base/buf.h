/* A growable byte buffer with a ceiling: data is appended at the end and consumed at the front. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct buf {
    uint8_t *data; /* owned; NULL while empty; not NUL-terminated */
    size_t len;
    size_t cap;
    size_t max; /* never grows beyond this many bytes; 0 = SIZE_MAX / 2 */
};

#define BUF_INIT(limit)                                                                            \
    {                                                                                              \
        .max = (limit)                                                                             \
    }

void buf_done(struct buf *b);
#define auto_buf _cleanup_(buf_done)

/* Make room for @n more bytes. ERR_LIMIT past the ceiling, ERR_NOMEM. */
int buf_reserve(struct buf *b, size_t n, struct err *err);
int buf_add(struct buf *b, const void *data, size_t n, struct err *err);
int buf_add_str(struct buf *b, const char *s, struct err *err);
int buf_addf(struct buf *b, struct err *err, const char *fmt, ...) _printf_(3, 4);

/* Drop the first @n bytes (at most len). */
void buf_consume(struct buf *b, size_t n);
/* Forget the contents and keep the memory. */
void buf_clear(struct buf *b);

/* Give the contents away as a NUL-terminated string, owned by the caller, and reset the buffer.
 * NULL when memory ran out. */
char *buf_take_str(struct buf *b);

#endif
