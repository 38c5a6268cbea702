/* Attempts of the self-test on the kernel, other processes and the network. See probe.c. Arguments
 * are such that a call that gets through fails on them (a null pointer, descriptor -1) or does
 * nothing, and either is then reported as a breach. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail/probe.h"
#include "sys/cap.h"

#define TRY(name, expr)                                                                            \
    static long name(const struct jail *j _unused_)                                                \
    {                                                                                              \
        return (expr);                                                                             \
    }

/* ---- network ---- */

static long open_socket(int domain, int type)
{
    int fd = socket(domain, type | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        close(fd);
    return fd;
}

TRY(inet_stream, open_socket(AF_INET, SOCK_STREAM))
TRY(inet_datagram, open_socket(AF_INET, SOCK_DGRAM))
TRY(inet_raw, open_socket(AF_INET, SOCK_RAW))
TRY(inet6, open_socket(AF_INET6, SOCK_STREAM))
TRY(local, open_socket(AF_UNIX, SOCK_STREAM))
TRY(netlink, open_socket(AF_NETLINK, SOCK_RAW))
TRY(packet, open_socket(AF_PACKET, SOCK_RAW))
TRY(vsock, open_socket(40 /* AF_VSOCK */, SOCK_STREAM))
TRY(connecting, connect(-1, NULL, 0))
TRY(binding, bind(-1, NULL, 0))
TRY(listening, listen(-1, 1))
TRY(accepting, accept(-1, NULL, NULL))
TRY(messages, sendmsg(-1, NULL, 0))

static long datagram_pair(const struct jail *j _unused_)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -1;
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static long send_elsewhere(const struct jail *j _unused_)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "/vivarium-self-test"};
    return sendto(-1, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
}

/* ---- processes ---- */

static long make_process(unsigned long flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid;
}

TRY(forking, make_process(0))
TRY(vforking, make_process(CLONE_VFORK))
TRY(user_namespace, make_process(CLONE_NEWUSER))
TRY(pid_namespace, make_process(CLONE_NEWPID))
TRY(clone3, syscall(SYS_clone3, NULL, 0))
TRY(executing, syscall(SYS_execve, NULL, NULL, NULL))
TRY(executing_at, syscall(SYS_execveat, -1, NULL, NULL, NULL, 0))
TRY(tracing, syscall(SYS_ptrace, 0 /* PTRACE_TRACEME */, 0, 0, 0))
TRY(reading_memory, syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0))
TRY(writing_memory, syscall(SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0))
TRY(killing_all, kill(-1, 0))
TRY(killing_group, kill(0, 0))
TRY(killing_thread, syscall(SYS_tkill, 1, 0))
TRY(queueing_signal, syscall(SYS_rt_sigqueueinfo, 1, 0, NULL))
TRY(process_descriptor, syscall(SYS_pidfd_open, getpid(), 0))
TRY(stealing_descriptor, syscall(SYS_pidfd_getfd, -1, 0, 0))
TRY(signal_by_descriptor, syscall(SYS_pidfd_send_signal, -1, 0, NULL, 0))
TRY(others_limits, syscall(SYS_prlimit64, getppid() ? getppid() : 1, 0, NULL, NULL))
TRY(priority, syscall(SYS_setpriority, 0, 0, 19))
TRY(affinity, syscall(SYS_sched_setaffinity, 0, 0, NULL))
TRY(comparing, syscall(SYS_kcmp, 1, 1, 0, 0, 0))

static long killing_zygote(const struct jail *j)
{
    /* Where we have a pid namespace the same number would be somebody else, or us. */
    return kill(j->zygote == getpid() ? j->zygote + 1 : j->zygote, 0);
}

/* ---- namespaces, mounts ---- */

