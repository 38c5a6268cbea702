/* The tool get_sandbox_info: what this server permits, limits and has proven. Runs in the server
 * and answers at once, also while the start-up self-test is still under way: what only the zygote
 * can tell is null until then.
 *
 * The answer is tens of kilobytes, and clients ask often, so it is made once for each state of the
 * engine and each set of profiles a caller may have, and kept in both forms in which it travels.
 * Only the load, at its end, is written anew. */
#include "tools/sandbox_info.h"

#include <inttypes.h>
#include <string.h>

#include "catalog/profiles.h"
#include "tools/args.h"
#include "tools/builtin.h"
#include "tools/program.h"
#include "tools/schema.h"

/* ---- profiles ---- */

/* Is @name in @list? Both come in the same order, so the place after the last hit is looked at
 * first. */
static bool find_next(const struct strv *list, size_t *hint, const char *name)
{
    if (*hint < list->len && strcmp(list->items[*hint], name) == 0) {
        ++*hint;
        return true;
    }
    for (size_t i = 0; i < list->len; i++) {
        if (strcmp(list->items[i], name) == 0) {
            *hint = i + 1;
            return true;
        }
    }
    return false;
}

/* The names of @names that are also in @filter, as an array. */
static void put_filtered(struct json_out *out, const char *key, const char *const *names,
                         const struct strv *filter)
{
    size_t hint = 0;
    json_key(out, key);
    json_open_array(out);
    for (; filter->len > 0 && *names; names++)
        if (find_next(filter, &hint, *names))
            json_put_str(out, *names);
    json_close_array(out);
}

static void put_permitted(struct json_out *out, const struct profile *p, const struct conf *conf,
                          unsigned allowed)
{
    size_t hint = 0;
    bool off = !((allowed | PROFILE_BASIC) & p->bit) ||
               (!(conf->profiles & p->bit) && !conf->imports_overridden);
    json_key(out, "permitted");
    json_open_array(out);
    for (const char *const *m = p->modules; !off && *m; m++)
        if (find_next(&conf->modules, &hint, *m) ||
            module_permitted(&conf->modules, *m) == MODULE_YES)
            json_put_str(out, *m);
    json_close_array(out);
}

static void put_profile(struct json_out *out, const struct profile *p, const struct conf *conf,
                        unsigned allowed, const struct msg_ready *ready)
{
    json_key(out, p->name);
    json_open_object(out);
    json_pair_bool(out, "enabled", (conf->profiles & allowed & p->bit) != 0);
    json_pair_str(out, "enabled_by", p->variable);
    json_key(out, "modules");
    json_open_array(out);
    for (const char *const *m = p->modules; *m; m++)
        json_put_str(out, *m);
    json_close_array(out);
    put_permitted(out, p, conf, allowed);
    if (ready) {
        put_filtered(out, "installed", p->modules, &ready->installed);
        put_filtered(out, "missing", p->modules, &ready->missing);
    } else {
        json_pair_str(out, "installed", NULL);
        json_pair_str(out, "missing", NULL);
    }
    json_close_object(out);
}

/* @allowed: PROFILE_ bits the caller may use at all. */
static void put_profiles(struct json_out *out, const struct conf *conf, unsigned allowed,
                         const struct msg_ready *ready)
{
    json_key(out, "security_profiles");
    json_open_object(out);
    for (size_t i = 0; i < PROFILE_COUNT; i++)
        put_profile(out, &profiles[i], conf, allowed, ready);
    json_close_object(out);
    json_key(out, "allowed_imports");
    if (!conf->imports_overridden) {
        json_put_null(out);
        return;
    }
    json_open_object(out);
    json_pair_str(out, "set_by", "SANDBOX_ALLOWED_IMPORTS");
    auto_strv struct strv own = STRV_INIT;
    out->bad = profile_limit(&conf->modules, allowed, &own, NULL) < 0 || out->bad;
    json_pair_strv(out, "permitted", &own);
    json_pair_strv(out, "installed", ready ? &ready->installed : NULL);
    json_pair_strv(out, "missing", ready ? &ready->missing : NULL);
    json_close_object(out);
}

/* ---- limits ---- */

/* 30 rather than 30.0, as the documents show it */
static void put_seconds(struct json_out *out, const char *key, uint64_t ns)
{
    if (ns % 1000000000u == 0)
        json_pair_uint(out, key, ns / 1000000000u);
    else
        json_pair_seconds(out, key, ns);
}

