/* The life of zygotes: start, proof, restart with back-off, replacement after so many runs or so
 * long (all workers of one zygote share its hash secret and address layout, so one zygote must not
 * live for ever). Runs in the server. */
#include "engine/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "catalog/profiles.h"
#include "sys/clock.h"
#include "sys/fd.h"

/* ---- start ---- */

static void on_watch(void *ctx)
{
    struct zygote *z = ctx;
    z->watch_armed = false;
    if (z->broken || z->state == ZYGOTE_ENDING)
        return;
    if (z->state != ZYGOTE_STARTING)
        pool_tick(z);
    else if (z->fd < 0)
        zygote_break(z, "it ended while starting");
    else
        zygote_break(z, "it was not ready after %llu s",
                     (unsigned long long)(z->e->tuning.start_ns / NS_PER_S));
}

static void on_spawn_retry(void *ctx)
{
    struct zygote *z = ctx;
    z->spawn_paused = false;
    pool_fill(z);
}

static void on_refill(void *ctx)
{
    struct zygote *z = ctx;
    pool_refill(z);
}

static struct zygote *zygote_new(struct engine *e, struct err *err)
{
    struct zygote *z = calloc(1, sizeof(*z));
    if (!z) {
        err_nomem(err);
        return NULL;
    }
    *z = (struct zygote){.e = e, .id = ++e->next_zygote, .fd = -1, .listener_fd = -1};
    for (int s = 0; s < WORKER_STATES; s++)
        TAILQ_INIT(&z->workers[s]);
    TAILQ_INSERT_TAIL(&e->zygotes, z, link);
    z->watch = loop_timer_new(e->loop, on_watch, z, err);
    z->spawn_retry = z->watch ? loop_timer_new(e->loop, on_spawn_retry, z, err) : NULL;
    z->refill = z->spawn_retry ? loop_timer_new(e->loop, on_refill, z, err) : NULL;
    if (!z->refill) {
        zygote_free(z);
        return NULL;
    }
    return z;
}

void zygote_free(struct zygote *z)
{
    struct engine *e = z->e;
    for (int s = 0; s < WORKER_STATES; s++) {
        while (!TAILQ_EMPTY(&z->workers[s]))
            worker_free(TAILQ_FIRST(&z->workers[s]));
    }
    zygote_close(z);
    loop_timer_free(z->watch);
    loop_timer_free(z->spawn_retry);
    loop_timer_free(z->refill);
    facts_done(&z->facts);
    free(z->why);
    if (e->active == z)
        e->active = NULL;
    if (e->next == z)
        e->next = NULL;
    TAILQ_REMOVE(&e->zygotes, z, link);
    free(z);
}

/* What may be imported and is one of ours is imported once, before forking. Other names of
 * SANDBOX_ALLOWED_IMPORTS are not: the zygote must run nothing whose effects we do not know. */
static int preload_list(const struct conf *conf, struct strv *ret, struct err *err)
{
    for (size_t i = 0; i < conf->modules.len; i++) {
        const struct profile *p = profile_of_module(conf->modules.items[i]);
        if (p && (p->bit & conf->profiles) && strv_add(ret, conf->modules.items[i], err) < 0)
            return -1;
    }
    return 0;
}

static int send_launch(struct zygote *z, int their_fd, struct err *err)
{
    const struct conf *conf = z->e->conf;
    auto_strv struct strv preload = STRV_INIT;
    if (preload_list(conf, &preload, err) < 0)
        return -1;
    struct msg_launch m = {
        .id = z->id,
        .isolation = (uint8_t)conf->isolation,
        .profiles = (uint8_t)conf->profiles,
        .imports_overridden = conf->imports_overridden,
        .max_threads = conf->max_threads,
        .work_bytes = conf->work_bytes,
        .work_files = conf->work_files,
        .python = conf->python,
        .extension_dir = z->e->extension_dir,
        .python_path = conf->python_path,
        .modules = conf->modules,
        .preload = preload,
        .cgroup = (char *)(uintptr_t)z->e->hooks.cgroup, /* only read */
    };
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(MSG_MAX_DATAGRAM);
    msg_put_launch(&out, &m);
    if (out.bad)
        return err_set(err, ERR_LIMIT, "the list of modules or paths is too long");
    return sock_send(z->e->keeper_fd, out.buf.data, out.buf.len, &their_fd, 1, MSG_DONTWAIT, err);
}

static int start(struct engine *e, struct err *err)
{
    struct zygote *z = zygote_new(e, err);
    if (!z)
        return -1;
    int pair[2];
    if (sock_pair(SOCK_SEQPACKET, pair, err) < 0) {
        zygote_free(z);
        return -1;
    }
    auto_close int theirs = pair[1];
    if (zygote_open(z, pair[0], err) < 0 || send_launch(z, theirs, err) < 0) {
        zygote_free(z);
        return -1;
    }
    e->next = z;
    loop_timer_arm(z->watch, e->tuning.start_ns);
    return 0;
}

void zygote_launch(struct engine *e)
{
    struct err err = ERR_INIT;
    if (e->closing || e->final || e->next || e->keeper_gone)
        return;
    if (start(e, &err) < 0)
        zygote_relaunch(e, err.text);
}

