/* Resource limits of a worker. Those of wall_limits() hold for every program; memory and CPU are
 * set for each request, by the worker itself, before the program starts. They bound honest programs
 * and accidents; what they let through the parent measures from outside. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "jail/internal.h"
#include "sys/task.h"

#define STACK_BYTES (8u * 1024 * 1024)
#define MAX_FILES   64u
/* Processes and threads of all workers of a zygote together: the kernel counts them for each uid in
 * the user namespace, so this is a backstop; fork is refused, threads are bounded by memory. */
#define MAX_TASKS 4096u
/* Of jail_address_space(): bytes too many that nobody will miss, for fewer system calls. */
#define PRECISION (64u * 1024)
/* What jail_relax_memory() gives back for reporting. */
#define RESERVE_BYTES (16u * 1024 * 1024)

/* Soft and hard limit become @value, or stay lower where they are. */
static int lower(int resource, uint64_t value, struct err *err)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)resource, &now) < 0)
        return err_set(err, ERR_SYS, "getrlimit(%d)", resource);
    value = MIN(value, now.rlim_max);
    return task_limit(resource, value, value, err);
}

int wall_limits(struct jail *j, struct err *err)
{
    static const struct {
        int resource;
        uint64_t value;
    } limits[] = {
        {RLIMIT_CORE, 0},    {RLIMIT_FSIZE, 0},       {RLIMIT_NOFILE, MAX_FILES},
        {RLIMIT_MEMLOCK, 0}, {RLIMIT_MSGQUEUE, 0},    {RLIMIT_NICE, 0},
        {RLIMIT_RTPRIO, 0},  {RLIMIT_SIGPENDING, 64}, {RLIMIT_STACK, STACK_BYTES},
    };
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        if (lower(limits[i].resource, limits[i].value, err) < 0)
            return -1;
    /* Without a user namespace this would count the user's other processes. */
    if (j->isolation == ISOLATION_NAMESPACES)
        return lower(RLIMIT_NPROC, MAX_TASKS, err);
    return 0;
}

/* Would one more page fit if the address space were limited to @bytes? */
static bool fits(uint64_t bytes, rlim_t hard, size_t page)
{
    struct rlimit l = {.rlim_cur = bytes, .rlim_max = hard};
    if (setrlimit(RLIMIT_AS, &l) < 0)
        return true;
    void *p = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return false;
    munmap(p, page);
    return true;
}

/* Where the last search ended. Set in the zygote first, so that a worker, which has hardly more, is
 * done after a few steps. */
static uint64_t last_found = 64u * 1024 * 1024;

uint64_t jail_address_space(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct rlimit before;
    if (getrlimit(RLIMIT_AS, &before) < 0)
        return 0;
    /* The smallest limit under which a page still fits is what is in use, and that page. The stack
     * must not have to grow meanwhile: that would be a SIGSEGV. */
    volatile char stack[8 * 1024];
    for (size_t i = 0; i < sizeof(stack); i += 1024)
        stack[i] = 0;
    uint64_t low = 0, high = last_found, stride = PRECISION;
    while (high < (UINT64_C(1) << 46) && !fits(high, before.rlim_max, page)) {
        low = high;
        high += stride;
        stride *= 2;
    }
    while (low == 0 && high > stride && fits(high - stride, before.rlim_max, page)) {
        high -= stride;
        stride *= 2;
    }
    if (low == 0 && high > stride)
        low = high - stride;
    while (high - low > PRECISION) {
        uint64_t middle = low + (high - low) / 2;
        if (fits(middle, before.rlim_max, page))
            high = middle;
        else
            low = middle;
    }
    setrlimit(RLIMIT_AS, &before);
    last_found = high;
    return high;
}

int jail_limit_memory(uint64_t base, uint64_t bytes, struct err *err)
{
    if (bytes > UINT64_MAX / 4 || base > UINT64_MAX / 4)
        return err_set(err, ERR_INVALID, "a memory limit of %llu bytes", (unsigned long long)bytes);
    return task_limit(RLIMIT_AS, base + bytes, base + bytes + RESERVE_BYTES, err);
}

void jail_relax_memory(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_AS, &l) < 0)
        return;
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_AS, &l);
}

int jail_limit_cpu(uint64_t cpu_ms, struct err *err)
{
    if (cpu_ms == 0)
        return 0;
    /* The kernel counts what the process has used since its fork. */
    struct timespec used = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    uint64_t ms = (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000 + cpu_ms;
    uint64_t seconds = ms / 1000 + (ms % 1000 != 0);
    /* The first process of a pid namespace ignores the soft limit's signal: only the hard one acts.
     */
    return task_limit(RLIMIT_CPU, seconds, seconds, err);
}
