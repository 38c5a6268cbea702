/* The framing guard, byte by byte: see guard.h. Runs in the server.
 *
 * The client is trusted with nothing. Each byte is judged once, when it comes, by the state that
 * the bytes before it have led to; so the pieces in which a request arrives cannot change what it
 * means. What needs a whole line or a whole head is judged in guard_head.c. */
#include "http/guard.h"

#include <string.h>

#include "base/macros.h"

#define FIRST_CAP    1024
#define KEEP_CAP     4096 /* a larger buffer is given back between requests */
#define MAX_METHOD   32
#define VERSION_LEN  8 /* HTTP/1.1 */
#define CHUNK_DIGITS 8

enum state {
    METHOD,
    TARGET,
    VERSION,
    LINE_LF,
    FIELD, /* the first byte of a line after the request line */
    NAME,
    VALUE_START,
    VALUE,
    VALUE_LF,
    HEAD_LF,
    HEAD_WHOLE, /* and told; the body, if any, comes next */
    BODY,
    CHUNK_SIZE,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_CR,
    CHUNK_LF,
    LAST_CR, /* after the chunk of size 0 */
    LAST_LF,
    WHOLE,
    REFUSED,
};

void guard_init(struct guard *g, const struct guard_limits *limits)
{
    *g = (struct guard){.limits = *limits, .state = METHOD};
    if (g->limits.max_head_bytes > GUARD_MAX_HEAD_BYTES)
        g->limits.max_head_bytes = GUARD_MAX_HEAD_BYTES;
}

void guard_done(struct guard *g)
{
    free(g->head);
    g->head = NULL;
    g->len = g->cap = 0;
}

void guard_next(struct guard *g)
{
    if (g->state != WHOLE)
        return;
    if (g->cap > KEEP_CAP)
        guard_done(g);
    struct guard_limits limits = g->limits;
    char *head = g->head;
    size_t cap = g->cap;
    /* the fields are counted by n_fields and need no clearing */
    memset(g, 0, offsetof(struct guard, fields));
    g->limits = limits;
    g->head = head;
    g->cap = cap;
    g->state = METHOD;
}

bool guard_is_idle(const struct guard *g)
{
    return g->state == METHOD && g->head_bytes == 0;
}

bool guard_in_head(const struct guard *g)
{
    return g->state < HEAD_WHOLE;
}

const char *guard_target(const struct guard *g)
{
    return g->head + g->target;
}

const char *guard_field_name(const struct guard *g, size_t i)
{
    return g->head + g->fields[i].name;
}

const char *guard_field_value(const struct guard *g, size_t i)
{
    return g->head + g->fields[i].value;
}

bool guard_refuse(struct guard *g, unsigned status, const char *reason)
{
    g->state = REFUSED;
    g->status = (uint16_t)status;
    g->reason = reason;
    return false;
}

/* ---- the head ---- */

/* RFC 9110 5.6.2 */
static bool is_token(uint8_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c);
}

static bool reserve(struct guard *g, size_t more)
{
    size_t want = g->len + more;
    if (want <= g->cap)
        return true;
    size_t cap = g->cap ? g->cap : FIRST_CAP;
    while (cap < want)
        cap *= 2;
    char *head = realloc(g->head, cap);
    if (!head)
        return guard_refuse(g, 503, "The server is out of memory; try again later.");
    g->head = head;
    g->cap = cap;
    return true;
}

static void put(struct guard *g, uint8_t c)
{
    g->head[g->len++] = (char)c;
}

static bool in_method(struct guard *g, uint8_t c)
{
    if (c == ' ' && g->len > 0) {
        put(g, 0);
        g->target = (uint16_t)g->len;
        g->state = TARGET;
        return true;
    }
    if (c == 0x16 && g->len == 0)
        return guard_refuse(g, 400, "This looks like TLS, but this port speaks plain HTTP.");
    if (!is_token(c))
        return guard_refuse(g, 400, "The request does not begin with a method.");
    if (g->len == MAX_METHOD)
        return guard_refuse(g, 501, "The method is not known here.");
    put(g, c);
    return true;
}

