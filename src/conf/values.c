/* The setters: one kind of value each, from text to a field of struct conf. Runs in the server at
 * start. The text may come from a stranger's .env: every setter accepts only what it fully
 * understands. */
#include "conf/vars.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define MAX_MODULES  500
#define MAX_PATHS    32
#define MAX_PATH_LEN 4000

static void *field(struct conf *c, const struct conf_var *v)
{
    return (char *)c + v->offset;
}

static enum set_verdict put_text(struct conf *c, const struct conf_var *v, const char *text)
{
    char **to = field(c, v);
    char *copy = strdup(text);
    if (!copy)
        return SET_NOMEM;
    free(*to);
    *to = copy;
    return SET_OK;
}

/* Replace a list by @text split at @separator, if each item passes. */
static enum set_verdict put_list(struct strv *to, const char *text, char separator, size_t max,
                                 bool (*item_ok)(const char *))
{
    auto_strv struct strv list = STRV_INIT;
    if (strv_split(&list, text, separator, NULL) < 0)
        return SET_NOMEM;
    if (list.len == 0 || list.len > max)
        return SET_BAD;
    for (size_t i = 0; i < list.len; i++)
        if (!item_ok(list.items[i]))
            return SET_BAD;
    strv_done(to);
    *to = list;
    list = (struct strv)STRV_INIT;
    return SET_OK;
}

/* Index of @text in @words, or -1. */
static int word_index(const char *text, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        if (!strcasecmp(text, words[i]))
            return i;
    return -1;
}

static int parse_bool(const char *text)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};
    int i = word_index(text, words, ARRAY_LEN(words));
    return i < 0 ? -1 : i & 1;
}

/* Digits only, no sign, no blanks. */
static bool parse_whole(const char *text, uint64_t *ret)
{
    uint64_t v = 0;
    if (!*text || strlen(text) > 18)
        return false;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text))
            return false;
        v = v * 10 + (uint64_t)(*text - '0');
    }
    *ret = v;
    return true;
}

static uint64_t time_unit_ns(const char *unit)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"", 1000000000},   {"s", 1000000000},    {"ms", 1000000},
                 {"m", 60000000000}, {"min", 60000000000}, {"h", 3600000000000}};
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (!strcasecmp(unit, units[i].name))
            return units[i].ns;
    return 0;
}

/* "30", "0.5", "500ms", "15 min": exact, without floating point. */
static bool parse_time(const char *text, uint64_t *ret_ns)
{
    const char *p = text;
    uint64_t whole = 0;
    uint64_t billionths = 0;
    uint64_t weight = 100000000;
    if (!isdigit((unsigned char)*p))
        return false;
    for (; isdigit((unsigned char)*p); p++) {
        whole = whole * 10 + (uint64_t)(*p - '0');
        if (whole > 1000000000)
            return false;
    }
    if (*p == '.') {
        if (!isdigit((unsigned char)*++p))
            return false;
        for (; isdigit((unsigned char)*p); p++, weight /= 10)
            billionths += weight * (uint64_t)(*p - '0');
    }
    while (*p == ' ')
        p++;
    uint64_t unit = time_unit_ns(p);
    if (unit == 0 || whole > UINT64_MAX / 2 / unit)
        return false;
    *ret_ns = whole * unit + billionths * (unit / 1000000) / 1000;
    return true;
}

enum set_verdict set_seconds(struct conf *c, const struct conf_var *v, const char *text)
{
    uint64_t ns;
    if (!parse_time(text, &ns) || ns < v->min || ns > v->max)
        return SET_BAD;
    *(uint64_t *)field(c, v) = ns;
    return SET_OK;
}

enum set_verdict set_milliseconds(struct conf *c, const struct conf_var *v, const char *text)
{
    uint64_t ns;
    if (!parse_time(text, &ns) || ns / 1000000 < v->min || ns / 1000000 > v->max)
        return SET_BAD;
    *(uint64_t *)field(c, v) = ns / 1000000;
    return SET_OK;
}

enum set_verdict set_size(struct conf *c, const struct conf_var *v, const char *text)
{
    uint64_t bytes;
    if (str_parse_size(text, &bytes, NULL) < 0 || bytes < v->min || bytes > v->max)
        return SET_BAD;
    *(uint64_t *)field(c, v) = bytes;
    return SET_OK;
}

enum set_verdict set_unsigned(struct conf *c, const struct conf_var *v, const char *text)
{
    uint64_t n;
    if (!parse_whole(text, &n) || n < v->min || n > v->max)
        return SET_BAD;
    *(unsigned *)field(c, v) = (unsigned)n;
    return SET_OK;
}

enum set_verdict set_rate(struct conf *c, const struct conf_var *v, const char *text)
{
    uint64_t n;
    if (!parse_whole(text, &n) || n > v->max)
        return SET_BAD;
    c->rate_limit = (unsigned)n;
    c->rate_limit_set = true;
    return SET_OK;
}

