/* Namespaces: see ns.h. Used by init (the keeper's child), zygote and worker. */
#include "sys/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sys/fd.h"

int ns_unshare(int flags, struct err *err)
{
    if (unshare(flags) < 0)
        return err_set(err, ERR_SYS, "unshare(%#x)", (unsigned)flags);
    return 0;
}

int ns_enter(int pidfd, int flags, struct err *err)
{
    if (setns(pidfd, flags) < 0)
        return err_set(err, ERR_SYS, "setns(%#x)", (unsigned)flags);
    return 0;
}

static int write_file(const char *path, const char *text, struct err *err)
{
    auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_SYS, "open %s", path);
    ssize_t n = write(fd, text, strlen(text));
    if (n < 0 || (size_t)n != strlen(text))
        return err_set(err, ERR_SYS, "write %s", path);
    return 0;
}

int ns_map_ids(uid_t inside_uid, uid_t outside_uid, gid_t inside_gid, gid_t outside_gid,
               struct err *err)
{
    char text[64];
    if (write_file("/proc/self/setgroups", "deny", err) < 0)
        return -1;
    snprintf(text, sizeof(text), "%u %u 1\n", inside_gid, outside_gid);
    if (write_file("/proc/self/gid_map", text, err) < 0)
        return -1;
    snprintf(text, sizeof(text), "%u %u 1\n", inside_uid, outside_uid);
    return write_file("/proc/self/uid_map", text, err);
}

int ns_forbid(const char *kind, struct err *err)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", kind);
    return write_file(path, "0", err);
}

int ns_set_hostname(const char *name, struct err *err)
{
    if (sethostname(name, strlen(name)) < 0)
        return err_set(err, ERR_SYS, "sethostname");
    return 0;
}
