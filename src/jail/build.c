/* From a launch message to an interpreter inside the walls: see build.h. Runs in init (the keeper's
 * child) and in init's child, before anything hostile exists. Order matters: identity first, since
 * nothing can be made in a user namespace before it; then the survey, which needs the host; then
 * the root, after which the host is gone. */
#include "jail/build.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/profiles.h"
#include "jail/cgroup.h"
#include "jail/internal.h"
#include "jail/root.h"
#include "jail/survey.h"
#include "sys/fd.h"
#include "sys/landlock.h"
#include "sys/ns.h"
#include "sys/task.h"

/* Not 0: a program that prints it should not take itself for root. */
#define INSIDE_ID        1000
#define INSIDE_HOST_NAME "vivarium"
/* Paths of ours inside; neutral, so that no path of the host shows in a traceback. */
#define INSIDE_EXTENSION "/vivarium"
#define INSIDE_PACKAGES  "/packages"
#define ZONEINFO         "/usr/share/zoneinfo"

uint64_t jail_clone_flags(enum isolation isolation)
{
    if (isolation != ISOLATION_NAMESPACES)
        return 0;
    return CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID;
}

void jail_start_done(struct jail_start *s)
{
    free(s->python);
    free(s->extension_dir);
    free(s->library_path);
    fd_close(&s->null_fd);
    fd_close(&s->spec_fd);
    *s = (struct jail_start){.null_fd = -1, .spec_fd = -1};
}

/* Seccomp refuses these calls to the workers; this refuses them once more, since new user
 * namespaces are how kernel defects are reached. Pid namespaces stay possible, the zygote makes
 * them. A container may have /proc/sys read-only: then seccomp has to do. */
static void forbid_more_namespaces(void)
{
    static const char *const kinds[] = {"user", "net", "ipc", "uts", "cgroup", "time"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        (void)ns_forbid(kinds[i], NULL);
}

/* Failures in here mean that this machine does not let us have namespaces. */
static int become(const struct jail_request *req, struct err *err)
{
    /* /proc/self belongs to root otherwise, and the maps could not be written. */
    if (task_set_dumpable(true, err) < 0 ||
        ns_map_ids(INSIDE_ID, req->uid, INSIDE_ID, req->gid, err) < 0 ||
        ns_set_hostname(INSIDE_HOST_NAME, err) < 0)
        return -1;
    if (ns_unshare(CLONE_NEWCGROUP, err) < 0)
        return -1;
    forbid_more_namespaces();
    return 0;
}

static int unsupported(struct err *err)
{
    if (err)
        err->code = ERR_UNSUPPORTED;
    return -1;
}

/* Is @dir the default search path of the dynamic loader: /lib, /usr/lib64, /lib/TRIPLET …? */
static bool loader_default(const char *dir)
{
    if (str_starts(dir, "/usr/"))
        dir += 4;
    if (str_eq(dir, "/lib") || str_eq(dir, "/lib64"))
        return true;
    if (!str_starts(dir, "/lib/") || strchr(dir + 5, '/'))
        return false;
    return strstr(dir, "-linux-gnu") != NULL;
}

/* Inside there is no /etc/ld.so.cache, so folders that are not searched by default are named. */
static int make_library_path(const struct strv *libraries, char **ret, struct err *err)
{
    struct buf path = BUF_INIT(64 * 1024);
    struct strv seen = STRV_INIT;
    int r = 0;
    for (size_t i = 0; r == 0 && i < libraries->len; i++) {
        char dir[4096];
        snprintf(dir, sizeof(dir), "%s", libraries->items[i]);
        char *cut = strstr(dir, "/glibc-hwcaps/");
        cut = cut ? cut : strrchr(dir, '/');
        if (cut)
            *cut = '\0';
        if (loader_default(dir) || strv_has(&seen, dir))
            continue;
        r = strv_add(&seen, dir, err);
        r = r < 0 ? r : buf_addf(&path, err, "%s%s", path.len ? ":" : "LD_LIBRARY_PATH=", dir);
    }
    if (r == 0 && path.len && !(*ret = buf_take_str(&path)))
        r = err_nomem(err);
    strv_done(&seen);
    buf_done(&path);
    return r;
}

/* ---- namespaces: what is shown ---- */

/* Packages installed beside the standard library are shown only when python_path asks for them. */
static int hide_site_packages(struct root *root, const struct survey *s, struct err *err)
{
    static const char *const names[] = {"site-packages", "dist-packages"};
    for (size_t i = 0; i < s->stdlib.len; i++)
        for (size_t k = 0; k < ARRAY_LEN(names); k++) {
            char path[4096];
            struct stat st;
            if ((size_t)snprintf(path, sizeof(path), "%s/%s", s->stdlib.items[i], names[k]) >=
                sizeof(path))
                continue;
            if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && root_hide(root, path, err) < 0)
                return -1;
        }
    return 0;
}

