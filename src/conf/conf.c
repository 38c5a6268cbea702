/* Configuration: see conf.h. Runs in the server, once, before anything else; the result never
 * changes afterwards.
 *
 * The sources are collected first (source.c), then each chosen value is checked by its setter
 * (values.c, targets.c), then the values are checked against each other here. */
#include "conf/conf.h"

#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "catalog/profiles.h"
#include "conf/source.h"
#include "conf/vars.h"

#define SECOND_NS 1000000000ull
#define MIB       (1024ull * 1024)

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    return names[level];
}

int conf_var_find(const char *name)
{
    for (int i = 0; i < CONF_VARS; i++)
        if (str_eq(name, conf_vars[i].doc.name) || str_eq(name, conf_vars[i].alias))
            return i;
    return -1;
}

const struct conf_doc *conf_docs(size_t *ret_n)
{
    static struct conf_doc docs[CONF_VARS];
    for (size_t i = 0; i < CONF_VARS; i++) {
        docs[i] = conf_vars[i].doc;
        if (!docs[i].example)
            docs[i].example = docs[i].default_text;
    }
    *ret_n = CONF_VARS;
    return docs;
}

void conf_free(struct conf *c)
{
    if (!c)
        return;
    strv_done(&c->modules);
    strv_done(&c->network_allow);
    strv_done(&c->network_deny);
    strv_done(&c->allowed_hosts);
    strv_done(&c->allowed_origins);
    strv_done(&c->python_path);
    strv_done(&c->warnings);
    if (c->api_token)
        explicit_bzero(c->api_token, strlen(c->api_token));
    char *texts[] = {c->container_image, c->container_runtime, c->host,
                     c->api_token,       c->tokens_file,       c->python,
                     c->state_dir,       c->oauth_issuer,      c->oauth_resource,
                     c->oauth_jwks,      c->tls_cert,          c->tls_key};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    free(c);
}
DEFINE_AUTO(struct conf, conf, conf_free);

static unsigned usable_cores(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return (unsigned)MAX(1, MIN(n, 256));
}

static struct conf *conf_defaults(struct err *err)
{
    _cleanup_(auto_conf_fn) struct conf *c = calloc(1, sizeof(*c));
    if (!c) {
        err_nomem(err);
        return NULL;
    }
    unsigned workers = 2 * usable_cores();
    *c = (struct conf){
        .timeout_ns = 30 * SECOND_NS,
        .max_timeout_ns = 300 * SECOND_NS,
        .max_output_bytes = MIB,
        .max_code_bytes = MIB / 4,
        .profiles = PROFILE_BASIC,
        .memory_bytes = 128 * MIB,
        .max_memory_bytes = 2048 * MIB,
        .isolation = ISOLATION_AUTO,
        .max_concurrency = workers,
        .queue_size = 256,
        .pool_size = workers,
        .container_pool_size = 2,
        .port = 9000,
        .grace_ns = 10 * SECOND_NS,
        .max_threads = 16,
        .work_bytes = 64 * MIB,
        .work_files = 1000,
        .max_artifacts = 32,
        .artifact_ttl_ns = 900 * SECOND_NS,
        .artifact_bytes = 256 * MIB,
        .audit = AUDIT_ON,
        .history = HISTORY_ON,
        .history_rows = 100000,
        .history_days = 30,
        .log_level = LOG_INFO,
        .container_image = strdup("python-sandbox:latest"),
        .container_runtime = strdup("runsc"),
        .host = strdup("127.0.0.1"),
        .python = strdup("/usr/bin/python3"),
    };
    if (!c->container_image || !c->container_runtime || !c->host || !c->python) {
        err_nomem(err);
        return NULL;
    }
    return take_ptr(c);
}

/* What to call a variable in a message about its value: the flag when it was typed as one. */
static const char *called(const struct conf_var *v, const struct choice *chosen)
{
    if (chosen->flag)
        return chosen->flag;
    return chosen->by_alias ? v->alias : v->doc.name;
}

