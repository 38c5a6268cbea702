/* The tools: arguments good and bad, the shape of every result, hostile results, descriptions. */
#include "mcp_harness.h"
#include "tools/results.h"

static json_t *call(const char *tool, const char *arguments)
{
    char *message = NULL;
    REQUIRE(asprintf(&message,
                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
                     "\"%s\",\"arguments\":%s}}",
                     tool, arguments) > 0);
    const char *answer = tell(message);
    free(message);
    return *answer ? parsed(answer) : NULL;
}

/* The text block must say the same as the structured content. */
static void check_both_say_the_same(json_t *v)
{
    auto_json json_t *text = parsed(text_at(v, "result.content.0.text"));
    CHECK(json_equal(text, at(v, "result.structuredContent")));
    CHECK_STR(text_at(v, "result.content.0.type"), "text");
}

static void check_refused(const char *tool, const char *arguments, const char *error)
{
    size_t submitted = fake.submitted;
    auto_json json_t *v = call(tool, arguments);
    if (!v) {
        printf("# accepted: %.200s\n", arguments);
        tap_failed_checks++;
        struct msg_result worker;
        struct exec_result r = fake_result(&worker);
        fake_end(fake.first, &r);
        return;
    }
    CHECK(json_is_true(at(v, "result.isError")));
    CHECK(json_is_false(at(v, "result.structuredContent.success")));
    CHECK_STR(text_at(v, "result.structuredContent.error_category"), "invalid_request");
    CHECK_STR(text_at(v, "result.structuredContent.error"), error);
    check_both_say_the_same(v);
    CHECK(fake.submitted == submitted);
}

static const struct exec_request *accepted(const char *arguments)
{
    auto_json json_t *v = call("execute_code", arguments);
    if (v)
        printf("# refused: %s: %s\n", arguments, text_at(v, "result.structuredContent.error"));
    REQUIRE(!v && fake.first);
    static struct exec_request req;
    static struct strv imports;
    struct msg_result worker;
    struct exec_result r = fake_result(&worker);
    req = fake.first->req;
    strv_done(&imports);
    CHECK(strv_copy(&imports, &fake.first->imports, NULL) == 0);
    req.imports = &imports;
    fake_end(fake.first, &r);
    return &req;
}

/* ---- arguments ---- */

TEST(what_is_not_given_takes_its_default)
{
    start();
    const struct exec_request *req = accepted("{\"code\":\"1\"}");
    CHECK(req->mode == RUN_EXECUTE);
    CHECK(req->timeout_ns == 30000000000u && req->mem_bytes == 128u << 20);
    CHECK(req->capture_output && !req->narrowed && !req->use_container && !req->live_output);
    CHECK(req->imports->len == 0);
    finish();
}

TEST(good_arguments_reach_the_engine)
{
    start();
    CHECK(accepted("{\"code\":\"1\",\"timeout\":0.25}")->timeout_ns == 250000000u);
    CHECK(accepted("{\"code\":\"1\",\"timeout\":300}")->timeout_ns == 300000000000u);
    CHECK(accepted("{\"code\":\"1\",\"timeout\":0.001}")->timeout_ns == 1000000);
    CHECK(accepted("{\"code\":\"1\",\"memory_limit\":\"1g\"}")->mem_bytes == 1u << 30);
    CHECK(accepted("{\"code\":\"1\",\"memory_limit\":\"65536k\"}")->mem_bytes == 64u << 20);
    CHECK(accepted("{\"code\":\"1\",\"memory_limit\":\"10000000\"}")->mem_bytes == 10000000);
    CHECK(!accepted("{\"code\":\"1\",\"capture_output\":false}")->capture_output);
    CHECK(accepted("{\"code\":\"1\",\"use_container\":true}")->use_container);
    CHECK(accepted("{\"code\":\"print('\\u0000\\ud83d\\ude00')\"}")->code_len == 14);
    CHECK(accepted("{\"code\":\"\\n# only a comment\"}")->code_len == 17);
    finish();
}

TEST(allowed_imports_narrow)
{
    start();
    const struct exec_request *req =
        accepted("{\"code\":\"1\",\"allowed_imports\":[\"math\",\"json.decoder\",\"math\"]}");
    CHECK(req->narrowed && req->imports->len == 2);
    CHECK_STR(req->imports->items[1], "json.decoder");
    req = accepted("{\"code\":\"1\",\"allowed_imports\":[]}");
    CHECK(req->narrowed && req->imports->len == 0);
    finish();
}

