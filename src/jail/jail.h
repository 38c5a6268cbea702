/* The jail, seen from its three users:
 *   keeper's child   build.h: namespaces, root file system, then exec of the interpreter
 *   zygote           jail_zygote_enter(), jail_fork()
 *   worker           jail_worker_enter(), jail_limit_*(), jail_probe()
 * The order is fixed and every step fails closed: an error means this process must end. */
#ifndef JAIL_JAIL_H
#define JAIL_JAIL_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "wire/msg.h"

/* ---- hand-over from the keeper's child (build.h) to the zygote ---- */

/* Descriptors the interpreter starts with, besides 0, 1 (both /dev/null) and 2 (the server's
 * stderr). */
#define JAIL_FD_CONTROL 3 /* control channel to the server */
#define JAIL_FD_SPEC    4 /* memory file: the launch message and struct jail_handover */

/* A seccomp program, in the kernel's form. */
struct jail_filter {
    struct sock_filter *insns; /* owned */
    size_t len;                /* instructions */
};

/* What the builder tells the zygote, since it can see neither /proc nor the host any more. The
 * seccomp programs come along because only the builder links libseccomp: nothing of it is mapped
 * where programs run. */
struct jail_handover {
    uint32_t isolation;   /* enum isolation in force, never AUTO */
    char note[256];       /* why not namespaces, or "" */
    struct strv readable; /* Landlock: files and folders (and what is below) that may be read */
    struct jail_filter report; /* zygote: reports some calls, permits all others; may be empty */
    struct jail_filter worker; /* worker, when reporting works */
    struct jail_filter worker_quiet; /* worker, when it does not: reported calls are just refused */
};
void jail_handover_done(struct jail_handover *h);

/* ---- zygote: called by the extension module, single-threaded, after preloading ---- */
struct jail;

/* Read JAIL_FD_SPEC (which stays open). Both results are the caller's. The paths in *ret_launch are
 * those that are valid inside: python_path and extension_dir may differ from what the server sent.
 */
int jail_read_spec(struct msg_launch *ret_launch, struct jail_handover *ret, struct err *err);

/* Install the reporting seccomp filter (user notification for calls that neither zygote nor
 * libraries make) and make the Landlock ruleset. *ret_listener_fd is the caller's to hand to the
 * server; the caller must then close it, or a reported call would wait for ever once the server is
 * gone. It is -1 where the kernel has no notification to give (an outer sandbox holds the only
 * listener, or there is none): the calls are then refused without a report. The jail keeps copies
 * of what it needs of @launch and @handover. */
int jail_zygote_enter(const struct msg_launch *launch, const struct jail_handover *handover,
                      struct jail **ret, int *ret_listener_fd, struct err *err);
void jail_free(struct jail *j);

/* fork() into a new pid namespace where the isolation has them (libc's fork, so that atfork
 * handlers run). 0 in the child, the child's pid in the zygote's namespace in the parent, -1 on
 * error. */
pid_t jail_fork(struct jail *j, struct err *err);

/* ---- worker ---- */

/* Everything that cannot wait: parent-death signal, close descriptors from @keep_below up, drop all
 * capabilities, rlimits that do not depend on the request, Landlock, the default-deny seccomp
 * filter. After this the process is safe to give to an adversary. Its channels are then used with
 * read() and write(): sendmsg(), recvmsg() and passing descriptors are refused. Descriptors of the
 * jail itself have numbers of 200 and more, so the worker may dup2() over the low ones before. */
int jail_worker_enter(struct jail *j, int keep_below, struct err *err);

/* Find the present size of the address space without /proc, by probing RLIMIT_AS: bytes, at most
 * 64 KiB too many. */
uint64_t jail_address_space(void);

/* Limit memory to @base + @bytes (soft) and CPU time (0 = none; rounded up to
 * whole seconds). Raise by 16 MiB with jail_relax_memory() before reporting. */
int jail_limit_memory(uint64_t base, uint64_t bytes, struct err *err);
void jail_relax_memory(void);
int jail_limit_cpu(uint64_t cpu_ms, struct err *err);

/* The start-up self-test, run inside a worker after jail_worker_enter(): attempts every harm and
 * says what happened. @ret must be zeroed. */
int jail_probe(const struct jail *j, struct msg_proof *ret, struct err *err);

#endif
