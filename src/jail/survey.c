/* The survey of the interpreter. Runs in init, outside the walls, as the worker uid: so whatever is
 * found here is also readable to the jailed interpreter. Nothing is guessed from names: the
 * interpreter prints its own paths, and the dynamic loader says which libraries it, its extension
 * modules and those of python_path would load. Single files are listed, never whole library
 * folders. */
#include "jail/survey.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jail/run.h"
#include "sys/fd.h"

#define MAX_OUTPUT (4u * 1024 * 1024)
/* The kernel's ceiling for one environment string is 128 KiB. */
#define MAX_PRELOAD (96u * 1024)

void survey_done(struct survey *s)
{
    free(s->python);
    free(s->version);
    free(s->extension);
    free(s->extension_name);
    strv_done(&s->stdlib);
    strv_done(&s->libraries);
    *s = (struct survey){0};
}

/* One line each, NUL-separated, a letter in front: i implementation, v version, x executable, s the
 * file name suffix of extension modules made for exactly this version, p an entry of sys.path. */
static const char question[] =
    "import sys, _imp\n"
    "a = ['i' + sys.implementation.name, 'v%d.%d.%d' % sys.version_info[:3],\n"
    "     'x' + sys.executable, 's' + _imp.extension_suffixes()[0]] + ['p' + p for p in sys.path]\n"
    "sys.stdout.buffer.write(b''.join(s.encode('utf-8', 'surrogateescape') + b'\\0' for s in a))\n";

static int set_string(char **to, const char *value, struct err *err)
{
    free(*to);
    *to = strdup(value);
    return *to ? 0 : err_nomem(err);
}

static int note_answer(const char *line, struct survey *s, char **suffix, struct err *err)
{
    switch (line[0]) {
    case 'i':
        if (strcmp(line + 1, "cpython") != 0)
            return err_set(err, ERR_INVALID, "it is %s, not CPython", line + 1);
        return 0;
    case 'v':
        return set_string(&s->version, line + 1, err);
    case 'x':
        free(s->python);
        s->python = realpath(line + 1, NULL);
        return s->python ? 0 : err_set(err, ERR_SYS, "%s", line + 1);
    case 's':
        return set_string(suffix, line + 1, err);
    case 'p':
        /* Entries that do not exist (the zip archive, usually) are no part of it. */
        return access(line + 1, F_OK) < 0 ? 0 : strv_add(&s->stdlib, line + 1, err);
    default:
        return err_set(err, ERR_INVALID, "an answer that makes no sense");
    }
}

/* Ask @python about itself. It may be a link or a script that leads to the real one. */
static int ask(const char *python, struct survey *s, char **suffix, struct err *err)
{
    if (python[0] != '/')
        return err_set(err, ERR_INVALID, "not an absolute path");
    if (access(python, X_OK) < 0 || access(python, R_OK) < 0)
        return err_set(err, ERR_INVALID, "uid %u cannot execute and read it: %s", geteuid(),
                       strerror(errno));
    const char *const argv[] = {python, "-I", "-S", "-c", question, NULL};
    const char *const envp[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", NULL};
    auto_buf struct buf out = BUF_INIT(MAX_OUTPUT);
    if (run_collect(argv, envp, NULL, &out, err) < 0)
        return -1;
    const char *p = (const char *)out.data, *end = p + out.len;
    for (const char *nul; p < end; p = nul + 1) {
        nul = memchr(p, '\0', (size_t)(end - p));
        if (!nul)
            return err_set(err, ERR_INVALID, "an answer that makes no sense");
        if (note_answer(p, s, suffix, err) < 0)
            return -1;
    }
    if (!s->python || !s->version || !*suffix || s->stdlib.len == 0)
        return err_set(err, ERR_INVALID, "an answer that makes no sense");
    return 0;
}

static int find_extension(const char *dir, const char *suffix, struct survey *s, struct err *err)
{
    if (asprintf(&s->extension_name, "_vivarium%s", suffix) < 0 ||
        asprintf(&s->extension, "%s/%s", dir, s->extension_name) < 0) {
        s->extension_name = s->extension = NULL;
        return err_nomem(err);
    }
    if (access(s->extension, R_OK) == 0)
        return 0;
    if (errno == ENOENT)
        return err_set(err, ERR_INVALID, "Vivarium is not built for Python %s (%s): there is no %s",
                       s->version, s->python, s->extension);
    return err_set(err, ERR_INVALID, "uid %u cannot read %s: %s", geteuid(), s->extension,
                   strerror(errno));
}

/* ---- libraries ---- */

struct trace {
    const struct msg_launch *launch;
    struct survey *s;
    const char *cwd;  /* folder in which the loader runs, NULL = any */
    struct buf names; /* LD_PRELOAD list, without the end */
};

/* Is @path @folder or something below it? Both are resolved, since loaders print paths with "..",
 * and folders may be links. */
static bool path_within(const char *path, const char *folder)
{
    auto_free char *p = realpath(path, NULL);
    auto_free char *f = realpath(folder, NULL);
    if (!p || !f)
        return false;
    size_t n = strlen(f);
    return strncmp(p, f, n) == 0 && (p[n] == '\0' || p[n] == '/' || f[n - 1] == '/');
}

/* Is @path inside something that will be in the jail as a whole? */
static bool within_folders(const struct trace *t, const char *path)
{
    for (size_t i = 0; i < t->s->stdlib.len; i++)
        if (path_within(path, t->s->stdlib.items[i]))
            return true;
    for (size_t i = 0; i < t->launch->python_path.len; i++)
        if (path_within(path, t->launch->python_path.items[i]))
            return true;
    return path_within(path, t->s->extension);
}

/* "\tlibz.so.1 => /lib/libz.so.1 (0x…)" or "\t/lib64/ld-linux.so.2 (0x…)". */
static int note_library(struct trace *t, char *line, struct err *err)
{
    char *arrow = strstr(line, " => ");
    char *path = str_trim(arrow ? arrow + 4 : line);
    char *address = strstr(path, " (0x");
    if (path[0] != '/' || !address)
        return 0; /* the vDSO, a relative name inside cwd, or "not found" */
    *address = '\0';
    if (within_folders(t, path) || strv_has(&t->s->libraries, path))
        return 0;
    return strv_add(&t->s->libraries, path, err);
}

/* Have the loader load the interpreter and everything in t->names, and list instead of run. */
static int flush_trace(struct trace *t, struct err *err)
{
    auto_free char *preload = NULL;
    if (asprintf(&preload, "LD_PRELOAD=%.*s", (int)t->names.len,
                 t->names.len ? (const char *)t->names.data : "") < 0) {
        preload = NULL;
        return err_nomem(err);
    }
    buf_clear(&t->names);
    /* Should the interpreter not be dynamic after all, it runs an empty program. */
    const char *const argv[] = {t->s->python, "-I", "-S", "-c", "", NULL};
    const char *const envp[] = {"LD_TRACE_LOADED_OBJECTS=1", preload, NULL};
    auto_buf struct buf out = BUF_INIT(MAX_OUTPUT);
    if (run_collect(argv, envp, t->cwd, &out, err) < 0)
        return err_prefix(err, "listing libraries");
    auto_free char *text = buf_take_str(&out);
    if (!text)
        return err_nomem(err);
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (note_library(t, line, err) < 0)
            return -1;
    return 0;
}

static int add_name(struct trace *t, const char *name, struct err *err)
{
    /* The loader splits its list at these and has no way to quote them. */
    if (!name || strpbrk(name, " :\n"))
        return 0;
    if (t->names.len + strlen(name) + 1 > MAX_PRELOAD && flush_trace(t, err) < 0)
        return -1;
    if (t->names.len && buf_add(&t->names, ":", 1, err) < 0)
        return -1;
    return buf_add_str(&t->names, name, err);
}

/* Extension modules directly in @dir, which is one of sys.path. */
static int add_folder(struct trace *t, const char *dir, struct err *err)
{
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOTDIR ? 0 : err_set(err, ERR_SYS, "%s", dir);
    int r = 0;
    for (struct dirent *e; r == 0 && (e = readdir(d));) {
        char path[4096];
        if (!str_ends(e->d_name, ".so"))
            continue;
        if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < sizeof(path))
            r = add_name(t, path, err);
    }
    closedir(d);
    return r;
}

