/* Privileges of the server: see privilege.h. Runs at start, as whoever started Vivarium; everything
 * here fails closed.
 *
 * The threat: a hole in the server (it parses JSON from clients and bytes from workers) must not
 * give root, and a hole in the jail must not give the server. With two ids the kernel keeps keeper
 * and server apart even when both are taken over. */
#include "app/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/cap.h"
#include "sys/fd.h"
#include "sys/task.h"

/* Outside every range that distributions, systemd (dynamic users, containers) and people allocate
 * from. */
#define FIRST_FREE_ID 61170
#define LAST_FREE_ID  61183

/* /etc/passwd alone is asked: a lookup through NSS could go to the network, as root. */
static bool passwd_entry(const char *name, uid_t uid, struct identity *ret)
{
    FILE *f = fopen("/etc/passwd", "re");
    if (!f)
        return false;
    bool found = false;
    for (struct passwd *pw; !found && (pw = fgetpwent(f));) {
        found = name ? str_eq(pw->pw_name, name) : pw->pw_uid == uid;
        if (found)
            *ret = (struct identity){pw->pw_uid, pw->pw_gid};
    }
    fclose(f);
    return found;
}

static bool group_entry(gid_t gid)
{
    FILE *f = fopen("/etc/group", "re");
    if (!f)
        return false;
    bool found = false;
    for (struct group *gr; !found && (gr = fgetgrent(f));)
        found = gr->gr_gid == gid;
    fclose(f);
    return found;
}

/* The user @name, or the next id from *next on that belongs to nobody. */
static int pick(const char *name, unsigned *next, struct identity *ret, struct err *err)
{
    if (passwd_entry(name, 0, ret)) {
        if (ret->uid == 0 || ret->gid == 0)
            return err_set(err, ERR_REFUSED, "the user %s in /etc/passwd has root's id", name);
        return 0;
    }
    struct identity taken;
    for (; *next <= LAST_FREE_ID; ++*next) {
        if (passwd_entry(NULL, *next, &taken) || group_entry(*next))
            continue;
        *ret = (struct identity){*next, *next};
        ++*next;
        return 0;
    }
    return err_set(err, ERR_REFUSED,
                   "there is no user %s and all ids from %d to %d are taken: add the user %s", name,
                   FIRST_FREE_ID, LAST_FREE_ID, name);
}

/* Does this user namespace know @id? (/proc/self/uid_map: inside, outside, count.) */
static bool mapped(const char *map, unsigned long id)
{
    FILE *f = fopen(map, "re");
    if (!f)
        return true;
    char line[128];
    bool found = false;
    while (!found && fgets(line, sizeof(line), f)) {
        char *p = line;
        unsigned long first = strtoul(p, &p, 10);
        strtoul(p, &p, 10);
        found = id >= first && id - first < strtoul(p, NULL, 10);
    }
    fclose(f);
    return found;
}

static bool can_become(const struct identity *id)
{
    return mapped("/proc/self/uid_map", id->uid) && mapped("/proc/self/gid_map", id->gid);
}

int identities_choose(struct identities *ret, struct err *err)
{
    struct identities ids = {.server = {geteuid(), getegid()}, .worker = {geteuid(), getegid()}};
    if (getuid() != geteuid() || getgid() != getegid())
        return err_set(err, ERR_REFUSED, "vivarium must not be installed set-uid or set-gid");
    if (geteuid() == 0) {
        unsigned next = FIRST_FREE_ID;
        if (pick("vivarium", &next, &ids.server, err) < 0 ||
            pick("vivarium-worker", &next, &ids.worker, err) < 0)
            return -1;
        if (ids.server.uid == ids.worker.uid || ids.server.gid == ids.worker.gid)
            return err_set(err, ERR_REFUSED,
                           "the users vivarium and vivarium-worker must have different ids and "
                           "groups");
        if (!can_become(&ids.server) || !can_become(&ids.worker))
            return err_set(
                err, ERR_REFUSED,
                "started as root in a user namespace that lacks the ids %u and %u to run "
                "as: map them, or start vivarium as an ordinary user",
                (unsigned)ids.server.uid, (unsigned)ids.worker.uid);
        ids.change = true;
    }
    *ret = ids;
    return 0;
}

int privilege_begin(const struct identities *ids, struct err *err)
{
    /* What whoever started us left open must not reach the keeper. */
    if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) < 0 && errno != ENOSYS)
        return err_set(err, ERR_SYS, "close_range");
    if (task_limit(RLIMIT_CORE, 0, 0, err) < 0)
        return -1;
    if (ids->change && setgroups(0, NULL) < 0)
        return err_set(err, ERR_SYS, "give up supplementary groups");
    return cap_ambient(0, err);
}

int privilege_become_worker(const struct identities *ids)
{
    if (!ids->change)
        return 0;
    const struct identity *id = &ids->worker;
    if (setgroups(0, NULL) < 0 || setresgid(id->gid, id->gid, id->gid) < 0 ||
        setresuid(id->uid, id->uid, id->uid) < 0)
        return errno;
    return 0;
}

static int change_ids(const struct identity *id, struct err *err)
{
    if (setgroups(0, NULL) < 0 || setresgid(id->gid, id->gid, id->gid) < 0 ||
        setresuid(id->uid, id->uid, id->uid) < 0)
        return err_set(err, ERR_SYS, "become user %u", (unsigned)id->uid);
    if (setresuid(0, 0, 0) == 0 || geteuid() != id->uid || getegid() != id->gid)
        return err_set(err, ERR_INTERNAL, "root could be taken back");
    return 0;
}

int privilege_drop(const struct identities *ids, struct err *err)
{
    if (geteuid() == 0)
        cap_bound(0, NULL); /* without CAP_SETPCAP there is nothing to bound */
    if (ids->change && change_ids(&ids->server, err) < 0)
        return -1;
    uint64_t left;
    if (cap_set(0, err) < 0 || cap_get(&left, err) < 0)
        return -1;
    if (left != 0)
        return err_set(err, ERR_INTERNAL, "capabilities are left");
    if (task_no_new_privs(err) < 0)
        return -1;
#ifdef __SANITIZE_ADDRESS__
    /* The leak check at exit traces the process itself. */
    return task_set_dumpable(true, err);
#else
    /* Nobody but root may trace the server or read its memory and tokens through /proc. */
    return task_set_dumpable(false, err);
#endif
}

bool privilege_worker_can_read(const struct identities *ids, const char *path)
{
    if (!ids->change)
        return access(path, R_OK) == 0;
    /* The file-system id alone is switched, and back: the kernel drops CAP_DAC_* with it. */
    setfsgid(ids->worker.gid);
    setfsuid(ids->worker.uid);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    setfsuid(0);
    setfsgid(0);
    return fd >= 0;
}
