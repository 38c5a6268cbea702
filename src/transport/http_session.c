/* Legacy HTTP+SSE sessions (protocol version 2024-11-05): a stream of events, and an address to
 * post messages to. Runs in the server.
 *
 * The address holds 128 random bits and is good only together with the identity that opened the
 * stream: whoever learns one without the other gets the same answer as for an address that never
 * was. A session ends with its stream, and what was started in it ends with it. */
#include <stdio.h>
#include <string.h>

#include "sys/clock.h"
#include "transport/http_internal.h"

#define COMMENT      ": keep-alive\n\n"
#define ID_TEXT_LEN  (2 * SESSION_ID_BYTES)
#define UNREAD_BYTES (256 * 1024) /* a client this far behind must read before it asks for more */

static void link_session(struct session *s)
{
    struct web *w = s->web;
    struct session **bucket = &w->by_id[s->id[0]];
    s->next = w->sessions;
    s->link = &w->sessions;
    if (s->next)
        s->next->link = &s->next;
    w->sessions = s;
    s->same = *bucket;
    s->same_link = bucket;
    if (s->same)
        s->same->same_link = &s->same;
    *bucket = s;
    w->n_sessions++;
    w->sessions_ever++;
}

static void unlink_session(struct session *s)
{
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    *s->same_link = s->same;
    if (s->same)
        s->same->same_link = s->same_link;
    s->web->n_sessions--;
}

/* The stream is no more. What is under way is ended by close_session(). */
static void session_free(struct session *s)
{
    struct web *w = s->web;
    s->ended = true;
    unlink_session(s);
    w->o.gate.close_session(w->o.gate.ctx, s->client);
    w->o.gate.leave(w->o.gate.ctx, &s->caller);
    free(s);
    web_progress(w);
}

static void on_gone(void *ctx, struct http_request *r _unused_)
{
    session_free(ctx);
}

static void id_text(const struct session *s, char out[ID_TEXT_LEN + 1])
{
    for (size_t i = 0; i < SESSION_ID_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", s->id[i]);
}

static struct session *session_new(struct web *w, const struct web_caller *caller)
{
    struct session *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->web = w;
    s->caller = *caller;
    s->client = w->o.gate.open_session(w->o.gate.ctx, caller);
    if (!s->client) {
        free(s);
        return NULL;
    }
    random_bytes(s->id, sizeof(s->id));
    return s;
}

static bool has_room(const struct web *w, const struct web_caller *caller)
{
    unsigned own = 0;
    for (const struct session *s = w->sessions; s; s = s->next)
        own += s->caller.who == caller->who;
    return w->n_sessions < WEB_MAX_SESSIONS && own < WEB_MAX_SESSIONS_OF_ONE;
}

void session_serve(const struct visit *v, const struct web_caller *caller)
{
    struct web *w = v->web;
    struct session *s = has_room(w, caller) ? session_new(w, caller) : NULL;
    if (!s) {
        w->o.gate.leave(w->o.gate.ctx, caller);
        web_refuse(v, 503, (struct http_field){"Retry-After", "5"},
                   "The server cannot open another session now; try again later, or use "
                   "Streamable HTTP at /mcp, which needs none.");
        return;
    }
    char text[ID_TEXT_LEN + 1];
    char event[100];
    id_text(s, text);
    int n = snprintf(event, sizeof(event), "event: endpoint\ndata: " WEB_MESSAGES "%s\n\n", text);
    s->stream = v->request;
    s->said_ns = clock_mono_ns();
    link_session(s);
    web_begin_events(v, NULL);
    http_on_gone(s->stream, on_gone, s);
    http_stream_send(s->stream, event, (size_t)n);
}

/* ---- messages ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool id_read(const char *text, uint8_t out[SESSION_ID_BYTES])
{
    if (strlen(text) != ID_TEXT_LEN)
        return false;
    for (size_t i = 0; i < SESSION_ID_BYTES; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* How much of a wrong address was right must not show in the time this takes. */
static bool same_id(const struct session *s, const uint8_t id[SESSION_ID_BYTES])
{
    unsigned different = 0;
    for (size_t i = 0; i < SESSION_ID_BYTES; i++)
        different |= s->id[i] ^ id[i];
    return different == 0;
}

static struct session *find(const struct web *w, const char *text, const struct web_caller *caller)
{
    uint8_t id[SESSION_ID_BYTES];
    if (!id_read(text, id))
        return NULL;
    for (struct session *s = w->by_id[id[0]]; s; s = s->same)
        if (same_id(s, id))
            return s->caller.who == caller->who ? s : NULL;
    return NULL;
}

void session_message(const struct visit *v, const struct web_caller *caller)
{
    struct web *w = v->web;
    struct session *s = find(w, v->target.session, caller);
    const struct http_field later = {"Retry-After", "1"};
    size_t n;
    const char *body = http_body(v->request, &n);
    w->o.gate.leave(w->o.gate.ctx, caller);
    if (!s)
        web_refuse(v, 404, (struct http_field){0},
                   "There is no such session: it has ended, or its address is wrong. GET /sse "
                   "opens a new one.");
    else if (s->open >= WEB_MAX_OPEN)
        web_refuse(v, 429, later, "More than %d messages of this session are under way.",
                   WEB_MAX_OPEN);
    else if (http_stream_unsent(s->stream) > UNREAD_BYTES)
        web_refuse(v, 429, later, "The answers on this session's stream must be read first.");
    else if (!post_serve_session(s, body, n))
        web_refuse(v, 503, later, "The server has no memory for this request; try again later.");
    else
        web_answer(v, 202, NULL, NULL, "", 0);
}

bool session_send(struct session *s, const struct exchange_piece *pieces, size_t n, bool last)
{
    if (s->ended)
        return false;
    struct exchange_piece event = web_event(s->web, "message", pieces, n);
    if (!event.data)
        return false;
    s->said_ns = clock_mono_ns();
    return last ? http_stream_send_last(s->stream, event.data, event.n)
                : http_stream_send(s->stream, event.data, event.n);
}

void session_closed_one(struct session *s)
{
    s->open--;
}

/* ---- all of them ---- */

void sessions_refresh(struct web *w, uint64_t now_ns)
{
    for (struct session *s = w->sessions; s; s = s->next) {
        if (now_ns - s->said_ns < WEB_QUIET_NS)
            continue;
        http_stream_send(s->stream, COMMENT, strlen(COMMENT));
        s->said_ns = now_ns;
    }
}

void sessions_end(struct web *w, bool all)
{
    struct session *next;
    for (struct session *s = w->sessions; s; s = next) {
        next = s->next;
        if (s->open > 0 && !all)
            continue;
        http_on_gone(s->stream, NULL, NULL);
        http_stream_end(s->stream);
        session_free(s);
    }
}
