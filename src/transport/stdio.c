/* MCP over standard input and output: see stdio.h. Runs in the server.
 *
 * The client is trusted with its own stream only: it may send anything, in pieces of any size,
 * never read, and vanish at any point. What it can make the server hold is bounded: one line of
 * input, and the answers to what it has asked.
 *
 * Work that would re-enter the caller (the next lines after a pause, on_stop, on_end) is put off to
 * the next turn of the loop, by the timer `soon`. */
#include "transport/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "transport/stdio_fd.h"

#define READ_BYTES (64 * 1024)
#define KEEP_BYTES (256 * 1024) /* an empty buffer larger than this is given back */

enum phase {
    PHASE_OPEN,
    PHASE_DRAINING, /* input has ended; answers may still come */
    PHASE_STOPPED,  /* on_stop was called */
    PHASE_ENDED,    /* on_end was called */
};

struct stdio {
    struct exchange exchange; /* of every message */
    const struct exchange_handler *handler;
    void *handler_ctx;
    stdio_end_fn *on_end;
    void *on_end_ctx;

    struct stdio_fd in, out;
    struct loop_io *in_io, *out_io; /* NULL where the file cannot be watched */
    bool in_watched, out_watched;
    struct loop_timer *soon, *patience;

    struct buf input; /* what has been read and not yet handed up */
    size_t scanned;   /* of `input`: bytes known to hold no line end */
    size_t max_line;
    bool skipping; /* inside a line that is too long */
    bool eof;

    struct buf queue; /* what could not be written at once */
    size_t queue_pos; /* of `queue`: written already */
    uint64_t written, written_before;

    size_t open; /* messages handed up and not ended */
    enum phase phase;
    bool paused; /* the queue is too long: no input, no notes */
    bool broken; /* nothing can be written any more */
    struct err why;
};

static size_t queued(const struct stdio *s)
{
    return s->queue.len - s->queue_pos;
}

/* ---- flow: what is watched, and when it is over ---- */

static void set_watch(struct loop_io *io, bool *state, int events, bool on)
{
    if (!io || *state == on)
        return;
    /* If the loop has no memory for it now, the next event tries again. */
    if (loop_io_set(io, on ? events : 0, NULL) == 0)
        *state = on;
}

static bool is_over(const struct stdio *s)
{
    if (s->open > 0)
        return false;
    return s->broken || (s->phase != PHASE_OPEN && s->input.len == 0 && queued(s) == 0);
}

static void update(struct stdio *s)
{
    bool was_paused = s->paused;
    s->paused = queued(s) >= (s->paused ? STDIO_HIGH_BYTES / 4 : STDIO_HIGH_BYTES);
    bool taking = s->phase <= PHASE_DRAINING && !s->broken && !s->paused;
    bool reading = taking && s->phase == PHASE_OPEN;
    set_watch(s->in_io, &s->in_watched, LOOP_READ, reading);
    set_watch(s->out_io, &s->out_watched, LOOP_WRITE, queued(s) > 0 && !s->broken);
    bool resumes = taking && was_paused;
    bool must_stop = s->broken && s->phase < PHASE_STOPPED;
    if (resumes || must_stop || is_over(s) || (reading && s->in.unwatched))
        loop_timer_arm(s->soon, 0);
}

static void end_input(struct stdio *s)
{
    if (s->phase != PHASE_OPEN)
        return;
    s->phase = PHASE_DRAINING;
    s->written_before = s->written;
    loop_timer_arm(s->patience, STDIO_GRACE_NS);
    update(s);
}

static void stop(struct stdio *s)
{
    s->phase = PHASE_STOPPED;
    buf_done(&s->input);
    s->written_before = s->written;
    loop_timer_arm(s->patience, STDIO_STALL_NS);
    s->handler->on_stop(s->handler_ctx);
    update(s);
}

static void finish(struct stdio *s)
{
    if (s->phase == PHASE_ENDED)
        return;
    s->phase = PHASE_ENDED;
    loop_timer_disarm(s->patience);
    update(s);
    s->on_end(s->on_end_ctx, s->why.code != ERR_NONE ? &s->why : NULL);
}

static void on_patience(void *ctx)
{
    struct stdio *s = ctx;
    bool reads = s->written != s->written_before;
    s->written_before = s->written;
    if (s->phase == PHASE_ENDED)
        return;
    if (reads && (s->phase == PHASE_STOPPED || s->input.len > 0)) {
        loop_timer_arm(s->patience, STDIO_STALL_NS);
    } else if (s->phase == PHASE_DRAINING) {
        stop(s);
    } else {
        if (s->why.code == ERR_NONE && !s->broken)
            err_set(&s->why, ERR_LIMIT, "gave up waiting for %s",
                    s->open ? "the last answers" : "the client to read its answers");
        finish(s);
    }
}

