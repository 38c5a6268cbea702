/* The start-up self-test: runs in a worker behind all its walls and tries what must fail. A wall
 * counts as held only when an attempt to break it was really made and really refused; an attempt
 * that fails for another reason counts as a breach, because it got past the wall. What the filter
 * makes unreachable from here (the network namespace, capabilities) was tried on the way in, before
 * the filter, by the same process or by the zygote, and is reported here. */
#include "jail/probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static int report(struct msg_proof *proof, const char *layer, const char *name,
                  enum proof_state state, struct err *err, const char *fmt, ...) _printf_(6, 7);

static int report(struct msg_proof *proof, const char *layer, const char *name,
                  enum proof_state state, struct err *err, const char *fmt, ...)
{
    if (proof->len == MSG_MAX_PROOF)
        return err_set(err, ERR_INTERNAL, "the self-test has too many items");
    struct msg_proof_item *items =
        reallocarray(proof->items, proof->len + 1, sizeof(*proof->items));
    if (!items)
        return err_nomem(err);
    proof->items = items;
    char *detail = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&detail, fmt, ap) < 0)
        detail = NULL;
    va_end(ap);
    struct msg_proof_item item = {strdup(layer), strdup(name), (uint8_t)state, detail};
    items[proof->len++] = item;
    return item.layer && item.name && detail ? 0 : err_nomem(err);
}

static bool is_refusal(enum refusal held, int error)
{
    static const struct {
        enum refusal kind;
        int errors[6];
    } table[] = {
        {REFUSED_CALL, {EPERM, ENOSYS, EACCES}},
        {REFUSED_FILE, {ENOENT, EACCES, EPERM, EROFS, ENOTDIR}},
        {REFUSED_ACCESS, {EACCES}},
        {REFUSED_LIMIT, {ENOMEM, EMFILE, EAGAIN, EPERM}},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        for (size_t k = 0; k < ARRAY_LEN(table[i].errors); k++)
            if ((held & table[i].kind) && table[i].errors[k] && table[i].errors[k] == error)
                return true;
    return false;
}

static int run(const struct jail *j, const struct attempt *a, struct msg_proof *proof,
               struct err *err)
{
    if (a->held == REFUSED_ACCESS && j->landlock_abi == 0)
        return report(proof, a->layer, a->name, PROOF_ABSENT, err,
                      "this kernel has no Landlock, or has it switched off");
    errno = 0;
    long r = a->try(j);
    int error = errno;
    if (r < 0 && is_refusal(a->held, error))
        return report(proof, a->layer, a->name, PROOF_HELD, err, "%s", strerror(error));
    if (j->isolation != ISOLATION_NAMESPACES && a->absent_without_namespaces)
        return report(proof, a->layer, a->name, PROOF_ABSENT, err, "%s",
                      a->absent_without_namespaces);
    if (r < 0)
        return report(proof, a->layer, a->name, PROOF_BROKEN, err,
                      "it got past the wall and failed behind it: %s", strerror(error));
    return report(proof, a->layer, a->name, PROOF_BROKEN, err, "it worked");
}

static int run_all(const struct jail *j, const struct attempt *a, size_t n, struct msg_proof *proof,
                   struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (run(j, &a[i], proof, err) < 0)
            return -1;
    return 0;
}

/* A fact that can be looked at without trying anything. */
static int state(struct msg_proof *proof, const char *name, bool good, const char *detail,
                 struct err *err)
{
    return report(proof, "namespaces", name, good ? PROOF_HELD : PROOF_BROKEN, err, "%s", detail);
}

static int namespaces(const struct jail *j, struct msg_proof *proof, struct err *err)
{
    if (j->isolation != ISOLATION_NAMESPACES)
        return report(proof, "namespaces", "user, mount, network, IPC, UTS and pid namespaces",
                      PROOF_ABSENT, err, "%s", j->note[0] ? j->note : "not asked for");
    struct utsname uts;
    char text[200];
    snprintf(text, sizeof(text), "own pid %d, parent %d", getpid(), getppid());
    if (state(proof, "the program is alone in its pid namespace", getpid() == 1 && getppid() == 0,
              text, err) < 0)
        return -1;
    snprintf(text, sizeof(text), "uid %u, gid %u", getuid(), getgid());
    if (state(proof, "the program has no id of the host", getuid() != 0 && getgid() != 0, text,
              err) < 0)
        return -1;
    bool renamed = uname(&uts) == 0 && strcmp(uts.nodename, "vivarium") == 0;
    if (state(proof, "the host's name is not visible", renamed, uts.nodename, err) < 0)
        return -1;
    snprintf(text, sizeof(text), "connect to 192.0.2.1: %s", strerror(j->network_error));
    return state(proof, "the network namespace is empty", j->network_error == ENETUNREACH, text,
                 err);
}

static int others(const struct jail *j, struct msg_proof *proof, struct err *err)
{
    if (report(proof, "capabilities", "the program holds no capability",
               j->worker_caps == 0 ? PROOF_HELD : PROOF_BROKEN, err,
               "read just before the filter: %#llx", (unsigned long long)j->worker_caps) < 0)
        return -1;
    if (j->landlock_abi == 0)
        return 0; /* reported with the attempt that needs it */
    static const struct {
        int abi;
        const char *what;
    } later[] = {{3, "truncating files"},
                 {4, "TCP"},
                 {5, "device ioctls"},
                 {6, "signals and abstract sockets beyond the worker"}};
    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        if (j->landlock_abi < later[i].abi &&
            report(proof, "landlock", later[i].what, PROOF_ABSENT, err,
                   "needs Landlock ABI %d, this kernel has %d; the other walls cover it",
                   later[i].abi, j->landlock_abi) < 0)
            return -1;
    if (!j->reporting)
        return report(proof, "seccomp", "refused calls are reported", PROOF_ABSENT, err,
                      "an outer sandbox holds the only listener the kernel permits, or the kernel "
                      "has none: calls are refused without a report");
    return 0;
}

int jail_probe(const struct jail *j, struct msg_proof *ret, struct err *err)
{
    if (namespaces(j, ret, err) < 0 || others(j, ret, err) < 0 ||
        run_all(j, attempts_files, attempts_files_len, ret, err) < 0 ||
        run_all(j, attempts_calls, attempts_calls_len, ret, err) < 0)
        return -1;
    /* Last: these leave the process with little memory. */
    return run_all(j, attempts_limits, attempts_limits_len, ret, err);
}
