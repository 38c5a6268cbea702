/* What an access token says: see jwt.h. Runs in the server. The signature is good, so this comes
 * from the authorization server; but that makes tokens for others too, and users choose some of
 * what is in them. */
#include <string.h>

#include "access/jwt.h"
#include "json/json.h"

#define MAX_TIME 253402300799.0 /* the end of the year 9999 */

static const struct json_limits claim_limits = {
    .max_bytes = JWT_MAX_TEXT, .max_depth = 16, .max_items = 2048};

void jwt_claims_done(struct jwt_claims *c)
{
    strv_done(&c->scopes);
}

/* A NumericDate: seconds, possibly with a fraction. 1: there, 0: not there, -1: not one. */
static int read_time(const json_t *claims, const char *name, double *ret, struct err *err)
{
    const json_t *v = json_object_get(claims, name);
    if (!v)
        return 0;
    double t = json_is_number(v) ? json_number_value(v) : -1;
    if (!(t >= 0) || t > MAX_TIME)
        return err_set(err, ERR_INVALID, "The claim %s of the token is not a time", name);
    *ret = t;
    return 1;
}

static int check_times(const json_t *claims, double now, struct err *err)
{
    double exp = 0;
    double nbf = 0;
    double iat = 0;
    int has_exp = read_time(claims, "exp", &exp, err);
    if (has_exp < 0 || read_time(claims, "nbf", &nbf, err) < 0 ||
        read_time(claims, "iat", &iat, err) < 0)
        return -1;
    if (!has_exp)
        return err_set(err, ERR_INVALID, "The token does not say when it expires (exp)");
    if (now >= exp + JWT_SKEW_S)
        return err_set(err, ERR_INVALID, "The token has expired");
    if (now + JWT_SKEW_S < nbf || now + JWT_SKEW_S < iat)
        return err_set(err, ERR_INVALID, "The token is not valid yet");
    return 0;
}

static bool is_for(const json_t *aud, const char *us)
{
    if (json_is_string(aud))
        return str_eq(json_plain_string(aud), us);
    for (size_t i = 0; i < json_array_size(aud); i++)
        if (str_eq(json_plain_string(json_array_get(aud, i)), us))
            return true;
    return false;
}

static int read_subject(const json_t *claims, struct jwt_claims *ret, struct err *err)
{
    const char *sub = json_plain_string(json_object_get(claims, "sub"));
    size_t n = sub ? strlen(sub) : 0;
    if (n == 0 || n > JWT_MAX_SUB)
        return err_set(err, ERR_INVALID, "The token does not say whose it is (sub)");
    memcpy(ret->sub, sub, n + 1);
    return 0;
}

static int not_text(struct err *err)
{
    return err_set(err, ERR_INVALID, "The claim scope of the token is not a text");
}

/* scope is RFC 9068's; some servers write scp instead, as a text or an array. */
static int read_scopes(const json_t *claims, struct jwt_claims *ret, struct err *err)
{
    const json_t *v = json_object_get(claims, "scope");
    if (!v)
        v = json_object_get(claims, "scp");
    if (!v)
        return 0;
    const char *text = json_plain_string(v);
    if (text)
        return strv_split(&ret->scopes, text, ' ', err);
    if (!json_is_array(v))
        return not_text(err);
    for (size_t i = 0; i < json_array_size(v); i++) {
        text = json_plain_string(json_array_get(v, i));
        if (!text)
            return not_text(err);
        if (strv_add(&ret->scopes, text, err) < 0)
            return -1;
    }
    return 0;
}

static int read_all(const json_t *claims, const struct jwt_expected *expected,
                    struct jwt_claims *ret, struct err *err)
{
    if (!str_eq(json_plain_string(json_object_get(claims, "iss")), expected->issuer))
        return err_set(err, ERR_INVALID, "The token is of another issuer (iss)");
    if (!is_for(json_object_get(claims, "aud"), expected->audience))
        return err_set(err, ERR_INVALID, "The token is made out to another service (aud)");
    if (check_times(claims, (double)expected->now_s, err) < 0)
        return -1;
    if (json_object_get(claims, "cnf"))
        return err_set(err, ERR_INVALID,
                       "The token is bound to a key (cnf), which this server cannot check");
    if (read_subject(claims, ret, err) < 0)
        return -1;
    return read_scopes(claims, ret, err);
}

int claims_read(const char *json, size_t n, const struct jwt_expected *expected,
                struct jwt_claims *ret, struct err *err)
{
    struct err why = ERR_INIT;
    auto_jwt_claims struct jwt_claims claims = {0};
    auto_json json_t *root = json_parse(json, n, &claim_limits, &why);
    if (!json_is_object(root))
        return why.code == ERR_NOMEM
                   ? err_nomem(err)
                   : err_set(err, ERR_INVALID, "The claims of the token are no JSON object");
    if (read_all(root, expected, &claims, err) < 0)
        return -1;
    *ret = claims;
    claims.scopes = (struct strv)STRV_INIT;
    return 0;
}
