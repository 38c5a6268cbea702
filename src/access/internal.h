/* What the files of this room share. */
#ifndef ACCESS_INTERNAL_H
#define ACCESS_INTERNAL_H

#include <sys/queue.h>

#include "access/access.h"
#include "access/jwks.h"
#include "access/rate.h"
#include "access/tokens.h"
#include "base/buf.h"

/* ---- caller.c ---- */

#define CALLER_NAME_MAX 160

/* One identity's share of executions, whatever scopes its tokens have. */
struct allowance {
    struct rate rate;
    unsigned refs; /* callers */
};

struct caller {
    TAILQ_ENTRY(caller) by_age;   /* OAuth subjects only, as the next two */
    LIST_ENTRY(caller) same_slot; /* in callers.slots */
    uint8_t subject[TOKEN_HASH];  /* digest of the subject */
    char name[CALLER_NAME_MAX + 1];
    unsigned profiles;
    struct allowance *allowance;
    unsigned refs;
    void *data;
    void (*free_data)(void *data);
};
/* NULL: no memory. @share: another caller whose allowance is also this one's; NULL: a new one of
 * @per_minute. */
struct caller *caller_new(const char *name, unsigned profiles, unsigned per_minute,
                          struct caller *share);
void caller_free(struct caller *c); /* NULL is fine */

#define CALLER_SLOTS 1024
/* OAuth subjects that have come by, the latest first. */
struct callers {
    TAILQ_HEAD(caller_list, caller) ages;
    LIST_HEAD(, caller) slots[CALLER_SLOTS];
    size_t len;
};
void callers_init(struct callers *all);
void callers_done(struct callers *all);
/* The caller for @subject with @profiles; borrowed. NULL: no memory, or all places are in use. */
struct caller *callers_find(struct callers *all, const char *subject, unsigned profiles,
                            unsigned per_minute);

/* ---- challenge.c ---- */

/* What can be said in advance. */
struct challenges {
    char *metadata_url; /* owned; NULL: no OAuth */
    char *metadata;     /* owned JSON text; NULL: no OAuth */
    char scopes[128];   /* that a client might want, separated by blanks */
};
int challenges_init(struct challenges *c, const struct access_options *options, struct err *err);
void challenges_done(struct challenges *c);
/* @why: one sentence without quotes and backslashes. Returns @verdict. */
enum access_verdict challenge_set(const struct challenges *c, enum access_verdict verdict,
                                  const char *why, struct challenge *ret);

/* The scopes of OAuth tokens: `execute` is needed for anything and permits the basic profile,
 * `execute:data_science` and so on permit that as well, `execute:all` whatever the server does.
 * 0: none of them is in @scopes. */
unsigned scopes_profiles(const struct strv *scopes);

#endif
