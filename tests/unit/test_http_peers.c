/* The HTTP server and clients that are slow, vanish, or do not read: what they cannot make it hold,
 * and that they are noticed. */
#include "http_rig.h"

#define HELD (64 * 1024) /* as in the room: read ahead, while a request is under way */

/* ---- time ---- */

TEST(a_client_that_says_nothing_is_closed)
{
    serve((struct http_limits){.first_byte_ms = 50});
    expect_end(client());
    CHECK(stats().timed_out == 1);
    finish();
}

TEST(an_idle_connection_is_closed)
{
    serve((struct http_limits){.idle_ms = 50});
    int fd = client();
    ask(fd, GET("/hello"), "hi");
    expect_end(fd);
    CHECK(stats().timed_out == 1);
    finish();
}

TEST(a_stranger_may_be_idle_for_a_shorter_time)
{
    serve((struct http_limits){.stranger_ms = 50});
    int stranger = client();
    int known = client();
    t.know = true;
    ask(known, GET("/hello"), "hi");
    t.know = false;
    ask(stranger, GET("/hello"), "hi");
    expect_end(stranger);
    CHECK(stats().timed_out == 1);
    ask(known, GET("/hello"), "hi");
    close(known);
    finish();
}

TEST(a_slow_head_ends_in_408_however_busily_it_drips)
{
    serve((struct http_limits){.head_ms = 200});
    int fd = client();
    say(fd, "GET / HTTP/1.1\r\n" H);
    while (stats().timed_out == 0)
        if (!say_n(fd, "X: y\r\n", 6))
            break;
        else
            turn();
    bool ended;
    char *got = hear(fd, "in time", &ended);
    CHECK(strncmp(got, "HTTP/1.1 408 ", 13) == 0);
    CHECK(t.requests == 0);
    free(got);
    close(fd);
    finish();
}

TEST(a_slow_body_ends_in_408)
{
    serve((struct http_limits){.request_ms = 200});
    int fd = client();
    say(fd, "POST /echo HTTP/1.1\r\n" H "Content-Length: 1000000\r\n\r\n");
    while (stats().timed_out == 0)
        if (!say_n(fd, "x", 1))
            break;
        else
            turn();
    bool ended;
    char *got = hear(fd, "in time", &ended);
    CHECK(strncmp(got, "HTTP/1.1 408 ", 13) == 0);
    free(got);
    close(fd);
    UNTIL(stats().connections == 0);
    CHECK(stats().buffered_bytes == 0);
    finish();
}

TEST(a_request_under_way_has_no_time_limit_here)
{
    serve(
        (struct http_limits){.idle_ms = 30, .head_ms = 30, .request_ms = 30, .first_byte_ms = 30});
    int fd = client();
    say(fd, GET("/wait"));
    UNTIL(t.waiting);
    uint64_t later = clock_mono_ns() + 150000000;
    UNTIL(clock_mono_ns() > later);
    CHECK(t.gones == 0);
    http_answer(t.waiting, 200, NULL, 0, NULL, "late", 4);
    char *got = hear(fd, "late", NULL);
    CHECK(strstr(got, "late"));
    free(got);
    close(fd);
    finish();
}

/* ---- clients that go ---- */

static void vanish(const char *after, bool half, bool reset)
{
    serve(none());
    int fd = client();
    say(fd, after);
    UNTIL(t.waiting);
    struct http_request *r = t.waiting;
    if (reset)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    if (half)
        shutdown(fd, SHUT_WR);
    else
        close(fd);
    UNTIL(t.gones == 1);
    CHECK(t.gone == r && stats().busy == 0 && stats().connections == 0);
    if (half)
        close(fd);
    finish();
    CHECK(t.gones == 1);
}

TEST(a_client_that_closes_while_its_request_is_worked_on_is_noticed)
{
    vanish(GET("/wait"), false, false);
}

TEST(a_client_that_resets_while_its_request_is_worked_on_is_noticed)
{
    vanish(GET("/wait"), false, true);
}

TEST(a_client_that_half_closes_while_its_request_is_worked_on_counts_as_gone)
{
    vanish(GET("/wait"), true, false);
}

static bool wanted(void *ctx, struct http_request *r)
{
    CHECK(ctx == &t && r == t.waiting);
    return true;
}

