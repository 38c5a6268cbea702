/* Namespaces of the calling process. */
#ifndef SYS_NS_H
#define SYS_NS_H

#include <sys/types.h>

#include "base/err.h"

/* CLONE_NEW* flags. */
int ns_unshare(int flags, struct err *err);
/* Enter the namespaces in @flags of the process behind @pidfd. */
int ns_enter(int pidfd, int flags, struct err *err);
/* In a new user namespace: become @inside_uid and @inside_gid there, mapped to what we are outside
 * (@outside_*, from before). setgroups() is given up. Needs /proc of the host. */
int ns_map_ids(uid_t inside_uid, uid_t outside_uid, gid_t inside_gid, gid_t outside_gid,
               struct err *err);
/* In a user namespace of our own: no more namespaces of @kind ("user", "net" …: the files
 * max_KIND_namespaces of /proc/sys/user) below it, not even for who has capabilities in it. Needs
 * /proc of the host. */
int ns_forbid(const char *kind, struct err *err);
int ns_set_hostname(const char *name, struct err *err);

#endif
