/* Staging the extension module: see stage.h. Runs in the server as root, before anything is
 * dropped. The folder is root's alone, so nobody else can put anything there; what is there already
 * under the key of this build was put there by us. */
#include "app/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/places.h"
#include "base/str.h"
#include "record/sha256.h"
#include "sys/clock.h"
#include "sys/fd.h"

#define KEY_LEN 16

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

/* STAGE_DIR itself; *ret_fd is the caller's. */
static int open_stage(int *ret_fd, struct err *err)
{
    if (mkdir(STAGE_DIR, 0755) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYS, "make the folder %s", STAGE_DIR);
    auto_close int fd = open(STAGE_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(err, ERR_SYS, "open the folder %s", STAGE_DIR);
    if (st.st_uid != 0 || (st.st_mode & 022))
        return err_set(err, ERR_REFUSED, "%s is not a folder that only root can write to",
                       STAGE_DIR);
    if ((st.st_mode & 0777) != 0755 && fchmod(fd, 0755) < 0)
        return err_set(err, ERR_SYS, "open the folder %s to all", STAGE_DIR);
    *ret_fd = take_fd(&fd);
    return 0;
}

/* 0, or -1 when it is not under its right name: another server was quicker, then that is no error.
 */
static int fill_and_name(DIR *from, int stage, int to, const char *temporary, const char *key,
                         struct err *err)
{
    rewinddir(from);
    for (struct dirent *e; (e = readdir(from));)
        if (places_is_module(e->d_name) && copy_file(dirfd(from), to, e->d_name, err) < 0)
            return -1;
    if (renameat(stage, temporary, stage, key) == 0)
        return 0;
    if (errno != EEXIST && errno != ENOTEMPTY)
        err_set(err, ERR_SYS, "name a folder in %s", STAGE_DIR);
    return -1;
}

/* Fill a folder under a name of its own, then give it the right one: no other server ever sees half
 * of it, and on failure nothing is left. */
static int fill(DIR *from, int stage, const char *key, struct err *err)
{
    struct err why = ERR_INIT;
    char temporary[64];
    unsigned long long tag;
    random_bytes(&tag, sizeof(tag));
    snprintf(temporary, sizeof(temporary), "new-%016llx", tag);
    if (mkdirat(stage, temporary, 0755) < 0)
        return err_set(err, ERR_SYS, "make a folder in %s", STAGE_DIR);
    auto_close int to = openat(stage, temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to < 0 || fchmod(to, 0755) < 0)
        err_set(&why, ERR_SYS, "make a folder in %s", STAGE_DIR);
    else if (fill_and_name(from, stage, to, temporary, key, &why) == 0)
        return 0;
    rewinddir(from);
    for (struct dirent *e; to >= 0 && (e = readdir(from));)
        if (places_is_module(e->d_name))
            unlinkat(to, e->d_name, 0);
    unlinkat(stage, temporary, AT_REMOVEDIR);
    if (why.code && err)
        *err = why;
    return why.code ? -1 : 0;
}

int stage_extension(const char *extension_dir, char **ret_dir, struct err *err)
{
    _cleanup_(dir_close) DIR *from = opendir(extension_dir);
    if (!from)
        return err_set(err, ERR_SYS, "read %s", extension_dir);
    char key[KEY_LEN + 1];
    auto_close int stage = -1;
    if (make_key(from, key, err) < 0 || open_stage(&stage, err) < 0)
        return -1;
    struct stat st;
    if (fstatat(stage, key, &st, AT_SYMLINK_NOFOLLOW) < 0 && fill(from, stage, key, err) < 0)
        return -1;
    char *dir = NULL;
    if (asprintf(&dir, "%s/%s", STAGE_DIR, key) < 0)
        return err_nomem(err);
    *ret_dir = dir;
    return 0;
}