/* ---- output ---- */

static void break_off(struct stdio *s)
{
    s->broken = true;
    buf_done(&s->queue);
    s->queue_pos = 0;
}

/* Write as much as goes now and step over it; false when no more goes. */
static bool write_pieces(struct stdio *s, struct iovec *pieces, size_t n)
{
    size_t i = 0;
    while (i < n) {
        ssize_t r = stdio_fd_write(&s->out, pieces + i, n - i);
        if (r < 0 && errno != EAGAIN) {
            if (errno != EPIPE && errno != ECONNRESET)
                err_set(&s->why, ERR_SYS, "cannot write to the client");
            break_off(s);
        }
        if (r <= 0)
            return false;
        s->written += (uint64_t)r;
        for (size_t left = (size_t)r; left > 0 || (i < n && pieces[i].iov_len == 0);) {
            size_t step = MIN(left, pieces[i].iov_len);
            pieces[i].iov_base = (char *)pieces[i].iov_base + step;
            pieces[i].iov_len -= step;
            left -= step;
            i += pieces[i].iov_len == 0;
        }
    }
    return true;
}

static void enqueue(struct stdio *s, const struct iovec *pieces, size_t n)
{
    if (s->queue_pos > 0 && s->queue_pos >= s->queue.len / 2) {
        buf_consume(&s->queue, s->queue_pos);
        s->queue_pos = 0;
    }
    for (size_t i = 0; i < n && !s->broken; i++) {
        struct err err = ERR_INIT;
        if (buf_add(&s->queue, pieces[i].iov_base, pieces[i].iov_len, &err) == 0)
            continue;
        err_set(&s->why, ERR_LIMIT, "the client does not read its answers: %s", err.text);
        break_off(s);
    }
}

static void send_line(struct stdio *s, const struct exchange_piece *parts, size_t n)
{
    struct iovec pieces[EXCHANGE_MAX_PIECES + 1];
    if (s->broken || s->phase == PHASE_ENDED)
        return;
    /* writev() only reads through it */
    for (size_t i = 0; i < n; i++)
        pieces[i] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].n};
    pieces[n] = (struct iovec){(char[]){'\n'}, 1};
    if (queued(s) > 0 || !write_pieces(s, pieces, n + 1))
        enqueue(s, pieces, n + 1);
}

static void flush(struct stdio *s)
{
    struct iovec piece = {.iov_base = s->queue.data + s->queue_pos, .iov_len = queued(s)};
    if (queued(s) == 0 || s->broken)
        return;
    write_pieces(s, &piece, 1);
    if (s->broken)
        return;
    s->queue_pos = s->queue.len - piece.iov_len;
    if (queued(s) > 0)
        return;
    buf_clear(&s->queue);
    s->queue_pos = 0;
    if (s->queue.cap > KEEP_BYTES)
        buf_done(&s->queue);
}

static void on_writable(void *ctx, int fd _unused_, int events _unused_)
{
    struct stdio *s = ctx;
    flush(s);
    update(s);
}

static bool exchange_note(struct exchange *x, const char *json, size_t n)
{
    struct stdio *s = (struct stdio *)x;
    if (s->paused || s->broken)
        return false;
    send_line(s, &(struct exchange_piece){json, n}, 1);
    update(s);
    return true;
}

static void exchange_end(struct exchange *x, enum exchange_outcome outcome,
                         const struct exchange_piece *pieces, size_t n)
{
    struct stdio *s = (struct stdio *)x;
    s->open--;
    if (outcome != EXCHANGE_NOTHING)
        send_line(s, pieces, n);
    update(s);
}

static const struct exchange_ops stdio_exchange_ops = {exchange_note, exchange_end};

/* ---- input ---- */

static bool is_blank(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r')
            return false;
    return true;
}

static void hand_up(struct stdio *s, const char *line, size_t n)
{
    static const struct message_head no_head;
    if (is_blank(line, n))
        return;
    s->open++;
    s->handler->on_message(s->handler_ctx, &s->exchange, &no_head, line, n);
}

static void refuse_line(struct stdio *s)
{
    s->open++;
    s->handler->on_oversize(s->handler_ctx, &s->exchange, s->max_line);
}

/* Hand up the whole lines in `input`, until there is no more or the client must read first. At end
 * of input what is left is a line too. */
