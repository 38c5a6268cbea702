/* What is answered to those who do not speak MCP: people with a browser, probes, Prometheus. Runs
 * in the server. */
#include <stdio.h>
#include <string.h>

#include "transport/http_internal.h"

#define TEXT "text/plain; charset=utf-8"

/* The name the client used, for showing it an address it can use. It has passed web_host_ok(), but
 * a permitted pattern may match anything. */
static const char *plain_host(const struct http_request *r)
{
    static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   ".-_:[]";
    const char *host = http_header(r, "Host");
    return host && strspn(host, harmless) == strlen(host) ? host : "localhost";
}

static void put_page(const struct visit *v, struct buf *out, bool *bad)
{
    const struct web_options *o = &v->web->o;
    const char *scheme = http_is_tls(v->request) ? "https" : "http";
    const char *host = plain_host(v->request);
    bool html = v->accept.html;
    if (html)
        *bad |= buf_addf(out, NULL, "<!doctype html><meta charset=utf-8><title>%s</title><pre>\n",
                         o->title) < 0;
    *bad |= buf_addf(
                out, NULL,
                "%s %s\n\n"
                "This address speaks the Model Context Protocol (MCP). Programs in Python are run\n"
                "for MCP clients, each in a jailed process of its own.\n\n"
                "  Streamable HTTP     %s://%s/mcp\n"
                "  HTTP+SSE (legacy)   %s://%s/sse\n\n"
                "A client is configured with one of these addresses, for example\n\n"
                "  {\"mcpServers\": {\"python-sandbox\": {\"type\": \"http\", \"url\": "
                "\"%s://%s/mcp\"}}}\n\n",
                o->title, o->version, scheme, host, scheme, host, scheme, host) < 0;
    *bad |= buf_add_str(
                out,
                o->token_needed
                    ? "A token is needed: every request carries `Authorization: Bearer TOKEN`.\n"
                    : "No token is needed from this machine.\n",
                NULL) < 0;
    *bad |= buf_add_str(out, "\nFor operators: /health, /ready, /metrics.\n", NULL) < 0;
    if (html)
        *bad |= buf_add_str(out, "</pre>\n", NULL) < 0;
}

static void show_page(const struct visit *v)
{
    auto_buf struct buf out = BUF_INIT(0);
    struct web_fields fields = {0};
    bool bad = false;
    put_page(v, &out, &bad);
    if (bad) {
        web_refuse(v, 503, (struct http_field){0}, "The server has no memory for this page.");
        return;
    }
    web_field(&fields, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    web_field(&fields, "X-Content-Type-Options", "nosniff");
    web_field(&fields, "Vary", "Accept");
    web_answer(v, 200, &fields, v->accept.html ? "text/html; charset=utf-8" : TEXT, out.data,
               out.len);
}

static void answer_line(const struct visit *v, unsigned status, const char *text)
{
    struct web_fields fields = {0};
    char line[600];
    int n = snprintf(line, sizeof(line), "%.*s\n", (int)utf8_floor(text, strnlen(text, 580)), text);
    web_field(&fields, "Cache-Control", "no-store");
    web_answer(v, status, &fields, TEXT, line, (size_t)n);
}

static void show_ready(const struct visit *v)
{
    const struct web *w = v->web;
    const char *why =
        w->phase != WEB_SERVING ? "The server is stopping." : w->o.gate.not_ready(w->o.gate.ctx);
    answer_line(v, why ? 503 : 200, why ? why : "ready");
}

static void put_own_metrics(const struct web *w, struct exposition *e)
{
    struct http_stats stats;
    http_server_stats(w->http, &stats);
    web_write_counts(w, e);
    exposition_single(e, "vivarium_http_messages_open", "gauge",
                      "Messages under way over HTTP, whose answer somebody waits for.", w->n_posts);
    exposition_single(e, "vivarium_http_sessions", "gauge", "Legacy SSE sessions open.",
                      w->n_sessions);
    exposition_single(e, "vivarium_http_sessions_total", "counter",
                      "Legacy SSE sessions ever opened.", w->sessions_ever);
    exposition_single(e, "vivarium_http_connections", "gauge", "Connections open.",
                      stats.connections);
    exposition_single(e, "vivarium_http_connections_total", "counter", "Connections accepted.",
                      stats.accepted);
    exposition_single(e, "vivarium_http_refused_connections_total", "counter",
                      "Connections closed at once: over a limit of their number.",
                      stats.refused_connections);
    exposition_single(e, "vivarium_http_refused_requests_total", "counter",
                      "Requests refused for their framing or size, before a route was known.",
                      stats.refused_requests);
    exposition_single(e, "vivarium_http_timed_out_total", "counter",
                      "Connections ended by a time limit.", stats.timed_out);
    exposition_single(e, "vivarium_http_buffered_bytes", "gauge",
                      "Bodies of requests that are not yet whole.", stats.buffered_bytes);
}

static void show_metrics(const struct visit *v)
{
    auto_buf struct buf out = BUF_INIT(0);
    struct exposition e = {.buf = &out};
    struct web_fields fields = {0};
    v->web->o.gate.write_metrics(v->web->o.gate.ctx, &e);
    put_own_metrics(v->web, &e);
    if (e.bad) {
        web_refuse(v, 503, (struct http_field){0}, "The server has no memory for its metrics.");
        return;
    }
    web_field(&fields, "Cache-Control", "no-store");
    web_answer(v, 200, &fields, EXPOSITION_TYPE, out.data, out.len);
}

static void show_metadata(const struct visit *v)
{
    const char *metadata = v->web->o.metadata;
    struct web_fields fields = {0};
    if (!metadata) {
        web_refuse(v, 404, (struct http_field){0},
                   "OAuth is not configured on this server; it may want a plain bearer token, or "
                   "none.");
        return;
    }
    /* RFC 9728 is for clients of every origin, and says nothing that is not public. */
    if (!v->cors)
        web_field(&fields, "Access-Control-Allow-Origin", "*");
    web_answer(v, 200, &fields, "application/json", metadata, strlen(metadata));
}

void web_page(const struct visit *v)
{
    switch (v->target.route) {
    case ROUTE_PAGE:
        show_page(v);
        return;
    case ROUTE_HEALTH:
        answer_line(v, 200, "ok");
        return;
    case ROUTE_READY:
        show_ready(v);
        return;
    case ROUTE_METRICS:
        show_metrics(v);
        return;
    case ROUTE_METADATA:
        show_metadata(v);
        return;
    default:
        web_refuse(v, 404, (struct http_field){0},
                   "Nothing is here. MCP is at /mcp (Streamable HTTP) and /sse (legacy).");
    }
}
