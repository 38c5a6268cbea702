/* Who may come in: see access.h. Runs in the server. What it is asked about comes from anybody who
 * can reach the port; what it compares with was read from the operator's files at start.
 *
 * The threat is a guess: tokens are kept as digests, and every digest is compared with every entry
 * to the last byte, so that time tells nothing about how near a guess was. */
#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "access/internal.h"
#include "access/jwt.h"
#include "access/trusted_file.h"
#include "catalog/profiles.h"
#include "sys/clock.h"

#define NO_MEMORY "The server has no memory to look at the token; try again"

/* One bearer token. */
struct door {
    uint8_t hash[TOKEN_HASH];
    uint64_t expires_s; /* 0 = never */
    struct caller *caller;
};

struct access {
    struct door *doors;
    size_t doors_len;
    char *issuer, *resource;  /* with keys */
    struct jwks *keys;        /* NULL: no OAuth */
    struct caller *anonymous; /* only when there is no other way in */
    struct callers subjects;
    struct challenges challenges;
    struct strv notes;
    unsigned rate_limit;
};

/* ---- construction ---- */

static int add_door(struct access *a, const struct token_entry *e, struct err *err)
{
    struct door *doors = realloc(a->doors, (a->doors_len + 1) * sizeof(*doors));
    if (!doors)
        return err_nomem(err);
    a->doors = doors;
    struct caller *c =
        caller_new(e->name, e->profiles, e->has_rate ? e->rate : a->rate_limit, NULL);
    if (!c)
        return err_nomem(err);
    struct door *d = &doors[a->doors_len++];
    *d = (struct door){.expires_s = e->expires_s, .caller = c};
    memcpy(d->hash, e->hash, sizeof(d->hash));
    return 0;
}

static int add_token(struct access *a, char *token, struct err *err)
{
    struct token_entry e = {.name = "token", .profiles = PROFILE_ALL};
    if (str_empty(token))
        return 0;
    if (token_hash(token, strlen(token), e.hash) < 0)
        return err_nomem(err);
    explicit_bzero(token, strlen(token));
    return add_door(a, &e, err);
}

static int note_expired(struct access *a, const char *path, struct err *err)
{
    auto_buf struct buf text = BUF_INIT(0);
    if (buf_addf(&text, err,
                 "SANDBOX_TOKENS_FILE=%s: every token in it has expired, so none lets anybody in; "
                 "`vivarium token NAME --expires WHEN` makes another",
                 path) < 0 ||
        buf_add(&text, "", 1, err) < 0)
        return -1;
    return strv_add(&a->notes, (const char *)text.data, err);
}

static int add_file(struct access *a, const char *path, struct err *err)
{
    auto_buf struct buf text = BUF_INIT(TOKENS_MAX_BYTES);
    auto_token_list struct token_list list = {0};
    if (!path)
        return 0;
    if (trusted_file_read(path, true, &text, err) < 0 ||
        tokens_parse((const char *)text.data, text.len, &list, err) < 0)
        return err_prefix(err, "SANDBOX_TOKENS_FILE=%s", path);
    if (list.len == 0)
        return err_set(err, ERR_INVALID,
                       "SANDBOX_TOKENS_FILE=%s: it holds no token, so nobody could come in; "
                       "`vivarium token NAME` makes one",
                       path);
    uint64_t now_s = clock_unix_ms() / 1000;
    bool all_expired = true;
    for (size_t i = 0; i < list.len; i++)
        all_expired &= list.items[i].expires_s != 0 && list.items[i].expires_s <= now_s;
    if (all_expired && note_expired(a, path, err) < 0)
        return -1;
    for (size_t i = 0; i < list.len; i++) {
        if (a->doors_len > 0 && memcmp(a->doors[0].hash, list.items[i].hash, TOKEN_HASH) == 0)
            return err_set(
                err, ERR_INVALID,
                "SANDBOX_TOKENS_FILE=%s: the token of '%s' is SANDBOX_API_TOKEN as well; "
                "which one is meant cannot be told",
                path, list.items[i].name);
        if (add_door(a, &list.items[i], err) < 0)
            return -1;
    }
    return 0;
}

