/* Non-blocking use of somebody else's descriptor: see stdio_fd.h. Runs in the server, on its own
 * standard input and output, which the client made and may share with other processes (a terminal,
 * a log pipe): O_NONBLOCK belongs to the open file, so setting it would change theirs. */
#include "transport/stdio_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fd.h"

/* epoll refuses regular files and some devices with EPERM. */
static bool can_be_watched(int fd)
{
    auto_close int ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {0};
    return ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0 || errno != EPERM;
}

/* The same pipe or terminal by an open file of our own. Fails for a pipe made by another user. */
static int reopen(int fd, int access)
{
    char path[40];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int stdio_fd_init(struct stdio_fd *f, int fd, int access, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(err, ERR_SYS, "descriptor %d", fd);
    *f = (struct stdio_fd){.fd = fd, .borrowed = fd};
    f->is_socket = S_ISSOCK(st.st_mode);
    f->unwatched = !can_be_watched(fd);
    if (f->is_socket || f->unwatched)
        return 0;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return err_set(err, ERR_SYS, "flags of descriptor %d", fd);
    if (flags & O_NONBLOCK)
        return 0;
    int own = reopen(fd, access);
    if (own >= 0) {
        f->fd = own;
        return 0;
    }
    f->was_blocking = true;
    return fd_set_nonblock(fd, true, err);
}

void stdio_fd_done(struct stdio_fd *f)
{
    if (f->fd != f->borrowed)
        fd_close(&f->fd);
    if (f->was_blocking)
        (void)fd_set_nonblock(f->borrowed, false, NULL);
    f->was_blocking = false;
    f->fd = f->borrowed = -1;
}

ssize_t stdio_fd_read(const struct stdio_fd *f, void *data, size_t n)
{
    ssize_t r;
    do
        r = f->is_socket ? recv(f->fd, data, n, MSG_DONTWAIT) : read(f->fd, data, n);
    while (r < 0 && errno == EINTR);
    return r;
}

ssize_t stdio_fd_write(const struct stdio_fd *f, struct iovec *pieces, size_t n)
{
    struct msghdr msg = {.msg_iov = pieces, .msg_iovlen = n};
    ssize_t r;
    do
        r = f->is_socket ? sendmsg(f->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL)
                         : writev(f->fd, pieces, (int)n);
    while (r < 0 && errno == EINTR);
    return r;
}
