/* `vivarium serve`: MCP over standard input and output. Runs in the server.
 *
 * The transport is up as soon as the keeper has been started; interpreters, self-test and pool come
 * up behind it, while the client is already being answered. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/log.h"
#include "app/runtime.h"
#include "mcp/mcp.h"
#include "tools/tools.h"
#include "transport/stdio.h"

struct server {
    struct runtime runtime;
    struct tools *tools;
    struct mcp_server *mcp;
    struct mcp_client *client;
    struct stdio *stdio;
    bool served; /* programs could be run at some time */
    int status;
};

/* Programs can be run, or cannot. What never worked ends the server: a client is better off with a
 * server that does not start than with one that refuses everything. */
static void on_state(void *ctx, const struct engine_info *info)
{
    struct server *s = ctx;
    if (info->proof == PROOF_PASSED && !info->failure) {
        log_line(LOG_DEBUG, "the self-test has passed, programs can be run");
        s->served = true;
    } else if (info->failure && !s->served) {
        log_line(LOG_ERROR, "refusing to serve; `vivarium doctor` tells more");
        s->status = EXIT_REFUSED;
        if (s->stdio)
            stdio_stop(s->stdio);
    }
}

static void on_stop(void *ctx, int signo)
{
    struct server *s = ctx;
    log_line(LOG_DEBUG, "stopping on signal %d", signo);
    stdio_stop(s->stdio);
}

static void on_end(void *ctx, const struct err *err)
{
    struct server *s = ctx;
    if (err)
        log_line(LOG_WARNING, "%s", err->text);
    runtime_stop(&s->runtime);
}

static int open_protocol(struct server *s, const struct conf *conf, struct err *err)
{
    struct tools_env env = {.conf = conf,
                            .engine = s->runtime.engine,
                            .server_name = mcp_vivarium.name,
                            .server_version = mcp_vivarium.version,
                            .protocol_versions = mcp_protocol_versions};
    s->tools = tools_new(&env, tools_builtin, tools_builtin_len, err);
    s->mcp = s->tools ? mcp_server_new(s->runtime.loop, s->tools, &mcp_vivarium, err) : NULL;
    s->client = s->mcp ? mcp_client_new(s->mcp, "stdio", err) : NULL;
    if (!s->client)
        return -1;
    /* A program of the largest size, every byte of it escaped as \u00XX. */
    size_t max_line = conf->max_code_bytes * 6 + 65536;
    s->stdio = stdio_new(s->runtime.loop, STDIN_FILENO, STDOUT_FILENO, max_line,
                         &mcp_exchange_handler, s->client, on_end, s, err);
    if (!s->stdio)
        return -1;
    if (s->status != EXIT_OK)
        stdio_stop(s->stdio);
    return 0;
}

static void close_protocol(struct server *s)
{
    runtime_end_engine(&s->runtime);
    mcp_client_free(s->client);
    mcp_server_free(s->mcp);
    tools_free(s->tools);
    stdio_free(s->stdio);
}

static void greet_terminal(void)
{
    if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
        log_line(LOG_INFO, "waiting for an MCP client on standard input (Ctrl-D ends); to run a "
                           "program by hand: vivarium run FILE");
}

static int serve(const struct conf *conf)
{
    struct server s = {.status = EXIT_OK};
    struct err err = ERR_INIT;
    struct runtime_hooks hooks = {.on_state = on_state, .on_stop = on_stop, .ctx = &s};
    if (runtime_start(&s.runtime, conf, true, &hooks, &err) < 0) {
        log_line(LOG_ERROR, "%s", err.text);
        return runtime_exit_status(&err);
    }
    greet_terminal();
    int r = open_protocol(&s, conf, &err);
    r = r < 0 ? r : runtime_seal(&s.runtime, &err);
    r = r < 0 ? r : runtime_run(&s.runtime, &err);
    if (r < 0) {
        log_line(LOG_ERROR, "%s", err.text);
        s.status = EXIT_REFUSED;
    }
    close_protocol(&s);
    runtime_end(&s.runtime);
    return s.status;
}

int command_serve(const struct cli_command *command, struct cli *cli)
{
    if (cli_option(cli, "--http"))
        return cli_usage(command, "--http is not available in this version: it serves standard "
                                  "input and output only");
    struct conf *conf = cli_configure(cli);
    if (!conf)
        return EXIT_USAGE;
    int status = serve(conf);
    conf_free(conf);
    return status;
}
