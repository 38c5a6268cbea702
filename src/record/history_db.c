/* The file of the history: see history_db.h. Runs in the server, after it has given up its
 * privileges and confined itself: what is in the folder may have been written by a server that was
 * taken over, and SQLite parses it. Of the folder there is only a descriptor, and the way to it may
 * be closed to the server's user, so SQLite is given paths below /proc/self/fd and must not resolve
 * them.
 *
 *   history.db                    the table
 *   history.db-wal, history.db-shm  SQLite's write-ahead log and its index
 *   history.db.damaged            one that could not be read any more */
#include "record/history_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "record/history.h"
#include "sys/fd.h"

#define WAL     HISTORY_NAME "-wal"
#define SHM     HISTORY_NAME "-shm"
#define JOURNAL HISTORY_NAME "-journal"
#define DAMAGED HISTORY_NAME ".damaged"
#define VERSION 1 /* of the table */

static const char schema[] =
    "CREATE TABLE executions ("
    " n INTEGER PRIMARY KEY,"
    " id TEXT, time_ms INTEGER NOT NULL, client TEXT, mode TEXT NOT NULL, isolation TEXT,"
    " category TEXT, error_type TEXT, error TEXT, line INTEGER NOT NULL,"
    " wall_ns INTEGER NOT NULL, cpu_ns INTEGER NOT NULL, peak_memory INTEGER NOT NULL,"
    " timeout_ns INTEGER NOT NULL, memory_limit INTEGER NOT NULL,"
    " stdout_bytes INTEGER NOT NULL, stderr_bytes INTEGER NOT NULL, truncated INTEGER NOT NULL,"
    " code_bytes INTEGER NOT NULL, code_sha256 TEXT, code TEXT) STRICT;"
    "PRAGMA user_version = 1";

int history_db_error(const struct history_db *d, const char *what, struct err *err)
{
    int code = d->db ? sqlite3_errcode(d->db) & 0xff : SQLITE_NOMEM;
    if (code == SQLITE_NOMEM)
        return err_nomem(err);
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        return err_set(err, ERR_OVERLOADED, "%s %s: another process has locked it", what,
                       HISTORY_NAME);
    int number = code == SQLITE_FULL ? ENOSPC : sqlite3_system_errno(d->db);
    if (code == SQLITE_IOERR && number == 0)
        number = EIO;
    if (number != 0 && (code == SQLITE_FULL || code == SQLITE_IOERR || code == SQLITE_CANTOPEN)) {
        errno = number;
        return err_set(err, ERR_SYS, "%s %s", what, HISTORY_NAME);
    }
    return err_set(err, ERR_INVALID, "%s %s: %s", what, HISTORY_NAME, sqlite3_errmsg(d->db));
}

