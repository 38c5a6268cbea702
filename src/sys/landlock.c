/* Landlock: see landlock.h. Used by zygote and worker. */
#include "sys/landlock.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same numbers on every architecture. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* ABI 4 */
    uint64_t scoped;             /* ABI 6 */
};
struct path_beneath_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));
#define RULE_PATH_BENEATH 1
#define CREATE_VERSION    1u

int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
    return abi < 0 ? 0 : (int)abi;
}

int landlock_create(uint64_t fs, uint64_t net, uint64_t scoped, int *ret_fd, struct err *err)
{
    struct ruleset_attr attr = {fs, net, scoped};
    /* An older kernel refuses a larger struct unless the rest is zero: it is then. */
    long fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (fd < 0)
        return err_set(err, ERR_SYS, "landlock_create_ruleset");
    *ret_fd = (int)fd;
    return 0;
}

int landlock_allow(int ruleset_fd, int path_fd, uint64_t access, struct err *err)
{
    struct path_beneath_attr attr = {.allowed_access = access, .parent_fd = path_fd};
    if (syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PATH_BENEATH, &attr, 0) < 0)
        return err_set(err, ERR_SYS, "landlock_add_rule");
    return 0;
}

int landlock_restrict(int ruleset_fd, uint32_t flags, struct err *err)
{
    if (syscall(SYS_landlock_restrict_self, ruleset_fd, flags) < 0)
        return err_set(err, ERR_SYS, "landlock_restrict_self");
    return 0;
}
