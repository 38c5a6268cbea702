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
    program_write_fn *write;
    program_refusal_fn *refuse;
};

/* Hand @req to the engine. Returns and reports like tool.start. */
struct tool_call *program_start(const struct tools_env *env, const struct program_kind *kind,
                                const struct exec_request *req,
                                const struct tool_listener *listener, void *ctx);

/* Answer at once that @err was wrong with the request. */
struct tool_call *program_refuse(const struct tools_env *env, const struct program_kind *kind,
                                 const struct err *err, const struct tool_listener *listener,
                                 void *ctx);

/* Hand an object to the listener. @buf NULL or @bad: there was no memory for it. */
void program_reply(const struct tool_listener *listener, void *ctx, const struct json_out *object,
                   bool is_error);

#endif
