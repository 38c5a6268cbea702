/* What decides who may come in: the tokens file, JWK sets, access tokens, their claims, and the
 * header that brings them. The first byte says which ('f' to 'k' in the corpus); the rest is its
 * text. */
#include <string.h>

#include "access/access.h"
#include "access/b64url.h"
#include "access/jwt.h"
#include "access/tokens.h"
#include "base/str.h"
#include "catalog/profiles.h"
#include "fuzz.h"

/* The public key of RFC 8037, appendix A. What it signed there has no claims, so no token that
 * anybody can make is good. */
static const char key_set[] = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":"
                              "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

static const struct jwt_expected expected = {
    .issuer = "https://a.example", .audience = "https://b.example/mcp", .now_s = 1800000000};

static void check_error(const struct err *err)
{
    FUZZ_CHECK(err->code == ERR_INVALID || err->code == ERR_LIMIT);
    FUZZ_CHECK(err->text[0] && utf8_valid(err->text, strlen(err->text)));
}

/* What was understood, written and read again is the same. */
static void fuzz_tokens(const char *text, size_t n)
{
    auto_token_list struct token_list list = {0};
    auto_token_list struct token_list again = {0};
    auto_buf struct buf out = BUF_INIT(0);
    struct err err = ERR_INIT;
    if (tokens_parse(text, n, &list, &err) < 0) {
        FUZZ_CHECK(list.len == 0);
        check_error(&err);
        return;
    }
    for (size_t i = 0; i < list.len; i++) {
        FUZZ_CHECK(list.items[i].name[0] && list.items[i].profiles & PROFILE_BASIC);
        FUZZ_CHECK(token_write_line(&list.items[i], &out, NULL) == 0);
    }
    if (out.len > TOKENS_MAX_BYTES)
        return;
    FUZZ_CHECK(tokens_parse((const char *)out.data, out.len, &again, &err) == 0);
    FUZZ_CHECK(again.len == list.len);
    for (size_t i = 0; i < list.len; i++)
        FUZZ_CHECK(memcmp(&list.items[i], &again.items[i], sizeof(list.items[i])) == 0);
}

static void fuzz_keys(const char *text, size_t n)
{
    struct jwks *set = NULL;
    struct err err = ERR_INIT;
    if (jwks_parse(text, n, &set, &err) < 0) {
        FUZZ_CHECK(!set);
        check_error(&err);
        return;
    }
    FUZZ_CHECK(set->len > 0 && set->len <= JWKS_MAX_KEYS);
    for (size_t i = 0; i < set->len; i++)
        FUZZ_CHECK(set->keys[i].pkey && EVP_PKEY_get_bits(set->keys[i].pkey) >= 253);
    jwks_free(set);
}

static void fuzz_claims(const char *text, size_t n)
{
    auto_jwt_claims struct jwt_claims claims = {0};
    struct err err = ERR_INIT;
    if (claims_read(text, n, &expected, &claims, &err) < 0) {
        FUZZ_CHECK(claims.scopes.len == 0 && claims.scopes.items == NULL);
        check_error(&err);
        FUZZ_CHECK(!strpbrk(err.text, "\"\\"));
        return;
    }
    FUZZ_CHECK(claims.sub[0] && strlen(claims.sub) <= JWT_MAX_SUB);
}

static void fuzz_token(const char *text, size_t n)
{
    static struct jwks *set;
    struct jwt_claims claims = {0};
    struct err err = ERR_INIT;
    if (!set)
        FUZZ_CHECK(jwks_parse(key_set, strlen(key_set), &set, NULL) == 0);
    FUZZ_CHECK(jwt_verify(set, text, n, &expected, &claims, &err) < 0);
    check_error(&err);
    FUZZ_CHECK(!strpbrk(err.text, "\"\\"));
}

static void fuzz_header(const char *text, size_t n)
{
    static struct access *a;
    if (!a) {
        struct access_options o = {.token = (char[]){"0123456789abcdef0123456789abcdef"}};
        a = access_new(&o, NULL);
    }
    char *header = strndup(text, n);
    struct caller *caller = NULL;
    struct challenge told = {0};
    FUZZ_CHECK(a && header);
    if (access_check(a, header, 1800000000, &caller, &told) == ACCESS_OK) {
        FUZZ_CHECK(caller && strstr(header, "0123456789abcdef0123456789abcdef"));
        caller_unref(caller);
    } else {
        FUZZ_CHECK(!caller && told.status == 401 && told.text[0]);
        for (const char *p = told.authenticate; *p; p++)
            FUZZ_CHECK(*p >= 0x20 && *p < 0x7f);
    }
    free(header);
}

/* One text for some bytes. */
static void fuzz_base64(const char *text, size_t n)
{
    uint8_t data[4096];
    char again[B64URL_LEN(sizeof(data)) + 1];
    ssize_t len = b64url_decode(text, n, data, sizeof(data));
    if (len < 0)
        return;
    b64url_encode(data, (size_t)len, again);
    FUZZ_CHECK(strlen(again) == n && memcmp(again, text, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static void (*const targets[])(const char *, size_t) = {fuzz_tokens, fuzz_keys,   fuzz_claims,
                                                            fuzz_token,  fuzz_header, fuzz_base64};
    if (n > 0)
        targets[data[0] % ARRAY_LEN(targets)]((const char *)data + 1, n - 1);
    return 0;
}
