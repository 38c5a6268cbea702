/* Tools and protocol: see protocol.h. Runs in the server. */
#include "app/protocol.h"

#include <string.h>

#include "app/log.h"
#include "sys/clock.h"

/* A call that never became an execution is recorded all the same: an attempt is an attempt. */
static void on_refused(void *ctx, const struct tool_refused *why)
{
    struct runtime *r = ctx;
    unsigned category = CATEGORY_INVALID_REQUEST;
    for (unsigned i = 1; i < RECORD_CATEGORIES; i++)
        if (str_eq(exec_category_name((enum exec_category)i), why->category))
            category = i;
    struct record_entry e = {
        .unix_ms = clock_unix_ms(),
        .client = why->client,
        .mode = str_eq(why->tool, "validate_code") ? "validate" : "execute",
        .category = category,
        .category_name = why->category,
        .error = why->error,
    };
    struct err err = ERR_INIT;
    if (!str_eq(why->tool, "validate_code") && !str_eq(why->tool, "execute_code"))
        return;
    if (str_eq(why->tool, "execute_code"))
        e.execution_id = why->execution_id;
    if (record_add(r->record, &e, &err) < 0)
        log_line(LOG_ERROR, "%s", err.text);
}

static int open_artifacts(struct protocol *p, const struct runtime *r, struct err *err)
{
    const struct artifacts_limits limits = {
        .per_execution = r->conf->max_artifacts,
        .max_bytes = r->conf->artifact_bytes,
        .ttl_ns = r->conf->artifact_ttl_ns,
    };
    p->artifacts = artifacts_new(r->loop, &limits, err);
    if (!p->artifacts)
        return -1;
    p->resources = mcp_artifact_resources_new(p->artifacts);
    return p->resources ? 0 : err_nomem(err);
}

static int open_mcp(struct protocol *p, const struct runtime *r, struct err *err)
{
    const struct mcp_features features = {
        .tools = p->tools,
        .prompts = mcp_prompts_builtin,
        .prompts_len = mcp_prompts_builtin_len,
        .resources = (const struct mcp_resources *const *)&p->resources,
        .resources_len = 1,
    };
    p->mcp = mcp_server_new(r->loop, &features, &mcp_vivarium, err);
    return p->mcp ? 0 : -1;
}

int protocol_open(struct protocol *p, struct runtime *runtime, struct err *err)
{
    struct tools_env env = {.conf = runtime->conf,
                            .engine = runtime->engine,
                            .server_name = mcp_vivarium.name,
                            .server_version = mcp_vivarium.version,
                            .protocol_versions = mcp_protocol_versions,
                            .on_refused = on_refused,
                            .on_refused_ctx = runtime};
    *p = (struct protocol){0};
    p->tools = tools_new(&env, tools_builtin, tools_builtin_len, err);
    if (p->tools && open_artifacts(p, runtime, err) == 0 && open_mcp(p, runtime, err) == 0)
        return 0;
    protocol_close(p);
    return -1;
}

void protocol_close(struct protocol *p)
{
    mcp_server_free(p->mcp);
    free(p->resources);
    artifacts_free(p->artifacts);
    tools_free(p->tools);
    *p = (struct protocol){0};
}

size_t protocol_max_message(const struct conf *conf)
{
    return conf->max_code_bytes * 6 + 65536;
}
