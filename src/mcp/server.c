/* The protocol's front door: a message comes in, is taken apart, assigned to an era and served.
 * Runs in the server. A message may hold anything; what makes no sense is answered with an error
 * that says why, and the stream goes on.
 *
 * See mcp.h for the whole, era.h for the rules of eras, methods.c for what can be asked. */
#include "mcp/mcp.h"

#include <string.h>

#include "mcp/internal.h"
#include "sys/clock.h"

#ifndef VIVARIUM_VERSION
#error "the build defines VIVARIUM_VERSION"
#endif

const struct mcp_identity mcp_vivarium = {
    .name = "vivarium",
    .title = "Vivarium Python sandbox",
    .version = VIVARIUM_VERSION,
    .instructions =
        "Runs untrusted Python. Each execute_code call starts from nothing in a process of its "
        "own: "
        "send complete programs, and print or end with an expression what you need back. "
        "get_sandbox_info tells which modules can be imported and which limits apply; "
        "validate_code "
        "tells what would be refused, without running it. When a call fails, error, line and the "
        "remedy in security_events say what to change.",
};

/* One message: transports bound its length. */
static const struct json_limits message_limits = {
    .max_bytes = SIZE_MAX,
    .max_depth = 64,
    .max_items = 50000,
};

static void serve_request(struct request *rq, const struct era_verdict *verdict)
{
    struct mcp_server *s = rq->client->server;
    const char *id = rq->msg->id;
    if (!rq->client->shared_ids && call_under_way(rq->client, id)) {
        reply_error(s, rq->road, EXCHANGE_BAD_REQUEST, id, RPC_INVALID_REQUEST,
                    "Invalid request: a request with this id is still under way", NULL);
        return;
    }
    if (verdict->code != 0) {
        auto_buf struct buf data = BUF_INIT(0);
        struct json_out out = json_out_init(&data);
        if (verdict->requested) {
            json_open_object(&out);
            json_key(&out, "supported");
            json_put_raw(&out, "[\"" VERSION_MODERN "\"]", strlen("[\"" VERSION_MODERN "\"]"));
            json_pair_str(&out, "requested", verdict->requested);
            json_close_object(&out);
        }
        reply_error(s, rq->road, EXCHANGE_BAD_REQUEST, id, verdict->code, verdict->err.text,
                    verdict->requested && !out.bad ? &data : NULL);
        return;
    }
    const struct method *method = method_find(s, rq->era, rq->msg->method);
    if (method) {
        method->serve(rq);
        return;
    }
    struct err err = ERR_INIT;
    err_set(&err, ERR_INVALID, "Method not found: %.100s", rq->msg->method);
    reply_error(s, rq->road, rq->era == ERA_MODERN ? EXCHANGE_NOT_FOUND : EXCHANGE_ANSWER, id,
                RPC_METHOD_NOT_FOUND, err.text, NULL);
}

/* An answer to something we asked, or a stray one: either way there is nothing to say to it. */
static void serve_response(const struct request *rq, const json_t *root)
{
    if (rq->msg->id)
        ask_answered(rq->client, rq->msg->id, root);
    reply_nothing(rq->road);
}

/* One object of the stream or of a batch. */
static void serve(struct mcp_client *client, struct road road, const struct message_head *head,
                  const json_t *root)
{
    struct rpc_message msg;
    struct era_verdict verdict;
    struct err err = ERR_INIT;
    if (rpc_read(root, &msg, &err) < 0) {
        err_prefix(&err, "Invalid request");
        reply_error(client->server, road, EXCHANGE_BAD_REQUEST, msg.id, RPC_INVALID_REQUEST,
                    err.text, NULL);
        rpc_done(&msg);
        return;
    }
    era_decide(head, &msg, &verdict);
    struct request rq = {
        .client = client, .era = verdict.era, .msg = &msg, .road = road, .session = head->session};
    if (msg.kind == RPC_REQUEST)
        serve_request(&rq, &verdict);
    else if (msg.kind == RPC_NOTIFICATION)
        notification_serve(&rq);
    else
        serve_response(&rq, root);
    rpc_done(&msg);
}

/* May this client send arrays? Over HTTP the header tells (none stands for the version that has
 * them), on a stream what initialize agreed on. */
static bool batches_allowed(const struct mcp_client *client, const struct message_head *head)
{
    if (head->has_headers)
        return !head->protocol_version || str_eq(head->protocol_version, VERSION_WITH_BATCHES);
    return str_eq(client->version, VERSION_WITH_BATCHES);
}

static const char *batch_problem(const struct mcp_client *client, const struct message_head *head,
                                 const json_t *root)
{
    size_t n = json_array_size(root);
    if (!batches_allowed(client, head))
        return "Invalid request: arrays of messages belong to protocol version 2025-03-26 only";
    if (n == 0)
        return "Invalid request: the array of messages is empty";
    if (n > BATCH_MAX)
        return "Invalid request: more than 100 messages in one array";
    for (size_t i = 0; i < n; i++) {
        struct rpc_message part = {.params = json_object_get(json_array_get(root, i), "params")};
        const char *method = json_plain_string(json_object_get(json_array_get(root, i), "method"));
        if (era_is_modern(&part))
            return "Invalid request: protocol version 2026-07-28 has no arrays of messages";
        if (str_eq(method, "initialize"))
            return "Invalid request: initialize must not be part of an array of messages";
    }
    return NULL;
}

