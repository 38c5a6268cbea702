/* What the official conformance suite wants a server to offer: tools, prompts and resources of its
 * own, by names and with contents that its scenarios prescribe. Only for the executable
 * conformance-engine; nothing of it is in the product. */
#ifndef CONFORMANCE_FIXTURES_H
#define CONFORMANCE_FIXTURES_H

#include "artifacts/artifacts.h"
#include "mcp/mcp.h"

#define PNG_BASE64                                                                                 \
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJg" \
    "gg=="

/* The loop that tools take their time on. */
extern struct loop *fixture_loop;

/* All tools: tools_plain.c and tools_asking.c. */
extern const struct tool *const fixture_tools_plain[], *const fixture_tools_asking[];
extern const size_t fixture_tools_plain_len, fixture_tools_asking_len;

extern const struct mcp_prompt *const fixture_prompts[];
extern const size_t fixture_prompts_len;

extern const struct mcp_resources fixture_resources;
void fixture_on_subscribe(void *ctx, const char *caller, const char *uri, bool wanted);

/* A tool as tools/list shows it. @properties: the properties of its input schema, a JSON object. */
void fixture_describe(struct json_out *out, const char *name, const char *description,
                      const char *properties);
/* End a call with content blocks. Returns NULL, as a tool that is done at once does. */
struct tool_call *fixture_reply(const struct tool_listener *l, void *ctx, const char *blocks,
                                bool is_error);
/* The same with one block of text. */
struct tool_call *fixture_say(const struct tool_listener *l, void *ctx, const char *fmt, ...)
    _printf_(3, 4);

#endif
