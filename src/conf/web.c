/* Names, origins and addresses of the web: the setters for SANDBOX_ALLOWED_HOSTS,
 * SANDBOX_ALLOWED_ORIGINS and SANDBOX_OAUTH_*. Only the form is checked here, so that what is
 * compared later has one spelling. Runs in the server at start. */
#include "conf/vars.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define MAX_ITEMS 100

/* HOST or HOST:PORT of a URL: letters, digits, dots, hyphens, underscores (as in names of
 * containers), or an address in brackets. */
static bool authority_ok(const char *text)
{
    size_t n = *text == '[' ? strspn(text + 1, "0123456789abcdefABCDEF:.") : 0;
    const char *p = text + 1 + n;
    if (*text == '[' && (n < 2 || *p++ != ']'))
        return false;
    if (*text != '[') {
        for (p = text; isalnum((unsigned char)*p) || (*p && strchr(".-_", *p)); p++)
            ;
        if (p == text || p - text > 253)
            return false;
    }
    if (*p == '\0')
        return true;
    size_t digits = *p == ':' ? strspn(p + 1, "0123456789") : 0;
    return digits >= 1 && digits <= 5 && p[1 + digits] == '\0' && strtol(p + 1, NULL, 10) <= 65535;
}

static bool host_item_ok(const char *text)
{
    if (strcmp(text, "*") == 0)
        return true;
    return authority_ok(strncmp(text, "*.", 2) == 0 ? text + 2 : text);
}

/* scheme://host[:port], as browsers send it: no path, not even a slash. */
static bool origin_item_ok(const char *text)
{
    if (strcmp(text, "*") == 0)
        return true;
    const char *p = text;
    if (!islower((unsigned char)*p))
        return false;
    while (islower((unsigned char)*p) || isdigit((unsigned char)*p) || (*p && strchr("+-.", *p)))
        p++;
    return strncmp(p, "://", 3) == 0 && authority_ok(p + 3);
}

static enum set_verdict put(struct conf *c, const struct conf_var *v, const char *text,
                            bool (*ok)(const char *))
{
    struct strv *to = (struct strv *)(void *)((char *)c + v->offset);
    auto_strv struct strv list = STRV_INIT;
    if (strv_split(&list, text, ',', NULL) < 0)
        return SET_NOMEM;
    if (list.len == 0 || list.len > MAX_ITEMS)
        return SET_BAD;
    for (size_t i = 0; i < list.len; i++)
        if (!ok(list.items[i]))
            return SET_BAD;
    strv_done(to);
    *to = list;
    list = (struct strv)STRV_INIT;
    return SET_OK;
}

enum set_verdict set_hosts(struct conf *c, const struct conf_var *v, const char *text)
{
    return put(c, v, text, host_item_ok);
}

enum set_verdict set_origins(struct conf *c, const struct conf_var *v, const char *text)
{
    return put(c, v, text, origin_item_ok);
}

static bool is_loopback(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t n = strlen(names[i]);
        if (strncasecmp(host, names[i], n) == 0 && (host[n] == ':' || host[n] == '\0'))
            return true;
    }
    return false;
}

/* It is compared letter by letter and written into headers: one spelling, nothing to escape. */
enum set_verdict set_url(struct conf *c, const struct conf_var *v, const char *text)
{
    char authority[300];
    bool https = str_starts(text, "https://");
    if ((!https && !str_starts(text, "http://")) || strlen(text) > 512)
        return SET_BAD;
    const char *host = strchr(text, ':') + 3;
    size_t n = strcspn(host, "/");
    if (n >= sizeof(authority))
        return SET_BAD;
    memcpy(authority, host, n);
    authority[n] = '\0';
    if (!authority_ok(authority) || (!https && !is_loopback(authority)))
        return SET_BAD;
    for (const char *p = host + n; *p; p++)
        if (!isgraph((unsigned char)*p) || strchr("\"\\<>^`{|}?#", *p))
            return SET_BAD;
    char **to = (char **)(void *)((char *)c + v->offset);
    char *copy = strdup(text);
    if (!copy)
        return SET_NOMEM;
    free(*to);
    *to = copy;
    return SET_OK;
}
