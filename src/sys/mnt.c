/* Mounts: see mnt.h. Used by init, before anything hostile exists. Raw system calls, since glibc
 * has wrappers only from 2.36 on. */
#include "sys/mnt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/fd.h"

/* <sys/mount.h> and <linux/mount.h> cannot both be included on all systems. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
          const void *data);
int umount2(const char *target, int flags);
#define OLD_MS_REC     16384UL
#define OLD_MS_PRIVATE (1UL << 18)
#define OLD_MNT_DETACH 2

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

int mnt_copy(int dirfd, const char *path, int *ret_fd, struct err *err)
{
    /* Recursive, because the kernel refuses to split a tree whose submounts belong to another user
     * namespace: it would uncover what they hide. */
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
    if (!*path)
        flags |= AT_EMPTY_PATH;
    long fd = syscall(SYS_open_tree, dirfd, path, flags);
    if (fd < 0)
        return err_set(err, ERR_SYS, "open_tree %s", path);
    *ret_fd = (int)fd;
    return 0;
}

static int configure(int fs, const char *key, const char *value, struct err *err)
{
    if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0) < 0)
        return err_set(err, ERR_SYS, "tmpfs option %s=%s", key, value);
    return 0;
}

int mnt_tmpfs(uint64_t size_bytes, uint64_t inodes, uint64_t attrs, int *ret_fd, struct err *err)
{
    auto_close int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0)
        return err_set(err, ERR_SYS, "fsopen tmpfs");
    char size[32], count[32];
    snprintf(size, sizeof(size), "%llu", (unsigned long long)size_bytes);
    snprintf(count, sizeof(count), "%llu", (unsigned long long)inodes);
    if (configure(fs, "size", size, err) < 0 || configure(fs, "nr_inodes", count, err) < 0 ||
        configure(fs, "mode", "0755", err) < 0)
        return -1;
    if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_set(err, ERR_SYS, "create tmpfs");
    long mnt = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, (unsigned)attrs);
    if (mnt < 0)
        return err_set(err, ERR_SYS, "fsmount tmpfs");
    *ret_fd = (int)mnt;
    return 0;
}

int mnt_set_attrs(int fd, uint64_t attrs, int recursive, struct err *err)
{
    struct mount_attr a = {.attr_set = attrs};
    unsigned flags = AT_EMPTY_PATH | (recursive ? (unsigned)AT_RECURSIVE : 0u);
    if (syscall(SYS_mount_setattr, fd, "", flags, &a, sizeof(a)) < 0)
        return err_set(err, ERR_SYS, "mount_setattr");
    return 0;
}

int mnt_attach(int mnt_fd, int dirfd, const char *path, struct err *err)
{
    if (syscall(SYS_move_mount, mnt_fd, "", dirfd, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_set(err, ERR_SYS, "move_mount to %s", path);
    return 0;
}

int mnt_make_private(struct err *err)
{
    if (mount(NULL, "/", NULL, OLD_MS_REC | OLD_MS_PRIVATE, NULL) < 0)
        return err_set(err, ERR_SYS, "make the mounts private");
    return 0;
}

int mnt_pivot(int fd, struct err *err)
{
    if (fchdir(fd) < 0)
        return err_set(err, ERR_SYS, "enter the new root");
    /* Old root on top of the new one, then away with it: needs no folder to put it in. */
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        return err_set(err, ERR_SYS, "pivot_root");
    if (umount2(".", OLD_MNT_DETACH) < 0)
        return err_set(err, ERR_SYS, "detach the old root");
    if (chdir("/") < 0)
        return err_set(err, ERR_SYS, "chdir /");
    return 0;
}
