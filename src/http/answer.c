/* Answers: heads, whole bodies, streams. Runs in the server. What is said comes from the rooms
 * above; names and values of fields may hold what a client has sent, so control characters never
 * get out. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "http/internal.h"
#include "sys/clock.h"

const char answer_too_many[] = "HTTP/1.1 503 Service Unavailable\r\n"
                               "Content-Type: text/plain; charset=utf-8\r\n"
                               "Content-Length: 63\r\n"
                               "Retry-After: 5\r\n"
                               "Connection: close\r\n"
                               "\r\n"
                               "Too many connections at the moment; close some, or come later.\n";

static const struct {
    unsigned status;
    const char *phrase;
} phrases[] = {
    {200, "OK"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

static const char *phrase_of(unsigned status)
{
    for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Other"; /* clients go by the number */
}

/* IMF-fixdate of RFC 9110, made once a second; strftime would follow the locale. */
static const char *date_now(struct http_server *s)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    uint64_t now_s = clock_unix_ms() / 1000;
    if (now_s == s->date_s)
        return s->date;
    time_t t = (time_t)now_s;
    struct tm tm;
    if (!gmtime_r(&t, &tm))
        return s->date;
    snprintf(s->date, sizeof(s->date), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
             days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, (tm.tm_year + 1900) % 10000,
             tm.tm_hour, tm.tm_min, tm.tm_sec);
    s->date_s = now_s;
    return s->date;
}

static bool is_printable(const char *s)
{
    for (; *s; s++)
        if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
            return false;
    return true;
}

static int add_field(struct buf *b, const char *name, const char *value)
{
    if (!*name || strpbrk(name, " \t:") || !is_printable(name) || !is_printable(value))
        return 0;
    if (buf_add_str(b, name, NULL) < 0 || buf_add(b, ": ", 2, NULL) < 0 ||
        buf_add_str(b, value, NULL) < 0)
        return -1;
    return buf_add(b, "\r\n", 2, NULL);
}

#define NO_LENGTH SIZE_MAX

/* How the body is framed, and what becomes of the connection; then the empty line. */
static int add_framing(struct http_request *r, struct buf *b, size_t len)
{
    char text[128];
    int n = 0;
    if (r->in_chunks)
        n = snprintf(text, sizeof(text), "Transfer-Encoding: chunked\r\n");
    else if (len != NO_LENGTH)
        n = snprintf(text, sizeof(text), "Content-Length: %zu\r\n", len);
    bool says_keep = !r->closes && r->guard.minor == 0;
    n += snprintf(text + n, sizeof(text) - (size_t)n, "%s\r\n",
                  r->closes   ? "Connection: close\r\n"
                  : says_keep ? "Connection: keep-alive\r\n"
                              : "");
    return buf_add(b, text, (size_t)n, NULL);
}

static int make_head(struct http_request *r, unsigned status, const struct http_field *fields,
                     size_t n_fields, const char *type, size_t len)
{
    struct buf *b = &r->server->head;
    char line[128];
    /* what it has asked besides is still answered */
    r->closes |= r->server->draining || (r->no_more && r->held.len == 0 && !r->processing);
    buf_clear(b);
    int n = snprintf(line, sizeof(line), "HTTP/1.1 %u %s\r\nDate: %s\r\n", status,
                     phrase_of(status), date_now(r->server));
    if (buf_add(b, line, (size_t)n, NULL) < 0 || (type && add_field(b, "Content-Type", type) < 0))
        return -1;
    for (size_t i = 0; i < n_fields; i++)
        if (add_field(b, fields[i].name, fields[i].value) < 0)
            return -1;
    return add_framing(r, b, len);
}

static struct iovec piece(const void *data, size_t n)
{
    /* the carrier only reads through it */
    return (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = n};
}

/* False: the connection has been dropped. */
static bool send_pieces(struct http_request *r, const struct iovec *pieces, size_t n)
{
    if (carrier_send(r->carrier, pieces, n) < 0)
        conn_drop(r);
    else
        conn_sent(r);
    return r->phase != CONN_DEAD;
}

