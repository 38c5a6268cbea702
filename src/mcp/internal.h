/* What the files of this room share.
 *
 *   server.c     a message comes in: taken apart, assigned to an era, handed to its method
 *   rpc.c era.c  what is a message; which era is it of
 *   methods.c    the tables of methods, and those that only introduce the server
 *   reply.c      answers; batch.c: several in one
 *   calls.c      tool calls under way; notes.c: what they say meanwhile
 *   ask.c        questions to a legacy client while its request waits
 *   input.c      what a request carries of answers to earlier questions; state.c: sealed state
 *   prompts.c, prompts_builtin.c, resources.c, artifact_resources.c
 */
#ifndef MCP_INTERNAL_H
#define MCP_INTERNAL_H

#include "mcp/era.h"
#include "mcp/mcp.h"

struct batch;
struct call;

/* The way back for one message: its exchange, or a place in the answer to a batch. */
struct road {
    struct exchange *exchange; /* NULL: the peer has gone, what is sent is dropped */
    struct batch *batch;       /* NULL unless the message came in one */
};

/* Text made in advance that stands at a place in the message being written. */
struct splice {
    size_t at; /* in `scratch` */
    const char *data;
    size_t n;
};
#define REPLY_MAX_SPLICES 3
_Static_assert(2 * REPLY_MAX_SPLICES + 1 <= EXCHANGE_MAX_PIECES, "a message fits its exchange");

#define SEAL_KEY_BYTES 32

struct mcp_server {
    struct loop *loop;
    struct mcp_features features;
    const struct mcp_identity *identity;
    uint8_t seal_key[SEAL_KEY_BYTES]; /* of state that travels through clients */
    struct buf scratch;               /* the message being written */
    struct splice splices[REPLY_MAX_SPLICES];
    size_t splices_len;
    /* Fields of results, made once: */
    struct buf modern_meta; /* of every modern result */
    struct buf initialize;  /* all but the version */
    struct buf discover;
    struct buf tools_list[2], prompts_list[2], templates_list[2]; /* by era */
};

struct mcp_client {
    struct mcp_server *server;
    char *name;
    struct tool_caller caller; /* its name is the above */
    bool shared_ids;           /* see struct mcp_caller */
    const char *version;       /* legacy version agreed on by initialize; NULL: none yet */
    unsigned can;              /* CLIENT_ bits, of the legacy eras: what initialize declared */
    int log_level;             /* of the legacy eras: rank of the least that is sent */
    struct call *calls;        /* under way */
};

/* One request or notification being served. */
struct request {
    struct mcp_client *client;
    enum era era;
    const struct rpc_message *msg;
    struct road road;
    const char *session; /* Mcp-Session-Id it came with; NULL: none */
    struct tool_input input;
    bool resumed;      /* made again with the answers that are in `input` */
    uint64_t progress; /* told so far, when resumed */
};

/* ---- reply.c ---- */

/* {"jsonrpc":"2.0","id":@id,"result":{ and what the era puts there; more fields may follow. */
struct json_out reply_begin(struct mcp_server *s, enum era era, const char *id);
struct json_out reply_begin_as(struct mcp_server *s, enum era era, const char *id,
                               const char *result_type);
/* @before, then @data, which is not copied and must last until the message is sent, then @after: as
 * they stand. */
void reply_splice(struct mcp_server *s, struct json_out *out, const char *before, const char *data,
                  size_t n, const char *after);
/* Close and send. */
void reply_send(struct mcp_server *s, struct road road, enum exchange_outcome outcome,
                struct json_out *out, const char *id);
/* @fields: "key":value pairs made in advance. */
void reply_fields(const struct request *rq, const struct buf *fields);
/* @id NULL: null. @data: JSON text or NULL. */
void reply_error(struct mcp_server *s, struct road road, enum exchange_outcome outcome,
                 const char *id, int code, const char *text, const struct buf *data);
/* An error about the request's parameters. */
void reply_invalid_params(const struct request *rq, const char *fmt, ...) _printf_(2, 3);
/* Nothing to say. */
void reply_nothing(struct road road);
/* A message that is not the answer yet; it belongs to the request at the end of @road. */
bool reply_note(struct road road, const char *json, size_t n);

/* ---- batch.c ---- */

#define BATCH_MAX 100

/* Answers to the members are collected and sent as one array, when the last has been given. Begins
 * with one member open, which batch_close() ends. NULL: no memory. */
struct batch *batch_new(struct exchange *x);
void batch_open(struct batch *b);
/* No pieces: the member has no answer. May free the batch. */
void batch_close(struct batch *b, const struct exchange_piece *pieces, size_t n);
bool batch_note(struct batch *b, const char *json, size_t n);
/* Its exchange is no more: the answers are dropped. */
void batch_gone(struct batch *b);

/* ---- methods.c ---- */

