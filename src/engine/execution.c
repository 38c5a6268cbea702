/* Executions: admission, dispatch, answer. Runs in the server. What a client sent is checked by
 * tools and once more here; what a program printed and reported is carried, not interpreted. */
#include "engine/internal.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "catalog/profiles.h"
#include "sys/clock.h"

#define NO_CONTAINER_OFF                                                                           \
    "Container mode is not enabled on this server; SANDBOX_ENABLE_CONTAINER_MODE=true would "      \
    "enable it"
#define NO_CONTAINER_BUILT                                                                         \
    "Container mode is enabled (SANDBOX_ENABLE_CONTAINER_MODE), but this build of Vivarium has "   \
    "no container backend; leave use_container out to run in the jail"

/* ---- request ---- */

/* allowed_imports of the call: a narrower list than the server's and than the client's own. */
static int imports_check(const struct conf *conf, const struct exec_request *req, struct err *err)
{
    auto_strv struct strv own = STRV_INIT;
    bool limited = (req->profiles & PROFILE_ALL) != PROFILE_ALL;
    if (req->imports->len > MSG_MAX_LIST)
        return err_set(err, ERR_INVALID, "allowed_imports: %zu names; at most %d are allowed",
                       req->imports->len, MSG_MAX_LIST);
    if (limited && profile_limit(&conf->modules, req->profiles, &own, err) < 0)
        return -1;
    for (size_t i = 0; i < req->imports->len; i++) {
        const char *name = req->imports->items[i];
        /* A submodule of a permitted package is permitted, whatever its name: so the name may be
         * anything, and has to fit into the message. */
        if (strlen(name) > MSG_MAX_NAME)
            return err_set(err, ERR_INVALID, "allowed_imports: '%.40s...' is longer than %d bytes",
                           name, MSG_MAX_NAME);
        if (module_permitted(limited ? &own : &conf->modules, name) == MODULE_NO)
            return err_set(err, ERR_INVALID, "allowed_imports: '%s' is not permitted here", name);
    }
    return 0;
}

int request_check(const struct conf *conf, const struct exec_request *req, struct err *err)
{
    if (req->mode != RUN_EXECUTE && req->mode != RUN_VALIDATE)
        return err_set(err, ERR_INVALID, "There is no such mode");
    if (req->code_len == 0)
        return err_set(err, ERR_INVALID, "The code is empty");
    if (req->code_len > conf->max_code_bytes)
        return err_set(err, ERR_INVALID,
                       "The code has %zu bytes; at most %llu are allowed (SANDBOX_MAX_CODE_SIZE)",
                       req->code_len, (unsigned long long)conf->max_code_bytes);
    if (!utf8_valid(req->code, req->code_len))
        return err_set(err, ERR_INVALID, "The code is not valid UTF-8");
    if (req->mode == RUN_VALIDATE)
        return 0;
    if (req->timeout_ns == 0 || req->timeout_ns > conf->max_timeout_ns)
        return err_set(err, ERR_INVALID,
                       "timeout must be more than 0 and at most %.6g seconds (SANDBOX_MAX_TIMEOUT)",
                       (double)conf->max_timeout_ns / 1e9);
    if (req->mem_bytes == 0 || req->mem_bytes > conf->max_memory_bytes)
        return err_set(err, ERR_INVALID,
                       "memory_limit must be more than 0 and at most %llu bytes "
                       "(SANDBOX_MAX_MEMORY_LIMIT)",
                       (unsigned long long)conf->max_memory_bytes);
    return req->narrowed && req->imports ? imports_check(conf, req, err) : 0;
}

static void exec_free(struct execution *x)
{
    if (!x)
        return;
    if (x->gone)
        *x->gone = true;
    free((char *)(uintptr_t)x->req.code);
    free((char *)(uintptr_t)x->req.client);
    strv_done(&x->imports);
    for (int i = 0; i < 2; i++)
        buf_done(&x->out[i].bytes);
    if (x->has_result)
        msg_result_done(&x->result);
    if (x->has_verdict)
        msg_verdict_done(&x->verdict);
    for (size_t i = 0; i < x->events_len; i++)
        msg_event_done(&x->events[i]);
    free(x->events);
    free(x);
}
DEFINE_AUTO(struct execution, execution, exec_free);