static void put_limits(struct json_out *out, const struct conf *conf)
{
    char size[24];
    json_key(out, "resource_limits");
    json_open_object(out);
    put_seconds(out, "timeout", conf->timeout_ns);
    put_seconds(out, "max_timeout", conf->max_timeout_ns);
    json_pair_uint(out, "max_output_size", conf->max_output_bytes);
    json_pair_uint(out, "max_code_size", conf->max_code_bytes);
    json_pair_str(out, "memory_limit", args_size_text(size, conf->memory_bytes));
    json_pair_str(out, "max_memory_limit", args_size_text(size, conf->max_memory_bytes));
    json_key(out, "cpu_limit");
    if (conf->cpu_limit_ms > 0)
        json_put_seconds(out, conf->cpu_limit_ms * 1000000u);
    else
        json_put_null(out);
    json_pair_uint(out, "max_threads", conf->max_threads);
    json_pair_uint(out, "max_concurrency", conf->max_concurrency);
    json_pair_uint(out, "queue_size", conf->queue_size);
    json_pair_uint(out, "pool_size", conf->pool_size);
    json_close_object(out);
}

/* ---- walls ---- */

static const char *check_state(uint8_t state)
{
    switch ((enum proof_state)state) {
    case PROOF_HELD:
        return "held";
    case PROOF_BROKEN:
        return "broken";
    case PROOF_ABSENT:
        break;
    }
    return "absent";
}

/* One layer: all items of its name. It is active when something of it was seen to hold and nothing
 * was seen to fail. */
static void put_layer(struct json_out *out, const struct msg_proof *proof, size_t first)
{
    const char *layer = proof->items[first].layer;
    const char *why = NULL;
    bool held = false;
    bool broken = false;
    json_open_object(out);
    json_pair_str(out, "layer", layer);
    json_key(out, "checks");
    json_open_array(out);
    for (size_t i = first; i < proof->len; i++) {
        const struct msg_proof_item *item = &proof->items[i];
        if (!str_eq(item->layer, layer))
            continue;
        held = held || item->state == PROOF_HELD;
        if (item->state == PROOF_BROKEN || (item->state == PROOF_ABSENT && !why && !broken))
            why = item->detail;
        broken = broken || item->state == PROOF_BROKEN;
        json_open_object(out);
        json_pair_str(out, "name", item->name);
        json_pair_str(out, "state", check_state(item->state));
        json_pair_str(out, "detail", item->detail);
        json_close_object(out);
    }
    json_close_array(out);
    bool active = held && !broken;
    json_pair_bool(out, "active", active);
    json_pair_str(out, "why_not", active ? NULL : why);
    json_close_object(out);
}

/* Not a wall of a single program, so the self-test inside of one cannot try it: it is there or the
 * zygote does not start. */
static void put_cgroup(struct json_out *out, const struct engine_info *info)
{
    json_open_object(out);
    json_pair_str(out, "layer", "cgroup");
    json_key(out, "checks");
    json_open_array(out);
    json_close_array(out);
    json_pair_bool(out, "active", info->cgroup != NULL);
    json_pair_str(out, "why_not", info->cgroup ? NULL : info->no_cgroup);
    json_close_object(out);
}

static bool seen_before(const struct msg_proof *proof, size_t i)
{
    /* backwards: items of a layer mostly follow each other */
    for (size_t j = i; j-- > 0;)
        if (str_eq(proof->items[j].layer, proof->items[i].layer))
            return true;
    return false;
}

static void put_isolation(struct json_out *out, const struct engine_info *info)
{
    static const char *const proofs[] = {
        [PROOF_PENDING] = "pending", [PROOF_PASSED] = "passed", [PROOF_FAILED] = "failed"};
    const struct msg_hello *hello = info->hello;
    bool landlock = hello && hello->isolation == ISOLATION_LANDLOCK;
    json_key(out, "isolation");
    json_open_object(out);
    json_pair_str(out, "tier", !hello ? NULL : landlock ? "landlock" : "jail");
    json_pair_str(out, "note",
                  hello && !str_empty(hello->isolation_note) ? hello->isolation_note : NULL);
    json_pair_str(out, "proof", proofs[info->proof]);
    json_pair_str(out, "failure", info->failure);
    json_key(out, "layers");
    json_open_array(out);
    const struct msg_proof *proof = info->proof_items;
    for (size_t i = 0; proof && i < proof->len; i++)
        if (!seen_before(proof, i))
            put_layer(out, proof, i);
    if (proof)
        put_cgroup(out, info);
    json_close_array(out);
    json_close_object(out);
}

