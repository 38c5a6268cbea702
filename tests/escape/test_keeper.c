/* The keeper and init: what they say when something is wrong, and that nothing outlives its parent.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "sys/fd.h"
#include "tap.h"

static struct host host;
static struct guest_reply reply;
static char text_edit[256];

static bool alive(pid_t pid)
{
    /* The keeper's children are not ours: signal 0 finds zombies too, but nobody leaves any. */
    return kill(pid, 0) == 0 || errno == EPERM;
}

/* ---- refusals ---- */

static void refuses(void (*edit)(struct msg_launch *), const char *words)
{
    host_start(&host);
    CHECK(!host_launch(&host, ISOLATION_AUTO, edit));
    if (!strstr(host.failure, words))
        printf("# \"%s\" has no \"%s\"\n", host.failure, words);
    CHECK(strstr(host.failure, words));
    host_stop(&host);
}

static void set_python(struct msg_launch *l)
{
    free(l->python);
    l->python = strdup(text_edit);
}

static void set_extension(struct msg_launch *l)
{
    free(l->extension_dir);
    l->extension_dir = strdup(text_edit);
}

static void set_cgroup(struct msg_launch *l)
{
    l->cgroup = strdup(text_edit);
}

TEST(an_interpreter_that_is_not_there_is_named)
{
    snprintf(text_edit, sizeof(text_edit), "/usr/bin/python3.99");
    refuses(set_python, "/usr/bin/python3.99");
}

