/* What can be asked, one table for each era, and the methods that only introduce the server. Runs
 * in the server. Introductions and most lists never change while it runs, so their text is made
 * once. */
#include <string.h>

#include "mcp/internal.h"

/* ---- texts made in advance ---- */

static void put_implementation(struct json_out *out, const struct mcp_identity *identity)
{
    json_open_object(out);
    json_pair_str(out, "name", identity->name);
    json_pair_str(out, "title", identity->title);
    json_pair_str(out, "version", identity->version);
    json_close_object(out);
}

static void put_capability(struct json_out *out, const char *name)
{
    json_key(out, name);
    json_open_object(out);
    json_close_object(out);
}

/* A list that never tells of changes. Legacy clients are told so in words: to those that test for a
 * capability as Python tests for truth (ContextForge is one) an empty object is none. */
static void put_list_capability(struct json_out *out, const char *name, enum era era,
                                bool subscribe)
{
    json_key(out, name);
    json_open_object(out);
    if (era == ERA_LEGACY && subscribe)
        json_pair_bool(out, "subscribe", true);
    if (era == ERA_LEGACY)
        json_pair_bool(out, "listChanged", false);
    json_close_object(out);
}

/* Only what exists: no list tells of its changes, and the modern era's subscriptions/listen has
 * nothing to offer. */
static void put_capabilities(struct json_out *out, const struct mcp_features *f, enum era era)
{
    json_key(out, "capabilities");
    json_open_object(out);
    put_list_capability(out, "tools", era, false);
    if (f->resources_len > 0)
        put_list_capability(out, "resources", era, f->on_subscribe);
    if (f->prompts_len > 0) {
        put_list_capability(out, "prompts", era, false);
        put_capability(out, "completions");
    }
    if (f->logging)
        put_capability(out, "logging");
    json_close_object(out);
}

void put_caching(struct json_out *out, uint64_t ttl_ms, bool public)
{
    json_pair_uint(out, "ttlMs", ttl_ms);
    json_pair_str(out, "cacheScope", public ? "public" : "private");
}

static int prepare_tools(struct mcp_server *s, struct err *err)
{
    size_t n;
    const char *list = tools_list(s->features.tools, &n);
    for (enum era era = ERA_LEGACY; era <= ERA_MODERN; era++) {
        struct json_out out = json_out_init(&s->tools_list[era]);
        json_key(&out, "tools");
        json_put_raw(&out, list, n);
        if (era == ERA_MODERN)
            put_caching(&out, LIST_TTL_MS, true);
        if (out.bad)
            return err_nomem(err);
    }
    return 0;
}

int methods_prepare(struct mcp_server *s, struct err *err)
{
    struct json_out meta = json_out_init(&s->modern_meta);
    json_key(&meta, "_meta");
    json_open_object(&meta);
    json_key(&meta, META_SERVER_INFO);
    put_implementation(&meta, s->identity);
    json_close_object(&meta);

    struct json_out initialize = json_out_init(&s->initialize);
    put_capabilities(&initialize, &s->features, ERA_LEGACY);
    json_key(&initialize, "serverInfo");
    put_implementation(&initialize, s->identity);
    json_pair_str(&initialize, "instructions", s->identity->instructions);

    struct json_out discover = json_out_init(&s->discover);
    json_key(&discover, "supportedVersions");
    json_open_array(&discover);
    json_put_str(&discover, VERSION_MODERN);
    json_close_array(&discover);
    put_capabilities(&discover, &s->features, ERA_MODERN);
    json_pair_str(&discover, "instructions", s->identity->instructions);
    put_caching(&discover, LIST_TTL_MS, true);
    if (meta.bad || initialize.bad || discover.bad)
        return err_nomem(err);
    if (prepare_tools(s, err) < 0 || resources_prepare(s, err) < 0)
        return -1;
    return prompts_prepare(s, err);
}

/* ---- parameters ---- */

bool no_cursor(struct request *rq)
{
    const json_t *cursor = json_object_get(rq->msg->params, "cursor");
    if (!cursor || json_is_null(cursor))
        return true;
    reply_invalid_params(rq, "Invalid params: unknown cursor; this list is one page");
    return false;
}

const char *string_param(struct request *rq, const char *name, const char *meaning)
{
    const char *text = json_plain_string(json_object_get(rq->msg->params, name));
    if (!text)
        reply_invalid_params(rq, "Invalid params: %s is required, %s as a string", name, meaning);
    return text;
}

/* ---- methods ---- */

