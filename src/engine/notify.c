/* System calls that no permitted program makes in good faith: the kernel reports them here, and is
 * told to refuse them. Runs in the server. The kernel's word is trusted; that a call was made is
 * the program's choice, so what it can cost us is bounded: one look at /proc for a thread, and
 * after MAX_NOTIFIED calls the program is ended.
 *
 * The answer is always EPERM and does not depend on anything the program could change meanwhile;
 * nothing of its memory is read. */
#include "engine/internal.h"

#include <errno.h>
#include <linux/audit.h>
#include <stdio.h>
#include <string.h>

#include "catalog/notified.h"
#include "sys/fd.h"
#include "sys/notify.h"
#include "sys/proc.h"

#define TURN_CALLS 16 /* at one go */

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "add this machine's AUDIT_ARCH"
#endif

static struct worker *worker_by_pid(struct zygote *z, pid_t pid)
{
    static const enum worker_state where[] = {WORKER_RUNNING, WORKER_DYING};
    for (size_t i = 0; i < ARRAY_LEN(where); i++) {
        struct worker *w;
        TAILQ_FOREACH(w, &z->workers[where[i]], link) {
            if (w->pid == pid && w->x)
                return w;
        }
    }
    return NULL;
}

/* Whose call was it? NULL: not that of a program (the start-up self-test makes some). */
static struct worker *worker_of(struct zygote *z, const struct notify_call *call)
{
    if (call->tid <= 0)
        return NULL;
    struct worker *w = worker_by_pid(z, call->tid);
    if (w)
        return w;
    auto_close int fd = -1;
    struct proc_status status;
    if (proc_status_open(call->tid, &fd, NULL) < 0 || proc_status_read(fd, &status, NULL) < 0)
        return NULL;
    /* Had the thread been killed before the look, its number could be another's by now. */
    if (!notify_valid(z->listener_fd, call->id))
        return NULL;
    return worker_by_pid(z, status.tgid);
}

static void add_event(struct execution *x, const struct notify_call *call)
{
    for (size_t i = 0; i < x->notified_kinds_len; i++) {
        if (x->notified_kinds[i] == call->nr)
            return;
    }
    if (x->notified_kinds_len == MAX_NOTIFIED_KINDS)
        return;
    x->notified_kinds[x->notified_kinds_len++] = call->nr;
    const struct notified_call *known =
        call->arch == NATIVE_ARCH ? notified_call_find(call->nr) : NULL;
    char rule[48];
    snprintf(rule, sizeof(rule), "system call %d", call->nr);
    struct msg_event ev = {
        .layer = LAYER_SECCOMP,
        .rule = strdup(known ? known->name : rule),
        .detail = strdup(known ? known->detail : "The program made a forbidden system call"),
        .remedy = strdup(known ? known->remedy : "Nothing permits it"),
    };
    exec_add_event(x, &ev);
}

static void record(struct worker *w, const struct notify_call *call)
{
    struct execution *x = w->x;
    x->notified++;
    add_event(x, call);
    if (x->notified > MAX_NOTIFIED)
        worker_stop(w, STOP_SECURITY, NULL);
}

static void on_listener(void *ctx, int fd _unused_, int events _unused_)
{
    struct zygote *z = ctx;
    for (int i = 0; i < TURN_CALLS && z->listener_fd >= 0; i++) {
        struct err err = ERR_INIT;
        struct notify_call call;
        int r = notify_next(z->listener_fd, &call, &err);
        if (r == 0)
            return;
        if (r < 0) { /* when the last worker is gone, or broken: then calls fail unreported */
            if (err.code != ERR_PROTO)
                engine_log(z->e, LOG_WARNING, "%s", err.text);
            listener_close(z);
            return;
        }
        struct worker *w = worker_of(z, &call);
        if (notify_refuse(z->listener_fd, call.id, EPERM, &err) < 0)
            engine_log(z->e, LOG_WARNING, "%s", err.text);
        if (w)
            record(w, &call);
    }
}

int listener_open(struct zygote *z, int fd, struct err *err)
{
    z->listener_fd = fd;
    if (notify_check(err) < 0)
        return -1;
    z->listener_io = loop_io_new(z->e->loop, fd, LOOP_READ, on_listener, z, err);
    return z->listener_io ? 0 : -1;
}

void listener_close(struct zygote *z)
{
    loop_io_free(z->listener_io);
    z->listener_io = NULL;
    fd_close(&z->listener_fd);
}
