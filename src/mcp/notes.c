/* What a call says before it is answered: its newest output or how far it is, as progress; messages
 * for the client's log. Runs in the server.
 *
 * Output is gathered: the first piece goes out at once, and then no more than one message every
 * NOTE_INTERVAL_NS, however often a program prints. */
#include <string.h>

#include "mcp/internal.h"
#include "sys/clock.h"

#define NOTE_INTERVAL_NS 25000000u
#define CHUNK_MAX        (8 * 1024 * 1024) /* output that waits for its turn */

static struct json_out begin(struct buf *buf, const char *method)
{
    struct json_out out = json_out_init(buf);
    json_open_object(&out);
    json_pair_str(&out, "jsonrpc", "2.0");
    json_pair_str(&out, "method", method);
    json_key(&out, "params");
    json_open_object(&out);
    return out;
}

static struct json_out begin_progress(struct buf *buf, const struct call *call, uint64_t progress)
{
    struct json_out out = begin(buf, "notifications/progress");
    json_key(&out, "progressToken");
    json_put_raw(&out, call->token, strlen(call->token));
    json_pair_uint(&out, "progress", progress);
    return out;
}

static bool send(struct call *call, struct json_out *out)
{
    json_close_object(out);
    json_close_object(out);
    return !out->bad && reply_note(call->road, (const char *)out->buf->data, out->buf->len);
}

/* Nobody would read it. */
static bool is_deaf(const struct call *call)
{
    return !call->link || !call->road.exchange;
}

/* ---- output ---- */

/* The value is the number of bytes told so far, so it always rises. */
void note_flush(struct call *call)
{
    if (call->chunk.len == 0 || is_deaf(call))
        return;
    auto_buf struct buf buf = BUF_INIT(0);
    struct json_out out = begin_progress(&buf, call, call->progress + call->chunk.len);
    json_key(&out, "message");
    json_put_strn(&out, (const char *)call->chunk.data, call->chunk.len);
    call->noted_ns = clock_mono_ns();
    if (!send(call, &out))
        return;
    call->progress += call->chunk.len;
    call->progressed = true;
    buf_clear(&call->chunk);
}

static void on_timer(void *ctx)
{
    struct call *call = ctx;
    note_flush(call);
    if (call->chunk.len > 0)
        loop_timer_arm(call->timer, NOTE_INTERVAL_NS);
}

static void on_output(void *ctx, const char *text, size_t n)
{
    struct call *call = ctx;
    bool waiting = call->chunk.len > 0;
    if (is_deaf(call) || n == 0 || buf_add(&call->chunk, text, n, NULL) < 0 || waiting)
        return;
    uint64_t since = clock_mono_ns() - call->noted_ns;
    if (since >= NOTE_INTERVAL_NS)
        note_flush(call);
    if (call->chunk.len == 0)
        return;
    if (!call->timer)
        call->timer = loop_timer_new(call->server->loop, on_timer, call, NULL);
    if (call->timer)
        loop_timer_arm(call->timer,
                       since < NOTE_INTERVAL_NS ? NOTE_INTERVAL_NS - since : NOTE_INTERVAL_NS);
}

/* ---- the tool's own words ---- */

static void on_progress(void *ctx, uint64_t progress, uint64_t total)
{
    struct call *call = ctx;
    if (is_deaf(call) || (call->progressed && progress <= call->progress))
        return;
    auto_buf struct buf buf = BUF_INIT(0);
    struct json_out out = begin_progress(&buf, call, progress);
    if (total > 0)
        json_pair_uint(&out, "total", total);
    if (!send(call, &out))
        return;
    call->progress = progress;
    call->progressed = true;
}

static void on_log(void *ctx, const char *level, const char *data)
{
    struct call *call = ctx;
    if (is_deaf(call) || era_log_level(level) < call->log_level)
        return;
    auto_buf struct buf buf = BUF_INIT(0);
    struct json_out out = begin(&buf, "notifications/message");
    json_pair_str(&out, "level", level);
    json_pair_str(&out, "logger", call->server->identity->name);
    json_key(&out, "data");
    json_put_raw(&out, data, strlen(data));
    send(call, &out);
}

/* ---- who wants what ---- */

/* In the modern era a request says itself what it wants of the log, and nothing means none. */
static int wanted_level(const struct call *call, const json_t *meta)
{
    if (!call->server->features.logging)
        return LOG_NOTHING;
    if (call->era == ERA_LEGACY)
        return call->client->log_level;
    const json_t *level = meta ? json_object_get(meta, META_LOG_LEVEL) : NULL;
    return level ? era_log_level(json_plain_string(level)) : LOG_NOTHING;
}

void note_listen(struct call *call, const json_t *meta, struct tool_listener *listener)
{
    call->chunk.max = CHUNK_MAX;
    call->log_level = wanted_level(call, meta);
    listener->on_output = call->token ? on_output : NULL;
    listener->on_progress = call->token ? on_progress : NULL;
    listener->on_log = call->log_level < LOG_NOTHING ? on_log : NULL;
}

void note_end(struct call *call)
{
    if (call->timer)
        loop_timer_disarm(call->timer);
    buf_done(&call->chunk);
}

void note_done(struct call *call)
{
    loop_timer_free(call->timer);
    buf_done(&call->chunk);
    free(call->token);
}
