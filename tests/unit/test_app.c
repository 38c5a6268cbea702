/* Command line and start: options and their suggestions, exit statuses, who to be, finding the
 * parts, what the server can no longer do once it is confined. */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "app/cli.h"
#include "app/confine.h"
#include "app/delegation.h"
#include "app/once.h"
#include "app/places.h"
#include "app/privilege.h"
#include "app/show.h"
#include "app/source.h"
#include "app/stage.h"
#include "sys/cap.h"
#include "sys/fd.h"
#include "sys/landlock.h"
#include "sys/task.h"

/* cli.c needs the table of main.c: this is a smaller one. */
static const struct cli_option options[] = {
    {"--json", NULL, NULL, ""},
    {"--only-imports", "A,B", NULL, ""},
    {"--memory-limit", "SIZE", "SANDBOX_DEFAULT_MEMORY_LIMIT", ""},
};
const struct cli_command cli_commands[] = {
    {"run", "FILE|-", "", "", options, 3, true, NULL},
    {"plain", NULL, "", "", NULL, 0, false, NULL},
};
const size_t cli_commands_len = 2;

static struct err last;

/* Words after the command, NULL-terminated. */
static int parse(const struct cli_command *command, struct cli *cli, const char *const *words)
{
    int n = 0;
    while (words[n])
        n++;
    last = (struct err)ERR_INIT;
    return cli_parse(command, n, (char **)(uintptr_t)words, cli, &last);
}

#define PARSE(cli, ...) parse(&cli_commands[0], (cli), (const char *const[]){__VA_ARGS__, NULL})

static bool refused(const char *word, const char *part)
{
    struct cli cli;
    bool bad = PARSE(&cli, word, "x.py") < 0 && last.code == ERR_INVALID;
    if (!bad || !strstr(last.text, part))
        printf("# %s: %s\n", word, last.text);
    return bad && strstr(last.text, part);
}

TEST(options_stand_before_and_after_the_argument)
{
    struct cli cli;
    REQUIRE(PARSE(&cli, "--json", "a.py", "--timeout", "5", "--only-imports=math,re") == 0);
    CHECK_STR(cli.argument, "a.py");
    CHECK(cli_option(&cli, "--json"));
    CHECK_STR(cli_option(&cli, "--only-imports"), "math,re");
    CHECK(!cli_option(&cli, "--only"));
    CHECK(cli.flags.len == 1);
    CHECK_STR(cli.flags.items[0], "SANDBOX_TIMEOUT=5");
    cli_done(&cli);
}

TEST(every_variable_but_the_token_is_an_option)
{
    struct cli cli;
    REQUIRE(PARSE(&cli, "-", "--enable-network", "--enable-filesystem=no", "--max-timeout=9",
                  "--memory-limit", "1g") == 0);
    CHECK(strv_has(&cli.flags, "SANDBOX_ENABLE_NETWORK=true"));
    CHECK(strv_has(&cli.flags, "SANDBOX_ENABLE_FILESYSTEM=no"));
    CHECK(strv_has(&cli.flags, "SANDBOX_MAX_TIMEOUT=9"));
    CHECK(strv_has(&cli.flags, "SANDBOX_DEFAULT_MEMORY_LIMIT=1g"));
    CHECK_STR(cli.argument, "-");
    cli_done(&cli);
    CHECK(refused("--api-token=0123456789abcdef0123456789abcdef", "unknown option --api-token"));
}

TEST(typing_mistakes_get_a_suggestion)
{
    CHECK(refused("--jsno", "did you mean --json?"));
    CHECK(refused("--max-timout=1", "did you mean --max-timeout?"));
    CHECK(refused("--env-fiel=1", "did you mean --env-file?"));
    CHECK(refused("--xyzzy", "unknown option --xyzzy"));
    CHECK(refused("--json=1", "--json takes no value"));
    CHECK(refused("--timeout=", "--timeout needs a value"));
    CHECK(refused("y.py", "one too many"));
}

TEST(a_missing_value_or_argument_is_said)
{
    struct cli cli;
    CHECK(PARSE(&cli, "a.py", "--timeout") < 0 && strstr(last.text, "--timeout needs a value"));
    CHECK(PARSE(&cli, "--json") < 0 && strstr(last.text, "FILE|- is missing"));
    CHECK(parse(&cli_commands[1], &cli, (const char *const[]){"x", NULL}) < 0);
    CHECK(parse(&cli_commands[1], &cli, (const char *const[]){"--timeout=1", NULL}) < 0);
    CHECK(PARSE(&cli, "--help") == 0 && cli.help);
    CHECK(PARSE(&cli, "--", "--json") == 0);
    CHECK_STR(cli.argument, "--json");
    cli_done(&cli);
}

