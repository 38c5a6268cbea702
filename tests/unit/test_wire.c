/* Unit tests of the room `wire`: every message survives the way there and back, and no cut,
 * stretched or scrambled message is accepted or read out of bounds. */
#include "tap.h"

#include "wire/msg.h"

static void sample_result(struct msg_result *m)
{
    *m = (struct msg_result){
        .outcome = OUTCOME_EXCEPTION, .started_ns = 5, .ended_ns = 9, .line = 3};
    m->result_json = strdup("{\"a\":1}");
    m->result_type = strdup("dict");
    m->error = strdup("division by zero");
    m->error_type = strdup("ZeroDivisionError");
    m->traceback = strdup("Traceback");
    strv_add(&m->variables, "x", NULL);
    strv_add(&m->variables, "y", NULL);
    m->violations = calloc(1, sizeof(*m->violations));
    m->violations_len = 1;
    m->violations[0] = (struct violation){1, 2, strdup("import"), strdup("no"), strdup("yes")};
}

TEST(a_result_survives_the_way_there_and_back)
{
    struct msg_result m;
    struct msg_result back;
    sample_result(&m);
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(0);
    msg_put_result(&out, &m);
    REQUIRE(!out.bad);
    CHECK(msg_check(out.buf.data, out.buf.len, 0, PEER_WORKER, PEER_SERVER, 0, NULL) == MSG_RESULT);
    REQUIRE(msg_get_result(out.buf.data, out.buf.len, &back, NULL) == 0);
    CHECK(back.outcome == OUTCOME_EXCEPTION && back.line == 3 && back.variables.len == 2);
    CHECK_STR(back.result_json, "{\"a\":1}");
    CHECK(back.violations_len == 1);
    CHECK_STR(back.violations[0].remedy, "yes");
    msg_result_done(&m);
    msg_result_done(&back);
}

TEST(a_result_cut_anywhere_is_refused)
{
    struct msg_result m;
    sample_result(&m);
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(0);
    msg_put_result(&out, &m);
    msg_result_done(&m);
    for (size_t n = 1; n < out.buf.len; n++) {
        struct err err = ERR_INIT;
        auto_free uint8_t *cut = malloc(n); /* exact size, so that a sanitizer sees an overrun */
        memcpy(cut, out.buf.data, n);
        CHECK(msg_get_result(cut, n, &m, &err) == -1);
        CHECK(err.code == ERR_PROTO);
    }
}

TEST(a_message_with_bytes_too_many_is_refused)
{
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(0);
    msg_put_id(&out, MSG_SPAWNED, 7);
    wire_put_u8(&out, 0);
    uint64_t id = 1;
    CHECK(msg_get_id(out.buf.data, out.buf.len, &id, NULL) == -1);
    CHECK(id == 1);
}

TEST(random_bytes_never_decode_out_of_bounds)
{
    srandom(1);
    for (int round = 0; round < 20000; round++) {
        size_t n = 1 + (size_t)random() % 200;
        auto_free uint8_t *body = malloc(n);
        for (size_t i = 0; i < n; i++)
            body[i] = (uint8_t)(random() % 4 ? random() % 3 : random());
        struct msg_result r = {0};
        struct msg_verdict v = {0};
        struct msg_proof p = {0};
        struct msg_ready y = {0};
        struct msg_launch l = {0};
        struct msg_run u = {0};
        struct msg_event e = {0};
        if (msg_get_result(body, n, &r, NULL) == 0)
            msg_result_done(&r);
        if (msg_get_verdict(body, n, &v, NULL) == 0)
            msg_verdict_done(&v);
        if (msg_get_proof(body, n, &p, NULL) == 0)
            msg_proof_done(&p);
        if (msg_get_ready(body, n, &y, NULL) == 0)
            msg_ready_done(&y);
        if (msg_get_launch(body, n, &l, NULL) == 0)
            msg_launch_done(&l);
        if (msg_get_run(body, n, &u, NULL) == 0)
            msg_run_done(&u);
        if (msg_get_event(body, n, &e, NULL) == 0)
            msg_event_done(&e);
    }
}

TEST(a_huge_count_allocates_nothing)
{
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(0);
    wire_put_u8(&out, MSG_PROOF);
    wire_put_u32(&out, 0xffffffff);
    struct msg_proof p;
    CHECK(msg_get_proof(out.buf.data, out.buf.len, &p, NULL) == -1);
}

TEST(a_string_with_nul_or_bad_utf8_is_refused)
{
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {{"a\0b", 3}, {"\xff", 1}, {"\xed\xa0\x80", 3}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        auto_wire_out struct wire_out out = WIRE_OUT_INIT(0);
        wire_put_u8(&out, MSG_FATAL);
        wire_put_u64(&out, 0);
        wire_put_bytes(&out, bad[i].bytes, bad[i].n);
        struct msg_text m;
        CHECK(msg_get_text(out.buf.data, out.buf.len, &m, NULL) == -1);
    }
}

TEST(a_reason_of_any_bytes_and_length_arrives)
{
    static char text[20000];
    memset(text, 'a', sizeof(text) - 1);
    memcpy(text, "open /srv/\xe4\xff: ", 14);
    memset(text + 5000, '\xe4', 1000);
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(0);
    msg_put_text(&out, MSG_FATAL, 7, text);
    REQUIRE(!out.bad);
    struct err err = ERR_INIT;
    CHECK(msg_check(out.buf.data, out.buf.len, 0, PEER_ZYGOTE, PEER_SERVER, 0, &err) == MSG_FATAL);
    struct msg_text m;
    REQUIRE(msg_get_text(out.buf.data, out.buf.len, &m, &err) == 0);
    CHECK(m.id == 7 && str_starts(m.text, "open /srv/\xef\xbf\xbd"));
    msg_text_done(&m);
}

TEST(each_message_is_taken_only_from_the_peer_that_may_send_it)
{
    uint8_t spawn[9] = {MSG_SPAWN};
    CHECK(msg_check(spawn, 9, 4, PEER_SERVER, PEER_ZYGOTE, 0, NULL) == MSG_SPAWN);
    CHECK(msg_check(spawn, 9, 4, PEER_WORKER, PEER_SERVER, 0, NULL) == -1);
    CHECK(msg_check(spawn, 9, 3, PEER_SERVER, PEER_ZYGOTE, 0, NULL) == -1); /* descriptors */
    CHECK(msg_check(spawn, 0, 0, PEER_SERVER, PEER_ZYGOTE, 0, NULL) == -1);
    uint8_t unknown[1] = {200};
    CHECK(msg_check(unknown, 1, 0, PEER_WORKER, PEER_SERVER, 0, NULL) == -1);
    uint8_t zero[1] = {0};
    CHECK(msg_check(zero, 1, 0, PEER_WORKER, PEER_SERVER, 0, NULL) == -1);
}

TEST(a_frame_is_found_only_when_it_is_whole_and_within_the_limit)
{
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(0);
    msg_put_id(&out, MSG_SPAWNED, 7);
    REQUIRE(msg_frame(&out, NULL) == 0);
    const uint8_t *body;
    size_t n;
    struct buf part = out.buf;
    for (part.len = 0; part.len < out.buf.len; part.len++)
        CHECK(msg_unframe(&part, 100, &body, &n, NULL) == 0);
    CHECK(msg_unframe(&out.buf, 100, &body, &n, NULL) == 1);
    CHECK(n == 9 && body[0] == MSG_SPAWNED);
    CHECK(msg_unframe(&out.buf, 8, &body, &n, NULL) == -1);
}

int main(void)
{
    return tap_main();
}
