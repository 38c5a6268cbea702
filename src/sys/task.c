/* Processes: see task.h. Used by keeper, init, zygote and worker. */
#include "sys/task.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/fd.h"

pid_t task_clone(uint64_t flags, int *ret_pidfd, struct err *err)
{
    int pidfd = -1;
    if (ret_pidfd)
        flags |= CLONE_PIDFD;
    /* clone, not clone3: container runtimes refuse clone3 outright because its flags cannot be
     * filtered. With a null stack and no TLS the arguments that differ between machines are 0. */
    long pid = syscall(SYS_clone, (unsigned long)flags | SIGCHLD, NULL, &pidfd, NULL, NULL);
    if (pid < 0)
        return err_set(err, ERR_SYS, "clone");
    if (pid > 0 && ret_pidfd)
        *ret_pidfd = pidfd;
    return (pid_t)pid;
}

int task_open(pid_t pid, int *ret_pidfd, struct err *err)
{
    long fd = syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return err_set(err, ERR_SYS, "pidfd_open");
    *ret_pidfd = (int)fd;
    return 0;
}

int task_signal(int pidfd, int signo, struct err *err)
{
    if (syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) < 0)
        return err_set(err, ERR_SYS, "pidfd_send_signal");
    return 0;
}

int task_die_with_parent(int signo, struct err *err)
{
    if (prctl(PR_SET_PDEATHSIG, (unsigned long)signo, 0, 0, 0) < 0)
        return err_set(err, ERR_SYS, "PR_SET_PDEATHSIG");
    return 0;
}

int task_no_new_privs(struct err *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_set(err, ERR_SYS, "PR_SET_NO_NEW_PRIVS");
    return 0;
}

int task_set_dumpable(bool on, struct err *err)
{
    if (prctl(PR_SET_DUMPABLE, on ? 1UL : 0UL, 0, 0, 0) < 0)
        return err_set(err, ERR_SYS, "PR_SET_DUMPABLE");
    return 0;
}

int task_adopt_orphans(struct err *err)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        return err_set(err, ERR_SYS, "PR_SET_CHILD_SUBREAPER");
    return 0;
}

int task_first_victim(struct err *err)
{
    static const char most[] = "1000";
    auto_close int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, most, strlen(most)) < 0)
        return err_set(err, ERR_SYS, "raise oom_score_adj");
    return 0;
}

bool task_single_threaded(void)
{
    /* Changes nothing when it succeeds; EINVAL when the thread group has other members. */
    if (unshare(CLONE_THREAD) == 0)
        return true;
    if (errno == EINVAL)
        return false;
    /* A container may refuse unshare altogether. This folder has a link for each thread. */
    struct stat st;
    return stat("/proc/self/task", &st) == 0 && st.st_nlink == 3;
}

int task_limit(int resource, uint64_t soft, uint64_t hard, struct err *err)
{
    struct rlimit l = {.rlim_cur = soft, .rlim_max = hard};
    /* glibc declares the parameter as an enum in C++-free builds; prlimit64 on oneself. */
    if (setrlimit((__rlimit_resource_t)resource, &l) < 0)
        return err_set(err, ERR_SYS, "setrlimit(%d)", resource);
    return 0;
}
