/* Starting the keeper and seeing it end. */
#ifndef APP_SPAWN_H
#define APP_SPAWN_H

#include <sys/types.h>

#include "app/places.h"
#include "app/privilege.h"
#include "base/err.h"

struct keeper {
    pid_t pid; /* 0 = none */
    int pidfd; /* -1 = none */
};

/* @cgroup_fd: cgroup.procs of the leaf it is to live in (borrowed), -1 = ours. Start
 * vivarium-zygote with one end of the launch channel as its descriptor 3. *ret_fd, the other end,
 * is the caller's (non-blocking); closing it ends the keeper. Its stdin and stdout are /dev/null,
 * its stderr is ours, its environment is empty but for the locale, and it is in a session of its
 * own, so that a terminal's Ctrl-C reaches the server alone. */
int keeper_spawn(const struct places *places, const struct identities *ids, int cgroup_fd,
                 struct keeper *ret, int *ret_fd, struct err *err);

/* Wait until it has ended, at most @timeout_ms; after that kill it where we may. Call it when the
 * launch channel is closed. */
void keeper_wait(struct keeper *k, int timeout_ms);

#endif
