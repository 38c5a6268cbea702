/* Reading a program: see source.h. Runs in the command line, as whoever typed it and before
 * privileges are dropped: the file may be readable to that user alone. */
#include "app/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fd.h"

static bool is_blank(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!memchr(" \t\n\r\f\v", data[i], 6))
            return false;
    return true;
}

int source_read(const char *name, size_t max, struct buf *ret, struct err *err)
{
    bool standard_input = strcmp(name, "-") == 0;
    auto_close int fd = standard_input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                       : open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    bool folder = fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    if (fd < 0 || folder)
        return err_set(err, ERR_INVALID, "cannot read %s: %s", name,
                       strerror(folder ? EISDIR : errno));
    if (buf_reserve(ret, max + 1, err) < 0)
        return -1;
    size_t n;
    if (fd_read_all(fd, ret->data, max + 1, &n, err) < 0)
        return err_set(err, ERR_INVALID, "cannot read %s: %s", name, strerror(errno));
    ret->len = is_blank(ret->data, n) ? 0 : n;
    return 0;
}
