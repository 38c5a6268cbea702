/* `vivarium serve --http`: MCP over HTTP. Runs in the server.
 *
 * Tokens and keys are read and sockets opened before the server gives up its privileges; nothing
 * from outside is read until then. Interpreters and self-test come up behind, while clients can
 * already ask; /ready says when programs can be run.
 *
 * The first SIGTERM, SIGINT or SIGHUP lets what is under way end (SANDBOX_GRACE), the second ends
 * at once. */
#include "app/serve_http.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "app/cli.h"
#include "app/gate.h"
#include "app/log.h"
#include "app/notify.h"
#include "transport/http_rules.h"

#define LARGE_BYTES (128 * 1024)

struct server {
    const struct conf *conf;
    struct runtime runtime;
    struct protocol protocol;
    struct access *access;
    struct gate gate;
    struct web *web;
    struct notify notify;
    struct loop_timer *watchdog;
    bool served; /* programs could be run at some time */
    int status;
};

/* ---- state ---- */

static void stop(struct server *s, uint64_t grace_ns)
{
    s->gate.stopping = true;
    notify_say(&s->notify, "STOPPING=1\nSTATUS=Stopping");
    web_stop(s->web, grace_ns);
}

/* What never worked ends the server, as on stdio: a service manager and its operator learn of it at
 * once. What worked once is tried again by the engine meanwhile, and /ready tells; unless trying is
 * of no use (the keeper is gone): then the server ends, so that whoever watches it starts another.
 */
static void on_state(void *ctx, const struct engine_info *info)
{
    struct server *s = ctx;
    if (info->proof == PROOF_PASSED && !info->failure) {
        if (!s->served)
            log_line(LOG_INFO, "the self-test has passed: programs can be run");
        s->served = true;
        if (!s->gate.stopping)
            notify_say(&s->notify, "READY=1\nSTATUS=Serving");
    } else if (info->failure && (!s->served || info->final) && s->status == EXIT_OK) {
        log_line(LOG_ERROR, "%s",
                 s->served ? "the server ends, because it could never run a program again: it must "
                             "be started anew"
                           : "refusing to serve; `vivarium doctor` tells more");
        s->status = EXIT_REFUSED;
        if (s->web)
            stop(s, 0);
    }
}

static void on_stop(void *ctx, int signo)
{
    struct server *s = ctx;
    log_line(
        LOG_INFO,
        "stopping on %s: no new work, programs under way may go on for %.3g s (a second signal "
        "ends at once)",
        signo == SIGTERM  ? "SIGTERM"
        : signo == SIGINT ? "SIGINT"
                          : "SIGHUP",
        (double)s->conf->grace_ns / 1e9);
    stop(s, s->conf->grace_ns);
}

static void on_end(void *ctx)
{
    struct gate *gate = ctx;
    runtime_stop(gate->runtime);
}

static void on_watchdog(void *ctx)
{
    struct server *s = ctx;
    notify_say(&s->notify, "WATCHDOG=1");
    loop_timer_arm(s->watchdog, s->notify.watchdog_ns / 2);
}

/* ---- start ---- */

static int open_notify(struct server *s, struct err *err)
{
    if (notify_open(&s->notify, err) < 0)
        return -1;
    if (s->notify.watchdog_ns == 0)
        return 0;
    s->watchdog = loop_timer_new(s->runtime.loop, on_watchdog, s, err);
    if (!s->watchdog)
        return -1;
    loop_timer_arm(s->watchdog, 0);
    return 0;
}

/* The room below knows addresses, not how they were chosen. */
static int name_variables(struct err *err)
{
    struct err why = *err;
    if (!str_starts(why.text, "cannot listen"))
        return -1;
    const char *which = why.sys_errno == EADDRNOTAVAIL || why.code == ERR_INVALID
                            ? "--host or SANDBOX_HOST"
                            : "--port or SANDBOX_PORT";
    return err_set(err, why.code == ERR_SYS ? ERR_REFUSED : why.code, "%.400s (%s)", why.text,
                   which);
}

