/* The worker's side of the jail: the walls, in the order in which each still has what it needs.
 * Runs in the worker between fork and the first byte of anything hostile; any failure must end the
 * process. Each wall is a function of its own, so that the tests can leave some out and show what
 * the others stop alone; the shipped binaries have only jail_worker_enter(). */
#include <errno.h>
#include <linux/bpf_common.h>
#include <signal.h>
#include <unistd.h>

#include "jail/internal.h"
#include "sys/cap.h"
#include "sys/fd.h"
#include "sys/filter.h"
#include "sys/landlock.h"
#include "sys/task.h"

int wall_landlock(struct jail *j, struct err *err)
{
    if (j->ruleset_fd < 0)
        return 0;
    /* From ABI 7 on denials go to the kernel's log, which a program could fill: not ours. */
    uint32_t flags = j->landlock_abi >= 7 ? LL_RESTRICT_LOG_SAME_EXEC_OFF : 0;
    return landlock_restrict(j->ruleset_fd, flags, err);
}

/* What still ties the worker to the zygote and its other workers. */
int wall_ties(struct jail *j, int keep_below, struct err *err)
{
    /* kill(0) goes to the whole process group, beyond pid namespaces. */
    if (setsid() < 0)
        return err_set(err, ERR_SYS, "setsid");
    if (fd_close_from(keep_below, err) < 0)
        return -1;
    j->ruleset_fd = j->self_fd = -1;
    return 0;
}

int wall_capabilities(struct jail *j, struct err *err)
{
    /* Takes the ambient ones along. The bounding set is empty since before the interpreter. */
    if (cap_set(0, err) < 0 || cap_get(&j->worker_caps, err) < 0)
        return -1;
    if (j->worker_caps != 0)
        return err_set(err, ERR_INTERNAL, "capabilities %#llx are left",
                       (unsigned long long)j->worker_caps);
    return 0;
}

int wall_seccomp(struct jail *j, struct err *err)
{
    /* In place: the page is this process's own copy. */
    for (size_t i = 0; i < j->filter.len; i++) {
        struct sock_filter *in = &j->filter.insns[i];
        if (in->code == (BPF_JMP | BPF_JEQ | BPF_K) && in->k == FILTER_SELF_PID)
            in->k = (uint32_t)j->worker;
    }
    return filter_load(j->filter.insns, j->filter.len, NULL, err);
}

int jail_worker_enter(struct jail *j, int keep_below, struct err *err)
{
    j->worker = getpid();
    if (wall_landlock(j, err) < 0 || wall_ties(j, keep_below, err) < 0 || wall_limits(j, err) < 0 ||
        wall_capabilities(j, err) < 0)
        return -1;
    /* After the capabilities: a change of credentials would clear it. */
    if (task_die_with_parent(SIGKILL, err) < 0)
        return -1;
    /* The zygote may have died before. In a pid namespace of our own the parent is 0 in any case,
     * but there the kernel takes us along with init. */
    if (j->isolation == ISOLATION_LANDLOCK && getppid() != j->zygote)
        return err_set(err, ERR_INTERNAL, "the zygote is gone");
    return wall_seccomp(j, err);
}
