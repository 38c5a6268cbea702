/* The bytes of one connection: see carrier.h. Runs in the server.
 *
 * Plain connections use the socket directly: recv(2) into one buffer shared by all, so that an idle
 * connection holds none, and writev(2) straight from the caller's memory. What is unsent waits in a
 * buffer of the connection's own. TLS is libevent's bufferevent over OpenSSL.
 *
 * The peer is trusted with nothing; how much it may send or leave unread is for the caller to
 * bound. */
#include "http/carrier.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

#define KEEP_UNSENT (16 * 1024) /* an empty buffer larger than this is given back */

struct carrier {
    const struct carrier_events *events;
    void *ctx;
    int fd;
    bool broken; /* nothing can be sent any more */
    bool ended;  /* nothing more will come */
    bool reading, finished;
    uint64_t written;
    /* plain */
    uint8_t *scratch;
    struct event on_readable, on_writable;
    struct buf unsent;
    size_t unsent_pos;
    /* TLS */
    struct bufferevent *tls; /* NULL: plain */
};

static void end(struct carrier *c, bool broken)
{
    c->ended = true;
    c->broken = broken;
    c->events->on_end(c->ctx);
}

/* ---- plain ---- */

static void plain_readable(evutil_socket_t fd, short what _unused_, void *arg)
{
    struct carrier *c = arg;
    ssize_t n = recv(fd, c->scratch, CARRIER_SCRATCH_BYTES, 0);
    if (n > 0) {
        c->events->on_data(c->ctx, c->scratch, (size_t)n);
        return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    event_del(&c->on_readable);
    end(c, n < 0);
}

static size_t plain_unsent(const struct carrier *c)
{
    return c->unsent.len - c->unsent_pos;
}

static void plain_writable(evutil_socket_t fd, short what _unused_, void *arg)
{
    struct carrier *c = arg;
    ssize_t n = send(fd, c->unsent.data + c->unsent_pos, plain_unsent(c), MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        event_del(&c->on_writable);
        event_del(&c->on_readable);
        end(c, true);
        return;
    }
    c->written += (uint64_t)n;
    c->unsent_pos += (size_t)n;
    if (plain_unsent(c) == 0) {
        event_del(&c->on_writable);
        buf_clear(&c->unsent);
        c->unsent_pos = 0;
        if (c->unsent.cap > KEEP_UNSENT)
            buf_done(&c->unsent);
    }
    c->events->on_written(c->ctx);
}

/* What is left of @pieces after the first @done bytes is kept. */
static int plain_keep(struct carrier *c, const struct iovec *pieces, size_t n, size_t done)
{
    bool was_empty = plain_unsent(c) == 0;
    if (c->unsent_pos > 0 && c->unsent_pos >= c->unsent.len / 2) {
        buf_consume(&c->unsent, c->unsent_pos);
        c->unsent_pos = 0;
    }
    for (size_t i = 0; i < n; i++) {
        size_t skip = MIN(done, pieces[i].iov_len);
        done -= skip;
        if (buf_add(&c->unsent, (char *)pieces[i].iov_base + skip, pieces[i].iov_len - skip, NULL) <
            0)
            return -1;
    }
    return was_empty && plain_unsent(c) > 0 ? event_add(&c->on_writable, NULL) : 0;
}

static int plain_send(struct carrier *c, const struct iovec *pieces, size_t n)
{
    ssize_t done = 0;
    if (plain_unsent(c) == 0) {
        struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)pieces, .msg_iovlen = n};
        do
            done = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
        while (done < 0 && errno == EINTR);
        if (done < 0 && errno != EAGAIN)
            return -1;
        done = MAX(done, 0);
        c->written += (uint64_t)done;
    }
    return plain_keep(c, pieces, n, (size_t)done);
}

/* ---- TLS ---- */

static void tls_readable(struct bufferevent *bev, void *arg)
{
    struct carrier *c = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    size_t n = evbuffer_get_length(in);
    /* what comes while this runs waits for the next turn */
    while (c->reading && !c->ended && n > 0) {
        int got = evbuffer_remove(in, c->scratch, CARRIER_SCRATCH_BYTES);
        if (got <= 0)
            return;
        n -= MIN(n, (size_t)got);
        c->events->on_data(c->ctx, c->scratch, (size_t)got);
    }
}

static void tls_written(struct bufferevent *bev _unused_, void *arg)
{
    struct carrier *c = arg;
    if (!c->broken)
        c->events->on_written(c->ctx);
}