static void make_id(char id[UUID_TEXT_LEN + 1])
{
    uint8_t random[10];
    random_bytes(random, sizeof(random));
    uuid7_format(clock_unix_ms(), random, id);
}

static struct execution *exec_new(struct engine *e, const struct exec_request *req,
                                  const struct exec_callbacks *cb, void *ctx)
{
    _cleanup_(auto_execution_fn) struct execution *x = calloc(1, sizeof(*x));
    if (!x)
        return NULL;
    x->e = e;
    x->req = *req;
    x->cb = *cb;
    x->ctx = ctx;
    make_id(x->id);
    char *code = malloc(req->code_len);
    x->req.code = code;
    x->req.client = strdup(req->client ? req->client : "");
    x->req.imports = &x->imports;
    if (!code || !x->req.client)
        return NULL;
    memcpy(code, req->code, req->code_len);
    if (req->narrowed && req->imports && strv_copy(&x->imports, req->imports, NULL) < 0)
        return NULL;
    if (req->mode == RUN_VALIDATE) {
        x->req.timeout_ns = e->tuning.validate_ns;
        x->req.mem_bytes = e->conf->memory_bytes;
    }
    return take_ptr(x);
}

/* ---- answer ---- */

void exec_add_event(struct execution *x, struct msg_event *ev)
{
    struct msg_event *all = NULL;
    if (ev->rule && ev->detail && ev->remedy)
        all = realloc(x->events, (x->events_len + 1) * sizeof(*all));
    if (!all) {
        msg_event_done(ev);
        return;
    }
    x->events = all;
    all[x->events_len++] = *ev;
}

static void call_out(struct engine *e, const struct exec_request *req,
                     const struct exec_callbacks *cb, void *ctx, const struct exec_result *result)
{
    e->finished++;
    if (cb->on_done)
        cb->on_done(ctx, result);
    if (e->hooks.on_finished)
        e->hooks.on_finished(e->hooks.ctx, req, result);
}

void exec_answer(struct execution *x, const struct decision *d, const struct measures *m)
{
    queue_leave(&x->e->queue, x);
    bool stopped = x->stop != STOP_NONE && x->stop != STOP_SILENT;
    struct exec_result r = {
        .category = d->category,
        .isolation = engine_isolation(x->e),
        .worker = x->has_result && !stopped ? &x->result : NULL,
        .verdict = x->has_verdict && !stopped ? &x->verdict : NULL,
        .error = d->error,
        .error_type = d->error_type,
        .wall_ns = x->started_ns && x->ended_ns > x->started_ns ? x->ended_ns - x->started_ns : 0,
        .cpu_ns = m ? m->cpu_ns : 0,
        .peak_memory_bytes = m ? m->peak_bytes : 0,
        .events = x->events,
        .events_len = x->events_len,
    };
    memcpy(r.execution_id, x->id, sizeof(r.execution_id));
    auto_free char *out = NULL, *errors = NULL;
    char **texts[2] = {&out, &errors};
    for (int i = 0; i < 2; i++) {
        if (output_text(x, i, texts[i], &r.out_len[i], &r.out_truncated[i]) < 0) {
            *texts[i] = NULL;
            r.out_len[i] = 0;
            r.out_truncated[i] = true;
        }
        r.out[i] = *texts[i] ? *texts[i] : "";
        if (r.worker && r.worker->out_truncated[i] && x->req.capture_output)
            r.out_truncated[i] = true;
    }
    call_out(x->e, &x->req, &x->cb, x->ctx, &r);
    exec_free(x);
}

