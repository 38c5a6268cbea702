/* The store of artifacts: who sees what, what is refused, what goes first when there is no room. */
#include "artifacts/artifacts.h"

#include "tap.h"

#define ID   "0190a5f0-0000-7000-8000-000000000000"
#define ID2  "0190a5f0-0000-7000-8000-000000000001"
#define HOUR 3600000000000ull

static struct loop *loop;
static struct artifacts *store;

static void start(unsigned per_execution, uint64_t max_bytes, uint64_t ttl_ns)
{
    const struct artifacts_limits limits = {per_execution, max_bytes, ttl_ns};
    struct err err = ERR_INIT;
    loop = loop_new(&err);
    store = artifacts_new(loop, &limits, &err);
    REQUIRE(loop && store);
}

static void finish(void)
{
    artifacts_free(store);
    loop_free(loop);
}

static int put(const char *owner, const char *id, const char *name, size_t len)
{
    static const uint8_t bytes[1 << 20];
    struct err err = ERR_INIT;
    REQUIRE(len <= sizeof(bytes));
    int r = artifacts_put(store, owner, id, name, "text/plain", bytes, len, &err);
    return r == 0 ? 0 : (int)err.code;
}

static bool has(const char *owner, const char *id, const char *name)
{
    struct artifact f;
    auto_buf struct buf uri = BUF_INIT(0);
    CHECK(artifact_uri(&uri, id, name, NULL) == 0);
    auto_free char *text = buf_take_str(&uri);
    return artifacts_find(store, owner, text, &f) == 0;
}

TEST(an_artifact_is_found_by_the_uri_it_was_given)
{
    static const char *const names[] = {
        "plot.png", "out/table.csv", "a b%c?d#e", "\xc3\xbc.txt", "...", "~", "%2e"};
    start(32, 1 << 20, HOUR);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct artifact f;
        auto_buf struct buf uri = BUF_INIT(0);
        CHECK(artifacts_put(store, "a", ID, names[i], "image/png", &i, sizeof(i), NULL) == 0);
        CHECK(artifact_uri(&uri, ID, names[i], NULL) == 0);
        auto_free char *text = buf_take_str(&uri);
        REQUIRE(artifacts_find(store, "a", text, &f) == 0);
        CHECK_STR(f.name, names[i]);
        CHECK_STR(f.mime, "image/png");
        CHECK_STR(f.execution_id, ID);
        CHECK(f.len == sizeof(i) && memcmp(f.bytes, &i, sizeof(i)) == 0);
        CHECK(f.seq == i + 1);
        CHECK(f.left_ns > 0 && f.left_ns <= HOUR);
        for (const char *p = text; *p; p++)
            CHECK((unsigned char)*p > 0x20 && (unsigned char)*p < 0x7f && !strchr("?#\"", *p));
    }
    finish();
}

TEST(a_uri_that_names_nothing_finds_nothing)
{
    static const char *const uris[] = {
        "",
        "sandbox://",
        "sandbox://" ID,
        "sandbox://" ID "/",
        "sandbox://" ID "/plot.pn",
        "sandbox://" ID "/plot.png/",
        "sandbox://" ID "/plot.png%00",
        "sandbox://" ID "/plot.png%",
        "sandbox://" ID "/plot.pn%6",
        "sandbox://" ID "/plot.pn%zz",
        "sandbox://" ID2 "/plot.png",
        "Sandbox://" ID "/plot.png",
        "file:///etc/passwd",
        "sandbox:/" ID "/plot.png",
        "sandbox://0190A5F0-0000-7000-8000-000000000000/plot.png",
    };
    start(32, 1 << 20, HOUR);
    CHECK(put("a", ID, "plot.png", 1) == 0);
    for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
        struct artifact f = {.seq = 77};
        CHECK(artifacts_find(store, "a", uris[i], &f) < 0);
        CHECK(f.seq == 77);
    }
    CHECK(has("a", ID, "plot.png"));
    char longest[1000];
    snprintf(longest, sizeof(longest), "sandbox://" ID "/%0400d", 0);
    struct artifact f;
    CHECK(artifacts_find(store, "a", longest, &f) < 0);
    finish();
}

