/* The rate limit: see rate.h. Runs in the server. All whole numbers: what is told as the time to
 * wait is exact. */
#include "access/rate.h"

#include "base/macros.h"

#define SECOND_NS 1000000000ull
#define MINUTE_NS (60 * SECOND_NS)

struct rate rate_init(unsigned per_minute)
{
    if (per_minute == 0)
        return (struct rate){0};
    uint64_t each = (MINUTE_NS + per_minute - 1) / per_minute;
    return (struct rate){.each_ns = each, .burst_ns = each * per_minute};
}

bool rate_take(struct rate *r, uint64_t now_ns, unsigned *ret_retry_after_s)
{
    if (r->each_ns == 0)
        return true;
    uint64_t full = MAX(r->full_ns, now_ns) + r->each_ns;
    uint64_t earliest = full > r->burst_ns ? full - r->burst_ns : 0;
    if (earliest > now_ns) {
        uint64_t wait = earliest - now_ns;
        *ret_retry_after_s = (unsigned)((wait + SECOND_NS - 1) / SECOND_NS);
        return false;
    }
    r->full_ns = full;
    return true;
}
