/* Access tokens of OAuth: signatures, claims, key sets, and every trick that is known against
 * them. */
#include "access/jwt.h"

#include "jwt_maker.h"

static struct err last;

static struct jwks *keys_of(const char *set)
{
    struct jwks *keys = NULL;
    last = (struct err)ERR_INIT;
    if (jwks_parse(set, strlen(set), &keys, &last) < 0)
        return NULL;
    return keys;
}

static bool verify(const struct jwks *keys, const char *token, struct jwt_claims *ret)
{
    const struct jwt_expected expected = {.issuer = ISSUER, .audience = RESOURCE, .now_s = NOW};
    last = (struct err)ERR_INIT;
    int r = jwt_verify(keys, token, strlen(token), &expected, ret, &last);
    if (r < 0) { /* it can be told to anybody, and be put into a header */
        CHECK(last.code == ERR_INVALID && last.text[0] && !strpbrk(last.text, "\"\\"));
        CHECK(strlen(last.text) < 120);
    }
    return r == 0;
}

static bool accepted(const char *set, const char *token)
{
    auto_jwt_claims struct jwt_claims claims = {0};
    struct jwks *keys = keys_of(set);
    REQUIRE(keys);
    bool good = verify(keys, token, &claims);
    jwks_free(keys);
    return good;
}

/* Good but for its claims: what becomes of it? */
static bool claims_accepted(const char *claims)
{
    return accepted(set_of(ed_key, ""), token_signed(ed_key, 0, "{\"alg\":\"EdDSA\"}", claims));
}

static char *claims_with(const char *member)
{
    return text_of("{\"iss\":\"" ISSUER "\",\"aud\":\"" RESOURCE "\",\"sub\":\"a\",%s}", member);
}

/* ---- good ones ---- */

TEST(each_of_the_four_algorithms_is_accepted_with_its_key)
{
    CHECK(accepted(set_of(rsa_key, ""),
                   token_signed(rsa_key, PKCS1, "{\"alg\":\"RS256\"}", GOOD_CLAIMS)));
    CHECK(accepted(set_of(rsa_key, ""),
                   token_signed(rsa_key, PSS, "{\"alg\":\"PS256\"}", GOOD_CLAIMS)));
    CHECK(
        accepted(set_of(ec_key, ""), token_signed(ec_key, 0, "{\"alg\":\"ES256\"}", GOOD_CLAIMS)));
    CHECK(
        accepted(set_of(ed_key, ""), token_signed(ed_key, 0, "{\"alg\":\"EdDSA\"}", GOOD_CLAIMS)));
}

TEST(subject_and_scopes_are_told)
{
    auto_jwt_claims struct jwt_claims claims = {0};
    struct jwks *keys =
        keys_of(set_of(rsa_key, ",\"kid\":\"k1\",\"use\":\"sig\",\"alg\":\"RS256\""));
    REQUIRE(keys);
    CHECK(verify(keys, rs256("{\"alg\":\"RS256\",\"kid\":\"k1\",\"typ\":\"at+jwt\"}", GOOD_CLAIMS),
                 &claims));
    CHECK_STR(claims.sub, "alice");
    CHECK(claims.scopes.len == 2 && strv_has(&claims.scopes, "execute"));
    jwks_free(keys);
}

TEST(scopes_may_stand_in_scp_as_a_text_or_a_list)
{
    static const char *const members[] = {"\"scp\":\"a execute\"", "\"scp\":[\"a\",\"execute\"]",
                                          "\"scope\":\"execute a\",\"scp\":\"other\""};
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        auto_jwt_claims struct jwt_claims claims = {0};
        struct jwks *keys = keys_of(set_of(ed_key, ""));
        char *text = claims_with(text_of("\"exp\":1800000300,%s", members[i]));
        CHECK(verify(keys, token_signed(ed_key, 0, "{\"alg\":\"EdDSA\"}", text), &claims));
        CHECK(claims.scopes.len == 2 && strv_has(&claims.scopes, "execute"));
        CHECK(strv_has(&claims.scopes, "a") && !strv_has(&claims.scopes, "other"));
        jwks_free(keys);
    }
    CHECK(!claims_accepted(claims_with("\"exp\":1800000300,\"scope\":7")));
    CHECK(!claims_accepted(claims_with("\"exp\":1800000300,\"scp\":[\"a\",7]")));
}

