/* Capabilities of the calling thread. Sets are bit masks: CAP_MASK(CAP_SYS_ADMIN). */
#ifndef SYS_CAP_H
#define SYS_CAP_H

#include <stdint.h>

#include "base/err.h"

#define CAP_MASK(cap) (UINT64_C(1) << (cap))

/* Permitted, effective and inheritable set all become @keep. */
int cap_set(uint64_t keep, struct err *err);
/* Read the three sets together (bitwise or): 0 means the thread holds nothing. */
int cap_get(uint64_t *ret_any, struct err *err);
/* Hand on @keep across exec, and nothing else. */
int cap_ambient(uint64_t keep, struct err *err);
/* Remove everything but @keep from the bounding set. Needs CAP_SETPCAP. */
int cap_bound(uint64_t keep, struct err *err);
/* No capability by being uid 0, none by changing uid, no new ambient ones; locked for good. Needs
 * CAP_SETPCAP. */
int cap_lock_securebits(struct err *err);

#endif
