/* The two seccomp programs, run here in a small interpreter of classic BPF over every call number
 * and a corpus of arguments, against what the tables say in plain C. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "catalog/notified.h"
#include "jail/filter.h"
#include "jail/internal.h"
#include "tap.h"

#ifdef __x86_64__
#define ARCH         AUDIT_ARCH_X86_64
#define FOREIGN_ARCH AUDIT_ARCH_I386
#else
#define ARCH         AUDIT_ARCH_AARCH64
#define FOREIGN_ARCH AUDIT_ARCH_ARM
#endif
#define MAX_NR 600
/* libc's fork(), and its thread creation. */
#define FORK_FLAGS   ((uint64_t)(CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD))
#define THREAD_FLAGS UINT64_C(0x3d0f00)

static uint32_t run(const struct jail_filter *f, const struct seccomp_data *d)
{
    uint32_t a = 0, word;
    for (size_t pc = 0; pc < f->len; pc++) {
        const struct sock_filter *in = &f->insns[pc];
        switch (in->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            memcpy(&word, (const char *)d + in->k, sizeof(word));
            a = word;
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= in->k;
            break;
        case BPF_JMP | BPF_JA:
            pc += in->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += a == in->k ? in->jt : in->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            pc += a >= in->k ? in->jt : in->jf;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            pc += a > in->k ? in->jt : in->jf;
            break;
        case BPF_RET | BPF_K:
            return in->k;
        default:
            printf("# instruction %#x\n", in->code);
            REQUIRE(!"known instruction");
        }
    }
    REQUIRE(!"ends with a return");
    return 0;
}

static bool holds(const struct filter_arg *a, const uint64_t args[6], enum isolation isolation)
{
    uint64_t value = a->value;
    if (value == FILTER_SELF_PID && isolation == ISOLATION_NAMESPACES)
        value = 1;
    return a->test == ARG_IS ? args[a->index] == value : (args[a->index] & a->mask) == a->value;
}

/* What rules.c says about a call. */
static uint32_t by_table(enum isolation isolation, int nr, const uint64_t args[6])
{
    for (size_t i = 0; i < filter_rules_len; i++) {
        const struct filter_rule *r = &filter_rules[i];
        if (seccomp_syscall_resolve_name(r->name) != nr ||
            (r->namespaces_only && isolation != ISOLATION_NAMESPACES))
            continue;
        bool all = true;
        for (unsigned k = 0; k < FILTER_MAX_ARGS && r->args[k].test; k++)
            all = all && holds(&r->args[k], args, isolation);
        if (all)
            return r->error ? SECCOMP_RET_ERRNO | (uint32_t)r->error : SECCOMP_RET_ALLOW;
    }
    return SECCOMP_RET_ERRNO | EPERM;
}

/* Values that differ from each other in what a filter could get wrong. */
static uint64_t corpus[600];
static size_t corpus_len;

static void add_around(uint64_t v)
{
    uint64_t near[] = {v, v + 1, v - 1, v | (UINT64_C(1) << 32), v | (UINT64_C(1) << 63), ~v};
    for (size_t i = 0; i < ARRAY_LEN(near) && corpus_len < ARRAY_LEN(corpus); i++) {
        bool have = false;
        for (size_t k = 0; k < corpus_len; k++)
            have = have || corpus[k] == near[i];
        if (!have)
            corpus[corpus_len++] = near[i];
    }
}

static void make_corpus(void)
{
    add_around(0);
    add_around(FORK_FLAGS);
    add_around(THREAD_FLAGS);
    add_around(CLONE_NEWPID);
    add_around(filter_zygote_unshare(ISOLATION_NAMESPACES));
    add_around(CLONE_THREAD);
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t one[] = {UINT64_C(1) << bit, FORK_FLAGS ^ (UINT64_C(1) << bit),
                          THREAD_FLAGS ^ (UINT64_C(1) << bit)};
        for (size_t i = 0; i < 3 && corpus_len < ARRAY_LEN(corpus); i++)
            corpus[corpus_len++] = one[i];
    }
    for (size_t i = 0; i < filter_rules_len; i++)
        for (unsigned k = 0; k < FILTER_MAX_ARGS; k++)
            if (filter_rules[i].args[k].test) {
                add_around(filter_rules[i].args[k].value);
                add_around(filter_rules[i].args[k].mask);
            }
    REQUIRE(corpus_len < ARRAY_LEN(corpus));
}

