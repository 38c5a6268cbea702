/* The watch behind CPython's allocators: see memory.h. Runs in the worker. A failure is what costs;
 * a success pays one indirect call in front of malloc and mmap. */
#include "python/memory.h"

#include <Python.h>

static PyMemAllocatorEx raw;
static PyObjectArenaAllocator arena;
static uint32_t nowhere;
static uint32_t *failed = &nowhere;

static void *note(void *p)
{
    if (__builtin_expect(!p, 0))
        __atomic_store_n(failed, 1, __ATOMIC_RELAXED);
    return p;
}

static void *raw_malloc(void *ctx, size_t n)
{
    return note(raw.malloc(ctx, n));
}

static void *raw_calloc(void *ctx, size_t count, size_t each)
{
    return note(raw.calloc(ctx, count, each));
}

static void *raw_realloc(void *ctx, void *p, size_t n)
{
    return note(raw.realloc(ctx, p, n));
}

static void *arena_alloc(void *ctx, size_t n)
{
    return note(arena.alloc(ctx, n));
}

void memory_init(void)
{
    PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &raw);
    PyMemAllocatorEx raw_watched = {.ctx = raw.ctx,
                                    .malloc = raw_malloc,
                                    .calloc = raw_calloc,
                                    .realloc = raw_realloc,
                                    .free = raw.free};
    PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &raw_watched);
    PyObject_GetArenaAllocator(&arena);
    PyObjectArenaAllocator arena_watched = {
        .ctx = arena.ctx, .alloc = arena_alloc, .free = arena.free};
    PyObject_SetArenaAllocator(&arena_watched);
}

void memory_watch(uint32_t *flag)
{
    failed = flag ? flag : &nowhere;
    *failed = 0;
}

bool memory_failed(void)
{
    return __atomic_load_n(failed, __ATOMIC_RELAXED) != 0;
}
