/* Listing and reading resources, over all sources of them: see resources.h. Runs in the server;
 * URIs and cursors are whatever a client sends.
 *
 * A cursor is "SOURCE.POSITION", both hexadecimal: which source, and where to go on in it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mcp/internal.h"

#define MAX_SOURCES 16
#define CURSOR_SIZE 24

int resources_prepare(struct mcp_server *s, struct err *err)
{
    const struct mcp_features *f = &s->features;
    if (f->resources_len > MAX_SOURCES)
        return err_set(err, ERR_INTERNAL, "more than %d sources of resources", MAX_SOURCES);
    for (enum era era = ERA_LEGACY; era <= ERA_MODERN; era++) {
        struct json_out out = json_out_init(&s->templates_list[era]);
        json_key(&out, "resourceTemplates");
        json_open_array(&out);
        for (size_t i = 0; i < f->resources_len; i++)
            f->resources[i]->list_templates(f->resources[i], &out);
        json_close_array(&out);
        if (era == ERA_MODERN)
            put_caching(&out, LIST_TTL_MS, true);
        if (out.bad)
            return err_nomem(err);
    }
    return 0;
}

/* ---- lists ---- */

struct place {
    size_t source;
    uint64_t position;
};

static void cursor_write(char out[CURSOR_SIZE], struct place p)
{
    snprintf(out, CURSOR_SIZE, "%zx.%016" PRIx64, p.source, p.position);
}

/* Exactly what cursor_write() would have written, and nothing else. */
static bool cursor_read(const char *text, size_t sources, struct place *ret)
{
    struct place p;
    char again[CURSOR_SIZE];
    char *dot;
    char *end;
    if (!text || strlen(text) >= CURSOR_SIZE)
        return false;
    p.source = strtoul(text, &dot, 16);
    if (*dot != '.' || p.source >= sources)
        return false;
    p.position = strtoull(dot + 1, &end, 16);
    cursor_write(again, p);
    *ret = p;
    return strcmp(again, text) == 0;
}

void serve_resources_list(struct request *rq)
{
    struct mcp_server *s = rq->client->server;
    const struct mcp_features *f = &s->features;
    const json_t *cursor = json_object_get(rq->msg->params, "cursor");
    struct place p = {0};
    if (cursor && !json_is_null(cursor) &&
        !cursor_read(json_plain_string(cursor), f->resources_len, &p)) {
        reply_invalid_params(rq, "Invalid params: unknown cursor; begin again without one");
        return;
    }
    struct json_out out = reply_begin(s, rq->era, rq->msg->id);
    json_key(&out, "resources");
    json_open_array(&out);
    p.position =
        f->resources[p.source]->list(f->resources[p.source], rq->client->name, p.position, &out);
    json_close_array(&out);
    p.source += p.position == 0;
    if (p.source < f->resources_len) {
        char next[CURSOR_SIZE];
        cursor_write(next, p);
        json_pair_str(&out, "nextCursor", next);
    }
    /* What belongs to one caller may be among it, and may come and go at any time. */
    if (rq->era == ERA_MODERN)
        put_caching(&out, 0, false);
    reply_send(s, rq->road, EXCHANGE_ANSWER, &out, rq->msg->id);
}

void serve_resource_templates_list(struct request *rq)
{
    if (no_cursor(rq))
        reply_fields(rq, &rq->client->server->templates_list[rq->era]);
}

/* ---- reading ---- */

#define SHOWN_URI_MAX 2048

static void refuse_unknown(const struct request *rq, const char *uri)
{
    auto_buf struct buf data = BUF_INIT(0);
    struct json_out out = json_out_init(&data);
    json_open_object(&out);
    json_key(&out, "uri");
    json_put_strn(&out, uri, utf8_floor(uri, strnlen(uri, SHOWN_URI_MAX)));
    json_close_object(&out);
    reply_error(rq->client->server, rq->road, EXCHANGE_ANSWER, rq->msg->id,
                rq->era == ERA_MODERN ? RPC_INVALID_PARAMS : RPC_RESOURCE_NOT_FOUND,
                "Resource not found: there is no such resource, or it is no longer kept",
                out.bad ? NULL : &data);
}

void serve_resources_read(struct request *rq)
{
    struct mcp_server *s = rq->client->server;
    const struct mcp_features *f = &s->features;
    const char *uri = string_param(rq, "uri", "the URI of a resource");
    if (!uri)
        return;
    struct json_out out = reply_begin(s, rq->era, rq->msg->id);
    json_key(&out, "contents");
    json_open_array(&out);
    uint64_t ttl_ms = 0;
    bool found = false;
    for (size_t i = 0; i < f->resources_len && !found; i++)
        found = f->resources[i]->read(f->resources[i], rq->client->name, uri, &out, &ttl_ms);
    if (!found) {
        refuse_unknown(rq, uri);
        return;
    }
    json_close_array(&out);
    if (rq->era == ERA_MODERN)
        put_caching(&out, ttl_ms, false);
    reply_send(s, rq->road, EXCHANGE_ANSWER, &out, rq->msg->id);
}

/* ---- subscriptions, legacy eras ---- */

static void subscribe(struct request *rq, bool wanted)
{
    static const struct buf none;
    const struct mcp_features *f = &rq->client->server->features;
    const char *uri = string_param(rq, "uri", "the URI of a resource");
    if (!uri)
        return;
    f->on_subscribe(f->on_subscribe_ctx, rq->client->name, uri, wanted);
    reply_fields(rq, &none);
}

void serve_subscribe(struct request *rq)
{
    subscribe(rq, true);
}

void serve_unsubscribe(struct request *rq)
{
    subscribe(rq, false);
}
