/* OAuth access tokens as signed JWTs (RFC 7515, 7519, 8725, 9068), checked locally. */
#ifndef ACCESS_JWT_H
#define ACCESS_JWT_H

#include <stdint.h>

#include "access/jwks.h"

#define JWT_MAX_SUB  255 /* bytes of the claim sub */
#define JWT_SKEW_S   60  /* by so much clocks may differ */
#define JWT_MAX_TEXT (16 * 1024)

/* What a token has to say to be for us. Borrowed. */
struct jwt_expected {
    const char *issuer;   /* iss, letter by letter */
    const char *audience; /* aud, or one of it, letter by letter */
    uint64_t now_s;       /* Unix time */
};

/* What a good one says. Release with jwt_claims_done(). */
struct jwt_claims {
    char sub[JWT_MAX_SUB + 1]; /* any text without NULs, not empty */
    struct strv scopes;
};
void jwt_claims_done(struct jwt_claims *c);
#define auto_jwt_claims _cleanup_(jwt_claims_done)

/* Is @token (compact serialisation, from anybody) signed by one of @keys and made out to us?
 * -1 and ERR_INVALID with why not; the text quotes nothing of the token, and has neither quotes nor
 * backslashes, so it can be told to the client. ERR_NOMEM when memory ran out.
 *
 * Required: alg, iss, aud, exp, sub. Checked when there: kid, typ, crit (refused), nbf, iat, cnf
 * (refused: a token bound to a key is no bearer token). Other members are ignored; keys or
 * addresses of keys in the header are never used. scope is a text of names, or else scp is, or an
 * array. */
int jwt_verify(const struct jwks *keys, const char *token, size_t n,
               const struct jwt_expected *expected, struct jwt_claims *ret, struct err *err);

/* The second half of it: the claims of a token whose signature is good. */
int claims_read(const char *json, size_t n, const struct jwt_expected *expected,
                struct jwt_claims *ret, struct err *err);

#endif
