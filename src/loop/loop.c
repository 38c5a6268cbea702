/* Event loop over libevent: see loop.h. Runs in the server. */
#include "loop/loop.h"

#include <event2/event.h>

struct loop {
    struct event_base *base;
};

struct loop_io {
    struct event_base *base;
    struct event *ev;
    int fd;
    loop_io_fn *fn;
    void *ctx;
};

struct loop_timer {
    struct event *ev;
    loop_timer_fn *fn;
    void *ctx;
};

struct loop_signal {
    struct event *ev;
    loop_signal_fn *fn;
    void *ctx;
};

struct loop *loop_new(struct err *err)
{
    struct loop *l = calloc(1, sizeof(*l));
    if (l)
        l->base = event_base_new();
    if (!l || !l->base) {
        free(l);
        err_set(err, ERR_NOMEM, "cannot make an event loop");
        return NULL;
    }
    return l;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    /* A callback that libevent has put off holds a reference to its bufferevent (TLS), and freeing
     * the base would drop the callback and keep the reference. */
    event_base_loop(l->base, EVLOOP_NONBLOCK);
    event_base_free(l->base);
    free(l);
}

int loop_run(struct loop *l, struct err *err)
{
    if (event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
        return err_set(err, ERR_INTERNAL, "the event loop failed");
    return 0;
}

void loop_stop(struct loop *l)
{
    event_base_loopbreak(l->base);
}

struct event_base *loop_base(struct loop *l)
{
    return l->base;
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
    struct loop_io *io = arg;
    int events = (what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0);
    io->fn(io->ctx, fd, events);
}

struct loop_io *loop_io_new(struct loop *l, int fd, int events, loop_io_fn *fn, void *ctx,
                            struct err *err)
{
    struct loop_io *io = calloc(1, sizeof(*io));
    if (!io) {
        err_nomem(err);
        return NULL;
    }
    *io = (struct loop_io){.base = l->base, .fd = fd, .fn = fn, .ctx = ctx};
    if (loop_io_set(io, events, err) < 0) {
        free(io);
        return NULL;
    }
    return io;
}

int loop_io_set(struct loop_io *io, int events, struct err *err)
{
    if (io->ev) {
        event_free(io->ev);
        io->ev = NULL;
    }
    if (events == 0)
        return 0;
    short what = (short)(EV_PERSIST | (events & LOOP_READ ? EV_READ : 0) |
                         (events & LOOP_WRITE ? EV_WRITE : 0));
    io->ev = event_new(io->base, io->fd, what, on_io, io);
    if (!io->ev || event_add(io->ev, NULL) < 0)
        return err_set(err, ERR_NOMEM, "cannot watch descriptor %d", io->fd);
    return 0;
}

void loop_io_free(struct loop_io *io)
{
    if (!io)
        return;
    if (io->ev)
        event_free(io->ev);
    free(io);
}

static void on_timer(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    struct loop_timer *t = arg;
    t->fn(t->ctx);
}

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn *fn, void *ctx, struct err *err)
{
    struct loop_timer *t = calloc(1, sizeof(*t));
    if (t)
        t->ev = evtimer_new(l->base, on_timer, t);
    if (!t || !t->ev) {
        free(t);
        err_nomem(err);
        return NULL;
    }
    t->fn = fn;
    t->ctx = ctx;
    return t;
}

void loop_timer_arm(struct loop_timer *t, uint64_t after_ns)
{
    struct timeval tv = {
        .tv_sec = (time_t)(after_ns / 1000000000u),
        .tv_usec = (suseconds_t)(after_ns % 1000000000u / 1000u),
    };
    evtimer_add(t->ev, &tv);
}

void loop_timer_disarm(struct loop_timer *t)
{
    evtimer_del(t->ev);
}

void loop_timer_free(struct loop_timer *t)
{
    if (!t)
        return;
    event_free(t->ev);
    free(t);
}

static void on_signal(evutil_socket_t signo, short what _unused_, void *arg)
{
    struct loop_signal *s = arg;
    s->fn(s->ctx, (int)signo);
}

struct loop_signal *loop_signal_new(struct loop *l, int signo, loop_signal_fn *fn, void *ctx,
                                    struct err *err)
{
    struct loop_signal *s = calloc(1, sizeof(*s));
    if (s)
        s->ev = evsignal_new(l->base, signo, on_signal, s);
    if (!s || !s->ev || event_add(s->ev, NULL) < 0) {
        if (s && s->ev)
            event_free(s->ev);
        free(s);
        err_nomem(err);
        return NULL;
    }
    s->fn = fn;
    s->ctx = ctx;
    return s;
}

void loop_signal_free(struct loop_signal *s)
{
    if (!s)
        return;
    event_free(s->ev);
    free(s);
}
