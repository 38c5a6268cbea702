/* Metrics as text, in the exposition format of Prometheus, version 0.0.4. Names and label values
 * are ours, except where the header says otherwise, and are escaped all the same. */
#ifndef RECORD_EXPOSITION_H
#define RECORD_EXPOSITION_H

#include "base/buf.h"
#include "record/record.h"

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct exposition {
    struct buf *buf; /* borrowed */
    bool bad;        /* memory ran out: check once, at the end */
};

/* A label of a sample; name NULL: none. */
struct label {
    const char *name, *value;
};

/* Begin a family: its samples follow. @type: "counter", "gauge", "histogram". */
void exposition_family(struct exposition *e, const char *name, const char *type, const char *help);
void exposition_count(struct exposition *e, const char *name, struct label a, struct label b,
                      uint64_t value);
void exposition_real(struct exposition *e, const char *name, struct label a, struct label b,
                     double value);
/* A family of one sample without labels. */
void exposition_single(struct exposition *e, const char *name, const char *type, const char *help,
                       uint64_t value);

/* The counters of executions. @category_name: of an index of struct metrics; NULL: no such, or
 * success. */
void exposition_executions(struct exposition *e, const struct metrics *m,
                           const char *(*category_name)(unsigned category));
/* Resident memory, descriptors, CPU time and start of this process, as far as /proc tells. */
void exposition_process(struct exposition *e);

#endif
