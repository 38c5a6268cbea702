/* The server's side of the jail tests: see host.h. */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/fd.h"
#include "sys/filter.h"
#include "sys/notify.h"
#include "sys/ns.h"
#include "sys/task.h"
#include "tap.h"

#define WORKER_ID 54321

#define USER_ID 65534

static int notified[1024];

/* Opened before a change of user: the build folder may be one that nobody else can enter. */
static int zygote_fd = -1, guest_fd = -1;
static char guest_name[128];

int host_notified(int nr)
{
    return __atomic_load_n(&notified[nr], __ATOMIC_SEQ_CST);
}

static void *answer(void *arg)
{
    int fd = *(int *)arg;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        poll(&p, 1, -1);
        struct notify_call call;
        int r = notify_next(fd, &call, NULL);
        if (r < 0)
            return NULL;
        if (r == 0)
            continue;
        if (call.nr >= 0 && call.nr < 1024)
            __atomic_fetch_add(&notified[call.nr], 1, __ATOMIC_SEQ_CST);
        notify_refuse(fd, call.id, EPERM, NULL);
    }
}

int host_prepare(int argc, char **argv)
{
    const char *guest = getenv("GUEST"), *zygote = getenv("ZYGOTE");
    if (!guest || !zygote || !strrchr(guest, '/')) {
        printf("Bail out! GUEST and ZYGOTE name the test's extension module and vivarium-zygote\n");
        return 2;
    }
    guest_fd = open(guest, O_RDONLY | O_CLOEXEC);
    zygote_fd = open(zygote, O_PATH | O_CLOEXEC);
    snprintf(guest_name, sizeof(guest_name), "%s", strrchr(guest, '/') + 1);
    if (guest_fd < 0 || zygote_fd < 0) {
        printf("Bail out! cannot open %s or %s\n", guest, zygote);
        return 2;
    }
    if (argc > 1 && strcmp(argv[1], "user") == 0) {
        if (geteuid() != 0) {
            printf("1..0 # SKIP not root: the other run is the ordinary user's\n");
            return 0;
        }
        if (setgroups(0, NULL) < 0 || setresgid(USER_ID, USER_ID, USER_ID) < 0 ||
            setresuid(USER_ID, USER_ID, USER_ID) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0) {
            printf("Bail out! cannot become an ordinary user\n");
            return 2;
        }
    }
    return -1;
}

static void copy_guest(const char *to)
{
    char data[65536];
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    REQUIRE(out >= 0);
    off_t at = 0;
    for (ssize_t n; (n = pread(guest_fd, data, sizeof(data), at)) > 0; at += n)
        REQUIRE(fd_write_all(out, data, (size_t)n, NULL) == 0);
    close(out);
}

_noreturn_ static void run_keeper(int channel, int stderr_fd)
{
    if (stderr_fd >= 0 && dup2(stderr_fd, 2) < 0)
        _exit(123);
    if (geteuid() == 0 &&
        (setgroups(0, NULL) < 0 || setresgid(WORKER_ID, WORKER_ID, WORKER_ID) < 0 ||
         setresuid(WORKER_ID, WORKER_ID, WORKER_ID) < 0))
        _exit(120);
    if (dup2(channel, 3) < 0)
        _exit(121);
    char *argv[] = {(char *)"vivarium-zygote", NULL};
    char *envp[] = {NULL};
    execveat(zygote_fd, "", argv, envp, AT_EMPTY_PATH);
    _exit(122);
}

static char folder_to_remove[64];

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder_to_remove);
    if (*folder_to_remove && system(command) != 0)
        printf("# %s failed\n", command);
}

