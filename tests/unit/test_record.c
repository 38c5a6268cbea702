/* The record: the form of a line, private files, rotation, several servers on one file, a full
 * disk, and what `required` refuses. */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "record/line.h"
#include "record/record.h"
#include "record/sha256.h"
#include "json/json.h"

static char dir[64];
static char path[200];

static const char *in_dir(const char *name)
{
    snprintf(path, sizeof(path), "%s/state/%s", dir, name);
    return path;
}

static void new_dir(void)
{
    strcpy(dir, "/tmp/vivarium-record-XXXXXX");
    REQUIRE(mkdtemp(dir));
}

static void remove_dir(void)
{
    char command[200];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    CHECK(system(command) == 0);
}

static struct record *open_record(enum audit_mode mode, struct err *problem, struct err *err)
{
    static char state[100];
    snprintf(state, sizeof(state), "%s/state", dir);
    struct record_options o = {
        .audit = mode, .state_dir = state, .owner_uid = RECORD_SAME_OWNER, .owner_gid = (gid_t)-1};
    struct record *r = NULL;
    return record_open(&o, &r, problem, err) < 0 ? NULL : r;
}

static struct record_entry entry(void)
{
    return (struct record_entry){
        .unix_ms = 1763862929123,
        .execution_id = "019aa000-0000-7000-8000-000000000000",
        .client = "stdio",
        .isolation = "jail",
        .mode = "execute",
        .code = "result = 2 + 2",
        .code_len = 14,
        .timeout_ns = 30000000000u,
        .mem_bytes = 1 << 27,
        .wall_ns = 1000000,
        .cpu_ns = 900000,
        .out_len = {3, 0},
    };
}

