/* Tool calls under way: answering them when they end, telling of their output meanwhile, stopping
 * them. Runs in the server.
 *
 * A call is unlinked from its client as soon as its request needs no answer any more; it goes away
 * when the tool says that it is done. */
#include <string.h>

#include "mcp/internal.h"
#include "sys/clock.h"

#define NOTE_INTERVAL_NS 25000000u         /* between two progress messages of one call */
#define CHUNK_MAX        (8 * 1024 * 1024) /* output that waits for its turn */

struct call {
    struct call *next, **link; /* in client->calls; link NULL: unlinked, nothing is to be said */
    struct mcp_server *server;
    enum era era;
    char *id;
    struct road road;
    struct tool_call *tool; /* NULL while it is being started */
    bool stopping;

    char *token; /* JSON text; NULL: no progress is wanted */
    struct buf chunk;
    uint64_t progress, noted_ns;
    struct loop_timer *timer;
};

static void unlink_call(struct call *call)
{
    if (!call->link)
        return;
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    call->link = NULL;
    call->next = NULL;
}

static void link_call(struct call *call, struct mcp_client *client)
{
    call->next = client->calls;
    call->link = &client->calls;
    if (call->next)
        call->next->link = &call->next;
    client->calls = call;
}

static void call_free(struct call *call)
{
    unlink_call(call);
    loop_timer_free(call->timer);
    buf_done(&call->chunk);
    free(call->id);
    free(call->token);
    free(call);
}

static struct call *find(const struct mcp_client *client, const char *id)
{
    for (struct call *call = client->calls; call; call = call->next)
        if (strcmp(call->id, id) == 0)
            return call;
    return NULL;
}

bool call_under_way(const struct mcp_client *client, const char *id)
{
    return find(client, id) != NULL;
}

/* ---- progress ---- */

/* Send what has gathered. The value is the number of bytes told so far, so it always rises. */
static void send_progress(struct call *call)
{
    if (call->chunk.len == 0 || !call->link)
        return;
    auto_buf struct buf buf = BUF_INIT(0);
    struct json_out out = json_out_init(&buf);
    json_open_object(&out);
    json_pair_str(&out, "jsonrpc", "2.0");
    json_pair_str(&out, "method", "notifications/progress");
    json_key(&out, "params");
    json_open_object(&out);
    json_key(&out, "progressToken");
    json_put_raw(&out, call->token, strlen(call->token));
    json_pair_uint(&out, "progress", call->progress + call->chunk.len);
    json_key(&out, "message");
    json_put_strn(&out, (const char *)call->chunk.data, call->chunk.len);
    json_close_object(&out);
    json_close_object(&out);
    call->noted_ns = clock_mono_ns();
    if (out.bad || !reply_note(call->road, (const char *)buf.data, buf.len))
        return;
    call->progress += call->chunk.len;
    buf_clear(&call->chunk);
}

static void on_timer(void *ctx)
{
    struct call *call = ctx;
    send_progress(call);
    if (call->chunk.len > 0)
        loop_timer_arm(call->timer, NOTE_INTERVAL_NS);
}

/* The first piece goes out at once; what follows within the interval is gathered. */
static void on_output(void *ctx, const char *text, size_t n)
{
    struct call *call = ctx;
    bool waiting = call->chunk.len > 0;
    if (!call->link || n == 0 || buf_add(&call->chunk, text, n, NULL) < 0 || waiting)
        return;
    uint64_t since = clock_mono_ns() - call->noted_ns;
    if (since >= NOTE_INTERVAL_NS)
        send_progress(call);
    if (call->chunk.len == 0)
        return;
    if (!call->timer)
        call->timer = loop_timer_new(call->server->loop, on_timer, call, NULL);
    if (call->timer)
        loop_timer_arm(call->timer,
                       since < NOTE_INTERVAL_NS ? NOTE_INTERVAL_NS - since : NOTE_INTERVAL_NS);
}

/* ---- the end ---- */

static void put_content(struct json_out *out, const struct tool_reply *reply)
{
    json_key(out, "content");
    json_open_array(out);
    json_open_object(out);
    json_pair_str(out, "type", "text");
    json_key(out, "text");
    json_put_strn(out, reply->object, reply->object_len);
    json_close_object(out);
    if (reply->blocks)
        json_put_raw(out, reply->blocks, reply->blocks_len);
    json_close_array(out);
}

static void on_done(void *ctx, const struct tool_reply *reply)
{
    struct call *call = ctx;
    if (call->link) {
        send_progress(call);
        unlink_call(call);
        struct json_out out = reply_begin(call->server, call->era, call->id);
        put_content(&out, reply);
        json_key(&out, "structuredContent");
        json_put_raw(&out, reply->object, reply->object_len);
        json_pair_bool(&out, "isError", reply->is_error);
        reply_send(call->server, call->road, &out, call->id);
    }
    call_free(call);
}

void call_start(struct request *rq, const struct tool *tool, const json_t *args, const char *token)
{
    struct mcp_client *client = rq->client;
    struct call *call = calloc(1, sizeof(*call));
    if (call) {
        *call = (struct call){.server = client->server, .era = rq->era, .road = rq->road};
        call->chunk.max = CHUNK_MAX;
        call->id = strdup(rq->msg->id);
        call->token = token ? strdup(token) : NULL;
    }
    if (!call || !call->id || (token && !call->token)) {
        if (call)
            call_free(call);
        reply_error(client->server, rq->road, EXCHANGE_ANSWER, rq->msg->id, RPC_INTERNAL_ERROR,
                    "no memory for the call", NULL);
        return;
    }
    link_call(call, client);
    const struct tool_listener listener = {
        .on_output = token ? on_output : NULL,
        .on_done = on_done,
    };
    /* When this comes back with NULL the call has been answered and is no more. */
    struct tool_call *started =
        tools_call(client->server->tools, tool, args, client->name, &listener, call);
    if (started)
        call->tool = started;
}

/* ---- stopping ---- */

static void stop(struct call *call)
{
    if (call->stopping || !call->tool)
        return;
    call->stopping = true;
    tool_cancel(call->tool);
}

static void silence(struct call *call)
{
    unlink_call(call);
    if (call->timer)
        loop_timer_disarm(call->timer);
    reply_nothing(call->road);
    stop(call);
}

void call_cancel(struct mcp_client *client, const char *id)
{
    struct call *call = find(client, id);
    if (call)
        silence(call);
}

void calls_stop(struct mcp_client *client)
{
    for (struct call *call = client->calls; call; call = call->next)
        stop(call);
}

void calls_abandon(struct mcp_client *client)
{
    while (client->calls)
        silence(client->calls);
}