static void start(struct host *h, int stderr_fd)
{
    *h = (struct host){.launch_fd = -1, .control_fd = -1, .listener_fd = -1, .life_fd = -1};
    snprintf(h->folder, sizeof(h->folder), "/tmp/vivarium-jail-XXXXXX");
    REQUIRE(mkdtemp(h->folder));
    memcpy(folder_to_remove, h->folder, sizeof(folder_to_remove));
    atexit(remove_folder);
    chmod(h->folder, 0755);
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", h->folder, guest_name);
    copy_guest(path);
    int fds[2];
    struct err err = ERR_INIT;
    REQUIRE(sock_pair(SOCK_SEQPACKET, fds, &err) == 0);
    h->keeper = fork();
    REQUIRE(h->keeper >= 0);
    if (h->keeper == 0)
        run_keeper(fds[1], stderr_fd);
    close(fds[1]);
    h->launch_fd = fds[0];
}

void host_start(struct host *h)
{
    start(h, -1);
}

void host_start_watched(struct host *h)
{
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    start(h, fds[1]);
    close(fds[1]);
    h->life_fd = fds[0];
}

bool host_all_ended(struct host *h)
{
    for (;;) {
        struct pollfd p = {.fd = h->life_fd, .events = POLLIN};
        if (poll(&p, 1, 10000) <= 0)
            return false;
        char text[256];
        ssize_t n = read(h->life_fd, text, sizeof(text));
        if (n <= 0)
            return n == 0;
        printf("# stderr: %.*s\n", (int)n, text);
    }
}

/* The next message of the keeper; its type, or 0 at the end of the channel. */
static int keeper_says(struct host *h, uint8_t *body, size_t size, ssize_t *ret_n)
{
    int fds[SOCK_MAX_FDS];
    size_t nfds = 0;
    struct err err = ERR_INIT;
    *ret_n = sock_recv(h->launch_fd, body, size, fds, &nfds, NULL, 0, &err);
    if (*ret_n <= 0)
        return 0;
    return msg_check(body, (size_t)*ret_n, nfds, PEER_KEEPER, PEER_SERVER, 0, &err);
}

bool host_launch(struct host *h, enum isolation isolation, void (*edit)(struct msg_launch *))
{
    struct msg_launch launch = {
        .id = 1,
        .isolation = (uint8_t)isolation,
        .profiles = 1,
        .python = strdup(getenv("JAIL_PYTHON") ? getenv("JAIL_PYTHON") : "/usr/bin/python3"),
        .extension_dir = strdup(h->folder),
    };
    if (edit)
        edit(&launch);
    struct wire_out out = WIRE_OUT_INIT(MSG_MAX_DATAGRAM);
    msg_put_launch(&out, &launch);
    msg_launch_done(&launch);
    int fds[2];
    struct err err = ERR_INIT;
    REQUIRE(!out.bad && sock_pair(SOCK_SEQPACKET, fds, &err) == 0);
    REQUIRE(sock_send(h->launch_fd, out.buf.data, out.buf.len, &fds[1], 1, 0, &err) == 0);
    close(fds[1]);
    h->control_fd = fds[0];
    wire_out_done(&out);
    static uint8_t body[MSG_MAX_DATAGRAM];
    ssize_t n;
    int type = keeper_says(h, body, sizeof(body), &n);
    if (type == MSG_LAUNCHED) {
        struct msg_launched m;
        REQUIRE(msg_get_launched(body, (size_t)n, &m, &err) == 0);
        h->init = (pid_t)m.pid;
        return true;
    }
    REQUIRE(type == MSG_LAUNCH_FAILED);
    struct msg_text text;
    REQUIRE(msg_get_text(body, (size_t)n, &text, &err) == 0);
    snprintf(h->failure, sizeof(h->failure), "%s", text.text);
    msg_text_done(&text);
    return false;
}