enum set_verdict set_profile(struct conf *c, const struct conf_var *v, const char *text)
{
    int on = parse_bool(text);
    if (on < 0)
        return SET_BAD;
    unsigned bit = (unsigned)v->min;
    c->profiles = on ? c->profiles | bit : c->profiles & ~bit;
    return SET_OK;
}

enum set_verdict set_container(struct conf *c, const struct conf_var *v _unused_, const char *text)
{
    int on = parse_bool(text);
    if (on < 0)
        return SET_BAD;
    c->container_enabled = on;
    return SET_OK;
}

static bool identifier_char(char ch, bool first)
{
    return isalpha((unsigned char)ch) || ch == '_' || (unsigned char)ch >= 0x80 ||
           (!first && isdigit((unsigned char)ch));
}

bool module_name_ok(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 200 || name[n - 1] == '.' || !utf8_valid(name, n))
        return false;
    bool first = true;
    for (; *name; name++) {
        if (!first && *name == '.')
            first = true;
        else if (identifier_char(*name, first))
            first = false;
        else
            return false;
    }
    return true;
}

enum set_verdict set_modules(struct conf *c, const struct conf_var *v _unused_, const char *text)
{
    enum set_verdict verdict = put_list(&c->modules, text, ',', MAX_MODULES, module_name_ok);
    if (verdict == SET_OK)
        c->imports_overridden = true;
    return verdict;
}

/* Absolute, printable, and without "..": a path must mean the same to every process that uses it.
 */
static bool path_ok(const char *path)
{
    size_t n = strlen(path);
    if (path[0] != '/' || n > MAX_PATH_LEN || !utf8_valid(path, n))
        return false;
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    return !strstr(path, "/../") && !str_ends(path, "/..");
}

enum set_verdict set_path(struct conf *c, const struct conf_var *v, const char *text)
{
    return path_ok(text) ? put_text(c, v, text) : SET_BAD;
}

enum set_verdict set_paths(struct conf *c, const struct conf_var *v, const char *text)
{
    return put_list(field(c, v), text, ':', MAX_PATHS, path_ok);
}

/* Letters, digits and the given punctuation, starting with a letter or digit. */
static bool plain_word(const char *text, const char *punctuation, size_t max)
{
    if (!isalnum((unsigned char)*text) || strlen(text) > max)
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr(punctuation, *text))
            return false;
    return true;
}

enum set_verdict set_program(struct conf *c, const struct conf_var *v, const char *text)
{
    return path_ok(text) || plain_word(text, "._+-", 100) ? put_text(c, v, text) : SET_BAD;
}

/* A reference, never a path: it starts with a letter or digit and has no "..". */
enum set_verdict set_image(struct conf *c, const struct conf_var *v, const char *text)
{
    return plain_word(text, "._/:@-", 255) && !strstr(text, "..") ? put_text(c, v, text) : SET_BAD;
}

enum set_verdict set_token(struct conf *c, const struct conf_var *v, const char *text)
{
    size_t n = strlen(text);
    if (n < v->min || n > v->max)
        return SET_BAD;
    for (const char *p = text; *p; p++)
        if (!isgraph((unsigned char)*p))
            return SET_BAD;
    return put_text(c, v, text);
}

enum set_verdict set_isolation(struct conf *c, const struct conf_var *v _unused_, const char *text)
{
    static const char *const words[] = {"auto", "namespaces", "landlock"};
    static const enum isolation values[] = {ISOLATION_AUTO, ISOLATION_NAMESPACES,
                                            ISOLATION_LANDLOCK};
    int i = word_index(text, words, ARRAY_LEN(words));
    if (i < 0)
        return SET_BAD;
    c->isolation = values[i];
    return SET_OK;
}

enum set_verdict set_audit(struct conf *c, const struct conf_var *v _unused_, const char *text)
{
    int on = parse_bool(text);
    if (!strcasecmp(text, "required"))
        c->audit = AUDIT_REQUIRED;
    else if (on < 0)
        return SET_BAD;
    else
        c->audit = on ? AUDIT_ON : AUDIT_OFF;
    return SET_OK;
}

enum set_verdict set_history(struct conf *c, const struct conf_var *v _unused_, const char *text)
{
    int on = parse_bool(text);
    if (!strcasecmp(text, "code"))
        c->history = HISTORY_CODE;
    else if (on < 0)
        return SET_BAD;
    else
        c->history = on ? HISTORY_ON : HISTORY_OFF;
    return SET_OK;
}

enum set_verdict set_log_level(struct conf *c, const struct conf_var *v _unused_, const char *text)
{
    for (enum log_level level = LOG_DEBUG; level <= LOG_ERROR; level++) {
        if (!strcasecmp(text, log_level_name(level))) {
            c->log_level = level;
            return SET_OK;
        }
    }
    return SET_BAD;
}
