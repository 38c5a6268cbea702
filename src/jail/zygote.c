/* The zygote's side of the jail: runs in the interpreter process, single-threaded, after preloading
 * and before any program exists. Trusts the spec (init wrote it) and the modules it has preloaded.
 * It keeps CAP_SYS_ADMIN in its own user namespace, for nothing but making pid namespaces. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail/internal.h"
#include "jail/landlock.h"
#include "sys/fd.h"
#include "sys/filter.h"
#include "sys/landlock.h"
#include "sys/ns.h"
#include "sys/task.h"

/* Move *fd out of the low numbers, which each worker fills with its own descriptors. */
static int move_up(int *fd, struct err *err)
{
    int up = fcntl(*fd, F_DUPFD_CLOEXEC, JAIL_FD_FLOOR);
    if (up < 0)
        return err_set(err, ERR_SYS, "move a descriptor");
    fd_close(fd);
    *fd = up;
    return 0;
}

static int copy_filter(struct jail_filter *to, const struct jail_filter *from, struct err *err)
{
    to->insns = malloc(from->len * sizeof(*from->insns));
    if (!to->insns)
        return err_nomem(err);
    memcpy(to->insns, from->insns, from->len * sizeof(*from->insns));
    to->len = from->len;
    return 0;
}

/* Load the reporting filter. Not having a listener is a condition, not a failure: an outer sandbox
 * may hold the only one there can be. */
static int start_reporting(struct jail *j, const struct jail_handover *h, int *ret_listener,
                           struct err *err)
{
    struct err why = ERR_INIT;
    int listener = -1;
    if (h->report.len && filter_load(h->report.insns, h->report.len, &listener, &why) < 0 &&
        why.sys_errno != EBUSY && why.sys_errno != EINVAL && why.sys_errno != ENOSYS) {
        if (err)
            *err = why;
        return -1;
    }
    j->reporting = listener >= 0;
    *ret_listener = listener;
    return copy_filter(&j->filter, j->reporting ? &h->worker : &h->worker_quiet, err);
}

static int prepare_landlock(struct jail *j, const struct jail_handover *h, struct err *err)
{
    j->landlock_abi = landlock_abi();
    if (j->landlock_abi == 0) {
        if (j->isolation == ISOLATION_LANDLOCK)
            return err_set(err, ERR_UNSUPPORTED, "this kernel has no Landlock");
        return 0;
    }
    if (ruleset_new(j->landlock_abi, &h->readable, &j->ruleset_fd, err) < 0)
        return -1;
    return move_up(&j->ruleset_fd, err);
}

/* Is there a way out of this network namespace? A connected UDP socket sends nothing. */
static int try_network(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    to.sin_addr.s_addr = htonl(0xc0000201); /* 192.0.2.1, for documentation: RFC 5737 */
    auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    return connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;
}

static int enter(struct jail *j, const struct jail_handover *h, int *ret_listener, struct err *err)
{
    j->isolation = (enum isolation)h->isolation;
    memcpy(j->note, h->note, sizeof(j->note));
    j->zygote = getpid();
    if (!task_single_threaded())
        return err_set(err, ERR_INTERNAL, "the zygote has more than one thread");
    if (j->isolation == ISOLATION_NAMESPACES && j->zygote == 1)
        return err_set(err, ERR_INTERNAL, "the zygote is process 1");
    j->network_error = try_network();
    (void)jail_address_space(); /* gives the workers' search its start */
    /* Undumpable: nobody of the same uid outside may look into zygote or workers. */
    if (task_no_new_privs(err) < 0 || task_set_dumpable(false, err) < 0)
        return -1;
    if (prepare_landlock(j, h, err) < 0)
        return -1;
    if (j->isolation == ISOLATION_NAMESPACES &&
        (task_open(j->zygote, &j->self_fd, err) < 0 || move_up(&j->self_fd, err) < 0))
        return -1;
    return start_reporting(j, h, ret_listener, err);
}

int jail_zygote_enter(const struct msg_launch *launch _unused_,
                      const struct jail_handover *handover, struct jail **ret, int *ret_listener_fd,
                      struct err *err)
{
    struct jail *j = calloc(1, sizeof(*j));
    if (!j)
        return err_nomem(err);
    j->ruleset_fd = j->self_fd = -1;
    auto_close int listener = -1;
    if (enter(j, handover, &listener, err) < 0) {
        jail_free(j);
        return -1;
    }
    *ret_listener_fd = take_fd(&listener);
    *ret = j;
    return 0;
}

void jail_free(struct jail *j)
{
    if (!j)
        return;
    fd_close(&j->ruleset_fd);
    fd_close(&j->self_fd);
    free(j->filter.insns);
    free(j);
}

pid_t jail_fork(struct jail *j, struct err *err)
{
    /* A lock that another thread holds at this moment would be held in the child for ever. */
    static const char threads[] = "the zygote has more than one thread, or it cannot be told";
    bool own_pids = j->isolation == ISOLATION_NAMESPACES;
    if (own_pids && ns_unshare((int)filter_zygote_unshare(j->isolation), err) < 0)
        return errno == EINVAL ? err_set(err, ERR_INTERNAL, "%s", threads) : -1;
    if (!own_pids && !task_single_threaded())
        return err_set(err, ERR_INTERNAL, "%s", threads);
    pid_t pid = fork();
    if (pid == 0)
        return 0;
    int saved = errno;
    /* Come back, or the next unshare fails. Only possible because the zygote's pid namespace
     * belongs to its own user namespace. */
    if (own_pids && ns_enter(j->self_fd, CLONE_NEWPID, err) < 0) {
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        return -1;
    }
    if (pid < 0) {
        errno = saved;
        return err_set(err, ERR_SYS, "fork");
    }
    return pid;
}