TEST(a_client_that_half_closes_gets_its_answer_where_it_is_still_wanted)
{
    serve(none());
    int fd = client();
    say(fd, GET("/wait") GET("/hello"));
    UNTIL(t.waiting);
    http_on_half_close(t.waiting, wanted);
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 20; i++)
        turn();
    CHECK(t.gones == 0 && stats().busy == 1);
    http_answer(t.waiting, 200, NULL, 0, NULL, "late", 4);
    char *got = hear(fd, NULL, NULL);
    CHECK(strstr(got, "late") && strstr(got, "hi")); /* and what it had asked besides */
    free(got);
    close(fd);
    UNTIL(stats().connections == 0);
    finish();
    CHECK(t.gones == 0);
}

TEST(a_client_that_half_closes_and_then_resets_has_gone)
{
    serve(none());
    int fd = client();
    say(fd, GET("/stream"));
    UNTIL(t.waiting);
    http_on_half_close(t.waiting, wanted);
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 20; i++)
        turn();
    CHECK(t.gones == 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(fd);
    UNTIL(t.gones == 1);
    CHECK(stats().busy == 0 && stats().connections == 0);
    finish();
}

TEST(a_client_that_half_closes_and_then_closes_has_gone_when_something_is_sent)
{
    serve(none());
    int fd = client();
    say(fd, GET("/stream"));
    UNTIL(t.waiting);
    free(hear(fd, "\r\n\r\n", NULL)); /* unread, it would make the kernel send a reset */
    http_on_half_close(t.waiting, wanted);
    close(fd);
    for (int i = 0; i < 20; i++)
        turn();
    CHECK(t.gones == 0);
    CHECK(http_stream_send(t.waiting, "x", 1)); /* what comes back is a reset */
    UNTIL(t.gones == 1);
    finish();
}

TEST(a_client_that_closes_is_noticed_behind_pipelined_requests)
{
    vanish(GET("/wait") GET("/hello") GET("/hello"), false, false);
}

TEST(a_client_that_closes_an_idle_stream_is_noticed)
{
    vanish(GET("/stream"), false, false);
}

TEST(a_client_that_closes_is_noticed_behind_more_input_than_is_read_ahead)
{
    serve(none());
    int fd = client();
    say(fd, GET("/wait"));
    static char junk[HELD];
    UNTIL(t.waiting);
    REQUIRE(say_n(fd, junk, sizeof(junk)));
    UNTIL(stats().buffered_bytes >= HELD);
    REQUIRE(say_n(fd, junk, 10000)); /* nobody reads this */
    for (int i = 0; i < 20; i++)
        turn();
    CHECK(stats().buffered_bytes <= 2 * HELD);
    close(fd);
    UNTIL(t.gones == 1);
    CHECK(stats().buffered_bytes == 0 && stats().connections == 0);
    finish();
}

