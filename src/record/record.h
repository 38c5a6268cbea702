/* What is kept of executions: the audit log and the history on disk and counters in memory. Runs in
 * the server, on the loop's thread. This room never prints; what the operator should know comes
 * back as an error.
 *
 * The audit log is STATE_DIR/audit.jsonl: one JSON object a line, one line for each execution or
 * validation that was attempted. Several servers may share it: lines are appended with one write
 * each. It is rotated at RECORD_FILE_BYTES to audit.jsonl.1 … .RECORD_OLD_FILES, the oldest is
 * dropped. The folder is 0700, files are 0600.
 *
 * AUDIT_ON: a line that cannot be written is reported once and counted; programs still run. Writing
 * back to the disk is left to the kernel. AUDIT_REQUIRED: space for the lines to come is reserved
 * ahead, nothing starts while a line is waiting to be written, and record_sync() has the disk
 * confirm what was written. */
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "conf/conf.h"
#include "wire/msg.h"

#define RECORD_FILE_BYTES    (10u * 1024 * 1024)
#define RECORD_OLD_FILES     4
#define RECORD_RESERVE_BYTES (256u * 1024) /* of disk, ahead, with AUDIT_REQUIRED */
#define RECORD_MAX_LINE      (16u * 1024)
#define RECORD_MAX_PENDING   (4u * 1024 * 1024) /* lines that could not be written yet */
#define RECORD_SYNC_NS       1000000000u        /* call record_sync() so often */

#define RECORD_CATEGORIES 16

/* One finished execution. Everything is borrowed. */
struct record_entry {
    uint64_t unix_ms;                              /* when it ended */
    const char *execution_id, *client, *isolation; /* the last NULL when refused, the first of
                                                      validations then, too */
    const char *mode;                              /* "execute", "validate" */
    unsigned category;                             /* index below RECORD_CATEGORIES; 0 = success */
    const char *category_name;                     /* NULL = success */
    const char *code; /* NULL: the call was refused before there was any */
    size_t code_len;
    uint64_t timeout_ns, mem_bytes; /* asked for */
    bool narrowed;                  /* allowed_imports was given */
    const struct strv *imports;     /* may be NULL when not narrowed */
    bool use_container;
    uint64_t wall_ns, cpu_ns, peak_memory_bytes;
    uint64_t out_len[2];
    bool truncated;                 /* any of stdout, stderr, result */
    const char *error, *error_type; /* NULL on success */
    uint32_t line;                  /* of the error, 0 = unknown */
    const struct violation *violations;
    size_t violations_len;
    const struct msg_event *events;
    size_t events_len;
};

/* Counters since start, for /metrics and get_sandbox_info. */
#define RECORD_BUCKETS 14
extern const double record_bucket_seconds[RECORD_BUCKETS]; /* upper bounds */
struct metrics {
    uint64_t executions[RECORD_CATEGORIES]; /* by category */
    uint64_t validations[RECORD_CATEGORIES];
    uint64_t security_events[LAYERS];
    uint64_t wall_ns, cpu_ns;                  /* sums over executions */
    uint64_t wall_buckets[RECORD_BUCKETS + 1]; /* not cumulative; the last is beyond all bounds */
    uint64_t output_bytes, truncated;
    uint64_t peak_memory_bytes; /* largest of any execution */
    uint64_t audit_lines, audit_failures;
};

struct record;

struct record_options {
    enum audit_mode audit;
    enum history_mode history; /* see record/history.h */
    unsigned history_rows, history_days;
    const char *state_dir; /* NULL: there is none */
    /* Who will use the files, when that is not who opens them (started as root); -1 = ourselves.
     * They are handed over to that owner. */
    uid_t owner_uid;
    gid_t owner_gid;
};
#define RECORD_SAME_OWNER ((uid_t)-1)

/* Opens the log, making the folder if necessary; the history is opened later. -1 only without
 * memory, or with AUDIT_REQUIRED when the log cannot be written. With AUDIT_ON a problem is stored
 * in *ret_problem (may be NULL), to be shown to the operator. Blocks for the time of a few system
 * calls. */
int record_open(const struct record_options *options, struct record **ret, struct err *ret_problem,
                struct err *err);
void record_free(struct record *r);

/* When privileges have been given up: with AUDIT_REQUIRED, open the history. -1 when that does not
 * work. */
int record_begin(struct record *r, struct err *err);

/* May a program start? ERR_REFUSED when it could not be recorded (only with AUDIT_REQUIRED). */
bool record_may_start(struct record *r, struct err *err);

/* Count and write one execution. -1 when the line could not be written now: @err says why; set at
 * most once for each stretch of failures, else 0 is returned. */
int record_add(struct record *r, const struct record_entry *e, struct err *err);

/* Write what is pending and, with AUDIT_REQUIRED, have the disk confirm it. May block as long as
 * the disk takes; does nothing when there is nothing to do. Call it again when something is still
 * pending afterwards. */
int record_sync(struct record *r, struct err *err);
bool record_pending(const struct record *r);

const struct metrics *record_metrics(const struct record *r);

/* Descriptor of the state folder (borrowed), -1 when there is none. */
int record_dir_fd(const struct record *r);

#endif