TEST(an_artifact_belongs_to_who_made_it)
{
    struct artifact f;
    start(32, 1 << 20, HOUR);
    CHECK(put("alice", ID, "x", 1) == 0);
    CHECK(put("bob", ID, "x", 2) == 0); /* not taken, as far as bob can tell */
    CHECK(put("bob", ID2, "y", 3) == 0);
    REQUIRE(artifacts_find(store, "alice", "sandbox://" ID "/x", &f) == 0);
    CHECK(f.len == 1);
    REQUIRE(artifacts_find(store, "bob", "sandbox://" ID "/x", &f) == 0);
    CHECK(f.len == 2);
    CHECK(!has("alice", ID2, "y") && !has("", ID, "x") && !has("alic", ID, "x"));
    REQUIRE(artifacts_next(store, "alice", 0, &f) == 0);
    CHECK(f.len == 1 && artifacts_next(store, "alice", f.seq, &f) < 0);
    CHECK(artifacts_next(store, "carol", 0, &f) < 0);
    finish();
}

TEST(they_are_listed_in_the_order_they_came)
{
    struct artifact f = {0};
    start(32, 1 << 20, HOUR);
    for (int i = 0; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof(name), "n%d", i);
        CHECK(put(i % 2 ? "odd" : "even", ID, name, 0) == 0);
    }
    REQUIRE(artifacts_next(store, "even", 0, &f) == 0);
    CHECK_STR(f.name, "n0");
    REQUIRE(artifacts_next(store, "even", f.seq, &f) == 0);
    CHECK_STR(f.name, "n2");
    REQUIRE(artifacts_next(store, "even", f.seq, &f) == 0);
    CHECK_STR(f.name, "n4");
    CHECK(artifacts_next(store, "even", f.seq, &f) < 0);
    CHECK(artifacts_next(store, "even", UINT64_MAX, &f) < 0);
    finish();
}

TEST(names_types_and_ids_that_cannot_be_are_refused)
{
    static const char *const names[] = {"",     "/etc/x", "a//b",   "a/",    ".",
                                        "..",   "../x",   "a/../b", "a/./b", "a/..",
                                        "a\nb", "a\x7f",  "a\\b",   "\xff",  "a\xc3"};
    static const char *const types[] = {"",      "png",   "image/",
                                        "/png",  "a/b/c", "text/plain;charset=utf-8",
                                        "a b/c", "x/\"",  "x/\xc3\xbc"};
    static const char *const ids[] = {"",
                                      "x",
                                      ID "0",
                                      "0190a5f0-0000-7000-8000-00000000000",
                                      "0190a5f0-0000-7000-8000-00000000000g",
                                      "0190a5f0x0000-7000-8000-000000000000"};
    struct err err = ERR_INIT;
    start(32, 1 << 20, HOUR);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        CHECK(put("a", ID, names[i], 1) == ERR_INVALID);
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        CHECK(artifacts_put(store, "a", ID, "x", types[i], "", 0, &err) < 0);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        CHECK(put("a", ids[i], "x", 1) == ERR_INVALID);
    char name[300];
    memset(name, 'n', sizeof(name));
    name[256] = '\0';
    CHECK(put("a", ID, name, 1) == ERR_INVALID);
    name[255] = '\0';
    CHECK(put("a", ID, name, 1) == 0 && has("a", ID, name));
    CHECK(put("a", ID, name, 1) == ERR_INVALID); /* there already */
    struct artifact f;
    REQUIRE(artifacts_next(store, "a", 0, &f) == 0);
    CHECK(f.seq == 1 && artifacts_next(store, "a", 1, &f) < 0);
    finish();
}

