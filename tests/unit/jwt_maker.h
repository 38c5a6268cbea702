/* Keys, JWK sets and JWTs, good and bad, made at run time: for the tests of the room `access`.
 * Texts that are returned stay to the end of the process. */
#ifndef TESTS_JWT_MAKER_H
#define TESTS_JWT_MAKER_H

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/b64url.h"
#include "tap.h"

#define ISSUER   "https://auth.example.org"
#define RESOURCE "https://sandbox.example.org/mcp"
#define NOW      1800000000ull
#define GOOD_CLAIMS                                                                                \
    "{\"iss\":\"" ISSUER "\",\"aud\":\"" RESOURCE "\",\"exp\":1800000300,\"iat\":1799999990,"      \
    "\"sub\":\"alice\",\"scope\":\"openid execute\"}"

/* Where a leak checker finds them. */
static inline char *kept(char *text)
{
    static char **all;
    static size_t n;
    all = realloc(all, (n + 1) * sizeof(*all));
    REQUIRE(all && text);
    return all[n++] = text;
}

static inline char *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline char *text_of(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    REQUIRE(vasprintf(&text, fmt, ap) >= 0);
    va_end(ap);
    return kept(text);
}

static inline char *b64_of(const void *data, size_t n)
{
    char *text = malloc(B64URL_LEN(n) + 1);
    b64url_encode(data, n, kept(text));
    return text;
}

/* ---- keys ---- */

static EVP_PKEY *rsa_key, *other_rsa_key, *ec_key, *ed_key;

static inline void make_keys(void)
{
    rsa_key = EVP_RSA_gen(2048);
    other_rsa_key = EVP_RSA_gen(2048);
    ec_key = EVP_EC_gen("P-256");
    ed_key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    REQUIRE(rsa_key && other_rsa_key && ec_key && ed_key);
}

static inline char *number_of(EVP_PKEY *key, const char *name)
{
    BIGNUM *n = NULL;
    uint8_t bytes[1024];
    REQUIRE(EVP_PKEY_get_bn_param(key, name, &n) == 1);
    char *text = b64_of(bytes, (size_t)BN_bn2bin(n, bytes));
    BN_free(n);
    return text;
}

/* The members that make the key, without braces; more can be put behind. */
static inline char *members_of(EVP_PKEY *key)
{
    uint8_t pub[200];
    size_t n = 0;
    if (EVP_PKEY_is_a(key, "RSA"))
        return text_of("\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"",
                       number_of(key, OSSL_PKEY_PARAM_RSA_N),
                       number_of(key, OSSL_PKEY_PARAM_RSA_E));
    REQUIRE(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, pub, sizeof(pub), &n) ==
            1);
    if (EVP_PKEY_is_a(key, "ED25519"))
        return text_of("\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"", b64_of(pub, n));
    REQUIRE(n % 2 == 1 && pub[0] == 4);
    return text_of("\"kty\":\"EC\",\"crv\":\"P-%zu\",\"x\":\"%s\",\"y\":\"%s\"", (n - 1) / 2 * 8,
                   b64_of(pub + 1, n / 2), b64_of(pub + 1 + n / 2, n / 2));
}

/* One key, and what more its object has: "" or ",\"kid\":\"a\"". */
static inline char *set_of(EVP_PKEY *key, const char *more)
{
    return text_of("{\"keys\":[{%s%s}]}", members_of(key), more);
}

/* ---- tokens ---- */

static inline char *signed_part(const char *header, const char *claims)
{
    return text_of("%s.%s", b64_of(header, strlen(header)), b64_of(claims, strlen(claims)));
}

/* DER → two numbers of 32 bytes, as JWTs have them. */
static inline size_t raw_ecdsa(uint8_t *sig, size_t n)
{
    const unsigned char *p = sig;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &p, (long)n);
    REQUIRE(pair);
    REQUIRE(BN_bn2binpad(ECDSA_SIG_get0_r(pair), sig, 32) == 32);
    REQUIRE(BN_bn2binpad(ECDSA_SIG_get0_s(pair), sig + 32, 32) == 32);
    ECDSA_SIG_free(pair);
    return 64;
}

enum padding { PKCS1, PSS, PSS_SHORT_SALT };

/* Sign as a server would. @padding counts for RSA only. */
static inline char *token_signed(EVP_PKEY *key, enum padding padding, const char *header,
                                 const char *claims)
{
    char *data = signed_part(header, claims);
    uint8_t sig[1024];
    size_t n = sizeof(sig);
    EVP_PKEY_CTX *params = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ed = EVP_PKEY_is_a(key, "ED25519");
    REQUIRE(EVP_DigestSignInit(ctx, &params, ed ? NULL : EVP_sha256(), NULL, key) == 1);
    if (EVP_PKEY_is_a(key, "RSA") && padding != PKCS1) {
        REQUIRE(EVP_PKEY_CTX_set_rsa_padding(params, RSA_PKCS1_PSS_PADDING) == 1);
        REQUIRE(EVP_PKEY_CTX_set_rsa_pss_saltlen(params, padding == PSS ? 32 : 8) == 1);
    }
    REQUIRE(EVP_DigestSign(ctx, sig, &n, (const unsigned char *)data, strlen(data)) == 1);
    EVP_MD_CTX_free(ctx);
    if (EVP_PKEY_is_a(key, "EC"))
        n = raw_ecdsa(sig, n);
    return text_of("%s.%s", data, b64_of(sig, n));
}

static inline char *rs256(const char *header, const char *claims)
{
    return token_signed(rsa_key, PKCS1, header, claims);
}

/* HMAC with a text that everybody knows as its secret. */
static inline char *token_hmac(const char *header, const char *claims, const void *secret, size_t n)
{
    char *data = signed_part(header, claims);
    uint8_t mac[32];
    unsigned len = sizeof(mac);
    REQUIRE(
        HMAC(EVP_sha256(), secret, (int)n, (const unsigned char *)data, strlen(data), mac, &len));
    return text_of("%s.%s", data, b64_of(mac, len));
}

/* The public key as PEM. */
static inline char *pem_of(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    REQUIRE(PEM_write_bio_PUBKEY(bio, key) == 1);
    long n = BIO_get_mem_data(bio, &data);
    char *text = text_of("%.*s", (int)n, data);
    BIO_free(bio);
    return text;
}

#endif
