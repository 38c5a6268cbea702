/* Capabilities: see cap.h. Used by init, zygote and worker. */
#include "sys/cap.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int cap_set(uint64_t keep, struct err *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    for (int i = 0; i < 2; i++) {
        uint32_t half = (uint32_t)(keep >> (32 * i));
        data[i].effective = data[i].permitted = data[i].inheritable = half;
    }
    if (syscall(SYS_capset, &head, data) < 0)
        return err_set(err, ERR_SYS, "capset");
    return 0;
}

int cap_get(uint64_t *ret_any, struct err *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &head, data) < 0)
        return err_set(err, ERR_SYS, "capget");
    uint64_t any = 0;
    for (int i = 0; i < 2; i++)
        any |= (uint64_t)(data[i].effective | data[i].permitted | data[i].inheritable) << (32 * i);
    *ret_any = any;
    return 0;
}

int cap_ambient(uint64_t keep, struct err *err)
{
    /* Only what is inheritable can be made ambient. */
    uint64_t have = 0;
    if (cap_get(&have, err) < 0 || (keep && cap_set(have, err) < 0))
        return -1;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return err_set(err, ERR_SYS, "clear ambient capabilities");
    for (unsigned long cap = 0; cap < 64; cap++)
        if ((keep & CAP_MASK(cap)) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
            return err_set(err, ERR_SYS, "raise ambient capability %lu", cap);
    return 0;
}

int cap_bound(uint64_t keep, struct err *err)
{
    for (unsigned long cap = 0; cap < 64; cap++) {
        if (keep & CAP_MASK(cap))
            continue;
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
            if (errno == EINVAL) /* past the last capability this kernel knows */
                return 0;
            return err_set(err, ERR_SYS, "drop capability %lu from the bounding set", cap);
        }
    }
    return 0;
}

int cap_lock_securebits(struct err *err)
{
    unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                         SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                         SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0)
        return err_set(err, ERR_SYS, "lock securebits");
    return 0;
}