static void take_lines(struct stdio *s)
{
    size_t pos = 0;
    while (pos < s->input.len && !s->paused && !s->broken && s->phase <= PHASE_DRAINING) {
        char *data = (char *)s->input.data;
        size_t left = s->input.len - pos;
        size_t known = MIN(s->scanned, left);
        char *newline = memchr(data + pos + known, '\n', left - known);
        bool whole = newline || s->eof;
        size_t n = newline ? (size_t)(newline - data) - pos : left;
        if (n > s->max_line && !s->skipping) {
            s->skipping = true;
            refuse_line(s);
        } else if (whole && !s->skipping) {
            hand_up(s, data + pos, n);
        }
        s->scanned = whole ? 0 : left;
        if (!whole && !s->skipping)
            break;
        pos += newline ? n + 1 : n;
        s->skipping = s->skipping && !whole;
        if (s->skipping)
            s->scanned = 0;
    }
    buf_consume(&s->input, pos);
    if (s->input.len == 0 && s->input.cap > KEEP_BYTES)
        buf_done(&s->input);
}

static void read_some(struct stdio *s)
{
    struct err err = ERR_INIT;
    ssize_t r = 0;
    if (buf_reserve(&s->input, READ_BYTES, &err) < 0)
        s->why = err;
    else
        r = stdio_fd_read(&s->in, s->input.data + s->input.len, READ_BYTES);
    if (r < 0 && errno == EAGAIN)
        return;
    if (r > 0)
        s->input.len += (size_t)r;
    else
        s->eof = true;
    take_lines(s);
    if (s->eof)
        end_input(s);
    update(s);
}

static void on_readable(void *ctx, int fd _unused_, int events _unused_)
{
    read_some(ctx);
}

static void on_soon(void *ctx)
{
    struct stdio *s = ctx;
    if (is_over(s)) {
        finish(s);
    } else if (s->broken && s->phase < PHASE_STOPPED) {
        stop(s);
    } else if (s->phase <= PHASE_DRAINING && !s->paused) {
        take_lines(s);
        if (s->in.unwatched && s->phase == PHASE_OPEN && !s->paused)
            read_some(s);
        update(s);
    }
}

/* ---- life ---- */

static int open_ends(struct stdio *s, struct loop *loop, int in_fd, int out_fd, struct err *err)
{
    if (stdio_fd_init(&s->in, in_fd, O_RDONLY, err) < 0)
        return err_prefix(err, "standard input");
    if (stdio_fd_init(&s->out, out_fd, O_WRONLY, err) < 0)
        return err_prefix(err, "standard output");
    if (!s->in.unwatched) {
        s->in_io = loop_io_new(loop, s->in.fd, LOOP_READ, on_readable, s, err);
        s->in_watched = true;
        if (!s->in_io)
            return -1;
    }
    if (!s->out.unwatched && !(s->out_io = loop_io_new(loop, s->out.fd, 0, on_writable, s, err)))
        return -1;
    s->soon = loop_timer_new(loop, on_soon, s, err);
    s->patience = loop_timer_new(loop, on_patience, s, err);
    return s->soon && s->patience ? 0 : -1;
}

struct stdio *stdio_new(struct loop *loop, int in_fd, int out_fd, size_t max_line,
                        const struct exchange_handler *handler, void *handler_ctx,
                        stdio_end_fn *on_end, void *on_end_ctx, struct err *err)
{
    struct stdio *s = calloc(1, sizeof(*s));
    if (!s) {
        err_nomem(err);
        return NULL;
    }
    s->exchange.ops = &stdio_exchange_ops;
    s->handler = handler;
    s->handler_ctx = handler_ctx;
    s->on_end = on_end;
    s->on_end_ctx = on_end_ctx;
    s->in.fd = s->in.borrowed = s->out.fd = s->out.borrowed = -1;
    s->max_line = MAX(max_line, (size_t)STDIO_MIN_LINE);
    s->input.max = s->max_line + 2 * READ_BYTES;
    s->queue.max = STDIO_MAX_BYTES;
    if (open_ends(s, loop, in_fd, out_fd, err) < 0) {
        stdio_free(s);
        return NULL;
    }
    signal(SIGPIPE, SIG_IGN);
    update(s);
    return s;
}

void stdio_stop(struct stdio *s)
{
    if (s->phase == PHASE_OPEN)
        buf_done(&s->input);
    end_input(s);
}

void stdio_free(struct stdio *s)
{
    if (!s)
        return;
    loop_io_free(s->in_io);
    loop_io_free(s->out_io);
    loop_timer_free(s->soon);
    loop_timer_free(s->patience);
    stdio_fd_done(&s->in);
    stdio_fd_done(&s->out);
    buf_done(&s->input);
    buf_done(&s->queue);
    free(s);
}