TEST(a_package_that_is_only_a_path_does_not_widen)
{
    start();
    const struct exec_request *req = accepted("{\"code\":\"1\",\"allowed_imports\":[\"xml\"]}");
    CHECK(req->narrowed && req->imports->len == 1);
    CHECK_STR(req->imports->items[0], "xml.etree.ElementTree");
    req = accepted("{\"code\":\"1\",\"allowed_imports\":[\"urllib\"]}");
    CHECK(req->imports->len == 1);
    CHECK_STR(req->imports->items[0], "urllib.parse");
    finish();
}

#define ALL_ARGUMENTS                                                                              \
    "Allowed arguments: code, timeout, capture_output, allowed_imports, use_container, "           \
    "memory_limit, files."
#define TIMEOUT_RULE "it must be at least 0.001 and at most 300 seconds (SANDBOX_MAX_TIMEOUT)."
#define SIZE_RULE    "which is not a size: use 128m, 1g, 65536k or a number of bytes."
#define MEMORY_RULE  "it must be at least 1m and at most 2g (SANDBOX_MAX_MEMORY_LIMIT)."

TEST(bad_arguments_are_refused_with_what_is_allowed)
{
    static const char *const rows[][2] = {
        {"{}", "Argument 'code' is required: the Python program, as a string."},
        {"null", "Argument 'code' is required: the Python program, as a string."},
        {"[]", "The arguments must be an object, not an array."},
        {"\"1\"", "The arguments must be an object, not a string."},
        {"5", "The arguments must be an object, not a number."},
        {"{\"code\":5}",
         "Argument 'code' must be a string that holds the Python program, not a number."},
        {"{\"code\":null}",
         "Argument 'code' must be a string that holds the Python program, not null."},
        {"{\"code\":[\"1\"]}",
         "Argument 'code' must be a string that holds the Python program, not an array."},
        {"{\"code\":\"\"}", "Argument 'code' is blank: it must hold a Python program."},
        {"{\"code\":\" \\n\\t\\r\\f\"}",
         "Argument 'code' is blank: it must hold a Python program."},
        {"{\"code\":\"1\",\"time_out\":5}",
         "Unknown argument 'time_out': did you mean 'timeout'? " ALL_ARGUMENTS},
        {"{\"code\":\"1\",\"x\":5}", "Unknown argument 'x'. " ALL_ARGUMENTS},
        {"{\"code\":\"1\",\"\":5}", "Unknown argument ''. " ALL_ARGUMENTS},
        {"{\"cod\":\"1\"}", "Unknown argument 'cod': did you mean 'code'? " ALL_ARGUMENTS},
        {"{\"code\":\"1\",\"timeout\":\"5\"}",
         "Argument 'timeout' must be a number of seconds, not a string."},
        {"{\"code\":\"1\",\"timeout\":true}",
         "Argument 'timeout' must be a number of seconds, not true or false."},
        {"{\"code\":\"1\",\"timeout\":null}",
         "Argument 'timeout' must be a number of seconds, not null."},
        {"{\"code\":\"1\",\"timeout\":0}", "Argument 'timeout' is 0; " TIMEOUT_RULE},
        {"{\"code\":\"1\",\"timeout\":1e-300}", "Argument 'timeout' is 1e-300; " TIMEOUT_RULE},
        {"{\"code\":\"1\",\"timeout\":0.0009}", "Argument 'timeout' is 0.0009; " TIMEOUT_RULE},
        {"{\"code\":\"1\",\"timeout\":-1.5}", "Argument 'timeout' is -1.5; " TIMEOUT_RULE},
        {"{\"code\":\"1\",\"timeout\":300.001}", "Argument 'timeout' is 300.001; " TIMEOUT_RULE},
        {"{\"code\":\"1\",\"timeout\":1e300}", "Argument 'timeout' is 1e+300; " TIMEOUT_RULE},
        {"{\"code\":\"1\",\"timeout\":9223372036854775807}",
         "Argument 'timeout' is 9.22337203685478e+18; " TIMEOUT_RULE},
        {"{\"code\":\"1\",\"capture_output\":\"yes\"}",
         "Argument 'capture_output' must be true or false, not a string."},
        {"{\"code\":\"1\",\"capture_output\":1}",
         "Argument 'capture_output' must be true or false, not a number."},
        {"{\"code\":\"1\",\"use_container\":null}",
         "Argument 'use_container' must be true or false, not null."},
        {"{\"code\":\"1\",\"memory_limit\":128}", "Argument 'memory_limit' must be a string such "
                                                  "as \"128m\", \"1g\", \"65536k\" or bytes, not "
                                                  "a number."},
        {"{\"code\":\"1\",\"memory_limit\":\"\"}", "Argument 'memory_limit' is '', " SIZE_RULE},
        {"{\"code\":\"1\",\"memory_limit\":\"lots\"}",
         "Argument 'memory_limit' is 'lots', " SIZE_RULE},
        {"{\"code\":\"1\",\"memory_limit\":\"-1m\"}",
         "Argument 'memory_limit' is '-1m', " SIZE_RULE},
        {"{\"code\":\"1\",\"memory_limit\":\"1.5g\"}",
         "Argument 'memory_limit' is '1.5g', " SIZE_RULE},
        {"{\"code\":\"1\",\"memory_limit\":\"128m\\u0000\"}",
         "Argument 'memory_limit' is '128m?', " SIZE_RULE},
        {"{\"code\":\"1\",\"memory_limit\":\"99999999999999999999g\"}",
         "Argument 'memory_limit' is '99999999999999999999g', " SIZE_RULE},
        {"{\"code\":\"1\",\"memory_limit\":\"0\"}", "Argument 'memory_limit' is '0'; " MEMORY_RULE},
        {"{\"code\":\"1\",\"memory_limit\":\"3g\"}",
         "Argument 'memory_limit' is '3g'; " MEMORY_RULE},
        {"{\"code\":\"1\",\"allowed_imports\":\"math\"}",
         "Argument 'allowed_imports' must be an array of module names, not a string."},
        {"{\"code\":\"1\",\"allowed_imports\":[5]}",
         "Argument 'allowed_imports' must hold module names (strings), not a number."},
        {"{\"code\":\"1\",\"allowed_imports\":[\"\"]}",
         "Argument 'allowed_imports' holds a name that is empty or has a NUL in it."},
        {"{\"code\":\"1\",\"allowed_imports\":[\"math\",\"numpy\"]}",
         "Argument 'allowed_imports' names 'numpy', which this server does not permit: it belongs "
         "to "
         "the data_science profile, which SANDBOX_ENABLE_DATA_SCIENCE=true enables on the server."},
        {"{\"code\":\"1\",\"allowed_imports\":[\"requests.adapters\"]}",
         "Argument 'allowed_imports' names 'requests.adapters', which this server does not permit: "
         "it "
         "belongs to the network profile, which SANDBOX_ENABLE_NETWORK=true enables on the "
         "server."},
        {"{\"code\":\"1\",\"allowed_imports\":[\"os\"]}",
         "Argument 'allowed_imports' names 'os', which this server does not permit: no profile "
         "offers "
         "it (get_sandbox_info lists the modules; SANDBOX_ALLOWED_IMPORTS sets a list of one's "
         "own)."},
        {"{\"code\":\"1\",\"files\":[]}", "Argument 'files' needs the filesystem profile, which "
                                          "SANDBOX_ENABLE_FILESYSTEM=true enables "
                                          "on the server."},
    };
    start();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_refused("execute_code", rows[i][0], rows[i][1]);
    finish();
}

