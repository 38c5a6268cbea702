/* JSON-RPC messages: see rpc.h. Runs in the server; a message may be any JSON value. */
#include "mcp/rpc.h"

#include <string.h>

char *rpc_token_text(const json_t *v)
{
    auto_buf struct buf buf = BUF_INIT(8 * RPC_MAX_ID_BYTES);
    struct json_out out = json_out_init(&buf);
    if (json_is_integer(v))
        json_put_int(&out, json_integer_value(v));
    else if (json_is_string(v) && json_string_length(v) <= RPC_MAX_ID_BYTES)
        json_put_strn(&out, json_string_value(v), json_string_length(v));
    else
        return NULL;
    return out.bad ? NULL : buf_take_str(&buf);
}

const json_t *rpc_meta(const struct rpc_message *m)
{
    const json_t *meta = m->params ? json_object_get(m->params, "_meta") : NULL;
    return json_is_object(meta) ? meta : NULL;
}

/* "params": null is taken for its absence: some clients write out every field. A notification is
 * never answered, so one with other params has none. */
static int read_params(const json_t *root, struct rpc_message *ret, struct err *err)
{
    const json_t *params = json_object_get(root, "params");
    if (!params || json_is_null(params))
        return 0;
    if (json_is_object(params))
        ret->params = params;
    else if (ret->kind == RPC_REQUEST)
        return err_set(err, ERR_INVALID, "params must be an object, not %s", json_kind(params));
    return 0;
}

int rpc_read(const json_t *root, struct rpc_message *ret, struct err *err)
{
    *ret = (struct rpc_message){0};
    if (!json_is_object(root))
        return err_set(err, ERR_INVALID, "a message must be an object, not %s", json_kind(root));
    const json_t *id = json_object_get(root, "id");
    const json_t *method = json_object_get(root, "method");
    const char *version = json_plain_string(json_object_get(root, "jsonrpc"));
    ret->id = id ? rpc_token_text(id) : NULL;
    if (!version || strcmp(version, "2.0") != 0)
        return err_set(err, ERR_INVALID, "\"jsonrpc\" must be \"2.0\"");
    if (!method && (json_object_get(root, "result") || json_object_get(root, "error"))) {
        ret->kind = RPC_RESPONSE;
        return 0;
    }
    if (id && !ret->id)
        return err_set(err, ERR_INVALID,
                       "\"id\" must be an integer or a string of at most %d bytes, not %s",
                       RPC_MAX_ID_BYTES, json_is_string(id) ? "a longer one" : json_kind(id));
    ret->kind = id ? RPC_REQUEST : RPC_NOTIFICATION;
    ret->method = json_plain_string(method);
    if (!ret->method)
        return err_set(err, ERR_INVALID, "\"method\" must be a string");
    return read_params(root, ret, err);
}

void rpc_done(struct rpc_message *m)
{
    free(m->id);
    m->id = NULL;
}