static int show_all(struct root *root, const struct msg_launch *launch, const struct survey *s,
                    struct strv *packages, struct err *err)
{
    char path[4096];
    for (size_t i = 0; i < s->stdlib.len; i++)
        if (root_show(root, s->stdlib.items[i], false, err) < 0)
            return -1;
    if (hide_site_packages(root, s, err) < 0)
        return -1;
    for (size_t i = 0; i < launch->python_path.len; i++) {
        snprintf(path, sizeof(path), INSIDE_PACKAGES "/%zu", i);
        if (root_show_as(root, launch->python_path.items[i], path, false, err) < 0 ||
            strv_add(packages, path, err) < 0)
            return -1;
    }
    if (root_show(root, s->python, false, err) < 0)
        return -1;
    for (size_t i = 0; i < s->libraries.len; i++)
        if (root_show(root, s->libraries.items[i], false, err) < 0)
            return -1;
    snprintf(path, sizeof(path), INSIDE_EXTENSION "/%s", s->extension_name);
    if (root_show_as(root, s->extension, path, false, err) < 0)
        return -1;
    return access(ZONEINFO, R_OK) == 0 ? root_show(root, ZONEINFO, true, err) : 0;
}

/* Landlock on top: what is shown may be read, the root folder around it may not. */
static int list_shown(const struct root *root, struct strv *readable, struct err *err)
{
    for (size_t i = 0; i < root->len; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "/%s", root->items[i].inside);
        if (strv_add(readable, path, err) < 0)
            return -1;
    }
    return 0;
}

/* Build the root from what the survey found and enter it. @inside is the launch message as the
 * zygote will see it. */
static int build_root(const struct msg_launch *launch, const struct survey *s,
                      struct msg_launch *inside, struct jail_handover *h, struct err *err)
{
    struct root root = ROOT_INIT;
    struct strv packages = STRV_INIT;
    char *dir = strdup(INSIDE_EXTENSION);
    int r = dir ? 0 : err_nomem(err);
    r = r < 0 ? r : root_begin(&root, err);
    if (r < 0)
        unsupported(err);
    r = r < 0 ? r : show_all(&root, launch, s, &packages, err);
    r = r < 0 ? r : root_make_file(&root, JAIL_LANDLOCK_CANARY, err);
    if (r == 0 && root_enter(&root, err) < 0)
        r = unsupported(err);
    r = r < 0 ? r : list_shown(&root, &h->readable, err);
    root_done(&root);
    if (r < 0) {
        strv_done(&packages);
        free(dir);
        return -1;
    }
    free(inside->extension_dir);
    inside->extension_dir = dir;
    strv_done(&inside->python_path);
    inside->python_path = packages;
    return 0;
}

/* ---- Landlock alone: what may be read ---- */

