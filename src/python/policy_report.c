/* The report of the policy: violations in source order, at most MSG_MAX_VIOLATIONS of them, with
 * the place where a person finds them. Runs in the worker; a hostile program can contain a hundred
 * thousand violations, so that one which will not be kept must cost nearly nothing. */
#include "python/policy_walk.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- where ---- */

struct position {
    uint32_t line, column; /* 1-based; column in bytes until report_finish() */
};

static long node_number(PyObject *node, PyObject *field)
{
    PyObject *value = ast_field(node, field);
    long n = value ? PyLong_AsLong(value) : -1;
    PyErr_Clear();
    return n;
}

/* Lines as CPython's tokenizer counts them, found when the first violation asks. Without memory for
 * it, columns count bytes. */
static void source_lines(struct walk *w)
{
    const uint8_t *code = w->rules->code;
    size_t n = w->rules->code_len;
    if (w->line_starts || !code)
        return;
    /* A byte order mark is not part of the first line. */
    size_t start = n >= 3 && memcmp(code, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    for (size_t i = start; i <= n; i++) {
        bool cr = i > start && code[i - 1] == '\r' && (i == n || code[i] != '\n');
        if (i > start && code[i - 1] != '\n' && !cr)
            continue;
        if (WALK_GROW(w->line_starts, w->lines, w->lines_cap) < 0) {
            PyErr_Clear();
            return;
        }
        w->line_starts[w->lines++] = i;
    }
}

/* Start of line @line (1-based). NULL when there is none. */
static const uint8_t *source_line(struct walk *w, uint32_t line, size_t *ret_len)
{
    source_lines(w);
    if (line == 0 || line > w->lines)
        return NULL;
    size_t start = w->line_starts[line - 1];
    size_t end = line < w->lines ? w->line_starts[line] : w->rules->code_len;
    *ret_len = end - start;
    return w->rules->code + start;
}

/* An attribute is shown at its name, which ends the node. The name is looked for in the text, where
 * it may have been spelled in characters that NFKC changes. */
static bool position_of_name(struct walk *w, PyObject *node, struct position *pos)
{
    long line = node_number(node, ast_str.end_lineno);
    long end = node_number(node, ast_str.end_col_offset);
    size_t len = 0;
    const uint8_t *text = line > 0 ? source_line(w, (uint32_t)line, &len) : NULL;
    if (!text || end <= 0 || (size_t)end > len)
        return false;
    size_t start = (size_t)end;
    while (start > 0 && (text[start - 1] >= 0x80 || text[start - 1] == '_' ||
                         isalnum((unsigned char)text[start - 1])))
        start--;
    if (start == (size_t)end)
        return false;
    *pos = (struct position){(uint32_t)line, (uint32_t)start + 1};
    return true;
}

static struct position position_of(struct walk *w, PyObject *node, enum place place)
{
    struct position pos = {0, 0};
    if (place == AT_NAME && position_of_name(w, node, &pos))
        return pos;
    long line = node_number(node, ast_str.lineno);
    long column = node_number(node, ast_str.col_offset);
    if (line > 0)
        pos.line = (uint32_t)line;
    if (column >= 0)
        pos.column = (uint32_t)column + 1;
    return pos;
}

/* ---- what ---- */

static bool before(struct position pos, const struct violation *v)
{
    return pos.line != v->line ? pos.line < v->line : pos.column < v->column;
}

static void violation_free(struct violation *v)
{
    free(v->rule);
    free(v->message);
    free(v->remedy);
}

/* Would a violation at @pos be kept? */
static bool report_keeps(const struct policy_report *r, struct position pos)
{
    return r->len < MSG_MAX_VIOLATIONS || before(pos, &r->items[r->len - 1]);
}

static int report_add(struct policy_report *r, struct position pos, enum rule_id rule,
                      char *message, char *remedy)
{
    if (!r->items)
        r->items = calloc(MSG_MAX_VIOLATIONS, sizeof(*r->items));
    char *id = strdup(rule_rows[rule].id);
    if (!r->items || !id || !message || !remedy) {
        free(id);
        free(message);
        free(remedy);
        PyErr_NoMemory();
        return -1;
    }
    utf8_mend(message); /* names are cut to fit */
    if (r->len == MSG_MAX_VIOLATIONS) {
        r->more = true;
        violation_free(&r->items[--r->len]);
    }
    size_t at = r->len++;
    for (; at > 0 && before(pos, &r->items[at - 1]); at--)
        r->items[at] = r->items[at - 1];
    r->items[at] = (struct violation){pos.line, pos.column, id, message, remedy};
    return 0;
}

bool report_wants(struct walk *w, PyObject *node)
{
    bool keeps = report_keeps(w->report, position_of(w, node, AT_START));
    w->report->more |= !keeps;
    return keeps;
}

int report_texts(struct walk *w, enum rule_id rule, PyObject *node, char *message, char *remedy)
{
    struct position pos = position_of(w, node, AT_START);
    if (report_keeps(w->report, pos))
        return report_add(w->report, pos, rule, message, remedy);
    w->report->more = true;
    free(message);
    free(remedy);
    return 0;
}

int report_name(struct walk *w, enum rule_id rule, PyObject *node, enum place place, PyObject *name,
                const char *before_name, const char *after_name, const char *remedy)
{
    struct position pos = position_of(w, node, place);
    if (!report_keeps(w->report, pos)) {
        w->report->more = true;
        return 0;
    }
    const char *text = PyUnicode_AsUTF8(name);
    if (!text)
        return -1;
    char *message = NULL;
    if (asprintf(&message, "%s '%.200s' %s", before_name, text, after_name) < 0)
        message = NULL;
    return report_add(w->report, pos, rule, message, strdup(remedy));
}

int report_attribute(struct walk *w, enum rule_id rule, PyObject *node, enum place place,
                     PyObject *name, enum name_use use)
{
    const struct name_entry *entry = names_find(name);
    if (names_permit(name, entry, use, true))
        return 0;
    bool readable = use == USE_SET && entry && entry->row->uses & USE_GET;
    return report_name(w, rule, node, place, name, rule == RULE_KEYWORD ? "Keyword" : "Attribute",
                       readable ? "may be read but not assigned" : "is not allowed",
                       names_remedy(entry));
}

void report_finish(struct walk *w)
{
    for (size_t i = 0; i < w->report->len; i++) {
        struct violation *v = &w->report->items[i];
        size_t len = 0;
        const uint8_t *text = source_line(w, v->line, &len);
        if (!text || v->column == 0)
            continue;
        uint32_t column = 1;
        for (size_t k = 0; k + 1 < v->column && k < len; k++)
            column += (text[k] & 0xc0) != 0x80;
        v->column = column;
    }
}

void policy_report_done(struct policy_report *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->len; i++)
        violation_free(&r->items[i]);
    free(r->items);
    strv_done(&r->imports);
    *r = (struct policy_report){0};
}
