/* The root file system: see root.h. Runs in init, in a new mount namespace, before anything hostile
 * exists. Copies are taken by descriptor before the pivot and attached after it, so neither the
 * order nor a host path that happens to lie under the new root matters. Everything shown is
 * read-only, nosuid and nodev, itself and its submounts. */
#include "jail/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fd.h"
#include "sys/mnt.h"

#define MAX_LINKS 40
#define READ_ONLY (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

void root_done(struct root *r)
{
    for (size_t i = 0; i < r->len; i++) {
        fd_close(&r->items[i].fd);
        free(r->items[i].inside);
    }
    free(r->items);
    strv_done(&r->folders);
    fd_close(&r->fd);
    *r = (struct root)ROOT_INIT;
}

int root_begin(struct root *r, struct err *err)
{
    /* Holds nothing but folders, links and empty files to mount on. */
    return mnt_tmpfs(1024 * 1024, 4096, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
                     &r->fd, err);
}

/* Make the folders above @inside (absolute). */
static int make_parents(struct root *r, const char *inside, struct err *err)
{
    char path[PATH_MAX];
    size_t n = strlen(inside + 1);
    if (n >= sizeof(path))
        return err_set(err, ERR_INVALID, "path too long: %s", inside);
    memcpy(path, inside + 1, n + 1);
    for (char *slash = path; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        if (mkdirat(r->fd, path, 0755) < 0 && errno != EEXIST)
            return err_set(err, ERR_SYS, "jail root: mkdir /%s", path);
    }
    return 0;
}

static int make_mount_point(struct root *r, const char *inside, bool folder, struct err *err)
{
    if (make_parents(r, inside, err) < 0)
        return -1;
    if (folder) {
        if (mkdirat(r->fd, inside + 1, 0755) < 0 && errno != EEXIST)
            return err_set(err, ERR_SYS, "jail root: mkdir %s", inside);
        return 0;
    }
    auto_close int fd =
        openat(r->fd, inside + 1, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0444);
    if (fd < 0)
        return err_set(err, ERR_SYS, "jail root: create %s", inside);
    return 0;
}

/* @fd is taken over, also on failure. */
static int push(struct root *r, int fd, const char *inside, struct err *err)
{
    auto_close int mine = fd;
    if (r->len == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 32;
        struct root_item *items = reallocarray(r->items, cap, sizeof(*items));
        if (!items)
            return err_nomem(err);
        r->items = items;
        r->cap = cap;
    }
    char *copy = strdup(inside + 1);
    if (!copy)
        return err_nomem(err);
    r->items[r->len++] = (struct root_item){.fd = take_fd(&mine), .inside = copy};
    return 0;
}

