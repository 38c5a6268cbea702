/* MCP over HTTP above a protocol and a gate that are made up: what the transport itself does with
 * exchanges, sessions and the end, over real connections. The server runs in the test's process,
 * its clients in a thread. */
#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "transport/http_internal.h"

#define HOST "Host: localhost\r\n"

/* ---- the protocol: what a body says is what is done ---- */

static struct {
    struct exchange *kept[4]; /* of "keep": never ended by themselves */
    unsigned n_kept, messages, gone, stops, sessions, callers;
    bool end_on_stop;
    const char *why_not; /* not ready */
    bool refuse, ended, free_at_end;
} world;
static struct loop *loop;
static struct web *web;
static int port;

static void end_with(struct exchange *x, enum exchange_outcome outcome, const char *text)
{
    const struct exchange_piece pieces[] = {{text, strlen(text)}, {"", 0}, {"}", 1}};
    x->ops->end(x, outcome, pieces, outcome == EXCHANGE_NOTHING ? 0 : 3);
}

static void on_message(void *ctx _unused_, struct exchange *x, const struct message_head *head,
                       const char *data, size_t n)
{
    char text[16] = "";
    memcpy(text, data, MIN(n, sizeof(text) - 1));
    world.messages++;
    if (strcmp(text, "keep") == 0) {
        world.kept[world.n_kept++] = x;
    } else if (strcmp(text, "note") == 0) {
        bool sent = x->ops->note(x, "{\"note\":1}", 10);
        end_with(x, EXCHANGE_ANSWER, sent ? "{\"sent\":true" : "{\"sent\":false");
    } else if (strcmp(text, "nothing") == 0) {
        end_with(x, EXCHANGE_NOTHING, "");
    } else if (strcmp(text, "bad") == 0) {
        end_with(x, EXCHANGE_BAD_REQUEST, "{");
    } else if (strcmp(text, "later") == 0) {
        x->retry_after_s = 7;
        end_with(x, EXCHANGE_RATE_LIMITED, "{");
    } else if (strcmp(text, "hello") == 0) {
        x->introduces = true;
        end_with(x, EXCHANGE_ANSWER, "{");
    } else {
        end_with(x, EXCHANGE_ANSWER, head->has_headers ? "{\"http\":1" : "{\"session\":1");
    }
}

static void on_stop(void *ctx _unused_)
{
    world.stops++;
    while (world.end_on_stop && world.n_kept > 0)
        end_with(world.kept[--world.n_kept], EXCHANGE_ANSWER, "{\"stopped\":1");
}

static void on_gone(void *ctx _unused_, struct exchange *x)
{
    world.gone++;
    for (unsigned i = 0; i < world.n_kept; i++)
        if (world.kept[i] == x)
            world.kept[i] = world.kept[--world.n_kept];
}

static const struct exchange_handler handler = {
    .on_message = on_message, .on_stop = on_stop, .on_gone = on_gone};

/* ---- the gate ---- */

static bool enter(void *ctx, const char *authorization, struct web_caller *ret,
                  struct web_refusal *ret_why)
{
    static int others;
    if (world.refuse) {
        *ret_why = (struct web_refusal){.status = 401, .authenticate = "Bearer x", .text = "who?"};
        return false;
    }
    world.callers++;
    *ret = (struct web_caller){.who = authorization ? (void *)&others : ctx, .client = &world};
    return true;
}

static void leave(void *ctx _unused_, const struct web_caller *caller _unused_)
{
    world.callers--;
}

static void *open_session(void *ctx _unused_, const struct web_caller *caller _unused_)
{
    world.sessions++;
    return &world;
}

static void close_session(void *ctx _unused_, void *client _unused_)
{
    world.sessions--;
    for (struct post *p = web->posts, *next; p; p = next) {
        next = p->next;
        if (p->session && p->session->ended) {
            on_gone(NULL, &p->exchange);
            end_with(&p->exchange, EXCHANGE_NOTHING, "");
        }
    }
}

static const char *not_ready(void *ctx _unused_)
{
    return world.why_not;
}

static void write_metrics(void *ctx _unused_, struct exposition *e)
{
    exposition_single(e, "made_up", "gauge", "Made up.", 1);
}

static void on_end(void *ctx _unused_)
{
    world.ended = true;
    if (world.free_at_end) {
        web_free(web);
        web = NULL;
    }
    loop_stop(loop);
}

