/* Workers are made ahead of need and used once. Runs in the server. A zygote keeps pool_size warm
 * ones ready (more when a queue has built up and they may run); each that has answered is killed
 * and replaced, a moment later if nobody waits. A killed worker stays on the books until the zygote
 * reports its exit; one that is late shows that the zygote itself is broken. */
#include "engine/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/clock.h"
#include "sys/fd.h"

#define WATCH_NS         (250 * NS_PER_MS)
#define REFILL_NS        (3 * NS_PER_MS)
#define SPAWN_RETRY_NS   (10 * NS_PER_MS)
#define SPAWN_RETRY_MOST NS_PER_S
#define FORGET_NS        (60 * NS_PER_S) /* failures so long ago are not "in a row" */

void worker_set_state(struct worker *w, enum worker_state state)
{
    struct zygote *z = w->zygote;
    TAILQ_REMOVE(&z->workers[w->state], w, link);
    z->count[w->state]--;
    w->state = state;
    w->since_ns = clock_mono_ns();
    TAILQ_INSERT_TAIL(&z->workers[state], w, link);
    z->count[state]++;
}

/* ---- making ---- */

static struct worker *worker_new(struct zygote *z)
{
    struct worker *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    *w = (struct worker){
        .zygote = z,
        .id = ++z->next_worker,
        .state = WORKER_SPAWNING,
        .since_ns = clock_mono_ns(),
        .fd = -1,
        .out_fd = {-1, -1},
        .status_fd = -1,
        .proc_fd = -1,
        .in = BUF_INIT(0),
        .run = WIRE_OUT_INIT(0),
    };
    TAILQ_INSERT_TAIL(&z->workers[w->state], w, link);
    z->count[w->state]++;
    return w;
}

void worker_free(struct worker *w)
{
    struct zygote *z = w->zygote;
    worker_close(w);
    TAILQ_REMOVE(&z->workers[w->state], w, link);
    z->count[w->state]--;
    free(w);
}

/* Our ends are open, theirs are in @theirs (the caller's to close). */
static int open_ends(struct worker *w, int theirs[4], struct err *err)
{
    int pair[2];
    if (sock_pair(SOCK_STREAM, pair, err) < 0)
        return -1;
    theirs[0] = pair[1];
    if (worker_open(w, pair[0], err) < 0)
        return -1;
    int ours[2];
    if (pipe_new(pair, err) < 0)
        return -1;
    ours[0] = pair[0];
    theirs[1] = pair[1];
    if (pipe_new(pair, err) < 0) {
        fd_close(&ours[0]);
        return -1;
    }
    ours[1] = pair[0];
    theirs[2] = pair[1];
    if (output_open(w, ours, err) < 0)
        return -1;
    /* Sealed, so that nothing we read from it can vanish under us; a new one for each worker, so
     * that nothing of one program is left for the next. */
    if (memfd_new("vivarium-status", NULL, STATUS_BYTES, true, &w->status_fd, err) < 0)
        return -1;
    return 0;
}

/* 1 = asked for, 0 = not now, the control channel is full; -1 = failed. */
static int spawn(struct zygote *z, struct err *err)
{
    struct worker *w = worker_new(z);
    if (!w)
        return err_nomem(err);
    int theirs[4] = {-1, -1, -1, -1};
    int r = open_ends(w, theirs, err);
    if (r == 0) {
        theirs[3] = w->status_fd;
        r = zygote_send(z, MSG_SPAWN, w->id, theirs, 4) == 0 ? 1 : 0;
    }
    for (int i = 0; i < 3; i++)
        fd_close(&theirs[i]);
    if (r != 1)
        worker_free(w);
    return r;
}

static unsigned wanted(const struct zygote *z)
{
    const struct engine *e = z->e;
    if (z == e->next) /* only warming up to take over */
        return MAX(1, e->conf->pool_size);
    unsigned may_run = e->conf->max_concurrency - MIN(e->running, e->conf->max_concurrency);
    return MAX(e->conf->pool_size, MIN(e->queue.len, may_run));
}

void pool_fill(struct zygote *z)
{
    while (z->state == ZYGOTE_READY && !z->broken && !z->spawn_paused && !z->waits_writable &&
           z->count[WORKER_WARM] + z->count[WORKER_SPAWNING] < wanted(z)) {
        struct err err = ERR_INIT;
        int r = spawn(z, &err);
        if (r < 0)
            pool_spawn_failed(z, err.text);
        if (r <= 0)
            break;
    }
    pool_watch(z);
}

void pool_refill(struct zygote *z)
{
    struct worker *w;
    z->refill_armed = false;
    while ((w = TAILQ_FIRST(&z->workers[WORKER_SPENT])))
        worker_kill(w);
    pool_fill(z);
}

/* Making a worker takes the zygote longer than most programs run, and would take the processor from
 * them: so the one just handed out is replaced when its program has answered, or a little later. */
void pool_fill_soon(struct zygote *z)
{
    if (z->count[WORKER_WARM] == 0 && z->e->queue.len > 0) {
        pool_refill(z);
    } else if (!z->refill_armed) {
        z->refill_armed = true;
        loop_timer_arm(z->refill, REFILL_NS);
    }
}

