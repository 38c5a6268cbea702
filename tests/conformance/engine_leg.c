/* The engine leg of the conformance tests: Vivarium's own rooms http, transport and mcp, as the
 * product links them, with the suite's fixtures on top instead of Vivarium's tools. Runs no
 * program, listens on loopback only, lets everybody in. The product's artifacts are offered beside
 * the fixtures, with one artifact in them.
 *
 * usage: conformance-engine     prints its URL, serves until standard input ends */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "catalog/profiles.h"
#include "fixtures.h"
#include "sys/fd.h"
#include "transport/http_web.h"

#define OWNER "anonymous"

struct loop *fixture_loop;

static struct engine_leg {
    struct tools *tools;
    const struct tool **table;
    struct artifacts *artifacts;
    struct mcp_resources *artifact_resources;
    struct mcp_server *mcp;
    struct mcp_client *client;
    struct web *web;
} leg;

static const struct mcp_identity identity = {
    .name = "vivarium-conformance",
    .title = "Vivarium, with the fixtures of the conformance suite",
    .version = VIVARIUM_VERSION,
    .instructions = "For the conformance suite only.",
};

/* ---- the gate: open ---- */

static bool enter(void *ctx _unused_, const char *authorization _unused_, struct web_caller *ret,
                  struct web_refusal *ret_why _unused_)
{
    *ret = (struct web_caller){.who = &leg, .client = leg.client};
    return true;
}

static void leave(void *ctx _unused_, const struct web_caller *caller _unused_)
{
}

static void *open_session(void *ctx _unused_, const struct web_caller *caller _unused_)
{
    const struct mcp_caller one = {.name = OWNER, .profiles = PROFILE_ALL};
    return mcp_client_new(leg.mcp, &one, NULL);
}

static void close_session(void *ctx _unused_, void *client)
{
    mcp_client_free(client);
}

static const char *not_ready(void *ctx _unused_)
{
    return NULL;
}

static void write_metrics(void *ctx _unused_, struct exposition *e _unused_)
{
}

static void on_end(void *ctx _unused_)
{
    loop_stop(fixture_loop);
}

/* ---- life ---- */

static void on_input(void *ctx _unused_, int fd, int events _unused_)
{
    char bytes[512];
    ssize_t r = read(fd, bytes, sizeof(bytes));
    if (r == 0 || (r < 0 && errno != EAGAIN && errno != EINTR))
        web_stop(leg.web, 0);
}

static int open_tools(struct err *err)
{
    size_t n = fixture_tools_plain_len + fixture_tools_asking_len;
    const struct tools_env env = {.server_name = identity.name, .server_version = identity.version};
    leg.table = calloc(n, sizeof(*leg.table));
    if (!leg.table)
        return err_nomem(err);
    memcpy(leg.table, fixture_tools_plain, fixture_tools_plain_len * sizeof(*leg.table));
    memcpy(leg.table + fixture_tools_plain_len, fixture_tools_asking,
           fixture_tools_asking_len * sizeof(*leg.table));
    leg.tools = tools_new(&env, leg.table, n, err);
    return leg.tools ? 0 : -1;
}

static int open_artifacts(struct err *err)
{
    const struct artifacts_limits limits = {
        .per_execution = 32, .max_bytes = 1 << 20, .ttl_ns = 3600000000000u};
    leg.artifacts = artifacts_new(fixture_loop, &limits, err);
    if (!leg.artifacts)
        return -1;
    leg.artifact_resources = mcp_artifact_resources_new(leg.artifacts);
    if (!leg.artifact_resources)
        return err_nomem(err);
    return artifacts_put(leg.artifacts, OWNER, "0190a5f0-0000-7000-8000-000000000000", "table.csv",
                         "text/csv", "a,b\n1,2\n", 8, err);
}

static int open_protocol(const struct mcp_resources *const sources[2], struct err *err)
{
    const struct mcp_features features = {
        .tools = leg.tools,
        .prompts = fixture_prompts,
        .prompts_len = fixture_prompts_len,
        .resources = sources,
        .resources_len = 2,
        .on_subscribe = fixture_on_subscribe,
        .logging = true,
    };
    const struct mcp_caller everybody = {
        .name = OWNER, .profiles = PROFILE_ALL, .shared_ids = true};
    leg.mcp = mcp_server_new(fixture_loop, &features, &identity, err);
    leg.client = leg.mcp ? mcp_client_new(leg.mcp, &everybody, err) : NULL;
    return leg.client ? 0 : -1;
}

static int open_web(struct err *err)
{
    static const struct strv none;
    const struct web_options options = {
        .http = {.address = "localhost", .port = 0},
        .allowed_hosts = &none,
        .allowed_origins = &none,
        .public_pages = true,
        .title = identity.title,
        .version = identity.version,
        .handler = &mcp_exchange_handler,
        .gate = {.enter = enter,
                 .leave = leave,
                 .open_session = open_session,
                 .close_session = close_session,
                 .not_ready = not_ready,
                 .write_metrics = write_metrics,
                 .on_end = on_end},
    };
    leg.web = web_new(fixture_loop, &options, err);
    return leg.web ? 0 : -1;
}

static int serve(struct err *err)
{
    if (fd_set_nonblock(STDIN_FILENO, true, err) < 0)
        return -1;
    struct loop_io *input = loop_io_new(fixture_loop, STDIN_FILENO, LOOP_READ, on_input, NULL, err);
    if (!input)
        return -1;
    printf("http://localhost:%u/mcp\n", web_port(leg.web));
    fflush(stdout);
    int r = loop_run(fixture_loop, err);
    loop_io_free(input);
    return r;
}

static int run(struct err *err)
{
    fixture_loop = loop_new(err);
    if (!fixture_loop || open_tools(err) < 0 || open_artifacts(err) < 0)
        return -1;
    const struct mcp_resources *const sources[2] = {&fixture_resources, leg.artifact_resources};
    return open_protocol(sources, err) < 0 || open_web(err) < 0 ? -1 : serve(err);
}

int main(void)
{
    struct err err = ERR_INIT;
    int r = run(&err);
    if (r < 0)
        fprintf(stderr, "conformance-engine: %s\n", err.text);
    web_free(leg.web);
    mcp_client_free(leg.client);
    mcp_server_free(leg.mcp);
    free(leg.artifact_resources);
    artifacts_free(leg.artifacts);
    tools_free(leg.tools);
    free(leg.table);
    loop_free(fixture_loop);
    return r < 0;
}
