/* The server's own walls: see confine.h. Runs in the server at the end of its start.
 *
 * The threat is a hole in the server itself: it parses JSON from clients and bytes from workers.
 * Whoever takes it over finds no capability, no file but the record, and nothing to execute. This
 * is a list of what is denied, not of what is allowed: the server's libraries may need anything
 * else. */
#include "app/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "base/macros.h"
#include "sys/fd.h"
#include "sys/filter.h"
#include "sys/landlock.h"

/* The leak check of sanitizers makes a process that traces this one; the counters of a coverage
 * build are written to files at exit. */
#if defined(__SANITIZE_ADDRESS__) || defined(VIVARIUM_COVERAGE)
#define MEASURING_BUILD 1
#else
#define MEASURING_BUILD 0
#endif

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "this architecture is not supported"
#endif

static const int denied[] = {
    SYS_execve,
    SYS_execveat,
    SYS_clone,
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
#endif
    SYS_ptrace,
    SYS_pidfd_getfd,
    SYS_kcmp,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_open_by_handle_at,
    SYS_move_mount,
    SYS_mount_setattr,
    SYS_fspick,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_personality,
    /* It speaks over descriptors it has. The user's session bus or an agent's socket, which
     * Landlock does not cover, would run a program for whoever connects. */
    SYS_socket,
    SYS_connect,
    SYS_bind,
    SYS_listen,
};

#define DENY(code)   (SECCOMP_RET_ERRNO | ((code)&SECCOMP_RET_DATA))
#define LOAD(part)   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, part))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define HEAD         8 /* instructions before the list */

/* Equal to @nr: the next instruction; else skip it. */
static struct sock_filter skip_unless(int nr)
{
    return (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1);
}

static int wall_seccomp(struct err *err)
{
    struct sock_filter f[HEAD + 2 * ARRAY_LEN(denied) + 1] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
        /* The second table of x86-64 (x32) has every call under another number. */
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
        RETURN(DENY(ENOSYS)),
        /* Its flags cannot be seen, so libc is sent to clone, which is denied. */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        RETURN(DENY(ENOSYS)),
    };
    size_t n = HEAD;
    for (size_t i = 0; i < ARRAY_LEN(denied); i++) {
        f[n++] = skip_unless(denied[i]);
        f[n++] = (struct sock_filter)RETURN(DENY(EPERM));
    }
    f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    return filter_load(f, n, NULL, err);
}

static int allow_path(int ruleset, const char *path, uint64_t access, struct err *err)
{
    auto_close int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return 0; /* what is not there needs no permission */
    return landlock_allow(ruleset, fd, access, err);
}

static int wall_landlock(int abi, int state_dir_fd, struct err *err)
{
    uint64_t all = LL_FS_ABI1 | (abi >= 2 ? LL_FS_REFER : 0) | (abi >= 3 ? LL_FS_TRUNCATE : 0);
    uint64_t read = LL_FS_READ_FILE | LL_FS_READ_DIR;
    auto_close int ruleset = -1;
    if (landlock_create(all, 0, 0, &ruleset, err) < 0 ||
        allow_path(ruleset, "/proc", read, err) < 0 ||
        allow_path(ruleset, "/dev/null", LL_FS_READ_FILE | LL_FS_WRITE_FILE, err) < 0)
        return -1;
    if (state_dir_fd >= 0 && landlock_allow(ruleset, state_dir_fd, all & ~LL_FS_EXECUTE, err) < 0)
        return -1;
    return landlock_restrict(ruleset, 0, err);
}

int confine(int state_dir_fd, bool *ret_confined, struct err *err)
{
    *ret_confined = false;
    if (MEASURING_BUILD)
        return 0;
    int abi = landlock_abi();
    if (abi >= 1 && wall_landlock(abi, state_dir_fd, err) < 0)
        return -1;
    if (wall_seccomp(err) < 0)
        return -1;
    *ret_confined = abi >= 1;
    return 0;
}
