/* Messages under way over HTTP: each POST to the endpoint, and each message of a legacy session, is
 * an exchange. Runs in the server.
 *
 * The client may vanish at any point, read slowly or never, and send anything; what is kept for it
 * is one struct post for each message, until the protocol ends it or the client has gone. */
#include <stdio.h>
#include <string.h>

#include "sys/clock.h"
#include "transport/http_internal.h"

#define COMMENT ": keep-alive\n\n"

static struct post *post_new(struct web *w, void *client)
{
    struct post *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->web = w;
    p->client = client;
    p->next = w->posts;
    p->link = &w->posts;
    if (p->next)
        p->next->link = &p->next;
    w->posts = p;
    w->n_posts++;
    return p;
}

static void post_free(struct post *p)
{
    struct web *w = p->web;
    *p->link = p->next;
    if (p->next)
        p->next->link = p->link;
    w->n_posts--;
    if (p->session)
        session_closed_one(p->session);
    else
        w->o.gate.leave(w->o.gate.ctx, &p->caller);
    free(p);
    web_progress(w);
}

/* ---- Streamable HTTP ---- */

static struct visit visit_of(const struct post *p)
{
    return (struct visit){.web = p->web,
                          .request = p->request,
                          .target = {.route = ROUTE_MCP},
                          .accept = p->accept,
                          .cors = p->cors};
}

#define SESSION_TEXT (2 * SESSION_ID_BYTES + 1)

/* Clients of the legacy eras may be given a session. This one is a name and no more: nothing is
 * stored, any process may serve what comes next, and nobody's access depends on it. */
static void put_session(const struct post *p, struct web_fields *fields, char text[SESSION_TEXT])
{
    uint8_t id[SESSION_ID_BYTES];
    if (!p->exchange.introduces)
        return;
    random_bytes(id, sizeof(id));
    for (size_t i = 0; i < sizeof(id); i++)
        snprintf(text + 2 * i, 3, "%02x", id[i]);
    web_field(fields, "Mcp-Session-Id", text);
}

static void begin_stream(struct post *p)
{
    struct visit v = visit_of(p);
    struct web_fields fields = {0};
    char session[SESSION_TEXT];
    put_session(p, &fields, session);
    web_begin_events(&v, &fields);
    p->streaming = true;
}

static bool note(struct exchange *x, const char *json, size_t n)
{
    struct post *p = (struct post *)x;
    struct exchange_piece piece = {json, n};
    if (!p->accept.events)
        return false;
    struct exchange_piece event = web_event(p->web, "message", &piece, 1);
    if (!event.data)
        return false;
    if (!p->streaming)
        begin_stream(p);
    if (!http_stream_send(p->request, event.data, event.n))
        return false;
    p->said_ns = clock_mono_ns();
    return true;
}

static void end_stream(struct post *p, const struct exchange_piece *pieces, size_t n)
{
    if (n > 0) {
        struct exchange_piece event = web_event(p->web, "message", pieces, n);
        /* Without memory the stream ends without an answer, which a client takes for a failure. */
        if (event.data)
            http_stream_send_last(p->request, event.data, event.n);
    }
    http_stream_end(p->request);
}

static unsigned status_of(enum exchange_outcome outcome)
{
    switch (outcome) {
    case EXCHANGE_NOTHING:
        return 202;
    case EXCHANGE_ANSWER:
        return 200;
    case EXCHANGE_BAD_REQUEST:
        return 400;
    case EXCHANGE_NOT_FOUND:
        return 404;
    case EXCHANGE_TOO_LARGE:
        return 413;
    case EXCHANGE_RATE_LIMITED:
        return 429;
    }
    return 500;
}

static void end_whole(struct post *p, enum exchange_outcome outcome,
                      const struct exchange_piece *pieces, size_t n)
{
    struct visit v = visit_of(p);
    struct web_fields fields = {0};
    char seconds[16];
    char session[SESSION_TEXT];
    struct exchange_piece body = {"", 0};
    if (n > 0)
        body = web_join(p->web, pieces, n);
    if (!body.data) {
        web_refuse(&v, 503, (struct http_field){"Retry-After", "1"},
                   "The server has no memory for the answer; try again later.");
        return;
    }
    if (outcome == EXCHANGE_RATE_LIMITED) {
        snprintf(seconds, sizeof(seconds), "%u", p->exchange.retry_after_s);
        web_field(&fields, "Retry-After", seconds);
    }
    put_session(p, &fields, session);
    web_answer(&v, status_of(outcome), &fields, n > 0 ? "application/json" : NULL, body.data,
               body.n);
}

