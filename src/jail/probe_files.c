/* Attempts of the self-test on files: reading, writing and changing what is outside. See probe.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail/probe.h"

static long read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    char byte;
    ssize_t n = read(fd, &byte, 1);
    int saved = errno;
    close(fd);
    errno = saved;
    return n;
}

static long make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    close(fd);
    unlink(path);
    return 0;
}

static long list(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static long see(const char *path)
{
    struct stat st;
    return stat(path, &st);
}

#define TRY(name, expr)                                                                            \
    static long name(const struct jail *j _unused_)                                                \
    {                                                                                              \
        return (expr);                                                                             \
    }

TRY(passwd, read_file("/etc/passwd"))
TRY(environment, read_file("/proc/self/environ"))
TRY(parents_memory, read_file("/proc/1/mem"))
TRY(kernel_log, read_file("/proc/kmsg"))
TRY(processes, list("/proc"))
TRY(devices, list("/dev"))
TRY(kernel_objects, list("/sys"))
TRY(etc, list("/etc"))
TRY(homes, list("/home"))
TRY(roots_home, list("/root"))
TRY(host_names, see("/etc/passwd"))
TRY(host_proc, see("/proc/self"))

/* In a root of our own nothing is there but what may be read, and this one file. */
static long landlocked(const struct jail *j)
{
    return read_file(j->isolation == ISOLATION_NAMESPACES ? JAIL_LANDLOCK_CANARY : "/etc/passwd");
}

TRY(in_root, make_file("/vivarium-self-test"))
TRY(in_tmp, make_file("/tmp/vivarium-self-test"))
TRY(in_shm, make_file("/dev/shm/vivarium-self-test"))
TRY(in_var, make_file("/var/tmp/vivarium-self-test"))
TRY(here, make_file("vivarium-self-test"))
TRY(temporary, open("/", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600))
TRY(folder, mkdir("/vivarium-self-test", 0700))
TRY(removal, unlink("/vivarium-self-test"))
TRY(renaming, rename("/vivarium-self-test", "/vivarium-self-test-2"))
TRY(symbolic_link, symlink("/", "/vivarium-self-test"))
TRY(hard_link, link("/vivarium-self-test", "/vivarium-self-test-2"))
TRY(special_file, mknod("/vivarium-self-test", S_IFIFO | 0600, 0))
TRY(mode, chmod("/", 0777))
TRY(owner, lchown("/", getuid(), getgid()))
TRY(times, utimensat(AT_FDCWD, "/", NULL, 0))
TRY(attribute, syscall(SYS_setxattr, "/", "user.vivarium", "1", 1, 0))
TRY(cut, truncate("/vivarium-self-test", 0))
TRY(walking, chdir("/"))
TRY(mask, (long)syscall(SYS_umask, 0022))

#define STAT_NOTE                                                                                  \
    "without namespaces, names, sizes and dates of the host's files can be seen, not their "       \
    "contents"

const struct attempt attempts_files[] = {
    {"files", "read /etc/passwd of the host", passwd, REFUSED_FILE, NULL},
    {"files", "read the environment of a process", environment, REFUSED_FILE, NULL},
    {"files", "read the memory of process 1", parents_memory, REFUSED_FILE, NULL},
    {"files", "read the kernel's messages", kernel_log, REFUSED_FILE, NULL},
    {"files", "list processes in /proc", processes, REFUSED_FILE, NULL},
    {"files", "list devices in /dev", devices, REFUSED_FILE, NULL},
    {"files", "list /sys", kernel_objects, REFUSED_FILE, NULL},
    {"files", "list /etc", etc, REFUSED_FILE, NULL},
    {"files", "list /home", homes, REFUSED_FILE, NULL},
    {"files", "list /root", roots_home, REFUSED_FILE, NULL},
    {"namespaces", "see that a file of the host exists", host_names, REFUSED_FILE, STAT_NOTE},
    {"namespaces", "see a process through /proc", host_proc, REFUSED_FILE, STAT_NOTE},
    {"landlock", "read a file that only Landlock protects", landlocked, REFUSED_ACCESS, NULL},
    {"files", "create a file in /", in_root, REFUSED_FILE, NULL},
    {"files", "create a file in /tmp", in_tmp, REFUSED_FILE, NULL},
    {"files", "create a file in /dev/shm", in_shm, REFUSED_FILE, NULL},
    {"files", "create a file in /var/tmp", in_var, REFUSED_FILE, NULL},
    {"files", "create a file in the working folder", here, REFUSED_FILE, NULL},
    {"files", "create a file without a name", temporary, REFUSED_FILE, NULL},
    {"seccomp", "create a folder", folder, REFUSED_CALL, NULL},
    {"seccomp", "remove a file", removal, REFUSED_CALL, NULL},
    {"seccomp", "rename a file", renaming, REFUSED_CALL, NULL},
    {"seccomp", "create a symbolic link", symbolic_link, REFUSED_CALL, NULL},
    {"seccomp", "create a hard link", hard_link, REFUSED_CALL, NULL},
    {"seccomp", "create a special file", special_file, REFUSED_CALL, NULL},
    {"seccomp", "change a mode", mode, REFUSED_CALL, NULL},
    {"seccomp", "change an owner", owner, REFUSED_CALL, NULL},
    {"seccomp", "change dates of a file", times, REFUSED_CALL, NULL},
    {"seccomp", "set an extended attribute", attribute, REFUSED_CALL, NULL},
    {"seccomp", "cut a file off", cut, REFUSED_CALL, NULL},
    {"seccomp", "change the working folder", walking, REFUSED_CALL, NULL},
    {"seccomp", "change the file creation mask", mask, REFUSED_CALL, NULL},
};
const size_t attempts_files_len = ARRAY_LEN(attempts_files);
