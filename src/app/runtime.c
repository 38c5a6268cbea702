/* The common start: see runtime.h. Runs in the server.
 *
 * Order matters: find the parts, decide who to be, open the record (as root: for the later owner),
 * arrange the cgroups, start the keeper (which drops to its own user before exec), make the engine,
 * and only then drop and confine ourselves. Nothing from outside but configuration has been read
 * until then. */
#include "app/runtime.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "app/cli.h"
#include "app/confine.h"
#include "app/log.h"
#include "app/stage.h"
#include "sys/clock.h"
#include "sys/fd.h"
#include "sys/task.h"

#define SAY_AGAIN_NS 60000000000u

static const int stop_signals[RUNTIME_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

/* ---- hooks of the engine ---- */

/* Loudly, once: fewer walls than an operator who chose nothing may expect. */
static void warn_of_landlock(struct runtime *r, const struct engine_info *info)
{
    if (r->warned || !info->hello || info->hello->isolation != ISOLATION_LANDLOCK ||
        r->conf->isolation == ISOLATION_LANDLOCK)
        return;
    r->warned = true;
    log_line(
        LOG_WARNING,
        "programs are held by Landlock, seccomp and limits alone and can see names and sizes of "
        "the host's files (%s); `vivarium doctor` says how to have all walls",
        info->hello->isolation_note);
}

static void on_state(void *ctx, struct engine *e)
{
    struct runtime *r = ctx;
    struct engine_info info;
    engine_info(e, &info);
    warn_of_landlock(r, &info);
    if (r->hooks.on_state)
        r->hooks.on_state(r->hooks.ctx, &info);
}

static bool may_start(void *ctx, struct err *err)
{
    struct runtime *r = ctx;
    return record_may_start(r->record, err);
}

static uint64_t memory_kills(void *ctx)
{
    const struct runtime *r = ctx;
    return delegation_memory_kills(&r->delegation);
}

/* The same line again within a minute is the same attempt failing again. */
static void on_log(void *ctx, enum log_level level, const char *text)
{
    struct runtime *r = ctx;
    uint64_t now = clock_mono_ns();
    if (level < LOG_ERROR && now - r->said_ns < SAY_AGAIN_NS && str_eq(r->said, text))
        return;
    free(r->said);
    r->said = strdup(text);
    r->said_ns = now;
    log_line(level, "%s", text);
}

static void say_unrecorded(const struct runtime *r, const struct err *err)
{
    log_line(LOG_ERROR, "%s; %s", err->text,
             r->conf->audit == AUDIT_REQUIRED
                 ? "nothing is run until that works (SANDBOX_AUDIT_LOG=required)"
                 : "programs run on, and it is tried again");
}

static void arm_sync(struct runtime *r)
{
    if (r->sync_armed)
        return;
    r->sync_armed = true;
    loop_timer_arm(r->sync, RECORD_SYNC_NS);
}

static void on_sync(void *ctx)
{
    struct runtime *r = ctx;
    struct err err = ERR_INIT;
    r->sync_armed = false;
    if (record_sync(r->record, &err) < 0)
        say_unrecorded(r, &err);
    if (record_pending(r->record))
        arm_sync(r);
}

static void on_finished(void *ctx, const struct exec_request *req, const struct exec_result *result)
{
    struct runtime *r = ctx;
    const struct msg_result *w = result->worker;
    const struct msg_verdict *v = result->verdict;
    struct record_entry e = {
        .unix_ms = clock_unix_ms(),
        .execution_id = result->execution_id,
        .client = req->client,
        .isolation = result->isolation,
        .mode = req->mode == RUN_VALIDATE ? "validate" : "execute",
        .category = result->category,
        .category_name = exec_category_name(result->category),
        .code = req->code,
        .code_len = req->code_len,
        .timeout_ns = req->timeout_ns,
        .mem_bytes = req->mem_bytes,
        .narrowed = req->narrowed,
        .imports = req->imports,
        .use_container = req->use_container,
        .wall_ns = result->wall_ns,
        .cpu_ns = result->cpu_ns,
        .peak_memory_bytes = result->peak_memory_bytes,
        .out_len = {result->out_len[0], result->out_len[1]},
        .truncated =
            result->out_truncated[0] || result->out_truncated[1] || (w && w->result_truncated),
        .error = result->error,
        .error_type = result->error_type,
        .line = w ? w->line : 0,
        .violations = w   ? w->violations
                      : v ? v->violations
                          : NULL,
        .violations_len = w   ? w->violations_len
                          : v ? v->violations_len
                              : 0,
        .events = result->events,
        .events_len = result->events_len,
    };
    struct err err = ERR_INIT;
    if (record_add(r->record, &e, &err) < 0)
        say_unrecorded(r, &err);
    arm_sync(r);
}

/* ---- signals ---- */

static void on_signal(void *ctx, int signo)
{
    struct runtime *r = ctx;
    if (r->stopped_by || !r->hooks.on_stop) {
        r->stopped_by = signo;
        loop_stop(r->loop);
        return;
    }
    r->stopped_by = signo;
    r->hooks.on_stop(r->hooks.ctx, signo);
}

static int watch_signals(struct runtime *r, struct err *err)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    for (size_t i = 0; i < RUNTIME_SIGNALS; i++) {
        struct sigaction old;
        /* What was ignored when we were started stays so: nohup. */
        if (stop_signals[i] == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0 &&
            old.sa_handler == SIG_IGN)
            continue;
        r->signals[i] = loop_signal_new(r->loop, stop_signals[i], on_signal, r, err);
        if (!r->signals[i])
            return -1;
    }
    return 0;
}

