/* The stdio transport: lines in, lines out, and every way in which a client can behave badly. */
#include "transport/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "sys/clock.h"
#include "sys/fd.h"
#include "tap.h"

/* A protocol that answers "X" with "<X>", keeps "wait…" open, and counts. */
static struct {
    struct loop *loop;
    struct stdio *s;
    int to, from; /* the client's ends */
    char seen[64][64];
    size_t messages, oversize, stops, ends, large;
    struct exchange *waiting;
    size_t waiting_n;
    struct err end_err;
    uint64_t ended_ns;
} t;

static void answer(struct exchange *x, const char *text, size_t n)
{
    auto_buf struct buf b = BUF_INIT(0);
    CHECK(buf_addf(&b, NULL, "<%.*s>", (int)n, text) == 0);
    x->ops->end(x, EXCHANGE_ANSWER, &(struct exchange_piece){(char *)b.data, b.len}, 1);
}

static void on_message(void *ctx, struct exchange *x, const struct message_head *head,
                       const char *data, size_t n)
{
    CHECK(ctx == &t);
    CHECK(!head->has_headers && !head->protocol_version);
    size_t i = t.messages++ % ARRAY_LEN(t.seen);
    snprintf(t.seen[i], sizeof(t.seen[i]), "%.*s", (int)MIN(n, (size_t)60), data);
    if (n >= 4 && memcmp(data, "wait", 4) == 0) {
        t.waiting = x;
        t.waiting_n++;
    } else if (n >= 4 && memcmp(data, "note", 4) == 0) {
        CHECK(x->ops->note(x, "(note)", 6));
        x->ops->end(x, EXCHANGE_NOTHING, NULL, 0);
    } else if (n >= 4 && memcmp(data, "much", 4) == 0) {
        static char much[700000];
        memset(much, 'm', sizeof(much));
        x->ops->end(x, EXCHANGE_ANSWER, &(struct exchange_piece){much, sizeof(much)}, 1);
    } else {
        t.large += n > 1000;
        answer(x, data, MIN(n, (size_t)60));
    }
}

static void on_oversize(void *ctx _unused_, struct exchange *x, size_t max)
{
    CHECK(max == STDIO_MIN_LINE);
    t.oversize++;
    answer(x, "oversize", 8);
}

static void on_stop(void *ctx _unused_)
{
    t.stops++;
    while (t.waiting_n > 0) {
        t.waiting_n--;
        answer(t.waiting, "stopped", 7);
    }
}

static void on_end(void *ctx _unused_, const struct err *err)
{
    t.ends++;
    t.ended_ns = clock_mono_ns();
    if (err)
        t.end_err = *err;
    loop_stop(t.loop);
}

static const struct exchange_handler handler = {on_message, on_oversize, on_stop, NULL};

static void start_on(int in_fd, int out_fd)
{
    struct err err = ERR_INIT;
    t.loop = loop_new(&err);
    REQUIRE(t.loop);
    t.s = stdio_new(t.loop, in_fd, out_fd, 0, &handler, &t, on_end, &t, &err);
    if (!t.s)
        printf("# %s\n", err.text);
    REQUIRE(t.s);
}

static int server_ends[2];

