/* The cgroup of a zygote and all its workers: a ceiling for what rlimits cannot add up, tasks and
 * memory of all of them together. Runs in init, before the pivot. Limits of a single program are
 * rlimits: a cgroup for each worker would cost a directory for each run. */
#include "jail/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fd.h"

/* All workers of a zygote and their threads. */
#define MAX_TASKS "4096"

static void leaf_name(uint64_t id, char out[48])
{
    snprintf(out, 48, "vivarium-zygote-%llu", (unsigned long long)id);
}

static int put(int dir, const char *file, const char *text, struct err *err)
{
    auto_close int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_SYS, "open %s", file);
    ssize_t n = write(fd, text, strlen(text));
    if (n < 0 || (size_t)n != strlen(text))
        return err_set(err, ERR_SYS, "write %s to %s", text, file);
    return 0;
}

/* Controllers must be switched on in the parent before its leaves have their files. */
static int enable(int parent, const char *name, struct err *err)
{
    if (put(parent, "cgroup.subtree_control", name, err) < 0)
        return err_prefix(err,
                          "the %s controller is not available there (delegate it, e.g. systemd's "
                          "Delegate=pids memory, and keep processes out of the folder itself)",
                          name + 1);
    return 0;
}

/* Seven eighths of the machine's memory: the last defence against taking the machine down with
 * many programs that each stay within their limit. */
static void memory_ceiling(char out[32])
{
    uint64_t total = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    snprintf(out, 32, "%llu", (unsigned long long)(total / 8 * 7));
}

static int enter(const char *parent, uint64_t id, struct err *err)
{
    char name[48], memory[32];
    leaf_name(id, name);
    memory_ceiling(memory);
    auto_close int dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_set(err, ERR_SYS, "open");
    if (faccessat(dir, "cgroup.controllers", F_OK, 0) < 0)
        return err_set(err, ERR_INVALID, "not a cgroup v2 folder");
    if (enable(dir, "+pids", err) < 0 || enable(dir, "+memory", err) < 0)
        return -1;
    if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYS, "mkdir %s", name);
    auto_close int leaf = openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (leaf < 0)
        return err_set(err, ERR_SYS, "open %s", name);
    if (put(leaf, "pids.max", MAX_TASKS, err) < 0 || put(leaf, "memory.max", memory, err) < 0)
        return -1;
    return put(leaf, "cgroup.procs", "0", err);
}

int cgroup_enter(const char *parent, uint64_t id, struct err *err)
{
    if (enter(parent, id, err) < 0)
        return err_prefix(err, "cgroup %s", parent);
    return 0;
}

void cgroup_remove(const char *parent, uint64_t id)
{
    char name[48];
    leaf_name(id, name);
    auto_close int dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0)
        unlinkat(dir, name, AT_REMOVEDIR);
}
