/* The keeper's loop. It is started by the server (as the worker uid when the server is root), holds
 * no secret, reads nothing but the launch channel and its children's report pipes, and runs no user
 * code. It exists so that the server, which talks to clients, never forks into namespaces, and so
 * that everything below dies when the server does.
 *
 *   server ── launch channel ──► keeper ── clone ──► init ──► interpreter
 *
 * It trusts the server. Of a zygote it learns one report when it starts and its wait status. */
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper/init.h"
#include "sys/fd.h"
#include "sys/task.h"

/* At once; the server replaces them one by one. */
#define MAX_ZYGOTES 32

struct zygote {
    LIST_ENTRY(zygote) link;
    struct msg_launch launch;
    enum isolation isolation; /* in force or being tried */
    char note[256];
    int control_fd; /* kept until the start is through, for a second try; then -1 */
    int report_fd;  /* -1 once it has reported */
    int pidfd;
    pid_t pid; /* of init */
};
LIST_HEAD(zygotes, zygote);

struct keeper {
    int fd;
    struct zygotes zygotes;
    size_t len;
};

static void zygote_free(struct keeper *k, struct zygote *z)
{
    jail_cgroup_remove(&z->launch);
    fd_close(&z->control_fd);
    fd_close(&z->report_fd);
    fd_close(&z->pidfd);
    msg_launch_done(&z->launch);
    LIST_REMOVE(z, link);
    k->len--;
    free(z);
}

static int say(struct keeper *k, const struct wire_out *out, struct err *err)
{
    if (out->bad)
        return err_nomem(err);
    return sock_send(k->fd, out->buf.data, out->buf.len, NULL, 0, 0, err);
}

static int say_launched(struct keeper *k, const struct zygote *z, struct err *err)
{
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(64);
    struct msg_launched m = {.id = z->launch.id, .pid = (uint32_t)z->pid};
    msg_put_launched(&out, &m);
    return say(k, &out, err);
}

static int say_failed(struct keeper *k, uint64_t id, const char *text, struct err *err)
{
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(4096);
    msg_put_text(&out, MSG_LAUNCH_FAILED, id, text);
    return say(k, &out, err);
}

static int say_gone(struct keeper *k, uint64_t id, int status, struct err *err)
{
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(64);
    struct msg_gone m = {.id = id, .wait_status = (uint32_t)status};
    msg_put_gone(&out, &m);
    return say(k, &out, err);
}

/* Clone init. ERR_UNSUPPORTED when the namespaces are refused. */
static int start(struct zygote *z, struct err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_set(err, ERR_SYS, "pipe");
    auto_close int from = fds[0];
    auto_close int to = fds[1];
    struct jail_request req = {
        .launch = &z->launch,
        .isolation = z->isolation,
        .note = z->note,
        .uid = geteuid(),
        .gid = getegid(),
    };
    pid_t pid = task_clone(jail_clone_flags(z->isolation), &z->pidfd, err);
    if (pid == 0) {
        fd_close(&from);
        init_run(&req, z->control_fd, to);
    }
    if (pid < 0) {
        if (err && z->isolation == ISOLATION_NAMESPACES)
            err->code = ERR_UNSUPPORTED;
        return -1;
    }
    z->pid = pid;
    z->report_fd = take_fd(&from);
    return 0;
}

/* Namespaces do not work here: go on without them if that is allowed, else say how to get them. */
static int fall_back(struct zygote *z, struct err *err)
{
    if (z->launch.isolation != ISOLATION_AUTO || z->isolation != ISOLATION_NAMESPACES) {
        if (z->isolation == ISOLATION_NAMESPACES)
            err_prefix(err, "SANDBOX_ISOLATION=namespaces, but this machine does not let us have "
                            "them (unprivileged user namespaces must be permitted: "
                            "user.max_user_namespaces, kernel.unprivileged_userns_clone, "
                            "kernel.apparmor_restrict_unprivileged_userns; in a container, its "
                            "seccomp profile)");
        return -1;
    }
    snprintf(z->note, sizeof(z->note), "user namespaces are not available here: %s", err->text);
    z->isolation = ISOLATION_LANDLOCK;
    fd_close(&z->pidfd);
    fd_close(&z->report_fd);
    return start(z, err);
}

static int try_start(struct zygote *z, struct err *err)
{
    if (start(z, err) == 0)
        return 0;
    return err->code == ERR_UNSUPPORTED ? fall_back(z, err) : -1;
}

/* ---- from the server ---- */

static int on_launch(struct keeper *k, const uint8_t *body, size_t n, int *control_fd,
                     struct err *err)
{
    struct err why = ERR_INIT;
    struct zygote *z = calloc(1, sizeof(*z));
    if (!z)
        return err_nomem(err);
    if (msg_get_launch(body, n, &z->launch, err) < 0) {
        free(z);
        return -1;
    }
    z->report_fd = z->pidfd = -1;
    z->control_fd = take_fd(control_fd);
    LIST_INSERT_HEAD(&k->zygotes, z, link);
    k->len++;
    z->isolation =
        z->launch.isolation == ISOLATION_LANDLOCK ? ISOLATION_LANDLOCK : ISOLATION_NAMESPACES;
    int r = 0;
    if (k->len > MAX_ZYGOTES)
        r = err_set(&why, ERR_LIMIT, "there are %d zygotes already", MAX_ZYGOTES);
    else if (z->launch.isolation == ISOLATION_CONTAINER)
        r = err_set(&why, ERR_INVALID, "the keeper makes no containers");
    else
        r = try_start(z, &why);
    if (r == 0)
        return 0;
    uint64_t id = z->launch.id;
    zygote_free(k, z);
    return say_failed(k, id, why.text, err);
}

