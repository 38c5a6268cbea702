/* Unit tests of the room `base`. */
#include "tap.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"

#include <errno.h>

TEST(a_size_is_read_with_every_documented_unit)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"1", 1},
        {"4096", 4096},
        {"65536k", 65536u << 10},
        {"128m", 128u << 20},
        {"128M", 128u << 20},
        {"1g", 1u << 30},
        {"1MB", 1u << 20},
        {"512KiB", 512u << 10},
        {"10b", 10},
        {"2 m", 2u << 20},
        {"1t", 1ull << 40},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        uint64_t v = 1234567;
        CHECK(str_parse_size(good[i].text, &v, NULL) == 0);
        CHECK(v == good[i].bytes);
    }
}

TEST(what_is_no_size_is_refused_and_leaves_the_result_alone)
{
    static const char *const bad[] = {"",
                                      "m",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1.5m",
                                      "1mm",
                                      "1x",
                                      "1kk",
                                      "0x10",
                                      "99999999999999999999",
                                      "9223372036854775807k",
                                      "1 m b"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = ERR_INIT;
        uint64_t v = 77;
        CHECK(str_parse_size(bad[i], &v, &err) == -1);
        CHECK(err.code == ERR_INVALID);
        CHECK(v == 77);
    }
}

TEST(a_list_is_split_trimmed_and_without_empty_items)
{
    auto_strv struct strv v = STRV_INIT;
    CHECK(strv_split(&v, " a, b ,,c,", ',', NULL) == 0);
    REQUIRE(v.len == 3);
    CHECK_STR(v.items[0], "a");
    CHECK_STR(v.items[1], "b");
    CHECK_STR(v.items[2], "c");
    CHECK(strv_has(&v, "b") && !strv_has(&v, "d"));
}

TEST(utf8_is_judged_as_rfc_3629_says)
{
    CHECK(utf8_valid("h\xc3\xa9llo \xf0\x9f\x90\x8d", 11));
    CHECK(!utf8_valid("\xc0\x80", 2));         /* overlong */
    CHECK(!utf8_valid("\xed\xa0\x80", 3));     /* surrogate */
    CHECK(!utf8_valid("\xf4\x90\x80\x80", 4)); /* past U+10FFFF */
    CHECK(!utf8_valid("\xe2\x82", 2));         /* cut */
    CHECK(!utf8_valid("\x80", 1));
}

TEST(ill_formed_utf8_becomes_one_replacement_for_each_maximal_prefix)
{
    size_t n;
    auto_free char *s = utf8_repair("a\xff\xe2\x82z\xf0\x9f\x90", 8, &n);
    REQUIRE(s);
    CHECK_STR(s, "a\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd");
    CHECK(n == strlen(s));
}

TEST(text_is_cut_before_an_unfinished_sequence)
{
    CHECK(utf8_floor("ab\xe2\x82", 4) == 2);
    CHECK(utf8_floor("ab\xe2\x82\xac", 5) == 5);
    CHECK(utf8_floor("ab\xff", 3) == 3); /* never to be completed: stays */
    CHECK(utf8_floor("", 0) == 0);
}

TEST(text_that_was_cut_inside_a_character_is_made_whole_in_place)
{
    char cut[] = "a\xe2\x82. b\xff \xe2\x82\xac\xf0\x9f\x90";
    utf8_mend(cut);
    CHECK_STR(cut, "a??. b? \xe2\x82\xac???");
    char fine[] = "a\xe2\x82\xac";
    utf8_mend(fine);
    CHECK_STR(fine, "a\xe2\x82\xac");
}

TEST(the_text_of_an_error_is_well_formed_wherever_it_was_cut)
{
    struct err err = ERR_INIT;
    char name[700] = "";
    for (size_t i = 0; i < 200; i++)
        strcat(name, "\xe2\x82\xac");
    err_set(&err, ERR_INVALID, "'%.40s' is unknown", name);
    CHECK(utf8_valid(err.text, strlen(err.text)) && str_ends(err.text, "' is unknown"));
    err_set(&err, ERR_INVALID, "%s", name);
    CHECK(utf8_valid(err.text, strlen(err.text)));
    err_prefix(&err, "x");
    CHECK(utf8_valid(err.text, strlen(err.text)));
}

TEST(a_buffer_refuses_to_grow_past_its_ceiling)
{
    auto_buf struct buf b = BUF_INIT(10);
    struct err err = ERR_INIT;
    CHECK(buf_add(&b, "0123456789", 10, &err) == 0);
    CHECK(buf_add(&b, "x", 1, &err) == -1);
    CHECK(err.code == ERR_LIMIT);
    CHECK(b.len == 10);
    buf_consume(&b, 4);
    CHECK(b.len == 6 && memcmp(b.data, "456789", 6) == 0);
}

TEST(base64_is_written_with_padding_and_read_strictly)
{
    static const struct {
        const char *plain, *encoded;
    } rows[] = {{"", ""},
                {"f", "Zg=="},
                {"fo", "Zm8="},
                {"foo", "Zm9v"},
                {"foob", "Zm9vYg=="},
                {"fooba", "Zm9vYmE="},
                {"foobar", "Zm9vYmFy"},
                {"\xfb\xff\xfe", "+//+"}};
    static const char *const bad[] = {
        "Z",    "Zg",   "Zg=",      "Zh==",  "Zm9=", "Zm8",    "=",
        "====", "Z===", "Zg==Zg==", "Zm 8=", "Zm-_", "Zm8=\n", "\xc3\xbc=="};
    uint8_t out[16];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[32];
        size_t n = strlen(rows[i].plain);
        base64_encode(rows[i].plain, n, text);
        CHECK_STR(text, rows[i].encoded);
        CHECK(strlen(text) == BASE64_LEN(n));
        CHECK(base64_decode(text, strlen(text), out, n) == (ssize_t)n);
        CHECK(memcmp(out, rows[i].plain, n) == 0);
        CHECK(n == 0 || base64_decode(text, strlen(text), out, n - 1) == -1);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK(base64_decode(bad[i], strlen(bad[i]), out, sizeof(out)) == -1);
}

TEST(an_error_of_the_system_carries_its_reason_and_its_context)
{
    struct err err = ERR_INIT;
    errno = ENOENT;
    CHECK(err_set(&err, ERR_SYS, "open %s", "x") == -1);
    err_prefix(&err, "read configuration");
    CHECK_STR(err.text, "read configuration: open x: No such file or directory");
    CHECK(err.sys_errno == ENOENT);
}

TEST(a_uuid_has_version_seven_and_carries_its_time)
{
    uint8_t random[10] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    char id[UUID_TEXT_LEN + 1];
    uuid7_format(0x017f22e279b0, random, id);
    CHECK_STR(id, "017f22e2-79b0-7fff-bfff-ffffffffffff");
}

int main(void)
{
    return tap_main();
}
