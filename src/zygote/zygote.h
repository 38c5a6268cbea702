/* The two main loops of the extension module: the zygote's, and the worker's that it forks. */
#ifndef ZYGOTE_ZYGOTE_H
#define ZYGOTE_ZYGOTE_H

#include "base/err.h"
#include "base/macros.h"
#include "jail/jail.h"
#include "wire/msg.h"

/* The zygote: read the spec, preload, enter the jail, prove it, fork workers until the control
 * channel ends. Called with the GIL, in the only thread of a fresh interpreter. */
_noreturn_ void zygote_main(void);

/* Everything that is done once before any fork: the interpreter's set-up, preloading, a rehearsal.
 * Fills *ret (zeroed by the caller; msg_ready_done) but for preload_ns. */
int zygote_prepare(const struct msg_launch *launch, struct msg_ready *ret, struct err *err);
/* Move everything out of the garbage collector's sight, so that it never writes to shared pages,
 * and use up the free places in them, so that no worker allocates there. */
int zygote_freeze(struct err *err);

/* Work of the one who has just been forked, before it is jailed: what must not be the same in two
 * workers. Python exceptions are cleared; a failure is an error. */
int worker_reseed(struct err *err);

/* Throw-away programs, run before anything else: by the zygote many things, so that whatever is
 * imported or cached on first use is there; by a worker little. */
int rehearse_fully(const struct msg_launch *launch, struct err *err);
int rehearse_briefly(const struct msg_launch *launch, struct err *err);

/* A worker, from fork to end. @fds: worker channel, stdout, stderr, status file; all of them are
 * consumed. */
_noreturn_ void worker_main(struct jail *jail, const struct msg_launch *launch, const int fds[4]);

/* The worker of the self-test: jailed like any other, sends MSG_PROOF as one datagram on @channel.
 */
_noreturn_ void worker_probe(struct jail *jail, int channel);

#endif
