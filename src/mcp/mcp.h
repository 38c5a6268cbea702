/* The Model Context Protocol, server side, over any transport: JSON-RPC 2.0 in both eras at once.
 *
 *   legacy   2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25: initialize, ping; batches in
 * 2025-03-26 modern   2026-07-28: stateless; every request carries version and capabilities in
 * params._meta
 *
 * Which era a request belongs to is told by the request itself (see era.h), so one stream may carry
 * both. Requests run concurrently; everything happens on the loop's thread.
 *
 *   struct mcp_server *server = mcp_server_new(loop, tools, &mcp_vivarium, &err);
 *   struct mcp_client *client = mcp_client_new(server, "stdio", &err);
 *   stdio_new(loop, 0, 1, max_line, &mcp_exchange_handler, client, on_end, …);
 *
 * Free in this order: the engine (it answers what is still under way), then clients, server, tools,
 * and the transport last. */
#ifndef MCP_MCP_H
#define MCP_MCP_H

#include "base/err.h"
#include "loop/loop.h"
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

struct mcp_server;
/* @tools is borrowed. */
struct mcp_server *mcp_server_new(struct loop *loop, const struct tools *tools,
                                  const struct mcp_identity *identity, struct err *err);
void mcp_server_free(struct mcp_server *server); /* NULL is fine */

/* Whoever shares one space of request ids: a stdio stream; over HTTP, one authenticated caller.
 * @name is for the record and for fairness; copied. */
struct mcp_client;
struct mcp_client *mcp_client_new(struct mcp_server *server, const char *name, struct err *err);
/* Stops what the client has under way; nothing more is sent. NULL is fine. */
void mcp_client_free(struct mcp_client *client);

/* What a transport calls; its context is the client. */
extern const struct exchange_handler mcp_exchange_handler;

#endif
