/* The delegated cgroup v2 subtree: see delegation.h. Runs in the server at start, maybe as root.
 *
 * Only the unified hierarchy counts. Being able to write is proof of delegation for an ordinary
 * user, not for root: there the manager's mark is asked for (systemd's delegate attribute), or that
 * the folder is the root of a cgroup namespace, as in a container. A folder in which other
 * processes live is somebody else's, whoever may write to it: controllers cannot be switched on
 * there without moving them, and they are not ours to move. */
#include "app/delegation.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/fd.h"

#define MOUNT    "/sys/fs/cgroup"
#define SERVER   "server"
#define PROGRAMS "programs"
#define KEEPER   PROGRAMS "/keeper"
#define PROCS    "cgroup.procs"
#define CONTROL  "cgroup.subtree_control"
#define EVENTS   "memory.events"

static int read_text(int dir, const char *name, char *text, size_t size, struct err *err)
{
    auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    size_t n;
    if (fd < 0)
        return err_set(err, ERR_SYS, "open %s", name);
    if (fd_read_all(fd, text, size - 1, &n, err) < 0)
        return -1;
    text[n] = '\0';
    return 0;
}

static int put(int dir, const char *name, const char *text, struct err *err)
{
    auto_close int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, ERR_SYS, "open %s", name);
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        return err_set(err, ERR_SYS, "write %s to %s", text, name);
    return 0;
}

char *delegation_own_path(char *text)
{
    for (char *line = text; line && *line;) {
        char *end = strchr(line, '\n');
        if (str_starts(line, "0::/")) {
            if (end)
                *end = '\0';
            char *path = line + strlen("0::");
            bool outside = str_starts(path, "/..") || strstr(path, "/../");
            return outside || str_ends(path, " (deleted)") ? NULL : path;
        }
        line = end ? end + 1 : NULL;
    }
    return NULL;
}

/* ---- is there one? ---- */

static bool marked(int dir)
{
    static const char *const names[] = {"trusted.delegate", "user.delegate"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char value[8] = "";
        if (fgetxattr(dir, names[i], value, sizeof(value) - 1) > 0 && str_eq(value, "1"))
            return true;
    }
    return false;
}

static int check_delegated(int dir, const char *path, struct err *err)
{
    if (faccessat(dir, "cgroup.type", F_OK, 0) < 0)
        return err_set(err, ERR_UNSUPPORTED, "this is the machine's root cgroup");
    if (faccessat(dir, ".", W_OK, AT_EACCESS) < 0 || faccessat(dir, PROCS, W_OK, AT_EACCESS) < 0 ||
        faccessat(dir, CONTROL, W_OK, AT_EACCESS) < 0)
        return err_set(err, ERR_UNSUPPORTED, "it is not delegated to us: %s", strerror(errno));
    if (geteuid() == 0 && !str_eq(path, "/") && !marked(dir))
        return err_set(err, ERR_UNSUPPORTED, "it is not marked as delegated");
    return 0;
}

static bool has_word(const char *text, const char *word)
{
    auto_strv struct strv words = STRV_INIT;
    return strv_split(&words, text, ' ', NULL) == 0 && strv_has(&words, word);
}

static int check_usable(int dir, struct err *err)
{
    char text[4096] = "", own[32];
    if (read_text(dir, "cgroup.controllers", text, sizeof(text), err) < 0)
        return -1;
    if (!has_word(text, "memory") || !has_word(text, "pids"))
        return err_set(err, ERR_UNSUPPORTED, "it lacks the controllers memory and pids");
    if (read_text(dir, PROCS, text, sizeof(text), err) < 0)
        return -1;
    snprintf(own, sizeof(own), "%d\n", (int)getpid());
    if (!str_eq(text, own))
        return err_set(err, ERR_UNSUPPORTED, "other processes live in it");
    return 0;
}

