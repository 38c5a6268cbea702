/* One JSON-RPC 2.0 message, taken apart. */
#ifndef MCP_RPC_H
#define MCP_RPC_H

#include "base/err.h"
#include "json/json.h"

#define RPC_PARSE_ERROR         (-32700)
#define RPC_INVALID_REQUEST     (-32600)
#define RPC_METHOD_NOT_FOUND    (-32601)
#define RPC_INVALID_PARAMS      (-32602)
#define RPC_INTERNAL_ERROR      (-32603)
#define RPC_HEADER_MISMATCH     (-32020)
#define RPC_MISSING_ABILITY     (-32021)
#define RPC_UNSUPPORTED_VERSION (-32022)
#define RPC_RESOURCE_NOT_FOUND  (-32002) /* legacy eras only */

enum rpc_kind { RPC_REQUEST, RPC_NOTIFICATION, RPC_RESPONSE };

struct rpc_message {
    enum rpc_kind kind;
    char *id; /* as JSON text ("7" or "\"a\""), so that 7 and "7" differ; owned; NULL: none */
    const char *method;   /* borrowed from the tree; NULL for a response */
    const json_t *params; /* borrowed: an object, or NULL */
};

#define RPC_MAX_ID_BYTES 1024

/* Take @root apart. -1 and ERR_INVALID when it is no JSON-RPC message; ret->id is set even then if
 * there is one to answer to. Release with rpc_done(). */
int rpc_read(const json_t *root, struct rpc_message *ret, struct err *err);
void rpc_done(struct rpc_message *m);

/* The JSON text of a request id or a progress token, which have the same rule: a string or an
 * integer. Owned by the caller. NULL when @v is neither, or too long. */
char *rpc_token_text(const json_t *v);

/* params._meta if it is an object, else NULL. */
const json_t *rpc_meta(const struct rpc_message *m);

#endif
