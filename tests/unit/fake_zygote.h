/* A keeper, a zygote and its workers for the tests of the engine: real processes that speak the
 * real messages over the real sockets, but run no Python. What a worker does is chosen by the text
 * of the "program" it is given; what the zygote does, by struct script. A test double: nothing of
 * it is linked into what is installed. */
#ifndef TESTS_FAKE_ZYGOTE_H
#define TESTS_FAKE_ZYGOTE_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "fake_worker.h"

/* ---- zygote ---- */

static inline void fake_control(int fd, struct wire_out *out, const int *fds, size_t nfds)
{
    if (sock_send(fd, out->buf.data, out->buf.len, fds, nfds, 0, NULL) < 0)
        _exit(0);
    wire_out_done(out);
}

static inline int fake_listener(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {.len = ARRAY_LEN(code), .filter = code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                        &prog);
}

static inline void fake_introduce(int fd)
{
    struct wire_out out = WIRE_OUT_INIT(0);
    char *empty = (char *)(uintptr_t) "", *some = (char *)(uintptr_t) "3.11.2";
    struct msg_hello hello = {ISOLATION_NAMESPACES, empty, some, some};
    msg_put_hello(&out, &hello);
    fake_control(fd, &out, NULL, 0);
    if (script->listener) {
        int listener = fake_listener();
        msg_put_id(&out, MSG_LISTENER, 0);
        fake_control(fd, &out, &listener, 1);
        close(listener);
    }
    struct msg_proof_item item = {some, (char *)(uintptr_t) "read /etc/passwd", PROOF_HELD, empty};
    if (mood_now(MOOD_PROOF_BROKEN))
        item.state = PROOF_BROKEN;
    struct msg_proof proof = {.items = &item, .len = mood_now(MOOD_PROOF_EMPTY) ? 0 : 1};
    if (!mood_now(MOOD_READY_FIRST)) {
        msg_put_proof(&out, &proof);
        fake_control(fd, &out, NULL, 0);
    }
    struct msg_ready ready = {.preload_ns = 1};
    msg_put_ready(&out, &ready);
    fake_control(fd, &out, NULL, 0);
}

#define FAKE_WORKERS 64
struct fake_child {
    uint64_t id;
    pid_t pid;
    int pidfd;
};

