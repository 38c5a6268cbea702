/* The protocol in both eras: which messages are served, which are refused and how, concurrency,
 * cancellation, progress, batches. */
#include "mcp_harness.h"

struct row {
    const char *message;
    int code; /* of the error; 0: a result; 1: no answer */
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *answer = tell(rows[i].message);
        int code = code_of(answer);
        if (code == rows[i].code)
            continue;
        printf("# %s\n#   gives %d, not %d: %.200s\n", rows[i].message, code, rows[i].code, answer);
        tap_failed_checks++;
    }
}

TEST(a_message_is_served_or_refused_by_its_shape)
{
    static const struct row rows[] = {
        {REQ("1", "ping", ""), 0},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"ping\"}", 0},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":null}", 0},
        {"{\"method\":\"ping\",\"id\":-5,\"jsonrpc\":\"2.0\",\"extra\":1}", 0},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}", 1},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", 1},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/unheard/of\",\"params\":{}}", 1},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":[1]}", 1},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", 1},
        {"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":1,\"message\":\"\"}}", 1},
        {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"ping\"}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"ping\"}", -32600},
        {"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", -32600},
        {"{\"id\":1,\"method\":\"ping\"}", -32600},
        {"{\"jsonrpc\":2.0,\"id\":1,\"method\":\"ping\"}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":1}", -32600},
        {"{\"jsonrpc\":\"2.0\"}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":[]}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":\"x\"}", -32600},
        {"{}", -32600},
        {"5", -32600},
        {"\"ping\"", -32600},
        {"null", -32600},
        {"[]", -32600},
        {"", -32700},
        {"{", -32700},
        {"hello", -32700},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}", -32700},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"x\":\"\\ud800\"}}",
         -32700},
        {"{\"jsonrpc\":\"2.0\",\"id\":99999999999999999999,\"method\":\"ping\"}", -32700},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"ping\"}", -32700},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} x", -32700},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]"
         "]]]]]]]"
         "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
         -32700},
    };
    start();
    check_rows(rows, ARRAY_LEN(rows));
    finish();
}

TEST(errors_repeat_the_id_where_there_is_one)
{
    start();
    CHECK_STR(tell("nonsense"), "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,"
                                "\"message\":\"Parse error: not valid JSON at byte 8: invalid "
                                "token\"}}");
    auto_json json_t *a = parsed(tell("{\"id\":\"x\\\"y\",\"method\":\"ping\"}"));
    CHECK_STR(text_at(a, "id"), "x\"y");
    auto_json json_t *b = parsed(tell(REQ("7", "no/such", "")));
    CHECK(json_integer_value(at(b, "id")) == 7);
    CHECK_STR(text_at(b, "error.message"), "Method not found: no/such");
    finish();
}

TEST(what_is_refused_as_json_is_answered_by_its_id_all_the_same)
{
    static const char *const rows[][2] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\",\"params\":{\"x\":\"\\ud800\"}}", "7"},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"ping\",\"params\":{\"x\":1e400}}",
         "\"a\""},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"method\":\"ping\",\"id\":-1}", "-1"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{" MODERN
         ",\"a\":1,\"a\":1}}",
         "1"},
        /* which one it is, or what, is not clear */
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}", "null"},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"\\ud800\",\"method\":\"ping\"}", "null"},
        {"{\"jsonrpc\":\"2.0\",\"id\":99999999999999999999,\"method\":\"ping\"}", "null"},
        {"{\"jsonrpc\":\"2.0\",\"id\":[1,1e400],\"method\":\"ping\"}", "null"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\",\"x\":1e400}", "null"},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"", "null"},
        {"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"x\":1e400}]", "null"},
    };
    start();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        auto_json json_t *v = parsed(tell(rows[i][0]));
        auto_free char *id = json_dumps(at(v, "id"), JSON_ENCODE_ANY);
        CHECK_STR(id, rows[i][1]);
        CHECK(json_integer_value(at(v, "error.code")) == -32700);
        CHECK(last_outcome == EXCHANGE_BAD_REQUEST);
    }
    finish();
}

TEST(a_foreign_method_name_cannot_break_the_answer)
{
    start();
    char message[400];
    char name[200] = "x"; /* so that any cut at an even length is inside a character */
    for (int i = 0; i < 80; i++)
        strcat(name, "\xc3\xa9");
    snprintf(message, sizeof(message), REQ("1", "%s", ""), name);
    CHECK(code_of(tell(message)) == -32601);
    finish();
}

