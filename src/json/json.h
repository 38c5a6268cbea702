/* JSON from outside: one strict parser with caps. The only file that includes jansson.h; other
 * rooms read the tree with jansson's accessors through this header. What we say ourselves is
 * written as text with json/write.h, without a tree. */
#ifndef JSON_JSON_H
#define JSON_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"
#include "json/write.h"

/* Release a reference at the end of the scope. */
#define auto_json _cleanup_(json_decrefp)

struct json_limits {
    size_t max_bytes;
    unsigned max_depth; /* nesting of arrays and objects */
    size_t max_items;   /* values and keys, all levels together */
};

/* Parse @data, which must be exactly one JSON value of any type: RFC 8259 to the letter,
 * well-formed UTF-8, no key twice in one object, integers within 64 bits. "\u0000" is allowed in
 * string values (use json_string_length), not in keys. A new reference; NULL and ERR_INVALID
 * (ERR_LIMIT beyond
 * @limits) with a sentence that quotes nothing of the input. */
json_t *json_parse(const char *data, size_t n, const struct json_limits *limits, struct err *err);

/* For a text that json_parse() has refused: the value of @key in it, as it is written there. NULL
 * unless the text is an object by the grammar of JSON (what is refused beyond that are lone
 * surrogates, numbers that nothing can hold, keys that come twice, and sizes) and has @key exactly
 * once at its top level. @key has nothing to escape. The caller's to free. */
char *json_salvage(const char *data, size_t n, const char *key);

/* What a value is, for messages: "a string", "an object", "true or false", "null" … */
const char *json_kind(const json_t *v);

/* The text of a string value if it holds no NUL, else NULL (also for other types and for NULL). */
const char *json_plain_string(const json_t *v);

/* Write a tree as compact text. */
void json_put_value(struct json_out *o, const json_t *v);

#endif
