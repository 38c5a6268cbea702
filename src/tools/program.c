/* A program between a tool call and the engine: see program.h. Runs in the server. */
#include "tools/program.h"

#include <string.h>

#include "base/id.h"
#include "sys/clock.h"

#define FIRST_BYTES 2048 /* most answers fit */

struct program_call {
    struct tool_call base;
    const struct tools_env *env;
    const struct program_kind *kind;
    struct tool_listener listener;
    void *ctx;
    struct execution *execution;
};

static void reply(const struct tool_listener *listener, void *ctx, const struct json_out *object,
                  struct tool_reply r)
{
    static const char no_memory[] =
        "{\"success\":false,\"error\":\"The server has no memory for the result.\","
        "\"error_type\":\"MemoryError\",\"error_category\":\"internal_error\"}";
    r.object = object->bad ? no_memory : (const char *)object->buf->data;
    r.object_len = object->bad ? strlen(no_memory) : object->buf->len;
    r.is_error = r.is_error || object->bad;
    listener->on_done(ctx, &r);
}

void program_reply(const struct tool_listener *listener, void *ctx, const struct json_out *object,
                   bool is_error)
{
    reply(listener, ctx, object, (struct tool_reply){.is_error = is_error});
}

void program_reply_prepared(const struct tool_listener *listener, void *ctx,
                            const struct tool_prepared *prepared, const struct json_out *rest)
{
    reply(listener, ctx, rest, (struct tool_reply){.prepared = rest->bad ? NULL : prepared});
}

static void on_output(void *ctx, const char *text, size_t n)
{
    struct program_call *call = ctx;
    call->listener.on_output(call->ctx, text, n);
}

static void on_done(void *ctx, const struct exec_result *result)
{
    auto_free struct program_call *call = ctx;
    auto_buf struct buf buf = BUF_INIT(0);
    struct json_out out = json_out_init(&buf);
    out.bad = buf_reserve(&buf, FIRST_BYTES, NULL) < 0;
    bool is_error = call->kind->write(call->env, &out, result);
    program_reply(&call->listener, call->ctx, &out, is_error);
}

static void cancel(struct tool_call *base)
{
    engine_cancel(((struct program_call *)base)->execution);
}

static void stop(struct tool_call *base)
{
    engine_stop(((struct program_call *)base)->execution);
}

/* Answer without the engine, which therefore cannot tell the record: the hook does. */
static void refuse(const struct program_order *o, const struct refusal *why, unsigned retry_after_s)
{
    auto_buf struct buf buf = BUF_INIT(0);
    struct json_out out = json_out_init(&buf);
    uint8_t random[10];
    struct refusal named = *why;
    random_bytes(random, sizeof(random));
    uuid7_format(clock_unix_ms(), random, named.execution_id);
    const struct tool_refused refused = {
        .tool = o->kind->tool,
        .execution_id = named.execution_id,
        .client = o->caller->name,
        .category = exec_category_name(why->category),
        .error = why->error,
    };
    if (o->env->on_refused)
        o->env->on_refused(o->env->on_refused_ctx, &refused);
    o->kind->refuse(o->env, &out, &named);
    reply(o->listener, o->ctx, &out,
          (struct tool_reply){.is_error = true, .retry_after_s = retry_after_s});
}

struct tool_call *program_refuse(const struct program_order *order, const struct err *err)
{
    struct refusal why = {.category = CATEGORY_INVALID_REQUEST, .error = err->text};
    if (err->code != ERR_INVALID)
        why.category = CATEGORY_INTERNAL_ERROR;
    refuse(order, &why, 0);
    return NULL;
}

/* False when the caller has used up its share; it has been told then. */
static bool admitted(const struct program_order *o)
{
    unsigned seconds = 1;
    const struct tool_caller *caller = o->caller;
    if (!caller->admit || caller->admit(caller->admit_ctx, &seconds))
        return true;
    struct err err = ERR_INIT;
    struct refusal why = {.category = CATEGORY_OVERLOADED, .error = err.text};
    seconds = MAX(seconds, 1u);
    err_set(&err, ERR_OVERLOADED,
            "Too many executions: this client has used up its rate (SANDBOX_RATE_LIMIT). Try again "
            "in %u second%s.",
            seconds, seconds == 1 ? "" : "s");
    refuse(o, &why, seconds);
    return false;
}

struct tool_call *program_start(const struct program_order *order, const struct exec_request *req)
{
    static const struct exec_callbacks callbacks = {.on_output = on_output, .on_done = on_done};
    if (!admitted(order))
        return NULL;
    struct program_call *call = calloc(1, sizeof(*call));
    if (!call) {
        struct err err = ERR_INIT;
        err_nomem(&err);
        return program_refuse(order, &err);
    }
    *call = (struct program_call){
        .base = {.cancel = cancel, .stop = stop},
        .env = order->env,
        .kind = order->kind,
        .listener = *order->listener,
        .ctx = order->ctx,
    };
    /* When this comes back with NULL, on_done has run and the call is no more. */
    struct execution *x = engine_submit(order->env->engine, req, &callbacks, call);
    if (!x)
        return NULL;
    call->execution = x;
    return &call->base;
}
