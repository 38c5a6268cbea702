/* The engine: see engine.h; a map of this room is in internal.h. Runs in the server, on the loop's
 * thread. This file holds construction and end, what is told to others, and the work that is put
 * off until no callback is under way. */
#include "engine/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "catalog/profiles.h"
#include "sys/fd.h"

const struct tuning tuning_default = {
    .start_ns = 30 * NS_PER_S,
    .start_grace_ns = NS_PER_S,
    .warm_ns = 10 * NS_PER_S,
    .retire_ns = NS_PER_MS,
    .kill_ns = 10 * NS_PER_S,       /* a large one is torn down slowly on a busy machine */
    .compile_ns = 2500 * NS_PER_MS, /* the worker's own cap is 2 s */
    .validate_ns = 5 * NS_PER_S,
    .backoff_ns = 100 * NS_PER_MS,
    .backoff_max_ns = 5 * NS_PER_S,
    .retry_ns = 30 * NS_PER_S,
    .max_failures = 5,
    .max_spawn_failures = 20,
    .recycle_runs = 10000,
    .recycle_ns = 3600 * NS_PER_S,
    .trusted_ns = 10 * NS_PER_S,
};

/* The scientific packages take seconds to import from a cold disk. */
#define START_DATA_SCIENCE_NS (120 * NS_PER_S)

/* ---- telling ---- */

void engine_log(struct engine *e, enum log_level level, const char *fmt, ...)
{
    if (!e->hooks.on_log)
        return;
    char text[640];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    e->hooks.on_log(e->hooks.ctx, level, text);
}

void engine_state_changed(struct engine *e)
{
    if (e->hooks.on_state && !e->closing)
        e->hooks.on_state(e->hooks.ctx, e);
}

/* What the present zygote has said, or the one that is starting first. */
static const struct facts *known(const struct engine *e)
{
    bool ours = e->facts.has_hello || !e->next;
    return ours ? &e->facts : &e->next->facts;
}

const char *engine_isolation(const struct engine *e)
{
    const struct facts *f = known(e);
    enum isolation i = f->has_hello ? (enum isolation)f->hello.isolation : e->conf->isolation;
    return i == ISOLATION_LANDLOCK ? "landlock" : "jail";
}

void engine_info(struct engine *e, struct engine_info *ret)
{
    const struct facts *f = known(e);
    *ret = (struct engine_info){
        .proof = e->proof,
        .failure = e->failure,
        .final = e->final,
        .hello = f->has_hello ? &f->hello : NULL,
        .proof_items = f->has_proof ? &f->proof : NULL,
        .ready = f->has_ready ? &f->ready : NULL,
        .cgroup = e->hooks.cgroup,
        .no_cgroup = e->hooks.no_cgroup,
        .idle_workers = e->active ? e->active->count[WORKER_WARM] : 0,
        .running = e->running,
        .queued = e->queue.len,
        .executions = e->finished,
        .version = (uint64_t)f->version << 32 | e->state_version,
    };
}

void engine_fail(struct engine *e, bool final, const char *why)
{
    if (e->final)
        return;
    e->final = final;
    bool news = !e->failure || strcmp(e->failure, why) != 0;
    char *text = strdup(why);
    if (!text)
        return; /* the next attempt will say it */
    free(e->failure);
    e->failure = text;
    e->proof = PROOF_FAILED;
    e->state_version = ++e->versions;
    struct zygote *z;
    TAILQ_FOREACH(z, &e->zygotes, link) {
        if (final)
            zygote_break(z, "%s", why);
    }
    if (news)
        engine_log(e, LOG_ERROR, "nothing can be run: %s", why);
    /* first: who is told of the failure may end the server */
    exec_refuse_all(e, CATEGORY_INTERNAL_ERROR, e->failure);
    if (news)
        engine_state_changed(e);
}

/* ---- the deferred work ---- */

static struct zygote *first_broken(struct engine *e)
{
    struct zygote *z;
    TAILQ_FOREACH(z, &e->zygotes, link) {
        if (z->broken && z->state != ZYGOTE_ENDING)
            return z;
    }
    return NULL;
}

static void on_later(void *ctx)
{
    struct engine *e = ctx;
    struct zygote *z;
    exec_answer_cancelled(e);
    while ((z = first_broken(e)))
        zygote_lose(z);
    if (e->keeper_gone && !e->final)
        engine_fail(e, true,
                    "vivarium-zygote, which starts the Python interpreters, has ended; restart "
                    "the server");
}

void engine_later(struct engine *e)
{
    loop_timer_arm(e->later, 0);
}

/* ---- construction, end ---- */

struct engine *engine_new(struct loop *loop, const struct conf *conf, int keeper_fd,
                          const char *extension_dir, const struct engine_hooks *hooks,
                          struct err *err)
{
    struct engine *e = calloc(1, sizeof(*e));
    if (!e) {
        fd_close(&keeper_fd);
        err_nomem(err);
        return NULL;
    }
    *e = (struct engine){.loop = loop, .conf = conf, .keeper_fd = keeper_fd};
    e->tuning = tuning_default;
    if (conf->profiles & PROFILE_DATA_SCIENCE)
        e->tuning.start_ns = START_DATA_SCIENCE_NS;
    if (hooks)
        e->hooks = *hooks;
    TAILQ_INIT(&e->zygotes);
    TAILQ_INIT(&e->cancelled);
    queue_init(&e->queue);
    e->extension_dir = strdup(extension_dir);
    e->later = loop_timer_new(loop, on_later, e, err);
    if (!e->extension_dir || !e->later || launch_init(e, err) < 0 || keeper_open(e, err) < 0) {
        if (!e->extension_dir)
            err_nomem(err);
        engine_free(e);
        return NULL;
    }
    zygote_launch(e);
    return e;
}

static struct worker *first_busy(struct zygote *z)
{
    for (int s = 0; s < WORKER_STATES; s++) {
        struct worker *w;
        TAILQ_FOREACH(w, &z->workers[s], link) {
            if (w->x)
                return w;
        }
    }
    return NULL;
}

static void answer_shutdown(struct zygote *z)
{
    struct worker *w;
    while ((w = first_busy(z))) {
        if (w->x->stop == STOP_NONE)
            w->x->stop = STOP_SHUTDOWN;
        output_drain(w);
        worker_answer(w, NULL, NULL);
    }
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    e->closing = true;
    if (e->later)
        exec_answer_cancelled(e);
    exec_refuse_all(e, CATEGORY_CANCELLED,
                    "The execution was cancelled because the server is ending");
    struct zygote *z;
    while ((z = TAILQ_FIRST(&e->zygotes))) {
        answer_shutdown(z);
        if (z->state != ZYGOTE_ENDING)
            keeper_end(z);
        zygote_free(z);
    }
    keeper_close(e);
    launch_done(e);
    loop_timer_free(e->later);
    facts_done(&e->facts);
    free(e->failure);
    free(e->extension_dir);
    free(e);
}
