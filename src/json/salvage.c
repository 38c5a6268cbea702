/* One value out of a text that the parser refused: json_salvage() of json.h. Runs in the server, on
 * bytes from anybody.
 *
 * Trusts nothing. A recursive descent of bounded depth over the grammar of RFC 8259, no more: it
 * builds nothing, and looks into nothing but the keys of the outermost object. */
#include <ctype.h>
#include <string.h>

#include "json/json.h"

struct scan {
    const char *p, *end;
    unsigned depth;
};

static bool value(struct scan *s);

static bool accept(struct scan *s, char c)
{
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

static void blanks(struct scan *s)
{
    while (s->p < s->end && *s->p && strchr(" \t\r\n", *s->p))
        s->p++;
}

static bool escape(struct scan *s)
{
    if (s->p == s->end)
        return false;
    char c = *s->p++;
    if (c != 'u')
        return c && strchr("\"\\/bfnrt", c);
    for (int i = 0; i < 4; i++, s->p++)
        if (s->p == s->end || !isxdigit((unsigned char)*s->p))
            return false;
    return true;
}

static bool string(struct scan *s)
{
    if (!accept(s, '"'))
        return false;
    while (s->p < s->end) {
        unsigned char c = (unsigned char)*s->p++;
        if (c == '"')
            return true;
        if (c < 0x20 || (c == '\\' && !escape(s)))
            return false;
    }
    return false;
}

static bool digits(struct scan *s)
{
    const char *from = s->p;
    while (s->p < s->end && isdigit((unsigned char)*s->p))
        s->p++;
    return s->p > from;
}

static bool number(struct scan *s)
{
    accept(s, '-');
    if (!accept(s, '0') && !digits(s))
        return false;
    if (accept(s, '.') && !digits(s))
        return false;
    if (!accept(s, 'e') && !accept(s, 'E'))
        return true;
    if (!accept(s, '+'))
        accept(s, '-');
    return digits(s);
}

static bool word(struct scan *s, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, text, n) != 0)
        return false;
    s->p += n;
    return true;
}

static bool array(struct scan *s)
{
    blanks(s);
    if (accept(s, ']'))
        return true;
    do {
        blanks(s);
        if (!value(s))
            return false;
        blanks(s);
    } while (accept(s, ','));
    return accept(s, ']');
}

/* A key and what belongs to it; where the two begin and end is for the outermost object. */
struct member {
    const char *key, *key_end, *value, *value_end;
};

static bool member(struct scan *s, struct member *ret)
{
    blanks(s);
    ret->key = s->p;
    if (!string(s))
        return false;
    ret->key_end = s->p;
    blanks(s);
    if (!accept(s, ':'))
        return false;
    blanks(s);
    ret->value = s->p;
    if (!value(s))
        return false;
    ret->value_end = s->p;
    blanks(s);
    return true;
}

static bool object(struct scan *s)
{
    struct member m;
    blanks(s);
    if (accept(s, '}'))
        return true;
    do {
        if (!member(s, &m))
            return false;
    } while (accept(s, ','));
    return accept(s, '}');
}

static bool value(struct scan *s)
{
    bool ok = false;
    if (s->p == s->end || ++s->depth > JSON_MAX_NESTING)
        return false;
    if (*s->p == '"')
        ok = string(s);
    else if (accept(s, '{'))
        ok = object(s);
    else if (accept(s, '['))
        ok = array(s);
    else if (*s->p == '-' || isdigit((unsigned char)*s->p))
        ok = number(s);
    else
        ok = word(s, "true") || word(s, "false") || word(s, "null");
    s->depth--;
    return ok;
}

/* Is it this key? Others are told from it by their bytes, so one that is escaped could be it. */
enum match { OTHER, THIS, MAYBE };

static enum match compare(const struct member *m, const char *key)
{
    size_t n = (size_t)(m->key_end - m->key) - 2;
    if (n == strlen(key) && memcmp(m->key + 1, key, n) == 0)
        return THIS;
    return memchr(m->key, '\\', n + 2) ? MAYBE : OTHER;
}

char *json_salvage(const char *data, size_t n, const char *key)
{
    struct scan s = {.p = data, .end = data + n};
    struct member found = {0};
    if (!utf8_valid(data, n))
        return NULL;
    blanks(&s);
    if (!accept(&s, '{'))
        return NULL;
    do {
        struct member m;
        if (!member(&s, &m))
            return NULL;
        enum match match = compare(&m, key);
        if (match == MAYBE || (match == THIS && found.value))
            return NULL;
        if (match == THIS)
            found = m;
    } while (accept(&s, ','));
    if (!accept(&s, '}'))
        return NULL;
    blanks(&s);
    if (s.p != s.end || !found.value)
        return NULL;
    return strndup(found.value, (size_t)(found.value_end - found.value));
}
