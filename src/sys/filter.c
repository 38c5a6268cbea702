/* Loading seccomp programs: see filter.h. Used by zygote and worker. */
#include "sys/filter.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

int filter_load(const struct sock_filter *insns, size_t n, int *ret_listener, struct err *err)
{
    if (n > BPF_MAXINSNS)
        return err_set(err, ERR_INTERNAL, "a seccomp program of %zu instructions", n);
    struct sock_fprog prog = {
        .len = (unsigned short)n,
        .filter = (struct sock_filter *)(uintptr_t)insns,
    };
    unsigned flags = ret_listener ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
    long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
    if (r < 0)
        return err_set(err, ERR_SYS, "load a seccomp filter");
    if (ret_listener)
        *ret_listener = (int)r;
    return 0;
}
