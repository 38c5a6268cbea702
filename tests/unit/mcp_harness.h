/* A server of the protocol with the fake engine below it and a recording transport above it. For
 * test_mcp.c and test_tools.c. */
#ifndef TESTS_MCP_HARNESS_H
#define TESTS_MCP_HARNESS_H

#include "catalog/profiles.h"
#include "fake_engine.h"
#include "mcp/mcp.h"
#include "tap.h"
#include "json/json.h"

static struct conf conf;
static struct loop *loop;
static struct tools *tools;
static struct mcp_server *server;
static struct mcp_client *client;

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

static void record_end(struct exchange *x _unused_, enum exchange_outcome outcome, const char *json,
                       size_t n)
{
    ends++;
    last_outcome = outcome;
    nothings += outcome == EXCHANGE_NOTHING;
    if (outcome != EXCHANGE_NOTHING)
        keep(json, n);
}

static const struct exchange_ops record_ops = {record_note, record_end};
static struct exchange exchange = {&record_ops};

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
    };
    loop = loop_new(&err);
    tools = tools_new(&env, tools_builtin, tools_builtin_len, &err);
    REQUIRE(loop && tools);
    server = mcp_server_new(loop, tools, &mcp_vivarium, &err);
    REQUIRE(server);
    client = mcp_client_new(server, "stdio", &err);
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
    tools_free(tools);
    loop_free(loop);
    strv_done(&conf.modules);
    forget();
}

static void tell_n(const struct message_head *head, const char *json, size_t n)
{
    mcp_exchange_handler.on_message(client, &exchange, head, json, n);
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