void pool_spawn_failed(struct zygote *z, const char *why)
{
    struct engine *e = z->e;
    if (z->broken || z->state != ZYGOTE_READY)
        return;
    uint64_t now = clock_mono_ns();
    if (now - z->spawn_failed_ns > FORGET_NS)
        z->spawn_failures = 0;
    z->spawn_failed_ns = now;
    if (++z->spawn_failures >= e->tuning.max_spawn_failures) {
        zygote_break(z, "it could not make workers: %s", why);
        return;
    }
    /* First one, then every doubling. */
    if ((z->spawn_failures & (z->spawn_failures - 1)) == 0)
        engine_log(e, LOG_WARNING, "a worker was lost before it got a program: %s", why);
    uint64_t pause = SPAWN_RETRY_NS << MIN(z->spawn_failures - 1, 10u);
    z->spawn_paused = true;
    loop_timer_arm(z->spawn_retry, MIN(pause, SPAWN_RETRY_MOST));
}

/* ---- ending ---- */

void worker_kill(struct worker *w)
{
    if (w->state == WORKER_DYING)
        return;
    loop_timer_disarm(w->deadline);
    worker_hang_up(w);
    if (!w->x) /* else what it printed is still wanted */
        worker_close(w);
    worker_set_state(w, WORKER_DYING);
    w->kill_unsent = zygote_send(w->zygote, MSG_KILL, w->id, NULL, 0) < 0;
    pool_watch(w->zygote);
}

/* Why was a worker lost that had no program? Its own word is best. */
static void lost_idle(struct worker *w, const char *otherwise, char ret[sizeof(w->said)])
{
    output_drain(w);
    snprintf(ret, sizeof(w->said), "%s", w->said[0] ? w->said : otherwise);
}

void worker_stop(struct worker *w, enum stop_reason why, const char *detail)
{
    struct execution *x = w->x;
    struct zygote *z = w->zygote;
    if (w->state == WORKER_SPENT)
        worker_kill(w);
    if (w->state == WORKER_DYING && !x)
        return;
    if (x && x->stop == STOP_NONE) {
        x->stop = why;
        x->ended_ns = clock_mono_ns();
        if (detail)
            snprintf(x->breach, sizeof(x->breach), "%s", detail);
    }
    char text[sizeof(w->said)];
    if (!x)
        lost_idle(w, detail, text);
    worker_kill(w);
    if (!x) {
        pool_spawn_failed(z, text);
        pool_fill(z);
    }
}

void worker_retire(struct worker *w)
{
    struct zygote *z = w->zygote;
    z->spawn_failures = 0;
    if (!z->worked) {
        z->worked = true;
        z->e->failures = 0;
    }
    exec_dispatch(z->e); /* who waits comes first */
    zygote_recycle_if_due(z);
    worker_set_state(w, WORKER_SPENT);
    /* The end of one process and the making of another keep both processors busy for longer than
     * the client needs to take its answer from us. */
    bool plenty = z->e->queue.len == 0 && 2 * z->count[WORKER_WARM] >= z->e->conf->pool_size;
    if (z->state != ZYGOTE_READY || !plenty) {
        pool_refill(z);
    } else if (z->count[WORKER_SPENT] == 1) { /* later ones go along with the first */
        z->refill_armed = true;
        loop_timer_arm(z->refill, z->e->tuning.retire_ns);
    }
}

/* The execution of a worker that exited without having been answered. */
static void answer_exited(struct worker *w, const struct msg_exited *how)
{
    struct execution *x = w->x;
    uint64_t now = clock_mono_ns();
    struct status_page page;
    output_drain(w);
    if (status_read(w, &page)) {
        status_note_start(w, page.started_ns, x->ended_ns ? x->ended_ns : now);
        if (!x->has_result)
            status_take_pending(w, &page);
    }
    if (x->ended_ns == 0)
        x->ended_ns = now;
    struct measures m = {
        .cpu_ns = how->cpu_ns - MIN(how->cpu_ns, x->cpu_before_ns),
        .peak_bytes = how->max_rss_bytes - MIN(how->max_rss_bytes, w->warm_rss_bytes),
    };
    worker_answer(w, how, &m);
}

void worker_exited(struct worker *w, const struct msg_exited *how)
{
    struct zygote *z = w->zygote;
    bool idle = w->state == WORKER_SPAWNING || w->state == WORKER_WARM;
    /* Its last words may still be in the channel. */
    if (w->state == WORKER_RUNNING)
        worker_receive(w);
    bool ran = w->x != NULL;
    char text[sizeof(w->said)];
    if (ran)
        answer_exited(w, how);
    else if (idle)
        lost_idle(w, "it exited while it was idle", text);
    worker_free(w);
    if (ran && !z->broken)
        z->worked = true;
    if (idle)
        pool_spawn_failed(z, text);
    exec_dispatch(z->e);
    zygote_drained(z);
    zygote_recycle_if_due(z);
    if (ran || idle)
        pool_fill(z);
}

/* ---- looking after the late ---- */

void pool_watch(struct zygote *z)
{
    if (z->watch_armed || z->broken || z->state == ZYGOTE_STARTING || z->state == ZYGOTE_ENDING)
        return;
    if (z->count[WORKER_SPAWNING] + z->count[WORKER_DYING] == 0)
        return;
    z->watch_armed = true;
    loop_timer_arm(z->watch, WATCH_NS);
}

void pool_tick(struct zygote *z)
{
    const struct tuning *t = &z->e->tuning;
    uint64_t now = clock_mono_ns();
    struct worker *w = TAILQ_FIRST(&z->workers[WORKER_DYING]);
    if (w && now - w->since_ns > t->kill_ns) {
        zygote_break(z, "it did not end a worker when told to");
        return;
    }
    w = TAILQ_FIRST(&z->workers[WORKER_SPAWNING]);
    if (w && now - w->since_ns > t->warm_ns)
        worker_stop(w, STOP_SILENT, "it did not get warm in time");
    pool_watch(z);
}