/* ---- eras ---- */

TEST(each_era_has_its_own_methods)
{
    static const struct row rows[] = {
        {REQ("1", "initialize", "\"protocolVersion\":\"2025-06-18\",\"capabilities\":{}"), 0},
        {REQ("1", "ping", ""), 0},
        {REQ("1", "tools/list", ""), 0},
        {REQ("1", "logging/setLevel", "\"level\":\"info\""), -32601},
        {REQ("1", "resources/list", ""), 0},
        {REQ("1", "resources/subscribe", "\"uri\":\"sandbox://x\""), -32601},
        {REQ("1", "prompts/list", ""), 0},
        {REQ("1", "server/discover", MODERN), 0},
        {REQ("1", "tools/list", MODERN), 0},
        {REQ("1", "ping", MODERN), -32601},
        {REQ("1", "initialize", "\"protocolVersion\":\"2025-06-18\"," MODERN), -32601},
        {REQ("1", "logging/setLevel", "\"level\":\"info\"," MODERN), -32601},
        {REQ("1", "subscriptions/listen", MODERN), -32601},
        {REQ("1", "resources/list", MODERN), 0},
        {REQ("1", "prompts/list", MODERN), 0},
        {REQ("1", "resources/subscribe", "\"uri\":\"sandbox://x\"," MODERN), -32601},
        {REQ("1", "notifications/cancelled", "\"requestId\":1"), -32601},
    };
    start();
    check_rows(rows, ARRAY_LEN(rows));
    finish();
}

TEST(the_modern_envelope_is_checked)
{
#define META(fields) REQ("1", "tools/list", "\"_meta\":{" fields "}")
#define V            "\"io.modelcontextprotocol/protocolVersion\":"
#define C            "\"io.modelcontextprotocol/clientCapabilities\":"
#define I            "\"io.modelcontextprotocol/clientInfo\":"
#define L            "\"io.modelcontextprotocol/logLevel\":"
    static const struct row rows[] = {
        {META(V "\"2026-07-28\"," C "{}"), 0},
        {META(V "\"2026-07-28\"," C "{\"roots\":{}}," I "{\"name\":\"a\",\"version\":\"1\"}"), 0},
        {META(V "\"2026-07-28\"," C "{}," L "\"debug\",\"progressToken\":1,\"x/y\":null"), 0},
        {META(V "\"2026-07-28\""), -32602},
        {META(C "{}"), -32602},
        {META(I "{\"name\":\"a\",\"version\":\"1\"}"), -32602},
        {META(V "20260728," C "{}"), -32602},
        {META(V "null," C "{}"), -32602},
        {META(V "\"2026-07-28\"," C "[]"), -32602},
        {META(V "\"2026-07-28\"," C "null"), -32602},
        {META(V "\"2026-07-28\"," C "{}," I "\"me\""), -32602},
        {META(V "\"2026-07-28\"," C "{}," L "\"loud\""), -32602},
        {META(V "\"2026-07-28\"," C "{}," L "3"), -32602},
        {META(V "\"2027-01-01\"," C "{}"), -32022},
        {META(V "\"2025-11-25\"," C "{}"), -32022},
        {META(V "\"\"," C "{}"), -32022},
        /* without protocol fields it is legacy */
        {META(""), 0},
        {META("\"progressToken\":1"), 0},
        {META("\"io.modelcontextprotocol/related-task\":{}"), 0},
        {REQ("1", "tools/list", "\"_meta\":null"), 0},
        {REQ("1", "tools/list", "\"_meta\":5"), -32602},
        {REQ("1", "ping", "\"_meta\":\"x\""), -32602},
        {REQ("1", "tools/call", "\"name\":\"get_sandbox_info\",\"_meta\":[]"), -32602},
        {REQ("1", "server/discover", ""), -32602},
    };
    start();
    check_rows(rows, ARRAY_LEN(rows));
    finish();
}

TEST(an_unsupported_version_is_told_what_is_supported)
{
    start();
    CHECK_STR(tell(META(V "\"2030-01-01\"," C "{}")),
              "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32022,\"message\":\"Unsupported "
              "protocol version\",\"data\":{\"supported\":[\"2026-07-28\"],\"requested\":"
              "\"2030-01-01\"}}}");
    finish();
}

