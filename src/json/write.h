/* JSON as text, written straight into a buffer: commas are placed by the writer, strings are
 * escaped, and nothing it writes can hold a line break, in whatever way the reader splits lines. A
 * failure (memory, ceiling of the buffer) is remembered in `bad`: check once, at the end. */
#ifndef JSON_WRITE_H
#define JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct json_out {
    struct buf *buf; /* borrowed */
    size_t start;    /* where this text begins in it */
    bool bad;
};

/* Append to @buf. */
struct json_out json_out_init(struct buf *buf);

void json_open_object(struct json_out *o);
void json_close_object(struct json_out *o);
void json_open_array(struct json_out *o);
void json_close_array(struct json_out *o);
void json_key(struct json_out *o, const char *key);

void json_put_strn(struct json_out *o, const char *s,
                   size_t n);                                 /* well-formed UTF-8; NULs are fine */
void json_put_str(struct json_out *o, const char *s);         /* NULL is written as null */
void json_put_strv(struct json_out *o, const struct strv *v); /* an array; NULL: null */
void json_put_int(struct json_out *o, int64_t v);
void json_put_uint(struct json_out *o, uint64_t v);
void json_put_bool(struct json_out *o, bool v);
void json_put_null(struct json_out *o);
/* Nanoseconds as seconds, to the microsecond: 0.001 */
void json_put_seconds(struct json_out *o, uint64_t ns);
void json_put_base64(struct json_out *o, const void *data, size_t n); /* a string */
/* One value that is JSON text already, of our own making. */
void json_put_raw(struct json_out *o, const char *text, size_t n);

/* One value that claims to be JSON text but comes from a hostile peer: checked (well-formed UTF-8,
 * RFC 8259, nesting of at most JSON_MAX_NESTING, finite numbers of at most 64 characters, no lone
 * surrogates) and written without blanks. -1 and ERR_INVALID, and nothing is written, when it is
 * not. */
#define JSON_MAX_NESTING 256
int json_put_untrusted(struct json_out *o, const char *text, size_t n, struct err *err);

/* "key": value */
void json_pair_str(struct json_out *o, const char *key, const char *s);
void json_pair_uint(struct json_out *o, const char *key, uint64_t v);
void json_pair_bool(struct json_out *o, const char *key, bool v);
void json_pair_seconds(struct json_out *o, const char *key, uint64_t ns);
void json_pair_strv(struct json_out *o, const char *key, const struct strv *v);

#endif
