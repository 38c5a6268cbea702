/* The workers that are alive, by the ids the server gave them. */
#ifndef ZYGOTE_CHILDREN_H
#define ZYGOTE_CHILDREN_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct child {
    uint64_t id;
    pid_t pid; /* in the zygote's pid namespace */
};
struct children {
    struct child *items; /* owned */
    size_t len, cap;
};

int children_add(struct children *c, uint64_t id, pid_t pid, struct err *err);
/* 0 = no such child. */
pid_t children_pid(const struct children *c, uint64_t id);
/* Forget the child @pid; 1 and *ret_id, or 0 when there is none. */
int children_remove(struct children *c, pid_t pid, uint64_t *ret_id);

#endif