TRY(unsharing_user, syscall(SYS_unshare, CLONE_NEWUSER))
TRY(unsharing_pids, syscall(SYS_unshare, CLONE_NEWPID))
TRY(unsharing_mounts, syscall(SYS_unshare, CLONE_NEWNS))
TRY(entering, syscall(SYS_setns, -1, 0))
TRY(entering_pids, syscall(SYS_setns, -1, CLONE_NEWPID))
TRY(mounting, syscall(SYS_mount, NULL, NULL, NULL, 0, NULL))
TRY(unmounting, syscall(SYS_umount2, NULL, 0))
TRY(pivoting, syscall(SYS_pivot_root, NULL, NULL))
TRY(changing_root, syscall(SYS_chroot, NULL))
TRY(open_tree, syscall(SYS_open_tree, -1, NULL, 0))
TRY(open_fs, syscall(SYS_fsopen, NULL, 0))
TRY(by_handle, syscall(SYS_open_by_handle_at, -1, NULL, 0))

/* ---- the kernel's larger interfaces ---- */

TRY(bpf, syscall(SYS_bpf, 0, NULL, 0))
TRY(perf, syscall(SYS_perf_event_open, NULL, 0, 0, -1, 0))
TRY(io_uring, syscall(SYS_io_uring_setup, 0, NULL))
TRY(page_faults, syscall(SYS_userfaultfd, 0))
TRY(keys, syscall(SYS_keyctl, 0, 0, 0, 0, 0))
TRY(adding_key, syscall(SYS_add_key, NULL, NULL, NULL, 0, 0))
TRY(personality, syscall(SYS_personality, 0xffffffff))
TRY(modules, syscall(SYS_finit_module, -1, NULL, 0))
TRY(host_log, syscall(SYS_syslog, 10 /* SYSLOG_ACTION_SIZE_BUFFER */, NULL, 0))
TRY(host_name, syscall(SYS_sethostname, NULL, 0))
TRY(typing, ioctl(0, TIOCSTI, NULL))
TRY(own_filter, syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, NULL))
TRY(dumpable, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
TRY(surviving, prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0))
TRY(ambient, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0))
TRY(capabilities, cap_set(CAP_MASK(CAP_SYS_ADMIN), NULL))
TRY(becoming_root, syscall(SYS_setresuid, 0, 0, 0))
TRY(clock, syscall(SYS_clock_settime, 0, NULL))
#ifdef __x86_64__
TRY(x32, syscall(0x40000000 | SYS_getpid))
TRY(segments, syscall(SYS_modify_ldt, 0, NULL, 0))
#endif

/* ---- memory ---- */

static long map(int prot)
{
    void *p = mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return -1;
    munmap(p, 4096);
    return 0;
}

TRY(writable_code, map(PROT_READ | PROT_WRITE | PROT_EXEC))
TRY(nameless_code, map(PROT_READ | PROT_EXEC))
TRY(memory_file, syscall(SYS_memfd_create, "x", 0))
TRY(shared_memory, syscall(SYS_shmget, 0, 4096, 01600))
TRY(message_queue, syscall(SYS_msgget, 0, 01600))
TRY(semaphores, syscall(SYS_semget, 0, 1, 01600))
TRY(posix_queue, syscall(SYS_mq_open, NULL, 0, 0, NULL))

static long made_executable(const struct jail *j _unused_)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return 0; /* cannot even try: not a proof */
    long r = mprotect(p, 4096, PROT_READ | PROT_EXEC);
    int saved = errno;
    munmap(p, 4096);
    errno = saved;
    return r;
}

#define ROW(layer, name, try)                                                                      \
    {                                                                                              \
        layer, name, try, REFUSED_CALL, NULL                                                       \
    }

