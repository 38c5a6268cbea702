/* How many connections each address has. An IPv6 /64 counts as one address: that is what one
 * customer gets. */
#ifndef HTTP_TALLY_H
#define HTTP_TALLY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

struct tally_key {
    uint64_t bits; /* IPv4 address, or the upper half of an IPv6 address */
    bool v6;
};

struct tally {
    struct tally_entry **buckets; /* owned */
    uint64_t seed;
};

bool tally_same(struct tally_key a, struct tally_key b);

int tally_init(struct tally *t, struct err *err);
void tally_done(struct tally *t);

/* Of an IPv4 or IPv6 address; an IPv4-mapped one is IPv4. */
struct tally_key tally_key(const struct sockaddr *addr);
/* One more. False: there are @max already, or memory ran out; nothing was counted. */
bool tally_add(struct tally *t, struct tally_key key, unsigned max);
void tally_drop(struct tally *t, struct tally_key key);

#endif
