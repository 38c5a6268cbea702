/* Questions to a legacy client while its request waits. Runs in the server.
 *
 * Each question is a request of ours on the stream of the client's own request; the answers come as
 * messages of their own, over HTTP in POSTs of their own, and belong to a question by its id alone.
 * So ids are random: among the programs that share one token none can answer another's questions.
 * When all answers are there, the request is served again from the start, as the modern era has its
 * clients do. */
#include <stdio.h>
#include <string.h>

#include "mcp/internal.h"
#include "sys/clock.h"

#define ID_RANDOM 16
#define ID_CHARS  (ID_RANDOM * 2 + 2) /* with quotation marks */

struct question {
    char id[ID_CHARS + 1]; /* JSON text */
    char *name;
    json_t *answer; /* NULL: not yet */
};

struct asking {
    struct question questions[ASK_MAX];
    size_t len, open;
    char *state;
    struct loop_timer *timer;
};

void ask_done(struct call *call)
{
    struct asking *a = take_ptr(call->asking);
    if (!a)
        return;
    for (size_t i = 0; i < a->len; i++) {
        free(a->questions[i].name);
        json_decref(a->questions[i].answer);
    }
    loop_timer_free(a->timer);
    free(a->state);
    free(a);
}

static void fail(struct call *call, const char *text)
{
    call_unlink(call);
    reply_error(call->server, call->road, EXCHANGE_ANSWER, call->id, RPC_INTERNAL_ERROR, text,
                NULL);
    call_free(call);
}

static void on_timeout(void *ctx)
{
    fail(ctx, "the client did not answer what it was asked in time");
}

static void make_id(char out[ID_CHARS + 1])
{
    uint8_t random[ID_RANDOM];
    random_bytes(random, sizeof(random));
    out[0] = '"';
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(out + 1 + 2 * i, 3, "%02x", random[i]);
    out[ID_CHARS - 1] = '"';
    out[ID_CHARS] = '\0';
}

static bool send(struct call *call, const struct question *q, const json_t *request)
{
    auto_buf struct buf buf = BUF_INIT(0);
    struct json_out out = json_out_init(&buf);
    const char *method = json_plain_string(json_object_get(request, "method"));
    const json_t *params = json_object_get(request, "params");
    json_open_object(&out);
    json_pair_str(&out, "jsonrpc", "2.0");
    json_key(&out, "id");
    json_put_raw(&out, q->id, strlen(q->id));
    json_pair_str(&out, "method", method);
    if (params) {
        json_key(&out, "params");
        json_put_value(&out, params);
    }
    json_close_object(&out);
    return method && !out.bad && reply_note(call->road, (const char *)buf.data, buf.len);
}

/* NULL, or why not. */
static const char *ask_all(struct call *call, const json_t *requests)
{
    struct asking *a = call->asking;
    const char *name;
    json_t *request;
    if (!json_is_object(requests) || json_object_size(requests) == 0 ||
        json_object_size(requests) > ASK_MAX)
        return "the questions to the client could not be written";
    if (input_missing(requests, call->client->can))
        return "the client does not offer what the request needs of it: see its capabilities";
    json_object_foreach((json_t *)(uintptr_t)requests, name, request)
    {
        struct question *q = &a->questions[a->len++];
        make_id(q->id);
        q->name = strdup(name);
        if (!q->name)
            return "no memory for the questions";
        a->open++;
        if (!send(call, q, request))
            return "the client could not be asked: it does not read";
    }
    return NULL;
}

void ask_start(struct call *call, const struct tool_questions *q)
{
    const struct json_limits limits = {.max_bytes = SIZE_MAX, .max_depth = 32, .max_items = 10000};
    auto_json json_t *requests = json_parse(q->requests, q->requests_len, &limits, NULL);
    struct asking *a = call->asking = calloc(1, sizeof(*a));
    if (a) {
        a->timer = loop_timer_new(call->server->loop, on_timeout, call, NULL);
        a->state = q->state ? strdup(q->state) : NULL;
    }
    if (!a || !a->timer || (q->state && !a->state)) {
        fail(call, "no memory for the questions");
        return;
    }
    const char *problem = ask_all(call, requests);
    if (problem)
        fail(call, problem);
    else
        loop_timer_arm(a->timer, ASK_TIMEOUT_NS);
}

/* Serve the request again, with what has been answered. The call gives way to it. */
static void resume(struct call *call)
{
    struct asking *a = call->asking;
    auto_json json_t *answers = json_object();
    auto_json json_t *params = take_ptr(call->params);
    auto_free char *id = take_ptr(call->id);
    auto_free char *state = take_ptr(a->state);
    auto_free char *session = take_ptr(call->session);
    bool whole = answers != NULL;
    for (size_t i = 0; i < a->len; i++)
        whole =
            whole && json_object_set(answers, a->questions[i].name, a->questions[i].answer) == 0;
    const struct rpc_message msg = {.id = id, .method = call->method, .params = params};
    struct request rq = {
        .client = call->client,
        .era = call->era,
        .msg = &msg,
        .road = call->road,
        .session = session,
        .input = {.can = call->client->can, .answers = answers, .state = state},
        .resumed = true,
        .progress = call->progress,
    };
    const struct method *method = method_find(call->server, call->era, call->method);
    struct mcp_server *s = call->server;
    call_free(call);
    if (whole)
        method->serve(&rq);
    else
        reply_error(s, rq.road, EXCHANGE_ANSWER, id, RPC_INTERNAL_ERROR,
                    "no memory for the answers", NULL);
}

static void take_answer(struct call *call, struct question *q, const json_t *response)
{
    json_t *result = json_object_get(response, "result");
    if (!json_is_object(result)) {
        const char *why =
            json_plain_string(json_object_get(json_object_get(response, "error"), "message"));
        struct err err = ERR_INIT;
        err_set(&err, ERR_REFUSED, "the client did not answer what it was asked%s%.200s",
                why ? ": " : "", why ? why : "");
        fail(call, err.text);
        return;
    }
    q->answer = json_incref(result);
    if (--call->asking->open == 0)
        resume(call);
}

bool ask_answered(struct mcp_client *client, const char *id, const json_t *response)
{
    for (struct call *call = client->calls; call; call = call->next) {
        struct asking *a = call->asking;
        for (size_t i = 0; a && i < a->len; i++) {
            struct question *q = &a->questions[i];
            if (q->answer || strcmp(q->id, id) != 0)
                continue;
            take_answer(call, q, response);
            return true;
        }
    }
    return false;
}
