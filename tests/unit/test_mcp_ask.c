/* What a tool or a prompt can say before its answer: questions to the client, in both eras, how far
 * it is, and messages for the client's log. */
#include "mcp_harness.h"

#define MODERN_WITH(capabilities)                                                                  \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                       \
    "\"io.modelcontextprotocol/clientCapabilities\":{" capabilities "}}"
#define CAN_ALL              "\"sampling\":{},\"elicitation\":{},\"roots\":{}"
#define CALL(id, tool, more) REQ(id, "tools/call", "\"name\":\"" tool "\"" more)
#define INITIALIZE(capabilities)                                                                   \
    REQ("0", "initialize", "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{" capabilities "}")

/* ---- tools of the test ---- */

static void describe(const struct tools_env *env _unused_, struct json_out *out)
{
    json_open_object(out);
    json_close_object(out);
}

static void reply_text(const struct tool_listener *l, void *ctx, const char *text)
{
    char blocks[500];
    snprintf(blocks, sizeof(blocks), "{\"type\":\"text\",\"text\":\"%s\"}", text);
    const struct tool_reply r = {.blocks = blocks, .blocks_len = strlen(blocks)};
    l->on_done(ctx, &r);
}

static void reply_questions(const struct tool_listener *l, void *ctx, const char *requests,
                            const char *state)
{
    const struct tool_questions q = {requests, strlen(requests), state};
    const struct tool_reply r = {.questions = &q};
    l->on_done(ctx, &r);
}

#define NAME_QUESTION                                                                              \
    "{\"who\":{\"method\":\"elicitation/create\",\"params\":{\"message\":\"Your name?\"}}}"

/* Asks for a name until it is told one. */
static struct tool_call *greet(const struct tools_env *env _unused_, const json_t *args _unused_,
                               const struct tool_caller *who, const struct tool_listener *l,
                               void *ctx)
{
    char text[100];
    json_t *answer = json_object_get(who->input->answers, "who");
    const char *name = text_at(answer, "content.name");
    if (!name) {
        reply_questions(l, ctx, NAME_QUESTION, NULL);
        return NULL;
    }
    snprintf(text, sizeof(text), "Hello, %s", name);
    reply_text(l, ctx, text);
    return NULL;
}

/* Two rounds, and state between them; the second asks two things at once. */
static struct tool_call *rounds(const struct tools_env *env _unused_, const json_t *args _unused_,
                                const struct tool_caller *who, const struct tool_listener *l,
                                void *ctx)
{
    const char *state = who->input->state;
    if (!state) {
        reply_questions(l, ctx, NAME_QUESTION, "one");
    } else if (strcmp(state, "one") == 0) {
        CHECK(at(json_object_get(who->input->answers, "who"), "content"));
        reply_questions(l, ctx,
                        "{\"a\":{\"method\":\"sampling/createMessage\",\"params\":{}},"
                        "\"b\":{\"method\":\"roots/list\"}}",
                        "two");
    } else {
        CHECK(json_object_size(who->input->answers) == 2);
        reply_text(l, ctx, state);
    }
    return NULL;
}

/* Asks a model, whatever the client can do. */
static struct tool_call *insist(const struct tools_env *env _unused_, const json_t *args _unused_,
                                const struct tool_caller *who _unused_,
                                const struct tool_listener *l, void *ctx)
{
    reply_questions(l, ctx, "{\"m\":{\"method\":\"sampling/createMessage\",\"params\":{}}}", NULL);
    return NULL;
}

/* Tells how far it is, and logs. */
static struct tool_call *chat(const struct tools_env *env _unused_, const json_t *args _unused_,
                              const struct tool_caller *who _unused_, const struct tool_listener *l,
                              void *ctx)
{
    static const uint64_t steps[] = {0, 50, 50, 20, 100};
    static const char *const levels[] = {"debug", "info", "error"};
    for (size_t i = 0; l->on_progress && i < ARRAY_LEN(steps); i++)
        l->on_progress(ctx, steps[i], 100);
    for (size_t i = 0; l->on_log && i < ARRAY_LEN(levels); i++)
        l->on_log(ctx, levels[i], "{\"x\":1}");
    reply_text(l, ctx, "done");
    return NULL;
}

static const struct tool tool_greet = {"greet", true, describe, greet};
static const struct tool tool_rounds = {"rounds", true, describe, rounds};
static const struct tool tool_insist = {"insist", true, describe, insist};
static const struct tool tool_chat = {"chat", false, describe, chat};
static const struct tool *const asking_tools[] = {&tool_greet, &tool_rounds, &tool_insist,
                                                  &tool_chat};

