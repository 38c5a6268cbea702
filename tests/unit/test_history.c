/* The history: what a row holds, what is asked for, what is dropped, and what happens when somebody
 * else has the database, the disk is full, or the file is not what it should be. */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "record/history.h"
#include "sys/clock.h"

static char dir[64];
static int dir_fd;

static void open_dir(void)
{
    strcpy(dir, "/tmp/vivarium-history-XXXXXX");
    REQUIRE(mkdtemp(dir));
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(dir_fd >= 0);
}

static void close_dir(void)
{
    char command[100];
    close(dir_fd);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    CHECK(system(command) == 0);
}

static const char *in_dir(const char *name)
{
    static char path[200];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static bool exists(const char *name)
{
    return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static struct history *open_history(bool keep_code, unsigned max_rows)
{
    struct history_options o = {
        .dir_fd = dir_fd, .keep_code = keep_code, .max_rows = max_rows, .max_days = 30};
    struct history *h = NULL;
    REQUIRE(history_new(&o, &h, NULL) == 0);
    return h;
}

/* The @i-th execution of a long day. */
static struct record_entry entry(unsigned i)
{
    static char id[40];
    snprintf(id, sizeof(id), "019aa000-0000-7000-8000-%012u", i);
    return (struct record_entry){
        .unix_ms = clock_unix_ms(),
        .execution_id = id,
        .client = "stdio",
        .isolation = "jail",
        .mode = "execute",
        .code = "result = 2 + 2",
        .code_len = 14,
        .timeout_ns = 30000000000u,
        .mem_bytes = 1 << 27,
        .wall_ns = 1000000,
        .cpu_ns = 900000,
        .peak_memory_bytes = 4096,
        .out_len = {3, 4},
    };
}

static void add(struct history *h, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        struct record_entry e = entry(i);
        CHECK(history_add(h, &e, NULL) == 0);
    }
}

/* What a query finds: how many, and the first of them. */
struct found {
    unsigned n;
    struct history_row first;
    char id[40], client[40], mode[40], category[40], error[600], sha256[80], code[100];
    bool no_id, no_category, no_code;
};
static struct found found;

static const char *copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "(null)");
    return from ? to : NULL;
}

static void on_row(void *ctx _unused_, const struct history_row *row)
{
    if (found.n++)
        return;
    found.first = *row;
    found.no_id = !copy(found.id, sizeof(found.id), row->id);
    found.no_category = !copy(found.category, sizeof(found.category), row->category);
    found.no_code = !copy(found.code, sizeof(found.code), row->code);
    copy(found.client, sizeof(found.client), row->client);
    copy(found.mode, sizeof(found.mode), row->mode);
    copy(found.error, sizeof(found.error), row->error);
    copy(found.sha256, sizeof(found.sha256), row->code_sha256);
}

static int look(struct history_query q, struct err *err)
{
    unsigned n = 0;
    found = (struct found){0};
    if (history_read(dir_fd, &q, on_row, NULL, &n, err) < 0)
        return -1;
    CHECK(n == found.n);
    return (int)n;
}

#define LOOK(...) look((struct history_query){.limit = 10000, __VA_ARGS__}, NULL)

/* Another process's hands on the database. */
static sqlite3 *open_elsewhere(void)
{
    sqlite3 *db = NULL;
    REQUIRE(sqlite3_open(in_dir(HISTORY_NAME), &db) == SQLITE_OK);
    return db;
}

static void sql(sqlite3 *db, const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        printf("# %s: %s\n", text, sqlite3_errmsg(db));
    CHECK(sqlite3_errcode(db) == SQLITE_OK);
}

/* Until a failed attempt may be repeated. */
static void wait_for_retry(void)
{
    usleep(HISTORY_RETRY_NS / 1000 + 1000);
}

