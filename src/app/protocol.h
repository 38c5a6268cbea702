/* The tools and the protocol on top of a runtime: what both transports serve. */
#ifndef APP_PROTOCOL_H
#define APP_PROTOCOL_H

#include "app/runtime.h"
#include "artifacts/artifacts.h"
#include "mcp/mcp.h"
#include "tools/tools.h"

struct protocol {
    struct tools *tools;
    struct artifacts *artifacts;
    struct mcp_resources *resources;
    struct mcp_server *mcp;
};

/* @runtime is borrowed; @p must stay where it is. On failure nothing is left. */
int protocol_open(struct protocol *p, struct runtime *runtime, struct err *err);
/* After the engine and every mcp_client. */
void protocol_close(struct protocol *p);

/* Bytes that one message may have: a program of the largest size, every byte of it escaped. */
size_t protocol_max_message(const struct conf *conf);

#endif