static void send_whole(struct http_request *r, unsigned status, const struct http_field *fields,
                       size_t n_fields, const char *type, const void *body, size_t len)
{
    bool empty = status == 204 || status == 304;
    r->in_chunks = false;
    if (make_head(r, status, fields, n_fields, type, empty ? NO_LENGTH : len) < 0) {
        conn_drop(r);
        return;
    }
    const struct buf *head = &r->server->head;
    struct iovec pieces[] = {piece(head->data, head->len), piece(body, len)};
    bool alone = empty || len == 0 || r->guard.method == HTTP_HEAD;
    send_pieces(r, pieces, alone ? 1 : 2);
}

void http_answer(struct http_request *r, unsigned status, const struct http_field *fields,
                 size_t n_fields, const char *type, const void *body, size_t len)
{
    if (!r->open)
        return;
    if (r->phase ==
        CONN_STREAM) /* a defect of the caller: what has been sent cannot be taken back */
        conn_drop(r);
    if (r->phase == CONN_JUDGED) /* the body comes, and nobody will read it */
        r->closes = true;
    if (r->phase != CONN_DEAD)
        send_whole(r, status, fields, n_fields, type, body, len);
    conn_answered(r);
}

void answer_refusal(struct http_request *r, unsigned status, const char *reason)
{
    char text[256];
    int n = snprintf(text, sizeof(text), "%s\n", reason);
    static const struct http_field later = {"Retry-After", "1"};
    /* what was refused may have been a HEAD or HTTP/1.0, but is not known well enough to go by it
     */
    r->guard.method = HTTP_GET;
    send_whole(r, status, &later, status == 503, "text/plain; charset=utf-8", text, (size_t)n);
}

void answer_continue(struct http_request *r)
{
    struct iovec go = piece("HTTP/1.1 100 Continue\r\n\r\n", 25);
    send_pieces(r, &go, 1);
}

/* ---- streams ---- */

void http_stream_begin(struct http_request *r, unsigned status, const struct http_field *fields,
                       size_t n_fields, const char *type)
{
    if (r->phase != CONN_BUSY)
        return;
    bool has_body = r->guard.method != HTTP_HEAD;
    r->in_chunks = has_body && r->guard.minor == 1;
    r->closes |= has_body && r->guard.minor == 0;
    r->phase = CONN_STREAM;
    if (make_head(r, status, fields, n_fields, type, NO_LENGTH) < 0) {
        conn_drop(r);
        return;
    }
    const struct buf *head = &r->server->head;
    struct iovec pieces[] = {piece(head->data, head->len)};
    send_pieces(r, pieces, 1);
}

static bool send_part(struct http_request *r, const void *data, size_t n)
{
    if (n == 0 || r->guard.method == HTTP_HEAD)
        return true;
    if (!r->in_chunks)
        return send_pieces(r, (struct iovec[]){piece(data, n)}, 1);
    char size[24];
    int digits = snprintf(size, sizeof(size), "%zx\r\n", n);
    struct iovec pieces[] = {piece(size, (size_t)digits), piece(data, n), piece("\r\n", 2)};
    return send_pieces(r, pieces, ARRAY_LEN(pieces));
}

bool http_stream_send(struct http_request *r, const void *data, size_t n)
{
    if (r->phase != CONN_STREAM)
        return false;
    size_t max = r->server->limits.max_unsent_bytes, unsent = carrier_unsent(r->carrier);
    if (unsent > 0 && (unsent > max || n > max - unsent))
        return false;
    return send_part(r, data, n);
}

bool http_stream_send_last(struct http_request *r, const void *data, size_t n)
{
    return r->phase == CONN_STREAM && send_part(r, data, n);
}

void http_stream_end(struct http_request *r)
{
    if (!r->open)
        return;
    if (r->phase == CONN_BUSY || r->phase == CONN_JUDGED) /* a defect: there is no stream */
        conn_drop(r);
    if (r->phase == CONN_STREAM && r->in_chunks)
        send_pieces(r, (struct iovec[]){piece("0\r\n\r\n", 5)}, 1);
    conn_answered(r);
}

size_t http_stream_unsent(const struct http_request *r)
{
    return r->carrier ? carrier_unsent(r->carrier) : 0;
}

void http_abort(struct http_request *r)
{
    if (!r->open)
        return;
    conn_drop(r);
    conn_answered(r);
}
