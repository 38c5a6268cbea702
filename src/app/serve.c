/* `vivarium serve`: MCP over standard input and output. Runs in the server. (--http: serve_http.c.)
 *
 * The transport is up as soon as the keeper has been started; interpreters, self-test and pool come
 * up behind it, while the client is already being answered. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "access/rate.h"
#include "app/commands.h"
#include "app/log.h"
#include "app/protocol.h"
#include "app/serve_http.h"
#include "catalog/profiles.h"
#include "sys/clock.h"
#include "transport/stdio.h"

struct server {
    struct runtime runtime;
    struct protocol protocol;
    struct rate rate; /* whoever is at the other end of the pipe is one client */
    struct mcp_client *client;
    struct stdio *stdio;
    bool served; /* programs could be run at some time */
    int status;
};

/* Programs can be run, or cannot. What never worked, or never will again, ends the server: a client
 * is better off with a server that does not start than with one that refuses everything. */
static void on_state(void *ctx, const struct engine_info *info)
{
    struct server *s = ctx;
    if (info->proof == PROOF_PASSED && !info->failure) {
        log_line(LOG_DEBUG, "the self-test has passed, programs can be run");
        s->served = true;
    } else if (info->failure && (!s->served || info->final) && s->status == EXIT_OK) {
        log_line(LOG_ERROR, "%s",
                 s->served ? "the server ends, because it could never run a program again: it must "
                             "be started anew"
                           : "refusing to serve; `vivarium doctor` tells more");
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

static bool admit(void *ctx, unsigned *ret_retry_after_s)
{
    struct server *s = ctx;
    return rate_take(&s->rate, clock_mono_ns(), ret_retry_after_s);
}

static int open_stdio(struct server *s, const struct conf *conf, struct err *err)
{
    const struct mcp_caller caller = {
        .name = "stdio", .profiles = PROFILE_ALL, .admit = admit, .admit_ctx = s};
    s->rate = rate_init(conf->rate_limit); /* 0 unless it is set */
    if (protocol_open(&s->protocol, &s->runtime, err) < 0)
        return -1;
    s->client = mcp_client_new(s->protocol.mcp, &caller, err);
    if (!s->client)
        return -1;
    s->stdio = stdio_new(s->runtime.loop, STDIN_FILENO, STDOUT_FILENO, protocol_max_message(conf),
                         &mcp_exchange_handler, s->client, on_end, s, err);
    if (!s->stdio)
        return -1;
    if (s->status != EXIT_OK)
        stdio_stop(s->stdio);
    return 0;
}

static void close_stdio(struct server *s)
{
    runtime_end_engine(&s->runtime);
    mcp_client_free(s->client);
    protocol_close(&s->protocol);
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
    int r = open_stdio(&s, conf, &err);
    r = r < 0 ? r : runtime_seal(&s.runtime, &err);
    r = r < 0 ? r : runtime_run(&s.runtime, &err);
    if (r < 0) {
        log_line(LOG_ERROR, "%s", err.text);
        s.status = EXIT_REFUSED;
    }
    close_stdio(&s);
    runtime_end(&s.runtime);
    return s.status;
}

int command_serve(const struct cli_command *command _unused_, struct cli *cli)
{
    struct conf *conf = cli_configure(cli);
    if (!conf)
        return EXIT_USAGE;
    if (!cli_option(cli, "--http") &&
        (strv_has(&cli->flag_words, "--port") || strv_has(&cli->flag_words, "--host"))) {
        conf_free(conf);
        return cli_usage(command, "--host and --port say where to listen: they belong with --http");
    }
    int status = cli_option(cli, "--http") ? serve_http(conf) : serve(conf);
    conf_free(conf);
    return status;
}
