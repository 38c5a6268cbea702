/* The jail, built for real around the stock interpreter, and harms tried inside it: with all walls,
 * and with some left out to see the others hold alone. */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host.h"
#include "tap.h"

static struct host host;
static struct guest_reply reply;

/* ---- the self-test ---- */

static void probe_is_clean(void)
{
    REQUIRE(host_ask(&host, GUEST_PROBE, WALLS_ALL, 0, NULL, &reply));
    char *rest = reply.text;
    int items = 0;
    for (char *line; (line = strsep(&rest, "\n")) && *line; items++) {
        if (getenv("VERBOSE") || !strstr(line, "|held|"))
            printf("# %s\n", line);
        CHECK(!strstr(line, "|BROKEN|"));
    }
    CHECK(reply.value == 0);
    CHECK(items > 100);
}

TEST(the_self_test_finds_every_wall_in_namespaces)
{
    host_open(&host, ISOLATION_NAMESPACES, false);
    probe_is_clean();
    host_stop(&host);
}

TEST(the_self_test_finds_every_wall_that_landlock_leaves)
{
    host_open(&host, ISOLATION_LANDLOCK, false);
    probe_is_clean();
    host_stop(&host);
}

TEST(the_self_test_holds_without_notifications_too)
{
    host_open(&host, ISOLATION_NAMESPACES, true);
    REQUIRE(host_ask(&host, GUEST_PROBE, WALLS_ALL, 0, NULL, &reply));
    CHECK(!strstr(reply.text, "|BROKEN|"));
    CHECK(strstr(reply.text, "refused calls are reported|absent"));
    host_stop(&host);
}

/* ---- where namespaces are forbidden ---- */

static void auto_falls_back(enum forbid how)
{
    host_forbid_namespaces(how);
    host_open(&host, ISOLATION_AUTO, false);
    REQUIRE(host_ask(&host, GUEST_PROBE, WALLS_ALL, 0, NULL, &reply));
    CHECK(!strstr(reply.text, "|BROKEN|"));
    CHECK(strstr(reply.text, "user namespaces are not available here"));
    host_stop(&host);
}

TEST(auto_falls_back_to_landlock_and_says_why_where_a_container_forbids_namespaces)
{
    auto_falls_back(FORBID_BY_FILTER);
}

TEST(auto_falls_back_to_landlock_and_says_why_where_the_administrator_forbids_namespaces)
{
    if (geteuid() == 0)
        SKIP("as root the limit would be the whole machine's");
    auto_falls_back(FORBID_BY_LIMIT);
}

TEST(namespaces_are_refused_and_not_replaced_when_they_were_asked_for)
{
    host_forbid_namespaces(FORBID_BY_FILTER);
    host_start(&host);
    CHECK(!host_launch(&host, ISOLATION_NAMESPACES, NULL));
    CHECK(strstr(host.failure, "SANDBOX_ISOLATION=namespaces"));
    host_stop(&host);
}

TEST(without_namespaces_and_landlock_nothing_is_started_and_the_text_says_what_to_enable)
{
    host_forbid_namespaces(FORBID_BY_FILTER);
    host_forbid_landlock();
    host_start(&host);
    CHECK(!host_launch(&host, ISOLATION_AUTO, NULL));
    CHECK(strstr(host.failure, "needs Landlock"));
    host_stop(&host);
}

TEST(without_landlock_namespaces_hold_and_its_absence_is_said)
{
    host_forbid_landlock();
    host_open(&host, ISOLATION_NAMESPACES, false);
    REQUIRE(host_ask(&host, GUEST_PROBE, WALLS_ALL, 0, NULL, &reply));
    CHECK(!strstr(reply.text, "|BROKEN|"));
    CHECK(strstr(reply.text, "only Landlock protects|absent|this kernel has no Landlock"));
    host_stop(&host);
}

TEST(under_an_outer_listener_calls_are_refused_without_a_report)
{
    host_hold_listener();
    host_open(&host, ISOLATION_NAMESPACES, false);
    CHECK(host.listener_fd == -1);
    REQUIRE(host_ask(&host, GUEST_PROBE, WALLS_ALL, 0, NULL, &reply));
    CHECK(!strstr(reply.text, "|BROKEN|"));
    CHECK(strstr(reply.text, "refused calls are reported|absent"));
    host_stop(&host);
}