/* ---- algorithms ---- */

TEST(an_unsigned_token_is_refused)
{
    static const char *const names[] = {"none", "None", "NONE", "nOnE", ""};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *data = signed_part(text_of("{\"alg\":\"%s\"}", names[i]), GOOD_CLAIMS);
        CHECK(!accepted(set_of(rsa_key, ""), text_of("%s.", data)));
        CHECK(!accepted(set_of(rsa_key, ""), data));
        CHECK(!accepted(set_of(rsa_key, ""), text_of("%s.AAAA", data)));
    }
    CHECK(!accepted(set_of(rsa_key, ""), rs256("{}", GOOD_CLAIMS)));
    CHECK(!accepted(set_of(rsa_key, ""), rs256("{\"alg\":null}", GOOD_CLAIMS)));
    CHECK(!accepted(set_of(rsa_key, ""), rs256("{\"alg\":[\"RS256\"]}", GOOD_CLAIMS)));
}

TEST(a_public_key_is_never_taken_for_a_secret)
{
    static const char header[] = "{\"alg\":\"HS256\"}";
    char *set = set_of(rsa_key, "");
    char *pem = pem_of(rsa_key);
    uint8_t n[256];
    CHECK(!accepted(set, token_hmac(header, GOOD_CLAIMS, pem, strlen(pem))));
    CHECK(!accepted(set, token_hmac(header, GOOD_CLAIMS, set, strlen(set))));
    char *number = number_of(rsa_key, OSSL_PKEY_PARAM_RSA_N);
    ssize_t len = b64url_decode(number, strlen(number), n, sizeof(n));
    CHECK(len == 256 && !accepted(set, token_hmac(header, GOOD_CLAIMS, n, (size_t)len)));
    CHECK(!accepted(set, token_hmac("{\"alg\":\"RS256\"}", GOOD_CLAIMS, pem, strlen(pem))));
    CHECK(!accepted(set, token_hmac("{\"alg\":\"RS256\"}", GOOD_CLAIMS, n, (size_t)len)));
}

TEST(algorithms_outside_the_list_are_refused_however_well_signed)
{
    static const char *const names[] = {"RS384",  "RS512", "PS384", "ES384",    "ES256K", "rs256",
                                        "RS256 ", "RS1",   "HS512", "Ed25519x", "RSA1_5"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        CHECK(!accepted(set_of(rsa_key, ""),
                        rs256(text_of("{\"alg\":\"%s\"}", names[i]), GOOD_CLAIMS)));
        CHECK(strstr(last.text, "algorithm"));
    }
}

TEST(the_algorithm_must_fit_the_key)
{
    char *rs = rs256("{\"alg\":\"RS256\"}", GOOD_CLAIMS);
    char *ps = token_signed(rsa_key, PSS, "{\"alg\":\"PS256\"}", GOOD_CLAIMS);
    CHECK(!accepted(set_of(rsa_key, ",\"alg\":\"PS256\""), rs));
    CHECK(accepted(set_of(rsa_key, ",\"alg\":\"PS256\""), ps));
    CHECK(!accepted(set_of(rsa_key, ",\"alg\":\"RS256\""), ps));
    CHECK(!accepted(set_of(rsa_key, ",\"kid\":\"k\""), /* the signature is of another kind */
                    token_signed(ec_key, 0, "{\"alg\":\"ES256\",\"kid\":\"k\"}", GOOD_CLAIMS)));
    CHECK(!accepted(set_of(ec_key, ",\"kid\":\"k\""),
                    rs256("{\"alg\":\"RS256\",\"kid\":\"k\"}", GOOD_CLAIMS)));
    CHECK(!accepted(set_of(ed_key, ",\"kid\":\"k\""),
                    token_signed(ec_key, 0, "{\"alg\":\"ES256\",\"kid\":\"k\"}", GOOD_CLAIMS)));
    CHECK(
        !accepted(set_of(ec_key, ""), token_signed(ed_key, 0, "{\"alg\":\"EdDSA\"}", GOOD_CLAIMS)));
}