TEST(headers_decide_where_the_transport_has_them)
{
    static const struct {
        struct message_head head;
        const char *message;
        int code;
    } rows[] = {
        {{"2026-07-28", "tools/list", NULL, true, NULL}, REQ("1", "tools/list", MODERN), 0},
        {{"2025-11-25", "tools/list", NULL, true, NULL}, REQ("1", "tools/list", MODERN), -32020},
        {{NULL, "tools/list", NULL, true, NULL}, REQ("1", "tools/list", MODERN), -32020},
        {{"2026-07-28", NULL, NULL, true, NULL}, REQ("1", "tools/list", MODERN), -32020},
        {{"2026-07-28", "TOOLS/LIST", NULL, true, NULL}, REQ("1", "tools/list", MODERN), -32020},
        {{"2026-07-28", "tools/call", "nothing", true, NULL},
         REQ("1", "tools/call", "\"name\":\"nothing\"," MODERN),
         -32602},
        {{"2026-07-28", "tools/call", "other", true, NULL},
         REQ("1", "tools/call", "\"name\":\"nothing\"," MODERN),
         -32020},
        {{"2026-07-28", "tools/list", NULL, true, NULL}, REQ("1", "tools/list", ""), -32602},
        {{"2026-07-28", NULL, NULL, true, NULL}, REQ("1", "initialize", ""), -32020},
        {{"2030-01-01", NULL, NULL, true, NULL}, REQ("1", "tools/list", ""), -32600},
        {{"2025-06-18", NULL, NULL, true, NULL}, REQ("1", "tools/list", ""), 0},
        {{NULL, NULL, NULL, true, NULL}, REQ("1", "tools/list", ""), 0},
        {{"2025-06-18", NULL, NULL, true, NULL}, REQ("1", "server/discover", ""), -32601},
        {{"2030-01-01", "tools/list", NULL, true, NULL},
         REQ("1", "tools/list", "\"_meta\":{" V "\"2030-01-01\"," C "{}}"),
         -32022},
    };
    start();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        tell_n(&rows[i].head, rows[i].message, strlen(rows[i].message));
        int code = code_of(sent[sent_len - 1]);
        if (code != rows[i].code)
            printf("# row %zu: %d\n", i, code), tap_failed_checks++;
    }
    CHECK(last_outcome == EXCHANGE_BAD_REQUEST);
    finish();
}

TEST(initialize_agrees_on_a_version)
{
    static const char *const rows[][2] = {{"2024-11-05", "2024-11-05"},
                                          {"2025-03-26", "2025-03-26"},
                                          {"2025-06-18", "2025-06-18"},
                                          {"2025-11-25", "2025-11-25"},
                                          {"2026-07-28", "2025-11-25"},
                                          {"1.0", "2025-11-25"},
                                          {"", "2025-11-25"}};
    start();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char message[300];
        snprintf(message, sizeof(message),
                 REQ("1", "initialize",
                     "\"protocolVersion\":\"%s\",\"capabilities\":{},"
                     "\"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}"),
                 rows[i][0]);
        auto_json json_t *v = parsed(tell(message));
        CHECK_STR(text_at(v, "result.protocolVersion"), rows[i][1]);
        CHECK_STR(text_at(v, "result.serverInfo.name"), "vivarium");
        CHECK_STR(text_at(v, "result.serverInfo.version"), VIVARIUM_VERSION);
        CHECK(json_string_length(at(v, "result.instructions")) > 50);
        CHECK(json_object_size(at(v, "result.capabilities")) == 4);
        static const char *const offered[] = {"tools", "resources", "prompts", "completions"};
        for (size_t j = 0; j < ARRAY_LEN(offered); j++) {
            json_t *capability = json_object_get(at(v, "result.capabilities"), offered[j]);
            CHECK(json_is_object(capability));
            CHECK(json_object_size(capability) == (strcmp(offered[j], "completions") ? 1 : 0));
            CHECK(j == 3 || json_is_false(json_object_get(capability, "listChanged")));
        }
        CHECK(!at(v, "result.resultType"));
    }
    CHECK(code_of(tell(REQ("1", "initialize", ""))) == -32602);
    CHECK(code_of(tell(REQ("1", "initialize", "\"protocolVersion\":5"))) == -32602);
    finish();
}

