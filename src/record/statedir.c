/* The state folder: see audit.h. Runs in the server at start, maybe as root, with a path that comes
 * from the environment. Parents are made like `mkdir -p` would; the folder itself must be ours,
 * since whoever owns it can replace what is in it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/audit.h"
#include "record/history.h"
#include "sys/fd.h"

/* Make every missing folder of @path: parents 0755 less umask, the last one 0700. */
static int make_path(const char *path, struct err *err)
{
    auto_free char *copy = strdup(path);
    if (!copy)
        return err_nomem(err);
    for (char *p = copy + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char end = *p;
        *p = '\0';
        /* What is there already may refuse for another reason. */
        int error = mkdir(copy, end ? 0755 : 0700) < 0 ? errno : 0;
        if (error && error != EEXIST && access(copy, F_OK) < 0) {
            errno = error;
            return err_set(err, ERR_SYS, "cannot make the folder %s", copy);
        }
        *p = end;
        if (!end)
            return 0;
    }
}

/* The folder belongs to @st's owner: is that us, or (as root) who we are going to be? */
static bool owner_ok(const struct stat *st, uid_t owner_uid)
{
    return st->st_uid == geteuid() || (owner_uid != RECORD_SAME_OWNER && st->st_uid == owner_uid);
}

/* Root gives away only what is recognisably a state folder: SANDBOX_STATE_DIR=/etc must not make
 * the server's user the owner of /etc. */
static bool ours_alone(int fd)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    if (!d) {
        fd_close(&copy);
        return false;
    }
    bool ours = true;
    for (struct dirent *e; ours && (e = readdir(d));)
        ours = str_eq(e->d_name, ".") || str_eq(e->d_name, "..") ||
               str_starts(e->d_name, "audit.jsonl") || str_starts(e->d_name, HISTORY_NAME);
    closedir(d);
    return ours;
}

static int hand_over(int fd, const char *path, uid_t owner_uid, gid_t owner_gid, struct err *err)
{
    if (!ours_alone(fd))
        return err_set(err, ERR_REFUSED,
                       "the state folder %s would have to be given to user %u, but there are other "
                       "things in it: choose a new or an empty one",
                       path, (unsigned)owner_uid);
    if (fchown(fd, owner_uid, owner_gid) < 0)
        return err_set(err, ERR_SYS, "cannot hand over the state folder %s", path);
    return 0;
}

int state_dir_open(const char *path, uid_t owner_uid, gid_t owner_gid, int *ret_fd, struct err *err)
{
    auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        if (make_path(path, err) < 0)
            return -1;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(err, ERR_SYS, "cannot open the state folder %s", path);
    if (!owner_ok(&st, owner_uid))
        return err_set(err, ERR_REFUSED, "the state folder %s belongs to somebody else (user %u)",
                       path, (unsigned)st.st_uid);
    if (owner_uid != RECORD_SAME_OWNER && st.st_uid != owner_uid &&
        hand_over(fd, path, owner_uid, owner_gid, err) < 0)
        return -1;
    if ((st.st_mode & 022) != 0 && fchmod(fd, 0700) < 0)
        return err_set(err, ERR_SYS, "cannot make the state folder %s private", path);
    *ret_fd = take_fd(&fd);
    return 0;
}
