/* Parser of .env files: see dotenv.h for the format.
 *
 * Runs in the server, before anything else is up, on a file that a stranger may have put into the
 * working folder. It trusts nothing: the size is bounded by the caller's read and again here, every
 * line is copied into one buffer of its own, and nothing is expanded. */
#include "conf/dotenv.h"

#include <ctype.h>
#include <string.h>

#include "base/str.h"

/* One line under examination: a cursor into NUL-terminated text. */
struct line {
    const char *p;
    unsigned no;
};

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks(struct line *l)
{
    while (blank(*l->p))
        l->p++;
}

static bool name_start(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

static bool name_char(char c)
{
    return name_start(c) || isdigit((unsigned char)c);
}

void dotenv_done(struct dotenv *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->len; i++) {
        free(d->items[i].name);
        if (d->items[i].value) /* it may be a secret */
            explicit_bzero(d->items[i].value, strlen(d->items[i].value));
        free(d->items[i].value);
    }
    free(d->items);
    *d = (struct dotenv){0};
}

/* Take ownership of @value under a copy of @name, replacing an earlier entry of that name. */
static int keep(struct dotenv *d, const char *name, size_t n, char *value, unsigned line,
                struct err *err)
{
    for (size_t i = 0; i < d->len; i++) {
        struct dotenv_entry *e = &d->items[i];
        if (strlen(e->name) == n && memcmp(e->name, name, n) == 0) {
            free(e->value);
            e->value = value;
            e->line = line;
            return 0;
        }
    }
    if (d->len == DOTENV_MAX_ENTRIES) {
        free(value);
        return err_set(err, ERR_INVALID, "line %u: more than %d SANDBOX_ variables", line,
                       DOTENV_MAX_ENTRIES);
    }
    struct dotenv_entry *items = reallocarray(d->items, d->len + 1, sizeof(*items));
    char *copy = items ? strndup(name, n) : NULL;
    if (items)
        d->items = items;
    if (!copy) {
        free(value);
        return err_nomem(err);
    }
    d->items[d->len++] = (struct dotenv_entry){copy, value, line};
    return 0;
}

static int value_single(struct line *l, char *out, size_t *len, struct err *err)
{
    const char *end = strchr(++l->p, '\'');
    if (!end)
        return err_set(err, ERR_INVALID, "line %u: the single quote is not closed", l->no);
    *len = (size_t)(end - l->p);
    memcpy(out, l->p, *len);
    l->p = end + 1;
    return 0;
}

/* The character that the escape \@c stands for, or 0. */
static char escaped(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case '\\':
    case '"':
    case '$':
        return c;
    default:
        return 0;
    }
}

static int value_double(struct line *l, char *out, size_t *len, struct err *err)
{
    for (l->p++; *l->p != '"'; l->p++) {
        char c = *l->p;
        if (c == '\0')
            return err_set(err, ERR_INVALID, "line %u: the double quote is not closed", l->no);
        if (c == '$' || c == '`')
            return err_set(err, ERR_INVALID,
                           "line %u: '%c' is not expanded here; use single quotes to have it as it "
                           "stands",
                           l->no, c);
        if (c == '\\') {
            c = escaped(*++l->p);
            if (!c)
                return err_set(err, ERR_INVALID,
                               "line %u: in double quotes a backslash may only stand before "
                               "\\ \" $ n t; use single quotes",
                               l->no);
        }
        out[(*len)++] = c;
    }
    l->p++;
    return 0;
}

static int value_bare(struct line *l, char *out, size_t *len, struct err *err)
{
    const char *start = l->p;
    for (; *l->p; l->p++) {
        if (*l->p == '#' && (l->p == start || blank(l->p[-1])))
            break;
        if (strchr("'\"\\$`", *l->p))
            return err_set(err, ERR_INVALID,
                           "line %u: a value with %c in it needs single quotes around it", l->no,
                           *l->p);
        out[(*len)++] = *l->p;
    }
    while (*len > 0 && blank(out[*len - 1]))
        --*len;
    return 0;
}

/* The cursor is behind '='. *ret is the caller's. */
static int parse_value(struct line *l, char **ret, struct err *err)
{
    skip_blanks(l);
    auto_free char *out = calloc(1, strlen(l->p) + 1);
    if (!out)
        return err_nomem(err);
    size_t len = 0;
    int r = *l->p == '\''  ? value_single(l, out, &len, err)
            : *l->p == '"' ? value_double(l, out, &len, err)
                           : value_bare(l, out, &len, err);
    if (r < 0)
        return -1;
    out[len] = '\0';
    skip_blanks(l);
    if (*l->p && *l->p != '#')
        return err_set(err, ERR_INVALID, "line %u: something follows the closing quote", l->no);
    *ret = take_ptr(out);
    return 0;
}

static int parse_line(struct dotenv *d, struct line *l, struct err *err)
{
    skip_blanks(l);
    if (*l->p == '\0' || *l->p == '#')
        return 0;
    if (str_starts(l->p, "export") && blank(l->p[6])) {
        l->p += 6;
        skip_blanks(l);
    }
    const char *name = l->p;
    while (name_char(*l->p))
        l->p++;
    size_t n = (size_t)(l->p - name);
    skip_blanks(l);
    bool ours = n > strlen("SANDBOX_") && str_starts(name, "SANDBOX_");
    if (n == 0 || !name_start(*name) || *l->p != '=') {
        if (ours)
            return err_set(err, ERR_INVALID, "line %u: '=' is missing after %.*s", l->no,
                           (int)MIN(n, DOTENV_MAX_NAME), name);
        d->first_odd = d->odd_lines++ ? d->first_odd : l->no;
        return 0;
    }
    if (!ours)
        return 0;
    if (n > DOTENV_MAX_NAME)
        return err_set(err, ERR_INVALID, "line %u: the name of the variable is too long", l->no);
    l->p++;
    char *value = NULL;
    if (parse_value(l, &value, err) < 0)
        return -1;
    return keep(d, name, n, value, l->no, err);
}

int dotenv_parse(const char *text, size_t n, struct dotenv *ret, struct err *err)
{
    if (n > DOTENV_MAX_BYTES)
        return err_set(err, ERR_INVALID, "larger than %d bytes", DOTENV_MAX_BYTES);
    if (memchr(text, '\0', n) || !utf8_valid(text, n))
        return err_set(err, ERR_INVALID, "not UTF-8 text");
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        n -= 3;
    }
    auto_dotenv struct dotenv d = {0};
    auto_free char *copy = malloc(n + 1);
    if (!copy)
        return err_nomem(err);
    unsigned no = 1;
    for (const char *end = text + n; text < end; no++) {
        const char *lf = memchr(text, '\n', (size_t)(end - text));
        size_t len = (size_t)((lf ? lf : end) - text);
        memcpy(copy, text, len);
        copy[len] = '\0';
        if (len > 0 && copy[len - 1] == '\r')
            copy[len - 1] = '\0';
        if (strchr(copy, '\r'))
            return err_set(err, ERR_INVALID, "line %u: a carriage return inside the line", no);
        struct line l = {copy, no};
        if (parse_line(&d, &l, err) < 0)
            return -1;
        text = lf ? lf + 1 : end;
    }
    *ret = d;
    d = (struct dotenv){0};
    return 0;
}
