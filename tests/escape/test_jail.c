/* The jail, built for real around the stock interpreter, and harms tried inside it: with all walls,
 * and with the upper ones left out to see the lower ones hold alone. */
#include <signal.h>
#include <sys/syscall.h>

#include "host.h"
#include "tap.h"

static struct host host;
static struct guest_reply reply;

static void probe_is_clean(void)
{
    REQUIRE(host_ask(&host, GUEST_PROBE, WALLS_ALL, 0, NULL, &reply));
    char *rest = reply.text;
    int items = 0;
    for (char *line; (line = strsep(&rest, "\n")) && *line; items++)
        if (getenv("VERBOSE") || !strstr(line, "|held|"))
            printf("# %s\n", line);
    CHECK(reply.value == 0);
    CHECK(items > 100);
    CHECK(!strstr(reply.text, "BROKEN"));
}

TEST(the_self_test_finds_every_wall_in_namespaces)
{
    host_open(&host, ISOLATION_NAMESPACES);
    probe_is_clean();
    host_stop(&host);
}

TEST(the_self_test_finds_every_wall_that_landlock_leaves)
{
    host_open(&host, ISOLATION_LANDLOCK);
    probe_is_clean();
    host_stop(&host);
}

TEST(without_user_namespaces_auto_falls_back_to_landlock_and_says_why)
{
    host_forbid_namespaces();
    host_open(&host, ISOLATION_AUTO);
    REQUIRE(host_ask(&host, GUEST_PROBE, WALLS_ALL, 0, NULL, &reply));
    CHECK(!strstr(reply.text, "BROKEN"));
    CHECK(strstr(reply.text, "user namespaces are not available here"));
    host_stop(&host);
}

static void try_python(const char *program, const char *expected)
{
    REQUIRE(host_ask(&host, GUEST_PYTHON, WALLS_ALL, 0, program, &reply));
    if (strcmp(reply.text, expected) != 0)
        printf("# got: %s\n", reply.text);
    CHECK(reply.value == 0 && strcmp(reply.text, expected) == 0);
}

TEST(the_standard_library_works_behind_all_walls)
{
    static const char imports[] =
        "import importlib, sys, os\n"
        "bad = []\n"
        "names = [n for n in sys.stdlib_module_names if n not in ('antigravity', 'this', 'idlelib',"
        " 'msilib', 'winreg', 'winsound', 'nt', 'msvcrt', '_winapi', '_scproxy', '_overlapped',"
        " '_msi', 'ensurepip', 'venv', 'turtledemo', 'lib2to3')]\n"
        "for n in names:\n"
        "    try:\n"
        "        importlib.import_module(n)\n"
        "    except ModuleNotFoundError as e:\n"
        "        pass\n"
        "    except BaseException as e:\n"
        "        bad.append((n, str(e)))\n"
        "answer = (len([n for n in names if n in sys.modules]) > 230, bad)\n";
    host_open(&host, ISOLATION_NAMESPACES);
    try_python(imports, "(True, [])");
    host_stop(&host);
}

TEST(cost)
{
    host_open(&host, ISOLATION_NAMESPACES);
    for (unsigned w = 0; w <= WALLS_ALL; w = w * 2 + 1) {
        REQUIRE(host_ask(&host, GUEST_COST, w, 500, NULL, &reply));
        printf("# walls %u: %lld us: %s\n", w, (long long)reply.value / 1000, reply.text);
    }
    host_stop(&host);
}

int main(void)
{
    return tap_main();
}