/* nftw() has no context argument; init has one thread and walks one tree at a time. */
static struct {
    struct trace *t;
    size_t prefix;
    struct err *err;
} walk;

static int walk_file(const char *path, const struct stat *st _unused_, int type,
                     struct FTW *ftw _unused_)
{
    const char *base = strrchr(path, '/');
    if (type != FTW_F || !base || !(str_ends(base, ".so") || strstr(base, ".so.")))
        return 0;
    char name[4096];
    if ((size_t)snprintf(name, sizeof(name), ".%s", path + walk.prefix) >= sizeof(name))
        return 0;
    return add_name(walk.t, name, walk.err);
}

/* Everything below @dir. By names relative to it, because the folder's own may hold characters that
 * the loader's list cannot. */
static int add_tree(struct trace *t, const char *dir, struct err *err)
{
    /* A trailing slash makes the walk enter a folder that is a link. */
    auto_free char *start = NULL;
    if (asprintf(&start, "%s/", dir) < 0) {
        start = NULL;
        return err_nomem(err);
    }
    walk.t = t;
    walk.prefix = strlen(dir);
    walk.err = err;
    t->cwd = dir;
    int r = nftw(start, walk_file, 32, FTW_PHYS);
    if (r == 0 && t->names.len)
        r = flush_trace(t, err);
    t->cwd = NULL;
    return r;
}

static int find_libraries(const struct msg_launch *launch, struct survey *s, struct err *err)
{
    struct trace t = {.launch = launch, .s = s, .names = BUF_INIT(MAX_PRELOAD + 4096)};
    /* glibc loads this one by name when a thread is ended from outside. */
    int r = add_name(&t, "libgcc_s.so.1", err);
    r = r < 0 ? r : add_name(&t, s->extension, err);
    for (size_t i = 0; r == 0 && i < s->stdlib.len; i++)
        r = add_folder(&t, s->stdlib.items[i], err);
    r = r < 0 ? r : flush_trace(&t, err);
    for (size_t i = 0; r == 0 && i < launch->python_path.len; i++)
        r = add_tree(&t, launch->python_path.items[i], err);
    buf_done(&t.names);
    return r;
}

int survey_take(const struct msg_launch *launch, struct survey *ret, struct err *err)
{
    struct survey s = {0};
    auto_free char *suffix = NULL;
    int r = ask(launch->python, &s, &suffix, err);
    if (r < 0)
        err_prefix(err, "the interpreter %s cannot be used", launch->python);
    r = r < 0 ? r : find_extension(launch->extension_dir, suffix, &s, err);
    r = r < 0 ? r : find_libraries(launch, &s, err);
    if (r < 0) {
        survey_done(&s);
        return -1;
    }
    *ret = s;
    return 0;
}
