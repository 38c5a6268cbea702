/* The framing of the stdio transport: bytes arrive in pieces of any size, lines come out; answers,
 * some of them late, are read slowly. What is handed up is compared with a plain split of the whole
 * text, what is read with what was answered.
 *
 * Input: one byte that seeds the sizes of the pieces, then the text. If it is 0xf0 or more, a byte
 * 0x01 stands for 320 KiB of text, so that lines longer than the limit can be had from small
 * inputs; not always, because these are slow. */
#include "transport/stdio.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/macros.h"
#include "fuzz.h"
#include "sys/fd.h"

#define LONG_RUN  (320 * 1024)
#define LONG_MAX  (STDIO_MIN_LINE + 2 * LONG_RUN)
#define MAX_BYTES 4096

static struct {
    struct loop *loop;
    struct stdio *s;
    struct loop_io *writer, *reader;
    int to, from;
    uint32_t seed;
    struct buf text;     /* what is sent */
    size_t written;      /* of it */
    struct buf handed;   /* what came up, as expect() writes it */
    struct buf answered; /* what was said */
    struct buf seen;     /* what the client has read */
    size_t late;         /* messages without an answer yet */
    struct exchange *exchange;
    bool stopped, ended;
} t;

static uint32_t dice(void)
{
    t.seed = t.seed * 1103515245u + 12345u;
    return t.seed >> 16;
}

static void append(struct buf *b, const void *data, size_t n)
{
    FUZZ_CHECK(buf_add(b, data, n, NULL) == 0);
}

/* ---- what should happen ---- */

/* A line as it is written down: its length, its beginning and its end. */
static void note_line(struct buf *to, const char *line, size_t n)
{
    FUZZ_CHECK(buf_addf(to, NULL, "%zu:", n) == 0);
    append(to, line, MIN(n, (size_t)4096));
    append(to, line + n - MIN(n, (size_t)16), MIN(n, (size_t)16));
}

static void expect(struct buf *to, const char *text, size_t n)
{
    while (n > 0) {
        const char *lf = memchr(text, '\n', n);
        size_t len = lf ? (size_t)(lf - text) : n;
        size_t blanks = 0;
        while (blanks < len && strchr(" \t\r", text[blanks]) && text[blanks])
            blanks++;
        if (len > STDIO_MIN_LINE)
            FUZZ_CHECK(buf_add_str(to, "oversize;", NULL) == 0);
        else if (blanks < len)
            note_line(to, text, len);
        text += len + (lf != NULL);
        n -= len + (lf != NULL);
    }
}

/* ---- the protocol above ---- */

static void answer(void)
{
    static const char text[] = "{\"answer\":true}";
    append(&t.answered, text, sizeof(text) - 1);
    append(&t.answered, "\n", 1);
    t.exchange->ops->end(t.exchange, EXCHANGE_ANSWER,
                         &(struct exchange_piece){text, sizeof(text) - 1}, 1);
}

static void answer_late(void)
{
    for (; t.late > 0; t.late--)
        answer();
}

static void on_message(void *ctx, struct exchange *x, const struct message_head *head,
                       const char *data, size_t n)
{
    (void)ctx;
    FUZZ_CHECK(!head->has_headers && n > 0 && n <= STDIO_MIN_LINE);
    t.exchange = x;
    note_line(&t.handed, data, n);
    if (dice() % 8 == 0 && x->ops->note(x, "{}", 2))
        append(&t.answered, "{}\n", 3);
    switch (dice() % 4) {
    case 0:
        t.late++;
        if (!t.writer)
            answer_late();
        break;
    case 1:
        x->ops->end(x, EXCHANGE_NOTHING, NULL, 0);
        break;
    case 2:
        answer_late();
        answer();
        break;
    default:
        answer();
    }
}

static void on_oversize(void *ctx, struct exchange *x, size_t max)
{
    (void)ctx;
    FUZZ_CHECK(max == STDIO_MIN_LINE);
    t.exchange = x;
    append(&t.handed, "oversize;", 9);
    answer();
}

static void on_stop(void *ctx)
{
    (void)ctx;
    answer_late();
}

static const struct exchange_handler handler = {on_message, on_oversize, on_stop, NULL};

