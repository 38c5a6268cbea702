/* The HTTP server over real sockets: answers, refusals, starting and stopping. The guard has a test
 * of its own. */
#include "http_rig.h"

/* ---- answers ---- */

TEST(a_request_is_answered_and_the_connection_kept)
{
    serve(none());
    int fd = client();
    say(fd, GET("/hello?q"));
    bool ended;
    char *got = hear(fd, "hi", &ended);
    CHECK(!ended && strncmp(got, "HTTP/1.1 200 OK\r\nDate: ", 23) == 0);
    CHECK(
        strstr(got, "\r\nContent-Type: text/plain\r\nX-Test: yes\r\nContent-Length: 2\r\n\r\nhi"));
    CHECK(!strstr(got, "Connection:"));
    free(got);
    CHECK_STR(t.last, "GET /hello");
    CHECK_STR(t.peer, "127.0.0.1");
    ask(fd, "HEAD /hello HTTP/1.1\r\n" H "\r\n", "Content-Length: 2\r\n\r\n");
    ask(fd, GET("/nothing"), "HTTP/1.1 204 No Content\r\n");
    ask(fd, GET("/hello"), "\r\n\r\nhi");
    CHECK(t.requests == 4 && stats().accepted == 1 && stats().connections == 1);
    close(fd);
    UNTIL(stats().connections == 0);
    finish();
}

TEST(the_date_is_that_of_the_clock)
{
    serve(none());
    int fd = client();
    time_t before = time(NULL);
    say(fd, GET("/hello"));
    char *got = hear(fd, "hi", NULL);
    struct tm tm = {0};
    REQUIRE(strptime(strstr(got, "Date: "), "Date: %a, %d %b %Y %H:%M:%S GMT", &tm));
    time_t said = timegm(&tm);
    CHECK(said >= before - 1 && said <= time(NULL));
    free(got);
    close(fd);
    finish();
}

TEST(a_client_that_asks_for_the_end_gets_it_after_the_answer)
{
    serve(none());
    int fd = client();
    ask(fd, "GET /hello HTTP/1.1\r\n" H "Connection: close\r\n\r\n", "Connection: close\r\n\r\nhi");
    expect_end(fd);
    fd = client();
    ask(fd, "GET /hello HTTP/1.0\r\n" H "\r\n", "Connection: close\r\n\r\nhi");
    expect_end(fd);
    fd = client();
    ask(fd, "GET /hello HTTP/1.0\r\n" H "Connection: keep-alive\r\n\r\n",
        "Connection: keep-alive\r\n\r\nhi");
    ask(fd, "GET /hello HTTP/1.0\r\n" H "\r\n", "Connection: close\r\n\r\nhi");
    expect_end(fd);
    finish();
}

TEST(pipelined_requests_are_answered_in_order)
{
    serve(none());
    int fd = client();
    auto_buf struct buf b = BUF_INIT(0);
    for (int i = 0; i < 500; i++)
        REQUIRE(buf_addf(&b, NULL, "POST /echo HTTP/1.1\r\n" H "Content-Length: 6\r\n\r\n<%04d>",
                         i) == 0);
    REQUIRE(say_n(fd, b.data, b.len));
    char *got = hear(fd, "<0499>", NULL), *p = got;
    for (int i = 0; i < 500; i++) {
        char want[16];
        snprintf(want, sizeof(want), "\r\n\r\n<%04d>", i);
        char *next = strstr(p, want);
        REQUIRE(next);
        CHECK(!memmem(p, (size_t)(next - p), "<", 1)); /* none between */
        p = next + strlen(want);
    }
    CHECK(t.requests == 500 && stats().buffered_bytes == 0);
    free(got);
    close(fd);
    finish();
}

TEST(a_second_request_waits_for_the_answer_to_the_first)
{
    serve(none());
    int fd = client();
    say(fd, GET("/wait") GET("/hello"));
    UNTIL(t.waiting);
    for (int i = 0; i < 20; i++)
        turn();
    CHECK(t.requests == 1 && stats().busy == 1);
    http_answer(t.waiting, 200, NULL, 0, NULL, "first", 5);
    char *got = hear(fd, "hi", NULL);
    CHECK(strstr(got, "first") && strstr(got, "first") < strstr(got, "hi"));
    CHECK(t.requests == 2 && stats().busy == 0 && t.gones == 0);
    free(got);
    close(fd);
    finish();
}