TEST(validate_code_and_get_sandbox_info_check_their_arguments_too)
{
    start();
    check_refused("validate_code", "{}",
                  "Argument 'code' is required: the Python program, as a string.");
    check_refused("validate_code", "{\"code\":\" \"}",
                  "Argument 'code' is blank: it must hold a Python program.");
    check_refused("validate_code", "{\"code\":\"1\",\"timeout\":1}",
                  "Unknown argument 'timeout'. Allowed arguments: code.");
    check_refused("get_sandbox_info", "{\"verbose\":true}",
                  "Unknown argument 'verbose': this tool takes no arguments.");
    check_refused("get_sandbox_info", "[]", "The arguments must be an object, not an array.");
    finish();
}

TEST(an_overridden_list_of_imports_is_named_as_the_reason)
{
    configure(PROFILE_BASIC);
    strv_done(&conf.modules);
    conf.imports_overridden = true;
    CHECK(strv_add(&conf.modules, "math", NULL) == 0);
    start_configured();
    check_refused(
        "execute_code", "{\"code\":\"1\",\"allowed_imports\":[\"json\"]}",
        "Argument 'allowed_imports' names 'json', which this server does not permit: it is "
        "not in SANDBOX_ALLOWED_IMPORTS, and a call can only narrow that list.");
    finish();
}

