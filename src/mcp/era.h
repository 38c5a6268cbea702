/* Which era does a request belong to, and may it be served at all? (params._meta that is no object
 * is refused in either, with -32602.)
 *
 *  1. Protocol fields in params._meta make it modern: first the fields must be whole (-32602), then
 * the transport's headers must agree with them (-32020), then the version must be ours (-32022).
 *  2. Without them, but with a header that says 2026-07-28: malformed (-32602), or, for initialize,
 * at odds with itself (-32020).
 *  3. server/discover exists in the modern era only: without the fields it is malformed (-32602),
 * as long as no header says that a legacy version is meant.
 *  4. Everything else is legacy; a header with a version we do not know is refused (-32600).
 *
 * A notification without modern fields follows the header. */
#ifndef MCP_ERA_H
#define MCP_ERA_H

#include "mcp/rpc.h"
#include "transport/exchange.h"

#define VERSION_MODERN        "2026-07-28"
#define VERSION_LEGACY_LATEST "2025-11-25"
#define VERSION_WITH_BATCHES  "2025-03-26"

#define META_VERSION      "io.modelcontextprotocol/protocolVersion"
#define META_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"
#define META_CLIENT_INFO  "io.modelcontextprotocol/clientInfo"
#define META_LOG_LEVEL    "io.modelcontextprotocol/logLevel"
#define META_SERVER_INFO  "io.modelcontextprotocol/serverInfo"

enum era { ERA_LEGACY, ERA_MODERN };

struct era_verdict {
    enum era era;
    int code;              /* 0: serve it; else a JSON-RPC error code */
    const char *requested; /* with RPC_UNSUPPORTED_VERSION; borrowed from the message */
    struct err err;        /* the error's text */
};

void era_decide(const struct message_head *head, const struct rpc_message *msg,
                struct era_verdict *ret);

/* Does an object carry modern protocol fields (also an element of a batch)? */
bool era_is_modern(const struct rpc_message *msg);

/* The rank of a log level, 0 ("debug") to 7 ("emergency"); -1: there is none of that name. */
int era_log_level(const char *name);

/* The legacy version to answer an initialize with: the client's if we speak it, else our newest. A
 * static string. */
const char *era_negotiate(const char *requested);

#endif
