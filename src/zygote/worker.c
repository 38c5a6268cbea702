/* A worker, from fork to end: see zygote.h. It is jailed before it reads the first byte of a
 * program, runs one, and dies. What it says after that program's first line is the program's word;
 * the server takes it as such. */
#include <Python.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "catalog/profiles.h"
#include "python/capture.h"
#include "python/events.h"
#include "python/guards.h"
#include "python/imports.h"
#include "python/memory.h"
#include "python/run.h"
#include "sys/fd.h"
#include "zygote/zygote.h"

#define FD_CHANNEL 3
#define KEEP_BELOW 4 /* /dev/null, stdout, stderr, channel */

#define COMPILE_BYTES (256ull << 20) /* what the compiler may add */
#define LARGE_SOURCE  (16 * 1024)    /* bytes of text; from here on compiling leaves a mark */
#define MAX_RUN       (256u << 20)   /* bytes of MSG_RUN; it comes from the server */

/* How long a program that has been waiting for a worker takes to arrive, at most, on a busy machine
 */
#define REHEARSE_AFTER_MS 1

struct worker {
    struct jail *jail;
    const struct msg_launch *launch;
    struct status_page *status;
    uint64_t address_space; /* bytes, when warm */
};

/* Before a program runs there is no result to put an error into: it goes where its errors would go.
 */
_noreturn_ static void die(const char *what, const struct err *err)
{
    char text[700];
    int n = snprintf(text, sizeof(text), "vivarium worker: %s: %s\n", what, err->text);
    if (n > 0 && write(2, text, MIN((size_t)n, sizeof(text) - 1)) < 0)
        _exit(2);
    _exit(1);
}

/* ---- limits, called back by run ---- */

static int limit_compile(void *ctx, struct err *err)
{
    const struct worker *w = ctx;
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) < 0)
        return err_set(err, ERR_SYS, "RLIMIT_AS");
    /* the soft limit only: it must be possible to raise it to what the program may use */
    limit.rlim_cur = MIN((rlim_t)(w->address_space + COMPILE_BYTES), limit.rlim_max);
    if (setrlimit(RLIMIT_AS, &limit) < 0)
        return err_set(err, ERR_SYS, "limit the compiler's memory");
    return 0;
}

static int limit_program(void *ctx, const struct msg_run *run, struct err *err)
{
    struct worker *w = ctx;
    uint64_t base = w->address_space;
    if (run->code_len > LARGE_SOURCE)
        base = MAX(base, jail_address_space());
    if (jail_limit_memory(base, run->mem_bytes, err) < 0)
        return -1;
    return run->cpu_ms ? jail_limit_cpu(run->cpu_ms, err) : 0;
}

static void relax(void *ctx)
{
    (void)ctx;
    jail_relax_memory();
}

/* ---- channel ---- */

static int send_frame(struct wire_out *out, struct err *err)
{
    if (msg_frame(out, err) < 0)
        return -1;
    return fd_write_all(FD_CHANNEL, out->buf.data, out->buf.len, err);
}

static void send_event(void *ctx, const struct msg_event *event)
{
    (void)ctx;
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(0);
    msg_put_event(&out, event);
    send_frame(&out, NULL);
}

/* Block until the one request is there. 0 = the server has closed the channel instead. */
static int receive_run(struct msg_run *ret, struct err *err)
{
    auto_buf struct buf in = BUF_INIT((size_t)MAX_RUN + MSG_FRAME_HEADER);
    for (;;) {
        if (buf_reserve(&in, MAX(in.len, (size_t)16 * 1024), err) < 0)
            return -1;
        ssize_t n = read(FD_CHANNEL, in.data + in.len, in.cap - in.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, ERR_SYS, "read the request");
        if (n == 0)
            return 0;
        in.len += (size_t)n;
        const uint8_t *body;
        size_t len;
        int whole = msg_unframe(&in, MAX_RUN, &body, &len, err);
        if (whole < 0)
            return -1;
        if (whole == 0)
            continue;
        if (msg_check(body, len, 0, PEER_SERVER, PEER_WORKER, MAX_RUN, err) < 0 ||
            msg_get_run(body, len, ret, err) < 0)
            return -1;
        return 1;
    }
}

static int send_warm(struct err *err)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(0);
    struct msg_warm warm = {.max_rss_bytes = (uint64_t)used.ru_maxrss * 1024};
    msg_put_warm(&out, &warm);
    return send_frame(&out, err);
}