void exec_refuse(struct execution *x, enum exec_category c, const char *text)
{
    struct decision d;
    category_refuse(c, text, &d);
    exec_answer(x, &d, NULL);
}

/* The same before there is an execution. */
static void refuse(struct engine *e, const struct exec_request *req,
                   const struct exec_callbacks *cb, void *ctx, enum exec_category c,
                   const char *text)
{
    struct decision d;
    category_refuse(c, text, &d);
    struct exec_result r = {
        .category = d.category,
        .isolation = req->use_container ? "container" : engine_isolation(e),
        .out = {"", ""},
        .error = d.error,
        .error_type = d.error_type,
    };
    make_id(r.execution_id);
    call_out(e, req, cb, ctx, &r);
}

void exec_refuse_all(struct engine *e, enum exec_category c, const char *text)
{
    struct execution *x;
    while ((x = queue_pop(&e->queue, UINT_MAX)))
        exec_refuse(x, c, text);
}

/* ---- dispatch ---- */

/* RUN, framed. What the server permits is known to the zygote; only a narrower list is sent. */
static int encode(const struct execution *x, struct wire_out *out, struct err *err)
{
    const struct conf *conf = x->e->conf;
    struct msg_run m = {
        .mode = (uint8_t)x->req.mode,
        .capture_output = x->req.capture_output,
        .live_output = x->req.live_output,
        .narrowed = x->req.narrowed,
        .imports = x->imports,
        .profiles = (uint8_t)(x->req.profiles & PROFILE_ALL),
        .mem_bytes = x->req.mem_bytes,
        .cpu_ms = exec_cpu_ms(&x->req, conf),
        .max_output = conf->max_output_bytes,
        .code = (uint8_t *)(uintptr_t)x->req.code,
        .code_len = x->req.code_len,
    };
    msg_put_run(out, &m);
    return msg_frame(out, err);
}

/* The newest that has rehearsed, for its pages are the warmest; else the newest of all. */
static struct worker *best_worker(const struct zygote *z)
{
    struct worker *w;
    TAILQ_FOREACH_REVERSE(w, &z->workers[WORKER_WARM], worker_list, link)
    {
        if (w->rehearsed)
            return w;
    }
    return TAILQ_LAST(&z->workers[WORKER_WARM], worker_list);
}

/* @x has left the queue. False: no worker could take it. */
static bool hand_over(struct engine *e, struct execution *x)
{
    auto_wire_out struct wire_out run = WIRE_OUT_INIT(0);
    struct err err = ERR_INIT;
    if (e->hooks.may_start && !e->hooks.may_start(e->hooks.ctx, &err)) {
        exec_refuse(x, CATEGORY_INTERNAL_ERROR, err.text);
        return true;
    }
    if (encode(x, &run, &err) < 0) {
        exec_refuse(x, CATEGORY_INTERNAL_ERROR, err.text);
        return true;
    }
    struct worker *w;
    while (e->active && !e->active->broken && (w = best_worker(e->active)) != NULL) {
        if (worker_run(w, x, &run) == 0)
            return true;
    }
    return false;
}

/* How many programs of one client may run at the same time. */
static unsigned client_share(const struct conf *conf)
{
    return conf->client_concurrency ? conf->client_concurrency : conf->max_concurrency;
}

void exec_dispatch(struct engine *e)
{
    while (e->queue.len > 0 && e->active && !e->active->broken &&
           e->active->count[WORKER_WARM] > 0 && e->running < e->conf->max_concurrency) {
        struct execution *x = queue_pop(&e->queue, client_share(e->conf));
        if (!x)
            return; /* whoever waits has as many running as one client may */
        if (!hand_over(e, x))
            queue_put_back(&e->queue, x);
    }
}

/* ---- submit, cancel ---- */

/* Is there room for one more of @client? When the queue is full, whoever has the most waiting makes
 * room for one with less: nobody can fill the queue for others. The sentence when there is not. */
