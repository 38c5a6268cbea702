/* The self-test's attempts: data and functions for probe.c. */
#ifndef JAIL_PROBE_H
#define JAIL_PROBE_H

#include <stddef.h>

#include "jail/internal.h"

/* Errors that count as the wall having held. Anything else (EFAULT, EBADF, EINVAL …) means that the
 * call got through to where its arguments are looked at. */
enum refusal {
    REFUSED_CALL = 1 << 0,   /* EPERM, ENOSYS, EACCES */
    REFUSED_FILE = 1 << 1,   /* ENOENT, EACCES, EPERM, EROFS, ENOTDIR */
    REFUSED_LIMIT = 1 << 2,  /* ENOMEM, EMFILE, EAGAIN, EPERM */
    REFUSED_ACCESS = 1 << 3, /* EACCES alone: the file is there */
};

struct attempt {
    const char *layer;
    const char *name;
    /* Try it with arguments that do no damage when it works. 0 or more: it worked (and has been
     * undone), -1: errno says how it failed. */
    long (*try)(const struct jail *j);
    enum refusal held;
    /* Why this wall is not there without namespaces, or NULL: it must hold in every mode. */
    const char *absent_without_namespaces;
};
extern const struct attempt attempts_files[], attempts_calls[], attempts_limits[];
extern const size_t attempts_files_len, attempts_calls_len, attempts_limits_len;

#endif
