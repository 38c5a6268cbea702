/* The record: see record.h. Runs in the server; brings the audit file, the history and the counters
 * together and decides what a failure to write means. */
#include "record/record.h"

#include "record/audit.h"
#include "record/history.h"
#include "record/line.h"
#include "record/metrics.h"
#include "sys/fd.h"

enum place { AUDIT, HISTORY };

struct record {
    enum audit_mode mode;
    int dir_fd;
    struct audit *audit;     /* NULL: nothing is written */
    struct history *history; /* likewise */
    bool failing[2];         /* the last write of either failed, and it has been said */
    struct metrics metrics;
};

void record_free(struct record *r)
{
    if (!r)
        return;
    history_free(r->history);
    audit_free(r->audit);
    fd_close(&r->dir_fd);
    free(r);
}
DEFINE_AUTO(struct record, record, record_free);

static int open_files(struct record *r, const struct record_options *o, struct err *err)
{
    if (!o->state_dir)
        return err_set(err, ERR_INVALID,
                       "there is no home folder to keep them in, and SANDBOX_STATE_DIR is not set");
    if (state_dir_open(o->state_dir, o->owner_uid, o->owner_gid, &r->dir_fd, err) < 0)
        return -1;
    struct history_options history = {.dir_fd = r->dir_fd,
                                      .keep_code = o->history == HISTORY_CODE,
                                      .durable = r->mode == AUDIT_REQUIRED,
                                      .max_rows = o->history_rows,
                                      .max_days = o->history_days};
    if (o->history != HISTORY_OFF && history_new(&history, &r->history, err) < 0)
        return -1;
    if (r->mode == AUDIT_OFF)
        return 0;
    return audit_new(r->dir_fd, r->mode == AUDIT_REQUIRED, o->owner_uid, o->owner_gid, &r->audit,
                     err);
}

int record_open(const struct record_options *options, struct record **ret, struct err *ret_problem,
                struct err *err)
{
    _cleanup_(auto_record_fn) struct record *r = calloc(1, sizeof(*r));
    if (!r)
        return err_nomem(err);
    r->mode = options->audit;
    r->dir_fd = -1;
    struct err problem = ERR_INIT;
    bool wanted = r->mode != AUDIT_OFF || options->history != HISTORY_OFF;
    if (wanted && open_files(r, options, &problem) < 0) {
        if (r->mode == AUDIT_REQUIRED || problem.code == ERR_NOMEM) {
            if (err)
                *err = problem;
            return r->mode == AUDIT_REQUIRED ? err_prefix(err, "SANDBOX_AUDIT_LOG=required") : -1;
        }
        /* What cannot be made to last is not tried again and again. */
        history_free(r->history);
        r->history = NULL;
        if (ret_problem)
            *ret_problem = problem;
    }
    *ret = take_ptr(r);
    return 0;
}

int record_begin(struct record *r, struct err *err)
{
    if (r->mode != AUDIT_REQUIRED || !r->history || history_ready(r->history, err) == 0)
        return 0;
    return err_prefix(err, "SANDBOX_AUDIT_LOG=required");
}

bool record_may_start(struct record *r, struct err *err)
{
    if (r->mode != AUDIT_REQUIRED)
        return true;
    struct err why = ERR_INIT;
    bool logged = audit_ready(r->audit, &why) == 0;
    r->failing[AUDIT] &= !logged;
    if (logged && (!r->history || history_ready(r->history, &why) == 0)) {
        r->failing[HISTORY] = false;
        return true;
    }
    err_set(err, ERR_REFUSED,
            "Nothing is run while it cannot be recorded (SANDBOX_AUDIT_LOG=required): %s",
            why.text);
    return false;
}

/* Note the outcome of a write to @where; -1 and @err when its error is news. */
static int outcome(struct record *r, enum place where, bool failed, const struct err *why,
                   struct err *err)
{
    bool news = failed && !r->failing[where];
    r->failing[where] = failed;
    r->metrics.audit_failures += failed && where == AUDIT;
    if (news && err)
        *err = *why;
    return news ? -1 : 0;
}

static int log_line(struct record *r, const struct record_entry *e, struct err *err)
{
    struct err why = ERR_INIT;
    auto_buf struct buf line = BUF_INIT(RECORD_MAX_LINE);
    bool failed =
        record_line(&line, e, &why) < 0 || audit_append(r->audit, line.data, line.len, &why) < 0;
    r->metrics.audit_lines += !failed;
    return outcome(r, AUDIT, failed, &why, err);
}

/* Rows are written now and then: no attempt leaves what was known as it was. */
static int settle(struct record *r, int written, const struct err *why, struct err *err)
{
    bool failing = written < 0 || (r->failing[HISTORY] && history_pending(r->history));
    return outcome(r, HISTORY, failing, why, err);
}

int record_add(struct record *r, const struct record_entry *e, struct err *err)
{
    struct err why = ERR_INIT;
    metrics_add(&r->metrics, e);
    int result = r->audit ? log_line(r, e, err) : 0;
    if (r->history && settle(r, history_add(r->history, e, &why), &why, err) < 0)
        result = -1;
    return result;
}

int record_sync(struct record *r, struct err *err)
{
    struct err why = ERR_INIT;
    int result = r->audit ? outcome(r, AUDIT, audit_sync(r->audit, &why) < 0, &why, err) : 0;
    if (r->history && settle(r, history_flush(r->history, &why), &why, err) < 0)
        result = -1;
    return result;
}

bool record_pending(const struct record *r)
{
    return r->history && history_pending(r->history);
}

const struct metrics *record_metrics(const struct record *r)
{
    return &r->metrics;
}

int record_dir_fd(const struct record *r)
{
    return r->dir_fd;
}
