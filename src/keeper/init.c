/* Init, the keeper's child. It builds the jail around itself, starts the interpreter in it, and
 * then does nothing but reap: when the zygote ends, init ends, and where init is pid 1 of the
 * namespace the kernel kills whatever is left in it. Without a pid namespace it adopts and reaps
 * what the zygote leaves (workers die with the zygote: parent-death signal), so that its own end
 * means the same thing: nothing is left.
 *
 *   keeper ──► init ──► interpreter (zygote) ──► workers
 *     ▲ report ──┘ one struct init_report
 *
 * Trusts the launch message. Runs no user code and reads nothing after the build. */
#include "keeper/init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail/jail.h"
#include "sys/cap.h"
#include "sys/fd.h"
#include "sys/task.h"

_noreturn_ static void fail(int report_fd, const struct err *err)
{
    struct init_report report = {.code = err->code};
    snprintf(report.text, sizeof(report.text), "%s", err->text);
    (void)fd_write_all(report_fd, &report, sizeof(report), NULL);
    _exit(INIT_FAILED);
}

/* The keeper may have died between clone() and the request for its death signal. It holds the only
 * reading end of the report pipe. */
static bool keeper_is_gone(int report_fd)
{
    struct pollfd p = {.fd = report_fd};
    return poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

/* Fork the interpreter. @ret_fd reads what its start says: an error, or end of file for success. */
static pid_t start(const struct jail_start *s, int control_fd, int *ret_fd, struct err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_set(err, ERR_SYS, "pipe");
    auto_close int from = fds[0];
    auto_close int to = fds[1];
    pid_t pid = fork();
    if (pid < 0)
        return err_set(err, ERR_SYS, "fork");
    if (pid == 0) {
        struct err why = ERR_INIT;
        /* Out of the way of the descriptors the interpreter gets. */
        int say = fcntl(to, F_DUPFD_CLOEXEC, 300);
        jail_exec(s, control_fd, &why);
        fail(say, &why);
    }
    *ret_fd = take_fd(&from);
    return pid;
}

static int await_exec(int fd, struct err *err)
{
    struct init_report said;
    size_t n;
    if (fd_read_all(fd, &said, sizeof(said), &n, err) < 0)
        return -1;
    if (n == 0)
        return 0;
    said.text[sizeof(said.text) - 1] = '\0';
    return err_set(err, n == sizeof(said) ? (enum err_code)said.code : ERR_INTERNAL, "%s",
                   n == sizeof(said) ? said.text : "starting the interpreter failed");
}

/* Nothing of init's is needed any more but wait(). */
static int give_everything_up(struct err *err)
{
    if (cap_ambient(0, err) < 0 || cap_set(0, err) < 0 || task_no_new_privs(err) < 0 ||
        task_set_dumpable(false, err) < 0)
        return -1;
    /* After the last change of credentials, which clears it. */
    return task_die_with_parent(SIGKILL, err);
}

static volatile sig_atomic_t ended_by_keeper;
static volatile pid_t zygote_pid;

static void on_term(int signo _unused_)
{
    ended_by_keeper = 1;
    if (zygote_pid > 0)
        kill(zygote_pid, SIGKILL);
}

/* Wait for the zygote, then for everything it left. Its wait status. */
static int reap(pid_t zygote)
{
    int status = 0, result = 0;
    for (;;) {
        pid_t pid = waitpid(-1, &status, 0);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0) /* ECHILD: all gone */
            return result;
        if (pid != zygote)
            continue;
        result = status;
        /* As pid 1 the quickest way to end all others is to end. */
        if (getpid() == 1)
            return result;
    }
}

_noreturn_ void init_run(const struct jail_request *req, int control_fd, int report_fd)
{
    struct err err = ERR_INIT;
    struct jail_start s = {.null_fd = -1, .spec_fd = -1};
    struct sigaction term = {.sa_handler = on_term};
    int said = -1;
    if (task_die_with_parent(SIGKILL, &err) < 0)
        fail(report_fd, &err);
    if (keeper_is_gone(report_fd))
        _exit(INIT_FAILED);
    /* The server, and whatever else the machine is for, must not die of a program's memory. No
     * wall: a container may have /proc read-only. */
    if (task_set_dumpable(true, &err) < 0)
        fail(report_fd, &err);
    (void)task_first_victim(NULL);
    if (task_adopt_orphans(&err) < 0 || jail_build(req, &s, &err) < 0)
        fail(report_fd, &err);
    sigaction(SIGTERM, &term, NULL);
    pid_t zygote = start(&s, control_fd, &said, &err);
    zygote_pid = zygote;
    if (ended_by_keeper && zygote > 0)
        kill(zygote, SIGKILL);
    if (zygote < 0 || await_exec(said, &err) < 0 || give_everything_up(&err) < 0)
        fail(report_fd, &err);
    struct init_report fine = {0};
    if (fd_write_all(report_fd, &fine, sizeof(fine), NULL) < 0)
        _exit(INIT_FAILED);
    (void)fd_close_from(0, NULL);
    int status = reap(zygote);
    _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}
