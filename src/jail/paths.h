/* Small questions about paths. */
#ifndef JAIL_PATHS_H
#define JAIL_PATHS_H

#include <stdbool.h>

/* Is @path, with links and ".." resolved, @folder or something below it? False when either does not
 * exist. */
bool path_within(const char *path, const char *folder);

/* "/proc/self/fd/N" → N, else -1. */
int path_descriptor(const char *path);

#endif
