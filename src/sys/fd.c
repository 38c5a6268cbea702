/* File descriptors: see fd.h. Used in every process. */
#include "sys/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

void fd_close(int *fd)
{
    if (!fd || *fd < 0)
        return;
    int saved = errno;
    close(*fd);
    *fd = -1;
    errno = saved;
}

int fd_set_nonblock(int fd, bool on, struct err *err)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return err_set(err, ERR_SYS, "F_GETFL");
    flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (fcntl(fd, F_SETFL, flags) < 0)
        return err_set(err, ERR_SYS, "F_SETFL");
    return 0;
}

int fd_set_cloexec(int fd, bool on, struct err *err)
{
    if (fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0)
        return err_set(err, ERR_SYS, "F_SETFD");
    return 0;
}

int fd_close_from(int first, struct err *err)
{
    if (syscall(SYS_close_range, (unsigned)first, ~0U, 0) < 0)
        return err_set(err, ERR_SYS, "close_range");
    return 0;
}

int fd_write_all(int fd, const void *data, size_t n, struct err *err)
{
    const uint8_t *p = data;
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return err_set(err, ERR_SYS, "write");
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

int fd_read_all(int fd, void *data, size_t n, size_t *ret_n, struct err *err)
{
    uint8_t *p = data;
    size_t got = 0;
    while (got < n) {
        ssize_t r = read(fd, p + got, n - got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_set(err, ERR_SYS, "read");
        if (r == 0)
            break;
        got += (size_t)r;
    }
    *ret_n = got;
    return 0;
}

int pipe_new(int ret_fds[2], struct err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_set(err, ERR_SYS, "pipe");
    if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0) {
        err_set(err, ERR_SYS, "F_SETFL of a pipe");
        fd_close(&fds[0]);
        fd_close(&fds[1]);
        return -1;
    }
    ret_fds[0] = fds[0];
    ret_fds[1] = fds[1];
    return 0;
}

int sock_pair(int type, int ret_fds[2], struct err *err)
{
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ret_fds) < 0)
        return err_set(err, ERR_SYS, "socketpair");
    return 0;
}

int sock_send(int fd, const void *data, size_t n, const int *fds, size_t nfds, int flags,
              struct err *err)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * SOCK_MAX_FDS)];
    } control;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (nfds > SOCK_MAX_FDS)
        return err_set(err, ERR_INTERNAL, "too many descriptors in one message");
    if (nfds > 0) {
        memset(&control, 0, sizeof(control));
        msg.msg_control = control.space;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
    }
    ssize_t sent;
    do {
        sent = sendmsg(fd, &msg, flags | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return err_set(err, ERR_SYS, "sendmsg");
    if ((size_t)sent != n)
        return err_set(err, ERR_PROTO, "message sent in part");
    return 0;
}

ssize_t sock_write(int fd, const void *data, size_t n, struct err *err)
{
    ssize_t sent;
    do {
        sent = send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (sent < 0)
        return err_set(err, ERR_SYS, "send");
    return sent;
}

static void close_all(int *fds, size_t *n)
{
    for (size_t i = 0; i < *n; i++)
        fd_close(&fds[i]);
    *n = 0;
}

ssize_t sock_recv(int fd, void *data, size_t size, int fds[SOCK_MAX_FDS], size_t *ret_nfds,
                  pid_t *ret_pid, int flags, struct err *err)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * SOCK_MAX_FDS) + CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec iov = {.iov_base = data, .iov_len = size};
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.space,
        .msg_controllen = sizeof(control.space),
    };
    ssize_t n;
    do {
        n = recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_set(err, ERR_SYS, "recvmsg");

    size_t nfds = 0;
    pid_t pid = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_RIGHTS) {
            size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (size_t i = 0; i < count; i++) {
                int received;
                memcpy(&received, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                if (nfds < SOCK_MAX_FDS)
                    fds[nfds++] = received;
                else
                    close(received);
            }
        } else if (c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred cred;
            memcpy(&cred, CMSG_DATA(c), sizeof(cred));
            pid = cred.pid;
        }
    }
    if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        close_all(fds, &nfds);
        return err_set(err, ERR_PROTO, "a message was cut off");
    }
    *ret_nfds = nfds;
    if (ret_pid)
        *ret_pid = pid;
    return n;
}

int sock_pass_credentials(int fd, struct err *err)
{
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
        return err_set(err, ERR_SYS, "SO_PASSCRED");
    return 0;
}

int memfd_new(const char *name, const void *data, size_t size, bool seal, int *ret_fd,
              struct err *err)
{
    auto_close int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_set(err, ERR_SYS, "memfd_create");
    if (ftruncate(fd, (off_t)size) < 0)
        return err_set(err, ERR_SYS, "ftruncate of a memory file");
    if (data) {
        ssize_t w = pwrite(fd, data, size, 0);
        if (w < 0 || (size_t)w != size)
            return err_set(err, ERR_SYS, "write a memory file");
    }
    if (seal && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return err_set(err, ERR_SYS, "seal a memory file");
    *ret_fd = take_fd(&fd);
    return 0;
}
