/* A cgroup v2 subtree that has been delegated to us, arranged for use: see contract, "cgroup v2
 * where a subtree is delegated". It adds a ceiling for memory and tasks of all programs together to
 * the limits that each program has of its own. */
#ifndef APP_DELEGATION_H
#define APP_DELEGATION_H

#include "app/privilege.h"

struct delegation {
    char *programs;    /* absolute path of the folder for zygotes' leaves; NULL = none */
    int keeper_fd;     /* cgroup.procs of the keeper's leaf, for writing; -1 = none */
    int events_fd;     /* memory.events of programs; -1 = none */
    char why_not[300]; /* without: the reason, for a person */
};

/* Look for one and arrange it:
 *
 *   OURS/server            this process
 *   OURS/programs/keeper   the keeper, which enters it by writing to keeper_fd
 *   OURS/programs/...      a leaf for each zygote, made by the jail as the worker identity
 *
 * Before privileges are dropped and before the keeper is started. Never fails: without a subtree,
 * or when it cannot be arranged, everything is left as it was and why_not says so. */
void delegation_claim(const struct identities *ids, struct delegation *ret);
void delegation_done(struct delegation *d);

/* How many processes in there the kernel has killed for memory so far. 0 without a subtree. */
uint64_t delegation_memory_kills(const struct delegation *d);
/* The count in the text of a memory.events file; 0 when there is none. */
uint64_t delegation_kills_in(const char *text);

/* The path in the line "0::PATH" of the text of /proc/PID/cgroup, in place and NUL-terminated.
 * NULL: there is none, or it lies outside our cgroup namespace. */
char *delegation_own_path(char *text);

#endif
