/* The strict parser and the writer of JSON. */
#include "json/json.h"

#include "tap.h"

static const struct json_limits limits = {.max_bytes = 4096, .max_depth = 8, .max_items = 100};

static bool parses(const char *text)
{
    struct err err = ERR_INIT;
    auto_json json_t *v = json_parse(text, strlen(text), &limits, &err);
    CHECK((v == NULL) == (err.code != ERR_NONE));
    return v != NULL;
}

TEST(well_formed_values_are_accepted)
{
    static const char *const good[] = {"{}",
                                       "[]",
                                       "null",
                                       " 1 ",
                                       "-0.5e-3",
                                       "\"\"",
                                       "true",
                                       "[1,[]]",
                                       "{\"a\":{}}",
                                       "\"\\u00e9\\ud83d\\ude00\"",
                                       "\"\xf0\x9f\x98\x80\"",
                                       "\"a\\u0000b\"",
                                       "\r\n[\t]"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!parses(good[i]))
            printf("# refused: %s\n", good[i]), tap_failed_checks++;
}

TEST(ambiguous_and_malformed_texts_are_refused)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{'a':1}",
                                      "[1 2]",
                                      "01",
                                      "+1",
                                      ".5",
                                      "1.",
                                      "NaN",
                                      "Infinity",
                                      "-",
                                      "tru",
                                      "nul",
                                      "[1]x",
                                      "{} {}",
                                      "\"\t\"",
                                      "\"\n\"",
                                      "\"\\x41\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\xff\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xc0\x80\"",
                                      "\xef\xbb\xbf{}",
                                      "{\"a\":1,\"a\":2}",
                                      "{\"a\":1,\"\\u0061\":2}",
                                      "/* */ 1",
                                      "// 1",
                                      "\"open",
                                      "[\"a]",
                                      "99999999999999999999",
                                      "1e999",
                                      "{\"a\\u0000\":1}",
                                      "\"\\",
                                      "[\"\\\"]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (parses(bad[i]))
            printf("# accepted: %s\n", bad[i]), tap_failed_checks++;
}

TEST(a_nul_byte_in_the_text_is_refused)
{
    struct err err = ERR_INIT;
    CHECK(!json_parse("\"a\0b\"", 5, &limits, &err));
    CHECK(!json_parse("1\0", 2, &limits, &err));
    CHECK(!json_parse("{}\0{}", 5, &limits, &err));
}

TEST(nesting_number_of_values_and_size_are_bounded)
{
    struct err err = ERR_INIT;
    CHECK(parses("[[[[[[[[1]]]]]]]]"));
    CHECK(!parses("[[[[[[[[[1]]]]]]]]]"));
    CHECK(parses("\"[[[[[[[[[[[[[[[[[[[[[[\""));
    CHECK(parses("\"\\\"[[[[[[[[[[[[[[[[[[[[[[\""));
    char many[512] = "[";
    for (int i = 0; i < 120; i++)
        strcat(many, i ? ",[]" : "[]");
    strcat(many, "]");
    CHECK(!json_parse(many, strlen(many), &limits, &err));
    CHECK(err.code == ERR_LIMIT);
    CHECK_STR(err.text, "more than 100 values");
    char large[5000];
    memset(large, ' ', sizeof(large));
    CHECK(!json_parse(large, sizeof(large), &limits, &err));
    CHECK(err.code == ERR_LIMIT);
}

TEST(the_reason_of_a_refusal_quotes_nothing_of_the_input)
{
    struct err err = ERR_INIT;
    CHECK(!json_parse("[1, secret]", 11, &limits, &err));
    CHECK(!strstr(err.text, "secret"));
    CHECK(strstr(err.text, "not valid JSON at byte"));
}

TEST(the_writer_places_commas_and_escapes)
{
    auto_buf struct buf buf = BUF_INIT(0);
    struct json_out out = json_out_init(&buf);
    json_open_object(&out);
    json_pair_str(&out, "a", "x\"\\\n\x01\x7f\xc3\xa9");
    json_pair_str(&out, "none", NULL);
    json_key(&out, "list");
    json_open_array(&out);
    json_put_int(&out, -5);
    json_put_uint(&out, UINT64_MAX);
    json_put_strn(&out, "{", 1);
    json_put_strn(&out, "a\0b", 3);
    json_put_strn(&out, ":", 1);
    json_open_object(&out);
    json_close_object(&out);
    json_put_bool(&out, false);
    json_close_array(&out);
    json_pair_seconds(&out, "t", 1500);
    json_pair_seconds(&out, "u", 2000000000);
    json_pair_seconds(&out, "v", 1234567890);
    json_close_object(&out);
    char *text = buf_take_str(&buf);
    CHECK(!out.bad);
    CHECK_STR(text, "{\"a\":\"x\\\"\\\\\\n\\u0001\x7f\xc3\xa9\",\"none\":null,\"list\":[-5,"
                    "18446744073709551615,\"{\",\"a\\u0000b\",\":\",{},false],\"t\":0.000001,"
                    "\"u\":2.0,\"v\":1.234567}");
    free(text);
}