static bool in_target(struct guard *g, uint8_t c)
{
    if (c == ' ') {
        put(g, 0);
        g->version = (uint16_t)g->len;
        g->state = VERSION;
        return true;
    }
    if (c <= ' ' || c >= 0x7f)
        return guard_refuse(g, 400,
                            c == '\r' || c == '\n'
                                ? "The request line names no HTTP version."
                                : "The request target holds a byte that is not printable ASCII.");
    if (g->len - g->target == GUARD_MAX_TARGET)
        return guard_refuse(g, 414, "The request target is too long.");
    put(g, c);
    return true;
}

static bool in_version(struct guard *g, uint8_t c)
{
    if (c == '\r') {
        put(g, 0);
        g->state = LINE_LF;
        return true;
    }
    if (c <= ' ' || c >= 0x7f || g->len - g->version == VERSION_LEN)
        return guard_refuse(g, 400,
                            c == '\n' ? "The request line ends in a bare line feed."
                                      : "The request line does not end in an HTTP version.");
    put(g, c);
    return true;
}

static bool in_field(struct guard *g, uint8_t c)
{
    if (c == '\r') {
        g->state = HEAD_LF;
        return true;
    }
    if (c == ' ' || c == '\t')
        return guard_refuse(g, 400, "A header field is folded over two lines.");
    if (!is_token(c))
        return guard_refuse(g, 400,
                            c == '\n' ? "A line of the head ends in a bare line feed."
                                      : "A header field has a name that is no token.");
    if (g->n_fields == GUARD_MAX_FIELDS)
        return guard_refuse(g, 431, "There are more than 100 header fields.");
    g->fields[g->n_fields].name = (uint16_t)g->len;
    put(g, c);
    g->state = NAME;
    return true;
}

static bool in_name(struct guard *g, uint8_t c)
{
    if (c == ':') {
        put(g, 0);
        g->fields[g->n_fields].value = (uint16_t)g->len;
        g->sloppy = false;
        g->state = VALUE_START;
        return true;
    }
    if (c == ' ' || c == '\t')
        return guard_refuse(g, 400, "There is a blank before the colon of a header field.");
    if (!is_token(c))
        return guard_refuse(g, 400, "A header field has a name that is no token.");
    put(g, c);
    return true;
}

static bool end_value(struct guard *g)
{
    size_t start = g->fields[g->n_fields].value;
    size_t end = g->len;
    while (end > start && (g->head[end - 1] == ' ' || g->head[end - 1] == '\t'))
        end--;
    g->sloppy |= end != g->len;
    g->len = end;
    put(g, 0);
    if (g->sloppy && guard_is_framing(guard_field_name(g, g->n_fields)))
        return guard_refuse(g, 400, "There is stray white space in a field that frames the body.");
    g->n_fields++;
    g->state = VALUE_LF;
    return true;
}

static bool in_value(struct guard *g, uint8_t c)
{
    if (c == '\r')
        return end_value(g);
    bool blank = c == ' ' || c == '\t';
    if (c == 0x7f || (c < ' ' && !blank))
        return guard_refuse(g, 400,
                            c == '\n'   ? "A line of the head ends in a bare line feed."
                            : c == '\0' ? "There is a NUL in a header field."
                                        : "There is a control character in a header field.");
    if (g->state == VALUE_START && blank) {
        g->sloppy |= c == '\t';
        return true;
    }
    g->state = VALUE;
    put(g, c);
    return true;
}

/* One byte of the head. False: refused. */
static bool in_head(struct guard *g, uint8_t c)
{
    switch ((enum state)g->state) {
    case METHOD:
        return in_method(g, c);
    case TARGET:
        return in_target(g, c);
    case VERSION:
        return in_version(g, c);
    case FIELD:
        return in_field(g, c);
    case NAME:
        return in_name(g, c);
    case VALUE_START:
    case VALUE:
        return in_value(g, c);
    default:
        break;
    }
    /* LINE_LF, VALUE_LF, HEAD_LF */
    if (c != '\n')
        return guard_refuse(g, 400, "There is a bare carriage return in the head.");
    if (g->state == LINE_LF && !guard_judge_line(g))
        return false;
    if (g->state != HEAD_LF) {
        g->state = FIELD;
        return true;
    }
    if (!guard_judge_head(g))
        return false;
    g->state = HEAD_WHOLE;
    return true;
}

