/* Configuration: sources and their order, every kind of value, what a stranger's .env may not do,
 * the .env format, and .env.example against the table. */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "catalog/profiles.h"
#include "conf/conf.h"
#include "conf/dotenv.h"
#include "conf/suggest.h"

static char dir[] = "/tmp/vivarium-conf-XXXXXX";
static struct err last = ERR_INIT;

/* Load from environment-style pairs (NULL-terminated) alone. */
static struct conf *load_env(const char *const *environ)
{
    struct conf *c = NULL;
    last = (struct err)ERR_INIT;
    struct conf_input in = {.environ = (char *const *)(uintptr_t)environ};
    return conf_load(&in, &c, &last) < 0 ? NULL : c;
}

static struct conf *load_one(const char *pair)
{
    return load_env((const char *const[]){pair, NULL});
}

#define ENV(...) load_env((const char *const[]){__VA_ARGS__, NULL})

static bool refused(const char *pair)
{
    struct conf *c = load_one(pair);
    bool bad = !c && last.code == ERR_INVALID;
    conf_free(c);
    return bad;
}

static bool accepted(const char *pair)
{
    struct conf *c = load_one(pair);
    conf_free(c);
    return c != NULL;
}

static bool warned(const struct conf *c, const char *part)
{
    for (size_t i = 0; i < c->warnings.len; i++)
        if (strstr(c->warnings.items[i], part))
            return true;
    return false;
}

