/* One program, from text to result, inside the worker: parse, judge, compile, limit, execute,
 * serialise. */
#ifndef PYTHON_RUN_H
#define PYTHON_RUN_H

#include "base/err.h"
#include "wire/msg.h"

/* The limits of the process, which belong to the jail. Each may be NULL: no such limit (a warm-up).
 */
struct run_limits {
    /* before parsing: the compiler's own */
    int (*compile)(void *ctx, struct err *err);
    /* before the first line: the program's */
    int (*program)(void *ctx, const struct msg_run *run, struct err *err);
    /* memory ran out: make room for the report */
    void (*relax)(void *ctx);
    void *ctx;
};

struct run_env {
    const struct msg_launch *launch;
    struct status_page *status; /* shared with the server */
    struct run_limits limits;
    bool rehearsal; /* a warm-up: leave nothing of it behind */
};

/* Execute @run. Fills *ret (zeroed by the caller; msg_result_done). Output goes through
 * capture.h. Never leaves a Python exception set. -1: cannot even report (memory): the worker must
 * end. */
int run_program(const struct run_env *env, const struct msg_run *run, struct msg_result *ret,
                struct err *err);

/* Judge @run and nothing else: the same verdict. *ret is zeroed by the caller; msg_verdict_done. */
int run_validation(const struct run_env *env, const struct msg_run *run, struct msg_verdict *ret,
                   struct err *err);

/* One-off set-up in the zygote, after everything has been preloaded. -1 = Python exception. */
int run_init(void);

#endif