/* ---- life ---- */

static int take_descriptors(struct worker *w, const int fds[4], struct err *err)
{
    /* 0 is /dev/null since the zygote's start; the received ones are all above 3 */
    if (dup2(fds[1], 1) < 0 || dup2(fds[2], 2) < 0 || dup2(fds[0], FD_CHANNEL) < 0)
        return err_set(err, ERR_SYS, "dup2");
    void *page = mmap(NULL, STATUS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fds[3], 0);
    if (page == MAP_FAILED)
        return err_set(err, ERR_SYS, "map the status file");
    w->status = page;
    return 0;
}

static int report_warm(struct worker *w, struct err *err)
{
    memory_watch(&w->status->alloc_failed);
    capture_attach(w->status, 1, 2);
    w->address_space = jail_address_space();
    return send_warm(err);
}

/* A program that is already waiting runs at once: it makes its pages private itself, and those of a
 * rehearsal besides would only cost. Where none is, there is time for one, and the next program
 * finds everything in place. */
static int warm_up(struct worker *w, struct err *err)
{
    guards_arm();
    if (report_warm(w, err) < 0)
        return -1;
    struct pollfd channel = {.fd = FD_CHANNEL, .events = POLLIN};
    if (poll(&channel, 1, REHEARSE_AFTER_MS) != 0)
        return 0;
    capture_detach();
    if (rehearse_briefly(w->launch, err) < 0)
        return -1;
    return report_warm(w, err);
}

static int answer(struct worker *w, const struct msg_run *run, struct err *err)
{
    struct run_env env = {.launch = w->launch,
                          .status = w->status,
                          .limits = {limit_compile, limit_program, relax, w}};
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(0);
    if (run->mode == RUN_VALIDATE) {
        struct msg_verdict verdict = {0};
        if (run_validation(&env, run, &verdict, err) < 0)
            return -1;
        msg_put_verdict(&out, &verdict);
    } else {
        struct msg_result result = {0};
        if (run_program(&env, run, &result, err) < 0)
            return -1;
        msg_put_result(&out, &result);
    }
    return send_frame(&out, err);
}

/* The server measures us now, and closes the channel when it is done. */
_noreturn_ static void wait_for_end(void)
{
    char ignored[64];
    ssize_t n;
    do {
        n = read(FD_CHANNEL, ignored, sizeof(ignored));
    } while (n > 0 || (n < 0 && errno == EINTR));
    _exit(0);
}

void worker_main(struct jail *jail, const struct msg_launch *launch, const int fds[4])
{
    struct worker w = {.jail = jail, .launch = launch};
    struct err err = ERR_INIT;
    struct msg_run run = {0};
    if (take_descriptors(&w, fds, &err) < 0 || worker_reseed(&err) < 0)
        die("start", &err);
    if (jail_worker_enter(jail, KEEP_BELOW, &err) < 0)
        die("enter the jail", &err);
    if (warm_up(&w, &err) < 0)
        die("warm up", &err);
    int got = receive_run(&run, &err);
    if (got < 0)
        die("request", &err);
    if (got > 0) {
        struct msg_launch limited = *launch; /* borrows all of it */
        limited.profiles = (uint8_t)(launch->profiles & (run.profiles | PROFILE_BASIC));
        w.launch = &limited;
        if (imports_limit(launch, &run, &err) < 0)
            die("request", &err);
        events_set_sink(send_event, NULL);
        /* After a program there is nobody to tell: standard error is its own, and it may have
         * closed or filled the channel. The server sees the end. */
        if (answer(&w, &run, &err) < 0)
            _exit(1);
    }
    wait_for_end();
}

void worker_probe(struct jail *jail, int channel)
{
    struct err err = ERR_INIT;
    struct msg_proof proof = {0};
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(MSG_MAX_DATAGRAM);
    if (dup2(channel, FD_CHANNEL) < 0)
        err_set(&err, ERR_SYS, "dup2");
    else if (jail_worker_enter(jail, KEEP_BELOW, &err) == 0 && jail_probe(jail, &proof, &err) == 0)
        msg_put_proof(&out, &proof);
    if (out.buf.len == 0)
        msg_put_text(&out, MSG_FATAL, 0, err.text);
    if (write(FD_CHANNEL, out.buf.data, out.buf.len) < 0)
        _exit(1);
    wait_for_end();
}
