/* Requests under way: answering them when their tool is done, stopping them. Runs in the server.
 *
 * A call is unlinked from its client as soon as its request needs no answer any more; it goes away
 * when the tool says that it is done. While the client is being asked something (ask.c) there is no
 * tool, and the call goes away at once.
 *
 * With the end of its last exchange a client may be freed, and an end may bring in the next message
 * at once. So a call is unlinked before it is answered, and nobody holds a place in a client's list
 * across an answer. */
#include <string.h>

#include "mcp/internal.h"

void call_unlink(struct call *call)
{
    if (!call->link)
        return;
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    call->link = NULL;
    call->next = NULL;
    call->client = NULL;
}

static void link_call(struct call *call, struct mcp_client *client)
{
    call->client = client;
    call->next = client->calls;
    call->link = &client->calls;
    if (call->next)
        call->next->link = &call->next;
    client->calls = call;
}

void call_free(struct call *call)
{
    call_unlink(call);
    ask_done(call);
    note_done(call);
    json_decref(call->params);
    free(call->id);
    free(call->session);
    free(call);
}

bool call_under_way(const struct mcp_client *client, const char *id)
{
    for (const struct call *call = client->calls; call; call = call->next)
        if (strcmp(call->id, id) == 0)
            return true;
    return false;
}

#define SESSION_MAX 256 /* ours are shorter; one that is longer names no call */

static int take_session(struct call *call, const char *session)
{
    if (!session)
        return 0;
    call->session = strdup(strlen(session) <= SESSION_MAX ? session : "");
    return call->session ? 0 : -1;
}

/* NULL: answered, there was no memory. @repeatable: it may have to be made again. */
static struct call *call_new(struct request *rq, bool repeatable)
{
    struct mcp_client *client = rq->client;
    struct call *call = calloc(1, sizeof(*call));
    if (call) {
        *call = (struct call){.server = client->server,
                              .era = rq->era,
                              .road = rq->road,
                              .progress = rq->progress,
                              .progressed = rq->resumed && rq->progress > 0,
                              .id = strdup(rq->msg->id)};
        call->method = method_find(client->server, rq->era, rq->msg->method)->name;
        if (repeatable && rq->msg->params)
            call->params = json_incref((json_t *)(uintptr_t)rq->msg->params);
    }
    if (call && call->id && take_session(call, rq->session) == 0) {
        link_call(call, client);
        return call;
    }
    if (call)
        call_free(call);
    reply_error(client->server, rq->road, EXCHANGE_ANSWER, rq->msg->id, RPC_INTERNAL_ERROR,
                "no memory for the call", NULL);
    return NULL;
}

/* ---- the end ---- */

static void answer_stopped(struct call *call)
{
    reply_error(call->server, call->road, EXCHANGE_ANSWER, call->id, RPC_INTERNAL_ERROR,
                "the server is stopping", NULL);
}

/* The object as a text block for models, then the tool's own blocks. */
static void put_content(struct mcp_server *s, struct json_out *out, const struct tool_reply *r)
{
    json_key(out, "content");
    json_open_array(out);
    if (r->object) {
        json_open_object(out);
        json_pair_str(out, "type", "text");
        json_key(out, "text");
        if (r->prepared) {
            auto_buf struct buf rest = BUF_INIT(0);
            struct json_out quoted = json_out_init(&rest);
            json_put_strn(&quoted, r->object, r->object_len);
            reply_splice(s, out, "\"", r->prepared->escaped, r->prepared->escaped_len, "");
            /* without its opening quotation mark */
            if (quoted.bad || buf_add(out->buf, rest.data + 1, rest.len - 1, NULL) < 0)
                out->bad = true;
        } else {
            json_put_strn(out, r->object, r->object_len);
        }
        json_close_object(out);
    }
    if (r->blocks)
        json_put_raw(out, r->blocks, r->blocks_len);
    json_close_array(out);
}

static void put_object(struct mcp_server *s, struct json_out *out, const struct tool_reply *r)
{
    if (!r->object)
        return;
    json_key(out, "structuredContent");
    if (r->prepared) {
        reply_splice(s, out, "", r->prepared->json, r->prepared->json_len, "");
        if (buf_add(out->buf, r->object, r->object_len, NULL) < 0)
            out->bad = true;
    } else {
        json_put_raw(out, r->object, r->object_len);
    }
}

static void answer(struct call *call, const struct tool_reply *r)
{
    struct mcp_server *s = call->server;
    enum exchange_outcome outcome = EXCHANGE_ANSWER;
    if (r->retry_after_s > 0) {
        outcome = EXCHANGE_RATE_LIMITED;
        if (call->road.exchange)
            call->road.exchange->retry_after_s = r->retry_after_s;
    }
    struct json_out out = reply_begin(s, call->era, call->id);
    put_content(s, &out, r);
    put_object(s, &out, r);
    json_pair_bool(&out, "isError", r->is_error);
    reply_send(s, call->road, outcome, &out, call->id);
}

