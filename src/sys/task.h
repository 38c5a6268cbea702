/* Processes: raw clone, process descriptors, prctl switches, resource limits. One thin function per
 * call. */
#ifndef SYS_TASK_H
#define SYS_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* fork() with namespace flags: clone(@flags | SIGCHLD) on the same stack. libc's atfork handlers do
 * not run, so only for a child that execs or uses nothing but this code. 0 in the child; in the
 * parent the child's pid, and *ret_pidfd (may be NULL) is the caller's. -1 on error. */
pid_t task_clone(uint64_t flags, int *ret_pidfd, struct err *err);

/* A descriptor for the process @pid, close-on-exec. */
int task_open(pid_t pid, int *ret_pidfd, struct err *err);
int task_signal(int pidfd, int signo, struct err *err);

/* Send @signo to the calling process when its parent (thread) ends. Cleared by the kernel at any
 * credential change, so call it after the last one. */
int task_die_with_parent(int signo, struct err *err);
int task_no_new_privs(struct err *err);
int task_set_dumpable(bool on, struct err *err);
/* Orphans below this process become its children. */
int task_adopt_orphans(struct err *err);

/* Where memory runs out, let the kernel take the calling process and what it forks before all
 * others. Needs the host's /proc and a dumpable process; there is no way back without privilege. */
int task_first_victim(struct err *err);

/* Is the calling process single-threaded? Needs no /proc where unshare() is not forbidden. False
 * when it cannot be told. */
bool task_single_threaded(void);

/* RLIMIT_* @resource to the given soft and hard value. */
int task_limit(int resource, uint64_t soft, uint64_t hard, struct err *err);

#endif
