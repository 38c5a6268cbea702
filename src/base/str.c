/* Strings: see str.h. Used in every process, on bytes from anywhere. */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

bool str_eq(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s);
    size_t m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

char *str_trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    char *end = s + strlen(s);
    while (end > s && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    return s;
}

/* The power of 1024 that a unit stands for, or -1. */
static int size_unit(const char *unit)
{
    static const char letters[] = "kmgt";
    if (!*unit || !strcasecmp(unit, "b"))
        return 0;
    const char *letter = strchr(letters, tolower((unsigned char)*unit));
    if (!letter || !*letter)
        return -1;
    unit++;
    if (*unit && strcasecmp(unit, "b") != 0 && strcasecmp(unit, "ib") != 0)
        return -1;
    return (int)(letter - letters) + 1;
}

int str_parse_size(const char *s, uint64_t *ret_bytes, struct err *err)
{
    char *end = NULL;
    errno = 0;
    if (!isdigit((unsigned char)*s))
        return err_set(err, ERR_INVALID, "'%.40s' is not a size: use bytes, 65536k, 128m or 1g", s);
    unsigned long long v = strtoull(s, &end, 10);
    while (*end == ' ')
        end++;
    int unit = size_unit(end);
    if (errno || unit < 0)
        return err_set(err, ERR_INVALID, "'%.40s' is not a size: use bytes, 65536k, 128m or 1g", s);
    if (v > (uint64_t)INT64_MAX >> (10 * unit))
        return err_set(err, ERR_INVALID, "'%.40s' is too large a size", s);
    *ret_bytes = (uint64_t)v << (10 * unit);
    return 0;
}

void strv_done(struct strv *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->len; i++)
        free(v->items[i]);
    free(v->items);
    *v = (struct strv)STRV_INIT;
}

int strv_addn(struct strv *v, const char *s, size_t n, struct err *err)
{
    char **items = reallocarray(v->items, v->len + 1, sizeof(*items));
    if (!items)
        return err_nomem(err);
    v->items = items;
    char *copy = strndup(s, n);
    if (!copy)
        return err_nomem(err);
    v->items[v->len++] = copy;
    return 0;
}

int strv_add(struct strv *v, const char *s, struct err *err)
{
    return strv_addn(v, s, strlen(s), err);
}

int strv_split(struct strv *v, const char *s, char separator, struct err *err)
{
    auto_free char *copy = strdup(s);
    if (!copy)
        return err_nomem(err);
    for (char *item = copy; item;) {
        char *next = strchr(item, separator);
        if (next)
            *next++ = '\0';
        char *trimmed = str_trim(item);
        if (*trimmed && strv_add(v, trimmed, err) < 0)
            return -1;
        item = next;
    }
    return 0;
}

int strv_copy(struct strv *to, const struct strv *from, struct err *err)
{
    for (size_t i = 0; i < from->len; i++)
        if (strv_add(to, from->items[i], err) < 0)
            return -1;
    return 0;
}

bool strv_has(const struct strv *v, const char *s)
{
    for (size_t i = 0; i < v->len; i++)
        if (strcmp(v->items[i], s) == 0)
            return true;
    return false;
}

/* Length of the well-formed sequence at @p (at most @n bytes). When there is none, 0, and *ret_bad
 * is the length of the maximal ill-formed prefix; *ret_open says that the prefix is merely cut. */
static size_t utf8_step(const uint8_t *p, size_t n, size_t *ret_bad, bool *ret_open)
{
    uint8_t lead = p[0];
    size_t need;
    uint8_t lo = 0x80;
    uint8_t hi = 0xbf;
    *ret_bad = 1;
    *ret_open = false;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf) {
        need = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        need = 3;
        lo = lead == 0xe0 ? 0xa0 : 0x80;
        hi = lead == 0xed ? 0x9f : 0xbf;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        need = 4;
        lo = lead == 0xf0 ? 0x90 : 0x80;
        hi = lead == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    for (size_t i = 1; i < need; i++) {
        if (i >= n) {
            *ret_bad = i;
            *ret_open = true;
            return 0;
        }
        if (p[i] < lo || p[i] > hi) {
            *ret_bad = i;
            return 0;
        }
        lo = 0x80;
        hi = 0xbf;
    }
    return need;
}

bool utf8_valid(const void *data, size_t n)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < n;) {
        size_t bad;
        bool open;
        size_t step = utf8_step(p + i, n - i, &bad, &open);
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}

char *utf8_repair(const void *data, size_t n, size_t *ret_len)
{
    static const char replacement[] = "\xef\xbf\xbd";
    const uint8_t *p = data;
    size_t bad_bytes = 0;
    for (size_t i = 0; i < n;) {
        size_t bad;
        bool open;
        size_t step = utf8_step(p + i, n - i, &bad, &open);
        bad_bytes += step ? 0 : 1;
        i += step ? step : bad;
    }
    char *out = malloc(n + 3 * bad_bytes + 1);
    if (!out)
        return NULL;
    size_t len = 0;
    for (size_t i = 0; i < n;) {
        size_t bad;
        bool open;
        size_t step = utf8_step(p + i, n - i, &bad, &open);
        if (step) {
            memcpy(out + len, p + i, step);
            len += step;
            i += step;
        } else {
            memcpy(out + len, replacement, 3);
            len += 3;
            i += bad;
        }
    }
    out[len] = '\0';
    *ret_len = len;
    return out;
}

void utf8_mend(char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n;) {
        size_t bad;
        bool open;
        size_t step = utf8_step((const uint8_t *)s + i, n - i, &bad, &open);
        for (size_t k = 0; step == 0 && k < bad; k++)
            s[i + k] = '?';
        i += step ? step : bad;
    }
}

size_t utf8_floor(const void *data, size_t n)
{
    const uint8_t *p = data;
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        uint8_t c = p[n - back];
        if ((c & 0xc0) == 0x80)
            continue;
        size_t bad;
        bool open;
        if (utf8_step(p + n - back, back, &bad, &open) == 0 && open)
            return n - back;
        break;
    }
    return n;
}