bool history_db_damaged(const struct history_db *d)
{
    int code = d->db ? sqlite3_errcode(d->db) & 0xff : SQLITE_OK;
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

void history_db_close(struct history_db *d)
{
    /* Of a file that has another name by now, the log's name may belong to its successor. */
    if (d->db && !history_db_current(d))
        sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(d->db);
    d->db = NULL;
}

bool history_db_current(const struct history_db *d)
{
    struct stat st;
    return fstatat(d->dir_fd, HISTORY_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == d->dev &&
           st.st_ino == d->ino;
}

/* ---- the file ---- */

static int keep_path(sqlite3_vfs *vfs _unused_, const char *path, int size, char *out)
{
    return snprintf(out, (size_t)size, "%s", path) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* The system's own way to files, but for resolving paths. */
static const char *own_vfs(void)
{
    static sqlite3_vfs vfs;
    const sqlite3_vfs *unix_vfs = vfs.zName ? NULL : sqlite3_vfs_find("unix");
    if (unix_vfs) {
        vfs = *unix_vfs;
        vfs.pNext = NULL;
        vfs.zName = "vivarium";
        vfs.xFullPathname = keep_path;
        sqlite3_vfs_register(&vfs, 0);
    }
    return vfs.zName;
}

/* Whoever makes, replaces or first opens a database is alone in it. */
static int lock_folder(int dir_fd, struct err *err)
{
    for (int i = 0; flock(dir_fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EINTR && (errno != EWOULDBLOCK || i >= 3))
            return err_set(err, ERR_SYS, "cannot lock the state folder for %s", HISTORY_NAME);
        usleep(1000);
    }
    return 0;
}

/* See that the file is there and ours, before SQLite opens it by name. @flags: O_CREAT or 0. 0 when
 * it is not there and should not be made. */
static int examine(int flags, struct history_db *d, struct err *err)
{
    if (flags & O_CREAT && faccessat(d->dir_fd, HISTORY_NAME, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
        errno == ENOENT) {
        /* The log of another database would be taken for this one's. */
        unlinkat(d->dir_fd, WAL, 0);
        unlinkat(d->dir_fd, SHM, 0);
        unlinkat(d->dir_fd, JOURNAL, 0);
    }
    auto_close int fd = openat(
        d->dir_fd, HISTORY_NAME,
        (flags & O_CREAT ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, 0600);
    struct stat st;
    if (fd < 0 && errno == ENOENT && !(flags & O_CREAT))
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(err, ERR_SYS, "cannot open the history %s", HISTORY_NAME);
    if (!S_ISREG(st.st_mode) || st.st_nlink > 1 || st.st_uid != geteuid())
        return err_set(err, ERR_REFUSED, "the history %s is not a plain file of ours",
                       HISTORY_NAME);
    if ((st.st_mode & 07777) != 0600 && fchmod(fd, 0600) < 0)
        return err_set(err, ERR_SYS, "cannot make the history %s private", HISTORY_NAME);
    d->dev = st.st_dev;
    d->ino = st.st_ino;
    return 1;
}

void history_db_set_aside(struct history_db *d)
{
    if (lock_folder(d->dir_fd, NULL) < 0)
        return;
    if (history_db_current(d)) {
        /* The log first: left without its database it would be taken for the next one's. */
        renameat(d->dir_fd, WAL, d->dir_fd, DAMAGED "-wal");
        renameat(d->dir_fd, HISTORY_NAME, d->dir_fd, DAMAGED);
        unlinkat(d->dir_fd, SHM, 0);
    }
    history_db_close(d);
    flock(d->dir_fd, LOCK_UN);
}

/* ---- the database ---- */

static int run(const struct history_db *d, const char *sql, struct err *err)
{
    if (sqlite3_exec(d->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return history_db_error(d, "cannot open the history", err);
    return 0;
}

static int connect(struct history_db *d, const char *options, int flags, struct err *err)
{
    char path[128];
    snprintf(path, sizeof(path), "file:/proc/self/fd/%d/" HISTORY_NAME "%s", d->dir_fd, options);
    flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, &d->db, flags, own_vfs()) != SQLITE_OK) {
        history_db_error(d, "cannot open the history", err);
        sqlite3_close(d->db);
        d->db = NULL;
        return -1;
    }
    /* What the file says is data: no code of SQLite's runs because of it. */
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_limit(d->db, SQLITE_LIMIT_ATTACHED, 0);
    return 0;
}

/* *ret: 0 = it is empty. */
static int check_version(const struct history_db *d, int *ret, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int version = -1;
    if (sqlite3_prepare_v2(d->db, "PRAGMA user_version", -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW)
        version = sqlite3_column_int(s, 0);
    int rc = sqlite3_finalize(s);
    if (rc != SQLITE_OK || sqlite3_errcode(d->db) != SQLITE_OK)
        return history_db_error(d, "cannot open the history", err);
    if (version != VERSION && version != 0)
        return err_set(err, ERR_INVALID,
                       "the history %s was made by another version of Vivarium (its table is %d, "
                       "ours %d): move it away",
                       HISTORY_NAME, version, VERSION);
    *ret = version;
    return 0;
}

static int prepare(struct history_db *d, bool durable, struct err *err)
{
    int version = 0;
    sqlite3_busy_timeout(d->db, HISTORY_LOCK_MS);
    /* A log that is soon folded in again, so that this never takes long; nothing in other folders.
     * With synchronous=OFF no call waits for the disk: what the machine's end may cost is the
     * history, not the audit log. */
    if (run(d, "PRAGMA journal_mode = WAL", err) < 0 ||
        run(d, durable ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = OFF", err) < 0 ||
        run(d,
            "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -512; PRAGMA wal_autocheckpoint = 256;"
            "PRAGMA journal_size_limit = 4194304",
            err) < 0 ||
        check_version(d, &version, err) < 0)
        return -1;
    return version == 0 ? run(d, schema, err) : 0;
}

static int open_alone(bool durable, struct history_db *d, struct err *err)
{
    if (examine(O_CREAT, d, err) < 0 || connect(d, "", SQLITE_OPEN_READWRITE, err) < 0)
        return -1;
    if (prepare(d, durable, err) == 0)
        return 0;
    bool damaged = history_db_damaged(d);
    if (damaged)
        history_db_set_aside(d);
    else
        history_db_close(d);
    if (damaged)
        err_prefix(err, "it is %s now, and another is begun", DAMAGED);
    return -1;
}

int history_db_open(int dir_fd, bool durable, struct history_db *ret, struct err *err)
{
    struct history_db d = {.dir_fd = dir_fd};
    if (lock_folder(dir_fd, err) < 0)
        return -1;
    int r = open_alone(durable, &d, err);
    flock(dir_fd, LOCK_UN);
    if (r == 0)
        *ret = d;
    return r;
}

int history_db_open_readonly(int dir_fd, struct history_db *ret, struct err *err)
{
    struct history_db d = {.dir_fd = dir_fd};
    struct err why = ERR_INIT;
    int version = 0;
    int there = examine(0, &d, err);
    if (there <= 0) {
        *ret = d;
        return there;
    }
    /* Reading takes part in the locking, for which files are made beside it. Where they cannot be,
     * on a full disk or a read-only one, the file is taken as it stands. */
    int r = connect(&d, "", SQLITE_OPEN_READWRITE, &why);
    if (r == 0) {
        sqlite3_busy_timeout(d.db, 1000);
        r = check_version(&d, &version, &why);
    }
    if (r < 0 && why.code != ERR_OVERLOADED && !history_db_damaged(&d)) {
        history_db_close(&d);
        r = connect(&d, "?immutable=1", SQLITE_OPEN_READONLY, err);
        r = r < 0 ? r : check_version(&d, &version, err);
    } else if (r < 0 && err) {
        *err = why;
    }
    if (r < 0 || version == 0)
        history_db_close(&d);
    *ret = d;
    return r;
}