TEST(a_body_arrives_whole_however_it_was_sent)
{
    serve(none());
    int fd = client();
    ask(fd,
        "POST /echo HTTP/1.1\r\n" H
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "Content-Length: 5\r\n\r\nabcde");
    const char slow[] = "POST /echo HTTP/1.1\r\n" H "Content-Length: 4\r\n\r\nslow";
    for (size_t i = 0; i + 1 < sizeof(slow); i++) {
        REQUIRE(say_n(fd, slow + i, 1));
        turn();
    }
    char *got = hear(fd, "slow", NULL);
    CHECK(strstr(got, "Content-Length: 4\r\n\r\nslow"));
    free(got);
    close(fd);
    finish();
}

TEST(four_mebibytes_go_in_and_out)
{
    serve(none());
    int fd = client();
    size_t n = 4 * MIB;
    char *body = malloc(n);
    for (size_t i = 0; i < n; i++)
        body[i] = (char)('a' + i % 23);
    auto_buf struct buf b = BUF_INIT(0);
    REQUIRE(buf_addf(&b, NULL, "POST /echo HTTP/1.1\r\n" H "Content-Length: %zu\r\n\r\n", n) == 0);
    REQUIRE(buf_add(&b, body, n, NULL) == 0);
    REQUIRE(say_n(fd, b.data, b.len));
    shutdown(fd, SHUT_WR); /* answered before the end was seen, so it is sent to the last byte */
    char *got = hear(fd, NULL, NULL), *start = strstr(got, "\r\n\r\n");
    CHECK(start && memcmp(start + 4, body, n) == 0);
    CHECK(stats().buffered_bytes == 0);
    free(got);
    free(body);
    close(fd);
    finish();
}

TEST(the_body_of_a_request_that_waits_is_not_kept)
{
    size_t n = 1;
    serve(none());
    int fd = client();
    char *body = calloc(1, 2 * MIB);
    REQUIRE(body);
    say(fd, "POST /wait HTTP/1.1\r\n" H "Content-Length: 2097152\r\n\r\n");
    CHECK(say_n(fd, body, 2 * MIB));
    UNTIL(t.waiting);
    CHECK_STR(http_body(t.waiting, &n), "");
    CHECK(n == 0);
    http_answer(t.waiting, 200, NULL, 0, "text/plain", "done", 4);
    char *got = hear(fd, "done", NULL);
    CHECK(strstr(got, "200 OK"));
    free(got);
    ask(fd, "POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nagain", "\r\n\r\nagain");
    close(fd);
    finish();
    free(body);
}

TEST(an_expecting_client_is_told_to_go_on)
{
    serve(none());
    int fd = client();
    ask(fd, "POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK(t.requests == 0);
    ask(fd, "abc", "Content-Length: 3\r\n\r\nabc");
    close(fd);
    finish();
}

TEST(a_head_can_be_refused_before_its_body)
{
    serve(none());
    t.refuse_heads = true;
    int fd = client();
    say(fd, "POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 3000000\r\n\r\n");
    char *got = hear(fd, NULL, NULL);
    CHECK(strncmp(got, "HTTP/1.1 401 Unauthorized\r\n", 27) == 0);
    CHECK(strstr(got, "WWW-Authenticate: Bearer\r\n") && strstr(got, "Connection: close\r\n"));
    CHECK(t.requests == 0 && t.heads == 1 && stats().busy == 0);
    free(got);
    close(fd);
    UNTIL(stats().connections == 0);
    ask(fd = client(), GET("/hello"), "hi"); /* no body, no judging */
    CHECK(t.heads == 1);
    close(fd);
    finish();
}

TEST(fields_cannot_be_split_by_what_is_put_into_them)
{
    serve(none());
    int fd = client();
    say(fd, GET("/wait"));
    UNTIL(t.waiting);
    struct http_field bad[] = {{"X-A", "1\r\nX-Evil: 2"}, {"X-B\r\nX-Evil", "3"}, {"X-C", "4"}};
    http_answer(t.waiting, 200, bad, 3, "text/plain\r\nX-Evil: 5", "x", 1);
    char *got = hear(fd, "\r\n\r\nx", NULL);
    CHECK(!strstr(got, "Evil") && strstr(got, "X-C: 4\r\n"));
    free(got);
    close(fd);
    finish();
}

/* ---- refusals ---- */

TEST(what_the_guard_refuses_gets_one_sentence_and_the_end)
{
    serve(none());
    int fd = client();
    say(fd, "GET / HTTP/1.1\r\n\r\n" GET("/hello"));
    char *got = hear(fd, NULL, NULL);
    CHECK(strncmp(got, "HTTP/1.1 400 Bad Request\r\n", 26) == 0);
    CHECK(strstr(got, "Connection: close\r\n") && strstr(got, "\r\n\r\nThere is no Host.\n"));
    CHECK(t.requests == 0 && stats().refused_requests == 1);
    free(got);
    close(fd);
    UNTIL(stats().connections == 0);
    finish();
}

TEST(a_refusal_is_read_by_a_client_that_goes_on_sending)
{
    serve((struct http_limits){.max_body_bytes = 1000});
    int fd = client();
    say(fd, "POST /echo HTTP/1.1\r\n" H "Content-Length: 2000000\r\n\r\n");
    static char body[2000000];
    say_n(fd, body, sizeof(body));
    bool ended;
    char *got = hear(fd, "too large", &ended);
    CHECK(strncmp(got, "HTTP/1.1 413 ", 13) == 0);
    free(got);
    close(fd);
    UNTIL(stats().connections == 0);
    finish();
}

TEST(bodies_together_are_bounded)
{
    serve((struct http_limits){.max_buffered_bytes = 100000});
    int fds[3];
    static char part[60000];
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = client();
        say(fds[i], "POST /echo HTTP/1.1\r\n" H "Content-Length: 70000\r\n\r\n");
        REQUIRE(say_n(fds[i], part, i == 0 ? sizeof(part) : 30000));
        if (i < 2)
            UNTIL(stats().buffered_bytes == 60000 + 30000 * i);
    }
    char *got = hear(fds[2], NULL, NULL);
    CHECK(strncmp(got, "HTTP/1.1 503 ", 13) == 0 && strstr(got, "Retry-After: "));
    free(got);
    close(fds[0]);
    close(fds[1]);
    close(fds[2]);
    UNTIL(stats().connections == 0);
    CHECK(stats().buffered_bytes == 0);
    finish();
}

