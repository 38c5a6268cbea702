/* The jail, seen from the keeper and its child (init): from a launch message to a running
 * interpreter inside the walls. Nothing hostile exists yet; everything fails closed.
 *
 *   keeper   clones init with jail_clone_flags()
 *   init     jail_build(), forks, goes on as the reaper of all that follows
 *   child    jail_exec(): becomes the interpreter */
#ifndef JAIL_BUILD_H
#define JAIL_BUILD_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "wire/msg.h"

/* CLONE_NEW* flags of init for this isolation (NAMESPACES or LANDLOCK). */
uint64_t jail_clone_flags(enum isolation isolation);

struct jail_request {
    const struct msg_launch *launch; /* borrowed */
    enum isolation isolation;        /* NAMESPACES or LANDLOCK: the keeper resolves AUTO */
    const char *note;                /* why not namespaces, or "" */
    uid_t uid;                       /* ids of the keeper, read before clone() */
    gid_t gid;
};

/* What jail_exec() needs. */
struct jail_start {
    enum isolation isolation;
    char *python;        /* path inside */
    char *extension_dir; /* path inside */
    char *library_path;  /* LD_LIBRARY_PATH, or NULL */
    bool data_science;
    int null_fd, spec_fd;
    pid_t init; /* its pid as its children see it */
};
void jail_start_done(struct jail_start *s);

/* In init: identity, survey of the interpreter, cgroup, root file system, pivot, seccomp programs,
 * spec. ERR_UNSUPPORTED: this machine lacks a wall, and the text says which and how to get it (in
 * AUTO the keeper then tries the other isolation); ERR_INVALID: the configuration is at fault. On
 * failure the process must end. */
int jail_build(const struct jail_request *req, struct jail_start *ret, struct err *err);

/* In the child of init: privileges, limits, descriptors, exec. Returns only on failure. */
int jail_exec(const struct jail_start *start, int control_fd, struct err *err);

/* The cgroup leaf of a zygote, made by jail_build() when launch->cgroup is set. To be removed by
 * the keeper when everything in it has ended; errors are of no consequence. */
void jail_cgroup_remove(const struct msg_launch *launch);

#endif
