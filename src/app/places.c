/* Finding vivarium-zygote and the extension module: see places.h. Runs in the server at start,
 * maybe as root, so the search goes only to places that whoever installed this executable controls:
 * its own folder (as in a build tree) and the folder set at build time. */
#include "app/places.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZYGOTE "vivarium-zygote"
#define MODULE "_vivarium."

void places_done(struct places *p)
{
    free(p->zygote);
    free(p->extension_dir);
    *p = (struct places){0};
}

bool places_is_module(const char *name)
{
    return str_starts(name, MODULE) && str_ends(name, ".so");
}

static bool has_module(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d)
        return false;
    bool found = false;
    for (struct dirent *e; !found && (e = readdir(d));)
        found = places_is_module(e->d_name);
    closedir(d);
    return found;
}

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

static int own_folder(char out[PATH_MAX], struct err *err)
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (n <= 0)
        return err_set(err, ERR_SYS, "find this executable through /proc/self/exe");
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (!slash)
        return err_set(err, ERR_INTERNAL, "/proc/self/exe is not a path: %s", out);
    *slash = '\0';
    return 0;
}

/* The first of BASE/SUFFIX that passes @ok; *ret is the caller's. */
static int first_of(const char *const bases[][2], size_t n, bool (*ok)(const char *), char **ret,
                    const char *what, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        auto_free char *path = NULL;
        if (asprintf(&path, "%s%s", bases[i][0], bases[i][1]) < 0) {
            path = NULL;
            return err_nomem(err);
        }
        if (ok(path)) {
            *ret = take_ptr(path);
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "%s is missing: it is neither beside this executable (%s) nor in %s; build it "
                   "with make, or install it with make install",
                   what, bases[0][0], bases[n - 1][0]);
}

int places_find(struct places *ret, struct err *err)
{
    char own[PATH_MAX];
    if (own_folder(own, err) < 0)
        return -1;
    const char *const zygotes[][2] = {{own, "/" ZYGOTE}, {VIVARIUM_LIBEXECDIR, "/" ZYGOTE}};
    const char *const modules[][2] = {
        {own, ""}, {own, "/src/zygote"}, {VIVARIUM_EXTENSION_DIR, ""}};
    struct places p = {0};
    if (first_of(zygotes, ARRAY_LEN(zygotes), is_program, &p.zygote, ZYGOTE, err) < 0 ||
        first_of(modules, ARRAY_LEN(modules), has_module, &p.extension_dir,
                 "the extension module _vivarium", err) < 0) {
        places_done(&p);
        return -1;
    }
    *ret = p;
    return 0;
}

/* The number that follows @prefix in @name and ends the name or is followed by @end; -1 = none. */
static int number_after(const char *name, const char *prefix, char end)
{
    if (!str_starts(name, prefix))
        return -1;
    const char *digits = name + strlen(prefix);
    char *stop;
    long v = strtol(digits, &stop, 10);
    bool whole = stop > digits && (*stop == '\0' || *stop == end);
    return whole && *digits != '-' && v >= 0 && v < 1000 ? (int)v : -1;
}

/* "/usr/bin/python3.11" → 11; -1 when the name does not tell. */
static int minor_version(const char *path)
{
    char real[PATH_MAX];
    if (!realpath(path, real))
        return -1;
    return number_after(strrchr(real, '/') + 1, "python3.", '\0');
}

/* "_vivarium.cpython-311-x86_64-linux-gnu.so" → 11; 0 for abi3, -1 for anything else. */
static int module_minor(const char *name)
{
    if (!places_is_module(name))
        return -1;
    if (str_starts(name + strlen(MODULE), "abi3."))
        return 0;
    return number_after(name, MODULE "cpython-3", '-');
}

int places_check_python(const struct places *p, const struct conf *conf, struct err *err)
{
    if (!is_program(conf->python))
        return err_set(err, ERR_INVALID, "SANDBOX_PYTHON=%s is not there or not a program",
                       conf->python);
    int wanted = minor_version(conf->python);
    if (wanted < 0)
        return 0;
    char have[128] = "";
    size_t len = 0;
    DIR *d = opendir(p->extension_dir);
    if (!d)
        return err_set(err, ERR_SYS, "read %s", p->extension_dir);
    bool found = false;
    for (struct dirent *e; (e = readdir(d));) {
        int minor = module_minor(e->d_name);
        found = found || minor == 0 || minor == wanted;
        if (minor > 0 && len + 16 < sizeof(have))
            len +=
                (size_t)snprintf(have + len, sizeof(have) - len, "%s3.%d", len ? ", " : "", minor);
    }
    closedir(d);
    if (found)
        return 0;
    return err_set(err, ERR_INVALID,
                   "SANDBOX_PYTHON=%s is CPython 3.%d, but Vivarium was built for %s; build it for "
                   "that one (meson configure -Dpythons=%s) or choose another",
                   conf->python, wanted, len ? have : "none", conf->python);
}