static void put_container(struct json_out *out, const struct conf *conf)
{
    json_key(out, "container_mode");
    json_open_object(out);
    json_pair_bool(out, "available", false);
    json_pair_bool(out, "enabled", conf->container_enabled);
    json_pair_str(out, "why_not", "This version of the server has no container tier.");
    json_close_object(out);
}

/* ---- the whole ---- */

static void put_server(const struct tools_env *env, struct json_out *out,
                       const struct engine_info *info)
{
    json_key(out, "server");
    json_open_object(out);
    json_pair_str(out, "name", env->server_name);
    json_pair_str(out, "version", env->server_version);
    json_key(out, "protocol_versions");
    json_open_array(out);
    for (const char *const *v = env->protocol_versions; *v; v++)
        json_put_str(out, *v);
    json_close_array(out);
    json_pair_str(out, "python_version", info->hello ? info->hello->python_version : NULL);
}

/* All that stays the same as long as info->version does; the object stays open. */
static void put_lasting(const struct tools_env *env, struct json_out *out,
                        const struct engine_info *info, unsigned allowed, const struct refusal *why)
{
    json_open_object(out);
    json_pair_bool(out, "success", !why);
    if (why) {
        json_key(out, "error");
        json_put_strn(out, why->error, utf8_floor(why->error, strlen(why->error)));
        json_pair_str(out, "error_type", "InvalidRequest");
        json_pair_str(out, "error_category", exec_category_name(why->category));
    }
    put_profiles(out, env->conf, allowed, info->ready);
    put_limits(out, env->conf);
    put_container(out, env->conf);
    put_isolation(out, info);
    json_pair_strv(out, "safe_builtins", info->ready ? &info->ready->safe_builtins : NULL);
    put_server(env, out, info);
}

/* The rest: the load, which changes with every call. */
static void put_load(struct json_out *out, const struct engine_info *info)
{
    /* a text of its own at times, so that the writer would not know of the comma */
    if (buf_addf(out->buf, NULL,
                 ",\"idle_workers\":%u,\"running\":%u,\"queued\":%u,\"executions\":%" PRIu64 "}}",
                 info->idle_workers, info->running, info->queued, info->executions) < 0)
        out->bad = true;
}

void sandbox_info_write(const struct tools_env *env, struct json_out *out,
                        const struct refusal *why)
{
    struct engine_info info;
    engine_info(env->engine, &info);
    put_lasting(env, out, &info, PROFILE_ALL, why);
    put_load(out, &info);
}

/* ---- how it is shown ---- */

static void describe_profiles(struct json_out *out)
{
    static const char *const required[] = {"enabled",   "enabled_by", "modules", "permitted",
                                           "installed", "missing",    NULL};
    json_key(out, "security_profiles");
    json_open_object(out);
    json_pair_str(out, "type", "object");
    json_pair_str(out, "description", "basic, data_science, network, filesystem.");
    schema_begin_object(out, "additionalProperties");
    schema_property(out, "enabled", "boolean", "The profile is switched on.");
    schema_property(out, "enabled_by", "string|null", "The variable that switches it on.");
    schema_property(out, "modules", "string[]", "The modules of the profile.");
    schema_property(out, "permitted", "string[]", "Those that a program may import now.");
    schema_property(out, "installed", "array|null", "Those of them that are installed.");
    schema_property(out, "missing", "array|null", "Those of them that are not.");
    schema_end_object(out, required, false);
    json_close_object(out);
}

static void describe_isolation(struct json_out *out)
{
    static const char *const required[] = {"tier", "note", "proof", "failure", "layers", NULL};
    static const char *const layer[] = {"layer", "checks", "active", "why_not", NULL};
    static const char *const proofs[] = {"pending", "passed", "failed", NULL};
    schema_begin_object(out, "isolation");
    schema_property(out, "tier", "string|null", "jail or landlock; null until known.");
    schema_property(out, "note", "string|null", "Why a lesser tier is used.");
    schema_begin_property(out, "proof", "string", "Result of the start-up self-test.");
    schema_enum(out, proofs);
    schema_end_property(out);
    schema_property(out, "failure", "string|null", "Why nothing can be run.");
    schema_begin_items(out, "layers", "The walls, as the self-test found them.");
    schema_property(out, "layer", "string", "Name.");
    schema_property(out, "checks", "array", "What was attempted and what happened.");
    schema_property(out, "active", "boolean", "The wall stands.");
    schema_property(out, "why_not", "string|null", "Why it does not.");
    schema_end_items(out, layer);
    schema_end_object(out, required, false);
}