/* Somebody has typed http:// where https:// was meant. The bytes are not ours to encrypt. */
static void say_that_it_is_tls(struct carrier *c)
{
    static const char text[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Length: 44\r\nConnection: close\r\n\r\n"
        "This port speaks TLS: use https:// for it.\r\n";
    send(c->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(c->fd, SHUT_WR);
    /* what stays unread would make the kernel throw the answer away */
    if (recv(c->fd, c->scratch, CARRIER_SCRATCH_BYTES, MSG_DONTWAIT) < 0)
        return;
}

static void tls_event(struct bufferevent *bev, short what, void *arg)
{
    struct carrier *c = arg;
    if (c->ended || !(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    /* why the peer could not be understood is of no use here, and must not be taken for the next
     * one's */
    bool http = false;
    for (unsigned long code; (code = bufferevent_get_openssl_error(bev));)
        http |= ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
    if (http)
        say_that_it_is_tls(c);
    ERR_clear_error();
    bool broken = what & BEV_EVENT_ERROR;
    bufferevent_disable(bev, broken ? EV_READ | EV_WRITE : EV_READ);
    end(c, broken);
}

static void tls_count(struct evbuffer *out _unused_, const struct evbuffer_cb_info *info, void *arg)
{
    struct carrier *c = arg;
    c->written += info->n_deleted;
}

static int tls_start(struct carrier *c, struct event_base *base, SSL_CTX *ctx)
{
    SSL *ssl = SSL_new(ctx);
    if (!ssl)
        return -1;
    c->tls = bufferevent_openssl_socket_new(base, c->fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                            BEV_OPT_CLOSE_ON_FREE);
    if (!c->tls) {
        SSL_free(ssl);
        return -1;
    }
    /* Many clients end without close_notify; HTTP's own framing tells what is whole. */
    bufferevent_openssl_set_allow_dirty_shutdown(c->tls, 1);
    if (!evbuffer_add_cb(bufferevent_get_output(c->tls), tls_count, c))
        return -1;
    bufferevent_setcb(c->tls, tls_readable, tls_written, tls_event, c);
    return bufferevent_enable(c->tls, EV_READ | EV_WRITE);
}

static int tls_send(struct carrier *c, const struct iovec *pieces, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bufferevent_write(c->tls, pieces[i].iov_base, pieces[i].iov_len) < 0)
            return -1;
    return 0;
}

/* ---- either ---- */

struct carrier *carrier_new(struct event_base *base, int fd, SSL_CTX *tls, uint8_t *scratch,
                            const struct carrier_events *events, void *ctx)
{
    struct carrier *c = calloc(1, sizeof(*c));
    if (!c) {
        close(fd);
        return NULL;
    }
    *c = (struct carrier){
        .events = events, .ctx = ctx, .fd = fd, .scratch = scratch, .reading = true};
    event_assign(&c->on_readable, base, fd, EV_READ | EV_PERSIST, plain_readable, c);
    event_assign(&c->on_writable, base, fd, EV_WRITE | EV_PERSIST, plain_writable, c);
    if ((tls ? tls_start(c, base, tls) : event_add(&c->on_readable, NULL)) < 0) {
        carrier_close(c);
        return NULL;
    }
    return c;
}

void carrier_set_reading(struct carrier *c, bool on)
{
    if (c->ended || c->reading == on)
        return;
    int r = c->tls
                ? (on ? bufferevent_enable(c->tls, EV_READ) : bufferevent_disable(c->tls, EV_READ))
                : (on ? event_add(&c->on_readable, NULL) : event_del(&c->on_readable));
    if (r < 0)
        return; /* out of memory: the caller's time limits end it */
    c->reading = on;
    /* what has been decrypted already raises no event of the socket's */
    if (on && c->tls && evbuffer_get_length(bufferevent_get_input(c->tls)) > 0)
        bufferevent_trigger(c->tls, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}

enum carrier_peer carrier_peer(const struct carrier *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
    bool ended = c->ended;
    if (poll(&p, 1, 0) > 0) {
        if (p.revents & (POLLHUP | POLLERR))
            return CARRIER_GONE;
        ended |= (p.revents & POLLRDHUP) != 0;
    }
    if (!ended)
        return CARRIER_THERE;
    return c->tls || c->broken ? CARRIER_GONE : CARRIER_SILENT;
}

int carrier_send(struct carrier *c, const struct iovec *pieces, size_t n)
{
    if (c->broken || c->finished)
        return -1;
    return c->tls ? tls_send(c, pieces, n) : plain_send(c, pieces, n);
}

size_t carrier_unsent(const struct carrier *c)
{
    if (c->broken)
        return 0;
    return c->tls ? evbuffer_get_length(bufferevent_get_output(c->tls)) : plain_unsent(c);
}

uint64_t carrier_written(const struct carrier *c)
{
    return c->written;
}

void carrier_finish(struct carrier *c)
{
    if (c->broken || c->finished)
        return;
    c->finished = true;
    if (c->tls) {
        SSL_shutdown(bufferevent_openssl_get_ssl(c->tls));
        ERR_clear_error();
    }
    shutdown(c->fd, SHUT_WR);
}

void carrier_close(struct carrier *c)
{
    if (!c)
        return;
    if (c->tls) {
        bufferevent_setcb(c->tls, NULL, NULL, NULL, NULL);
        evbuffer_remove_cb(bufferevent_get_output(c->tls), tls_count, c);
        bufferevent_free(c->tls); /* closes */
    } else {
        event_del(&c->on_readable);
        event_del(&c->on_writable);
        close(c->fd);
    }
    buf_done(&c->unsent);
    free(c);
}
