/* Staging the extension module: see stage.h. Runs in the server as root, before anything is
 * dropped. The folder is root's alone, so nobody else can put anything there; what is there already
 * under the key of this build was put there by us.
 *
 *   STAGE_DIR/lock      held by the server that is at work in here, for a moment
 *   STAGE_DIR/KEY/      the modules of one build
 *   STAGE_DIR/KEY/lock  held, shared, by every server that uses them: new zygotes load them anew
 *   STAGE_DIR/new-...   a copy that is not whole yet, or not whole any more */
#include "app/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/places.h"
#include "base/str.h"
#include "record/sha256.h"
#include "sys/fd.h"

#define KEY_LEN    16
#define LOCK_NAME  "lock"
#define PREFIX_NEW "new-"

static void dir_close(DIR **d)
{
    if (*d)
        closedir(*d);
}

/* What tells this build from others: names, sizes and times of the modules. */
static int make_key(DIR *from, char key[KEY_LEN + 1], struct err *err)
{
    auto_buf struct buf facts = BUF_INIT(64 * 1024);
    rewinddir(from);
    for (struct dirent *e; (e = readdir(from));) {
        struct stat st;
        if (!places_is_module(e->d_name))
            continue;
        if (fstatat(dirfd(from), e->d_name, &st, 0) < 0)
            return err_set(err, ERR_SYS, "examine %s", e->d_name);
        if (buf_addf(&facts, err, "%s %lld %lld.%09ld %llu\n", e->d_name, (long long)st.st_size,
                     (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                     (unsigned long long)st.st_ino) < 0)
            return -1;
    }
    char digest[SHA256_TEXT_LEN + 1];
    sha256_hex(facts.data, facts.len, digest);
    memcpy(key, digest, KEY_LEN);
    key[KEY_LEN] = '\0';
    return 0;
}

static int copy_file(int from_dir, int to_dir, const char *name, struct err *err)
{
    auto_close int in = openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    auto_close int out =
        openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0755);
    struct stat st;
    if (in < 0 || out < 0 || fstat(in, &st) < 0)
        return err_set(err, ERR_SYS, "copy %s to %s", name, STAGE_DIR);
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(out, in, NULL, (size_t)left);
        if (n <= 0)
            return err_set(err, ERR_SYS, "copy %s to %s", name, STAGE_DIR);
        left -= n;
    }
    if (fchmod(out, 0755) < 0)
        return err_set(err, ERR_SYS, "copy %s to %s", name, STAGE_DIR);
    return 0;
}

