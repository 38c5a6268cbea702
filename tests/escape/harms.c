/* Real harms, with real arguments: they succeed where no wall is in the way. The self-test uses
 * harmless arguments and judges by the error; these show the harm itself. */
#include "harms.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

pid_t harm_victim;

#define HARM(name) static long name(const struct jail *j _unused_)

HARM(read_passwd)
{
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    char c;
    return fd < 0 ? -1 : (long)read(fd, &c, 1);
}

HARM(read_through_proc_root)
{
    int fd = open("/proc/1/root/etc/passwd", O_RDONLY | O_CLOEXEC);
    char c;
    return fd < 0 ? -1 : (long)read(fd, &c, 1);
}

HARM(read_past_dotdot)
{
    int fd = open("/../../../../etc/passwd", O_RDONLY | O_CLOEXEC);
    char c;
    return fd < 0 ? -1 : (long)read(fd, &c, 1);
}

HARM(stat_passwd)
{
    struct stat st;
    return stat("/etc/passwd", &st);
}

HARM(read_host_root_by_handle)
{
    /* The classic container escape: a handle of inode 2 opens the host's root folder. */
    struct {
        struct file_handle h;
        unsigned char bytes[8];
    } f = {.h = {.handle_bytes = 8, .handle_type = 1}, .bytes = {2}};
    int mount_fd = open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mount_fd < 0)
        return -1;
    return open_by_handle_at(mount_fd, &f.h, O_RDONLY);
}

HARM(write_canary)
{
    int fd = open("/tmp/vivarium-canary", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    return fd < 0 ? -1 : (long)write(fd, "x", 1);
}

HARM(remount_writable)
{
    return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL);
}

HARM(mount_tmpfs)
{
    return mount("none", "/", "tmpfs", 0, NULL);
}

HARM(mount_proc)
{
    return mount("proc", "/", "proc", 0, NULL);
}

HARM(chroot_elsewhere)
{
    return chroot("/usr");
}

HARM(change_mode)
{
    return chmod("/tmp", 01777);
}

HARM(connect_tcp)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    long r = connect(fd, (struct sockaddr *)&to, sizeof(to));
    /* A reset from the loopback interface is an answer: something was reached. */
    return r < 0 && errno == ECONNREFUSED ? 0 : r;
}

HARM(listen_tcp)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(48123)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        return -1;
    return listen(fd, 1);
}

HARM(send_udp)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? -1 : (long)sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
}

HARM(connect_abstract)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "\0vivarium-test-abstract"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 23);
    return fd < 0 ? -1 : (long)connect(fd, (struct sockaddr *)&to, n);
}

HARM(fork_bomb)
{
    int made = 0;
    for (int i = 0; i < 16; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        if (pid > 0 && waitpid(pid, NULL, 0) == pid)
            made++;
    }
    return made ? made : -1;
}

HARM(execute_python)
{
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid < 0)
        return -1;
    if (pid == 0) {
        char *argv[] = {(char *)"/usr/bin/python" PYTHON_VERSION,
                        (char *)"-I",
                        (char *)"-S",
                        (char *)"-c",
                        (char *)"pass",
                        NULL};
        char *envp[] = {NULL};
        execve(argv[0], argv, envp);
        _exit(99);
    }
    int status;
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    errno = EACCES;
    return -1;
}

HARM(kill_victim)
{
    return kill(harm_victim, SIGKILL);
}

HARM(kill_group)
{
    /* The zygote and the victim, unless the worker has a group of its own. */
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    struct timespec t = {.tv_nsec = 20000000};
    nanosleep(&t, NULL);
    return -1; /* whoever died tells */
}

HARM(kill_everything)
{
    return kill(-1, 0); /* is there anybody it would reach? */
}

HARM(trace_victim)
{
    return ptrace(PTRACE_ATTACH, harm_victim, NULL, NULL);
}

HARM(read_victims_memory)
{
    static char secret[16] = "secret", stolen[16];
    struct iovec local = {stolen, sizeof(stolen)}, remote = {secret, sizeof(secret)};
    return process_vm_readv(harm_victim, &local, 1, &remote, 1, 0);
}

HARM(limit_victim)
{
    struct rlimit l = {1, 1};
    return syscall(SYS_prlimit64, harm_victim, RLIMIT_CPU, &l, NULL);
}

HARM(renice_victim)
{
    return setpriority(PRIO_PROCESS, (id_t)harm_victim, 19);
}

HARM(new_user_namespace)
{
    return unshare(CLONE_NEWUSER);
}

HARM(new_pid_namespace)
{
    return unshare(CLONE_NEWPID);
}

HARM(set_host_name)
{
    return sethostname("owned", 5);
}

HARM(run_written_code)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? -1 : 0;
}

HARM(share_memory)
{
    int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    if (id >= 0)
        shmctl(id, IPC_RMID, NULL);
    return id;
}

HARM(memory_file_code)
{
    int fd = (int)syscall(SYS_memfd_create, "x", 0);
    if (fd < 0 || ftruncate(fd, 4096) < 0)
        return -1;
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0;
}

HARM(use_io_uring)
{
    struct io_uring_params p = {0};
    return syscall(SYS_io_uring_setup, 4, &p);
}

HARM(regain_capabilities)
{
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21 /* CAP_SYS_ADMIN */, 0, 0);
}

HARM(outlive_zygote)
{
    return prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
}

HARM(use_inherited_descriptor)
{
    /* The control channel of the zygote, other workers' channels, the listener … */
    for (int fd = 4; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            return fd;
    return -1;
}

HARM(allocate_far_too_much)
{
    struct rlimit l;
    getrlimit(RLIMIT_AS, &l);
    return jail_limit_memory(jail_address_space(), 1 << 20, NULL) < 0 ||
                   mmap(NULL, 64 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED
               ? 0
               : -1;
}

#define ROW(f)                                                                                     \
    {                                                                                              \
#f, f                                                                                      \
    }
const struct harm harms[] = {
    ROW(read_passwd),
    ROW(read_through_proc_root),
    ROW(read_past_dotdot),
    ROW(stat_passwd),
    ROW(read_host_root_by_handle),
    ROW(write_canary),
    ROW(remount_writable),
    ROW(mount_tmpfs),
    ROW(mount_proc),
    ROW(chroot_elsewhere),
    ROW(change_mode),
    ROW(connect_tcp),
    ROW(listen_tcp),
    ROW(send_udp),
    ROW(connect_abstract),
    ROW(fork_bomb),
    ROW(execute_python),
    ROW(kill_victim),
    ROW(kill_group),
    ROW(kill_everything),
    ROW(trace_victim),
    ROW(read_victims_memory),
    ROW(limit_victim),
    ROW(renice_victim),
    ROW(new_user_namespace),
    ROW(new_pid_namespace),
    ROW(set_host_name),
    ROW(run_written_code),
    ROW(share_memory),
    ROW(memory_file_code),
    ROW(use_io_uring),
    ROW(regain_capabilities),
    ROW(outlive_zygote),
    ROW(use_inherited_descriptor),
    ROW(allocate_far_too_much),
};
const unsigned long harms_len = ARRAY_LEN(harms);
