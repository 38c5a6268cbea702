/* Pieces of JSON Schema: see schema.h. Runs in the server, once at start; trusts its callers. */
#include "tools/schema.h"

#include <string.h>

void schema_begin_tool(struct json_out *out, const char *name, const char *title,
                       const char *description, const struct tool_hints *hints)
{
    json_open_object(out);
    json_pair_str(out, "name", name);
    json_pair_str(out, "title", title);
    json_pair_str(out, "description", description);
    json_key(out, "annotations");
    json_open_object(out);
    json_pair_str(out, "title", title);
    json_pair_bool(out, "readOnlyHint", hints->read_only);
    json_pair_bool(out, "destructiveHint", hints->destructive);
    json_pair_bool(out, "idempotentHint", hints->idempotent);
    json_pair_bool(out, "openWorldHint", hints->open_world);
    json_close_object(out);
}

static void put_required(struct json_out *out, const char *const *required)
{
    if (!required || !*required)
        return;
    json_key(out, "required");
    json_open_array(out);
    for (; *required; required++)
        json_put_str(out, *required);
    json_close_array(out);
}

void schema_begin_object(struct json_out *out, const char *key)
{
    json_key(out, key);
    json_open_object(out);
    json_pair_str(out, "type", "object");
    json_key(out, "properties");
    json_open_object(out);
}

void schema_end_object(struct json_out *out, const char *const *required, bool closed)
{
    json_close_object(out);
    put_required(out, required);
    if (closed)
        json_pair_bool(out, "additionalProperties", false);
    json_close_object(out);
}

static void put_type(struct json_out *out, const char *type)
{
    if (strcmp(type, "string[]") == 0) {
        json_pair_str(out, "type", "array");
        json_key(out, "items");
        json_put_raw(out, "{\"type\":\"string\"}", strlen("{\"type\":\"string\"}"));
        return;
    }
    if (!strchr(type, '|')) {
        json_pair_str(out, "type", type);
        return;
    }
    /* Not an array of types: that is as valid, but some clients read only one. */
    json_key(out, "anyOf");
    json_open_array(out);
    for (const char *p = type; p;) {
        const char *bar = strchr(p, '|');
        json_open_object(out);
        json_key(out, "type");
        json_put_strn(out, p, bar ? (size_t)(bar - p) : strlen(p));
        json_close_object(out);
        p = bar ? bar + 1 : NULL;
    }
    json_close_array(out);
}

void schema_begin_property(struct json_out *out, const char *name, const char *type,
                           const char *description)
{
    json_key(out, name);
    json_open_object(out);
    put_type(out, type);
    json_pair_str(out, "description", description);
}

void schema_end_property(struct json_out *out)
{
    json_close_object(out);
}

void schema_property(struct json_out *out, const char *name, const char *type,
                     const char *description)
{
    schema_begin_property(out, name, type, description);
    schema_end_property(out);
}

void schema_begin_items(struct json_out *out, const char *name, const char *description)
{
    schema_begin_property(out, name, "array", description);
    schema_begin_object(out, "items");
}

void schema_end_items(struct json_out *out, const char *const *required)
{
    schema_end_object(out, required, false);
    schema_end_property(out);
}

void schema_enum(struct json_out *out, const char *const *values)
{
    json_key(out, "enum");
    json_open_array(out);
    for (; *values; values++)
        json_put_str(out, *values);
    json_close_array(out);
}