/* The folder of all copies; *ret_fd is the caller's. */
static int open_stage(const char *stage_dir, int *ret_fd, struct err *err)
{
    if (mkdir(stage_dir, 0755) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYS, "make the folder %s", stage_dir);
    auto_close int fd = open(stage_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(err, ERR_SYS, "open the folder %s", stage_dir);
    if (st.st_uid != 0 || (st.st_mode & 022))
        return err_set(err, ERR_REFUSED, "%s is not a folder that only root can write to",
                       stage_dir);
    if ((st.st_mode & 0777) != 0755 && fchmod(fd, 0755) < 0)
        return err_set(err, ERR_SYS, "open the folder %s to all", stage_dir);
    *ret_fd = take_fd(&fd);
    return 0;
}

/* Open the lock file in @dir, making it if @flags say so, and take it as @how says. Only root can
 * open it, so nobody else can hold anything up. *ret_fd is the caller's. */
static int lock_file(int dir, int flags, int how, int *ret_fd, struct err *err)
{
    auto_close int fd = openat(dir, LOCK_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    if (fd < 0)
        return err_set(err, ERR_SYS, "open a lock file in %s", STAGE_DIR);
    while (flock(fd, how) < 0)
        if (errno != EINTR)
            return err_set(err, ERR_SYS, "lock a file in %s", STAGE_DIR);
    *ret_fd = take_fd(&fd);
    return 0;
}

static int open_copy(int stage, const char *name)
{
    return openat(stage, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Remove a copy that nobody uses: under another name, and the lock file last, so that what is left
 * after an accident is neither used nor forgotten. One without a lock file is not known to be
 * unused and stays. */
static void remove_unused(int stage, const char *name)
{
    auto_close int fd = open_copy(stage, name);
    auto_close int lock = -1;
    if (fd < 0 || lock_file(fd, 0, LOCK_EX | LOCK_NB, &lock, NULL) < 0)
        return;
    char gone[64];
    snprintf(gone, sizeof(gone), "%s%.50s", str_starts(name, PREFIX_NEW) ? "" : PREFIX_NEW, name);
    if (!str_eq(gone, name) && renameat(stage, name, stage, gone) < 0)
        return;
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_(dir_close) DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    if (!d) {
        fd_close(&copy);
        return;
    }
    for (struct dirent *e; (e = readdir(d));)
        if (places_is_module(e->d_name))
            unlinkat(fd, e->d_name, 0);
    unlinkat(fd, LOCK_NAME, 0);
    unlinkat(stage, gone, AT_REMOVEDIR);
}

/* All copies but @key's, as far as they can be removed: what cannot does no harm. */
static void sweep(int stage, const char *key)
{
    int copy = openat(stage, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_(dir_close) DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    if (!d) {
        fd_close(&copy);
        return;
    }
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && !str_eq(e->d_name, key) && !str_eq(e->d_name, LOCK_NAME))
            remove_unused(stage, e->d_name);
}

static int fill(DIR *from, int to, struct err *err)
{
    rewinddir(from);
    for (struct dirent *e; (e = readdir(from));)
        if (places_is_module(e->d_name) && copy_file(dirfd(from), to, e->d_name, err) < 0)
            return -1;
    return 0;
}

/* Make the copy @key under another name, then give it the right one: half of it is never taken for
 * a whole. */
static int make_copy(DIR *from, int stage, const char *key, struct err *err)
{
    char name[64];
    snprintf(name, sizeof(name), PREFIX_NEW "%s", key);
    remove_unused(stage, name); /* from an accident */
    if (mkdirat(stage, name, 0755) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYS, "make a folder in %s", STAGE_DIR);
    auto_close int to = open_copy(stage, name);
    auto_close int lock = -1;
    if (to < 0 || fchmod(to, 0755) < 0)
        return err_set(err, ERR_SYS, "make a folder in %s", STAGE_DIR);
    if (lock_file(to, O_CREAT, LOCK_SH, &lock, err) < 0)
        return -1;
    int r = fill(from, to, err);
    if (r == 0 && renameat(stage, name, stage, key) < 0)
        r = err_set(err, ERR_SYS, "name a folder in %s", STAGE_DIR);
    fd_close(&lock);
    if (r < 0)
        remove_unused(stage, name);
    return r;
}

int stage_extension(const char *extension_dir, const char *stage_dir, char **ret_dir,
                    int *ret_lock_fd, struct err *err)
{
    _cleanup_(dir_close) DIR *from = opendir(extension_dir);
    if (!from)
        return err_set(err, ERR_SYS, "read %s", extension_dir);
    char key[KEY_LEN + 1];
    auto_close int stage = -1;
    auto_close int turn = -1; /* whoever holds it is alone in here */
    auto_close int lock = -1;
    if (make_key(from, key, err) < 0 || open_stage(stage_dir, &stage, err) < 0 ||
        lock_file(stage, O_CREAT, LOCK_EX, &turn, err) < 0)
        return -1;
    struct stat st;
    if (fstatat(stage, key, &st, AT_SYMLINK_NOFOLLOW) < 0 && make_copy(from, stage, key, err) < 0)
        return -1;
    auto_close int copy = open_copy(stage, key);
    if (copy < 0)
        return err_set(err, ERR_SYS, "open a folder in %s", stage_dir);
    if (lock_file(copy, O_CREAT, LOCK_SH, &lock, err) < 0)
        return -1;
    sweep(stage, key);
    if (asprintf(ret_dir, "%s/%s", stage_dir, key) < 0) {
        *ret_dir = NULL;
        return err_nomem(err);
    }
    *ret_lock_fd = take_fd(&lock);
    return 0;
}
