/* What `serve`, `run`, `validate`, `info` and `doctor` share: the start of record, keeper, loop and
 * engine, in the order that privileges demand, signals, and the end. */
#ifndef APP_RUNTIME_H
#define APP_RUNTIME_H

#include <stdbool.h>

#include "app/delegation.h"
#include "app/places.h"
#include "app/privilege.h"
#include "app/spawn.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "loop/loop.h"
#include "record/record.h"

#define RUNTIME_SIGNALS 3

struct runtime;
struct runtime_hooks {
    /* The engine's state has changed; see engine_info(). */
    void (*on_state)(void *ctx, const struct engine_info *info);
    /* SIGINT, SIGTERM or SIGHUP for the first time. The second ends the loop without asking. */
    void (*on_stop)(void *ctx, int signo);
    void *ctx;
};

struct runtime {
    const struct conf *conf; /* borrowed */
    struct runtime_hooks hooks;
    struct places places;
    struct identities ids;
    struct delegation delegation;
    struct loop *loop;
    struct record *record;
    struct engine *engine;
    struct keeper keeper;
    int stage_lock; /* keeps the staged copy of the extension module; -1 = there is none */
    struct loop_signal *signals[RUNTIME_SIGNALS];
    struct loop_timer *sync;
    bool sync_armed;
    int stopped_by; /* signal number, 0 = none */
    bool confined;
    bool warned; /* of missing walls */
    char *said;  /* the last line of the engine's log, and when */
    uint64_t said_ns;
};

/* Start everything up to the engine, which goes on starting in the background. @recorded:
 * executions go to the audit log. On failure nothing is left, and @err is for the user. Still with
 * the privileges it was started with, for what the caller has to open. */
int runtime_start(struct runtime *r, const struct conf *conf, bool recorded,
                  const struct runtime_hooks *hooks, struct err *err);

/* Give up privileges and confine the process. Before anything from outside is read. */
int runtime_seal(struct runtime *r, struct err *err);

/* Run the loop until runtime_stop(). */
int runtime_run(struct runtime *r, struct err *err);
void runtime_stop(struct runtime *r);

/* End the engine alone: what was under way is answered. NULL afterwards. */
void runtime_end_engine(struct runtime *r);
/* End everything and wait for the keeper. */
void runtime_end(struct runtime *r);

/* Has the engine come to a verdict: ready to run programs, or a reason why it cannot? */
bool runtime_settled(const struct engine_info *info);

/* The exit status for a failure of runtime_start(). */
int runtime_exit_status(const struct err *err);

#endif
