/* Writing the history: see history.h. Runs in the server, on the loop's thread. */
#include "record/history.h"

#include <stdio.h>
#include <string.h>

#include "record/history_db.h"
#include "record/sha256.h"
#include "sys/clock.h"

#define MAX_TEXT        400
#define BATCHES         8   /* written in a row */
#define PRUNE_EACH      256 /* rows written between two looks at the oldest ones */
#define PRUNE_AT_A_TIME "512"
#define DAY_MS          (86400ull * 1000)

enum text {
    TEXT_ID,
    TEXT_CLIENT,
    TEXT_MODE,
    TEXT_ISOLATION,
    TEXT_CATEGORY,
    TEXT_ERROR_TYPE,
    TEXT_ERROR,
    TEXTS
};
enum number {
    NUMBER_TIME,
    NUMBER_LINE,
    NUMBER_WALL,
    NUMBER_CPU,
    NUMBER_MEMORY,
    NUMBER_TIMEOUT,
    NUMBER_LIMIT,
    NUMBER_STDOUT,
    NUMBER_STDERR,
    NUMBER_TRUNCATED,
    NUMBER_CODE,
    NUMBERS
};

struct row {
    uint64_t numbers[NUMBERS];
    char *texts[TEXTS]; /* owned, like the next two; NULL = none */
    char *code;
    size_t code_len, held;            /* bytes */
    char sha256[SHA256_TEXT_LEN + 1]; /* "" = none */
};

struct history {
    struct history_options options;
    struct history_db db;
    sqlite3_stmt *insert, *prune, *size;
    struct row *rows;
    size_t len, cap, held;
    uint64_t retry_ns; /* not before */
    bool failing;
    unsigned since_prune;
};

static void row_done(struct row *r)
{
    for (size_t i = 0; i < TEXTS; i++)
        free(r->texts[i]);
    free(r->code);
}

int history_new(const struct history_options *options, struct history **ret, struct err *err)
{
    struct history *h = calloc(1, sizeof(*h));
    if (!h)
        return err_nomem(err);
    h->options = *options;
    h->since_prune = PRUNE_EACH;
    *ret = h;
    return 0;
}

/* ---- the database ---- */

static void finalize(struct history *h)
{
    sqlite3_finalize(h->insert);
    sqlite3_finalize(h->prune);
    sqlite3_finalize(h->size);
    h->insert = h->prune = h->size = NULL;
}

static void close_db(struct history *h)
{
    finalize(h);
    history_db_close(&h->db);
}

static int prepare(struct history *h, const char *sql, sqlite3_stmt **ret, struct err *err)
{
    if (sqlite3_prepare_v3(h->db.db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) != SQLITE_OK)
        return history_db_error(&h->db, "cannot write the history", err);
    return 0;
}

static int open_db(struct history *h, struct err *err)
{
    static const char insert[] =
        "INSERT INTO executions (id, client, mode, isolation, category, error_type, error, time_ms,"
        " line, wall_ns, cpu_ns, peak_memory, timeout_ns, memory_limit, stdout_bytes, stderr_bytes,"
        " truncated, code_bytes, code_sha256, code)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
    /* Of the oldest rows those from before a time, and those beyond a number. */
    static const char prune[] = "DELETE FROM executions WHERE n IN"
                                " (SELECT n FROM executions ORDER BY n LIMIT " PRUNE_AT_A_TIME ")"
                                " AND (time_ms < ? OR n <= (SELECT max(n) FROM executions) - ?)";
    static const char size[] = "SELECT (page_count - freelist_count) * page_size"
                               " FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    if (history_db_open(h->options.dir_fd, h->options.durable, &h->db, err) < 0)
        return -1;
    if (prepare(h, insert, &h->insert, err) == 0 && prepare(h, prune, &h->prune, err) == 0 &&
        prepare(h, size, &h->size, err) == 0)
        return 0;
    close_db(h);
    return -1;
}

/* ---- writing ---- */

