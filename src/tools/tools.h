/* The tools a client can call, as a table. Below: the engine, which runs programs. Above: the
 * protocol, which knows how a call arrives and how its answer travels. */
#ifndef TOOLS_TOOLS_H
#define TOOLS_TOOLS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "json/json.h"

/* What tools work with. Everything is borrowed and outlives them. */
struct tools_env {
    const struct conf *conf;
    struct engine *engine;
    const char *server_name, *server_version;
    const char *const *protocol_versions; /* NULL-terminated, for get_sandbox_info */
};

/* The outcome of a call. Borrowed, valid during the callback. */
struct tool_reply {
    const char *object; /* the result as one JSON object: structuredContent and its text block */
    size_t object_len;
    const char *blocks; /* further content blocks, comma-separated JSON objects; NULL = none */
    size_t blocks_len;
    bool is_error;
};

struct tool_listener {
    /* Newest piece of standard output, well-formed UTF-8. NULL when nobody wants it. */
    void (*on_output)(void *ctx, const char *text, size_t n);
    /* Exactly once, possibly before tools_call() returns; the call is gone afterwards. */
    void (*on_done)(void *ctx, const struct tool_reply *reply);
};

struct tool_call;

struct tool {
    const char *name;
    /* Write the tool as tools/list shows it: one object. */
    void (*describe)(const struct tools_env *env, struct json_out *out);
    /* Start. @args is what the client sent (NULL: nothing), of any JSON type, borrowed. NULL when
     * on_done has been called already. Bad arguments are answered through on_done. */
    struct tool_call *(*start)(const struct tools_env *env, const json_t *args, const char *client,
                               const struct tool_listener *listener, void *ctx);
};

/* What every call under way begins with. */
struct tool_call {
    void (*cancel)(struct tool_call *call);
};

/* Vivarium's own: execute_code, validate_code, get_sandbox_info. */
extern const struct tool *const tools_builtin[];
extern const size_t tools_builtin_len;

struct tools;

/* A set of tools, in the order given. @env is copied, the table borrowed. */
struct tools *tools_new(const struct tools_env *env, const struct tool *const *table, size_t n,
                        struct err *err);
void tools_free(struct tools *t); /* after its calls have ended; NULL is fine */

/* The whole list as a JSON array, made once. Borrowed. */
const char *tools_list(const struct tools *t, size_t *ret_len);

const struct tool *tools_find(const struct tools *t, const char *name);
struct tool_call *tools_call(const struct tools *t, const struct tool *tool, const json_t *args,
                             const char *client, const struct tool_listener *listener, void *ctx);
/* Stop it. on_done follows, not from inside this call. */
void tool_cancel(struct tool_call *call);

#endif
