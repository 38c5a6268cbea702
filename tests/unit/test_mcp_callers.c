/* Callers and their exchanges, as Streamable HTTP has them: one client for many programs, each
 * message with a way back of its own; peers that go away; rates. */
#include "mcp_harness.h"

#define CANCEL(id)                                                                                 \
    "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":" id "}}"
#define RUN_MODERN(id)                                                                             \
    REQ(id, "tools/call", "\"name\":\"execute_code\",\"arguments\":{\"code\":\"2+2\"}," MODERN)

/* A POST and what came back on it. */
struct post {
    struct exchange base;
    size_t ends, notes;
    enum exchange_outcome outcome;
    const char *text; /* in sent[] */
    bool gone;        /* must not be touched any more */
};

static bool post_note(struct exchange *x, const char *json _unused_, size_t n _unused_)
{
    struct post *p = (struct post *)x;
    CHECK(!p->gone && p->ends == 0);
    p->notes++;
    return true;
}

static void post_end(struct exchange *x, enum exchange_outcome outcome,
                     const struct exchange_piece *pieces, size_t n)
{
    struct post *p = (struct post *)x;
    struct buf whole = BUF_INIT(0);
    CHECK(!p->gone);
    p->ends++;
    p->outcome = outcome;
    for (size_t i = 0; i < n; i++)
        CHECK(buf_add(&whole, pieces[i].data, pieces[i].n, NULL) == 0);
    p->text = n > 0 ? (keep((const char *)whole.data, whole.len), sent[sent_len - 1]) : "";
    buf_done(&whole);
}

static bool last_one; /* the transport gives up the client with the end of an exchange */

static void post_last_end(struct exchange *x, enum exchange_outcome outcome,
                          const struct exchange_piece *pieces, size_t n)
{
    post_end(x, outcome, pieces, n);
    if (!last_one)
        return;
    CHECK(mcp_client_idle(client));
    mcp_client_free(client);
    client = NULL;
}

static const struct exchange_ops post_ops = {post_note, post_last_end};

static void post_head(struct post *p, const struct message_head *head, const char *json)
{
    *p = (struct post){.base.ops = &post_ops};
    via = &p->base;
    tell_n(head, json, strlen(json));
}

static void post(struct post *p, const char *json)
{
    static const struct message_head head = {.protocol_version = "2025-11-25", .has_headers = true};
    post_head(p, &head, json);
}

static void post_call(struct post *p, const char *json)
{
    static const struct message_head head = {"2026-07-28", "tools/call", "execute_code", true,
                                             NULL};
    post_head(p, &head, json);
}

static void leave(struct post *p)
{
    mcp_exchange_handler.on_gone(client, &p->base);
    p->gone = true;
}

static void start_shared(void)
{
    caller = (struct mcp_caller){.name = "token", .profiles = PROFILE_ALL, .shared_ids = true};
    start();
}

static struct exec_result done(void)
{
    static struct msg_result worker;
    return fake_result(&worker);
}

/* ---- ids ---- */

TEST(programs_that_share_a_token_may_use_the_same_id)
{
    struct post a;
    struct post b;
    struct exec_result r = done();
    start_shared();
    post(&a, RUN("1"));
    post(&b, RUN("1"));
    CHECK(fake.submitted == 2 && a.ends == 0 && b.ends == 0);
    CHECK_STR(fake.first->req.client, "token");
    CHECK(!mcp_client_idle(client));
    fake_end(fake.first->next, &r);
    CHECK(a.ends == 0 && b.ends == 1 && b.outcome == EXCHANGE_ANSWER);
    fake_end(fake.first, &r);
    CHECK(a.ends == 1 && strstr(a.text, "\"id\":1"));
    CHECK(mcp_client_idle(client));
    finish();
}

TEST(a_cancellation_stops_only_a_call_that_is_meant_beyond_doubt)
{
    struct post a;
    struct post b;
    struct post c;
    start_shared();
    post(&a, RUN("1"));
    post(&b, RUN("1"));
    post(&c, CANCEL("1"));
    CHECK(c.ends == 1 && c.outcome == EXCHANGE_NOTHING);
    CHECK(!fake.first->cancelled && !fake.first->next->cancelled);
    struct exec_result r = done();
    fake_end(fake.first, &r);
    post(&c, CANCEL("1"));
    CHECK(fake.first->cancelled);
    CHECK(b.ends == 1 && b.outcome == EXCHANGE_NOTHING);
    CHECK(fake_settle() == 1);
    finish();
}

static void post_in(struct post *p, const char *session, const char *json)
{
    const struct message_head head = {
        .protocol_version = "2025-11-25", .has_headers = true, .session = session};
    post_head(p, &head, json);
}

