/* Strings: lists, prefixes, UTF-8. All functions are pure but for allocation. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

static inline bool str_empty(const char *s)
{
    return !s || !*s;
}
bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* Trim blanks, tabs and line ends at both ends, in place; returns the new start inside @s. */
char *str_trim(char *s);

/* "128m", "1g", "65536k", "1MB", "512KiB" or plain bytes → bytes. Units are powers of 1024, case
 * does not matter. ERR_INVALID unless the whole text is such a size and fits into 63 bits. */
int str_parse_size(const char *s, uint64_t *ret_bytes, struct err *err);

/* A list of owned strings. */
struct strv {
    char **items;
    size_t len;
};
#define STRV_INIT                                                                                  \
    {                                                                                              \
        0                                                                                          \
    }
void strv_done(struct strv *v);
#define auto_strv _cleanup_(strv_done)
int strv_add(struct strv *v, const char *s, struct err *err);            /* copied */
int strv_addn(struct strv *v, const char *s, size_t n, struct err *err); /* copied */
int strv_split(struct strv *v, const char *s, char separator,
               struct err *err); /* trimmed, no empty ones */
int strv_copy(struct strv *to, const struct strv *from, struct err *err);
bool strv_has(const struct strv *v, const char *s);

/* Is it well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms)? */
bool utf8_valid(const void *data, size_t n);

/* Copy as NUL-free well-formed UTF-8: every byte that does not belong to a well-formed sequence
 * becomes U+FFFD (one for each maximal ill-formed prefix, as the WHATWG decoder does). Embedded
 * NULs are kept; the length is returned. The result is the caller's to free. NULL: no memory. */
char *utf8_repair(const void *data, size_t n, size_t *ret_len);

/* Make @s well-formed in place: every byte that does not belong to a well-formed sequence becomes
 * '?'. For text that printf has cut ("%.200s") or that quotes a stranger. */
void utf8_mend(char *s);

/* The largest m <= n such that data[0..m) does not end inside a UTF-8 sequence that data[0..n)
 * could still complete: for cutting text at a limit. */
size_t utf8_floor(const void *data, size_t n);

#endif