static void serve_initialize(struct request *rq)
{
    struct mcp_client *client = rq->client;
    struct mcp_server *s = client->server;
    const char *requested = json_plain_string(json_object_get(rq->msg->params, "protocolVersion"));
    if (!requested) {
        reply_invalid_params(rq, "Invalid params: protocolVersion is required, a string such as "
                                 "\"" VERSION_LEGACY_LATEST "\"");
        return;
    }
    const char *version = era_negotiate(requested);
    /* One of many programs speaks only for itself. */
    if (!client->shared_ids) {
        client->version = version;
        client->can = input_abilities(json_object_get(rq->msg->params, "capabilities"));
    }
    rq->road.exchange->introduces = true;
    struct json_out out = reply_begin(s, rq->era, rq->msg->id);
    json_pair_str(&out, "protocolVersion", version);
    reply_splice(s, &out, ",", (const char *)s->initialize.data, s->initialize.len, "");
    reply_send(s, rq->road, EXCHANGE_ANSWER, &out, rq->msg->id);
}

static void serve_empty(struct request *rq)
{
    static const struct buf none;
    reply_fields(rq, &none);
}

static void serve_discover(struct request *rq)
{
    reply_fields(rq, &rq->client->server->discover);
}

static void serve_set_level(struct request *rq)
{
    const char *name = string_param(rq, "level", "a log level such as \"info\"");
    if (!name)
        return;
    int level = era_log_level(name);
    if (level < 0) {
        reply_invalid_params(rq, "Invalid params: level must be debug, info, notice, warning, "
                                 "error, critical, alert or emergency");
        return;
    }
    rq->client->log_level = level;
    serve_empty(rq);
}

static void serve_tools_list(struct request *rq)
{
    if (no_cursor(rq))
        reply_fields(rq, &rq->client->server->tools_list[rq->era]);
}

/* Takes the request with its input read. */
static void call_tool(struct request *rq, const struct tool *tool)
{
    const json_t *meta = rpc_meta(rq->msg);
    const json_t *progress = meta ? json_object_get(meta, "progressToken") : NULL;
    auto_free char *token = progress ? rpc_token_text(progress) : NULL;
    if (progress && !token) {
        reply_invalid_params(rq,
                             "Invalid params: _meta.progressToken must be an integer or a string "
                             "of at most %d bytes",
                             RPC_MAX_ID_BYTES);
        return;
    }
    call_start(rq, tool, json_object_get(rq->msg->params, "arguments"), token);
}

static void serve_tools_call(struct request *rq)
{
    const char *name = string_param(rq, "name", "the name of a tool");
    if (!name)
        return;
    const struct tool *tool = tools_find(rq->client->server->features.tools, name);
    if (!tool) {
        reply_invalid_params(rq, "Unknown tool: %.100s", name);
        return;
    }
    if (input_read(rq))
        call_tool(rq, tool);
    input_done(rq);
}

/* ---- tables ---- */

static bool has_prompts(const struct mcp_features *f)
{
    return f->prompts_len > 0;
}

static bool has_resources(const struct mcp_features *f)
{
    return f->resources_len > 0;
}

static bool has_subscriptions(const struct mcp_features *f)
{
    return f->resources_len > 0 && f->on_subscribe;
}

static bool has_logging(const struct mcp_features *f)
{
    return f->logging;
}

static const struct method both[] = {
    {"tools/call", serve_tools_call, NULL},
    {"tools/list", serve_tools_list, NULL},
    {"resources/list", serve_resources_list, has_resources},
    {"resources/templates/list", serve_resource_templates_list, has_resources},
    {"resources/read", serve_resources_read, has_resources},
    {"prompts/list", serve_prompts_list, has_prompts},
    {"prompts/get", serve_prompts_get, has_prompts},
    {"completion/complete", serve_complete, has_prompts},
};

static const struct method legacy[] = {
    {"initialize", serve_initialize, NULL},
    {"ping", serve_empty, NULL},
    {"logging/setLevel", serve_set_level, has_logging},
    {"resources/subscribe", serve_subscribe, has_subscriptions},
    {"resources/unsubscribe", serve_unsubscribe, has_subscriptions},
};

static const struct method modern[] = {
    {"server/discover", serve_discover, NULL},
};

static const struct method *find(const struct method *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

const struct method *method_find(const struct mcp_server *s, enum era era, const char *name)
{
    const struct method *m = find(both, ARRAY_LEN(both), name);
    if (!m && era == ERA_MODERN)
        m = find(modern, ARRAY_LEN(modern), name);
    else if (!m)
        m = find(legacy, ARRAY_LEN(legacy), name);
    return m && (!m->offered || m->offered(&s->features)) ? m : NULL;
}

/* Notifications get no answer, malformed and unknown ones included. */
void notification_serve(struct request *rq)
{
    if (strcmp(rq->msg->method, "notifications/cancelled") == 0) {
        const json_t *id = rq->msg->params ? json_object_get(rq->msg->params, "requestId") : NULL;
        auto_free char *text = id ? rpc_token_text(id) : NULL;
        if (text)
            call_cancel(rq, text);
    }
    reply_nothing(rq->road);
}