/* A connection whose request is under way. */
static int waiting_client(void)
{
    t.waiting = NULL;
    int fd = client();
    say(fd, GET("/wait"));
    UNTIL(t.waiting);
    return fd;
}

TEST(connections_are_bounded_for_each_address)
{
    serve((struct http_limits){.max_connections = 10, .max_per_address = 2});
    int one = waiting_client();
    int two = waiting_client();
    int three = client();
    char *got = hear(three, NULL, NULL);
    CHECK(strncmp(got, "HTTP/1.1 503 ", 13) == 0);
    const char *body = strstr(got, "\r\n\r\n"), *length = strstr(got, "Content-Length: ");
    REQUIRE(body && length);
    CHECK(strlen(body + 4) == strtoul(length + 16, NULL, 10));
    free(got);
    close(three);
    close(one);
    UNTIL(stats().connections == 1);
    ask(three = client(), GET("/hello"), "hi");
    CHECK(stats().refused_connections == 1 && stats().displaced == 0);
    close(two);
    close(three);
    UNTIL(stats().connections == 0);
    finish();
}

TEST(connections_are_bounded_in_total)
{
    serve((struct http_limits){.max_connections = 3, .max_per_address = 100});
    int fds[3];
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = waiting_client();
    int more = client();
    char *got = hear(more, NULL, NULL);
    CHECK(strncmp(got, "HTTP/1.1 503 ", 13) == 0);
    free(got);
    close(more);
    CHECK(t.gones == 0); /* the others are not disturbed */
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    finish();
}

/* All places taken: @limits decide which. Strangers that are idle or dawdle make room, the one that
 * has been quiet longest first, then those that are known and idle; what is under way never. */
static void make_room(struct http_limits limits)
{
    serve(limits);
    t.know = true;
    int known = client();
    ask(known, GET("/hello"), "hi");
    t.know = false;
    int busy = waiting_client();
    int dawdler = client();
    say(dawdler, "POST /hello HTTP/1.1\r\n" H "Content-Le");
    UNTIL(stats().connections == 3);
    int idle = client();
    ask(idle, GET("/hello"), "hi");
    int new[3];
    ask(new[0] = client(), GET("/hello"), "hi");
    expect_end(dawdler);
    ask(new[1] = client(), GET("/hello"), "hi");
    expect_end(idle);
    ask(known, GET("/hello"), "hi");
    t.know = true; /* these are strangers no more */
    ask(new[0], GET("/hello"), "hi");
    ask(new[1], GET("/hello"), "hi");
    ask(new[2] = client(), GET("/hello"), "hi");
    expect_end(known); /* idle longest */
    CHECK(stats().connections == 4 && stats().displaced == 3 && stats().refused_connections == 0);
    http_answer(t.waiting, 200, NULL, 0, NULL, "late", 4);
    char *got = hear(busy, "late", NULL);
    CHECK(strstr(got, "late"));
    free(got);
    close(busy);
    for (size_t i = 0; i < ARRAY_LEN(new); i++)
        close(new[i]);
    UNTIL(stats().connections == 0);
    finish();
}

