/* Fixture tools that ask the client's user or model: sampling, elicitation, roots, in one round or
 * several. Each says what it wants to know and what it makes of the answers; how a client is asked
 * is the protocol's business, so the same tool serves both eras. See fixtures.h. */
#include <stdio.h>
#include <string.h>

#include "fixtures.h"

/* {"KEY":{"method":METHOD,"params":PARAMS}} without the outer braces */
#define ASK(key, method, params) "\"" key "\":{\"method\":\"" method "\",\"params\":" params "}"
#define ELICIT(key, message, properties)                                                           \
    ASK(key, "elicitation/create",                                                                 \
        "{\"message\":\"" message                                                                  \
        "\",\"requestedSchema\":{\"type\":\"object\",\"properties\":{" properties "}}}")
#define SAMPLE(key, text)                                                                          \
    ASK(key, "sampling/createMessage",                                                             \
        "{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"" text        \
        "\"}}],\"maxTokens\":100}")
#define ROOTS(key) ASK(key, "roots/list", "{}")

static struct tool_call *ask(const struct tool_listener *l, void *ctx, const char *requests,
                             const char *state)
{
    const struct tool_questions q = {requests, strlen(requests), state};
    const struct tool_reply r = {.questions = &q};
    l->on_done(ctx, &r);
    return NULL;
}

static json_t *answer(const struct tool_caller *c, const char *key)
{
    return json_object_get(c->input->answers, key);
}

static const char *text_of(const json_t *v)
{
    const char *text = json_plain_string(v);
    return text ? text : "";
}

