/* The doctor's look at the machine: see checks.h. Runs in the command line, with the privileges it
 * was started with, in short-lived children where a probe would change the process. */
#include "app/checks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/fd.h"
#include "sys/landlock.h"
#include "sys/ns.h"
#include "sys/task.h"

static void say(struct finding *f, enum finding_state state, const char *what, const char *fmt, ...)
    _printf_(4, 5);
static void say(struct finding *f, enum finding_state state, const char *what, const char *fmt, ...)
{
    *f = (struct finding){.state = state};
    snprintf(f->what, sizeof(f->what), "%s", what);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->detail, sizeof(f->detail), fmt, ap);
    va_end(ap);
}

static void advise(struct finding *f, const char *remedy)
{
    snprintf(f->remedy, sizeof(f->remedy), "%s", remedy);
}

/* A number in a file of /proc/sys; -1 when it cannot be read. */
static long read_number(const char *path)
{
    char text[32] = "";
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n;
    if (fd < 0 || fd_read_all(fd, text, sizeof(text) - 1, &n, NULL) < 0 || n == 0)
        return -1;
    return strtol(text, NULL, 10);
}

void check_kernel(struct finding *f)
{
    struct utsname u;
    char *dot = NULL;
    if (uname(&u) < 0) {
        say(f, FINDING_NOTE, "kernel", "its version cannot be told");
        return;
    }
    long major = strtol(u.release, &dot, 10);
    long minor = *dot == '.' ? strtol(dot + 1, NULL, 10) : 0;
    bool good = major > 5 || (major == 5 && minor >= 15);
    say(f, good ? FINDING_OK : FINDING_MISSING, "kernel", "Linux %s on %s", u.release, u.machine);
    if (!good)
        advise(f, "Vivarium needs Linux 5.15 or later.");
}

/* In a child: make the namespaces the jail needs and mount in them, as the jail does. 0 or an
 * errno. */
static int try_namespaces(const struct identities *ids, const char **ret_step)
{
    int error = privilege_become_worker(ids);
    *ret_step = "becoming the worker user";
    if (error)
        return error;
    uid_t uid = geteuid();
    gid_t gid = getegid();
    /* The change of user made /proc/self root's; the id maps are written there. */
    task_set_dumpable(true, NULL);
    *ret_step = "unshare";
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                CLONE_NEWUTS | CLONE_NEWCGROUP) < 0)
        return errno;
    *ret_step = "mapping ids";
    if (ns_map_ids(uid, uid, gid, gid, NULL) < 0)
        return errno;
    /* On Ubuntu AppArmor grants the namespace and takes its capabilities away: the mount tells. */
    *ret_step = "mount";
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", "/proc", "tmpfs", 0, NULL) < 0)
        return errno;
    return 0;
}

static void advise_namespaces(struct finding *f)
{
    if (read_number("/proc/sys/kernel/unprivileged_userns_clone") == 0)
        advise(f, "sysctl -w kernel.unprivileged_userns_clone=1");
    else if (read_number("/proc/sys/user/max_user_namespaces") == 0)
        advise(f, "sysctl -w user.max_user_namespaces=10000");
    else if (read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
        advise(f, "AppArmor withholds them: install the profile packaging/apparmor/vivarium, or "
                  "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
    else
        advise(f, "In a container: allow them, e.g. with --security-opt seccomp=unconfined "
                  "--security-opt systempaths=unconfined. Without them Vivarium falls back to "
                  "Landlock, which shows programs the names and sizes of the host's files.");
}

void check_user_namespaces(const struct identities *ids, struct finding *f)
{
    int fds[2];
    struct {
        int error;
        char step[32];
    } answer = {EIO, "start"};
    if (pipe2(fds, O_CLOEXEC) < 0) {
        say(f, FINDING_NOTE, "user namespaces", "pipe: %s", strerror(errno));
        return;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        const char *step;
        answer.error = try_namespaces(ids, &step);
        snprintf(answer.step, sizeof(answer.step), "%s", step);
        _exit(write(fds[1], &answer, sizeof(answer)) < 0);
    }
    close(fds[1]);
    size_t n = 0;
    if (pid > 0)
        fd_read_all(fds[0], &answer, sizeof(answer), &n, NULL);
    close(fds[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    if (n == sizeof(answer) && answer.error == 0) {
        say(f, FINDING_OK, "user namespaces", "an ordinary user can make them and mount in them");
        return;
    }
    say(f, FINDING_NOTE, "user namespaces", "%s: %s", answer.step, strerror(answer.error));
    advise_namespaces(f);
}

static bool action_available(uint32_t action)
{
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

void check_seccomp(struct finding *f)
{
    if (!action_available(SECCOMP_RET_ERRNO)) {
        say(f, FINDING_MISSING, "seccomp", "the kernel has no seccomp filters");
        advise(f, "Vivarium does not run without: use a kernel with CONFIG_SECCOMP_FILTER.");
    } else if (!action_available(SECCOMP_RET_USER_NOTIF)) {
        say(f, FINDING_NOTE, "seccomp", "filters work; refusals cannot be reported");
        advise(f, "Reports of refused system calls need SECCOMP_RET_USER_NOTIF (Linux 5.0).");
    } else {
        say(f, FINDING_OK, "seccomp", "filters and user notification");
    }
}

void check_landlock(struct finding *f)
{
    int abi = landlock_abi();
    if (abi > 0) {
        say(f, FINDING_OK, "Landlock", "ABI %d", abi);
        return;
    }
    say(f, FINDING_NOTE, "Landlock", "not there");
    advise(f,
           "Add landlock to the kernel's lsm= boot parameter (CONFIG_SECURITY_LANDLOCK). It is a "
           "second wall behind the namespaces, and the only one where these are forbidden.");
}
