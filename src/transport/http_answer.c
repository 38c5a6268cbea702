/* Answers over HTTP, plain and as streams of events, and what is counted of them. Runs in the
 * server. What is answered is ours; what a caller said is never quoted. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "transport/http_internal.h"

#define KEEP_BYTES (256 * 1024) /* a scratch buffer grown beyond this is given back */

static const unsigned statuses[WEB_STATUSES - 1] = {200, 202, 204, 400, 401, 403, 404, 405, 406,
                                                    413, 415, 429, 500, 501, 502, 503, 504};

void web_count(struct web *w, enum web_route route, unsigned status)
{
    size_t i = 0;
    while (i < ARRAY_LEN(statuses) && statuses[i] != status)
        i++;
    w->counts[route][i]++;
}

void web_write_counts(const struct web *w, struct exposition *e)
{
    exposition_family(e, "vivarium_http_requests_total", "counter",
                      "Requests answered, by what they were for and status.");
    for (size_t route = 0; route < ROUTES; route++) {
        for (size_t i = 0; i < WEB_STATUSES; i++) {
            char code[8] = "other";
            if (w->counts[route][i] == 0)
                continue;
            if (i < ARRAY_LEN(statuses))
                snprintf(code, sizeof(code), "%u", statuses[i]);
            exposition_count(e, "vivarium_http_requests_total",
                             (struct label){"route", web_route_name((enum web_route)route)},
                             (struct label){"status", code}, w->counts[route][i]);
        }
    }
}

/* ---- fields ---- */

void web_field(struct web_fields *f, const char *name, const char *value)
{
    if (f->len < WEB_MAX_FIELDS)
        f->items[f->len++] = (struct http_field){name, value};
}

void web_cors(struct web_fields *f, const char *origin)
{
    if (!origin)
        return;
    web_field(f, "Access-Control-Allow-Origin", origin);
    web_field(f, "Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After, Mcp-Session-Id");
    web_field(f, "Vary", "Origin");
}

/* ---- answers ---- */

void web_answer(const struct visit *v, unsigned status, const struct web_fields *fields,
                const char *type, const void *body, size_t len)
{
    struct web_fields all = fields ? *fields : (struct web_fields){0};
    web_cors(&all, v->cors);
    web_count(v->web, v->target.route, status);
    http_answer(v->request, status, all.items, all.len, type, body, len);
}

/* Quotes and backslashes are all that our own sentences could hold. */
static void json_escape(const char *text, char *out, size_t size)
{
    size_t n = 0;
    for (; *text && n + 2 < size; text++) {
        if (*text == '"' || *text == '\\')
            out[n++] = '\\';
        out[n++] = (unsigned char)*text < 0x20 ? ' ' : *text;
    }
    out[n] = '\0';
}

void web_refuse(const struct visit *v, unsigned status, struct http_field extra, const char *fmt,
                ...)
{
    char text[640];
    char escaped[1280];
    char body[1400];
    struct web_fields fields = {0};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    const struct web_gate *gate = &v->web->o.gate;
    if (gate->on_refused && (status == 401 || status == 403))
        gate->on_refused(gate->ctx, status, http_peer(v->request), text);
    if (extra.name)
        web_field(&fields, extra.name, extra.value);
    if (v->target.route == ROUTE_MCP || v->target.route == ROUTE_MESSAGE) {
        json_escape(text, escaped, sizeof(escaped));
        int n = snprintf(body, sizeof(body),
                         "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"%s\"}}",
                         escaped);
        web_answer(v, status, &fields, "application/json", body, (size_t)n);
        return;
    }
    web_field(&fields, "Cache-Control", "no-store");
    int n = snprintf(body, sizeof(body), "%s\n", text);
    web_answer(v, status, &fields, "text/plain; charset=utf-8", body, (size_t)n);
}

/* ---- bodies ---- */

static struct exchange_piece gather(struct web *w, const char *head,
                                    const struct exchange_piece *pieces, size_t n, const char *tail)
{
    if (w->scratch.cap > KEEP_BYTES)
        buf_done(&w->scratch);
    buf_clear(&w->scratch);
    int r = buf_add_str(&w->scratch, head, NULL);
    for (size_t i = 0; i < n && r == 0; i++)
        r = buf_add(&w->scratch, pieces[i].data, pieces[i].n, NULL);
    if (r < 0 || buf_add_str(&w->scratch, tail, NULL) < 0)
        return (struct exchange_piece){0};
    return (struct exchange_piece){(const char *)w->scratch.data, w->scratch.len};
}

struct exchange_piece web_join(struct web *w, const struct exchange_piece *pieces, size_t n)
{
    return n == 1 ? pieces[0] : gather(w, "", pieces, n, "");
}

struct exchange_piece web_event(struct web *w, const char *name,
                                const struct exchange_piece *pieces, size_t n)
{
    char head[48];
    snprintf(head, sizeof(head), "event: %s\ndata: ", name);
    return gather(w, head, pieces, n, "\n\n");
}

void web_begin_events(const struct visit *v, const struct web_fields *extra)
{
    struct web_fields fields = extra ? *extra : (struct web_fields){0};
    web_field(&fields, "Cache-Control", "no-cache, no-transform");
    /* nginx would keep events back until it has a buffer full of them */
    web_field(&fields, "X-Accel-Buffering", "no");
    web_cors(&fields, v->cors);
    web_count(v->web, v->target.route, 200);
    http_stream_begin(v->request, 200, fields.items, fields.len, "text/event-stream");
}
