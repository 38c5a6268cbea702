/* The limits a worker sets for itself. */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "jail/cgroup.h"
#include "jail/internal.h"
#include "tap.h"

#define MIB (UINT64_C(1) << 20)

static uint64_t truth(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    REQUIRE(f && fscanf(f, "%lu", &pages) == 1);
    fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The sanitizer's shadow takes terabytes of address space. */
#ifdef __SANITIZE_ADDRESS__
#define NEEDS_PLAIN_MEMORY() SKIP("AddressSanitizer")
#else
#define NEEDS_PLAIN_MEMORY() (void)0
#endif

static void measures_well(void)
{
    uint64_t real = truth(), found = jail_address_space();
    if (found < real || found > real + MIB)
        printf("# %llu, found %llu\n", (unsigned long long)real, (unsigned long long)found);
    CHECK(found + 64 * 1024 >= real); /* stdio's buffer has come and gone in between */
    CHECK(found <= real + 128 * 1024);
}

TEST(the_address_space_is_found_from_below_and_from_above)
{
    measures_well();
    measures_well();
    void *large = mmap(NULL, 700 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(large != MAP_FAILED);
    measures_well();
    void *small = mmap(NULL, 100 * 1024, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    measures_well();
    munmap(large, 700 * MIB);
    measures_well();
    munmap(small, 100 * 1024);
    measures_well();
}

TEST(searching_leaves_the_limit_as_it_was)
{
    NEEDS_PLAIN_MEMORY();
    struct rlimit before = {300 * MIB, 400 * MIB}, after;
    REQUIRE(setrlimit(RLIMIT_AS, &before) == 0);
    CHECK(jail_address_space() < 300 * MIB);
    REQUIRE(getrlimit(RLIMIT_AS, &after) == 0);
    CHECK(after.rlim_cur == before.rlim_cur && after.rlim_max == before.rlim_max);
}

static bool can_map(uint64_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return false;
    munmap(p, bytes);
    return true;
}

TEST(memory_is_limited_to_what_was_granted_and_can_be_relaxed_once)
{
    NEEDS_PLAIN_MEMORY();
    struct err err = ERR_INIT;
    REQUIRE(jail_limit_memory(jail_address_space(), 32 * MIB, &err) == 0);
    CHECK(can_map(31 * MIB));
    CHECK(!can_map(33 * MIB));
    jail_relax_memory();
    CHECK(can_map(40 * MIB));
    CHECK(!can_map(56 * MIB));
    struct rlimit l = {RLIM_INFINITY, RLIM_INFINITY};
    CHECK(geteuid() == 0 || setrlimit(RLIMIT_AS, &l) < 0);
}

TEST(absurd_memory_limits_are_refused)
{
    struct err err = ERR_INIT;
    CHECK(jail_limit_memory(UINT64_MAX - 10, 100, &err) < 0 && err.code == ERR_INVALID);
    CHECK(jail_limit_memory(0, UINT64_MAX, &err) < 0);
}

TEST(cpu_time_counts_from_now)
{
    struct err err = ERR_INIT;
    struct rlimit l;
    CHECK(jail_limit_cpu(0, &err) == 0);
    REQUIRE(getrlimit(RLIMIT_CPU, &l) == 0);
    CHECK(l.rlim_cur == RLIM_INFINITY);
    CHECK(jail_limit_cpu(1500, &err) == 0);
    REQUIRE(getrlimit(RLIMIT_CPU, &l) == 0);
    CHECK(l.rlim_cur == 2 && l.rlim_max == 2);
}

TEST(fixed_limits_hold_for_every_worker)
{
    struct jail j = {.isolation = ISOLATION_NAMESPACES};
    struct err err = ERR_INIT;
    REQUIRE(wall_limits(&j, &err) == 0);
    struct rlimit l;
    CHECK(getrlimit(RLIMIT_CORE, &l) == 0 && l.rlim_max == 0);
    CHECK(getrlimit(RLIMIT_FSIZE, &l) == 0 && l.rlim_max == 0);
    CHECK(getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_max == 64);
    CHECK(getrlimit(RLIMIT_MEMLOCK, &l) == 0 && l.rlim_max == 0);
    CHECK(getrlimit(RLIMIT_MSGQUEUE, &l) == 0 && l.rlim_max == 0);
}

/* ---- cgroup ----
 * A folder of plain files stands for cgroupfs: it shows what is written where, not what a kernel
 * makes of it. */

static char group[64];

static void put_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", group, name);
    FILE *f = fopen(path, "we");
    REQUIRE(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static const char *get_file(const char *name)
{
    static char text[128];
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", group, name);
    FILE *f = fopen(path, "re");
    REQUIRE(f);
    text[0] = '\0';
    (void)!fgets(text, sizeof(text), f);
    fclose(f);
    return text;
}

static void remove_group(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", group);
    CHECK(system(command) == 0);
}

static void make_group(void)
{
    snprintf(group, sizeof(group), "/tmp/vivarium-cgroup-XXXXXX");
    REQUIRE(mkdtemp(group));
    put_file("cgroup.controllers", "pids memory");
    put_file("cgroup.subtree_control", "");
}

TEST(a_cgroup_leaf_is_limited_before_the_zygote_enters_it)
{
    make_group();
    char leaf[128];
    snprintf(leaf, sizeof(leaf), "%s/vivarium-zygote-7", group);
    REQUIRE(mkdir(leaf, 0755) == 0);
    put_file("vivarium-zygote-7/pids.max", "max");
    put_file("vivarium-zygote-7/memory.max", "max");
    put_file("vivarium-zygote-7/cgroup.procs", "");
    struct err err = ERR_INIT;
    CHECK(cgroup_enter(group, 7, &err) == 0);
    CHECK(atoi(get_file("vivarium-zygote-7/pids.max")) > 0);
    CHECK(atoll(get_file("vivarium-zygote-7/memory.max")) > 0);
    CHECK_STR(get_file("vivarium-zygote-7/cgroup.procs"), "0");
    remove_group();
}

TEST(a_cgroup_without_the_pids_controller_is_refused_with_a_remedy)
{
    make_group();
    char path[128];
    snprintf(path, sizeof(path), "%s/cgroup.subtree_control", group);
    REQUIRE(unlink(path) == 0);
    struct err err = ERR_INIT;
    CHECK(cgroup_enter(group, 7, &err) < 0);
    CHECK(strstr(err.text, "pids") && strstr(err.text, "Delegate="));
    snprintf(path, sizeof(path), "%s/vivarium-zygote-7", group);
    CHECK(access(path, F_OK) < 0);
    remove_group();
}

int main(void)
{
    return tap_main();
}
