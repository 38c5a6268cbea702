/* Foreign JSON text into our own: json_put_untrusted() of write.h. Runs in the server, on what a
 * worker says its result is.
 *
 * Trusts nothing. The text is not turned into a tree: it is walked once by recursive descent
 * (bounded depth, no allocation) and copied as it stands, without the blanks between tokens and
 * with the line separators escaped, so that numbers keep the digits the program's own repr gave
 * them and a large result costs one pass. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "json/write.h"

struct walk {
    const char *p, *end;
    const char *run; /* start of what has been accepted and not copied yet */
    struct json_out *out;
    unsigned depth;
};

static bool value(struct walk *w);

/* Copy what was accepted up to here and go on after @skip bytes. */
static void flush(struct walk *w, size_t skip)
{
    if (!w->out->bad && buf_add(w->out->buf, w->run, (size_t)(w->p - w->run), NULL) < 0)
        w->out->bad = true;
    w->p += skip;
    w->run = w->p;
}

static bool at(const struct walk *w, char c)
{
    return w->p < w->end && *w->p == c;
}

static bool accept(struct walk *w, char c)
{
    if (!at(w, c))
        return false;
    w->p++;
    return true;
}

static void blanks(struct walk *w)
{
    while (at(w, ' ') || at(w, '\n') || at(w, '\r') || at(w, '\t'))
        flush(w, 1);
}

static bool literal(struct walk *w, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(w->end - w->p) < n || memcmp(w->p, text, n) != 0)
        return false;
    w->p += n;
    return true;
}

static bool digits(struct walk *w)
{
    const char *from = w->p;
    while (w->p < w->end && isdigit((unsigned char)*w->p))
        w->p++;
    return w->p > from;
}

/* Numbers that a reader may not be able to hold are refused: a client that stops at "1e999" would
 * lose the whole message. */
static bool number(struct walk *w)
{
    const char *from = w->p;
    accept(w, '-');
    if (!accept(w, '0') && !digits(w))
        return false;
    if (accept(w, '.') && !digits(w))
        return false;
    if (accept(w, 'e') || accept(w, 'E')) {
        if (!accept(w, '+'))
            accept(w, '-');
        if (!digits(w))
            return false;
    }
    char text[65];
    size_t n = (size_t)(w->p - from);
    if (n >= sizeof(text))
        return false;
    memcpy(text, from, n);
    text[n] = '\0';
    return isfinite(strtod(text, NULL));
}

/* The four hexadecimal digits of \uXXXX, or -1. */
static int hex4(struct walk *w)
{
    int v = 0;
    if (w->end - w->p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)*w->p++;
        if (!isxdigit(c))
            return -1;
        v = v * 16 + (isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
    }
    return v;
}

static bool escape_sequence(struct walk *w)
{
    if (w->p >= w->end)
        return false;
    char c = *w->p++;
    if (c != 'u')
        return c != '\0' && strchr("\"\\/bfnrt", c);
    int unit = hex4(w);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return false;
    if (unit < 0xd800 || unit > 0xdbff)
        return true;
    if (!accept(w, '\\') || !accept(w, 'u'))
        return false;
    int low = hex4(w);
    return low >= 0xdc00 && low <= 0xdfff;
}

/* A raw character at which some readers end a line is replaced by its escape. */
static void separator(struct walk *w)
{
    static const struct {
        const char *raw, *escaped;
    } table[] = {{"\xc2\x85", "\\u0085"}, {"\xe2\x80\xa8", "\\u2028"}, {"\xe2\x80\xa9", "\\u2029"}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        size_t n = strlen(table[i].raw);
        if ((size_t)(w->end - w->p) < n || memcmp(w->p, table[i].raw, n) != 0)
            continue;
        flush(w, n);
        if (!w->out->bad && buf_add_str(w->out->buf, table[i].escaped, NULL) < 0)
            w->out->bad = true;
        return;
    }
    w->p++;
}

static bool string(struct walk *w)
{
    if (!accept(w, '"'))
        return false;
    while (w->p < w->end) {
        unsigned char c = (unsigned char)*w->p;
        if (c < 0x20)
            return false;
        if (c == 0xc2 || c == 0xe2) {
            separator(w);
            continue;
        }
        w->p++;
        if (c == '"')
            return true;
        if (c == '\\' && !escape_sequence(w))
            return false;
    }
    return false;
}

static bool member(struct walk *w)
{
    if (!string(w))
        return false;
    blanks(w);
    if (!accept(w, ':'))
        return false;
    blanks(w);
    return value(w);
}

/* The items of an array or object after its opening bracket. */
static bool items(struct walk *w, char close, bool (*item)(struct walk *))
{
    if (++w->depth > JSON_MAX_NESTING)
        return false;
    blanks(w);
    if (!accept(w, close)) {
        do {
            blanks(w);
            if (!item(w))
                return false;
            blanks(w);
        } while (accept(w, ','));
        if (!accept(w, close))
            return false;
    }
    w->depth--;
    return true;
}

static bool value(struct walk *w)
{
    if (w->p >= w->end)
        return false;
    switch (*w->p) {
    case '{':
        w->p++;
        return items(w, '}', member);
    case '[':
        w->p++;
        return items(w, ']', value);
    case '"':
        return string(w);
    case 't':
        return literal(w, "true");
    case 'f':
        return literal(w, "false");
    case 'n':
        return literal(w, "null");
    default:
        return number(w);
    }
}

int json_put_untrusted(struct json_out *o, const char *text, size_t n, struct err *err)
{
    size_t len = o->buf->len;
    bool bad = o->bad;
    struct walk w = {.p = text, .run = text, .end = text + n, .out = o};
    json_put_raw(o, "", 0);
    bool ok = utf8_valid(text, n);
    if (ok) {
        blanks(&w);
        ok = value(&w);
        blanks(&w);
        flush(&w, 0);
    }
    if (ok && w.p == w.end)
        return 0;
    o->buf->len = len;
    o->bad = bad;
    return err_set(err, ERR_INVALID, "not valid JSON");
}
