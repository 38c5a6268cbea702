/* MCP over HTTP: see http_web.h. Runs in the server.
 *
 * The framing of a request is proven before it comes here (room `http`); everything else about it
 * is a stranger's word. It is judged in a fixed order, the cheap and general first: is the server
 * stopping, may it be addressed by that name and from that page, is there such a route, who is the
 * caller, is the form one that is understood. Each refusal says what to do about it. */
#include "transport/http_web.h"

#include <string.h>
#include <strings.h>

#include "sys/clock.h"
#include "transport/http_internal.h"

#define TICK_NS          5000000000u
#define STOPPING_TICK_NS 20000000u
#define STOP_NS          2000000000u /* between stopping what is under way and its last answer */

static const struct http_field no_field;

/* ---- judging a request ---- */

/* What a header must not hold twice, because the protocol reads it once. */
static const char *doubled(const struct http_request *r)
{
    static const char *const single[] = {"MCP-Protocol-Version", "Mcp-Method", "Mcp-Name",
                                         "Mcp-Session-Id"};
    for (size_t i = 0; i < ARRAY_LEN(single); i++)
        if (http_header_count(r, single[i]) > 1)
            return single[i];
    return NULL;
}

/* Accept may come in several fields, which are one list. */
static struct web_accept read_accept(const struct http_request *r)
{
    struct web_accept all = web_accept_read(http_header(r, "Accept"));
    size_t n = http_header_count(r, "Accept");
    for (size_t i = 1; i < n; i++) {
        struct web_accept one = web_accept_read(http_header_nth(r, "Accept", i));
        all.json |= one.json;
        all.events |= one.events;
        all.events_by_name |= one.events_by_name;
        all.html |= one.html;
    }
    return all;
}

/* Is it addressed to us, by nobody's trick? */
static bool addressed(struct visit *v)
{
    struct http_request *r = v->request;
    const struct web_options *o = &v->web->o;
    const char *origin = http_header(r, "Origin");
    enum web_origin kind = web_origin_judge(origin, o->allowed_origins);
    const char *host = http_header(r, "Host");
    /* Probes of load balancers speak HTTP/1.0 and name no host; no browser does. */
    bool probe = !host && (v->target.route == ROUTE_HEALTH || v->target.route == ROUTE_READY);
    if (!probe && !web_host_ok(host, o->http.address, o->allowed_hosts)) {
        web_refuse(v, 403, no_field,
                   "The Host of this request is not a name of this server. If it should be, start "
                   "the server with SANDBOX_ALLOWED_HOSTS set to that name (several are separated "
                   "by commas).");
        return false;
    }
    if (kind == ORIGIN_FOREIGN) {
        web_refuse(v, 403, no_field,
                   "Web pages of this Origin may not call the server. If they should, start it "
                   "with SANDBOX_ALLOWED_ORIGINS set to that origin (several are separated by "
                   "commas).");
        return false;
    }
    v->cors = kind == ORIGIN_LISTED ? origin : NULL;
    return true;
}

/* The question a browser asks before it lets a page of another origin call (CORS). */
static bool answer_preflight(const struct visit *v)
{
    struct web_fields fields = {0};
    if (!v->cors || http_method(v->request) != HTTP_OPTIONS)
        return false;
    web_field(&fields, "Access-Control-Allow-Methods", "GET, POST");
    web_field(&fields, "Access-Control-Allow-Headers",
              "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, "
              "Mcp-Session-Id, Last-Event-ID");
    web_field(&fields, "Access-Control-Max-Age", "600");
    web_answer(v, 204, &fields, NULL, NULL, 0);
    return true;
}

static bool routed(struct visit *v)
{
    struct http_request *r = v->request;
    if (web_query_has_token(http_query(r))) {
        web_refuse(v, 400, no_field,
                   "A token in the address is refused: it would end up in logs. Send it as "
                   "`Authorization: Bearer TOKEN`.");
        return false;
    }
    if (v->target.allow) {
        web_refuse(v, 405, (struct http_field){"Allow", v->target.allow},
                   "%s is not for this address; it takes %s.", http_method_name(r),
                   v->target.allow);
        return false;
    }
    return true;
}