TEST(a_row_holds_the_facts_and_not_the_program)
{
    open_dir();
    struct history *h = open_history(false, 1000);
    struct record_entry e = entry(7);
    e.category_name = "runtime_error";
    e.error = "ZeroDivisionError: division by zero (line 2)";
    e.error_type = "ZeroDivisionError";
    e.line = 2;
    CHECK(history_add(h, &e, NULL) == 0 && history_pending(h));
    CHECK(!exists(HISTORY_NAME)); /* not yet */
    CHECK(history_flush(h, NULL) == 0 && !history_pending(h));
    CHECK(LOOK(.with_code = true) == 1);
    CHECK_STR(found.id, "019aa000-0000-7000-8000-000000000007");
    CHECK_STR(found.client, "stdio");
    CHECK_STR(found.mode, "execute");
    CHECK_STR(found.category, "runtime_error");
    CHECK_STR(found.error, "ZeroDivisionError: division by zero (line 2)");
    CHECK_STR(found.sha256, "c6413a35606aba97468f96eac00275ccf955f22ddbc83d1d4ef4c7629518d8df");
    CHECK(found.no_code && found.first.code_len == 14 && found.first.line == 2);
    CHECK(found.first.unix_ms == e.unix_ms && found.first.wall_ns == 1000000);
    CHECK(found.first.cpu_ns == 900000 && found.first.peak_memory_bytes == 4096);
    CHECK(found.first.timeout_ns == 30000000000u && found.first.mem_bytes == 1 << 27);
    CHECK(found.first.out_len[0] == 3 && found.first.out_len[1] == 4 && !found.first.truncated);
    history_free(h);
    close_dir();
}

TEST(the_program_is_kept_where_that_was_asked_for_and_told_where_it_is_asked_for)
{
    open_dir();
    struct history *h = open_history(true, 1000);
    struct record_entry e = entry(1);
    e.code = "x = '\0'";
    e.code_len = 7;
    CHECK(history_add(h, &e, NULL) == 0);
    history_free(h);
    CHECK(LOOK(.with_code = false) == 1 && found.no_code);
    CHECK(LOOK(.with_code = true) == 1 && !found.no_code);
    CHECK(str_starts(found.code, "x = '"));
    close_dir();
}

TEST(a_call_that_was_refused_has_neither_id_nor_program)
{
    open_dir();
    struct history *h = open_history(true, 1000);
    struct record_entry e = entry(1);
    e.execution_id = e.isolation = e.code = NULL;
    e.code_len = 0;
    e.category_name = "overloaded";
    char *huge = malloc(5001);
    memset(huge, 'x', 5000);
    memcpy(huge + 398, "\xe2\x82\xac", 3); /* cut before it, not in it */
    huge[5000] = '\0';
    e.error = huge;
    CHECK(history_add(h, &e, NULL) == 0);
    history_free(h);
    CHECK(LOOK() == 1 && found.no_id && found.no_code);
    CHECK(strlen(found.error) == 398);
    CHECK_STR(found.sha256, "(null)");
    CHECK(LOOK(.id = "0") == 0);
    free(huge);
    close_dir();
}

TEST(the_newest_come_first_and_can_be_chosen)
{
    open_dir();
    struct history *h = open_history(false, 1000);
    add(h, 0, 150);
    struct record_entry e = entry(150);
    e.category_name = "timeout";
    CHECK(history_add(h, &e, NULL) == 0);
    history_free(h);
    CHECK(LOOK() == 151);
    CHECK(str_ends(found.id, "150"));
    CHECK(LOOK(.failed = true) == 1);
    CHECK_STR(found.category, "timeout");
    CHECK(LOOK(.id = "000000000042") == 1 && str_ends(found.id, "042") && found.no_category);
    CHECK(LOOK(.id = "%") == 0);
    CHECK(look((struct history_query){.limit = 3}, NULL) == 3);
    close_dir();
}

TEST(without_a_database_nothing_is_found_and_nothing_is_made)
{
    open_dir();
    CHECK(LOOK() == 0 && !exists(HISTORY_NAME));
    history_free(open_history(false, 10));
    CHECK(!exists(HISTORY_NAME));
    close_dir();
}

TEST(the_files_are_private)
{
    open_dir();
    umask(0);
    struct history *h = open_history(false, 10);
    CHECK(history_ready(h, NULL) == 0);
    add(h, 0, 1);
    CHECK(history_flush(h, NULL) == 0);
    const char *names[] = {HISTORY_NAME, HISTORY_NAME "-wal", HISTORY_NAME "-shm"};
    struct stat st;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        CHECK(fstatat(dir_fd, names[i], &st, 0) == 0 && (st.st_mode & 07777) == 0600);
    history_free(h);
    CHECK(exists(names[0]) && !exists(names[1]) && !exists(names[2]));
    close_dir();
}

TEST(the_number_of_rows_is_bounded)
{
    open_dir();
    struct history *h = open_history(false, 100);
    add(h, 0, 2000);
    CHECK(history_flush(h, NULL) == 0);
    int n = LOOK();
    CHECK(n >= 100 && n < 100 + 256 + HISTORY_BATCH);
    CHECK(str_ends(found.id, "1999"));
    history_free(h);
    h = open_history(false, 100); /* looks at the old ones first */
    add(h, 2000, 2001);
    history_free(h);
    CHECK(LOOK() == 100);
    close_dir();
}

