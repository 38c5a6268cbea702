/* The code that every run executes, copied into huge pages: see compact.h. Runs in the zygote
 * before the first fork.
 *
 * A fork copies no page table of a file's pages; each worker finds them anew, one fault for every
 * sixteen pages, and drops them one by one at its end: measured, a sixth of what a worker costs. A
 * copy in private memory would be copied page by page at each fork, which is no better, unless it
 * lies in huge pages, which are copied and dropped as one run of entries. So: where those cannot be
 * had everything stays as it is.
 *
 * No page is ever writable and executable. */
#include <Python.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/macros.h"
#include "zygote/compact.h"

static bool holds(const struct dl_phdr_info *object, const void *address)
{
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &object->dlpi_phdr[i];
        if (p->p_type == PT_LOAD &&
            (uintptr_t)address - (object->dlpi_addr + p->p_vaddr) < p->p_memsz)
            return true;
    }
    return false;
}

struct segment {
    char *begin;
    size_t n;
    int protection;
};

struct plan {
    struct segment segments[16];
    size_t len, bytes;
};

static int plan_object(struct dl_phdr_info *object, size_t size _unused_, void *ctx)
{
    static const char here[] = "this module";
    /* one address each in the interpreter, the C library, and this module */
    const void *const wanted[] = {Py_GetVersion(), gnu_get_libc_version(), here};
    struct plan *plan = ctx;
    bool is_wanted = false;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        is_wanted |= holds(object, wanted[i]);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; is_wanted && i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &object->dlpi_phdr[i];
        uintptr_t begin = (object->dlpi_addr + p->p_vaddr) & ~(page - 1);
        uintptr_t end = (object->dlpi_addr + p->p_vaddr + p->p_memsz + page - 1) & ~(page - 1);
        if (p->p_type != PT_LOAD || (p->p_flags & PF_W) || !(p->p_flags & PF_R) ||
            plan->len == ARRAY_LEN(plan->segments))
            continue;
        plan->segments[plan->len++] = (struct segment){
            (char *)begin, end - begin, PROT_READ | (p->p_flags & PF_X ? PROT_EXEC : 0)};
        plan->bytes += end - begin;
    }
    return 0;
}

/* Put the copies in the places of their originals. Each is one step for this thread, the only one;
 * one that fails leaves the original where it is. */
static void swap(const struct plan *plan, char *copies)
{
    for (size_t i = 0; i < plan->len; i++) {
        const struct segment *s = &plan->segments[i];
        if (mprotect(copies, s->n, s->protection) < 0 ||
            mremap(copies, s->n, s->n, MREMAP_MAYMOVE | MREMAP_FIXED, s->begin) == MAP_FAILED)
            munmap(copies, s->n);
        copies += s->n;
    }
}

void compact_code(void)
{
    struct plan plan = {.len = 0};
    dl_iterate_phdr(plan_object, &plan);
    /* side by side, so that hardly a part of a huge page is left over */
    size_t bytes = (plan.bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    char *space = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
        return;
    char *first = compact_align(space), *next = first;
    for (size_t i = 0; i < plan.len; i++) {
        memcpy(next, plan.segments[i].begin, plan.segments[i].n);
        next += plan.segments[i].n;
    }
    if (compact_range(first, first + bytes))
        swap(&plan, first);
    else
        munmap(first, plan.bytes);
    if (first > space)
        munmap(space, (size_t)(first - space));
    munmap(next, (size_t)(space + bytes + HUGE_PAGE - next));
}
