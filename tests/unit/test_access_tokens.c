/* The tokens file, tokens made for it, and the rate limit. */
#include "access/tokens.h"

#include <openssl/objects.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/access.h"
#include "access/rate.h"
#include "base/str.h"
#include "catalog/profiles.h"
#include "sys/fd.h"
#include "tap.h"

#define HASH                                                                                       \
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" /* of abc            \
                                                                               */
#define HASH2 "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct err last;
static struct token_list list;

static bool parse_n(const char *text, size_t n)
{
    token_list_done(&list);
    last = (struct err)ERR_INIT;
    return tokens_parse(text, n, &list, &last) == 0;
}

static bool parse(const char *text)
{
    return parse_n(text, strlen(text));
}

static bool refused(const char *text, const char *why)
{
    bool bad = !parse(text) && strstr(last.text, why) && list.len == 0;
    if (!bad)
        printf("# %.80s: %s\n", text, last.text);
    return bad;
}

TEST(a_line_is_a_name_and_a_digest)
{
    REQUIRE(parse("ci " HASH "\n"));
    REQUIRE(list.len == 1);
    uint8_t hash[TOKEN_HASH];
    CHECK(token_hash("abc", 3, hash) == 0 && memcmp(hash, list.items[0].hash, TOKEN_HASH) == 0);
    CHECK_STR(list.items[0].name, "ci");
    CHECK(!list.items[0].has_rate && list.items[0].profiles == PROFILE_ALL);
    CHECK(list.items[0].expires_s == 0);
    token_list_done(&list);
}

TEST(every_field_is_read)
{
    REQUIRE(parse("# tokens\n\n  \t\n a.b_c-9\t" HASH
                  "  expires=2030-12-31 rate=30\tprofiles=network,data_science \r\n"
                  "zero " HASH2 " rate=0 profiles=all expires=2030-12-31T18:00:01Z"));
    REQUIRE(list.len == 2);
    CHECK_STR(list.items[0].name, "a.b_c-9");
    CHECK(list.items[0].has_rate && list.items[0].rate == 30);
    CHECK(list.items[0].profiles == (PROFILE_BASIC | PROFILE_NETWORK | PROFILE_DATA_SCIENCE));
    CHECK(list.items[0].expires_s == 1924992000);
    CHECK(list.items[1].has_rate && list.items[1].rate == 0);
    CHECK(list.items[1].profiles == PROFILE_ALL);
    CHECK(list.items[1].expires_s == 1924970401);
    token_list_done(&list);
}

TEST(dates_are_exact)
{
    static const struct {
        const char *text;
        uint64_t want;
    } cases[] = {
        {"1970-01-01", 86400},
        {"1970-01-01T00:00:00Z", 1}, /* 0 would mean never */
        {"1970-01-01T00:00:59Z", 59},
        {"2000-02-29", 951868800},
        {"2024-02-29T12:00:00Z", 1709208000},
        {"2038-01-19T03:14:08Z", 2147483648},
        {"2100-03-01T00:00:00Z", 4107542400},
        {"9999-12-31T23:59:59Z", 253402300799},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct token_entry e = {0};
        CHECK(token_set_expires(&e, cases[i].text, NULL) == 0);
        CHECK(e.expires_s == cases[i].want);
    }
    static const char *const bad[] = {"",
                                      "2030",
                                      "2030-13-01",
                                      "2030-00-10",
                                      "2030-02-30",
                                      "2023-02-29",
                                      "2100-02-29",
                                      "2030-1-1",
                                      "30-12-2031",
                                      "2030/12/31",
                                      "1969-12-31",
                                      "2030-12-31T24:00:00Z",
                                      "tomorrow",
                                      "2030-12-31T00:60:00Z",
                                      "2030-12-31T00:00:60Z",
                                      "2030-12-31 00:00:00Z",
                                      "2030-12-31T00:00:00",
                                      "2030-12-31T00:00:00+",
                                      "+030-12-31",
                                      "2030-12-31T0:00:000Z"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct token_entry e = {0};
        CHECK(token_set_expires(&e, bad[i], NULL) == -1 && e.expires_s == 0);
    }
}