static const char *write_file(const char *name, const char *text)
{
    static char path[200];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    REQUIRE(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static void in_new_folder(void)
{
    REQUIRE(mkdtemp(dir));
}

static void forget_folder(void)
{
    char path[200];
    const char *names[] = {".env", "other.env", "target"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    CHECK(rmdir(dir) == 0);
}

/* Load with the implicit .env of the test's folder. */
static struct conf *load_dir(char *const *environ, const struct strv *flags)
{
    struct conf *c = NULL;
    last = (struct err)ERR_INIT;
    struct conf_input in = {.working_dir = dir, .environ = environ, .flags = flags};
    return conf_load(&in, &c, &last) < 0 ? NULL : c;
}

TEST(without_any_source_the_defaults_are_those_of_the_contract)
{
    struct conf *c = ENV("HOME=/home/x");
    REQUIRE(c);
    CHECK(c->timeout_ns == 30000000000u && c->max_timeout_ns == 300000000000u);
    CHECK(c->max_output_bytes == 1048576 && c->max_code_bytes == 262144);
    CHECK(c->profiles == PROFILE_BASIC && !c->imports_overridden);
    CHECK(strv_has(&c->modules, "math") && !strv_has(&c->modules, "numpy"));
    CHECK(c->memory_bytes == 128u << 20 && c->max_memory_bytes == 2048ull << 20);
    CHECK(!c->container_enabled && c->isolation == ISOLATION_AUTO);
    CHECK_STR(c->container_image, "python-sandbox:latest");
    CHECK_STR(c->container_runtime, "runsc");
    CHECK(c->max_concurrency >= 2 && c->pool_size == c->max_concurrency && c->queue_size == 256);
    CHECK_STR(c->host, "127.0.0.1");
    CHECK(c->port == 9000 && !c->api_token && !c->tokens_file);
    CHECK(c->cpu_limit_ms == 0 && c->max_threads == 16);
    CHECK(c->work_bytes == 64u << 20 && c->work_files == 1000 && c->max_artifacts == 32);
    CHECK(c->artifact_ttl_ns == 900000000000u && c->container_pool_size == 2);
    CHECK(c->rate_limit == 0 && !c->rate_limit_set);
    CHECK_STR(c->python, "/usr/bin/python3");
    CHECK_STR(c->state_dir, "/home/x/.local/state/vivarium");
    CHECK(c->audit == AUDIT_ON && c->log_level == LOG_INFO);
    CHECK(c->warnings.len == 0);
    conf_free(c);
}

TEST(the_state_folder_follows_the_xdg_rules)
{
    struct conf *c = ENV("HOME=/home/x", "XDG_STATE_HOME=/s");
    CHECK_STR(c->state_dir, "/s/vivarium");
    conf_free(c);
    c = ENV("HOME=/home/x", "XDG_STATE_HOME=relative");
    CHECK_STR(c->state_dir, "/home/x/.local/state/vivarium");
    conf_free(c);
    c = ENV("HOME=/home/x", "SANDBOX_STATE_DIR=/var/lib/v");
    CHECK_STR(c->state_dir, "/var/lib/v");
    conf_free(c);
}

TEST(a_later_source_goes_before_an_earlier_one)
{
    in_new_folder();
    write_file(".env", "SANDBOX_TIMEOUT=1\nSANDBOX_PORT=1001\nSANDBOX_QUEUE_SIZE=11\n");
    char *environ[] = {(char[]){"SANDBOX_PORT=1002"}, (char[]){"SANDBOX_QUEUE_SIZE=12"}, NULL};
    auto_strv struct strv flags = STRV_INIT;
    strv_add(&flags, "SANDBOX_QUEUE_SIZE=13", NULL);
    struct conf *c = load_dir(environ, &flags);
    REQUIRE(c);
    CHECK(c->timeout_ns == 1000000000u);
    CHECK(c->port == 1002);
    CHECK(c->queue_size == 13);
    conf_free(c);
    forget_folder();
}

TEST(the_second_name_of_the_time_out_works_and_gives_way_to_the_first)
{
    struct conf *c = ENV("SANDBOX_DEFAULT_TIMEOUT=7");
    CHECK(c && c->timeout_ns == 7000000000u);
    conf_free(c);
    c = ENV("SANDBOX_TIMEOUT=5", "SANDBOX_DEFAULT_TIMEOUT=7");
    CHECK(c && c->timeout_ns == 5000000000u);
    conf_free(c);
    c = ENV("SANDBOX_DEFAULT_TIMEOUT=7", "SANDBOX_TIMEOUT=5");
    CHECK(c && c->timeout_ns == 5000000000u);
    conf_free(c);
    CHECK(refused("SANDBOX_DEFAULT_TIMEOUT=x"));
    CHECK(strstr(last.text, "SANDBOX_DEFAULT_TIMEOUT=x"));
}

TEST(a_later_source_goes_before_whichever_name_it_uses)
{
    in_new_folder();
    write_file(".env", "SANDBOX_TIMEOUT=1\n");
    char *environ[] = {(char[]){"SANDBOX_DEFAULT_TIMEOUT=2"}, NULL};
    struct conf *c = load_dir(environ, NULL);
    CHECK(c && c->timeout_ns == 2000000000u);
    conf_free(c);
    forget_folder();
}

TEST(booleans_have_eight_spellings_in_any_case)
{
    const char *yes[] = {"true", "1", "yes", "on", "TRUE", "Yes"};
    const char *no[] = {"false", "0", "no", "off", "False", "OFF"};
    char pair[64];
    for (size_t i = 0; i < 6; i++) {
        snprintf(pair, sizeof(pair), "SANDBOX_ENABLE_FILESYSTEM=%s", yes[i]);
        struct conf *c = load_one(pair);
        CHECK(c && c->profiles == (PROFILE_BASIC | PROFILE_FILESYSTEM));
        CHECK(c && strv_has(&c->modules, "pathlib"));
        conf_free(c);
        snprintf(pair, sizeof(pair), "SANDBOX_ENABLE_FILESYSTEM=%s", no[i]);
        c = load_one(pair);
        CHECK(c && c->profiles == PROFILE_BASIC);
        conf_free(c);
    }
    CHECK(refused("SANDBOX_ENABLE_NETWORK=maybe"));
    CHECK(refused("SANDBOX_ENABLE_NETWORK=2"));
    CHECK(refused("SANDBOX_ENABLE_CONTAINER_MODE=y"));
}

TEST(sizes_take_units_and_have_bounds)
{
    struct conf *c = ENV("SANDBOX_MAX_OUTPUT_SIZE=1MB", "SANDBOX_DEFAULT_MEMORY_LIMIT=65536k",
                         "SANDBOX_MAX_MEMORY_LIMIT=1g", "SANDBOX_WORK_SIZE=10MiB");
    REQUIRE(c);
    CHECK(c->max_output_bytes == 1048576 && c->memory_bytes == 65536u << 10);
    CHECK(c->max_memory_bytes == 1u << 30 && c->work_bytes == 10u << 20);
    conf_free(c);
    CHECK(refused("SANDBOX_MAX_OUTPUT_SIZE=0"));
    CHECK(refused("SANDBOX_MAX_OUTPUT_SIZE=-1"));
    CHECK(refused("SANDBOX_MAX_OUTPUT_SIZE=1.5m"));
    CHECK(refused("SANDBOX_MAX_OUTPUT_SIZE=1x"));
    CHECK(refused("SANDBOX_MAX_OUTPUT_SIZE=99999999999999999999"));
    CHECK(refused("SANDBOX_MAX_OUTPUT_SIZE=65m"));
    CHECK(refused("SANDBOX_DEFAULT_MEMORY_LIMIT=100k"));
}

TEST(times_are_seconds_with_fractions_or_units)
{
    const struct {
        const char *text;
        uint64_t ns;
    } good[] = {{"0.5", 500000000},        {"1", 1000000000},      {"250ms", 250000000},
                {"2 min", 120000000000},   {"1.5m", 90000000000},  {"0.001", 1000000},
                {"0.0010000001", 1000000}, {"300.0", 300000000000}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char pair[64];
        snprintf(pair, sizeof(pair), "SANDBOX_TIMEOUT=%s", good[i].text);
        struct conf *c = load_one(pair);
        CHECK(c && c->timeout_ns == good[i].ns);
        conf_free(c);
    }
    const char *bad[] = {"0",   "-1",  "nan", "inf",  "1e3", ".5", "1.",   "0.0000001",
                         "25h", "1 d", "abc", "1s s", "1,5", "+1", "0x10", "18446744073709551616"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char pair[64];
        snprintf(pair, sizeof(pair), "SANDBOX_TIMEOUT=%s", bad[i]);
        CHECK(refused(pair));
    }
    struct conf *c = ENV("SANDBOX_CPU_LIMIT=1.5");
    CHECK(c && c->cpu_limit_ms == 1500);
    conf_free(c);
}

TEST(whole_numbers_are_digits_within_their_range)
{
    CHECK(accepted("SANDBOX_PORT=0") && accepted("SANDBOX_PORT=65535"));
    CHECK(refused("SANDBOX_PORT=65536") && refused("SANDBOX_PORT=-1") &&
          refused("SANDBOX_PORT=9 "));
    CHECK(refused("SANDBOX_POOL_SIZE=0") && refused("SANDBOX_MAX_CONCURRENCY=0"));
    CHECK(accepted("SANDBOX_QUEUE_SIZE=0") && refused("SANDBOX_QUEUE_SIZE=1e3"));
    CHECK(refused("SANDBOX_MAX_THREADS=99999999999999999999999"));
    struct conf *c = ENV("SANDBOX_RATE_LIMIT=0");
    CHECK(c && c->rate_limit == 0 && c->rate_limit_set);
    conf_free(c);
}

TEST(a_bad_value_names_variable_value_source_and_what_is_allowed)
{
    CHECK(refused("SANDBOX_PORT=abc"));
    CHECK_STR(last.text,
              "SANDBOX_PORT=abc (environment) is not acceptable; allowed: a whole number "
              "from 0 to 65535");
    CHECK(refused("SANDBOX_PORT=\x1b[31mred"));
    CHECK(!strchr(last.text, '\x1b'));
}

TEST(a_bad_value_of_a_flag_names_the_flag_as_it_was_typed)
{
    auto_strv struct strv flags = STRV_INIT;
    auto_strv struct strv words = STRV_INIT;
    strv_add(&flags, "SANDBOX_DEFAULT_MEMORY_LIMIT=lots", NULL);
    strv_add(&words, "--memory-limit", NULL);
    struct conf_input in = {.flags = &flags, .flag_words = &words};
    struct conf *c = NULL;
    last = (struct err)ERR_INIT;
    CHECK(conf_load(&in, &c, &last) < 0 && last.code == ERR_INVALID);
    CHECK_STR(last.text, "--memory-limit=lots is not acceptable; allowed: a size from 1m to 1t "
                         "(65536k, 128m, 1g, bytes)");
    strv_done(&flags);
    strv_done(&words);
    strv_add(&flags, "SANDBOX_TIMEOUT=9", NULL);
    strv_add(&words, "--timeout", NULL);
    char *environ[] = {(char[]){"SANDBOX_MAX_TIMEOUT=5"}, NULL};
    in.environ = environ;
    CHECK(conf_load(&in, &c, &last) < 0);
    CHECK(str_starts(last.text, "--timeout=9 is above SANDBOX_MAX_TIMEOUT (5)"));
}

TEST(an_empty_flag_does_not_take_the_blame_for_another_source)
{
    auto_strv struct strv flags = STRV_INIT;
    auto_strv struct strv words = STRV_INIT;
    strv_add(&flags, "SANDBOX_TIMEOUT=", NULL);
    strv_add(&words, "--timeout", NULL);
    char *environ[] = {(char[]){"SANDBOX_TIMEOUT=soon"}, NULL};
    struct conf_input in = {.environ = environ, .flags = &flags, .flag_words = &words};
    struct conf *c = NULL;
    last = (struct err)ERR_INIT;
    CHECK(conf_load(&in, &c, &last) < 0);
    CHECK(str_starts(last.text, "SANDBOX_TIMEOUT=soon (environment) is not acceptable"));
}

TEST(a_secret_is_never_repeated_in_an_error)
{
    CHECK(refused("SANDBOX_API_TOKEN=hunter2"));
    CHECK(strstr(last.text, "SANDBOX_API_TOKEN") && strstr(last.text, "32"));
    CHECK(!strstr(last.text, "hunter2"));
    CHECK(accepted("SANDBOX_API_TOKEN=0123456789abcdef0123456789abcdef"));
    CHECK(refused("SANDBOX_API_TOKEN=0123456789abcdef0123456789abcde"));
    CHECK(refused("SANDBOX_API_TOKEN=0123456789abcdef 0123456789abcdef"));
}

TEST(a_default_above_its_maximum_is_an_error_only_when_asked_for)
{
    CHECK(refused("SANDBOX_TIMEOUT=301"));
    CHECK(strstr(last.text, "SANDBOX_MAX_TIMEOUT (300)"));
    struct conf *c = ENV("SANDBOX_MAX_TIMEOUT=10");
    CHECK(c && c->timeout_ns == 10000000000u);
    conf_free(c);
    CHECK(refused("SANDBOX_DEFAULT_MEMORY_LIMIT=4g"));
    c = ENV("SANDBOX_MAX_MEMORY_LIMIT=64m");
    CHECK(c && c->memory_bytes == 64u << 20);
    conf_free(c);
}

TEST(an_empty_value_counts_as_not_set)
{
    struct conf *c = ENV("SANDBOX_TIMEOUT=", "SANDBOX_ALLOWED_IMPORTS=", "SANDBOX_API_TOKEN=");
    CHECK(c && c->timeout_ns == 30000000000u && !c->imports_overridden && !c->api_token);
    CHECK(c && c->warnings.len == 0);
    conf_free(c);
}

TEST(an_unknown_variable_is_a_warning_with_a_suggestion)
{
    struct conf *c = ENV("SANDBOX_TIMOUT=5", "SANDBOX_COMPLETELY_OTHER=1", "PATH=/bin");
    REQUIRE(c);
    CHECK(c->warnings.len == 2);
    CHECK(warned(c, "SANDBOX_TIMOUT (environment) is not a variable of Vivarium; did you mean "
                    "SANDBOX_TIMEOUT?"));
    CHECK(warned(c, "SANDBOX_COMPLETELY_OTHER (environment) is not a variable of Vivarium"));
    conf_free(c);
}

TEST(allowed_imports_replace_the_list_and_are_trimmed)
{
    struct conf *c = ENV("SANDBOX_ALLOWED_IMPORTS= math , json,,xml.etree.ElementTree ");
    REQUIRE(c);
    CHECK(c->imports_overridden && c->modules.len == 3);
    CHECK_STR(c->modules.items[0], "math");
    CHECK_STR(c->modules.items[2], "xml.etree.ElementTree");
    CHECK(c->warnings.len == 0);
    conf_free(c);
    CHECK(refused("SANDBOX_ALLOWED_IMPORTS= , "));
    CHECK(refused("SANDBOX_ALLOWED_IMPORTS=math,os;system"));
    CHECK(refused("SANDBOX_ALLOWED_IMPORTS=.math") && refused("SANDBOX_ALLOWED_IMPORTS=math."));
    CHECK(refused("SANDBOX_ALLOWED_IMPORTS=a..b") && refused("SANDBOX_ALLOWED_IMPORTS=1a"));
    CHECK(refused("SANDBOX_ALLOWED_IMPORTS=/etc/passwd"));
}

TEST(dangerous_imports_are_said_at_start)
{
    struct conf *c = ENV("SANDBOX_ALLOWED_IMPORTS=math,os,numpy,ctypes,shutil");
    CHECK(c && warned(c, "(os, ctypes, shutil)"));
    conf_free(c);
    c = ENV("SANDBOX_ALLOWED_IMPORTS=math,shutil", "SANDBOX_ENABLE_FILESYSTEM=1");
    CHECK(c && !warned(c, "SANDBOX_ALLOWED_IMPORTS"));
    conf_free(c);
}

TEST(what_this_version_does_not_have_is_said_when_it_is_enabled)
{
    struct conf *c = ENV("SANDBOX_ENABLE_FILESYSTEM=1", "SANDBOX_ENABLE_NETWORK=1",
                         "SANDBOX_ENABLE_CONTAINER_MODE=1");
    CHECK(c && c->warnings.len == 3 && warned(c, "SANDBOX_ENABLE_FILESYSTEM") &&
          warned(c, "SANDBOX_ENABLE_NETWORK") && warned(c, "SANDBOX_ENABLE_CONTAINER_MODE"));
    conf_free(c);
}

TEST(isolation_can_be_chosen_but_not_switched_off)
{
    struct conf *c = ENV("SANDBOX_ISOLATION=landlock");
    CHECK(c && c->isolation == ISOLATION_LANDLOCK);
    conf_free(c);
    CHECK(refused("SANDBOX_ISOLATION=none") && refused("SANDBOX_ISOLATION=off"));
}

TEST(audit_and_log_level_are_words)
{
    struct conf *c = ENV("SANDBOX_AUDIT_LOG=required", "SANDBOX_LOG_LEVEL=Debug");
    CHECK(c && c->audit == AUDIT_REQUIRED && c->log_level == LOG_DEBUG);
    conf_free(c);
    c = ENV("SANDBOX_AUDIT_LOG=off");
    CHECK(c && c->audit == AUDIT_OFF);
    conf_free(c);
    CHECK(refused("SANDBOX_AUDIT_LOG=/var/log/x") && refused("SANDBOX_LOG_LEVEL=loud"));
}

TEST(paths_are_absolute_and_plain)
{
    CHECK(accepted("SANDBOX_PYTHON=/opt/python3.12/bin/python3"));
    CHECK(refused("SANDBOX_PYTHON=python3") && refused("SANDBOX_PYTHON=./python3"));
    CHECK(refused("SANDBOX_STATE_DIR=/a/../b") && refused("SANDBOX_STATE_DIR=/a\nb"));
    CHECK(accepted("SANDBOX_PYTHON_PATH=/a:/b") && refused("SANDBOX_PYTHON_PATH=/a:b"));
    CHECK(accepted("SANDBOX_CONTAINER_RUNTIME=crun") && accepted("SANDBOX_CONTAINER_RUNTIME=/x/y"));
    CHECK(refused("SANDBOX_CONTAINER_RUNTIME=sh -c x") && refused("SANDBOX_CONTAINER_IMAGE=/etc"));
    CHECK(refused("SANDBOX_CONTAINER_IMAGE=a/../../b") && refused("SANDBOX_CONTAINER_IMAGE=--x"));
    CHECK(accepted("SANDBOX_CONTAINER_IMAGE=example.org:5000/a/b:1@sha256:0123"));
}

TEST(network_targets_are_names_addresses_and_ranges)
{
    const char *good[] = {"example.org",       "*.example.org", "example.org:443",
                          "10.0.0.0/8",        "10.1.2.3:80",   "2001:db8::/32",
                          "[2001:db8::1]:443", "::1",           "a.b,c.d:1,10.0.0.1"};
    const char *bad[] = {
        "http://x",
        "10.0.0.0/33",
        "1.2.3",
        "x:0",
        "x:70000",
        "*",
        "*.*.x",
        "-x.org",
        "x..org",
        "2001:db8::/129",
        "[::1]:",
        "x y",
        "x:443:1",
        "[x]:443",
        "10.0.0.0/",
        "toolong.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    char pair[200];
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        snprintf(pair, sizeof(pair), "SANDBOX_NETWORK_ALLOW=%s", good[i]);
        CHECK(accepted(pair));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(pair, sizeof(pair), "SANDBOX_NETWORK_ALLOW=%s", bad[i]);
        if (!refused(pair))
            printf("# accepted: %s\n", bad[i]);
        CHECK(refused(pair));
    }
    CHECK(accepted("SANDBOX_HOST=0.0.0.0") && accepted("SANDBOX_HOST=::1"));
    CHECK(accepted("SANDBOX_HOST=localhost") && refused("SANDBOX_HOST=localhost:80"));
    CHECK(refused("SANDBOX_HOST=some.name") && refused("SANDBOX_HOST=1.2.3"));
}

TEST(allowed_hosts_and_origins_have_one_spelling)
{
    const char *good[] = {"HOSTS=a",
                          "HOSTS=*",
                          "HOSTS=sandbox.example.org:8443, *.inner.test,10.1.2.3,[::1]:9000",
                          "HOSTS=my_container",
                          "ORIGINS=https://app.example.org",
                          "ORIGINS=http://localhost:3000,vscode-webview://abc,*"};
    const char *bad[] = {"HOSTS=a b",
                         "HOSTS=http://a",
                         "HOSTS=a/",
                         "HOSTS=a:",
                         "HOSTS=a:99999",
                         "HOSTS=a:1:2",
                         "HOSTS=[::1",
                         "HOSTS=::1",
                         "HOSTS=*.",
                         "HOSTS=a*",
                         "HOSTS=a@b",
                         "ORIGINS=app.example.org",
                         "ORIGINS=https://app.example.org/",
                         "ORIGINS=https://",
                         "ORIGINS=https://a b",
                         "ORIGINS=null",
                         "ORIGINS=HTTPS://a",
                         "ORIGINS=https://u@a"};
    char pair[200];
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        snprintf(pair, sizeof(pair), "SANDBOX_ALLOWED_%s", good[i]);
        CHECK(accepted(pair));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(pair, sizeof(pair), "SANDBOX_ALLOWED_%s", bad[i]);
        if (!refused(pair))
            printf("# accepted: %s\n", bad[i]);
        CHECK(refused(pair));
    }
    struct conf *c = load_one("SANDBOX_ALLOWED_HOSTS= a , b:1 ");
    REQUIRE(c);
    CHECK(c->allowed_hosts.len == 2 && strcmp(c->allowed_hosts.items[1], "b:1") == 0);
    conf_free(c);
}

TEST(addresses_of_the_web_have_one_spelling_and_are_encrypted)
{
    static const char *const good[] = {"https://a.example",        "https://a.example/",
                                       "https://a.example:8443/x", "http://localhost:9000/mcp",
                                       "http://127.0.0.1",         "http://[::1]:9000/mcp",
                                       "http://LOCALHOST"};
    static const char *const bad[] = {"a.example",
                                      "http://a.example",
                                      "http://localhost.example",
                                      "http://127.0.0.1.a",
                                      "https://",
                                      "https:///x",
                                      "https://:443",
                                      "https://a b",
                                      "https://a/?q",
                                      "https://a/#f",
                                      "https://u@a/",
                                      "https://a/\"",
                                      "https://a/\\",
                                      "HTTPS://a.example",
                                      "ftp://a.example",
                                      "https://a.example/\n",
                                      "https://a.example/\xc3\xa9",
                                      "https://a:99999/"};
    char pair[200];
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        snprintf(pair, sizeof(pair), "SANDBOX_OAUTH_ISSUER=%s", good[i]);
        struct conf *c = ENV(pair, "SANDBOX_OAUTH_RESOURCE=https://b/mcp", "SANDBOX_OAUTH_JWKS=/j");
        if (!c)
            printf("# refused: %s\n", good[i]);
        CHECK(c && strcmp(c->oauth_issuer, good[i]) == 0);
        conf_free(c);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(pair, sizeof(pair), "SANDBOX_OAUTH_ISSUER=%s", bad[i]);
        struct conf *c = ENV(pair, "SANDBOX_OAUTH_RESOURCE=https://b/mcp", "SANDBOX_OAUTH_JWKS=/j");
        if (c)
            printf("# accepted: %s\n", bad[i]);
        CHECK(!c && strstr(last.text, "SANDBOX_OAUTH_ISSUER"));
        conf_free(c);
    }
}

TEST(oauth_is_configured_as_a_whole_or_not_at_all)
{
    CHECK(refused("SANDBOX_OAUTH_JWKS=/j") && strstr(last.text, "SANDBOX_OAUTH_ISSUER"));
    CHECK(refused("SANDBOX_OAUTH_ISSUER=https://a"));
    struct conf *c = ENV("SANDBOX_OAUTH_ISSUER=https://a", "SANDBOX_OAUTH_RESOURCE=https://b");
    CHECK(!c && strstr(last.text, "SANDBOX_OAUTH_JWKS is not"));
    conf_free(c);
}

TEST(the_token_can_be_wiped_from_the_environment)
{
    char token[] = "SANDBOX_API_TOKEN=0123456789abcdef0123456789abcdef";
    char other[] = "SANDBOX_TIMEOUT=5", longer[] = "SANDBOX_API_TOKEN_X=1",
         bare[] = "SANDBOX_API_TOKEN";
    char *environ[] = {other, token, longer, bare, NULL};
    conf_wipe_environ(environ);
    CHECK_STR(token, "SANDBOX_API_TOKEN=");
    for (size_t i = strlen(token); i < sizeof(token); i++)
        CHECK(token[i] == '\0');
    CHECK_STR(other, "SANDBOX_TIMEOUT=5");
    CHECK_STR(longer, "SANDBOX_API_TOKEN_X=1");
    conf_wipe_environ(NULL);
}

TEST(https_needs_a_certificate_and_a_key)
{
    CHECK(refused("SANDBOX_TLS_CERT=/c.pem") && strstr(last.text, "SANDBOX_TLS_KEY is not"));
    CHECK(refused("SANDBOX_TLS_KEY=/k.pem") && strstr(last.text, "SANDBOX_TLS_CERT is not"));
    struct conf *c = ENV("SANDBOX_TLS_CERT=/c.pem", "SANDBOX_TLS_KEY=/k.pem", "SANDBOX_GRACE=0");
    REQUIRE(c);
    CHECK_STR(c->tls_cert, "/c.pem");
    CHECK(c->grace_ns == 0);
    conf_free(c);
    CHECK(accepted("SANDBOX_GRACE=1h") && refused("SANDBOX_GRACE=61m"));
}

TEST(a_strangers_env_file_names_no_program_path_token_or_import)
{
    in_new_folder();
    write_file(".env", "SANDBOX_PYTHON=/tmp/evil\nSANDBOX_PYTHON_PATH=/tmp/evil\n"
                       "SANDBOX_STATE_DIR=/tmp/evil\nSANDBOX_TOKENS_FILE=/tmp/evil\n"
                       "SANDBOX_CONTAINER_RUNTIME=/tmp/evil\nSANDBOX_ALLOWED_IMPORTS=os\n"
                       "SANDBOX_API_TOKEN=0123456789abcdef0123456789abcdef\nSANDBOX_TIMEOUT=3\n");
    struct conf *c = load_dir(NULL, NULL);
    REQUIRE(c);
    CHECK_STR(c->python, "/usr/bin/python3");
    CHECK_STR(c->container_runtime, "runsc");
    CHECK(c->python_path.len == 0 && !c->tokens_file && !c->api_token && !c->imports_overridden);
    CHECK(!c->state_dir || !strstr(c->state_dir, "evil"));
    CHECK(c->timeout_ns == 3000000000u);
    CHECK(c->warnings.len == 7 && warned(c, "SANDBOX_PYTHON (.env, line 1) is ignored"));
    CHECK(!warned(c, "0123456789"));
    conf_free(c);
    forget_folder();
}

TEST(a_named_env_file_is_trusted_and_must_exist)
{
    in_new_folder();
    const char *path = write_file("other.env", "SANDBOX_PYTHON=/opt/p\nSANDBOX_TIMEOUT=3\n");
    write_file(".env", "SANDBOX_TIMEOUT=4\n");
    struct conf *c = NULL;
    struct conf_input in = {.env_file = path, .working_dir = dir};
    char copy[200];
    snprintf(copy, sizeof(copy), "%s/other.env", dir);
    in.env_file = copy;
    CHECK(conf_load(&in, &c, &last) == 0);
    CHECK(c && strcmp(c->python, "/opt/p") == 0 && c->timeout_ns == 3000000000u);
    conf_free(c);
    in.env_file = "/nonexistent/file";
    c = NULL;
    CHECK(conf_load(&in, &c, &last) < 0 && last.code == ERR_INVALID && !c);
    CHECK(strstr(last.text, "--env-file /nonexistent/file"));
    in.env_file = copy;
    write_file("other.env", "what is this\n");
    CHECK(conf_load(&in, &c, &last) < 0 && strstr(last.text, "line 1"));
    forget_folder();
}

TEST(an_implicit_env_file_must_be_a_plain_file_of_the_user)
{
    in_new_folder();
    char path[200], target[200];
    snprintf(path, sizeof(path), "%s/.env", dir);
    snprintf(target, sizeof(target), "%s", write_file("target", "SANDBOX_TIMEOUT=4\n"));
    REQUIRE(symlink(target, path) == 0);
    struct conf *c = load_dir(NULL, NULL);
    CHECK(c && c->timeout_ns == 30000000000u && warned(c, "symbolic link"));
    conf_free(c);
    unlink(path);
    REQUIRE(mkfifo(path, 0600) == 0);
    c = load_dir(NULL, NULL);
    CHECK(c && warned(c, "not a regular file"));
    conf_free(c);
    unlink(path);
    write_file(".env", "SANDBOX_TIMEOUT=4\n");
    REQUIRE(chmod(path, 0666) == 0);
    c = load_dir(NULL, NULL);
    CHECK(c && c->timeout_ns == 30000000000u && warned(c, "everybody may write"));
    conf_free(c);
    REQUIRE(chmod(path, 0644) == 0);
    if (geteuid() == 0) {
        REQUIRE(chown(path, 12345, 12345) == 0);
        c = load_dir(NULL, NULL);
        CHECK(c && c->timeout_ns == 30000000000u && warned(c, "does not belong to you"));
        conf_free(c);
    }
    forget_folder();
}

TEST(an_env_file_of_another_program_does_no_harm)
{
    in_new_folder();
    write_file(".env", "DATABASE_URL=\"postgres://$USER:`x`@h/db\"\nKEY=\"-----BEGIN\n"
                       "abcdef\n-----END\"\n: weird\nSANDBOX_TIMEOUT=4\n");
    struct conf *c = load_dir(NULL, NULL);
    CHECK(c && c->timeout_ns == 4000000000u);
    CHECK(c && c->warnings.len == 1 && warned(c, "3 lines skipped"));
    conf_free(c);
    write_file(".env", "SANDBOX_TIMEOUT=$X\n");
    CHECK(!load_dir(NULL, NULL) && strstr(last.text, ".env: line 1"));
    forget_folder();
}

static const char *parse_one(const char *text)
{
    static char value[300];
    auto_dotenv struct dotenv d = {0};
    last = (struct err)ERR_INIT;
    if (dotenv_parse(text, strlen(text), &d, &last) < 0 || d.len != 1)
        return NULL;
    snprintf(value, sizeof(value), "%s=%s", d.items[0].name, d.items[0].value);
    return value;
}

TEST(the_env_format_is_as_documented)
{
    CHECK_STR(parse_one("SANDBOX_A=b"), "SANDBOX_A=b");
    CHECK_STR(parse_one("  export\tSANDBOX_A = b c  # comment"), "SANDBOX_A=b c");
    CHECK_STR(parse_one("SANDBOX_A=b#c\r\n"), "SANDBOX_A=b#c");
    CHECK_STR(parse_one("SANDBOX_A=#c"), "SANDBOX_A=");
    CHECK_STR(parse_one("SANDBOX_A="), "SANDBOX_A=");
    CHECK_STR(parse_one("# x\n\nSANDBOX_A='$b \"#\\ `'  # c\n"), "SANDBOX_A=$b \"#\\ `");
    CHECK_STR(parse_one("SANDBOX_A=\"a\\n\\t\\\\\\\"\\$ # ' \""), "SANDBOX_A=a\n\t\\\"$ # ' ");
    CHECK_STR(parse_one("\xef\xbb\xbfSANDBOX_A=1"), "SANDBOX_A=1");
    CHECK_STR(parse_one("SANDBOX_A=1\nSANDBOX_A=2\nOTHER='\n"), "SANDBOX_A=2");
    CHECK_STR(parse_one("SANDBOX_A=\xc3\xa9"), "SANDBOX_A=\xc3\xa9");
}

TEST(what_dialects_read_differently_is_refused)
{
    const char *bad[] = {"SANDBOX_A='b",        "SANDBOX_A=\"b",    "SANDBOX_A=\"b\\",
                         "SANDBOX_A=\"\\x41\"", "SANDBOX_A=\"$B\"", "SANDBOX_A=\"`b`\"",
                         "SANDBOX_A=$B",        "SANDBOX_A=a'b'",   "SANDBOX_A='a'b",
                         "SANDBOX_A=a\\ b",     "SANDBOX_A",        "SANDBOX_A b",
                         "export SANDBOX_A",    "SANDBOX_A=a\rb",   "SANDBOX_A=\xff"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CHECK(!parse_one(bad[i]) && last.code == ERR_INVALID);
        CHECK(last.text[0]);
    }
    auto_dotenv struct dotenv d = {0};
    CHECK(dotenv_parse("SANDBOX_A=\0", 11, &d, &last) < 0);
}

TEST(the_env_parser_is_bounded)
{
    size_t n = DOTENV_MAX_BYTES;
    char *text = malloc(n + 1);
    REQUIRE(text);
    memset(text, '#', n + 1);
    auto_dotenv struct dotenv d = {0};
    CHECK(dotenv_parse(text, n + 1, &d, &last) < 0);
    CHECK(dotenv_parse(text, n, &d, &last) == 0 && d.len == 0);
    size_t len = 0;
    for (int i = 0; i < 300; i++)
        len += (size_t)snprintf(text + len, n - len, "SANDBOX_%d=x\n", i);
    CHECK(dotenv_parse(text, len, &d, &last) < 0 && d.len == 0);
    memset(text, 'A', n);
    memcpy(text, "SANDBOX_", 8);
    text[100] = '=';
    CHECK(dotenv_parse(text, 102, &d, &last) < 0);
    free(text);
}

TEST(suggestions_are_near_or_absent)
{
    const char *words[] = {"serve", "run", "validate", "info", "doctor", "history"};
    CHECK_STR(suggest("sevre", words, 6), "serve");
    CHECK_STR(suggest("validat", words, 6), "validate");
    CHECK_STR(suggest("doctro", words, 6), "doctor");
    CHECK_STR(suggest("rnu", words, 6), "run");
    CHECK(!suggest("xyz", words, 6) && !suggest("", words, 6));
    char longer[200];
    memset(longer, 's', sizeof(longer));
    longer[199] = '\0';
    CHECK(!suggest(longer, words, 6));
}

/* A file of the tree as text, the caller's to free. */
static char *tree_file(const char *name)
{
    const char *root = getenv("SOURCE_ROOT");
    if (!root)
        SKIP("SOURCE_ROOT is not set");
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *f = fopen(path, "r");
    REQUIRE(f);
    char *text = calloc(1, 1 << 18);
    size_t n = fread(text, 1, (1 << 18) - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

TEST(the_example_file_in_the_tree_is_the_one_the_table_makes)
{
    char *have = tree_file(".env.example");
    auto_buf struct buf want = BUF_INIT(0);
    REQUIRE(conf_example(&want, NULL) == 0 && buf_add(&want, "", 1, NULL) == 0);
    CHECK(strcmp(have, (char *)want.data) == 0); /* vivarium info --env > .env.example */
    free(have);
}

TEST(the_man_page_holds_what_the_table_makes)
{
    char *have = tree_file("man/vivarium.1");
    auto_buf struct buf want = BUF_INIT(0);
    REQUIRE(conf_manual(&want, NULL) == 0 && buf_add(&want, "", 1, NULL) == 0);
    CHECK(strstr(have, (char *)want.data)); /* vivarium info --man */
    free(have);
}

TEST(the_completions_know_every_variable_but_the_token)
{
    const char *files[] = {"completions/vivarium.bash", "completions/_vivarium"};
    size_t n;
    const struct conf_doc *docs = conf_docs(&n);
    for (size_t f = 0; f < 2; f++) {
        char *have = tree_file(files[f]);
        for (size_t i = 0; i < n; i++) {
            char option[80] = "--";
            for (size_t k = 0; docs[i].name[k + 8] && k < 70; k++) {
                char c = docs[i].name[k + 8];
                option[k + 2] = c == '_' ? '-' : (char)(c | 0x20);
            }
            bool known = strstr(have, option) != NULL;
            if (known != (strcmp(docs[i].name, "SANDBOX_API_TOKEN") != 0))
                printf("# %s in %s\n", option, files[f]);
            CHECK(known == (strcmp(docs[i].name, "SANDBOX_API_TOKEN") != 0));
        }
        free(have);
    }
}

TEST(the_example_file_is_acceptable_with_everything_switched_on)
{
    auto_buf struct buf text = BUF_INIT(0);
    REQUIRE(conf_example(&text, NULL) == 0);
    for (size_t i = 0; i + 9 < text.len; i++)
        if (memcmp(text.data + i, "\n#SANDBOX_", 10) == 0)
            text.data[i + 1] = ' ';
    in_new_folder();
    char *copy = strndup((char *)text.data, text.len);
    write_file("other.env", copy);
    free(copy);
    char path[200];
    snprintf(path, sizeof(path), "%s/other.env", dir);
    char *environ[] = {(char[]){"SANDBOX_RATE_LIMIT=1"}, NULL};
    struct conf_input in = {.env_file = path, .environ = environ};
    struct conf *c = NULL;
    last = (struct err)ERR_INIT;
    int r = conf_load(&in, &c, &last);
    if (r < 0)
        printf("# %s\n", last.text);
    CHECK(r == 0);
    conf_free(c);
    forget_folder();
}

int main(void)
{
    return tap_main();
}
