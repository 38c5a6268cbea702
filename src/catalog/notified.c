/* The table of reported system calls: see notified.h. Data only; linked into keeper, zygote and
 * server. Numbers are those of the machine it is compiled for; a call that an architecture does
 * not have is left out. The jail judges some of them by their flags (clone, unshare, setns): see
 * jail/filter.c. */
#include "catalog/notified.h"

#include <sys/syscall.h>

#include "base/macros.h"

#define NETWORK "Network access needs SANDBOX_ENABLE_NETWORK=true"
#define NEVER   "No setting permits this"
#define PROCESS "Programs cannot start other programs; use the modules of the profiles instead"

#define CALL(name, detail, remedy)                                                                 \
    {                                                                                              \
        __NR_##name, #name, "The program tried to " detail, remedy                                 \
    }

const struct notified_call notified_calls[] = {
    /* network */
    CALL(socket, "open a network socket", NETWORK),
    CALL(connect, "connect a socket", NETWORK),
    CALL(bind, "bind a socket to an address", NETWORK),
    CALL(listen, "listen for connections", NETWORK),
    CALL(accept, "accept a connection", NETWORK),
    CALL(accept4, "accept a connection", NETWORK),
    /* other programs */
    CALL(execve, "start another program", PROCESS),
    CALL(execveat, "start another program", PROCESS),
    CALL(clone, "start another process or leave its namespaces", PROCESS),
#ifdef __NR_fork
    CALL(fork, "start another process", PROCESS),
#endif
#ifdef __NR_vfork
    CALL(vfork, "start another process", PROCESS),
#endif
    /* other processes */
    CALL(ptrace, "trace a process", NEVER),
    CALL(process_vm_readv, "read another process's memory", NEVER),
    CALL(process_vm_writev, "write another process's memory", NEVER),
    CALL(process_madvise, "advise on another process's memory", NEVER),
    CALL(kcmp, "compare kernel objects of processes", NEVER),
    CALL(pidfd_getfd, "take a descriptor of another process", NEVER),
    /* namespaces and mounts */
    CALL(unshare, "leave its namespaces", NEVER),
    CALL(setns, "enter other namespaces", NEVER),
    CALL(mount, "mount a file system", NEVER),
    CALL(umount2, "unmount a file system", NEVER),
    CALL(pivot_root, "change the root of the file system", NEVER),
    CALL(chroot, "change its root folder", NEVER),
    CALL(open_tree, "copy a mount", NEVER),
    CALL(move_mount, "move a mount", NEVER),
    CALL(fsopen, "open a file system", NEVER),
    CALL(fsconfig, "configure a file system", NEVER),
    CALL(fsmount, "mount a file system", NEVER),
    CALL(fspick, "reconfigure a file system", NEVER),
    CALL(mount_setattr, "change a mount", NEVER),
    CALL(open_by_handle_at, "open a file past its folder", NEVER),
    CALL(name_to_handle_at, "take a handle of a file", NEVER),
    CALL(quotactl, "change quotas", NEVER),
    CALL(acct, "switch process accounting", NEVER),
    CALL(fanotify_init, "watch the whole file system", NEVER),
    /* the kernel's larger interfaces */
    CALL(bpf, "load a program into the kernel", NEVER),
    CALL(perf_event_open, "read performance counters", NEVER),
    CALL(io_uring_setup, "set up io_uring", NEVER),
    CALL(io_uring_enter, "use io_uring", NEVER),
    CALL(io_uring_register, "use io_uring", NEVER),
    CALL(userfaultfd, "handle page faults itself", NEVER),
    CALL(keyctl, "use the kernel's key store", NEVER),
    CALL(add_key, "use the kernel's key store", NEVER),
    CALL(request_key, "use the kernel's key store", NEVER),
    CALL(personality, "change its execution domain", NEVER),
#ifdef __NR_modify_ldt
    CALL(modify_ldt, "change segment descriptors", NEVER),
#endif
#ifdef __NR_iopl
    CALL(iopl, "reach the machine's ports", NEVER),
#endif
#ifdef __NR_ioperm
    CALL(ioperm, "reach the machine's ports", NEVER),
#endif
    /* the machine as a whole */
    CALL(init_module, "load a kernel module", NEVER),
    CALL(finit_module, "load a kernel module", NEVER),
    CALL(delete_module, "unload a kernel module", NEVER),
    CALL(kexec_load, "load another kernel", NEVER),
#ifdef __NR_kexec_file_load
    CALL(kexec_file_load, "load another kernel", NEVER),
#endif
    CALL(reboot, "restart the machine", NEVER),
    CALL(swapon, "change swap space", NEVER),
    CALL(swapoff, "change swap space", NEVER),
    CALL(syslog, "read the kernel's log", NEVER),
    CALL(sethostname, "change the host name", NEVER),
    CALL(setdomainname, "change the domain name", NEVER),
    CALL(settimeofday, "set the clock", NEVER),
    CALL(clock_settime, "set the clock", NEVER),
    CALL(vhangup, "hang up a terminal", NEVER),
};
const size_t notified_calls_len = ARRAY_LEN(notified_calls);

const struct notified_call *notified_call_find(int nr)
{
    for (size_t i = 0; i < notified_calls_len; i++)
        if (notified_calls[i].nr == nr)
            return &notified_calls[i];
    return NULL;
}