/* ---- start ---- */

static int open_record(struct runtime *r, bool recorded, struct err *err)
{
    struct record_options options = {
        .audit = recorded ? r->conf->audit : AUDIT_OFF,
        .history = recorded ? r->conf->history : HISTORY_OFF,
        .history_rows = r->conf->history_rows,
        .history_days = r->conf->history_days,
        .state_dir = r->conf->state_dir,
        .owner_uid = r->ids.change ? r->ids.server.uid : RECORD_SAME_OWNER,
        .owner_gid = r->ids.change ? r->ids.server.gid : (gid_t)-1,
    };
    struct err problem = ERR_INIT;
    if (record_open(&options, &r->record, &problem, err) < 0)
        return -1;
    if (problem.code)
        log_line(LOG_WARNING,
                 "executions are not recorded: %s (SANDBOX_STATE_DIR=folder keeps audit log and "
                 "history elsewhere, SANDBOX_AUDIT_LOG=off does without)",
                 problem.text);
    return 0;
}

/* Can the worker user read what it has to? The extension module is ours to put right. */
static int make_readable(struct runtime *r, struct err *err)
{
    const struct strv *paths = &r->conf->python_path;
    if (!r->ids.change)
        return 0;
    for (size_t i = 0; i <= paths->len; i++) {
        const char *path = i < paths->len ? paths->items[i] : r->conf->python;
        if (!privilege_worker_can_read(&r->ids, path))
            return err_set(
                err, ERR_INVALID,
                "%s=%s cannot be read by the user that programs run as (uid %u): make it "
                "readable to all, with the folders above it, or put it elsewhere",
                i < paths->len ? "SANDBOX_PYTHON_PATH" : "SANDBOX_PYTHON", path,
                (unsigned)r->ids.worker.uid);
    }
    if (privilege_worker_can_read(&r->ids, r->places.extension_dir))
        return 0;
    char *dir;
    if (stage_extension(r->places.extension_dir, STAGE_DIR, &dir, &r->stage_lock, err) < 0)
        return err_prefix(err, "%s cannot be read by the user that programs run as (uid %u)",
                          r->places.extension_dir, (unsigned)r->ids.worker.uid);
    free(r->places.extension_dir);
    r->places.extension_dir = dir;
    return 0;
}

