/* The fork server: see zygote.h. Runs inside the namespaces, never runs a program, has one thread.
 *
 * It trusts its control channel (the server made it and nobody else holds it) and nothing that
 * comes from its children but their exit status. When the channel ends it ends, and its init and
 * the kernel take everything below along. */
#include "zygote/zygote.h"

#include <Python.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/fd.h"
#include "zygote/children.h"

struct zygote {
    struct msg_launch launch;
    struct jail_handover handover;
    struct jail *jail;
    int control;
    int signals; /* signalfd: SIGCHLD */
    struct children children;
};

static int send_out(const struct zygote *z, const struct wire_out *out, const int *fds, size_t nfds,
                    struct err *err)
{
    if (out->bad)
        return err_set(err, ERR_NOMEM, "no memory for a message");
    return sock_send(z->control, out->buf.data, out->buf.len, fds, nfds, 0, err);
}

static int send_id(const struct zygote *z, enum msg_type type, uint64_t id, struct err *err)
{
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(MSG_MAX_DATAGRAM);
    msg_put_id(&out, type, id);
    return send_out(z, &out, NULL, 0, err);
}

static int send_text(const struct zygote *z, enum msg_type type, uint64_t id, const char *text,
                     struct err *err)
{
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(MSG_MAX_DATAGRAM);
    msg_put_text(&out, type, id, text);
    return send_out(z, &out, NULL, 0, err);
}

_noreturn_ static void end_with(const struct zygote *z, const struct err *why)
{
    send_text(z, MSG_FATAL, z->launch.id, why->text, NULL);
    _exit(1);
}

/* ---- start ---- */

static int say_hello(const struct zygote *z, struct err *err)
{
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(MSG_MAX_DATAGRAM);
    char version[32], build[256], note[sizeof(z->handover.note)];
    snprintf(build, sizeof(build), "%s", Py_GetVersion());
    snprintf(version, sizeof(version), "%.*s", (int)strcspn(build, " "), build);
    snprintf(note, sizeof(note), "%s", z->handover.note);
    struct msg_hello hello = {.isolation = (uint8_t)z->handover.isolation,
                              .isolation_note = note,
                              .python_version = version,
                              .python_build = build};
    msg_put_hello(&out, &hello);
    return send_out(z, &out, NULL, 0, err);
}

static int enter_jail(struct zygote *z, struct err *err)
{
    int listener = -1;
    if (jail_zygote_enter(&z->launch, &z->handover, &z->jail, &listener, err) < 0)
        return err_prefix(err, "enter the jail");
    jail_handover_done(&z->handover);
    auto_close int fd = listener;
    if (fd < 0)
        return 0; /* refused calls stay unreported; the self-test says so */
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(MSG_MAX_DATAGRAM);
    msg_put_id(&out, MSG_LISTENER, z->launch.id);
    return send_out(z, &out, &fd, 1, err);
}

/* fork() as Python wants it: 0 in the child. The jail refuses when there is a second thread. */
static pid_t fork_worker(struct zygote *z, struct err *err)
{
    PyOS_BeforeFork();
    pid_t pid = jail_fork(z->jail, err);
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        PyOS_AfterFork_Child();
    } else {
        PyOS_AfterFork_Parent();
    }
    return pid;
}

/* Pass on what the self-test said. A wall that did not hold, or is not known to, ends the zygote.
 */
static int judge_proof(struct zygote *z, const uint8_t *body, size_t n, struct err *err)
{
    if (n == 0)
        return err_set(err, ERR_INTERNAL, "the self-test died without a word");
    if (*body != MSG_PROOF) {
        struct msg_text why = {0};
        if (*body != MSG_FATAL || msg_get_text(body, n, &why, err) < 0)
            return err_set(err, ERR_INTERNAL, "the self-test said something unintelligible");
        err_set(err, ERR_INTERNAL, "the self-test failed: %s", why.text);
        msg_text_done(&why);
        return -1;
    }
    struct msg_proof proof = {0};
    if (sock_send(z->control, body, n, NULL, 0, 0, err) < 0 ||
        msg_get_proof(body, n, &proof, err) < 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; i < proof.len && rc == 0; i++)
        if (proof.items[i].state == PROOF_BROKEN)
            rc = err_set(err, ERR_REFUSED, "a wall does not hold: %s: %s (%s)",
                         proof.items[i].layer, proof.items[i].name, proof.items[i].detail);
    msg_proof_done(&proof);
    return rc;
}

static int prove(struct zygote *z, struct err *err)
{
    int pair[2];
    if (sock_pair(SOCK_SEQPACKET, pair, err) < 0)
        return -1;
    auto_close int mine = pair[0];
    auto_close int theirs = pair[1];
    pid_t pid = fork_worker(z, err);
    if (pid < 0)
        return -1;
    if (pid == 0)
        worker_probe(z->jail, theirs);
    fd_close(&theirs);
    auto_free uint8_t *body = malloc(MSG_MAX_DATAGRAM);
    if (!body)
        return err_nomem(err);
    int fds[SOCK_MAX_FDS];
    size_t nfds = 0;
    ssize_t n = sock_recv(mine, body, MSG_MAX_DATAGRAM, fds, &nfds, NULL, 0, err);
    for (size_t i = 0; i < nfds; i++)
        fd_close(&fds[i]);
    if (n < 0)
        return -1;
    fd_close(&mine); /* it waits for that, and ends */
    waitpid(pid, NULL, 0);
    return judge_proof(z, body, (size_t)n, err);
}

