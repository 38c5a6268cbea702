/* Workers for the tests of the engine: see fake_zygote.h. What one does is chosen by the text of
 * the "program" it is given. */
#ifndef TESTS_FAKE_WORKER_H
#define TESTS_FAKE_WORKER_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "sys/clock.h"
#include "sys/fd.h"
#include "tap.h"
#include "wire/msg.h"

enum mood {
    MOOD_GOOD,
    /* zygote */
    MOOD_PROOF_BROKEN,
    MOOD_PROOF_EMPTY,
    MOOD_FATAL,
    MOOD_SILENT_START,  /* says nothing, ever */
    MOOD_DIES_AT_START, /* at once, without a word */
    MOOD_LAUNCH_FAILS,  /* the keeper says so */
    MOOD_READY_FIRST,   /* READY without a proof */
    MOOD_IGNORES_KILL,
    MOOD_BABBLES, /* EXITED for nobody */
    /* workers */
    MOOD_WORKER_DIES_COLD,
    MOOD_WORKER_GARBAGE_COLD,
    MOOD_WORKER_NEVER_WARM,
    MOOD_WORKER_TALKS_WARM, /* sends a RESULT nobody asked for */
    MOOD_WORKER_DIES_WARM,
};

/* Shared with all the processes below, so that a test can change it while they run. */
struct script {
    enum mood mood;
    unsigned times; /* the mood passes after so many zygotes or workers; 0 = never */
    bool listener;  /* report socket(2) */
    /* counters */
    unsigned launches, ends, zygotes_dead, spawns, kills, runs;
    unsigned log_len;
    char log[256][24]; /* programs in the order they were taken */
    char cgroup[64];   /* of the last launch */
};
static struct script *script;

static inline enum mood mood_now(enum mood m)
{
    if (script->mood != m)
        return MOOD_GOOD;
    if (script->times > 0 && --script->times == 0)
        script->mood = MOOD_GOOD;
    return m;
}

/* ---- worker ---- */

struct fake_worker {
    int fd, out[2];
    struct status_page *status;
    uint8_t *pending;
    struct msg_run run;
};

static inline void fake_send_body(int fd, struct wire_out *out)
{
    if (msg_frame(out, NULL) < 0 || fd_write_all(fd, out->buf.data, out->buf.len, NULL) < 0)
        _exit(0);
    wire_out_done(out);
}

static inline void fake_put_result(struct wire_out *out, const struct fake_worker *w,
                                   uint8_t outcome, const char *json)
{
    struct msg_result r = {
        .outcome = outcome,
        .started_ns = w->status->started_ns,
        .ended_ns = clock_mono_ns(),
        .result_json = (char *)(uintptr_t)json,
        .result_type = (char *)(uintptr_t) "str",
        .error = (char *)(uintptr_t)(outcome ? "it failed" : ""),
        .error_type = (char *)(uintptr_t)(outcome ? "ValueError" : ""),
    };
    msg_put_result(out, &r);
}

static inline void fake_result(const struct fake_worker *w, uint8_t outcome, const char *json)
{
    struct wire_out out = WIRE_OUT_INIT(0);
    fake_put_result(&out, w, outcome, json);
    fake_send_body(w->fd, &out);
}

static inline void fake_event(const struct fake_worker *w)
{
    struct wire_out out = WIRE_OUT_INIT(0);
    struct msg_event ev = {
        .layer = LAYER_GUARD,
        .rule = (char *)(uintptr_t) "name",
        .detail = (char *)(uintptr_t) "tried",
        .remedy = (char *)(uintptr_t) "none",
    };
    msg_put_event(&out, &ev);
    fake_send_body(w->fd, &out);
}

static inline void fake_warm(int fd)
{
    struct wire_out out = WIRE_OUT_INIT(0);
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    struct msg_warm m = {.max_rss_bytes = (uint64_t)ru.ru_maxrss * 1024};
    msg_put_warm(&out, &m);
    fake_send_body(fd, &out);
}

static inline void fake_verdict(const struct fake_worker *w, uint8_t outcome)
{
    struct wire_out out = WIRE_OUT_INIT(0);
    struct msg_verdict v = {.outcome = outcome, .line_count = 1};
    msg_put_verdict(&out, &v);
    fake_send_body(w->fd, &out);
}

static inline void fake_raw(const struct fake_worker *w, const void *data, size_t n)
{
    if (fd_write_all(w->fd, data, n, NULL) < 0)
        _exit(0);
}

static inline void fake_print(const struct fake_worker *w, int stream, const char *text)
{
    fd_write_all(w->out[stream], text, strlen(text), NULL);
}

static inline void *fake_socket(void *ret)
{
    errno = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    *(int *)ret = fd < 0 ? errno : 0;
    return NULL;
}

static inline void fake_spin(uint64_t cpu_ns)
{
    uint64_t used = 0;
    while (used < cpu_ns)
        clock_process_cpu_ns(getpid(), &used);
}