static int open_web(struct server *s, struct err *err)
{
    const struct conf *conf = s->conf;
    struct web_options options = {
        .http = {.address = conf->host,
                 .port = (uint16_t)conf->port,
                 .tls_cert_file = conf->tls_cert,
                 .tls_key_file = conf->tls_key,
                 .limits = {.max_body_bytes = MAX(protocol_max_message(conf), 4u << 20),
                            /* where strangers come, two of them must not have everything */
                            .address_part = access_is_open(s->access) ? 2 : 4}},
        .allowed_hosts = &conf->allowed_hosts,
        .allowed_origins = &conf->allowed_origins,
        .token_needed = !access_is_open(s->access),
        .public_pages = web_is_loopback(conf->host),
        .metadata = access_metadata(s->access),
        .title = mcp_vivarium.title,
        .version = mcp_vivarium.version,
        .handler = &mcp_exchange_handler,
    };
    s->gate = (struct gate){.runtime = &s->runtime, .protocol = &s->protocol, .access = s->access};
    gate_wire(&s->gate, &options.gate);
    options.gate.on_end = on_end;
    s->web = web_new(s->runtime.loop, &options, err);
    return s->web ? 0 : name_variables(err);
}

/* Where, how, and with which token. */
static void greet(const struct server *s)
{
    const struct conf *conf = s->conf;
    const char *urls = web_urls(s->web);
    const char *token = access_is_open(s->access)
                            ? "no token needed"
                            : "a token is needed (Authorization: Bearer TOKEN)";
    int n = (int)strcspn(urls, " "); /* the first of them */
    if (str_eq(conf->host, "0.0.0.0") || str_eq(conf->host, "::"))
        log_line(LOG_INFO,
                 "listening on %s: every address of this machine; Streamable HTTP at /mcp, legacy "
                 "SSE at /sse, %s",
                 urls, token);
    else
        log_line(LOG_INFO,
                 "listening on %s; Streamable HTTP at %.*s/mcp, legacy SSE at %.*s/sse, %s", urls,
                 n, urls, n, urls, token);
    if (web_warning(s->web))
        log_line(LOG_WARNING, "%s (SANDBOX_TLS_CERT=%s)", web_warning(s->web), conf->tls_cert);
    for (size_t i = 0; access_is_open(s->access) && i < conf->allowed_origins.len; i++)
        if (str_eq(conf->allowed_origins.items[i], "*"))
            log_line(LOG_WARNING,
                     "SANDBOX_ALLOWED_ORIGINS=* without a token: every web page that somebody on "
                     "this machine opens can run programs here; name the origins that may, or set "
                     "SANDBOX_API_TOKEN");
    if (!conf->tls_cert && !web_is_loopback(conf->host))
        log_line(LOG_WARNING, "tokens and programs travel unencrypted: set SANDBOX_TLS_CERT and "
                              "SANDBOX_TLS_KEY, or let only a proxy that does TLS reach this port");
}

static int start(struct server *s, struct err *err)
{
    if (protocol_open(&s->protocol, &s->runtime, err) < 0 || open_notify(s, err) < 0 ||
        open_web(s, err) < 0 || runtime_seal(&s->runtime, err) < 0)
        return -1;
    greet(s);
    if (s->status != EXIT_OK)
        stop(s, 0);
    return 0;
}

static void end(struct server *s)
{
    runtime_end_engine(&s->runtime);
    web_free(s->web);
    s->web = NULL;
    access_free(s->access);
    protocol_close(&s->protocol);
    loop_timer_free(s->watchdog);
    runtime_end(&s->runtime);
    notify_close(&s->notify);
}

int serve_http(const struct conf *conf)
{
    struct server s = {.conf = conf, .status = EXIT_OK, .notify.fd = -1};
    struct err err = ERR_INIT;
    /* Large buffers (bodies, answers that nobody reads) go back to the kernel when they are freed.
     * Left to itself, malloc learns from the first of them to keep all in its heap, which then
     * never shrinks. */
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    struct runtime_hooks hooks = {.on_state = on_state, .on_stop = on_stop, .ctx = &s};
    if (gate_open_access(conf, &s.access, &err) < 0 ||
        runtime_start(&s.runtime, conf, true, &hooks, &err) < 0) {
        log_line(LOG_ERROR, "%s", err.text);
        access_free(s.access);
        return runtime_exit_status(&err);
    }
    int r = start(&s, &err);
    if (r < 0)
        s.status = runtime_exit_status(&err);
    else
        r = runtime_run(&s.runtime, &err);
    if (r < 0) {
        log_line(LOG_ERROR, "%s", err.text);
        s.status = s.status == EXIT_OK ? EXIT_REFUSED : s.status;
    }
    end(&s);
    return s.status;
}
