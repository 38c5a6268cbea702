/* Attempts of the self-test on limits. See probe.c. They run last: the memory limit they set stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "jail/probe.h"

#define MIB (UINT64_C(1) << 20)

static long raise_limit(__rlimit_resource_t resource)
{
    struct rlimit l;
    if (getrlimit(resource, &l) < 0)
        return 0;
    if (l.rlim_max == RLIM_INFINITY)
        return 0; /* there is nothing above it */
    l.rlim_max++;
    return setrlimit(resource, &l);
}

#define TRY(name, expr)                                                                            \
    static long name(const struct jail *j _unused_)                                                \
    {                                                                                              \
        return (expr);                                                                             \
    }
TRY(more_files, raise_limit(RLIMIT_NOFILE))
TRY(core_files, raise_limit(RLIMIT_CORE))
TRY(larger_files, raise_limit(RLIMIT_FSIZE))
TRY(locked_memory, raise_limit(RLIMIT_MEMLOCK))
TRY(more_memory, raise_limit(RLIMIT_AS))

static long many_files(const struct jail *j _unused_)
{
    int fds[256];
    size_t n = 0;
    while (n < ARRAY_LEN(fds) && (fds[n] = dup(0)) >= 0)
        n++;
    int saved = errno;
    bool stopped = n < ARRAY_LEN(fds);
    while (n > 0)
        close(fds[--n]);
    errno = saved;
    return stopped ? -1 : 0;
}

static long map(uint64_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return -1;
    munmap(p, bytes);
    return 0;
}

static long too_much_memory(const struct jail *j _unused_)
{
    if (jail_limit_memory(jail_address_space(), 32 * MIB, NULL) < 0)
        return 0;
    /* Within the limit it must work, or the refusal above it proves nothing. */
    return map(24 * MIB) < 0 ? 0 : map(48 * MIB);
}

#define ROW(name, try)                                                                             \
    {                                                                                              \
        "limits", name, try, REFUSED_LIMIT, NULL                                                   \
    }

const struct attempt attempts_limits[] = {
    ROW("raise the limit of open files", more_files),
    ROW("raise the limit of core files", core_files),
    ROW("raise the limit of file sizes", larger_files),
    ROW("raise the limit of locked memory", locked_memory),
    ROW("open hundreds of files", many_files),
    ROW("use more memory than granted", too_much_memory),
    ROW("raise the limit of memory", more_memory),
};
const size_t attempts_limits_len = ARRAY_LEN(attempts_limits);
