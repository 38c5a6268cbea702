/* The public keys of an authorization server: a JWK set (RFC 7517, 7518, 8037). */
#ifndef ACCESS_JWKS_H
#define ACCESS_JWKS_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

#define JWKS_MAX_BYTES (256 * 1024)
#define JWKS_MAX_KEYS  64
#define JWK_MAX_KID    256 /* bytes */

/* The algorithms that are accepted, and nothing else: no "none", and no HMAC, with which anybody
 * who has the public key could sign. */
enum jwt_alg { ALG_NONE, ALG_RS256, ALG_PS256, ALG_ES256, ALG_EDDSA };

enum jwk_kind { JWK_RSA, JWK_P256, JWK_ED25519 };

struct jwk {
    enum jwk_kind kind;
    enum jwt_alg alg; /* the only one it may be used with; ALG_NONE: any of its kind */
    char *kid;        /* NULL: has none */
    EVP_PKEY *pkey;
};

struct jwks {
    struct jwk keys[JWKS_MAX_KEYS];
    size_t len;        /* at least 1 */
    struct strv notes; /* what was skipped, for the operator */
};

/* Parse a set. Keys of other kinds, and those that are not for verifying, are skipped with a note,
 * as RFC 7517 asks; ERR_INVALID for what must not be there or cannot be meant: a private or
 * symmetric key, RSA below 2048 bits, a point off its curve, a kid twice, no usable key at all. */
int jwks_parse(const char *text, size_t n, struct jwks **ret, struct err *err);
void jwks_free(struct jwks *set); /* NULL is fine */

/* ALG_NONE unless @name is an accepted algorithm; letter case counts. */
enum jwt_alg jwt_alg_find(const char *name);
/* May @key verify @alg? */
bool jwk_fits(const struct jwk *key, enum jwt_alg alg);

#endif