/* ---- real harms, wall by wall ---- */

/* Isolation and walls of one run of the harms. */
enum {
    NS_ALL = 1 << 0,
    NS_LOWER = 1 << 1, /* no seccomp: namespaces, root, Landlock, limits, capabilities */
    NS_ALONE = 1 << 2, /* namespaces and root, and nothing held: no seccomp, no Landlock */
    LL_ALL = 1 << 3,
    LL_LOWER = 1 << 4, /* Landlock and limits alone */
    SECCOMP_ALONE = 1 << 5,
    EVERYWHERE = 63,
};
static const struct {
    unsigned bit;
    const char *name;
    enum isolation isolation;
    uint32_t walls;
} settings[] = {
    {NS_ALL, "namespaces, all walls", ISOLATION_NAMESPACES, WALLS_ALL},
    {NS_LOWER, "namespaces without seccomp", ISOLATION_NAMESPACES, WALLS_ALL & ~WALL_SECCOMP},
    {NS_ALONE, "namespaces alone", ISOLATION_NAMESPACES, WALL_TIES | WALL_CAPABILITIES},
    {LL_ALL, "landlock, all walls", ISOLATION_LANDLOCK, WALLS_ALL},
    {LL_LOWER, "landlock without seccomp", ISOLATION_LANDLOCK, WALLS_ALL & ~WALL_SECCOMP},
    {SECCOMP_ALONE, "seccomp alone", ISOLATION_LANDLOCK, WALL_TIES | WALL_SECCOMP},
};
#define ALL_WALLS  (NS_ALL | LL_ALL)
#define BY_FILTER  (ALL_WALLS | SECCOMP_ALONE)
#define BY_ROOT    (NS_ALL | NS_LOWER | NS_ALONE)
#define BY_RULESET (NS_ALL | NS_LOWER | LL_ALL | LL_LOWER)

/* In which settings each harm must be prevented. A bit that is missing is a wall that does not
 * cover it, which is why there are others. */
static const struct {
    const char *harm;
    unsigned held;
} expected[] = {
    {"read_passwd", BY_ROOT | BY_RULESET},
    {"read_through_proc_root", BY_ROOT | BY_RULESET},
    {"read_past_dotdot", BY_ROOT | BY_RULESET},
    {"stat_passwd", BY_ROOT}, /* Landlock does not judge stat: said openly */
    {"read_host_root_by_handle", EVERYWHERE},
    {"write_canary", EVERYWHERE},
    {"remount_writable", EVERYWHERE},
    {"mount_tmpfs", EVERYWHERE},
    {"mount_proc", EVERYWHERE},
    {"chroot_elsewhere", EVERYWHERE},
    {"change_mode", EVERYWHERE & ~LL_LOWER}, /* by who owns /tmp there */
    {"connect_tcp", EVERYWHERE},
    {"listen_tcp", BY_RULESET | BY_FILTER},
    {"send_udp", BY_ROOT | BY_FILTER},
    {"connect_abstract", EVERYWHERE},
    {"fork_bomb", BY_FILTER},
    {"execute_python", BY_RULESET | BY_FILTER},
    {"kill_victim", EVERYWHERE},
    {"kill_group", EVERYWHERE},
    {"kill_everything", EVERYWHERE & ~LL_LOWER}, /* kill(-1) succeeds even if it reaches nobody */
    {"trace_victim", EVERYWHERE},
    {"read_victims_memory", EVERYWHERE},
    {"limit_victim", BY_ROOT | BY_FILTER},
    {"renice_victim", BY_ROOT | BY_FILTER},
    {"new_user_namespace", BY_ROOT | BY_FILTER},
    {"new_pid_namespace", EVERYWHERE},
    {"set_host_name", EVERYWHERE},
    {"run_written_code", BY_FILTER},
    {"share_memory", BY_FILTER},
    {"memory_file_code", BY_FILTER},
    {"use_io_uring", BY_FILTER},
    {"regain_capabilities", EVERYWHERE},
    {"outlive_zygote", BY_FILTER},
    {"use_inherited_descriptor", EVERYWHERE},
    {"allocate_far_too_much", EVERYWHERE},
};

