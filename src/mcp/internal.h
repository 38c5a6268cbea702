/* What the files of this room share. */
#ifndef MCP_INTERNAL_H
#define MCP_INTERNAL_H

#include "mcp/era.h"
#include "mcp/mcp.h"

struct batch;
struct call;

/* The way back for one message: its exchange, or a place in the answer to a batch. */
struct road {
    struct exchange *exchange;
    struct batch *batch; /* NULL unless the message came in one */
};

struct mcp_server {
    struct loop *loop;
    const struct tools *tools;
    const struct mcp_identity *identity;
    struct buf scratch;       /* the message being written */
    struct buf modern_prefix; /* fields that every modern result begins with */
    struct buf initialize;    /* fields of its result, all but the version */
    struct buf discover;      /* fields of the result of server/discover */
    struct buf tools_list[2]; /* fields of the result of tools/list, by era */
};

struct mcp_client {
    struct mcp_server *server;
    char *name;
    const char *version; /* legacy version agreed on by initialize; NULL: none yet */
    struct call *calls;  /* under way */
};

/* One request or notification being served. */
struct request {
    struct mcp_client *client;
    enum era era;
    const struct rpc_message *msg;
    struct road road;
};

/* ---- reply.c ---- */

/* {"jsonrpc":"2.0","id":@id,"result":{ and what the era puts there; more fields may follow. */
struct json_out reply_begin(struct mcp_server *s, enum era era, const char *id);
/* Close and send. */
void reply_send(struct mcp_server *s, struct road road, struct json_out *out, const char *id);
/* @fields: "key":value pairs made in advance. */
void reply_fields(const struct request *rq, const struct buf *fields);
/* @id NULL: null. @data: JSON text or NULL. */
void reply_error(struct mcp_server *s, struct road road, enum exchange_outcome outcome,
                 const char *id, int code, const char *text, const struct buf *data);
/* An error about the request's parameters. */
void reply_invalid_params(const struct request *rq, const char *fmt, ...) _printf_(2, 3);
/* Nothing to say. */
void reply_nothing(struct road road);
/* A notification that belongs to the message at the end of @road. */
bool reply_note(struct road road, const char *json, size_t n);

/* ---- batch.c ---- */

#define BATCH_MAX 100

/* Answers to the members are collected and sent as one array, when the last has been given. Begins
 * with one member open, which batch_close() ends. NULL: no memory. */
struct batch *batch_new(struct exchange *x);
void batch_open(struct batch *b);
/* @json NULL: the member has no answer. May free the batch. */
void batch_close(struct batch *b, const char *json, size_t n);
bool batch_note(struct batch *b, const char *json, size_t n);

/* ---- methods.c ---- */

struct method {
    const char *name;
    void (*serve)(struct request *rq);
};
/* NULL: the era has no such method. */
const struct method *method_find(enum era era, const char *name);
void notification_serve(struct request *rq);
/* Make the texts that never change. */
int methods_prepare(struct mcp_server *s, struct err *err);

/* ---- calls.c ---- */

/* Is a request of this id under way? */
bool call_under_way(const struct mcp_client *client, const char *id);
/* Run @tool for @rq, which it answers. @token: JSON text of the progress token, NULL: no progress.
 */
void call_start(struct request *rq, const struct tool *tool, const json_t *args, const char *token);
/* The client is no longer interested: stop, and say nothing. */
void call_cancel(struct mcp_client *client, const char *id);
/* Stop all; each is answered as cancelled. */
void calls_stop(struct mcp_client *client);
/* Stop all and forget the client. */
void calls_abandon(struct mcp_client *client);

#endif