const struct attempt attempts_calls[] = {
    ROW("network", "open a TCP socket", inet_stream),
    ROW("network", "open a UDP socket", inet_datagram),
    ROW("network", "open a raw socket", inet_raw),
    ROW("network", "open an IPv6 socket", inet6),
    ROW("network", "open a local socket", local),
    ROW("network", "open a netlink socket", netlink),
    ROW("network", "open a packet socket", packet),
    ROW("network", "open a socket to the hypervisor", vsock),
    ROW("network", "connect", connecting),
    ROW("network", "bind", binding),
    ROW("network", "listen", listening),
    ROW("network", "accept", accepting),
    ROW("network", "make a pair of datagram sockets", datagram_pair),
    ROW("network", "send to an address", send_elsewhere),
    ROW("network", "pass descriptors", messages),
    ROW("processes", "fork", forking),
    ROW("processes", "vfork", vforking),
    ROW("processes", "clone into a user namespace", user_namespace),
    ROW("processes", "clone into a pid namespace", pid_namespace),
    ROW("processes", "clone3", clone3),
    ROW("processes", "execute a program", executing),
    ROW("processes", "execute a program by descriptor", executing_at),
    ROW("processes", "be traced", tracing),
    ROW("processes", "read the parent's memory", reading_memory),
    ROW("processes", "write the parent's memory", writing_memory),
    ROW("processes", "signal every process", killing_all),
    ROW("processes", "signal the process group", killing_group),
    ROW("processes", "signal the parent", killing_zygote),
    ROW("processes", "signal a thread by number", killing_thread),
    ROW("processes", "queue a signal", queueing_signal),
    ROW("processes", "open a process descriptor", process_descriptor),
    ROW("processes", "take a descriptor of another process", stealing_descriptor),
    ROW("processes", "signal through a process descriptor", signal_by_descriptor),
    ROW("processes", "ask for the limits of another process", others_limits),
    ROW("processes", "change a priority", priority),
    ROW("processes", "choose processors", affinity),
    ROW("processes", "compare kernel objects", comparing),
    ROW("seccomp", "unshare the user namespace", unsharing_user),
    ROW("seccomp", "unshare the pid namespace", unsharing_pids),
    ROW("seccomp", "unshare the mount namespace", unsharing_mounts),
    ROW("seccomp", "enter a namespace", entering),
    ROW("seccomp", "enter a pid namespace", entering_pids),
    ROW("seccomp", "mount", mounting),
    ROW("seccomp", "unmount", unmounting),
    ROW("seccomp", "pivot_root", pivoting),
    ROW("seccomp", "chroot", changing_root),
    ROW("seccomp", "open_tree", open_tree),
    ROW("seccomp", "fsopen", open_fs),
    ROW("seccomp", "open a file by handle", by_handle),
    ROW("seccomp", "bpf", bpf),
    ROW("seccomp", "performance counters", perf),
    ROW("seccomp", "io_uring", io_uring),
    ROW("seccomp", "userfaultfd", page_faults),
    ROW("seccomp", "use a key ring", keys),
    ROW("seccomp", "add a key", adding_key),
    ROW("seccomp", "change the personality", personality),
    ROW("seccomp", "load a kernel module", modules),
    ROW("seccomp", "read the kernel's log", host_log),
    ROW("seccomp", "set the host name", host_name),
    ROW("seccomp", "type at a terminal", typing),
    ROW("seccomp", "talk to seccomp", own_filter),
    ROW("seccomp", "become dumpable", dumpable),
    ROW("seccomp", "outlive the parent", surviving),
    ROW("seccomp", "raise an ambient capability", ambient),
    ROW("seccomp", "get a capability back", capabilities),
    ROW("seccomp", "become root", becoming_root),
    ROW("seccomp", "set the clock", clock),
#ifdef __x86_64__
    ROW("seccomp", "use x32 call numbers", x32),
    ROW("seccomp", "change segment descriptors", segments),
#endif
    ROW("memory", "map writable code", writable_code),
    ROW("memory", "map code without a file", nameless_code),
    ROW("memory", "make memory executable", made_executable),
    ROW("memory", "create a memory file", memory_file),
    ROW("memory", "shared memory", shared_memory),
    ROW("memory", "message queue", message_queue),
    ROW("memory", "semaphores", semaphores),
    ROW("memory", "POSIX message queue", posix_queue),
};
const size_t attempts_calls_len = ARRAY_LEN(attempts_calls);