TEST(a_cancellation_reaches_only_calls_of_its_own_session)
{
    static char endless[8001];
    static const char *const others[] = {NULL, "", "two", "ON", "one ", endless};
    struct post a;
    struct post b;
    memset(endless, 'x', sizeof(endless) - 1);
    start_shared();
    post_in(&a, "one", RUN("1"));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        post_in(&b, others[i], CANCEL("1"));
    CHECK(!fake.first->cancelled && a.ends == 0);
    post_in(&b, "one", CANCEL("1"));
    CHECK(fake.first->cancelled && a.ends == 1 && a.outcome == EXCHANGE_NOTHING);
    CHECK(fake_settle() == 1);
    /* what would not be remembered whole is nobody's */
    post_in(&a, endless, RUN("2"));
    post_in(&b, endless, CANCEL("2"));
    post_in(&b, "", CANCEL("2"));
    post_in(&b, NULL, CANCEL("2"));
    CHECK(!fake.first->cancelled && a.ends == 0);
    finish();
}

TEST(each_session_may_cancel_its_own_call_of_the_same_id)
{
    struct post a;
    struct post b;
    struct post c;
    start_shared();
    post_in(&a, "one", RUN("1"));
    post_in(&b, "two", RUN("1"));
    post(&c, RUN("1"));
    post_in(&(struct post){0}, "two", CANCEL("1"));
    CHECK(a.ends == 0 && b.ends == 1 && c.ends == 0);
    post(&(struct post){0}, CANCEL("1"));
    CHECK(a.ends == 0 && c.ends == 1);
    CHECK(fake_settle() == 2);
    finish();
}

TEST(a_legacy_cancellation_never_ends_a_modern_request)
{
    struct post a;
    struct post b;
    start_shared();
    post_call(&a, RUN_MODERN("1"));
    post(&b, CANCEL("1"));
    CHECK(!fake.first->cancelled && a.ends == 0);
    finish();
}

TEST(who_may_wait_behind_a_half_closed_connection_is_a_matter_of_the_era)
{
    struct post a;
    struct post b;
    start_shared();
    post(&a, RUN("1"));
    post_call(&b, RUN_MODERN("2"));
    CHECK(mcp_exchange_wanted(client, &a.base));
    CHECK(!mcp_exchange_wanted(client, &b.base));
    finish();
}

TEST(initialize_of_one_program_changes_nothing_for_the_others)
{
    struct post a;
    start_shared();
    post(&a, REQ("1", "initialize", "\"protocolVersion\":\"2025-03-26\",\"capabilities\":{}"));
    CHECK(strstr(a.text, "\"protocolVersion\":\"2025-03-26\""));
    post(&a, "[" REQ("1", "ping", "") "]");
    CHECK(a.outcome == EXCHANGE_BAD_REQUEST); /* by its header it is 2025-11-25 */
    finish();
}

/* ---- peers that go away ---- */

TEST(in_the_modern_era_a_closed_stream_cancels)
{
    struct post a;
    struct post b;
    start_shared();
    post_call(&a, RUN_MODERN("1"));
    post_call(&b, RUN_MODERN("2"));
    leave(&a);
    CHECK(fake.first->cancelled && !fake.first->next->cancelled);
    CHECK(fake_settle() == 1);
    CHECK(a.ends == 0 && b.ends == 0);
    finish();
}

TEST(in_a_legacy_era_the_program_runs_on_and_its_answer_is_dropped)
{
    struct post a;
    struct exec_result r = done();
    start_shared();
    post(&a, REQ("1", "tools/call",
                 "\"name\":\"execute_code\",\"arguments\":{\"code\":\"1\"},"
                 "\"_meta\":{\"progressToken\":1}"));
    fake.first->cb->on_output(fake.first->ctx, "one", 3);
    CHECK(a.notes == 1);
    fake.first->cb->on_output(fake.first->ctx, "two", 3);
    leave(&a);
    CHECK(!fake.first->cancelled && !mcp_client_idle(client));
    fake.first->cb->on_output(fake.first->ctx, "three", 5);
    turn(60);
    fake_end(fake.first, &r);
    CHECK(a.ends == 0 && a.notes == 1 && mcp_client_idle(client));
    finish();
}

TEST(a_call_whose_peer_has_gone_can_still_be_cancelled)
{
    struct post a;
    struct post b;
    start_shared();
    post(&a, RUN("1"));
    leave(&a);
    post(&b, CANCEL("1"));
    CHECK(fake.first->cancelled);
    CHECK(fake_settle() == 1);
    CHECK(a.ends == 0 && mcp_client_idle(client));
    finish();
}