static int start(struct zygote *z, struct err *err)
{
    uint64_t begun = clock_mono_ns();
    /* Never freed: it was made between what zygote_freeze() lays out, and each worker would begin
     * with a visit to all of its holes. */
    static struct msg_ready ready;
    int spec = JAIL_FD_SPEC;
    if (jail_read_spec(&z->launch, &z->handover, err) < 0 || say_hello(z, err) < 0)
        return -1;
    fd_close(&spec);
    int rc = zygote_prepare(&z->launch, &ready, err);
    if (rc == 0 && enter_jail(z, err) < 0)
        rc = -1;
    if (rc == 0 && (rehearse_fully(&z->launch, err) < 0 || zygote_freeze(err) < 0))
        rc = -1;
    /* measured once here, a worker has only the difference to find */
    (void)jail_address_space();
    if (rc == 0 && prove(z, err) < 0)
        rc = err_prefix(err, "self-test");
    if (rc == 0) {
        auto_wire_out struct wire_out out = WIRE_OUT_INIT(MSG_MAX_DATAGRAM);
        ready.preload_ns = clock_mono_ns() - begun;
        msg_put_ready(&out, &ready);
        rc = send_out(z, &out, NULL, 0, err);
    }
    return rc;
}

/* ---- serving ---- */

static int spawn(struct zygote *z, uint64_t id, int fds[4], struct err *err)
{
    struct err why = ERR_INIT;
    pid_t pid = fork_worker(z, &why);
    if (pid == 0)
        worker_main(z->jail, &z->launch, fds);
    for (size_t i = 0; i < 4; i++)
        fd_close(&fds[i]);
    if (pid > 0 && children_add(&z->children, id, pid, &why) < 0) {
        kill(pid, SIGKILL);
        pid = -1;
    }
    if (pid < 0)
        return send_text(z, MSG_SPAWN_FAILED, id, why.text, err);
    return send_id(z, MSG_SPAWNED, id, err);
}

/* A child's pid cannot be taken by another process before reap() below has waited for it, so a
 * plain kill() hits the right one or none. */
static void kill_child(struct zygote *z, uint64_t id)
{
    pid_t pid = children_pid(&z->children, id);
    if (pid > 0)
        kill(pid, SIGKILL);
}

static int serve_message(struct zygote *z, const uint8_t *body, size_t n, int *fds, size_t nfds,
                         struct err *err)
{
    uint64_t id;
    int type = msg_check(body, n, nfds, PEER_SERVER, PEER_ZYGOTE, 0, err);
    if (type < 0 || msg_get_id(body, n, &id, err) < 0)
        return -1;
    if (type == MSG_SPAWN)
        return spawn(z, id, fds, err);
    kill_child(z, id);
    return 0;
}

/* 1 = go on, 0 = the server has gone. */
static int serve_control(struct zygote *z, struct err *err)
{
    uint8_t body[64];
    int fds[SOCK_MAX_FDS];
    size_t nfds = 0;
    ssize_t n = sock_recv(z->control, body, sizeof(body), fds, &nfds, NULL, 0, err);
    if (n <= 0)
        return n < 0 && err->sys_errno != ECONNRESET ? -1 : 0;
    int rc = serve_message(z, body, (size_t)n, fds, nfds, err);
    for (size_t i = 0; i < nfds; i++)
        fd_close(&fds[i]);
    return rc < 0 ? -1 : 1;
}

static uint64_t timeval_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_usec * 1000;
}

/* Report every child that has ended. */
static int reap(struct zygote *z, struct err *err)
{
    struct signalfd_siginfo ignored[4];
    while (read(z->signals, ignored, sizeof(ignored)) > 0)
        ;
    for (;;) {
        int status;
        struct rusage used;
        pid_t pid = wait4(-1, &status, WNOHANG, &used);
        if (pid <= 0)
            return 0;
        struct msg_exited gone = {.wait_status = (uint32_t)status,
                                  .cpu_ns = timeval_ns(used.ru_utime) + timeval_ns(used.ru_stime),
                                  .max_rss_bytes = (uint64_t)used.ru_maxrss * 1024};
        if (!children_remove(&z->children, pid, &gone.id))
            continue;
        auto_wire_out struct wire_out out = WIRE_OUT_INIT(MSG_MAX_DATAGRAM);
        msg_put_exited(&out, &gone);
        if (send_out(z, &out, NULL, 0, err) < 0)
            return -1;
    }
}

static int watch_children(struct zygote *z, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return err_set(err, ERR_SYS, "block SIGCHLD");
    z->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return z->signals < 0 ? err_set(err, ERR_SYS, "signalfd") : 0;
}

static int serve_all(struct zygote *z, struct err *err)
{
    struct pollfd fds[] = {{.fd = z->control, .events = POLLIN},
                           {.fd = z->signals, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return err_set(err, ERR_SYS, "poll");
        }
        if (fds[1].revents && reap(z, err) < 0)
            return -1;
        int more = fds[0].revents ? serve_control(z, err) : 1;
        if (more <= 0)
            return more;
    }
}

void zygote_main(void)
{
    struct err err = ERR_INIT;
    struct zygote z = {.control = JAIL_FD_CONTROL, .signals = -1};
    if (fd_set_cloexec(z.control, true, &err) < 0 || start(&z, &err) < 0 ||
        watch_children(&z, &err) < 0 || serve_all(&z, &err) < 0)
        end_with(&z, &err);
    _exit(0);
}