static void serve_batch(struct mcp_client *client, struct exchange *x,
                        const struct message_head *head, const json_t *root)
{
    struct road road = {.exchange = x};
    const char *problem = batch_problem(client, head, root);
    if (!problem && !(road.batch = batch_new(x)))
        problem = "Invalid request: no memory for it";
    if (problem) {
        reply_error(client->server, road, EXCHANGE_BAD_REQUEST, NULL, RPC_INVALID_REQUEST, problem,
                    NULL);
        return;
    }
    for (size_t i = 0; i < json_array_size(root); i++) {
        batch_open(road.batch);
        serve(client, road, head, json_array_get(root, i));
    }
    reply_nothing(road);
}

/* What is not JSON to us may still say whom to answer: without the id, a client would wait for
 * ever.
 */
static void refuse_text(struct mcp_client *client, struct road road, const char *data, size_t n,
                        struct err *err)
{
    const struct json_limits limits = {
        .max_bytes = 8 * RPC_MAX_ID_BYTES, .max_depth = 1, .max_items = 2};
    auto_free char *text = json_salvage(data, n, "id");
    auto_json json_t *value = text ? json_parse(text, strlen(text), &limits, NULL) : NULL;
    auto_free char *id = value ? rpc_token_text(value) : NULL;
    err_prefix(err, "Parse error");
    reply_error(client->server, road, EXCHANGE_BAD_REQUEST, id, RPC_PARSE_ERROR, err->text, NULL);
}

static void on_message(void *ctx, struct exchange *x, const struct message_head *head,
                       const char *data, size_t n)
{
    struct mcp_client *client = ctx;
    struct road road = {.exchange = x};
    struct err err = ERR_INIT;
    auto_json json_t *root = json_parse(data, n, &message_limits, &err);
    if (!root && err.code == ERR_NOMEM) {
        reply_error(client->server, road, EXCHANGE_ANSWER, NULL, RPC_INTERNAL_ERROR,
                    "no memory to read the message; try again later", NULL);
        return;
    }
    if (!root) {
        refuse_text(client, road, data, n, &err);
        return;
    }
    if (json_is_array(root))
        serve_batch(client, x, head, root);
    else
        serve(client, road, head, root);
}

static void on_oversize(void *ctx, struct exchange *x, size_t max)
{
    struct mcp_client *client = ctx;
    struct road road = {.exchange = x};
    struct err err = ERR_INIT;
    err_set(&err, ERR_LIMIT, "Invalid request: a message must not be longer than %zu bytes", max);
    reply_error(client->server, road, EXCHANGE_TOO_LARGE, NULL, RPC_INVALID_REQUEST, err.text,
                NULL);
}

static void on_stop(void *ctx)
{
    calls_stop(ctx);
}

static void on_gone(void *ctx, struct exchange *x)
{
    calls_gone(ctx, x);
}

const struct exchange_handler mcp_exchange_handler = {on_message, on_oversize, on_stop, on_gone};

/* ---- life ---- */

struct mcp_server *mcp_server_new(struct loop *loop, const struct mcp_features *features,
                                  const struct mcp_identity *identity, struct err *err)
{
    struct mcp_server *s = calloc(1, sizeof(*s));
    if (!s) {
        err_nomem(err);
        return NULL;
    }
    *s = (struct mcp_server){.loop = loop, .features = *features, .identity = identity};
    random_bytes(s->seal_key, sizeof(s->seal_key));
    if (methods_prepare(s, err) < 0) {
        mcp_server_free(s);
        return NULL;
    }
    return s;
}

void mcp_server_free(struct mcp_server *s)
{
    if (!s)
        return;
    buf_done(&s->scratch);
    buf_done(&s->modern_meta);
    buf_done(&s->initialize);
    buf_done(&s->discover);
    for (enum era era = ERA_LEGACY; era <= ERA_MODERN; era++) {
        buf_done(&s->tools_list[era]);
        buf_done(&s->prompts_list[era]);
        buf_done(&s->templates_list[era]);
    }
    free(s);
}

struct mcp_client *mcp_client_new(struct mcp_server *server, const struct mcp_caller *caller,
                                  struct err *err)
{
    struct mcp_client *client = calloc(1, sizeof(*client));
    if (client)
        *client = (struct mcp_client){
            .server = server,
            .name = strdup(caller->name),
            .shared_ids = caller->shared_ids,
            .can = CLIENT_SAMPLING | CLIENT_ELICITATION | CLIENT_ROOTS, /* until it has said */
            .log_level = era_log_level("info"),
        };
    if (!client || !client->name) {
        free(client);
        err_nomem(err);
        return NULL;
    }
    client->caller = (struct tool_caller){
        .name = client->name,
        .profiles = caller->profiles,
        .admit = caller->admit,
        .admit_ctx = caller->admit_ctx,
    };
    return client;
}

bool mcp_client_idle(const struct mcp_client *client)
{
    return !client->calls;
}

void mcp_client_free(struct mcp_client *client)
{
    if (!client)
        return;
    calls_abandon(client);
    free(client->name);
    free(client);
}
