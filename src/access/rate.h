/* How many executions a minute. A client may begin a whole minute's worth at once, and regains
 * them one by one, evenly (a token bucket that holds one minute, kept as the one moment at which it
 * would be full again). */
#ifndef ACCESS_RATE_H
#define ACCESS_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
    uint64_t each_ns; /* one is regained in this time; 0 = no limit */
    uint64_t burst_ns;
    uint64_t full_ns; /* when all will have been regained */
};

/* @per_minute: at most 1000000; 0 = no limit. */
struct rate rate_init(unsigned per_minute);
/* Take one at @now_ns (CLOCK_MONOTONIC). False: none is left; after *ret_retry_after_s seconds (at
 * least 1, rounded up) there will be one. */
bool rate_take(struct rate *r, uint64_t now_ns, unsigned *ret_retry_after_s);

#endif