TEST(mistakes_name_line_and_field)
{
    CHECK(refused("ci\n", "line 1: the token's digest is missing"));
    CHECK(refused("\n# x\nci sha256:abc\n", "line 3: the second field"));
    CHECK(
        refused("ci viv_0123456789012345678901234567890123456789012\n", "never the token itself"));
    CHECK(!strstr(last.text, "viv_012"));
    CHECK(refused("ci " HASH "0\n", "second field"));
    CHECK(refused("ci sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD\n",
                  "lower-case"));
    CHECK(refused("ci md5:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n",
                  "sha256:"));
    CHECK(refused("ci " HASH " rate=\n", "line 1: rate must be"));
    CHECK(refused("ci " HASH " rate=-1\n", "rate must be"));
    CHECK(refused("ci " HASH " rate=1e3\n", "rate must be"));
    CHECK(refused("ci " HASH " rate=1000001\n", "rate must be"));
    CHECK(refused("ci " HASH " rate=99999999999999999999\n", "rate must be"));
    CHECK(refused("ci " HASH " rate=1 rate=2\n", "rate is given twice"));
    CHECK(refused("ci " HASH " profiles=\n", "profiles must be"));
    CHECK(refused("ci " HASH " profiles=basic,\n", "profiles must be"));
    CHECK(refused("ci " HASH " profiles=,basic\n", "profiles must be"));
    CHECK(refused("ci " HASH " profiles=basic,all\n", "profiles must be"));
    CHECK(refused("ci " HASH " profiles=Basic\n", "profiles must be"));
    CHECK(refused("ci " HASH " profiles=basi\n", "profiles must be"));
    CHECK(refused("ci " HASH " profiles=basic, network\n", "profiles must be"));
    CHECK(refused("ci " HASH " rate = 5\n", "field 3"));
    CHECK(refused("ci " HASH " rats=5\n", "field 3 is none of"));
    CHECK(refused("ci " HASH " rate=5 # comment\n", "field 4"));
    CHECK(refused("ci " HASH " expires=soon\n", "expires must be"));
    CHECK(refused("ci " HASH "\nci " HASH2 "\n", "line 2: the name 'ci' is taken"));
    CHECK(refused("ci " HASH "\ndi " HASH "\n", "line 2: it is the token of 'ci'"));
}

TEST(names_are_plain_and_not_the_servers_own)
{
    static const char *const bad[] = {
        "stdio",
        "token",
        "anonymous",
        "-x",
        ".x",
        "a:b",
        "a/b",
        "sub:alice",
        "a\"b",
        "a=b",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxx"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char line[300];
        snprintf(line, sizeof(line), "%s %s\n", bad[i], HASH);
        CHECK(refused(line, "line 1: the name"));
    }
    struct token_entry e = {0};
    CHECK(token_set_name(&e, "", NULL) == -1);
}

TEST(odd_bytes_and_sizes_are_refused)
{
    CHECK(refused("ci\xc3\xa9 " HASH "\n", "byte 3"));
    CHECK(refused("ci\x01 " HASH "\n", "byte 3"));
    CHECK(!parse_n("ci\0 x\n", 6) && strstr(last.text, "byte 3"));
    CHECK(parse("# caf\xc3\xa9 \x01 is fine in a comment\n") && list.len == 0);
    char text[1200];
    memset(text, 'x', sizeof(text));
    CHECK(!parse_n(text, sizeof(text)) && strstr(last.text, "line 1: longer than"));
    static char big[TOKENS_MAX_BYTES + 1];
    memset(big, '\n', sizeof(big));
    CHECK(parse_n(big, TOKENS_MAX_BYTES));
    CHECK(!parse_n(big, sizeof(big)) && last.code == ERR_LIMIT);
    CHECK(parse("") && list.len == 0);
}

TEST(no_more_tokens_than_the_limit)
{
    static char text[TOKENS_MAX_BYTES];
    size_t n = 0;
    for (int i = 0; i <= TOKENS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "t%d sha256:%064x\n", i, (unsigned)i);
    CHECK(!parse_n(text, n) && strstr(last.text, "line 1001: more than 1000 tokens"));
    *strrchr(text, 't') = '\0'; /* the last line */
    CHECK(parse(text) && list.len == TOKENS_MAX);
    token_list_done(&list);
}

