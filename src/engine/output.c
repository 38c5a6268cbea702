/* What a program prints: the read ends of its two pipes, and the status page that holds what it had
 * not yet written to them. Runs in the server. All of it is hostile: kept up to the limit, never
 * parsed, repaired to UTF-8 before it leaves. */
#include "engine/internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/fd.h"

#define PIECE       (64 * 1024)
#define TURN_BYTES  (256 * 1024)  /* read at one go, so that a flood leaves the loop its turn */
#define DRAIN_BYTES (1024 * 1024) /* the most a pipe can hold */

/* ---- taking in ---- */

/* Give the newest whole characters of stdout to whoever watches. */
static void tell(struct execution *x)
{
    struct output *o = &x->out[0];
    const uint8_t *from = o->bytes.data + o->told;
    size_t n = utf8_floor(from, o->bytes.len - o->told);
    if (n == 0)
        return;
    size_t len;
    auto_free char *text = utf8_repair(from, n, &len);
    if (!text)
        return;
    o->told += n;
    x->cb.on_output(x->ctx, text, len);
}

/* Keep what fits. False: the limit is passed, no more is wanted. */
static bool take(struct execution *x, int stream, const uint8_t *data, size_t n)
{
    struct output *o = &x->out[stream];
    if (o->truncated)
        return false;
    size_t room = x->e->conf->max_output_bytes - o->bytes.len;
    size_t keep = MIN(n, room);
    if (buf_add(&o->bytes, data, keep, NULL) < 0)
        keep = 0;
    if (keep < n)
        o->truncated = true;
    if (stream == 0 && x->req.live_output && x->cb.on_output && keep > 0)
        tell(x);
    return !o->truncated;
}

static bool wanted(const struct worker *w)
{
    return w->x && w->x->req.capture_output && w->x->req.mode == RUN_EXECUTE;
}

void output_close(struct worker *w, int stream)
{
    loop_io_free(w->out_io[stream]);
    w->out_io[stream] = NULL;
    fd_close(&w->out_fd[stream]);
}

/* A worker that cannot be made says why to its stderr; no program has run in it. One line is kept,
 * for the operator. */
static void note_complaint(struct worker *w, const uint8_t *data, size_t n)
{
    if (w->said[0])
        return;
    for (size_t i = 0; i < MIN(n, sizeof(w->said) - 1) && data[i] != '\n'; i++)
        w->said[i] = data[i] >= ' ' && data[i] < 0x7f ? (char)data[i] : '?';
}

static void pipe_read(struct worker *w, int stream, size_t budget)
{
    static uint8_t piece[PIECE]; /* one thread */
    while (w->out_fd[stream] >= 0 && budget > 0) {
        ssize_t n = read(w->out_fd[stream], piece, MIN(budget, sizeof(piece)));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            output_close(w, stream);
            return;
        }
        if (w->x) /* what came before was none of the program's */
            w->out_received[stream] += (size_t)n;
        /* Closing the read end makes the writer's next write fail, and it goes silent. */
        if (wanted(w) && !take(w->x, stream, piece, (size_t)n))
            output_close(w, stream);
        if (w->state == WORKER_SPAWNING && stream == 1)
            note_complaint(w, piece, (size_t)n);
        budget -= (size_t)n;
        if ((size_t)n < sizeof(piece))
            return; /* nothing more now; if there is, the loop comes again */
    }
}

static void on_pipe(void *ctx, int fd _unused_, int events _unused_)
{
    const struct out_ctx *c = ctx;
    pipe_read(c->worker, c->stream, TURN_BYTES);
}

void output_drain(struct worker *w)
{
    for (int i = 0; i < 2; i++)
        pipe_read(w, i, DRAIN_BYTES);
}

int output_open(struct worker *w, const int fds[2], struct err *err)
{
    for (int i = 0; i < 2; i++) {
        w->out_fd[i] = fds[i];
        w->out_ctx[i] = (struct out_ctx){.worker = w, .stream = i};
    }
    for (int i = 0; i < 2; i++) {
        w->out_io[i] =
            loop_io_new(w->zygote->e->loop, w->out_fd[i], LOOP_READ, on_pipe, &w->out_ctx[i], err);
        if (!w->out_io[i])
            return -1;
    }
    return 0;
}

/* ---- status page ---- */

bool status_read(const struct worker *w, struct status_page *ret)
{
    struct status_page page;
    if (w->status_fd < 0 || pread(w->status_fd, &page, sizeof(page), 0) != (ssize_t)sizeof(page))
        return false;
    *ret = page;
    return true;
}

void status_take_pending(struct worker *w, const struct status_page *page)
{
    static uint8_t text[STATUS_OUT_BYTES];
    if (!wanted(w))
        return;
    for (int i = 0; i < 2; i++) {
        size_t n = MIN(page->pending[i], sizeof(text));
        off_t at = STATUS_HEADER + (off_t)i * STATUS_OUT_BYTES;
        ssize_t got = n ? pread(w->status_fd, text, n, at) : 0;
        /* A kill in the middle of a flush: the front of the area has come through the pipe. */
        uint64_t twice = w->out_received[i] - MIN(w->out_received[i], page->flushed[i]);
        if (got > 0 && twice < (uint64_t)got)
            take(w->x, i, text + twice, (size_t)got - (size_t)twice);
        if (page->out_truncated[i])
            w->x->out[i].truncated = true;
    }
}

void status_note_start(struct worker *w, uint64_t started_ns, uint64_t now_ns)
{
    struct execution *x = w->x;
    /* The first value stands: a program that could write it could otherwise put off its deadline
     * for ever. */
    if (started_ns == 0 || x->started_ns != 0)
        return;
    x->started_ns = MIN(MAX(started_ns, x->handover_ns), now_ns);
}

/* ---- giving out ---- */

int output_text(const struct execution *x, int stream, char **ret, size_t *ret_len,
                bool *ret_truncated)
{
    const struct output *o = &x->out[stream];
    size_t max = x->e->conf->max_output_bytes;
    size_t n = o->bytes.len;
    bool truncated = o->truncated;
    if (truncated)
        n = utf8_floor(o->bytes.data, n);
    size_t len = 0;
    char *text = NULL;
    if (n > 0) {
        text = utf8_repair(o->bytes.data, n, &len);
        if (!text)
            return -1;
    }
    if (len > max) { /* repairing made it longer */
        len = utf8_floor(text, max);
        truncated = true;
    }
    *ret = text;
    *ret_len = len;
    *ret_truncated = truncated;
    return 0;
}