TEST(the_padding_must_be_that_of_the_algorithm)
{
    char *set = set_of(rsa_key, "");
    CHECK(!accepted(set, token_signed(rsa_key, PSS, "{\"alg\":\"RS256\"}", GOOD_CLAIMS)));
    CHECK(!accepted(set, token_signed(rsa_key, PKCS1, "{\"alg\":\"PS256\"}", GOOD_CLAIMS)));
    CHECK(
        !accepted(set, token_signed(rsa_key, PSS_SHORT_SALT, "{\"alg\":\"PS256\"}", GOOD_CLAIMS)));
}

/* ---- keys ---- */

static char *set_of_two(const char *more_first, const char *more_second)
{
    return text_of("{\"keys\":[{%s%s},{%s%s}]}", members_of(rsa_key), more_first,
                   members_of(other_rsa_key), more_second);
}

TEST(the_key_is_the_one_that_is_named)
{
    char *set = set_of_two(",\"kid\":\"a\"", ",\"kid\":\"b\"");
    CHECK(accepted(set, rs256("{\"alg\":\"RS256\",\"kid\":\"a\"}", GOOD_CLAIMS)));
    CHECK(!accepted(set, rs256("{\"alg\":\"RS256\",\"kid\":\"b\"}", GOOD_CLAIMS)));
    CHECK(!accepted(set, rs256("{\"alg\":\"RS256\",\"kid\":\"A\"}", GOOD_CLAIMS)));
    CHECK(!accepted(set, rs256("{\"alg\":\"RS256\",\"kid\":\"\"}", GOOD_CLAIMS)));
    CHECK(!accepted(set, rs256("{\"alg\":\"RS256\",\"kid\":null}", GOOD_CLAIMS)));
    CHECK(!accepted(set, rs256("{\"alg\":\"RS256\",\"kid\":[\"a\"]}", GOOD_CLAIMS)));
    CHECK(!accepted(set, rs256("{\"alg\":\"RS256\",\"kid\":\"a\\u0000\"}", GOOD_CLAIMS)));
    CHECK(!accepted(set, rs256("{\"alg\":\"RS256\",\"kid\":\"../../../dev/null\"}", GOOD_CLAIMS)));
    CHECK(!accepted(set, rs256("{\"alg\":\"RS256\"}", GOOD_CLAIMS))); /* which one? */
}

TEST(a_token_that_names_no_key_is_for_the_only_one_that_fits)
{
    char *mixed = text_of("{\"keys\":[{%s,\"kid\":\"r\"},{%s,\"kid\":\"e\"}]}", members_of(rsa_key),
                          members_of(ec_key));
    CHECK(accepted(mixed, rs256("{\"alg\":\"RS256\"}", GOOD_CLAIMS)));
    CHECK(accepted(mixed, token_signed(ec_key, 0, "{\"alg\":\"ES256\"}", GOOD_CLAIMS)));
    CHECK(!accepted(mixed, token_signed(ed_key, 0, "{\"alg\":\"EdDSA\"}", GOOD_CLAIMS)));
    CHECK(accepted(set_of_two(",\"alg\":\"RS256\"", ",\"alg\":\"PS256\""),
                   rs256("{\"alg\":\"RS256\"}", GOOD_CLAIMS)));
    /* a name that no key has is not the same as no name */
    CHECK(!accepted(set_of(rsa_key, ""), rs256("{\"alg\":\"RS256\",\"kid\":\"x\"}", GOOD_CLAIMS)));
}

