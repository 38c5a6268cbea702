/* The bytes of one connection, plain or TLS: reads as they come, writes at once what the socket
 * takes and keeps the rest. Knows nothing of HTTP. Never blocks. */
#ifndef HTTP_CARRIER_H
#define HTTP_CARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct carrier;
struct event_base;
struct ssl_ctx_st;

/* All are called from the loop only, never from inside a function below, and never after
 * carrier_close(). */
struct carrier_events {
    void (*on_data)(void *ctx, const uint8_t *data, size_t n); /* must take all of it */
    void (*on_end)(void *ctx);     /* the peer has closed or reset; nothing more will come */
    void (*on_written)(void *ctx); /* some of what was unsent has been written, maybe all */
};

/* Where plain carriers read to; shared by all of one loop. */
#define CARRIER_SCRATCH_BYTES (64 * 1024)

/* Takes @fd (a connected, non-blocking socket) over, also when it fails (NULL: out of memory).
 * @tls: NULL for plain bytes. @scratch (CARRIER_SCRATCH_BYTES, borrowed) is used while on_data
 * runs. Reading is on. */
struct carrier *carrier_new(struct event_base *base, int fd, struct ssl_ctx_st *tls,
                            uint8_t *scratch, const struct carrier_events *events, void *ctx);

/* Stop or go on reading; while stopped the peer's end is not noticed: carrier_peer() asks. */
void carrier_set_reading(struct carrier *c, bool on);

enum carrier_peer {
    CARRIER_THERE,
    CARRIER_SILENT, /* it has sent its end, but may still read. Never over TLS */
    CARRIER_GONE,
};
enum carrier_peer carrier_peer(const struct carrier *c); /* one system call */

/* Send all pieces, in order; what does not go at once is copied. -1: the connection is broken
 * (on_end comes or has come) or memory ran out; nothing more can be sent. */
int carrier_send(struct carrier *c, const struct iovec *pieces, size_t n);
size_t carrier_unsent(const struct carrier *c);    /* bytes that may yet be sent */
uint64_t carrier_written(const struct carrier *c); /* bytes, ever; for TLS before encryption */

/* Everything is sent: tell the peer that nothing more comes. Reading goes on. */
void carrier_finish(struct carrier *c);
/* Closes the socket at once and frees. Not from inside a callback of its own. NULL is fine. */
void carrier_close(struct carrier *c);

#endif
