/* Arguments of a call, checked one by one: see args.h. Runs in the server, on what a client's model
 * wrote; trusts only that it is JSON. */
#include "tools/args.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "catalog/profiles.h"
#include "conf/suggest.h"

const char *args_shown(char out[SHOWN_BYTES], const char *s, size_t n)
{
    const size_t max = SHOWN_BYTES - 12;
    bool cut = n > max;
    size_t len = cut ? utf8_floor(s, max) : n;
    memcpy(out, s, len);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
            out[i] = '?';
    snprintf(out + len, SHOWN_BYTES - len, "%s", cut ? "..." : "");
    return out;
}

const char *args_size_text(char out[24], uint64_t bytes)
{
    static const char units[] = "kmg";
    uint64_t v = bytes;
    int unit = -1;
    while (v > 0 && v % 1024 == 0 && unit < 2) {
        v /= 1024;
        unit++;
    }
    snprintf(out, 24, "%" PRIu64 "%.*s", v, unit >= 0, unit >= 0 ? &units[unit] : "");
    return out;
}

const char *args_seconds_text(char out[32], uint64_t ns)
{
    snprintf(out, 32, "%.6g", (double)ns / 1e9);
    return out;
}

/* "a, b, c" */
static void join(char *out, size_t size, const char *const *names, size_t n)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n && used < size; i++) {
        int r = snprintf(out + used, size - used, "%s%s", i ? ", " : "", names[i]);
        used += r > 0 ? (size_t)r : 0;
    }
}

static int unknown_argument(const char *key, const char *const *known, size_t n, struct err *err)
{
    char shown[SHOWN_BYTES];
    char list[256];
    const char *meant = suggest(key, known, n);
    args_shown(shown, key, strlen(key));
    join(list, sizeof(list), known, n);
    if (n == 0)
        return err_set(err, ERR_INVALID, "Unknown argument '%s': this tool takes no arguments.",
                       shown);
    if (meant)
        return err_set(err, ERR_INVALID,
                       "Unknown argument '%s': did you mean '%s'? Allowed arguments: %s.", shown,
                       meant, list);
    return err_set(err, ERR_INVALID, "Unknown argument '%s'. Allowed arguments: %s.", shown, list);
}

int args_check(const json_t *args, const char *const *known, size_t n, struct err *err)
{
    const char *key;
    json_t *v;
    if (!args || json_is_null(args))
        return 0;
    if (!json_is_object(args))
        return err_set(err, ERR_INVALID, "The arguments must be an object, not %s.",
                       json_kind(args));
    json_object_foreach((json_t *)(uintptr_t)args, key, v)
    {
        bool found = false;
        for (size_t i = 0; i < n && !found; i++)
            found = strcmp(key, known[i]) == 0;
        if (!found)
            return unknown_argument(key, known, n, err);
    }
    return 0;
}

static int wrong_type(const char *name, const char *wanted, const json_t *v, struct err *err)
{
    return err_set(err, ERR_INVALID, "Argument '%s' must be %s, not %s.", name, wanted,
                   json_kind(v));
}

static bool is_blank(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!memchr(" \t\n\r\f\v", s[i], 6))
            return false;
    return true;
}

int args_code(const json_t *args, const struct conf *conf, const char **ret, size_t *ret_len,
              struct err *err)
{
    const json_t *v = json_object_get(args, "code");
    if (!v)
        return err_set(err, ERR_INVALID,
                       "Argument 'code' is required: the Python program, as a string.");
    if (!json_is_string(v))
        return wrong_type("code", "a string that holds the Python program", v, err);
    size_t n = json_string_length(v);
    if (n > conf->max_code_bytes)
        return err_set(err, ERR_INVALID,
                       "Argument 'code' is %zu bytes long; at most %" PRIu64
                       " are allowed (SANDBOX_MAX_CODE_SIZE).",
                       n, conf->max_code_bytes);
    if (is_blank(json_string_value(v), n))
        return err_set(err, ERR_INVALID,
                       "Argument 'code' is blank: it must hold a Python program.");
    *ret = json_string_value(v);
    *ret_len = n;
    return 0;
}

int args_bool(const json_t *args, const char *name, bool *ret, struct err *err)
{
    const json_t *v = json_object_get(args, name);
    if (v && !json_is_boolean(v))
        return wrong_type(name, "true or false", v, err);
    if (v)
        *ret = json_is_true(v);
    return 0;
}

int args_timeout(const json_t *args, const struct conf *conf, uint64_t *ret_ns, struct err *err)
{
    const json_t *v = json_object_get(args, "timeout");
    char min[32];
    char max[32];
    *ret_ns = conf->timeout_ns;
    if (!v)
        return 0;
    if (!json_is_number(v))
        return wrong_type("timeout", "a number of seconds", v, err);
    double seconds = json_number_value(v);
    if (!(seconds >= MIN_TIMEOUT_NS / 1e9) || seconds > (double)conf->max_timeout_ns / 1e9)
        return err_set(err, ERR_INVALID,
                       "Argument 'timeout' is %.15g; it must be at least %s and at most %s "
                       "seconds (SANDBOX_MAX_TIMEOUT).",
                       seconds, args_seconds_text(min, MIN_TIMEOUT_NS),
                       args_seconds_text(max, conf->max_timeout_ns));
    *ret_ns = MIN((uint64_t)ceil(seconds * 1e9), conf->max_timeout_ns);
    return 0;
}