static struct jail_handover made; /* reachable to the end: no leak */

static void build(enum isolation isolation)
{
    struct err err = ERR_INIT;
    jail_handover_done(&made);
    REQUIRE(filter_build(isolation, &made, &err) == 0);
    REQUIRE(made.report.len > 0 && made.worker.len > 0 && made.worker_quiet.len > 0);
    make_corpus();
}

typedef void check_fn(enum isolation isolation, int nr, const struct seccomp_data *d);

/* Do the arguments of this call matter at all? Then neither program may ignore them. */
static bool is_judged(int nr)
{
    for (size_t i = 0; i < filter_rules_len; i++)
        if (filter_rules[i].args[0].test &&
            seccomp_syscall_resolve_name(filter_rules[i].name) == nr)
            return true;
    return nr == __NR_clone || nr == __NR_unshare || nr == __NR_setns;
}

/* Every call with every value in each of the first five arguments, and some in the others. */
static void for_all(enum isolation isolation, check_fn *check)
{
    for (int nr = 0; nr < MAX_NR; nr++) {
        if (!is_judged(nr)) {
            struct seccomp_data d = {.nr = nr, .arch = ARCH};
            check(isolation, nr, &d);
            continue;
        }
        for (unsigned arg = 0; arg < 5; arg++)
            for (size_t i = 0; i < corpus_len; i++)
                for (unsigned other = 0; other < 4; other++) {
                    static const uint64_t others[] = {0, 1, 2, 0x22};
                    struct seccomp_data d = {.nr = nr, .arch = ARCH};
                    for (unsigned k = 0; k < 6; k++)
                        d.args[k] = others[other];
                    d.args[arg] = corpus[i];
                    check(isolation, nr, &d);
                }
    }
}

static void against_table(enum isolation isolation, int nr, const struct seccomp_data *d)
{
    uint64_t args[6];
    memcpy(args, d->args, sizeof(args));
    uint32_t want = by_table(isolation, nr, args);
    uint32_t quiet = run(&made.worker_quiet, d);
    if (quiet != want) {
        printf("# call %d (%llx %llx %llx): %x, not %x\n", nr, (unsigned long long)args[0],
               (unsigned long long)args[1], (unsigned long long)args[2], quiet, want);
        REQUIRE(quiet == want);
    }
    uint32_t worker = run(&made.worker, d), report = run(&made.report, d);
    /* The stricter of the two counts: together they permit what the table permits, no more. */
    bool permitted = worker == SECCOMP_RET_ALLOW && report == SECCOMP_RET_ALLOW;
    if (permitted != (want == SECCOMP_RET_ALLOW)) {
        printf("# call %d (%llx %llx): worker %x, report %x, table %x\n", nr,
               (unsigned long long)args[0], (unsigned long long)args[1], worker, report, want);
        REQUIRE(!"agreement");
    }
    REQUIRE(report == SECCOMP_RET_ALLOW ||
            (report == SECCOMP_RET_USER_NOTIF && notified_call_find(nr)));
}

TEST(both_programs_together_permit_exactly_what_the_table_permits_in_namespaces)
{
    build(ISOLATION_NAMESPACES);
    for_all(ISOLATION_NAMESPACES, against_table);
}

TEST(both_programs_together_permit_exactly_what_the_table_permits_without_namespaces)
{
    build(ISOLATION_LANDLOCK);
    for_all(ISOLATION_LANDLOCK, against_table);
}