static inline bool fake_is(const struct fake_worker *w, const char *text)
{
    return strncmp((const char *)w->run.code, text, strlen(text)) == 0;
}

/* Bytes by the rule of a seed, framed or not. */
static inline void fake_noise(struct fake_worker *w)
{
    unsigned seed = (unsigned)atoi((const char *)w->run.code + 5);
    uint8_t bytes[600];
    size_t n = (size_t)rand_r(&seed) % sizeof(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(rand_r(&seed) >> 8);
    if (n > 4 && seed % 3 != 0) { /* a true length, and a type that is its own */
        bytes[0] = (uint8_t)(n - 4);
        bytes[1] = (uint8_t)((n - 4) >> 8);
        bytes[2] = bytes[3] = 0;
        bytes[4] = seed % 2 ? MSG_RESULT : MSG_EVENT;
    }
    fake_raw(w, bytes, n);
    _exit(0);
}

/* Ways to end badly. Returns if it is none of them. */
static inline void fake_end_badly(struct fake_worker *w)
{
    if (fake_is(w, "noise"))
        fake_noise(w);
    if (fake_is(w, "exit3"))
        _exit(3);
    if (fake_is(w, "segv"))
        kill(getpid(), SIGSEGV);
    if (fake_is(w, "sigkill"))
        kill(getpid(), SIGKILL);
    if (fake_is(w, "nomem")) {
        w->status->alloc_failed = 1;
        kill(getpid(), SIGSEGV);
    }
    if (fake_is(w, "pending")) {
        fake_print(w, 0, "written, ");
        memcpy(w->pending, "pending\xc3", 9); /* with its NUL */
        w->status->pending[0] = 9;
        w->status->flushed[0] = 9; /* "written, " */
        memcpy(w->pending + STATUS_OUT_BYTES, "oops", 4);
        w->status->pending[1] = 4;
        kill(getpid(), SIGKILL);
    }
    if (fake_is(w, "lying pending")) {
        w->status->pending[0] = w->status->pending[1] = 0xffffffff;
        w->status->started_ns = ~0ull;
        kill(getpid(), SIGKILL);
    }
    if (fake_is(w, "result, then exit")) {
        fake_result(w, OUTCOME_OK, "1");
        _exit(0);
    }
    if (fake_is(w, "close")) {
        close(w->fd);
        for (;;)
            pause();
    }
    if (fake_is(w, "hang")) {
        fake_print(w, 0, "before");
        for (;;)
            pause();
    }
}

/* Ways to lie. Returns if it is none of them. */
static inline void fake_lie(struct fake_worker *w)
{
    struct wire_out out = WIRE_OUT_INIT(0);
    if (fake_is(w, "garbage"))
        fake_raw(w, "\x05\x00\x00\x00\xff\xff\xff\xff\xff", 9);
    else if (fake_is(w, "lying length"))
        fake_raw(w, "\xff\xff\xff\xff zzzz", 9);
    else if (fake_is(w, "empty frame"))
        fake_raw(w, "\x00\x00\x00\x00", 4);
    else if (fake_is(w, "half a result"))
        fake_raw(w, "\x40\x00\x00\x00\x12\x00\x00", 7), close(w->fd);
    else if (fake_is(w, "malformed result"))
        fake_raw(w, (uint8_t[]){4, 0, 0, 0, MSG_RESULT, 0, 0, 0}, 8);
    else if (fake_is(w, "warm again"))
        fake_warm(w->fd), fake_warm(w->fd);
    else if (fake_is(w, "verdict") && w->run.mode == RUN_EXECUTE)
        fake_verdict(w, OUTCOME_OK);
    else if (fake_is(w, "from the server"))
        fake_raw(w, (uint8_t[]){1, 0, 0, 0, MSG_RUN}, 5);
    else if (fake_is(w, "descriptor"))
        sock_send(w->fd, "\x01", 1, &w->out[0], 1, 0, NULL);
    else if (fake_is(w, "events"))
        for (;;)
            fake_event(w);
    else if (fake_is(w, "long result")) {
        char *text = malloc(300001);
        memset(text, '1', 300000);
        text[300000] = '\0';
        fake_result(w, OUTCOME_OK, text);
    } else if (fake_is(w, "twice")) {
        struct wire_out second = WIRE_OUT_INIT(0);
        fake_put_result(&out, w, OUTCOME_OK, "1");
        fake_put_result(&second, w, OUTCOME_OK, "2");
        msg_frame(&out, NULL);
        msg_frame(&second, NULL);
        buf_add(&out.buf, second.buf.data, second.buf.len, NULL);
        fake_raw(w, out.buf.data, out.buf.len);
    } else
        return;
    for (;;)
        pause();
}

static inline void fake_behave(struct fake_worker *w)
{
    int e1 = 0;
    if (fake_is(w, "outcome"))
        fake_result(w, (uint8_t)(w->run.code[8] - '0'), "null");
    else if (fake_is(w, "valid") && w->run.mode == RUN_VALIDATE)
        fake_verdict(w, (uint8_t)(w->run.code[6] - '0'));
    else if (fake_is(w, "slow")) {
        usleep(30000);
        fake_result(w, OUTCOME_OK, "null");
    } else if (fake_is(w, "print")) {
        fake_print(w, 0, "out \xe2\x82\xac \xff");
        fake_print(w, 1, "err");
        fake_result(w, OUTCOME_OK, "null");
    } else if (fake_is(w, "flood")) { /* far more than the limit; the server hangs up */
        for (int i = 0; i < 1000; i++)
            fake_print(w, 0,
                       "0123456789012345678901234567890123456789012345678901234567890123456789"
                       "0123456789012345678901234567890123456789012345678901234567890123456789");
        fake_result(w, OUTCOME_OK, "null");
    } else if (fake_is(w, "lines")) {
        fake_print(w, 0, "one\n\xe2\x82");
        usleep(20000);
        fake_print(w, 0, "\xac\n");
        usleep(20000);
        fake_print(w, 0, "three\n");
        fake_result(w, OUTCOME_OK, "null");
    } else if (fake_is(w, "spin")) {
        fake_spin(60 * 1000 * 1000);
        size_t n = 24 << 20;
        memset(mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, n);
        fake_result(w, OUTCOME_OK, "null");
    } else if (fake_is(w, "on and on")) {
        fake_result(w, OUTCOME_OK, "null");
        for (;;) {
            usleep(2000);
            fake_print(w, 1, "more");
            fake_result(w, OUTCOME_OK, "null");
        }
    } else if (fake_is(w, "late rehearsal")) {
        fake_warm(w->fd);
        fake_result(w, OUTCOME_OK, "null");
    } else if (fake_is(w, "event")) {
        fake_event(w);
        fake_result(w, OUTCOME_BLOCKED, "null");
    } else if (fake_is(w, "socket")) {
        fake_socket(&e1);
        fake_result(w, OUTCOME_OK, e1 == EPERM ? "\"EPERM\"" : "\"?\"");
    } else if (fake_is(w, "thread socket")) {
        pthread_t t;
        pthread_create(&t, NULL, fake_socket, &e1);
        pthread_join(t, NULL);
        fake_result(w, OUTCOME_OK, e1 == EPERM ? "\"EPERM\"" : "\"?\"");
    } else if (fake_is(w, "many sockets")) {
        for (;;)
            fake_socket(&e1);
    } else if (w->run.mode == RUN_VALIDATE)
        fake_verdict(w, OUTCOME_OK);
    else {
        char json[64];
        snprintf(json, sizeof(json), "%zu", w->run.code_len);
        fake_result(w, OUTCOME_OK, json);
    }
}

static inline void fake_worker(const int fds[4])
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    for (int s = 1; s < 32; s++)
        if (s != SIGPIPE)
            signal(s, SIG_DFL);
    struct fake_worker w = {.fd = fds[0], .out = {fds[1], fds[2]}};
    uint8_t *map = mmap(NULL, STATUS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fds[3], 0);
    w.status = (struct status_page *)(void *)map;
    w.pending = map + STATUS_HEADER;
    if (mood_now(MOOD_WORKER_DIES_COLD)) {
        fake_print(&w, 1, "vivarium worker: enter the jail: no\n");
        _exit(1);
    }
    if (mood_now(MOOD_WORKER_GARBAGE_COLD))
        fake_raw(&w, "\x01\x00\x00\x00\xee", 5);
    if (mood_now(MOOD_WORKER_NEVER_WARM))
        for (;;)
            pause();
    fake_print(&w, 0, "printed while warming up");
    fake_warm(w.fd);
    if (mood_now(MOOD_WORKER_TALKS_WARM))
        fake_result(&w, OUTCOME_OK, "\"nobody asked\"");
    if (mood_now(MOOD_WORKER_DIES_WARM))
        _exit(0);

    uint8_t head[4];
    size_t n;
    if (fd_read_all(w.fd, head, 4, &n, NULL) < 0 || n < 4)
        _exit(0);
    size_t len = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    uint8_t *body = malloc(len);
    if (fd_read_all(w.fd, body, len, &n, NULL) < 0 || n < len ||
        msg_get_run(body, len, &w.run, NULL) < 0)
        _exit(9);
    __atomic_fetch_add(&script->runs, 1, __ATOMIC_SEQ_CST); /* workers run at the same time */
    unsigned at = __atomic_fetch_add(&script->log_len, 1, __ATOMIC_SEQ_CST);
    if (at < 256)
        snprintf(script->log[at], sizeof(script->log[at]), "%.20s", (const char *)w.run.code);
    if (fake_is(&w, "long compile"))
        for (;;)
            pause();
    if (fake_is(&w, "slow compile"))
        usleep(150000);
    w.status->started_ns = clock_mono_ns();
    fake_end_badly(&w);
    fake_lie(&w);
    fake_behave(&w);
    fd_read_all(w.fd, head, 1, &n, NULL);
    _exit(0);
}

#endif