TEST(a_key_that_the_token_brings_along_is_not_used)
{
    char *own = members_of(other_rsa_key);
    char *pem = b64_of("whatever", 8);
    CHECK(!accepted(set_of(rsa_key, ""),
                    token_signed(other_rsa_key, PKCS1,
                                 text_of("{\"alg\":\"RS256\",\"jwk\":{%s}}", own), GOOD_CLAIMS)));
    CHECK(!accepted(set_of(rsa_key, ""),
                    token_signed(other_rsa_key, PKCS1,
                                 text_of("{\"alg\":\"RS256\",\"jku\":\"http://127.0.0.1/k\","
                                         "\"x5u\":\"file:///etc/passwd\",\"x5c\":[\"%s\"]}",
                                         pem),
                                 GOOD_CLAIMS)));
}

TEST(a_signature_of_another_key_or_another_text_is_refused)
{
    char *set = set_of(rsa_key, "");
    char *good = rs256("{\"alg\":\"RS256\"}", GOOD_CLAIMS);
    CHECK(!accepted(set, token_signed(other_rsa_key, PKCS1, "{\"alg\":\"RS256\"}", GOOD_CLAIMS)));
    char *other = signed_part("{\"alg\":\"RS256\"}", "{\"sub\":\"root\"}");
    CHECK(!accepted(set, text_of("%s%s", other, strrchr(good, '.'))));
    /* every byte counts */
    size_t n = strlen(good);
    for (size_t i = 0; i < n; i += 7) {
        char *bad = strdup(good);
        bad[i] = bad[i] == 'A' ? 'B' : 'A';
        CHECK(!accepted(set, bad));
        free(bad);
    }
}

TEST(signatures_of_odd_lengths_and_values_are_refused)
{
    char *data = signed_part("{\"alg\":\"ES256\"}", GOOD_CLAIMS);
    char *set = set_of(ec_key, "");
    uint8_t zero[2000] = {0}, ones[64];
    memset(ones, 0xff, sizeof(ones));
    CHECK(!accepted(set, text_of("%s.%s", data, b64_of(zero, 64)))); /* r = s = 0 */
    CHECK(!accepted(set, text_of("%s.%s", data, b64_of(ones, 64)))); /* above the group's order */
    for (size_t n = 1; n < sizeof(zero); n = n * 2 + 1) {
        CHECK(!accepted(set, text_of("%s.%s", data, b64_of(zero, n))));
        CHECK(!accepted(
            set_of(rsa_key, ""),
            text_of("%s.%s", signed_part("{\"alg\":\"RS256\"}", GOOD_CLAIMS), b64_of(zero, n))));
        CHECK(!accepted(
            set_of(ed_key, ""),
            text_of("%s.%s", signed_part("{\"alg\":\"EdDSA\"}", GOOD_CLAIMS), b64_of(zero, n))));
    }
    /* the same signature in DER is another text */
    uint8_t der[200];
    size_t len = sizeof(der);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    REQUIRE(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, ec_key) == 1);
    REQUIRE(EVP_DigestSign(ctx, der, &len, (uint8_t *)data, strlen(data)) == 1);
    EVP_MD_CTX_free(ctx);
    CHECK(!accepted(set, text_of("%s.%s", data, b64_of(der, len))));
}

/* ---- form ---- */

TEST(what_is_not_three_parts_is_no_token)
{
    static const char *const texts[] = {"",      ".",    "..",        "...",           "a",
                                        "a.b",   "a..b", ".a.b",      "a.b.",          "a.b.c.d",
                                        "a.b.c", "....", "a.b.c.d.e", "\x01.\x02.\x03"};
    char *set = set_of(rsa_key, "");
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        CHECK(!accepted(set, texts[i]));
    char *good = rs256("{\"alg\":\"RS256\"}", GOOD_CLAIMS);
    CHECK(accepted(set, good));
    CHECK(!accepted(set, text_of("%s.", good)));
    CHECK(!accepted(set, text_of(".%s", good)));
    CHECK(!accepted(set, text_of(" %s", good)));
    CHECK(!accepted(set, text_of("%s=", good)));
    CHECK(!accepted(set, text_of("%s\n", good)));
    for (size_t n = 0; n < strlen(good); n += 5)
        CHECK(!accepted(set, text_of("%.*s", (int)n, good)));
}

