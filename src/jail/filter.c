/* The two seccomp programs, built by init with libseccomp and handed to the zygote as plain BPF.
 *
 *   report   installed once in the zygote and inherited by every worker. Permits everything but the
 *            calls of catalog/notified.h, which the kernel reports to the server; the server
 *            refuses them.
 *   worker   installed in each worker. Refuses (EPERM) everything but the calls of rules.c. The
 *            reported calls it must permit, since the kernel obeys the stricter of two filters and
 *            a refusal is stricter than a report. worker_quiet does not, for where nobody listens.
 *
 * The zygote itself must be able to fork and to make pid namespaces, so the report program lets
 * clone, unshare and setns through for exactly that and the worker program refuses exactly that:
 * for no arguments at all may both programs say yes. The unit test runs both over all flags.
 *
 * No ranges, only EQ, NE and MASKED_EQ: libseccomp before 2.6.1 joins 64-bit ranges wrongly. */
#include "jail/filter.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "catalog/notified.h"
#include "jail/internal.h"
#include "sys/fd.h"

static void release_context(scmp_filter_ctx *ctx)
{
    if (*ctx)
        seccomp_release(*ctx);
}
#define auto_ctx _cleanup_(release_context)

static int add(scmp_filter_ctx ctx, uint32_t action, int nr, const char *name, unsigned n,
               const struct scmp_arg_cmp *cmp, struct err *err)
{
    int r = seccomp_rule_add_array(ctx, action, nr, n, cmp);
    if (r < 0) {
        errno = -r;
        return err_set(err, ERR_SYS, "seccomp rule for %s", name);
    }
    return 0;
}

/* The reported calls. The zygote needs three of them for one purpose each, and with exactly these
 * arguments they are not reported. */
static int add_notified(scmp_filter_ctx ctx, uint32_t action, enum isolation isolation,
                        struct err *err)
{
    const struct scmp_arg_cmp vfork = {0, SCMP_CMP_MASKED_EQ, CLONE_VFORK, CLONE_VFORK};
    const struct scmp_arg_cmp user = {0, SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER};
    const struct scmp_arg_cmp unshare = {0, SCMP_CMP_NE, filter_zygote_unshare(isolation), 0};
    const struct scmp_arg_cmp setns = {1, SCMP_CMP_NE, CLONE_NEWPID, 0};
    for (size_t i = 0; i < notified_calls_len; i++) {
        const struct notified_call *c = &notified_calls[i];
        int r;
        if (c->nr == __NR_clone) {
            /* What posix_spawn does, and the way into all other namespaces. fork itself cannot be
             * told from the zygote's, so the worker's program refuses it without a report. */
            r = add(ctx, action, c->nr, c->name, 1, &vfork, err);
            r = r < 0 ? r : add(ctx, action, c->nr, c->name, 1, &user, err);
        } else if (c->nr == __NR_unshare) {
            r = add(ctx, action, c->nr, c->name, 1, &unshare, err);
        } else if (c->nr == __NR_setns) {
            r = add(ctx, action, c->nr, c->name, 1, &setns, err);
        } else {
            r = add(ctx, action, c->nr, c->name, 0, NULL, err);
        }
        if (r < 0)
            return -1;
    }
    return 0;
}

static int add_worker_rules(scmp_filter_ctx ctx, enum isolation isolation, struct err *err)
{
    for (size_t i = 0; i < filter_rules_len; i++) {
        const struct filter_rule *rule = &filter_rules[i];
        if (rule->namespaces_only && isolation != ISOLATION_NAMESPACES)
            continue;
        /* Older calls that this architecture does not have resolve to negative numbers. */
        int nr = seccomp_syscall_resolve_name(rule->name);
        if (nr < 0)
            continue;
        uint32_t action = rule->error ? SCMP_ACT_ERRNO((uint32_t)rule->error) : SCMP_ACT_ALLOW;
        struct scmp_arg_cmp cmp[FILTER_MAX_ARGS];
        unsigned n = 0;
        for (; n < FILTER_MAX_ARGS && rule->args[n].test; n++) {
            const struct filter_arg *a = &rule->args[n];
            uint64_t value = a->value;
            if (value == FILTER_SELF_PID && isolation == ISOLATION_NAMESPACES)
                value = 1;
            cmp[n] = a->test == ARG_IS
                         ? (struct scmp_arg_cmp){a->index, SCMP_CMP_EQ, value, 0}
                         : (struct scmp_arg_cmp){a->index, SCMP_CMP_MASKED_EQ, a->mask, value};
        }
        if (add(ctx, action, nr, rule->name, n, cmp, err) < 0)
            return -1;
    }
    return 0;
}

