/* The parser of JWK sets: see jwks.h. Runs in the server at start. The file has been found to
 * belong to somebody who may decide, but usually it is a copy of what another server published, so
 * it is read like hostile text. */
#include "access/jwks.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "access/b64url.h"
#include "base/buf.h"
#include "json/json.h"

#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 8192 /* a larger one makes every check slow */
#define P256_BYTES   32
#define ED25519_LEN  32

static const struct json_limits limits = {
    .max_bytes = JWKS_MAX_BYTES, .max_depth = 8, .max_items = 4096};

enum jwt_alg jwt_alg_find(const char *name)
{
    static const char *const names[] = {"RS256", "PS256", "ES256", "EdDSA"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(name, names[i]))
            return (enum jwt_alg)(ALG_RS256 + i);
    return ALG_NONE;
}

static bool kind_fits(enum jwk_kind kind, enum jwt_alg alg)
{
    switch (kind) {
    case JWK_RSA:
        return alg == ALG_RS256 || alg == ALG_PS256;
    case JWK_P256:
        return alg == ALG_ES256;
    case JWK_ED25519:
        return alg == ALG_EDDSA;
    }
    return false;
}

bool jwk_fits(const struct jwk *key, enum jwt_alg alg)
{
    return kind_fits(key->kind, alg) && (key->alg == ALG_NONE || key->alg == alg);
}

static void jwk_done(struct jwk *k)
{
    free(k->kid);
    EVP_PKEY_free(k->pkey);
    *k = (struct jwk){0};
}

void jwks_free(struct jwks *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->len; i++)
        jwk_done(&set->keys[i]);
    strv_done(&set->notes);
    free(set);
}
DEFINE_AUTO(struct jwks, jwks, jwks_free);

/* ---- from numbers to a key ---- */

/* The bytes of member @name into @out. The number of them, or -1. */
static ssize_t member_bytes(const json_t *o, const char *name, uint8_t *out, size_t cap)
{
    const char *text = json_plain_string(json_object_get(o, name));
    return text ? b64url_decode(text, strlen(text), out, cap) : -1;
}

static EVP_PKEY *key_from(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!ctx || EVP_PKEY_fromdata_init(ctx) <= 0 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_CTX *check = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
    if (key && (!check || EVP_PKEY_public_check(check) <= 0)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    EVP_PKEY_CTX_free(check);
    ERR_clear_error();
    return key;
}

/* OSSL_PARAM numbers are in the machine's order; both of ours are little-endian. */
static void reverse(uint8_t *p, size_t n)
{
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "x86-64 and aarch64");
    for (size_t i = 0; i < n / 2; i++) {
        uint8_t t = p[i];
        p[i] = p[n - 1 - i];
        p[n - 1 - i] = t;
    }
}

static int rsa_key(const json_t *o, struct jwk *k, struct err *err)
{
    uint8_t n[RSA_MAX_BITS / 8];
    uint8_t e[8];
    ssize_t n_len = member_bytes(o, "n", n, sizeof(n));
    ssize_t e_len = member_bytes(o, "e", e, sizeof(e));
    if (n_len <= 0 || e_len <= 0 || n[0] == 0 || e[0] == 0)
        return err_set(err, ERR_INVALID,
                       "n and e must be base64url numbers without leading zeros, n of at most %d "
                       "bits and e of at most 64",
                       RSA_MAX_BITS);
    reverse(n, (size_t)n_len);
    reverse(e, (size_t)e_len);
    OSSL_PARAM params[] = {OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, (size_t)n_len),
                           OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e, (size_t)e_len),
                           OSSL_PARAM_construct_end()};
    k->pkey = key_from("RSA", params);
    if (!k->pkey)
        return err_set(err, ERR_INVALID, "n and e are no RSA key");
    if (EVP_PKEY_get_bits(k->pkey) < RSA_MIN_BITS)
        return err_set(err, ERR_INVALID, "an RSA key of %d bits is too weak; %d are needed",
                       EVP_PKEY_get_bits(k->pkey), RSA_MIN_BITS);
    return 0;
}

static int p256_key(const json_t *o, struct jwk *k, struct err *err)
{
    char group[] = "prime256v1";
    uint8_t point[1 + 2 * P256_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    if (member_bytes(o, "x", point + 1, P256_BYTES) != P256_BYTES ||
        member_bytes(o, "y", point + 1 + P256_BYTES, P256_BYTES) != P256_BYTES)
        return err_set(err, ERR_INVALID, "x and y must be 32 bytes each in base64url");
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
        OSSL_PARAM_construct_end()};
    k->pkey = key_from("EC", params);
    if (!k->pkey)
        return err_set(err, ERR_INVALID, "x and y are no point on the curve P-256");
    return 0;
}

static int ed25519_key(const json_t *o, struct jwk *k, struct err *err)
{
    uint8_t x[ED25519_LEN];
    if (member_bytes(o, "x", x, sizeof(x)) != ED25519_LEN)
        return err_set(err, ERR_INVALID, "x must be 32 bytes in base64url");
    OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, x, sizeof(x)),
                           OSSL_PARAM_construct_end()};
    k->pkey = key_from("ED25519", params);
    if (!k->pkey)
        return err_set(err, ERR_INVALID, "x is no Ed25519 key");
    return 0;
}

