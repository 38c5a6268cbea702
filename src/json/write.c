/* Writing JSON text: see write.h. Runs in the server; strings may come from a program, structure
 * never does.
 *
 * Where a comma belongs is told by the last byte written: after '{', '[' or ':' none does, and no
 * value ends in one of these (a string ends in '"'). */
#include "json/write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"

struct json_out json_out_init(struct buf *buf)
{
    return (struct json_out){.buf = buf, .start = buf->len};
}

static void add(struct json_out *o, const char *s, size_t n)
{
    if (!o->bad && buf_add(o->buf, s, n, NULL) < 0)
        o->bad = true;
}

static void separate(struct json_out *o)
{
    const struct buf *b = o->buf;
    if (b->len == o->start)
        return;
    uint8_t last = b->data[b->len - 1];
    if (last != '{' && last != '[' && last != ':')
        add(o, ",", 1);
}

void json_open_object(struct json_out *o)
{
    separate(o);
    add(o, "{", 1);
}

void json_close_object(struct json_out *o)
{
    add(o, "}", 1);
}

void json_open_array(struct json_out *o)
{
    separate(o);
    add(o, "[", 1);
}

void json_close_array(struct json_out *o)
{
    add(o, "]", 1);
}

void json_key(struct json_out *o, const char *key)
{
    json_put_str(o, key);
    add(o, ":", 1);
}

/* Bytes that cannot simply be copied. 0xc2 and 0xe2 start the sequences of U+0085, U+2028 and
 * U+2029, at which some readers end a line. */
static const bool special[256] = {
    [0x00 ... 0x1f] = true, ['"'] = true, ['\\'] = true, [0xc2] = true, [0xe2] = true,
};

#define ESCAPE_MAX 6 /* bytes one step may write */

/* Write what stands for the bytes at @s (at least one); *ret_used says how many it covers. */
static size_t escape(uint8_t *to, const uint8_t *s, size_t n, size_t *ret_used)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = "btn.fr"; /* from 0x08 on */
    uint8_t c = s[0];
    const char *text = NULL;
    *ret_used = 1;
    if (c == '"' || c == '\\') {
        to[0] = '\\';
        to[1] = c;
        return 2;
    }
    if (c >= 0x08 && c <= 0x0d && c != 0x0b) {
        to[0] = '\\';
        to[1] = (uint8_t)letters[c - 0x08];
        return 2;
    }
    if (c < 0x20) {
        memcpy(to, "\\u00", 4);
        to[4] = (uint8_t)hex[c >> 4];
        to[5] = (uint8_t)hex[c & 15];
        return 6;
    }
    if (c == 0xc2 && n >= 2 && s[1] == 0x85) {
        text = "\\u0085";
        *ret_used = 2;
    } else if (c == 0xe2 && n >= 3 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9)) {
        text = s[2] == 0xa8 ? "\\u2028" : "\\u2029";
        *ret_used = 3;
    }
    if (!text) {
        to[0] = c;
        return 1;
    }
    memcpy(to, text, 6);
    return 6;
}

/* Eight bytes that need no look each: ASCII, no control character, no quote, no backslash. */
static bool plain8(const uint8_t *s)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t tops = 0x8080808080808080u;
    uint64_t v;
    memcpy(&v, s, sizeof(v));
    uint64_t quote = v ^ (ones * '"');
    uint64_t slash = v ^ (ones * '\\');
    /* each term sets the top bit of a byte that is below its bound, if all top bits are clear */
    uint64_t hit = (v - ones * 0x20) | (quote - ones) | (slash - ones) | v;
    return (hit & tops) == 0;
}

#define STEP 8 /* bytes looked at together */

static void put_escaped(struct json_out *o, const uint8_t *s, size_t n)
{
    struct buf *b = o->buf;
    for (size_t i = 0; i < n && !o->bad;) {
        size_t left = n - i;
        if (buf_reserve(b, left + left / 8 + STEP * ESCAPE_MAX, NULL) < 0) {
            o->bad = true;
            return;
        }
        uint8_t *to = b->data + b->len;
        const uint8_t *full = b->data + b->cap - STEP * ESCAPE_MAX;
        while (i < n && to <= full) {
            if (n - i >= STEP && plain8(s + i)) {
                memcpy(to, s + i, STEP);
                to += STEP;
                i += STEP;
                continue;
            }
            for (size_t end = MIN(n, i + STEP), used; i < end; i += used) {
                used = 1;
                if (special[s[i]])
                    to += escape(to, s + i, n - i, &used);
                else
                    *to++ = s[i];
            }
        }
        b->len = (size_t)(to - b->data);
    }
}

void json_put_strn(struct json_out *o, const char *s, size_t n)
{
    separate(o);
    add(o, "\"", 1);
    put_escaped(o, (const uint8_t *)s, n);
    add(o, "\"", 1);
}

void json_put_base64(struct json_out *o, const void *data, size_t n)
{
    separate(o);
    add(o, "\"", 1);
    if (n > SIZE_MAX / 2 || o->bad || buf_reserve(o->buf, BASE64_LEN(n) + 1, NULL) < 0) {
        o->bad = true;
        return;
    }
    base64_encode(data, n, (char *)o->buf->data + o->buf->len);
    o->buf->len += BASE64_LEN(n);
    add(o, "\"", 1);
}

void json_put_str(struct json_out *o, const char *s)
{
    if (s)
        json_put_strn(o, s, strlen(s));
    else
        json_put_null(o);
}

void json_put_strv(struct json_out *o, const struct strv *v)
{
    if (!v) {
        json_put_null(o);
        return;
    }
    json_open_array(o);
    for (size_t i = 0; i < v->len; i++)
        json_put_str(o, v->items[i]);
    json_close_array(o);
}

void json_put_raw(struct json_out *o, const char *text, size_t n)
{
    separate(o);
    add(o, text, n);
}

void json_put_int(struct json_out *o, int64_t v)
{
    char text[24];
    json_put_raw(o, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, v));
}

void json_put_uint(struct json_out *o, uint64_t v)
{
    char text[24];
    json_put_raw(o, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, v));
}

void json_put_bool(struct json_out *o, bool v)
{
    json_put_raw(o, v ? "true" : "false", v ? 4 : 5);
}

void json_put_null(struct json_out *o)
{
    json_put_raw(o, "null", 4);
}

void json_put_seconds(struct json_out *o, uint64_t ns)
{
    char text[40];
    size_t n = (size_t)snprintf(text, sizeof(text), "%" PRIu64 ".%06" PRIu64, ns / 1000000000u,
                                ns % 1000000000u / 1000u);
    while (text[n - 1] == '0' && text[n - 2] != '.')
        n--;
    json_put_raw(o, text, n);
}

void json_pair_str(struct json_out *o, const char *key, const char *s)
{
    json_key(o, key);
    json_put_str(o, s);
}

void json_pair_uint(struct json_out *o, const char *key, uint64_t v)
{
    json_key(o, key);
    json_put_uint(o, v);
}

void json_pair_bool(struct json_out *o, const char *key, bool v)
{
    json_key(o, key);
    json_put_bool(o, v);
}

void json_pair_seconds(struct json_out *o, const char *key, uint64_t ns)
{
    json_key(o, key);
    json_put_seconds(o, ns);
}

void json_pair_strv(struct json_out *o, const char *key, const struct strv *v)
{
    json_key(o, key);
    json_put_strv(o, v);
}