static int apply(struct conf *c, const struct choices *choices, struct err *err)
{
    for (size_t i = 0; i < CONF_VARS; i++) {
        const struct conf_var *v = &conf_vars[i];
        const struct choice *chosen = &choices->of[i];
        if (!chosen->value)
            continue;
        switch (v->set(c, v, chosen->value)) {
        case SET_OK:
            break;
        case SET_NOMEM:
            return err_nomem(err);
        case SET_BAD:
            return err_set(err, ERR_INVALID, "%s=%s%s%s%s is not acceptable; allowed: %s",
                           called(v, chosen), v->secret ? "***" : shown(chosen->value),
                           chosen->flag ? "" : " (", chosen->flag ? "" : chosen->from,
                           chosen->flag ? "" : ")", v->doc.allowed);
        }
    }
    return 0;
}

static bool chosen(const struct choices *choices, const char *name)
{
    return choices->of[conf_var_find(name)].value;
}

/* A default above its maximum is an error when somebody asked for it, else it gives way. */
static int check_pair(const struct choices *choices, const char *name, uint64_t *value,
                      const char *max_name, uint64_t max, struct err *err)
{
    if (*value <= max)
        return 0;
    int i = conf_var_find(name);
    int max_i = conf_var_find(max_name);
    const struct choice *low = &choices->of[i];
    const struct choice *high = &choices->of[max_i];
    if (low->value)
        return err_set(err, ERR_INVALID, "%s=%s is above %s (%s); lower the one or raise the other",
                       called(&conf_vars[i], low), shown(low->value),
                       called(&conf_vars[max_i], high),
                       high->value ? high->value : conf_vars[max_i].doc.default_text);
    *value = max;
    return 0;
}

/* The modules that only the kernel's walls will hold: outside every profile, or in one of those
 * whose modules reach files and network and that is not switched on. */
static int warn_of_modules(struct conf *c, struct err *err)
{
    auto_buf struct buf names = BUF_INIT(0);
    unsigned harmless = c->profiles | PROFILE_BASIC | PROFILE_DATA_SCIENCE;
    for (size_t i = 0; i < c->modules.len; i++) {
        const struct profile *p = profile_of_module(c->modules.items[i]);
        if (p && p->bit & harmless)
            continue;
        if (names.len > 200) {
            if (buf_add_str(&names, ", ...", err) < 0)
                return -1;
            break;
        }
        if (buf_addf(&names, err, "%s%s", names.len ? ", " : "", c->modules.items[i]) < 0)
            return -1;
    }
    if (names.len == 0)
        return 0;
    return warn(
        &c->warnings, err,
        "SANDBOX_ALLOWED_IMPORTS permits modules that are in no enabled profile (%.*s): the "
        "kernel walls alone hold what programs can do with these",
        (int)names.len, (const char *)names.data);
}

/* Half of it would let nobody in, or, read too kindly, everybody. */
static int check_oauth(const struct conf *c, struct err *err)
{
    const char *const values[] = {c->oauth_issuer, c->oauth_resource, c->oauth_jwks};
    const char *const names[] = {"SANDBOX_OAUTH_ISSUER", "SANDBOX_OAUTH_RESOURCE",
                                 "SANDBOX_OAUTH_JWKS"};
    const char *given = NULL;
    const char *missing = NULL;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        if (values[i])
            given = names[i];
        else
            missing = names[i];
    }
    if (!given || !missing)
        return 0;
    return err_set(err, ERR_INVALID,
                   "%s is set, but %s is not: OAuth needs all of SANDBOX_OAUTH_ISSUER, "
                   "SANDBOX_OAUTH_RESOURCE and SANDBOX_OAUTH_JWKS",
                   given, missing);
}

static int check_tls(const struct conf *c, struct err *err)
{
    if (!c->tls_cert == !c->tls_key)
        return 0;
    return err_set(err, ERR_INVALID, "%s is set, but %s is not: HTTPS needs both",
                   c->tls_cert ? "SANDBOX_TLS_CERT" : "SANDBOX_TLS_KEY",
                   c->tls_cert ? "SANDBOX_TLS_KEY" : "SANDBOX_TLS_CERT");
}

