/* The codec under every message between server, zygote and worker: little-endian integers, and
 * byte strings with a 32-bit length in front. The reader trusts nothing: it never reads past the
 * end, checks every length against a limit given by the caller, and once anything is wrong it
 * yields zeros and remembers the failure, so that callers check once, at the end. */
#ifndef WIRE_CODEC_H
#define WIRE_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct wire_in {
    const uint8_t *p;
    size_t left;
    bool bad;
};

struct wire_in wire_in_init(const void *data, size_t n);
uint8_t wire_get_u8(struct wire_in *in);
bool wire_get_bool(struct wire_in *in); /* anything but 0 or 1 is bad */
uint32_t wire_get_u32(struct wire_in *in);
uint64_t wire_get_u64(struct wire_in *in);
/* A byte string of at most @max bytes, borrowed from the message. */
const uint8_t *wire_get_bytes(struct wire_in *in, size_t max, size_t *ret_n);
/* The same as a NUL-terminated copy owned by the caller; a NUL inside or malformed UTF-8 is bad.
 * NULL when bad or out of memory (which is also bad). */
char *wire_get_str(struct wire_in *in, size_t max);
/* A list of at most @max_items strings of at most @max_each bytes, into an empty @ret. */
void wire_get_strv(struct wire_in *in, size_t max_items, size_t max_each, struct strv *ret);
/* 0 when all was well and nothing is left over, else ERR_PROTO. */
int wire_end(const struct wire_in *in, const char *what, struct err *err);

/* Writers append to a buffer and remember a failure (memory, ceiling) in the writer. */
struct wire_out {
    struct buf buf;
    bool bad;
};
#define WIRE_OUT_INIT(max_bytes)                                                                   \
    {                                                                                              \
        .buf = BUF_INIT(max_bytes)                                                                 \
    }
void wire_out_done(struct wire_out *out);
#define auto_wire_out _cleanup_(wire_out_done)
void wire_put_u8(struct wire_out *out, uint8_t v);
void wire_put_u32(struct wire_out *out, uint32_t v);
void wire_put_u64(struct wire_out *out, uint64_t v);
void wire_put_bytes(struct wire_out *out, const void *data, size_t n);
void wire_put_str(struct wire_out *out, const char *s); /* NULL is written as "" */
void wire_put_strv(struct wire_out *out, const struct strv *v);

#endif
