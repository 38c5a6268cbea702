/* base64url: see b64url.h. Runs in the server, over bytes from anybody. Two texts for the same
 * bytes would make two tokens out of one, so there is one only. */
#include "access/b64url.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

ssize_t b64url_decode(const char *text, size_t n, uint8_t *out, size_t cap)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t len = 0;
    if (n % 4 == 1)
        return -1;
    for (size_t i = 0; i < n; i++) {
        int v = value_of(text[i]);
        if (v < 0)
            return -1;
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        if (len == cap)
            return -1;
        out[len++] = (uint8_t)(bits >> have);
        bits &= (1u << have) - 1;
    }
    return bits == 0 ? (ssize_t)len : -1;
}

void b64url_encode(const uint8_t *data, size_t n, char *out)
{
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < n; i++) {
        bits = (bits << 8 | data[i]) & 0xffff;
        for (have += 8; have >= 6; have -= 6)
            *out++ = alphabet[bits >> (have - 6) & 63];
    }
    if (have > 0)
        *out++ = alphabet[bits << (6 - have) & 63];
    *out = '\0';
}
