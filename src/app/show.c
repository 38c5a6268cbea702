/* Showing results: see show.h. Runs in the command line; what it shows was written by the program,
 * so it may try to write to the user's terminal in our name. */
#include "app/show.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "app/log.h"

/* True: end_tint() has to take it back. */
static bool begin_tint(FILE *f, enum tint tint)
{
    static const char *const codes[] = {"", "32", "33", "31", "2", "1"};
    bool colour = tint != TINT_PLAIN && log_colour(fileno(f));
    if (colour)
        fprintf(f, "\033[%sm", codes[tint]);
    return colour;
}

static void end_tint(FILE *f, bool colour)
{
    if (colour)
        fputs("\033[0m", f);
}

void show_tinted(FILE *f, enum tint tint, const char *fmt, ...)
{
    bool colour = begin_tint(f, tint);
    va_list ap;
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    end_tint(f, colour);
}

/* Is p[0..n) the UTF-8 form of a C1 control (U+0080 … U+009F) or a bidirectional override, which
 * terminals act on? Its length, else 0. */
static size_t hidden_control(const char *p, size_t n)
{
    if (n >= 2 && p[0] == '\xc2' && (unsigned char)p[1] < 0xa0)
        return 2;
    if (n >= 3 && p[0] == '\xe2' &&
        ((p[1] == '\x80' && (unsigned char)p[2] >= 0xaa && (unsigned char)p[2] <= 0xae) ||
         (p[1] == '\x81' && (unsigned char)p[2] >= 0xa6 && (unsigned char)p[2] <= 0xa9)))
        return 3;
    return 0;
}

static void put_safe(FILE *f, const char *text, size_t n, bool keep_newlines)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        size_t hidden = hidden_control(text + i, n - i);
        if (c == '\t' || (c == '\n' && keep_newlines) || (c >= 0x20 && c != 0x7f && !hidden)) {
            putc(c, f);
            continue;
        }
        for (size_t j = 0; j < MAX(hidden, (size_t)1); j++)
            fprintf(f, "\\x%02x", (unsigned char)text[i + j]);
        i += hidden ? hidden - 1 : 0;
    }
}

void show_program_text(FILE *f, const char *text, size_t n)
{
    if (isatty(fileno(f)))
        put_safe(f, text, n, true);
    else
        fwrite(text, 1, n, f);
}

void show_text(FILE *f, enum tint tint, const char *text, size_t n)
{
    bool colour = begin_tint(f, tint);
    put_safe(f, text, n, false);
    end_tint(f, colour);
}

void show_line(FILE *f, enum tint tint, const char *text)
{
    show_text(f, tint, text, strlen(text));
    putc('\n', f);
}

static void show_remedy(FILE *f, const char *remedy)
{
    if (str_empty(remedy))
        return;
    show_tinted(f, TINT_FAINT, "    -> ");
    show_line(f, TINT_PLAIN, remedy);
}

void show_violations(FILE *f, const struct violation *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fputs("  ", f);
        if (items[i].line > 0)
            fprintf(f, "Line %u: ", items[i].line);
        show_line(f, TINT_PLAIN, items[i].message);
        bool again = i + 1 < n && str_eq(items[i].remedy, items[i + 1].remedy);
        if (!again)
            show_remedy(f, items[i].remedy);
    }
}

static void show_events(FILE *f, const struct exec_result *r)
{
    static const char *const layers[LAYERS] = {"policy",  "guard",  "audit",
                                               "seccomp", "kernel", "egress"};
    for (size_t i = 0; i < r->events_len; i++) {
        const struct msg_event *e = &r->events[i];
        /* The policy's are shown as violations already. */
        if (e->layer == LAYER_POLICY && r->worker && r->worker->violations_len)
            continue;
        show_tinted(f, TINT_WARN, "stopped");
        fprintf(f, " by %s: ", e->layer < LAYERS ? layers[e->layer] : "?");
        show_line(f, TINT_PLAIN, e->detail ? e->detail : "");
        show_remedy(f, e->remedy);
    }
}

static void show_result(FILE *f, const struct msg_result *w)
{
    if (!w || str_empty(w->result_type) || str_eq(w->result_json, "null"))
        return;
    show_tinted(f, TINT_GOOD, "result");
    fputs(": ", f);
    put_safe(f, w->result_json, strlen(w->result_json), false);
    show_tinted(f, TINT_FAINT, " (%s%s)", w->result_type, w->result_truncated ? ", cut" : "");
    putc('\n', f);
}

static void show_cuts(FILE *f, const struct exec_result *r)
{
    static const char *const names[] = {"stdout", "stderr"};
    for (int i = 0; i < 2; i++)
        if (r->out_truncated[i])
            fprintf(f, "%s was cut at SANDBOX_MAX_OUTPUT_SIZE.\n", names[i]);
}

void show_outcome(FILE *f, const struct exec_result *r)
{
    show_cuts(f, r);
    show_events(f, r);
    if (r->category == CATEGORY_NONE) {
        show_result(f, r->worker);
        return;
    }
    const struct msg_result *w = r->worker;
    if (w && !str_empty(w->traceback))
        put_safe(f, w->traceback, strlen(w->traceback), true);
    if (w && !str_empty(w->traceback) && !str_ends(w->traceback, "\n"))
        putc('\n', f);
    show_tinted(f, TINT_BAD, "%s", exec_category_name(r->category));
    fputs(": ", f);
    show_line(f, TINT_PLAIN, r->error ? r->error : "");
    if (w)
        show_violations(f, w->violations, w->violations_len);
}
