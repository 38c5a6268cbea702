/* What a request is told that may not come in (RFC 6750, RFC 9728), and what OAuth clients can read
 * about this server before they ask for a token. Runs in the server. Everything said is ours or the
 * operator's, whose addresses have been checked to hold no quotes. */
#include <stdio.h>
#include <string.h>

#include "access/internal.h"
#include "catalog/profiles.h"
#include "json/write.h"

#define WELL_KNOWN "/.well-known/oauth-protected-resource"

unsigned scopes_profiles(const struct strv *scopes)
{
    static const char prefix[] = "execute:";
    unsigned bits = 0;
    for (size_t i = 0; i < scopes->len; i++) {
        const char *s = scopes->items[i];
        if (str_eq(s, "execute"))
            bits |= PROFILE_BASIC;
        else if (str_eq(s, "execute:all"))
            bits |= PROFILE_ALL;
        for (size_t p = 0; str_starts(s, prefix) && p < PROFILE_COUNT; p++)
            if (str_eq(s + strlen(prefix), profiles[p].name))
                bits |= PROFILE_BASIC | profiles[p].bit;
    }
    return bits;
}

/* RFC 9728, 3.1: the well-known part goes between host and path. */
static char *metadata_url(const char *resource)
{
    char *url = NULL;
    const char *host = strstr(resource, "://");
    size_t origin = host ? (size_t)(host + 3 - resource) : 0;
    origin += strcspn(resource + origin, "/");
    const char *path = resource + origin;
    if (asprintf(&url, "%.*s" WELL_KNOWN "%s", (int)origin, resource,
                 str_eq(path, "/") ? "" : path) < 0)
        return NULL;
    return url;
}

static void list_scopes(struct challenges *c, unsigned on)
{
    size_t at = (size_t)snprintf(c->scopes, sizeof(c->scopes), "execute");
    for (size_t i = 0; i < PROFILE_COUNT; i++)
        if (profiles[i].bit != PROFILE_BASIC && on & profiles[i].bit)
            at += (size_t)snprintf(c->scopes + at, sizeof(c->scopes) - at, " execute:%s",
                                   profiles[i].name);
}

static char *metadata(const struct challenges *c, const struct access_options *options,
                      struct err *err)
{
    auto_buf struct buf buf = BUF_INIT(0);
    auto_strv struct strv scopes = STRV_INIT;
    struct strv servers = {.items = (char *[]){(char *)(uintptr_t)options->oauth_issuer}, .len = 1};
    struct strv methods = {.items = (char *[]){(char[]){"header"}}, .len = 1};
    struct json_out out = json_out_init(&buf);
    if (strv_split(&scopes, c->scopes, ' ', err) < 0)
        return NULL;
    json_open_object(&out);
    json_pair_str(&out, "resource", options->oauth_resource);
    json_pair_strv(&out, "authorization_servers", &servers);
    json_pair_strv(&out, "scopes_supported", &scopes);
    json_pair_strv(&out, "bearer_methods_supported", &methods);
    json_pair_str(&out, "resource_name", "Vivarium Python sandbox");
    json_close_object(&out);
    char *text = out.bad ? NULL : buf_take_str(&buf);
    if (!text)
        err_nomem(err);
    return text;
}

int challenges_init(struct challenges *c, const struct access_options *options, struct err *err)
{
    if (!options->oauth_resource)
        return 0;
    list_scopes(c, options->profiles);
    c->metadata_url = metadata_url(options->oauth_resource);
    if (!c->metadata_url)
        return err_nomem(err);
    c->metadata = metadata(c, options, err);
    return c->metadata ? 0 : -1;
}

void challenges_done(struct challenges *c)
{
    free(c->metadata_url);
    free(c->metadata);
    *c = (struct challenges){0};
}

enum access_verdict challenge_set(const struct challenges *c, enum access_verdict verdict,
                                  const char *why, struct challenge *ret)
{
    *ret = (struct challenge){.status = verdict == ACCESS_INSUFFICIENT ? 403 : 401};
    snprintf(ret->text, sizeof(ret->text), "%s", why);
    if (verdict == ACCESS_FAILED) {
        ret->status = 503;
        return verdict;
    }
    auto_buf struct buf out = BUF_INIT(sizeof(ret->authenticate) - 1);
    const char *error = verdict == ACCESS_BAD_TOKEN      ? "invalid_token"
                        : verdict == ACCESS_INSUFFICIENT ? "insufficient_scope"
                                                         : NULL;
    int r = buf_add_str(&out, "Bearer realm=\"vivarium\"", NULL);
    if (r == 0 && error)
        r = buf_addf(&out, NULL, ", error=\"%s\", error_description=\"%s\"", error, why);
    if (r == 0 && c->metadata_url)
        r = buf_addf(&out, NULL, ", scope=\"%s\", resource_metadata=\"%s\"",
                     verdict == ACCESS_INSUFFICIENT ? "execute" : c->scopes, c->metadata_url);
    if (r == 0)
        snprintf(ret->authenticate, sizeof(ret->authenticate), "%.*s", (int)out.len,
                 (const char *)out.data);
    else
        snprintf(ret->authenticate, sizeof(ret->authenticate), "Bearer");
    return verdict;
}
