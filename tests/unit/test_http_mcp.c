/* The rules of MCP over HTTP: routes, Accept and Content-Type, Host and Origin, tokens in the
 * query, the encoding of Mcp-Name. And the text that Prometheus reads. */
#include "tap.h"

#include "record/exposition.h"
#include "transport/http_rules.h"

static struct web_target at(const char *method, const char *path, const char *accept)
{
    struct web_accept a = web_accept_read(accept);
    return web_target_find(method, path, &a);
}

static bool goes(const char *method, const char *path, enum web_route route)
{
    struct web_target t = at(method, path, NULL);
    return t.route == route && !t.allow;
}

static struct strv list(const char *text)
{
    struct strv v = STRV_INIT;
    REQUIRE(strv_split(&v, text, ',', NULL) == 0);
    return v;
}

/* ---- routes ---- */

TEST(messages_are_posted_to_mcp_with_and_without_a_slash_and_to_the_root)
{
    CHECK(goes("POST", "/mcp", ROUTE_MCP));
    CHECK(goes("POST", "/mcp/", ROUTE_MCP));
    CHECK(goes("POST", "/", ROUTE_MCP));
    CHECK(goes("POST", "/mcp/x", ROUTE_OTHER));
    CHECK(goes("POST", "/MCP", ROUTE_OTHER));
    CHECK(goes("POST", "//mcp", ROUTE_OTHER));
}

TEST(get_and_delete_on_the_endpoint_are_told_what_is_allowed)
{
    const char *const methods[] = {"GET", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH"};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        CHECK_STR(at(methods[i], "/mcp", "text/event-stream").allow, "POST");
        CHECK_STR(at(methods[i], "/mcp/", NULL).allow, "POST");
        CHECK_STR(at(methods[i], WEB_MESSAGES "00", NULL).allow, "POST");
    }
    CHECK_STR(at("POST", "/sse", NULL).allow, "GET");
    CHECK_STR(at("HEAD", "/sse", NULL).allow, "GET");
    CHECK_STR(at("DELETE", "/", NULL).allow, "GET, HEAD, POST");
    CHECK_STR(at("POST", "/health", NULL).allow, "GET, HEAD");
}

TEST(a_get_of_the_root_opens_a_session_only_when_events_are_asked_for_by_name)
{
    CHECK(at("GET", "/", "text/event-stream").route == ROUTE_SSE);
    CHECK(at("GET", "/", "application/json, text/event-stream;q=0.5").route == ROUTE_SSE);
    CHECK(at("GET", "/", "TEXT/Event-Stream").route == ROUTE_SSE);
    CHECK(at("GET", "/", NULL).route == ROUTE_PAGE);
    CHECK(at("GET", "/", "*/*").route == ROUTE_PAGE);
    CHECK(at("GET", "/", "text/html, text/*;q=0.9").route == ROUTE_PAGE);
    CHECK(at("GET", "/", "text/event-stream;q=0").route == ROUTE_PAGE);
    CHECK(at("HEAD", "/", "text/event-stream").route == ROUTE_PAGE);
}

TEST(every_other_page_has_one_address)
{
    CHECK(goes("GET", "/sse", ROUTE_SSE) && goes("GET", "/sse/", ROUTE_SSE));
    CHECK(goes("GET", "/health", ROUTE_HEALTH) && goes("HEAD", "/health", ROUTE_HEALTH));
    CHECK(goes("GET", "/ready", ROUTE_READY));
    CHECK(goes("GET", "/metrics", ROUTE_METRICS));
    CHECK(goes("GET", "/.well-known/oauth-protected-resource", ROUTE_METADATA));
    CHECK(goes("GET", "/.well-known/oauth-protected-resource/mcp", ROUTE_METADATA));
    CHECK(goes("GET", "/.well-known/oauth-protected-resource/other", ROUTE_OTHER));
    CHECK(goes("GET", "/health/", ROUTE_OTHER));
    CHECK(goes("GET", "/favicon.ico", ROUTE_OTHER));
}

TEST(what_follows_messages_is_the_session)
{
    struct web_target t = at("POST", WEB_MESSAGES "0123abc", NULL);
    CHECK(t.route == ROUTE_MESSAGE && !t.allow);
    CHECK_STR(t.session, "0123abc");
    CHECK(at("POST", "/messages", NULL).route == ROUTE_OTHER);
}

