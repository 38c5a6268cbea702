/* Notice that an allocation was refused, so that a crash right after it can be told from other
 * crashes. */
#ifndef PYTHON_MEMORY_H
#define PYTHON_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* Zygote, once: put a watch behind CPython's allocators. Small objects come from arenas, so only
 * the allocation of an arena and of blocks above 512 bytes pass through it. */
void memory_init(void);

/* Set *@flag (a word of the shared page) to 1 from here on whenever an allocation fails. NULL:
 * nowhere. */
void memory_watch(uint32_t *flag);

/* Has one failed since memory_watch()? */
bool memory_failed(void);

#endif
