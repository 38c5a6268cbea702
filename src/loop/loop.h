/* The event loop: descriptors, timers, signals. With http, which takes the event_base from
 * loop_base(), the only room that includes libevent's headers. One thread; callbacks run on it. */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct loop_io;
struct loop_timer;
struct loop_signal;

struct loop *loop_new(struct err *err);
void loop_free(struct loop *l); /* after every watcher has been freed; NULL is fine */
/* Run until loop_stop(). */
int loop_run(struct loop *l, struct err *err);
void loop_stop(struct loop *l);
/* The libevent base, for the room http. Borrowed. */
struct event_base *loop_base(struct loop *l);

#define LOOP_READ  1
#define LOOP_WRITE 2
/* Watch @fd (borrowed; must be non-blocking) for @events. Level-triggered. A callback may free any
 * watcher, its own included. */
typedef void loop_io_fn(void *ctx, int fd, int events);
struct loop_io *loop_io_new(struct loop *l, int fd, int events, loop_io_fn *fn, void *ctx,
                            struct err *err);
int loop_io_set(struct loop_io *io, int events, struct err *err); /* 0 = pause */
void loop_io_free(struct loop_io *io);

/* A one-shot timer, made unarmed, exact to a millisecond. Arming again replaces the old time. */
typedef void loop_timer_fn(void *ctx);
struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn *fn, void *ctx, struct err *err);
void loop_timer_arm(struct loop_timer *t, uint64_t after_ns);
void loop_timer_disarm(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t);

typedef void loop_signal_fn(void *ctx, int signo);
struct loop_signal *loop_signal_new(struct loop *l, int signo, loop_signal_fn *fn, void *ctx,
                                    struct err *err);
void loop_signal_free(struct loop_signal *s);

#endif
