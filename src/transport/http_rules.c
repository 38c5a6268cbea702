/* Rules over the text of an HTTP request: see http_rules.h. Runs in the server; pure functions over
 * what any stranger may send. Whatever is not understood counts as not permitted. */
#include "transport/http_rules.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"

/* ---- routes ---- */

const char *web_route_name(enum web_route route)
{
    static const char *const names[ROUTES] = {
        [ROUTE_MCP] = "mcp",         [ROUTE_SSE] = "sse",        [ROUTE_MESSAGE] = "messages",
        [ROUTE_PAGE] = "root",       [ROUTE_HEALTH] = "health",  [ROUTE_READY] = "ready",
        [ROUTE_METRICS] = "metrics", [ROUTE_METADATA] = "oauth", [ROUTE_OTHER] = "other",
    };
    return names[route];
}

static bool is_get(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

static struct web_target get_only(enum web_route route, const char *method)
{
    return (struct web_target){.route = route, .allow = is_get(method) ? NULL : "GET, HEAD"};
}

static struct web_target post_only(enum web_route route, const char *method)
{
    return (struct web_target){.route = route, .allow = strcmp(method, "POST") ? "POST" : NULL};
}

static struct web_target root(const char *method, const struct web_accept *a)
{
    if (strcmp(method, "POST") == 0)
        return (struct web_target){.route = ROUTE_MCP};
    /* Gateways that are given an address without a path look for a legacy session here; a browser's
     * wildcard is no such wish. */
    if (strcmp(method, "GET") == 0 && a->events_by_name)
        return (struct web_target){.route = ROUTE_SSE};
    return (struct web_target){.route = ROUTE_PAGE,
                               .allow = is_get(method) ? NULL : "GET, HEAD, POST"};
}

struct web_target web_target_find(const char *method, const char *path, const struct web_accept *a)
{
    static const struct {
        const char *path;
        enum web_route route;
    } pages[] = {
        {"/health", ROUTE_HEALTH},
        {"/ready", ROUTE_READY},
        {"/metrics", ROUTE_METRICS},
        {"/.well-known/oauth-protected-resource", ROUTE_METADATA},
        {"/.well-known/oauth-protected-resource/mcp", ROUTE_METADATA},
    };
    if (strcmp(path, "/mcp") == 0 || strcmp(path, "/mcp/") == 0)
        return post_only(ROUTE_MCP, method);
    if (strcmp(path, "/") == 0)
        return root(method, a);
    if (strcmp(path, "/sse") == 0 || strcmp(path, "/sse/") == 0)
        return (struct web_target){.route = ROUTE_SSE,
                                   .allow = strcmp(method, "GET") ? "GET" : NULL};
    if (str_starts(path, WEB_MESSAGES)) {
        struct web_target t = post_only(ROUTE_MESSAGE, method);
        t.session = path + strlen(WEB_MESSAGES);
        return t;
    }
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (strcmp(path, pages[i].path) == 0)
            return get_only(pages[i].route, method);
    return (struct web_target){.route = ROUTE_OTHER};
}

/* ---- Accept, Content-Type ---- */

struct span {
    const char *p;
    size_t n;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
    for (; s.n > 0 && is_blank(*s.p); s.p++)
        s.n--;
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* Cut off what stands before the first @separator outside of quotes. */
static struct span cut(struct span *rest, char separator)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < rest->n; i++) {
        char c = rest->p[i];
        if (quoted && c == '\\' && i + 1 < rest->n)
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (c == separator && !quoted)
            break;
    }
    struct span head = trim((struct span){rest->p, i});
    size_t step = i < rest->n ? i + 1 : i;
    rest->p += step;
    rest->n -= step;
    return head;
}

