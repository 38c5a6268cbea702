/* `vivarium history`: what ran. Runs in the command line. The database belongs to the server's user
 * and may hold what programs and clients chose: as root, this becomes that user before it is
 * opened, and nothing of it reaches a terminal as it stands. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/log.h"
#include "app/show.h"
#include "record/history.h"
#include "sys/fd.h"
#include "json/write.h"

#define DEFAULT_ROWS  20
#define MOST_ROWS     1000000
#define TIME_WIDTH    21 /* of a line's first part */
#define OUTCOME_WIDTH 20

/* Everything is read before anything is shown: a pager must not keep the database. */
struct shown {
    bool json, single; /* asked for: JSON; one execution */
    struct strv lines; /* of the table, or an object each */
    struct buf facts;  /* of the execution asked for */
    bool full;         /* out of memory */
};

static const char *size_text(char out[24], uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)bytes;
    size_t u = 0;
    while (v >= 1024 && u + 1 < ARRAY_LEN(units)) {
        v /= 1024;
        u++;
    }
    snprintf(out, 24, u == 0 || v >= 100 ? "%.0f %s" : "%.1f %s", v, units[u]);
    return out;
}

static const char *duration_text(char out[24], uint64_t ns)
{
    double seconds = (double)ns / 1e9;
    if (ns == 0)
        snprintf(out, 24, "-");
    else if (seconds >= 100)
        snprintf(out, 24, "%.0f s", seconds);
    else if (seconds >= 1)
        snprintf(out, 24, "%.2f s", seconds);
    else
        snprintf(out, 24, seconds >= 0.1 ? "%.0f ms" : "%.2f ms", seconds * 1e3);
    return out;
}

