/* Starting the keeper: see spawn.h. Runs in the server, maybe still as root.
 *
 * The executable is opened here, as who we are, and executed by descriptor: the worker identity
 * need not be able to walk the path to it (a build tree in root's home). Between fork and exec only
 * async-signal-safe calls are made. */
#include "app/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/fd.h"
#include "sys/task.h"

#define KEEPER_FD 3
#define MAX_ENV   8

extern char **environ;

/* What the child needs, prepared before fork. */
struct child {
    const struct identities *ids;
    int exe_fd, channel_fd, null_fd, error_fd;
    int cgroup_fd; /* -1 = stay where the server is */
    pid_t parent;
    char *envp[MAX_ENV];
};

/* What went wrong on the way to exec. */
struct failure {
    int step; /* index in steps[] */
    int error;
};
static const char *const steps[] = {"start a session",     "arrange descriptors",
                                    "enter its cgroup",    "become the worker user",
                                    "die with the server", "execute vivarium-zygote"};

_noreturn_ static void fail(const struct child *c, int step, int error)
{
    struct failure f = {step, error};
    ssize_t ignored = write(c->error_fd, &f, sizeof(f));
    (void)ignored;
    _exit(127);
}

/* Every signal as a fresh process has it: what we ignore or block would be inherited. */
static void reset_signals(void)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    for (int signo = 1; signo < NSIG; signo++)
        sigaction(signo, &plain, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

_noreturn_ static void child_main(struct child *c)
{
    char *argv[] = {(char[]){"vivarium-zygote"}, NULL};
    reset_signals();
    if (setsid() < 0)
        fail(c, 0, errno);
    if (dup2(c->null_fd, STDIN_FILENO) < 0 || dup2(c->null_fd, STDOUT_FILENO) < 0 ||
        dup2(c->channel_fd, KEEPER_FD) < 0)
        fail(c, 1, errno);
    if (c->cgroup_fd >= 0 && write(c->cgroup_fd, "0", 1) != 1)
        fail(c, 2, errno);
    int error = privilege_become_worker(c->ids);
    if (error)
        fail(c, 3, error);
    /* After the change of ids, which clears it. With two ids the kernel will not deliver it across
     * users; then it is the end of the launch channel that ends the keeper. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != c->parent)
        fail(c, 4, errno);
    execveat(c->exe_fd, "", argv, c->envp, AT_EMPTY_PATH);
    fail(c, 5, errno);
}

/* A keeper's environment: nothing of ours (which may hold tokens), but for what sanitizers read. */
static void make_environment(char *envp[MAX_ENV])
{
    static char locale[] = "LC_ALL=C.UTF-8";
    size_t n = 0;
    envp[n++] = locale;
#if defined(__SANITIZE_ADDRESS__)
    for (char **e = environ; *e && n < MAX_ENV - 1; e++)
        if (str_starts(*e, "ASAN_OPTIONS=") || str_starts(*e, "UBSAN_OPTIONS=") ||
            str_starts(*e, "LSAN_OPTIONS="))
            envp[n++] = *e;
#endif
    envp[n] = NULL;
}

/* A descriptor above those that the child's own will take. */
static int move_up(int *fd, struct err *err)
{
    if (*fd > KEEPER_FD)
        return 0;
    int up = fcntl(*fd, F_DUPFD_CLOEXEC, KEEPER_FD + 1);
    if (up < 0)
        return err_set(err, ERR_SYS, "duplicate a descriptor");
    fd_close(fd);
    *fd = up;
    return 0;
}

static int open_executable(const char *path, int *ret_fd, struct err *err)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_SYS, "open %s", path);
    *ret_fd = fd;
    return 0;
}

/* Fork; in the parent, wait for exec to succeed (the pipe closes) or for the child's complaint. */
static int start(struct child *c, int error_read_fd, struct keeper *ret, struct err *err)
{
    pid_t pid = fork();
    if (pid < 0)
        return err_set(err, ERR_SYS, "fork");
    if (pid == 0)
        child_main(c);
    fd_close(&c->error_fd);
    struct failure f;
    size_t n = 0;
    if (fd_read_all(error_read_fd, &f, sizeof(f), &n, err) < 0 || n != 0) {
        waitpid(pid, NULL, 0);
        if (n != sizeof(f))
            return err_set(err, ERR_INTERNAL, "vivarium-zygote did not start");
        errno = f.error;
        return err_set(err, ERR_SYS, "start vivarium-zygote: %s", steps[f.step]);
    }
    ret->pid = pid;
    ret->pidfd = -1;
    return task_open(pid, &ret->pidfd, err);
}

/* The child's view of @fd, out of the way of its own descriptors; -1 stays -1. */
static int copy_up(int fd, int *ret, struct err *err)
{
    *ret = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, KEEPER_FD + 1);
    return fd >= 0 && *ret < 0 ? err_set(err, ERR_SYS, "duplicate a descriptor") : 0;
}

int keeper_spawn(const struct places *places, const struct identities *ids, int cgroup_fd,
                 struct keeper *ret, int *ret_fd, struct err *err)
{
    int pair[2] = {-1, -1};
    int pipe_fds[2] = {-1, -1};
    if (sock_pair(SOCK_SEQPACKET, pair, err) < 0)
        return -1;
    auto_close int ours = pair[0];
    auto_close int theirs = pair[1];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return err_set(err, ERR_SYS, "pipe");
    auto_close int error_read = pipe_fds[0];
    struct child c = {.ids = ids, .exe_fd = -1, .null_fd = -1, .cgroup_fd = -1, .parent = getpid()};
    c.error_fd = pipe_fds[1];
    c.channel_fd = theirs;
    make_environment(c.envp);
    c.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int r = c.null_fd < 0 ? err_set(err, ERR_SYS, "open /dev/null") : 0;
    if (r == 0 && (open_executable(places->zygote, &c.exe_fd, err) < 0 ||
                   copy_up(cgroup_fd, &c.cgroup_fd, err) < 0))
        r = -1;
    if (r == 0 && (move_up(&c.exe_fd, err) < 0 || move_up(&c.null_fd, err) < 0 ||
                   move_up(&c.error_fd, err) < 0 || move_up(&theirs, err) < 0))
        r = -1;
    c.channel_fd = theirs;
    if (r == 0)
        r = start(&c, error_read, ret, err);
    fd_close(&c.exe_fd);
    fd_close(&c.null_fd);
    fd_close(&c.error_fd);
    fd_close(&c.cgroup_fd);
    if (r < 0 || fd_set_nonblock(ours, true, err) < 0)
        return -1;
    *ret_fd = take_fd(&ours);
    return 0;
}

void keeper_wait(struct keeper *k, int timeout_ms)
{
    if (k->pid <= 0)
        return;
    struct pollfd p = {.fd = k->pidfd, .events = POLLIN};
    int r;
    do {
        r = poll(&p, 1, timeout_ms);
    } while (r < 0 && errno == EINTR);
    if (r == 0)
        kill(k->pid, SIGKILL);
    /* Started as root, the keeper belongs to another user, whom we cannot kill: do not wait then.
     */
    waitpid(k->pid, NULL, r > 0 ? 0 : WNOHANG);
    fd_close(&k->pidfd);
    k->pid = 0;
}