TEST(the_zygote_can_fork_and_nothing_it_needs_is_reported)
{
    enum isolation modes[] = {ISOLATION_NAMESPACES, ISOLATION_LANDLOCK};
    for (size_t i = 0; i < 2; i++) {
        build(modes[i]);
        struct seccomp_data fork = {.nr = __NR_clone, .arch = ARCH, .args = {FORK_FLAGS}};
        struct seccomp_data unshare = {
            .nr = __NR_unshare, .arch = ARCH, .args = {filter_zygote_unshare(modes[i])}};
        struct seccomp_data back = {.nr = __NR_setns, .arch = ARCH, .args = {200, CLONE_NEWPID}};
        CHECK(run(&made.report, &fork) == SECCOMP_RET_ALLOW);
        CHECK(run(&made.report, &unshare) == SECCOMP_RET_ALLOW);
        CHECK(run(&made.report, &back) == SECCOMP_RET_ALLOW);
        CHECK(run(&made.worker, &fork) == (SECCOMP_RET_ERRNO | EPERM));
        CHECK(run(&made.worker, &unshare) == (SECCOMP_RET_ERRNO | EPERM));
        CHECK(run(&made.worker, &back) == (SECCOMP_RET_ERRNO | EPERM));
    }
}

TEST(every_reported_call_reaches_the_report)
{
    build(ISOLATION_NAMESPACES);
    for (size_t i = 0; i < notified_calls_len; i++) {
        int nr = notified_calls[i].nr;
        struct seccomp_data d = {.nr = nr, .arch = ARCH};
        if (nr == __NR_clone)
            d.args[0] = CLONE_VFORK | CLONE_VM | SIGCHLD;
        CHECK(run(&made.worker, &d) == SECCOMP_RET_ALLOW);
        CHECK(run(&made.report, &d) == SECCOMP_RET_USER_NOTIF);
        CHECK(run(&made.worker_quiet, &d) == (SECCOMP_RET_ERRNO | EPERM));
    }
}

TEST(calls_by_the_numbers_of_another_architecture_do_not_exist)
{
    build(ISOLATION_NAMESPACES);
    for (int nr = 0; nr < MAX_NR; nr++) {
        struct seccomp_data foreign = {.nr = nr, .arch = FOREIGN_ARCH};
        CHECK(run(&made.worker, &foreign) == (SECCOMP_RET_ERRNO | ENOSYS));
        CHECK(run(&made.report, &foreign) == (SECCOMP_RET_ERRNO | ENOSYS));
#ifdef __x86_64__
        struct seccomp_data x32 = {.nr = nr | 0x40000000, .arch = ARCH};
        CHECK(run(&made.worker, &x32) == (SECCOMP_RET_ERRNO | ENOSYS));
#endif
    }
}

TEST(the_own_pid_is_filled_in_only_where_it_is_compared)
{
    build(ISOLATION_LANDLOCK);
    int places = 0;
    for (size_t i = 0; i < made.worker.len; i++)
        if (made.worker.insns[i].k == FILTER_SELF_PID) {
            CHECK(made.worker.insns[i].code == (BPF_JMP | BPF_JEQ | BPF_K));
            places++;
        }
    CHECK(places >= 1); /* kill and tgkill may share it */
    build(ISOLATION_NAMESPACES);
    for (size_t i = 0; i < made.worker.len; i++)
        CHECK(made.worker.insns[i].k != FILTER_SELF_PID);
}

TEST(the_table_of_reported_calls_has_words_for_each)
{
    for (size_t i = 0; i < notified_calls_len; i++) {
        CHECK(notified_calls[i].name && notified_calls[i].detail && notified_calls[i].remedy);
        CHECK(notified_call_find(notified_calls[i].nr) == &notified_calls[i]);
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, notified_calls[i].nr);
        CHECK_STR(name, notified_calls[i].name);
        free(name);
    }
    CHECK(!notified_call_find(-1));
}

int main(void)
{
    return tap_main();
}
