/* The audit file: see audit.h and record.h. Runs in the server.
 *
 * The folder may be shared with other servers of the same user, so every line is one append, and a
 * rotation happens under a lock on the file itself, after a look whether somebody else has done it
 * already. Nothing in the folder is trusted to be what it was: files are opened without following
 * links, and must be regular and ours. */
#include "record/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fd.h"

#define NAME "audit.jsonl"

struct audit {
    int dir_fd; /* borrowed */
    int fd;
    bool reserve;
    bool torn;            /* the file may end in half a line */
    bool dirty;           /* written since the last sync */
    uint64_t reserved_to; /* file offset up to which blocks are allocated */
    struct buf pending;
    uid_t owner_uid;
    gid_t owner_gid;
};

/* Open NAME for appending; *ret_fd is the caller's. */
static int open_log(const struct audit *a, int *ret_fd, struct err *err)
{
    auto_close int fd = openat(
        a->dir_fd, NAME,
        O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0600);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(err, ERR_SYS, "cannot open the audit log %s", NAME);
    uid_t me = geteuid();
    if (!S_ISREG(st.st_mode) || st.st_nlink > 1 || (st.st_uid != me && st.st_uid != a->owner_uid))
        return err_set(err, ERR_REFUSED, "the audit log %s is not a plain file of ours", NAME);
    if (a->owner_uid != RECORD_SAME_OWNER && st.st_uid != a->owner_uid &&
        fchown(fd, a->owner_uid, a->owner_gid) < 0)
        return err_set(err, ERR_SYS, "cannot hand over the audit log %s", NAME);
    if ((st.st_mode & 07777) != 0600 && fchmod(fd, 0600) < 0)
        return err_set(err, ERR_SYS, "cannot make the audit log %s private", NAME);
    *ret_fd = take_fd(&fd);
    return 0;
}

static int reopen(struct audit *a, struct err *err)
{
    int fd = -1;
    if (open_log(a, &fd, err) < 0)
        return -1;
    fd_close(&a->fd);
    a->fd = fd;
    a->reserved_to = 0;
    return 0;
}

/* audit.jsonl → .1 → .2 …; the last one is overwritten. */
static int shift(const struct audit *a, struct err *err)
{
    char from[32];
    char to[32];
    for (int i = RECORD_OLD_FILES; i > 0; i--) {
        snprintf(to, sizeof(to), NAME ".%d", i);
        if (i == 1)
            snprintf(from, sizeof(from), "%s", NAME);
        else
            snprintf(from, sizeof(from), NAME ".%d", i - 1);
        if (renameat(a->dir_fd, from, a->dir_fd, to) < 0 && errno != ENOENT)
            return err_set(err, ERR_SYS, "cannot rotate the audit log %s", from);
    }
    return 0;
}

/* Is our descriptor still the file of that name? */
static bool current(const struct audit *a, struct stat *st)
{
    struct stat named;
    return fstat(a->fd, st) == 0 && fstatat(a->dir_fd, NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           st->st_dev == named.st_dev && st->st_ino == named.st_ino;
}

/* Make a->fd the right file to append @n bytes to. */
static int settle(struct audit *a, size_t n, struct err *err)
{
    struct stat st;
    if (a->fd < 0 || !current(a, &st))
        return reopen(a, err);
    if (st.st_size == 0 || (uint64_t)st.st_size + n <= RECORD_FILE_BYTES)
        return 0;
    if (flock(a->fd, LOCK_EX | LOCK_NB) < 0)
        return 0; /* another server is rotating: one line more in the old file does no harm */
    int r = current(a, &st) ? shift(a, err) : 0;
    flock(a->fd, LOCK_UN);
    return r < 0 ? -1 : reopen(a, err);
}

/* Allocate blocks ahead of the end, so that a full disk shows before a program runs. */
static int reserve(struct audit *a, struct err *err)
{
    struct stat st;
    if (fstat(a->fd, &st) < 0)
        return err_set(err, ERR_SYS, "cannot examine the audit log");
    uint64_t end = (uint64_t)st.st_size;
    if (end + RECORD_RESERVE_BYTES / 2 <= a->reserved_to)
        return 0;
    if (fallocate(a->fd, FALLOC_FL_KEEP_SIZE, st.st_size, RECORD_RESERVE_BYTES) < 0 &&
        errno != EOPNOTSUPP && errno != ENOSYS)
        return err_set(err, ERR_SYS, "cannot reserve disk space for the audit log");
    a->reserved_to = end + RECORD_RESERVE_BYTES;
    return 0;
}

/* Write what is pending. Whole or not at all as far as readers are concerned: after half a line the
 * next attempt begins on a new one and repeats it. */
static int flush(struct audit *a, struct err *err)
{
    if (a->pending.len == 0)
        return 0;
    if (settle(a, a->pending.len, err) < 0)
        return -1;
    if (a->torn && write(a->fd, "\n", 1) != 1)
        return err_set(err, ERR_SYS, "cannot write the audit log");
    a->torn = false;
    ssize_t n = write(a->fd, a->pending.data, a->pending.len);
    if (n < 0)
        return err_set(err, ERR_SYS, "cannot write the audit log");
    a->dirty = true;
    if ((size_t)n < a->pending.len) {
        /* Keep the lines that went out whole out of the next attempt. */
        const uint8_t *lf = memrchr(a->pending.data, '\n', (size_t)n);
        size_t whole = lf ? (size_t)(lf - a->pending.data) + 1 : 0;
        a->torn = (size_t)n > whole;
        buf_consume(&a->pending, whole);
        errno = ENOSPC;
        return err_set(err, ERR_SYS, "cannot write the audit log");
    }
    buf_clear(&a->pending);
    return 0;
}

int audit_new(int dir_fd, bool reserve_ahead, uid_t owner_uid, gid_t owner_gid, struct audit **ret,
              struct err *err)
{
    struct audit *a = calloc(1, sizeof(*a));
    if (!a)
        return err_nomem(err);
    *a = (struct audit){
        .dir_fd = dir_fd,
        .fd = -1,
        .reserve = reserve_ahead,
        .pending = BUF_INIT(RECORD_MAX_PENDING),
        .owner_uid = owner_uid,
        .owner_gid = owner_gid,
    };
    if (reopen(a, err) < 0 || (reserve_ahead && reserve(a, err) < 0)) {
        audit_free(a);
        return -1;
    }
    *ret = a;
    return 0;
}

void audit_free(struct audit *a)
{
    if (!a)
        return;
    flush(a, NULL);
    fd_close(&a->fd);
    buf_done(&a->pending);
    free(a);
}

int audit_append(struct audit *a, const void *lines, size_t n, struct err *err)
{
    if (buf_add(&a->pending, lines, n, err) < 0)
        return err_prefix(err, "the audit log cannot be written and its queue is full");
    return flush(a, err);
}

int audit_ready(struct audit *a, struct err *err)
{
    if (flush(a, err) < 0)
        return -1;
    return a->reserve ? reserve(a, err) : 0;
}

int audit_sync(struct audit *a, struct err *err)
{
    if (flush(a, err) < 0)
        return -1;
    if (!a->reserve || !a->dirty)
        return 0;
    if (fdatasync(a->fd) < 0)
        return err_set(err, ERR_SYS, "cannot write the audit log to disk");
    a->dirty = false;
    return 0;
}
