/* Who may come in: the header, the verdict, what is told, and callers. */
#include "access/access.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "access/internal.h"
#include "catalog/profiles.h"
#include "jwt_maker.h"
#include "json/json.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

static struct err last;
static struct challenge told;
static char dir[] = "/tmp/test_access.XXXXXX";

static char *file_of(const char *name, const char *text, mode_t mode)
{
    char *path = text_of("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    REQUIRE(f && fputs(text, f) >= 0 && fclose(f) == 0 && chmod(path, mode) == 0);
    return path;
}

static char *line_of(const char *name, const char *token, const char *more)
{
    uint8_t hash[TOKEN_HASH];
    char hex[2 * TOKEN_HASH + 1];
    token_hash(token, strlen(token), hash);
    for (size_t i = 0; i < TOKEN_HASH; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    return text_of("%s sha256:%s%s\n", name, hex, more);
}

static struct access *open_with(struct access_options o)
{
    last = (struct err)ERR_INIT;
    return access_new(&o, &last);
}

static struct access_options with_oauth(EVP_PKEY *key)
{
    return (struct access_options){
        .oauth_issuer = ISSUER,
        .oauth_resource = RESOURCE,
        .oauth_jwks = file_of("jwks", set_of(key, ""), 0644),
        .profiles = PROFILE_BASIC | PROFILE_DATA_SCIENCE,
        .rate_limit = 60,
    };
}

/* The name of who comes in with @header, or NULL. */
static const char *come_in(struct access *a, const char *header, enum access_verdict want)
{
    struct caller *c = NULL;
    told = (struct challenge){.status = -1};
    enum access_verdict v = access_check(a, header, NOW, &c, &told);
    CHECK(v == want);
    CHECK((v == ACCESS_OK) == (c != NULL) && (v == ACCESS_OK) == (told.status == -1));
    if (v != ACCESS_OK && v != ACCESS_FAILED) {
        CHECK(told.status == (v == ACCESS_INSUFFICIENT ? 403 : 401));
        CHECK(strncmp(told.authenticate, "Bearer realm=\"vivarium\"", 23) == 0);
        CHECK(told.text[0]);
    }
    const char *name = c ? text_of("%s", caller_name(c)) : NULL;
    caller_unref(c);
    return name;
}

static char *bearer_of(const char *token)
{
    return text_of("Bearer %s", token);
}

/* ---- static tokens ---- */

TEST(without_any_token_configured_everybody_is_anonymous)
{
    struct access *a = open_with((struct access_options){.token = (char[]){""}});
    REQUIRE(a && access_is_open(a) && !access_metadata(a));
    CHECK_STR(come_in(a, NULL, ACCESS_OK), "anonymous");
    CHECK_STR(come_in(a, "Bearer whatever", ACCESS_OK), "anonymous");
    CHECK_STR(come_in(a, "Basic eDp5", ACCESS_OK), "anonymous");
    access_free(a);
}

TEST(the_one_token_lets_in_and_nothing_else_does)
{
    char token[] = TOKEN;
    struct access *a = open_with((struct access_options){.token = token});
    REQUIRE(a && !access_is_open(a));
    for (size_t i = 0; i < sizeof(token); i++)
        CHECK(token[i] == '\0'); /* it is not kept */
    CHECK_STR(come_in(a, "Bearer " TOKEN, ACCESS_OK), "token");
    CHECK_STR(come_in(a, "bEARER   " TOKEN " \t", ACCESS_OK), "token");
    static const char *const bad[] = {"Bearer",
                                      "Bearer ",
                                      "Bearer    ",
                                      "Bearer " TOKEN "x",
                                      "Bearer x" TOKEN,
                                      "Bearer 0123456789abcdef0123456789abcde",
                                      "Bearer " TOKEN " " TOKEN,
                                      "Bearer \t" TOKEN,
                                      "Bearer " TOKEN "\n",
                                      "Bearer \"" TOKEN "\"",
                                      "Bearer 0123456789ABCDEF0123456789ABCDEF",
                                      "Bearer \xff\xfe"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        CHECK(!come_in(a, bad[i], ACCESS_BAD_TOKEN));
        CHECK(strstr(told.authenticate, "error=\"invalid_token\""));
        CHECK(!strstr(told.authenticate, "0123") && !strstr(told.text, "0123"));
    }
    static const char *const none[] = {NULL,
                                       "",
                                       "Basic " TOKEN,
                                       TOKEN,
                                       "Bearer" TOKEN,
                                       " Bearer " TOKEN,
                                       "BearerX " TOKEN,
                                       "Bearer\t" TOKEN,
                                       "Bearer," TOKEN};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        CHECK(!come_in(a, none[i], ACCESS_NO_TOKEN));
        CHECK(!strstr(told.authenticate, "error"));
    }
    access_free(a);
}

TEST(a_token_of_a_megabyte_is_refused)
{
    struct access *a = open_with((struct access_options){.token = (char[]){TOKEN}});
    size_t n = 1 << 20;
    char *header = malloc(n + 1);
    memset(header, 'a', n);
    header[n] = '\0';
    memcpy(header, "Bearer ", 7);
    CHECK(!come_in(a, header, ACCESS_BAD_TOKEN));
    CHECK(strstr(told.text, "too long"));
    free(header);
    access_free(a);
}

TEST(each_token_of_the_file_is_a_caller_with_its_own_limits)
{
    char *text = text_of("%s%s%s", line_of("one", "token-one", " rate=2 profiles=basic"),
                         line_of("two", "token-two", ""),
                         line_of("old", "token-old", " expires=2027-01-15T07:59:59Z"));
    char *path = file_of("tokens", text, 0600);
    struct access *a = open_with(
        (struct access_options){.token = (char[]){TOKEN}, .tokens_file = path, .rate_limit = 1});
    REQUIRE(a);
    CHECK_STR(come_in(a, "Bearer token-one", ACCESS_OK), "one");
    CHECK_STR(come_in(a, "Bearer token-two", ACCESS_OK), "two");
    CHECK_STR(come_in(a, "Bearer " TOKEN, ACCESS_OK), "token");
    CHECK(!come_in(a, "Bearer token-old", ACCESS_BAD_TOKEN)); /* a second ago */
    CHECK(strstr(told.text, "expired"));
    CHECK(!come_in(a, "Bearer token-three", ACCESS_BAD_TOKEN));
    struct caller *one = NULL, *two = NULL, *again = NULL;
    REQUIRE(access_check(a, "Bearer token-one", NOW, &one, &told) == ACCESS_OK);
    REQUIRE(access_check(a, "Bearer token-two", NOW, &two, &told) == ACCESS_OK);
    REQUIRE(access_check(a, "Bearer token-one", NOW, &again, &told) == ACCESS_OK);
    CHECK(one == again && one != two);
    CHECK(caller_profiles(one) == PROFILE_BASIC && caller_profiles(two) == PROFILE_ALL);
    unsigned wait = 0;
    CHECK(caller_admit(one, 1, &wait) && caller_admit(one, 1, &wait));
    CHECK(!caller_admit(again, 1, &wait) && wait == 30);
    CHECK(caller_admit(two, 1, &wait) && !caller_admit(two, 1, &wait) && wait == 60);
    caller_unref(one);
    caller_unref(two);
    caller_unref(again);
    access_free(a);
}

TEST(a_token_expires_at_its_second)
{
    char *path = file_of("tokens", line_of("x", "t", " expires=2027-01-15T08:00:01Z"), 0600);
    struct access *a = open_with((struct access_options){.tokens_file = path});
    struct caller *c = NULL;
    REQUIRE(a);
    CHECK(access_check(a, "Bearer t", NOW, &c, &told) == ACCESS_OK); /* 2027-01-15T08:00:00Z */
    caller_unref(c);
    CHECK(access_check(a, "Bearer t", NOW + 1, &c, &told) == ACCESS_BAD_TOKEN);
    access_free(a);
}

/* ---- files ---- */

static bool refused_file(const char *path, const char *why)
{
    struct access *a = open_with((struct access_options){.tokens_file = path});
    bool bad = !a && strstr(last.text, why) && strstr(last.text, "SANDBOX_TOKENS_FILE=");
    if (!bad)
        printf("# %s: %s\n", path, last.text);
    access_free(a);
    return bad;
}

TEST(a_file_that_others_may_read_or_write_is_refused_and_says_what_to_do)
{
    char *line = line_of("x", "t", "");
    CHECK(refused_file(file_of("a", line, 0644), "chmod o-r"));
    CHECK(refused_file(file_of("b", line, 0604), "chmod o-r"));
    CHECK(refused_file(file_of("c", line, 0620), "chmod go-w"));
    CHECK(refused_file(file_of("d", line, 0602), "chmod go-w"));
    CHECK(refused_file(file_of("e", line, 0666), "chmod"));
    struct access *a = open_with((struct access_options){.tokens_file = file_of("f", line, 0640)});
    CHECK(a); /* its group may read it */
    access_free(a);
}

TEST(what_is_no_file_of_ours_is_refused)
{
    char *fifo = text_of("%s/fifo", dir);
    CHECK(refused_file(text_of("%s/none", dir), "No such file"));
    CHECK(refused_file(dir, "not a regular file"));
    CHECK(mkfifo(fifo, 0600) == 0 && refused_file(fifo, "not a regular file"));
    CHECK(refused_file("/dev/null", "not a regular file"));
    char *link = text_of("%s/link", dir);
    char *good = file_of("good", line_of("x", "t", ""), 0600);
    CHECK(symlink(good, link) == 0); /* a link is as good as what it leads to */
    struct access *a = open_with((struct access_options){.tokens_file = link});
    CHECK(a);
    access_free(a);
    if (geteuid() != 0)
        SKIP("needs root to give a file away");
    CHECK(chown(good, 12345, 12345) == 0 && refused_file(good, "another user"));
}

TEST(a_file_that_lets_nobody_in_or_cannot_be_understood_is_refused)
{
    CHECK(refused_file(file_of("a", "# nobody\n\n", 0600), "holds no token"));
    CHECK(refused_file(file_of("b", "x\n", 0600), "line 1"));
    char *big = malloc(TOKENS_MAX_BYTES + 2);
    memset(big, '\n', TOKENS_MAX_BYTES + 1);
    big[TOKENS_MAX_BYTES + 1] = '\0';
    CHECK(refused_file(file_of("c", big, 0600), "longer than"));
    free(big);
    char *same = file_of("d", line_of("x", TOKEN, ""), 0600);
    struct access *a =
        open_with((struct access_options){.token = (char[]){TOKEN}, .tokens_file = same});
    CHECK(!a && strstr(last.text, "SANDBOX_API_TOKEN as well"));
}

/* ---- OAuth ---- */

TEST(an_access_token_lets_its_subject_in_with_what_its_scopes_permit)
{
    static const struct {
        const char *scope;
        unsigned want;
    } cases[] = {
        {"execute", PROFILE_BASIC},
        {"execute:network", PROFILE_BASIC | PROFILE_NETWORK},
        {"a execute:data_science execute:filesystem",
         PROFILE_BASIC | PROFILE_DATA_SCIENCE | PROFILE_FILESYSTEM},
        {"execute:all", PROFILE_ALL},
        {"execute:basic", PROFILE_BASIC},
    };
    struct access *a = open_with(with_oauth(ed_key));
    REQUIRE(a && !access_is_open(a));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct caller *c = NULL;
        char *claims = text_of("{\"iss\":\"" ISSUER "\",\"aud\":\"" RESOURCE "\",\"sub\":\"alice\","
                               "\"exp\":1800000300,\"scope\":\"%s\"}",
                               cases[i].scope);
        char *token = token_signed(ed_key, 0, "{\"alg\":\"EdDSA\"}", claims);
        CHECK(access_check(a, bearer_of(token), NOW, &c, &told) == ACCESS_OK);
        CHECK(c && caller_profiles(c) == cases[i].want);
        CHECK_STR(c ? caller_name(c) : NULL, "sub:alice");
        caller_unref(c);
    }
    access_free(a);
}

