/* Fixture prompts and resources: see fixtures.h. */
#include <string.h>

#include "fixtures.h"

/* ---- prompts ---- */

static void put_raw(struct json_out *out, const char *text)
{
    json_put_raw(out, text, strlen(text));
}

static void say(struct json_out *messages, const char *head, const char *tail)
{
    auto_buf struct buf text = BUF_INIT(0);
    buf_add_str(&text, head, NULL);
    buf_add_str(&text, tail, NULL);
    mcp_prompt_say(messages, &text);
}

static void write_simple(const struct mcp_prompt_call *call _unused_, struct json_out *messages)
{
    say(messages, "This is a simple prompt for testing.", "");
}

static void write_arguments(const struct mcp_prompt_call *call, struct json_out *messages)
{
    auto_buf struct buf text = BUF_INIT(0);
    buf_addf(&text, NULL, "Prompt with arguments: arg1='%s', arg2='%s'",
             mcp_prompt_argument(call, "arg1", ""), mcp_prompt_argument(call, "arg2", ""));
    mcp_prompt_say(messages, &text);
}

static void write_resource(const struct mcp_prompt_call *call, struct json_out *messages)
{
    json_open_object(messages);
    json_pair_str(messages, "role", "user");
    json_key(messages, "content");
    json_open_object(messages);
    json_pair_str(messages, "type", "resource");
    json_key(messages, "resource");
    json_open_object(messages);
    json_pair_str(messages, "uri", mcp_prompt_argument(call, "resourceUri", ""));
    json_pair_str(messages, "mimeType", "text/plain");
    json_pair_str(messages, "text", "Embedded resource content for testing.");
    json_close_object(messages);
    json_close_object(messages);
    json_close_object(messages);
    say(messages, "Please process the embedded resource above.", "");
}

static void write_image(const struct mcp_prompt_call *call _unused_, struct json_out *messages)
{
    put_raw(messages, "{\"role\":\"user\",\"content\":{\"type\":\"image\",\"data\":\"" PNG_BASE64
                      "\",\"mimeType\":\"image/png\"}}");
    say(messages, "Please analyze the image above.", "");
}

static void write_asking(const struct mcp_prompt_call *call, struct json_out *messages)
{
    static const char question[] =
        "{\"user_context\":{\"method\":\"elicitation/create\",\"params\":{\"message\":\"What "
        "context should the prompt use?\",\"requestedSchema\":{\"type\":\"object\",\"properties\":"
        "{\"context\":{\"type\":\"string\"}},\"required\":[\"context\"]}}}}";
    const json_t *answer = json_object_get(call->input->answers, "user_context");
    const char *context =
        json_plain_string(json_object_get(json_object_get(answer, "content"), "context"));
    if (context)
        say(messages, "Use this context: ", context);
    else
        *call->questions = (struct tool_questions){question, strlen(question), NULL};
}

static const char *const places[] = {"paris", "park", "party", "test", "testing", NULL};
static const struct mcp_prompt_argument two_arguments[] = {
    {"arg1", "First test argument", true, places}, {"arg2", "Second test argument", true, NULL}};
static const struct mcp_prompt_argument uri_argument[] = {
    {"resourceUri", "URI of the resource to embed", true, NULL}};

#define PROMPT(id, text, fn, ...)                                                                  \
    static const struct mcp_prompt prompt_##fn = {                                                 \
        .name = id, .description = text, .write = fn, __VA_ARGS__}

PROMPT("test_simple_prompt", "A prompt without arguments.", write_simple, .arguments = NULL);
PROMPT("test_prompt_with_arguments", "A prompt with two arguments.", write_arguments,
       .arguments = two_arguments, .arguments_len = ARRAY_LEN(two_arguments));
PROMPT("test_prompt_with_embedded_resource", "A prompt with a resource in it.", write_resource,
       .arguments = uri_argument, .arguments_len = ARRAY_LEN(uri_argument));
PROMPT("test_prompt_with_image", "A prompt with an image in it.", write_image, .arguments = NULL);
PROMPT("test_input_required_result_prompt", "A prompt that asks first.", write_asking,
       .arguments = NULL);