static void start(void)
{
    int in[2], out[2];
    REQUIRE(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    t.to = in[1];
    t.from = out[0];
    server_ends[0] = in[0];
    server_ends[1] = out[1];
    start_on(in[0], out[1]);
}

static void stop_loop(void *ctx)
{
    loop_stop(ctx);
}

static void turn(unsigned ms)
{
    struct loop_timer *timer = loop_timer_new(t.loop, stop_loop, t.loop, NULL);
    loop_timer_arm(timer, ms * 1000000ull);
    CHECK(loop_run(t.loop, NULL) == 0);
    loop_timer_free(timer);
}

static void send_text(const char *text)
{
    CHECK(fd_write_all(t.to, text, strlen(text), NULL) == 0);
    turn(20);
}

/* What the client can read now. */
static char *received(void)
{
    static char text[65536];
    CHECK(fd_set_nonblock(t.from, true, NULL) == 0);
    ssize_t n = read(t.from, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void done(void)
{
    stdio_free(t.s);
    loop_free(t.loop);
}

TEST(each_line_is_a_message_and_each_answer_a_line)
{
    start();
    send_text("a\n\n  \t\r\nb\r\nc\n");
    CHECK(t.messages == 3);
    CHECK_STR(t.seen[1], "b\r");
    CHECK_STR(received(), "<a>\n<b\r>\n<c>\n");
    done();
}

TEST(a_message_may_arrive_in_pieces)
{
    start();
    send_text("he");
    CHECK(t.messages == 0);
    send_text("llo");
    send_text("\nnext");
    CHECK_STR(received(), "<hello>\n");
    send_text("\n");
    CHECK_STR(received(), "<next>\n");
    done();
}

TEST(answers_may_come_late_and_in_any_order)
{
    start();
    send_text("wait\nping\n");
    CHECK_STR(received(), "<ping>\n");
    t.waiting_n--;
    answer(t.waiting, "late", 4);
    CHECK_STR(received(), "<late>\n");
    done();
}

TEST(notes_come_before_the_end)
{
    start();
    send_text("note\nx\n");
    CHECK_STR(received(), "(note)\n<x>\n");
    done();
}

TEST(end_of_input_ends_cleanly_and_at_once)
{
    start();
    send_text("a\n");
    uint64_t before = clock_mono_ns();
    fd_close(&t.to);
    turn(1000);
    CHECK(t.ends == 1 && t.end_err.code == ERR_NONE && t.stops == 0);
    CHECK(t.ended_ns - before < 200000000u);
    done();
}

TEST(a_last_line_without_an_end_counts)
{
    start();
    send_text("a\nb");
    fd_close(&t.to);
    turn(1000);
    CHECK(t.ends == 1);
    CHECK_STR(received(), "<a>\n<b>\n");
    done();
}

TEST(what_was_asked_before_the_end_of_input_is_still_answered)
{
    start();
    send_text("wait");
    fd_close(&t.to);
    turn(100);
    CHECK(t.ends == 0 && t.waiting_n == 1);
    t.waiting_n--;
    answer(t.waiting, "late", 4);
    turn(100);
    CHECK(t.ends == 1 && t.stops == 0);
    CHECK_STR(received(), "<late>\n");
    done();
}

TEST(after_the_grace_what_is_left_is_stopped_and_answered)
{
    start();
    send_text("wait\nwait\n");
    uint64_t before = clock_mono_ns();
    fd_close(&t.to);
    turn(5000);
    CHECK(t.ends == 1 && t.stops == 1 && t.end_err.code == ERR_NONE);
    CHECK(t.ended_ns - before >= STDIO_GRACE_NS);
    CHECK(t.ended_ns - before < STDIO_GRACE_NS + 500000000u);
    CHECK_STR(received(), "<stopped>\n<stopped>\n");
    done();
}

TEST(stdio_stop_is_like_an_end_of_input)
{
    start();
    stdio_stop(t.s);
    turn(1000);
    CHECK(t.ends == 1);
    done();
}

TEST(a_line_that_is_too_long_is_skipped_and_reported_once)
{
    start();
    static char block[65536];
    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 66; i++) {
        CHECK(fd_write_all(t.to, block, sizeof(block) - 1, NULL) == 0);
        turn(2);
    }
    send_text("tail\nok\n");
    CHECK(t.oversize == 1 && t.messages == 1);
    CHECK_STR(received(), "<oversize>\n<ok>\n");
    fd_close(&t.to);
    turn(500);
    CHECK(t.ends == 1);
    done();
}

TEST(a_line_of_almost_the_limit_is_taken)
{
    start();
    static char block[65536];
    memset(block, 'x', sizeof(block));
    for (size_t left = STDIO_MIN_LINE; left > 0;) {
        size_t n = MIN(left, sizeof(block));
        CHECK(fd_write_all(t.to, block, n, NULL) == 0);
        left -= n;
        turn(1);
    }
    send_text("\n");
    CHECK(t.oversize == 0 && t.large == 1);
    done();
}

TEST(a_client_that_does_not_read_is_not_read_from)
{
    start();
    size_t asked = 0;
    CHECK(fd_set_nonblock(t.to, true, NULL) == 0);
    for (; asked < 100000; asked++) {
        if (write(t.to, "much\n", 5) != 5)
            break;
        if (asked % 100 == 0)
            turn(1);
    }
    turn(20);
    CHECK(asked < 100000);
    CHECK(t.messages <= 4);
    /* it reads again: the rest is taken up, also past the end of input and the grace */
    fd_close(&t.to);
    uint64_t before = clock_mono_ns();
    while (clock_mono_ns() - before < STDIO_GRACE_NS + 500000000u) {
        received();
        turn(5);
    }
    CHECK(t.messages > 20 && t.ends == 0);
    done();
}

TEST(notes_are_dropped_while_the_client_does_not_read)
{
    start();
    send_text("much\nmuch\nmuch\nwait\n");
    CHECK(t.messages == 2 || t.messages == 3);
    CHECK(!server_ends[0] || t.s);
    struct exchange *x = t.waiting;
    if (x)
        CHECK(!x->ops->note(x, "(note)", 6));
    done();
}

TEST(a_client_that_closes_its_end_ends_the_session)
{
    start();
    send_text("wait\n");
    fd_close(&t.from);
    send_text("a\n");
    turn(200);
    CHECK(t.ends == 1 && t.stops == 1 && t.end_err.code == ERR_NONE);
    done();
}

TEST(after_the_end_of_input_a_client_that_never_reads_is_given_up)
{
    start();
    send_text("much\n");
    fd_close(&t.to);
    turn(6000);
    CHECK(t.ends == 1);
    CHECK(t.end_err.code == ERR_LIMIT);
    done();
}

TEST(the_descriptors_flags_stay_as_they_were)
{
    start();
    CHECK(!(fcntl(server_ends[0], F_GETFL) & O_NONBLOCK));
    CHECK(!(fcntl(server_ends[1], F_GETFL) & O_NONBLOCK));
    done();
    CHECK(!(fcntl(server_ends[0], F_GETFL) & O_NONBLOCK));
}

TEST(sockets_work_too)
{
    int pair[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    t.to = t.from = pair[0];
    start_on(pair[1], pair[1]);
    send_text("a\n");
    CHECK_STR(received(), "<a>\n");
    CHECK(!(fcntl(pair[1], F_GETFL) & O_NONBLOCK));
    shutdown(pair[0], SHUT_WR);
    turn(200);
    CHECK(t.ends == 1);
    done();
}

TEST(regular_files_work_too)
{
    char in_path[] = "/tmp/test-stdio-XXXXXX", out_path[] = "/tmp/test-stdio-XXXXXX";
    int in = mkstemp(in_path), out = mkstemp(out_path);
    REQUIRE(in >= 0 && out >= 0);
    CHECK(fd_write_all(in, "a\nb\nmuch\nc", 10, NULL) == 0);
    CHECK(lseek(in, 0, SEEK_SET) == 0);
    start_on(in, out);
    turn(1000);
    CHECK(t.ends == 1 && t.messages == 4);
    struct stat st;
    CHECK(fstat(out, &st) == 0 && st.st_size == 4 + 4 + 700001 + 4);
    unlink(in_path);
    unlink(out_path);
    done();
}

TEST(dev_null_is_an_empty_input)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    start_on(null, null);
    turn(1000);
    CHECK(t.ends == 1);
    done();
}

TEST(a_full_disk_is_an_error_not_a_loop)
{
    int in[2];
    REQUIRE(pipe2(in, O_CLOEXEC) == 0);
    t.to = in[1];
    start_on(in[0], open("/dev/full", O_WRONLY | O_CLOEXEC));
    send_text("a\n");
    turn(200);
    CHECK(t.ends == 1 && t.end_err.code == ERR_SYS);
    done();
}

TEST(a_closed_descriptor_is_refused_at_start)
{
    struct err err = ERR_INIT;
    struct loop *loop = loop_new(&err);
    CHECK(!stdio_new(loop, 999, 1, 0, &handler, &t, on_end, &t, &err));
    CHECK(err.code == ERR_SYS && strstr(err.text, "standard input"));
    loop_free(loop);
}

int main(void)
{
    return tap_main();
}
