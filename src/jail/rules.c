/* What a worker may ask of the kernel: data for filter.c. A call belongs here when CPython 3.11 to
 * 3.14, libc, or a library of the profiles needs it for work that a program may do, and with the
 * narrowest arguments that still do that work.
 *
 * Knowingly not here, though something might ask for them:
 *   memfd_create, ftruncate, fallocate   files nobody counts; shared executable memory
 *   pipe2, eventfd2, timerfd, signalfd   nothing permitted needs them; one kernel object less each
 *   setitimer, alarm, timer_create       a program's own timers; the deadline is the engine's
 *   sendmsg, recvmsg, sendmmsg           would pass descriptors and name peers
 *   sysinfo                              memory, load and uptime of the host
 *   mlock, mbind, sched_setaffinity …    scheduling and memory of the machine as a whole
 *   mincore, process_mrelease            what other processes have cached
 *   prctl but for thread names           securebits, dumpable, parent-death signal, seccomp, MTE …
 *   arch_prctl, rseq's relatives         set by libc before the filter; threads get theirs by clone
 *   shmget, msgget, semget, mq_open      meeting places with other processes
 *   inotify, fanotify, flock             watching and blocking others
 *   chdir, umask, chmod, utimens, xattr  change state outside the program; Landlock does not judge
 *                                        them
 *   getpriority, getsid, getpgid         ask about other processes
 *   tkill, rt_sigqueueinfo, pidfd_*      signal other processes; tgkill to oneself is enough */
#include "jail/filter.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/macros.h"
#include "jail/internal.h"

#define IS(i, v)                                                                                   \
    {                                                                                              \
        ARG_IS, (i), 0, (v)                                                                        \
    }
#define BITS(i, m, v)                                                                              \
    {                                                                                              \
        ARG_BITS, (i), (m), (v)                                                                    \
    }

#define YES(call)                                                                                  \
    {                                                                                              \
        .name = (call)                                                                             \
    }
#define INSIDE(call)                                                                               \
    {                                                                                              \
        .name = (call), .namespaces_only = true                                                    \
    } /* the root must be ours */
#define WITH(call, ...)                                                                            \
    {                                                                                              \
        .name = (call), .args = { __VA_ARGS__ }                                                    \
    }
#define NO(call, code)                                                                             \
    {                                                                                              \
        .name = (call), .error = (code)                                                            \
    }
#define NO_WITH(call, code, ...)                                                                   \
    {                                                                                              \
        .name = (call), .error = (code), .args = { __VA_ARGS__ }                                   \
    }

/* The bit itself: libc's O_TMPFILE has O_DIRECTORY in it, and folders may be read. */
#define TMPFILE_BIT  020000000
#define OPEN_CHANGES ((uint64_t)(O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | TMPFILE_BIT))

/* pthread_create of glibc, and of musl (which adds the long dead CLONE_DETACHED). */
#define THREAD_FLAGS                                                                               \
    ((uint64_t)(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
                CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID))

#define SOCK_TYPE_BITS 0xfu
/* Clock numbers of other processes and threads are negative. */
#define FOREIGN_CLOCK 0x80000000u