TEST(every_outcome_has_its_exit_status)
{
    CHECK(once_status(CATEGORY_NONE) == 0);
    CHECK(once_status(CATEGORY_RUNTIME_ERROR) == 1 && once_status(CATEGORY_TIMEOUT) == 1);
    CHECK(once_status(CATEGORY_SYNTAX_ERROR) == 1 && once_status(CATEGORY_MEMORY_LIMIT) == 1);
    CHECK(once_status(CATEGORY_SECURITY_VIOLATION) == 3);
    CHECK(once_status(CATEGORY_INVALID_REQUEST) == 3 && once_status(CATEGORY_OVERLOADED) == 3);
    CHECK(once_status(CATEGORY_CANCELLED) == 130);
}

TEST(a_program_is_read_to_the_limit_and_a_blank_one_is_empty)
{
    char path[] = "/tmp/vivarium-app-XXXXXX";
    int fd = mkstemp(path);
    REQUIRE(fd >= 0 && write(fd, "0123456789", 10) == 10);
    auto_buf struct buf code = BUF_INIT(0);
    CHECK(source_read(path, 10, &code, NULL) == 0 && code.len == 10);
    CHECK(source_read(path, 4, &code, NULL) == 0 && code.len == 5);
    REQUIRE(ftruncate(fd, 0) == 0 && pwrite(fd, " \n\t\r\f", 5, 0) == 5);
    CHECK(source_read(path, 10, &code, NULL) == 0 && code.len == 0);
    close(fd);
    unlink(path);
    struct err err = ERR_INIT;
    CHECK(source_read(path, 10, &code, &err) < 0 && err.code == ERR_INVALID);
    CHECK(source_read("/tmp", 10, &code, &err) < 0 && strstr(err.text, "directory"));
}

TEST(a_line_that_quotes_a_program_cannot_drive_the_terminal)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    show_line(f, TINT_PLAIN, "a\033[2Jb\nc\t\x7f\xc2\x9b\xe2\x80\xae\xc3\xa9");
    fclose(f);
    CHECK_STR(text, "a\\x1b[2Jb\\x0ac\t\\x7f\\xc2\\x9b\\xe2\\x80\\xae\xc3\xa9\n");
    free(text);
}

TEST(the_parts_are_looked_for_beside_the_executable)
{
    struct places p = {0};
    struct err err = ERR_INIT;
    if (places_find(&p, &err) == 0) {
        CHECK(p.zygote[0] == '/' && p.extension_dir[0] == '/');
        places_done(&p);
    } else {
        CHECK(err.code == ERR_UNSUPPORTED && strstr(err.text, "vivarium-zygote is missing"));
    }
    CHECK(places_is_module("_vivarium.cpython-311-x86_64-linux-gnu.so"));
    CHECK(!places_is_module("_vivarium.py") && !places_is_module("x_vivarium.so"));
}