/* The program as the kernel wants it. libseccomp 2.5 can only write it to a descriptor. */
static int export_program(scmp_filter_ctx ctx, struct jail_filter *ret, struct err *err)
{
    auto_close int fd = -1;
    if (memfd_new("seccomp", NULL, 0, false, &fd, err) < 0)
        return -1;
    int r = seccomp_export_bpf(ctx, fd);
    if (r < 0) {
        errno = -r;
        return err_set(err, ERR_SYS, "export a seccomp program");
    }
    off_t size = lseek(fd, 0, SEEK_END);
    if (size <= 0 || (size_t)size % sizeof(struct sock_filter) != 0 ||
        (size_t)size / sizeof(struct sock_filter) > BPF_MAXINSNS)
        return err_set(err, ERR_INTERNAL, "a seccomp program of %lld bytes", (long long)size);
    auto_free struct sock_filter *insns = malloc((size_t)size);
    if (!insns)
        return err_nomem(err);
    if (pread(fd, insns, (size_t)size, 0) != size)
        return err_set(err, ERR_SYS, "read a seccomp program");
    ret->len = (size_t)size / sizeof(struct sock_filter);
    ret->insns = take_ptr(insns);
    return 0;
}

static int new_context(uint32_t default_action, scmp_filter_ctx *ret, struct err *err)
{
    scmp_filter_ctx ctx = seccomp_init(default_action);
    if (!ctx)
        return err_nomem(err);
    /* Calls by another architecture's numbers (int 0x80, x32) would pass by rules written in ours:
     * there are none for them. Not a kill, so that the self-test can try. */
    int r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
    /* A binary tree instead of a list: when it loads a program the kernel runs it once for every
     * call number there is, which is most of what loading costs. */
    if (r == 0)
        r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (r < 0) {
        seccomp_release(ctx);
        errno = -r;
        return err_set(err, ERR_SYS, "seccomp attributes");
    }
    *ret = ctx;
    return 0;
}

static int build_report(enum isolation isolation, struct jail_filter *ret, struct err *err)
{
    auto_ctx scmp_filter_ctx ctx = NULL;
    if (new_context(SCMP_ACT_ALLOW, &ctx, err) < 0 ||
        add_notified(ctx, SCMP_ACT_NOTIFY, isolation, err) < 0)
        return -1;
    return export_program(ctx, ret, err);
}

static int build_worker(enum isolation isolation, bool reporting, struct jail_filter *ret,
                        struct err *err)
{
    auto_ctx scmp_filter_ctx ctx = NULL;
    if (new_context(SCMP_ACT_ERRNO(EPERM), &ctx, err) < 0 ||
        add_worker_rules(ctx, isolation, err) < 0 ||
        (reporting && add_notified(ctx, SCMP_ACT_ALLOW, isolation, err) < 0))
        return -1;
    return export_program(ctx, ret, err);
}

int filter_build(enum isolation isolation, struct jail_handover *h, struct err *err)
{
    struct err why = ERR_INIT;
    if (build_worker(isolation, false, &h->worker_quiet, err) < 0)
        return -1;
    /* libseccomp refuses NOTIFY on kernels that do not have it: then nothing is reported. */
    if (build_report(isolation, &h->report, &why) < 0) {
        h->report = (struct jail_filter){0};
        return 0;
    }
    return build_worker(isolation, true, &h->worker, err);
}