struct method {
    const char *name;
    void (*serve)(struct request *rq);
    bool (*offered)(const struct mcp_features *f); /* NULL: always */
};
/* NULL: the era has no such method, or the server does not offer it. */
const struct method *method_find(const struct mcp_server *s, enum era era, const char *name);
void notification_serve(struct request *rq);
/* Make the texts that never change. */
int methods_prepare(struct mcp_server *s, struct err *err);
/* ttlMs and cacheScope. */
#define LIST_TTL_MS 300000 /* a client may keep lists that never change for so long */
void put_caching(struct json_out *out, uint64_t ttl_ms, bool public);
/* Where everything fits on one page no cursor was ever given out. False: answered with an error. */
bool no_cursor(struct request *rq);
/* A required string among the parameters, without NUL. NULL: answered with an error. */
const char *string_param(struct request *rq, const char *name, const char *meaning);

/* ---- resources.c, prompts.c ---- */

int resources_prepare(struct mcp_server *s, struct err *err);
void serve_resources_list(struct request *rq);
void serve_resource_templates_list(struct request *rq);
void serve_resources_read(struct request *rq);
void serve_subscribe(struct request *rq);
void serve_unsubscribe(struct request *rq);

int prompts_prepare(struct mcp_server *s, struct err *err);
void serve_prompts_list(struct request *rq);
void serve_prompts_get(struct request *rq);
void serve_complete(struct request *rq);

/* ---- input.c, state.c ---- */

/* Fill rq->input. False: answered with an error. Release with input_done(). */
bool input_read(struct request *rq);
void input_done(struct request *rq);
/* What a client says it can do: CLIENT_ bits. */
unsigned input_abilities(const json_t *capabilities);
/* Check questions against what the client can do: the CLIENT_ bits that are missing. */
unsigned input_missing(const json_t *requests, unsigned can);

/* State for the client to hand back: sealed, so that it comes back unchanged, to the same request
 * of the same caller, within STATE_TTL_MS. Owned by the caller. NULL: no memory. */
#define STATE_TTL_MS 600000
char *state_seal(const struct request *rq, const char *state);
/* NULL: not ours, changed, another request's, or too old. */
char *state_open(const struct request *rq, const char *sealed);

/* ---- calls.c ---- */

/* A request under way: a tool works on it, or the client has been asked something. */
struct call {
    struct call *next, **link; /* in client->calls; link NULL: unlinked, nothing is to be said */
    struct mcp_client *client; /* NULL when unlinked */
    struct mcp_server *server;
    enum era era;
    char *id;
    char *session; /* Mcp-Session-Id it came with; NULL: none */
    struct road road;
    const char *method;     /* static */
    json_t *params;         /* to make it again with answers; NULL: it never asks */
    struct tool_call *tool; /* NULL while it is being started, and while the client is asked */
    bool stopping;
    bool ending;           /* because the server is */
    struct asking *asking; /* NULL unless the client is asked */

    /* notes.c */
    char *token;   /* JSON text; NULL: no progress is wanted */
    int log_level; /* rank of the least that is wanted; LOG_NOTHING */
    struct buf chunk;
    uint64_t progress, noted_ns;
    bool progressed;
    struct loop_timer *timer;
};
#define LOG_NOTHING 8

bool call_under_way(const struct mcp_client *client, const char *id);
/* Run @tool for @rq, which it answers. @token: JSON text of the progress token, NULL: no progress.
 */
void call_start(struct request *rq, const struct tool *tool, const json_t *args, const char *token);
/* A request without a tool that waits for the client's answers; it then is made again. */
void call_ask(struct request *rq, const struct tool_questions *q);
/* @rq, a notification, says that its client is no longer interested in the answer to @id: stop, and
 * say nothing. Where ids are shared, only if there is no doubt which call is meant: of the same era
 * and the same session, and the only such one. */
void call_cancel(const struct request *rq, const char *id);
/* The exchange is no more: see on_gone in mcp.h. */
void calls_gone(struct mcp_client *client, const struct exchange *x);
/* Stop all; each is answered as cancelled. */
void calls_stop(struct mcp_client *client);
/* Stop all and forget the client. */
void calls_abandon(struct mcp_client *client);
void call_unlink(struct call *call); /* before it is answered; see calls.c */
void call_free(struct call *call);   /* unlinks it */

/* The modern way to ask: the answer is the questions. */
void reply_questions(const struct request *rq, const struct tool_questions *q);

/* ---- notes.c ---- */

void note_listen(struct call *call, const json_t *meta, struct tool_listener *listener);
void note_flush(struct call *call); /* send the output that waits */
void note_end(struct call *call);   /* no more */
void note_done(struct call *call);

/* ---- ask.c ---- */

#define ASK_MAX        16 /* questions at once */
#define ASK_TIMEOUT_NS 300000000000u

/* Ask the client of @call; when all is answered, the request is served again. Answers @call itself
 * when that cannot be. */
void ask_start(struct call *call, const struct tool_questions *q);
void ask_done(struct call *call);
/* A response of the client has come in. False: to nothing that was asked. */
bool ask_answered(struct mcp_client *client, const char *id, const json_t *response);

#endif