static int list_readable(const struct msg_launch *launch, const struct survey *s,
                         struct strv *readable, struct err *err)
{
    const struct strv *lists[] = {&s->stdlib, &s->libraries, &launch->python_path};
    for (size_t k = 0; k < ARRAY_LEN(lists); k++)
        for (size_t i = 0; i < lists[k]->len; i++)
            if (strv_add(readable, lists[k]->items[i], err) < 0)
                return -1;
    if (access(ZONEINFO, R_OK) == 0 && strv_add(readable, ZONEINFO, err) < 0)
        return -1;
    /* The whole folder, since the import system lists it. */
    return strv_add(readable, launch->extension_dir, err);
}

static int without_namespaces(const struct msg_launch *launch, const struct survey *s,
                              struct jail_handover *h, struct err *err)
{
    if (landlock_abi() == 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "without user namespaces Vivarium needs Landlock, and this kernel has none "
                       "or has it switched off (Linux 5.13 or later with landlock in the lsm= boot "
                       "parameter; in a container, a seccomp profile that permits landlock_*)");
    if (chdir("/") < 0)
        return err_set(err, ERR_SYS, "chdir /");
    return list_readable(launch, s, &h->readable, err);
}

/* ---- both ---- */

static int copy_launch(const struct msg_launch *from, struct msg_launch *to, struct err *err)
{
    auto_wire_out struct wire_out out = WIRE_OUT_INIT(MSG_MAX_DATAGRAM);
    msg_put_launch(&out, from);
    if (out.bad)
        return err_nomem(err);
    return msg_get_launch(out.buf.data, out.buf.len, to, err);
}

static int build_with(const struct jail_request *req, const struct survey *s,
                      struct msg_launch *inside, struct jail_handover *h, struct jail_start *start,
                      struct err *err)
{
    h->isolation = (uint32_t)req->isolation;
    snprintf(h->note, sizeof(h->note), "%s", req->note ? req->note : "");
    if (make_library_path(&s->libraries, &start->library_path, err) < 0)
        return -1;
    start->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (start->null_fd < 0)
        return err_set(err, ERR_SYS, "open /dev/null");
    int r = req->isolation == ISOLATION_NAMESPACES ? build_root(req->launch, s, inside, h, err)
                                                   : without_namespaces(req->launch, s, h, err);
    if (r < 0 || filter_build(req->isolation, h, err) < 0)
        return -1;
    start->python = s->python ? strdup(s->python) : NULL;
    start->extension_dir = inside->extension_dir ? strdup(inside->extension_dir) : NULL;
    if (!start->python || !start->extension_dir)
        return err_nomem(err);
    return spec_write(inside, h, &start->spec_fd, err);
}

int jail_build(const struct jail_request *req, struct jail_start *ret, struct err *err)
{
    struct survey survey = {0};
    struct msg_launch inside = {0};
    struct jail_handover handover = {0};
    struct jail_start start = {
        .isolation = req->isolation,
        .data_science = (req->launch->profiles & PROFILE_DATA_SCIENCE) != 0,
        .init = getpid(),
        .null_fd = -1,
        .spec_fd = -1,
    };
    int r = 0;
    /* The cgroup first: after it, its namespace would hide the way there. */
    if (!str_empty(req->launch->cgroup))
        r = cgroup_enter(req->launch->cgroup, req->launch->id, err);
    if (r == 0 && req->isolation == ISOLATION_NAMESPACES && become(req, err) < 0)
        r = unsupported(err);
    r = r < 0 ? r : survey_take(req->launch, &survey, err);
    r = r < 0 ? r : copy_launch(req->launch, &inside, err);
    r = r < 0 ? r : build_with(req, &survey, &inside, &handover, &start, err);
    survey_done(&survey);
    msg_launch_done(&inside);
    jail_handover_done(&handover);
    if (r < 0) {
        jail_start_done(&start);
        return -1;
    }
    *ret = start;
    return 0;
}

void jail_cgroup_remove(const struct msg_launch *launch)
{
    if (!str_empty(launch->cgroup))
        cgroup_remove(launch->cgroup, launch->id);
}