const struct filter_rule filter_rules[] = {
    /* memory. Never executable and writable at once, never executable without a file behind it:
     * the files that can be mapped are those of the read-only root, so a library can be loaded and
     * nothing the program wrote can be run. */
    YES("brk"),
    WITH("mmap", BITS(2, PROT_EXEC, 0), BITS(3, MAP_HUGETLB, 0)),
    WITH("mmap", BITS(2, PROT_EXEC | PROT_WRITE, PROT_EXEC),
         BITS(3, MAP_ANONYMOUS | MAP_PRIVATE | MAP_SHARED, MAP_PRIVATE)),
    WITH("mprotect", BITS(2, PROT_EXEC, 0)),
    YES("munmap"),
    YES("mremap"),
    /* Not MADV_MERGEABLE: merging pages tells what other processes have in theirs. */
    WITH("madvise", BITS(2, ~UINT64_C(7), 0)), /* NORMAL … WILLNEED, DONTNEED */
    WITH("madvise", IS(2, MADV_FREE)),
    WITH("madvise", BITS(2, ~UINT64_C(1), MADV_HUGEPAGE)), /* and MADV_NOHUGEPAGE */
    /* threads */
    WITH("clone", IS(0, THREAD_FLAGS)),
    WITH("clone", IS(0, THREAD_FLAGS | CLONE_DETACHED)),
    NO("clone3", ENOSYS), /* its flags lie in memory, where no filter can see them */
    YES("futex"),
    NO("futex_waitv", ENOSYS),
    YES("set_robust_list"),
    YES("rseq"),
    YES("gettid"),
    YES("sched_yield"),
    YES("getcpu"),
    WITH("sched_getaffinity", IS(0, 0)),
    WITH("prctl", IS(0, PR_SET_NAME)),
    WITH("prctl", IS(0, PR_GET_NAME)),
    NO("membarrier", ENOSYS),
    NO("get_mempolicy", ENOSYS),
    NO("mbind", ENOSYS),
    NO("set_mempolicy", ENOSYS),
    NO("pkey_alloc", ENOSYS),
    YES("exit"),
    YES("exit_group"),
    /* signals to oneself */
    YES("rt_sigaction"),
    YES("rt_sigprocmask"),
    YES("rt_sigreturn"),
    YES("sigaltstack"),
    YES("restart_syscall"),
    WITH("kill", IS(0, FILTER_SELF_PID)),
    WITH("tgkill", IS(0, FILTER_SELF_PID)),
    /* time */
    WITH("clock_gettime", BITS(0, FOREIGN_CLOCK, 0)),
    WITH("clock_getres", BITS(0, FOREIGN_CLOCK, 0)),
    WITH("clock_nanosleep", BITS(0, FOREIGN_CLOCK, 0)),
    YES("nanosleep"),
    YES("gettimeofday"),
    YES("time"),
    YES("times"),
    YES("getrusage"),
    /* who am I */
    YES("getpid"),
    YES("getppid"),
    YES("getuid"),
    YES("geteuid"),
    YES("getgid"),
    YES("getegid"),
    YES("getresuid"),
    YES("getresgid"),
    YES("uname"),
    WITH("prlimit64", IS(0, 0)),
    YES("getrlimit"),
    YES("getrandom"),
    /* reading files below the root */
    WITH("openat", BITS(2, OPEN_CHANGES, 0)),
    NO("openat2", ENOSYS), /* flags in memory again */
    YES("read"),
    YES("readv"),
    YES("pread64"),
    YES("lseek"),
    YES("close"),
    NO("close_range", ENOSYS),
    YES("stat"),
    YES("lstat"),
    YES("fstat"),
    YES("newfstatat"),
    YES("statx"),
    YES("getdents64"),
    YES("getcwd"),
    INSIDE("access"),
    INSIDE("faccessat"),
    INSIDE("faccessat2"),
    INSIDE("readlink"),
    INSIDE("readlinkat"),
    YES("dup"),
    YES("dup2"),
    YES("dup3"),
    NO("copy_file_range", ENOSYS),
    /* the output pipes and the channel */
    YES("write"),
    YES("writev"),
    WITH("fcntl", IS(1, F_GETFD)),
    WITH("fcntl", IS(1, F_SETFD)),
    WITH("fcntl", IS(1, F_GETFL)),
    WITH("fcntl", IS(1, F_SETFL), BITS(2, O_ASYNC, 0)),
    WITH("fcntl", IS(1, F_DUPFD)),
    WITH("fcntl", IS(1, F_DUPFD_CLOEXEC)),
    WITH("ioctl", IS(1, FIONBIO)),
    WITH("ioctl", IS(1, FIOCLEX)),
    WITH("ioctl", IS(1, FIONCLEX)),
    NO_WITH("ioctl", ENOTTY, IS(1, TCGETS)), /* isatty() */
    NO_WITH("ioctl", ENOTTY, IS(1, TIOCGWINSZ)),
    /* asyncio: a poller, and a pair of sockets to wake itself up. Streams only, and no destination
     * address: a datagram socket could be pointed at any socket of the machine. */
    YES("epoll_create1"),
    YES("epoll_ctl"),
    YES("epoll_wait"),
    YES("epoll_pwait"),
    NO("epoll_pwait2", ENOSYS),
    YES("poll"),
    YES("ppoll"),
    YES("select"),
    YES("pselect6"),
    WITH("socketpair", IS(0, AF_UNIX), BITS(1, SOCK_TYPE_BITS, SOCK_STREAM)),
    WITH("sendto", IS(4, 0)),
    YES("recvfrom"),
    YES("shutdown"),
    YES("getsockname"),
    YES("getpeername"),
    /* Not SO_PEERCRED, SO_PEERPIDFD …: who is at the other end. */
    WITH("getsockopt", IS(1, SOL_SOCKET), IS(2, SO_TYPE)),
    WITH("getsockopt", IS(1, SOL_SOCKET), IS(2, SO_DOMAIN)),
    WITH("getsockopt", IS(1, SOL_SOCKET), IS(2, SO_PROTOCOL)),
    WITH("getsockopt", IS(1, SOL_SOCKET), IS(2, SO_ERROR)),
};
const size_t filter_rules_len = ARRAY_LEN(filter_rules);
