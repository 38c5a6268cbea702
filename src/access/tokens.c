/* The parser of the tokens file: see tokens.h. Runs in the server at start. The file has been found
 * to belong to somebody who may decide; that he can type is not taken for granted. Messages name
 * line and field, and never repeat a value that might be a token. */
#include "access/tokens.h"

#include <ctype.h>
#include <string.h>

#include "base/str.h"
#include "catalog/profiles.h"

#define MAX_LINE 1024
#define MAX_RATE 1000000

void token_list_done(struct token_list *list)
{
    free(list->items);
    *list = (struct token_list){0};
}

/* ---- values ---- */

int token_set_name(struct token_entry *e, const char *value, struct err *err)
{
    static const char *const ours[] = {"stdio", "token", "anonymous"};
    size_t n = strlen(value);
    bool good = n > 0 && n <= TOKEN_NAME_MAX && isalnum((unsigned char)value[0]);
    for (size_t i = 0; good && i < n; i++)
        good = isalnum((unsigned char)value[i]) || strchr("._-", value[i]);
    if (!good)
        return err_set(err, ERR_INVALID,
                       "the name must be 1 to %d letters, digits, '.', '_' and '-', and begin with "
                       "a letter or digit",
                       TOKEN_NAME_MAX);
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (str_eq(value, ours[i]))
            return err_set(err, ERR_INVALID, "the name '%s' is the server's own; take another",
                           value);
    memcpy(e->name, value, n + 1);
    return 0;
}

/* @n digits at @s as a number, or -1. */
static int digits(const char *s, size_t n)
{
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char)s[i]))
            return -1;
        v = v * 10 + (s[i] - '0');
    }
    return v;
}

int token_set_rate(struct token_entry *e, const char *value, struct err *err)
{
    size_t n = strlen(value);
    int rate = n >= 1 && n <= 7 ? digits(value, n) : -1;
    if (rate < 0 || rate > MAX_RATE)
        return err_set(err, ERR_INVALID,
                       "rate must be a whole number from 0 (no limit) to %d executions a minute",
                       MAX_RATE);
    e->rate = (unsigned)rate;
    e->has_rate = true;
    return 0;
}

static unsigned profile_bit_of(const char *name, size_t n)
{
    for (size_t i = 0; i < PROFILE_COUNT; i++)
        if (strlen(profiles[i].name) == n && memcmp(profiles[i].name, name, n) == 0)
            return profiles[i].bit;
    return 0;
}

