/* Telling the service manager how it goes: sd_notify(3)'s protocol, datagrams to the socket named
 * in NOTIFY_SOCKET. Without one everything here does nothing. */
#ifndef APP_NOTIFY_H
#define APP_NOTIFY_H

#include <stdint.h>

#include "base/err.h"

struct notify {
    int fd;               /* -1: nobody wants to know */
    uint64_t watchdog_ns; /* WATCHDOG=1 is expected that often; 0 = never */
};

/* Connect, before the server seals itself: afterwards no socket can be made. The variables are
 * taken out of the environment. A socket that cannot be reached is an error for the operator:
 * the manager would wait in vain. */
int notify_open(struct notify *ret, struct err *err);
void notify_close(struct notify *n);

/* "READY=1", "STOPPING=1", "STATUS=…": lines. Never blocks; what cannot be sent is lost. */
void notify_say(const struct notify *n, const char *lines);

#endif