/* ---- the server ---- */

/* What the client wants done on the loop's thread comes by a message of its own. */
static void (*wanted)(void);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct loop_timer *poll_timer;

static void on_poll(void *ctx _unused_)
{
    pthread_mutex_lock(&lock);
    void (*what)(void) = wanted;
    wanted = NULL;
    pthread_mutex_unlock(&lock);
    if (what)
        what();
    if (!world.ended)
        loop_timer_arm(poll_timer, 1000000);
}

static void on_loop(void (*what)(void))
{
    bool done = false;
    pthread_mutex_lock(&lock);
    wanted = what;
    pthread_mutex_unlock(&lock);
    while (!done) {
        usleep(1000);
        pthread_mutex_lock(&lock);
        done = wanted == NULL;
        pthread_mutex_unlock(&lock);
    }
}

static void open_web(bool public_pages)
{
    static const struct strv none;
    struct err err = ERR_INIT;
    struct web_options options = {
        .http = {.address = "127.0.0.1",
                 .limits = {.max_connections = 5000, .max_per_address = 5000}},
        .allowed_hosts = &none,
        .allowed_origins = &none,
        .public_pages = public_pages,
        .title = "Test",
        .version = "1",
        .handler = &handler,
        .gate = {enter, leave, open_session, close_session, NULL, NULL, not_ready, write_metrics,
                 on_end, &world},
    };
    loop = loop_new(&err);
    web = web_new(loop, &options, &err);
    REQUIRE(web);
    port = (int)web_port(web);
    poll_timer = loop_timer_new(loop, on_poll, NULL, &err);
    REQUIRE(poll_timer);
    loop_timer_arm(poll_timer, 0);
}

static void *run_client(void *client)
{
    ((void (*)(void))(uintptr_t)client)();
    return NULL;
}

/* Serve until on_end. The client has to have the server stopped. */
static void serve(void (*client)(void))
{
    pthread_t thread;
    struct err err = ERR_INIT;
    REQUIRE(pthread_create(&thread, NULL, run_client, (void *)(uintptr_t)client) == 0);
    CHECK(loop_run(loop, &err) == 0);
    pthread_join(thread, NULL);
    loop_timer_free(poll_timer);
    web_free(web);
    loop_free(loop);
    CHECK(world.callers == 0 && world.sessions == 0 && world.n_kept == 0);
}

static void stop_now(void)
{
    web_stop(web, 0);
}

static void stop_patiently(void)
{
    web_stop(web, 3600ull * 1000000000);
}

/* ---- the client ---- */

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        printf("# cannot connect: %s\n", strerror(errno));
        exit(1);
    }
    return fd;
}

static void say(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        printf("# could not send\n");
}

