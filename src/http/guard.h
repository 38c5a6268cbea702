/* The framing guard: decides where each request of a connection begins and ends, or that nobody can
 * know. A pure state machine over bytes: no I/O, no clock, and no memory but one bounded buffer for
 * the head. The verdict depends on the bytes alone, never on the pieces in which they come.
 *
 * HTTP/1.1 parsers disagree on malformed framing, and disagreement is request smuggling. So this is
 * the only parser: what it understood is what the handler sees, and what could be understood in two
 * ways is refused (RFC 9112, and stricter where other parsers are known to be lax):
 *
 *  - request line: METHOD SP /target SP HTTP/1.0|1.1 CRLF, no other blanks, printable ASCII; the
 * target is a path of RFC 3986 characters, "//", absolute-form, authority-form and "*" are refused;
 *  - fields: token ":" value CRLF; no blank before the colon, no folding, no NUL, no bare CR or LF,
 * no control character but tab;
 *  - exactly one Host, that is host[:port] (HTTP/1.0, which does not have it, may leave it out); at
 * most one Content-Length, Content-Type, Authorization, Origin, Expect; none of those that frame or
 * identify a request named by Connection;
 *  - Content-Length: digits, no sign, list, leading zero; never together with Transfer-Encoding;
 *  - Transfer-Encoding: `chunked` alone, in any case, once, not in HTTP/1.0;
 *  - names that become one of the last two when '_' is read as '-' are refused too;
 *  - chunks: plain hexadecimal sizes of at most 8 digits, no extensions, no trailer fields;
 *  - no body with GET and HEAD.
 *
 * `Upgrade` is ignored, as RFC 9110 permits: some client libraries offer HTTP/2 with every first
 * request. */
#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/http.h"

#define GUARD_MAX_FIELDS     100
#define GUARD_MAX_HEAD_BYTES 60000 /* offsets have 16 bits */
#define GUARD_MAX_TARGET     8192

struct guard_limits {
    size_t max_head_bytes; /* as on the wire; at most GUARD_MAX_HEAD_BYTES */
    size_t max_body_bytes; /* chunks joined */
};

/* Offsets of NUL-terminated texts in the head buffer. */
struct guard_field {
    uint16_t name, value;
};

struct guard {
    struct guard_limits limits;
    uint8_t state;   /* enum of guard.c */
    uint8_t method;  /* enum http_method; valid once the head is whole, like all below */
    uint8_t minor;   /* HTTP/1.x */
    bool keep_alive; /* the connection may be used again */
    bool expect;     /* the client waits for 100 Continue */
    bool chunked;
    bool sloppy; /* the value being read has a tab or a blank at an end */
    uint16_t target, n_fields;
    uint16_t version;      /* offset, only while the request line is read */
    uint16_t status;       /* after a refusal */
    const char *reason;    /* after a refusal: one sentence, static */
    uint32_t digits;       /* of the chunk size being read */
    size_t head_bytes;     /* read of this head */
    uint64_t left;         /* bytes of the body or chunk still to come */
    size_t content_length; /* SIZE_MAX: chunked */
    size_t body_bytes;     /* passed on of this body */
    char *head;            /* owned; NUL-terminated texts: method, target, names and values */
    size_t len, cap;
    struct guard_field fields[GUARD_MAX_FIELDS];
};

enum guard_event {
    GUARD_MORE,    /* all bytes taken, nothing to tell */
    GUARD_HEAD,    /* the head is whole and fine */
    GUARD_DATA,    /* `n` bytes of the body at `data`, inside the bytes given */
    GUARD_END,     /* the request is whole; nothing more is taken until guard_next() */
    GUARD_REFUSED, /* `status` and `reason` say why; nothing more is taken, ever */
};

struct guard_step {
    enum guard_event event;
    const uint8_t *data;
    size_t n;
};

void guard_init(struct guard *g, const struct guard_limits *limits);
void guard_done(struct guard *g);

/* Look at the next bytes. Returns how many of them were taken; call again with the rest (also with
 * none) until GUARD_MORE. */
size_t guard_feed(struct guard *g, const void *data, size_t n, struct guard_step *ret);

/* After GUARD_END: the next request. Forgets the head. */
void guard_next(struct guard *g);

/* No byte of a next request has been seen. */
bool guard_is_idle(const struct guard *g);
/* Is the head still coming (or has nothing come at all)? */
bool guard_in_head(const struct guard *g);

/* Of a whole head. Borrowed until guard_next(). */
const char *guard_target(const struct guard *g);
const char *guard_field_name(const struct guard *g, size_t i);
const char *guard_field_value(const struct guard *g, size_t i);

/* For guard.c: judge a request line, or a whole head, that is well-formed byte for byte. False: it
 * is refused, by guard_refuse(). */
bool guard_judge_line(struct guard *g);
bool guard_judge_head(struct guard *g);
/* Does this field say where a body ends? Also for names that other parsers may take for one. */
bool guard_is_framing(const char *name);
/* Returns false. */
bool guard_refuse(struct guard *g, unsigned status, const char *reason);

#endif
