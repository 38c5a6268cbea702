/* One worker, from WARM to its result: the worker channel, the time-out, the measuring. Runs in the
 * server. From the moment RUN is sent everything the worker says is hostile: each message must have
 * its turn (rules[]), its size and its shape, else the worker is killed and only its own execution
 * pays. */
#include "engine/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/clock.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define RECEIVE_BYTES  (16 * 1024)
#define RECEIVE_ROUNDS 64 /* at one go, so that a flood leaves the loop its turn */
#define COMPILE_POLL   (20 * NS_PER_MS)
#define RESULT_SLACK   1024 /* what the serialiser may add to the limit when it cuts */

/* ---- messages ---- */

enum handled { HANDLED_MORE, HANDLED_END, HANDLED_BREACH };

typedef enum handled message_fn(struct worker *w, const uint8_t *body, size_t n, struct err *err);

static enum handled on_warm(struct worker *w, const uint8_t *body, size_t n, struct err *err)
{
    struct zygote *z = w->zygote;
    struct msg_warm m;
    if (msg_get_warm(body, n, &m, err) < 0)
        return HANDLED_BREACH;
    if (w->pid <= 0) {
        err_set(err, ERR_UNSUPPORTED, "its process id is not visible from the server");
        return HANDLED_BREACH;
    }
    w->warm_rss_bytes = m.max_rss_bytes;
    /* Without it (a /proc that hides others' processes) memory is known only after the exit. */
    if (proc_status_open(w->pid, &w->proc_fd, NULL) < 0)
        w->proc_fd = -1;
    if (z->state != ZYGOTE_READY) {
        worker_kill(w);
        return HANDLED_END;
    }
    worker_set_state(w, WORKER_WARM);
    output_drain(w); /* whatever warming up printed is nobody's */
    if (z == z->e->next)
        zygote_promote(z);
    exec_dispatch(z->e);
    return w->state == WORKER_DYING ? HANDLED_END : HANDLED_MORE;
}

/* It found time to rehearse while it waited, and counts from there. Should its program have been on
 * the way already, this is too late to be believed, once, and of no consequence. */
static enum handled on_rehearsed(struct worker *w, const uint8_t *body, size_t n, struct err *err)
{
    struct msg_warm m;
    if (msg_get_warm(body, n, &m, err) < 0)
        return HANDLED_BREACH;
    if (w->rehearsed) {
        err_set(err, ERR_PROTO, "a second rehearsal");
        return HANDLED_BREACH;
    }
    w->rehearsed = true;
    if (w->state == WORKER_WARM) {
        w->warm_rss_bytes = m.max_rss_bytes;
        output_drain(w);
    }
    return HANDLED_MORE;
}

static enum handled on_event(struct worker *w, const uint8_t *body, size_t n, struct err *err)
{
    struct msg_event ev;
    if (msg_get_event(body, n, &ev, err) < 0)
        return HANDLED_BREACH;
    if (++w->x->worker_events > MSG_MAX_EVENTS) {
        msg_event_done(&ev);
        err_set(err, ERR_PROTO, "more than %d events", MSG_MAX_EVENTS);
        return HANDLED_BREACH;
    }
    exec_add_event(w->x, &ev);
    return HANDLED_MORE;
}

/* CPU time and memory so far. -1: the process can no longer be asked. */
static int measure(const struct worker *w, struct measures *ret)
{
    uint64_t cpu;
    struct proc_status status;
    if (clock_process_cpu_ns(w->pid, &cpu) < 0 || w->proc_fd < 0)
        return -1;
    /* Read last: that it works shows that the number still meant our process just before. One that
     * has exited has no memory to show any more. */
    if (proc_status_read(w->proc_fd, &status, NULL) < 0 || status.vm_hwm_bytes == 0)
        return -1;
    ret->cpu_ns = cpu - MIN(cpu, w->x->cpu_before_ns);
    ret->peak_bytes = status.vm_hwm_bytes - MIN(status.vm_hwm_bytes, w->warm_rss_bytes);
    return 0;
}

/* The last message is in. Answer at once when the process can be measured, else when it has
 * exited. */