TEST(a_token_of_a_megabyte_is_refused_unread)
{
    size_t n = 1 << 20;
    char *text = malloc(n + 1);
    memset(text, 'A', n);
    text[n] = '\0';
    CHECK(!accepted(set_of(rsa_key, ""), text));
    CHECK_STR(last.text, "The token is too long");
    text[100] = text[n - 100] = '.';
    CHECK(!accepted(set_of(rsa_key, ""), text));
    free(text);
}

TEST(base64_has_one_spelling)
{
    uint8_t out[8];
    CHECK(b64url_decode("", 0, out, 8) == 0);
    CHECK(b64url_decode("AA", 2, out, 8) == 1 && out[0] == 0);
    CHECK(b64url_decode("-_8", 3, out, 8) == 2 && out[0] == 0xfb && out[1] == 0xff);
    CHECK(b64url_decode("AB", 2, out, 8) == -1);  /* unused bits */
    CHECK(b64url_decode("AAB", 3, out, 8) == -1); /* unused bits */
    CHECK(b64url_decode("A", 1, out, 8) == -1);   /* half a byte */
    CHECK(b64url_decode("AAAAA", 5, out, 8) == -1);
    CHECK(b64url_decode("AA==", 4, out, 8) == -1);
    CHECK(b64url_decode("+/8", 3, out, 8) == -1);
    CHECK(b64url_decode("A A", 3, out, 8) == -1);
    CHECK(b64url_decode("AA\n", 3, out, 8) == -1);
    CHECK(b64url_decode("\xc3\xa9", 2, out, 8) == -1);
    CHECK(b64url_decode("AAAAAAAAAAAA", 12, out, 8) == -1); /* 9 bytes */
    for (size_t n = 0; n < 9; n++) {
        uint8_t data[8] = {0xff, 0x00, 0xa5, 0x5a, 1, 2, 3, 254}, back[8];
        char text[B64URL_LEN(8) + 1];
        if (n > 8)
            break;
        b64url_encode(data, n, text);
        CHECK(strlen(text) == B64URL_LEN(n));
        CHECK(b64url_decode(text, strlen(text), back, 8) == (ssize_t)n && !memcmp(data, back, n));
    }
}

TEST(a_header_that_is_no_plain_object_is_refused)
{
    static const char *const headers[] = {"",
                                          "7",
                                          "[]",
                                          "null",
                                          "\"RS256\"",
                                          "{",
                                          "{\"alg\":\"RS256\"",
                                          "{\"alg\":\"RS256\"}x",
                                          "{\"alg\":\"none\",\"alg\":\"RS256\"}",
                                          "{\"alg\":\"RS256\",\"alg\":\"RS256\"}",
                                          "{\"alg\":\"RS256\\u0000\"}",
                                          "{'alg':'RS256'}",
                                          "\xef\xbb\xbf{\"alg\":\"RS256\"}",
                                          "{\"alg\":\"RS256\",\"x\":[[[[[[]]]]]]}",
                                          "{\"alg\":\"RS256\",\"x\":\"\xff\"}"};
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        CHECK(!accepted(set_of(rsa_key, ""), rs256(headers[i], GOOD_CLAIMS)));
}

