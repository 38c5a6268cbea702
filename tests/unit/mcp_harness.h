/* A server of the protocol with the fake engine below it and a recording transport above it. For
 * test_mcp.c and test_tools.c. */
#ifndef TESTS_MCP_HARNESS_H
#define TESTS_MCP_HARNESS_H

#include "artifacts/artifacts.h"
#include "catalog/profiles.h"
#include "fake_engine.h"
#include "mcp/mcp.h"
#include "tap.h"
#include "json/json.h"

static struct conf conf;
static struct loop *loop;
static struct tools *tools;
static const struct tool *const *table; /* NULL: Vivarium's own */
static size_t table_len;
static void (*refused_hook)(void *ctx, const struct tool_refused *why);
static void *refused_ctx;
static struct artifacts *artifacts;
static struct mcp_resources *sources[2];
static struct mcp_features features;
static struct mcp_server *server;
static struct mcp_client *client;
static struct mcp_caller caller = {.name = "stdio", .profiles = PROFILE_ALL};

/* What came back. */
static char *sent[4096]; /* owned */
static size_t sent_len, ends, nothings;
static enum exchange_outcome last_outcome;
static bool deaf; /* notes are refused */

static void keep(const char *json, size_t n)
{
    REQUIRE(sent_len < ARRAY_LEN(sent));
    CHECK(utf8_valid(json, n));
    CHECK(!memchr(json, '\n', n));
    sent[sent_len++] = strndup(json, n);
}

static bool record_note(struct exchange *x _unused_, const char *json, size_t n)
{
    if (deaf)
        return false;
    keep(json, n);
    return true;
}

static void record_end(struct exchange *x _unused_, enum exchange_outcome outcome,
                       const struct exchange_piece *pieces, size_t n)
{
    struct buf whole = BUF_INIT(0);
    ends++;
    last_outcome = outcome;
    nothings += outcome == EXCHANGE_NOTHING;
    CHECK(n <= EXCHANGE_MAX_PIECES && (n == 0) == (outcome == EXCHANGE_NOTHING));
    for (size_t i = 0; i < n; i++)
        CHECK(buf_add(&whole, pieces[i].data, pieces[i].n, NULL) == 0);
    if (n > 0)
        keep((const char *)whole.data, whole.len);
    buf_done(&whole);
}

static const struct exchange_ops record_ops = {record_note, record_end};
static struct exchange exchange = {.ops = &record_ops};
static struct exchange *via = &exchange; /* what messages come through */

static void forget(void)
{
    while (sent_len > 0)
        free(sent[--sent_len]);
    ends = nothings = 0;
}

static void configure(unsigned bits)
{
    conf = (struct conf){
        .timeout_ns = 30000000000u,
        .max_timeout_ns = 300000000000u,
        .max_output_bytes = 1048576,
        .max_code_bytes = 262144,
        .profiles = bits,
        .memory_bytes = 128u << 20,
        .max_memory_bytes = 2048ull << 20,
        .max_concurrency = 4,
        .queue_size = 256,
        .pool_size = 4,
        .max_threads = 16,
    };
    CHECK(profile_modules(bits, &conf.modules, NULL) == 0);
}

static void start_configured(void)
{
    struct err err = ERR_INIT;
    const struct tools_env env = {
        .conf = &conf,
        .engine = &fake,
        .server_name = mcp_vivarium.name,
        .server_version = mcp_vivarium.version,
        .protocol_versions = mcp_protocol_versions,
        .on_refused = refused_hook,
        .on_refused_ctx = refused_ctx,
    };
    static const struct artifacts_limits limits = {
        .per_execution = 32, .max_bytes = 1 << 20, .ttl_ns = 900000000000u};
    loop = loop_new(&err);
    tools =
        tools_new(&env, table ? table : tools_builtin, table ? table_len : tools_builtin_len, &err);
    REQUIRE(loop && tools);
    artifacts = artifacts_new(loop, &limits, &err);
    REQUIRE(artifacts);
    sources[0] = mcp_artifact_resources_new(artifacts);
    REQUIRE(sources[0]);
    features.tools = tools;
    features.resources = (const struct mcp_resources *const *)sources;
    features.resources_len = sources[1] ? 2 : 1;
    if (!features.prompts) {
        features.prompts = mcp_prompts_builtin;
        features.prompts_len = mcp_prompts_builtin_len;
    }
    server = mcp_server_new(loop, &features, &mcp_vivarium, &err);
    REQUIRE(server);
    client = mcp_client_new(server, &caller, &err);
    REQUIRE(client);
}

static void start(void)
{
    configure(PROFILE_BASIC);
    start_configured();
}

static void finish(void)
{
    struct msg_result worker;
    struct exec_result r = fake_result(&worker);
    while (fake.first)
        fake_end(fake.first, &r);
    mcp_client_free(client);
    mcp_server_free(server);
    free(sources[0]);
    artifacts_free(artifacts);
    tools_free(tools);
    loop_free(loop);
    strv_done(&conf.modules);
    forget();
}

static void tell_n(const struct message_head *head, const char *json, size_t n)
{
    mcp_exchange_handler.on_message(client, via, head, json, n);
}

/* Send a message and return what came back at once, or "". */
static const char *tell(const char *json)
{
    static const struct message_head none;
    size_t before = sent_len;
    tell_n(&none, json, strlen(json));
    CHECK(sent_len <= before + 1);
    return sent_len > before ? sent[sent_len - 1] : "";
}

#define MODERN                                                                                     \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                       \
    "\"io.modelcontextprotocol/clientCapabilities\":{}}"
#define REQ(id, method, params)                                                                    \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":{" params "}}"
#define RUN(id) REQ(id, "tools/call", "\"name\":\"execute_code\",\"arguments\":{\"code\":\"2+2\"}")

static void stop_loop(void *ctx)
{
    loop_stop(ctx);
}

/* Let the loop run for a while. */
static _unused_ void turn(unsigned ms)
{
    struct loop_timer *timer = loop_timer_new(loop, stop_loop, loop, NULL);
    loop_timer_arm(timer, ms * 1000000ull);
    CHECK(loop_run(loop, NULL) == 0);
    loop_timer_free(timer);
}

static json_t *parsed(const char *json)
{
    json_t *v = json_loads(json, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (!v)
        printf("# not JSON: %.200s\n", json);
    REQUIRE(v);
    return v;
}

/* Follow a path such as "result.content.0.text". NULL when it leads nowhere. */
static json_t *at(json_t *v, const char *path)
{
    char copy[256];
    snprintf(copy, sizeof(copy), "%s", path);
    for (char *part = strtok(copy, "."); part && v; part = strtok(NULL, ".")) {
        bool index = json_is_array(v);
        v = index ? json_array_get(v, (size_t)atoi(part)) : json_object_get(v, part);
    }
    return v;
}

static _unused_ const char *text_at(json_t *v, const char *path)
{
    return json_string_value(at(v, path));
}

/* The error code of a response, 0 when it is a result. */
static _unused_ int code_of(const char *json)
{
    if (!*json)
        return 1;
    auto_json json_t *v = parsed(json);
    CHECK(json_object_get(v, "id"));
    CHECK_STR(text_at(v, "jsonrpc"), "2.0");
    CHECK(!json_object_get(v, "error") != !json_object_get(v, "result"));
    return (int)json_integer_value(at(v, "error.code"));
}

#endif