static enum handled finish(struct worker *w, size_t frame_bytes)
{
    struct execution *x = w->x;
    uint64_t now = clock_mono_ns();
    if (w->in.len > frame_bytes) {
        worker_stop(w, STOP_BREACH, "a message after the last one");
        return HANDLED_END;
    }
    if (x->has_result) {
        status_note_start(w, x->result.started_ns, now);
        x->ended_ns = MIN(MAX(x->result.ended_ns, x->started_ns), now);
    } else {
        x->ended_ns = now;
    }
    output_drain(w);
    struct measures m;
    if (x->stop == STOP_NONE && measure(w, &m) == 0) {
        worker_answer(w, NULL, &m);
        worker_retire(w);
    } else {
        worker_kill(w);
    }
    return HANDLED_END;
}

static enum handled on_result(struct worker *w, const uint8_t *body, size_t n, struct err *err)
{
    struct execution *x = w->x;
    struct msg_result r;
    if (x->req.mode != RUN_EXECUTE) {
        err_set(err, ERR_PROTO, "a result where a verdict was asked for");
        return HANDLED_BREACH;
    }
    if (msg_get_result(body, n, &r, err) < 0)
        return HANDLED_BREACH;
    if (strlen(r.result_json) > x->e->conf->max_output_bytes + RESULT_SLACK) {
        msg_result_done(&r);
        err_set(err, ERR_PROTO, "a result beyond its limit");
        return HANDLED_BREACH;
    }
    x->result = r;
    x->has_result = true;
    return finish(w, MSG_FRAME_HEADER + n);
}

static enum handled on_verdict(struct worker *w, const uint8_t *body, size_t n, struct err *err)
{
    struct execution *x = w->x;
    struct msg_verdict v;
    if (x->req.mode != RUN_VALIDATE) {
        err_set(err, ERR_PROTO, "a verdict where a result was asked for");
        return HANDLED_BREACH;
    }
    if (msg_get_verdict(body, n, &v, err) < 0)
        return HANDLED_BREACH;
    if (v.outcome == OUTCOME_BLOCKED || v.outcome == OUTCOME_EXCEPTION) {
        msg_verdict_done(&v);
        err_set(err, ERR_PROTO, "a verdict on something that ran");
        return HANDLED_BREACH;
    }
    x->verdict = v;
    x->has_verdict = true;
    return finish(w, MSG_FRAME_HEADER + n);
}

static const struct {
    enum msg_type type;
    enum worker_state when;
    message_fn *handle;
} rules[] = {
    {MSG_WARM, WORKER_SPAWNING, on_warm},     {MSG_WARM, WORKER_WARM, on_rehearsed},
    {MSG_WARM, WORKER_RUNNING, on_rehearsed}, {MSG_EVENT, WORKER_RUNNING, on_event},
    {MSG_RESULT, WORKER_RUNNING, on_result},  {MSG_VERDICT, WORKER_RUNNING, on_verdict},
};

/* The largest body of a message of @type from this worker: the table's, and for the two that carry
 * the program's own data the configured limit on top. */
static uint32_t max_body(const struct worker *w, enum msg_type type)
{
    uint64_t max = msg_rules[type].max_body;
    if (type == MSG_RESULT || type == MSG_VERDICT)
        max += w->zygote->e->conf->max_output_bytes;
    return (uint32_t)MIN(max, UINT32_MAX - MSG_FRAME_HEADER);
}

static enum handled handle(struct worker *w, const uint8_t *body, size_t n, struct err *err)
{
    uint8_t first = n ? body[0] : 0;
    uint32_t max = first < MSG_TYPES ? max_body(w, first) : 0;
    int type = msg_check(body, n, 0, PEER_WORKER, PEER_SERVER, max, err);
    if (type < 0)
        return HANDLED_BREACH;
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if ((int)rules[i].type == type && rules[i].when == w->state)
            return rules[i].handle(w, body, n, err);
    }
    err_set(err, ERR_PROTO, "%s out of turn", msg_rules[type].name);
    return HANDLED_BREACH;
}

/* ---- receiving ---- */

