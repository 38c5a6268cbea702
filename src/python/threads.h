/* How many threads a program may run (SANDBOX_MAX_THREADS). From 3.12 on CPython announces every
 * new thread by an audit event; before that the function that starts one is replaced. */
#ifndef PYTHON_THREADS_H
#define PYTHON_THREADS_H

#include "wire/msg.h"

/* Zygote, after preload. @launch is borrowed and outlives the process's programs. -1 = Python
 * exception. */
int threads_init(const struct msg_launch *launch);

/* One more is about to be started, as @event says: -1 = Python exception, there are enough. Does
 * nothing until guards_arm(). */
int threads_count(const char *event);

#endif