TEST(a_callers_own_profiles_narrow_what_it_may_list)
{
    configure(PROFILE_BASIC | PROFILE_NETWORK);
    CHECK(strv_add(&conf.modules, "socket", NULL) == 0);
    start_configured();
    const struct mcp_caller narrow = {.name = "narrow", .profiles = PROFILE_BASIC};
    struct mcp_client *mine = client;
    client = mcp_client_new(server, &narrow, NULL);
    check_refused("execute_code", "{\"code\":\"1\",\"allowed_imports\":[\"urllib.request\"]}",
                  "Argument 'allowed_imports' names 'urllib.request', which the token of this call "
                  "may not use: it would need the profile network (profiles= in the tokens file; "
                  "with OAuth the scope execute:network).");
    check_refused("execute_code", "{\"code\":\"1\",\"allowed_imports\":[\"socket\"]}",
                  "Argument 'allowed_imports' names 'socket', which the token of this call may not "
                  "use: it would need the profile all (profiles= in the tokens file; with OAuth "
                  "the scope execute:all).");
    const struct exec_request *req = accepted("{\"code\":\"1\",\"allowed_imports\":[\"urllib\"]}");
    CHECK(req->profiles == PROFILE_BASIC && req->imports->len == 1); /* its basic part */
    CHECK_STR(req->imports->items[0], "urllib.parse");
    mcp_client_free(client);
    client = mine;
    req = accepted("{\"code\":\"1\",\"allowed_imports\":[\"urllib\",\"socket\"]}");
    CHECK(req->profiles == PROFILE_ALL && req->imports->len == 3);
    finish();
}

TEST(code_may_be_as_long_as_the_limit_and_no_longer)
{
    configure(PROFILE_BASIC);
    conf.max_code_bytes = 10;
    start_configured();
    CHECK(accepted("{\"code\":\"1234567890\"}")->code_len == 10);
    check_refused("execute_code", "{\"code\":\"12345678901\"}",
                  "Argument 'code' is 11 bytes long; at most 10 are allowed "
                  "(SANDBOX_MAX_CODE_SIZE).");
    check_refused("validate_code", "{\"code\":\"\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\"}",
                  "Argument 'code' is 12 bytes long; at most 10 are allowed "
                  "(SANDBOX_MAX_CODE_SIZE).");
    finish();
}

TEST(foreign_names_in_messages_are_cut_between_characters)
{
    char name[400] = "\\u0001\\\"";
    for (int i = 0; i < 60; i++)
        strcat(name, "\xf0\x9f\x98\x80");
    char arguments[600];
    start();
    snprintf(arguments, sizeof(arguments), "{\"code\":\"1\",\"%s\":1}", name);
    auto_json json_t *v = call("execute_code", arguments);
    const char *error = text_at(v, "result.structuredContent.error");
    CHECK(error && strlen(error) < 300 && strstr(error, "...'"));
    snprintf(arguments, sizeof(arguments), "{\"code\":\"1\",\"allowed_imports\":[\"%s\"]}", name);
    auto_json json_t *w = call("execute_code", arguments);
    CHECK(w && text_at(w, "result.structuredContent.error"));
    finish();
}

TEST(too_many_allowed_imports_are_refused)
{
    char *arguments = calloc(1, 20000);
    strcpy(arguments, "{\"code\":\"1\",\"allowed_imports\":[\"math\"");
    for (int i = 0; i < 1000; i++)
        strcat(arguments, ",\"math\"");
    strcat(arguments, "]}");
    start();
    check_refused("execute_code", arguments,
                  "Argument 'allowed_imports' has 1001 names; at most 1000 are allowed.");
    free(arguments);
    finish();
}

/* ---- results ---- */

static json_t *answered(const struct exec_result *r)
{
    fake.at_once = r;
    json_t *v = call("execute_code", "{\"code\":\"1\"}");
    fake.at_once = NULL;
    REQUIRE(v);
    check_both_say_the_same(v);
    return v;
}

