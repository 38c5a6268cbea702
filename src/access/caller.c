/* Callers: who has come in, how much they may still do. Runs in the server. Subjects are chosen by
 * the authorization server's users: their number is bounded, and they are found by a digest, so
 * that nobody can choose them all into one slot. */
#include <stdio.h>
#include <string.h>

#include "access/internal.h"

struct caller *caller_new(const char *name, unsigned profiles, unsigned per_minute,
                          struct caller *share)
{
    struct caller *c = calloc(1, sizeof(*c));
    struct allowance *allowance = share ? share->allowance : calloc(1, sizeof(*allowance));
    if (!c || !allowance) {
        free(c);
        if (!share)
            free(allowance);
        return NULL;
    }
    if (!share)
        allowance->rate = rate_init(per_minute);
    allowance->refs++;
    c->allowance = allowance;
    c->profiles = profiles;
    snprintf(c->name, sizeof(c->name), "%s", name);
    return c;
}

void caller_free(struct caller *c)
{
    if (!c)
        return;
    if (c->free_data)
        c->free_data(c->data);
    if (--c->allowance->refs == 0)
        free(c->allowance);
    free(c);
}

struct caller *caller_ref(struct caller *c)
{
    c->refs++;
    return c;
}

void caller_unref(struct caller *c)
{
    if (c)
        c->refs--;
}

const char *caller_name(const struct caller *c)
{
    return c->name;
}

unsigned caller_profiles(const struct caller *c)
{
    return c->profiles;
}

bool caller_admit(struct caller *c, uint64_t now_ns, unsigned *ret_retry_after_s)
{
    return rate_take(&c->allowance->rate, now_ns, ret_retry_after_s);
}

void caller_set_data(struct caller *c, void *data, void (*free_data)(void *data))
{
    c->data = data;
    c->free_data = free_data;
}

void *caller_data(const struct caller *c)
{
    return c->data;
}

/* ---- OAuth subjects ---- */

void callers_init(struct callers *all)
{
    TAILQ_INIT(&all->ages);
    for (size_t i = 0; i < CALLER_SLOTS; i++)
        LIST_INIT(&all->slots[i]);
    all->len = 0;
}

static void forget(struct callers *all, struct caller *c)
{
    TAILQ_REMOVE(&all->ages, c, by_age);
    LIST_REMOVE(c, same_slot);
    all->len--;
    caller_free(c);
}

void callers_done(struct callers *all)
{
    struct caller *c;
    while ((c = TAILQ_FIRST(&all->ages)))
        forget(all, c);
}

/* A subject that reads well stands for itself, any other for its digest. The two never meet. */
static void name_subject(const char *subject, const uint8_t hash[TOKEN_HASH],
                         char out[CALLER_NAME_MAX + 1])
{
    size_t n = strlen(subject);
    bool plain = n <= CALLER_NAME_MAX - 4;
    for (size_t i = 0; plain && i < n; i++)
        plain = subject[i] > 0x20 && subject[i] < 0x7f;
    if (plain) {
        snprintf(out, CALLER_NAME_MAX + 1, "sub:%s", subject);
        return;
    }
    size_t at = (size_t)snprintf(out, CALLER_NAME_MAX + 1, "sub~");
    for (size_t i = 0; i < TOKEN_HASH; i++)
        at += (size_t)snprintf(out + at, CALLER_NAME_MAX + 1 - at, "%02x", hash[i]);
}

/* Forget the one that has been away longest. What it is forgotten with is its allowance, too: it
 * has regained it, unless so many came by within a minute. */
static bool make_room(struct callers *all)
{
    struct caller *c;
    if (all->len < ACCESS_MAX_CALLERS)
        return true;
    TAILQ_FOREACH_REVERSE(c, &all->ages, caller_list, by_age)
    {
        if (c->refs == 0) {
            forget(all, c);
            return true;
        }
    }
    return false;
}

struct caller *callers_find(struct callers *all, const char *subject, unsigned profiles,
                            unsigned per_minute)
{
    uint8_t hash[TOKEN_HASH];
    char name[CALLER_NAME_MAX + 1];
    struct caller *c;
    struct caller *share = NULL;
    if (token_hash(subject, strlen(subject), hash) < 0)
        return NULL;
    size_t slot = (hash[0] | (size_t)hash[1] << 8) % CALLER_SLOTS;
    LIST_FOREACH(c, &all->slots[slot], same_slot) {
        if (memcmp(c->subject, hash, sizeof(hash)) != 0)
            continue;
        share = c;
        if (c->profiles == profiles)
            break;
    }
    if (c) {
        TAILQ_REMOVE(&all->ages, c, by_age);
        TAILQ_INSERT_HEAD(&all->ages, c, by_age);
        return c;
    }
    name_subject(subject, hash, name);
    c = caller_new(name, profiles, per_minute, share);
    if (c && !make_room(all)) {
        caller_free(c);
        c = NULL;
    }
    if (!c)
        return NULL;
    memcpy(c->subject, hash, sizeof(hash));
    TAILQ_INSERT_HEAD(&all->ages, c, by_age);
    LIST_INSERT_HEAD(&all->slots[slot], c, same_slot);
    all->len++;
    return c;
}