TEST(extensions_that_must_be_understood_are_refused)
{
    char *set = set_of(rsa_key, "");
    CHECK(!accepted(set, rs256("{\"alg\":\"RS256\",\"crit\":[\"exp\"]}", GOOD_CLAIMS)));
    CHECK(!accepted(set, rs256("{\"alg\":\"RS256\",\"crit\":[]}", GOOD_CLAIMS)));
    CHECK(
        !accepted(set, rs256("{\"alg\":\"RS256\",\"b64\":false,\"crit\":[\"b64\"]}", GOOD_CLAIMS)));
    CHECK(!accepted(set, rs256("{\"alg\":\"RS256\",\"enc\":\"A256GCM\"}", GOOD_CLAIMS)));
}

TEST(a_token_of_another_type_is_refused)
{
    char *set = set_of(rsa_key, "");
    CHECK(accepted(set, rs256("{\"alg\":\"RS256\",\"typ\":\"JWT\"}", GOOD_CLAIMS)));
    CHECK(accepted(set, rs256("{\"alg\":\"RS256\",\"typ\":\"application/at+JWT\"}", GOOD_CLAIMS)));
    CHECK(!accepted(set, rs256("{\"alg\":\"RS256\",\"typ\":\"dpop+jwt\"}", GOOD_CLAIMS)));
    CHECK(!accepted(set, rs256("{\"alg\":\"RS256\",\"typ\":\"logout+jwt\"}", GOOD_CLAIMS)));
    CHECK(!accepted(set, rs256("{\"alg\":\"RS256\",\"typ\":7}", GOOD_CLAIMS)));
}

/* ---- claims ---- */

