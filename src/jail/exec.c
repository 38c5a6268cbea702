/* The last step before the interpreter: see jail_exec() in build.h. Runs in init's child. What is
 * given up here is given up by the zygote and all its workers. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail/build.h"
#include "jail/jail.h"
#include "sys/cap.h"
#include "sys/fd.h"
#include "sys/task.h"

/* To make pid namespaces for the workers; in our own user namespace only. */
#define ZYGOTE_CAPS CAP_MASK(CAP_SYS_ADMIN)

static int drop_privileges(const struct jail_start *start, struct err *err)
{
    if (start->isolation == ISOLATION_NAMESPACES) {
        /* Not uid 0 inside, so exec would leave nothing: what is kept must be ambient. The empty
         * bounding set does not touch that, and with the locked securebits nothing can be gained
         * by any exec or change of uid any more. */
        if (cap_ambient(ZYGOTE_CAPS, err) < 0 || cap_bound(0, err) < 0 ||
            cap_lock_securebits(err) < 0 || cap_set(ZYGOTE_CAPS, err) < 0)
            return -1;
    } else if (cap_ambient(0, err) < 0 || cap_set(0, err) < 0) {
        return -1;
    }
    if (task_no_new_privs(err) < 0 || task_limit(RLIMIT_CORE, 0, 0, err) < 0)
        return -1;
    if (task_die_with_parent(SIGKILL, err) < 0)
        return -1;
    if (getppid() != start->init)
        return err_set(err, ERR_INTERNAL, "init is gone");
    return 0;
}

/* Descriptors 0 and 1 are /dev/null, 2 is inherited, 3 and 4 as jail.h says; the rest closes at
 * exec. */
static int arrange_descriptors(const struct jail_start *start, int control_fd, struct err *err)
{
    int from[5] = {start->null_fd, start->null_fd, 2, control_fd, start->spec_fd};
    /* First out of each other's way. */
    for (int i = 0; i < 5; i++) {
        from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 100);
        if (from[i] < 0)
            return err_set(err, ERR_SYS, "F_DUPFD");
    }
    if (syscall(SYS_close_range, 5u, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        return err_set(err, ERR_SYS, "close_range");
    for (int i = 0; i < 5; i++)
        if (dup2(from[i], i) < 0)
            return err_set(err, ERR_SYS, "dup2");
    return 0;
}

static void default_signals(void)
{
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int jail_exec(const struct jail_start *start, int control_fd, struct err *err)
{
    /* Its own session: no terminal, and no signal typed at one. Fails only for a group leader. */
    (void)setsid();
    default_signals();
    if (arrange_descriptors(start, control_fd, err) < 0 || drop_privileges(start, err) < 0)
        return -1;
    static const char program[] =
        "import sys; sys.path.append(sys.argv[1]); import _vivarium; _vivarium.serve()";
    const char *const argv[] = {start->python,        "-I", "-S", "-c", program,
                                start->extension_dir, NULL};
    const char *envp[16];
    size_t n = 0;
    envp[n++] = "PATH=/";
    envp[n++] = "HOME=/";
    envp[n++] = "LD_BIND_NOW=1"; /* resolved once here, not in each worker */
    envp[n++] = "TZ=UTC0";       /* the zone of the machine is nobody's business */
    /* Threads of a library in the zygote would be lost at fork, and hold locks. */
    envp[n++] = "OPENBLAS_NUM_THREADS=1";
    envp[n++] = "OMP_NUM_THREADS=1";
    envp[n++] = "MKL_NUM_THREADS=1";
    /* One arena: address space is what the memory limit counts. Huge pages make the fork of a large
     * heap cheap, and that of a small one dearer. */
    envp[n++] = start->data_science
                    ? "GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1"
                    : "GLIBC_TUNABLES=glibc.malloc.arena_max=1";
    if (start->library_path)
        envp[n++] = start->library_path;
    envp[n] = NULL;
    execve(start->python, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)envp);
    return err_set(err, ERR_SYS, "execute %s", start->python);
}
