/* One connection, from accept to close: see internal.h. Runs in the server.
 *
 * Bytes go from the carrier to the guard; what the guard passes on becomes a request, one at a
 * time. What a client can make the server hold is bounded here: by sizes, by totals and by time.
 */
#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "http/internal.h"
#include "sys/clock.h"

#define EXACT_BODY_BYTES (64 * 1024) /* announced lengths up to this are believed */

/* Input that cannot be used yet. */
static void hold(struct http_request *r, const uint8_t *p, size_t n)
{
    if (n == 0)
        return;
    if (!conn_count_buffered(r, n) || buf_add(&r->held, p, n, NULL) < 0) {
        conn_drop(r);
        return;
    }
    if (r->held.len < HTTP_HELD_BYTES)
        return;
    carrier_set_reading(r->carrier, false);
    if (r->open)
        conn_set_deadline(r, clock_mono_ns(), HTTP_POLL_NS);
}

void conn_refuse(struct http_request *r, unsigned status, const char *reason)
{
    r->server->stats.refused_requests++;
    r->closes = true;
    answer_refusal(r, status, reason);
    if (r->phase != CONN_DEAD)
        conn_linger(r, clock_mono_ns());
}

/* ---- a request comes ---- */

static void take_head(struct http_request *r, bool more_is_here)
{
    struct guard *g = &r->guard;
    struct http_server *s = r->server;
    char *target = g->head + g->target;
    r->query = strchr(target, '?');
    if (r->query)
        *r->query++ = '\0';
    r->closes = !g->keep_alive;
    if (g->content_length == 0)
        return;
    if (s->on_head) {
        r->phase = CONN_JUDGED;
        r->open = true;
        s->on_head(s->ctx, r);
        if (r->phase != CONN_JUDGED)
            return; /* answered */
        r->phase = CONN_READING;
        r->open = false;
    }
    if (g->content_length <= EXACT_BODY_BYTES)
        buf_reserve(&r->body, g->content_length + 1, NULL);
    if (g->expect && !more_is_here)
        answer_continue(r);
}

static void take_body(struct http_request *r, const uint8_t *p, size_t n)
{
    if (!conn_count_buffered(r, n))
        conn_refuse(r, 503, "Too many large requests at the moment; try again later.");
    else if (buf_add(&r->body, p, n, NULL) < 0 || buf_reserve(&r->body, 1, NULL) < 0)
        conn_refuse(r, 503, "The server is out of memory; try again later.");
}

static void take_whole(struct http_request *r)
{
    struct http_server *s = r->server;
    conn_uncount_buffered(r);
    if (r->body.data)
        r->body.data[r->body.len] = '\0';
    r->phase = CONN_BUSY;
    r->open = r->busy = true;
    r->deadline = 0;
    s->stats.requests++;
    s->stats.busy++;
    s->on_request(s->ctx, r);
    if (r->open) /* the answer may be long in coming, and nobody reads it again */
        buf_done(&r->body);
}

/* Take what can be taken of the @n bytes at @p; the number taken is returned. */
static size_t take(struct http_request *r, const uint8_t *p, size_t n)
{
    size_t done = 0;
    for (int requests = 0;
         r->phase == CONN_READING && requests < HTTP_BURST && !conn_is_stalled(r);) {
        struct guard_step step;
        done += guard_feed(&r->guard, p + done, n - done, &step);
        switch (step.event) {
        case GUARD_MORE:
            return done;
        case GUARD_HEAD:
            take_head(r, done < n);
            break;
        case GUARD_DATA:
            take_body(r, step.data, step.n);
            break;
        case GUARD_END:
            take_whole(r);
            requests++;
            break;
        case GUARD_REFUSED:
            conn_refuse(r, r->guard.status, r->guard.reason);
            break;
        }
    }
    return done;
}

static void process(struct http_request *r, const uint8_t *p, size_t n)
{
    r->processing = true;
    size_t done = take(r, p, n);
    r->processing = false;
    if (r->phase == CONN_DEAD || r->phase == CONN_LINGER)
        return;
    hold(r, p + done, n - done);
    if (r->phase != CONN_READING)
        return;
    if (r->held.len > 0) {
        if (!conn_is_stalled(r))
            conn_take_turn(r);
        else
            carrier_set_reading(r->carrier, false);
        return;
    }
    if (guard_is_idle(&r->guard))
        return;
    uint64_t now = clock_mono_ns();
    const struct http_limits *l = &r->server->limits;
    if (!r->started)
        r->started = now;
    uint64_t limit = (guard_in_head(&r->guard) ? l->head_ms : l->request_ms) * HTTP_MS;
    uint64_t spent = now - r->started;
    conn_set_deadline(r, now, limit > spent ? limit - spent : 0);
}

