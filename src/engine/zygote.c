/* The control channel to one zygote. Runs in the server. A zygote runs no user code, but it forks
 * what does: so its messages, too, are checked for size, shape and turn, and one that breaks a rule
 * is ended and replaced. */
#include "engine/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/clock.h"
#include "sys/fd.h"

#define TURN_MESSAGES 64 /* at one go */

void facts_done(struct facts *f)
{
    if (f->has_hello)
        msg_hello_done(&f->hello);
    if (f->has_proof)
        msg_proof_done(&f->proof);
    if (f->has_ready)
        msg_ready_done(&f->ready);
    *f = (struct facts){0};
}

void zygote_break(struct zygote *z, const char *fmt, ...)
{
    if (z->broken || z->state == ZYGOTE_ENDING)
        return;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&z->why, fmt, ap) < 0)
        z->why = NULL;
    va_end(ap);
    z->broken = true;
    zygote_close(z);
    engine_later(z->e);
}

struct worker *zygote_find(struct zygote *z, uint64_t worker_id)
{
    /* Most often asked about: those that were killed. */
    for (int s = WORKER_STATES - 1; s >= 0; s--) {
        struct worker *w;
        TAILQ_FOREACH(w, &z->workers[s], link) {
            if (w->id == worker_id)
                return w;
        }
    }
    return NULL;
}

/* ---- messages ---- */

typedef int message_fn(struct zygote *z, const uint8_t *body, size_t n, int *fd, struct err *err);

static int on_hello(struct zygote *z, const uint8_t *body, size_t n, int *fd _unused_,
                    struct err *err)
{
    if (z->facts.has_hello)
        return err_set(err, ERR_PROTO, "HELLO twice");
    if (msg_get_hello(body, n, &z->facts.hello, err) < 0)
        return -1;
    z->facts.has_hello = true;
    z->facts.version = ++z->e->versions;
    return 0;
}

static int on_listener(struct zygote *z, const uint8_t *body _unused_, size_t n _unused_, int *fd,
                       struct err *err)
{
    if (z->listener_fd >= 0)
        return err_set(err, ERR_PROTO, "LISTENER twice");
    return listener_open(z, take_fd(fd), err);
}

static int on_proof(struct zygote *z, const uint8_t *body, size_t n, int *fd _unused_,
                    struct err *err)
{
    if (!z->facts.has_hello || z->facts.has_proof)
        return err_set(err, ERR_PROTO, "PROOF out of turn");
    if (msg_get_proof(body, n, &z->facts.proof, err) < 0)
        return -1;
    z->facts.has_proof = true;
    z->facts.version = ++z->e->versions;
    const struct msg_proof *p = &z->facts.proof;
    size_t held = 0;
    for (size_t i = 0; i < p->len; i++) {
        const struct msg_proof_item *item = &p->items[i];
        held += item->state == PROOF_HELD;
        if (item->state != PROOF_BROKEN)
            continue;
        z->proof_broken = true;
        return err_set(err, ERR_REFUSED,
                       "the start-up self-test broke through a wall: %s: %s (%s); nothing is run "
                       "on this machine until it holds",
                       item->layer, item->name, item->detail);
    }
    if (held == 0) {
        z->proof_broken = true;
        return err_set(err, ERR_REFUSED, "the start-up self-test proved nothing");
    }
    return 0;
}

static int on_ready(struct zygote *z, const uint8_t *body, size_t n, int *fd _unused_,
                    struct err *err)
{
    if (!z->facts.has_hello || !z->facts.has_proof)
        return err_set(err, ERR_PROTO, "READY without a proof");
    if (msg_get_ready(body, n, &z->facts.ready, err) < 0)
        return -1;
    z->facts.has_ready = true;
    z->facts.version = ++z->e->versions;
    z->ready_ns = clock_mono_ns();
    z->state = ZYGOTE_READY;
    loop_timer_disarm(z->watch);
    z->watch_armed = false;
    if (z->listener_fd < 0)
        engine_log(z->e, LOG_WARNING,
                   "the zygote gave no seccomp listener: refused system calls go unreported");
    /* A successor takes over when its first worker is warm, so that nobody waits for it. */
    if (!z->e->active)
        zygote_promote(z);
    else
        pool_fill(z);
    return 0;
}

static int on_spawned(struct zygote *z _unused_, const uint8_t *body, size_t n, int *fd _unused_,
                      struct err *err)
{
    uint64_t id;
    return msg_get_id(body, n, &id, err); /* WARM says the same, and more */
}

static int on_spawn_failed(struct zygote *z, const uint8_t *body, size_t n, int *fd _unused_,
                           struct err *err)
{
    struct msg_text m;
    if (msg_get_text(body, n, &m, err) < 0)
        return -1;
    struct worker *w = zygote_find(z, m.id);
    if (w && (w->state == WORKER_SPAWNING || (w->state == WORKER_DYING && !w->x))) {
        bool late = w->state == WORKER_DYING;
        worker_free(w);
        if (!late)
            pool_spawn_failed(z, m.text);
        zygote_drained(z);
        pool_fill(z);
    }
    msg_text_done(&m);
    return 0;
}

static int on_exited(struct zygote *z, const uint8_t *body, size_t n, int *fd _unused_,
                     struct err *err)
{
    struct msg_exited m;
    if (msg_get_exited(body, n, &m, err) < 0)
        return -1;
    struct worker *w = zygote_find(z, m.id);
    if (!w)
        return err_set(err, ERR_PROTO, "EXITED for a worker it does not have");
    worker_exited(w, &m);
    return 0;
}