static void write_prompt(const struct mcp_prompt_call *call, struct json_out *messages)
{
    const char *text = text_at(json_object_get(call->input->answers, "who"), "content.name");
    if (!text) {
        *call->questions = (struct tool_questions){NAME_QUESTION, strlen(NAME_QUESTION), NULL};
        return;
    }
    struct buf b = BUF_INIT(0);
    buf_addf(&b, NULL, "For %s", text);
    mcp_prompt_say(messages, &b);
    buf_done(&b);
}

static const struct mcp_prompt prompt = {
    .name = "letter", .description = "A letter.", .write = write_prompt};
static const struct mcp_prompt *const asking_prompts[] = {&prompt};

static void start_asking(void)
{
    table = asking_tools;
    table_len = ARRAY_LEN(asking_tools);
    features.prompts = asking_prompts;
    features.prompts_len = 1;
    features.logging = true;
    start();
}

/* The answer to the question in @sent_message: a result, or an error. */
static const char *respond(const char *question, const char *member)
{
    auto_json json_t *q = parsed(question);
    char message[600];
    CHECK(text_at(q, "id") && strlen(text_at(q, "id")) >= 32);
    snprintf(message, sizeof(message), "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",%s}", text_at(q, "id"),
             member);
    return tell(message);
}

#define NAME_ANSWER "{\"action\":\"accept\",\"content\":{\"name\":\"Ada\"}}"

/* ---- legacy: a request on the stream ---- */

TEST(a_legacy_client_is_asked_by_a_request_and_the_call_goes_on)
{
    start_asking();
    const char *question = tell(CALL("1", "greet", ""));
    auto_json json_t *q = parsed(question);
    CHECK_STR(text_at(q, "method"), "elicitation/create");
    CHECK_STR(text_at(q, "params.message"), "Your name?");
    CHECK(ends == 0 && !mcp_client_idle(client));
    CHECK(code_of(tell(REQ("2", "ping", ""))) == 0); /* nobody waits for the answer */
    const char *answer = respond(question, "\"result\":" NAME_ANSWER);
    auto_json json_t *v = parsed(answer);
    CHECK(json_integer_value(at(v, "id")) == 1);
    CHECK_STR(text_at(v, "result.content.0.text"), "Hello, Ada");
    CHECK(!at(v, "result.structuredContent"));
    CHECK(mcp_client_idle(client));
    finish();
}

TEST(rounds_follow_each_other_with_their_state)
{
    start_asking();
    auto_json json_t *q = parsed(tell(CALL("1", "rounds", "")));
    char message[300];
    snprintf(message, sizeof(message),
             "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"result\":" NAME_ANSWER "}", text_at(q, "id"));
    tell_n(&(struct message_head){0}, message, strlen(message));
    REQUIRE(sent_len == 3); /* the second round: two questions */
    auto_json json_t *a = parsed(sent[1]);
    auto_json json_t *b = parsed(sent[2]);
    CHECK_STR(text_at(a, "method"), "sampling/createMessage");
    CHECK_STR(text_at(b, "method"), "roots/list");
    CHECK(!at(b, "params"));
    CHECK_STR(respond(sent[2], "\"result\":{\"roots\":[]}"), "");
    CHECK_STR(respond(sent[2], "\"result\":{\"roots\":[]}"), ""); /* once is enough */
    auto_json json_t *v = parsed(respond(sent[1], "\"result\":{}"));
    CHECK_STR(text_at(v, "result.content.0.text"), "two");
    finish();
}

TEST(an_answer_that_makes_no_sense_is_asked_for_again)
{
    start_asking();
    tell(CALL("1", "greet", ""));
    respond(sent[0], "\"result\":{\"action\":\"accept\",\"content\":{\"name\":5}}");
    CHECK(sent_len == 2 && strstr(sent[1], "elicitation/create"));
    respond(sent[0], "\"result\":" NAME_ANSWER); /* the old question is no more */
    CHECK(sent_len == 2);
    auto_json json_t *v = parsed(respond(sent[1], "\"result\":" NAME_ANSWER));
    CHECK_STR(text_at(v, "result.content.0.text"), "Hello, Ada");
    finish();
}