#define ASKING(id, text, properties, start_fn)                                                     \
    static void describe_##id(const struct tools_env *env _unused_, struct json_out *out)          \
    {                                                                                              \
        fixture_describe(out, #id, text, properties);                                              \
    }                                                                                              \
    static const struct tool tool_##id = {                                                         \
        .name = #id, .may_ask = true, .describe = describe_##id, .start = start_fn}

#define START(fn)                                                                                  \
    static struct tool_call *fn(const struct tools_env *env _unused_, const json_t *args _unused_, \
                                const struct tool_caller *c _unused_,                              \
                                const struct tool_listener *l, void *ctx)

/* ---- one question ---- */

/* {"KEY":{"method":…,"params":{…}}} with a text from the arguments in it */
static void put_question(struct buf *b, bool sampling, const char *text)
{
    struct json_out out = json_out_init(b);
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"username\":{\"type\":\"string\",\"description\":"
        "\"User's response\"},\"email\":{\"type\":\"string\",\"description\":\"User's email "
        "address\"}},\"required\":[\"username\",\"email\"]}";
    json_open_object(&out);
    json_key(&out, "it");
    json_open_object(&out);
    json_pair_str(&out, "method", sampling ? "sampling/createMessage" : "elicitation/create");
    json_key(&out, "params");
    json_open_object(&out);
    if (sampling) {
        json_key(&out, "messages");
        json_open_array(&out);
        json_open_object(&out);
        json_pair_str(&out, "role", "user");
        json_key(&out, "content");
        json_open_object(&out);
        json_pair_str(&out, "type", "text");
        json_pair_str(&out, "text", text);
        json_close_object(&out);
        json_close_object(&out);
        json_close_array(&out);
        json_pair_uint(&out, "maxTokens", 100);
    } else {
        json_pair_str(&out, "message", text);
        json_key(&out, "requestedSchema");
        json_put_raw(&out, schema, strlen(schema));
    }
    json_close_object(&out);
    json_close_object(&out);
    json_close_object(&out);
}

static struct tool_call *ask_text(const struct tool_listener *l, void *ctx, bool sampling,
                                  const json_t *text)
{
    auto_buf struct buf b = BUF_INIT(0);
    put_question(&b, sampling, text_of(text));
    auto_free char *requests = buf_take_str(&b);
    return ask(l, ctx, requests, NULL);
}

START(start_sampling)
{
    json_t *a = answer(c, "it");
    if (!a)
        return ask_text(l, ctx, true, json_object_get(args, "prompt"));
    return fixture_say(l, ctx, "LLM response: %s",
                       text_of(json_object_get(json_object_get(a, "content"), "text")));
}
ASKING(test_sampling, "Asks the client's model.", "{\"prompt\":{\"type\":\"string\"}}",
       start_sampling);

static struct tool_call *say_answer(const struct tool_listener *l, void *ctx, const char *what,
                                    const json_t *a)
{
    const json_t *content = json_object_get(a, "content");
    char *text = content ? json_dumps(content, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    fixture_say(l, ctx, "%s: action=%s, content=%s", what, text_of(json_object_get(a, "action")),
                text ? text : "{}");
    free(text);
    return NULL;
}

START(start_elicitation)
{
    json_t *a = answer(c, "it");
    return a ? say_answer(l, ctx, "User response", a)
             : ask_text(l, ctx, false, json_object_get(args, "message"));
}
ASKING(test_elicitation, "Asks the client's user.", "{\"message\":{\"type\":\"string\"}}",
       start_elicitation);

START(start_defaults)
{
    json_t *a = answer(c, "it");
    return a ? say_answer(l, ctx, "Elicitation completed", a)
             : ask(l, ctx,
                   "{" ELICIT("it", "Please check these values",
                              "\"name\":{\"type\":\"string\",\"default\":\"John Doe\"},"
                              "\"age\":{\"type\":\"integer\",\"default\":30},"
                              "\"score\":{\"type\":\"number\",\"default\":95.5},"
                              "\"status\":{\"type\":\"string\",\"enum\":[\"active\",\"inactive\","
                              "\"pending\"],\"default\":\"active\"},"
                              "\"verified\":{\"type\":\"boolean\",\"default\":true}") "}",
                   NULL);
}
ASKING(test_elicitation_sep1034_defaults, "Asks with a default for every type.", "{}",
       start_defaults);

#define OPTIONS "[\"option1\",\"option2\",\"option3\"]"
#define TITLED                                                                                     \
    "[{\"const\":\"value1\",\"title\":\"First\"},{\"const\":\"value2\",\"title\":\"Second\"},"     \
    "{\"const\":\"value3\",\"title\":\"Third\"}]"

START(start_enums)
{
    json_t *a = answer(c, "it");
    return a ? say_answer(l, ctx, "Elicitation completed", a)
             : ask(l, ctx,
                   "{" ELICIT(
                       "it", "Please choose",
                       "\"untitledSingle\":{\"type\":\"string\",\"enum\":" OPTIONS "},"
                       "\"titledSingle\":{\"type\":\"string\",\"oneOf\":" TITLED "},"
                       "\"legacyEnum\":{\"type\":\"string\",\"enum\":[\"opt1\",\"opt2\",\"opt3\"],"
                       "\"enumNames\":[\"Option One\",\"Option Two\",\"Option Three\"]},"
                       "\"untitledMulti\":{\"type\":\"array\",\"items\":{\"type\":\"string\","
                       "\"enum\":" OPTIONS "}},"
                       "\"titledMulti\":{\"type\":\"array\",\"items\":{\"anyOf\":" TITLED "}}") "}",
                   NULL);
}
ASKING(test_elicitation_sep1330_enums, "Asks to choose, in every form.", "{}", start_enums);

#define ASK_NAME ELICIT("user_name", "What is your name?", "\"name\":{\"type\":\"string\"}")

START(start_name)
{
    const json_t *content = json_object_get(answer(c, "user_name"), "content");
    const char *name = json_plain_string(json_object_get(content, "name"));
    return name ? fixture_say(l, ctx, "Hello, %s!", name) : ask(l, ctx, "{" ASK_NAME "}", NULL);
}
ASKING(test_input_required_result_elicitation, "Asks for a name.", "{}", start_name);
ASKING(test_streaming_elicitation, "Asks for a name.", "{}", start_name);

START(start_capital)
{
    json_t *a = answer(c, "capital_question");
    return a ? fixture_say(l, ctx, "The model says: %s",
                           text_of(json_object_get(json_object_get(a, "content"), "text")))
             : ask(l, ctx, "{" SAMPLE("capital_question", "What is the capital of France?") "}",
                   NULL);
}
ASKING(test_input_required_result_sampling, "Asks the client's model.", "{}", start_capital);
ASKING(test_missing_capability, "Needs the client's model.", "{}", start_capital);

START(start_roots)
{
    json_t *roots = json_object_get(answer(c, "client_roots"), "roots");
    return roots ? fixture_say(l, ctx, "The client has %zu roots, the first is %s",
                               json_array_size(roots),
                               text_of(json_object_get(json_array_get(roots, 0), "uri")))
                 : ask(l, ctx, "{" ROOTS("client_roots") "}", NULL);
}
ASKING(test_input_required_result_list_roots, "Asks for the client's roots.", "{}", start_roots);

/* Only what the client can answer. */
START(start_capabilities)
{
    if (answer(c, "model") || answer(c, "user_name"))
        return fixture_say(l, ctx, "Answered.");
    if ((c->input->can & CLIENT_SAMPLING) && (c->input->can & CLIENT_ELICITATION))
        return ask(l, ctx, "{" SAMPLE("model", "Say hello") "," ASK_NAME "}", NULL);
    if (c->input->can & CLIENT_ELICITATION)
        return ask(l, ctx, "{" ASK_NAME "}", NULL);
    if (c->input->can & CLIENT_SAMPLING)
        return ask(l, ctx, "{" SAMPLE("model", "Say hello") "}", NULL);
    return fixture_say(l, ctx, "The client can be asked nothing.");
}
ASKING(test_input_required_result_capabilities, "Asks what the client can answer.", "{}",
       start_capabilities);

/* ---- several questions, several rounds, with state ---- */

#define ASK_OK "{" ELICIT("confirm", "Please confirm", "\"ok\":{\"type\":\"boolean\"}") "}"

START(start_state)
{
    if (answer(c, "confirm") && str_eq(c->input->state, "waiting for confirm"))
        return fixture_say(l, ctx, "state-ok");
    return ask(l, ctx, ASK_OK, "waiting for confirm");
}
ASKING(test_input_required_result_request_state, "Asks, and remembers that it did.", "{}",
       start_state);
ASKING(test_input_required_result_tampered_state, "Asks, and trusts no changed memory.", "{}",
       start_state);

START(start_multiple)
{
    if (answer(c, "user_name") && answer(c, "greeting") && answer(c, "client_roots"))
        return fixture_say(l, ctx, "All three are there.");
    return ask(l, ctx,
               "{" ASK_NAME
               "," SAMPLE("greeting", "Generate a greeting") "," ROOTS("client_roots") "}",
               "three questions");
}
ASKING(test_input_required_result_multiple_inputs, "Asks three things at once.", "{}",
       start_multiple);

START(start_rounds)
{
    const char *state = c->input->state;
    if (str_eq(state, "two") && answer(c, "step2"))
        return fixture_say(l, ctx, "Both rounds are done.");
    if ((str_eq(state, "one") && answer(c, "step1")) || str_eq(state, "two"))
        return ask(l, ctx,
                   "{" ELICIT("step2", "Step 2: What is your favorite color?",
                              "\"color\":{\"type\":\"string\"}") "}",
                   "two");
    return ask(
        l, ctx,
        "{" ELICIT("step1", "Step 1: What is your name?", "\"name\":{\"type\":\"string\"}") "}",
        "one");
}
ASKING(test_input_required_result_multi_round, "Asks twice.", "{}", start_rounds);

const struct tool *const fixture_tools_asking[] = {
    &tool_test_sampling,
    &tool_test_elicitation,
    &tool_test_elicitation_sep1034_defaults,
    &tool_test_elicitation_sep1330_enums,
    &tool_test_missing_capability,
    &tool_test_streaming_elicitation,
    &tool_test_input_required_result_elicitation,
    &tool_test_input_required_result_sampling,
    &tool_test_input_required_result_list_roots,
    &tool_test_input_required_result_capabilities,
    &tool_test_input_required_result_request_state,
    &tool_test_input_required_result_tampered_state,
    &tool_test_input_required_result_multiple_inputs,
    &tool_test_input_required_result_multi_round,
};
const size_t fixture_tools_asking_len = ARRAY_LEN(fixture_tools_asking);
