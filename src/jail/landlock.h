/* The worker's Landlock ruleset. */
#ifndef JAIL_LANDLOCK_H
#define JAIL_LANDLOCK_H

#include "base/err.h"
#include "base/str.h"

/* Make a ruleset that lets the files and folders in @readable be read and denies all else this
 * kernel's Landlock (@abi >= 1) can judge. *ret_fd is the caller's. */
int ruleset_new(int abi, const struct strv *readable, int *ret_fd, struct err *err);

#endif
