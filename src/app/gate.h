/* Between the transport over HTTP and those who know: `access`, who a caller is; `mcp`, which has a
 * client for each; the engine, whether programs can be run; the record, what was counted. */
#ifndef APP_GATE_H
#define APP_GATE_H

#include "access/access.h"
#include "app/protocol.h"
#include "transport/http_web.h"

struct gate {
    struct runtime *runtime;   /* borrowed */
    struct protocol *protocol; /* borrowed */
    struct access *access;     /* borrowed */
    bool stopping;
    uint64_t refusals_since_ns; /* the minute in which `refusals` were counted */
    unsigned refusals;
};

/* The callbacks for web_new(), all but on_end; their context is @g. */
void gate_wire(struct gate *g, struct web_gate *ret);

/* Read what is configured about callers: tokens, keys. Logs what the operator should know. Refuses
 * (ERR_INVALID) an address that others can reach when nobody would be asked who he is. */
int gate_open_access(const struct conf *conf, struct access **ret, struct err *err);

#endif
