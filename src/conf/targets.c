/* Host names, addresses and ranges: the setters for SANDBOX_HOST and SANDBOX_NETWORK_*. Only the
 * form is checked here; nothing is resolved. Runs in the server at start. */
#include "conf/vars.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#define MAX_TARGETS 200
#define MAX_HOST    253

/* RFC 1123: labels of letters, digits and inner hyphens, at most 63 each. The last one is not a
 * number, so that a mistyped address is not taken for a name. */
static bool hostname_ok(const char *name)
{
    size_t label = 0;
    bool digits = true;
    size_t n = strlen(name);
    if (n == 0 || n > MAX_HOST)
        return false;
    for (const char *p = name; *p; p++) {
        if (*p == '.') {
            if (label == 0 || p[-1] == '-')
                return false;
            label = 0;
            digits = true;
            continue;
        }
        if (!(isalnum((unsigned char)*p) || (*p == '-' && label > 0)) || ++label > 63)
            return false;
        digits = digits && isdigit((unsigned char)*p);
    }
    return label > 0 && !digits && name[n - 1] != '-';
}

static bool address_ok(const char *text, int *ret_bits)
{
    unsigned char out[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, text, out) == 1)
        *ret_bits = 32;
    else if (inet_pton(AF_INET6, text, out) == 1)
        *ret_bits = 128;
    else
        return false;
    return true;
}

static bool number_ok(const char *text, long min, long max)
{
    size_t n = strlen(text);
    if (n == 0 || n > 5 || strspn(text, "0123456789") != n)
        return false;
    long v = strtol(text, NULL, 10);
    return v >= min && v <= max;
}

enum set_verdict set_host(struct conf *c, const struct conf_var *v, const char *text)
{
    int bits;
    if (!address_ok(text, &bits) && strcmp(text, "localhost") != 0)
        return SET_BAD;
    char *copy = strdup(text);
    if (!copy)
        return SET_NOMEM;
    char **to = (char **)(void *)((char *)c + v->offset);
    free(*to);
    *to = copy;
    return SET_OK;
}

/* An address, a range, a name or *.name. @text is ours to cut up. */
static bool where_ok(char *text)
{
    int bits;
    char *slash = strchr(text, '/');
    if (slash) {
        *slash = '\0';
        return address_ok(text, &bits) && number_ok(slash + 1, 0, bits);
    }
    return address_ok(text, &bits) || hostname_ok(str_starts(text, "*.") ? text + 2 : text);
}

/* WHERE, WHERE:PORT or [V6]:PORT. */
static bool target_ok(const char *item)
{
    char text[MAX_HOST + 16];
    int bits;
    if (strlen(item) >= sizeof(text))
        return false;
    memcpy(text, item, strlen(item) + 1);
    if (address_ok(text, &bits))
        return true;
    if (text[0] == '[') {
        char *close = strchr(text, ']');
        if (!close)
            return false;
        *close = '\0';
        return where_ok(text + 1) && strchr(text, ':') &&
               (close[1] == '\0' || (close[1] == ':' && number_ok(close + 2, 1, 65535)));
    }
    char *colon = strrchr(text, ':');
    if (colon && strchr(text, ':') == colon) {
        *colon = '\0';
        if (!number_ok(colon + 1, 1, 65535))
            return false;
    }
    return where_ok(text);
}

enum set_verdict set_targets(struct conf *c, const struct conf_var *v, const char *text)
{
    struct strv *to = (struct strv *)(void *)((char *)c + v->offset);
    auto_strv struct strv list = STRV_INIT;
    if (strv_split(&list, text, ',', NULL) < 0)
        return SET_NOMEM;
    if (list.len == 0 || list.len > MAX_TARGETS)
        return SET_BAD;
    for (size_t i = 0; i < list.len; i++)
        if (!target_ok(list.items[i]))
            return SET_BAD;
    strv_done(to);
    *to = list;
    list = (struct strv)STRV_INIT;
    return SET_OK;
}