static void on_end(void *ctx, const struct err *err)
{
    (void)ctx;
    FUZZ_CHECK(!err && t.late == 0 && !t.ended);
    t.ended = true;
    loop_stop(t.loop);
}

/* ---- the client ---- */

static void on_writable(void *ctx, int fd, int events)
{
    (void)ctx;
    (void)events;
    size_t left = t.text.len - t.written;
    size_t piece = left > 65536 ? 65536 : dice() % 3 ? dice() % 20 + 1 : 1000;
    ssize_t n = write(fd, t.text.data + t.written, MIN(piece, left));
    t.written += n > 0 ? (size_t)n : 0;
    if (t.written < t.text.len)
        return;
    loop_io_free(t.writer);
    t.writer = NULL;
    close(fd);
    /* nothing more comes: waiting for the grace of two seconds would only be slow */
    answer_late();
    t.stopped = dice() % 4 == 0 && !t.ended;
    if (t.stopped)
        stdio_stop(t.s);
}

static void read_answers(int fd, size_t most)
{
    char data[4096];
    ssize_t n = read(fd, data, MIN(most, sizeof(data)));
    if (n > 0)
        append(&t.seen, data, (size_t)n);
}

static void on_readable(void *ctx, int fd, int events)
{
    (void)ctx;
    (void)events;
    if (!t.writer)
        answer_late();
    read_answers(fd, dice() % 64 + 1);
}

/* ---- one run ---- */

static void fill_text(const uint8_t *data, size_t n)
{
    static char run[LONG_RUN];
    memset(run, 'x', sizeof(run));
    for (size_t i = 0; i < n; i++) {
        if (data[i] == 1 && t.seed >= 0xf0 && t.text.len < LONG_MAX)
            append(&t.text, run, sizeof(run));
        else
            append(&t.text, &data[i], 1);
    }
}

static void check(void)
{
    auto_buf struct buf wanted = BUF_INIT(0);
    expect(&wanted, (const char *)t.text.data, t.text.len);
    /* a stop drops what has not been handed up */
    FUZZ_CHECK(t.stopped ? t.handed.len <= wanted.len : t.handed.len == wanted.len);
    FUZZ_CHECK(t.handed.len == 0 || memcmp(t.handed.data, wanted.data, t.handed.len) == 0);
    FUZZ_CHECK(t.seen.len == t.answered.len);
    FUZZ_CHECK(t.seen.len == 0 || memcmp(t.seen.data, t.answered.data, t.seen.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    int in[2], out[2];
    if (n < 2 || n > MAX_BYTES)
        return 0;
    memset(&t, 0, sizeof(t));
    t.seed = data[0];
    fill_text(data + 1, n - 1);
    FUZZ_CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    fcntl(out[1], F_SETPIPE_SZ, 4096);
    t.to = in[1];
    t.from = out[0];
    FUZZ_CHECK(fd_set_nonblock(t.to, true, NULL) == 0 && fd_set_nonblock(t.from, true, NULL) == 0);
    FUZZ_CHECK((t.loop = loop_new(NULL)) != NULL);
    t.s = stdio_new(t.loop, in[0], out[1], 0, &handler, &t, on_end, &t, NULL);
    t.writer = loop_io_new(t.loop, t.to, LOOP_WRITE, on_writable, NULL, NULL);
    t.reader = loop_io_new(t.loop, t.from, LOOP_READ, on_readable, NULL, NULL);
    FUZZ_CHECK(t.s && t.writer && t.reader);
    FUZZ_CHECK(loop_run(t.loop, NULL) == 0 && t.ended && !t.writer);
    for (size_t before = SIZE_MAX; before != t.seen.len;) {
        before = t.seen.len;
        read_answers(t.from, SIZE_MAX);
    }
    check();
    stdio_free(t.s);
    loop_io_free(t.reader);
    loop_free(t.loop);
    close(in[0]);
    close(out[0]);
    close(out[1]);
    buf_done(&t.text);
    buf_done(&t.handed);
    buf_done(&t.answered);
    buf_done(&t.seen);
    return 0;
}

#ifdef FUZZ_MUTATES
/* Few of the slow ones. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t max, unsigned int seed)
{
    n = LLVMFuzzerMutate(data, n, max);
    if (n > 0 && data[0] >= 0xf0 && seed % 64)
        data[0] &= 0x7f;
    return n;
}
#endif
