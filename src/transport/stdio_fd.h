/* One borrowed descriptor made fit for an event loop: reading and writing never block, whatever
 * kind of file it is, and the other holders of the same open file notice nothing if that can be
 * had. */
#ifndef TRANSPORT_STDIO_FD_H
#define TRANSPORT_STDIO_FD_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/err.h"

struct stdio_fd {
    int fd;            /* to be used; owned when it differs from `borrowed` */
    int borrowed;      /* as given */
    bool is_socket;    /* never blocks by flag of each call */
    bool unwatched;    /* regular file, /dev/null: always ready, cannot be watched */
    bool was_blocking; /* O_NONBLOCK was set by us and has to be taken back */
};

/* @access: O_RDONLY or O_WRONLY. */
int stdio_fd_init(struct stdio_fd *f, int fd, int access, struct err *err);
void stdio_fd_done(struct stdio_fd *f);

/* As read(2) and writev(2), EINTR retried; -1 with errno EAGAIN when it would block. */
ssize_t stdio_fd_read(const struct stdio_fd *f, void *data, size_t n);
ssize_t stdio_fd_write(const struct stdio_fd *f, struct iovec *pieces, size_t n);

#endif