/* The modern way: the client gets the questions for an answer, and comes back with another request.
 */
static void answer_questions(struct call *call, struct mcp_client *client,
                             const struct tool_questions *q)
{
    const json_t *meta = json_object_get(call->params, "_meta");
    const struct rpc_message msg = {.id = call->id, .method = call->method, .params = call->params};
    const struct request rq = {
        .client = client,
        .era = call->era,
        .msg = &msg,
        .road = call->road,
        .input = {.can = input_abilities(json_object_get(meta, META_CAPABILITIES))},
    };
    reply_questions(&rq, q);
}

static void on_done(void *ctx, const struct tool_reply *r)
{
    struct call *call = ctx;
    struct mcp_client *client = call->client;
    call->tool = NULL;
    if (client) {
        note_flush(call);
        note_end(call);
        if (r->questions && call->era == ERA_LEGACY && !call->stopping) {
            ask_start(call, r->questions);
            return;
        }
        call_unlink(call);
        if (r->questions && call->era == ERA_MODERN)
            answer_questions(call, client, r->questions);
        else if (r->questions)
            answer_stopped(call);
        else
            answer(call, r);
    }
    call_free(call);
}

static void end_tool(struct call *call)
{
    if (call->ending)
        tool_stop(call->tool);
    else
        tool_cancel(call->tool);
}

void call_start(struct request *rq, const struct tool *tool, const json_t *args, const char *token)
{
    struct tool_listener listener = {.on_done = on_done};
    struct tool_caller caller = rq->client->caller;
    struct call *call = call_new(rq, tool->may_ask);
    if (!call)
        return;
    call->token = token ? strdup(token) : NULL;
    note_listen(call, rpc_meta(rq->msg), &listener);
    caller.input = &rq->input;
    /* When this comes back with NULL the call has been answered and is no more. */
    struct tool_call *started =
        tools_call(call->server->features.tools, tool, args, &caller, &listener, call);
    if (!started)
        return;
    call->tool = started;
    if (call->stopping)
        end_tool(call);
}

void call_ask(struct request *rq, const struct tool_questions *q)
{
    struct call *call = call_new(rq, true);
    if (call)
        ask_start(call, q);
}

/* ---- stopping ---- */

/* One that is being started at this moment is stopped when it has been. */
static void stop(struct call *call)
{
    if (!call->stopping && call->tool)
        end_tool(call);
    call->stopping = true;
}

static void silence(struct call *call)
{
    struct road road = call->road;
    call_unlink(call);
    note_end(call);
    if (call->asking)
        call_free(call);
    else
        stop(call);
    reply_nothing(road);
}

/* Programs that have one token in common all count from 1: an id alone says nothing. */
static bool could_mean(const struct request *rq, const struct call *call)
{
    if (!rq->client->shared_ids)
        return true;
    if (call->era != rq->era || !call->session != !rq->session)
        return false;
    return !rq->session || (call->session[0] && strcmp(call->session, rq->session) == 0);
}

void call_cancel(const struct request *rq, const char *id)
{
    struct call *found = NULL;
    for (struct call *call = rq->client->calls; call; call = call->next) {
        if (strcmp(call->id, id) != 0 || !could_mean(rq, call))
            continue;
        if (found)
            return;
        found = call;
    }
    if (found)
        silence(found);
}

/* In a legacy era a lost connection is no cancellation: the program runs on, and its client may
 * still cancel it. */
static void detach(struct call *call)
{
    if (call->road.batch)
        batch_gone(call->road.batch);
    call->road.exchange = NULL;
    note_end(call);
}

void calls_gone(struct mcp_client *client, const struct exchange *x)
{
    for (struct call *call = client->calls, *next; call; call = next) {
        next = call->next;
        if (call->road.exchange != x)
            continue;
        detach(call);
        if (call->era == ERA_MODERN)
            silence(call);
    }
}

/* In the modern era to close is to cancel, and the end of input is all that the kernel shows of a
 * client that has closed. In the legacy ones nothing is lost by answering. */
bool mcp_exchange_wanted(const struct mcp_client *client, const struct exchange *x)
{
    for (const struct call *call = client->calls; call; call = call->next)
        if (call->road.exchange == x && call->era == ERA_MODERN)
            return false;
    return true;
}

static struct call *first_asking(const struct mcp_client *client)
{
    struct call *call = client->calls;
    while (call && !call->asking)
        call = call->next;
    return call;
}

/* Those that have a tool are answered later. With the last of the others the client may be gone. */
void calls_stop(struct mcp_client *client)
{
    for (struct call *call = client->calls; call; call = call->next)
        if (!call->asking) {
            call->ending = true;
            stop(call);
        }
    struct call *call = first_asking(client);
    while (call) {
        call_unlink(call);
        bool more = first_asking(client) != NULL;
        answer_stopped(call);
        call_free(call);
        call = more ? first_asking(client) : NULL;
    }
}

void calls_abandon(struct mcp_client *client)
{
    while (client->calls)
        silence(client->calls);
}