TEST(a_token_of_another_issuer_or_for_another_service_is_refused)
{
    static const char *const bad[] = {
        "\"iss\":\"https://auth.example.org/\",\"aud\":\"" RESOURCE "\"",
        "\"iss\":\"HTTPS://auth.example.org\",\"aud\":\"" RESOURCE "\"",
        "\"iss\":[\"" ISSUER "\"],\"aud\":\"" RESOURCE "\"",
        "\"iss\":\"" ISSUER "\\u0000\",\"aud\":\"" RESOURCE "\"",
        "\"aud\":\"" RESOURCE "\"",
        "\"iss\":\"" ISSUER "\"",
        "\"iss\":\"" ISSUER "\",\"aud\":\"\"",
        "\"iss\":\"" ISSUER "\",\"aud\":[]",
        "\"iss\":\"" ISSUER "\",\"aud\":null",
        "\"iss\":\"" ISSUER "\",\"aud\":{\"" RESOURCE "\":1}",
        "\"iss\":\"" ISSUER "\",\"aud\":\"" RESOURCE "/\"",
        "\"iss\":\"" ISSUER "\",\"aud\":\"https://sandbox.example.org\"",
        "\"iss\":\"" ISSUER "\",\"aud\":\"" RESOURCE "\\u0000x\"",
        "\"iss\":\"" ISSUER "\",\"aud\":[\"https://other.example.org\",7]",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK(!claims_accepted(text_of("{%s,\"sub\":\"a\",\"exp\":1800000300}", bad[i])));
    CHECK(claims_accepted("{\"iss\":\"" ISSUER "\",\"aud\":[\"x\",\"" RESOURCE
                          "\"],\"sub\":\"a\",\"exp\":1800000300}"));
}

TEST(a_token_is_good_between_its_times_and_a_minute_about_them)
{
    CHECK(claims_accepted(claims_with("\"exp\":1800000001")));
    CHECK(claims_accepted(claims_with("\"exp\":1799999941")));
    CHECK(!claims_accepted(claims_with("\"exp\":1799999940")));
    CHECK(!claims_accepted(claims_with("\"exp\":0")));
    CHECK(claims_accepted(claims_with("\"exp\":1800000300.5,\"nbf\":1799999999.25")));
    CHECK(claims_accepted(claims_with("\"exp\":1800000300,\"nbf\":1800000060")));
    CHECK(!claims_accepted(claims_with("\"exp\":1800000300,\"nbf\":1800000061")));
    CHECK_STR(last.text, "The token is not valid yet");
    CHECK(claims_accepted(claims_with("\"exp\":1800000300,\"iat\":1800000060")));
    CHECK(!claims_accepted(claims_with("\"exp\":1800000300,\"iat\":1800000061")));
    CHECK(!claims_accepted(claims_with("\"nbf\":1")));
    CHECK(strstr(last.text, "exp"));
}

TEST(times_that_are_no_times_are_refused)
{
    static const char *const bad[] = {
        "\"exp\":-1",
        "\"exp\":-9223372036854775808",
        "\"exp\":9223372036854775807",
        "\"exp\":9223372036854775808",
        "\"exp\":99999999999999999999999999",
        "\"exp\":1e400",
        "\"exp\":1e300",
        "\"exp\":253402300800",
        "\"exp\":\"1800000300\"",
        "\"exp\":null",
        "\"exp\":true",
        "\"exp\":[1800000300]",
        "\"exp\":NaN",
        "\"exp\":Infinity",
        "\"exp\":0x7fffffff",
        "\"exp\":1800000300,\"nbf\":\"0\"",
        "\"exp\":1800000300,\"nbf\":-1",
        "\"exp\":1800000300,\"iat\":null",
        "\"exp\":1,\"exp\":1800000300",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK(!claims_accepted(claims_with(bad[i])));
}

TEST(a_token_must_say_whose_it_is)
{
    char *longest = malloc(300);
    memset(longest, 'x', 299);
    longest[255] = '\0';
    static const char fmt[] =
        "{\"iss\":\"" ISSUER "\",\"aud\":\"" RESOURCE "\",\"exp\":1800000300,\"sub\":%s}";
    CHECK(claims_accepted(text_of(fmt, text_of("\"%s\"", longest))));
    CHECK(!claims_accepted(text_of(fmt, text_of("\"%sx\"", longest))));
    CHECK(!claims_accepted(text_of(fmt, "\"\"")));
    CHECK(!claims_accepted(text_of(fmt, "7")));
    CHECK(!claims_accepted(text_of(fmt, "null")));
    CHECK(!claims_accepted(text_of(fmt, "\"a\\u0000b\"")));
    free(longest);
}

TEST(a_token_that_is_bound_to_a_key_is_no_bearer_token)
{
    CHECK(!claims_accepted(claims_with("\"exp\":1800000300,\"cnf\":{\"jkt\":\"x\"}")));
    CHECK(strstr(last.text, "cnf"));
}

TEST(claims_that_are_no_object_or_say_a_thing_twice_are_refused)
{
    static const char *const bad[] = {"", "7", "[]", "null", "{", "{}{}", "[{}]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK(!claims_accepted(bad[i]));
    CHECK(!claims_accepted(claims_with("\"exp\":1800000300,\"sub\":\"root\"")));
    char *deep =
        text_of("\"exp\":1800000300,\"x\":%s1%s", "[[[[[[[[[[[[[[[[[[[[", "]]]]]]]]]]]]]]]]]]]]");
    CHECK(!claims_accepted(claims_with(deep)));
}

/* ---- key sets ---- */

static bool bad_set(const char *set, const char *why)
{
    struct jwks *keys = keys_of(set);
    bool bad = !keys && strstr(last.text, why);
    if (!bad)
        printf("# %.100s: %s\n", set, last.text);
    jwks_free(keys);
    return bad;
}

TEST(a_text_that_is_no_key_set_is_refused)
{
    CHECK(bad_set("", ""));
    CHECK(bad_set("{}", "JWK set"));
    CHECK(bad_set("[]", "JWK set"));
    CHECK(bad_set("{\"keys\":{}}", "JWK set"));
    CHECK(bad_set("{\"keys\":[]}", "none of its 0 keys"));
    CHECK(bad_set("{\"keys\":[7]}", "key 1: it is a number"));
    CHECK(bad_set("{\"keys\":[],\"keys\":[]}", "JSON"));
    CHECK(bad_set("-----BEGIN PUBLIC KEY-----", "JSON"));
    char *many = text_of("{\"keys\":[{}");
    for (int i = 0; i < 64; i++)
        many = text_of("%s,{}", many);
    CHECK(bad_set(text_of("%s]}", many), "65 keys"));
}

TEST(a_set_with_a_private_or_symmetric_key_is_refused_and_says_why)
{
    CHECK(bad_set(set_of(rsa_key, ",\"d\":\"AQAB\""), "secret (member d)"));
    CHECK(bad_set(set_of(ec_key, ",\"d\":\"AQAB\""), "public keys"));
    CHECK(bad_set("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AQAB\"}]}", "secret (member k)"));
}

TEST(weak_and_broken_keys_are_refused)
{
    char *n = number_of(rsa_key, OSSL_PKEY_PARAM_RSA_N);
    EVP_PKEY *weak = EVP_RSA_gen(1024);
    CHECK(bad_set(set_of(weak, ""), "too weak"));
    EVP_PKEY_free(weak);
    CHECK(
        bad_set(text_of("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQ\"}]}", n), "no RSA"));
    CHECK(bad_set(text_of("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"\"}]}", n), "n and e"));
    CHECK(bad_set(text_of("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\"}]}", n), "n and e"));
    CHECK(bad_set(text_of("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AA%s\",\"e\":\"AQAB\"}]}", n),
                  "n and e"));
    CHECK(bad_set(text_of("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s=\",\"e\":\"AQAB\"}]}", n),
                  "n and e"));
    uint8_t bytes[32];
    memset(bytes, 7, sizeof(bytes));
    char *x = b64_of(bytes, 32);
    CHECK(bad_set(
        text_of("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}]}", x, x),
        "no point"));
    CHECK(
        bad_set(text_of("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}]}",
                        x, b64_of(bytes, 31)),
                "32 bytes"));
    CHECK(bad_set(text_of("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"}]}",
                          b64_of(bytes, 31)),
                  "32 bytes"));
}