static int step(struct history *h, sqlite3_stmt *s, struct err *err)
{
    int rc = sqlite3_step(s);
    if (rc == SQLITE_DONE || rc == SQLITE_ROW)
        return 0;
    history_db_error(&h->db, "cannot write the history", err);
    sqlite3_reset(s);
    return -1;
}

static int insert(struct history *h, const struct row *r, struct err *err)
{
    int at = 0;
    for (size_t i = 0; i < TEXTS; i++)
        sqlite3_bind_text(h->insert, ++at, r->texts[i], -1, SQLITE_STATIC);
    for (size_t i = 0; i < NUMBERS; i++)
        sqlite3_bind_int64(h->insert, ++at, (sqlite3_int64)MIN(r->numbers[i], (uint64_t)INT64_MAX));
    sqlite3_bind_text(h->insert, ++at, r->sha256[0] ? r->sha256 : NULL, -1, SQLITE_STATIC);
    sqlite3_bind_text64(h->insert, ++at, r->code, r->code_len, SQLITE_STATIC, SQLITE_UTF8);
    if (step(h, h->insert, err) < 0)
        return -1;
    sqlite3_reset(h->insert);
    return 0;
}

static int too_large(struct history *h, bool *ret, struct err *err)
{
    if (step(h, h->size, err) < 0)
        return -1;
    *ret = (uint64_t)sqlite3_column_int64(h->size, 0) > HISTORY_MAX_BYTES;
    sqlite3_reset(h->size);
    return 0;
}

/* Let the oldest rows go, some at a time, so that it never takes long. */
static int prune(struct history *h, struct err *err)
{
    bool all;
    uint64_t now = clock_unix_ms();
    if (too_large(h, &all, err) < 0)
        return -1;
    uint64_t age = h->options.max_days * DAY_MS;
    sqlite3_bind_int64(h->prune, 1, (sqlite3_int64)(now - MIN(now, age)));
    sqlite3_bind_int64(h->prune, 2, all ? 0 : (sqlite3_int64)h->options.max_rows);
    if (step(h, h->prune, err) < 0)
        return -1;
    sqlite3_reset(h->prune);
    /* As long as there are some, look again with the next batch. */
    h->since_prune = sqlite3_changes(h->db.db) > 0 ? PRUNE_EACH : 0;
    return 0;
}