static char *token_with_scope(const char *member)
{
    return bearer_of(
        token_signed(ed_key, 0, "{\"alg\":\"EdDSA\"}",
                     text_of("{\"iss\":\"" ISSUER "\",\"aud\":\"" RESOURCE "\",\"sub\":\"alice\","
                             "\"exp\":1800000300%s}",
                             member)));
}

TEST(a_good_token_without_the_scope_is_told_which_one)
{
    static const char *const members[] = {"",
                                          ",\"scope\":\"\"",
                                          ",\"scope\":\"openid Execute\"",
                                          ",\"scope\":\"execute:\"",
                                          ",\"scope\":\"execute:everything\"",
                                          ",\"scope\":\"executeall\"",
                                          ",\"scp\":[]"};
    struct access *a = open_with(with_oauth(ed_key));
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        CHECK(!come_in(a, token_with_scope(members[i]), ACCESS_INSUFFICIENT));
        CHECK(strstr(told.authenticate, "error=\"insufficient_scope\""));
        CHECK(strstr(told.authenticate, "scope=\"execute\""));
    }
    access_free(a);
}

TEST(the_challenge_leads_to_the_metadata)
{
    static const char url[] = "resource_metadata=\"https://sandbox.example.org/.well-known/"
                              "oauth-protected-resource/mcp\"";
    struct access *a = open_with(with_oauth(rsa_key));
    CHECK(!come_in(a, NULL, ACCESS_NO_TOKEN));
    CHECK(strstr(told.authenticate, url) && !strstr(told.authenticate, "error"));
    CHECK(strstr(told.authenticate, "scope=\"execute execute:data_science\""));
    CHECK(!come_in(a, "Bearer x.y.z", ACCESS_BAD_TOKEN));
    CHECK(strstr(told.authenticate, url) && strstr(told.authenticate, "error_description=\"The "));
    access_free(a);
    struct access_options o = with_oauth(rsa_key);
    o.oauth_resource = "http://localhost:9000/";
    a = open_with(o);
    come_in(a, NULL, ACCESS_NO_TOKEN);
    CHECK(strstr(told.authenticate,
                 "=\"http://localhost:9000/.well-known/oauth-protected-resource\""));
    access_free(a);
    o.oauth_resource = "http://localhost:9000";
    a = open_with(o);
    come_in(a, NULL, ACCESS_NO_TOKEN);
    CHECK(strstr(told.authenticate,
                 "=\"http://localhost:9000/.well-known/oauth-protected-resource\""));
    access_free(a);
}

