/* Keep what a fork must copy small.
 *
 * A fork copies one page table entry for each 4 KiB of private memory, and the end of a worker
 * drops each again: measured, a third of what a worker costs. So the zygote's objects are laid out
 * side by side and, when all of them are there, moved into huge pages, of which a fork copies one
 * entry for 2 MiB. A worker that writes to one copies 4 KiB, as before.
 *
 * Where the kernel has no huge pages to give (before 6.1, or none free) all stays as it is: this
 * costs or saves time only. */
#ifndef ZYGOTE_COMPACT_H
#define ZYGOTE_COMPACT_H

/* Before anything is preloaded: from here on arenas and heap blocks are laid out for it. */
void compact_begin(void);
/* When everything is there, before the first fork: what is allocated later is laid out as usual. */
void compact_finish(void);

#endif