TEST(modern_results_carry_what_the_era_wants)
{
    start();
    auto_json json_t *v = parsed(tell(REQ("\"d\"", "server/discover", MODERN)));
    CHECK_STR(text_at(v, "id"), "d");
    CHECK_STR(text_at(v, "result.resultType"), "complete");
    CHECK_STR(text_at(v, "result.supportedVersions.0"), "2026-07-28");
    CHECK(json_array_size(at(v, "result.supportedVersions")) == 1);
    CHECK_STR(text_at(v, "result.cacheScope"), "public");
    CHECK(json_integer_value(at(v, "result.ttlMs")) > 0);
    json_t *meta = at(v, "result._meta");
    json_t *info = json_object_get(meta, "io.modelcontextprotocol/serverInfo");
    CHECK_STR(text_at(info, "name"), "vivarium");
    auto_json json_t *list = parsed(tell(REQ("1", "tools/list", MODERN)));
    CHECK_STR(text_at(list, "result.resultType"), "complete");
    CHECK_STR(text_at(list, "result.cacheScope"), "public");
    CHECK(json_integer_value(at(list, "result.ttlMs")) > 0);
    CHECK(json_array_size(at(list, "result.tools")) == 3);
    auto_json json_t *old = parsed(tell(REQ("1", "tools/list", "")));
    CHECK(json_equal(at(old, "result.tools"), at(list, "result.tools")));
    CHECK(json_object_size(at(old, "result")) == 1);
    finish();
}

TEST(a_cursor_that_was_never_given_out_is_refused)
{
    start();
    CHECK(code_of(tell(REQ("1", "tools/list", "\"cursor\":\"abc\""))) == -32602);
    CHECK(code_of(tell(REQ("1", "tools/list", "\"cursor\":5," MODERN))) == -32602);
    finish();
}

/* ---- calls ---- */

TEST(a_call_is_answered_when_it_is_done)
{
    start();
    struct msg_result worker;
    struct exec_result r = fake_result(&worker);
    CHECK_STR(tell(RUN("1")), "");
    REQUIRE(fake.first);
    CHECK_STR(fake.first->code, "2+2");
    CHECK_STR(fake.first->req.client, "stdio");
    CHECK(!fake.first->req.live_output);
    fake_end(fake.first, &r);
    CHECK(sent_len == 1 && ends == 1);
    CHECK_STR(
        sent[0],
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"{"
        "\\\"success\\\":true,\\\"execution_id\\\":\\\"0190a5f0-0000-7000-8000-000000000000\\\","
        "\\\"stdout\\\":\\\"hello\\\\n\\\",\\\"stderr\\\":\\\"\\\",\\\"execution_time\\\":0.0015,"
        "\\\"variables\\\":[],\\\"result\\\":4,\\\"result_type\\\":\\\"int\\\",\\\"truncated\\\":{"
        "\\\"stdout\\\":false,\\\"stderr\\\":false,\\\"result\\\":false},\\\"resource_usage\\\":{"
        "\\\"cpu_time\\\":0.001,\\\"peak_memory\\\":4096},\\\"isolation\\\":\\\"jail\\\","
        "\\\"artifacts\\\":[],\\\"security_events\\\":[]}\"}],\"structuredContent\":{\"success\":"
        "true,\"execution_id\":\"0190a5f0-0000-7000-8000-000000000000\",\"stdout\":\"hello\\n\","
        "\"stderr\":\"\",\"execution_time\":0.0015,\"variables\":[],\"result\":4,\"result_type\":"
        "\"int\",\"truncated\":{\"stdout\":false,\"stderr\":false,\"result\":false},"
        "\"resource_usage\":{\"cpu_time\":0.001,\"peak_memory\":4096},\"isolation\":\"jail\","
        "\"artifacts\":[],\"security_events\":[]},\"isError\":false}}");
    finish();
}

TEST(a_call_may_be_answered_at_once)
{
    start();
    struct msg_result worker;
    struct exec_result r = fake_result(&worker);
    r.category = CATEGORY_OVERLOADED;
    r.worker = NULL;
    r.error = "Too many executions are waiting";
    r.error_type = "Overloaded";
    fake.at_once = &r;
    auto_json json_t *v = parsed(tell(RUN("1")));
    CHECK(json_is_true(at(v, "result.isError")));
    CHECK_STR(text_at(v, "result.structuredContent.error_category"), "overloaded");
    fake.at_once = NULL;
    finish();
}

