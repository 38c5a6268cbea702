/* A server for the tests of zygote and worker: the real keeper in a child, a real zygote behind it,
 * real workers, and this process in the place of the server. Everything is as in production but for
 * who asks. */
#ifndef TESTS_WORKER_FIXTURE_H
#define TESTS_WORKER_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "catalog/profiles.h"
#include "keeper/keeper.h"
#include "sys/clock.h"
#include "sys/fd.h"
#include "tap.h"
#include "wire/msg.h"

#define PATIENCE_MS 20000

struct site {
    pid_t keeper;
    int launch, control;
    struct msg_launch spec;
    struct msg_hello hello;
    struct msg_ready ready;
    struct msg_proof proof;
    int listener; /* -1: none */
    pid_t answerer;
    char copy[64]; /* of the extension module, when one was needed */
    uint64_t next_id;
};

struct worker {
    uint64_t id;
    int channel, out[2], status; /* server's ends */
    pid_t pid;                   /* host pid */
    struct msg_warm warm;
    bool rehearsed;
    struct buf in;
};

/* What came of one program. */
struct run {
    struct msg_result result;
    struct msg_verdict verdict;
    struct msg_event *events;
    size_t events_len;
    bool answered; /* else the worker died */
    char *text[2]; /* stdout, stderr */
    size_t text_len[2];
    struct msg_exited exited;
    struct status_page page;
};

static ssize_t recv_wait(int fd, uint8_t *body, size_t size, int fds[SOCK_MAX_FDS], size_t *nfds,
                         pid_t *pid)
{
    struct err err = ERR_INIT;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    REQUIRE(poll(&p, 1, PATIENCE_MS) == 1);
    return sock_recv(fd, body, size, fds, nfds, pid, 0, &err);
}