TEST(an_interpreter_that_the_worker_user_cannot_run_is_named_with_that_user)
{
    int fd = open("/tmp/vivarium-not-executable", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    close(fd);
    snprintf(text_edit, sizeof(text_edit), "/tmp/vivarium-not-executable");
    refuses(set_python, "cannot execute and read it");
    unlink("/tmp/vivarium-not-executable");
}

TEST(a_program_that_is_no_interpreter_is_refused)
{
    snprintf(text_edit, sizeof(text_edit), "/bin/true");
    refuses(set_python, "makes no sense");
}

TEST(a_relative_path_is_refused)
{
    snprintf(text_edit, sizeof(text_edit), "python3");
    refuses(set_python, "not an absolute path");
}

TEST(an_extension_that_was_not_built_for_this_version_is_named)
{
    snprintf(text_edit, sizeof(text_edit), "/usr");
    refuses(set_extension, "Vivarium is not built for Python " PYTHON_VERSION);
}

TEST(a_cgroup_that_is_none_is_refused)
{
    snprintf(text_edit, sizeof(text_edit), "/tmp");
    refuses(set_cgroup, "not a cgroup v2 folder");
}

TEST(a_failed_launch_leaves_the_keeper_ready_for_the_next)
{
    host_start(&host);
    snprintf(text_edit, sizeof(text_edit), "/bin/true");
    CHECK(!host_launch(&host, ISOLATION_AUTO, set_python));
    fd_close(&host.control_fd);
    CHECK(host_launch(&host, ISOLATION_AUTO, NULL));
    host_enter(&host, true);
    host_stop(&host);
}

TEST(a_message_that_is_not_the_servers_ends_the_keeper)
{
    host_start_watched(&host);
    struct wire_out out = WIRE_OUT_INIT(64);
    msg_put_id(&out, MSG_KILL, 1);
    REQUIRE(sock_send(host.launch_fd, out.buf.data, out.buf.len, NULL, 0, 0, NULL) == 0);
    wire_out_done(&out);
    int status = 0;
    CHECK(waitpid(host.keeper, &status, 0) == host.keeper);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

TEST(root_is_refused)
{
    if (geteuid() != 0)
        SKIP("needs root");
    pid_t pid = fork();
    if (pid == 0) {
        int fds[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) < 0 || dup2(fds[0], 3) < 0)
            _exit(100);
        execl(getenv("ZYGOTE"), "vivarium-zygote", NULL);
        _exit(101);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

/* ---- ends ---- */

static void open_watched(enum isolation isolation)
{
    host_start_watched(&host);
    if (!host_launch(&host, isolation, NULL)) {
        printf("# %s\n", host.failure);
        SKIP("this isolation is not available here");
    }
    host_enter(&host, true);
}

static void ends_on_order(enum isolation isolation)
{
    open_watched(isolation);
    host_end_zygote(&host);
    int status = host_wait_gone(&host);
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
          (WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGKILL));
    CHECK(!alive(host.init));
    char c;
    CHECK(read(host.control_fd, &c, 1) == 0);
    host_stop(&host);
    CHECK(host_all_ended(&host));
}

TEST(a_zygote_ends_on_order_in_namespaces)
{
    ends_on_order(ISOLATION_NAMESPACES);
}

TEST(a_zygote_ends_on_order_without_namespaces)
{
    ends_on_order(ISOLATION_LANDLOCK);
}

static void a_dead_zygote_takes_its_workers_along(enum isolation isolation)
{
    open_watched(isolation);
    host_ask(&host, GUEST_ABANDON, 0, 0, NULL, &reply);
    int status = host_wait_gone(&host);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    host_stop(&host);
    CHECK(host_all_ended(&host));
}

TEST(a_zygote_that_dies_takes_its_workers_along_in_namespaces)
{
    a_dead_zygote_takes_its_workers_along(ISOLATION_NAMESPACES);
}

TEST(a_zygote_that_dies_takes_its_workers_along_without_namespaces)
{
    a_dead_zygote_takes_its_workers_along(ISOLATION_LANDLOCK);
}

static void closing_the_channel_ends_everything(enum isolation isolation)
{
    open_watched(isolation);
    host_stop(&host);
    CHECK(!alive(host.init));
    CHECK(host_all_ended(&host));
}

TEST(closing_the_channel_ends_everything_in_namespaces)
{
    closing_the_channel_ends_everything(ISOLATION_NAMESPACES);
}

TEST(closing_the_channel_ends_everything_without_namespaces)
{
    closing_the_channel_ends_everything(ISOLATION_LANDLOCK);
}

static void killing_the_keeper_ends_everything(enum isolation isolation)
{
    open_watched(isolation);
    kill(host.keeper, SIGKILL);
    waitpid(host.keeper, NULL, 0);
    CHECK(host_all_ended(&host));
}

TEST(killing_the_keeper_ends_everything_in_namespaces)
{
    killing_the_keeper_ends_everything(ISOLATION_NAMESPACES);
}

TEST(killing_the_keeper_ends_everything_without_namespaces)
{
    killing_the_keeper_ends_everything(ISOLATION_LANDLOCK);
}

/* ---- what is shown ---- */

static char packages[64];

static void add_packages(struct msg_launch *l)
{
    REQUIRE(strv_add(&l->python_path, packages, NULL) == 0);
}

TEST(packages_are_shown_read_only_under_a_neutral_path)
{
    snprintf(packages, sizeof(packages), "/tmp/vivarium pack:ages");
    mkdir(packages, 0755);
    int fd = open("/tmp/vivarium pack:ages/hello_module.py",
                  O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    REQUIRE(fd >= 0 && write(fd, "word = 'hello'\n", 15) == 15);
    close(fd);
    host_start(&host);
    if (!host_launch(&host, ISOLATION_NAMESPACES, add_packages)) {
        printf("# %s\n", host.failure);
        SKIP("no namespaces");
    }
    REQUIRE(host_ask(&host, GUEST_ENTER, 0, 0, NULL, &reply));
    CHECK(strstr(reply.text, "|/packages/0"));
    REQUIRE(host_ask(&host, GUEST_PYTHON, WALLS_ALL, 0,
                     "import sys\nsys.path.append('/packages/0')\nimport hello_module\n"
                     "answer = hello_module.word, hello_module.__file__\n",
                     &reply));
    CHECK_STR(reply.text, "('hello', '/packages/0/hello_module.py')");
    REQUIRE(host_ask(&host, GUEST_PYTHON, WALL_TIES, 0,
                     "try:\n    open('/packages/0/new', 'w')\nexcept OSError as e:\n"
                     "    answer = e.errno\n",
                     &reply));
    CHECK_STR(reply.text, "30"); /* EROFS, with no other wall up */
    host_stop(&host);
    CHECK(system("rm -r '/tmp/vivarium pack:ages'") == 0);
}

int main(int argc, char **argv)
{
    int status = host_prepare(argc, argv);
    return status < 0 ? tap_main() : status;
}
