/* The worker's Landlock ruleset: see landlock.h. Made once in the zygote from the builder's list
 * of paths, applied in each worker. Everything a given kernel can judge is handled, so everything
 * without a rule is denied: writing, creating, executing, TCP, signals and abstract sockets beyond
 * the worker's own domain. */
#include "jail/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "sys/fd.h"
#include "sys/landlock.h"

static int allow_reading(int ruleset, const char *path, struct err *err)
{
    auto_close int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_SYS, "Landlock: open %s", path);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(err, ERR_SYS, "Landlock: stat %s", path);
    /* The kernel refuses rights on folders for what is a file. */
    uint64_t access = LL_FS_READ_FILE | (S_ISDIR(st.st_mode) ? LL_FS_READ_DIR : 0);
    if (landlock_allow(ruleset, fd, access, err) < 0)
        return err_prefix(err, "%s", path);
    return 0;
}

int ruleset_new(int abi, const struct strv *readable, int *ret_fd, struct err *err)
{
    uint64_t fs = LL_FS_ABI1, net = 0, scoped = 0;
    if (abi >= 2)
        fs |= LL_FS_REFER;
    if (abi >= 3)
        fs |= LL_FS_TRUNCATE;
    if (abi >= 4)
        net = LL_NET_BIND_TCP | LL_NET_CONNECT_TCP;
    if (abi >= 5)
        fs |= LL_FS_IOCTL_DEV;
    if (abi >= 6)
        scoped = LL_SCOPE_ABSTRACT_UNIX | LL_SCOPE_SIGNAL;
    auto_close int fd = -1;
    if (landlock_create(fs, net, scoped, &fd, err) < 0)
        return -1;
    for (size_t i = 0; i < readable->len; i++)
        if (allow_reading(fd, readable->items[i], err) < 0)
            return -1;
    *ret_fd = take_fd(&fd);
    return 0;
}