static char *read_all(const char *name)
{
    FILE *f = fopen(in_dir(name), "r");
    if (!f)
        return NULL;
    char *text = calloc(1, 1 << 20);
    size_t n = fread(text, 1, (1 << 20) - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

static size_t count_lines(const char *name)
{
    FILE *f = fopen(in_dir(name), "r");
    size_t n = 0;
    for (int c; f && (c = getc(f)) != EOF;)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

static json_t *parse_line(const struct record_entry *e, size_t *ret_len)
{
    auto_buf struct buf line = BUF_INIT(0);
    REQUIRE(record_line(&line, e, NULL) == 0);
    REQUIRE(line.len > 0 && line.data[line.len - 1] == '\n');
    CHECK(!memchr(line.data, '\n', line.len - 1));
    struct json_limits limits = {1 << 20, 10, 10000};
    json_t *v = json_parse((char *)line.data, line.len - 1, &limits, NULL);
    REQUIRE(v);
    *ret_len = line.len;
    return v;
}

TEST(sha256_gives_the_published_digests)
{
    char out[SHA256_TEXT_LEN + 1];
    sha256_hex("", 0, out);
    CHECK_STR(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex("abc", 3, out);
    CHECK_STR(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, out);
    CHECK_STR(out, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    sha256_hex(million, 1000000, out);
    CHECK_STR(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

TEST(a_line_is_one_json_object_with_the_facts)
{
    struct record_entry e = entry();
    size_t len;
    auto_json json_t *v = parse_line(&e, &len);
    CHECK_STR(json_string_value(json_object_get(v, "time")), "2025-11-23T01:55:29.123Z");
    CHECK_STR(json_string_value(json_object_get(v, "mode")), "execute");
    CHECK(json_is_true(json_object_get(v, "success")));
    CHECK(json_is_null(json_object_get(v, "category")));
    CHECK(json_integer_value(json_object_get(v, "code_bytes")) == 14);
    CHECK(!json_object_get(v, "error") && !json_object_get(v, "allowed_imports"));
}

TEST(a_hostile_entry_stays_one_bounded_line)
{
    char *huge = malloc(20001);
    memset(huge, '\n', 20000);
    huge[20000] = '\0';
    char bad[] = "\xff\xfe\"}\n{";
    struct violation violations[MSG_MAX_VIOLATIONS];
    struct msg_event events[MSG_MAX_EVENTS];
    for (size_t i = 0; i < MSG_MAX_VIOLATIONS; i++)
        violations[i] = (struct violation){1, 1, huge, huge, huge};
    for (size_t i = 0; i < MSG_MAX_EVENTS; i++)
        events[i] = (struct msg_event){.layer = 200, .rule = huge, .detail = bad};
    struct strv imports = {.items = (char *[]){huge}, .len = 1};
    struct record_entry e = entry();
    e.category = 3;
    e.category_name = "security_violation";
    e.client = e.error = e.error_type = huge;
    e.narrowed = true;
    e.imports = &imports;
    e.violations = violations;
    e.violations_len = MSG_MAX_VIOLATIONS;
    e.events = events;
    e.events_len = MSG_MAX_EVENTS;
    size_t len;
    auto_json json_t *v = parse_line(&e, &len);
    CHECK(len <= RECORD_MAX_LINE);
    CHECK(json_is_false(json_object_get(v, "success")));
    CHECK(json_is_true(json_object_get(v, "shortened")));
    free(huge);
}

TEST(the_log_and_its_folder_are_private)
{
    new_dir();
    umask(0);
    struct record *r = open_record(AUDIT_ON, NULL, NULL);
    REQUIRE(r);
    struct record_entry e = entry();
    CHECK(record_add(r, &e, NULL) == 0);
    CHECK(record_metrics(r)->audit_lines == 1 && record_metrics(r)->executions[0] == 1);
    record_free(r);
    struct stat st;
    CHECK(stat(in_dir("audit.jsonl"), &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK(stat(in_dir("."), &st) == 0 && (st.st_mode & 07777) == 0700);
    CHECK(count_lines("audit.jsonl") == 1);
    r = open_record(AUDIT_ON, NULL, NULL);
    CHECK(record_add(r, &e, NULL) == 0);
    record_free(r);
    CHECK(count_lines("audit.jsonl") == 2);
    remove_dir();
}

TEST(with_audit_off_nothing_is_made)
{
    new_dir();
    struct record *r = open_record(AUDIT_OFF, NULL, NULL);
    REQUIRE(r);
    struct record_entry e = entry();
    CHECK(record_add(r, &e, NULL) == 0 && record_may_start(r, NULL));
    record_free(r);
    CHECK(access(in_dir("."), F_OK) < 0);
    remove_dir();
}

TEST(the_log_is_rotated_and_bounded)
{
    new_dir();
    struct record *r = open_record(AUDIT_ON, NULL, NULL);
    REQUIRE(r);
    char blob[4096];
    struct record_entry e = entry();
    for (int round = 0; round < 7; round++) {
        CHECK(record_add(r, &e, NULL) == 0);
        int fd = open(in_dir("audit.jsonl"), O_WRONLY | O_APPEND);
        memset(blob, '0' + round, sizeof(blob));
        CHECK(write(fd, blob, sizeof(blob)) == sizeof(blob));
        CHECK(ftruncate(fd, RECORD_FILE_BYTES) == 0);
        close(fd);
    }
    CHECK(record_add(r, &e, NULL) == 0);
    record_free(r);
    char name[32];
    for (int i = 1; i <= RECORD_OLD_FILES + 1; i++) {
        snprintf(name, sizeof(name), "audit.jsonl.%d", i);
        CHECK((access(in_dir(name), F_OK) == 0) == (i <= RECORD_OLD_FILES));
    }
    CHECK(count_lines("audit.jsonl") == 1);
    remove_dir();
}

TEST(two_servers_share_one_log_even_when_one_rotates_it)
{
    new_dir();
    struct record *a = open_record(AUDIT_ON, NULL, NULL);
    struct record *b = open_record(AUDIT_ON, NULL, NULL);
    REQUIRE(a && b);
    struct record_entry e = entry();
    CHECK(record_add(a, &e, NULL) == 0 && record_add(b, &e, NULL) == 0);
    CHECK(count_lines("audit.jsonl") == 2);
    CHECK(truncate(in_dir("audit.jsonl"), RECORD_FILE_BYTES) == 0);
    CHECK(record_add(a, &e, NULL) == 0 && record_add(b, &e, NULL) == 0);
    CHECK(count_lines("audit.jsonl") == 2 && access(in_dir("audit.jsonl.1"), F_OK) == 0);
    CHECK(access(in_dir("audit.jsonl.2"), F_OK) < 0);
    CHECK(unlink(in_dir("audit.jsonl")) == 0);
    CHECK(record_add(b, &e, NULL) == 0 && count_lines("audit.jsonl") == 1);
    record_free(a);
    record_free(b);
    remove_dir();
}

TEST(what_somebody_planted_in_the_folder_is_not_written_to)
{
    new_dir();
    char target[100];
    snprintf(target, sizeof(target), "%s/target", dir);
    REQUIRE(mkdir(in_dir(""), 0700) == 0);
    REQUIRE(symlink(target, in_dir("audit.jsonl")) == 0);
    struct err problem = ERR_INIT;
    struct record *r = open_record(AUDIT_ON, &problem, NULL);
    REQUIRE(r);
    CHECK(problem.code != ERR_NONE);
    struct record_entry e = entry();
    CHECK(record_add(r, &e, NULL) == 0 && access(target, F_OK) < 0);
    record_free(r);
    struct err err = ERR_INIT;
    CHECK(!open_record(AUDIT_REQUIRED, NULL, &err));
    CHECK(strstr(err.text, "SANDBOX_AUDIT_LOG=required"));
    remove_dir();
}

TEST(a_folder_of_somebody_else_is_not_used)
{
    if (geteuid() != 0)
        SKIP("needs root to make one");
    new_dir();
    REQUIRE(mkdir(in_dir(""), 0755) == 0 && chown(in_dir(""), 12345, 12345) == 0);
    struct err problem = ERR_INIT;
    struct record *r = open_record(AUDIT_ON, &problem, NULL);
    CHECK(r && strstr(problem.text, "somebody else"));
    record_free(r);
    remove_dir();
}

TEST(a_folder_that_cannot_be_made_is_the_one_that_is_named)
{
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
        SKIP("cannot become an ordinary user");
    struct record_options o = {.audit = AUDIT_REQUIRED,
                               .state_dir = "/usr/vivarium-nobody/state/vivarium",
                               .owner_uid = RECORD_SAME_OWNER,
                               .owner_gid = (gid_t)-1};
    struct record *r = NULL;
    struct err err = ERR_INIT;
    CHECK(record_open(&o, &r, NULL, &err) < 0);
    CHECK(strstr(err.text, "cannot make the folder /usr/vivarium-nobody: Permission denied") ||
          strstr(err.text, "cannot make the folder /usr/vivarium-nobody: Read-only"));
}

TEST(files_are_handed_over_to_their_future_owner)
{
    if (geteuid() != 0)
        SKIP("needs root");
    new_dir();
    static char state[100];
    snprintf(state, sizeof(state), "%s/state", dir);
    struct record_options o = {
        .audit = AUDIT_REQUIRED, .state_dir = state, .owner_uid = 61170, .owner_gid = 61170};
    struct record *r = NULL;
    for (int i = 0; i < 2; i++) {
        CHECK(record_open(&o, &r, NULL, NULL) == 0);
        struct stat st;
        CHECK(stat(in_dir("audit.jsonl"), &st) == 0 && st.st_uid == 61170);
        CHECK(stat(in_dir("."), &st) == 0 && st.st_uid == 61170 && st.st_gid == 61170);
        record_free(r);
    }
    remove_dir();
}

TEST(root_gives_away_no_folder_that_holds_anything_else)
{
    if (geteuid() != 0)
        SKIP("needs root");
    new_dir();
    static char state[100];
    snprintf(state, sizeof(state), "%s/state", dir);
    REQUIRE(mkdir(state, 0755) == 0);
    close(open(in_dir("shadow"), O_CREAT | O_WRONLY, 0600));
    struct record_options o = {
        .audit = AUDIT_REQUIRED, .state_dir = state, .owner_uid = 61170, .owner_gid = 61170};
    struct record *r = NULL;
    struct err err = ERR_INIT;
    struct stat st;
    CHECK(record_open(&o, &r, NULL, &err) < 0 && strstr(err.text, "other things in it"));
    CHECK(stat(state, &st) == 0 && st.st_uid == 0);
    CHECK(stat(in_dir("shadow"), &st) == 0 && st.st_uid == 0);
    unlink(in_dir("shadow"));
    REQUIRE(record_open(&o, &r, NULL, &err) == 0);
    CHECK(stat(state, &st) == 0 && st.st_uid == 61170);
    record_free(r);
    remove_dir();
}

TEST(a_failure_is_told_once_and_nothing_is_lost)
{
    new_dir();
    struct record *r = open_record(AUDIT_ON, NULL, NULL);
    REQUIRE(r);
    struct record_entry e = entry();
    CHECK(record_add(r, &e, NULL) == 0);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small = {600, RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &old);
    setrlimit(RLIMIT_FSIZE, &small);
    struct err err = ERR_INIT;
    CHECK(record_add(r, &e, &err) < 0 && err.code == ERR_SYS);
    CHECK(record_add(r, &e, NULL) == 0);
    CHECK(record_may_start(r, NULL));
    CHECK(record_metrics(r)->audit_failures == 2 && record_metrics(r)->executions[0] == 3);
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK(record_sync(r, NULL) == 0);
    record_free(r);
    char *text = read_all("audit.jsonl");
    size_t whole = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        auto_json json_t *v =
            json_parse(line, strlen(line), &(struct json_limits){1 << 20, 10, 1000}, NULL);
        whole += v != NULL;
    }
    CHECK(whole == 3);
    free(text);
    remove_dir();
}

TEST(required_refuses_to_start_while_a_line_is_waiting)
{
    new_dir();
    struct record *r = open_record(AUDIT_REQUIRED, NULL, NULL);
    REQUIRE(r);
    struct record_entry e = entry();
    CHECK(record_may_start(r, NULL) && record_add(r, &e, NULL) == 0);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small = {600, RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &old);
    setrlimit(RLIMIT_FSIZE, &small);
    struct err err = ERR_INIT;
    CHECK(record_add(r, &e, &err) < 0);
    CHECK(!record_may_start(r, &err) && err.code == ERR_REFUSED);
    CHECK(strstr(err.text, "SANDBOX_AUDIT_LOG=required"));
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK(record_may_start(r, NULL));
    CHECK(record_sync(r, NULL) == 0);
    record_free(r);
    remove_dir();
}

TEST(counters_tell_executions_from_validations)
{
    new_dir();
    struct record *r = open_record(AUDIT_OFF, NULL, NULL);
    struct record_entry e = entry();
    struct msg_event event = {.layer = LAYER_SECCOMP};
    e.events = &event;
    e.events_len = 1;
    record_add(r, &e, NULL);
    e.category = 4;
    e.wall_ns = 61000000000;
    record_add(r, &e, NULL);
    e.mode = "validate";
    e.category = 99;
    record_add(r, &e, NULL);
    const struct metrics *m = record_metrics(r);
    CHECK(m->executions[0] == 1 && m->executions[4] == 1);
    CHECK(m->validations[RECORD_CATEGORIES - 1] == 1);
    CHECK(m->security_events[LAYER_SECCOMP] == 3);
    CHECK(m->wall_buckets[1] == 1 && m->wall_buckets[RECORD_BUCKETS] == 1);
    CHECK(m->wall_ns == 61001000000 && m->output_bytes == 6);
    record_free(r);
    remove_dir();
}

int main(void)
{
    return tap_main();
}