static int start_engine(struct runtime *r, struct err *err)
{
    int launch_fd;
    delegation_claim(&r->ids, &r->delegation);
    if (keeper_spawn(&r->places, &r->ids, r->delegation.keeper_fd, &r->keeper, &launch_fd, err) < 0)
        return -1;
    fd_close(&r->delegation.keeper_fd);
    struct engine_hooks hooks = {.cgroup = r->delegation.programs,
                                 .no_cgroup = r->delegation.why_not,
                                 .on_state = on_state,
                                 .memory_kills = memory_kills,
                                 .may_start = may_start,
                                 .on_finished = on_finished,
                                 .on_log = on_log,
                                 .ctx = r};
    r->engine = engine_new(r->loop, r->conf, launch_fd, r->places.extension_dir, &hooks, err);
    return r->engine ? 0 : -1;
}

/* Each worker takes five descriptors here; the usual soft limit of 1024 is a habit, not a wall. */
static int raise_descriptor_limit(struct err *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return err_set(err, ERR_SYS, "read the limit of descriptors");
    uint64_t want = MIN((uint64_t)limit.rlim_max, 65536);
    return want > limit.rlim_cur ? task_limit(RLIMIT_NOFILE, want, limit.rlim_max, err) : 0;
}

static int start(struct runtime *r, bool recorded, struct err *err)
{
    if (raise_descriptor_limit(err) < 0)
        return -1;
    if (places_find(&r->places, err) < 0 || places_check_python(&r->places, r->conf, err) < 0 ||
        identities_choose(&r->ids, err) < 0 || privilege_begin(&r->ids, err) < 0)
        return -1;
    if (open_record(r, recorded, err) < 0 || make_readable(r, err) < 0)
        return -1;
    r->loop = loop_new(err);
    r->sync = r->loop ? loop_timer_new(r->loop, on_sync, r, err) : NULL;
    if (!r->sync || watch_signals(r, err) < 0)
        return -1;
    return start_engine(r, err);
}

int runtime_start(struct runtime *r, const struct conf *conf, bool recorded,
                  const struct runtime_hooks *hooks, struct err *err)
{
    *r = (struct runtime){.conf = conf,
                          .hooks = *hooks,
                          .keeper.pidfd = -1,
                          .stage_lock = -1,
                          .delegation = {.keeper_fd = -1, .events_fd = -1}};
    if (start(r, recorded, err) == 0)
        return 0;
    runtime_end(r);
    return -1;
}

int runtime_seal(struct runtime *r, struct err *err)
{
    tzset(); /* reads a file, once; later it could not */
    if (privilege_drop(&r->ids, err) < 0)
        return err_prefix(err, "cannot give up privileges");
    if (confine(record_dir_fd(r->record), &r->confined, err) < 0)
        return err_prefix(err, "cannot confine the server");
    /* Only now: the database may have been written by a server that was taken over. */
    if (record_begin(r->record, err) < 0)
        return -1;
    if (!r->confined)
        log_line(LOG_DEBUG, "this kernel has no Landlock to confine the server itself with");
    return 0;
}

int runtime_run(struct runtime *r, struct err *err)
{
    return loop_run(r->loop, err);
}

void runtime_stop(struct runtime *r)
{
    loop_stop(r->loop);
}

void runtime_end_engine(struct runtime *r)
{
    engine_free(r->engine);
    r->engine = NULL;
}

void runtime_end(struct runtime *r)
{
    runtime_end_engine(r);
    keeper_wait(&r->keeper, 2000);
    for (size_t i = 0; i < RUNTIME_SIGNALS; i++)
        loop_signal_free(r->signals[i]);
    loop_timer_free(r->sync);
    struct err err = ERR_INIT;
    if (r->record && record_sync(r->record, &err) < 0)
        log_line(LOG_ERROR, "%s; what ran last is missing there", err.text);
    record_free(r->record);
    loop_free(r->loop);
    places_done(&r->places);
    delegation_done(&r->delegation);
    fd_close(&r->stage_lock);
    free(r->said);
    *r = (struct runtime){
        .keeper.pidfd = -1, .stage_lock = -1, .delegation = {.keeper_fd = -1, .events_fd = -1}};
}

bool runtime_settled(const struct engine_info *info)
{
    return info->proof != PROOF_PENDING || info->failure;
}

int runtime_exit_status(const struct err *err)
{
    return err->code == ERR_INVALID ? EXIT_USAGE : EXIT_REFUSED;
}
