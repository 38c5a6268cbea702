/* Answers, written as text and sent with one call of the transport: see internal.h. Runs in the
 * server.
 *
 * A message is written into one buffer that all answers share. What was made in advance is not
 * copied into it: it is spliced in when the message is handed to the transport, which therefore
 * copies it once. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mcp/internal.h"

#define KEEP_BYTES (256 * 1024) /* a scratch buffer grown beyond this is given back */

static void put_text(struct json_out *out, const char *text)
{
    json_put_raw(out, text, strlen(text));
}

/* The message as pieces: stretches of the scratch buffer with what is spliced in between. */
static size_t cut(const struct mcp_server *s, struct exchange_piece pieces[EXCHANGE_MAX_PIECES])
{
    const char *text = (const char *)s->scratch.data;
    size_t from = 0;
    size_t n = 0;
    for (size_t i = 0; i < s->splices_len; i++) {
        const struct splice *splice = &s->splices[i];
        pieces[n++] = (struct exchange_piece){text + from, splice->at - from};
        pieces[n++] = (struct exchange_piece){splice->data, splice->n};
        from = splice->at;
    }
    pieces[n++] = (struct exchange_piece){text + from, s->scratch.len - from};
    return n;
}

static void deliver(struct road road, enum exchange_outcome outcome,
                    const struct exchange_piece *pieces, size_t n)
{
    if (road.batch)
        batch_close(road.batch, pieces, n);
    else if (road.exchange)
        road.exchange->ops->end(road.exchange, outcome, pieces, n);
}

static struct json_out begin(struct mcp_server *s, const char *id)
{
    buf_clear(&s->scratch);
    s->splices_len = 0;
    struct json_out out = json_out_init(&s->scratch);
    json_open_object(&out);
    json_pair_str(&out, "jsonrpc", "2.0");
    json_key(&out, "id");
    put_text(&out, id ? id : "null");
    return out;
}

static void finish(struct mcp_server *s, struct road road, enum exchange_outcome outcome)
{
    struct exchange_piece pieces[EXCHANGE_MAX_PIECES];
    deliver(road, outcome, pieces, cut(s, pieces));
    if (s->scratch.cap > KEEP_BYTES)
        buf_done(&s->scratch);
}

struct json_out reply_begin(struct mcp_server *s, enum era era, const char *id)
{
    return reply_begin_as(s, era, id, "complete");
}

struct json_out reply_begin_as(struct mcp_server *s, enum era era, const char *id, const char *type)
{
    struct json_out out = begin(s, id);
    json_key(&out, "result");
    json_open_object(&out);
    if (era == ERA_MODERN) {
        json_pair_str(&out, "resultType", type);
        json_put_raw(&out, (const char *)s->modern_meta.data, s->modern_meta.len);
    }
    return out;
}

void reply_splice(struct mcp_server *s, struct json_out *out, const char *before, const char *data,
                  size_t n, const char *after)
{
    if (s->splices_len == REPLY_MAX_SPLICES || buf_add_str(&s->scratch, before, NULL) < 0) {
        out->bad = true;
        return;
    }
    s->splices[s->splices_len++] = (struct splice){s->scratch.len, data, n};
    if (buf_add_str(&s->scratch, after, NULL) < 0)
        out->bad = true;
}

void reply_send(struct mcp_server *s, struct road road, enum exchange_outcome outcome,
                struct json_out *out, const char *id)
{
    json_close_object(out);
    json_close_object(out);
    if (out->bad)
        reply_error(s, road, EXCHANGE_ANSWER, id, RPC_INTERNAL_ERROR, "no memory for the answer",
                    NULL);
    else
        finish(s, road, outcome);
}

void reply_fields(const struct request *rq, const struct buf *fields)
{
    struct mcp_server *s = rq->client->server;
    struct json_out out = reply_begin(s, rq->era, rq->msg->id);
    if (fields->len > 0)
        reply_splice(s, &out, rq->era == ERA_MODERN ? "," : "", (const char *)fields->data,
                     fields->len, "");
    reply_send(s, rq->road, EXCHANGE_ANSWER, &out, rq->msg->id);
}

void reply_error(struct mcp_server *s, struct road road, enum exchange_outcome outcome,
                 const char *id, int code, const char *text, const struct buf *data)
{
    struct json_out out = begin(s, id);
    json_key(&out, "error");
    json_open_object(&out);
    json_key(&out, "code");
    json_put_int(&out, code);
    json_key(&out, "message");
    json_put_strn(&out, text, utf8_floor(text, strlen(text)));
    if (data) {
        json_key(&out, "data");
        json_put_raw(&out, (const char *)data->data, data->len);
    }
    json_close_object(&out);
    json_close_object(&out);
    if (out.bad)
        reply_nothing(road);
    else
        finish(s, road, outcome);
}

void reply_invalid_params(const struct request *rq, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    reply_error(rq->client->server, rq->road, EXCHANGE_ANSWER, rq->msg->id, RPC_INVALID_PARAMS,
                text, NULL);
}

void reply_nothing(struct road road)
{
    deliver(road, EXCHANGE_NOTHING, NULL, 0);
}

bool reply_note(struct road road, const char *json, size_t n)
{
    if (road.batch)
        return batch_note(road.batch, json, n);
    return road.exchange && road.exchange->ops->note(road.exchange, json, n);
}