TEST(nothing_the_writer_says_can_break_a_line)
{
    auto_buf struct buf buf = BUF_INIT(0);
    struct json_out out = json_out_init(&buf);
    json_put_str(&out, "\xe2\x80\xa8|\xe2\x80\xa9|\xc2\x85|\r\n|\xe2\x80\xaa|\xc2\xa0");
    char *text = buf_take_str(&buf);
    CHECK_STR(text, "\"\\u2028|\\u2029|\\u0085|\\r\\n|\xe2\x80\xaa|\xc2\xa0\"");
    free(text);
}

TEST(long_strings_are_escaped_without_loss)
{
    static char in[200000];
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (char)(i * 7919 % 128);
    auto_buf struct buf buf = BUF_INIT(0);
    struct json_out out = json_out_init(&buf);
    json_put_strn(&out, in, sizeof(in));
    CHECK(!out.bad);
    auto_json json_t *v =
        json_loadb((char *)buf.data, buf.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    REQUIRE(v);
    CHECK(json_string_length(v) == sizeof(in));
    CHECK(memcmp(json_string_value(v), in, sizeof(in)) == 0);
}

TEST(a_full_buffer_is_reported_once_at_the_end)
{
    auto_buf struct buf buf = BUF_INIT(64);
    struct json_out out = json_out_init(&buf);
    json_open_array(&out);
    for (int i = 0; i < 100; i++)
        json_put_str(&out, "0123456789");
    json_close_array(&out);
    CHECK(out.bad);
    CHECK(buf.len <= 64);
}

/* Write @text as untrusted inside an array, after another item. NULL: refused. */
static char *normalised(const char *text)
{
    auto_buf struct buf buf = BUF_INIT(0);
    struct json_out out = json_out_init(&buf);
    json_open_array(&out);
    json_put_int(&out, 1);
    size_t before = buf.len;
    int r = json_put_untrusted(&out, text, strlen(text), NULL);
    CHECK(!out.bad);
    if (r < 0) {
        CHECK(buf.len == before);
        return NULL;
    }
    json_close_array(&out);
    return buf_take_str(&buf);
}

TEST(foreign_text_keeps_its_numbers_and_loses_its_blanks)
{
    static const char *const table[][2] = {
        {"0.1", "[1,0.1]"},
        {" [ 1 , 2.50 ,\n{ \"a\" : [ ] } ] ", "[1,[1,2.50,{\"a\":[]}]]"},
        {"\"a b\xe2\x80\xa8\xc2\x85\xc2\xa0\"", "[1,\"a b\\u2028\\u0085\xc2\xa0\"]"},
        {"123456789012345678901234567890", "[1,123456789012345678901234567890]"},
        {"{\"x\":null,\"y\":true,\"z\":false}", "[1,{\"x\":null,\"y\":true,\"z\":false}]"},
        {"\"\\ud83d\\ude00\\n\\/\"", "[1,\"\\ud83d\\ude00\\n\\/\"]"},
        {"-0", "[1,-0]"},
        {"1E+2", "[1,1E+2]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char *text = normalised(table[i][0]);
        CHECK_STR(text, table[i][1]);
        free(text);
    }
}

TEST(foreign_text_that_is_not_json_is_refused)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{1:2}",
        "[1 2]",
        "01",
        "+1",
        ".5",
        "1.",
        "1e",
        "-",
        "NaN",
        "tru",
        "truex",
        "1 2",
        "1,2",
        "4},\"x\":{",
        "\"a",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\\",
        "\"\\u",
        "\"\xff\"",
        "\"\xe2\x80\"",
        "1e999",
        "[[[",
        "null null",
        "]",
        "\"a\" \"b\"",
        "11111111111111111111111111111111111111111111111111111111111111111"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *text = normalised(bad[i]);
        if (text)
            printf("# accepted: %s\n", bad[i]), tap_failed_checks++;
        free(text);
    }
}

TEST(foreign_text_may_be_nested_so_deep_and_no_deeper)
{
    char text[2 * JSON_MAX_NESTING + 4];
    for (int extra = 0; extra < 2; extra++) {
        size_t depth = JSON_MAX_NESTING + (size_t)extra;
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        char *out = normalised(text);
        CHECK((out != NULL) == (extra == 0));
        free(out);
    }
}