TEST(input_that_was_held_back_is_read_on_after_the_answer)
{
    serve(none());
    int fd = client();
    auto_buf struct buf b = BUF_INIT(0);
    REQUIRE(buf_add_str(&b, GET("/wait"), NULL) == 0);
    for (int i = 0; i < 3; i++) {
        REQUIRE(buf_addf(&b, NULL, "POST /echo HTTP/1.1\r\n" H "Content-Length: 200000\r\n\r\n") ==
                0);
        REQUIRE(buf_reserve(&b, 200000, NULL) == 0);
        memset(b.data + b.len, 'a' + i, 200000);
        b.len += 200000;
    }
    size_t sent = 0;
    while (!t.waiting || stats().buffered_bytes < 64 * 1024) {
        ssize_t n = send(fd, b.data + sent, b.len - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        turn();
    }
    http_answer(t.waiting, 200, NULL, 0, NULL, "first", 5);
    size_t seen = 0;
    uint64_t end = clock_mono_ns() + PATIENCE_NS;
    static char piece[65536];
    while (seen < 600000 && clock_mono_ns() < end) {
        ssize_t n = sent < b.len ? send(fd, b.data + sent, b.len - sent, MSG_NOSIGNAL) : 0;
        sent += n > 0 ? (size_t)n : 0;
        n = recv(fd, piece, sizeof(piece), 0);
        seen += n > 0 ? (size_t)n : 0;
        if (n <= 0)
            turn();
    }
    CHECK(t.requests == 4 && seen >= 600000 && stats().buffered_bytes == 0);
    close(fd);
    finish();
}

TEST(without_on_gone_a_request_waits_for_its_answer)
{
    serve(none());
    int fd = client();
    say(fd, GET("/orphan"));
    UNTIL(t.waiting);
    close(fd);
    UNTIL(stats().connections == 0);
    CHECK(stats().busy == 1);
    CHECK_STR(http_path(t.waiting), "/orphan");
    http_answer(t.waiting, 200, NULL, 0, NULL, "nobody", 6);
    CHECK(stats().busy == 0);
    finish();
}

TEST(an_orphan_can_be_given_up_later_or_outlive_the_server)
{
    serve(none());
    for (int i = 0; i < 2; i++) {
        int fd = client();
        t.waiting = NULL;
        say(fd, GET("/orphan"));
        UNTIL(t.waiting);
        close(fd);
        UNTIL(stats().connections == 0);
        if (i == 0) {
            http_on_gone(t.waiting, on_gone, &t);
            CHECK(t.gones == 0);
            UNTIL(t.gones == 1);
        }
    }
    finish();
    CHECK(!http_stream_send(t.waiting, "x", 1));
    http_answer(t.waiting, 200, NULL, 0, NULL, "nobody", 6);
    CHECK(t.gones == 1);
}

TEST(on_gone_is_told_when_the_server_is_freed)
{
    serve(none());
    int fd = client();
    say(fd, GET("/wait"));
    UNTIL(t.waiting);
    finish();
    CHECK(t.gones == 1);
    char c;
    CHECK(recv(fd, &c, 1, 0) == 0);
    close(fd);
}

TEST(an_aborted_request_ends_its_connection_without_on_gone)
{
    serve(none());
    int fd = client();
    say(fd, GET("/wait"));
    UNTIL(t.waiting);
    http_abort(t.waiting);
    expect_end(fd);
    CHECK(t.gones == 0 && stats().connections == 0 && stats().busy == 0);
    finish();
}

/* ---- streams ---- */

TEST(a_stream_comes_in_chunks_and_the_connection_is_kept)
{
    serve(none());
    int fd = client();
    ask(fd, GET("/stream"), "Transfer-Encoding: chunked\r\n\r\n");
    CHECK(http_stream_send(t.waiting, "one", 3));
    ask(fd, "", "3\r\none\r\n");
    CHECK(http_stream_send(t.waiting, "", 0)); /* would be the last chunk */
    CHECK(http_stream_send(t.waiting, "0123456789abcdef", 16));
    http_stream_end(t.waiting);
    ask(fd, "", "10\r\n0123456789abcdef\r\n0\r\n\r\n");
    ask(fd, GET("/hello"), "hi");
    CHECK(t.gones == 0);
    close(fd);
    finish();
}

TEST(a_stream_to_an_old_client_ends_with_the_connection)
{
    serve(none());
    int fd = client();
    say(fd, "GET /stream HTTP/1.0\r\n" H "Connection: keep-alive\r\n\r\n");
    UNTIL(t.waiting);
    CHECK(http_stream_send(t.waiting, "data", 4));
    http_stream_end(t.waiting);
    char *got = hear(fd, NULL, NULL);
    CHECK(!strstr(got, "chunked") && strstr(got, "Connection: close\r\n\r\ndata"));
    free(got);
    close(fd);
    finish();
}

TEST(a_stream_to_a_head_request_is_empty)
{
    serve(none());
    int fd = client();
    say(fd, "HEAD /stream HTTP/1.1\r\n" H "\r\n");
    UNTIL(t.waiting);
    CHECK(http_stream_send(t.waiting, "data", 4));
    http_stream_end(t.waiting);
    say(fd, GET("/hello"));
    char *got = hear(fd, "hi", NULL);
    CHECK(!strstr(got, "data"));
    free(got);
    close(fd);
    finish();
}

TEST(a_peer_that_does_not_read_a_stream_costs_no_more_than_the_limit)
{
    serve((struct http_limits){.max_unsent_bytes = 200000});
    int fd = client();
    say(fd, GET("/stream"));
    UNTIL(t.waiting);
    static char part[10000];
    size_t taken = 0, most = 0;
    for (int i = 0; i < 2000; i++) {
        if (http_stream_send(t.waiting, part, sizeof(part)))
            taken++;
        most = MAX(most, http_stream_unsent(t.waiting));
        if (i % 100 == 0)
            turn();
    }
    CHECK(taken > 0 && taken < 2000 && most <= 200100);
    CHECK(http_stream_send_last(t.waiting, "the end", 7));
    http_stream_end(t.waiting);
    char *got = hear(fd, "the end", NULL); /* and when it reads, the rest is whole */
    free(got);
    ask(fd, GET("/hello"), "hi");
    close(fd);
    finish();
}

TEST(a_peer_that_does_not_read_is_dropped_in_time)
{
    serve((struct http_limits){.write_ms = 200});
    int fd = client();
    say(fd, GET("/stream"));
    UNTIL(t.waiting);
    static char part[MIB];
    uint64_t end = clock_mono_ns() + PATIENCE_NS;
    while (t.gones == 0 && clock_mono_ns() < end) { /* the kernel takes some megabytes first */
        http_stream_send(t.waiting, part, sizeof(part));
        turn();
    }
    CHECK(t.gones == 1);
    CHECK(stats().timed_out == 1 && stats().connections == 0);
    close(fd);
    finish();
}

TEST(requests_of_a_peer_that_does_not_read_are_not_worked_on)
{
    t.big = 8 * MIB;
    filler = malloc(t.big);
    memset(filler, 'x', t.big);
    serve(none());
    int fd = client();
    for (int i = 0; i < 10; i++)
        say(fd, GET("/big"));
    UNTIL(t.requests >= 1);
    for (int i = 0; i < 50; i++)
        turn();
    size_t before = t.requests;
    CHECK(before < 4); /* the kernel's buffers may have taken one or two */
    size_t seen = 0;
    static char piece[MIB];
    uint64_t end = clock_mono_ns() + PATIENCE_NS;
    while (seen < 10 * t.big && clock_mono_ns() < end) {
        ssize_t n = recv(fd, piece, sizeof(piece), 0);
        seen += n > 0 ? (size_t)n : 0;
        if (n <= 0)
            turn();
    }
    CHECK(t.requests == 10 && seen > 10 * t.big);
    close(fd);
    finish();
    free(filler);
}

/* Read @n bytes; false: the server has closed before. */
static bool swallow(int fd, size_t n)
{
    static char piece[MIB];
    size_t seen = 0;
    uint64_t end = clock_mono_ns() + PATIENCE_NS;
    while (seen < n && clock_mono_ns() < end) {
        ssize_t got = recv(fd, piece, sizeof(piece), 0);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            break;
        seen += got > 0 ? (size_t)got : 0;
        if (got < 0)
            turn();
    }
    return seen >= n;
}

TEST(a_client_that_reads_slowly_gets_all_of_its_answer_before_it_counts_as_idle)
{
    t.big = 20 * MIB;
    filler = calloc(1, t.big);
    serve((struct http_limits){.idle_ms = 50});
    int fd = client();
    say(fd, GET("/big"));
    UNTIL(t.requests == 1);
    for (uint64_t end = clock_mono_ns() + 300000000; clock_mono_ns() < end;)
        turn();
    CHECK(swallow(fd, t.big));
    UNTIL(stats().connections == 0); /* now it is idle */
    close(fd);
    finish();
    free(filler);
}

TEST(a_peer_that_does_not_read_cannot_have_the_answers_of_others_thrown_away)
{
    t.big = 50 * MIB;
    filler = calloc(1, t.big);
    serve((struct http_limits){.max_unsent_total = 55 * MIB});
    int slow = client();
    int other = client();
    say(slow, GET("/big"));
    UNTIL(t.requests == 1);
    t.big = 30 * MIB;
    say(other, GET("/big"));
    UNTIL(t.requests == 2);
    CHECK(swallow(other, t.big));
    CHECK(!swallow(slow, 50 * MIB));
    CHECK(stats().connections == 1);
    close(slow);
    close(other);
    finish();
    free(filler);
}

TEST(what_is_unsent_in_total_is_bounded)
{
    t.big = 20 * MIB;
    filler = calloc(1, t.big);
    serve((struct http_limits){.max_unsent_total = 10 * MIB});
    int fd = client();
    say(fd, GET("/big"));
    UNTIL(t.requests == 1 && stats().connections == 0);
    ask(client(), GET("/hello"), "hi");
    close(fd);
    finish();
    free(filler);
}

int main(void)
{
    return tap_main();
}