static const char *time_text(char out[32], uint64_t unix_ms)
{
    time_t seconds = (time_t)MIN(unix_ms / 1000, (uint64_t)253402300799); /* the year 9999 */
    struct tm tm;
    if (!localtime_r(&seconds, &tm) || strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(out, 32, "?");
    return out;
}

/* ---- one row ---- */

static void add_line(struct shown *s, const struct history_row *row)
{
    char time[32], wall[24], cpu[24], memory[24], code[24];
    char line[512];
    snprintf(line, sizeof(line), "%-*s%-*.*s%9s %9s %9s %9s  %-36.36s  %.100s", TIME_WIDTH,
             time_text(time, row->unix_ms), OUTCOME_WIDTH, OUTCOME_WIDTH - 2,
             row->category ? row->category : "ok", duration_text(wall, row->wall_ns),
             duration_text(cpu, row->cpu_ns), size_text(memory, row->peak_memory_bytes),
             size_text(code, row->code_len), row->id ? row->id : "",
             row->client ? row->client : "");
    s->full |= strv_add(&s->lines, line, NULL) < 0;
}

static void add_object(struct shown *s, const struct history_row *row)
{
    auto_buf struct buf text = BUF_INIT(0);
    struct json_out out = json_out_init(&text);
    history_row_write(&out, row);
    s->full |= out.bad || strv_addn(&s->lines, (const char *)text.data, text.len, NULL) < 0;
}

static void add_fact(struct shown *s, const char *name, const char *fmt, ...) _printf_(3, 4);
static void add_fact(struct shown *s, const char *name, const char *fmt, ...)
{
    char value[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    value[utf8_floor(value, strlen(value))] = '\0';
    s->full |= buf_addf(&s->facts, NULL, "%-14s%s\n", name, value) < 0;
}

static void add_facts(struct shown *s, const struct history_row *row)
{
    char a[32], b[24];
    add_fact(s, "execution", "%s", row->id ? row->id : "(refused before it got an id)");
    add_fact(s, "ended", "%s.%03u", time_text(a, row->unix_ms), (unsigned)(row->unix_ms % 1000));
    add_fact(s, "outcome", "%s", row->category ? row->category : "ok");
    if (row->error)
        add_fact(s, "error", "%s", row->error);
    if (row->line)
        add_fact(s, "line", "%u", row->line);
    add_fact(s, "mode", "%s%s%s", row->mode, row->isolation ? ", isolation " : "",
             row->isolation ? row->isolation : "");
    add_fact(s, "client", "%s", row->client ? row->client : "");
    add_fact(s, "time", "%s of %s", duration_text(a, row->wall_ns),
             duration_text(b, row->timeout_ns));
    add_fact(s, "CPU time", "%s", duration_text(a, row->cpu_ns));
    add_fact(s, "memory", "%s of %s", size_text(a, row->peak_memory_bytes),
             size_text(b, row->mem_bytes));
    add_fact(s, "output", "%s, and %s of errors%s", size_text(a, row->out_len[0]),
             size_text(b, row->out_len[1]), row->truncated ? "; cut" : "");
    add_fact(s, "code", "%s, SHA-256 %s", size_text(a, row->code_len),
             row->code_sha256 ? row->code_sha256 : "unknown");
    if (row->code)
        s->full |= buf_addf(&s->facts, NULL, "\n%s%s", row->code,
                            str_ends(row->code, "\n") ? "" : "\n") < 0;
}

static void on_row(void *ctx, const struct history_row *row)
{
    struct shown *s = ctx;
    if (s->json) {
        add_object(s, row);
        return;
    }
    add_line(s, row);
    if (s->single && s->lines.len == 1) /* it may be the only one */
        add_facts(s, row);
}

/* ---- all of them ---- */

static void show_table(const struct strv *lines)
{
    show_tinted(stdout, TINT_FAINT, "%-*s%-*s%9s %9s %9s %9s  %-36s  %s", TIME_WIDTH, "ENDED",
                OUTCOME_WIDTH, "OUTCOME", "TIME", "CPU", "MEMORY", "CODE", "EXECUTION", "CLIENT");
    putchar('\n');
    for (size_t i = 0; i < lines->len; i++) {
        const char *line = lines->items[i];
        const char *outcome = line + TIME_WIDTH;
        bool ok = str_starts(outcome, "ok ");
        show_text(stdout, TINT_PLAIN, line, TIME_WIDTH);
        show_text(stdout, ok ? TINT_GOOD : TINT_BAD, outcome, OUTCOME_WIDTH);
        show_line(stdout, TINT_PLAIN, outcome + OUTCOME_WIDTH);
    }
}

static void show_json(const struct strv *objects, bool array)
{
    if (array)
        putchar('[');
    for (size_t i = 0; i < objects->len; i++) {
        if (i > 0)
            putchar(',');
        fputs(objects->items[i], stdout);
    }
    puts(array ? "]" : "");
}

static int show(const struct shown *s)
{
    bool one = s->single && s->lines.len == 1;
    if (s->full) {
        log_line(LOG_ERROR, "out of memory");
        return EXIT_REFUSED;
    }
    if (s->json)
        show_json(&s->lines, !one);
    else if (one)
        show_program_text(stdout, (const char *)s->facts.data, s->facts.len);
    else
        show_table(&s->lines);
    return EXIT_OK;
}

/* Root reads as the folder's owner. */
static int become_owner(int dir_fd, struct err *err)
{
    struct stat st;
    if (fstat(dir_fd, &st) < 0)
        return err_set(err, ERR_SYS, "examine the state folder");
    if (geteuid() != 0 || st.st_uid == 0)
        return 0;
    if (setgroups(0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
        setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
        return err_set(err, ERR_SYS, "become user %u, to whom the state folder belongs",
                       (unsigned)st.st_uid);
    return 0;
}

/* *ret_fd stays -1 where nothing has been recorded yet. */
static int open_state_dir(const struct conf *conf, int *ret_fd, struct err *err)
{
    if (!conf->state_dir)
        return err_set(err, ERR_INVALID,
                       "there is no home folder where the history could be: set "
                       "SANDBOX_STATE_DIR as for the server");
    auto_close int fd = open(conf->state_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return err_set(err, ERR_SYS, "open the state folder %s", conf->state_dir);
    if (become_owner(fd, err) < 0)
        return -1;
    *ret_fd = take_fd(&fd);
    return 0;
}

/* What to say when nothing was found. */
static int show_nothing(const struct conf *conf, const struct history_query *q)
{
    if (q->id) {
        log_line(LOG_ERROR, "no execution with %s in its id is in the history (%s/%s)", q->id,
                 conf->state_dir, HISTORY_NAME);
        return EXIT_FAILED;
    }
    log_line(LOG_INFO, "no %sexecutions are in the history (%s/%s%s)", q->failed ? "failed " : "",
             conf->state_dir, HISTORY_NAME,
             conf->history == HISTORY_OFF ? "; SANDBOX_HISTORY=off keeps none" : "");
    return EXIT_OK;
}

static int look(const struct conf *conf, const struct history_query *q, struct shown *s)
{
    auto_close int dir_fd = -1;
    struct err err = ERR_INIT;
    unsigned n = 0;
    if (open_state_dir(conf, &dir_fd, &err) < 0 ||
        (dir_fd >= 0 && history_read(dir_fd, q, on_row, s, &n, &err) < 0)) {
        log_line(LOG_ERROR, "%s", err.text);
        return err.code == ERR_INVALID ? EXIT_USAGE : EXIT_REFUSED;
    }
    if (n == 0 && (s->single || !s->json))
        return show_nothing(conf, q);
    return show(s);
}

/* ---- the command line ---- */

static int parse_count(const char *text, unsigned *ret)
{
    char *end;
    errno = 0;
    unsigned long n = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 0;
    if (n < 1 || n > MOST_ROWS || errno || *end)
        return -1;
    *ret = (unsigned)n;
    return 0;
}

/* An id or a part of one, in lower case. */
static bool parse_id(const char *text, char out[40])
{
    size_t n = strlen(text);
    if (n == 0 || n > 36 || strspn(text, "0123456789abcdefABCDEF-") != n)
        return false;
    for (size_t i = 0; i <= n; i++)
        out[i] = (char)tolower((unsigned char)text[i]);
    return true;
}

int command_history(const struct cli_command *command, struct cli *cli)
{
    char id[40];
    const char *count = cli_option(cli, "-n");
    struct history_query q = {.failed = cli_option(cli, "--failed"), .limit = DEFAULT_ROWS};
    struct shown s = {.json = cli_option(cli, "--json"), .single = cli->argument};
    if (count && parse_count(count, &q.limit) < 0)
        return cli_usage(command, "-n takes a whole number from 1 to 1000000");
    if (cli->argument) {
        if (!parse_id(cli->argument, id))
            return cli_usage(command, "ID is an execution_id, or a part of one");
        q.id = id;
        q.with_code = true;
    }
    struct conf *conf = cli_configure(cli);
    if (!conf)
        return EXIT_USAGE;
    int status = look(conf, &q, &s);
    buf_done(&s.facts);
    strv_done(&s.lines);
    conf_free(conf);
    return status;
}