static int execute(struct history *h, const char *sql, struct err *err)
{
    if (sqlite3_exec(h->db.db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return history_db_error(&h->db, "cannot write the history", err);
    return 0;
}

static int write_rows(struct history *h, size_t n, struct err *err)
{
    if (execute(h, "BEGIN IMMEDIATE", err) < 0)
        return -1;
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = insert(h, &h->rows[i], err);
    if (r == 0 && h->since_prune + n >= PRUNE_EACH)
        r = prune(h, err);
    else
        h->since_prune += (unsigned)n;
    if (r == 0)
        r = execute(h, "COMMIT", err);
    if (r < 0) {
        bool damaged = history_db_damaged(&h->db);
        sqlite3_exec(h->db.db, "ROLLBACK", NULL, NULL, NULL);
        if (damaged) {
            finalize(h);
            history_db_set_aside(&h->db);
        }
    }
    return r;
}

static void forget(struct history *h, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        h->held -= h->rows[i].held;
        row_done(&h->rows[i]);
    }
    h->len -= n;
    if (h->len > 0)
        memmove(h->rows, h->rows + n, h->len * sizeof(*h->rows));
}

/* At most one batch. */
static int write_some(struct history *h, struct err *err)
{
    if (h->db.db && !history_db_current(&h->db))
        close_db(h);
    if (!h->db.db && open_db(h, err) < 0)
        return -1;
    size_t n = MIN(h->len, (size_t)HISTORY_BATCH);
    if (n == 0)
        return 0;
    if (write_rows(h, n, err) < 0)
        return -1;
    forget(h, n);
    return 0;
}

/* One attempt, which is noted. */
static int attempt(struct history *h, struct err *err)
{
    h->failing = write_some(h, err) < 0;
    if (h->failing)
        h->retry_ns = clock_mono_ns() + HISTORY_RETRY_NS;
    return h->failing ? -1 : 0;
}

static bool waits(const struct history *h)
{
    return h->failing && clock_mono_ns() < h->retry_ns;
}

int history_flush(struct history *h, struct err *err)
{
    for (int i = 0; i < BATCHES && h->len > 0 && !waits(h); i++)
        if (attempt(h, err) < 0)
            return -1;
    return 0;
}

bool history_pending(const struct history *h)
{
    return h->len > 0;
}

int history_ready(struct history *h, struct err *err)
{
    if (h->db.db && !h->failing)
        return 0;
    if (waits(h))
        return err_set(err, ERR_SYS, "the history %s could not be written a moment ago",
                       HISTORY_NAME);
    return attempt(h, err);
}

/* ---- collecting ---- */

/* A copy of at most MAX_TEXT bytes; programs and clients have a say in some of them. */
static char *copy_text(const char *text)
{
    if (!text)
        return NULL;
    return strndup(text, utf8_floor(text, strnlen(text, MAX_TEXT)));
}

static int row_make(const struct record_entry *e, bool keep_code, struct row *ret, struct err *err)
{
    const char *const texts[TEXTS] = {
        [TEXT_ID] = e->execution_id,
        [TEXT_CLIENT] = e->client,
        [TEXT_MODE] = e->mode,
        [TEXT_ISOLATION] = e->isolation,
        [TEXT_CATEGORY] = e->category_name,
        [TEXT_ERROR_TYPE] = e->error_type,
        [TEXT_ERROR] = e->error,
    };
    struct row r = {
        .numbers = {[NUMBER_TIME] = e->unix_ms,
                    [NUMBER_LINE] = e->line,
                    [NUMBER_WALL] = e->wall_ns,
                    [NUMBER_CPU] = e->cpu_ns,
                    [NUMBER_MEMORY] = e->peak_memory_bytes,
                    [NUMBER_TIMEOUT] = e->timeout_ns,
                    [NUMBER_LIMIT] = e->mem_bytes,
                    [NUMBER_STDOUT] = e->out_len[0],
                    [NUMBER_STDERR] = e->out_len[1],
                    [NUMBER_TRUNCATED] = e->truncated,
                    [NUMBER_CODE] = e->code_len},
        .held = sizeof(r),
    };
    bool full = false;
    for (size_t i = 0; i < TEXTS; i++) {
        r.texts[i] = copy_text(texts[i]);
        full |= texts[i] && !r.texts[i];
        r.held += r.texts[i] ? strlen(r.texts[i]) + 1 : 0;
    }
    if (e->code)
        sha256_hex(e->code, e->code_len, r.sha256);
    if (e->code && keep_code) {
        r.code = malloc(e->code_len + 1);
        full |= !r.code;
        r.code_len = r.code ? e->code_len : 0;
        r.held += r.code_len;
    }
    if (full) {
        row_done(&r);
        return err_nomem(err);
    }
    if (r.code)
        memcpy(r.code, e->code, e->code_len);
    *ret = r;
    return 0;
}

int history_add(struct history *h, const struct record_entry *e, struct err *err)
{
    struct row r;
    if (h->len >= HISTORY_MAX_PENDING || h->held >= HISTORY_MAX_HELD)
        return history_flush(h, err);
    if (row_make(e, h->options.keep_code, &r, err) < 0)
        return -1;
    if (h->len == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : HISTORY_BATCH;
        struct row *rows = realloc(h->rows, cap * sizeof(*rows));
        if (!rows) {
            row_done(&r);
            return err_nomem(err);
        }
        h->rows = rows;
        h->cap = cap;
    }
    h->rows[h->len++] = r;
    h->held += r.held;
    if (h->len < HISTORY_BATCH || waits(h))
        return 0;
    return attempt(h, err);
}

void history_free(struct history *h)
{
    if (!h)
        return;
    h->retry_ns = 0; /* a last attempt */
    while (h->len > 0 && attempt(h, NULL) == 0)
        ;
    forget(h, h->len);
    close_db(h);
    free(h->rows);
    free(h);
}
