/* The life of a connection: its time limits, what it holds, and its end. See internal.h; what comes
 * in is conn.c's. Runs in the server.
 *
 * A connection is never freed where it is used: conn_drop() marks it, and the next turn of the loop
 * tells who must know and frees. So every function may be called from every callback. */
#include "http/internal.h"
#include "sys/clock.h"

#define KEEP_BODY (16 * 1024) /* a larger buffer is given back between requests */

/* ---- time ---- */

static void arm(struct http_request *r, uint64_t now)
{
    uint64_t at = r->deadline;
    if (r->write_deadline && (!at || r->write_deadline < at))
        at = r->write_deadline;
    /* A timer that goes off too early looks again; so it need not be moved for every request. */
    if (!at || (r->timer_at && r->timer_at <= at))
        return;
    uint64_t wait_us = at > now ? (at - now) / 1000 + 1 : 0;
    struct timeval tv = {.tv_sec = (time_t)(wait_us / 1000000),
                         .tv_usec = (suseconds_t)(wait_us % 1000000)};
    if (event_add(&r->timer, &tv) == 0)
        r->timer_at = at;
    else
        conn_drop(r); /* without a timer its limits would not hold */
}

void conn_set_deadline(struct http_request *r, uint64_t now, uint64_t after_ns)
{
    r->deadline = now + after_ns;
    arm(r, now);
}

void conn_take_turn(struct http_request *r)
{
    if (r->waits_turn)
        return;
    r->waits_turn = true;
    TAILQ_INSERT_TAIL(&r->server->turns, r, turn_link);
    event_add(&r->server->turn, &(struct timeval){0});
}

/* ---- what is held ---- */

void conn_count_unsent(struct http_request *r)
{
    size_t unsent = carrier_unsent(r->carrier);
    r->server->unsent += unsent - r->unsent;
    r->unsent = unsent;
}

bool conn_count_buffered(struct http_request *r, size_t more)
{
    struct http_server *s = r->server;
    if (more >
        s->limits.max_buffered_bytes - MIN(s->stats.buffered_bytes, s->limits.max_buffered_bytes))
        return false;
    s->stats.buffered_bytes += more;
    r->buffered += more;
    return true;
}

void conn_uncount_buffered(struct http_request *r)
{
    r->server->stats.buffered_bytes -= r->buffered;
    r->buffered = 0;
}

/* Too much is unsent for another request to be looked at. */
bool conn_is_stalled(const struct http_request *r)
{
    return carrier_unsent(r->carrier) > HTTP_UNSENT_HIGH;
}

/* ---- the end ---- */

void conn_drop(struct http_request *r)
{
    if (r->phase == CONN_DEAD)
        return;
    r->phase = CONN_DEAD;
    event_del(&r->timer);
    conn_take_turn(r);
}

void conn_tell_gone(struct http_request *r)
{
    if (r->server && !r->carrier)
        conn_take_turn(r);
}

static void free_conn(struct http_request *r)
{
    guard_done(&r->guard);
    buf_done(&r->body);
    buf_done(&r->held);
    free(r);
}

void conn_uncount(struct http_request *r)
{
    if (!r->counted)
        return;
    r->counted = false;
    r->server->stats.connections--;
    tally_drop(&r->server->tally, r->key);
}

/* 2: somebody who has proven nothing; 1: somebody known, between two requests; 0: not at all. */
static int spare(const struct http_request *r)
{
    if (r->phase == CONN_LINGER)
        return r->unsent == 0 ? 2 : 0;
    if (r->phase != CONN_READING || r->unsent > 0)
        return 0;
    if (!r->known)
        return 2;
    return guard_is_idle(&r->guard) && r->held.len == 0 ? 1 : 0;
}

bool conn_displace(struct http_server *s, const struct tally_key *key)
{
    struct http_request *r;
    struct http_request *out = NULL;
    TAILQ_FOREACH(r, &s->conns, link) {
        int how = key && !tally_same(r->key, *key) ? 0 : spare(r);
        if (how == 0 || (out && how == 1))
            continue;
        out = r;
        if (how == 2)
            break;
    }
    if (!out)
        return false;
    s->stats.displaced++;
    conn_uncount(out);
    conn_drop(out);
    return true;
}

void conn_input_ended(struct http_request *r)
{
    if (r->phase == CONN_DEAD)
        return;
    if (carrier_peer(r->carrier) == CARRIER_SILENT && r->on_half_close &&
        r->on_half_close(r->on_gone_ctx, r))
        conn_set_deadline(r, clock_mono_ns(), HTTP_POLL_NS);
    else
        conn_drop(r);
}

/* Nobody has to answer it any more. */
static void end_request(struct http_request *r)
{
    r->open = false;
    if (r->busy && r->server)
        r->server->stats.busy--;
    r->busy = false;
}

/* Of a connection that is dead; from the loop. */
static void reap(struct http_request *r)
{
    struct http_server *s = r->server;
    if (r->carrier) {
        conn_uncount_buffered(r);
        conn_uncount(r);
        s->unsent -= r->unsent;
        TAILQ_REMOVE(&s->conns, r, link);
        TAILQ_INSERT_TAIL(&s->orphans, r, link);
        carrier_close(r->carrier);
        r->carrier = NULL;
        buf_done(&r->held);
    }
    if (r->open && !r->on_gone)
        return; /* it is still somebody's to answer */
    if (r->open) {
        end_request(r);
        r->on_gone(r->on_gone_ctx, r);
    }
    TAILQ_REMOVE(&s->orphans, r, link);
    free_conn(r);
}

