/* A program between a tool call and the engine: see program.h. Runs in the server. */
#include "tools/program.h"

#include <string.h>

#define FIRST_BYTES 2048 /* most answers fit */

struct program_call {
    struct tool_call base;
    const struct tools_env *env;
    const struct program_kind *kind;
    struct tool_listener listener;
    void *ctx;
    struct execution *execution;
};

void program_reply(const struct tool_listener *listener, void *ctx, const struct json_out *object,
                   bool is_error)
{
    static const char no_memory[] =
        "{\"success\":false,\"error\":\"The server has no memory for the result.\","
        "\"error_type\":\"MemoryError\",\"error_category\":\"internal_error\"}";
    struct tool_reply reply = {.object = no_memory, .object_len = strlen(no_memory)};
    reply.is_error = true;
    if (!object->bad) {
        reply.object = (const char *)object->buf->data;
        reply.object_len = object->buf->len;
        reply.is_error = is_error;
    }
    listener->on_done(ctx, &reply);
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

struct tool_call *program_refuse(const struct tools_env *env, const struct program_kind *kind,
                                 const struct err *err, const struct tool_listener *listener,
                                 void *ctx)
{
    auto_buf struct buf buf = BUF_INIT(0);
    struct json_out out = json_out_init(&buf);
    struct refusal why = {.category = CATEGORY_INVALID_REQUEST, .error = err->text};
    if (err->code != ERR_INVALID)
        why.category = CATEGORY_INTERNAL_ERROR;
    kind->refuse(env, &out, &why);
    program_reply(listener, ctx, &out, true);
    return NULL;
}

struct tool_call *program_start(const struct tools_env *env, const struct program_kind *kind,
                                const struct exec_request *req,
                                const struct tool_listener *listener, void *ctx)
{
    static const struct exec_callbacks callbacks = {.on_output = on_output, .on_done = on_done};
    struct program_call *call = calloc(1, sizeof(*call));
    if (!call) {
        struct err err = ERR_INIT;
        err_nomem(&err);
        return program_refuse(env, kind, &err, listener, ctx);
    }
    *call = (struct program_call){
        .base = {.cancel = cancel},
        .env = env,
        .kind = kind,
        .listener = *listener,
        .ctx = ctx,
    };
    /* When this comes back with NULL, on_done has run and the call is no more. */
    struct execution *x = engine_submit(env->engine, req, &callbacks, call);
    if (!x)
        return NULL;
    call->execution = x;
    return &call->base;
}
