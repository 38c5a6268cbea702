/* The history: what ran, in STATE_DIR/history.db, an SQLite database that `vivarium history` and
 * people can ask. Written by the server, on the loop's thread; read by the command line.
 *
 * It is a convenience beside the audit log: the same facts without what was found in the program,
 * bounded by number, age and size. Rows are collected and written many at a time, after the answers
 * they tell of. A lock of somebody else is waited for a few milliseconds, then the rows wait for
 * the next attempt; nothing waits for the disk. Several servers may share a database. */
#ifndef RECORD_HISTORY_H
#define RECORD_HISTORY_H

#include "record/record.h"
#include "json/write.h"

#define HISTORY_NAME        "history.db"
#define HISTORY_MAX_BYTES   (256ull * 1024 * 1024) /* of the database; the oldest rows go first */
#define HISTORY_BATCH       64                     /* rows written at a time */
#define HISTORY_MAX_PENDING 4096                   /* rows that could not be written yet ... */
#define HISTORY_MAX_HELD    (8u * 1024 * 1024)     /* ... and their bytes; further ones are lost */
#define HISTORY_LOCK_MS     5                      /* how long another's lock is waited for */
#define HISTORY_RETRY_NS    250000000u             /* after a failure */

struct history;

struct history_options {
    int dir_fd;        /* the state folder, borrowed; must outlive the history */
    bool keep_code;    /* the program's text, too */
    bool durable;      /* have the disk confirm what was written, now and then */
    unsigned max_rows; /* executions that are kept */
    unsigned max_days;
};

/* Touches no file: the database is opened with the first row, or by history_ready(). */
int history_new(const struct history_options *options, struct history **ret, struct err *err);
/* Writes what is pending, if that is possible. */
void history_free(struct history *h);

/* Note one execution. -1 only when an attempt to write was made and failed; the row is pending
 * then. */
int history_add(struct history *h, const struct record_entry *e, struct err *err);
/* Write what is pending, or as much of it as takes no more than a few milliseconds. Soon after a
 * failure this does nothing and returns 0. */
int history_flush(struct history *h, struct err *err);
bool history_pending(const struct history *h);
/* Can the history be written, as far as is known? Opens the database, and tries again what has
 * failed, unless that was a moment ago. */
int history_ready(struct history *h, struct err *err);

/* ---- reading ---- */

/* One execution. Everything is borrowed; texts are well-formed UTF-8. */
struct history_row {
    uint64_t unix_ms;                                         /* when it ended */
    const char *id, *client, *isolation, *error, *error_type; /* may be NULL */
    const char *mode;
    const char *category; /* NULL = success */
    uint32_t line;        /* of the error, 0 = unknown */
    uint64_t wall_ns, cpu_ns, peak_memory_bytes;
    uint64_t timeout_ns, mem_bytes;
    uint64_t out_len[2];
    bool truncated;
    uint64_t code_len;
    const char *code_sha256;
    const char *code; /* NULL when it was not kept */
};

struct history_query {
    const char *id; /* an execution_id or a part of one; NULL = any */
    bool failed;    /* only what did not succeed */
    bool with_code; /* rows have the program's text where it was kept */
    unsigned limit; /* the newest so many */
};

/* The row as a JSON object, with the names of the audit log. */
void history_row_write(struct json_out *out, const struct history_row *row);

typedef void history_row_fn(void *ctx, const struct history_row *row);
/* Hand every row to @fn, newest first. *ret_n = how many; 0 also where there is no database. What
 * is in the folder @dir_fd (borrowed) is not trusted. Waits up to a second for a lock. */
int history_read(int dir_fd, const struct history_query *query, history_row_fn *fn, void *ctx,
                 unsigned *ret_n, struct err *err);

#endif
