/* One cgroup v2 leaf for each zygote, below a folder delegated to us. */
#ifndef JAIL_CGROUP_H
#define JAIL_CGROUP_H

#include <stdint.h>

#include "base/err.h"

/* Make the leaf of zygote @id below @parent, limit it, and move the calling process into it. Errors
 * say which controller is missing and how to get it. */
int cgroup_enter(const char *parent, uint64_t id, struct err *err);
/* Remove it once it is empty. */
void cgroup_remove(const char *parent, uint64_t id);

#endif