int root_show_as(struct root *r, const char *host, const char *inside, bool noexec, struct err *err)
{
    auto_close int source = open(host, O_PATH | O_CLOEXEC);
    struct stat st;
    if (source < 0 || fstat(source, &st) < 0)
        return err_set(err, ERR_SYS, "uid %u cannot open %s", geteuid(), host);
    bool folder = S_ISDIR(st.st_mode);
    if (!folder && !S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s is neither a file nor a folder", host);
    auto_close int copy = -1;
    if (mnt_copy(source, "", &copy, err) < 0)
        return err_prefix(err, "%s", host);
    if (mnt_set_attrs(copy, READ_ONLY | (noexec ? (uint64_t)MOUNT_ATTR_NOEXEC : 0), 1, err) < 0)
        return err_prefix(err, "%s", host);
    if (make_mount_point(r, inside, folder, err) < 0 || push(r, take_fd(&copy), inside, err) < 0)
        return -1;
    return folder ? strv_add(&r->folders, inside, err) : 0;
}

static bool shown_already(const struct root *r, const char *path)
{
    for (size_t i = 0; i < r->folders.len; i++) {
        size_t n = strlen(r->folders.items[i]);
        if (strncmp(path, r->folders.items[i], n) == 0 && (path[n] == '/' || path[n] == '\0'))
            return true;
    }
    return false;
}

/* State of a walk along a path: where we are, what is still to come. */
struct steps {
    char at[PATH_MAX];   /* absolute, no links in it; "" = the root */
    char rest[PATH_MAX]; /* components to come */
    int links;
};

/* The next component is a link to @target: make it again and go where it leads. */
static int follow(struct root *r, struct steps *s, const char *link, const char *target,
                  struct err *err)
{
    char rest[PATH_MAX];
    if (++s->links > MAX_LINKS)
        return err_set(err, ERR_INVALID, "too many symbolic links at %s", link);
    if (make_parents(r, link, err) < 0)
        return -1;
    if (symlinkat(target, r->fd, link + 1) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYS, "jail root: link %s", link);
    if ((size_t)snprintf(rest, sizeof(rest), "%s/%s", target, s->rest) >= sizeof(rest))
        return err_set(err, ERR_INVALID, "path too long: %s", link);
    memcpy(s->rest, rest, sizeof(rest));
    if (target[0] == '/')
        s->at[0] = '\0';
    return 0;
}

/* Take one component from s->rest. 1 = there was one, 0 = at the end. */
static int step(struct root *r, struct steps *s, struct err *err)
{
    char *p = s->rest + strspn(s->rest, "/");
    size_t n = strcspn(p, "/");
    if (n == 0)
        return 0;
    char name[NAME_MAX + 1], next[PATH_MAX], target[PATH_MAX];
    if (n > NAME_MAX)
        return err_set(err, ERR_INVALID, "path too long: %s", s->rest);
    memcpy(name, p, n);
    name[n] = '\0';
    memmove(s->rest, p + n, strlen(p + n) + 1);
    if (strcmp(name, ".") == 0)
        return 1;
    if (strcmp(name, "..") == 0) {
        char *slash = strrchr(s->at, '/');
        if (slash)
            *slash = '\0';
        return 1;
    }
    if ((size_t)snprintf(next, sizeof(next), "%s/%s", s->at, name) >= sizeof(next))
        return err_set(err, ERR_INVALID, "path too long: %s", s->at);
    ssize_t len = shown_already(r, next) ? -1 : readlink(next, target, sizeof(target) - 1);
    if (len >= 0) {
        target[len] = '\0';
        return follow(r, s, next, target, err) < 0 ? -1 : 1;
    }
    memcpy(s->at, next, sizeof(next));
    return 1;
}

int root_show(struct root *r, const char *host, bool noexec, struct err *err)
{
    auto_free struct steps *s = calloc(1, sizeof(*s));
    if (!s)
        return err_nomem(err);
    if (strlen(host) >= sizeof(s->rest))
        return err_set(err, ERR_INVALID, "path too long: %s", host);
    memcpy(s->rest, host, strlen(host) + 1);
    int more;
    while ((more = step(r, s, err)) > 0)
        ;
    if (more < 0)
        return -1;
    if (shown_already(r, s->at))
        return 0;
    for (size_t i = 0; i < r->len; i++)
        if (strcmp(r->items[i].inside, s->at + 1) == 0)
            return 0;
    return root_show_as(r, s->at, s->at, noexec, err);
}

int root_hide(struct root *r, const char *inside, struct err *err)
{
    int fd;
    if (mnt_tmpfs(4096, 1, READ_ONLY | MOUNT_ATTR_NOEXEC, &fd, err) < 0)
        return -1;
    return push(r, fd, inside, err);
}

int root_make_file(struct root *r, const char *inside, struct err *err)
{
    return make_mount_point(r, inside, false, err);
}

int root_enter(struct root *r, struct err *err)
{
    if (mnt_make_private(err) < 0)
        return -1;
    /* Over the old root: there is always a folder of that name. */
    if (mnt_attach(r->fd, AT_FDCWD, "/", err) < 0 || mnt_pivot(r->fd, err) < 0)
        return -1;
    for (size_t i = 0; i < r->len; i++)
        if (mnt_attach(r->items[i].fd, r->fd, r->items[i].inside, err) < 0)
            return -1;
    return mnt_set_attrs(r->fd, READ_ONLY | MOUNT_ATTR_NOEXEC, 0, err);
}