TEST(what_is_old_goes)
{
    open_dir();
    struct history *h = open_history(false, 1000);
    struct record_entry e = entry(1);
    e.unix_ms -= 31ull * 86400 * 1000;
    CHECK(history_add(h, &e, NULL) == 0);
    add(h, 2, 4);
    history_free(h);
    CHECK(LOOK() == 2 && LOOK(.id = "0001") == 0);
    close_dir();
}

TEST(several_servers_share_a_database)
{
    open_dir();
    struct history *a = open_history(false, 1000);
    struct history *b = open_history(false, 1000);
    add(a, 0, 200);
    add(b, 200, 400);
    add(a, 400, 500);
    history_free(a);
    add(b, 500, 600);
    CHECK(history_flush(b, NULL) == 0);
    CHECK(LOOK() == 600);
    history_free(b);
    CHECK(LOOK() == 600);
    close_dir();
}

TEST(rows_wait_while_another_process_has_the_database_and_none_is_lost)
{
    open_dir();
    struct history *h = open_history(false, 1000);
    struct err err = ERR_INIT;
    CHECK(history_ready(h, NULL) == 0);
    sqlite3 *other = open_elsewhere();
    sql(other, "BEGIN IMMEDIATE");
    add(h, 0, HISTORY_BATCH - 1);
    struct record_entry e = entry(HISTORY_BATCH - 1);
    CHECK(history_add(h, &e, &err) < 0 && err.code == ERR_OVERLOADED);
    CHECK(strstr(err.text, "another process has locked it"));
    CHECK(history_flush(h, &err) == 0 && history_pending(h)); /* not again at once */
    add(h, HISTORY_BATCH, HISTORY_BATCH + 10);
    CHECK(history_ready(h, &err) < 0);
    wait_for_retry();
    CHECK(history_ready(h, &err) < 0 && err.code == ERR_OVERLOADED);
    CHECK(LOOK() == 0); /* it can be read meanwhile */
    sql(other, "ROLLBACK");
    wait_for_retry();
    CHECK(history_flush(h, NULL) == 0 && !history_pending(h) && history_ready(h, NULL) == 0);
    CHECK(LOOK() == HISTORY_BATCH + 10);
    sqlite3_close(other);
    history_free(h);
    close_dir();
}

TEST(what_waits_is_bounded)
{
    open_dir();
    struct history *h = open_history(false, 100000);
    CHECK(history_ready(h, NULL) == 0);
    sqlite3 *other = open_elsewhere();
    sql(other, "BEGIN IMMEDIATE");
    for (unsigned i = 0; i < HISTORY_MAX_PENDING + 500; i++) {
        struct record_entry e = entry(i);
        (void)history_add(h, &e, NULL);
    }
    sql(other, "ROLLBACK");
    sqlite3_close(other);
    history_free(h);
    CHECK(LOOK() == HISTORY_MAX_PENDING);
    close_dir();
}

TEST(rows_wait_for_room_on_the_disk)
{
    open_dir();
    struct history *h = open_history(false, 1000);
    CHECK(history_ready(h, NULL) == 0);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small = {100, RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &old);
    setrlimit(RLIMIT_FSIZE, &small);
    add(h, 0, 10);
    struct err err = ERR_INIT;
    CHECK(history_flush(h, &err) < 0 && err.code == ERR_SYS && history_pending(h));
    setrlimit(RLIMIT_FSIZE, &old);
    wait_for_retry();
    CHECK(history_flush(h, NULL) == 0 && LOOK() == 10);
    history_free(h);
    close_dir();
}

TEST(a_file_that_is_no_database_is_set_aside)
{
    open_dir();
    int fd = openat(dir_fd, HISTORY_NAME, O_CREAT | O_WRONLY, 0600);
    for (int i = 0; i < 500; i++)
        CHECK(write(fd, "no database at all ", 19) == 19);
    close(fd);
    struct history *h = open_history(false, 1000);
    struct err err = ERR_INIT;
    add(h, 0, 2);
    CHECK(history_flush(h, &err) < 0 && strstr(err.text, HISTORY_NAME ".damaged"));
    wait_for_retry();
    CHECK(history_flush(h, NULL) == 0 && LOOK() == 2);
    CHECK(exists(HISTORY_NAME ".damaged"));
    history_free(h);
    close_dir();
}

