/* Landlock (Linux 5.13 and later), raw: libc has no wrappers and distributions' headers lag behind
 * their kernels, so the constants are given here (include/uapi/linux/landlock.h). */
#ifndef SYS_LANDLOCK_H
#define SYS_LANDLOCK_H

#include <stdint.h>

#include "base/err.h"

#define LL_FS_EXECUTE    (UINT64_C(1) << 0)
#define LL_FS_WRITE_FILE (UINT64_C(1) << 1)
#define LL_FS_READ_FILE  (UINT64_C(1) << 2)
#define LL_FS_READ_DIR   (UINT64_C(1) << 3)
#define LL_FS_ABI1       ((UINT64_C(1) << 13) - 1) /* EXECUTE … MAKE_SYM */
#define LL_FS_REFER      (UINT64_C(1) << 13)       /* ABI 2 */
#define LL_FS_TRUNCATE   (UINT64_C(1) << 14)       /* ABI 3 */
#define LL_FS_IOCTL_DEV  (UINT64_C(1) << 15)       /* ABI 5 */

#define LL_NET_BIND_TCP    (UINT64_C(1) << 0) /* ABI 4 */
#define LL_NET_CONNECT_TCP (UINT64_C(1) << 1)

#define LL_SCOPE_ABSTRACT_UNIX (UINT64_C(1) << 0) /* ABI 6 */
#define LL_SCOPE_SIGNAL        (UINT64_C(1) << 1)

#define LL_RESTRICT_LOG_SAME_EXEC_OFF (1u << 0) /* ABI 7 */

/* The kernel's Landlock ABI, 0 when there is none (not built in, or switched off at boot). */
int landlock_abi(void);
/* A ruleset that handles the given access rights. The caller's to close. */
int landlock_create(uint64_t fs, uint64_t net, uint64_t scoped, int *ret_fd, struct err *err);
/* Grant @access below @path_fd (may be O_PATH). */
int landlock_allow(int ruleset_fd, int path_fd, uint64_t access, struct err *err);
/* Confine the calling thread and all it creates, for good. Needs no_new_privs. */
int landlock_restrict(int ruleset_fd, uint32_t flags, struct err *err);

#endif
