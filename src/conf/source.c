/* The sources of configuration, lowest first: .env, environment, flags. Runs in the server at
 * start.
 *
 * The implicit .env lies in whatever folder a client chose to start the server in, so a stranger
 * may have written it: it must be a regular file owned by the user that nobody else can write, and
 * what names a program, a path, a token or what may be imported is ignored there. --env-file was
 * asked for by name and is trusted, as are environment and flags. */
#include "conf/source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/dotenv.h"
#include "conf/suggest.h"
#include "sys/fd.h"

/* Any value may be a secret, and memory that was freed is handed out again. */
static void wipe_text(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

static void wipe_buf(struct buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->len);
    buf_done(b);
}

void choices_done(struct choices *c)
{
    for (size_t i = 0; i < CONF_VARS; i++)
        wipe_text(c->of[i].value);
    *c = (struct choices){0};
}

int warn(struct strv *warnings, struct err *err, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        return err_nomem(err);
    int r = strv_add(warnings, text, err);
    free(text);
    return r;
}

const char *shown(const char *text)
{
    static char out[64];
    size_t n = 0;
    for (; *text && n < 60; text++)
        out[n++] = isprint((unsigned char)*text) ? *text : '?';
    out[n] = '\0';
    if (*text)
        memcpy(out + n, "...", sizeof("..."));
    return out;
}

/* Names of all variables and aliases, for suggestions. */
static const char *nearest(const char *name)
{
    const char *names[2 * CONF_VARS];
    size_t n = 0;
    for (size_t i = 0; i < CONF_VARS; i++) {
        names[n++] = conf_vars[i].doc.name;
        if (conf_vars[i].alias)
            names[n++] = conf_vars[i].alias;
    }
    return suggest(name, names, n);
}