TEST(a_database_that_is_damaged_in_the_middle_is_set_aside_and_the_rows_go_into_the_next)
{
    open_dir();
    struct history *h = open_history(false, 1000);
    add(h, 0, 320);
    history_free(h);
    int fd = openat(dir_fd, HISTORY_NAME, O_WRONLY);
    char noise[4096];
    memset(noise, 0x5a, sizeof(noise));
    for (off_t page = 1; page < 12; page++)
        CHECK(pwrite(fd, noise, sizeof(noise), page * 4096) == sizeof(noise));
    close(fd);
    h = open_history(false, 1000);
    struct err err = ERR_INIT;
    add(h, 400, 410);
    CHECK(history_flush(h, &err) < 0 && history_pending(h));
    wait_for_retry();
    CHECK(history_flush(h, NULL) == 0 && LOOK() == 10 && exists(HISTORY_NAME ".damaged"));
    history_free(h);
    close_dir();
}

TEST(a_database_that_somebody_removed_is_made_anew)
{
    open_dir();
    struct history *a = open_history(false, 1000);
    struct history *b = open_history(false, 1000);
    add(a, 0, 5);
    add(b, 5, 9);
    CHECK(history_flush(a, NULL) == 0 && history_flush(b, NULL) == 0);
    CHECK(unlinkat(dir_fd, HISTORY_NAME, 0) == 0); /* its log stays behind */
    add(b, 9, 12);
    CHECK(history_flush(b, NULL) == 0);
    add(a, 12, 14);
    history_free(a);
    CHECK(LOOK() == 5 && LOOK(.id = "0003") == 0);
    history_free(b);
    CHECK(LOOK() == 5);
    close_dir();
}

TEST(a_table_of_another_version_is_left_alone)
{
    open_dir();
    sqlite3 *other = open_elsewhere();
    sql(other, "CREATE TABLE executions (something_else); PRAGMA user_version = 7");
    sqlite3_close(other);
    CHECK(chmod(in_dir(HISTORY_NAME), 0600) == 0);
    struct history *h = open_history(false, 1000);
    struct err err = ERR_INIT;
    CHECK(history_ready(h, &err) < 0 && strstr(err.text, "another version"));
    CHECK(look((struct history_query){.limit = 1}, &err) < 0);
    history_free(h);
    CHECK(exists(HISTORY_NAME) && !exists(HISTORY_NAME ".damaged"));
    close_dir();
}

TEST(what_somebody_planted_in_the_folder_is_not_opened)
{
    open_dir();
    struct err err = ERR_INIT;
    REQUIRE(symlinkat("target", dir_fd, HISTORY_NAME) == 0);
    struct history *h = open_history(false, 1000);
    add(h, 0, 1);
    CHECK(history_flush(h, &err) < 0 && !exists("target"));
    CHECK(look((struct history_query){.limit = 1}, &err) < 0);
    history_free(h);
    REQUIRE(unlinkat(dir_fd, HISTORY_NAME, 0) == 0);
    REQUIRE(mkfifoat(dir_fd, HISTORY_NAME, 0600) == 0);
    h = open_history(false, 1000);
    CHECK(history_ready(h, &err) < 0 && err.code == ERR_REFUSED);
    CHECK(look((struct history_query){.limit = 1}, &err) < 0);
    history_free(h);
    close_dir();
}

TEST(a_database_by_a_stranger_is_read_as_data)
{
    open_dir();
    sqlite3 *other = open_elsewhere();
    sql(other, "CREATE TABLE executions (n INTEGER PRIMARY KEY, id, time_ms, client, mode,"
               " isolation, category, error_type, error, line, wall_ns, cpu_ns, peak_memory,"
               " timeout_ns, memory_limit, stdout_bytes, stderr_bytes, truncated, code_bytes,"
               " code_sha256, code);"
               "INSERT INTO executions VALUES (1, x'ff00ff', 'soon', 5, NULL, 1.5, x'', '', 'e',"
               " -1, -5, 'x', 1e300, NULL, NULL, NULL, NULL, 'yes', -1, NULL, NULL);"
               "PRAGMA user_version = 1");
    CHECK(chmod(in_dir(HISTORY_NAME), 0600) == 0);
    CHECK(LOOK() == 1);
    CHECK(str_starts(found.id, "\xef\xbf\xbd"));
    CHECK_STR(found.mode, "?");
    CHECK(found.first.unix_ms == 0 && found.first.line == 0 && found.first.wall_ns == 0);
    sql(other, "DROP TABLE executions; CREATE VIEW executions AS SELECT 1 AS n, 2 AS id");
    sqlite3_close(other);
    struct err err = ERR_INIT;
    CHECK(look((struct history_query){.limit = 1}, &err) < 0);
    close_dir();
}

/* ---- as a part of the record ---- */

