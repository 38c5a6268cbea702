/* System calls that no permitted program and no library makes in good faith: the kernel reports
 * them to the server (seccomp user notification), which refuses them with EPERM and records a
 * security event. The jail builds the filter from this table, the engine finds the words in it. */
#ifndef CATALOG_NOTIFIED_H
#define CATALOG_NOTIFIED_H

#include <stddef.h>

struct notified_call {
    int nr;             /* __NR_* of this architecture */
    const char *name;   /* "socket" */
    const char *detail; /* "The program tried to open a network socket" */
    const char *remedy; /* "Network access needs SANDBOX_ENABLE_NETWORK=true" or what else would
                           permit it */
};
extern const struct notified_call notified_calls[];
extern const size_t notified_calls_len;
const struct notified_call *notified_call_find(int nr);

#endif
