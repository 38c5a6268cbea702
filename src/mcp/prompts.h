/* Prompts: messages that a person can have a client send to its model, with arguments filled in. */
#ifndef MCP_PROMPTS_H
#define MCP_PROMPTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "tools/tools.h"
#include "json/json.h"

#define PROMPT_ARGUMENT_MAX (256 * 1024) /* bytes of one argument */

struct mcp_prompt_argument {
    const char *name, *description;
    bool required;
    const char *const *values; /* suggestions for completion/complete, NULL-terminated; or NULL */
};

/* One prompts/get. Borrowed during the call. */
struct mcp_prompt_call {
    const json_t *args; /* names that exist, each a string without NUL, the required ones all there;
                           NULL when there are none */
    const struct tool_input *input;
    /* To ask the client first, set requests (static or otherwise outliving the call) and write
     * nothing. */
    struct tool_questions *questions;
};

struct mcp_prompt {
    const char *name, *title, *description;
    const struct mcp_prompt_argument *arguments;
    size_t arguments_len;
    /* Write the messages, as objects of the open array @messages. */
    void (*write)(const struct mcp_prompt_call *call, struct json_out *messages);
};

/* The text of an argument; @fallback when it was not given or is blank. */
const char *mcp_prompt_argument(const struct mcp_prompt_call *call, const char *name,
                                const char *fallback);
/* {"role":"user","content":{"type":"text","text":…}} */
void mcp_prompt_say(struct json_out *messages, const struct buf *text);

/* Vivarium's own: analyze_data, explain_error, plot. */
extern const struct mcp_prompt *const mcp_prompts_builtin[];
extern const size_t mcp_prompts_builtin_len;

#endif
