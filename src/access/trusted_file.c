/* Reading a file that decides who may come in: see trusted_file.h. Runs in the server at start.
 *
 * The threat is another user of the machine who writes himself in, or who reads the names and
 * limits of others. The checks are made on the open descriptor, so nothing can be exchanged between
 * them and the reading. */
#include "access/trusted_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fd.h"

static int check(int fd, bool secret, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(err, ERR_SYS, "cannot examine it");
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "it is not a regular file");
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return err_set(err, ERR_INVALID,
                       "it belongs to another user (uid %u), who could let anybody in; give it to "
                       "yourself or to root with chown",
                       (unsigned)st.st_uid);
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return err_set(err, ERR_INVALID,
                       "other users can write to it and so let themselves in; chmod go-w takes "
                       "that away");
    if (secret && st.st_mode & S_IROTH)
        return err_set(err, ERR_INVALID,
                       "every user of this machine can read it; chmod o-r takes that away");
    return 0;
}

int trusted_file_read(const char *path, bool secret, struct buf *ret, struct err *err)
{
    /* O_NONBLOCK: a fifo in its place must not hang the start. */
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_set(err, ERR_INVALID, "%s", strerror(errno));
    if (check(fd, secret, err) < 0)
        return -1;
    size_t max = ret->max;
    auto_buf struct buf text = BUF_INIT(max + 1);
    if (buf_reserve(&text, max + 1, err) < 0 ||
        fd_read_all(fd, text.data, max + 1, &text.len, err) < 0)
        return -1;
    if (text.len > max)
        return err_set(err, ERR_LIMIT, "it is longer than %zu bytes", max);
    buf_done(ret);
    *ret = text;
    ret->max = max;
    text = (struct buf){0};
    return 0;
}
