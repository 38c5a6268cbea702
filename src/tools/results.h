/* The objects that the tools answer with, written as JSON text: exactly contract section 1. Also
 * for the command line (`run --json`, `validate`, `info`), so that both say the same. */
#ifndef TOOLS_RESULTS_H
#define TOOLS_RESULTS_H

#include "base/id.h"
#include "engine/engine.h"
#include "tools/tools.h"
#include "json/write.h"

/* A call that never reached the engine, or one without a result of its own. */
struct refusal {
    enum exec_category category;
    const char *error;      /* one sentence */
    const char *error_type; /* NULL: after the category */
    char execution_id[UUID_TEXT_LEN + 1];
};

/* execute_code. @r as the engine gave it. */
void execute_result_write(struct json_out *out, const struct exec_result *r);
/* The same shape for a request that was refused before it became an execution. */
void execute_refusal_write(const struct tools_env *env, struct json_out *out,
                           const struct refusal *why);

/* validate_code. */
void validate_result_write(struct json_out *out, const struct exec_result *r);
void validate_refusal_write(struct json_out *out, const struct refusal *why);
/* Did the engine come to a verdict at all? False: the result is an error. */
bool validate_has_verdict(const struct exec_result *r);

/* get_sandbox_info. @why: NULL, or what was wrong with the call. */
void sandbox_info_write(const struct tools_env *env, struct json_out *out,
                        const struct refusal *why);

#endif
