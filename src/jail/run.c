/* Running the interpreter and the dynamic loader outside the walls, to ask what they need. Used by
 * init before the jail exists. Both are programs of the host that the operator chose, so they are
 * trusted; still they get a deadline and a ceiling, because a server that hangs at start tells
 * nobody why. */
#include "jail/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/fd.h"

static _noreturn_ void child(const char *const *argv, const char *const *envp, const char *cwd,
                             int out, int complaints)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(complaints, 2) < 0)
        _exit(126);
    if (cwd && chdir(cwd) < 0)
        _exit(126);
    execve(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)envp);
    _exit(127);
}

static int collect(int fd, struct buf *out, struct err *err)
{
    uint64_t end = clock_mono_ns() + RUN_TIMEOUT_MS * UINT64_C(1000000);
    for (;;) {
        uint64_t now = clock_mono_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (now >= end || poll(&p, 1, (int)((end - now) / 1000000) + 1) == 0)
            return err_set(err, ERR_INVALID, "no end after %d seconds", RUN_TIMEOUT_MS / 1000);
        char piece[8192];
        ssize_t n = read(fd, piece, sizeof(piece));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, ERR_SYS, "read its output");
        if (n == 0)
            return 0;
        if (buf_add(out, piece, (size_t)n, err) < 0)
            return -1;
    }
}

/* How it ended, unless well; in its own words where it had some. */
static int judge(const char *name, int status, int complaints, struct err *err)
{
    if (WIFSIGNALED(status))
        return err_set(err, ERR_INVALID, "%s was ended by signal %d", name, WTERMSIG(status));
    if (WEXITSTATUS(status) == 0)
        return 0;
    char words[200];
    ssize_t n = pread(complaints, words, sizeof(words) - 1, 0);
    words[n > 0 ? n : 0] = '\0';
    words[strcspn(words, "\n")] = '\0';
    return err_set(err, ERR_INVALID, "%s ended with status %d%s%s", name, WEXITSTATUS(status),
                   *words ? ": " : "", words);
}

int run_collect(const char *const *argv, const char *const *envp, const char *cwd, struct buf *out,
                struct err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_set(err, ERR_SYS, "pipe");
    auto_close int from = fds[0];
    auto_close int to = fds[1];
    auto_close int complaints = -1;
    if (memfd_new("stderr", NULL, 0, false, &complaints, err) < 0)
        return -1;
    pid_t pid = fork();
    if (pid < 0)
        return err_set(err, ERR_SYS, "fork");
    if (pid == 0)
        child(argv, envp, cwd, to, complaints);
    fd_close(&to);
    int r = collect(from, out, err);
    if (r < 0)
        kill(pid, SIGKILL);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r < 0)
        return err_prefix(err, "%s", argv[0]);
    return judge(argv[0], status, complaints, err);
}