TEST(a_failure_has_all_its_fields)
{
    struct violation violations[] = {{.line = 3, .message = (char[]){"Import 'os' is not allowed"}},
                                     {.line = 0, .message = (char[]){"too deep"}}};
    struct msg_event event = {.layer = LAYER_POLICY,
                              .line = 3,
                              .rule = (char[]){"import"},
                              .detail = (char[]){"Import 'os' is not allowed"},
                              .remedy = (char[]){"nothing"}};
    struct msg_result worker;
    struct exec_result r = fake_result(&worker);
    worker.result_json = worker.result_type = NULL;
    worker.traceback = (char[]){"Traceback"};
    worker.violations = violations;
    worker.violations_len = 2;
    r.category = CATEGORY_SECURITY_VIOLATION;
    r.error = "Import 'os' is not allowed";
    r.error_type = "SecurityViolation";
    r.events = &event;
    r.events_len = 1;
    start();
    auto_json json_t *v = answered(&r);
    json_t *o = at(v, "result.structuredContent");
    static const char *const order[] = {"success",          "execution_id",   "stdout",
                                        "stderr",           "execution_time", "variables",
                                        "result",           "result_type",    "truncated",
                                        "resource_usage",   "isolation",      "artifacts",
                                        "security_events",  "error",          "error_type",
                                        "error_category",   "line",           "traceback",
                                        "validation_errors"};
    size_t i = 0;
    const char *key;
    json_t *value;
    json_object_foreach(o, key, value) CHECK_STR(key, i < ARRAY_LEN(order) ? order[i++] : NULL);
    CHECK(i == ARRAY_LEN(order));
    CHECK(json_is_true(at(v, "result.isError")) && json_is_false(at(o, "success")));
    CHECK_STR(text_at(o, "error_category"), "security_violation");
    CHECK(json_integer_value(at(o, "line")) == 3);
    CHECK_STR(text_at(o, "validation_errors.0"), "Line 3: Import 'os' is not allowed");
    CHECK_STR(text_at(o, "validation_errors.1"), "too deep");
    CHECK_STR(text_at(o, "security_events.0.layer"), "policy");
    CHECK(json_is_null(at(o, "result")) && json_is_null(at(o, "result_type")));
    finish();
}

TEST(a_worker_that_died_without_a_word_leaves_a_whole_result)
{
    struct exec_result r = {.category = CATEGORY_MEMORY_LIMIT,
                            .isolation = "landlock",
                            .out = {"a\0b", NULL},
                            .out_len = {3, 0},
                            .out_truncated = {true, false},
                            .error = "Out of memory",
                            .error_type = "MemoryError"};
    start();
    auto_json json_t *v = answered(&r);
    json_t *o = at(v, "result.structuredContent");
    CHECK(json_string_length(at(o, "stdout")) == 3);
    CHECK_STR(text_at(o, "stderr"), "");
    CHECK_STR(text_at(o, "traceback"), "");
    CHECK_STR(text_at(o, "isolation"), "landlock");
    CHECK(json_is_true(at(o, "truncated.stdout")) && json_is_false(at(o, "truncated.result")));
    CHECK(!at(o, "line"));
    CHECK(json_array_size(at(o, "validation_errors")) == 0);
    finish();
}

TEST(a_result_that_is_not_json_is_dropped_and_said_so)
{
    static char hostile[][40] = {
        "4},\"success\":false,\"x\":{\"y\":1", "", "{", "nan", "\"\\ud800\"", "1e999", "[1]\n{}"};
    start();
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        struct msg_result worker;
        struct exec_result r = fake_result(&worker);
        worker.result_json = hostile[i];
        auto_json json_t *v = answered(&r);
        json_t *o = at(v, "result.structuredContent");
        CHECK(json_is_true(at(o, "success")));
        CHECK(json_is_null(at(o, "result")) && json_is_null(at(o, "result_type")));
        CHECK(json_is_true(at(o, "truncated.result")));
        CHECK_STR(text_at(o, "security_events.0.rule"), "result");
    }
    finish();
}

TEST(numbers_of_a_result_keep_their_digits)
{
    struct msg_result worker;
    struct exec_result r = fake_result(&worker);
    worker.result_json = (char[]){"[0.1, 1e-07, 2.0]"};
    start();
    fake.at_once = &r;
    auto_json json_t *v = call("execute_code", "{\"code\":\"1\"}");
    CHECK(strstr(sent[0], "\"result\":[0.1,1e-07,2.0],"));
    fake.at_once = NULL;
    finish();
}

static json_t *verdict_of(const struct msg_verdict *verdict)
{
    struct exec_result r = {.isolation = "jail", .verdict = verdict};
    fake.at_once = &r;
    json_t *v = call("validate_code", "{\"code\":\"1\"}");
    fake.at_once = NULL;
    REQUIRE(v);
    check_both_say_the_same(v);
    return v;
}

