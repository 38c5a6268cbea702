/* Errors.
 *
 * A function that can fail returns 0 or -1 (or a pointer or NULL) and takes a `struct err *` as
 * its last parameter. On failure the error is set, on success it is untouched; results passed
 * through `ret_` parameters are set on success only. A caller that does not care passes NULL.
 *
 * The code says what kind of failure it is, so that callers can decide; the text is for a person
 * and names what was attempted, on what, and why it did not work. Rooms never print or log: the
 * text travels up to `app` or `record`, each caller adding context with err_prefix().
 *
 * Bad input by a user is ERR_INVALID and its text is shown to that user as it stands: it is
 * well-formed UTF-8, whatever it quotes and wherever it was cut. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/macros.h"

enum err_code {
    ERR_NONE = 0,
    ERR_SYS,         /* a system call failed: sys_errno says how */
    ERR_NOMEM,       /* memory ran out */
    ERR_INVALID,     /* what the caller or user gave is not acceptable */
    ERR_LIMIT,       /* acceptable in kind, but larger than a limit allows */
    ERR_PROTO,       /* a peer broke the protocol: end that peer */
    ERR_UNSUPPORTED, /* this kernel or machine lacks something */
    ERR_OVERLOADED,  /* no room now; try again later */
    ERR_REFUSED,     /* policy says no */
    ERR_INTERNAL,    /* a defect of ours */
};

struct err {
    enum err_code code;
    int sys_errno; /* for ERR_SYS, else 0 */
    char text[512];
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        .code = ERR_NONE                                                                           \
    }

/* Set @err (may be NULL) and return -1. For ERR_SYS the current errno is kept and its meaning
 * appended to the text. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...) _printf_(3, 4);

/* Put "prefix: " in front of the text of an error already set. Returns -1. */
int err_prefix(struct err *err, const char *fmt, ...) _printf_(2, 3);

/* Set ERR_NOMEM and return -1. */
int err_nomem(struct err *err);

#endif
