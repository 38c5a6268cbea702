/* /proc: see proc.h. Used in the server. The file is the kernel's; a program chooses only the name
 * in its first line, whose line breaks the kernel escapes. */
#include "sys/proc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int proc_status_open(pid_t pid, int *ret_fd, struct err *err)
{
    char path[48];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_SYS, "open %s", path);
    *ret_fd = fd;
    return 0;
}

/* The number after "\nNAME:". 0 when there is no such line. */
static uint64_t field(const char *text, const char *name)
{
    const char *p = strstr(text, name);
    return p ? strtoull(p + strlen(name), NULL, 10) : 0;
}

int proc_status_read(int fd, struct proc_status *ret, struct err *err)
{
    char text[4096];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n < 0)
        return err_set(err, ERR_SYS, "read the status of a process");
    text[n] = '\0';
    uint64_t tgid = field(text, "\nTgid:");
    if (tgid == 0 || tgid > INT32_MAX)
        return err_set(err, ERR_UNSUPPORTED, "the status of a process has no Tgid line");
    ret->tgid = (pid_t)tgid;
    ret->vm_hwm_bytes = field(text, "\nVmHWM:") * 1024;
    return 0;
}
