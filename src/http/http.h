/* HTTP/1.1 for a server: whole, proven requests in; answers and streams out. Knows nothing of MCP.
 *
 * What reaches the handler has passed the framing guard (http/guard.h): its head is well-formed, it
 * has exactly one Host (HTTP/1.0: at most one), its body has exactly one length and is all there
 * (chunks are joined). What has not is answered 400 (or 408, 413, 414, 431, 501, 503, 505) here and
 * never seen by the handler; such an answer is text/plain, one sentence, and ends the connection.
 *
 * Requests of one connection are handled one after the other, in order: the next one is not handed
 * out before the last one is answered. Requests of different connections are independent.
 *
 * Everything happens on the loop's thread; nothing blocks. Answering from inside the handler is
 * fine, and fastest: the answer then costs one writev(2).
 *
 * A client has gone when it has closed its side, also by shutdown(SHUT_WR) alone: end of input is
 * all that the kernel shows of a client that has exited. One that half-closes and still waits gets
 * what was answered from inside the handler (`printf … | nc -N` against quick answers), and later
 * answers where http_on_half_close() says so. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"

struct http_server;
struct http_request;

/* A field of zero gets the default in brackets. */
struct http_limits {
    size_t max_head_bytes;     /* request line and all fields [16384; at most 60000] */
    size_t max_body_bytes;     /* of one request, after chunks are joined [4 MiB] */
    size_t max_buffered_bytes; /* bodies of all requests that are not yet whole [64 MiB] */
    size_t max_unsent_bytes;   /* of one stream; see http_stream_send() [1 MiB] */
    size_t max_unsent_total;   /* of all connections; past it those with the most of it are dropped
                                  [256 MiB] */
    unsigned max_connections;  /* open at once [4096, and never more than RLIMIT_NOFILE - 256] */
    unsigned max_per_address;  /* of one IPv4 address or IPv6 /64 [max_connections/address_part] */
    unsigned address_part;     /* what part of all connections one address may have [2: half] */
    uint32_t first_byte_ms;    /* from accept to the first byte, TLS handshake included [10 s] */
    uint32_t head_ms;          /* from the first byte of a request to its whole head [10 s] */
    uint32_t request_ms;       /* from the first byte of a request to its last [60 s] */
    uint32_t idle_ms;          /* between an answer and the next request [120 s] */
    uint32_t stranger_ms;      /* likewise, before http_know_peer() [15 s, at most idle_ms] */
    uint32_t write_ms;         /* the peer must take some bytes, or all, within this time [30 s] */
};

struct http_options {
    /* Numeric IPv4 or IPv6 address (brackets allowed), or `localhost`: 127.0.0.1 and, where the
     * machine has it, ::1. "0.0.0.0" is all of IPv4; "::" and "*" are all of both families. */
    const char *address;
    uint16_t port;             /* 0: the kernel chooses one, the same for both families */
    const char *tls_cert_file; /* PEM, certificate chain; NULL: no TLS */
    const char *tls_key_file;  /* PEM; NULL with a certificate: the key is in the same file */
    struct http_limits limits;
};

/* One whole request. @r stays valid until it has been answered (http_answer, http_stream_end) or
 * its on_gone has returned. Must answer, at once or later, unless on_gone comes first. */
typedef void http_request_fn(void *ctx, struct http_request *r);

/* Optional, before the body of a request that has one is read (path, fields and
 * http_content_length() are there, the body is not): the place to refuse by 401, 403, 404, 405 or
 * 415 without holding a byte. Answer with http_answer() before returning, and nothing else will
 * come of this request (the connection ends after that answer); or return without answering, and
 * on_request follows when the body is whole. http_on_gone(), http_stream_begin() and keeping @r are
 * not permitted here. */
typedef void http_head_fn(void *ctx, struct http_request *r);

/* Open the listening sockets and read the TLS files; both are done when this returns, so it belongs
 * before the server seals itself. Serving begins with the loop. @o is copied. SIGPIPE is set to be
 * ignored. ERR_SYS (address in use, no permission …), ERR_INVALID (address, certificate, key): the
 * text names the address or file and says what to do. */
struct http_server *http_server_new(struct loop *loop, const struct http_options *o,
                                    http_request_fn *on_request, http_head_fn *on_head, void *ctx,
                                    struct err *err);
/* The port in use. */
unsigned http_server_port(const struct http_server *s);
/* "http://127.0.0.1:9000", "https://[::1]:9000 …": each address listened on, separated by blanks.
 * Borrowed. */
const char *http_server_urls(const struct http_server *s);
/* What the operator should be warned of: a certificate that is not valid now. NULL: nothing. */
const char *http_server_warning(const struct http_server *s);
/* Stop gracefully: no new connections, idle ones end now, the others after the answer under way
 * (which says `Connection: close`). Requests already handed out are not touched. Can be called
 * twice. */
void http_server_drain(struct http_server *s);
/* Close everything. on_gone is called for what is open. Not from inside a callback of its own. NULL
 * is fine. */
void http_server_free(struct http_server *s);

