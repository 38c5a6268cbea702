/* Seccomp user notification, the supervisor's half (seccomp_unotify(2)). */
#ifndef SYS_NOTIFY_H
#define SYS_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct notify_call {
    uint64_t id;
    pid_t tid; /* the thread that made the call, in our pid namespace; 0 = not visible from it */
    int nr;    /* its number… */
    uint32_t arch; /* …on this AUDIT_ARCH_* */
};

/* Can this kernel's messages be read with our buffers? ERR_UNSUPPORTED if not. */
int notify_check(struct err *err);

/* Take the next reported call. 1 = *ret is set, and that thread waits for notify_refuse(); 0 =
 * nothing is there now; -1 = nothing will ever come again, or another error. Does not block. */
int notify_next(int listener_fd, struct notify_call *ret, struct err *err);

/* Does the thread still wait? While it does its number cannot have passed to another. */
bool notify_valid(int listener_fd, uint64_t id);

/* Let the call fail with @error (EPERM). A thread that has died meanwhile is no failure. */
int notify_refuse(int listener_fd, uint64_t id, int error, struct err *err);

#endif
