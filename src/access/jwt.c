/* The signature of an access token: see jwt.h. Runs in the server, over text from anybody who can
 * reach the port.
 *
 * The threats are those of RFC 8725: a token that chooses its own algorithm (none; HMAC with the
 * public key as the secret), its own key (jwk, jku, x5c in the header), or another issuer's. So the
 * algorithm must be one of four, the key comes from the operator's file, and the algorithm must fit
 * the key. Nothing of the claims is read before the signature is good. */
#include "access/jwt.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>
#include <strings.h>

#include "access/b64url.h"
#include "json/json.h"

#define MAX_HEADER    4096
#define MAX_SIGNATURE 1024 /* RSA of 8192 bits */
#define P256_HALF     32
#define ED25519_SIG   64

static const struct json_limits header_limits = {
    .max_bytes = MAX_HEADER, .max_depth = 4, .max_items = 64};

/* ---- the three parts ---- */

struct parts {
    const char *text[3];
    size_t len[3];
};

static int split(const char *token, size_t n, struct parts *ret, struct err *err)
{
    const char *p = token;
    const char *end = token + n;
    if (n > JWT_MAX_TEXT)
        return err_set(err, ERR_INVALID, "The token is too long");
    for (int i = 0; i < 3; i++) {
        const char *dot = memchr(p, '.', (size_t)(end - p));
        if (!dot)
            dot = end;
        ret->text[i] = p;
        ret->len[i] = (size_t)(dot - p);
        if (ret->len[i] == 0 || (i < 2) != (dot < end))
            return err_set(err, ERR_INVALID, "The token is not known, and it is no signed JWT");
        p = dot < end ? dot + 1 : end;
    }
    return 0;
}

/* A part as bytes, owned by the caller, with a NUL behind them. */
static char *decode(const char *text, size_t n, size_t *ret_len, struct err *err)
{
    char *out = malloc(n + 1);
    if (!out) {
        err_nomem(err);
        return NULL;
    }
    ssize_t len = b64url_decode(text, n, (uint8_t *)out, n);
    if (len < 0) {
        free(out);
        err_set(err, ERR_INVALID, "The token is not well-formed base64url");
        return NULL;
    }
    out[len] = '\0';
    *ret_len = (size_t)len;
    return out;
}

/* ---- the header ---- */

/* RFC 8725, 3.11: a JWT of another kind is not an access token, whoever signed it. */
static bool type_ok(const json_t *header)
{
    static const char *const types[] = {"at+jwt", "application/at+jwt", "JWT"};
    const json_t *v = json_object_get(header, "typ");
    const char *typ = json_plain_string(v);
    for (size_t i = 0; typ && i < ARRAY_LEN(types); i++)
        if (!strcasecmp(typ, types[i]))
            return true;
    return !v;
}

/* The key that the header names, or the only one that fits when it names none. */
static const struct jwk *choose_key(const struct jwks *keys, const json_t *header, enum jwt_alg alg,
                                    struct err *err)
{
    const json_t *v = json_object_get(header, "kid");
    const char *kid = json_plain_string(v);
    const struct jwk *found = NULL;
    size_t n = 0;
    for (size_t i = 0; i < keys->len; i++) {
        const struct jwk *k = &keys->keys[i];
        if (v ? kid && str_eq(kid, k->kid) : jwk_fits(k, alg)) {
            found = k;
            n++;
        }
    }
    if (n == 1 && jwk_fits(found, alg))
        return found;
    if (n == 1)
        err_set(err, ERR_INVALID, "The key of the token is not for its algorithm");
    else if (v)
        err_set(err, ERR_INVALID, "The token names a key (kid) that this server does not have");
    else
        err_set(err, ERR_INVALID,
                n ? "The token names no key (kid), and several would fit"
                  : "No key of this server fits the algorithm of the token");
    return NULL;
}