static inline void fake_reap(int fd, struct fake_child *c)
{
    int status;
    struct rusage ru;
    if (wait4(c->pid, &status, 0, &ru) != c->pid)
        _exit(8);
    struct wire_out out = WIRE_OUT_INIT(0);
    struct msg_exited m = {
        .id = c->id,
        .wait_status = (uint32_t)status,
        .cpu_ns = (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000000u +
                  (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000u,
        .max_rss_bytes = (uint64_t)ru.ru_maxrss * 1024,
    };
    msg_put_exited(&out, &m);
    fake_control(fd, &out, NULL, 0);
    close(c->pidfd);
    *c = (struct fake_child){0};
}

static inline void fake_order(int fd, struct fake_child *all)
{
    uint8_t body[64];
    int fds[SOCK_MAX_FDS];
    size_t nfds = 0;
    uint64_t id;
    ssize_t n = sock_recv(fd, body, sizeof(body), fds, &nfds, NULL, 0, NULL);
    if (n <= 0)
        _exit(0);
    if (msg_get_id(body, (size_t)n, &id, NULL) < 0)
        _exit(7);
    if (body[0] == MSG_KILL) {
        script->kills++;
        for (int i = 0; i < FAKE_WORKERS; i++)
            if (all[i].id == id && !mood_now(MOOD_IGNORES_KILL))
                kill(all[i].pid, SIGKILL);
        return;
    }
    script->spawns++;
    int i = 0;
    while (i < FAKE_WORKERS && all[i].id)
        i++;
    pid_t pid = i < FAKE_WORKERS && nfds == 4 ? fork() : -1;
    if (pid == 0) {
        close(fd);
        fake_worker(fds);
    }
    for (size_t k = 0; k < nfds; k++)
        close(fds[k]);
    struct wire_out out = WIRE_OUT_INIT(0);
    if (pid < 0) {
        msg_put_text(&out, MSG_SPAWN_FAILED, id, "no room");
    } else {
        all[i] = (struct fake_child){id, pid, (int)syscall(SYS_pidfd_open, pid, 0)};
        msg_put_id(&out, MSG_SPAWNED, id);
    }
    fake_control(fd, &out, NULL, 0);
}

static inline void fake_zygote(int fd)
{
    struct fake_child all[FAKE_WORKERS] = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (mood_now(MOOD_DIES_AT_START))
        _exit(5);
    if (mood_now(MOOD_SILENT_START))
        for (;;)
            pause();
    if (mood_now(MOOD_FATAL)) {
        struct wire_out out = WIRE_OUT_INIT(0);
        msg_put_text(&out, MSG_FATAL, 0, "the interpreter is too old; install CPython 3.11");
        fake_control(fd, &out, NULL, 0);
        _exit(1);
    }
    fake_introduce(fd);
    if (mood_now(MOOD_BABBLES)) {
        struct wire_out out = WIRE_OUT_INIT(0);
        struct msg_exited m = {.id = 77};
        msg_put_exited(&out, &m);
        fake_control(fd, &out, NULL, 0);
    }
    for (;;) {
        struct pollfd p[1 + FAKE_WORKERS] = {{.fd = fd, .events = POLLIN}};
        for (int i = 0; i < FAKE_WORKERS; i++)
            p[1 + i] = (struct pollfd){.fd = all[i].id ? all[i].pidfd : -1, .events = POLLIN};
        if (poll(p, ARRAY_LEN(p), -1) < 0)
            continue;
        for (int i = 0; i < FAKE_WORKERS; i++)
            if (p[1 + i].revents)
                fake_reap(fd, &all[i]);
        if (p[0].revents)
            fake_order(fd, all);
    }
}

/* ---- keeper ---- */

static inline void fake_launch(int fd, const uint8_t *body, size_t n, int control,
                               struct fake_child *all)
{
    struct msg_launch m;
    if (msg_get_launch(body, n, &m, NULL) < 0)
        _exit(6);
    script->launches++;
    snprintf(script->cgroup, sizeof(script->cgroup), "%s", m.cgroup);
    struct wire_out out = WIRE_OUT_INIT(0);
    if (mood_now(MOOD_LAUNCH_FAILS)) {
        msg_put_text(&out, MSG_LAUNCH_FAILED, m.id, "user namespaces are off; enable them");
        fake_control(fd, &out, NULL, 0);
        return;
    }
    int i = 0;
    while (all[i].id)
        i++;
    pid_t pid = fork();
    if (pid == 0) {
        close(fd);
        fake_zygote(control);
    }
    all[i] = (struct fake_child){m.id, pid, (int)syscall(SYS_pidfd_open, pid, 0)};
    struct msg_launched launched = {.id = m.id, .pid = (uint32_t)pid};
    msg_put_launched(&out, &launched);
    fake_control(fd, &out, NULL, 0);
}

static inline void fake_keeper_order(int fd, struct fake_child *all)
{
    static uint8_t body[MSG_MAX_DATAGRAM];
    int fds[SOCK_MAX_FDS];
    size_t nfds = 0;
    ssize_t n = sock_recv(fd, body, sizeof(body), fds, &nfds, NULL, 0, NULL);
    if (n <= 0)
        _exit(0);
    if (body[0] == MSG_LAUNCH && nfds == 1) {
        fake_launch(fd, body, (size_t)n, fds[0], all);
    } else {
        uint64_t id = 0;
        script->ends++;
        msg_get_id(body, (size_t)n, &id, NULL);
        for (int i = 0; i < FAKE_WORKERS; i++)
            if (all[i].id == id && id)
                kill(all[i].pid, SIGKILL);
    }
    for (size_t i = 0; i < nfds; i++)
        close(fds[i]);
}

static inline void fake_keeper(int fd)
{
    struct fake_child all[FAKE_WORKERS] = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        struct pollfd p[1 + FAKE_WORKERS] = {{.fd = fd, .events = POLLIN}};
        for (int i = 0; i < FAKE_WORKERS; i++)
            p[1 + i] = (struct pollfd){.fd = all[i].id ? all[i].pidfd : -1, .events = POLLIN};
        if (poll(p, ARRAY_LEN(p), -1) < 0)
            continue;
        for (int i = 0; i < FAKE_WORKERS; i++) {
            if (!p[1 + i].revents)
                continue;
            int status = 0;
            waitpid(all[i].pid, &status, 0);
            struct wire_out out = WIRE_OUT_INIT(0);
            struct msg_gone m = {.id = all[i].id, .wait_status = (uint32_t)status};
            msg_put_gone(&out, &m);
            script->zygotes_dead++;
            fake_control(fd, &out, NULL, 0);
            close(all[i].pidfd);
            all[i] = (struct fake_child){0};
        }
        if (p[0].revents)
            fake_keeper_order(fd, all);
    }
}

#endif
