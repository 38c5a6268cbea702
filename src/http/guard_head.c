/* What the framing guard thinks of a whole request line and a whole head: see guard.h. Runs in the
 * server, on text from a client that is well-formed byte for byte and means nothing yet. */
#include <string.h>
#include <strings.h>

#include "base/macros.h"
#include "http/guard.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* ---- the request line ---- */

static bool judge_version(struct guard *g)
{
    const char *v = g->head + g->version;
    if (strncmp(v, "HTTP/", 5) != 0 || !is_digit(v[5]) || v[6] != '.' || !is_digit(v[7]) || v[8])
        return guard_refuse(g, 400, "The request line does not end in an HTTP version.");
    if (v[5] != '1' || v[7] > '1')
        return guard_refuse(g, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
    g->minor = (uint8_t)(v[7] - '0');
    return true;
}

static bool judge_method(struct guard *g)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(g->head, names[i]) == 0) {
            g->method = (uint8_t)i;
            return true;
        }
    }
    return guard_refuse(g, 501, "The method is not known here.");
}

static bool judge_target(struct guard *g)
{
    const char *t = guard_target(g);
    if (t[0] != '/')
        return guard_refuse(g, 400, "The request target is not a path: this is no proxy.");
    if (t[1] == '/')
        return guard_refuse(g, 400, "The request target begins with two slashes.");
    for (; *t; t++) {
        if (*t == '%' && !(is_hex(t[1]) && is_hex(t[2])))
            return guard_refuse(g, 400, "The request target holds a broken percent encoding.");
        if (!is_alnum(*t) && !strchr("-._~%!$&'()*+,;=:@/?", *t))
            return guard_refuse(g, 400, "The request target holds a character no URL may hold.");
    }
    return true;
}

bool guard_judge_line(struct guard *g)
{
    if (!judge_version(g) || !judge_method(g) || !judge_target(g))
        return false;
    g->len = g->version; /* the version is known and its text done with */
    return true;
}

/* ---- fields ---- */

/* Fields that may come once, and that Connection may not name: they say where a request ends, or
 * whom it is for and from. */
enum single {
    HOST,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    CONTENT_TYPE,
    AUTHORIZATION,
    ORIGIN,
    EXPECT,
    SINGLES,
};
static const struct {
    const char *name;
    size_t len;
    const char *twice;
} singles[SINGLES] = {
    [HOST] = {"Host", 4, "There is more than one Host."},
    [CONTENT_LENGTH] = {"Content-Length", 14, "There is more than one Content-Length."},
    [TRANSFER_ENCODING] = {"Transfer-Encoding", 17, "There is more than one Transfer-Encoding."},
    [CONTENT_TYPE] = {"Content-Type", 12, "There is more than one Content-Type."},
    [AUTHORIZATION] = {"Authorization", 13, "There is more than one Authorization."},
    [ORIGIN] = {"Origin", 6, "There is more than one Origin."},
    [EXPECT] = {"Expect", 6, "There is more than one Expect."},
};

static enum single single_of(const char *name, size_t len)
{
    for (enum single i = 0; i < SINGLES; i++)
        if (singles[i].len == len && strncasecmp(singles[i].name, name, len) == 0)
            return i;
    return SINGLES;
}

/* Equal but for case, when '_' is read as '-'. */
static bool resembles(const char *name, enum single known)
{
    if (strlen(name) != singles[known].len)
        return false;
    for (const char *k = singles[known].name; *k; k++, name++)
        if (!(*name == '_' && *k == '-') && strncasecmp(name, k, 1) != 0)
            return false;
    return true;
}

bool guard_is_framing(const char *name)
{
    return resembles(name, CONTENT_LENGTH) || resembles(name, TRANSFER_ENCODING);
}

/* host[:port] of RFC 3986, without what no client needs in a Host: percent encoding, user names. */
static bool is_host(const char *h)
{
    bool bracket = *h == '[';
    size_t n = bracket ? 1 + strspn(h + 1, "0123456789abcdefABCDEF:.") : 0;
    if (bracket && (n < 3 || h[n++] != ']'))
        return false;
    while (!bracket && (is_alnum(h[n]) || h[n] == '-' || h[n] == '.' || h[n] == '_'))
        n++;
    if (n == 0 || n > 300)
        return false;
    h += n;
    if (*h == '\0')
        return true;
    size_t digits = strspn(h + 1, "0123456789");
    unsigned port = 0;
    for (size_t i = 1; i <= digits && i <= 6; i++)
        port = port * 10 + (unsigned)(h[i] - '0');
    return *h == ':' && digits >= 1 && digits <= 5 && h[1 + digits] == '\0' && port <= 65535;
}

