/* What the files of MCP over HTTP share: see http_web.h. */
#ifndef TRANSPORT_HTTP_INTERNAL_H
#define TRANSPORT_HTTP_INTERNAL_H

#include <stdint.h>

#include "base/buf.h"
#include "transport/http_rules.h"
#include "transport/http_web.h"

#define WEB_STATUSES     18 /* status codes that are counted by themselves, and one for the rest */
#define WEB_BUCKETS      256
#define SESSION_ID_BYTES 16

struct session;

/* One message under way: the way back for its answer. Of a POST to the endpoint, whose response it
 * is, or of a legacy session, on whose stream the answer goes. */
struct post {
    struct exchange exchange; /* first: the protocol knows no more than this */
    struct post *next, **link;
    struct web *web;
    void *client;            /* of the handler */
    struct session *session; /* NULL: Streamable HTTP, and the rest is set */
    struct http_request *request;
    struct web_caller caller;
    struct web_accept accept;
    const char *cors; /* as in struct visit; borrowed from the request */
    bool streaming;   /* an event stream has begun */
    bool told_to_stop;
    uint64_t said_ns; /* when anything was last sent, or it began */
};

/* A legacy session: lives as long as its stream. */
struct session {
    struct session *next, **link;      /* in web->sessions */
    struct session *same, **same_link; /* in a bucket of web->by_id */
    struct web *web;
    struct http_request *stream;
    struct web_caller caller;
    void *client;  /* of the handler, its own */
    unsigned open; /* messages under way */
    bool ended;    /* the stream is no more */
    uint64_t said_ns;
    uint8_t id[SESSION_ID_BYTES];
};

enum web_phase {
    WEB_SERVING,
    WEB_STOPPING, /* no new work */
    WEB_FLUSHING, /* nothing is under way; clients read their last answers */
    WEB_ENDED,
};

struct web {
    struct loop *loop;
    struct web_options o;
    struct http_server *http;
    enum web_phase phase;
    uint64_t
        give_up_ns; /* when what is under way is stopped, or clients are no longer waited for */
    bool stopped;   /* what was under way has been told */
    struct loop_timer *tick;
    struct buf scratch; /* an answer being put together */
    struct post *posts;
    struct session *sessions, *by_id[WEB_BUCKETS];
    unsigned n_posts, n_sessions;
    uint64_t sessions_ever;
    uint64_t counts[ROUTES][WEB_STATUSES];
};

/* One request being looked at. */
struct visit {
    struct web *web;
    struct http_request *request;
    struct web_target target;
    struct web_accept accept;
    const char *cors; /* the Origin that may read the answer, or NULL */
};

/* ---- http_answer.c ---- */

#define WEB_MAX_FIELDS 8
/* Fields of an answer being gathered. */
struct web_fields {
    struct http_field items[WEB_MAX_FIELDS];
    size_t len;
};
void web_field(struct web_fields *f, const char *name, const char *value);
/* Those that every answer to a permitted page has. */
void web_cors(struct web_fields *f, const char *origin);

void web_count(struct web *w, enum web_route route, unsigned status);
/* Answer with text; the request is gone afterwards. @fields may be NULL. */
void web_answer(const struct visit *v, unsigned status, const struct web_fields *fields,
                const char *type, const void *body, size_t len);
/* Refuse: a JSON-RPC error without an id where messages are expected, else one line of text.
 * @extra: one more field, name NULL: none. */
void web_refuse(const struct visit *v, unsigned status, struct http_field extra, const char *fmt,
                ...) _printf_(4, 5);
/* The pieces of one JSON text as one piece; borrowed until the next call. data NULL: no memory. */
struct exchange_piece web_join(struct web *w, const struct exchange_piece *pieces, size_t n);
/* The same as an event of a stream. */
struct exchange_piece web_event(struct web *w, const char *name,
                                const struct exchange_piece *pieces, size_t n);
/* Begin a stream of events as the answer. @extra may be NULL. */
void web_begin_events(const struct visit *v, const struct web_fields *extra);
void web_write_counts(const struct web *w, struct exposition *e);

/* ---- http_pages.c ---- */

void web_page(const struct visit *v);

/* ---- http_post.c ---- */

/* A message to the endpoint, from @caller, whose reference it takes over. */
void post_serve(const struct visit *v, const struct web_caller *caller);
/* A message to the session. Does not answer the request itself. False: no memory. */
bool post_serve_session(struct session *s, const char *body, size_t n);
/* Streams that were quiet for too long are given a comment. */
void posts_refresh(struct web *w, uint64_t now_ns);
/* Stop what is under way; it is answered all the same. */
void posts_stop(struct web *w);

/* ---- http_session.c ---- */

void session_serve(const struct visit *v, const struct web_caller *caller);
void session_message(const struct visit *v, const struct web_caller *caller);
/* Send an answer (@last) or a note. False: it was dropped. */
bool session_send(struct session *s, const struct exchange_piece *pieces, size_t n, bool last);
/* A message has been answered. May end the session, when the server is stopping. */
void session_closed_one(struct session *s);
void sessions_refresh(struct web *w, uint64_t now_ns);
/* @all: also those with messages under way. */
void sessions_end(struct web *w, bool all);

/* ---- http_web.c ---- */

/* Something has ended: look whether everything has. */
void web_progress(struct web *w);

#endif