static struct record *open_record(enum audit_mode audit, enum history_mode history, struct err *err)
{
    struct record_options o = {.audit = audit,
                               .history = history,
                               .history_rows = 1000,
                               .history_days = 30,
                               .state_dir = dir,
                               .owner_uid = RECORD_SAME_OWNER,
                               .owner_gid = (gid_t)-1};
    struct record *r = NULL;
    return record_open(&o, &r, NULL, err) < 0 ? NULL : r;
}

TEST(log_and_history_can_each_do_without_the_other)
{
    open_dir();
    struct record_entry e = entry(1);
    struct record *r = open_record(AUDIT_ON, HISTORY_OFF, NULL);
    REQUIRE(r && record_begin(r, NULL) == 0);
    CHECK(record_add(r, &e, NULL) == 0 && !record_pending(r));
    record_free(r);
    CHECK(exists("audit.jsonl") && !exists(HISTORY_NAME));
    CHECK(unlinkat(dir_fd, "audit.jsonl", 0) == 0);
    r = open_record(AUDIT_OFF, HISTORY_ON, NULL);
    REQUIRE(r && record_begin(r, NULL) == 0);
    CHECK(record_add(r, &e, NULL) == 0 && record_pending(r));
    CHECK(record_sync(r, NULL) == 0 && !record_pending(r));
    record_free(r);
    CHECK(!exists("audit.jsonl") && LOOK() == 1);
    close_dir();
}

TEST(required_does_not_begin_without_a_history_that_can_be_written)
{
    open_dir();
    REQUIRE(mkdirat(dir_fd, HISTORY_NAME, 0700) == 0);
    struct err err = ERR_INIT;
    struct record *r = open_record(AUDIT_REQUIRED, HISTORY_ON, &err);
    REQUIRE(r);
    CHECK(record_begin(r, &err) < 0 && strstr(err.text, "SANDBOX_AUDIT_LOG=required"));
    record_free(r);
    r = open_record(AUDIT_ON, HISTORY_ON, &err);
    CHECK(r && record_begin(r, &err) == 0 && record_may_start(r, &err));
    record_free(r);
    close_dir();
}

TEST(required_refuses_while_rows_cannot_be_written_and_says_so)
{
    open_dir();
    struct err err = ERR_INIT;
    struct record *r = open_record(AUDIT_REQUIRED, HISTORY_ON, NULL);
    REQUIRE(r && record_begin(r, NULL) == 0 && record_may_start(r, NULL));
    sqlite3 *other = open_elsewhere();
    sql(other, "BEGIN IMMEDIATE");
    struct record_entry e = entry(1);
    CHECK(record_add(r, &e, NULL) == 0); /* a row that waits its turn is no failure */
    CHECK(record_may_start(r, NULL));
    CHECK(record_sync(r, &err) < 0 && strstr(err.text, "locked"));
    CHECK(record_sync(r, &err) == 0); /* told once */
    CHECK(!record_may_start(r, &err) && err.code == ERR_REFUSED);
    CHECK(strstr(err.text, "SANDBOX_AUDIT_LOG=required") && strstr(err.text, HISTORY_NAME));
    sql(other, "ROLLBACK");
    sqlite3_close(other);
    wait_for_retry();
    CHECK(record_may_start(r, NULL) && !record_pending(r));
    record_free(r);
    close_dir();
}

TEST(without_required_a_failure_is_told_once_and_programs_run_on)
{
    open_dir();
    struct err err = ERR_INIT;
    struct record *r = open_record(AUDIT_ON, HISTORY_ON, NULL);
    REQUIRE(r && record_begin(r, NULL) == 0);
    struct record_entry e = entry(1);
    CHECK(record_add(r, &e, NULL) == 0 && record_sync(r, NULL) == 0);
    sqlite3 *other = open_elsewhere();
    sql(other, "BEGIN IMMEDIATE");
    CHECK(record_add(r, &e, NULL) == 0);
    CHECK(record_sync(r, &err) < 0 && record_may_start(r, NULL));
    wait_for_retry();
    CHECK(record_sync(r, NULL) == 0 && record_pending(r));
    sql(other, "ROLLBACK");
    wait_for_retry();
    CHECK(record_sync(r, NULL) == 0 && !record_pending(r));
    sql(other, "BEGIN IMMEDIATE");
    CHECK(record_add(r, &e, NULL) == 0);
    CHECK(record_sync(r, &err) < 0); /* news again */
    sqlite3_close(other);
    record_free(r);
    CHECK(LOOK() == 3);
    close_dir();
}

int main(void)
{
    return tap_main();
}
