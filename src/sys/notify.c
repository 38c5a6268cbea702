/* Seccomp user notification: see notify.h. Used in the server. The numbers in a notification come
 * from the kernel; which call was made is the program's choice. */
#include "sys/notify.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel copies its own idea of the structures, which may be longer than our headers'. */
#define ROOM 512
union request {
    struct seccomp_notif notif;
    char room[ROOM];
};
union response {
    struct seccomp_notif_resp resp;
    char room[ROOM];
};

int notify_check(struct err *err)
{
    struct seccomp_notif_sizes sizes;
    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
        return err_set(err, ERR_UNSUPPORTED, "this kernel has no seccomp user notification");
    if (sizes.seccomp_notif > ROOM || sizes.seccomp_notif_resp > ROOM)
        return err_set(err, ERR_UNSUPPORTED, "this kernel's seccomp notifications are too long");
    return 0;
}

int notify_next(int listener_fd, struct notify_call *ret, struct err *err)
{
    /* Receiving blocks when nothing is there, whatever the descriptor's flags: so look first. */
    struct pollfd p = {.fd = listener_fd, .events = POLLIN};
    int ready = poll(&p, 1, 0);
    if (ready < 0 && errno != EINTR)
        return err_set(err, ERR_SYS, "poll the seccomp listener");
    if (ready <= 0)
        return 0;
    if (!(p.revents & POLLIN))
        return err_set(err, ERR_PROTO, "the seccomp listener has no more users");
    union request req;
    memset(&req, 0, sizeof(req));
    if (ioctl(listener_fd, SECCOMP_IOCTL_NOTIF_RECV, &req) < 0) {
        if (errno == ENOENT || errno == EINTR)
            return 0; /* the thread was killed between poll and here */
        return err_set(err, ERR_SYS, "receive a seccomp notification");
    }
    *ret = (struct notify_call){
        .id = req.notif.id,
        .tid = (pid_t)req.notif.pid,
        .nr = req.notif.data.nr,
        .arch = req.notif.data.arch,
    };
    return 1;
}

bool notify_valid(int listener_fd, uint64_t id)
{
    return ioctl(listener_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

int notify_refuse(int listener_fd, uint64_t id, int error, struct err *err)
{
    union response resp;
    memset(&resp, 0, sizeof(resp));
    resp.resp.id = id;
    resp.resp.error = -error;
    if (ioctl(listener_fd, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0 && errno != ENOENT)
        return err_set(err, ERR_SYS, "answer a seccomp notification");
    return 0;
}