/* Whoever enables what this version does not have must not believe to have it. */
static int warn_of_what_is_to_come(struct conf *c, struct err *err)
{
    static const struct {
        unsigned bit;
        const char *name, *what;
    } parts[] = {
        {PROFILE_NETWORK, "SANDBOX_ENABLE_NETWORK",
         "its modules can be imported, but programs are in a network that leads nowhere"},
        {PROFILE_FILESYSTEM, "SANDBOX_ENABLE_FILESYSTEM",
         "its modules can be imported, but there is no folder to work in and no input files"},
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (c->profiles & parts[i].bit &&
            warn(&c->warnings, err, "%s is not complete in this version: %s", parts[i].name,
                 parts[i].what) < 0)
            return -1;
    if (!c->container_enabled)
        return 0;
    return warn(&c->warnings, err,
                "SANDBOX_ENABLE_CONTAINER_MODE is set, but this version has no container tier: "
                "calls with use_container are answered with container_error");
}

static int check_together(struct conf *c, const struct choices *choices, struct err *err)
{
    if (check_pair(choices, "SANDBOX_TIMEOUT", &c->timeout_ns, "SANDBOX_MAX_TIMEOUT",
                   c->max_timeout_ns, err) < 0 ||
        check_pair(choices, "SANDBOX_DEFAULT_MEMORY_LIMIT", &c->memory_bytes,
                   "SANDBOX_MAX_MEMORY_LIMIT", c->max_memory_bytes, err) < 0 ||
        check_oauth(c, err) < 0 || check_tls(c, err) < 0)
        return -1;
    /* Whoever wants nothing recorded need not say so twice. */
    if (c->audit == AUDIT_OFF && !chosen(choices, "SANDBOX_HISTORY"))
        c->history = HISTORY_OFF;
    if (!chosen(choices, "SANDBOX_POOL_SIZE"))
        c->pool_size = MIN(c->pool_size, c->max_concurrency);
    if (!(c->profiles & PROFILE_NETWORK) && (c->network_allow.len || c->network_deny.len) &&
        warn(&c->warnings, err,
             "SANDBOX_NETWORK_ALLOW and SANDBOX_NETWORK_DENY have no effect while "
             "SANDBOX_ENABLE_NETWORK is false") < 0)
        return -1;
    if (warn_of_what_is_to_come(c, err) < 0)
        return -1;
    if (c->imports_overridden)
        return warn_of_modules(c, err);
    return profile_modules(c->profiles, &c->modules, err);
}

static const char *env_value(char *const *environ, const char *name)
{
    size_t n = strlen(name);
    for (; environ && *environ; environ++)
        if (strncmp(*environ, name, n) == 0 && (*environ)[n] == '=')
            return *environ + n + 1;
    return NULL;
}

/* XDG base directory specification: $XDG_STATE_HOME if absolute, else ~/.local/state. */
static int default_state_dir(struct conf *c, char *const *environ, struct err *err)
{
    const char *xdg = env_value(environ, "XDG_STATE_HOME");
    const char *home = env_value(environ, "HOME");
    const struct passwd *pw = home && *home == '/' ? NULL : getpwuid(geteuid());
    if (pw)
        home = pw->pw_dir;
    int n = 0;
    if (xdg && *xdg == '/')
        n = asprintf(&c->state_dir, "%s/vivarium", xdg);
    else if (home && *home == '/')
        n = asprintf(&c->state_dir, "%s/.local/state/vivarium", str_eq(home, "/") ? "" : home);
    if (n < 0) {
        c->state_dir = NULL;
        return err_nomem(err);
    }
    return 0;
}

static int collect(const struct conf_input *in, struct choices *choices, struct strv *warnings,
                   struct err *err)
{
    if (in->env_file) {
        if (source_env_file(in->env_file, choices, warnings, err) < 0)
            return -1;
    } else if (in->working_dir) {
        if (source_implicit(in->working_dir, choices, warnings, err) < 0)
            return -1;
    }
    if (source_environ(in->environ, choices, warnings, err) < 0)
        return -1;
    return source_flags(in->flags, in->flag_words, choices, warnings, err);
}

int conf_load(const struct conf_input *input, struct conf **ret, struct err *err)
{
    auto_choices struct choices choices = {0};
    _cleanup_(auto_conf_fn) struct conf *c = conf_defaults(err);
    if (!c)
        return -1;
    if (collect(input, &choices, &c->warnings, err) < 0 || apply(c, &choices, err) < 0 ||
        check_together(c, &choices, err) < 0)
        return -1;
    if (!c->state_dir && default_state_dir(c, input->environ, err) < 0)
        return -1;
    *ret = take_ptr(c);
    return 0;
}