/* ---- one key ---- */

static const char *text_of(const json_t *o, const char *name)
{
    return json_plain_string(json_object_get(o, name));
}

/* 1: one of ours, 0: of a kind that is not ours. */
static int find_kind(const json_t *o, enum jwk_kind *ret)
{
    const char *kty = text_of(o, "kty");
    const char *crv = text_of(o, "crv");
    if (str_eq(kty, "RSA"))
        *ret = JWK_RSA;
    else if (str_eq(kty, "EC") && str_eq(crv, "P-256"))
        *ret = JWK_P256;
    else if (str_eq(kty, "OKP") && str_eq(crv, "Ed25519"))
        *ret = JWK_ED25519;
    else
        return 0;
    return 1;
}

/* Why the key is not for verifying signatures by an algorithm of ours, or NULL. */
static const char *not_for_us(const json_t *o, struct jwk *k)
{
    const json_t *use = json_object_get(o, "use");
    const json_t *ops = json_object_get(o, "key_ops");
    const json_t *alg = json_object_get(o, "alg");
    if (!find_kind(o, &k->kind))
        return "it is neither RSA nor EC on P-256 nor Ed25519";
    if (use && !str_eq(json_plain_string(use), "sig"))
        return "its use is not sig";
    bool verifies = !ops;
    for (size_t i = 0; i < json_array_size(ops); i++)
        verifies = verifies || str_eq(json_plain_string(json_array_get(ops, i)), "verify");
    if (!verifies)
        return "its key_ops do not have verify";
    k->alg = alg ? jwt_alg_find(json_plain_string(alg)) : ALG_NONE;
    if (alg && (k->alg == ALG_NONE || !kind_fits(k->kind, k->alg)))
        return "its alg is none of RS256, PS256, ES256, EdDSA that fits it";
    return NULL;
}

/* A private key here means that whoever reads this file can make tokens. */
static int check_public(const json_t *o, struct err *err)
{
    static const char *const secret[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
    for (size_t i = 0; i < ARRAY_LEN(secret); i++)
        if (json_object_get(o, secret[i]))
            return err_set(err, ERR_INVALID,
                           "it holds a secret (member %s); only public keys belong here, as the "
                           "authorization server publishes them",
                           secret[i]);
    return 0;
}

static int read_kid(const json_t *o, const struct jwks *set, struct jwk *k, struct err *err)
{
    const json_t *v = json_object_get(o, "kid");
    const char *kid = json_plain_string(v);
    if (!v)
        return 0;
    if (!kid || !*kid || strlen(kid) > JWK_MAX_KID)
        return err_set(err, ERR_INVALID, "kid must be a text of 1 to %d bytes", JWK_MAX_KID);
    for (size_t i = 0; i < set->len; i++)
        if (str_eq(set->keys[i].kid, kid))
            return err_set(err, ERR_INVALID, "another key before it has the same kid");
    k->kid = strdup(kid);
    return k->kid ? 0 : err_nomem(err);
}

static int add_key(const json_t *o, size_t number, struct jwks *set, struct err *err)
{
    struct jwk k = {0};
    if (!json_is_object(o))
        return err_set(err, ERR_INVALID, "it is %s, not an object", json_kind(o));
    if (check_public(o, err) < 0)
        return -1;
    const char *why = not_for_us(o, &k);
    if (why) {
        char note[160];
        snprintf(note, sizeof(note), "key %zu is not used: %s", number, why);
        return strv_add(&set->notes, note, err);
    }
    int r = read_kid(o, set, &k, err);
    if (r == 0)
        r = k.kind == JWK_RSA    ? rsa_key(o, &k, err)
            : k.kind == JWK_P256 ? p256_key(o, &k, err)
                                 : ed25519_key(o, &k, err);
    if (r < 0) {
        jwk_done(&k);
        return -1;
    }
    set->keys[set->len++] = k;
    return 0;
}

int jwks_parse(const char *text, size_t n, struct jwks **ret, struct err *err)
{
    auto_json json_t *root = json_parse(text, n, &limits, err);
    if (!root)
        return -1;
    const json_t *keys = json_object_get(root, "keys");
    if (!json_is_array(keys))
        return err_set(err, ERR_INVALID, "it is no JWK set: an object with an array \"keys\"");
    if (json_array_size(keys) > JWKS_MAX_KEYS)
        return err_set(err, ERR_LIMIT, "it has %zu keys; at most %d are allowed",
                       json_array_size(keys), JWKS_MAX_KEYS);
    _cleanup_(auto_jwks_fn) struct jwks *set = calloc(1, sizeof(*set));
    if (!set)
        return err_nomem(err);
    for (size_t i = 0; i < json_array_size(keys); i++)
        if (add_key(json_array_get(keys, i), i + 1, set, err) < 0)
            return err_prefix(err, "key %zu", i + 1);
    if (set->len == 0)
        return err_set(err, ERR_INVALID,
                       "none of its %zu keys can verify RS256, PS256, ES256 or EdDSA%s%s",
                       json_array_size(keys), set->notes.len ? "; " : "",
                       set->notes.len ? set->notes.items[0] : "");
    *ret = take_ptr(set);
    return 0;
}