static void describe_output(struct json_out *out)
{
    static const char *const required[] = {"success",        "security_profiles", "resource_limits",
                                           "container_mode", "isolation",         "server",
                                           "safe_builtins",  "allowed_imports",   NULL};
    schema_begin_object(out, "outputSchema");
    schema_property(out, "success", "boolean", "False only when the call was malformed.");
    describe_profiles(out);
    schema_property(out, "allowed_imports", "object|null",
                    "The list that replaces the profiles, when SANDBOX_ALLOWED_IMPORTS is set.");
    schema_property(out, "resource_limits", "object", "Limits in force; seconds and bytes.");
    schema_property(out, "container_mode", "object", "The container tier.");
    describe_isolation(out);
    schema_property(out, "server", "object", "Name, versions, load.");
    schema_property(out, "safe_builtins", "array|null", "Builtin names a program finds.");
    schema_property(out, "error", "string", "What was wrong with the call.");
    schema_property(out, "error_type", "string", "The same as a type.");
    schema_property(out, "error_category", "string", "invalid_request.");
    schema_end_object(out, required, false);
}

static void describe(const struct tools_env *env _unused_, struct json_out *out)
{
    static const struct tool_hints hints = {.read_only = true, .idempotent = true};
    schema_begin_tool(out, "get_sandbox_info", "Describe the sandbox",
                      "Tell what programs may do here: which modules can be imported and which of "
                      "them are installed, which profiles are on and what switches on the others, "
                      "limits of time, memory and output, which isolation walls stand and whether "
                      "they were proven at start. Takes no arguments.",
                      &hints);
    schema_begin_object(out, "inputSchema");
    schema_end_object(out, NULL, true);
    describe_output(out);
    json_close_object(out);
}

static const struct program_kind kind = {.tool = "get_sandbox_info", .refuse = sandbox_info_write};

/* ---- what is kept ---- */

struct kept {
    bool made;
    uint64_t version;         /* of the engine's state that it tells of */
    struct buf json, escaped; /* see struct tool_prepared */
};

struct info_cache {
    struct kept by_profiles[PROFILE_ALL + 1];
};

struct info_cache *info_cache_new(struct err *err)
{
    struct info_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        err_nomem(err);
    return cache;
}

void info_cache_free(struct info_cache *cache)
{
    for (size_t i = 0; cache && i < ARRAY_LEN(cache->by_profiles); i++) {
        buf_done(&cache->by_profiles[i].json);
        buf_done(&cache->by_profiles[i].escaped);
    }
    free(cache);
}

/* False: no memory. */
static bool make(struct kept *k, const struct tools_env *env, const struct engine_info *info,
                 unsigned allowed)
{
    buf_clear(&k->json);
    buf_clear(&k->escaped);
    struct json_out json = json_out_init(&k->json);
    put_lasting(env, &json, info, allowed, NULL);
    struct json_out escaped = json_out_init(&k->escaped);
    json_put_strn(&escaped, (const char *)k->json.data, k->json.len);
    k->made = !json.bad && !escaped.bad;
    k->version = info->version;
    return k->made;
}

/* ---- a call ---- */

static struct tool_call *start(const struct tools_env *env, const json_t *args,
                               const struct tool_caller *caller,
                               const struct tool_listener *listener, void *ctx)
{
    struct err err = ERR_INIT;
    const struct program_order order = {env, &kind, caller, listener, ctx};
    if (args_check(args, NULL, 0, &err) < 0)
        return program_refuse(&order, &err);
    struct engine_info info;
    engine_info(env->engine, &info);
    unsigned allowed = (caller->profiles | PROFILE_BASIC) & PROFILE_ALL;
    struct kept *k = &env->info_cache->by_profiles[allowed];
    if ((!k->made || k->version != info.version) && !make(k, env, &info, allowed)) {
        err_nomem(&err);
        return program_refuse(&order, &err);
    }
    auto_buf struct buf buf = BUF_INIT(0);
    struct json_out load = json_out_init(&buf);
    put_load(&load, &info);
    /* without the quotation marks at both ends */
    const struct tool_prepared prepared = {
        .json = (const char *)k->json.data,
        .json_len = k->json.len,
        .escaped = (const char *)k->escaped.data + 1,
        .escaped_len = k->escaped.len - 2,
    };
    program_reply_prepared(listener, ctx, &prepared, &load);
    return NULL;
}

const struct tool tool_get_sandbox_info = {
    .name = "get_sandbox_info", .describe = describe, .start = start};
