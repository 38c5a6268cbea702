/* The server as a whole: limits, listeners, the list of connections. See http.h. Runs in the
 * server. */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "http/internal.h"

#define MIB (1024u * 1024u)
/* Descriptors that the rest of the server needs for itself and its workers. */
#define RESERVED_FDS 256u

static unsigned affordable(unsigned wanted)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY ||
        files.rlim_cur >= (rlim_t)wanted + RESERVED_FDS)
        return wanted;
    rlim_t n = files.rlim_cur;
    return (unsigned)(n > 2 * RESERVED_FDS ? n - RESERVED_FDS : n / 2);
}

static struct http_limits with_defaults(struct http_limits l)
{
#define DEFAULT(field, value) l.field = l.field ? l.field : (value)
    DEFAULT(max_head_bytes, 16384);
    DEFAULT(max_body_bytes, 4 * MIB);
    DEFAULT(max_buffered_bytes, 64 * MIB);
    DEFAULT(max_unsent_bytes, MIB);
    DEFAULT(max_unsent_total, 256 * MIB);
    DEFAULT(max_connections, 4096);
    l.max_connections = affordable(l.max_connections);
    DEFAULT(address_part, 2);
    DEFAULT(max_per_address, MAX(l.max_connections / l.address_part, 1));
    DEFAULT(first_byte_ms, 10000);
    DEFAULT(head_ms, 10000);
    DEFAULT(request_ms, 60000);
    DEFAULT(idle_ms, 120000);
    DEFAULT(stranger_ms, 15000);
    l.stranger_ms = MIN(l.stranger_ms, l.idle_ms);
    DEFAULT(write_ms, 30000);
#undef DEFAULT
    l.max_head_bytes = MIN(l.max_head_bytes, GUARD_MAX_HEAD_BYTES);
    return l;
}

static void on_turn(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    conn_turns(arg);
}

static int start(struct http_server *s, const struct http_options *o, struct err *err)
{
    if (tally_init(&s->tally, err) < 0)
        return -1;
    s->scratch = malloc(CARRIER_SCRATCH_BYTES);
    if (!s->scratch)
        return err_nomem(err);
    if (o->tls_cert_file) {
        s->tls = http_tls_new(o->tls_cert_file, o->tls_key_file, err);
        if (!s->tls)
            return -1;
    }
    return http_listen(s, o->address, o->port, err);
}

struct http_server *http_server_new(struct loop *loop, const struct http_options *o,
                                    http_request_fn *on_request, http_head_fn *on_head, void *ctx,
                                    struct err *err)
{
    struct http_server *s = calloc(1, sizeof(*s));
    if (!s) {
        err_nomem(err);
        return NULL;
    }
    s->base = loop_base(loop);
    s->limits = with_defaults(o->limits);
    s->on_request = on_request;
    s->on_head = on_head;
    s->ctx = ctx;
    TAILQ_INIT(&s->conns);
    TAILQ_INIT(&s->orphans);
    TAILQ_INIT(&s->turns);
    evtimer_assign(&s->turn, s->base, on_turn, s);
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    if (start(s, o, err) < 0) {
        http_server_free(s);
        return NULL;
    }
    return s;
}

unsigned http_server_port(const struct http_server *s)
{
    return s->port;
}

const char *http_server_urls(const struct http_server *s)
{
    return s->urls;
}

const char *http_server_warning(const struct http_server *s)
{
    return http_tls_problem(s->tls);
}

void http_server_stats(const struct http_server *s, struct http_stats *ret)
{
    *ret = s->stats;
}

void http_server_drain(struct http_server *s)
{
    struct http_request *r;
    s->draining = true;
    http_unlisten(s);
    TAILQ_FOREACH(r, &s->conns, link) /* none is freed here */
    {
        conn_drain(r);
    }
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    http_unlisten(s);
    struct http_request *r;
    TAILQ_FOREACH(r, &s->conns, link) {
        conn_drop(r);
    }
    while (!TAILQ_EMPTY(&s->turns))
        conn_turns(s);
    while ((r = TAILQ_FIRST(&s->orphans))) {
        TAILQ_REMOVE(&s->orphans, r, link);
        r->server = NULL;
    }
    event_del(&s->turn);
    tally_done(&s->tally);
    http_tls_free(s->tls);
    buf_done(&s->head);
    free(s->scratch);
    free(s);
}