/* A stream has its status already; else errors have one of their own, whatever form the client
 * prefers. */
static void end(struct exchange *x, enum exchange_outcome outcome,
                const struct exchange_piece *pieces, size_t n)
{
    struct post *p = (struct post *)x;
    if (!p->streaming && outcome == EXCHANGE_ANSWER && !p->accept.json)
        begin_stream(p);
    if (p->streaming)
        end_stream(p, pieces, n);
    else
        end_whole(p, outcome, pieces, n);
    post_free(p);
}

static void on_gone(void *ctx, struct http_request *r _unused_)
{
    struct post *p = ctx;
    p->web->o.handler->on_gone(p->client, &p->exchange);
    post_free(p);
}

static bool still_wanted(void *ctx, struct http_request *r _unused_)
{
    const struct post *p = ctx;
    const struct web_gate *gate = &p->web->o.gate;
    return gate->still_wanted && gate->still_wanted(p->client, &p->exchange);
}

void post_serve(const struct visit *v, const struct web_caller *caller)
{
    static const struct exchange_ops ops = {note, end};
    struct web *w = v->web;
    char room[1024];
    size_t n;
    struct http_request *r = v->request;
    struct message_head head = {
        .protocol_version = http_header(r, "MCP-Protocol-Version"),
        .method = http_header(r, "Mcp-Method"),
        .name = web_name_decode(http_header(r, "Mcp-Name"), room, sizeof(room)),
        .has_headers = true,
        .session = http_header(r, "Mcp-Session-Id"),
    };
    struct post *p = post_new(w, caller->client);
    if (!p) {
        w->o.gate.leave(w->o.gate.ctx, caller);
        web_refuse(v, 503, (struct http_field){"Retry-After", "1"},
                   "The server has no memory for this request; try again later.");
        return;
    }
    p->exchange.ops = &ops;
    p->request = r;
    p->caller = *caller;
    p->accept = v->accept;
    p->cors = v->cors;
    p->said_ns = clock_mono_ns();
    http_on_gone(r, on_gone, p);
    http_on_half_close(r, still_wanted);
    const char *body = http_body(r, &n);
    w->o.handler->on_message(p->client, &p->exchange, &head, body, n);
}

/* ---- legacy sessions ---- */

static bool note_session(struct exchange *x, const char *json, size_t n)
{
    struct post *p = (struct post *)x;
    struct exchange_piece piece = {json, n};
    return session_send(p->session, &piece, 1, false);
}

static void end_session(struct exchange *x, enum exchange_outcome outcome _unused_,
                        const struct exchange_piece *pieces, size_t n)
{
    struct post *p = (struct post *)x;
    if (n > 0)
        session_send(p->session, pieces, n, true);
    post_free(p);
}

bool post_serve_session(struct session *s, const char *body, size_t n)
{
    static const struct exchange_ops ops = {note_session, end_session};
    static const struct message_head head;
    struct post *p = post_new(s->web, s->client);
    if (!p)
        return false;
    p->exchange.ops = &ops;
    p->session = s;
    s->open++;
    s->web->o.handler->on_message(p->client, &p->exchange, &head, body, n);
    return true;
}

/* ---- all of them ---- */

void posts_refresh(struct web *w, uint64_t now_ns)
{
    for (struct post *p = w->posts; p; p = p->next) {
        if (p->session || now_ns - p->said_ns < WEB_QUIET_NS)
            continue;
        /* A wildcard is a client that would rather have one whole answer, however late. */
        if (!p->streaming && !p->accept.events_by_name)
            continue;
        if (!p->streaming)
            begin_stream(p);
        http_stream_send(p->request, COMMENT, strlen(COMMENT));
        p->said_ns = now_ns;
    }
}

static struct post *not_told(const struct web *w)
{
    for (struct post *p = w->posts; p; p = p->next)
        if (!p->told_to_stop)
            return p;
    return NULL;
}

/* The list may change under every call, so it is searched from its beginning each time. */
void posts_stop(struct web *w)
{
    for (struct post *p; (p = not_told(w));) {
        p->told_to_stop = true;
        w->o.handler->on_stop(p->client);
    }
}
