/* Keep what a fork must copy small.
 *
 * A fork copies one page table entry for each 4 KiB of private memory, and the end of a worker
 * drops each again: measured, a third of what a worker costs. So the zygote's objects are laid out
 * side by side and, when all of them are there, moved into huge pages, of which a fork copies one
 * entry for 2 MiB. A worker that writes to one copies 4 KiB, as before. The machine code of the
 * interpreter goes the same way: see code.c.
 *
 * Where the kernel has no huge pages to give (before 6.1, or none free) all stays as it is: this
 * costs or saves time only. */
#ifndef ZYGOTE_COMPACT_H
#define ZYGOTE_COMPACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Before anything is preloaded: from here on arenas and heap blocks are laid out for it. */
void compact_begin(void);
/* When everything is there, before the first fork: what is allocated later is laid out as usual. */
void compact_finish(void);

/* ---- between compact.c and code.c ---- */

#define HUGE_PAGE ((size_t)2 << 20)

static inline char *compact_align(char *p)
{
    return p + (-(uintptr_t)p & (HUGE_PAGE - 1));
}

/* Move what lies in the whole huge pages of this range into such; @from is aligned. False: not all
 * of it. */
bool compact_range(char *from, const char *to);
/* Replace the code that every run executes by a copy in huge pages. */
void compact_code(void);

#endif
