/* JSON from outside, all readers of it: the parser of messages (json_parse), the rewriter of what a
 * worker says its result is (json_put_untrusted), and what is salvaged of a message that the parser
 * refuses (json_salvage). Each judges the others' work. */
#include <string.h>

#include "fuzz.h"
#include "json/json.h"

static const struct json_limits limits = {.max_bytes = 1 << 16, .max_depth = 64, .max_items = 2000};

static bool has_line_end(const struct buf *b)
{
    for (size_t i = 0; i < b->len; i++)
        if (b->data[i] == '\n' || b->data[i] == '\r')
            return true;
    return false;
}

/* What was parsed, written and parsed again is the same. */
static void check_parser(const char *text, size_t n)
{
    struct err err = ERR_INIT;
    auto_json json_t *v = json_parse(text, n, &limits, &err);
    FUZZ_CHECK(!v == (err.code != ERR_NONE));
    FUZZ_CHECK(err.code == ERR_NONE || err.code == ERR_INVALID || err.code == ERR_LIMIT);
    if (!v) {
        FUZZ_CHECK(err.text[0] && utf8_valid(err.text, strlen(err.text)));
        return;
    }
    auto_buf struct buf out = BUF_INIT(0);
    struct json_out o = json_out_init(&out);
    json_put_value(&o, v);
    FUZZ_CHECK(!o.bad && utf8_valid(out.data, out.len) && !has_line_end(&out));
    /* writing a number can make it longer, never a value more */
    struct json_limits wider = limits;
    wider.max_bytes = SIZE_MAX;
    auto_json json_t *again = json_parse((const char *)out.data, out.len, &wider, &err);
    FUZZ_CHECK(again && json_equal(v, again));
}

/* Is @b one JSON value to jansson, but for what jansson itself cannot hold? */
static bool is_json(const struct buf *b)
{
    json_error_t why;
    auto_json json_t *v =
        json_loadb((const char *)b->data, b->len,
                   JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why);
    return v || json_error_code(&why) == json_error_null_byte_in_key;
}

static void check_rewriter(const char *text, size_t n)
{
    auto_buf struct buf out = BUF_INIT(0);
    auto_buf struct buf twice = BUF_INIT(0);
    struct json_out o = json_out_init(&out);
    struct json_out o2 = json_out_init(&twice);
    struct err err = ERR_INIT;
    if (json_put_untrusted(&o, text, n, &err) < 0) {
        FUZZ_CHECK(out.len == 0 && !o.bad && err.code == ERR_INVALID);
        return;
    }
    FUZZ_CHECK(!o.bad && utf8_valid(out.data, out.len) && !has_line_end(&out) && is_json(&out));
    for (size_t i = 0; i + 2 < out.len; i++)
        FUZZ_CHECK(memcmp(out.data + i, "\xe2\x80\xa8", 3) != 0 &&
                   memcmp(out.data + i, "\xe2\x80\xa9", 3) != 0);
    FUZZ_CHECK(json_put_untrusted(&o2, (const char *)out.data, out.len, NULL) == 0);
    FUZZ_CHECK(out.len == twice.len && memcmp(out.data, twice.data, out.len) == 0);
}

/* What is salvaged of a text is what the parser would have found, where it parses. */
static void check_salvage(const char *text, size_t n)
{
    struct json_limits wide = limits;
    wide.max_bytes = wide.max_items = SIZE_MAX;
    wide.max_depth = JSON_MAX_NESTING;
    auto_free char *raw = json_salvage(text, n, "id");
    if (!raw)
        return;
    FUZZ_CHECK(raw[0] && utf8_valid(raw, strlen(raw)));
    auto_json json_t *whole = json_parse(text, n, &wide, NULL);
    auto_json json_t *part = json_parse(raw, strlen(raw), &wide, NULL);
    if (whole)
        FUZZ_CHECK(part && json_equal(part, json_object_get(whole, "id")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    /* a pointer to nothing is not what the callers have */
    const char *text = n ? (const char *)data : "";
    check_parser(text, n);
    check_rewriter(text, n);
    check_salvage(text, n);
    return 0;
}