/* Is it a message, and can it be answered? */
static bool well_formed(const struct visit *v)
{
    struct http_request *r = v->request;
    const char *coding = http_header(r, "Content-Encoding");
    const char *twice = doubled(r);
    if (!web_is_json(http_header(r, "Content-Type")) ||
        (coding && strcasecmp(coding, "identity") != 0)) {
        web_refuse(v, 415, no_field,
                   "A message is sent as JSON in UTF-8, not compressed: `Content-Type: "
                   "application/json`.");
        return false;
    }
    if (v->target.route == ROUTE_MCP && !v->accept.json && !v->accept.events) {
        web_refuse(v, 406, no_field,
                   "Answers come as JSON or as a stream of events: send `Accept: "
                   "application/json, text/event-stream`.");
        return false;
    }
    if (twice) {
        web_refuse(v, 400, no_field, "The header %s must be there once.", twice);
        return false;
    }
    return true;
}

static bool is_open_to_all(const struct visit *v)
{
    switch (v->target.route) {
    case ROUTE_MCP:
    case ROUTE_SSE:
    case ROUTE_MESSAGE:
        return false;
    case ROUTE_READY:
    case ROUTE_METRICS:
        return v->web->o.public_pages;
    default:
        return true;
    }
}

static bool entered(const struct visit *v, struct web_caller *ret)
{
    const struct web_gate *gate = &v->web->o.gate;
    struct web_refusal why = {0};
    if (gate->enter(gate->ctx, http_header(v->request, "Authorization"), ret, &why)) {
        http_know_peer(v->request);
        return true;
    }
    struct http_field field = {why.authenticate[0] ? "WWW-Authenticate" : NULL, why.authenticate};
    web_refuse(v, why.status, field, "%s", why.text);
    return false;
}

static bool is_work(enum web_route route)
{
    return route == ROUTE_MCP || route == ROUTE_SSE || route == ROUTE_MESSAGE;
}

/* Everything that can be known without the body. False: it has been answered. With @ret->who NULL
 * nobody had to be known. */
static bool judge(struct visit *v, struct web_caller *ret)
{
    if (!addressed(v) || answer_preflight(v) || !routed(v))
        return false;
    if (is_work(v->target.route) && v->web->phase != WEB_SERVING) {
        web_refuse(v, 503, (struct http_field){"Retry-After", "5"}, "The server is stopping.");
        return false;
    }
    if (is_open_to_all(v))
        return true;
    if (!entered(v, ret))
        return false;
    if (http_method(v->request) != HTTP_POST || well_formed(v))
        return true;
    v->web->o.gate.leave(v->web->o.gate.ctx, ret);
    return false;
}

static struct visit visit_begin(struct web *w, struct http_request *r)
{
    struct visit v = {.web = w, .request = r, .accept = read_accept(r)};
    v.target = web_target_find(http_method_name(r), http_path(r), &v.accept);
    /* A Streamable HTTP client that has been introduced asks for what the server says unasked,
     * which is nothing; a session of the older kind would only be held open for it. */
    if (v.target.route == ROUTE_SSE && strcmp(http_path(r), "/") == 0 &&
        http_header(r, "Mcp-Session-Id"))
        v.target.allow = "POST";
    return v;
}

static void on_request(void *ctx, struct http_request *r)
{
    struct web *w = ctx;
    struct visit v = visit_begin(w, r);
    struct web_caller caller = {0};
    if (!judge(&v, &caller))
        return;
    switch (v.target.route) {
    case ROUTE_MCP:
        post_serve(&v, &caller);
        return;
    case ROUTE_SSE:
        session_serve(&v, &caller);
        return;
    case ROUTE_MESSAGE:
        session_message(&v, &caller);
        return;
    default:
        if (caller.who)
            w->o.gate.leave(w->o.gate.ctx, &caller);
        web_page(&v);
    }
}

