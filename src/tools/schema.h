/* Pieces of JSON Schema (2020-12) and of tool descriptions, so that the tools' own files read like
 * the table of arguments in the contract. Texts are written for models and must pass gateways that
 * refuse shell or HTML look-alikes: no angle brackets, no doubled ampersands or bars, no dollar
 * with a bracket. */
#ifndef TOOLS_SCHEMA_H
#define TOOLS_SCHEMA_H

#include "json/write.h"

/* {"name":…,"title":…,"description":…,"annotations":{…}, and then the caller adds inputSchema and
 * outputSchema and closes. */
struct tool_hints {
    bool read_only, destructive, idempotent, open_world;
};
void schema_begin_tool(struct json_out *out, const char *name, const char *title,
                       const char *description, const struct tool_hints *hints);

/* "key":{"type":"object","properties":{   …   },"required":[…],"additionalProperties":…} */
void schema_begin_object(struct json_out *out, const char *key);
void schema_end_object(struct json_out *out, const char *const *required, bool closed);

/* "name":{"type":…,"description":…   and the caller may add keywords before schema_end_property().
 * @type may name several, separated by '|': "string|null". An array of strings is "string[]". */
void schema_begin_property(struct json_out *out, const char *name, const char *type,
                           const char *description);
void schema_end_property(struct json_out *out);
/* Both at once. */
void schema_property(struct json_out *out, const char *name, const char *type,
                     const char *description);

/* An array whose items are objects: begin, properties, end. */
void schema_begin_items(struct json_out *out, const char *name, const char *description);
void schema_end_items(struct json_out *out, const char *const *required);

/* "enum":[…], NULL-terminated */
void schema_enum(struct json_out *out, const char *const *values);

#endif