int args_memory(const json_t *args, const struct conf *conf, uint64_t *ret_bytes, struct err *err)
{
    const json_t *v = json_object_get(args, "memory_limit");
    char shown[SHOWN_BYTES];
    char min[24];
    char max[24];
    uint64_t bytes;
    *ret_bytes = conf->memory_bytes;
    if (!v)
        return 0;
    if (!json_is_string(v))
        return wrong_type("memory_limit", "a string such as \"128m\", \"1g\", \"65536k\" or bytes",
                          v, err);
    const char *text = json_plain_string(v);
    args_shown(shown, json_string_value(v), json_string_length(v));
    if (!text || str_parse_size(text, &bytes, NULL) < 0)
        return err_set(err, ERR_INVALID,
                       "Argument 'memory_limit' is '%s', which is not a size: use 128m, 1g, 65536k "
                       "or a number of bytes.",
                       shown);
    if (bytes < MIN_MEMORY_LIMIT || bytes > conf->max_memory_bytes)
        return err_set(err, ERR_INVALID,
                       "Argument 'memory_limit' is '%s'; it must be at least %s and at most %s "
                       "(SANDBOX_MAX_MEMORY_LIMIT).",
                       shown, args_size_text(min, MIN_MEMORY_LIMIT),
                       args_size_text(max, conf->max_memory_bytes));
    *ret_bytes = bytes;
    return 0;
}

/* Why the server does not permit @name, and what would. */
static int not_permitted(const struct conf *conf, const char *name, struct err *err)
{
    char shown[SHOWN_BYTES];
    const struct profile *p = profile_of_module(name);
    args_shown(shown, name, strlen(name));
    char text[160];
    snprintf(text, sizeof(text),
             "Argument 'allowed_imports' names '%s', which this server does not permit", shown);
    if (conf->imports_overridden)
        return err_set(err, ERR_INVALID,
                       "%s: it is not in SANDBOX_ALLOWED_IMPORTS, and a call can only narrow that "
                       "list.",
                       text);
    if (p && p->variable)
        return err_set(err, ERR_INVALID,
                       "%s: it belongs to the %s profile, which %s=true enables on the server.",
                       text, p->name, p->variable);
    return err_set(err, ERR_INVALID,
                   "%s: no profile offers it (get_sandbox_info lists the modules; "
                   "SANDBOX_ALLOWED_IMPORTS sets a list of one's own).",
                   text);
}

/* Is @name a module inside the package @package? */
static bool is_inside(const char *name, const char *package)
{
    size_t n = strlen(package);
    return strncmp(name, package, n) == 0 && name[n] == '.';
}

/* The server permits @name, but not to this caller. */
static int not_permitted_to_caller(const char *name, struct err *err)
{
    char shown[SHOWN_BYTES];
    const struct profile *p = profile_of_module(name);
    args_shown(shown, name, strlen(name));
    return err_set(
        err, ERR_INVALID,
        "Argument 'allowed_imports' names '%s', which the token of this call may not "
        "use: it would need the profile %s (profiles= in the tokens file; with OAuth the "
        "scope execute:%s).",
        shown, p ? p->name : "all", p ? p->name : "all");
}

/* @permitted: what the caller may import, a part of what the server permits. */
static int add_import(const json_t *item, const struct conf *conf, const struct strv *permitted,
                      struct strv *list, struct err *err)
{
    if (!json_is_string(item))
        return err_set(err, ERR_INVALID,
                       "Argument 'allowed_imports' must hold module names (strings), not %s.",
                       json_kind(item));
    const char *name = json_plain_string(item);
    if (!name || !*name)
        return err_set(err, ERR_INVALID,
                       "Argument 'allowed_imports' holds a name that is empty or has a NUL in it.");
    enum module_verdict verdict = module_permitted(permitted, name);
    if (verdict == MODULE_NO)
        return module_permitted(&conf->modules, name) == MODULE_NO
                   ? not_permitted(conf, name, err)
                   : not_permitted_to_caller(name, err);
    if (verdict == MODULE_YES)
        return strv_has(list, name) ? 0 : strv_add(list, name, err);
    /* Handing on the package itself would widen: it would permit everything in it. */
    for (size_t i = 0; i < permitted->len; i++) {
        const char *m = permitted->items[i];
        if (is_inside(m, name) && !strv_has(list, m) && strv_add(list, m, err) < 0)
            return -1;
    }
    return 0;
}

int args_imports(const json_t *args, const struct conf *conf, unsigned profiles_of_caller,
                 bool *ret_given, struct strv *list, struct err *err)
{
    auto_strv struct strv own = STRV_INIT;
    bool limited = (profiles_of_caller & PROFILE_ALL) != PROFILE_ALL;
    const json_t *v = json_object_get(args, "allowed_imports");
    *ret_given = v != NULL;
    if (!v)
        return 0;
    if (!json_is_array(v))
        return wrong_type("allowed_imports", "an array of module names", v, err);
    if (json_array_size(v) > MAX_ALLOWED_IMPORTS)
        return err_set(err, ERR_INVALID,
                       "Argument 'allowed_imports' has %zu names; at most %d are allowed.",
                       json_array_size(v), MAX_ALLOWED_IMPORTS);
    if (limited && profile_limit(&conf->modules, profiles_of_caller, &own, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(v); i++)
        if (add_import(json_array_get(v, i), conf, limited ? &own : &conf->modules, list, err) < 0)
            return -1;
    return 0;
}