static void end(struct zygote *z)
{
    /* With namespaces init is pid 1 and takes all others along. Without, it must stay to reap them:
     * it ends the zygote on SIGTERM, and the workers die with the zygote. */
    (void)task_signal(z->pidfd, z->isolation == ISOLATION_NAMESPACES ? SIGKILL : SIGTERM, NULL);
}

static int on_end(struct keeper *k, const uint8_t *body, size_t n, struct err *err)
{
    uint64_t id;
    if (msg_get_id(body, n, &id, err) < 0)
        return -1;
    struct zygote *z;
    LIST_FOREACH(z, &k->zygotes, link) {
        if (z->launch.id == id)
            end(z);
    }
    /* Not there: it has ended by itself, and GONE is under way. */
    return 0;
}

/* 1 = go on, 0 = the server has closed the channel. */
static int on_channel(struct keeper *k, struct err *err)
{
    static uint8_t body[MSG_MAX_DATAGRAM + 1];
    int fds[SOCK_MAX_FDS];
    size_t nfds = 0;
    ssize_t n = sock_recv(k->fd, body, sizeof(body), fds, &nfds, NULL, MSG_DONTWAIT, err);
    if (n == 0)
        return 0;
    if (n < 0)
        return err->code == ERR_SYS && err->sys_errno == EAGAIN ? 1 : -1;
    int r = -1;
    switch (msg_check(body, (size_t)n, nfds, PEER_SERVER, PEER_KEEPER, 0, err)) {
    case MSG_LAUNCH:
        r = on_launch(k, body, (size_t)n, &fds[0], err);
        break;
    case MSG_END:
        r = on_end(k, body, (size_t)n, err);
        break;
    }
    for (size_t i = 0; i < nfds; i++)
        fd_close(&fds[i]);
    return r < 0 ? -1 : 1;
}

/* ---- from init ---- */

static int reap(struct zygote *z)
{
    int status = 0;
    while (waitpid(z->pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* Init has reported, or died without a word. */
static int on_report(struct keeper *k, struct zygote *z, struct err *err)
{
    struct init_report report;
    struct err why = ERR_INIT;
    size_t n;
    if (fd_read_all(z->report_fd, &report, sizeof(report), &n, &why) < 0 || n != sizeof(report)) {
        report.code = ERR_INTERNAL;
        snprintf(report.text, sizeof(report.text), "it died while the jail was being built");
    }
    report.text[sizeof(report.text) - 1] = '\0';
    fd_close(&z->report_fd);
    if (report.code == ERR_NONE) {
        fd_close(&z->control_fd);
        return say_launched(k, z, err);
    }
    (void)task_signal(z->pidfd, SIGKILL, NULL);
    reap(z);
    err_set(&why, (enum err_code)report.code, "%s", report.text);
    if (why.code == ERR_UNSUPPORTED && fall_back(z, &why) == 0)
        return 0;
    uint64_t id = z->launch.id;
    zygote_free(k, z);
    return say_failed(k, id, why.text, err);
}

static int on_exit_of(struct keeper *k, struct zygote *z, struct err *err)
{
    uint64_t id = z->launch.id;
    int status = reap(z);
    zygote_free(k, z);
    return say_gone(k, id, status, err);
}

/* ---- loop ---- */

static int wait_and_serve(struct keeper *k, struct err *err)
{
    struct pollfd p[1 + MAX_ZYGOTES];
    struct zygote *of[1 + MAX_ZYGOTES];
    nfds_t n = 1;
    p[0] = (struct pollfd){.fd = k->fd, .events = POLLIN};
    struct zygote *z;
    LIST_FOREACH(z, &k->zygotes, link) {
        of[n] = z;
        p[n++] =
            (struct pollfd){.fd = z->report_fd >= 0 ? z->report_fd : z->pidfd, .events = POLLIN};
    }
    if (poll(p, n, -1) < 0)
        return errno == EINTR ? 1 : err_set(err, ERR_SYS, "poll");
    for (nfds_t i = 1; i < n; i++) {
        if (!p[i].revents)
            continue;
        int r = of[i]->report_fd >= 0 ? on_report(k, of[i], err) : on_exit_of(k, of[i], err);
        if (r < 0)
            return -1;
    }
    return p[0].revents ? on_channel(k, err) : 1;
}

/* The server has closed its end, maybe without having read all that was sent. */
static bool is_hangup(const struct err *err)
{
    return err->code == ERR_SYS && (err->sys_errno == ECONNRESET || err->sys_errno == EPIPE);
}

int keeper_run(int fd, struct err *err)
{
    struct keeper k = {.fd = fd};
    LIST_INIT(&k.zygotes);
    int r;
    while ((r = wait_and_serve(&k, err)) > 0)
        ;
    if (r < 0 && is_hangup(err))
        r = 0;
    struct zygote *z;
    LIST_FOREACH(z, &k.zygotes, link) {
        end(z);
    }
    while ((z = LIST_FIRST(&k.zygotes))) {
        reap(z);
        zygote_free(&k, z);
    }
    return r;
}