struct http_stats {
    unsigned connections;         /* open now */
    unsigned busy;                /* of those, with a request handed out and not yet answered */
    uint64_t accepted;            /* connections ever */
    uint64_t requests;            /* handed out ever */
    uint64_t refused_connections; /* over a limit on connections */
    uint64_t displaced;           /* connections ended to make room for a new one */
    uint64_t refused_requests;    /* by the guard or a limit, before the handler saw them */
    uint64_t timed_out;           /* connections ended by a time limit */
    size_t buffered_bytes;        /* bodies not yet whole */
};
void http_server_stats(const struct http_server *s, struct http_stats *ret);

/* ---- what was asked; everything returned is borrowed from @r ---- */

enum http_method {
    HTTP_GET,
    HTTP_HEAD, /* answer as for GET: the body is left out by http_answer() */
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_PATCH,
}; /* all others are answered 501 by the guard */

enum http_method http_method(const struct http_request *r);
const char *http_method_name(const struct http_request *r);
/* Of the target: it begins with a single '/', is printable ASCII, not decoded, and without query.
 */
const char *http_path(const struct http_request *r);
const char *http_query(const struct http_request *r); /* after '?', not decoded; NULL: none */
/* Value of the first field of that name (case does not matter), blanks trimmed; NULL: there is
 * none. Bytes from 0x80 up may be in a value, control characters but tab never. */
const char *http_header(const struct http_request *r, const char *name);
/* How many fields of that name there are, and the nth of them (NULL past the last). The guard has
 * refused a second Host, Content-Length, Content-Type, Authorization or Origin. */
size_t http_header_count(const struct http_request *r, const char *name);
const char *http_header_nth(const struct http_request *r, const char *name, size_t i);
/* The body, NUL-terminated for convenience (it may hold NULs). Never NULL. It is there while
 * on_request runs; afterwards it is empty, so that a request that waits holds no megabytes. */
const char *http_body(const struct http_request *r, size_t *ret_len);
/* As announced; SIZE_MAX while a chunked body is not yet there. In on_request the body's length. */
size_t http_content_length(const struct http_request *r);
const char *
http_peer(const struct http_request *r); /* numeric address, no port: "127.0.0.1", "::1" */
bool http_peer_is_loopback(const struct http_request *r);
bool http_is_tls(const struct http_request *r);

/* The peer has proven who it is. When there is no room for another connection, the one that has
 * been idle longest is closed for it: first of those that have proven nothing, also in the middle
 * of sending a request, then of the others, between requests. */
void http_know_peer(struct http_request *r);

/* ---- answers ---- */

/* Names and values are copied at once. Control characters in them are a defect of the caller: such
 * a field is left out. Date, Content-Length, Transfer-Encoding, Connection and Content-Type are
 * made here. */
struct http_field {
    const char *name, *value;
};

/* The whole answer; @r is gone afterwards. @type: Content-Type (NULL: none). @body is borrowed for
 * the time of the call; what the socket does not take at once is copied. 204 and 304 have no body.
 * With a peer that has gone it does nothing (but @r is gone too). */
void http_answer(struct http_request *r, unsigned status, const struct http_field *fields,
                 size_t n_fields, const char *type, const void *body, size_t len);

/* An answer in pieces of unknown total length: chunked, or until the connection ends for HTTP/1.0.
 * To a HEAD request: the head alone; pieces are dropped, and http_stream_end() is still due. */
void http_stream_begin(struct http_request *r, unsigned status, const struct http_field *fields,
                       size_t n_fields, const char *type);
/* Send @n bytes now. False: dropped whole, because the peer has gone, or because more than
 * max_unsent_bytes wait for a peer that does not read. */
bool http_stream_send(struct http_request *r, const void *data, size_t n);
/* As http_stream_send(), but over the limit too: for the last message of a stream. */
bool http_stream_send_last(struct http_request *r, const void *data, size_t n);
/* Ends the stream; @r is gone afterwards. What is unsent is still sent, within write_ms. */
void http_stream_end(struct http_request *r);
size_t http_stream_unsent(const struct http_request *r);
/* End the stream at once and drop the connection, unsent bytes and all. @r is gone afterwards. */
void http_abort(struct http_request *r);

/* @fn is called once when the peer has gone (closed, reset, timed out writing, server freed) before
 * the answer ended; @r is gone when it returns, and may be read but not answered in it. It is
 * called from the loop, never from inside a function above. NULL takes it back. A request without
 * one stays valid until it is answered, to nobody. */
typedef void http_gone_fn(void *ctx, struct http_request *r);
void http_on_gone(struct http_request *r, http_gone_fn *fn, void *ctx);

/* After http_on_gone(), whose ctx it gets: the peer has sent its end of input and may have gone or
 * may wait. True: it is to be answered all the same, and only a reset or a failed write is its end.
 * False, and without one: it has gone. Asked any number of times, from the loop; must not answer.
 * Not asked over TLS, where a peer that has sent its end has gone. */
typedef bool http_half_close_fn(void *ctx, struct http_request *r);
void http_on_half_close(struct http_request *r, http_half_close_fn *fn);

#endif