TEST(a_token_that_was_made_is_let_in_by_its_line)
{
    struct token_entry e = {.profiles = PROFILE_BASIC | PROFILE_FILESYSTEM};
    char token[TOKEN_TEXT_LEN + 1], other[TOKEN_TEXT_LEN + 1];
    struct buf line = BUF_INIT(0);
    token_make(token);
    token_make(other);
    CHECK(strlen(token) == TOKEN_TEXT_LEN && strncmp(token, "viv_", 4) == 0);
    CHECK(strcmp(token, other) != 0);
    REQUIRE(token_set_name(&e, "ci", NULL) == 0 && token_set_rate(&e, "12", NULL) == 0 &&
            token_set_expires(&e, "2031-05-06", NULL) == 0);
    REQUIRE(token_hash(token, TOKEN_TEXT_LEN, e.hash) == 0);
    REQUIRE(token_write_line(&e, &line, NULL) == 0);
    CHECK(!memmem(line.data, line.len, token, TOKEN_TEXT_LEN));
    REQUIRE(parse_n((const char *)line.data, line.len) && list.len == 1);
    CHECK(memcmp(&list.items[0], &e, sizeof(e)) == 0);
    e = (struct token_entry){.profiles = PROFILE_ALL};
    token_set_name(&e, "di", NULL);
    buf_clear(&line);
    REQUIRE(token_write_line(&e, &line, NULL) == 0);
    CHECK(parse_n((const char *)line.data, line.len) && memcmp(&list.items[0], &e, sizeof(e)) == 0);
    token_list_done(&list);
    buf_done(&line);
}

/* ---- rate ---- */

#define SECOND 1000000000ull

TEST(a_minutes_worth_may_come_at_once_and_then_evenly)
{
    struct rate r = rate_init(60);
    unsigned wait = 0;
    uint64_t t = 5 * SECOND; /* a machine that has just started */
    for (int i = 0; i < 60; i++)
        CHECK(rate_take(&r, t, &wait) && wait == 0);
    CHECK(!rate_take(&r, t, &wait) && wait == 1);
    CHECK(!rate_take(&r, t + SECOND - 1, &wait) && wait == 1);
    CHECK(rate_take(&r, t + SECOND, &wait));
    CHECK(!rate_take(&r, t + SECOND, &wait));
    t += 3600 * SECOND; /* no more than a minute's worth gathers */
    for (int i = 0; i < 60; i++)
        CHECK(rate_take(&r, t, &wait));
    CHECK(!rate_take(&r, t, &wait));
}

TEST(the_time_to_wait_is_exact)
{
    static const unsigned rates[] = {1, 2, 3, 7, 59, 61, 600, 999983, 1000000};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        struct rate r = rate_init(rates[i]);
        uint64_t t = 1000 * SECOND + 123456789;
        unsigned wait = 0;
        for (unsigned k = 0; k < rates[i]; k++)
            REQUIRE(rate_take(&r, t, &wait));
        REQUIRE(!rate_take(&r, t, &wait));
        CHECK(wait == (60 + rates[i] - 1) / rates[i]);
        struct rate early = r;
        unsigned ignored;
        if (wait > 1) /* a second less is too early */
            CHECK(!rate_take(&early, t + (wait - 1) * SECOND, &ignored));
        CHECK(rate_take(&r, t + wait * SECOND, &ignored));
    }
}

TEST(a_refused_one_costs_nothing)
{
    struct rate r = rate_init(1);
    unsigned wait = 0;
    CHECK(rate_take(&r, SECOND, &wait));
    for (int i = 0; i < 100; i++)
        CHECK(!rate_take(&r, 2 * SECOND, &wait) && wait == 59);
    CHECK(rate_take(&r, 61 * SECOND, &wait));
}

TEST(zero_is_no_limit)
{
    struct rate r = rate_init(0);
    unsigned wait = 7;
    for (int i = 0; i < 100000; i++)
        REQUIRE(rate_take(&r, 0, &wait));
    CHECK(wait == 7);
}

/* ---- OpenSSL ---- */

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    REQUIRE(f && fputs(text, f) >= 0 && fclose(f) == 0 && chmod(path, 0600) == 0);
}

/* Later, sealed, it could not. What shows it is a name that only the configuration has; nothing in
 * this program has used OpenSSL before. */
TEST(openssl_has_read_its_configuration_before_anybody_comes_in)
{
    char conf[] = "/tmp/test_access_conf.XXXXXX";
    char tokens[] = "/tmp/test_access_tokens.XXXXXX";
    auto_close int conf_fd = mkstemp(conf);
    auto_close int tokens_fd = mkstemp(tokens);
    REQUIRE(conf_fd >= 0 && tokens_fd >= 0 && setenv("OPENSSL_CONF", conf, 1) == 0);
    write_file(conf, "openssl_conf = all\n[all]\noid_section = names\n"
                     "[names]\nvivariumTest = 1.2.3.4.5\n");
    write_file(tokens, "ci " HASH "\n");
    last = (struct err)ERR_INIT;
    struct access *a = access_new(&(struct access_options){.tokens_file = tokens}, &last);
    unlink(conf);
    unlink(tokens);
    CHECK_STR(last.text, "");
    CHECK(a && OBJ_sn2nid("vivariumTest") != NID_undef);
    access_free(a);
}

int main(void)
{
    return tap_main();
}
