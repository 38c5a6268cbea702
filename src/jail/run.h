/* Run a trusted program of the host and collect what it prints. */
#ifndef JAIL_RUN_H
#define JAIL_RUN_H

#include "base/buf.h"

/* Run @argv[0] (an absolute path) in folder @cwd (NULL = here) with only @envp as environment;
 * standard input is /dev/null. Its output is appended to @out. Blocks for at most RUN_TIMEOUT_MS.
 * Fails unless it ends by itself with status 0, with the first line of its standard error. */
#define RUN_TIMEOUT_MS 10000
int run_collect(const char *const *argv, const char *const *envp, const char *cwd, struct buf *out,
                struct err *err);

#endif
