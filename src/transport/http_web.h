/* MCP over HTTP, both ways it was ever defined:
 *
 *   Streamable HTTP   POST /mcp, /mcp/ or /: one message each. A request is answered with one JSON
 *                     object, or, once there is a notification to send, with a stream of events.
 *   HTTP+SSE (2024)   GET /sse, or GET / that asks for events, opens a session: a stream whose
 * first event names the address to post messages to. It lives as long as its stream.
 *
 * and what belongs around it: /health, /ready, /metrics, the metadata of RFC 9728, a page for
 * people. Host and Origin are judged before anything else, then who the caller is, then form.
 *
 * A client that is gone: mcp decides (exchange_handler.on_gone). A stream says nothing for at most
 * WEB_QUIET_NS, then a comment: proxies do not lose patience, and a dead peer is noticed. A request
 * that takes longer than that is answered as a stream, if the client takes streams.
 *
 * Who a caller is, and what programs it may run, is not known here: see struct web_gate. */
#ifndef TRANSPORT_HTTP_WEB_H
#define TRANSPORT_HTTP_WEB_H

#include "base/err.h"
#include "base/str.h"
#include "http/http.h"
#include "loop/loop.h"
#include "record/exposition.h"
#include "transport/exchange.h"

#define WEB_QUIET_NS     15000000000u
#define WEB_MAX_SESSIONS 2048 /* legacy sessions open at once */
#define WEB_MAX_SESSIONS_OF_ONE                                                                    \
    (WEB_MAX_SESSIONS / 2) /* of one caller, so that there is room for another */
#define WEB_MAX_OPEN 64    /* messages of one session that are under way */
#define WEB_LARGE_BYTES                                                                            \
    16384 /* a body longer than this is read only from a caller who may send it */
#define WEB_FLUSH_NS 2000000000u /* after everything has ended: for clients to read it */

struct web;

/* Somebody who may come in. */
struct web_caller {
    void *who;    /* the identity: equal pointers, equal identities; a reference, see leave() */
    void *client; /* context of the handler for its Streamable HTTP messages; lives as long */
};

/* Why somebody may not. */
struct web_refusal {
    unsigned status;         /* 401, 403, 503 */
    char authenticate[1024]; /* WWW-Authenticate; "" = none */
    char text[256];          /* one sentence */
};

/* What the owner decides. All are called on the loop's thread and must not block. */
struct web_gate {
    /* Who is this? @authorization: the value of that field, NULL when there is none. */
    bool (*enter)(void *ctx, const char *authorization, struct web_caller *ret,
                  struct web_refusal *ret_why);
    void (*leave)(void *ctx, const struct web_caller *caller);
    /* A handler context of its own for a legacy session of @caller. NULL: no memory. */
    void *(*open_session)(void *ctx, const struct web_caller *caller);
    /* Its exchanges are ended from inside this call. */
    void (*close_session)(void *ctx, void *client);
    /* The peer of @x has sent all that it will send. It may have gone, or it half-closed and waits:
     * only writing tells. Is @x to be answered all the same? False, and NULL: on_gone follows.
     * @client: of the handler. Changes nothing. */
    bool (*still_wanted)(const void *client, const struct exchange *x);
    /* A request from @peer (a numeric address) was refused with 401 or 403; @why is ours. NULL:
     * nobody wants to know. */
    void (*on_refused)(void *ctx, unsigned status, const char *peer, const char *why);
    /* Why no program can be run at this moment; NULL: it can. */
    const char *(*not_ready)(void *ctx);
    /* The metrics that are not this room's. */
    void (*write_metrics)(void *ctx, struct exposition *e);
    /* Everything has ended after web_stop(). Called once, from the loop. */
    void (*on_end)(void *ctx);
    void *ctx;
};

/* Everything is borrowed for the life of the server, but `http`, which is copied. */
struct web_options {
    struct http_options http;
    const struct strv *allowed_hosts, *allowed_origins; /* see http_rules.h */
    bool token_needed;                                  /* callers need one: what the page says */
    bool public_pages;    /* /ready and /metrics are open to everybody */
    const char *metadata; /* RFC 9728, JSON; NULL: there is none */
    const char *title, *version;
    const struct exchange_handler *handler;
    struct web_gate gate;
};

/* Listen. Serving begins with the loop. As http_server_new() as to errors and privileges. */
struct web *web_new(struct loop *loop, const struct web_options *options, struct err *err);
const char *web_urls(const struct web *w); /* as http_server_urls() */
unsigned web_port(const struct web *w);
const char *web_warning(const struct web *w); /* as http_server_warning() */

/* No new work: nobody can connect, requests are answered 503. What is under way may go on for
 * @grace_ns, then it is stopped (exchange_handler.on_stop), answered, and on_end is called. */
void web_stop(struct web *w, uint64_t grace_ns);

/* Ends what is open. The handler's contexts must be alive. Not from inside a callback of its own,
 * except on_end. NULL is fine. */
void web_free(struct web *w);

#endif