static void harms_are_prevented(unsigned bit)
{
    size_t k = 0;
    while (settings[k].bit != bit)
        k++;
    host_open(&host, settings[k].isolation, settings[k].walls != WALLS_ALL);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        if (!(expected[i].held & bit))
            continue;
        if (!host_ask(&host, GUEST_TRY, settings[k].walls, 0, expected[i].harm, &reply)) {
            printf("# %s: %s: the zygote is dead\n", settings[k].name, expected[i].harm);
            REQUIRE(!"alive");
        }
        if (reply.value != -1 || getenv("VERBOSE"))
            printf("# %s: %s: %lld %s\n", settings[k].name, expected[i].harm,
                   (long long)reply.value, reply.text);
        CHECK(reply.value == -1);
    }
    CHECK(access("/tmp/vivarium-canary", F_OK) < 0);
    host_stop(&host);
}

TEST(all_walls_prevent_every_harm)
{
    harms_are_prevented(NS_ALL);
}
TEST(without_seccomp_the_lower_walls_hold)
{
    harms_are_prevented(NS_LOWER);
}
TEST(namespaces_and_root_hold_alone)
{
    harms_are_prevented(NS_ALONE);
}
TEST(all_walls_of_landlock_mode_prevent_every_harm_but_stat)
{
    harms_are_prevented(LL_ALL);
}
TEST(landlock_holds_alone)
{
    harms_are_prevented(LL_LOWER);
}
TEST(seccomp_holds_alone)
{
    harms_are_prevented(SECCOMP_ALONE);
}

TEST(the_harms_are_real_where_no_wall_is_in_the_way)
{
    static const char *const real[] = {
        "read_passwd",      "write_canary",     "fork_bomb",    "execute_python", "limit_victim",
        "run_written_code", "memory_file_code", "share_memory", "listen_tcp",     "connect_tcp"};
    unlink("/tmp/vivarium-canary");
    host_open(&host, ISOLATION_LANDLOCK, true);
    for (size_t i = 0; i < sizeof(real) / sizeof(real[0]); i++) {
        REQUIRE(host_ask(&host, GUEST_TRY, 0, 0, real[i], &reply));
        if (reply.value < 0)
            printf("# %s: %s\n", real[i], reply.text);
        CHECK(reply.value >= 0);
    }
    CHECK(unlink("/tmp/vivarium-canary") == 0);
    REQUIRE(host_ask(&host, GUEST_TRY, 0, 0, "kill_victim", &reply));
    CHECK(reply.value == 1);
    host_stop(&host);
}

TEST(refused_calls_are_reported)
{
    host_open(&host, ISOLATION_NAMESPACES, false);
    REQUIRE(host_ask(&host, GUEST_TRY, WALLS_ALL, 0, "connect_tcp", &reply));
    CHECK(host_notified(SYS_socket) == 1);
    REQUIRE(host_ask(&host, GUEST_TRY, WALLS_ALL, 0, "execute_python", &reply));
    CHECK(host_notified(SYS_clone) == 1);
    REQUIRE(host_ask(&host, GUEST_TRY, WALLS_ALL, 0, "new_user_namespace", &reply));
    CHECK(host_notified(SYS_unshare) == 1);
    host_stop(&host);
}

/* ---- what must work ---- */

static void python(const char *program, const char *answer)
{
    REQUIRE(host_ask(&host, GUEST_PYTHON, WALLS_ALL, 0, program, &reply));
    if (strcmp(reply.text, answer) != 0)
        printf("# got: %s\n", reply.text);
    CHECK(reply.value == 0 && strcmp(reply.text, answer) == 0);
}