TEST(requests_are_served_side_by_side)
{
    start();
    struct msg_result worker;
    struct exec_result r = fake_result(&worker);
    CHECK_STR(tell(RUN("1")), "");
    CHECK_STR(tell(RUN("\"1\"")), "");
    CHECK(code_of(tell(REQ("2", "ping", ""))) == 0);
    CHECK(code_of(tell(REQ("3", "tools/list", MODERN))) == 0);
    forget();
    fake_end(fake.first->next, &r);
    fake_end(fake.first, &r);
    CHECK(sent_len == 2);
    auto_json json_t *first = parsed(sent[0]);
    auto_json json_t *second = parsed(sent[1]);
    CHECK_STR(text_at(first, "id"), "1");
    CHECK(json_integer_value(at(second, "id")) == 1);
    finish();
}

TEST(an_id_that_is_under_way_is_refused)
{
    start();
    CHECK_STR(tell(RUN("1")), "");
    CHECK(code_of(tell(RUN("1"))) == -32600);
    CHECK(code_of(tell(REQ("1", "ping", ""))) == -32600);
    CHECK(fake.submitted == 1);
    struct msg_result worker;
    struct exec_result r = fake_result(&worker);
    fake_end(fake.first, &r);
    CHECK_STR(tell(RUN("1")), "");
    finish();
}

TEST(a_cancelled_request_is_stopped_and_gets_no_response)
{
    start();
    CHECK_STR(tell(RUN("1")), "");
    CHECK_STR(tell(RUN("\"1\"")), "");
    CHECK_STR(tell("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
                   "\"requestId\":1,\"reason\":\"enough\"}}"),
              "");
    CHECK(fake.first->cancelled && !fake.first->next->cancelled);
    CHECK(ends == 1 + 1); /* the notification, and the request without an answer */
    CHECK(fake_settle() == 1);
    CHECK(sent_len == 0);
    CHECK_STR(tell(RUN("1")), ""); /* the id is free again */
    finish();
}

TEST(a_cancellation_that_makes_no_sense_is_ignored)
{
    static const char *const params[] = {"\"requestId\":9",   "\"requestId\":null",
                                         "\"requestId\":{}",  "\"requestId\":\"1\"",
                                         "\"requestId\":1.5", ""};
    start();
    CHECK_STR(tell(RUN("1")), "");
    for (size_t i = 0; i < ARRAY_LEN(params); i++) {
        char message[200];
        snprintf(message, sizeof(message),
                 "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{%s}}",
                 params[i]);
        CHECK_STR(tell(message), "");
    }
    CHECK_STR(tell("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\"}"), "");
    CHECK(!fake.first->cancelled);
    finish();
}

TEST(at_the_end_of_a_session_what_runs_is_stopped_and_answered)
{
    start();
    CHECK_STR(tell(RUN("1")), "");
    CHECK_STR(tell(RUN("2")), "");
    mcp_exchange_handler.on_stop(client);
    mcp_exchange_handler.on_stop(client);
    CHECK(fake_settle() == 2);
    CHECK(sent_len == 2);
    auto_json json_t *v = parsed(sent[0]);
    CHECK_STR(text_at(v, "result.structuredContent.error_category"), "cancelled");
    finish();
}

TEST(a_client_may_go_away_while_its_calls_run)
{
    start();
    CHECK_STR(tell(RUN("1")), "");
    mcp_client_free(client);
    client = NULL;
    CHECK(ends == 1 && nothings == 1);
    CHECK(fake_settle() == 1);
    CHECK(sent_len == 0);
    finish();
}