TEST(the_longest_address_fits_into_the_challenge)
{
    char url[513] = "https://sandbox.example.org/";
    memset(url + strlen(url), 'x', sizeof(url) - 1 - strlen(url));
    struct access_options o = with_oauth(rsa_key);
    o.oauth_resource = url;
    o.profiles = PROFILE_ALL;
    struct access *a = open_with(o);
    CHECK(!come_in(a, "Bearer x.y.z", ACCESS_BAD_TOKEN));
    CHECK(told.authenticate[strlen(told.authenticate) - 1] == '"');
    CHECK(strstr(told.authenticate, "xxxx\"") && strlen(told.authenticate) < 1000);
    access_free(a);
}

TEST(the_metadata_says_whom_to_ask_and_for_what)
{
    static const struct json_limits limits = {4096, 4, 64};
    struct access *a = open_with(with_oauth(rsa_key));
    const char *text = access_metadata(a);
    REQUIRE(text);
    auto_json json_t *o = json_parse(text, strlen(text), &limits, NULL);
    REQUIRE(json_is_object(o));
    CHECK_STR(json_string_value(json_object_get(o, "resource")), RESOURCE);
    CHECK_STR(json_string_value(json_array_get(json_object_get(o, "authorization_servers"), 0)),
              ISSUER);
    CHECK_STR(json_string_value(json_array_get(json_object_get(o, "bearer_methods_supported"), 0)),
              "header");
    CHECK(json_array_size(json_object_get(o, "scopes_supported")) == 2);
    access_free(a);
}

