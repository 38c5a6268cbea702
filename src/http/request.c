/* What was asked: reading a request that the guard has proven. Runs in the server. */
#include <string.h>
#include <strings.h>

#include "http/internal.h"

enum http_method http_method(const struct http_request *r)
{
    return r->guard.method;
}

const char *http_method_name(const struct http_request *r)
{
    return r->guard.head; /* the head begins with it */
}

const char *http_path(const struct http_request *r)
{
    return guard_target(&r->guard);
}

const char *http_query(const struct http_request *r)
{
    return r->query;
}

const char *http_header_nth(const struct http_request *r, const char *name, size_t i)
{
    for (size_t f = 0; f < r->guard.n_fields; f++)
        if (strcasecmp(guard_field_name(&r->guard, f), name) == 0 && i-- == 0)
            return guard_field_value(&r->guard, f);
    return NULL;
}

const char *http_header(const struct http_request *r, const char *name)
{
    return http_header_nth(r, name, 0);
}

size_t http_header_count(const struct http_request *r, const char *name)
{
    size_t n = 0;
    for (size_t f = 0; f < r->guard.n_fields; f++)
        n += strcasecmp(guard_field_name(&r->guard, f), name) == 0;
    return n;
}

const char *http_body(const struct http_request *r, size_t *ret_len)
{
    *ret_len = r->body.len;
    return r->body.data ? (const char *)r->body.data : "";
}

size_t http_content_length(const struct http_request *r)
{
    return r->phase == CONN_JUDGED ? r->guard.content_length : r->body.len;
}

const char *http_peer(const struct http_request *r)
{
    return r->peer;
}

bool http_peer_is_loopback(const struct http_request *r)
{
    return r->loopback;
}

bool http_is_tls(const struct http_request *r)
{
    return r->over_tls;
}

void http_know_peer(struct http_request *r)
{
    r->known = true;
}

void http_on_half_close(struct http_request *r, http_half_close_fn *fn)
{
    if (r->on_gone)
        r->on_half_close = fn;
}

void http_on_gone(struct http_request *r, http_gone_fn *fn, void *ctx)
{
    if (!r->open || r->phase == CONN_JUDGED)
        return;
    r->on_gone = fn;
    r->on_gone_ctx = ctx;
    if (fn && r->phase == CONN_DEAD)
        conn_tell_gone(r);
}