static int add_oauth(struct access *a, const struct access_options *o, struct err *err)
{
    auto_buf struct buf text = BUF_INIT(JWKS_MAX_BYTES);
    if (!o->oauth_issuer && !o->oauth_resource && !o->oauth_jwks)
        return 0;
    if (!o->oauth_issuer || !o->oauth_resource || !o->oauth_jwks)
        return err_set(err, ERR_INVALID,
                       "OAuth needs all of SANDBOX_OAUTH_ISSUER, SANDBOX_OAUTH_RESOURCE and "
                       "SANDBOX_OAUTH_JWKS");
    if (trusted_file_read(o->oauth_jwks, false, &text, err) < 0 ||
        jwks_parse((const char *)text.data, text.len, &a->keys, err) < 0)
        return err_prefix(err, "SANDBOX_OAUTH_JWKS=%s", o->oauth_jwks);
    for (size_t i = 0; i < a->keys->notes.len; i++)
        if (strv_add(&a->notes, a->keys->notes.items[i], err) < 0)
            return -1;
    a->issuer = strdup(o->oauth_issuer);
    a->resource = strdup(o->oauth_resource);
    return a->issuer && a->resource ? 0 : err_nomem(err);
}

/* OpenSSL reads its configuration when it is first used, which must be before the server seals
 * itself: later it could not, and would go by its defaults without a word. */
static int wake_openssl(struct err *err)
{
    uint8_t hash[TOKEN_HASH];
    return token_hash("", 0, hash) < 0
               ? err_set(err, ERR_UNSUPPORTED, "this OpenSSL, as it is configured, has no SHA-256")
               : 0;
}

static int open_doors(struct access *a, const struct access_options *o, struct err *err)
{
    a->rate_limit = o->rate_limit;
    if (wake_openssl(err) < 0)
        return -1;
    if (add_token(a, o->token, err) < 0 || add_file(a, o->tokens_file, err) < 0 ||
        add_oauth(a, o, err) < 0 || challenges_init(&a->challenges, o, err) < 0)
        return -1;
    if (a->doors_len > 0 || a->keys)
        return 0;
    a->anonymous = caller_new("anonymous", PROFILE_ALL, o->rate_limit, NULL);
    return a->anonymous ? 0 : err_nomem(err);
}

struct access *access_new(const struct access_options *options, struct err *err)
{
    struct access *a = calloc(1, sizeof(*a));
    if (!a) {
        err_nomem(err);
        return NULL;
    }
    callers_init(&a->subjects);
    if (open_doors(a, options, err) < 0) {
        access_free(a);
        return NULL;
    }
    return a;
}

void access_free(struct access *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->doors_len; i++)
        caller_free(a->doors[i].caller);
    free(a->doors);
    caller_free(a->anonymous);
    callers_done(&a->subjects);
    challenges_done(&a->challenges);
    jwks_free(a->keys);
    strv_done(&a->notes);
    free(a->issuer);
    free(a->resource);
    free(a);
}

bool access_is_open(const struct access *a)
{
    return a->anonymous != NULL;
}

const struct strv *access_notes(const struct access *a)
{
    return &a->notes;
}

const char *access_metadata(const struct access *a)
{
    return a->challenges.metadata;
}

/* ---- a request ---- */

/* The token behind "Bearer", its length in @ret_n; NULL when the header is of another scheme. */
static const char *bearer(const char *authorization, size_t *ret_n)
{
    static const char scheme[] = "Bearer";
    size_t n = strlen(scheme);
    if (strncasecmp(authorization, scheme, n) != 0 ||
        (authorization[n] != ' ' && authorization[n] != '\0'))
        return NULL;
    const char *token = authorization + n + strspn(authorization + n, " ");
    size_t len = strlen(token);
    while (len > 0 && (token[len - 1] == ' ' || token[len - 1] == '\t'))
        len--;
    *ret_n = len;
    return token;
}

