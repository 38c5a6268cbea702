/* The server confines itself, once everything it needs is open. */
#ifndef APP_CONFINE_H
#define APP_CONFINE_H

#include <stdbool.h>

#include "base/err.h"

/* Landlock: it may read /proc and use the state folder (@state_dir_fd; -1 = none), and open nothing
 * else by path. *ret_confined tells whether the kernel has it. Seccomp: it never again executes a
 * program, makes a process, traces one, mounts, loads code into the kernel. Needs no_new_privs. */
int confine(int state_dir_fd, bool *ret_confined, struct err *err);

#endif