/* Handle every whole message that has come. */
static enum handled parse(struct worker *w, struct err *err)
{
    for (;;) {
        const uint8_t *body;
        size_t n;
        /* Before it runs a program a worker has nothing long to say. */
        uint32_t max = max_body(w, w->state == WORKER_RUNNING ? MSG_RESULT : MSG_WARM);
        int r = msg_unframe(&w->in, max, &body, &n, err);
        if (r < 0)
            return HANDLED_BREACH;
        if (r == 0)
            return HANDLED_MORE;
        enum handled h = handle(w, body, n, err);
        if (h != HANDLED_MORE)
            return h;
        buf_consume(&w->in, MSG_FRAME_HEADER + n);
    }
}

static enum handled receive(struct worker *w, bool *ret_more, struct err *err)
{
    int fds[SOCK_MAX_FDS];
    size_t nfds = 0;
    pid_t pid;
    if (buf_reserve(&w->in, RECEIVE_BYTES, err) < 0)
        return HANDLED_BREACH;
    size_t room = w->in.cap - w->in.len;
    ssize_t n = sock_recv(w->fd, w->in.data + w->in.len, room, fds, &nfds, &pid, MSG_DONTWAIT, err);
    if (n < 0 && err->code == ERR_SYS && err->sys_errno == EAGAIN)
        return HANDLED_MORE;
    for (size_t i = 0; i < nfds; i++)
        fd_close(&fds[i]);
    if (nfds > 0)
        err_set(err, ERR_PROTO, "it sent descriptors");
    if (nfds > 0 || (n < 0 && err->code != ERR_SYS))
        return HANDLED_BREACH;
    if (n <= 0) { /* ECONNRESET: it ended without having read all of RUN */
        worker_stop(w, STOP_SILENT, "its channel ended");
        return HANDLED_END;
    }
    if (w->state == WORKER_SPAWNING)
        w->pid = pid;
    w->in.len += (size_t)n;
    *ret_more = (size_t)n == room;
    return parse(w, err);
}

void worker_receive(struct worker *w)
{
    bool more = true;
    for (int i = 0; more && i < RECEIVE_ROUNDS; i++) {
        struct err err = ERR_INIT;
        more = false;
        switch (receive(w, &more, &err)) {
        case HANDLED_MORE:
            break;
        case HANDLED_END:
            return;
        case HANDLED_BREACH:
            worker_stop(w, STOP_BREACH, err.text);
            return;
        }
    }
}

/* ---- hand-over ---- */

/* Send what fits of RUN. */
static int flush(struct worker *w, struct err *err)
{
    struct buf *b = &w->run.buf;
    while (w->run_sent < b->len) {
        ssize_t n = sock_write(w->fd, b->data + w->run_sent, b->len - w->run_sent, err);
        if (n < 0)
            return -1;
        if (n == 0)
            return loop_io_set(w->io, LOOP_READ | LOOP_WRITE, err);
        w->run_sent += (size_t)n;
    }
    wire_out_done(&w->run);
    w->run_sent = 0;
    return 0;
}

static void on_channel(void *ctx, int fd _unused_, int events)
{
    struct worker *w = ctx;
    struct err err = ERR_INIT;
    if (w->state == WORKER_SPENT) { /* whatever it says or does now, it is over */
        worker_kill(w);
        return;
    }
    if ((events & LOOP_WRITE) && w->run.buf.len > 0) {
        /* A failure shows as an end of file or as a result; that says more. */
        if (flush(w, &err) < 0)
            wire_out_done(&w->run);
        if (w->run.buf.len == 0 && loop_io_set(w->io, LOOP_READ, &err) < 0) {
            worker_stop(w, STOP_BREACH, err.text);
            return;
        }
    }
    if (events & LOOP_READ)
        worker_receive(w);
}

/* The time-out counts from the program's first line, which only the status page tells; compiling
 * before it has a bound of its own. */
