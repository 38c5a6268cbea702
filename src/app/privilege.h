/* Who the server and the keeper run as, and giving up everything else.
 *
 * Started by an ordinary user, both stay that user. Started by root, the keeper and all below it
 * become one non-root user and the server another, so that neither can signal, trace or read the
 * other: the users `vivarium` (server) and `vivarium-worker` (keeper) if /etc/passwd has them, else
 * two fixed ids that nobody has. */
#ifndef APP_PRIVILEGE_H
#define APP_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct identity {
    uid_t uid;
    gid_t gid;
};
struct identities {
    bool change; /* false: everything stays who it is */
    struct identity server, worker;
};

/* Decide. ERR_REFUSED: installed set-uid, or root without other ids to become. */
int identities_choose(struct identities *ret, struct err *err);

/* Steps of the start, in this order, around the spawning of the keeper. */

/* No core files, no inherited descriptors across exec, supplementary groups and ambient
 * capabilities gone. */
int privilege_begin(const struct identities *ids, struct err *err);
/* In the keeper's process, before exec: become the worker identity. Async-signal-safe. 0 or an
 * errno. */
int privilege_become_worker(const struct identities *ids);
/* In the server, once everything that needs privileges is open: become the server identity, for
 * good. Afterwards no capability is left and none can come back. */
int privilege_drop(const struct identities *ids, struct err *err);

/* Can @ids->worker read @path? (Started as root only.) */
bool privilege_worker_can_read(const struct identities *ids, const char *path);

#endif