TEST(a_name_of_a_key_is_a_text_and_is_there_once)
{
    CHECK(bad_set(set_of_two(",\"kid\":\"a\"", ",\"kid\":\"a\""), "key 2: another key"));
    CHECK(bad_set(set_of(rsa_key, ",\"kid\":7"), "kid"));
    CHECK(bad_set(set_of(rsa_key, ",\"kid\":\"\""), "kid"));
    CHECK(bad_set(set_of(rsa_key, ",\"kid\":\"a\\u0000\""), "kid"));
}

TEST(keys_for_other_purposes_are_skipped_and_noted)
{
    static const char *const more[] = {
        ",\"use\":\"enc\"",   ",\"key_ops\":[\"encrypt\"]", ",\"key_ops\":7",    ",\"use\":7",
        ",\"alg\":\"RS512\"", ",\"alg\":\"ES256\"",         ",\"alg\":\"none\"", ",\"alg\":7"};
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        CHECK(bad_set(set_of(rsa_key, more[i]), "key 1 is not used"));
        struct jwks *keys = keys_of(
            text_of("{\"keys\":[{%s%s},{%s}]}", members_of(rsa_key), more[i], members_of(ec_key)));
        REQUIRE(keys && keys->len == 1 && keys->notes.len == 1);
        CHECK(keys->keys[0].kind == JWK_P256);
        jwks_free(keys);
    }
    EVP_PKEY *p384 = EVP_EC_gen("P-384");
    CHECK(bad_set(set_of(p384, ""), "not used"));
    EVP_PKEY_free(p384);
    CHECK(bad_set("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\",\"y\":\"AA\"}]}",
                  "not used"));
    struct jwks *keys = keys_of(set_of(rsa_key, ",\"use\":\"sig\",\"key_ops\":[\"verify\"]"));
    CHECK(keys && keys->notes.len == 0);
    jwks_free(keys);
}

int main(void)
{
    make_keys();
    return tap_main();
}