static int find(int *ret_dir, char **ret_path, struct err *err)
{
    struct statfs fs;
    char text[8192] = "";
    if (statfs(MOUNT, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
        return err_set(err, ERR_UNSUPPORTED, "there is no unified cgroup v2 hierarchy at " MOUNT);
    if (read_text(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text), err) < 0)
        return -1;
    const char *own = delegation_own_path(text);
    if (!own)
        return err_set(err, ERR_UNSUPPORTED, "our cgroup is not visible from here");
    auto_free char *path = NULL;
    if (asprintf(&path, MOUNT "%s", str_eq(own, "/") ? "" : own) < 0) {
        path = NULL;
        return err_nomem(err);
    }
    auto_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return err_set(err, ERR_SYS, "open %s", path);
    if (check_delegated(dir, own, err) < 0 || check_usable(dir, err) < 0)
        return err_prefix(err, "%s", path);
    *ret_dir = take_fd(&dir);
    *ret_path = take_ptr(path);
    return 0;
}

/* ---- arranging it ---- */

static int make(int dir, const char *name, struct err *err)
{
    if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
        return err_set(err, ERR_SYS, "make %s", name);
    return 0;
}

/* The worker identity makes leaves in the folder and moves processes between them, and no others:
 * the folder's own limits stay out of its reach, as does everything above. */
static int give(int dir, const struct identity *to, struct err *err)
{
    static const char *const names[] = {PROGRAMS, PROGRAMS "/" PROCS, PROGRAMS "/" CONTROL};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (fchownat(dir, names[i], to->uid, to->gid, AT_SYMLINK_NOFOLLOW) < 0)
            return err_set(err, ERR_SYS, "give %s to user %u", names[i], (unsigned)to->uid);
    return 0;
}

static int arrange(int dir, const struct identities *ids, struct delegation *d, struct err *err)
{
    if (make(dir, SERVER, err) < 0 || make(dir, PROGRAMS, err) < 0 || make(dir, KEEPER, err) < 0)
        return -1;
    /* A folder that has controllers for its children must have no processes itself. */
    if (put(dir, SERVER "/" PROCS, "0", err) < 0 || put(dir, CONTROL, "+memory +pids", err) < 0 ||
        put(dir, PROGRAMS "/" CONTROL, "+memory +pids", err) < 0)
        return -1;
    if (ids->change && give(dir, &ids->worker, err) < 0)
        return -1;
    auto_close int keeper = openat(dir, KEEPER "/" PROCS, O_WRONLY | O_CLOEXEC);
    /* Now: it cannot be opened any more once the server is confined. It counts for all leaves. */
    auto_close int events = openat(dir, PROGRAMS "/" EVENTS, O_RDONLY | O_CLOEXEC);
    if (keeper < 0 || events < 0)
        return err_set(err, ERR_SYS, "open %s", keeper < 0 ? KEEPER : PROGRAMS "/" EVENTS);
    d->keeper_fd = take_fd(&keeper);
    d->events_fd = take_fd(&events);
    return 0;
}

/* Back to how it was, as far as that goes. */
static void undo(int dir)
{
    (void)put(dir, PROGRAMS "/" CONTROL, "-memory -pids", NULL);
    (void)put(dir, CONTROL, "-memory -pids", NULL);
    (void)put(dir, PROCS, "0", NULL);
    unlinkat(dir, KEEPER, AT_REMOVEDIR);
    unlinkat(dir, PROGRAMS, AT_REMOVEDIR);
    unlinkat(dir, SERVER, AT_REMOVEDIR);
}

static int claim(const struct identities *ids, struct delegation *d, struct err *err)
{
    auto_close int dir = -1;
    auto_free char *path = NULL;
    if (find(&dir, &path, err) < 0)
        return -1;
    auto_free char *programs = NULL;
    if (asprintf(&programs, "%s/" PROGRAMS, path) < 0) {
        programs = NULL;
        return err_nomem(err);
    }
    if (arrange(dir, ids, d, err) < 0) {
        undo(dir);
        return err_prefix(err, "%s", path);
    }
    d->programs = take_ptr(programs);
    return 0;
}

void delegation_claim(const struct identities *ids, struct delegation *ret)
{
    struct err err = ERR_INIT;
    *ret = (struct delegation){.keeper_fd = -1, .events_fd = -1};
    if (claim(ids, ret, &err) < 0)
        snprintf(ret->why_not, sizeof(ret->why_not), "%.*s",
                 (int)utf8_floor(err.text, strnlen(err.text, sizeof(ret->why_not) - 1)), err.text);
}

uint64_t delegation_kills_in(const char *text)
{
    static const char key[] = "oom_kill ";
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (str_starts(line, key))
            return strtoull(line + strlen(key), NULL, 10);
    }
    return 0;
}

uint64_t delegation_memory_kills(const struct delegation *d)
{
    char text[512];
    ssize_t n = d->events_fd < 0 ? 0 : pread(d->events_fd, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return delegation_kills_in(text);
}

void delegation_done(struct delegation *d)
{
    free(d->programs);
    fd_close(&d->keeper_fd);
    fd_close(&d->events_fd);
    *d = (struct delegation){.keeper_fd = -1, .events_fd = -1};
}
