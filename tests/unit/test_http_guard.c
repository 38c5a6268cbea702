/* The framing guard, against a table: each input is given whole, byte by byte, and in two pieces
 * cut at every place, and must get the same verdict each time. */
#include "http/guard.h"

#include "base/buf.h"
#include "tap.h"

#define H     "Host: a\r\n"
#define POST  "POST /mcp HTTP/1.1\r\n" H
#define GET   "GET / HTTP/1.1\r\n" H
#define CHUNK POST "Transfer-Encoding: chunked\r\n\r\n"
#define END   "\r\n"
#define X10   "0123456789"
#define X100  X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

/* `want`: what the guard passes on, in a short form (METHOD target|body; for each whole request),
 * then a status if it refuses, or "…" if it waits for more. */
struct guard_case {
    const char *name, *want, *input;
    size_t n; /* 0: strlen(input) */
};
#define WITH_NUL(text) text, sizeof(text) - 1

static const struct guard_case cases[] = {
    /* fine */
    {"nothing", "", "", 0},
    {"plain GET", "GET /|;", GET END, 0},
    {"HTTP/1.0", "GET /|;", "GET / HTTP/1.0\r\n" H END, 0},
    {"body", "POST /mcp|abc;", POST "Content-Length: 3\r\n\r\nabc", 0},
    {"body of nothing", "POST /mcp|;", POST "Content-Length: 0\r\n\r\n", 0},
    {"POST without length has no body", "POST /mcp|;", POST END, 0},
    {"chunks", "POST /mcp|abcde;", CHUNK "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 0},
    {"chunk sizes may have leading zeros", "POST /mcp|abc;", CHUNK "0003\r\nabc\r\n000\r\n\r\n", 0},
    {"chunk size in both cases", "POST /mcp|0123456789abcdefghijABCDEFG;",
     CHUNK "a\r\n0123456789\r\nA\r\nabcdefghij\r\n7\r\nABCDEFG\r\n0\r\n\r\n", 0},
    {"no chunk but the last", "POST /mcp|;", CHUNK "0\r\n\r\n", 0},
    {"pipelined", "GET /|;GET /|;POST /mcp|x;GET /|;",
     GET END GET END POST "Content-Length: 1\r\n\r\nx" GET END, 0},
    {"a body that looks like a request is a body", "POST /mcp|GET / HTTP/1.1\r\n\r\n;",
     POST "Content-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n", 0},
    {"query and escapes", "GET /a/b%20c?x=1&y=%C3%A9|;",
     "GET /a/b%20c?x=1&y=%C3%A9 HTTP/1.1\r\n" H END, 0},
    {"no blank after the colon", "GET /|;", "GET / HTTP/1.1\r\nHost:a\r\n\r\n", 0},
    {"blanks around values", "GET /|;", "GET / HTTP/1.1\r\nHost: \t a \t\r\n\r\n", 0},
    {"empty value", "GET /|;", GET "X-Empty:\r\n\r\n", 0},
    {"UTF-8 in a value", "GET /|;", GET "X-Name: \xc3\xa9\r\n\r\n", 0},
    {"field names in any case", "POST /mcp|x;",
     "POST /mcp HTTP/1.1\r\nhOST: a\r\ncONTENT-lENGTH: 1\r\n\r\nx", 0},
    {"host with port", "GET /|;", "GET / HTTP/1.1\r\nHost: a.example:9000\r\n\r\n", 0},
    {"host in brackets", "GET /|;", "GET / HTTP/1.1\r\nHost: [::1]:9000\r\n\r\n", 0},
    {"connection options", "GET /|;", GET "Connection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n\r\n",
     0},
    {"two fields of an ordinary name", "GET /|;", GET "Accept: a\r\nAccept: b\r\n\r\n", 0},
    {"expect 100-continue", "POST /mcp|x;",
     POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", 0},
    {"DELETE, OPTIONS, PUT, PATCH, HEAD", "DELETE /|;OPTIONS /|;PUT /|;PATCH /|;HEAD /|;",
     "DELETE / HTTP/1.1\r\n" H END "OPTIONS / HTTP/1.1\r\n" H END "PUT / HTTP/1.1\r\n" H END
     "PATCH / HTTP/1.1\r\n" H END "HEAD / HTTP/1.1\r\n" H END,
     0},
    /* not yet whole */
    {"half a request line waits", "…", "GET / HT", 0},
    {"half a head waits", "…", GET, 0},
    {"half a body waits", "…", POST "Content-Length: 3\r\n\r\nab", 0},
    {"half a chunk waits", "…", CHUNK "3\r\nab", 0},
    {"a missing last chunk waits", "…", CHUNK "3\r\nabc\r\n", 0},
    {"a missing end of the last chunk waits", "…", CHUNK "3\r\nabc\r\n0\r\n", 0},
    /* lengths */
    {"two lengths", "400", POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 0},
    {"two equal lengths", "400", POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 0},
    {"a list of lengths", "400", POST "Content-Length: 3, 3\r\n\r\nabc", 0},
    {"signed length", "400", POST "Content-Length: +3\r\n\r\nabc", 0},
    {"negative length", "400", POST "Content-Length: -1\r\n\r\n", 0},
    {"hexadecimal length", "400", POST "Content-Length: 0x3\r\n\r\nabc", 0},
    {"length with a leading zero", "400", POST "Content-Length: 03\r\n\r\nabc", 0},
    {"fractional length", "400", POST "Content-Length: 3.0\r\n\r\nabc", 0},
    {"empty length", "400", POST "Content-Length:\r\n\r\n", 0},
    {"length in words", "400", POST "Content-Length: three\r\n\r\n", 0},
    {"length with a blank inside", "400", POST "Content-Length: 1 0\r\n\r\n", 0},
    {"length with a tab before", "400", POST "Content-Length:\t3\r\n\r\nabc", 0},
    {"length with a blank after", "400", POST "Content-Length: 3 \r\n\r\nabc", 0},
    {"length with other digits", "400", POST "Content-Length: \xd9\xa3\r\n\r\nabc", 0},
    {"length of 2^64 + 3", "400", POST "Content-Length: 18446744073709551619\r\n\r\nabc", 0},
    {"length of 30 digits", "400", POST "Content-Length: 100000000000000000000000000003\r\n\r\n",
     0},
    {"length above the limit", "413", POST "Content-Length: 65\r\n\r\n", 0},
    {"length far above the limit", "413", POST "Content-Length: 999999999999999999\r\n\r\n", 0},
    {"length at the limit", "…", POST "Content-Length: 64\r\n\r\n", 0},
    {"underscore for hyphen in the length", "400", POST "Content_Length: 3\r\n\r\nabc", 0},
    /* transfer encodings */
    {"length and chunked", "400",
     POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
    {"chunked and length", "400",
     POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 0},
    {"chunked twice", "400",
     POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
    {"chunked, chunked", "400", POST "Transfer-Encoding: chunked, chunked\r\n\r\n", 0},
    {"gzip, chunked", "400", POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 0},
    {"identity", "400", POST "Transfer-Encoding: identity\r\n\r\n", 0},
    {"chunked in another case", "POST /mcp|abc;",
     POST "Transfer-Encoding: ChunkeD\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 0},
    {"chunked in another case and a length", "400",
     POST "Transfer-Encoding: Chunked\r\nContent-Length: 3\r\n\r\nabc", 0},
    {"xchunked", "400", POST "Transfer-Encoding: xchunked\r\n\r\n", 0},
    {"chunked with a parameter", "400", POST "Transfer-Encoding: chunked;q=1\r\n\r\n", 0},
    {"chunked in quotes", "400", POST "Transfer-Encoding: \"chunked\"\r\n\r\n", 0},
    {"chunked after a tab", "400", POST "Transfer-Encoding:\tchunked\r\n\r\n", 0},
    {"chunked before a blank", "400", POST "Transfer-Encoding: chunked \r\n\r\n", 0},
    {"chunked after a vertical tab", "400",
     POST "Transfer-Encoding: \x0b"
          "chunked\r\n\r\n",
     0},
    {"empty transfer encoding", "400", POST "Transfer-Encoding:\r\n\r\n", 0},
    {"transfer encoding with underscore", "400", POST "Transfer_Encoding: chunked\r\n\r\n", 0},
    {"chunked in HTTP/1.0", "400", "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 0},
    {"GET with a body", "400", GET "Content-Length: 1\r\n\r\nx", 0},
    {"GET with chunks", "400", GET "Transfer-Encoding: chunked\r\n\r\n", 0},
    {"HEAD with a body", "400", "HEAD / HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nx", 0},
    /* chunks */
    {"chunk extension", "400", CHUNK "3;a=b\r\nabc\r\n0\r\n\r\n", 0},
    {"bare chunk extension", "400", CHUNK "3;\r\nabc\r\n0\r\n\r\n", 0},
    {"chunk size 0x3", "400", CHUNK "0x3\r\nabc\r\n0\r\n\r\n", 0},
    {"chunk size +3", "400", CHUNK "+3\r\nabc\r\n0\r\n\r\n", 0},
    {"chunk size -3", "400", CHUNK "-3\r\nabc\r\n0\r\n\r\n", 0},
    {"blank before a chunk size", "400", CHUNK " 3\r\nabc\r\n0\r\n\r\n", 0},
    {"blank after a chunk size", "400", CHUNK "3 \r\nabc\r\n0\r\n\r\n", 0},
    {"no chunk size", "400", CHUNK "\r\nabc\r\n0\r\n\r\n", 0},
    {"chunk size in words", "400", CHUNK "three\r\n", 0},
    {"chunk size of nine digits", "400", CHUNK "000000003\r\nabc\r\n", 0},
    {"chunk size that wraps", "400", CHUNK "10000000000000003\r\nabc\r\n", 0},
    {"chunk larger than the limit", "413", CHUNK "41\r\n", 0},
    {"chunks together larger than the limit", "413",
     CHUNK "20\r\n01234567890123456789012345678901\r\n21\r\n", 0},
    {"bare line feed after a chunk size", "400", CHUNK "3\nabc\r\n0\r\n\r\n", 0},
    {"bare carriage return after a chunk size", "400", CHUNK "3\rabc\r\n0\r\n\r\n", 0},
    {"chunk data too long", "400", CHUNK "3\r\nabcd\r\n0\r\n\r\n", 0},
    {"bare line feed after chunk data", "400", CHUNK "3\r\nabc\n0\r\n\r\n", 0},
    {"carriage return alone after chunk data", "400", CHUNK "3\r\nabc\rx0\r\n\r\n", 0},
    {"trailer field", "400", CHUNK "3\r\nabc\r\n0\r\nX: y\r\n\r\n", 0},
    {"trailer that frames", "400", CHUNK "0\r\nContent-Length: 5\r\n\r\n", 0},
    {"bare line feed after the last chunk", "400", CHUNK "0\r\n\n", 0},
    {"bare line feed in the last chunk", "400", CHUNK "0\n\r\n", 0},
    {"last chunk with extension", "400", CHUNK "0;x\r\n\r\n", 0},
    /* hosts and other single fields */
    {"no host", "400", "GET / HTTP/1.1\r\n\r\n", 0},
    {"no host in HTTP/1.0", "GET /|;", "GET / HTTP/1.0\r\n\r\n", 0},
    {"no good host in HTTP/1.0", "400", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 0},
    {"two hosts in HTTP/1.0", "400", "GET / HTTP/1.0\r\n" H H "\r\n", 0},
    {"an empty host", "400", "GET / HTTP/1.0\r\nHost:\r\n\r\n", 0},
    {"two hosts", "400", GET "Host: b\r\n\r\n", 0},
    {"two equal hosts", "400", GET H END, 0},
    {"empty host", "400", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0},
    {"host with a blank", "400", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 0},
    {"host list", "400", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 0},
    {"host with a path", "400", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 0},
    {"host with a user", "400", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 0},
    {"host with a scheme", "400", "GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", 0},
    {"host with port 65536", "400", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 0},
    {"host with a bad port", "400", "GET / HTTP/1.1\r\nHost: a:9x\r\n\r\n", 0},
    {"host with an empty port", "400", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 0},
    {"host with two ports", "400", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 0},
    {"host with an open bracket", "400", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 0},
    {"host that is empty brackets", "400", "GET / HTTP/1.1\r\nHost: []\r\n\r\n", 0},
    {"two content types", "400", POST "Content-Type: a\r\nContent-Type: b\r\n\r\n", 0},
    {"two authorizations", "400", POST "Authorization: a\r\nauthorization: b\r\n\r\n", 0},
    {"two origins", "400", POST "Origin: a\r\nORIGIN: b\r\n\r\n", 0},
    {"connection names the host", "400", GET "Connection: close, Host\r\n\r\n", 0},
    {"connection names the length", "400",
     POST "Connection: content-length\r\nContent-Length: 0\r\n\r\n", 0},
    {"connection names the authorization", "400",
     GET "Connection: x\r\nConnection: authorization\r\n\r\n", 0},
    {"unknown expectation", "417", POST "Expect: 200-ok\r\n\r\n", 0},
    {"two expectations", "400", POST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n", 0},
    /* fields */
    {"blank before the colon", "400", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 0},
    {"tab before the colon", "400", POST "Content-Length\t: 3\r\n\r\nabc", 0},
    {"folded field", "400", GET "X: a\r\n b\r\n\r\n", 0},
    {"field folded by a tab", "400", GET "X: a\r\n\tb\r\n\r\n", 0},
    {"blank before the first field", "400", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 0},
    {"line without colon", "400", GET "Nonsense\r\n\r\n", 0},
    {"field without name", "400", GET ": a\r\n\r\n", 0},
    {"name with a parenthesis", "400", GET "X(: a\r\n\r\n", 0},
    {"name beyond ASCII", "400", GET "X\xc3\xa9: a\r\n\r\n", 0},
    {"name with a NUL", "400", WITH_NUL(GET "X\0: a\r\n\r\n")},
    {"value with a NUL", "400", WITH_NUL(GET "X: a\0b\r\n\r\n")},
    {"value with a bell", "400", GET "X: a\ab\r\n\r\n", 0},
    {"value with DEL", "400", GET "X: a\x7f\r\n\r\n", 0},
    {"bare line feed after a field", "400", GET "X: a\nY: b\r\n\r\n", 0},
    {"bare carriage return in a field", "400", GET "X: a\rY: b\r\n\r\n", 0},
    {"bare line feed ends the head", "400", GET "\n", 0},
    {"bare carriage return ends the head", "400", GET "\rX", 0},
    {"two carriage returns", "400", GET "X: a\r\r\n\r\n", 0},
    {"head beyond the limit", "431", GET "X: " X100 X100 END END, 0},
    /* request lines */
    {"empty line first", "400", "\r\nGET / HTTP/1.1\r\n" H END, 0},
    {"empty line between requests", "GET /|;400", GET END END GET END, 0},
    {"blank first", "400", " GET / HTTP/1.1\r\n" H END, 0},
    {"HTTP/0.9", "400", "GET /\r\n", 0},
    {"no target", "400", "GET HTTP/1.1\r\n" H END, 0},
    {"two blanks before the target", "400", "GET  / HTTP/1.1\r\n" H END, 0},
    {"two blanks after the target", "400", "GET /  HTTP/1.1\r\n" H END, 0},
    {"blank after the version", "400", "GET / HTTP/1.1 \r\n" H END, 0},
    {"tab for blank", "400", "GET\t/\tHTTP/1.1\r\n" H END, 0},
    {"bare line feed after the request line", "400", "GET / HTTP/1.1\n" H END, 0},
    {"bare carriage return after the request line", "400", "GET / HTTP/1.1\r" H END, 0},
    {"HTTP/2.0", "505", "GET / HTTP/2.0\r\n" H END, 0},
    {"the preface of HTTP/2", "505", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
    {"HTTP/1.2", "505", "GET / HTTP/1.2\r\n" H END, 0},
    {"HTTP/0.9 in words", "505", "GET / HTTP/0.9\r\n" H END, 0},
    {"HTTP/1.10", "400", "GET / HTTP/1.10\r\n" H END, 0},
    {"HTTP/01.1", "400", "GET / HTTP/01.1\r\n" H END, 0},
    {"http/1.1", "400", "GET / http/1.1\r\n" H END, 0},
    {"HTTP/1,1", "400", "GET / HTTP/1,1\r\n" H END, 0},
    {"HTTP/", "400", "GET / HTTP/\r\n" H END, 0},
    {"FTP/1.1", "400", "GET / FTP/1.1\r\n" H END, 0},
    {"TRACE", "501", "TRACE / HTTP/1.1\r\n" H END, 0},
    {"CONNECT", "501", "CONNECT a:80 HTTP/1.1\r\n" H END, 0},
    {"get", "501", "get / HTTP/1.1\r\n" H END, 0},
    {"a method of 33 letters", "501", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" H END, 0},
    {"a method that is no token", "400", "GE(T / HTTP/1.1\r\n" H END, 0},
    {"absolute target", "400", "GET http://a/ HTTP/1.1\r\n" H END, 0},
    {"target of two slashes", "400", "GET //b/c HTTP/1.1\r\n" H END, 0},
    {"asterisk", "400", "OPTIONS * HTTP/1.1\r\n" H END, 0},
    {"target without slash", "400", "GET mcp HTTP/1.1\r\n" H END, 0},
    {"fragment", "400", "GET /#a HTTP/1.1\r\n" H END, 0},
    {"backslash", "400", "GET /a\\b HTTP/1.1\r\n" H END, 0},
    {"quote in the target", "400", "GET /\" HTTP/1.1\r\n" H END, 0},
    {"broken escape", "400", "GET /%4 HTTP/1.1\r\n" H END, 0},
    {"escape of no hexadecimal", "400", "GET /%zz HTTP/1.1\r\n" H END, 0},
    {"target beyond ASCII", "400", "GET /\xc3\xa9 HTTP/1.1\r\n" H END, 0},
    {"target with a NUL", "400", WITH_NUL("GET /\0 HTTP/1.1\r\n" H END)},
    {"request line beyond the limit", "414", "GET /" X100 X100 X100 " HTTP/1.1\r\n" H END, 0},
    {"TLS on a plain port", "400", "\x16\x03\x01\x02", 0},
    {"SSH", "400", "SSH-2.0-OpenSSH_9.2\r\n", 0},
    {"JSON", "400", "{\"jsonrpc\": \"2.0\"}\r\n", 0},
    /* what follows a good request is judged anew */
    {"bad request after a good one", "GET /|;400", GET END "GET / HTTP/1.1\r\n\r\n", 0},
    {"a longer body than announced is a request", "POST /mcp|abc;400",
     POST "Content-Length: 3\r\n\r\nabc\r\n", 0},
    {"what follows the last chunk is a request", "POST /mcp|;GET /|;", CHUNK "0\r\n\r\n" GET END,
     0},
};

static void note(struct buf *log, const char *text)
{
    REQUIRE(buf_add_str(log, text, NULL) == 0);
}

/* Give one piece; log what comes out. */
static void give(struct guard *g, const char *p, size_t n, struct buf *log, bool *refused)
{
    static const char *const methods[] = {"GET",    "HEAD",    "POST", "PUT",
                                          "DELETE", "OPTIONS", "PATCH"};
    size_t done = 0;
    for (;;) {
        struct guard_step step;
        size_t took = guard_feed(g, p + done, n - done, &step);
        REQUIRE(took <= n - done);
        done += took;
        switch (step.event) {
        case GUARD_MORE:
            REQUIRE(done == n);
            return;
        case GUARD_HEAD:
            CHECK_STR(g->head, methods[g->method]);
            note(log, g->head);
            note(log, " ");
            note(log, guard_target(g));
            note(log, "|");
            break;
        case GUARD_DATA:
            REQUIRE(step.n > 0 && step.data >= (const uint8_t *)p + done - step.n);
            REQUIRE(step.data + step.n == (const uint8_t *)p + done);
            REQUIRE(buf_add(log, step.data, step.n, NULL) == 0);
            break;
        case GUARD_END:
            note(log, ";");
            guard_next(g);
            break;
        case GUARD_REFUSED:
            CHECK(strlen(g->reason) > 10 && g->reason[strlen(g->reason) - 1] == '.');
            *refused = true;
            return;
        }
    }
}

/* What was passed on, up to the last whole request, and the end of it. */
static char *verdict(const char *input, size_t n, size_t cut, size_t step)
{
    struct guard g;
    guard_init(&g, &(struct guard_limits){.max_head_bytes = 220, .max_body_bytes = 64});
    auto_buf struct buf log = BUF_INIT(0);
    bool refused = false;
    for (size_t at = 0; at < n && !refused;) {
        size_t piece = at < cut ? cut - at : MIN(step, n - at);
        char *copy = malloc(piece); /* exact, so that a sanitizer sees a read beyond */
        memcpy(copy, input + at, piece);
        give(&g, copy, piece, &log, &refused);
        free(copy);
        at += piece;
    }
    while (log.len > 0 && log.data[log.len - 1] != ';')
        log.len--; /* the request under way comes to nothing */
    if (refused)
        REQUIRE(buf_addf(&log, NULL, "%u", g.status) == 0);
    else if (!guard_is_idle(&g))
        note(&log, "…");
    guard_done(&g);
    return buf_take_str(&log);
}

TEST(each_input_gets_its_verdict)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct guard_case *c = &cases[i];
        size_t n = c->n ? c->n : strlen(c->input);
        char *got = verdict(c->input, n, n, n);
        if (strcmp(got, c->want) != 0)
            printf("# case \"%s\"\n", c->name);
        CHECK_STR(got, c->want);
        free(got);
    }
}

TEST(the_pieces_in_which_a_request_comes_do_not_matter)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct guard_case *c = &cases[i];
        size_t n = c->n ? c->n : strlen(c->input);
        for (size_t cut = 0; cut < n; cut++) {
            char *in_two = verdict(c->input, n, cut, n);
            if (strcmp(in_two, c->want) != 0)
                printf("# case \"%s\" cut at %zu\n", c->name, cut);
            CHECK_STR(in_two, c->want);
            free(in_two);
        }
        char *bytewise = verdict(c->input, n, 0, 1);
        CHECK_STR(bytewise, c->want);
        free(bytewise);
    }
}

TEST(a_whole_head_is_read_back_as_it_was_sent)
{
    struct guard g;
    struct guard_step step;
    guard_init(&g, &(struct guard_limits){4096, 64});
    const char *text =
        "PUT /a?b HTTP/1.1\r\nHost: h:1\r\nX-One:  two words \r\nEmpty:\r\nContent-Length: "
        "4\r\n\r\nbody";
    size_t took = guard_feed(&g, text, strlen(text), &step);
    REQUIRE(step.event == GUARD_HEAD && took == strlen(text) - 4);
    CHECK(g.n_fields == 4 && g.content_length == 4 && g.keep_alive && !g.chunked && !g.expect);
    CHECK_STR(guard_target(&g), "/a?b");
    CHECK_STR(guard_field_name(&g, 1), "X-One");
    CHECK_STR(guard_field_value(&g, 1), "two words");
    CHECK_STR(guard_field_name(&g, 2), "Empty");
    CHECK_STR(guard_field_value(&g, 2), "");
    guard_done(&g);
}

static bool keeps(const char *head, bool *ret_expect)
{
    struct guard g;
    struct guard_step step;
    guard_init(&g, &(struct guard_limits){4096, 64});
    guard_feed(&g, head, strlen(head), &step);
    REQUIRE(step.event == GUARD_HEAD);
    bool keep = g.keep_alive;
    *ret_expect = g.expect;
    guard_done(&g);
    return keep;
}

TEST(the_connection_is_kept_when_version_and_client_agree)
{
    bool expect;
    CHECK(keeps(GET END, &expect));
    CHECK(keeps(GET "Connection: Upgrade, HTTP2-Settings\r\n\r\n", &expect));
    CHECK(!keeps(GET "Connection: Close\r\n\r\n", &expect));
    CHECK(!keeps(GET "Connection: keep-alive ,\tclose\r\n\r\n", &expect));
    CHECK(!keeps(GET "Connection: keep-alive\r\nConnection: close\r\n\r\n", &expect));
    CHECK(!keeps("GET / HTTP/1.0\r\n" H END, &expect));
    CHECK(keeps("GET / HTTP/1.0\r\n" H "Connection: Keep-Alive\r\n\r\n", &expect));
}

TEST(an_expectation_counts_only_where_a_body_comes)
{
    bool expect;
    keeps(POST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", &expect);
    CHECK(expect);
    keeps(POST "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", &expect);
    CHECK(expect);
    keeps(POST "Expect: 100-continue\r\n\r\n", &expect);
    CHECK(!expect);
    keeps("POST / HTTP/1.0\r\n" H "Expect: something\r\nContent-Length: 1\r\n\r\n", &expect);
    CHECK(!expect);
}

TEST(a_hundred_fields_are_taken_and_one_more_is_refused)
{
    for (int fields = 100; fields <= 101; fields++) {
        struct guard g;
        struct guard_step step;
        auto_buf struct buf b = BUF_INIT(0);
        guard_init(&g, &(struct guard_limits){16384, 64});
        note(&b, GET);
        for (int i = 1; i < fields; i++)
            REQUIRE(buf_addf(&b, NULL, "X-%d: y\r\n", i) == 0);
        note(&b, END);
        guard_feed(&g, b.data, b.len, &step);
        CHECK(step.event == (fields == 100 ? GUARD_HEAD : GUARD_REFUSED));
        CHECK(fields == 100 || g.status == 431);
        guard_done(&g);
    }
}

TEST(the_head_buffer_stays_below_its_limit_whatever_is_sent_with_it)
{
    struct guard g;
    struct guard_step step;
    static char body[1 << 20];
    auto_buf struct buf b = BUF_INIT(0);
    guard_init(&g, &(struct guard_limits){16384, sizeof(body)});
    REQUIRE(buf_addf(&b, NULL, POST "Content-Length: %zu\r\n\r\n", sizeof(body)) == 0);
    REQUIRE(buf_add(&b, body, sizeof(body), NULL) == 0);
    size_t took = guard_feed(&g, b.data, b.len, &step);
    CHECK(step.event == GUARD_HEAD && g.cap <= 1024);
    took += guard_feed(&g, b.data + took, b.len - took, &step);
    CHECK(step.event == GUARD_DATA && step.n == sizeof(body) && took == b.len);
    guard_feed(&g, NULL, 0, &step);
    CHECK(step.event == GUARD_END);
    guard_done(&g);
}

TEST(nothing_is_taken_after_the_end_of_a_request_until_the_next_is_asked_for)
{
    struct guard g;
    struct guard_step step;
    guard_init(&g, &(struct guard_limits){4096, 64});
    const char *text = GET END GET END;
    size_t n = strlen(text), took = guard_feed(&g, text, n, &step);
    CHECK(took == n / 2);
    for (int i = 0; i < 3; i++) {
        CHECK(guard_feed(&g, text + took, n - took, &step) == 0);
        CHECK(step.event == GUARD_END);
    }
    guard_next(&g);
    CHECK(guard_is_idle(&g));
    CHECK(guard_feed(&g, text + took, n - took, &step) == n / 2);
    CHECK(step.event == GUARD_HEAD);
    guard_done(&g);
}

TEST(nothing_is_taken_after_a_refusal)
{
    struct guard g;
    struct guard_step step;
    guard_init(&g, &(struct guard_limits){4096, 64});
    guard_feed(&g, "\r\n", 2, &step);
    CHECK(step.event == GUARD_REFUSED && g.status == 400);
    guard_next(&g);
    CHECK(guard_feed(&g, GET END, strlen(GET END), &step) == 0);
    CHECK(step.event == GUARD_REFUSED);
    guard_done(&g);
}

int main(void)
{
    return tap_main();
}