/* Who may not send a large body need not be listened to. A small one costs less than looking twice.
 */
static void on_head(void *ctx, struct http_request *r)
{
    struct web *w = ctx;
    struct web_caller caller = {0};
    if (http_content_length(r) <= WEB_LARGE_BYTES)
        return;
    struct visit v = visit_begin(w, r);
    if (!judge(&v, &caller))
        return;
    if (caller.who)
        w->o.gate.leave(w->o.gate.ctx, &caller);
    if (!is_work(v.target.route))
        web_refuse(&v, 413, no_field, "There is nothing to send here.");
}

/* ---- time ---- */

static void flush(struct web *w, uint64_t now)
{
    struct http_stats stats;
    http_server_stats(w->http, &stats);
    if (stats.connections > 0 && now < w->give_up_ns)
        return;
    w->phase = WEB_ENDED;
}

/* What is under way may end by itself, then it is stopped, then it is no longer waited for. */
static void stop_more(struct web *w, uint64_t now)
{
    sessions_end(w, false);
    if (w->n_posts > 0 && now >= w->give_up_ns && !w->stopped) {
        w->stopped = true;
        w->give_up_ns = now + STOP_NS;
        posts_stop(w);
        sessions_end(w, false);
    }
    if (w->n_posts > 0 && now < w->give_up_ns)
        return;
    sessions_end(w, true);
    w->phase = WEB_FLUSHING;
    w->give_up_ns = now + WEB_FLUSH_NS;
}

static void on_tick(void *ctx)
{
    struct web *w = ctx;
    uint64_t now = clock_mono_ns();
    posts_refresh(w, now);
    sessions_refresh(w, now);
    if (w->phase == WEB_STOPPING)
        stop_more(w, now);
    if (w->phase == WEB_FLUSHING)
        flush(w, now);
    if (w->phase != WEB_ENDED)
        loop_timer_arm(w->tick, w->phase == WEB_SERVING ? TICK_NS : STOPPING_TICK_NS);
    else
        w->o.gate.on_end(w->o.gate.ctx); /* which may free all of this */
}

void web_progress(struct web *w)
{
    if (w->phase == WEB_STOPPING && w->n_posts == 0)
        loop_timer_arm(w->tick, 0);
}

void web_stop(struct web *w, uint64_t grace_ns)
{
    if (w->phase != WEB_SERVING)
        return;
    w->phase = WEB_STOPPING;
    w->give_up_ns = clock_mono_ns() + grace_ns;
    http_server_drain(w->http);
    loop_timer_arm(w->tick, 0);
}

/* ---- life ---- */

struct web *web_new(struct loop *loop, const struct web_options *options, struct err *err)
{
    struct web *w = calloc(1, sizeof(*w));
    if (!w) {
        err_nomem(err);
        return NULL;
    }
    w->loop = loop;
    w->o = *options;
    w->tick = loop_timer_new(loop, on_tick, w, err);
    w->http = w->tick ? http_server_new(loop, &options->http, on_request, on_head, w, err) : NULL;
    if (!w->http) {
        web_free(w);
        return NULL;
    }
    loop_timer_arm(w->tick, TICK_NS);
    return w;
}

const char *web_urls(const struct web *w)
{
    return http_server_urls(w->http);
}

const char *web_warning(const struct web *w)
{
    return http_server_warning(w->http);
}

unsigned web_port(const struct web *w)
{
    return http_server_port(w->http);
}

void web_free(struct web *w)
{
    if (!w)
        return;
    w->phase = WEB_ENDED;
    /* Tells every post and session that its client is gone. */
    http_server_free(w->http);
    loop_timer_free(w->tick);
    buf_done(&w->scratch);
    free(w);
}
