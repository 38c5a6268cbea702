/* Reading the history: see history.h. Runs in the command line; the database may have been written
 * by anybody who was the server's user, so every value is checked for type and made well-formed. */
#include <string.h>

#include "record/history.h"
#include "record/history_db.h"
#include "record/line.h"

/* The columns, in the order of the SELECT below. */
enum column {
    COLUMN_TIME,
    COLUMN_ID,
    COLUMN_CLIENT,
    COLUMN_MODE,
    COLUMN_ISOLATION,
    COLUMN_CATEGORY,
    COLUMN_ERROR_TYPE,
    COLUMN_ERROR,
    COLUMN_LINE,
    COLUMN_WALL,
    COLUMN_CPU,
    COLUMN_MEMORY,
    COLUMN_TIMEOUT,
    COLUMN_LIMIT,
    COLUMN_STDOUT,
    COLUMN_STDERR,
    COLUMN_TRUNCATED,
    COLUMN_CODE_BYTES,
    COLUMN_SHA256,
    COLUMN_CODE,
    COLUMNS
};

static const char select_rows[] =
    "SELECT time_ms, id, client, mode, isolation, category, error_type, error, line, wall_ns,"
    " cpu_ns, peak_memory, timeout_ns, memory_limit, stdout_bytes, stderr_bytes, truncated,"
    " code_bytes, code_sha256, CASE WHEN ?3 THEN code END FROM executions"
    " WHERE (?1 IS NULL OR instr(id, ?1) > 0) AND (NOT ?2 OR category IS NOT NULL)"
    " ORDER BY n DESC LIMIT ?4";

static uint64_t number(sqlite3_stmt *s, enum column c)
{
    sqlite3_int64 v = sqlite3_column_int64(s, (int)c);
    return v > 0 ? (uint64_t)v : 0;
}

/* Copies that live until the next row. */
struct texts {
    char *of[COLUMNS];
};

static void texts_done(struct texts *t)
{
    for (size_t i = 0; i < COLUMNS; i++)
        free(t->of[i]);
    *t = (struct texts){0};
}

/* NULL: not there. Without memory *full is set. */
static const char *text(sqlite3_stmt *s, enum column c, struct texts *t, bool *full)
{
    if (sqlite3_column_type(s, (int)c) == SQLITE_NULL)
        return NULL;
    size_t len;
    const void *data = sqlite3_column_text(s, (int)c);
    if (data)
        t->of[c] = utf8_repair(data, (size_t)sqlite3_column_bytes(s, (int)c), &len);
    *full |= !t->of[c];
    return t->of[c];
}

static int hand_out(sqlite3_stmt *s, history_row_fn *fn, void *ctx, struct err *err)
{
    _cleanup_(texts_done) struct texts t = {0};
    bool full = false;
    struct history_row row = {
        .unix_ms = number(s, COLUMN_TIME),
        .id = text(s, COLUMN_ID, &t, &full),
        .client = text(s, COLUMN_CLIENT, &t, &full),
        .mode = text(s, COLUMN_MODE, &t, &full),
        .isolation = text(s, COLUMN_ISOLATION, &t, &full),
        .category = text(s, COLUMN_CATEGORY, &t, &full),
        .error_type = text(s, COLUMN_ERROR_TYPE, &t, &full),
        .error = text(s, COLUMN_ERROR, &t, &full),
        .line = (uint32_t)MIN(number(s, COLUMN_LINE), UINT32_MAX),
        .wall_ns = number(s, COLUMN_WALL),
        .cpu_ns = number(s, COLUMN_CPU),
        .peak_memory_bytes = number(s, COLUMN_MEMORY),
        .timeout_ns = number(s, COLUMN_TIMEOUT),
        .mem_bytes = number(s, COLUMN_LIMIT),
        .out_len = {number(s, COLUMN_STDOUT), number(s, COLUMN_STDERR)},
        .truncated = number(s, COLUMN_TRUNCATED) != 0,
        .code_len = number(s, COLUMN_CODE_BYTES),
        .code_sha256 = text(s, COLUMN_SHA256, &t, &full),
        .code = text(s, COLUMN_CODE, &t, &full),
    };
    if (full)
        return err_nomem(err);
    if (!row.mode)
        row.mode = "?";
    fn(ctx, &row);
    return 0;
}

void history_row_write(struct json_out *out, const struct history_row *row)
{
    char time[32];
    record_time(row->unix_ms, time);
    json_open_object(out);
    json_pair_str(out, "time", time);
    json_pair_str(out, "execution_id", row->id);
    json_pair_str(out, "mode", row->mode);
    json_pair_str(out, "client", row->client);
    json_pair_str(out, "code_sha256", row->code_sha256);
    json_pair_uint(out, "code_bytes", row->code_len);
    json_pair_seconds(out, "timeout", row->timeout_ns);
    json_pair_uint(out, "memory_limit", row->mem_bytes);
    json_pair_bool(out, "success", !row->category);
    json_pair_str(out, "category", row->category);
    json_pair_str(out, "isolation", row->isolation);
    json_pair_seconds(out, "wall_time", row->wall_ns);
    json_pair_seconds(out, "cpu_time", row->cpu_ns);
    json_pair_uint(out, "peak_memory", row->peak_memory_bytes);
    json_pair_uint(out, "stdout_bytes", row->out_len[0]);
    json_pair_uint(out, "stderr_bytes", row->out_len[1]);
    json_pair_bool(out, "truncated", row->truncated);
    if (row->category) {
        json_pair_str(out, "error_type", row->error_type);
        json_pair_str(out, "error", row->error);
    }
    if (row->line)
        json_pair_uint(out, "line", row->line);
    if (row->code)
        json_pair_str(out, "code", row->code);
    json_close_object(out);
}

static int read_rows(const struct history_db *d, const struct history_query *query,
                     history_row_fn *fn, void *ctx, unsigned *ret_n, struct err *err)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(d->db, select_rows, -1, &s, NULL) != SQLITE_OK)
        return history_db_error(d, "cannot read the history", err);
    sqlite3_bind_text(s, 1, query->id, -1, SQLITE_STATIC);
    sqlite3_bind_int(s, 2, query->failed);
    sqlite3_bind_int(s, 3, query->with_code);
    sqlite3_bind_int64(s, 4, query->limit);
    unsigned n = 0;
    int rc, r = 0;
    while (r == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        r = hand_out(s, fn, ctx, err);
        n++;
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = history_db_error(d, "cannot read the history", err);
    sqlite3_finalize(s);
    if (r == 0)
        *ret_n = n;
    return r;
}

int history_read(int dir_fd, const struct history_query *query, history_row_fn *fn, void *ctx,
                 unsigned *ret_n, struct err *err)
{
    struct history_db d = {0};
    if (history_db_open_readonly(dir_fd, &d, err) < 0)
        return -1;
    if (!d.db) {
        *ret_n = 0;
        return 0;
    }
    int r = read_rows(&d, query, fn, ctx, ret_n, err);
    history_db_close(&d);
    return r;
}
