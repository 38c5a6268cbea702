/* Message codec: see codec.h. Runs in every process; the reading half faces hostile bytes. */
#include "wire/codec.h"

#include <string.h>

struct wire_in wire_in_init(const void *data, size_t n)
{
    return (struct wire_in){.p = data, .left = n};
}

/* Claim the next @n bytes, or NULL and bad. */
static const uint8_t *claim(struct wire_in *in, size_t n)
{
    if (in->bad || in->left < n) {
        in->bad = true;
        return NULL;
    }
    const uint8_t *p = in->p;
    in->p += n;
    in->left -= n;
    return p;
}

static uint64_t get_le(struct wire_in *in, size_t n)
{
    const uint8_t *p = claim(in, n);
    uint64_t v = 0;
    for (size_t i = 0; p && i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint8_t wire_get_u8(struct wire_in *in)
{
    return (uint8_t)get_le(in, 1);
}

bool wire_get_bool(struct wire_in *in)
{
    uint8_t v = wire_get_u8(in);
    if (v > 1)
        in->bad = true;
    return v == 1;
}

uint32_t wire_get_u32(struct wire_in *in)
{
    return (uint32_t)get_le(in, 4);
}

uint64_t wire_get_u64(struct wire_in *in)
{
    return get_le(in, 8);
}

const uint8_t *wire_get_bytes(struct wire_in *in, size_t max, size_t *ret_n)
{
    size_t n = wire_get_u32(in);
    if (n > max)
        in->bad = true;
    const uint8_t *p = claim(in, n);
    *ret_n = p ? n : 0;
    return p;
}

char *wire_get_str(struct wire_in *in, size_t max)
{
    size_t n;
    const uint8_t *p = wire_get_bytes(in, max, &n);
    if (!p)
        return NULL;
    if (memchr(p, 0, n) || !utf8_valid(p, n)) {
        in->bad = true;
        return NULL;
    }
    char *s = malloc(n + 1);
    if (!s) {
        in->bad = true;
        return NULL;
    }
    memcpy(s, p, n);
    s[n] = '\0';
    return s;
}

void wire_get_strv(struct wire_in *in, size_t max_items, size_t max_each, struct strv *ret)
{
    size_t n = wire_get_u32(in);
    if (n > max_items)
        in->bad = true;
    for (size_t i = 0; i < n && !in->bad; i++) {
        auto_free char *s = wire_get_str(in, max_each);
        if (s && strv_add(ret, s, NULL) < 0)
            in->bad = true;
    }
}

int wire_end(const struct wire_in *in, const char *what, struct err *err)
{
    if (in->bad)
        return err_set(err, ERR_PROTO, "malformed %s message", what);
    if (in->left > 0)
        return err_set(err, ERR_PROTO, "%s message with %zu bytes too many", what, in->left);
    return 0;
}

void wire_out_done(struct wire_out *out)
{
    buf_done(&out->buf);
}

static void put_le(struct wire_out *out, uint64_t v, size_t n)
{
    uint8_t b[8];
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * i));
    if (buf_add(&out->buf, b, n, NULL) < 0)
        out->bad = true;
}

void wire_put_u8(struct wire_out *out, uint8_t v)
{
    put_le(out, v, 1);
}

void wire_put_u32(struct wire_out *out, uint32_t v)
{
    put_le(out, v, 4);
}

void wire_put_u64(struct wire_out *out, uint64_t v)
{
    put_le(out, v, 8);
}

void wire_put_bytes(struct wire_out *out, const void *data, size_t n)
{
    if (n > UINT32_MAX) {
        out->bad = true;
        return;
    }
    wire_put_u32(out, (uint32_t)n);
    if (buf_add(&out->buf, data, n, NULL) < 0)
        out->bad = true;
}

void wire_put_str(struct wire_out *out, const char *s)
{
    wire_put_bytes(out, s ? s : "", s ? strlen(s) : 0);
}

void wire_put_strv(struct wire_out *out, const struct strv *v)
{
    wire_put_u32(out, (uint32_t)v->len);
    for (size_t i = 0; i < v->len; i++)
        wire_put_str(out, v->items[i]);
}