/* The engine's part with reported system calls: refuse each with EPERM. */
static inline void answer_reports(struct site *s)
{
    s->answerer = fork();
    if (s->answerer != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(s->listener, 3);
    fd_close_from(4, NULL);
    for (;;) {
        struct seccomp_notif n = {0};
        if (ioctl(3, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0) {
            if (errno == EINTR || errno == ENOENT)
                continue;
            _exit(0);
        }
        struct seccomp_notif_resp r = {.id = n.id, .error = -EPERM};
        ioctl(3, SECCOMP_IOCTL_NOTIF_SEND, &r);
    }
}

/* The next message of the zygote; *ret_n = 0 when it has gone. */
static int from_zygote(struct site *s, uint8_t *body, size_t *ret_n)
{
    int fds[SOCK_MAX_FDS];
    size_t nfds = 0;
    struct err err = ERR_INIT;
    ssize_t n = recv_wait(s->control, body, MSG_MAX_DATAGRAM, fds, &nfds, NULL);
    REQUIRE(n >= 0);
    *ret_n = (size_t)n;
    if (n == 0)
        return -1;
    int type = msg_check(body, (size_t)n, nfds, PEER_ZYGOTE, PEER_SERVER, 0, &err);
    if (type < 0)
        printf("# %s\n", err.text);
    REQUIRE(type >= 0);
    if (nfds) {
        s->listener = fds[0];
        answer_reports(s);
    }
    return type;
}

/* Can everybody reach @path? The workers' uid is nobody's friend. */
static inline bool open_to_all(const char *path)
{
    char part[4096];
    struct stat st;
    for (size_t i = 1; i <= strlen(path); i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        snprintf(part, sizeof(part), "%.*s", (int)i, path);
        if (stat(part, &st) < 0 || !(st.st_mode & S_IXOTH))
            return false;
    }
    return true;
}

/* The folder of the extension module, or a copy in @copy where the workers' uid can read it. */
static const char *extension_dir(char copy[64])
{
    const char *dir = getenv("VIVARIUM_EXTENSION_DIR");
    char command[8300];
    if (!dir)
        SKIP("VIVARIUM_EXTENSION_DIR is not set");
    if (getuid() != 0 || open_to_all(dir))
        return dir;
    strcpy(copy, "/tmp/vivarium-test-XXXXXX");
    REQUIRE(mkdtemp(copy) && chmod(copy, 0755) == 0);
    snprintf(command, sizeof(command), "cp '%s'/_vivarium.*.so %s && chmod a+r %s/*", dir, copy,
             copy);
    REQUIRE(system(command) == 0);
    return copy;
}

static inline void site_spec(struct site *s, unsigned bits)
{
    struct err err = ERR_INIT;
    const char *dir = extension_dir(s->copy);
    const char *python = getenv("VIVARIUM_PYTHON");
    const char *isolation = getenv("VIVARIUM_ISOLATION");
    s->spec = (struct msg_launch){.id = 1,
                                  .isolation = str_eq(isolation, "landlock") ? ISOLATION_LANDLOCK
                                                                             : ISOLATION_AUTO,
                                  .profiles = (uint8_t)bits,
                                  .max_threads = 16,
                                  .python = strdup(python ? python : "/usr/bin/python3"),
                                  .extension_dir = strdup(dir),
                                  .cgroup = strdup("")};
    REQUIRE(profile_modules(bits, &s->spec.modules, &err) == 0);
    REQUIRE(strv_copy(&s->spec.preload, &s->spec.modules, &err) == 0);
}

/* Start keeper and zygote and wait until it says READY. */
static inline void site_launch(struct site *s)
{
    struct err err = ERR_INIT;
    int launch[2], control[2];
    s->listener = -1;
    REQUIRE(sock_pair(SOCK_SEQPACKET, launch, &err) == 0);
    REQUIRE(sock_pair(SOCK_SEQPACKET, control, &err) == 0);
    s->keeper = fork();
    REQUIRE(s->keeper >= 0);
    if (s->keeper == 0) {
        close(launch[0]);
        close(control[0]);
        close(control[1]);
        if (getuid() == 0 && (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534)))
            _exit(3);
        _exit(keeper_run(launch[1], NULL) < 0);
    }
    close(launch[1]);
    s->launch = launch[0];
    s->control = control[0];
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(MSG_MAX_DATAGRAM);
    msg_put_launch(&out, &s->spec);
    REQUIRE(sock_send(s->launch, out.buf.data, out.buf.len, &control[1], 1, 0, &err) == 0);
    close(control[1]);
    uint8_t *body = malloc(MSG_MAX_DATAGRAM);
    for (int type = 0; type != MSG_READY;) {
        size_t n;
        type = from_zygote(s, body, &n);
        if (type < 0) {
            ssize_t m = recv_wait(s->launch, body, MSG_MAX_DATAGRAM, (int[SOCK_MAX_FDS]){0},
                                  &(size_t){0}, NULL);
            printf("# the zygote ended before it was ready; keeper says %d: %.*s\n",
                   m > 0 ? body[0] : -1, m > 9 ? (int)m - 13 : 0, (char *)body + 13);
            REQUIRE(!"ready");
        }
        if (type == MSG_HELLO)
            REQUIRE(msg_get_hello(body, n, &s->hello, &err) == 0);
        if (type == MSG_PROOF)
            REQUIRE(msg_get_proof(body, n, &s->proof, &err) == 0);
        if (type == MSG_READY)
            REQUIRE(msg_get_ready(body, n, &s->ready, &err) == 0);
        if (type == MSG_FATAL) {
            struct msg_text why;
            REQUIRE(msg_get_text(body, n, &why, &err) == 0);
            printf("# fatal: %s\n", why.text);
            REQUIRE(!"ready");
        }
    }
    free(body);
}

static inline void site_start(struct site *s, unsigned bits)
{
    site_spec(s, bits);
    site_launch(s);
}

static inline void site_stop(struct site *s)
{
    fd_close(&s->control);
    fd_close(&s->launch);
    fd_close(&s->listener);
    waitpid(s->keeper, NULL, 0);
    if (s->answerer > 0) {
        kill(s->answerer, SIGKILL);
        waitpid(s->answerer, NULL, 0);
    }
    if (s->copy[0]) {
        char command[128];
        snprintf(command, sizeof(command), "rm -r %s", s->copy);
        REQUIRE(system(command) == 0);
    }
    msg_launch_done(&s->spec);
    msg_hello_done(&s->hello);
    msg_ready_done(&s->ready);
    msg_proof_done(&s->proof);
}

/* Wait for the zygote's next message, which must be @type about @id (an EXITED goes to *exited). */
static inline void expect_zygote(struct site *s, int type, uint64_t id, struct msg_exited *exited)
{
    uint8_t body[MSG_MAX_DATAGRAM > 65536 ? 65536 : MSG_MAX_DATAGRAM];
    size_t n;
    struct err err = ERR_INIT;
    for (;;) {
        int got = from_zygote(s, body, &n);
        struct msg_exited e = {0};
        if (got == MSG_EXITED) {
            REQUIRE(msg_get_exited(body, n, &e, &err) == 0);
            if (e.id != id)
                continue; /* of an earlier worker, whom nobody waited for */
        }
        if (got != type)
            printf("# message %d instead of %d\n", got, type);
        REQUIRE(got == type);
        if (exited)
            *exited = e;
        return;
    }
}

/* 0 with *ret_body, *ret_n (to be consumed by the caller), or -1 at end of file. */
static int next_frame(struct worker *w, const uint8_t **ret_body, size_t *ret_n)
{
    struct err err = ERR_INIT;
    for (;;) {
        int whole = msg_unframe(&w->in, 64u << 20, ret_body, ret_n, &err);
        REQUIRE(whole >= 0);
        if (whole)
            return 0;
        int fds[SOCK_MAX_FDS];
        size_t nfds = 0;
        pid_t pid = 0;
        REQUIRE(buf_reserve(&w->in, 65536, &err) == 0);
        ssize_t n =
            recv_wait(w->channel, w->in.data + w->in.len, w->in.cap - w->in.len, fds, &nfds, &pid);
        if (n <= 0)
            return -1;
        w->in.len += (size_t)n;
        if (pid)
            w->pid = pid;
    }
}

static inline void worker_spawn(struct site *s, struct worker *w)
{
    struct err err = ERR_INIT;
    int chan[2], out[2], errs[2];
    *w = (struct worker){.id = ++s->next_id, .in = BUF_INIT(0)};
    REQUIRE(sock_pair(SOCK_STREAM, chan, &err) == 0);
    REQUIRE(sock_pass_credentials(chan[0], &err) == 0);
    REQUIRE(pipe2(out, O_CLOEXEC) == 0 && pipe2(errs, O_CLOEXEC) == 0);
    REQUIRE(memfd_new("status", NULL, STATUS_BYTES, true, &w->status, &err) == 0);
    auto_wire_out struct wire_out m = WIRE_OUT_INIT(64);
    msg_put_id(&m, MSG_SPAWN, w->id);
    int fds[] = {chan[1], out[1], errs[1], w->status};
    REQUIRE(sock_send(s->control, m.buf.data, m.buf.len, fds, 4, 0, &err) == 0);
    close(chan[1]);
    close(out[1]);
    close(errs[1]);
    w->channel = chan[0];
    w->out[0] = out[0];
    w->out[1] = errs[0];
    fcntl(w->out[0], F_SETFL, O_NONBLOCK);
    fcntl(w->out[1], F_SETFL, O_NONBLOCK);
    expect_zygote(s, MSG_SPAWNED, w->id, NULL);
    const uint8_t *body;
    size_t n;
    if (next_frame(w, &body, &n) < 0) {
        char why[1024];
        ssize_t got = read(w->out[1], why, sizeof(why));
        printf("# no MSG_WARM: %.*s\n", got > 0 ? (int)got : 0, why);
        REQUIRE(!"warm");
    }
    REQUIRE(msg_check(body, n, 0, PEER_WORKER, PEER_SERVER, 0, &err) == MSG_WARM);
    REQUIRE(msg_get_warm(body, n, &w->warm, &err) == 0);
    buf_consume(&w->in, MSG_FRAME_HEADER + n);
}

static inline void drain(struct worker *w, struct run *r)
{
    for (int i = 0; i < 2; i++) {
        char piece[65536];
        ssize_t n;
        while ((n = read(w->out[i], piece, sizeof(piece))) > 0) {
            r->text[i] = realloc(r->text[i], r->text_len[i] + (size_t)n + 1);
            memcpy(r->text[i] + r->text_len[i], piece, (size_t)n);
            r->text_len[i] += (size_t)n;
            r->text[i][r->text_len[i]] = '\0';
        }
    }
}

static inline void worker_send(struct worker *w, const struct msg_run *m)
{
    struct err err = ERR_INIT;
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(0);
    msg_put_run(&out, m);
    REQUIRE(msg_frame(&out, &err) == 0);
    REQUIRE(fd_write_all(w->channel, out.buf.data, out.buf.len, &err) == 0);
}

static inline void keep_event(struct run *r, const uint8_t *body, size_t n)
{
    struct err err = ERR_INIT;
    r->events = realloc(r->events, (r->events_len + 1) * sizeof(*r->events));
    REQUIRE(msg_get_event(body, n, &r->events[r->events_len], &err) == 0);
    r->events_len++;
}

/* Read what the worker says until its last message or its end, draining its output meanwhile.
 * @stop_ms: give up after so long (0 = never) and return false. */
static inline bool worker_listen(struct worker *w, struct run *r, unsigned stop_ms)
{
    uint64_t end = clock_mono_ns() + (stop_ms ? stop_ms : PATIENCE_MS) * UINT64_C(1000000);
    struct err err = ERR_INIT;
    for (;;) {
        const uint8_t *body;
        size_t n;
        int whole = msg_unframe(&w->in, 64u << 20, &body, &n, &err);
        REQUIRE(whole >= 0);
        if (whole) {
            int type = msg_check(body, n, 0, PEER_WORKER, PEER_SERVER, 64u << 20, &err);
            if (type == MSG_EVENT)
                keep_event(r, body, n);
            else if (type == MSG_RESULT)
                REQUIRE(msg_get_result(body, n, &r->result, &err) == 0);
            else if (type == MSG_VERDICT)
                REQUIRE(msg_get_verdict(body, n, &r->verdict, &err) == 0);
            else
                REQUIRE(type == MSG_WARM && !w->rehearsed);
            w->rehearsed |= type == MSG_WARM;
            buf_consume(&w->in, MSG_FRAME_HEADER + n);
            r->answered = type != MSG_EVENT && type != MSG_WARM;
            if (r->answered)
                return true;
            continue;
        }
        struct pollfd p[] = {{.fd = w->channel, .events = POLLIN},
                             {.fd = w->out[0], .events = POLLIN},
                             {.fd = w->out[1], .events = POLLIN}};
        poll(p, 3, 20);
        drain(w, r);
        if (p[0].revents) {
            REQUIRE(buf_reserve(&w->in, 65536, &err) == 0);
            ssize_t got = read(w->channel, w->in.data + w->in.len, w->in.cap - w->in.len);
            if (got <= 0)
                return true;
            w->in.len += (size_t)got;
        }
        if (clock_mono_ns() > end) {
            REQUIRE(stop_ms != 0);
            return false;
        }
    }
}

/* What is in the status file and was not in the pipe. */
static inline void add_pending(struct worker *w, struct run *r)
{
    REQUIRE(pread(w->status, &r->page, sizeof(r->page), 0) == sizeof(r->page));
    for (int i = 0; i < 2; i++) {
        uint32_t n = r->page.pending[i];
        REQUIRE(n <= STATUS_OUT_BYTES);
        size_t skip = r->text_len[i] - MIN(r->text_len[i], r->page.flushed[i]);
        if (skip >= n)
            continue;
        r->text[i] = realloc(r->text[i], r->text_len[i] + n - skip + 1);
        off_t at = (off_t)(STATUS_HEADER + (size_t)i * STATUS_OUT_BYTES + skip);
        REQUIRE(pread(w->status, r->text[i] + r->text_len[i], n - skip, at) == (ssize_t)(n - skip));
        r->text_len[i] += n - skip;
        r->text[i][r->text_len[i]] = '\0';
    }
}

static inline void worker_end(struct site *s, struct worker *w, struct run *r)
{
    fd_close(&w->channel);
    expect_zygote(s, MSG_EXITED, w->id, &r->exited);
    drain(w, r);
    add_pending(w, r);
    fd_close(&w->out[0]);
    fd_close(&w->out[1]);
    fd_close(&w->status);
    buf_done(&w->in);
}

static inline void worker_kill(struct site *s, struct worker *w)
{
    struct err err = ERR_INIT;
    auto_wire_out struct wire_out m = WIRE_OUT_INIT(64);
    msg_put_id(&m, MSG_KILL, w->id);
    REQUIRE(sock_send(s->control, m.buf.data, m.buf.len, NULL, 0, 0, &err) == 0);
}

static inline void run_done(struct run *r)
{
    msg_result_done(&r->result);
    msg_verdict_done(&r->verdict);
    for (size_t i = 0; i < r->events_len; i++)
        msg_event_done(&r->events[i]);
    free(r->events);
    free(r->text[0]);
    free(r->text[1]);
}

#define REQUEST(text)                                                                              \
    (struct msg_run)                                                                               \
    {                                                                                              \
        .mode = RUN_EXECUTE, .capture_output = true, .profiles = 0xff, .mem_bytes = 128 << 20,     \
        .max_output = 1 << 20, .code = (uint8_t *)(uintptr_t)(text), .code_len = strlen(text)      \
    }

/* One program in one new worker. */
static inline struct run run_request(struct site *s, const struct msg_run *m)
{
    struct worker w;
    struct run r = {0};
    worker_spawn(s, &w);
    worker_send(&w, m);
    worker_listen(&w, &r, 0);
    worker_end(s, &w, &r);
    if (!r.text[0])
        r.text[0] = strdup("");
    if (!r.text[1])
        r.text[1] = strdup("");
    return r;
}

static inline struct run run_text(struct site *s, const char *text)
{
    struct msg_run m = REQUEST(text);
    return run_request(s, &m);
}

/* ---- for every test ---- */

static struct site site;

static inline void open_site(void)
{
    site_start(&site, PROFILE_BASIC);
}

#define CHECK_RUN(r, expected)                                                                     \
    do {                                                                                           \
        if (!(r).answered || (r).result.outcome != (expected))                                     \
            printf("# answered %d outcome %d status %x: %s\n", (r).answered, (r).result.outcome,   \
                   (r).exited.wait_status, (r).result.error ? (r).result.error : (r).text[1]);     \
        CHECK((r).answered && (r).result.outcome == (expected));                                   \
    } while (0)

static inline bool has(const char *text, const char *part)
{
    bool found = text && strstr(text, part);
    if (!found)
        printf("# \"%s\" is not in \"%.500s\"\n", part, text ? text : "(null)");
    return found;
}

#endif