TEST(a_verdict_has_the_shape_of_the_documents)
{
    struct violation violation = {.line = 1,
                                  .column = 8,
                                  .rule = (char[]){"import"},
                                  .message = (char[]){"Import 'os' is not allowed"},
                                  .remedy = (char[]){"none"}};
    struct msg_verdict verdict = {.outcome = OUTCOME_REFUSED,
                                  .violations = &violation,
                                  .violations_len = 1,
                                  .line_count = 2,
                                  .cyclomatic_complexity = 1,
                                  .character_count = 31};
    CHECK(strv_add(&verdict.imports, "os", NULL) == 0);
    CHECK(strv_add(&verdict.recommendations, "Some operations", NULL) == 0);
    start();
    auto_json json_t *v = verdict_of(&verdict);
    CHECK(json_is_false(at(v, "result.isError")));
    CHECK(strstr(
        sent[0],
        "\"structuredContent\":{\"validation\":{\"valid\":false,\"errors\":[\"Line 1: Import "
        "'os' is not allowed\"],\"message\":\"Code contains restricted operations\","
        "\"violations\":[{\"line\":1,\"column\":8,\"rule\":\"import\",\"message\":\"Import "
        "'os' is not allowed\",\"remedy\":\"none\"}]},\"analysis\":{\"line_count\":2,"
        "\"character_count\":31,\"estimated_complexity\":\"low\",\"cyclomatic_complexity\":1,"
        "\"functions\":0,\"classes\":0,\"imports\":[\"os\"]},\"recommendations\":[\"Some "
        "operations\"]}"));
    verdict.outcome = OUTCOME_OK;
    verdict.violations_len = 0;
    verdict.cyclomatic_complexity = 11;
    auto_json json_t *ok = verdict_of(&verdict);
    CHECK(json_is_true(at(ok, "result.structuredContent.validation.valid")));
    CHECK_STR(text_at(ok, "result.structuredContent.validation.message"), "Code passed validation");
    CHECK_STR(text_at(ok, "result.structuredContent.analysis.estimated_complexity"), "medium");
    verdict.outcome = OUTCOME_SYNTAX_ERROR;
    verdict.cyclomatic_complexity = 21;
    auto_json json_t *bad = verdict_of(&verdict);
    CHECK_STR(text_at(bad, "result.structuredContent.validation.message"), "Syntax error");
    CHECK(json_array_size(at(bad, "result.structuredContent.validation.errors")) == 1);
    CHECK_STR(text_at(bad, "result.structuredContent.analysis.estimated_complexity"), "high");
    strv_done(&verdict.imports);
    strv_done(&verdict.recommendations);
    finish();
}

TEST(a_validation_without_a_verdict_is_an_error)
{
    struct exec_result r = {.category = CATEGORY_OVERLOADED,
                            .isolation = "jail",
                            .error = "Too many",
                            .error_type = "Overloaded"};
    start();
    fake.at_once = &r;
    auto_json json_t *v = call("validate_code", "{\"code\":\"1\"}");
    CHECK(json_is_true(at(v, "result.isError")));
    CHECK_STR(text_at(v, "result.structuredContent.error_category"), "overloaded");
    CHECK_STR(text_at(v, "result.structuredContent.error_type"), "Overloaded");
    CHECK(json_is_false(at(v, "result.structuredContent.validation.valid")));
    fake.at_once = NULL;
    finish();
}

/* ---- get_sandbox_info ---- */

TEST(info_is_given_while_the_proof_is_pending)
{
    start();
    auto_json json_t *v = call("get_sandbox_info", "{}");
    json_t *o = at(v, "result.structuredContent");
    CHECK(json_is_false(at(v, "result.isError")) && json_is_true(at(o, "success")));
    check_both_say_the_same(v);
    CHECK_STR(text_at(o, "isolation.proof"), "pending");
    CHECK(json_is_null(at(o, "isolation.tier")));
    CHECK(json_is_true(at(o, "security_profiles.basic.enabled")));
    CHECK(json_is_false(at(o, "security_profiles.data_science.enabled")));
    CHECK_STR(text_at(o, "security_profiles.network.enabled_by"), "SANDBOX_ENABLE_NETWORK");
    CHECK_STR(text_at(o, "security_profiles.basic.modules.0"), "math");
    CHECK(json_array_size(at(o, "security_profiles.network.permitted")) == 0);
    CHECK(json_is_null(at(o, "security_profiles.basic.installed")));
    CHECK(json_integer_value(at(o, "resource_limits.timeout")) == 30);
    CHECK(json_integer_value(at(o, "resource_limits.max_output_size")) == 1048576);
    CHECK_STR(text_at(o, "resource_limits.memory_limit"), "128m");
    CHECK_STR(text_at(o, "resource_limits.max_memory_limit"), "2g");
    CHECK(json_is_false(at(o, "container_mode.enabled")));
    CHECK(json_array_size(at(o, "server.protocol_versions")) == 5);
    finish();
}

