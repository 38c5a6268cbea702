/* Mounts, by the descriptor-based interface of Linux 5.2 and later: nothing is looked up twice, so
 * nothing can be exchanged between check and use. Flags are the kernel's MOUNT_ATTR_*. */
#ifndef SYS_MNT_H
#define SYS_MNT_H

#include <stdint.h>

#include "base/err.h"

/* A detached copy of the mount tree at @path relative to @dirfd (submounts included; an empty path
 * means @dirfd itself, which may be O_PATH). The caller's to close. */
int mnt_copy(int dirfd, const char *path, int *ret_fd, struct err *err);
/* A detached tmpfs of at most @size_bytes and @inodes, root mode 0755. The caller's to close. */
int mnt_tmpfs(uint64_t size_bytes, uint64_t inodes, uint64_t attrs, int *ret_fd, struct err *err);
/* Set @attrs (MOUNT_ATTR_*) on the mount of @fd, and on all mounts below it when @recursive. */
int mnt_set_attrs(int fd, uint64_t attrs, int recursive, struct err *err);
/* Attach the detached mount @mnt_fd at @path relative to @dirfd. */
int mnt_attach(int mnt_fd, int dirfd, const char *path, struct err *err);
/* No mount event travels between this namespace and others any more. */
int mnt_make_private(struct err *err);
/* Make the mount whose root is @fd (already attached) the root of this mount namespace, detach the
 * old root, and change into the new one. */
int mnt_pivot(int fd, struct err *err);

#endif
