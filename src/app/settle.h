/* Start everything, wait until the engine knows whether programs can be run, look, and end: for
 * `info` and `doctor`. */
#ifndef APP_SETTLE_H
#define APP_SETTLE_H

#include "app/runtime.h"

/* Called once the self-test is through, or after the time allowed, or has failed. Returns the exit
 * status. */
typedef int settle_fn(void *ctx, struct runtime *r, const struct engine_info *info);

/* The exit status: @fn's, or that of a start that failed (shown on stderr, unless @ret_err is given
 * to take the reason). */
int settle(struct conf *conf, settle_fn *fn, void *ctx, struct err *ret_err);

#endif