TEST(static_tokens_and_oauth_may_stand_side_by_side)
{
    struct access_options o = with_oauth(ed_key);
    o.token = (char[]){TOKEN};
    o.tokens_file = file_of("tokens", line_of("ci", "a.b.c", ""), 0600);
    struct access *a = open_with(o);
    REQUIRE(a);
    CHECK_STR(come_in(a, "Bearer " TOKEN, ACCESS_OK), "token");
    CHECK_STR(come_in(a, "Bearer a.b.c", ACCESS_OK), "ci");
    CHECK_STR(come_in(a, token_with_scope(",\"scope\":\"execute\""), ACCESS_OK), "sub:alice");
    CHECK(!come_in(a, "Bearer a.b.d", ACCESS_BAD_TOKEN));
    access_free(a);
}

TEST(half_an_oauth_configuration_and_bad_key_files_are_refused)
{
    struct access_options o = with_oauth(rsa_key);
    o.oauth_issuer = NULL;
    CHECK(!open_with(o) && strstr(last.text, "all of SANDBOX_OAUTH_ISSUER"));
    o = with_oauth(rsa_key);
    o.oauth_jwks = file_of("bad", "{\"keys\":[]}", 0644);
    CHECK(!open_with(o) && strstr(last.text, "SANDBOX_OAUTH_JWKS=") && strstr(last.text, "0 keys"));
    o.oauth_jwks = file_of("bad", set_of(rsa_key, ""), 0666);
    CHECK(!open_with(o) && strstr(last.text, "chmod go-w"));
    o.oauth_jwks = file_of(
        "noted",
        text_of("{\"keys\":[{%s},{\"kty\":\"EC\",\"crv\":\"P-521\"}]}", members_of(rsa_key)), 0644);
    struct access *a = open_with(o);
    REQUIRE(a && access_notes(a)->len == 1);
    CHECK(strstr(access_notes(a)->items[0], "key 2 is not used"));
    access_free(a);
}

