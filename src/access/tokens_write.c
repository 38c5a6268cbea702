/* Making a token and the line that lets it in: see tokens.h. Runs in the command line; the digest
 * is taken in the server as well. */
#include "access/tokens.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "access/b64url.h"
#include "catalog/profiles.h"
#include "sys/clock.h"

#define RANDOM_BYTES 32

_Static_assert(TOKEN_TEXT_LEN == 4 + B64URL_LEN(RANDOM_BYTES), "the length of a token");
_Static_assert(TOKEN_HASH == SHA256_DIGEST_LENGTH, "the length of a digest");

int token_hash(const char *token, size_t n, uint8_t ret[TOKEN_HASH])
{
    uint8_t hash[TOKEN_HASH];
    if (!SHA256((const unsigned char *)token, n, hash))
        return -1;
    memcpy(ret, hash, sizeof(hash));
    return 0;
}

void token_make(char ret[TOKEN_TEXT_LEN + 1])
{
    uint8_t bytes[RANDOM_BYTES];
    random_bytes(bytes, sizeof(bytes));
    memcpy(ret, "viv_", 4);
    b64url_encode(bytes, sizeof(bytes), ret + 4);
    explicit_bzero(bytes, sizeof(bytes));
}

static int write_profiles(unsigned bits, struct buf *out, struct err *err)
{
    if ((bits & PROFILE_ALL) == PROFILE_ALL)
        return 0;
    if (buf_add_str(out, " profiles=basic", err) < 0)
        return -1;
    for (size_t i = 0; i < PROFILE_COUNT; i++)
        if (profiles[i].bit != PROFILE_BASIC && bits & profiles[i].bit &&
            buf_addf(out, err, ",%s", profiles[i].name) < 0)
            return -1;
    return 0;
}

static int write_expires(uint64_t expires_s, struct buf *out, struct err *err)
{
    if (expires_s == 0)
        return 0;
    char text[40];
    struct tm tm;
    time_t t = (time_t)expires_s;
    if (!gmtime_r(&t, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return err_set(err, ERR_INTERNAL, "cannot write a date");
    return buf_addf(out, err, " expires=%s", text);
}

int token_write_line(const struct token_entry *e, struct buf *out, struct err *err)
{
    if (buf_addf(out, err, "%s sha256:", e->name) < 0)
        return -1;
    for (size_t i = 0; i < TOKEN_HASH; i++)
        if (buf_addf(out, err, "%02x", e->hash[i]) < 0)
            return -1;
    if (e->has_rate && buf_addf(out, err, " rate=%u", e->rate) < 0)
        return -1;
    if (write_profiles(e->profiles, out, err) < 0 || write_expires(e->expires_s, out, err) < 0)
        return -1;
    return buf_add_str(out, "\n", err);
}