/* ---- Accept ---- */

TEST(without_accept_everything_is_welcome_but_no_stream_was_asked_for)
{
    const char *const none[] = {NULL, "", "  \t "};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        struct web_accept a = web_accept_read(none[i]);
        CHECK(a.json && a.events && !a.events_by_name && !a.html);
    }
}

TEST(accept_takes_lists_wildcards_and_parameters)
{
    struct web_accept a = web_accept_read("application/json, text/event-stream");
    CHECK(a.json && a.events && a.events_by_name);
    a = web_accept_read("application/json");
    CHECK(a.json && !a.events);
    a = web_accept_read("text/event-stream");
    CHECK(!a.json && a.events && a.events_by_name);
    a = web_accept_read("*/*");
    CHECK(a.json && a.events && !a.events_by_name && !a.html);
    a = web_accept_read("application/*;q=0.8");
    CHECK(a.json && !a.events);
    a = web_accept_read("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
    CHECK(a.html && a.json);
    a = web_accept_read("text/plain, image/png");
    CHECK(!a.json && !a.events && !a.html);
    a = web_accept_read("application/json;profile=\"a,b;q=0\"");
    CHECK(a.json);
}

TEST(the_most_specific_range_decides_and_quality_zero_refuses)
{
    struct web_accept a = web_accept_read("*/*, application/json;q=0");
    CHECK(!a.json && a.events);
    a = web_accept_read("application/json;q=0.0, */*");
    CHECK(!a.json);
    a = web_accept_read("*/*;q=0, application/json;q=0.001");
    CHECK(a.json && !a.events);
    a = web_accept_read("text/*;q=0, */*");
    CHECK(a.json && !a.events);
    a = web_accept_read(",,;q=0,/,;");
    CHECK(!a.json && !a.events);
}

TEST(only_json_in_utf_8_is_a_message)
{
    CHECK(web_is_json("application/json"));
    CHECK(web_is_json("Application/JSON; charset=UTF-8"));
    CHECK(web_is_json("application/json;charset=\"utf-8\""));
    CHECK(web_is_json("application/json; odata=verbose"));
    CHECK(!web_is_json("application/json; charset=utf-16"));
    CHECK(!web_is_json("application/json; charset=iso-8859-1"));
    CHECK(!web_is_json("text/plain"));
    CHECK(!web_is_json("application/jsonp"));
    CHECK(!web_is_json("application/x-www-form-urlencoded"));
    CHECK(!web_is_json("text/plain, application/json"));
    CHECK(!web_is_json(""));
    CHECK(!web_is_json(NULL));
}

/* ---- Host and Origin ---- */

static bool host(const char *name, const char *bound, const char *allowed)
{
    struct strv v = list(allowed);
    bool ok = web_host_ok(name, bound, &v);
    strv_done(&v);
    return ok;
}

TEST(this_machines_own_names_are_good_on_any_port)
{
    const char *const good[] = {"localhost",       "LOCALHOST:9000", "127.0.0.1",
                                "127.0.0.1:65535", "[::1]",          "[::1]:1"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        CHECK(host(good[i], "127.0.0.1", ""));
}

TEST(a_name_that_was_pointed_at_this_machine_is_refused)
{
    const char *const bad[] = {"evil.example.com",
                               "evil.example.com:9000",
                               "localhost.evil.example.com",
                               "evil-localhost",
                               "localhost@evil.example.com",
                               "127.0.0.1.evil.example.com",
                               "127.0.0.2",
                               "192.168.1.5:9000",
                               "[::2]",
                               "[::1",
                               "::1",
                               "localhost:",
                               "localhost:99999999",
                               "localhost:9000:9000",
                               "[::1]x",
                               "localhost:80a",
                               ":9000",
                               "",
                               "0.0.0.0"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK(!host(bad[i], "127.0.0.1", ""));
    CHECK(!host(NULL, "127.0.0.1", ""));
}

TEST(the_address_listened_on_is_good_in_any_spelling)
{
    CHECK(host("10.1.2.3:9000", "10.1.2.3", ""));
    CHECK(!host("10.1.2.4:9000", "10.1.2.3", ""));
    CHECK(host("[2001:db8:0:0::1]:9000", "2001:db8::1", ""));
    CHECK(!host("[2001:db8::2]", "2001:db8::1", ""));
    CHECK(!host("10.1.2.3", "2001:db8::1", ""));
    /* All addresses: a page of another origin cannot have an address for a name. */
    CHECK(host("10.1.2.3:9000", "0.0.0.0", "") && host("[2001:db8::1]", "::", ""));
    CHECK(!host("name.example.org", "0.0.0.0", "") && !host("name.example.org", "::", ""));
}

TEST(allowed_hosts_are_names_patterns_ports_or_everything)
{
    CHECK(host("sandbox.example.org", "127.0.0.1", "other,sandbox.example.org"));
    CHECK(host("Sandbox.Example.ORG:8443", "127.0.0.1", "sandbox.example.org"));
    CHECK(host("sandbox:9000", "127.0.0.1", "sandbox:9000"));
    CHECK(!host("sandbox:9001", "127.0.0.1", "sandbox:9000"));
    CHECK(!host("sandbox", "127.0.0.1", "sandbox:9000"));
    CHECK(host("a.example.org", "127.0.0.1", "*.example.org"));
    CHECK(host("a.b.example.org:1", "127.0.0.1", "*.example.org"));
    CHECK(!host("example.org", "127.0.0.1", "*.example.org"));
    CHECK(!host("aexample.org", "127.0.0.1", "*.example.org"));
    CHECK(!host("xsandbox.example.org", "127.0.0.1", "sandbox.example.org"));
    CHECK(host("anything", "127.0.0.1", "*"));
    CHECK(!host("not:a:host", "127.0.0.1", "*"));
}

static enum web_origin origin(const char *value, const char *allowed)
{
    struct strv v = list(allowed);
    enum web_origin kind = web_origin_judge(value, &v);
    strv_done(&v);
    return kind;
}

TEST(no_origin_and_local_ones_are_good)
{
    CHECK(origin(NULL, "") == ORIGIN_NONE);
    CHECK(origin("http://localhost", "") == ORIGIN_LOCAL);
    CHECK(origin("http://localhost:6274", "") == ORIGIN_LOCAL);
    CHECK(origin("https://127.0.0.1:9000", "") == ORIGIN_LOCAL);
    CHECK(origin("http://[::1]:9000", "") == ORIGIN_LOCAL);
}

TEST(every_other_origin_is_foreign_unless_it_is_listed)
{
    const char *const bad[] = {"https://evil.example.com",
                               "null",
                               "",
                               "localhost",
                               "http://localhost.evil.example.com",
                               "http://localhost/",
                               "http://localhost:9000/x",
                               "http://user@localhost",
                               "file://",
                               "http://127.0.0.1.evil.example.com:9000",
                               "ftp://localhost",
                               "http://[::1",
                               "HTTP://localhost\xff"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK(origin(bad[i], "https://app.example.org") == ORIGIN_FOREIGN);
    CHECK(origin("https://app.example.org", "https://app.example.org") == ORIGIN_LISTED);
    CHECK(origin("https://APP.example.org", "https://app.example.org") == ORIGIN_LISTED);
    CHECK(origin("https://app.example.org:444", "https://app.example.org") == ORIGIN_FOREIGN);
    CHECK(origin("http://app.example.org", "https://app.example.org") == ORIGIN_FOREIGN);
    CHECK(origin("null", "*") == ORIGIN_LISTED);
    CHECK(origin("http://localhost:3000", "http://localhost:3000") == ORIGIN_LISTED);
}

TEST(only_addresses_of_this_machine_are_loopback)
{
    CHECK(web_is_loopback("127.0.0.1") && web_is_loopback("127.9.9.9") && web_is_loopback("::1"));
    CHECK(web_is_loopback("localhost"));
    CHECK(!web_is_loopback("0.0.0.0") && !web_is_loopback("::") && !web_is_loopback("10.0.0.1"));
    CHECK(!web_is_loopback("localhost.example.org") && !web_is_loopback("128.0.0.1"));
    CHECK(!web_is_loopback("::ffff:10.0.0.1") && !web_is_loopback(""));
}

/* ---- query, Mcp-Name ---- */

TEST(a_token_in_the_query_is_seen_wherever_it_stands)
{
    CHECK(web_query_has_token("access_token=x") && web_query_has_token("a=b&Access_Token=x"));
    CHECK(web_query_has_token("token") && web_query_has_token("a;api_key=1"));
    CHECK(web_query_has_token("&&token=&"));
    CHECK(!web_query_has_token(NULL) && !web_query_has_token("") && !web_query_has_token("&&;"));
    CHECK(!web_query_has_token("page_token=x&tokens=1&x=token"));
}

static const char *decoded(const char *value)
{
    static char room[64];
    return web_name_decode(value, room, sizeof(room));
}

TEST(a_name_in_base64_is_decoded_and_every_other_stands_for_itself)
{
    CHECK(decoded(NULL) == NULL);
    CHECK_STR(decoded("execute_code"), "execute_code");
    CHECK_STR(decoded("=?base64?SGVsbG8sIOS4lueVjA==?="), "Hello, \xe4\xb8\x96\xe7\x95\x8c");
    CHECK_STR(decoded("=?base64?IHBhZGRlZCA=?="), " padded ");
    CHECK_STR(decoded("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="), "=?base64?literal?=");
    CHECK_STR(decoded("=?base64?"
                      "?="),
              "");
    const char *const odd[] = {
        "=?base64?SGVsbG8?=",  /* no padding */
        "=?base64?====?=",     /* nothing but padding */
        "=?base64?SGV bG8=?=", /* a blank inside */
        "=?base64?/w==?=",     /* not UTF-8 */
        "=?base64?AA==?=",     /* NUL */
        "=?BASE64?SGVsbG8=?=", /* the marker is case-sensitive */
        "=?base64?SGVsbG8=",   /* no end */
        "=?base64?=",          /* too short to have both marks */
        /* longer than the room for it */
        "=?base64?QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
        "QUFBQUFBQUFB?=",
    };
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        CHECK_STR(decoded(odd[i]), odd[i]);
}

/* ---- metrics ---- */

static const char *category(unsigned i)
{
    static const char *const names[] = {NULL, "syntax_error", "timeout"};
    return i < ARRAY_LEN(names) ? names[i] : NULL;
}

TEST(a_histogram_is_cumulative_and_ends_with_everything)
{
    struct metrics m = {.executions = {3, 0, 1}, .wall_ns = 1500000000};
    auto_buf struct buf out = BUF_INIT(0);
    struct exposition e = {.buf = &out};
    m.wall_buckets[0] = 1;
    m.wall_buckets[2] = 2;
    m.wall_buckets[RECORD_BUCKETS] = 1;
    exposition_executions(&e, &m, category);
    REQUIRE(!e.bad && buf_add(&out, "", 1, NULL) == 0);
    const char *text = (const char *)out.data;
    CHECK(strstr(text, "vivarium_executions_total{category=\"success\"} 3\n"));
    CHECK(strstr(text, "vivarium_executions_total{category=\"timeout\"} 1\n"));
    CHECK(strstr(text, "_bucket{le=\"0.0005\"} 1\n"));
    CHECK(strstr(text, "_bucket{le=\"0.001\"} 1\n"));
    CHECK(strstr(text, "_bucket{le=\"0.0025\"} 3\n"));
    CHECK(strstr(text, "_bucket{le=\"60\"} 3\n"));
    CHECK(strstr(text, "_bucket{le=\"+Inf\"} 4\n"));
    CHECK(strstr(text, "_count 4\n"));
    CHECK(strstr(text, "_sum 1.5\n"));
}

TEST(label_values_are_escaped)
{
    auto_buf struct buf out = BUF_INIT(0);
    struct exposition e = {.buf = &out};
    exposition_count(&e, "x", (struct label){"a", "q\"b\\n\nend"}, (struct label){"c", NULL}, 7);
    REQUIRE(!e.bad && buf_add(&out, "", 1, NULL) == 0);
    CHECK_STR((const char *)out.data, "x{a=\"q\\\"b\\\\n\\nend\",c=\"\"} 7\n");
}

TEST(the_process_tells_of_itself)
{
    auto_buf struct buf out = BUF_INIT(0);
    struct exposition e = {.buf = &out};
    exposition_process(&e);
    REQUIRE(!e.bad && buf_add(&out, "", 1, NULL) == 0);
    CHECK(strstr((const char *)out.data, "\nprocess_resident_memory_bytes "));
    CHECK(strstr((const char *)out.data, "\nprocess_open_fds "));
    CHECK(strstr((const char *)out.data, "\nprocess_start_time_seconds 1"));
}

int main(void)
{
    return tap_main();
}
