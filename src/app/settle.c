/* Starting to look: see settle.h. Runs in the command line. */
#include "app/settle.h"

#include "app/cli.h"
#include "app/log.h"
#include "catalog/profiles.h"

/* As long as the engine gives a start, and a little more, so that its reason is shown. */
#define PATIENCE_NS              35000000000u
#define PATIENCE_DATA_SCIENCE_NS 125000000000u

struct settling {
    struct runtime runtime;
    bool settled;
};

static void on_state(void *ctx, const struct engine_info *info)
{
    struct settling *s = ctx;
    s->settled = s->settled || runtime_settled(info);
    if (s->settled && s->runtime.loop)
        runtime_stop(&s->runtime);
}

static void on_patience(void *ctx)
{
    struct settling *s = ctx;
    runtime_stop(&s->runtime);
}

static int wait_and_look(struct settling *s, settle_fn *fn, void *ctx, struct err *err)
{
    struct loop_timer *patience = loop_timer_new(s->runtime.loop, on_patience, s, err);
    if (!patience || runtime_seal(&s->runtime, err) < 0) {
        loop_timer_free(patience);
        return -1;
    }
    bool slow = s->runtime.conf->profiles & PROFILE_DATA_SCIENCE;
    loop_timer_arm(patience, slow ? PATIENCE_DATA_SCIENCE_NS : PATIENCE_NS);
    struct engine_info info;
    engine_info(s->runtime.engine, &info);
    int r = s->settled || runtime_settled(&info) ? 0 : runtime_run(&s->runtime, err);
    loop_timer_free(patience);
    if (r < 0)
        return -1;
    engine_info(s->runtime.engine, &info);
    return s->runtime.stopped_by ? EXIT_CANCELLED : fn(ctx, &s->runtime, &info);
}

int settle(struct conf *conf, settle_fn *fn, void *ctx, struct err *ret_err)
{
    struct settling s = {0};
    struct err err = ERR_INIT;
    struct runtime_hooks hooks = {.on_state = on_state, .ctx = &s};
    conf->pool_size = conf->max_concurrency = 1;
    int status = EXIT_REFUSED;
    if (runtime_start(&s.runtime, conf, false, &hooks, &err) < 0) {
        status = runtime_exit_status(&err);
    } else {
        int r = wait_and_look(&s, fn, ctx, &err);
        status = r < 0 ? EXIT_REFUSED : r;
        runtime_end(&s.runtime);
    }
    if (err.code && ret_err)
        *ret_err = err;
    else if (err.code)
        log_line(LOG_ERROR, "%s", err.text);
    return status;
}
