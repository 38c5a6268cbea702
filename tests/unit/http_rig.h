/* An HTTP server with a handler for tests, and clients of it, in one process and one loop. Include
 * it in one file of a test program. */
#ifndef TESTS_HTTP_RIG_H
#define TESTS_HTTP_RIG_H

#include "http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "base/buf.h"
#include "sys/clock.h"
#include "sys/fd.h"
#include "tap.h"

#define PATIENCE_NS 20000000000ull
#define H           "Host: a\r\n"
#define GET(path)   "GET " path " HTTP/1.1\r\n" H "\r\n"
#define MIB         (1024 * 1024)

/* The handler's side: /hello is answered at once, /big too, /echo with its body, /wait and /stream
 * are kept. */
static struct {
    struct loop *loop;
    struct http_server *s;
    struct http_request *waiting, *gone;
    size_t requests, heads, gones;
    char last[256], peer[64];
    size_t big;
    bool refuse_heads, know;
} t;

static char *filler; /* t.big bytes */

static void on_gone(void *ctx, struct http_request *r)
{
    CHECK(ctx == &t);
    CHECK(http_path(r) && http_header(r, "host")); /* may be read */
    t.gones++;
    t.gone = r;
    if (t.waiting == r)
        t.waiting = NULL;
}

static void on_request(void *ctx, struct http_request *r)
{
    size_t n;
    const char *path = http_path(r), *body = http_body(r, &n);
    CHECK(ctx == &t);
    CHECK(body[n] == '\0' && n == http_content_length(r));
    t.requests++;
    if (t.know)
        http_know_peer(r);
    snprintf(t.last, sizeof(t.last), "%s %s", http_method_name(r), path);
    snprintf(t.peer, sizeof(t.peer), "%s", http_peer(r));
    if (strcmp(path, "/wait") == 0 || strcmp(path, "/stream") == 0) {
        t.waiting = r;
        http_on_gone(r, on_gone, &t);
        if (path[1] == 's')
            http_stream_begin(r, 200, NULL, 0, "text/event-stream");
    } else if (strcmp(path, "/orphan") == 0) {
        t.waiting = r;
    } else if (strcmp(path, "/echo") == 0) {
        http_answer(r, 200, NULL, 0, "application/octet-stream", body, n);
    } else if (strcmp(path, "/big") == 0) {
        http_answer(r, 200, NULL, 0, "text/plain", filler, t.big);
    } else if (strcmp(path, "/nothing") == 0) {
        http_answer(r, 204, NULL, 0, NULL, NULL, 0);
    } else {
        http_answer(r, 200, (struct http_field[]){{"X-Test", "yes"}}, 1, "text/plain", "hi", 2);
    }
}

static void on_head(void *ctx, struct http_request *r)
{
    CHECK(ctx == &t);
    t.heads++;
    if (t.refuse_heads)
        http_answer(r, 401, (struct http_field[]){{"WWW-Authenticate", "Bearer"}}, 1, NULL, NULL,
                    0);
}

static void on_tick(void *ctx)
{
    (void)ctx;
    loop_stop(t.loop);
}

/* One or a few turns of the loop. */
static void turn(void)
{
    struct loop_timer *tick = loop_timer_new(t.loop, on_tick, NULL, NULL);
    loop_timer_arm(tick, 1000000);
    REQUIRE(loop_run(t.loop, NULL) == 0);
    loop_timer_free(tick);
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        uint64_t until_end = clock_mono_ns() + PATIENCE_NS;                                        \
        while (!(condition) && clock_mono_ns() < until_end)                                        \
            turn();                                                                                \
        REQUIRE(condition);                                                                        \
    } while (0)

static void serve_with(const struct http_options *o)
{
    struct err err = ERR_INIT;
    t.loop = loop_new(&err);
    REQUIRE(t.loop);
    t.s = http_server_new(t.loop, o, on_request, on_head, &t, &err);
    if (!t.s)
        printf("# %s\n", err.text);
    REQUIRE(t.s && http_server_port(t.s) > 0);
}

_unused_ static void serve(struct http_limits limits)
{
    serve_with(&(struct http_options){.address = "127.0.0.1", .limits = limits});
}

static void finish(void)
{
    http_server_free(t.s);
    loop_free(t.loop);
}

static struct http_stats stats(void)
{
    struct http_stats st;
    http_server_stats(t.s, &st);
    return st;
}

_unused_ static int client(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)http_server_port(t.s)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
    REQUIRE(fd_set_nonblock(fd, true, NULL) == 0);
    return fd;
}

/* Send all, while the server runs; false when it has closed. */
_unused_ static bool say_n(int fd, const void *data, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t r = send(fd, (const char *)data + done, n - done, MSG_NOSIGNAL);
        if (r < 0 && errno != EAGAIN)
            return false;
        if (r > 0)
            done += (size_t)r;
        else
            turn();
    }
    return true;
}

_unused_ static void say(int fd, const char *text)
{
    REQUIRE(say_n(fd, text, strlen(text)));
}

/* Read what comes until @wanted is in it (NULL: until the end). The text is the caller's.
 * *ret_ended: the server has closed. */
_unused_ static char *hear(int fd, const char *wanted, bool *ret_ended)
{
    struct buf b = BUF_INIT(0);
    char piece[65536];
    uint64_t end = clock_mono_ns() + PATIENCE_NS;
    bool ended = false;
    while (clock_mono_ns() < end && !ended) {
        ssize_t n = recv(fd, piece, sizeof(piece), 0);
        if (n > 0)
            REQUIRE(buf_add(&b, piece, (size_t)n, NULL) == 0);
        else if (n == 0 || errno != EAGAIN)
            ended = true;
        else
            turn();
        if (wanted && b.len && memmem(b.data, b.len, wanted, strlen(wanted)))
            break;
    }
    if (ret_ended)
        *ret_ended = ended;
    else
        CHECK(wanted || ended);
    REQUIRE(buf_add(&b, "", 1, NULL) == 0);
    return (char *)b.data;
}

/* Ask and check: the answer contains @wanted. */
_unused_ static void ask(int fd, const char *request, const char *wanted)
{
    say(fd, request);
    char *got = hear(fd, wanted, NULL);
    if (!strstr(got, wanted))
        printf("# %.300s\n", got);
    CHECK(strstr(got, wanted));
    free(got);
}

/* The connection ends, without another byte. */
_unused_ static void expect_end(int fd)
{
    char *rest = hear(fd, NULL, NULL);
    CHECK_STR(rest, "");
    free(rest);
    close(fd);
}

_unused_ static struct http_limits none(void)
{
    return (struct http_limits){0};
}

#endif