/* Read until @part has come, or the end. */
static const char *hear(int fd, const char *part)
{
    static char text[65536];
    size_t n = 0;
    text[0] = '\0';
    while (!(part && strstr(text, part)) && n < sizeof(text) - 1) {
        ssize_t got = recv(fd, text + n, sizeof(text) - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
        text[n] = '\0';
    }
    return text;
}

/* One request whose answer ends with the connection. */
static const char *ask(const char *request)
{
    char text[2048];
    const char *end = strstr(request, "\r\n\r\n");
    snprintf(text, sizeof(text), "%.*s\r\nConnection: close%s", (int)(end - request), request, end);
    int fd = dial();
    say(fd, text);
    const char *answer = hear(fd, NULL);
    close(fd);
    return answer;
}

static const char *post(const char *path, const char *more, const char *body)
{
    char text[2048];
    snprintf(text, sizeof(text),
             "POST %s HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n%sContent-Length: %zu"
             "\r\n\r\n%s",
             path, more, strlen(body), body);
    return ask(text);
}

static bool has(const char *text, const char *part)
{
    bool found = strstr(text, part) != NULL;
    if (!found)
        printf("# no \"%s\" in: %.300s\n", part, text);
    return found;
}

/* ---- answers ---- */

static void ask_for_answers(void)
{
    CHECK(has(post("/mcp", "", "x"), "HTTP/1.1 200 ") && has(post("/", "", "x"), "{\"http\":1}"));
    CHECK(has(post("/mcp", "", "bad"), "HTTP/1.1 400 "));
    const char *answer = post("/mcp", "", "later");
    CHECK(has(answer, "HTTP/1.1 429 ") && has(answer, "Retry-After: 7\r\n"));
    answer = post("/mcp", "", "nothing");
    CHECK(has(answer, "HTTP/1.1 202 ") && has(answer, "Content-Length: 0\r\n") &&
          !strstr(answer, "Content-Type"));
    CHECK(has(post("/mcp", "", "hello"), "Mcp-Session-Id: "));
    CHECK(!strstr(post("/mcp", "", "x"), "Mcp-Session-Id"));
    answer = post("/mcp", "", "note");
    CHECK(has(answer, "text/event-stream") &&
          has(answer, "event: message\ndata: {\"note\":1}\n\n"));
    CHECK(has(answer, "event: message\ndata: {\"sent\":true}\n\n"));
    answer = post("/mcp", "Accept: application/json\r\n", "note");
    CHECK(has(answer, "application/json") && has(answer, "{\"sent\":false}"));
    answer = post("/mcp", "Accept: text/event-stream\r\n", "hello");
    CHECK(has(answer, "text/event-stream") && has(answer, "Mcp-Session-Id: "));
    CHECK(has(post("/mcp", "Accept: text/event-stream\r\n", "bad"), "HTTP/1.1 400 "));
    on_loop(stop_now);
}

TEST(every_outcome_has_its_status_and_form)
{
    open_web(true);
    serve(ask_for_answers);
    CHECK(world.messages == 11);
}

/* ---- pages ---- */

static void ask_for_pages(void)
{
    world.why_not = "The self-test is under way.";
    const char *answer = ask("GET /ready HTTP/1.1\r\n" HOST "\r\n");
    CHECK(has(answer, "HTTP/1.1 503 ") && has(answer, "The self-test is under way.\n"));
    CHECK(has(ask("GET /health HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200 "));
    world.why_not = NULL;
    CHECK(has(ask("GET /ready HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200 "));
    CHECK(has(ask("GET /metrics HTTP/1.1\r\n" HOST "\r\n"), "made_up 1\n"));
    world.refuse = true;
    answer = ask("GET /metrics HTTP/1.1\r\n" HOST "\r\n");
    CHECK(has(answer, "HTTP/1.1 401 ") && has(answer, "WWW-Authenticate: Bearer x\r\n"));
    CHECK(has(answer, "who?\n"));
    CHECK(has(ask("GET /ready HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 401 "));
    CHECK(has(ask("GET /health HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200 "));
    CHECK(has(post("/mcp", "", "x"), "HTTP/1.1 401 "));
    CHECK(has(ask("GET /sse HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 401 "));
    world.refuse = false;
    on_loop(stop_now);
}

TEST(ready_tells_why_not_and_closed_pages_ask_who_it_is)
{
    open_web(false);
    serve(ask_for_pages);
    CHECK(world.messages == 0);
}

/* ---- clients that go ---- */

static void wait_for(const unsigned *value, unsigned wanted_value)
{
    for (int i = 0; i < 20000 && *(volatile const unsigned *)value != wanted_value; i++)
        usleep(1000);
    CHECK(*(volatile const unsigned *)value == wanted_value);
}

static void vanish(void)
{
    int fd = dial();
    say(fd, "POST /mcp HTTP/1.1\r\n" HOST
            "Content-Type: application/json\r\nContent-Length: 4\r\n\r\nkeep");
    wait_for(&world.n_kept, 1);
    close(fd);
    wait_for(&world.gone, 1);
    int session = dial();
    say(session, "GET /sse HTTP/1.1\r\n" HOST "\r\n");
    char address[64] = "";
    const char *at = strstr(hear(session, "\n\n"), "data: ");
    CHECK(at && sscanf(at, "data: %60s", address) == 1);
    CHECK(has(post(address, "", "x"), "HTTP/1.1 202 "));
    CHECK(has(hear(session, "\n\n"), "event: message\ndata: {\"session\":1}\n\n"));
    CHECK(has(post(address, "Authorization: other\r\n", "x"), "HTTP/1.1 404 "));
    CHECK(has(post(address, "", "keep"), "HTTP/1.1 202 "));
    wait_for(&world.n_kept, 1);
    close(session);
    wait_for(&world.sessions, 0);
    wait_for(&world.n_kept, 0);
    CHECK(has(post(address, "", "x"), "HTTP/1.1 404 "));
    on_loop(stop_now);
}

TEST(the_protocol_is_told_once_of_each_client_that_has_gone)
{
    open_web(true);
    serve(vanish);
    CHECK(world.gone == 2);
}

/* ---- the end ---- */

static int waiting;

static void keep_one(void)
{
    waiting = dial();
    say(waiting, "POST /mcp HTTP/1.1\r\n" HOST
                 "Content-Type: application/json\r\nContent-Length: 4\r\n\r\nkeep");
    wait_for(&world.n_kept, 1);
}

static void stop_with_one(void)
{
    keep_one();
    on_loop(stop_now);
    const char *answer = hear(waiting, NULL);
    CHECK(has(answer, "{\"stopped\":1}") && has(answer, "Connection: close\r\n"));
    close(waiting);
}

TEST(what_is_under_way_after_the_grace_is_stopped_and_answered)
{
    world.end_on_stop = true;
    open_web(true);
    serve(stop_with_one);
    CHECK(world.stops == 1 && world.ended);
}

static void end_it(void)
{
    end_with(world.kept[--world.n_kept], EXCHANGE_ANSWER, "{\"by\":\"itself\"");
}

static void stop_patiently_with_one(void)
{
    int session = dial();
    say(session, "GET /sse HTTP/1.1\r\n" HOST "\r\n");
    hear(session, "\n\n");
    keep_one();
    on_loop(stop_patiently);
    CHECK(has(hear(session, NULL), "0\r\n\r\n")); /* nothing is under way in it */
    on_loop(end_it);
    CHECK(has(hear(waiting, NULL), "{\"by\":\"itself\"}"));
    close(waiting);
    close(session);
}

TEST(what_is_under_way_within_the_grace_ends_by_itself)
{
    open_web(true);
    serve(stop_patiently_with_one);
    CHECK(world.stops == 0 && world.ended);
}

static void stop_with_one_that_never_ends(void)
{
    keep_one();
    on_loop(stop_now);
    while (!*(volatile bool *)&world.ended)
        usleep(1000);
    close(waiting);
}

TEST(a_protocol_that_never_answers_is_not_waited_for)
{
    open_web(true);
    serve(stop_with_one_that_never_ends);
    CHECK(world.stops == 1 && world.gone == 1);
}

static void stop_at_once(void)
{
    on_loop(stop_now);
}

TEST(the_server_can_be_freed_when_it_says_that_everything_has_ended)
{
    world.free_at_end = true;
    open_web(true);
    serve(stop_at_once);
    CHECK(world.ended && !web);
}

/* ---- bounds ---- */

#define OTHER "Authorization: other\r\n"

static void open_too_many(void)
{
    static int fds[WEB_MAX_SESSIONS];
    for (size_t i = 0; i < WEB_MAX_SESSIONS; i++) {
        fds[i] = dial();
        say(fds[i], i < WEB_MAX_SESSIONS_OF_ONE ? "GET /sse HTTP/1.1\r\n" HOST "\r\n"
                                                : "GET /sse HTTP/1.1\r\n" HOST OTHER "\r\n");
        hear(fds[i], "\n\n");
        if (i + 1 == WEB_MAX_SESSIONS_OF_ONE)
            CHECK(has(ask("GET /sse HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 503 "));
    }
    const char *answer = ask("GET /sse HTTP/1.1\r\n" HOST "\r\n");
    CHECK(has(answer, "HTTP/1.1 503 ") && has(answer, "Retry-After"));
    CHECK(world.sessions == WEB_MAX_SESSIONS);
    close(fds[7]);
    wait_for(&world.sessions, WEB_MAX_SESSIONS - 1);
    fds[7] = dial();
    say(fds[7], "GET /sse HTTP/1.1\r\n" HOST "\r\n");
    CHECK(has(hear(fds[7], "\n\n"), "event: endpoint\n"));
    on_loop(stop_now);
    for (size_t i = 0; i < WEB_MAX_SESSIONS; i++)
        close(fds[i]);
}

TEST(the_number_of_sessions_is_bounded_for_each_caller_and_places_become_free_again)
{
    struct rlimit files;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &files) == 0);
    if (files.rlim_max < 5000)
        SKIP("not enough descriptors");
    files.rlim_cur = MIN(files.rlim_max, 6000);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &files) == 0);
    open_web(true);
    serve(open_too_many);
}

int main(void)
{
    return tap_main();
}