TEST(an_execution_has_so_many_and_no_more)
{
    start(2, 1 << 20, HOUR);
    CHECK(put("a", ID, "1", 1) == 0 && put("a", ID, "2", 1) == 0);
    CHECK(put("a", ID, "3", 1) == ERR_LIMIT);
    CHECK(put("a", ID2, "1", 1) == 0);
    CHECK(put("b", ID, "1", 1) == 0);
    CHECK(has("a", ID, "1") && !has("a", ID, "3"));
    finish();
    start(0, 1 << 20, HOUR);
    CHECK(put("a", ID, "1", 1) == ERR_LIMIT);
    finish();
}

TEST(without_room_the_oldest_goes_first)
{
    start(32, 100000, HOUR);
    CHECK(put("a", ID, "1", 40000) == 0 && put("a", ID, "2", 40000) == 0);
    CHECK(put("a", ID, "3", 40000) == 0);
    CHECK(!has("a", ID, "1") && has("a", ID, "2") && has("a", ID, "3"));
    CHECK(put("a", ID, "4", 99000) == 0);
    CHECK(!has("a", ID, "2") && !has("a", ID, "3") && has("a", ID, "4"));
    CHECK(put("a", ID, "5", 100000) == ERR_LIMIT); /* never fits, so nothing is given up for it */
    CHECK(has("a", ID, "4"));
    finish();
}

TEST(who_floods_the_store_loses_its_own)
{
    start(1000, 100000, HOUR);
    CHECK(put("quiet", ID, "keep", 10000) == 0);
    for (int i = 0; i < 200; i++) {
        char name[8];
        snprintf(name, sizeof(name), "%d", i);
        CHECK(put("loud", ID, name, 20000) == 0);
    }
    CHECK(has("quiet", ID, "keep"));
    CHECK(has("loud", ID, "199") && has("loud", ID, "197") && !has("loud", ID, "190"));
    /* a newcomer finds room at the expense of the loud one, too */
    CHECK(put("late", ID, "x", 30000) == 0);
    CHECK(has("quiet", ID, "keep") && has("late", ID, "x") && has("loud", ID, "199"));
    finish();
}

TEST(their_number_is_bounded_however_small_they_are)
{
    size_t left = 0;
    struct artifact f = {0};
    start(1000000, 1 << 30, HOUR);
    for (int i = 0; i < ARTIFACTS_MAX + 100; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%d", i);
        REQUIRE(put("a", ID, name, 0) == 0);
    }
    for (; artifacts_next(store, "a", f.seq, &f) == 0; left++)
        ;
    CHECK(left == ARTIFACTS_MAX);
    CHECK(!has("a", ID, "99") && has("a", ID, "100"));
    finish();
}

static void stop(void *ctx)
{
    loop_stop(ctx);
}

static void turn(unsigned ms)
{
    struct loop_timer *timer = loop_timer_new(loop, stop, loop, NULL);
    loop_timer_arm(timer, ms * 1000000ull);
    CHECK(loop_run(loop, NULL) == 0);
    loop_timer_free(timer);
}

TEST(when_its_time_is_over_an_artifact_is_gone)
{
    struct artifact f;
    start(32, 1 << 20, 30000000);
    CHECK(put("a", ID, "x", 1) == 0 && put("b", ID, "y", 1) == 0);
    turn(60);
    CHECK(!has("a", ID, "x") && artifacts_next(store, "b", 0, &f) < 0);
    CHECK(put("a", ID, "x", 1) == 0); /* the name is free again */
    CHECK(has("a", ID, "x"));
    turn(60);
    CHECK(!has("a", ID, "x"));
    finish();
}

TEST(one_that_has_ended_is_not_shown_though_nobody_has_cleared_it)
{
    struct artifact f;
    start(32, 1 << 20, 1);
    CHECK(put("a", ID, "x", 1) == 0);
    CHECK(!has("a", ID, "x") && artifacts_next(store, "a", 0, &f) < 0);
    finish();
}

int main(void)
{
    return tap_main();
}