static size_t feed_head(struct guard *g, const uint8_t *p, size_t n, struct guard_step *ret)
{
    size_t i = 0;
    while (i < n && g->state < HEAD_WHOLE) {
        if (g->head_bytes == g->limits.max_head_bytes) {
            if (g->state < FIELD)
                guard_refuse(g, 414, "The request line is too long.");
            else
                guard_refuse(g, 431, "The header fields are too long.");
            break;
        }
        g->head_bytes++;
        /* each byte adds at most one to the buffer */
        if (!reserve(g, 1) || !in_head(g, p[i++]))
            break;
    }
    ret->event = g->state == REFUSED      ? GUARD_REFUSED
                 : g->state == HEAD_WHOLE ? GUARD_HEAD
                                          : GUARD_MORE;
    return i;
}

/* ---- the body ---- */

static bool in_chunk_size(struct guard *g, uint8_t c)
{
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit >= 0 && g->digits == CHUNK_DIGITS)
        return guard_refuse(g, 400, "A chunk size has more than 8 digits.");
    if (digit >= 0) {
        g->left = g->left * 16 + (unsigned)digit;
        g->digits++;
        return true;
    }
    if (c == ';')
        return guard_refuse(g, 400, "Chunk extensions are not accepted.");
    if (c != '\r' || g->digits == 0)
        return guard_refuse(g, 400, "A chunk does not begin with its size in hexadecimal.");
    g->state = CHUNK_SIZE_LF;
    return true;
}

static bool expect(struct guard *g, uint8_t c, uint8_t wanted, enum state next, const char *reason)
{
    if (c != wanted)
        return guard_refuse(g, 400, reason);
    g->state = (uint8_t)next;
    return true;
}

static bool begin_chunk(struct guard *g)
{
    g->digits = 0;
    if (g->left > g->limits.max_body_bytes - g->body_bytes)
        return guard_refuse(g, 413, "The body is too large.");
    g->state = g->left > 0 ? CHUNK_DATA : LAST_CR;
    return true;
}

/* One byte of what frames chunks. */
static bool in_chunk(struct guard *g, uint8_t c)
{
    static const char no_end[] = "A chunk is not followed by CR LF.";
    static const char trailers[] = "Trailer fields are not accepted after a chunked body.";
    switch ((enum state)g->state) {
    case CHUNK_SIZE:
        return in_chunk_size(g, c);
    case CHUNK_SIZE_LF:
        return expect(g, c, '\n', CHUNK_SIZE, "A chunk size is not followed by CR LF.") &&
               begin_chunk(g);
    case CHUNK_CR:
        return expect(g, c, '\r', CHUNK_LF, no_end);
    case CHUNK_LF:
        return expect(g, c, '\n', CHUNK_SIZE, no_end);
    case LAST_CR:
        return expect(g, c, '\r', LAST_LF, trailers);
    default:
        return expect(g, c, '\n', WHOLE, trailers);
    }
}

static size_t feed_body(struct guard *g, const uint8_t *p, size_t n, struct guard_step *ret)
{
    size_t i = 0;
    while (i < n && g->state != WHOLE && g->state != BODY && g->state != CHUNK_DATA)
        if (!in_chunk(g, p[i++]))
            break;
    ret->event = GUARD_MORE;
    if ((g->state == BODY || g->state == CHUNK_DATA) && i < n) {
        ret->event = GUARD_DATA;
        ret->data = p + i;
        ret->n = (size_t)MIN(g->left, n - i);
        i += ret->n;
        g->left -= ret->n;
        g->body_bytes += ret->n;
        if (g->left == 0)
            g->state = g->state == BODY ? WHOLE : CHUNK_CR;
    } else if (g->state == WHOLE) {
        ret->event = GUARD_END;
    } else if (g->state == REFUSED) {
        ret->event = GUARD_REFUSED;
    }
    return i;
}

size_t guard_feed(struct guard *g, const void *data, size_t n, struct guard_step *ret)
{
    *ret = (struct guard_step){.event = GUARD_MORE};
    if (g->state < HEAD_WHOLE)
        return feed_head(g, data, n, ret);
    if (g->state == HEAD_WHOLE) {
        g->left = g->chunked ? 0 : g->content_length;
        g->state = g->chunked ? CHUNK_SIZE : g->left > 0 ? BODY : WHOLE;
    }
    if (g->state == WHOLE || g->state == REFUSED) {
        ret->event = g->state == WHOLE ? GUARD_END : GUARD_REFUSED;
        return 0;
    }
    return feed_body(g, data, n, ret);
}