TEST(malformed_calls_are_refused)
{
    static const struct row rows[] = {
        {REQ("1", "tools/call", ""), -32602},
        {REQ("1", "tools/call", "\"name\":5"), -32602},
        {REQ("1", "tools/call", "\"name\":null,\"arguments\":{}"), -32602},
        {REQ("1", "tools/call", "\"name\":\"no_such_tool\",\"arguments\":{}"), -32602},
        {REQ("1", "tools/call", "\"name\":\"execute_code\\u0000\""), -32602},
        {REQ("1", "tools/call", "\"name\":\"Execute_Code\""), -32602},
        {REQ("1", "tools/call", "\"name\":\"no_such_tool\"," MODERN), -32602},
        {REQ("1", "tools/call", "\"name\":\"get_sandbox_info\",\"_meta\":{\"progressToken\":1.5}"),
         -32602},
        {REQ("1", "tools/call", "\"name\":\"get_sandbox_info\",\"_meta\":{\"progressToken\":{}}"),
         -32602},
        {REQ("1", "tools/call", "\"name\":\"get_sandbox_info\",\"_meta\":{\"progressToken\":0}"),
         0},
        {REQ("1", "tools/call", "\"name\":\"get_sandbox_info\""), 0},
        {REQ("1", "tools/call", "\"name\":\"get_sandbox_info\",\"arguments\":null"), 0},
        {REQ("1", "tools/call", "\"name\":\"get_sandbox_info\"," MODERN), 0},
    };
    start();
    check_rows(rows, ARRAY_LEN(rows));
    CHECK(fake.submitted == 0);
    finish();
}

/* ---- progress ---- */

#define RUN_LIVE                                                                                   \
    REQ("1", "tools/call",                                                                         \
        "\"name\":\"execute_code\",\"arguments\":{\"code\":\"2+2\"},"                              \
        "\"_meta\":{\"progressToken\":\"tok\"}")

static void output(const char *text)
{
    fake.first->cb->on_output(fake.first->ctx, text, strlen(text));
}

TEST(live_output_travels_as_progress_that_rises_and_ends_before_the_answer)
{
    start();
    CHECK_STR(tell(RUN_LIVE), "");
    CHECK(fake.first->req.live_output);
    output("one\n");
    CHECK(sent_len == 1);
    CHECK_STR(sent[0], "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
                       "\"progressToken\":\"tok\",\"progress\":4,\"message\":\"one\\n\"}}");
    output("two");
    output("-three\n");
    CHECK(sent_len == 1); /* gathered */
    turn(60);
    CHECK(sent_len == 2);
    auto_json json_t *second = parsed(sent[1]);
    CHECK_STR(text_at(second, "params.message"), "two-three\n");
    CHECK(json_integer_value(at(second, "params.progress")) == 14);
    output("four\n");
    output("five\n");
    struct msg_result worker;
    struct exec_result r = fake_result(&worker);
    fake_end(fake.first, &r);
    CHECK(sent_len == 4 || sent_len == 5);
    CHECK(strstr(sent[sent_len - 2], "five\\n"));
    CHECK(strstr(sent[sent_len - 1], "structuredContent"));
    size_t n = sent_len;
    turn(60);
    CHECK(sent_len == n);
    finish();
}

TEST(progress_waits_for_a_client_that_does_not_read)
{
    start();
    CHECK_STR(tell(RUN_LIVE), "");
    deaf = true;
    output("one ");
    output("two ");
    turn(60);
    CHECK(sent_len == 0);
    deaf = false;
    turn(60);
    CHECK(sent_len == 1);
    CHECK(strstr(sent[0], "\"progress\":8,\"message\":\"one two \""));
    finish();
}

TEST(a_cancelled_call_makes_no_more_progress)
{
    start();
    CHECK_STR(tell(RUN_LIVE), "");
    output("one");
    output("two");
    tell("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
         "cancelled\",\"params\":{\"requestId\":1}}");
    output("three");
    turn(60);
    CHECK(sent_len == 1);
    fake_settle();
    CHECK(sent_len == 1);
    finish();
}

TEST(without_a_token_or_without_output_nothing_is_live)
{
    start();
    tell(RUN("1"));
    CHECK(!fake.first->req.live_output);
    tell(REQ("2", "tools/call",
             "\"name\":\"execute_code\",\"arguments\":{\"code\":\"1\",\"capture_output\":false},"
             "\"_meta\":{\"progressToken\":1}"));
    CHECK(!fake.first->next->req.live_output);
    finish();
}

/* ---- batches ---- */

#define INIT_2025_03_26                                                                            \
    REQ("0", "initialize", "\"protocolVersion\":\"2025-03-26\",\"capabilities\":{}")

