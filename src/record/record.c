/* The record: see record.h. Runs in the server; brings the audit file and the counters together and
 * decides what a failure to write means. */
#include "record/record.h"

#include "record/audit.h"
#include "record/line.h"
#include "record/metrics.h"
#include "sys/fd.h"

struct record {
    enum audit_mode mode;
    int dir_fd;
    struct audit *audit; /* NULL: nothing is written */
    bool failing;        /* the last write failed, and it has been said */
    struct metrics metrics;
};

void record_free(struct record *r)
{
    if (!r)
        return;
    audit_free(r->audit);
    fd_close(&r->dir_fd);
    free(r);
}
DEFINE_AUTO(struct record, record, record_free);

static int open_files(struct record *r, const struct record_options *o, struct err *err)
{
    if (!o->state_dir)
        return err_set(err, ERR_INVALID,
                       "there is no home folder to keep state in: set SANDBOX_STATE_DIR");
    if (state_dir_open(o->state_dir, o->owner_uid, o->owner_gid, &r->dir_fd, err) < 0)
        return -1;
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
    if (r->mode != AUDIT_OFF && open_files(r, options, &problem) < 0) {
        if (r->mode == AUDIT_REQUIRED || problem.code == ERR_NOMEM) {
            if (err)
                *err = problem;
            return r->mode == AUDIT_REQUIRED ? err_prefix(err, "SANDBOX_AUDIT_LOG=required") : -1;
        }
        if (ret_problem)
            *ret_problem = problem;
    }
    *ret = take_ptr(r);
    return 0;
}

bool record_may_start(struct record *r, struct err *err)
{
    if (r->mode != AUDIT_REQUIRED)
        return true;
    struct err why = ERR_INIT;
    if (audit_ready(r->audit, &why) == 0) {
        r->failing = false;
        return true;
    }
    err_set(err, ERR_REFUSED,
            "Nothing is run while it cannot be recorded (SANDBOX_AUDIT_LOG=required): %s",
            why.text);
    return false;
}

/* Note the outcome of a write; true when its error is news. */
static bool is_news(struct record *r, bool failed)
{
    bool news = failed && !r->failing;
    r->failing = failed;
    r->metrics.audit_failures += failed;
    return news;
}

int record_add(struct record *r, const struct record_entry *e, struct err *err)
{
    metrics_add(&r->metrics, e);
    if (!r->audit)
        return 0;
    struct err why = ERR_INIT;
    auto_buf struct buf line = BUF_INIT(RECORD_MAX_LINE);
    bool failed =
        record_line(&line, e, &why) < 0 || audit_append(r->audit, line.data, line.len, &why) < 0;
    r->metrics.audit_lines += !failed;
    if (!is_news(r, failed))
        return 0;
    if (err)
        *err = why;
    return -1;
}

int record_sync(struct record *r, struct err *err)
{
    struct err why = ERR_INIT;
    if (!r->audit || !is_news(r, audit_sync(r->audit, &why) < 0))
        return 0;
    if (err)
        *err = why;
    return -1;
}

const struct metrics *record_metrics(const struct record *r)
{
    return &r->metrics;
}

int record_dir_fd(const struct record *r)
{
    return r->dir_fd;
}
