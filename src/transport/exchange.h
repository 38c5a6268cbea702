/* Bytes ⇄ messages: what every transport offers to the protocol above it, and what it expects.
 *
 * A transport finds whole messages in a stream of bytes and hands each one up together with an
 * exchange, the way back for whatever answers that message: any number of notes, then exactly one
 * end, unless the peer goes away first. Over HTTP an exchange is one POST and its response; over
 * stdio all messages share one output stream, and so one exchange object. The protocol never learns
 * which it is.
 *
 * Everything happens on the loop's thread; nothing here blocks. */
#ifndef TRANSPORT_EXCHANGE_H
#define TRANSPORT_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

struct exchange;

/* How a message was answered: for a status line, where the transport has one. */
enum exchange_outcome {
    EXCHANGE_NOTHING,      /* there is nothing to say (HTTP: 202, no body) */
    EXCHANGE_ANSWER,       /* a response, also one that tells of an error (200) */
    EXCHANGE_BAD_REQUEST,  /* an error about the message as such (400) */
    EXCHANGE_NOT_FOUND,    /* no such method (404) */
    EXCHANGE_TOO_LARGE,    /* the message was longer than permitted (413) */
    EXCHANGE_RATE_LIMITED, /* a response that says: later (429, Retry-After: retry_after_s) */
};

/* A part of a message: the pieces, one after the other, are one JSON text without a line break.
 * Some may be empty. Borrowed: what the transport needs of them it has taken before it calls
 * anybody else or returns. */
struct exchange_piece {
    const char *data;
    size_t n;
};
#define EXCHANGE_MAX_PIECES 7

struct exchange_ops {
    /* Send a message that is not the last one: a notification about work under way, or a request to
     * the client. False: it was dropped, because the peer has gone or does not read fast enough. */
    bool (*note)(struct exchange *x, const char *json, size_t n);
    /* Send the last message (no pieces with EXCHANGE_NOTHING). The caller is done with the
     * exchange. At most EXCHANGE_MAX_PIECES. */
    void (*end)(struct exchange *x, enum exchange_outcome outcome,
                const struct exchange_piece *pieces, size_t n);
};

/* Transports embed this. */
struct exchange {
    const struct exchange_ops *ops;
    unsigned retry_after_s; /* set by the protocol before it ends one with EXCHANGE_RATE_LIMITED */
    bool introduces; /* likewise: this answers a legacy `initialize` (HTTP: Mcp-Session-Id) */
};

/* What a request said outside its body. All NULL where the transport has no headers. */
struct message_head {
    const char *protocol_version; /* MCP-Protocol-Version */
    const char *method, *name;    /* Mcp-Method, Mcp-Name: trimmed and decoded */
    bool has_headers;             /* Streamable HTTP; false on stdio and in legacy SSE sessions */
    const char *session; /* Mcp-Session-Id: proves nothing, but tells programs apart that share a
                            proof */
};

/* The protocol above. Each message must be ended, at once or later; calls may nest (an answer may
 * be sent from inside on_message). */
struct exchange_handler {
    /* One message: one JSON text as far as the transport can tell. @data is borrowed. */
    void (*on_message)(void *ctx, struct exchange *x, const struct message_head *head,
                       const char *data, size_t n);
    /* A message that was not kept because it is longer than @max bytes. To be ended as well. */
    void (*on_oversize)(void *ctx, struct exchange *x, size_t max);
    /* The peer's time is over: stop what it asked for. What is still open must be ended all the
     * same, soon, with whatever there is to say. */
    void (*on_stop)(void *ctx);
    /* The peer of this one exchange has gone before it was ended. From here on the protocol does
     * not touch it: no note, no end. Never from inside note() or end(). Whether the work behind it
     * goes on is the protocol's to know: in the modern era a closed stream cancels, in the legacy
     * eras it does not. */
    void (*on_gone)(void *ctx, struct exchange *x);
};

#endif
