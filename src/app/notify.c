/* sd_notify without libsystemd: see notify.h. Runs in the server; trusts whoever set its
 * environment. */
#include "app/notify.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/fd.h"

/* WATCHDOG_PID, when there, names whom WATCHDOG_USEC is for. */
static uint64_t watchdog_ns(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    char *end;
    if (!usec || (pid && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    errno = 0;
    unsigned long long n = strtoull(usec, &end, 10);
    return errno || *end || n > UINT64_MAX / 1000 ? 0 : n * 1000;
}

/* An absolute path, or '@' and a name in the abstract name space. */
static int address_of(const char *path, struct sockaddr_un *ret, socklen_t *ret_len)
{
    size_t n = strlen(path);
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if ((path[0] != '/' && path[0] != '@') || n < 2 || n >= sizeof(ret->sun_path))
        return -1;
    memcpy(ret->sun_path, path, n);
    if (path[0] == '@')
        ret->sun_path[0] = '\0';
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] == '/'));
    return 0;
}

int notify_open(struct notify *ret, struct err *err)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    socklen_t len;
    *ret = (struct notify){.fd = -1};
    if (!path)
        return 0;
    if (address_of(path, &address, &len) < 0)
        return err_set(err, ERR_INVALID, "NOTIFY_SOCKET=%.100s is no socket's path", path);
    auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, len) < 0)
        return err_set(err, ERR_SYS, "cannot reach the service manager at NOTIFY_SOCKET=%.100s",
                       path);
    ret->watchdog_ns = watchdog_ns();
    ret->fd = take_fd(&fd);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return 0;
}

void notify_close(struct notify *n)
{
    fd_close(&n->fd);
}

void notify_say(const struct notify *n, const char *lines)
{
    if (n->fd < 0)
        return;
    ssize_t ignored = send(n->fd, lines, strlen(lines), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
}