int token_set_profiles(struct token_entry *e, const char *value, struct err *err)
{
    unsigned bits = PROFILE_BASIC;
    if (str_eq(value, "all")) {
        e->profiles = PROFILE_ALL;
        return 0;
    }
    for (const char *p = value;; p++) {
        size_t n = strcspn(p, ",");
        unsigned bit = profile_bit_of(p, n);
        if (!bit)
            return err_set(err, ERR_INVALID,
                           "profiles must be all, or some of basic, data_science, network and "
                           "filesystem, separated by commas and without blanks");
        bits |= bit;
        p += n;
        if (!*p)
            break;
    }
    e->profiles = bits;
    return 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Days from 1970-01-01. */
static uint64_t days_from_epoch(int year, int month, int day)
{
    int before = year - 1; /* whole years, counted from the year 1 */
    int days = before * 365 + before / 4 - before / 100 + before / 400 - 719162 + day - 1;
    for (int m = 1; m < month; m++)
        days += days_in_month(year, m);
    return (unsigned)days;
}

/* "2030-12-31" at @s. */
static bool read_date(const char *s, uint64_t *ret_days)
{
    int year = digits(s, 4);
    int month = digits(s + 5, 2);
    int day = digits(s + 8, 2);
    if (s[4] != '-' || s[7] != '-' || year < 1970 || month < 1 || month > 12 || day < 1 ||
        day > days_in_month(year, month))
        return false;
    *ret_days = days_from_epoch(year, month, day);
    return true;
}

/* "T18:00:00Z" at @s. */
static bool read_time(const char *s, uint64_t *ret_s)
{
    int hour = digits(s + 1, 2);
    int minute = digits(s + 4, 2);
    int second = digits(s + 7, 2);
    if (s[0] != 'T' || s[3] != ':' || s[6] != ':' || s[9] != 'Z' || hour < 0 || hour > 23 ||
        minute < 0 || minute > 59 || second < 0 || second > 59)
        return false;
    *ret_s = (unsigned)(hour * 3600 + minute * 60 + second);
    return true;
}

int token_set_expires(struct token_entry *e, const char *value, struct err *err)
{
    uint64_t days;
    uint64_t within = 86400; /* the day itself is still good */
    size_t n = strlen(value);
    if ((n != 10 && n != 20) || !read_date(value, &days) ||
        (n == 20 && !read_time(value + 10, &within)))
        return err_set(err, ERR_INVALID,
                       "expires must be a date such as 2030-12-31 (its last day, UTC) or a moment "
                       "such as 2030-12-31T18:00:00Z");
    e->expires_s = MAX(days * 86400 + within, 1);
    return 0;
}

static int set_hash(struct token_entry *e, const char *value, struct err *err)
{
    static const char hex[] = "0123456789abcdef";
    static const char prefix[] = "sha256:";
    const char *p = value + strlen(prefix);
    bool good = str_starts(value, prefix) && strlen(p) == 2 * (size_t)TOKEN_HASH;
    for (size_t i = 0; good && i < TOKEN_HASH; i++) {
        const char *high = strchr(hex, p[2 * i]);
        const char *low = strchr(hex, p[2 * i + 1]);
        good = high && low;
        if (good)
            e->hash[i] = (uint8_t)((high - hex) << 4 | (low - hex));
    }
    if (!good)
        return err_set(err, ERR_INVALID,
                       "the second field must be sha256: and 64 lower-case hexadecimal digits, "
                       "never the token itself (`vivarium token NAME` makes such a line)");
    return 0;
}

/* ---- lines ---- */

static const struct {
    const char *name;
    int (*set)(struct token_entry *e, const char *value, struct err *err);
} fields[] = {
    {"rate", token_set_rate},
    {"profiles", token_set_profiles},
    {"expires", token_set_expires},
};

/* NAME=VALUE, @number-th field of its line. @seen: one bit for each of fields[]. */
static int set_field(struct token_entry *e, unsigned number, const char *text, unsigned *seen,
                     struct err *err)
{
    const char *value = strchr(text, '=');
    for (size_t i = 0; value && i < ARRAY_LEN(fields); i++) {
        size_t n = strlen(fields[i].name);
        if ((size_t)(value - text) != n || memcmp(text, fields[i].name, n) != 0)
            continue;
        if (*seen & 1u << i)
            return err_set(err, ERR_INVALID, "%s is given twice", fields[i].name);
        *seen |= 1u << i;
        return fields[i].set(e, value + 1, err);
    }
    return err_set(err, ERR_INVALID,
                   "field %u is none of rate=N, profiles=LIST and expires=WHEN (blanks separate "
                   "fields)",
                   number);
}

/* @line: NUL-terminated, without its line break; taken apart in place. */
static int read_entry(char *line, struct token_entry *e, struct err *err)
{
    unsigned seen = 0;
    unsigned number = 0;
    char *rest = NULL;
    *e = (struct token_entry){.profiles = PROFILE_ALL};
    for (char *f = strtok_r(line, " \t", &rest); f; f = strtok_r(NULL, " \t", &rest)) {
        number++;
        int r = number == 1   ? token_set_name(e, f, err)
                : number == 2 ? set_hash(e, f, err)
                              : set_field(e, number, f, &seen, err);
        if (r < 0)
            return -1;
    }
    if (number < 2)
        return err_set(err, ERR_INVALID,
                       "the token's digest is missing (NAME sha256:... ; `vivarium token NAME` "
                       "makes such a line)");
    return 0;
}

static int check_unique(const struct token_list *list, const struct token_entry *e, struct err *err)
{
    for (size_t i = 0; i < list->len; i++) {
        if (str_eq(list->items[i].name, e->name))
            return err_set(err, ERR_INVALID, "the name '%s' is taken already", e->name);
        if (memcmp(list->items[i].hash, e->hash, TOKEN_HASH) == 0)
            return err_set(err, ERR_INVALID, "it is the token of '%s' once more",
                           list->items[i].name);
    }
    return 0;
}

static int add_entry(struct token_list *list, const struct token_entry *e, struct err *err)
{
    if (list->len == TOKENS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d tokens", TOKENS_MAX);
    struct token_entry *items = realloc(list->items, (list->len + 1) * sizeof(*items));
    if (!items)
        return err_nomem(err);
    list->items = items;
    items[list->len++] = *e;
    return 0;
}

static int read_line(const char *text, size_t n, struct token_list *list, struct err *err)
{
    char line[MAX_LINE + 1];
    struct token_entry e;
    if (n > 0 && text[n - 1] == '\r')
        n--;
    if (n > MAX_LINE)
        return err_set(err, ERR_LIMIT, "longer than %d bytes", MAX_LINE);
    size_t blank = 0;
    while (blank < n && (text[blank] == ' ' || text[blank] == '\t'))
        blank++;
    if (blank == n || text[blank] == '#')
        return 0;
    for (size_t i = 0; i < n; i++)
        if (text[i] != '\t' && (text[i] < 0x20 || text[i] > 0x7e))
            return err_set(err, ERR_INVALID,
                           "byte %zu is no printable ASCII character; only comments may have such",
                           i + 1);
    memcpy(line, text, n);
    line[n] = '\0';
    if (read_entry(line, &e, err) < 0 || check_unique(list, &e, err) < 0)
        return -1;
    return add_entry(list, &e, err);
}

int tokens_parse(const char *text, size_t n, struct token_list *ret, struct err *err)
{
    auto_token_list struct token_list list = {0};
    unsigned number = 0;
    if (n > TOKENS_MAX_BYTES)
        return err_set(err, ERR_LIMIT, "longer than %d bytes", TOKENS_MAX_BYTES);
    while (n > 0) {
        const char *end = memchr(text, '\n', n);
        size_t len = end ? (size_t)(end - text) : n;
        number++;
        if (read_line(text, len, &list, err) < 0)
            return err_prefix(err, "line %u", number);
        len += end != NULL;
        text += len;
        n -= len;
    }
    *ret = list;
    list = (struct token_list){0};
    return 0;
}