TEST(info_tells_what_was_proven)
{
    struct msg_hello hello = {.isolation = ISOLATION_NAMESPACES,
                              .isolation_note = (char[]){""},
                              .python_version = (char[]){"3.11.2"}};
    struct msg_proof_item items[] = {
        {(char[]){"seccomp"}, (char[]){"socket"}, PROOF_HELD, (char[]){"EPERM"}},
        {(char[]){"landlock"}, (char[]){"open"}, PROOF_ABSENT, (char[]){"no Landlock"}},
        {(char[]){"seccomp"}, (char[]){"mount"}, PROOF_HELD, (char[]){"EPERM"}},
        {(char[]){"limits"}, (char[]){"fork"}, PROOF_HELD, (char[]){""}},
        {(char[]){"limits"}, (char[]){"memory"}, PROOF_BROKEN, (char[]){"it worked"}},
    };
    struct msg_proof proof = {.items = items, .len = ARRAY_LEN(items)};
    struct msg_ready ready = {0};
    CHECK(strv_add(&ready.installed, "math", NULL) == 0);
    CHECK(strv_add(&ready.missing, "zlib", NULL) == 0);
    CHECK(strv_add(&ready.safe_builtins, "abs", NULL) == 0);
    fake.info = (struct engine_info){.proof = PROOF_FAILED,
                                     .failure = "A wall does not hold",
                                     .hello = &hello,
                                     .proof_items = &proof,
                                     .ready = &ready,
                                     .no_cgroup = "not delegated",
                                     .executions = 7};
    start();
    auto_json json_t *v = call("get_sandbox_info", "{}");
    json_t *o = at(v, "result.structuredContent");
    CHECK_STR(text_at(o, "isolation.tier"), "jail");
    CHECK_STR(text_at(o, "isolation.proof"), "failed");
    CHECK_STR(text_at(o, "isolation.failure"), "A wall does not hold");
    CHECK(json_array_size(at(o, "isolation.layers")) == 4);
    CHECK(json_is_true(at(o, "isolation.layers.0.active")));
    CHECK(json_array_size(at(o, "isolation.layers.0.checks")) == 2);
    CHECK(json_is_false(at(o, "isolation.layers.1.active")));
    CHECK_STR(text_at(o, "isolation.layers.1.why_not"), "no Landlock");
    CHECK(json_is_false(at(o, "isolation.layers.2.active")));
    CHECK_STR(text_at(o, "isolation.layers.2.why_not"), "it worked");
    CHECK_STR(text_at(o, "isolation.layers.3.layer"), "cgroup");
    CHECK(json_is_false(at(o, "isolation.layers.3.active")));
    CHECK_STR(text_at(o, "isolation.layers.3.why_not"), "not delegated");
    CHECK_STR(text_at(o, "security_profiles.basic.installed.0"), "math");
    CHECK_STR(text_at(o, "security_profiles.basic.missing.0"), "zlib");
    CHECK_STR(text_at(o, "server.python_version"), "3.11.2");
    CHECK_STR(text_at(o, "safe_builtins.0"), "abs");
    strv_done(&ready.installed);
    strv_done(&ready.missing);
    strv_done(&ready.safe_builtins);
    finish();
}

TEST(info_is_made_anew_when_the_engine_s_state_has_changed_and_only_then)
{
    struct msg_hello hello = {.isolation = ISOLATION_NAMESPACES,
                              .isolation_note = (char[]){""},
                              .python_version = (char[]){"3.11.2"}};
    fake.info = (struct engine_info){.version = 1, .hello = &hello};
    start();
    auto_json json_t *first = call("get_sandbox_info", "{}");
    CHECK_STR(text_at(first, "result.structuredContent.server.python_version"), "3.11.2");
    CHECK(json_integer_value(at(first, "result.structuredContent.server.executions")) == 0);
    hello.python_version = (char[]){"3.12.0"};
    fake.info.executions = 5; /* the load is always of now */
    fake.info.running = 2;
    auto_json json_t *second = call("get_sandbox_info", "{}");
    CHECK_STR(text_at(second, "result.structuredContent.server.python_version"), "3.11.2");
    CHECK(json_integer_value(at(second, "result.structuredContent.server.executions")) == 5);
    CHECK(json_integer_value(at(second, "result.structuredContent.server.running")) == 2);
    fake.info.version = 2;
    auto_json json_t *third = call("get_sandbox_info", "{}");
    CHECK_STR(text_at(third, "result.structuredContent.server.python_version"), "3.12.0");
    finish();
}

