/* The launch channel to the keeper, which makes zygotes and ends them. Runs in the server. The
 * keeper runs no user code; its messages are checked like everybody's. */
#include "engine/internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "sys/fd.h"

void keeper_end(struct zygote *z)
{
    struct engine *e = z->e;
    z->state = ZYGOTE_ENDING;
    zygote_close(z);
    loop_timer_disarm(z->watch);
    loop_timer_disarm(z->spawn_retry);
    z->end_unsent = false;
    if (z->gone || e->keeper_gone)
        return;
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(64);
    msg_put_id(&out, MSG_END, z->id);
    struct err err = ERR_INIT;
    if (sock_send(e->keeper_fd, out.buf.data, out.buf.len, NULL, 0, MSG_DONTWAIT, &err) == 0)
        return;
    z->end_unsent = true;
    loop_io_set(e->keeper_io, LOOP_READ | LOOP_WRITE, NULL);
}

static struct zygote *find(struct engine *e, uint64_t id)
{
    struct zygote *z;
    TAILQ_FOREACH(z, &e->zygotes, link) {
        if (z->id == id)
            return z;
    }
    return NULL;
}

static int on_failed(struct engine *e, const uint8_t *body, size_t n, struct err *err)
{
    struct msg_text m;
    if (msg_get_text(body, n, &m, err) < 0)
        return -1;
    struct zygote *z = find(e, m.id);
    if (z) {
        z->gone = true;
        if (z->state == ZYGOTE_ENDING)
            zygote_free(z);
        else
            zygote_break(z, "%s", m.text);
    }
    msg_text_done(&m);
    return 0;
}

static int on_gone(struct engine *e, const uint8_t *body, size_t n, struct err *err)
{
    struct msg_gone m;
    if (msg_get_gone(body, n, &m, err) < 0)
        return -1;
    struct zygote *z = find(e, m.id);
    if (!z)
        return 0;
    z->gone = true;
    int status = (int)m.wait_status;
    char how[64];
    if (WIFSIGNALED(status))
        snprintf(how, sizeof(how), "it was ended by signal %d", WTERMSIG(status));
    else
        snprintf(how, sizeof(how), "it ended with exit status %d", WEXITSTATUS(status));
    if (z->state == ZYGOTE_ENDING) {
        if (z->broken && !e->closing)
            engine_log(e, LOG_INFO, "of the zygote that was lost: %s", how);
        zygote_free(z);
    } else {
        zygote_break(z, "%s%s", how, z->state == ZYGOTE_STARTING ? " while starting" : "");
    }
    return 0;
}

static int handle(struct engine *e, const uint8_t *body, size_t n, size_t nfds, struct err *err)
{
    int type = msg_check(body, n, nfds, PEER_KEEPER, PEER_SERVER, 0, err);
    struct msg_launched launched;
    switch (type) {
    case MSG_LAUNCHED:
        return msg_get_launched(body, n, &launched, err);
    case MSG_LAUNCH_FAILED:
        return on_failed(e, body, n, err);
    case MSG_GONE:
        return on_gone(e, body, n, err);
    default:
        return -1;
    }
}

/* Without the keeper nothing can be started, and it takes its zygotes along. */
static void lose_keeper(struct engine *e, const char *why)
{
    e->keeper_gone = true;
    loop_io_free(e->keeper_io);
    e->keeper_io = NULL;
    fd_close(&e->keeper_fd);
    engine_log(e, LOG_ERROR, "vivarium-zygote is lost: %s", why);
    struct zygote *z, *after;
    for (z = TAILQ_FIRST(&e->zygotes); z; z = after) {
        after = TAILQ_NEXT(z, link);
        if (z->state == ZYGOTE_ENDING)
            zygote_free(z);
        else
            zygote_break(z, "vivarium-zygote is lost: %s", why);
    }
    engine_later(e);
}

static void on_keeper(void *ctx, int fd _unused_, int events)
{
    struct engine *e = ctx;
    static uint8_t body[MSG_MAX_DATAGRAM + 1];
    if (events & LOOP_WRITE) {
        loop_io_set(e->keeper_io, LOOP_READ, NULL);
        struct zygote *z;
        TAILQ_FOREACH(z, &e->zygotes, link) {
            if (z->end_unsent)
                keeper_end(z);
        }
    }
    while (e->keeper_fd >= 0) {
        struct err err = ERR_INIT;
        int fds[SOCK_MAX_FDS];
        size_t nfds = 0;
        ssize_t n =
            sock_recv(e->keeper_fd, body, sizeof(body), fds, &nfds, NULL, MSG_DONTWAIT, &err);
        if (n < 0 && err.code == ERR_SYS && err.sys_errno == EAGAIN)
            return;
        for (size_t i = 0; i < nfds; i++)
            fd_close(&fds[i]);
        if (n == 0)
            err_set(&err, ERR_PROTO, "it ended");
        if (n <= 0 || handle(e, body, (size_t)n, nfds, &err) < 0)
            lose_keeper(e, err.text);
    }
}

int keeper_open(struct engine *e, struct err *err)
{
    if (fd_set_nonblock(e->keeper_fd, true, err) < 0)
        return -1;
    e->keeper_io = loop_io_new(e->loop, e->keeper_fd, LOOP_READ, on_keeper, e, err);
    return e->keeper_io ? 0 : -1;
}

void keeper_close(struct engine *e)
{
    loop_io_free(e->keeper_io);
    e->keeper_io = NULL;
    fd_close(&e->keeper_fd);
}