static int unknown(const char *name, const char *from, struct strv *warnings, struct err *err)
{
    const char *near = nearest(name);
    return warn(warnings, err, "%s (%s) is not a variable of Vivarium%s%s%s", shown(name), from,
                near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* Note that @name is @value, said by @from. An empty value counts as not said. */
static int choose(struct choices *c, const char *name, const char *value, const char *from,
                  bool trusted, struct strv *warnings, struct err *err)
{
    int i = conf_var_find(name);
    if (i < 0)
        return unknown(name, from, warnings, err);
    if (!*value)
        return 0;
    if (conf_vars[i].doc.guarded && !trusted)
        return warn(warnings, err,
                    "%s (%s) is ignored: it is only taken from the environment, a flag or a file "
                    "named with --env-file",
                    name, from);
    struct choice *to = &c->of[i];
    bool by_alias = !str_eq(name, conf_vars[i].doc.name);
    if (to->value && to->layer == c->layer && by_alias && !to->by_alias)
        return 0;
    char *copy = strdup(value);
    if (!copy)
        return err_nomem(err);
    wipe_text(to->value);
    to->value = copy;
    to->flag = NULL;
    to->by_alias = by_alias;
    to->layer = c->layer;
    snprintf(to->from, sizeof(to->from), "%s", from);
    return 0;
}

static int read_file(int fd, struct buf *text, struct err *err)
{
    if (buf_reserve(text, DOTENV_MAX_BYTES + 1, err) < 0)
        return -1;
    if (fd_read_all(fd, text->data, DOTENV_MAX_BYTES + 1, &text->len, err) < 0)
        return -1;
    return 0;
}

static int choose_from_file(const struct dotenv *d, const char *name, bool trusted,
                            struct choices *c, struct strv *warnings, struct err *err)
{
    c->layer++;
    for (size_t i = 0; i < d->len; i++) {
        char from[48];
        snprintf(from, sizeof(from), "%.28s, line %u", name, d->items[i].line);
        if (choose(c, d->items[i].name, d->items[i].value, from, trusted, warnings, err) < 0)
            return -1;
    }
    return 0;
}

int source_env_file(const char *path, struct choices *c, struct strv *warnings, struct err *err)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_set(err, ERR_INVALID, "--env-file %s: %s", shown(path), strerror(errno));
    _cleanup_(wipe_buf) struct buf text = BUF_INIT(0);
    auto_dotenv struct dotenv d = {0};
    if (read_file(fd, &text, err) < 0 ||
        dotenv_parse((const char *)text.data, text.len, &d, err) < 0) {
        if (err && err->code == ERR_SYS)
            err->code = ERR_INVALID;
        return err_prefix(err, "--env-file %s", shown(path));
    }
    if (d.odd_lines)
        return err_set(err, ERR_INVALID, "--env-file %s: line %u: expected NAME=VALUE", shown(path),
                       d.first_odd);
    const char *slash = strrchr(path, '/');
    return choose_from_file(&d, slash ? slash + 1 : path, true, c, warnings, err);
}

/* Why the file behind @fd is not to be read, or NULL. */
static const char *distrust(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return "it is not a regular file";
    if (st.st_uid != geteuid())
        return "it does not belong to you";
    if (st.st_mode & S_IWOTH)
        return "everybody may write to it";
    return NULL;
}

int source_implicit(const char *dir, struct choices *c, struct strv *warnings, struct err *err)
{
    auto_free char *path = NULL;
    if (asprintf(&path, "%s/.env", dir) < 0)
        return err_nomem(err);
    /* O_NONBLOCK: a fifo laid out as .env must not hang the start. */
    auto_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    const char *why = fd >= 0          ? distrust(fd)
                      : errno == ELOOP ? "it is a symbolic link"
                                       : strerror(errno);
    if (why)
        return warn(warnings, err, ".env in the working folder is ignored: %s", why);
    _cleanup_(wipe_buf) struct buf text = BUF_INIT(0);
    auto_dotenv struct dotenv d = {0};
    if (read_file(fd, &text, err) < 0 ||
        dotenv_parse((const char *)text.data, text.len, &d, err) < 0) {
        if (err && err->code == ERR_SYS)
            err->code = ERR_INVALID;
        return err_prefix(err, ".env");
    }
    if (d.odd_lines &&
        warn(warnings, err, ".env: %u line%s skipped that %s not NAME=VALUE (the first is line %u)",
             d.odd_lines, d.odd_lines == 1 ? "" : "s", d.odd_lines == 1 ? "is" : "are",
             d.first_odd) < 0)
        return -1;
    return choose_from_file(&d, ".env", false, c, warnings, err);
}

/* NAME=value → a copy of NAME and a pointer to the value, or NULL when there is no '='. */
static const char *split_pair(const char *pair, char name[DOTENV_MAX_NAME + 1])
{
    const char *eq = strchr(pair, '=');
    if (!eq)
        return NULL;
    size_t n = MIN((size_t)(eq - pair), (size_t)DOTENV_MAX_NAME);
    memcpy(name, pair, n);
    name[n] = '\0';
    return eq + 1;
}

int source_environ(char *const *environ, struct choices *c, struct strv *warnings, struct err *err)
{
    c->layer++;
    for (; environ && *environ; environ++) {
        char name[DOTENV_MAX_NAME + 1];
        const char *value = str_starts(*environ, "SANDBOX_") ? split_pair(*environ, name) : NULL;
        if (value && choose(c, name, value, "environment", true, warnings, err) < 0)
            return -1;
    }
    return 0;
}

int source_flags(const struct strv *flags, const struct strv *words, struct choices *c,
                 struct strv *warnings, struct err *err)
{
    c->layer++;
    for (size_t i = 0; flags && i < flags->len; i++) {
        char name[DOTENV_MAX_NAME + 1];
        const char *value = split_pair(flags->items[i], name);
        if (!value)
            return err_set(err, ERR_INTERNAL, "flag without a value: %s", shown(flags->items[i]));
        if (choose(c, name, value, "command line", true, warnings, err) < 0)
            return -1;
        int var = words && i < words->len ? conf_var_find(name) : -1;
        if (var >= 0 && c->of[var].layer == c->layer)
            c->of[var].flag = words->items[i];
    }
    return 0;
}

void conf_wipe_environ(char *const *environ)
{
    for (; environ && *environ; environ++) {
        char name[DOTENV_MAX_NAME + 1];
        char *eq = strchr(*environ, '=');
        int i = eq && split_pair(*environ, name) ? conf_var_find(name) : -1;
        if (i >= 0 && conf_vars[i].secret)
            explicit_bzero(eq + 1, strlen(eq + 1));
    }
}