bool host_ask(struct host *h, enum guest_op op, uint32_t walls, uint64_t number, const char *text,
              struct guest_reply *ret)
{
    static struct guest_request req;
    req = (struct guest_request){.op = op, .walls = walls, .number = number};
    snprintf(req.text, sizeof(req.text), "%s", text ? text : "");
    struct err err = ERR_INIT;
    if (sock_send(h->control_fd, &req, sizeof(req), NULL, 0, 0, &err) < 0)
        return false;
    int fds[SOCK_MAX_FDS];
    size_t nfds = 0;
    ssize_t n = sock_recv(h->control_fd, ret, sizeof(*ret), fds, &nfds, NULL, 0, &err);
    if (nfds) {
        h->listener_fd = fds[0];
        pthread_t t;
        REQUIRE(pthread_create(&t, NULL, answer, &h->listener_fd) == 0);
        pthread_detach(t);
    }
    return n == (ssize_t)sizeof(*ret);
}

void host_enter(struct host *h, bool without_report)
{
    static struct guest_reply reply;
    REQUIRE(host_ask(h, GUEST_ENTER, 0, without_report, NULL, &reply));
    if (reply.value != 0)
        printf("# enter: %s\n", reply.text);
    REQUIRE(reply.value == 0);
}

void host_open(struct host *h, enum isolation isolation, bool without_report)
{
    host_start(h);
    if (!host_launch(h, isolation, NULL)) {
        printf("# launch: %s\n", h->failure);
        if (isolation == ISOLATION_NAMESPACES && strstr(h->failure, "does not let us"))
            SKIP("user namespaces are forbidden here");
        REQUIRE(!"launched");
    }
    host_enter(h, without_report);
}

int host_wait_gone(struct host *h)
{
    static uint8_t body[MSG_MAX_DATAGRAM];
    ssize_t n;
    struct err err = ERR_INIT;
    struct msg_gone m;
    REQUIRE(keeper_says(h, body, sizeof(body), &n) == MSG_GONE);
    REQUIRE(msg_get_gone(body, (size_t)n, &m, &err) == 0);
    return (int)m.wait_status;
}

void host_end_zygote(struct host *h)
{
    struct wire_out out = WIRE_OUT_INIT(64);
    msg_put_id(&out, MSG_END, 1);
    REQUIRE(sock_send(h->launch_fd, out.buf.data, out.buf.len, NULL, 0, 0, NULL) == 0);
    wire_out_done(&out);
}

void host_stop(struct host *h)
{
    fd_close(&h->control_fd);
    fd_close(&h->launch_fd);
    int status = 0;
    REQUIRE(waitpid(h->keeper, &status, 0) == h->keeper);
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* As container engines do it: no unshare at all, no clone with namespace flags, no clone3. */
static void forbid_by_filter(void)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone3, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_unshare, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x7e020000, 2, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct err err = ERR_INIT;
    REQUIRE(task_no_new_privs(&err) == 0);
    REQUIRE(filter_load(program, sizeof(program) / sizeof(program[0]), NULL, &err) == 0);
}

/* As an administrator does it: the limit belongs to the namespace we are in, and nobody inside can
 * raise it. */
static void forbid_by_limit(void)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    struct err err = ERR_INIT;
    REQUIRE(unshare(CLONE_NEWUSER) == 0 && ns_map_ids(uid, uid, gid, gid, &err) == 0);
    int fd = open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);
    REQUIRE(fd >= 0 && write(fd, "0", 1) == 1);
    close(fd);
}

void host_forbid_namespaces(enum forbid how)
{
    if (how == FORBID_BY_FILTER)
        forbid_by_filter();
    else
        forbid_by_limit();
}

void host_forbid_landlock(void)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 444 /* landlock_create_ruleset */, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    REQUIRE(task_no_new_privs(NULL) == 0);
    REQUIRE(filter_load(program, sizeof(program) / sizeof(program[0]), NULL, NULL) == 0);
}

void host_hold_listener(void)
{
    struct sock_filter program[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    int listener;
    REQUIRE(task_no_new_privs(NULL) == 0);
    REQUIRE(filter_load(program, 1, &listener, NULL) == 0);
}