static bool is(struct span s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

static bool starts(struct span s, const char *word)
{
    return s.n >= strlen(word) && strncasecmp(s.p, word, strlen(word)) == 0;
}

/* "q=0", "q=0.000": not acceptable (RFC 9110, section 12.4.2). */
static bool refuses(struct span parameter)
{
    if (!starts(parameter, "q=") || parameter.n < 3 || parameter.p[2] != '0')
        return false;
    for (size_t i = 3; i < parameter.n; i++)
        if (parameter.p[i] != '.' && parameter.p[i] != '0')
            return false;
    return true;
}

/* The most specific range that matches a type decides about it. */
struct choice {
    int precision; /* 0: no range matched, 1: any type, 2: any subtype, 3: the type itself */
    bool yes;
};

static void weigh(struct choice *c, struct span range, bool yes, const char *family,
                  const char *type)
{
    int precision = is(range, type) ? 3 : is(range, family) ? 2 : is(range, "*/*") ? 1 : 0;
    if (precision > c->precision || (precision == c->precision && precision > 0 && yes))
        *c = (struct choice){precision, yes};
}

struct web_accept web_accept_read(const char *value)
{
    struct span rest = {value ? value : "", value ? strlen(value) : 0};
    if (trim(rest).n == 0)
        return (struct web_accept){.json = true, .events = true};
    struct choice json = {0};
    struct choice events = {0};
    struct choice html = {0};
    while (rest.n > 0) {
        struct span element = cut(&rest, ',');
        struct span range = cut(&element, ';');
        bool yes = true;
        while (element.n > 0)
            yes = !refuses(cut(&element, ';')) && yes;
        weigh(&json, range, yes, "application/*", "application/json");
        weigh(&events, range, yes, "text/*", "text/event-stream");
        weigh(&html, range, yes, "text/*", "text/html");
    }
    return (struct web_accept){.json = json.yes,
                               .events = events.yes,
                               .events_by_name = events.yes && events.precision == 3,
                               .html = html.yes && html.precision == 3};
}

bool web_is_json(const char *content_type)
{
    struct span rest = {content_type ? content_type : "", content_type ? strlen(content_type) : 0};
    if (!is(cut(&rest, ';'), "application/json"))
        return false;
    while (rest.n > 0) {
        struct span parameter = cut(&rest, ';');
        if (starts(parameter, "charset=") && !is(parameter, "charset=utf-8") &&
            !is(parameter, "charset=\"utf-8\"") && !is(parameter, "charset=utf8") &&
            !is(parameter, "charset=us-ascii"))
            return false;
    }
    return true;
}

/* ---- Host and Origin ---- */

/* HOST or HOST:PORT taken apart: an IPv6 address stands in brackets, which are kept. */
struct authority {
    struct span host;
    struct span port; /* empty: none */
};

static bool authority_read(const char *text, struct authority *ret)
{
    const char *end = text + strlen(text);
    const char *close = *text == '[' ? strchr(text, ']') : NULL;
    const char *colon = close ? close + 1 : strchr(text, ':');
    if (*text == '[' && !close)
        return false;
    if (!colon)
        colon = end;
    struct span port = {colon, 0};
    if (*colon == ':') {
        port = (struct span){colon + 1, (size_t)(end - colon - 1)};
        if (port.n == 0 || port.n > 5 || strspn(port.p, "0123456789") != port.n)
            return false;
    } else if (colon != end) {
        return false;
    }
    *ret = (struct authority){.host = {text, (size_t)(colon - text)}, .port = port};
    return ret->host.n > 0;
}

static bool span_text(struct span s, char *out, size_t size)
{
    if (s.n >= size)
        return false;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

/* A literal address, IPv6 ones in brackets: 4, 6, or 0 when it is none. */
static int address_read(struct span host, struct in6_addr *v6, struct in_addr *v4)
{
    char text[INET6_ADDRSTRLEN + 2];
    if (!span_text(host, text, sizeof(text)))
        return 0;
    if (text[0] != '[')
        return inet_pton(AF_INET, text, v4) == 1 ? 4 : 0;
    text[host.n - 1] = '\0'; /* the closing bracket: authority_read() saw it */
    return inet_pton(AF_INET6, text + 1, v6) == 1 ? 6 : 0;
}

static bool host_is_local(struct span host)
{
    return is(host, "localhost") || is(host, "127.0.0.1") || is(host, "[::1]");
}

static bool matches(const char *item, const struct authority *a)
{
    struct authority want;
    bool below = strncmp(item, "*.", 2) == 0;
    if (strcmp(item, "*") == 0)
        return true;
    if (!authority_read(below ? item + 1 : item, &want))
        return false;
    if (want.port.n > 0 &&
        !(want.port.n == a->port.n && strncmp(want.port.p, a->port.p, a->port.n) == 0))
        return false;
    if (!below)
        return want.host.n == a->host.n && strncasecmp(want.host.p, a->host.p, a->host.n) == 0;
    return a->host.n > want.host.n &&
           strncasecmp(a->host.p + a->host.n - want.host.n, want.host.p, want.host.n) == 0;
}

/* Is it the address that the server listens on, in whatever spelling? */
static bool is_bound(struct span host, const char *bound)
{
    struct in6_addr v6 = {0};
    struct in6_addr bound6 = {0};
    struct in_addr v4 = {0};
    struct in_addr bound4 = {0};
    int family = address_read(host, &v6, &v4);
    if (inet_pton(AF_INET, bound, &bound4) == 1)
        return family && (bound4.s_addr == 0 || (family == 4 && v4.s_addr == bound4.s_addr));
    if (inet_pton(AF_INET6, bound, &bound6) == 1)
        return family && (IN6_IS_ADDR_UNSPECIFIED(&bound6) ||
                          (family == 6 && memcmp(&v6, &bound6, sizeof(v6)) == 0));
    return is(host, bound);
}

bool web_host_ok(const char *host, const char *bound, const struct strv *allowed)
{
    struct authority a;
    if (!host || !authority_read(host, &a))
        return false;
    if (host_is_local(a.host) || is_bound(a.host, bound))
        return true;
    for (size_t i = 0; i < allowed->len; i++)
        if (matches(allowed->items[i], &a))
            return true;
    return false;
}

enum web_origin web_origin_judge(const char *origin, const struct strv *allowed)
{
    if (!origin)
        return ORIGIN_NONE;
    for (size_t i = 0; i < allowed->len; i++)
        if (strcmp(allowed->items[i], "*") == 0 || strcasecmp(allowed->items[i], origin) == 0)
            return ORIGIN_LISTED;
    struct authority a;
    const char *rest = str_starts(origin, "http://")    ? origin + strlen("http://")
                       : str_starts(origin, "https://") ? origin + strlen("https://")
                                                        : NULL;
    if (rest && authority_read(rest, &a) && host_is_local(a.host))
        return ORIGIN_LOCAL;
    return ORIGIN_FOREIGN;
}

bool web_is_loopback(const char *host)
{
    struct in6_addr v6;
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcasecmp(host, "localhost") == 0;
}

/* ---- query, Mcp-Name ---- */

bool web_query_has_token(const char *query)
{
    static const char *const names[] = {"access_token", "token",  "api_token", "api_key",
                                        "apikey",       "bearer", "auth",      "authorization"};
    struct span rest = {query ? query : "", query ? strlen(query) : 0};
    while (rest.n > 0) {
        size_t n = strcspn(rest.p, "&;");
        struct span name = {rest.p, strcspn(rest.p, "=&;")};
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            if (is(name, names[i]))
                return true;
        size_t step = n < rest.n ? n + 1 : rest.n;
        rest.p += step;
        rest.n -= step;
    }
    return false;
}

const char *web_name_decode(const char *value, char *room, size_t size)
{
    static const char prefix[] = "=?base64?";
    size_t head = strlen(prefix);
    size_t n = value ? strlen(value) : 0;
    if (n < head + 2 || !str_starts(value, prefix) || strcmp(value + n - 2, "?=") != 0)
        return value;
    ssize_t len = base64_decode(value + head, n - head - 2, (uint8_t *)room, size - 1);
    if (len < 0 || memchr(room, '\0', (size_t)len) || !utf8_valid(room, (size_t)len))
        return value;
    room[len] = '\0';
    return room;
}