static const char imports[] = "import importlib, sys\n"
                              "bad = []\n"
                              "names = [n for n in sorted(sys.stdlib_module_names) if n not in "
                              "('antigravity', 'this', 'idlelib', 'turtle', '_ios_support')]\n"
                              "for n in names:\n"
                              "    try:\n"
                              "        importlib.import_module(n)\n"
                              "    except ModuleNotFoundError:\n"
                              "        pass\n"
                              "    except BaseException as e:\n"
                              "        bad.append((n, str(e)))\n"
                              "answer = (len([n for n in names if n in sys.modules]) > 230, bad)\n";

static const char events[] = "import asyncio\n"
                             "async def one(n):\n"
                             "    await asyncio.sleep(0.01)\n"
                             "    return n + await asyncio.to_thread(lambda: n)\n"
                             "async def main():\n"
                             "    return sum(await asyncio.gather(*[one(i) for i in range(10)]))\n"
                             "answer = asyncio.run(main())\n";

static const char threads[] =
    "import threading, time, queue\n"
    "q = queue.Queue()\n"
    "ts = [threading.Thread(target=lambda i=i: (time.sleep(0.01), q.put(i))) for i in range(8)]\n"
    "[t.start() for t in ts]\n"
    "[t.join() for t in ts]\n"
    "answer = sum(q.get() for _ in ts)\n";

static const char zones[] =
    "import zoneinfo, datetime\n"
    "d = datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo('Asia/Tokyo'))\n"
    "answer = d.utcoffset()\n";

static const char randomness[] = "import ssl, secrets, os, uuid\n"
                                 "answer = len({ssl.RAND_bytes(8), secrets.token_bytes(8), "
                                 "os.urandom(8), uuid.uuid4().bytes})\n";

static void good_faith_works(enum isolation isolation)
{
    host_open(&host, isolation, false);
    python(imports, "(True, [])");
    python(events, "90");
    python(threads, "28");
    python(randomness, "4");
    if (access("/usr/share/zoneinfo/Asia/Tokyo", R_OK) == 0)
        python(zones, "9:00:00");
    for (int nr = 0; nr < 1024; nr++) {
        if (host_notified(nr))
            printf("# call %d was reported\n", nr);
        CHECK(host_notified(nr) == 0 || nr == SYS_socket);
    }
    host_stop(&host);
}

TEST(the_standard_library_threads_and_asyncio_work_in_namespaces)
{
    good_faith_works(ISOLATION_NAMESPACES);
}

TEST(the_standard_library_threads_and_asyncio_work_with_landlock)
{
    good_faith_works(ISOLATION_LANDLOCK);
}

TEST(the_root_shows_nothing_but_what_the_interpreter_needs)
{
    host_open(&host, ISOLATION_NAMESPACES, true);
    /* Without Landlock, or the root folder could not be listed. */
    REQUIRE(host_ask(&host, GUEST_PYTHON, WALL_TIES, 0,
                     "import os\n"
                     "answer = sorted(set(os.listdir('/')) - {'lib', 'lib64', 'usr', 'landlock', "
                     "'vivarium', 'etc'}), sorted(os.listdir('/usr')), os.listdir('/usr/bin'), "
                     "len(os.listdir('/usr/share')), os.listdir('/etc') if os.path.exists('/etc') "
                     "else []\n",
                     &reply));
    printf("# %s\n", reply.text);
    CHECK(reply.value == 0);
    CHECK(strncmp(reply.text, "([], ", 5) == 0);
    CHECK(strstr(reply.text, "['python" PYTHON_VERSION "']"));
    host_stop(&host);
}

TEST(workers_cost_little)
{
    host_open(&host, ISOLATION_NAMESPACES, false);
    for (unsigned w = 0; w <= WALLS_ALL; w = w * 2 + 1) {
        REQUIRE(host_ask(&host, GUEST_COST, w, 200, NULL, &reply));
        printf("# walls %u: %lld us: %s\n", w, (long long)reply.value / 1000, reply.text);
    }
    /* Not a benchmark: an order of magnitude, on a machine that may be busy. */
    CHECK(reply.value > 0 && reply.value < 10000000);
    host_stop(&host);
}

int main(int argc, char **argv)
{
    int status = host_prepare(argc, argv);
    return status < 0 ? tap_main() : status;
}