const struct mcp_prompt *const fixture_prompts[] = {
    &prompt_write_simple, &prompt_write_arguments, &prompt_write_resource,
    &prompt_write_image,  &prompt_write_asking,
};
const size_t fixture_prompts_len = ARRAY_LEN(fixture_prompts);

/* ---- resources ---- */

static const struct fixed {
    const char *uri, *name, *mime, *description, *text, *blob;
} fixed[] = {
    {"test://static-text", "static-text", "text/plain", "A static text.",
     "This is the content of the static text resource.", NULL},
    {"test://static-binary", "static-binary", "image/png", "A static image.", NULL, PNG_BASE64},
    {"test://watched-resource", "watched-resource", "text/plain", "One to subscribe to.",
     "Watched resource content.", NULL},
};

static uint64_t list(const struct mcp_resources *self _unused_, const char *owner _unused_,
                     uint64_t from, struct json_out *items)
{
    for (size_t i = from; i < ARRAY_LEN(fixed); i++) {
        json_open_object(items);
        json_pair_str(items, "uri", fixed[i].uri);
        json_pair_str(items, "name", fixed[i].name);
        json_pair_str(items, "mimeType", fixed[i].mime);
        json_pair_str(items, "description", fixed[i].description);
        json_close_object(items);
    }
    return 0;
}

static void list_templates(const struct mcp_resources *self _unused_, struct json_out *items)
{
    put_raw(items, "{\"uriTemplate\":\"test://template/{id}/data\",\"name\":\"template\","
                   "\"description\":\"Data by id.\",\"mimeType\":\"application/json\"}");
}

#define TEMPLATE_HEAD "test://template/"
#define TEMPLATE_TAIL "/data"

/* What stands for {id}; length 0: the URI is not of the template. */
static size_t template_id(const char *uri, const char **ret)
{
    size_t head = strlen(TEMPLATE_HEAD);
    if (!str_starts(uri, TEMPLATE_HEAD) || !str_ends(uri, TEMPLATE_TAIL))
        return 0;
    *ret = uri + head;
    size_t n = strcspn(*ret, "/");
    return strcmp(*ret + n, TEMPLATE_TAIL) == 0 ? n : 0;
}

static void put_template(struct json_out *contents, const char *uri, const char *id, size_t n)
{
    auto_buf struct buf text = BUF_INIT(0);
    struct json_out inner = json_out_init(&text);
    json_open_object(&inner);
    json_key(&inner, "id");
    json_put_strn(&inner, id, n);
    json_pair_bool(&inner, "templateTest", true);
    json_close_object(&inner);
    json_open_object(contents);
    json_pair_str(contents, "uri", uri);
    json_pair_str(contents, "mimeType", "application/json");
    json_key(contents, "text");
    json_put_strn(contents, (const char *)text.data, text.len);
    json_close_object(contents);
}

static bool read_fixture(const struct mcp_resources *self _unused_, const char *owner _unused_,
                         const char *uri, struct json_out *contents, uint64_t *ret_ttl_ms _unused_)
{
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        if (strcmp(fixed[i].uri, uri) != 0)
            continue;
        json_open_object(contents);
        json_pair_str(contents, "uri", uri);
        json_pair_str(contents, "mimeType", fixed[i].mime);
        if (fixed[i].text)
            json_pair_str(contents, "text", fixed[i].text);
        else
            json_pair_str(contents, "blob", fixed[i].blob);
        json_close_object(contents);
        return true;
    }
    const char *id;
    size_t n = template_id(uri, &id);
    if (n > 0)
        put_template(contents, uri, id, n);
    return n > 0;
}

const struct mcp_resources fixture_resources = {list, list_templates, read_fixture};

/* ---- subscriptions ---- */

static struct strv subscribed;

void fixture_on_subscribe(void *ctx _unused_, const char *caller _unused_, const char *uri,
                          bool wanted)
{
    for (size_t i = 0; i < subscribed.len; i++) {
        if (strcmp(subscribed.items[i], uri) != 0)
            continue;
        if (wanted)
            return;
        free(subscribed.items[i]);
        subscribed.items[i] = subscribed.items[--subscribed.len];
        return;
    }
    if (wanted)
        strv_add(&subscribed, uri, NULL);
}