static void on_deadline(void *ctx)
{
    struct worker *w = ctx;
    struct execution *x = w->x;
    if (!x || x->stop != STOP_NONE)
        return;
    const struct tuning *t = &x->e->tuning;
    uint64_t now = clock_mono_ns();
    struct status_page page;
    if (x->req.mode == RUN_EXECUTE && status_read(w, &page))
        status_note_start(w, page.started_ns, now);
    bool started = x->started_ns != 0;
    uint64_t until = x->started_ns + x->req.timeout_ns;
    if (!started)
        until = x->handover_ns + (x->req.mode == RUN_VALIDATE ? t->validate_ns : t->compile_ns);
    if (now + NS_PER_MS / 2 >= until)
        worker_stop(w, started ? STOP_TIMEOUT : STOP_COMPILE, NULL);
    else if (started || x->req.mode == RUN_VALIDATE)
        loop_timer_arm(w->deadline, until - now);
    else
        loop_timer_arm(w->deadline, MIN(until - now, COMPILE_POLL));
}

static uint64_t memory_kills(const struct engine *e)
{
    return e->hooks.memory_kills ? e->hooks.memory_kills(e->hooks.ctx) : 0;
}

int worker_run(struct worker *w, struct execution *x, struct wire_out *run)
{
    struct engine *e = x->e;
    uint64_t cpu = 0;
    clock_process_cpu_ns(w->pid, &cpu);
    uint64_t now = clock_mono_ns();
    w->run = *run;
    struct err err = ERR_INIT;
    if (flush(w, &err) < 0) {
        w->run = (struct wire_out)WIRE_OUT_INIT(0);
        w->run_sent = 0;
        worker_stop(w, STOP_SILENT, "it ended while it waited");
        return -1;
    }
    *run = (struct wire_out)WIRE_OUT_INIT(0);
    w->x = x;
    x->worker = w;
    x->cpu_before_ns = cpu;
    x->memory_kills_before = memory_kills(e);
    x->handover_ns = now;
    worker_set_state(w, WORKER_RUNNING);
    w->zygote->runs++;
    e->running++;
    bool judge = x->req.mode == RUN_VALIDATE;
    loop_timer_arm(w->deadline,
                   judge ? e->tuning.validate_ns : MIN(x->req.timeout_ns, e->tuning.compile_ns));
    return 0;
}

void worker_answer(struct worker *w, const struct msg_exited *how, const struct measures *m)
{
    struct execution *x = w->x;
    struct status_page page = {0};
    if (how)
        status_read(w, &page);
    struct ending end = {
        .stop = x->stop,
        .breach = x->breach,
        .result = x->has_result ? &x->result : NULL,
        .verdict = x->has_verdict ? &x->verdict : NULL,
        .exited = how != NULL,
        .wait_status = how ? how->wait_status : 0,
        .cpu_ns = how ? how->cpu_ns : 0,
        .alloc_failed = page.alloc_failed != 0,
        .memory_kill = how && memory_kills(x->e) > x->memory_kills_before,
    };
    struct decision d;
    category_decide(&end, &x->req, x->e->conf, &d);
    loop_timer_disarm(w->deadline);
    w->x = NULL;
    x->worker = NULL;
    x->e->running--;
    exec_answer(x, &d, m);
}

/* ---- open, close ---- */

int worker_open(struct worker *w, int fd, struct err *err)
{
    w->fd = fd;
    /* Left blocking: everything on it is sent and received with MSG_DONTWAIT. */
    if (sock_pass_credentials(fd, err) < 0)
        return -1;
    w->io = loop_io_new(w->zygote->e->loop, fd, LOOP_READ, on_channel, w, err);
    if (!w->io)
        return -1;
    w->deadline = loop_timer_new(w->zygote->e->loop, on_deadline, w, err);
    return w->deadline ? 0 : -1;
}

void worker_hang_up(struct worker *w)
{
    loop_io_free(w->io);
    w->io = NULL;
    fd_close(&w->fd);
    buf_done(&w->in);
    wire_out_done(&w->run);
}

void worker_close(struct worker *w)
{
    worker_hang_up(w);
    for (int i = 0; i < 2; i++)
        output_close(w, i);
    fd_close(&w->status_fd);
    fd_close(&w->proc_fd);
    loop_timer_free(w->deadline);
    w->deadline = NULL;
}