TEST(info_says_the_same_as_text_and_as_an_object)
{
    fake.info = (struct engine_info){.failure = "a \"quoted\" reason\n\xe2\x80\xa8", .version = 9};
    start();
    for (int i = 0; i < 2; i++) {
        auto_json json_t *v = call("get_sandbox_info", "{}");
        auto_json json_t *text = parsed(text_at(v, "result.content.0.text"));
        CHECK(json_equal(text, at(v, "result.structuredContent")));
        CHECK(json_is_false(at(v, "result.isError")));
        CHECK(json_array_size(at(v, "result.content")) == 1);
    }
    auto_buf struct buf buf = BUF_INIT(0);
    struct json_out out = json_out_init(&buf);
    const struct tools_env env = {.conf = &conf,
                                  .engine = &fake,
                                  .server_name = mcp_vivarium.name,
                                  .server_version = mcp_vivarium.version,
                                  .protocol_versions = mcp_protocol_versions};
    sandbox_info_write(&env, &out, NULL);
    auto_free char *whole = buf_take_str(&buf);
    auto_json json_t *plain = parsed(whole);
    auto_json json_t *v = call("get_sandbox_info", "{}");
    CHECK(json_equal(plain, at(v, "result.structuredContent")));
    finish();
}

TEST(info_tells_a_caller_of_the_profiles_it_may_use)
{
    configure(PROFILE_BASIC | PROFILE_NETWORK);
    start_configured();
    auto_json json_t *all = call("get_sandbox_info", "{}");
    CHECK(json_is_true(at(all, "result.structuredContent.security_profiles.network.enabled")));
    const struct mcp_caller narrow = {.name = "narrow", .profiles = PROFILE_BASIC};
    struct mcp_client *mine = client;
    client = mcp_client_new(server, &narrow, NULL);
    auto_json json_t *less = call("get_sandbox_info", "{}");
    json_t *network = at(less, "result.structuredContent.security_profiles.network");
    CHECK(json_is_false(at(network, "enabled")));
    CHECK(json_array_size(at(network, "permitted")) == 0);
    CHECK(json_is_true(at(less, "result.structuredContent.security_profiles.basic.enabled")));
    mcp_client_free(client);
    client = mine;
    auto_json json_t *again = call("get_sandbox_info", "{}");
    CHECK(json_equal(again, all));
    finish();
}

/* ---- the list ---- */

TEST(tools_are_described_for_models_and_pass_gateways)
{
    configure(PROFILE_BASIC | PROFILE_NETWORK);
    start_configured();
    auto_json json_t *v = parsed(tell("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}"));
    json_t *list = at(v, "result.tools");
    CHECK(json_array_size(list) == 3);
    size_t i;
    json_t *tool;
    json_array_foreach(list, i, tool)
    {
        const char *text = text_at(tool, "description");
        REQUIRE(text);
        CHECK(strlen(text) > 80 && strlen(text) < 4096);
        CHECK(!strpbrk(text, "<>`") && !strstr(text, "&&") && !strstr(text, "||") &&
              !strstr(text, "$("));
        CHECK(json_string_length(at(tool, "title")) > 0);
        CHECK_STR(text_at(tool, "inputSchema.type"), "object");
        CHECK_STR(text_at(tool, "outputSchema.type"), "object");
        CHECK(json_is_false(at(tool, "inputSchema.additionalProperties")));
        CHECK(json_object_size(at(tool, "annotations")) == 5);
        CHECK(json_is_false(at(tool, "annotations.destructiveHint")));
        CHECK(json_is_boolean(at(tool, "annotations.idempotentHint")));
        CHECK(json_boolean_value(at(tool, "annotations.readOnlyHint")) == (i > 0));
        CHECK(json_boolean_value(at(tool, "annotations.openWorldHint")) == (i == 0));
    }
    CHECK_STR(text_at(list, "0.name"), "execute_code");
    CHECK(json_integer_value(at(list, "0.inputSchema.properties.timeout.maximum")) == 300 ||
          json_real_value(at(list, "0.inputSchema.properties.timeout.maximum")) == 300);
    CHECK(json_real_value(at(list, "0.inputSchema.properties.timeout.minimum")) == 0.001);
    CHECK(strstr(text_at(list, "0.description"), "There are no files."));
    CHECK(!strstr(text_at(list, "0.description"), "There is no network."));
    CHECK_STR(text_at(list, "0.inputSchema.properties.memory_limit.default"), "128m");
    finish();
}

int main(void)
{
    return tap_main();
}
