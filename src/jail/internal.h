/* What the files of this room share with each other and with its tests, and nobody else. */
#ifndef JAIL_INTERNAL_H
#define JAIL_INTERNAL_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "jail/jail.h"

/* Descriptors of the jail are moved to this number and above. */
#define JAIL_FD_FLOOR 200

/* An empty file in the root of the jail that nothing but Landlock keeps the worker from reading: so
 * that the self-test can see Landlock work. Without namespaces the host's files serve. */
#define JAIL_LANDLOCK_CANARY "/landlock"

struct jail {
    enum isolation isolation;
    char note[256];
    bool reporting;       /* the report filter has a listener, or had one */
    int landlock_abi;     /* 0 = none */
    int ruleset_fd;       /* -1 = no Landlock */
    int self_fd;          /* pidfd of the zygote, to come back to its pid namespace; -1 = none */
    pid_t zygote;         /* its pid in its own namespace */
    pid_t worker;         /* the worker's own pid, once it has entered */
    int network_error;    /* of a connect() in the zygote's network namespace; 0 = it worked */
    uint64_t worker_caps; /* what it held just before the filter: 0 unless something is wrong */
    struct jail_filter filter;
};

/* The spec memory file, both directions. */
int spec_write(const struct msg_launch *launch, const struct jail_handover *handover, int *ret_fd,
               struct err *err);
int spec_read(int fd, struct msg_launch *ret_launch, struct jail_handover *ret, struct err *err);

/* Build the seccomp programs for @isolation into @h (libseccomp; keeper's side only). */
int filter_build(enum isolation isolation, struct jail_handover *h, struct err *err);
/* What the zygote passes to unshare() before each fork, the only value that is not reported: a pid
 * namespace where there is one for each worker, and the kernel's word that there is one thread. */
static inline uint64_t filter_zygote_unshare(enum isolation isolation)
{
    return CLONE_THREAD | (isolation == ISOLATION_NAMESPACES ? CLONE_NEWPID : 0);
}
/* In comparisons of the worker's program this stands for its own pid, which is known to be 1 where
 * it has a namespace and unknown until fork otherwise. */
#define FILTER_SELF_PID 0x5e1f5e1fu

/* The walls of jail_worker_enter(), in this order. Separate so that the tests can leave out the
 * upper ones and show what the lower ones stop alone. */
int wall_landlock(struct jail *j, struct err *err);
int wall_ties(struct jail *j, int keep_below, struct err *err);
int wall_limits(struct jail *j, struct err *err);
int wall_capabilities(struct jail *j, struct err *err);
int wall_seccomp(struct jail *j, struct err *err);

#endif