/* The next requests, from what is held. */
void conn_go_on(struct http_request *r)
{
    if (r->phase != CONN_READING || r->held.len == 0 || conn_is_stalled(r))
        return;
    auto_buf struct buf input = r->held;
    r->held = (struct buf)BUF_INIT(0);
    r->server->stats.buffered_bytes -= input.len;
    r->buffered -= input.len;
    process(r, input.data, input.len);
    if (r->phase == CONN_READING && r->no_more && r->held.len == 0)
        conn_linger(r, clock_mono_ns());
    else if (r->phase != CONN_DEAD && r->held.len < HTTP_HELD_BYTES &&
             (r->phase != CONN_READING || r->held.len == 0))
        carrier_set_reading(r->carrier, true);
}

/* ---- events ---- */

static void on_data(void *ctx, const uint8_t *data, size_t n)
{
    struct http_request *r = ctx;
    switch (r->phase) {
    case CONN_DEAD:
        break;
    case CONN_LINGER:
        r->discarded += n;
        if (r->discarded > HTTP_LINGER_BYTES)
            conn_drop(r);
        break;
    case CONN_READING:
        if (r->held.len == 0) {
            process(r, data, n);
            break;
        }
        hold(r, data, n);
        break;
    default:
        hold(r, data, n);
    }
}

static void on_end(void *ctx)
{
    struct http_request *r = ctx;
    r->no_more = true;
    if (r->open)
        conn_input_ended(r);
    else if (r->phase == CONN_READING && r->held.len > 0 && r->waits_turn)
        return; /* what is held is looked at first */
    else if (r->phase == CONN_READING && carrier_unsent(r->carrier) > 0)
        conn_linger(r, clock_mono_ns());
    else if (r->phase != CONN_LINGER || carrier_unsent(r->carrier) == 0)
        conn_drop(r);
}

static void on_written(void *ctx)
{
    struct http_request *r = ctx;
    if (r->phase == CONN_DEAD)
        return;
    conn_count_unsent(r);
    if (r->unsent == 0)
        r->write_deadline = 0;
    if (r->phase == CONN_LINGER && r->unsent == 0) {
        conn_linger(r, clock_mono_ns());
    } else if (r->phase == CONN_READING && !conn_is_stalled(r)) {
        if (r->held.len > 0)
            conn_take_turn(r);
        else
            carrier_set_reading(r->carrier, true);
    }
}

static const struct carrier_events carrier_events = {on_data, on_end, on_written};

/* ---- the beginning ---- */

static void name_peer(struct http_request *r, const struct sockaddr *addr)
{
    r->key = tally_key(addr);
    if (!r->key.v6) {
        struct in_addr v4 = {.s_addr = (in_addr_t)r->key.bits};
        inet_ntop(AF_INET, &v4, r->peer, sizeof(r->peer));
        r->loopback = (ntohl(v4.s_addr) >> 24) == 127;
    } else {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr;
        inet_ntop(AF_INET6, v6, r->peer, sizeof(r->peer));
        r->loopback = IN6_IS_ADDR_LOOPBACK(v6);
    }
}

static struct http_request *new_conn(struct http_server *s, int fd)
{
    struct http_request *r = calloc(1, sizeof(*r));
    if (!r) {
        close(fd);
        return NULL;
    }
    r->server = s;
    r->over_tls = s->tls != NULL;
    r->carrier = carrier_new(s->base, fd, s->tls, s->scratch, &carrier_events, r);
    if (!r->carrier) {
        free(r);
        return NULL;
    }
    guard_init(&r->guard,
               &(struct guard_limits){s->limits.max_head_bytes, s->limits.max_body_bytes});
    evtimer_assign(&r->timer, s->base, conn_on_timer, r);
    return r;
}

static void turn_away(struct http_server *s, int fd)
{
    s->stats.refused_connections++;
    if (!s->tls)
        send(fd, answer_too_many, strlen(answer_too_many), MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

/* False: there is no room, and nobody who could be spared. */
static bool find_room(struct http_server *s, struct tally_key key)
{
    if (!tally_add(&s->tally, key, s->limits.max_per_address) &&
        !(conn_displace(s, &key) && tally_add(&s->tally, key, s->limits.max_per_address)))
        return false;
    if (s->stats.connections < s->limits.max_connections || conn_displace(s, NULL))
        return true;
    tally_drop(&s->tally, key);
    return false;
}

void conn_accept(struct http_server *s, int fd, const struct sockaddr *addr)
{
    struct tally_key key = tally_key(addr);
    s->stats.accepted++;
    if (!find_room(s, key)) {
        turn_away(s, fd);
        return;
    }
    struct http_request *r = new_conn(s, fd);
    if (!r) {
        tally_drop(&s->tally, key);
        s->stats.refused_connections++;
        return;
    }
    name_peer(r, addr);
    TAILQ_INSERT_TAIL(&s->conns, r, link);
    s->stats.connections++;
    r->counted = true;
    conn_set_deadline(r, clock_mono_ns(), s->limits.first_byte_ms * HTTP_MS);
}
