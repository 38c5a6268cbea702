/* Loading seccomp programs. */
#ifndef SYS_FILTER_H
#define SYS_FILTER_H

#include <linux/filter.h>
#include <stddef.h>

#include "base/err.h"

/* Load @n instructions for the calling thread (which must have no_new_privs). When @ret_listener is
 * not NULL, the filter's SECCOMP_RET_USER_NOTIF is reported on that descriptor, which is the
 * caller's and close-on-exec; ERR_SYS with errno EBUSY when an outer filter already has one. */
int filter_load(const struct sock_filter *insns, size_t n, int *ret_listener, struct err *err);

#endif
