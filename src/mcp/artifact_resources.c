/* The artifacts of executions as resources: see resources.h. Runs in the server. */
#include <stdlib.h>

#include "artifacts/artifacts.h"
#include "mcp/resources.h"

#define NS_PER_MS 1000000u

struct source {
    struct mcp_resources base;
    struct artifacts *artifacts;
};

static void put_uri(struct json_out *out, const struct artifact *f)
{
    auto_buf struct buf uri = BUF_INIT(0);
    if (artifact_uri(&uri, f->execution_id, f->name, NULL) < 0)
        out->bad = true;
    json_key(out, "uri");
    json_put_strn(out, (const char *)uri.data, uri.len);
}

static uint64_t list(const struct mcp_resources *self, const char *owner, uint64_t from,
                     struct json_out *items)
{
    struct artifacts *a = ((const struct source *)self)->artifacts;
    struct artifact f;
    for (size_t n = 0; artifacts_next(a, owner, from, &f) == 0; n++) {
        if (n == RESOURCES_PAGE)
            return from;
        json_open_object(items);
        put_uri(items, &f);
        json_pair_str(items, "name", f.name);
        json_pair_str(items, "mimeType", f.mime);
        json_pair_uint(items, "size", f.len);
        json_close_object(items);
        from = f.seq;
    }
    return 0;
}

static void list_templates(const struct mcp_resources *self _unused_, struct json_out *items)
{
    json_open_object(items);
    json_pair_str(items, "uriTemplate", ARTIFACT_URI_TEMPLATE);
    json_pair_str(items, "name", "artifact");
    json_pair_str(items, "title", "Artifact of an execution");
    json_pair_str(items, "description",
                  "A file or figure that a program left behind. The artifacts in the result of "
                  "execute_code name theirs. Kept for a limited time, for whoever ran it.");
    json_close_object(items);
}

static bool read_artifact(const struct mcp_resources *self, const char *owner, const char *uri,
                          struct json_out *contents, uint64_t *ret_ttl_ms)
{
    struct artifacts *a = ((const struct source *)self)->artifacts;
    struct artifact f;
    if (artifacts_find(a, owner, uri, &f) < 0)
        return false;
    json_open_object(contents);
    put_uri(contents, &f);
    json_pair_str(contents, "mimeType", f.mime);
    json_key(contents, "blob");
    json_put_base64(contents, f.bytes, f.len);
    json_close_object(contents);
    *ret_ttl_ms = f.left_ns / NS_PER_MS;
    return true;
}

struct mcp_resources *mcp_artifact_resources_new(struct artifacts *artifacts)
{
    struct source *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    *s = (struct source){.base = {list, list_templates, read_artifact}, .artifacts = artifacts};
    return &s->base;
}