TEST(a_batch_is_answered_by_one_array_when_all_is_done)
{
    start();
    tell(INIT_2025_03_26);
    forget();
    CHECK_STR(tell("[" REQ("1", "ping", "") "," RUN(
                  "2") ","
                       "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"},5]"),
              "");
    CHECK(ends == 0);
    struct msg_result worker;
    struct exec_result r = fake_result(&worker);
    fake_end(fake.first, &r);
    CHECK(ends == 1 && sent_len == 1);
    auto_json json_t *v = parsed(sent[0]);
    CHECK(json_array_size(v) == 3);
    CHECK(json_integer_value(at(v, "0.id")) == 1);
    CHECK(json_integer_value(at(v, "1.error.code")) == -32600);
    CHECK(json_integer_value(at(v, "2.id")) == 2);
    finish();
}

TEST(answers_of_a_batch_that_are_too_long_together_are_dropped_and_that_is_said)
{
    start();
    tell(INIT_2025_03_26);
    forget();
    auto_buf struct buf batch = BUF_INIT(0);
    for (int i = 0; i < 40; i++)
        CHECK(buf_addf(&batch, NULL,
                       "%s{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"tools/call\",\"params\":{"
                       "\"name\":\"execute_code\",\"arguments\":{\"code\":\"1\"}}}",
                       i ? "," : "[", i) == 0);
    CHECK(buf_add(&batch, "]", 2, NULL) == 0);
    tell((const char *)batch.data);
    size_t n = 1 << 20;
    char *flood = malloc(n);
    memset(flood, 'x', n);
    struct msg_result worker;
    struct exec_result r = fake_result(&worker);
    r.out[0] = flood;
    r.out_len[0] = n;
    while (fake.first)
        fake_end(fake.first, &r);
    free(flood);
    CHECK(ends == 1 && sent_len == 1);
    CHECK(strlen(sent[0]) < ((size_t)64 << 20) + 1000);
    auto_json json_t *v = parsed(sent[0]);
    size_t len = json_array_size(v);
    CHECK(len > 20 && len < 41); /* each answer holds its output twice */
    json_t *last = json_array_get(v, len - 1);
    CHECK(json_is_null(json_object_get(last, "id")));
    CHECK(json_integer_value(at(last, "error.code")) == -32603);
    finish();
}

TEST(a_batch_of_notifications_gets_no_answer)
{
    start();
    tell(INIT_2025_03_26);
    forget();
    CHECK_STR(tell("[{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}]"), "");
    CHECK(ends == 1 && nothings == 1);
    finish();
}

TEST(a_cancelled_member_leaves_its_batch)
{
    start();
    tell(INIT_2025_03_26);
    forget();
    CHECK_STR(tell("[" RUN("2") "," REQ("1", "ping", "") "]"), "");
    const char *answer = tell("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
                              "cancelled\",\"params\":{\"requestId\":2}}");
    auto_json json_t *v = parsed(answer);
    CHECK(json_array_size(v) == 1);
    CHECK(fake_settle() == 1);
    CHECK(sent_len == 1);
    finish();
}

TEST(batches_belong_to_one_version_only)
{
    start();
    CHECK(code_of(tell("[" REQ("1", "ping", "") "]")) == -32600);
    tell(REQ("0", "initialize", "\"protocolVersion\":\"2025-06-18\",\"capabilities\":{}"));
    CHECK(code_of(tell("[" REQ("1", "ping", "") "]")) == -32600);
    tell(INIT_2025_03_26);
    CHECK(code_of(tell("[]")) == -32600);
    CHECK(code_of(tell("[" INIT_2025_03_26 "]")) == -32600);
    CHECK(code_of(tell("[" REQ("1", "tools/list", MODERN) "]")) == -32600);
    char many[8192] = "[5";
    for (int i = 0; i < 100; i++)
        strcat(many, ",5");
    CHECK(code_of(tell(strcat(many, "]"))) == -32600);
    finish();
}

TEST(an_oversize_message_is_answered)
{
    start();
    mcp_exchange_handler.on_oversize(client, &exchange, 4194304);
    CHECK(sent_len == 1 && code_of(sent[0]) == -32600);
    CHECK(last_outcome == EXCHANGE_TOO_LARGE);
    CHECK(strstr(sent[0], "4194304"));
    finish();
}

int main(void)
{
    return tap_main();
}