/* ---- callers ---- */

static unsigned freed;
static void count_freed(void *data)
{
    freed += *(unsigned *)data;
}

TEST(data_of_a_caller_is_freed_with_it)
{
    static unsigned one = 1;
    struct access *a = open_with((struct access_options){.token = (char[]){TOKEN}});
    struct caller *c = NULL;
    REQUIRE(access_check(a, "Bearer " TOKEN, NOW, &c, &told) == ACCESS_OK);
    CHECK(!caller_data(c));
    caller_set_data(c, &one, count_freed);
    CHECK(caller_data(c) == &one);
    caller_unref(c);
    CHECK(freed == 0);
    access_free(a);
    CHECK(freed == 1);
    caller_unref(NULL);
    access_free(NULL);
}

TEST(the_same_subject_with_other_scopes_has_the_same_allowance)
{
    struct callers all;
    unsigned wait = 0;
    callers_init(&all);
    struct caller *a = callers_find(&all, "alice", PROFILE_BASIC, 2);
    struct caller *b = callers_find(&all, "alice", PROFILE_ALL, 2);
    struct caller *c = callers_find(&all, "bob", PROFILE_BASIC, 2);
    CHECK(a && b && c && a != b && b != c && all.len == 3);
    CHECK(callers_find(&all, "alice", PROFILE_BASIC, 2) == a);
    CHECK_STR(caller_name(a), caller_name(b));
    CHECK(caller_admit(a, 1, &wait) && caller_admit(b, 1, &wait));
    CHECK(!caller_admit(a, 1, &wait) && !caller_admit(b, 1, &wait));
    CHECK(caller_admit(c, 1, &wait));
    callers_done(&all);
}

TEST(names_of_subjects_are_plain_and_differ)
{
    static const char *const subjects[] = {"alice",
                                           "Alice",
                                           "alice ",
                                           " alice",
                                           "ali\xc3\xa7"
                                           "e",
                                           "a\nb",
                                           "a b",
                                           "\x7f",
                                           "sub:alice",
                                           "sub~alice"};
    struct callers all;
    callers_init(&all);
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
        struct caller *c = callers_find(&all, subjects[i], PROFILE_BASIC, 0);
        REQUIRE(c);
        CHECK(strncmp(caller_name(c), "sub", 3) == 0 && strlen(caller_name(c)) <= CALLER_NAME_MAX);
        for (const char *p = caller_name(c); *p; p++)
            CHECK(*p > 0x20 && *p < 0x7f);
        struct caller *other;
        TAILQ_FOREACH(other, &all.ages, by_age) {
            CHECK(other == c || strcmp(other->name, c->name) != 0);
        }
    }
    char longest[256];
    memset(longest, 'x', 255);
    longest[255] = '\0';
    struct caller *c = callers_find(&all, longest, PROFILE_BASIC, 0);
    CHECK(c && strncmp(caller_name(c), "sub~", 4) == 0);
    callers_done(&all);
}

TEST(the_number_of_subjects_is_bounded_and_those_in_use_are_kept)
{
    struct callers all;
    char name[32];
    callers_init(&all);
    struct caller *held = caller_ref(callers_find(&all, "held", PROFILE_BASIC, 0));
    struct caller *first = callers_find(&all, "first", PROFILE_BASIC, 0);
    static unsigned one = 1;
    caller_set_data(first, &one, count_freed);
    freed = 0;
    for (int i = 0; i < ACCESS_MAX_CALLERS - 1; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        REQUIRE(callers_find(&all, name, PROFILE_BASIC, 0));
    }
    CHECK(all.len == ACCESS_MAX_CALLERS && freed == 1); /* the oldest that nobody uses */
    CHECK(callers_find(&all, "held", PROFILE_BASIC, 0) == held);
    struct caller *c;
    TAILQ_FOREACH(c, &all.ages, by_age) {
        caller_ref(c);
    }
    CHECK(!callers_find(&all, "one too many", PROFILE_BASIC, 0));
    CHECK(callers_find(&all, "s7", PROFILE_BASIC, 0));
    CHECK(all.len == ACCESS_MAX_CALLERS);
    callers_done(&all);
}

int main(void)
{
    if (!mkdtemp(dir))
        return 2;
    make_keys();
    int r = tap_main();
    if (system(text_of("rm -rf %s", dir)) != 0)
        return 2;
    return r;
}
