/* Roads through asyncio's event loop: methods that take any object with a fileno() and read or
 * write that descriptor. A program has no descriptors of its own; those that there are, the channel
 * to the server among them, are the worker's. Subprocesses end here too, with a legible refusal.
 * Streams between tasks, timers, threads and signals are as they were.
 *
 * Not where the operator has named the modules in SANDBOX_ALLOWED_IMPORTS: there a program has os
 * itself, or can have it. */
#ifndef PYTHON_LOOP_ROADS_H
#define PYTHON_LOOP_ROADS_H

/* Zygote, after preload. -1 = Python exception. */
int loop_roads_learn(void);

#endif