static bool make_room(struct engine *e, const char *client, struct err *why)
{
    const struct conf *conf = e->conf;
    if (e->running + e->queue.len < conf->max_concurrency + conf->queue_size)
        return true;
    unsigned own = queue_waiting(&e->queue, client);
    struct execution *out = queue_most_crowded(&e->queue, own + 1);
    if (out) {
        queue_leave(&e->queue, out);
        out->crowded_out = true;
        TAILQ_INSERT_TAIL(&e->cancelled, out, link);
        engine_later(e);
        return true;
    }
    if (client_share(conf) < conf->max_concurrency)
        err_set(why, ERR_OVERLOADED,
                "Too many executions are waiting already, %u of this client (SANDBOX_QUEUE_SIZE; "
                "SANDBOX_CLIENT_CONCURRENCY lets %u of a client's programs run at a time); try "
                "again in a moment",
                own, client_share(conf));
    else
        err_set(why, ERR_OVERLOADED,
                "Too many executions are waiting already, %u of this client (SANDBOX_QUEUE_SIZE); "
                "try again in a moment",
                own);
    return false;
}

struct execution *engine_submit(struct engine *e, const struct exec_request *req,
                                const struct exec_callbacks *cb, void *ctx)
{
    struct err err = ERR_INIT;
    enum exec_category c = CATEGORY_NONE;
    const char *text = err.text;
    if (req->use_container) {
        c = CATEGORY_CONTAINER_ERROR;
        text = e->conf->container_enabled ? NO_CONTAINER_BUILT : NO_CONTAINER_OFF;
    } else if (request_check(e->conf, req, &err) < 0) {
        c = CATEGORY_INVALID_REQUEST;
    } else if (e->closing) {
        c = CATEGORY_CANCELLED;
        text = "The server is ending";
    } else if (e->failure) {
        c = CATEGORY_INTERNAL_ERROR;
        text = e->failure;
    } else if (!make_room(e, req->client ? req->client : "", &err)) {
        c = CATEGORY_OVERLOADED;
    }
    if (c != CATEGORY_NONE) {
        refuse(e, req, cb, ctx, c, text);
        return NULL;
    }
    struct execution *x = exec_new(e, req, cb, ctx);
    if (!x || queue_push(&e->queue, x, NULL) < 0) {
        exec_free(x);
        refuse(e, req, cb, ctx, CATEGORY_INTERNAL_ERROR, "The server is out of memory");
        return NULL;
    }
    bool gone = false;
    x->gone = &gone;
    exec_dispatch(e);
    if (e->active)
        pool_fill_soon(e->active);
    if (gone)
        return NULL;
    x->gone = NULL;
    return x;
}

static void end_early(struct execution *x, enum stop_reason why)
{
    if (x->worker) {
        worker_stop(x->worker, why, NULL);
    } else if (x->waits) {
        queue_leave(&x->e->queue, x);
        x->stop = why;
        TAILQ_INSERT_TAIL(&x->e->cancelled, x, link);
        engine_later(x->e);
    }
}

void engine_cancel(struct execution *x)
{
    end_early(x, STOP_CANCEL);
}

void engine_stop(struct execution *x)
{
    end_early(x, STOP_SHUTDOWN);
}

void exec_answer_cancelled(struct engine *e)
{
    struct execution *x;
    while ((x = TAILQ_FIRST(&e->cancelled))) {
        TAILQ_REMOVE(&e->cancelled, x, link);
        if (x->crowded_out)
            exec_refuse(x, CATEGORY_OVERLOADED,
                        "The queue is full (SANDBOX_QUEUE_SIZE), and this client has the most in "
                        "it: the execution had to leave, before it began, for one of another "
                        "client; try again in a moment");
        else if (x->stop == STOP_SHUTDOWN)
            exec_refuse(x, CATEGORY_CANCELLED,
                        "The execution was cancelled before it began, because the server is "
                        "ending");
        else
            exec_refuse(x, CATEGORY_CANCELLED,
                        "The execution was cancelled by the client before it began");
    }
}
