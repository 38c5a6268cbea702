/* What executions left behind, kept in memory for a while: files and figures, for resources/read.
 *
 * An artifact belongs to the caller whose execution made it: every function takes the owner's name
 * and sees nothing of anybody else's. Everything is bounded: artifacts of one execution, all
 * artifacts in bytes and in number, and their age. When there is no room the caller who takes most
 * of it loses its oldest, so that nobody can push out what others have made.
 *
 * Runs in the server, on the loop's thread. */
#ifndef ARTIFACTS_ARTIFACTS_H
#define ARTIFACTS_ARTIFACTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"

#define ARTIFACT_MAX_NAME 255  /* bytes */
#define ARTIFACTS_MAX     4096 /* kept at once, of all callers */

struct artifacts;

struct artifacts_limits {
    unsigned per_execution; /* SANDBOX_MAX_ARTIFACTS; 0: none are kept */
    uint64_t max_bytes;     /* of all together, SANDBOX_ARTIFACT_MEMORY */
    uint64_t ttl_ns;        /* SANDBOX_ARTIFACT_TTL */
};

struct artifacts *artifacts_new(struct loop *loop, const struct artifacts_limits *limits,
                                struct err *err);
void artifacts_free(struct artifacts *a); /* NULL is fine */

/* Borrowed, valid until the next call of artifacts_put() and until the loop runs on. */
struct artifact {
    const char *execution_id; /* UUID text */
    const char *name;         /* a relative path: "plot.png", "out/table.csv" */
    const char *mime;         /* "image/png" */
    const uint8_t *bytes;
    size_t len;
    uint64_t seq;     /* order in which they were put, from 1 on */
    uint64_t left_ns; /* of its time */
};

/* Keep a copy. Nothing is trusted: ERR_INVALID for an execution id, name or type that cannot be
 * what it should be, or a name that this execution has used already; ERR_LIMIT when the execution
 * has its share, or it is larger than all room together; ERR_NOMEM. */
int artifacts_put(struct artifacts *a, const char *owner, const char *execution_id,
                  const char *name, const char *mime, const void *bytes, size_t len,
                  struct err *err);

/* The one of @owner that @uri names. 0, or -1 when there is none. */
int artifacts_find(struct artifacts *a, const char *owner, const char *uri, struct artifact *ret);
/* The first of @owner put after @seq. 0, or -1 when there is none. */
int artifacts_next(struct artifacts *a, const char *owner, uint64_t seq, struct artifact *ret);

/* Append sandbox://{execution_id}/{name}, the name percent-encoded. */
#define ARTIFACT_URI_TEMPLATE "sandbox://{execution_id}/{name}"
int artifact_uri(struct buf *out, const char *execution_id, const char *name, struct err *err);

#endif