/* Nothing more is to be said: let the peer read the last answer, then close. Closing at once, with
 * input unread, would make the kernel send a reset, which can overtake the answer. */
void conn_linger(struct http_request *r, uint64_t now)
{
    r->phase = CONN_LINGER;
    buf_done(&r->held);
    buf_done(&r->body);
    conn_uncount_buffered(r);
    r->deadline = 0;
    if (carrier_unsent(r->carrier) > 0) {
        carrier_set_reading(r->carrier, true);
        return; /* write_deadline bounds it */
    }
    carrier_finish(r->carrier);
    if (r->no_more) {
        conn_drop(r);
        return;
    }
    carrier_set_reading(r->carrier, true);
    conn_set_deadline(r, now, HTTP_LINGER_MS * HTTP_MS);
}

/* Too much waits for peers that do not read. Who has the most of it goes, and not who comes last:
 * else one such client could have the answers of all others thrown away. */
static void drop_the_slowest(struct http_server *s)
{
    while (s->unsent > s->limits.max_unsent_total) {
        struct http_request *most = NULL;
        struct http_request *r;
        TAILQ_FOREACH(r, &s->conns, link) {
            if (r->phase != CONN_DEAD && r->unsent > (most ? most->unsent : 0))
                most = r;
        }
        if (!most)
            return;
        s->unsent -= most->unsent;
        most->unsent = 0;
        conn_drop(most);
    }
}

void conn_sent(struct http_request *r)
{
    struct http_server *s = r->server;
    conn_count_unsent(r);
    if (s->unsent > s->limits.max_unsent_total)
        drop_the_slowest(s);
    if (r->phase != CONN_DEAD && r->unsent > 0 && !r->write_deadline) {
        uint64_t now = clock_mono_ns();
        r->written_before = carrier_written(r->carrier);
        r->write_deadline = now + s->limits.write_ms * HTTP_MS;
        arm(r, now);
    }
}

void conn_drain(struct http_request *r)
{
    if (r->phase == CONN_READING && guard_is_idle(&r->guard) && r->held.len == 0)
        conn_linger(r, clock_mono_ns());
}

void conn_answered(struct http_request *r)
{
    end_request(r);
    r->on_gone = NULL;
    r->on_half_close = NULL;
    if (r->phase == CONN_DEAD) {
        if (r->carrier || r->waits_turn)
            return; /* its turn comes */
        if (r->server)
            TAILQ_REMOVE(&r->server->orphans, r, link);
        free_conn(r);
        return;
    }
    uint64_t now = clock_mono_ns();
    if (r->closes || r->server->draining || (r->no_more && r->held.len == 0 && !r->processing)) {
        conn_linger(r, now);
        return;
    }
    r->phase = CONN_READING;
    TAILQ_REMOVE(&r->server->conns, r, link);
    TAILQ_INSERT_TAIL(&r->server->conns, r, link);
    guard_next(&r->guard);
    if (r->body.cap > KEEP_BODY)
        buf_done(&r->body);
    buf_clear(&r->body);
    r->started = 0;
    const struct http_limits *l = &r->server->limits;
    conn_set_deadline(r, now, (r->known ? l->idle_ms : l->stranger_ms) * HTTP_MS);
    if (r->processing)
        return;
    if (r->held.len > 0 && !conn_is_stalled(r))
        conn_take_turn(r);
    else if (r->held.len == 0)
        carrier_set_reading(r->carrier, true);
}

static void time_out(struct http_request *r, uint64_t now)
{
    bool idle = r->phase == CONN_READING && guard_is_idle(&r->guard);
    /* The last answer is still being read, at a pace that check_writing() finds good enough. */
    if (idle && carrier_unsent(r->carrier) > 0) {
        r->deadline = now + r->server->limits.idle_ms * HTTP_MS;
        return;
    }
    r->server->stats.timed_out++;
    if (r->phase == CONN_READING && !idle)
        conn_refuse(r, 408, "The request did not come in time.");
    else
        conn_drop(r);
}

static void check_writing(struct http_request *r, uint64_t now)
{
    uint64_t written = carrier_written(r->carrier);
    if (written - r->written_before < HTTP_MIN_PROGRESS) {
        r->server->stats.timed_out++;
        conn_drop(r);
        return;
    }
    r->written_before = written;
    r->write_deadline = now + r->server->limits.write_ms * HTTP_MS;
}

void conn_on_timer(evutil_socket_t fd _unused_, short what _unused_, void *arg)
{
    struct http_request *r = arg;
    uint64_t now = clock_mono_ns();
    r->timer_at = 0;
    if (r->phase == CONN_DEAD)
        return;
    if (r->write_deadline && now >= r->write_deadline)
        check_writing(r, now);
    if (r->phase != CONN_DEAD && r->deadline && now >= r->deadline) {
        if (!r->open)
            time_out(r, now);
        else if (carrier_peer(r->carrier) != CARRIER_THERE)
            conn_input_ended(r);
        else
            r->deadline = now + HTTP_POLL_NS;
    }
    if (r->phase != CONN_DEAD)
        arm(r, now);
}

void conn_turns(struct http_server *s)
{
    struct conn_list now = TAILQ_HEAD_INITIALIZER(now);
    struct http_request *r;
    TAILQ_CONCAT(&now, &s->turns, turn_link); /* who comes to it meanwhile has the next turn */
    while ((r = TAILQ_FIRST(&now))) {
        TAILQ_REMOVE(&now, r, turn_link);
        r->waits_turn = false;
        if (r->phase == CONN_DEAD)
            reap(r);
        else
            conn_go_on(r);
    }
}
