/* Who may come in over HTTP: the text of an Authorization header → a caller, or why not.
 *
 * Three kinds of proof, any of which may be configured at the same time:
 *   - one bearer token (SANDBOX_API_TOKEN); its caller is called "token"
 *   - many bearer tokens, named and hashed, in a file (SANDBOX_TOKENS_FILE, see tokens.h)
 *   - access tokens of an OAuth 2.1 authorization server: signed JWTs, checked against a file of
 *     its public keys (SANDBOX_OAUTH_ISSUER, _RESOURCE, _JWKS; see jwt.h). Callers are called
 *     "sub:" and the token's subject.
 * With none of them everybody is the caller "anonymous": good for a loopback address only, which
 * is for the listener's owner to see to (access_is_open).
 *
 * Files are read once, by access_new(), before the server gives up its privileges; to change them,
 * restart the server. Nothing here blocks, logs, or knows HTTP. One thread. */
#ifndef ACCESS_ACCESS_H
#define ACCESS_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define ACCESS_MAX_TOKEN   (16 * 1024) /* bytes of a bearer token; a longer one is refused unread */
#define ACCESS_MAX_CALLERS 4096        /* OAuth subjects that are remembered at one time */

struct access;
struct caller;

struct access_options {
    char *token;             /* NULL or "" = none. Overwritten with zeros once it has been hashed */
    const char *tokens_file; /* absolute path or NULL */
    /* All three or none. */
    const char *oauth_issuer;   /* compared with the claim iss */
    const char *oauth_resource; /* this server's URL as clients know it; compared with aud */
    const char *oauth_jwks;     /* absolute path of the file of public keys */
    unsigned profiles;          /* those the server permits: which scopes the metadata offers */
    unsigned rate_limit; /* executions a minute of a caller that has no limit of its own; 0 = off */
};

/* Borrows nothing from @options. ERR_INVALID with a sentence for the operator (which file, line and
 * field, and what to do), ERR_SYS, ERR_NOMEM. Files are opened with the rights of this moment. */
struct access *access_new(const struct access_options *options, struct err *err);
/* Every caller is gone afterwards, with its data. NULL is fine. */
void access_free(struct access *a);

/* No proof is configured: everybody may come in. */
bool access_is_open(const struct access *a);
/* Things the operator should know of what was read (keys that were skipped …). Borrowed. */
const struct strv *access_notes(const struct access *a);

enum access_verdict {
    ACCESS_OK,
    ACCESS_NO_TOKEN,     /* 401 */
    ACCESS_BAD_TOKEN,    /* 401: unknown, malformed, expired, not for us … */
    ACCESS_INSUFFICIENT, /* 403: a good token without the scope that is needed */
    ACCESS_FAILED,       /* 503: out of memory */
};

/* What to answer a request that may not come in. */
struct challenge {
    int status;              /* 401, 403 or 503 */
    char authenticate[1024]; /* the value of WWW-Authenticate; "" with 503 */
    char text[256];          /* one sentence for the body */
};

/* @authorization: the value of the one Authorization header, NULL when there was none (a request
 * with two is the transport's to refuse). @unix_s: now. On ACCESS_OK *ret is a new reference to the
 * caller, release with caller_unref(), and @ret_challenge is untouched; else the reverse.
 * How long it takes does not depend on which static token, if any, is close to the one given. */
enum access_verdict access_check(struct access *a, const char *authorization, uint64_t unix_s,
                                 struct caller **ret, struct challenge *ret_challenge);

/* The body of /.well-known/oauth-protected-resource (RFC 9728), JSON; NULL when no OAuth is
 * configured: then that path does not exist. Borrowed. */
const char *access_metadata(const struct access *a);

/* ---- callers ---- */

/* A caller lives as long as somebody holds a reference, and longer: those of static tokens until
 * access_free(), OAuth subjects until ACCESS_MAX_CALLERS newer ones have come by. The same subject
 * with other scopes is another caller with the same name and the same rate limit. */
struct caller *caller_ref(struct caller *c);
void caller_unref(struct caller *c); /* NULL is fine; may free it only inside a later access_check()
                                        or access_free() */

/* For the record, for fairness, and as the owner of artifacts: visible ASCII, at most 160 bytes;
 * two callers with one name are one identity. Names of kinds never meet. */
const char *caller_name(const struct caller *c);
unsigned caller_profiles(const struct caller *c); /* PROFILE_ bits; PROFILE_ALL = no limit */
/* One more execution at @now_ns (CLOCK_MONOTONIC). False: over the limit, and after
 * *ret_retry_after_s seconds, at least 1, one will pass. */
bool caller_admit(struct caller *c, uint64_t now_ns, unsigned *ret_retry_after_s);

/* One pointer for the caller's user (e.g. its mcp_client); @free_data is called with it when the
 * caller goes away, from inside access_check() or access_free(). Set it once. */
void caller_set_data(struct caller *c, void *data, void (*free_data)(void *data));
void *caller_data(const struct caller *c); /* NULL: not set */

#endif
