/* The two eras of the protocol told apart: see era.h. Runs in the server; pure. */
#include "mcp/era.h"

#include <string.h>

#include "base/str.h"
#include "mcp/mcp.h"

const char *const mcp_protocol_versions[] = {
    VERSION_MODERN, VERSION_LEGACY_LATEST, "2025-06-18", VERSION_WITH_BATCHES, "2024-11-05", NULL};

const char *era_negotiate(const char *requested)
{
    for (const char *const *v = mcp_protocol_versions + 1; *v; v++)
        if (str_eq(*v, requested))
            return *v;
    return VERSION_LEGACY_LATEST;
}

static bool is_legacy_version(const char *v)
{
    return str_eq(era_negotiate(v), v);
}

bool era_is_modern(const struct rpc_message *msg)
{
    const json_t *meta = rpc_meta(msg);
    return meta &&
           (json_object_get(meta, META_VERSION) || json_object_get(meta, META_CAPABILITIES) ||
            json_object_get(meta, META_CLIENT_INFO) || json_object_get(meta, META_LOG_LEVEL));
}

static int refuse(struct era_verdict *ret, int code)
{
    ret->code = code;
    return -1;
}

int era_log_level(const char *name)
{
    static const char *const levels[] = {"debug", "info",     "notice", "warning",
                                         "error", "critical", "alert",  "emergency"};
    for (size_t i = 0; name && i < ARRAY_LEN(levels); i++)
        if (strcmp(name, levels[i]) == 0)
            return (int)i;
    return -1;
}

static int check_log_level(const json_t *level, struct err *err)
{
    if (era_log_level(json_plain_string(level)) >= 0)
        return 0;
    return err_set(err, ERR_INVALID,
                   "params._meta[\"" META_LOG_LEVEL
                   "\"] must be debug, info, notice, warning, error, "
                   "critical, alert or emergency");
}

/* The fields that every modern request carries. */
static int check_envelope(const json_t *meta, struct era_verdict *ret)
{
    const json_t *version = meta ? json_object_get(meta, META_VERSION) : NULL;
    const json_t *capabilities = meta ? json_object_get(meta, META_CAPABILITIES) : NULL;
    const json_t *client = meta ? json_object_get(meta, META_CLIENT_INFO) : NULL;
    const json_t *level = meta ? json_object_get(meta, META_LOG_LEVEL) : NULL;
    if (!json_plain_string(version)) {
        err_set(&ret->err, ERR_INVALID,
                "params._meta[\"" META_VERSION "\"] is required: a string such as \"" VERSION_MODERN
                "\"");
        return refuse(ret, RPC_INVALID_PARAMS);
    }
    if (!json_is_object(capabilities)) {
        err_set(&ret->err, ERR_INVALID,
                "params._meta[\"" META_CAPABILITIES
                "\"] is required: an object, which may be empty");
        return refuse(ret, RPC_INVALID_PARAMS);
    }
    if (client && !json_is_object(client)) {
        err_set(&ret->err, ERR_INVALID,
                "params._meta[\"" META_CLIENT_INFO "\"] must be an object with name and version");
        return refuse(ret, RPC_INVALID_PARAMS);
    }
    if (level && check_log_level(level, &ret->err) < 0)
        return refuse(ret, RPC_INVALID_PARAMS);
    return 0;
}

static int header_mismatch(struct era_verdict *ret, const char *header, const char *field)
{
    err_set(&ret->err, ERR_INVALID, "the header %s is missing or differs from %s", header, field);
    return refuse(ret, RPC_HEADER_MISMATCH);
}

/* The parameter that Mcp-Name repeats, for the methods that have one. */
static const char *name_param(const char *method)
{
    if (strcmp(method, "tools/call") == 0 || strcmp(method, "prompts/get") == 0)
        return "name";
    return strcmp(method, "resources/read") == 0 ? "uri" : NULL;
}

static int check_headers(const struct message_head *head, const struct rpc_message *msg,
                         const char *version, struct era_verdict *ret)
{
    if (!head->has_headers)
        return 0;
    if (!str_eq(head->protocol_version, version))
        return header_mismatch(ret, "MCP-Protocol-Version", "params._meta");
    if (!str_eq(head->method, msg->method))
        return header_mismatch(ret, "Mcp-Method", "method");
    const char *param = name_param(msg->method);
    if (!param)
        return 0;
    const char *name = json_plain_string(json_object_get(msg->params, param));
    return str_eq(head->name, name) ? 0 : header_mismatch(ret, "Mcp-Name", param);
}

static void decide_modern(const struct message_head *head, const struct rpc_message *msg,
                          struct era_verdict *ret)
{
    const json_t *meta = rpc_meta(msg);
    ret->era = ERA_MODERN;
    if (check_envelope(meta, ret) < 0)
        return;
    const char *version = json_plain_string(json_object_get(meta, META_VERSION));
    if (check_headers(head, msg, version, ret) < 0 || strcmp(version, VERSION_MODERN) == 0)
        return;
    ret->requested = version;
    err_set(&ret->err, ERR_INVALID, "Unsupported protocol version");
    refuse(ret, RPC_UNSUPPORTED_VERSION);
}

void era_decide(const struct message_head *head, const struct rpc_message *msg,
                struct era_verdict *ret)
{
    *ret = (struct era_verdict){.era = ERA_LEGACY};
    const char *header = head->protocol_version;
    bool header_modern = str_eq(header, VERSION_MODERN);
    bool fields = era_is_modern(msg);
    const json_t *meta = msg->params ? json_object_get(msg->params, "_meta") : NULL;
    if (msg->kind == RPC_REQUEST && meta && !json_is_object(meta) && !json_is_null(meta)) {
        ret->era = header_modern ? ERA_MODERN : ERA_LEGACY;
        err_set(&ret->err, ERR_INVALID, "params._meta must be an object, not %s", json_kind(meta));
        refuse(ret, RPC_INVALID_PARAMS);
    } else if (msg->kind != RPC_REQUEST) {
        ret->era = fields || header_modern ? ERA_MODERN : ERA_LEGACY;
    } else if (!fields && header_modern && strcmp(msg->method, "initialize") == 0) {
        header_mismatch(ret, "MCP-Protocol-Version", "an initialize request, which is legacy");
    } else if (fields || header_modern ||
               (!header && strcmp(msg->method, "server/discover") == 0)) {
        decide_modern(head, msg, ret);
    } else if (header && !is_legacy_version(header)) {
        err_set(&ret->err, ERR_INVALID, "the header MCP-Protocol-Version names no known version");
        refuse(ret, RPC_INVALID_REQUEST);
    }
}