static bool judge_length(struct guard *g, const char *v)
{
    size_t digits = strspn(v, "0123456789");
    if (digits == 0 || v[digits] != '\0')
        return guard_refuse(g, 400, "Content-Length is no number.");
    if (v[0] == '0' && digits > 1)
        return guard_refuse(g, 400, "Content-Length begins with a zero.");
    if (digits > 18)
        return guard_refuse(g, 400, "Content-Length is larger than any body.");
    uint64_t n = 0;
    for (size_t i = 0; i < digits; i++)
        n = n * 10 + (unsigned)(v[i] - '0');
    if (n > g->limits.max_body_bytes)
        return guard_refuse(g, 413, "The body is too large.");
    g->content_length = (size_t)n;
    return true;
}

static bool judge_framing(struct guard *g, const char *const seen[SINGLES])
{
    g->content_length = 0;
    if (seen[TRANSFER_ENCODING]) {
        if (strcasecmp(seen[TRANSFER_ENCODING], "chunked") != 0)
            return guard_refuse(g, 400, "The only Transfer-Encoding accepted is chunked.");
        if (seen[CONTENT_LENGTH])
            return guard_refuse(g, 400, "There are both Content-Length and Transfer-Encoding.");
        if (g->minor == 0)
            return guard_refuse(g, 400, "HTTP/1.0 has no Transfer-Encoding.");
        g->chunked = true;
        g->content_length = SIZE_MAX;
    } else if (seen[CONTENT_LENGTH] && !judge_length(g, seen[CONTENT_LENGTH])) {
        return false;
    }
    if (g->content_length > 0 && (g->method == HTTP_GET || g->method == HTTP_HEAD))
        return guard_refuse(g, 400, "A GET or HEAD request has no body.");
    return true;
}

static bool judge_expect(struct guard *g, const char *v)
{
    if (!v || g->minor == 0)
        return true; /* RFC 9110 10.1.1: HTTP/1.0 does not have it */
    if (strcasecmp(v, "100-continue") != 0)
        return guard_refuse(g, 417, "The only Expect known is 100-continue.");
    g->expect = g->content_length > 0;
    return true;
}

/* One Connection field: a list of names. */
static bool judge_connection(struct guard *g, const char *v, bool *ret_close, bool *ret_keep)
{
    static const char blank[] = " \t,";
    for (v += strspn(v, blank); *v; v += strspn(v, blank)) {
        size_t n = strcspn(v, blank);
        if (single_of(v, n) != SINGLES)
            return guard_refuse(g, 400, "Connection names a field that is not the connection's.");
        *ret_close |= n == 5 && strncasecmp(v, "close", n) == 0;
        *ret_keep |= n == 10 && strncasecmp(v, "keep-alive", n) == 0;
        v += n;
    }
    return true;
}

bool guard_judge_head(struct guard *g)
{
    const char *seen[SINGLES] = {NULL};
    bool wants_close = false, wants_keep = false;
    for (size_t i = 0; i < g->n_fields; i++) {
        const char *name = guard_field_name(g, i), *value = guard_field_value(g, i);
        size_t len = strlen(name);
        enum single s = single_of(name, len);
        if (s != SINGLES) {
            if (seen[s])
                return guard_refuse(g, 400, singles[s].twice);
            seen[s] = value;
        } else if (guard_is_framing(name)) {
            return guard_refuse(g, 400, "A field looks like one that frames the body, but is not.");
        } else if (len == 10 && strcasecmp(name, "Connection") == 0 &&
                   !judge_connection(g, value, &wants_close, &wants_keep)) {
            return false;
        }
    }
    if (!seen[HOST] && g->minor > 0)
        return guard_refuse(g, 400, "There is no Host.");
    if (seen[HOST] && !is_host(seen[HOST]))
        return guard_refuse(g, 400, "Host is not a host name or address, with or without a port.");
    g->keep_alive = !wants_close && (g->minor == 1 || wants_keep);
    return judge_framing(g, seen) && judge_expect(g, seen[EXPECT]);
}
