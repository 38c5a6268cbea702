/* The callbacks of the HTTP transport: see gate.h. Runs in the server. */
#include "app/gate.h"

#include <string.h>

#include "app/log.h"
#include "sys/clock.h"
#include "transport/http_rules.h"

#define REFUSALS_NS     60000000000u
#define REFUSALS_TOLD   10  /* in that time */
#define HTTP_RATE_LIMIT 600 /* executions a minute of one caller, when not configured */

/* ---- callers ---- */

static bool admit(void *ctx, unsigned *ret_retry_after_s)
{
    return caller_admit(ctx, clock_mono_ns(), ret_retry_after_s);
}

static struct mcp_client *client_new(struct gate *g, struct caller *c, bool shared_ids)
{
    const struct mcp_caller caller = {
        .name = caller_name(c),
        .profiles = caller_profiles(c),
        .shared_ids = shared_ids,
        .admit = admit,
        .admit_ctx = c,
    };
    return mcp_client_new(g->protocol->mcp, &caller, NULL);
}

static void free_client(void *client)
{
    mcp_client_free(client);
}

/* The client of a caller is made when it first comes, and stays with it. */
static struct mcp_client *client_of(struct gate *g, struct caller *c)
{
    struct mcp_client *client = caller_data(c);
    if (!client && (client = client_new(g, c, true)))
        caller_set_data(c, client, free_client);
    return client;
}

static void refuse(struct web_refusal *why, const struct challenge *challenge)
{
    why->status = (unsigned)challenge->status;
    memcpy(why->authenticate, challenge->authenticate, sizeof(why->authenticate));
    memcpy(why->text, challenge->text, sizeof(why->text));
}

static bool enter(void *ctx, const char *authorization, struct web_caller *ret,
                  struct web_refusal *ret_why)
{
    struct gate *g = ctx;
    struct caller *c;
    struct challenge challenge = {.status = 503};
    _Static_assert(sizeof(challenge.authenticate) == sizeof(ret_why->authenticate), "");
    _Static_assert(sizeof(challenge.text) == sizeof(ret_why->text), "");
    if (access_check(g->access, authorization, clock_unix_ms() / 1000, &c, &challenge) !=
        ACCESS_OK) {
        refuse(ret_why, &challenge);
        return false;
    }
    struct mcp_client *client = client_of(g, c);
    if (!client) {
        caller_unref(c);
        *ret_why = (struct web_refusal){
            .status = 503, .text = "The server has no memory for this; try again later."};
        return false;
    }
    *ret = (struct web_caller){.who = c, .client = client};
    return true;
}

static void leave(void *ctx _unused_, const struct web_caller *caller)
{
    caller_unref(caller->who);
}

static bool still_wanted(const void *client, const struct exchange *x)
{
    return mcp_exchange_wanted(client, x);
}

/* Anybody can be refused a thousand times a second. */
static void on_refused(void *ctx, unsigned status, const char *peer, const char *why)
{
    struct gate *g = ctx;
    uint64_t now = clock_mono_ns();
    if (g->refusals == 0 || now - g->refusals_since_ns > REFUSALS_NS) {
        if (g->refusals > REFUSALS_TOLD)
            log_line(LOG_INFO, "%u more requests were refused in that minute",
                     g->refusals - REFUSALS_TOLD);
        g->refusals = 0;
        g->refusals_since_ns = now;
    }
    if (g->refusals++ < REFUSALS_TOLD)
        log_line(LOG_INFO, "refused a request from %s with %u: %s", peer, status, why);
}

static void *open_session(void *ctx, const struct web_caller *caller)
{
    return client_new(ctx, caller->who, false);
}

static void close_session(void *ctx _unused_, void *client)
{
    mcp_client_free(client);
}

/* ---- state ---- */

static const char *not_ready(void *ctx)
{
    struct gate *g = ctx;
    struct engine_info info;
    if (g->stopping)
        return "The server is stopping.";
    engine_info(g->runtime->engine, &info);
    if (info.failure)
        return info.failure;
    if (info.proof == PROOF_PENDING)
        return "The start-up self-test is under way.";
    return info.proof == PROOF_FAILED ? "The start-up self-test has failed." : NULL;
}

static const char *category_name(unsigned category)
{
    return category <= CATEGORY_INTERNAL_ERROR ? exec_category_name((enum exec_category)category)
                                               : NULL;
}

static void write_metrics(void *ctx, struct exposition *e)
{
    struct gate *g = ctx;
    struct engine_info info;
    engine_info(g->runtime->engine, &info);
    exposition_family(e, "vivarium_build_info", "gauge", "Versions, as labels.");
    exposition_count(e, "vivarium_build_info", (struct label){"version", mcp_vivarium.version},
                     (struct label){"python", info.hello ? info.hello->python_version : "unknown"},
                     1);
    exposition_single(e, "vivarium_ready", "gauge", "1 while programs can be run.",
                      !not_ready(ctx));
    exposition_single(e, "vivarium_running", "gauge", "Programs that run now.", info.running);
    exposition_single(e, "vivarium_queued", "gauge", "Calls that wait for a worker.", info.queued);
    exposition_single(e, "vivarium_idle_workers", "gauge", "Warm workers that wait for a program.",
                      info.idle_workers);
    exposition_executions(e, record_metrics(g->runtime->record), category_name);
    exposition_process(e);
}

void gate_wire(struct gate *g, struct web_gate *ret)
{
    *ret = (struct web_gate){
        .enter = enter,
        .leave = leave,
        .still_wanted = still_wanted,
        .on_refused = on_refused,
        .open_session = open_session,
        .close_session = close_session,
        .not_ready = not_ready,
        .write_metrics = write_metrics,
        .ctx = g,
    };
}

/* ---- who may come in ---- */

static int check_address(const struct conf *conf, const struct access *access, struct err *err)
{
    if (!access_is_open(access) || web_is_loopback(conf->host))
        return 0;
    return err_set(err, ERR_INVALID,
                   "refusing to listen on %s without a token: everybody who can reach it could run "
                   "programs. Set SANDBOX_API_TOKEN (32 characters or more, for example from "
                   "`openssl rand -hex 32`), SANDBOX_TOKENS_FILE or the SANDBOX_OAUTH_ variables; "
                   "or serve this machine only, with SANDBOX_HOST=127.0.0.1",
                   conf->host);
}

int gate_open_access(const struct conf *conf, struct access **ret, struct err *err)
{
    const struct access_options options = {
        .token = conf->api_token,
        .tokens_file = conf->tokens_file,
        .oauth_issuer = conf->oauth_issuer,
        .oauth_resource = conf->oauth_resource,
        .oauth_jwks = conf->oauth_jwks,
        .profiles = conf->profiles,
        .rate_limit = conf->rate_limit_set ? conf->rate_limit : HTTP_RATE_LIMIT,
    };
    struct access *access = access_new(&options, err);
    if (!access)
        return -1;
    if (check_address(conf, access, err) < 0) {
        access_free(access);
        return -1;
    }
    const struct strv *notes = access_notes(access);
    for (size_t i = 0; i < notes->len; i++)
        log_line(LOG_WARNING, "%s", notes->items[i]);
    *ret = access;
    return 0;
}