TEST(a_batch_whose_peer_has_gone_is_dropped_when_all_is_done)
{
    static const struct message_head head = {.protocol_version = "2025-03-26", .has_headers = true};
    struct post a;
    struct exec_result r = done();
    start_shared();
    post_head(&a, &head, "[" RUN("1") "," RUN("2") "," REQ("3", "ping", "") "]");
    CHECK(fake.submitted == 2);
    leave(&a);
    fake_end(fake.first, &r);
    fake_end(fake.first, &r);
    CHECK(a.ends == 0 && mcp_client_idle(client));
    finish();
}

TEST(a_peer_that_goes_with_nothing_under_way_changes_nothing)
{
    struct post a;
    struct post b;
    start_shared();
    post(&a, RUN("1"));
    b = (struct post){.base.ops = &post_ops};
    leave(&b);
    CHECK(!fake.first->cancelled && a.ends == 0);
    finish();
}

TEST(a_client_that_is_freed_ends_its_exchanges)
{
    struct post a;
    struct post b;
    start_shared();
    post(&a, RUN("1"));
    post(&b, RUN("2"));
    leave(&b);
    mcp_client_free(client);
    client = NULL;
    CHECK(a.ends == 1 && a.outcome == EXCHANGE_NOTHING && b.ends == 0);
    CHECK(fake_settle() == 2);
    finish();
}

TEST(with_the_end_of_its_last_exchange_a_client_may_be_freed)
{
    static const char *const messages[] = {
        RUN("1"),
        REQ("1", "tools/list", ""),
        REQ("1", "no/such", ""),
        "{",
        "[]",
        REQ("1", "tools/call", "\"name\":\"execute_code\",\"arguments\":{\"code\":5}"),
        REQ("1", "prompts/get", "\"name\":\"plot\",\"arguments\":{\"data\":\"1\"}"),
        REQ("1", "resources/read", "\"uri\":\"x\""),
        CANCEL("5"),
        "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":{}}"};
    struct exec_result r = done();
    start_shared();
    last_one = true;
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        struct post p;
        post(&p, messages[i]);
        if (fake.first)
            fake_end(fake.first, &r);
        CHECK(p.ends == 1 && !client);
        client = mcp_client_new(server, &caller, NULL);
    }
    last_one = false;
    finish();
}

/* ---- outcomes ---- */

TEST(every_error_has_its_outcome)
{
#define META(version)                                                                              \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"" version "\","                      \
    "\"io.modelcontextprotocol/clientCapabilities\":{}}"
    static const struct {
        struct message_head head;
        const char *message;
        int code;
        enum exchange_outcome outcome;
    } rows[] = {
        {{"2026-07-28", "tools/list", NULL, true, NULL},
         REQ("1", "tools/list", MODERN),
         0,
         EXCHANGE_ANSWER},
        {{"2026-07-28", "no/such", NULL, true, NULL},
         REQ("1", "no/such", MODERN),
         -32601,
         EXCHANGE_NOT_FOUND},
        {{"2026-07-28", "ping", NULL, true, NULL},
         REQ("1", "ping", MODERN),
         -32601,
         EXCHANGE_NOT_FOUND},
        {{"2025-11-25", NULL, NULL, true, NULL}, REQ("1", "no/such", ""), -32601, EXCHANGE_ANSWER},
        {{"2025-11-25", "tools/list", NULL, true, NULL},
         REQ("1", "tools/list", MODERN),
         -32020,
         EXCHANGE_BAD_REQUEST},
        {{"2030-01-01", "tools/list", NULL, true, NULL},
         REQ("1", "tools/list", META("2030-01-01")),
         -32022,
         EXCHANGE_BAD_REQUEST},
        {{"2026-07-28", "tools/list", NULL, true, NULL},
         REQ("1", "tools/list", ""),
         -32602,
         EXCHANGE_BAD_REQUEST},
        {{"2026-07-28", "tools/list", NULL, true, NULL},
         REQ("1", "tools/list", "\"_meta\":5"),
         -32602,
         EXCHANGE_BAD_REQUEST},
        {{"2026-07-28", "tools/call", "x", true, NULL},
         REQ("1", "tools/call", "\"name\":\"x\"," MODERN),
         -32602,
         EXCHANGE_ANSWER},
        {{"2025-11-25", NULL, NULL, true, NULL}, "{", -32700, EXCHANGE_BAD_REQUEST},
        {{"2025-11-25", NULL, NULL, true, NULL}, "{}", -32600, EXCHANGE_BAD_REQUEST},
        {{"2026-07-28", "resources/read", "sandbox://x", true, NULL},
         REQ("1", "resources/read", "\"uri\":\"sandbox://x\"," MODERN),
         -32602,
         EXCHANGE_ANSWER},
    };
    start_shared();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct post p;
        post_head(&p, &rows[i].head, rows[i].message);
        if (p.ends == 1 && p.outcome == rows[i].outcome && code_of(p.text) == rows[i].code)
            continue;
        printf("# row %zu: outcome %d, %.200s\n", i, (int)p.outcome, p.text);
        tap_failed_checks++;
    }
    finish();
}

