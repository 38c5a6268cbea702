/* Connections of each address: see tally.h. Runs in the server. Chains are as long as a peer with
 * many addresses can make them collide, which the random seed does not let it choose. */
#include "http/tally.h"

#include <netinet/in.h>
#include <string.h>

#include "sys/clock.h"

#define BUCKETS 1024u

struct tally_entry {
    struct tally_entry *next;
    struct tally_key key;
    unsigned count;
};

int tally_init(struct tally *t, struct err *err)
{
    t->buckets = calloc(BUCKETS, sizeof(struct tally_entry *));
    if (!t->buckets)
        return err_nomem(err);
    random_bytes(&t->seed, sizeof(t->seed));
    t->seed |= 1;
    return 0;
}

void tally_done(struct tally *t)
{
    for (size_t i = 0; t->buckets && i < BUCKETS; i++) {
        while (t->buckets[i]) {
            struct tally_entry *e = t->buckets[i];
            t->buckets[i] = e->next;
            free(e);
        }
    }
    free(t->buckets);
    t->buckets = NULL;
}

struct tally_key tally_key(const struct sockaddr *addr)
{
    struct tally_key key = {0};
    if (addr->sa_family == AF_INET) {
        key.bits = ((const struct sockaddr_in *)(const void *)addr)->sin_addr.s_addr;
    } else if (addr->sa_family == AF_INET6) {
        const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(a)) {
            uint32_t v4;
            memcpy(&v4, a->s6_addr + 12, sizeof(v4));
            key.bits = v4;
        } else {
            memcpy(&key.bits, a->s6_addr, sizeof(key.bits));
            key.v6 = true;
        }
    }
    return key;
}

bool tally_same(struct tally_key a, struct tally_key b)
{
    return a.bits == b.bits && a.v6 == b.v6;
}

static struct tally_entry **find(struct tally *t, struct tally_key key)
{
    uint64_t h = (key.bits ^ (key.bits >> 29) ^ (key.v6 ? t->seed >> 7 : 0)) * t->seed;
    h = (h ^ (h >> 31)) * t->seed;
    struct tally_entry **e = &t->buckets[(h >> 40) % BUCKETS];
    while (*e && !tally_same((*e)->key, key))
        e = &(*e)->next;
    return e;
}

bool tally_add(struct tally *t, struct tally_key key, unsigned max)
{
    struct tally_entry **e = find(t, key);
    if (!*e) {
        *e = calloc(1, sizeof(**e));
        if (!*e)
            return false;
        (*e)->key = key;
    }
    if ((*e)->count >= max)
        return false;
    (*e)->count++;
    return true;
}

void tally_drop(struct tally *t, struct tally_key key)
{
    struct tally_entry **e = find(t, key);
    if (!*e || --(*e)->count > 0)
        return;
    struct tally_entry *gone = *e;
    *e = gone->next;
    free(gone);
}