static void on_relaunch(void *ctx)
{
    struct engine *e = ctx;
    e->relaunch_armed = false;
    zygote_launch(e);
}

void zygote_relaunch(struct engine *e, const char *why)
{
    const struct tuning *t = &e->tuning;
    if (e->closing || e->final || e->keeper_gone)
        return;
    if (e->relaunch_armed && e->active)
        return; /* a successor is being tried for, and nobody waits for it */
    e->failures++;
    uint64_t delay = t->backoff_ns << MIN(e->failures - 1, 20u);
    delay = MIN(delay, t->backoff_max_ns);
    if (e->failures >= t->max_failures) {
        delay = t->retry_ns;
        if (!e->active)
            engine_fail(e, false, why);
    }
    e->relaunch_armed = true;
    loop_timer_arm(e->relaunch, delay);
}

/* ---- take over, replacement ---- */

static void drain(struct zygote *z)
{
    z->state = ZYGOTE_DRAINING;
    static const enum worker_state idle[] = {WORKER_WARM, WORKER_SPAWNING, WORKER_SPENT};
    for (size_t i = 0; i < ARRAY_LEN(idle); i++) {
        while (!TAILQ_EMPTY(&z->workers[idle[i]]))
            worker_kill(TAILQ_FIRST(&z->workers[idle[i]]));
    }
    zygote_drained(z);
}

void zygote_drained(struct zygote *z)
{
    if (z->state != ZYGOTE_DRAINING || z->broken || z->count[WORKER_RUNNING] > 0)
        return;
    struct worker *w;
    TAILQ_FOREACH(w, &z->workers[WORKER_DYING], link) {
        if (w->x)
            return;
    }
    keeper_end(z); /* takes along what is still dying */
}

static void on_recycle(void *ctx)
{
    struct engine *e = ctx;
    if (e->active && !e->relaunch_armed)
        zygote_launch(e);
}

void zygote_promote(struct zygote *z)
{
    struct engine *e = z->e;
    struct zygote *old = e->active;
    e->active = z;
    if (e->next == z)
        e->next = NULL;
    facts_done(&e->facts);
    e->facts = z->facts;
    z->facts = (struct facts){0};
    loop_timer_arm(e->recycle, e->tuning.recycle_ns);
    if (old)
        drain(old);
    pool_fill(z);
    bool news = e->proof != PROOF_PASSED || e->failure;
    e->proof = PROOF_PASSED;
    free(e->failure);
    e->failure = NULL;
    e->state_version = ++e->versions;
    if (news)
        engine_state_changed(e);
}

void zygote_recycle_if_due(struct zygote *z)
{
    struct engine *e = z->e;
    if (z == e->active && z->runs >= e->tuning.recycle_runs && !e->relaunch_armed)
        zygote_launch(e);
}

int launch_init(struct engine *e, struct err *err)
{
    e->relaunch = loop_timer_new(e->loop, on_relaunch, e, err);
    e->recycle = e->relaunch ? loop_timer_new(e->loop, on_recycle, e, err) : NULL;
    return e->recycle ? 0 : -1;
}

void launch_done(struct engine *e)
{
    loop_timer_free(e->relaunch);
    loop_timer_free(e->recycle);
}

/* ---- end ---- */

/* Every program of a zygote that is no more gets its answer. Was there any? */
static bool answer_lost(struct zygote *z)
{
    bool any = false;
    for (int s = 0; s < WORKER_STATES; s++) {
        struct worker *w;
        while ((w = TAILQ_FIRST(&z->workers[s]))) {
            if (w->state == WORKER_RUNNING)
                worker_receive(w); /* its result may have come before */
            if (w->x) {
                any = true;
                struct msg_exited unknown = {.wait_status = 0xffffffff};
                struct execution *x = w->x;
                if (!x->has_result && !x->has_verdict &&
                    (x->stop == STOP_NONE || x->stop == STOP_SILENT))
                    x->stop = STOP_LOST;
                worker_exited(w, &unknown);
            } else {
                worker_free(w);
            }
        }
    }
    return any;
}

void zygote_lose(struct zygote *z)
{
    struct engine *e = z->e;
    bool mattered = z == e->active || z == e->next;
    if (z == e->active)
        e->active = NULL;
    if (z == e->next)
        e->next = NULL;
    bool held = answer_lost(z);
    if (z->worked || (z->ready_ns && clock_mono_ns() - z->ready_ns > e->tuning.trusted_ns))
        e->failures = 0;
    auto_free char *why = take_ptr(z->why);
    bool proof_broken = z->proof_broken;
    if (proof_broken) { /* what was attempted is worth showing */
        facts_done(&e->facts);
        e->facts = z->facts;
        z->facts = (struct facts){0};
    }
    keeper_end(z);
    if (z->gone || e->keeper_gone)
        zygote_free(z);
    const char *text = why ? why : "out of memory";
    if (proof_broken) {
        engine_fail(e, true, text);
        return;
    }
    if (mattered || held)
        engine_log(e, LOG_WARNING, "a zygote was lost: %s", text);
    if (!mattered)
        return;
    if (!e->active && e->next && e->next->state == ZYGOTE_READY)
        zygote_promote(e->next);
    else if (!e->next)
        zygote_relaunch(e, text);
}