/* ---- rates ---- */

static unsigned asked, wait_s;

static bool admit(void *ctx, unsigned *ret_retry_after_s)
{
    CHECK(ctx == &asked);
    asked++;
    if (wait_s == 0)
        return true;
    *ret_retry_after_s = wait_s;
    return false;
}

static char refusals[8][600];
static size_t refusals_len;

static void on_refused(void *ctx, const struct tool_refused *why)
{
    CHECK(ctx == &refusals_len);
    snprintf(refusals[refusals_len++ % 8], sizeof(refusals[0]), "%s %s %s: %s", why->tool,
             why->client, why->category, why->error);
}

static void start_limited(void)
{
    refused_hook = on_refused;
    refused_ctx = &refusals_len;
    caller = (struct mcp_caller){.name = "token",
                                 .profiles = PROFILE_ALL,
                                 .shared_ids = true,
                                 .admit = admit,
                                 .admit_ctx = &asked};
    start();
}

TEST(a_caller_past_its_rate_is_told_when_to_come_again)
{
    struct post p;
    start_limited();
    post(&p, RUN("1"));
    CHECK(asked == 1 && fake.submitted == 1 && p.ends == 0);
    wait_s = 7;
    post(&p, RUN("2"));
    CHECK(asked == 2 && fake.submitted == 1);
    CHECK(p.ends == 1 && p.outcome == EXCHANGE_RATE_LIMITED && p.base.retry_after_s == 7);
    auto_json json_t *v = parsed(p.text);
    CHECK(json_is_true(at(v, "result.isError")));
    CHECK_STR(text_at(v, "result.structuredContent.error_category"), "overloaded");
    CHECK(strstr(text_at(v, "result.structuredContent.error"), "in 7 seconds"));
    post(&p, REQ("3", "tools/call", "\"name\":\"validate_code\",\"arguments\":{\"code\":\"1\"}"));
    CHECK(p.outcome == EXCHANGE_RATE_LIMITED && asked == 3);
    CHECK(strstr(refusals[0], "execute_code token overloaded: ") &&
          strstr(refusals[1], "validate_code token overloaded: "));
    wait_s = 0;
    finish();
}

TEST(what_starts_no_program_costs_nothing_of_the_rate)
{
    struct post p;
    start_limited();
    wait_s = 1;
    post(&p, REQ("1", "tools/call", "\"name\":\"get_sandbox_info\""));
    CHECK(p.outcome == EXCHANGE_ANSWER);
    post(&p, REQ("1", "tools/call", "\"name\":\"execute_code\",\"arguments\":{\"code\":5}"));
    CHECK(p.outcome == EXCHANGE_ANSWER);
    post(&p, REQ("1", "tools/list", ""));
    CHECK(p.outcome == EXCHANGE_ANSWER);
    CHECK(asked == 0);
    wait_s = 0;
    finish();
}

TEST(on_a_stream_the_answer_alone_says_when)
{
    start_limited();
    via = &exchange;
    wait_s = 1;
    auto_json json_t *v = parsed(tell(RUN("1")));
    CHECK(strstr(text_at(v, "result.structuredContent.error"), "in 1 second."));
    wait_s = 0;
    finish();
}

TEST(calls_with_bad_arguments_are_reported_to_the_record)
{
    struct post p;
    start_limited();
    post(&p, REQ("1", "tools/call", "\"name\":\"execute_code\",\"arguments\":{\"code\":5}"));
    post(&p, REQ("1", "tools/call", "\"name\":\"validate_code\",\"arguments\":{}"));
    post(&p, REQ("1", "tools/call", "\"name\":\"get_sandbox_info\",\"arguments\":{\"x\":1}"));
    CHECK(refusals_len == 3);
    CHECK(strstr(refusals[0], "execute_code token invalid_request: Argument 'code'"));
    CHECK(strstr(refusals[1], "validate_code token invalid_request: "));
    CHECK(strstr(refusals[2], "get_sandbox_info token invalid_request: "));
    finish();
}

int main(void)
{
    return tap_main();
}
