/* Fixture tools that ask nothing: content of every kind, an error, progress, log messages, a
 * schema. See fixtures.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fixtures.h"

#define WAV_BASE64 "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA=="
#define TEXT(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define IMAGE      "{\"type\":\"image\",\"data\":\"" PNG_BASE64 "\",\"mimeType\":\"image/png\"}"

void fixture_describe(struct json_out *out, const char *name, const char *description,
                      const char *properties)
{
    json_open_object(out);
    json_pair_str(out, "name", name);
    json_pair_str(out, "description", description);
    json_key(out, "inputSchema");
    json_open_object(out);
    json_pair_str(out, "type", "object");
    json_key(out, "properties");
    json_put_raw(out, properties, strlen(properties));
    json_close_object(out);
    json_close_object(out);
}

struct tool_call *fixture_reply(const struct tool_listener *l, void *ctx, const char *blocks,
                                bool is_error)
{
    const struct tool_reply r = {
        .blocks = blocks, .blocks_len = strlen(blocks), .is_error = is_error};
    l->on_done(ctx, &r);
    return NULL;
}

struct tool_call *fixture_say(const struct tool_listener *l, void *ctx, const char *fmt, ...)
{
    auto_buf struct buf b = BUF_INIT(0);
    struct json_out out = json_out_init(&b);
    char text[1000];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    json_open_object(&out);
    json_pair_str(&out, "type", "text");
    json_key(&out, "text");
    json_put_strn(&out, text, utf8_floor(text, strlen(text)));
    json_close_object(&out);
    const struct tool_reply r = {.blocks = (const char *)b.data, .blocks_len = b.len};
    l->on_done(ctx, &r);
    return NULL;
}

/* ---- always the same answer ---- */

#define CONSTANT(id, text, blocks, is_error)                                                       \
    static void describe_##id(const struct tools_env *env _unused_, struct json_out *out)          \
    {                                                                                              \
        fixture_describe(out, #id, text, "{}");                                                    \
    }                                                                                              \
    static struct tool_call *start_##id(                                                           \
        const struct tools_env *env _unused_, const json_t *args _unused_,                         \
        const struct tool_caller *caller _unused_, const struct tool_listener *l, void *ctx)       \
    {                                                                                              \
        return fixture_reply(l, ctx, blocks, is_error);                                            \
    }                                                                                              \
    static const struct tool tool_##id = {                                                         \
        .name = #id, .describe = describe_##id, .start = start_##id}

CONSTANT(test_simple_text, "Returns text.", TEXT("This is a simple text response for testing."),
         false);
CONSTANT(test_image_content, "Returns an image.", IMAGE, false);
CONSTANT(test_audio_content, "Returns a sound.",
         "{\"type\":\"audio\",\"data\":\"" WAV_BASE64 "\",\"mimeType\":\"audio/wav\"}", false);
CONSTANT(test_embedded_resource, "Returns a resource.",
         "{\"type\":\"resource\",\"resource\":{\"uri\":\"test://embedded-resource\","
         "\"mimeType\":\"text/plain\",\"text\":\"This is an embedded resource content.\"}}",
         false);
CONSTANT(test_multiple_content_types, "Returns text, an image and a resource.",
         TEXT("Multiple content types test:") "," IMAGE
                                              ",{\"type\":\"resource\",\"resource\":{\"uri\":"
                                              "\"test://mixed-content-resource\",\"mimeType\":"
                                              "\"application/json\",\"text\":\"{\\\"test\\\":"
                                              "\\\"data\\\",\\\"value\\\":123}\"}}",
         false);
CONSTANT(test_error_handling, "Always fails.",
         TEXT("This tool intentionally returns an error for testing"), true);

/* ---- in three steps ---- */

#define STEPS         3
#define STEP_NS       50000000u
#define STEPS_MADE(s) ((s)->step == STEPS)

/* A call that says something, waits, and says more. */
struct steps {
    struct tool_call base;
    struct tool_listener listener;
    void *ctx;
    struct loop_timer *timer;
    void (*say)(const struct steps *s);
    unsigned step;
    bool cancelled;
};

static void end_steps(struct steps *s)
{
    fixture_say(&s->listener, s->ctx, s->cancelled ? "Cancelled." : "All steps are done.");
    loop_timer_free(s->timer);
    free(s);
}

static void on_step(void *ctx)
{
    struct steps *s = ctx;
    if (!s->cancelled && !STEPS_MADE(s)) {
        s->say(s);
        s->step++;
    }
    if (s->cancelled || STEPS_MADE(s))
        end_steps(s);
    else
        loop_timer_arm(s->timer, STEP_NS);
}

