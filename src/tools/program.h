/* What execute_code and validate_code share: a program on its way through the engine. */
#ifndef TOOLS_PROGRAM_H
#define TOOLS_PROGRAM_H

#include "engine/engine.h"
#include "tools/results.h"
#include "tools/tools.h"

/* Write the answer to a finished run; true when it is an error. */
typedef bool program_write_fn(const struct tools_env *env, struct json_out *out,
                              const struct exec_result *r);
/* Write the answer to a request that was refused (always an error). */
typedef void program_refusal_fn(const struct tools_env *env, struct json_out *out,
                                const struct refusal *why);

struct program_kind {
    const char *tool;
    program_write_fn *write;
    program_refusal_fn *refuse;
};

/* One call, as tool.start got it. */
struct program_order {
    const struct tools_env *env;
    const struct program_kind *kind;
    const struct tool_caller *caller;
    const struct tool_listener *listener;
    void *ctx;
};

/* Hand @req to the engine, if the caller may start one more. Returns and reports like tool.start.
 */
struct tool_call *program_start(const struct program_order *order, const struct exec_request *req);

/* Answer at once that @err was wrong with the request. Returns NULL. */
struct tool_call *program_refuse(const struct program_order *order, const struct err *err);

/* The same for an object whose beginning was made in advance; @rest is what follows. */
void program_reply_prepared(const struct tool_listener *listener, void *ctx,
                            const struct tool_prepared *prepared, const struct json_out *rest);

/* Hand an object to the listener. @object->bad: there was no memory for it. */
void program_reply(const struct tool_listener *listener, void *ctx, const struct json_out *object,
                   bool is_error);

#endif
