/* Base64: see base64.h. Used in the server; texts to decode come from anybody. */
#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t n, char *out)
{
    const uint8_t *p = data;
    for (; n >= 3; n -= 3, p += 3) {
        uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = digits[v >> 6 & 63];
        *out++ = digits[v & 63];
    }
    if (n > 0) {
        uint32_t v = (uint32_t)p[0] << 16 | (n == 2 ? (uint32_t)p[1] << 8 : 0);
        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = '=';
        if (n == 2)
            out[-1] = digits[v >> 6 & 63];
        *out++ = '=';
    }
    *out = '\0';
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ssize_t base64_decode(const char *text, size_t n, uint8_t *out, size_t cap)
{
    size_t pad = n > 0 && text[n - 1] == '=' ? 1 : 0;
    pad += n > 1 && pad && text[n - 2] == '=';
    if (n % 4 != 0 || n / 4 * 3 - pad > cap)
        return -1;
    size_t len = 0;
    for (size_t i = 0; i < n; i += 4) {
        size_t missing = i + 4 == n ? pad : 0;
        uint32_t v = 0;
        for (size_t j = 0; j < 4; j++) {
            int d = j < 4 - missing ? digit(text[i + j]) : 0;
            if (d < 0)
                return -1;
            v = v << 6 | (uint32_t)d;
        }
        if (v & ((1u << (8 * missing)) - 1)) /* bits that encode nothing */
            return -1;
        out[len++] = (uint8_t)(v >> 16);
        if (missing < 2)
            out[len++] = (uint8_t)(v >> 8);
        if (missing < 1)
            out[len++] = (uint8_t)v;
    }
    return (ssize_t)len;
}
