/* The Model Context Protocol, server side, over any transport: JSON-RPC 2.0 in both eras at once.
 *
 *   legacy   2024-11-05, 2025-03-26 (which has batches), 2025-06-18, 2025-11-25: initialize, ping
 *   modern   2026-07-28: stateless; each request carries version and capabilities in params._meta
 *
 * Which era a request belongs to is told by the request itself (see era.h), so one stream may carry
 * both. Requests run concurrently; everything happens on the loop's thread.
 *
 *   server = mcp_server_new(loop, &(struct mcp_features){.tools = tools, …}, &mcp_vivarium, &err);
 *   client = mcp_client_new(server, &(struct mcp_caller){.name = "stdio", …}, &err);
 *   stdio_new(loop, 0, 1, max_line, &mcp_exchange_handler, client, on_end, …);
 *
 * Free in this order: the engine (it answers what is still under way), then clients, server, tools,
 * and the transport last. */
#ifndef MCP_MCP_H
#define MCP_MCP_H

#include "base/err.h"
#include "loop/loop.h"
#include "mcp/prompts.h"
#include "mcp/resources.h"
#include "tools/tools.h"
#include "transport/exchange.h"

/* Every version that is spoken, newest first, NULL-terminated. */
extern const char *const mcp_protocol_versions[];

/* How the server introduces itself. Borrowed, as are its strings. */
struct mcp_identity {
    const char *name, *title, *version;
    const char *instructions; /* for models: how to use the server well */
};
extern const struct mcp_identity mcp_vivarium;

/* What a server offers; only that is advertised. Everything is borrowed and outlives the server. */
struct mcp_features {
    const struct tools *tools;
    const struct mcp_prompt *const *prompts;      /* in the order of prompts/list */
    size_t prompts_len;                           /* 0: no prompts and no completion */
    const struct mcp_resources *const *resources; /* asked in this order; at most 16 */
    size_t resources_len;                         /* 0: no resources */
    /* Legacy eras only: told of every resources/subscribe and unsubscribe. NULL: not offered. */
    void (*on_subscribe)(void *ctx, const char *caller, const char *uri, bool wanted);
    void *on_subscribe_ctx;
    bool logging; /* tools may send log messages (tool_listener.on_log) */
};

struct mcp_server;
struct mcp_server *mcp_server_new(struct loop *loop, const struct mcp_features *features,
                                  const struct mcp_identity *identity, struct err *err);
void mcp_server_free(struct mcp_server *server); /* NULL is fine */

/* On whose behalf messages come. Two clients with one name are one caller: they share fairness and
 * see each other's artifacts. So a name belongs to one proof of identity only. */
struct mcp_caller {
    const char *name;  /* for the record; copied */
    unsigned profiles; /* PROFILE_ bits this caller may use; PROFILE_ALL: what the server permits */
    /* The ids of its requests need not be unique: it stands for any number of programs that have
     * one token in common and each count from 1 (Streamable HTTP). notifications/cancelled then
     * stops a request only when exactly one under way has the id. False for a stream or a session
     * (stdio, legacy SSE), where an id that is under way is refused. */
    bool shared_ids;
    /* One more execution: see struct tool_caller. NULL: always. */
    bool (*admit)(void *ctx, unsigned *ret_retry_after_s);
    void *admit_ctx;
};

/* One stream, one session, or over Streamable HTTP everything of one authenticated caller. It is
 * cheap, and it must outlive the exchanges it is given. */
struct mcp_client;
struct mcp_client *mcp_client_new(struct mcp_server *server, const struct mcp_caller *caller,
                                  struct err *err);
/* Nothing is under way, so that it may be freed and made anew without anybody noticing. */
bool mcp_client_idle(const struct mcp_client *client);
/* Stops what the client has under way: each exchange is ended with EXCHANGE_NOTHING from inside
 * this call, nothing more is sent. NULL is fine. */
void mcp_client_free(struct mcp_client *client);

/* What a transport calls; its context is the client.
 *
 * on_gone: a call of the modern era is stopped; one of a legacy era runs on, can still be
 * cancelled, and its answer is dropped. */
extern const struct exchange_handler mcp_exchange_handler;

/* The peer of @x, an exchange under way of @client, has sent its end of input: it may have gone, or
 * may have half-closed its connection and wait. Is @x to be answered all the same? */
bool mcp_exchange_wanted(const struct mcp_client *client, const struct exchange *x);

#endif