static int on_fatal(struct zygote *z _unused_, const uint8_t *body, size_t n, int *fd _unused_,
                    struct err *err)
{
    struct msg_text m;
    if (msg_get_text(body, n, &m, err) < 0)
        return -1;
    err_set(err, ERR_UNSUPPORTED, "%s", m.text);
    msg_text_done(&m);
    return -1;
}

#define STARTING (1u << ZYGOTE_STARTING)
#define SERVING  (1u << ZYGOTE_READY | 1u << ZYGOTE_DRAINING)

static const struct {
    enum msg_type type;
    unsigned when; /* bits of states */
    message_fn *handle;
} rules[] = {
    {MSG_HELLO, STARTING, on_hello},    {MSG_LISTENER, STARTING, on_listener},
    {MSG_PROOF, STARTING, on_proof},    {MSG_READY, STARTING, on_ready},
    {MSG_SPAWNED, SERVING, on_spawned}, {MSG_SPAWN_FAILED, SERVING, on_spawn_failed},
    {MSG_EXITED, SERVING, on_exited},   {MSG_FATAL, STARTING | SERVING, on_fatal},
};

static int handle(struct zygote *z, const uint8_t *body, size_t n, int fds[], size_t nfds,
                  struct err *err)
{
    int type = msg_check(body, n, nfds, PEER_ZYGOTE, PEER_SERVER, 0, err);
    if (type < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if ((int)rules[i].type == type && (rules[i].when & 1u << z->state))
            return rules[i].handle(z, body, n, nfds ? &fds[0] : NULL, err);
    }
    return err_set(err, ERR_PROTO, "%s out of turn", msg_rules[type].name);
}

/* ---- channel ---- */

/* The other end is closed. While starting the keeper is about to tell why. */
static void on_end(struct zygote *z)
{
    if (z->state != ZYGOTE_STARTING) {
        zygote_break(z, "it ended");
        return;
    }
    zygote_close(z);
    loop_timer_arm(z->watch, z->e->tuning.start_grace_ns);
}

static void receive(struct zygote *z)
{
    static uint8_t body[MSG_MAX_DATAGRAM + 1]; /* one thread */
    for (int i = 0; i < TURN_MESSAGES && z->fd >= 0; i++) {
        struct err err = ERR_INIT;
        int fds[SOCK_MAX_FDS];
        size_t nfds = 0;
        ssize_t n = sock_recv(z->fd, body, sizeof(body), fds, &nfds, NULL, MSG_DONTWAIT, &err);
        if (n < 0 && err.code == ERR_SYS && err.sys_errno == EAGAIN)
            return;
        if (n == 0 || (n < 0 && err.code == ERR_SYS)) {
            on_end(z);
            return;
        }
        int r = n < 0 ? -1 : handle(z, body, (size_t)n, fds, nfds, &err);
        for (size_t k = 0; k < nfds; k++)
            fd_close(&fds[k]);
        if (r < 0) {
            zygote_break(z, "%s", err.text);
            return;
        }
    }
}

static void on_control(void *ctx, int fd _unused_, int events)
{
    struct zygote *z = ctx;
    if (events & LOOP_WRITE) {
        z->waits_writable = false;
        struct err err = ERR_INIT;
        if (loop_io_set(z->io, LOOP_READ, &err) < 0) {
            zygote_break(z, "%s", err.text);
            return;
        }
        struct worker *w;
        TAILQ_FOREACH(w, &z->workers[WORKER_DYING], link) {
            if (w->kill_unsent && zygote_send(z, MSG_KILL, w->id, NULL, 0) < 0)
                break;
            w->kill_unsent = false;
        }
        pool_fill(z);
    }
    if ((events & LOOP_READ) && z->fd >= 0)
        receive(z);
}

int zygote_send(struct zygote *z, enum msg_type type, uint64_t worker_id, const int *fds,
                size_t nfds)
{
    if (z->broken || z->fd < 0 || z->waits_writable)
        return -1;
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(64);
    msg_put_id(&out, type, worker_id);
    struct err err = ERR_INIT;
    if (!out.bad && sock_send(z->fd, out.buf.data, out.buf.len, fds, nfds, MSG_DONTWAIT, &err) == 0)
        return 0;
    /* ETOOMANYREFS: too many descriptors are under way; they are not when it has read some. */
    bool full = err.code == ERR_SYS && (err.sys_errno == EAGAIN || err.sys_errno == ETOOMANYREFS ||
                                        err.sys_errno == ENOBUFS);
    if (!full) {
        zygote_break(z, "its control channel failed: %s", err.text);
        return -1;
    }
    z->waits_writable = true;
    if (loop_io_set(z->io, LOOP_READ | LOOP_WRITE, &err) < 0)
        zygote_break(z, "%s", err.text);
    return -1;
}

int zygote_open(struct zygote *z, int fd, struct err *err)
{
    z->fd = fd;
    if (fd_set_nonblock(fd, true, err) < 0)
        return -1;
    z->io = loop_io_new(z->e->loop, fd, LOOP_READ, on_control, z, err);
    return z->io ? 0 : -1;
}

void zygote_close(struct zygote *z)
{
    loop_io_free(z->io);
    z->io = NULL;
    fd_close(&z->fd);
    listener_close(z);
}
