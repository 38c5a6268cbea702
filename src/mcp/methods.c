/* What can be asked, one table for each era. Runs in the server. Lists and introductions never
 * change while it runs, so their text is made once. */
#include <string.h>

#include "mcp/internal.h"

#define LIST_TTL_MS 300000 /* a client may keep lists for so long */

/* ---- texts made in advance ---- */

static struct json_out fields(struct buf *buf)
{
    return json_out_init(buf);
}

static void put_implementation(struct json_out *out, const struct mcp_identity *identity)
{
    json_open_object(out);
    json_pair_str(out, "name", identity->name);
    json_pair_str(out, "title", identity->title);
    json_pair_str(out, "version", identity->version);
    json_close_object(out);
}

/* Only what exists: no list ever changes, so no listChanged; no prompts, resources or logging. */
static void put_capabilities(struct json_out *out)
{
    json_key(out, "capabilities");
    json_open_object(out);
    json_key(out, "tools");
    json_open_object(out);
    json_close_object(out);
    json_close_object(out);
}

static void put_caching(struct json_out *out)
{
    json_pair_uint(out, "ttlMs", LIST_TTL_MS);
    json_pair_str(out, "cacheScope", "public");
}

int methods_prepare(struct mcp_server *s, struct err *err)
{
    size_t n;
    const char *list = tools_list(s->tools, &n);
    struct json_out prefix = fields(&s->modern_prefix);
    json_pair_str(&prefix, "resultType", "complete");
    json_key(&prefix, "_meta");
    json_open_object(&prefix);
    json_key(&prefix, META_SERVER_INFO);
    put_implementation(&prefix, s->identity);
    json_close_object(&prefix);

    struct json_out initialize = fields(&s->initialize);
    put_capabilities(&initialize);
    json_key(&initialize, "serverInfo");
    put_implementation(&initialize, s->identity);
    json_pair_str(&initialize, "instructions", s->identity->instructions);

    struct json_out discover = fields(&s->discover);
    json_key(&discover, "supportedVersions");
    json_open_array(&discover);
    json_put_str(&discover, VERSION_MODERN);
    json_close_array(&discover);
    put_capabilities(&discover);
    json_pair_str(&discover, "instructions", s->identity->instructions);
    put_caching(&discover);

    struct json_out legacy = fields(&s->tools_list[ERA_LEGACY]);
    json_key(&legacy, "tools");
    json_put_raw(&legacy, list, n);
    struct json_out modern = fields(&s->tools_list[ERA_MODERN]);
    json_key(&modern, "tools");
    json_put_raw(&modern, list, n);
    put_caching(&modern);
    bool bad = prefix.bad || initialize.bad || discover.bad || legacy.bad || modern.bad;
    return bad ? err_nomem(err) : 0;
}

/* ---- methods ---- */

static void serve_initialize(struct request *rq)
{
    struct mcp_server *s = rq->client->server;
    const char *requested = json_plain_string(json_object_get(rq->msg->params, "protocolVersion"));
    if (!requested) {
        reply_invalid_params(rq, "Invalid params: protocolVersion is required, a string such as "
                                 "\"" VERSION_LEGACY_LATEST "\"");
        return;
    }
    rq->client->version = era_negotiate(requested);
    struct json_out out = reply_begin(s, rq->era, rq->msg->id);
    json_pair_str(&out, "protocolVersion", rq->client->version);
    json_put_raw(&out, (const char *)s->initialize.data, s->initialize.len);
    reply_send(s, rq->road, &out, rq->msg->id);
}

static void serve_ping(struct request *rq)
{
    static const struct buf none;
    reply_fields(rq, &none);
}

static void serve_discover(struct request *rq)
{
    reply_fields(rq, &rq->client->server->discover);
}

static void serve_tools_list(struct request *rq)
{
    /* Everything fits on one page, so no cursor was ever given out. */
    if (json_object_get(rq->msg->params, "cursor"))
        reply_invalid_params(rq, "Invalid params: unknown cursor");
    else
        reply_fields(rq, &rq->client->server->tools_list[rq->era]);
}

static void serve_tools_call(struct request *rq)
{
    const json_t *name = json_object_get(rq->msg->params, "name");
    const json_t *meta = rpc_meta(rq->msg);
    const json_t *progress = meta ? json_object_get(meta, "progressToken") : NULL;
    if (!json_plain_string(name)) {
        reply_invalid_params(rq,
                             "Invalid params: name is required, the name of a tool as a string");
        return;
    }
    const struct tool *tool = tools_find(rq->client->server->tools, json_plain_string(name));
    if (!tool) {
        reply_invalid_params(rq, "Unknown tool: %.100s", json_plain_string(name));
        return;
    }
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

static const struct method legacy[] = {
    {"initialize", serve_initialize},
    {"ping", serve_ping},
    {"tools/list", serve_tools_list},
    {"tools/call", serve_tools_call},
};

static const struct method modern[] = {
    {"server/discover", serve_discover},
    {"tools/list", serve_tools_list},
    {"tools/call", serve_tools_call},
};

const struct method *method_find(enum era era, const char *name)
{
    const struct method *table = era == ERA_MODERN ? modern : legacy;
    size_t n = era == ERA_MODERN ? ARRAY_LEN(modern) : ARRAY_LEN(legacy);
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

/* Notifications get no answer, malformed and unknown ones included. */
void notification_serve(struct request *rq)
{
    if (strcmp(rq->msg->method, "notifications/cancelled") == 0) {
        const json_t *id = rq->msg->params ? json_object_get(rq->msg->params, "requestId") : NULL;
        auto_free char *text = id ? rpc_token_text(id) : NULL;
        if (text)
            call_cancel(rq->client, text);
    }
    reply_nothing(rq->road);
}