/* Whatever the walker accepts, jansson must accept too: random texts made of JSON's own pieces. */
TEST(the_walker_accepts_nothing_that_the_parser_refuses)
{
    static const char *const pieces[] = {
        "{",  "}", "[",  "]",  ",",   ":",    "\"a\"", "\"\"", "1",       "-",  "0", ".5",
        "e1", " ", "\n", "\"", "\\u", "d83d", "true",  "null", "\\ude00", "\\", "x", "\"b\":"};
    unsigned seed = 1;
    size_t accepted = 0;
    for (int round = 0; round < 300000; round++) {
        char text[128] = "";
        for (int i = 0; i < 1 + round % 9; i++) {
            seed = seed * 1103515245u + 12345u;
            strcat(text, pieces[(seed >> 16) % ARRAY_LEN(pieces)]);
        }
        auto_buf struct buf buf = BUF_INIT(0);
        struct json_out out = json_out_init(&buf);
        if (json_put_untrusted(&out, text, strlen(text), NULL) < 0)
            continue;
        accepted++;
        auto_json json_t *v = json_loadb((char *)buf.data, buf.len, JSON_DECODE_ANY, NULL);
        if (!v)
            printf("# jansson refuses: %s\n", text), tap_failed_checks++;
    }
    CHECK(accepted > 1000);
}

/* ---- what the parser refused ---- */

TEST(a_value_is_salvaged_from_a_text_that_is_refused_for_what_it_holds)
{
    static const char *const rows[][2] = {
        {"{\"id\":1,\"x\":\"\\ud800\"}", "1"},
        {"{\"x\":1e400,\"id\":\"a\\n\"}", "\"a\\n\""},
        {" { \"x\" : [ {\"id\":5} , true,false , null, -0.5e+7 ] , \"id\" : -7 } ", "-7"},
        {"{\"x\":1,\"x\":2,\"id\":{\"a\":[]}}", "{\"a\":[]}"},
        {"{\"id\":99999999999999999999}", "99999999999999999999"},
        {"{\"ID\":2,\"id\":null}", "null"},
    };
    static const char *const none[] = {
        "",
        "{}",
        "[]",
        "{\"id\":1",
        "{\"id\":1}}",
        "{\"id\":1} x",
        "{\"id\":1,}",
        "{\"id\":01}",
        "{\"id\":1.}",
        "{\"id\":+1}",
        "{\"id\":tru}",
        "{\"id\":\"\\x\"}",
        "{\"id\":\"\\u12g4\"}",
        "{\"id\":1,\"id\":1}",       /* which of them? */
        "{\"id\":1,\"\\u0069d\":2}", /* that is "id", too */
        "{\"\\u0069d\":2}",
        "{\"x\":{\"id\":1}}",
        "{\"id\":1,\"x\":\"\x01\"}",
        "{\"id\":1,\"x\":\"\xff\"}",
        "{id:1}",
        "[{\"id\":1}]",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        auto_free char *text = json_salvage(rows[i][0], strlen(rows[i][0]), "id");
        CHECK_STR(text, rows[i][1]);
    }
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        auto_free char *text = json_salvage(none[i], strlen(none[i]), "id");
        if (text)
            printf("# %s gives %s\n", none[i], text), tap_failed_checks++;
    }
}

TEST(salvaging_is_bounded_in_depth)
{
    char text[4096] = "{\"id\":1,\"x\":";
    size_t head = strlen(text);
    memset(text + head, '[', 1000);
    memset(text + head + 1000, ']', 1000);
    text[head + 2000] = '}';
    CHECK(!json_salvage(text, head + 2001, "id"));
    memset(text + head, ' ', 900);
    memset(text + head + 1100, ' ', 900);
    auto_free char *id = json_salvage(text, head + 2001, "id");
    CHECK_STR(id, "1");
}

TEST(bytes_are_written_as_base64)
{
    auto_buf struct buf buf = BUF_INIT(0);
    struct json_out out = json_out_init(&buf);
    json_open_array(&out);
    json_put_base64(&out, "\xff\x00\xfe", 3);
    json_put_base64(&out, "", 0);
    json_close_array(&out);
    CHECK(!out.bad);
    auto_free char *text = buf_take_str(&buf);
    CHECK_STR(text, "[\"/wD+\",\"\"]");
    auto_buf struct buf small = BUF_INIT(6);
    struct json_out full = json_out_init(&small);
    json_put_base64(&full, "abcdef", 6);
    CHECK(full.bad);
}

int main(void)
{
    return tap_main();
}
