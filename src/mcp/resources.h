/* Resources: what a client can list and read by URI. A source of them is a table of functions; what
 * belongs to one caller is shown to nobody else, who cannot even tell that it exists. */
#ifndef MCP_RESOURCES_H
#define MCP_RESOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json/json.h"

#define RESOURCES_PAGE 100 /* at most so many in one answer to resources/list */

struct mcp_resources {
    /* Write up to RESOURCES_PAGE of what @owner may see and read, in a lasting order and from
     * position @from on (0: the first), as objects of the open array @items. Returns the position
     * to go on from, 0 when that was all. Positions that were never given out must do no harm. */
    uint64_t (*list)(const struct mcp_resources *self, const char *owner, uint64_t from,
                     struct json_out *items);
    /* Write the URI templates as objects of the open array @items. */
    void (*list_templates)(const struct mcp_resources *self, struct json_out *items);
    /* Write what @uri names as objects of the open array @contents; *ret_ttl_ms says how long a
     * client may keep it. False: nothing that @owner may know of. */
    bool (*read)(const struct mcp_resources *self, const char *owner, const char *uri,
                 struct json_out *contents, uint64_t *ret_ttl_ms);
};

/* The artifacts of executions: sandbox://{execution_id}/{name}. @artifacts is borrowed; the result
 * is the caller's to free(). NULL: no memory. */
struct artifacts;
struct mcp_resources *mcp_artifact_resources_new(struct artifacts *artifacts);

#endif
