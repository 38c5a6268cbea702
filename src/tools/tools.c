/* The set of tools: see tools.h. Runs in the server. The list is made once: what it says depends on
 * the configuration only, never on a client. */
#include "tools/tools.h"

#include <string.h>

#include "tools/builtin.h"
#include "tools/sandbox_info.h"

const struct tool *const tools_builtin[] = {&tool_execute_code, &tool_validate_code,
                                            &tool_get_sandbox_info};
const size_t tools_builtin_len = ARRAY_LEN(tools_builtin);

struct tools {
    struct tools_env env;
    const struct tool *const *table;
    size_t n;
    struct buf list;
};

struct tools *tools_new(const struct tools_env *env, const struct tool *const *table, size_t n,
                        struct err *err)
{
    struct tools *t = calloc(1, sizeof(*t));
    if (!t) {
        err_nomem(err);
        return NULL;
    }
    *t = (struct tools){.env = *env, .table = table, .n = n};
    t->env.info_cache = info_cache_new(err);
    if (!t->env.info_cache) {
        tools_free(t);
        return NULL;
    }
    struct json_out out = json_out_init(&t->list);
    json_open_array(&out);
    for (size_t i = 0; i < n; i++)
        table[i]->describe(&t->env, &out);
    json_close_array(&out);
    if (out.bad) {
        tools_free(t);
        err_nomem(err);
        return NULL;
    }
    return t;
}

void tools_free(struct tools *t)
{
    if (!t)
        return;
    buf_done(&t->list);
    info_cache_free(t->env.info_cache);
    free(t);
}

const char *tools_list(const struct tools *t, size_t *ret_len)
{
    *ret_len = t->list.len;
    return (const char *)t->list.data;
}

const struct tool *tools_find(const struct tools *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->table[i]->name, name) == 0)
            return t->table[i];
    return NULL;
}

struct tool_call *tools_call(const struct tools *t, const struct tool *tool, const json_t *args,
                             const struct tool_caller *caller, const struct tool_listener *listener,
                             void *ctx)
{
    return tool->start(&t->env, args, caller, listener, ctx);
}

void tool_cancel(struct tool_call *call)
{
    call->cancel(call);
}

void tool_stop(struct tool_call *call)
{
    if (call->stop)
        call->stop(call);
    else
        call->cancel(call);
}
