/* What /proc tells about a process. */
#ifndef SYS_PROC_H
#define SYS_PROC_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct proc_status {
    pid_t tgid;            /* the process a thread belongs to */
    uint64_t vm_hwm_bytes; /* the most memory it ever had resident */
};

/* Open /proc/PID/status of a process or thread, for proc_status_read(). The descriptor stays bound
 * to that very process: once it is gone reading fails, whoever has the number then. *ret_fd is the
 * caller's. */
int proc_status_open(pid_t pid, int *ret_fd, struct err *err);

/* Read it as it is now; may be called again and again. */
int proc_status_read(int fd, struct proc_status *ret, struct err *err);

#endif