TEST(who_is_idle_makes_room_for_a_new_connection)
{
    make_room((struct http_limits){.max_connections = 4, .max_per_address = 100});
}

TEST(who_is_idle_makes_room_for_one_of_the_same_address)
{
    make_room((struct http_limits){.max_connections = 100, .max_per_address = 4});
}

TEST(running_out_of_descriptors_is_survived)
{
    serve(none());
    int fd = client();
    ask(fd, GET("/hello"), "hi");
    int waiting[3];
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
        waiting[i] = client(); /* in the kernel's queue */
    struct rlimit files, none_left = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    none_left.rlim_max = files.rlim_max;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none_left) == 0);
    for (int i = 0; i < 50; i++)
        turn();
    CHECK(stats().connections == 1);
    ask(fd, GET("/hello"), "hi");
    REQUIRE(setrlimit(RLIMIT_NOFILE, &files) == 0);
    UNTIL(stats().connections == 4);
    ask(waiting[2], GET("/hello"), "hi");
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
        close(waiting[i]);
    close(fd);
    finish();
}

/* ---- stopping ---- */

TEST(draining_ends_idle_connections_and_lets_others_finish)
{
    serve(none());
    int idle = client(), busy = client(), coming = client();
    ask(idle, GET("/hello"), "hi");
    say(busy, GET("/wait"));
    UNTIL(t.waiting);
    say(coming, "GET /hel");
    UNTIL(stats().connections == 3);
    turn();
    struct http_request *r = t.waiting;
    http_server_drain(t.s);
    expect_end(idle);
    http_answer(r, 200, NULL, 0, NULL, "done", 4);
    ask(busy, "", "Connection: close\r\n\r\ndone");
    expect_end(busy);
    ask(coming, "lo HTTP/1.1\r\n" H "\r\n", "Connection: close\r\n\r\nhi");
    expect_end(coming);
    UNTIL(stats().connections == 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)http_server_port(t.s)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    auto_close int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 && errno == ECONNREFUSED);
    http_server_drain(t.s);
    finish();
}

/* ---- starting ---- */

static bool starts(const char *address, uint16_t port, struct err *err)
{
    struct loop *loop = loop_new(NULL);
    struct http_server *s =
        http_server_new(loop, &(struct http_options){.address = address, .port = port}, on_request,
                        NULL, NULL, err);
    bool ok = s;
    if (ok)
        snprintf(t.last, sizeof(t.last), "%s", http_server_urls(s));
    http_server_free(s);
    loop_free(loop);
    return ok;
}

TEST(addresses_are_numeric_or_localhost)
{
    struct err err = ERR_INIT;
    CHECK(starts("127.0.0.1", 0, &err) && strncmp(t.last, "http://127.0.0.1:", 17) == 0);
    CHECK(starts("localhost", 0, &err) && strncmp(t.last, "http://127.0.0.1:", 17) == 0);
    CHECK(starts("*", 0, &err) && strncmp(t.last, "http://0.0.0.0:", 15) == 0);
    CHECK(err.code == ERR_NONE);
    CHECK(!starts("example.org", 0, &err) && err.code == ERR_INVALID &&
          strstr(err.text, "example.org"));
    CHECK(!starts("", 0, &err) && err.code == ERR_INVALID);
    CHECK(!starts("[127.0.0.1]", 0, &err) && err.code == ERR_INVALID);
    CHECK(!starts("192.0.2.1", 0, &err) && err.code == ERR_SYS && strstr(err.text, "192.0.2.1:0"));
}

TEST(a_port_in_use_is_named)
{
    serve(none());
    struct err err = ERR_INIT;
    CHECK(!starts("127.0.0.1", (uint16_t)http_server_port(t.s), &err));
    CHECK(err.code == ERR_SYS && strstr(err.text, "another program listens there"));
    finish();
}

TEST(both_families_of_localhost_share_a_port)
{
    auto_close int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        SKIP("this machine has no IPv6");
    close(take_fd(&fd));
    t.loop = loop_new(NULL);
    t.s = http_server_new(t.loop, &(struct http_options){.address = "localhost"}, on_request, NULL,
                          &t, NULL);
    REQUIRE(t.s);
    a.sin6_port = htons((uint16_t)http_server_port(t.s));
    fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
    REQUIRE(fd_set_nonblock(fd, true, NULL) == 0);
    ask(fd, GET("/hello"), "hi");
    CHECK_STR(t.peer, "::1");
    int four = client();
    ask(four, GET("/hello"), "hi");
    CHECK_STR(t.peer, "127.0.0.1");
    close(four);
    finish();
}

int main(void)
{
    return tap_main();
}