static void cancel_steps(struct tool_call *base)
{
    struct steps *s = (struct steps *)base;
    s->cancelled = true;
    loop_timer_arm(s->timer, 0);
}

static struct tool_call *start_steps(const struct tool_listener *l, void *ctx,
                                     void (*say)(const struct steps *s))
{
    struct steps *s = calloc(1, sizeof(*s));
    if (s)
        *s = (struct steps){.base.cancel = cancel_steps, .listener = *l, .ctx = ctx, .say = say};
    if (s)
        s->timer = loop_timer_new(fixture_loop, on_step, s, NULL);
    if (!s || !s->timer) {
        free(s);
        return fixture_reply(l, ctx, TEXT("no memory"), true);
    }
    loop_timer_arm(s->timer, 0);
    return &s->base;
}

static void say_progress(const struct steps *s)
{
    if (s->listener.on_progress)
        s->listener.on_progress(s->ctx, s->step * 50u, 100);
}

static void say_log(const struct steps *s)
{
    static const char *const texts[STEPS] = {
        "\"Tool execution started\"", "\"Tool processing data\"", "\"Tool execution completed\""};
    if (s->listener.on_log)
        s->listener.on_log(s->ctx, "info", texts[s->step]);
}

#define STEPPING(id, text, say)                                                                    \
    static void describe_##id(const struct tools_env *env _unused_, struct json_out *out)          \
    {                                                                                              \
        fixture_describe(out, #id, text, "{}");                                                    \
    }                                                                                              \
    static struct tool_call *start_##id(                                                           \
        const struct tools_env *env _unused_, const json_t *args _unused_,                         \
        const struct tool_caller *caller _unused_, const struct tool_listener *l, void *ctx)       \
    {                                                                                              \
        return start_steps(l, ctx, say);                                                           \
    }                                                                                              \
    static const struct tool tool_##id = {                                                         \
        .name = #id, .describe = describe_##id, .start = start_##id}

STEPPING(test_tool_with_progress, "Tells how far it is, three times.", say_progress);
STEPPING(test_tool_with_logging, "Sends three log messages.", say_log);
STEPPING(test_logging_tool, "Sends three log messages to who wants them.", say_log);

/* ---- a schema with everything ---- */

static void describe_schema(const struct tools_env *env _unused_, struct json_out *out)
{
    static const char text[] =
        "{\"name\":\"json_schema_2020_12_tool\",\"description\":\"Tool with JSON Schema 2020-12 "
        "features\",\"inputSchema\":{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\","
        "\"type\":\"object\",\"$defs\":{\"address\":{\"$anchor\":\"addressDef\",\"type\":"
        "\"object\",\"properties\":{\"street\":{\"type\":\"string\"},\"city\":{\"type\":\"string\""
        "}}}},\"properties\":{\"name\":{\"type\":\"string\"},\"address\":{\"$ref\":"
        "\"#/$defs/address\"},\"contactMethod\":{\"type\":\"string\",\"enum\":[\"phone\",\"email\""
        "]},\"phone\":{\"type\":\"string\"},\"email\":{\"type\":\"string\"}},\"allOf\":[{\"anyOf\""
        ":[{\"required\":[\"phone\"]},{\"required\":[\"email\"]}]}],\"if\":{\"properties\":{"
        "\"contactMethod\":{\"const\":\"phone\"}},\"required\":[\"contactMethod\"]},\"then\":{"
        "\"required\":[\"phone\"]},\"else\":{\"required\":[\"email\"]},"
        "\"additionalProperties\":false}}";
    json_put_raw(out, text, strlen(text));
}

static struct tool_call *start_schema(const struct tools_env *env _unused_,
                                      const json_t *args _unused_,
                                      const struct tool_caller *caller _unused_,
                                      const struct tool_listener *l, void *ctx)
{
    return fixture_reply(l, ctx, TEXT("It is about its schema."), false);
}

static const struct tool tool_schema = {
    .name = "json_schema_2020_12_tool", .describe = describe_schema, .start = start_schema};

const struct tool *const fixture_tools_plain[] = {
    &tool_test_simple_text,
    &tool_test_image_content,
    &tool_test_audio_content,
    &tool_test_embedded_resource,
    &tool_test_multiple_content_types,
    &tool_test_error_handling,
    &tool_test_tool_with_progress,
    &tool_test_tool_with_logging,
    &tool_test_logging_tool,
    &tool_schema,
};
const size_t fixture_tools_plain_len = ARRAY_LEN(fixture_tools_plain);
