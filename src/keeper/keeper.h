/* The keeper: makes zygotes on the server's order and ends them. */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include "base/err.h"

/* The launch channel, as the server hands it to this executable. */
#define KEEPER_FD 3

/* Serve the launch channel @fd until its other end closes, then end every zygote, wait until
 * nothing is left of them, and return 0. -1: the server broke the protocol, or this process cannot
 * go on; everything has ended then, too. */
int keeper_run(int fd, struct err *err);

#endif
