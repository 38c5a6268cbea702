/* State that a client keeps for us between two rounds of questions. Runs in the server.
 *
 * What comes back is whatever a client makes of it, so it is sealed: an HMAC, under a key that
 * lives as long as this server, over the state, the time, the caller and the request it belongs to.
 * It is not encrypted (the client may read it) and not single-use (within its time the same answers
 * give the same result). */
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/base64.h"
#include "mcp/internal.h"
#include "sys/clock.h"

#define MAC_BYTES  32
#define TIME_BYTES 8
#define HEAD_BYTES (MAC_BYTES + TIME_BYTES)
#define MAX_BYTES  (64 * 1024)

static void put_time(uint8_t out[TIME_BYTES], uint64_t ms)
{
    for (int i = 0; i < TIME_BYTES; i++)
        out[i] = (uint8_t)(ms >> (8 * (TIME_BYTES - 1 - i)));
}

static uint64_t get_time(const uint8_t in[TIME_BYTES])
{
    uint64_t ms = 0;
    for (int i = 0; i < TIME_BYTES; i++)
        ms = ms << 8 | in[i];
    return ms;
}

/* With its length in front, so that no two lists of parts look alike. */
static int add_part(struct buf *b, const void *data, size_t n)
{
    uint8_t len[TIME_BYTES];
    put_time(len, n);
    return buf_add(b, len, sizeof(len), NULL) < 0 ? -1 : buf_add(b, data, n, NULL);
}

static int add_param(struct buf *b, const struct request *rq, const char *name)
{
    const json_t *v = rq->msg->params ? json_object_get(rq->msg->params, name) : NULL;
    char *text = v ? json_dumps(v, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    int r = v && !text ? -1 : add_part(b, text ? text : "", text ? strlen(text) : 0);
    free(text);
    return r;
}

/* @body: time and state. */
static int mac(const struct request *rq, const uint8_t *body, size_t n, uint8_t out[MAC_BYTES])
{
    auto_buf struct buf b = BUF_INIT(0);
    unsigned len = MAC_BYTES;
    if (add_part(&b, rq->client->name, strlen(rq->client->name)) < 0 ||
        add_part(&b, rq->msg->method, strlen(rq->msg->method)) < 0 ||
        add_param(&b, rq, "name") < 0 || add_param(&b, rq, "arguments") < 0 ||
        add_part(&b, body, n) < 0)
        return -1;
    return HMAC(EVP_sha256(), rq->client->server->seal_key, SEAL_KEY_BYTES, b.data, b.len, out,
                &len)
               ? 0
               : -1;
}

char *state_seal(const struct request *rq, const char *state)
{
    auto_buf struct buf b = BUF_INIT(0);
    size_t n = strlen(state);
    if (n > MAX_BYTES || buf_reserve(&b, HEAD_BYTES + n, NULL) < 0)
        return NULL;
    put_time(b.data + MAC_BYTES, clock_unix_ms());
    memcpy(b.data + HEAD_BYTES, state, n);
    b.len = HEAD_BYTES + n;
    if (mac(rq, b.data + MAC_BYTES, b.len - MAC_BYTES, b.data) < 0)
        return NULL;
    char *text = malloc(BASE64_LEN(b.len) + 1);
    if (text)
        base64_encode(b.data, b.len, text);
    return text;
}

char *state_open(const struct request *rq, const char *sealed)
{
    size_t n = strlen(sealed);
    if (n > BASE64_LEN(HEAD_BYTES + MAX_BYTES))
        return NULL;
    auto_free uint8_t *data = malloc(n + 1);
    ssize_t len = data ? base64_decode(sealed, n, data, n) : -1;
    uint8_t expected[MAC_BYTES];
    if (len < HEAD_BYTES || mac(rq, data + MAC_BYTES, (size_t)len - MAC_BYTES, expected) < 0 ||
        CRYPTO_memcmp(expected, data, MAC_BYTES) != 0)
        return NULL;
    uint64_t made_ms = get_time(data + MAC_BYTES);
    uint64_t now_ms = clock_unix_ms();
    if (now_ms < made_ms || now_ms - made_ms > STATE_TTL_MS)
        return NULL;
    return strndup((char *)data + HEAD_BYTES, (size_t)len - HEAD_BYTES);
}
