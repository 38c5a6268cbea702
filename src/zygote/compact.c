/* Huge pages for what the zygote has loaded: see compact.h. Runs in the zygote before the first
 * fork; the allocator's hook is called in workers, where it only passes on. */
#include "zygote/compact.h"

#include <Python.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define REGION_BYTES ((size_t)1 << 30) /* of addresses; what is not used is given back */

/* Arenas of the interpreter's allocator lie in one region until compact_finish(). */
static PyObjectArenaAllocator usual;
static char *region, *region_next, *region_end;

/* Objects of the C heap before the first whole huge page stay where they are. */
static char *heap_begin;

static void *arena_alloc(void *ctx, size_t n)
{
    if (region_next == region_end || n > (size_t)(region_end - region_next))
        return usual.alloc(ctx, n);
    char *p = region_next;
    region_next += n;
    return p;
}

static void arena_free(void *ctx, void *p, size_t n)
{
    if ((char *)p >= region && (char *)p < region_next)
        madvise(p, n, MADV_DONTNEED); /* the addresses stay ours */
    else
        usual.free(ctx, p, n);
}

static void begin_region(void)
{
    char *p = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return;
    region = region_next = compact_align(p);
    region_end = p + REGION_BYTES;
    if (region > p)
        munmap(p, (size_t)(region - p));
}

/* Let the C heap go on at the next huge page: the gap is never touched and costs addresses only. */
static void begin_heap(void)
{
    char *top = sbrk(0);
    heap_begin = compact_align(top);
    if (sbrk(heap_begin - top) == (void *)-1)
        heap_begin = top;
}

void compact_begin(void)
{
    begin_region();
    begin_heap();
    PyObject_GetArenaAllocator(&usual);
    PyObjectArenaAllocator ours = {.ctx = usual.ctx, .alloc = arena_alloc, .free = arena_free};
    PyObject_SetArenaAllocator(&ours);
}

bool compact_range(char *from, const char *to)
{
    bool all = true;
    /* one by one: a range in which one huge page cannot be had would end at that one */
    for (char *p = from; p < to && (size_t)(to - p) >= HUGE_PAGE; p += HUGE_PAGE)
        all = madvise(p, HUGE_PAGE, MADV_COLLAPSE) == 0 && all;
    return all;
}

void compact_finish(void)
{
    if (region) {
        char *used_end = region_next;
        if (region_end > used_end)
            munmap(used_end, (size_t)(region_end - used_end));
        region_end = used_end;
        compact_range(region, used_end);
    }
    compact_range(heap_begin, sbrk(0));
    compact_code();
}