static const struct jwk *read_header(const struct jwks *keys, const char *json, size_t n,
                                     enum jwt_alg *ret_alg, struct err *err)
{
    struct err why = ERR_INIT;
    auto_json json_t *header = json_parse(json, n, &header_limits, &why);
    if (!json_is_object(header)) {
        if (why.code == ERR_NOMEM)
            err_nomem(err);
        else
            err_set(err, ERR_INVALID, "The header of the token is no JSON object");
        return NULL;
    }
    if (json_object_get(header, "crit") || json_object_get(header, "enc")) {
        err_set(err, ERR_INVALID, "The token demands extensions that this server does not have");
        return NULL;
    }
    *ret_alg = jwt_alg_find(json_plain_string(json_object_get(header, "alg")));
    if (*ret_alg == ALG_NONE) {
        err_set(err, ERR_INVALID,
                "The algorithm of the token is none of RS256, PS256, ES256 and EdDSA");
        return NULL;
    }
    if (!type_ok(header)) {
        err_set(err, ERR_INVALID, "The token is of another type than an access token");
        return NULL;
    }
    return choose_key(keys, header, *ret_alg, err);
}

/* ---- the signature ---- */

/* ES256 signatures are two numbers of 32 bytes; OpenSSL wants them in DER. *ret is the caller's to
 * OPENSSL_free(). 0 = malformed. */
static size_t ecdsa_der(const uint8_t *sig, size_t n, uint8_t **ret)
{
    if (n != 2 * (size_t)P256_HALF)
        return 0;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(sig, P256_HALF, NULL);
    BIGNUM *s = BN_bin2bn(sig + P256_HALF, P256_HALF, NULL);
    int len = 0;
    if (pair && r && s && ECDSA_SIG_set0(pair, r, s)) {
        r = s = NULL;
        *ret = NULL;
        len = i2d_ECDSA_SIG(pair, ret);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return len > 0 ? (size_t)len : 0;
}

static bool set_up(EVP_MD_CTX *ctx, const struct jwk *key, enum jwt_alg alg)
{
    EVP_PKEY_CTX *params = NULL; /* belongs to ctx */
    const EVP_MD *md = alg == ALG_EDDSA ? NULL : EVP_sha256();
    if (EVP_DigestVerifyInit(ctx, &params, md, NULL, key->pkey) <= 0)
        return false;
    if (alg == ALG_RS256)
        return EVP_PKEY_CTX_set_rsa_padding(params, RSA_PKCS1_PADDING) > 0;
    if (alg == ALG_PS256)
        return EVP_PKEY_CTX_set_rsa_padding(params, RSA_PKCS1_PSS_PADDING) > 0 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(params, EVP_sha256()) > 0 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(params, RSA_PSS_SALTLEN_DIGEST) > 0;
    return true;
}

/* Is @sig a signature of the @n bytes at @data? */
static bool signature_ok(const struct jwk *key, enum jwt_alg alg, const char *data, size_t n,
                         const uint8_t *sig, size_t sig_len)
{
    uint8_t *der = NULL;
    if (alg == ALG_ES256) {
        sig_len = ecdsa_der(sig, sig_len, &der);
        sig = der;
    } else if (sig_len != (alg == ALG_EDDSA ? ED25519_SIG : (size_t)EVP_PKEY_get_size(key->pkey))) {
        return false;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && sig && sig_len > 0 && set_up(ctx, key, alg) &&
                EVP_DigestVerify(ctx, sig, sig_len, (const unsigned char *)data, n) == 1;
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    ERR_clear_error();
    return good;
}

int jwt_verify(const struct jwks *keys, const char *token, size_t n,
               const struct jwt_expected *expected, struct jwt_claims *ret, struct err *err)
{
    struct parts parts = {0};
    enum jwt_alg alg;
    uint8_t sig[MAX_SIGNATURE];
    size_t len;
    if (split(token, n, &parts, err) < 0)
        return -1;
    auto_free char *header = decode(parts.text[0], parts.len[0], &len, err);
    const struct jwk *key = header ? read_header(keys, header, len, &alg, err) : NULL;
    if (!key)
        return -1;
    ssize_t sig_len = b64url_decode(parts.text[2], parts.len[2], sig, sizeof(sig));
    size_t signed_len = parts.len[0] + 1 + parts.len[1];
    if (sig_len < 0 || !signature_ok(key, alg, token, signed_len, sig, (size_t)sig_len))
        return err_set(err, ERR_INVALID, "The signature of the token is not good");
    auto_free char *claims = decode(parts.text[1], parts.len[1], &len, err);
    if (!claims)
        return -1;
    return claims_read(claims, len, expected, ret, err);
}