TEST(a_client_that_refuses_to_answer_gets_an_error)
{
    static const char *const answers[] = {"\"error\":{\"code\":-1,\"message\":\"User rejected\"}",
                                          "\"result\":5", "\"result\":null"};
    start_asking();
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        const char *answer = respond(tell(CALL("1", "greet", "")), answers[i]);
        CHECK(code_of(answer) == -32603);
        CHECK(i > 0 || strstr(answer, "User rejected"));
        CHECK(mcp_client_idle(client));
    }
    finish();
}

TEST(a_stray_answer_changes_nothing)
{
    start_asking();
    tell(CALL("1", "greet", ""));
    CHECK_STR(tell("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"), "");
    CHECK_STR(tell("{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":{}}"), "");
    CHECK_STR(tell("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":1,\"message\":\"\"}}"),
              "");
    CHECK(!mcp_client_idle(client));
    finish();
}

TEST(what_another_client_answers_does_not_count)
{
    start_asking();
    struct mcp_client *mine = client;
    const char *question = tell(CALL("1", "greet", ""));
    struct mcp_client *other = mcp_client_new(server, &caller, NULL);
    client = other;
    CHECK_STR(respond(question, "\"result\":" NAME_ANSWER), "");
    client = mine;
    CHECK(!mcp_client_idle(mine));
    mcp_client_free(other);
    CHECK(strstr(respond(question, "\"result\":" NAME_ANSWER), "Hello, Ada"));
    finish();
}

TEST(a_client_is_not_asked_what_it_does_not_offer)
{
    start_asking();
    tell(INITIALIZE("\"elicitation\":{}"));
    CHECK(code_of(tell(CALL("1", "insist", ""))) == -32603);
    CHECK(strstr(tell(CALL("1", "greet", "")), "elicitation/create"));
    finish();
}

TEST(a_question_that_cannot_be_sent_ends_the_call)
{
    start_asking();
    deaf = true;
    CHECK(code_of(tell(CALL("1", "greet", ""))) == -32603);
    CHECK(mcp_client_idle(client));
    deaf = false;
    finish();
}

TEST(a_call_that_waits_for_an_answer_can_be_cancelled_and_stopped)
{
    start_asking();
    const char *question = tell(CALL("1", "greet", ""));
    CHECK_STR(tell("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
                   "\"requestId\":1}}"),
              "");
    CHECK(mcp_client_idle(client) && nothings == 2);
    CHECK_STR(respond(question, "\"result\":" NAME_ANSWER), "");
    tell(CALL("2", "greet", ""));
    mcp_exchange_handler.on_stop(client);
    CHECK(mcp_client_idle(client));
    CHECK(code_of(sent[sent_len - 1]) == -32603);
    tell(CALL("3", "greet", "")); /* and freed while it waits */
    finish();
}

TEST(an_answer_comes_though_the_stream_has_gone)
{
    start_asking();
    const char *question = tell(CALL("1", "greet", ""));
    size_t n = sent_len;
    mcp_exchange_handler.on_gone(client, &exchange);
    respond(question, "\"result\":" NAME_ANSWER);
    CHECK(sent_len == n && mcp_client_idle(client));
    finish();
}

TEST(a_prompt_may_ask_too)
{
    start_asking();
    const char *answer =
        respond(tell(REQ("1", "prompts/get", "\"name\":\"letter\"")), "\"result\":" NAME_ANSWER);
    auto_json json_t *v = parsed(answer);
    CHECK_STR(text_at(v, "result.messages.0.content.text"), "For Ada");
    finish();
}

/* ---- modern: the answer is the questions ---- */

#define ANSWERS(text) ",\"inputResponses\":{" text "}"

TEST(a_modern_client_gets_the_questions_and_comes_back_with_the_answers)
{
    start_asking();
    auto_json json_t *q = parsed(tell(CALL("1", "greet", "," MODERN_WITH(CAN_ALL))));
    CHECK_STR(text_at(q, "result.resultType"), "input_required");
    CHECK_STR(text_at(q, "result.inputRequests.who.method"), "elicitation/create");
    CHECK(!at(q, "result.content") && !at(q, "result.requestState"));
    CHECK(at(q, "result._meta") && mcp_client_idle(client));
    auto_json json_t *v = parsed(tell(CALL(
        "2", "greet", ANSWERS("\"who\":" NAME_ANSWER ",\"more\":{}") "," MODERN_WITH(CAN_ALL))));
    CHECK_STR(text_at(v, "result.resultType"), "complete");
    CHECK_STR(text_at(v, "result.content.0.text"), "Hello, Ada");
    auto_json json_t *again =
        parsed(tell(CALL("3", "greet", ANSWERS("\"x\":{}") "," MODERN_WITH(CAN_ALL))));
    CHECK_STR(text_at(again, "result.resultType"), "input_required");
    finish();
}

TEST(answers_must_have_their_shape)
{
    start_asking();
    CHECK(code_of(tell(CALL("1", "greet", ",\"inputResponses\":null," MODERN_WITH(CAN_ALL)))) ==
          -32602);
    CHECK(code_of(tell(CALL("1", "greet", ",\"inputResponses\":[]," MODERN_WITH(CAN_ALL)))) ==
          -32602);
    CHECK(code_of(tell(CALL("1", "greet", ANSWERS("\"who\":12345") "," MODERN_WITH(CAN_ALL)))) ==
          -32602);
    CHECK(code_of(tell(CALL("1", "greet", ",\"requestState\":5," MODERN_WITH(CAN_ALL)))) == -32602);
    finish();
}

TEST(without_the_capability_it_is_minus_32021)
{
    start_asking();
    auto_json json_t *v = parsed(tell(CALL("1", "insist", "," MODERN_WITH("\"elicitation\":{}"))));
    CHECK(json_integer_value(at(v, "error.code")) == -32021);
    CHECK(json_object_size(at(v, "error.data.requiredCapabilities")) == 1);
    CHECK(json_is_object(at(v, "error.data.requiredCapabilities.sampling")));
    CHECK(last_outcome == EXCHANGE_BAD_REQUEST);
    finish();
}

/* Make the call of round two or three with the state that came last. */
static const char *go_on(const char *last, const char *answers, const char *tool, const char *args)
{
    auto_json json_t *v = parsed(last);
    char message[2000];
    REQUIRE(text_at(v, "result.requestState"));
    snprintf(message, sizeof(message),
             REQ("9", "tools/call",
                 "\"name\":\"%s\",\"arguments\":%s,\"requestState\":\"%s\","
                 "\"inputResponses\":{%s}," MODERN_WITH(CAN_ALL)),
             tool, args, text_at(v, "result.requestState"), answers);
    return tell(message);
}

#define ROUND_ONE CALL("1", "rounds", ",\"arguments\":{}," MODERN_WITH(CAN_ALL))

TEST(state_travels_sealed)
{
    start_asking();
    auto_free char *one = strdup(tell(ROUND_ONE));
    CHECK(!strstr(one, "\"one\""));
    auto_free char *two = strdup(go_on(one, "\"who\":" NAME_ANSWER, "rounds", "{}"));
    auto_json json_t *a = parsed(one);
    auto_json json_t *b = parsed(two);
    CHECK(!json_equal(at(a, "result.requestState"), at(b, "result.requestState")));
    auto_json json_t *v = parsed(go_on(two, "\"a\":{},\"b\":{}", "rounds", "{}"));
    CHECK_STR(text_at(v, "result.content.0.text"), "two");
    finish();
}

TEST(state_of_another_request_caller_or_server_is_refused)
{
    start_asking();
    auto_free char *one = strdup(tell(ROUND_ONE));
    CHECK(code_of(go_on(one, "\"who\":" NAME_ANSWER, "greet", "{}")) == -32602);
    CHECK(code_of(go_on(one, "\"who\":" NAME_ANSWER, "rounds", "{\"x\":1}")) == -32602);
    struct mcp_client *mine = client;
    struct mcp_caller stranger = {.name = "other", .profiles = PROFILE_ALL};
    client = mcp_client_new(server, &stranger, NULL);
    CHECK(code_of(go_on(one, "\"who\":" NAME_ANSWER, "rounds", "{}")) == -32602);
    mcp_client_free(client);
    struct mcp_server *before = server;
    server = mcp_server_new(loop, &features, &mcp_vivarium, NULL);
    client = mcp_client_new(server, &caller, NULL);
    CHECK(code_of(go_on(one, "\"who\":" NAME_ANSWER, "rounds", "{}")) == -32602);
    mcp_client_free(client);
    mcp_server_free(server);
    server = before;
    client = mine;
    CHECK(code_of(go_on(one, "\"who\":" NAME_ANSWER, "rounds", "{}")) == 0);
    finish();
}

TEST(state_with_any_bit_changed_is_refused)
{
    start_asking();
    auto_json json_t *v = parsed(tell(ROUND_ONE));
    auto_free char *state = strdup(text_at(v, "result.requestState"));
    size_t n = strlen(state);
    char message[2000];
    for (size_t i = 0; i <= n; i++) {
        char kept = state[i];
        state[i] = kept == 'A' ? 'B' : 'A';
        if (i == n)
            state[i] = '\0';
        snprintf(message, sizeof(message),
                 CALL("1", "rounds",
                      ",\"arguments\":{},\"requestState\":\"%s%s\"," MODERN_WITH(CAN_ALL)),
                 state, i == n ? "-TAMPERED" : "");
        state[i] = kept;
        CHECK(code_of(tell(message)) == -32602);
    }
    CHECK(code_of(tell(CALL("1", "rounds", ",\"requestState\":\"\"," MODERN_WITH(CAN_ALL)))) ==
          -32602);
    finish();
}

TEST(a_modern_prompt_asks_the_same_way)
{
    start_asking();
    auto_json json_t *q =
        parsed(tell(REQ("1", "prompts/get", "\"name\":\"letter\"," MODERN_WITH(CAN_ALL))));
    CHECK_STR(text_at(q, "result.resultType"), "input_required");
    CHECK(!at(q, "result.messages"));
    auto_json json_t *v = parsed(
        tell(REQ("2", "prompts/get",
                 "\"name\":\"letter\"" ANSWERS("\"who\":" NAME_ANSWER) "," MODERN_WITH(CAN_ALL))));
    CHECK_STR(text_at(v, "result.messages.0.content.text"), "For Ada");
    finish();
}

/* ---- notes ---- */

TEST(progress_only_rises)
{
    start_asking();
    tell_n(&(struct message_head){0}, CALL("1", "chat", ",\"_meta\":{\"progressToken\":\"t\"}"),
           strlen(CALL("1", "chat", ",\"_meta\":{\"progressToken\":\"t\"}")));
    static const json_int_t values[] = {0, 50, 100};
    size_t found = 0;
    for (size_t i = 0; i < sent_len; i++) {
        auto_json json_t *v = parsed(sent[i]);
        if (strcmp(text_at(v, "method") ? text_at(v, "method") : "", "notifications/progress") != 0)
            continue;
        REQUIRE(found < ARRAY_LEN(values));
        CHECK(json_integer_value(at(v, "params.progress")) == values[found++]);
        CHECK(json_integer_value(at(v, "params.total")) == 100);
        CHECK_STR(text_at(v, "params.progressToken"), "t");
    }
    CHECK(found == ARRAY_LEN(values));
    finish();
}

static size_t logged(const char *message)
{
    size_t before = sent_len;
    size_t n = 0;
    tell_n(&(struct message_head){0}, message, strlen(message));
    for (size_t i = before; i < sent_len; i++) {
        if (!strstr(sent[i], "notifications/message"))
            continue;
        auto_json json_t *v = parsed(sent[i]);
        CHECK(json_integer_value(at(v, "params.data.x")) == 1);
        CHECK_STR(text_at(v, "params.logger"), "vivarium");
        n++;
    }
    return n;
}

TEST(the_log_is_for_who_wants_it)
{
    start_asking();
    CHECK(logged(CALL("1", "chat", "")) == 2); /* info and above, until told otherwise */
    CHECK(code_of(tell(REQ("1", "logging/setLevel", "\"level\":\"debug\""))) == 0);
    CHECK(logged(CALL("1", "chat", "")) == 3);
    CHECK(code_of(tell(REQ("1", "logging/setLevel", "\"level\":\"emergency\""))) == 0);
    CHECK(logged(CALL("1", "chat", "")) == 0);
    CHECK(code_of(tell(REQ("1", "logging/setLevel", "\"level\":\"loud\""))) == -32602);
    CHECK(code_of(tell(REQ("1", "logging/setLevel", ""))) == -32602);
    CHECK(code_of(tell(REQ("1", "logging/setLevel", "\"level\":\"info\"," MODERN))) == -32601);
    CHECK(logged(CALL("1", "chat", "," MODERN)) == 0);
    CHECK(logged(CALL("1", "chat",
                      ",\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
                      "\"io.modelcontextprotocol/clientCapabilities\":{},"
                      "\"io.modelcontextprotocol/logLevel\":\"error\"}")) == 1);
    finish();
}

int main(void)
{
    return tap_main();
}