/* Why @token cannot be one, or NULL. */
static const char *malformed(const char *token, size_t n)
{
    if (n == 0)
        return "The token is missing behind Bearer";
    if (n > ACCESS_MAX_TOKEN)
        return "The token is too long";
    for (size_t i = 0; i < n; i++)
        if (token[i] <= 0x20 || token[i] >= 0x7f)
            return "The token holds a character that no token has";
    return NULL;
}

/* Every entry is looked at, and to its end. */
static const struct door *find_door(const struct access *a, const uint8_t hash[TOKEN_HASH])
{
    size_t found = 0;
    for (size_t i = 0; i < a->doors_len; i++) {
        size_t same = CRYPTO_memcmp(a->doors[i].hash, hash, TOKEN_HASH) == 0;
        found |= (i + 1) * same;
    }
    return found ? &a->doors[found - 1] : NULL;
}

static enum access_verdict check_jwt(struct access *a, const char *token, size_t n, uint64_t unix_s,
                                     struct caller **ret, struct challenge *ret_challenge)
{
    struct err err = ERR_INIT;
    auto_jwt_claims struct jwt_claims claims = {0};
    const struct jwt_expected expected = {
        .issuer = a->issuer, .audience = a->resource, .now_s = unix_s};
    if (jwt_verify(a->keys, token, n, &expected, &claims, &err) < 0) {
        if (err.code == ERR_NOMEM)
            return challenge_set(&a->challenges, ACCESS_FAILED, NO_MEMORY, ret_challenge);
        return challenge_set(&a->challenges, ACCESS_BAD_TOKEN, err.text, ret_challenge);
    }
    unsigned permitted = scopes_profiles(&claims.scopes);
    if (!permitted)
        return challenge_set(&a->challenges, ACCESS_INSUFFICIENT,
                             "The token does not have the scope execute, which this server wants",
                             ret_challenge);
    struct caller *c = callers_find(&a->subjects, claims.sub, permitted, a->rate_limit);
    if (!c)
        return challenge_set(&a->challenges, ACCESS_FAILED,
                             "The server has no room for another caller; try again", ret_challenge);
    *ret = caller_ref(c);
    return ACCESS_OK;
}

enum access_verdict access_check(struct access *a, const char *authorization, uint64_t unix_s,
                                 struct caller **ret, struct challenge *ret_challenge)
{
    const struct challenges *c = &a->challenges;
    uint8_t hash[TOKEN_HASH];
    size_t n = 0;
    if (a->anonymous) {
        *ret = caller_ref(a->anonymous);
        return ACCESS_OK;
    }
    const char *token = authorization ? bearer(authorization, &n) : NULL;
    if (!token)
        return challenge_set(c, ACCESS_NO_TOKEN,
                             "This server wants a token: send the header Authorization: Bearer "
                             "TOKEN",
                             ret_challenge);
    const char *why = malformed(token, n);
    if (why)
        return challenge_set(c, ACCESS_BAD_TOKEN, why, ret_challenge);
    if (token_hash(token, n, hash) < 0)
        return challenge_set(c, ACCESS_FAILED, NO_MEMORY, ret_challenge);
    const struct door *d = find_door(a, hash);
    if (!d && a->keys)
        return check_jwt(a, token, n, unix_s, ret, ret_challenge);
    if (!d)
        return challenge_set(c, ACCESS_BAD_TOKEN, "The token is not known to this server",
                             ret_challenge);
    if (d->expires_s && unix_s >= d->expires_s)
        return challenge_set(c, ACCESS_BAD_TOKEN, "The token has expired", ret_challenge);
    *ret = caller_ref(d->caller);
    return ACCESS_OK;
}
