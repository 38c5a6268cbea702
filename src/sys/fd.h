/* File descriptors: ownership, non-blocking mode, sockets that carry descriptors. Every descriptor
 * made here is close-on-exec. */
#ifndef SYS_FD_H
#define SYS_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Close *fd unless it is negative, and set it to -1. errno is kept. */
void fd_close(int *fd);
#define auto_close _cleanup_(fd_close)

/* Move a descriptor out of an auto_close local. */
static inline int take_fd(int *fd)
{
    int v = *fd;
    *fd = -1;
    return v;
}

int fd_set_nonblock(int fd, bool on, struct err *err);
int fd_set_cloexec(int fd, bool on, struct err *err);

/* Close every descriptor >= @first, of the whole process. */
int fd_close_from(int first, struct err *err);

/* Write all @n bytes to a blocking descriptor; EINTR is retried. */
int fd_write_all(int fd, const void *data, size_t n, struct err *err);

/* Read up to @n bytes until end of file; *ret_n tells how many came. EINTR is retried. */
int fd_read_all(int fd, void *data, size_t n, size_t *ret_n, struct err *err);

/* A pipe: ret_fds[0] reads, without blocking; ret_fds[1] writes, and blocks when full. */
int pipe_new(int ret_fds[2], struct err *err);

/* A pair of connected unix sockets of @type (SOCK_STREAM or SOCK_SEQPACKET), close-on-exec. */
int sock_pair(int type, int ret_fds[2], struct err *err);

/* Send one message with up to SOCK_MAX_FDS descriptors (borrowed). Does not raise SIGPIPE.
 * @flags: MSG_DONTWAIT or 0. ERR_SYS with errno EAGAIN when it would block. */
#define SOCK_MAX_FDS 8
int sock_send(int fd, const void *data, size_t n, const int *fds, size_t nfds, int flags,
              struct err *err);

/* Write to a stream socket what fits without blocking; does not raise SIGPIPE. Returns the number
 * of bytes taken, 0 when it is full, -1 on error. */
ssize_t sock_write(int fd, const void *data, size_t n, struct err *err);

/* Receive one message. Returns the number of bytes (0 = end of file), or -1: ERR_SYS with errno
 * EAGAIN when nothing is there, ERR_PROTO when the message or its descriptors were cut off (all
 * received descriptors are closed then). *ret_nfds descriptors are stored in @fds (room for
 * SOCK_MAX_FDS) and are the caller's. *ret_pid, if asked for (may be NULL), is the sender's process
 * id as the kernel translates it into our pid namespace; needs sock_pass_credentials(), else 0. */
ssize_t sock_recv(int fd, void *data, size_t size, int fds[SOCK_MAX_FDS], size_t *ret_nfds,
                  pid_t *ret_pid, int flags, struct err *err);

/* Have the kernel attach the sender's credentials to every message received on @fd. */
int sock_pass_credentials(int fd, struct err *err);

/* An anonymous memory file of @size bytes, filled with @data when not NULL; with @seal it can
 * neither grow nor shrink afterwards. */
int memfd_new(const char *name, const void *data, size_t size, bool seal, int *ret_fd,
              struct err *err);

#endif