TEST(an_interpreter_we_were_not_built_for_is_refused_by_version)
{
    char dir[] = "/tmp/vivarium-app-XXXXXX";
    char path[100], python[100];
    REQUIRE(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/_vivarium.cpython-311-x86_64-linux-gnu.so", dir);
    close(open(path, O_CREAT | O_WRONLY, 0644));
    struct places p = {.extension_dir = dir};
    struct err err = ERR_INIT;
    struct conf conf = {.python = python};
    const struct {
        const char *name;
        bool ok;
    } cases[] = {{"python3.11", true}, {"python3.12", false}, {"python3.1", false}, {"pypy", true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(python, sizeof(python), "%s/%s", dir, cases[i].name);
        close(open(python, O_CREAT | O_WRONLY, 0755));
        CHECK((places_check_python(&p, &conf, &err) == 0) == cases[i].ok);
        unlink(python);
    }
    CHECK(strstr(err.text, "built for 3.11"));
    CHECK(places_check_python(&p, &conf, &err) < 0 && strstr(err.text, "not there"));
    unlink(path);
    rmdir(dir);
}

static const char *own_path(const char *text)
{
    static char copy[200];
    snprintf(copy, sizeof(copy), "%s", text);
    return delegation_own_path(copy);
}

TEST(the_own_cgroup_is_read_from_the_unified_line_alone)
{
    CHECK_STR(own_path("9:memory:/a\n0::/b/c d\n"), "/b/c d");
    CHECK_STR(own_path("0::/\n"), "/");
    CHECK_STR(own_path("0::/last"), "/last");
    CHECK(!own_path("") && !own_path("9:memory:/a\n") && !own_path("10::/x\n"));
    CHECK(!own_path("0::/../outside\n") && !own_path("0::/..\n") && !own_path("0::/a/../b\n"));
    CHECK(!own_path("0::/a (deleted)\n"));
}

TEST(kills_for_memory_are_read_from_their_own_line)
{
    CHECK(delegation_kills_in("low 0\nhigh 1\nmax 7\noom 3\noom_kill 2\noom_group_kill 9\n") == 2);
    CHECK(delegation_kills_in("oom_kill 18446744073709551615\n") == UINT64_MAX);
    CHECK(delegation_kills_in("oom_group_kill 9\n") == 0 && delegation_kills_in("") == 0);
    struct delegation none = {.events_fd = -1};
    CHECK(delegation_memory_kills(&none) == 0);
}

TEST(without_a_delegated_cgroup_nothing_is_changed_and_it_says_why)
{
    struct identities ids;
    struct delegation d;
    char before[4096], after[4096];
    size_t n;
    REQUIRE(identities_choose(&ids, NULL) == 0);
    int fd = open("/proc/self/cgroup", O_RDONLY);
    REQUIRE(fd_read_all(fd, before, sizeof(before), &n, NULL) == 0);
    delegation_claim(&ids, &d);
    if (d.programs)
        SKIP("this machine has delegated one");
    CHECK(d.keeper_fd < 0 && d.why_not[0]);
    size_t m;
    REQUIRE(lseek(fd, 0, SEEK_SET) == 0 && fd_read_all(fd, after, sizeof(after), &m, NULL) == 0);
    CHECK(m == n && memcmp(before, after, n) == 0);
    delegation_done(&d);
}

TEST(an_ordinary_user_stays_who_they_are)
{
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
        SKIP("cannot become an ordinary user");
    struct identities ids;
    struct err err = ERR_INIT;
    REQUIRE(identities_choose(&ids, &err) == 0);
    CHECK(!ids.change && ids.server.uid == geteuid() && ids.worker.uid == geteuid());
}

TEST(root_becomes_two_others_and_cannot_come_back)
{
    if (geteuid() != 0)
        SKIP("needs root");
    struct identities ids;
    struct err err = ERR_INIT;
    REQUIRE(identities_choose(&ids, &err) == 0);
    CHECK(ids.change && ids.server.uid != ids.worker.uid && ids.server.gid != ids.worker.gid);
    CHECK(ids.server.uid != 0 && ids.worker.uid != 0);
    CHECK(privilege_worker_can_read(&ids, "/etc/passwd"));
    char secret[] = "/tmp/vivarium-app-XXXXXX";
    close(mkstemp(secret));
    CHECK(!privilege_worker_can_read(&ids, secret));
    CHECK(geteuid() == 0 && access(secret, R_OK) == 0);
    unlink(secret);
    REQUIRE(privilege_begin(&ids, &err) == 0 && privilege_drop(&ids, &err) == 0);
    CHECK(getuid() == ids.server.uid && getegid() == ids.server.gid && getgroups(0, NULL) == 0);
    CHECK(setuid(0) < 0 && seteuid(0) < 0);
    uint64_t caps = 1;
    CHECK(cap_get(&caps, NULL) == 0 && caps == 0);
    struct rlimit core;
    CHECK(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
}

/* ---- copies of the extension module ---- */

static char stage_root[] = "/tmp/vivarium-stage-XXXXXX";

static const char *in_stage(const char *name, const char *file)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s%s", stage_root, name, file);
    return path;
}

#define MODULE_FILE "/_vivarium.cpython-311-x86_64-linux-gnu.so"

/* The modules of the build @name: one file that only root can reach. */
static void make_build(const char *name)
{
    REQUIRE(mkdir(in_stage(name, ""), 0700) == 0);
    int fd = open(in_stage(name, MODULE_FILE), O_CREAT | O_WRONLY, 0700);
    REQUIRE(fd >= 0 && write(fd, name, strlen(name)) == (ssize_t)strlen(name));
    close(fd);
}

static char *stage_build(const char *name, int *ret_lock)
{
    char from[256];
    char *dir = NULL;
    snprintf(from, sizeof(from), "%s", in_stage(name, ""));
    last = (struct err)ERR_INIT;
    if (stage_extension(from, in_stage("run", ""), &dir, ret_lock, &last) < 0)
        printf("# %s\n", last.text);
    return dir;
}

static bool whole(const char *dir)
{
    char path[300];
    struct stat st;
    snprintf(path, sizeof(path), "%s" MODULE_FILE, dir);
    return stat(path, &st) == 0 && st.st_size > 0 && (st.st_mode & 0777) == 0755;
}

static void remove_stage(void)
{
    char command[200];
    snprintf(command, sizeof(command), "rm -rf %s", stage_root);
    CHECK(system(command) == 0);
}

TEST(a_copy_stays_while_a_server_uses_it_and_goes_when_another_build_comes)
{
    if (geteuid() != 0)
        SKIP("needs root");
    REQUIRE(mkdtemp(stage_root));
    make_build("one");
    make_build("two");
    int first = -1, again = -1, second = -1;
    char *one = stage_build("one", &first);
    char *same = stage_build("one", &again);
    REQUIRE(one && same && whole(one));
    CHECK_STR(one, same);
    close(first);
    char *two = stage_build("two", &second);
    REQUIRE(two && whole(two) && strcmp(one, two) != 0);
    CHECK(whole(one)); /* the second server of that build lives */
    close(second);
    close(again);
    free(two);
    two = stage_build("two", &second);
    REQUIRE(two && whole(two));
    CHECK(access(one, F_OK) < 0 && errno == ENOENT);
    close(second);
    free(one);
    free(same);
    free(two);
    remove_stage();
}

TEST(what_an_accident_left_of_a_copy_is_made_anew)
{
    if (geteuid() != 0)
        SKIP("needs root");
    REQUIRE(mkdtemp(stage_root));
    make_build("one");
    int lock = -1;
    char *dir = stage_build("one", &lock);
    REQUIRE(dir);
    close(lock);
    char half[300];
    snprintf(half, sizeof(half), "%s/new-%s", in_stage("run", ""), strrchr(dir, '/') + 1);
    REQUIRE(rename(dir, half) == 0);
    free(dir);
    dir = stage_build("one", &lock);
    CHECK(dir && whole(dir) && access(half, F_OK) < 0);
    close(lock);
    free(dir);
    remove_stage();
}

TEST(a_folder_without_a_lock_file_may_be_in_use_and_is_left_alone)
{
    if (geteuid() != 0)
        SKIP("needs root");
    REQUIRE(mkdtemp(stage_root));
    make_build("one");
    REQUIRE(mkdir(in_stage("run", ""), 0755) == 0 && mkdir(in_stage("run/0", ""), 0755) == 0);
    close(open(in_stage("run/0", MODULE_FILE), O_CREAT | O_WRONLY, 0755));
    int lock = -1;
    char *dir = stage_build("one", &lock);
    CHECK(dir && access(in_stage("run/0", MODULE_FILE), F_OK) == 0);
    close(lock);
    free(dir);
    remove_stage();
}

TEST(a_folder_that_others_can_write_to_is_refused)
{
    if (geteuid() != 0)
        SKIP("needs root");
    REQUIRE(mkdtemp(stage_root));
    make_build("one");
    REQUIRE(mkdir(in_stage("run", ""), 0755) == 0 && chmod(in_stage("run", ""), 0777) == 0);
    int lock = -1;
    CHECK(!stage_build("one", &lock) && lock == -1 && last.code == ERR_REFUSED);
    remove_stage();
}

/* In a process of its own, which cannot go back. */
static void be_confined(int dir_fd)
{
    struct err err = ERR_INIT;
    bool confined = false;
    REQUIRE(task_no_new_privs(&err) == 0 && confine(dir_fd, &confined, &err) == 0);
    char *none[] = {NULL};
    CHECK(execve("/bin/true", none, none) < 0 && errno == EPERM);
    CHECK(fork() < 0 && errno == EPERM);
    CHECK(unshare(CLONE_NEWUSER) < 0 && errno == EPERM);
    CHECK(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM);
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(confined == (landlock_abi() > 0));
    if (confined) {
        CHECK(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES);
        CHECK(open("/tmp/vivarium-x", O_CREAT | O_WRONLY, 0600) < 0 && errno == EACCES);
    }
    CHECK(open("/proc/self/status", O_RDONLY) >= 0);
    CHECK(openat(dir_fd, "a", O_CREAT | O_WRONLY, 0600) >= 0);
    CHECK(renameat(dir_fd, "a", dir_fd, "b") == 0 && unlinkat(dir_fd, "b", 0) == 0);
}

TEST(a_confined_server_opens_and_executes_nothing)
{
#ifdef __SANITIZE_ADDRESS__
    SKIP("this build is not confined, for the leak check");
#endif
    char dir[] = "/tmp/vivarium-app-XXXXXX";
    REQUIRE(mkdtemp(dir));
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
    pid_t pid = fork();
    if (pid == 0) {
        be_confined(dir_fd);
        fflush(stdout);
        _exit(tap_failed_checks != 0);
    }
    int status = 1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(rmdir(dir) == 0);
}

int main(void)
{
    return tap_main();
}
