/* The root file system of the jail: a small read-only tmpfs with read-only copies of single host
 * mounts in it. First everything is collected, then root_enter() makes it the root. */
#ifndef JAIL_ROOT_H
#define JAIL_ROOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct root_item {
    int fd;       /* detached mount, owned */
    char *inside; /* path without leading slash, owned */
};
struct root {
    int fd; /* detached tmpfs */
    struct root_item *items;
    size_t len, cap;
    struct strv folders; /* inside paths that are bound as a whole */
};
#define ROOT_INIT                                                                                  \
    {                                                                                              \
        .fd = -1                                                                                   \
    }
void root_done(struct root *r);

int root_begin(struct root *r, struct err *err);
/* Show the host's file or folder @host as @inside (absolute); @noexec: nothing in it can be mapped
 * executable. */
int root_show_as(struct root *r, const char *host, const char *inside, bool noexec,
                 struct err *err);
/* Show @host at its own path; symbolic links on the way are made again inside. Nothing happens when
 * a folder shown before contains it. */
int root_show(struct root *r, const char *host, bool noexec, struct err *err);
/* Cover the folder @inside, which lies in one shown before, with an empty one. */
int root_hide(struct root *r, const char *inside, struct err *err);
/* An empty read-only file. */
int root_make_file(struct root *r, const char *inside, struct err *err);
/* Pivot. The host is gone afterwards. */
int root_enter(struct root *r, struct err *err);

#endif
