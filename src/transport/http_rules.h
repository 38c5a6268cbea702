/* The rules of MCP over HTTP that need nothing but a request's text: which route, who may be
 * addressed and from which web page, what can be said in which form. Pure. */
#ifndef TRANSPORT_HTTP_RULES_H
#define TRANSPORT_HTTP_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* What a request is for. The names are labels of the metrics, too. */
enum web_route {
    ROUTE_MCP,      /* Streamable HTTP: POST /mcp, /mcp/ and / */
    ROUTE_SSE,      /* a legacy session: GET /sse, and GET / that wants events */
    ROUTE_MESSAGE,  /* a message of a legacy session: POST /messages/… */
    ROUTE_PAGE,     /* GET /: what this is, for people */
    ROUTE_HEALTH,   /* GET /health: the process answers */
    ROUTE_READY,    /* GET /ready: programs can be run */
    ROUTE_METRICS,  /* GET /metrics: Prometheus */
    ROUTE_METADATA, /* GET /.well-known/oauth-protected-resource[/mcp]: RFC 9728 */
    ROUTE_OTHER,    /* nothing is there */
    ROUTES,
};
const char *web_route_name(enum web_route route);

#define WEB_MESSAGES "/messages/" /* the session follows */

/* What of Accept matters here (RFC 9110, section 12.5.1). */
struct web_accept {
    bool json;   /* application/json */
    bool events; /* text/event-stream, asked for by name or by a wildcard */
    bool events_by_name;
    bool html; /* text/html, by name */
};
/* @value NULL or blank: everything is welcome. */
struct web_accept web_accept_read(const char *value);

struct web_target {
    enum web_route route;
    const char *allow;   /* the method is not for this route: the value of Allow, for a 405 */
    const char *session; /* ROUTE_MESSAGE: borrowed from @path */
};
/* @path is what stands before a '?'. */
struct web_target web_target_find(const char *method, const char *path, const struct web_accept *a);

/* May the server be addressed as @host (the value of Host)? Yes for localhost, 127.0.0.1 and [::1]
 * with any port; for @bound, the address it listens on, and if that is a wildcard address for every
 * literal address; and for what @allowed lists (with a port: that port only; "*.name": names below
 * it; "*": any). A web page that had its own name pointed at this machine is none of these. */
bool web_host_ok(const char *host, const char *bound, const struct strv *allowed);

enum web_origin {
    ORIGIN_NONE,   /* no browser's page */
    ORIGIN_LOCAL,  /* a page of this machine: http or https, a loopback name, any port */
    ORIGIN_LISTED, /* one of @allowed: may read the answers, too */
    ORIGIN_FOREIGN,
};
/* @origin: the value of Origin, NULL when there is none. */
enum web_origin web_origin_judge(const char *origin, const struct strv *allowed);

/* Is a body of this Content-Type JSON in UTF-8? */
bool web_is_json(const char *content_type);

/* Does the query string hold what looks like a credential? It would end up in logs and histories
 * (RFC 6750, section 5.3). */
bool web_query_has_token(const char *query);

/* The value of Mcp-Name: itself, or, when it is of the form =?base64?…?=, what it stands for, put
 * into @room (of @size bytes). What cannot be decoded to UTF-8 text without NUL stands for itself.
 * NULL stays NULL. */
const char *web_name_decode(const char *value, char *room, size_t size);

/* Is this address or name one of the machine itself: 127.0.0.0/8, ::1, localhost? */
bool web_is_loopback(const char *host);

#endif
