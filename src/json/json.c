/* The strict parser: see json.h. Runs in the server, on bytes from anybody.
 *
 * Trusts nothing: before jansson builds a tree, one pass over the bytes counts nesting and items,
 * so that a small text cannot become a large tree ("[],[],[]…" grows fortyfold) and recursion stays
 * shallow. Well-formedness itself is jansson's business, which refused every ambiguous input it was
 * tried with; its messages are cut before the part that quotes the input. */
#include "json/json.h"

#include <string.h>
#include <sys/random.h>

/* The end of the string that starts after @p, or @end when it does not end. */
static const char *skip_string(const char *p, const char *end)
{
    for (; p < end; p++) {
        if (*p == '"')
            return p;
        if (*p == '\\')
            p++;
    }
    return end;
}

/* Items are counted by what separates them: an upper bound that is exact enough. */
static int check_shape(const char *data, size_t n, const struct json_limits *limits,
                       struct err *err)
{
    const char *end = data + n;
    size_t items = 1;
    unsigned depth = 0;
    /* jansson takes a NUL after the value for the end of the text */
    if (memchr(data, '\0', n))
        return err_set(err, ERR_INVALID, "not valid JSON: it holds a NUL byte");
    for (const char *p = data; p < end; p++) {
        switch (*p) {
        case '"':
            p = skip_string(p + 1, end);
            break;
        case '[':
        case '{':
            items++;
            if (++depth > limits->max_depth)
                return err_set(err, ERR_LIMIT, "nested deeper than %u levels", limits->max_depth);
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        case ',':
        case ':':
            items++;
            break;
        default:
            break;
        }
    }
    if (items > limits->max_items)
        return err_set(err, ERR_LIMIT, "more than %zu values", limits->max_items);
    return 0;
}

/* jansson would take the seed of its hash tables from /dev/urandom, which the confined server
 * cannot open, and then from time and pid, which can be guessed: keys that all collide cost
 * seconds. */
static void seed_hashes(void)
{
    static bool seeded;
    size_t seed = 0;
    if (seeded)
        return;
    if (getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed) && seed != 0)
        json_object_seed(seed);
    seeded = true;
}

json_t *json_parse(const char *data, size_t n, const struct json_limits *limits, struct err *err)
{
    if (n > limits->max_bytes) {
        err_set(err, ERR_LIMIT, "longer than %zu bytes", limits->max_bytes);
        return NULL;
    }
    if (check_shape(data, n, limits, err) < 0)
        return NULL;
    json_error_t why;
    seed_hashes();
    json_t *v =
        json_loadb(data, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &why);
    if (v)
        return v;
    char *quote = strstr(why.text, " near ");
    if (quote)
        *quote = '\0';
    if (json_error_code(&why) == json_error_out_of_memory)
        err_nomem(err);
    else
        err_set(err, ERR_INVALID, "not valid JSON at byte %d: %s", why.position, why.text);
    return NULL;
}

const char *json_kind(const json_t *v)
{
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        break;
    }
    return "null";
}

const char *json_plain_string(const json_t *v)
{
    const char *s = v ? json_string_value(v) : NULL;
    return s && strlen(s) == json_string_length(v) ? s : NULL;
}

static int dump_piece(const char *data, size_t n, void *ctx)
{
    struct json_out *o = ctx;
    return buf_add(o->buf, data, n, NULL);
}

void json_put_value(struct json_out *o, const json_t *v)
{
    json_put_raw(o, "", 0);
    if (json_dump_callback(v, dump_piece, o, JSON_COMPACT | JSON_ENCODE_ANY) < 0)
        o->bad = true;
}
