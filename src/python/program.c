/* From text to code: see program.h. Runs in the worker before any user code, on hostile text,
 * within the compiler's own limits of memory and time. CPython's parser and compiler are the only
 * readers of the text. */
#include "python/program.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "python/audit.h"
#include "python/compat.h"
#include "python/events.h"
#include "python/facade.h"
#include "python/imports_impl.h"
#include "python/memory.h"
#include "python/source.h"
#include "python/text.h"
#include "python/traceback.h"

static PyObject *compile_fn;      /* builtins.compile */
static PyObject *expr_type;       /* ast.Expr */
static PyObject *expression_type; /* ast.Expression */
static PyObject *exec_mode, *eval_mode;
static PyObject *body_attr, *value_attr;

int program_init(void)
{
    auto_py PyObject *builtins = PyImport_ImportModule("builtins");
    auto_py PyObject *ast = PyImport_ImportModule("_ast");
    if (!builtins || !ast)
        return -1;
    compile_fn = PyObject_GetAttrString(builtins, "compile");
    expr_type = PyObject_GetAttrString(ast, "Expr");
    expression_type = PyObject_GetAttrString(ast, "Expression");
    exec_mode = PyUnicode_InternFromString("exec");
    eval_mode = PyUnicode_InternFromString("eval");
    body_attr = PyUnicode_InternFromString("body");
    value_attr = PyUnicode_InternFromString("value");
    bool all = compile_fn && expr_type && expression_type && exec_mode && eval_mode && body_attr &&
               value_attr;
    return all ? 0 : -1;
}

void program_done(struct program *p)
{
    Py_CLEAR(p->body);
    Py_CLEAR(p->last);
    policy_report_done(&p->report);
    free(p->error_type);
    free(p->traceback);
    *p = (struct program){0};
}

/* ---- failures ---- */

/* Make @message (owned, may be NULL: no memory) the only finding. */
static int set_finding(struct program *p, enum run_outcome outcome, uint32_t line, uint32_t column,
                       const char *rule, char *message, const char *remedy, struct err *err)
{
    auto_free char *text = message;
    struct policy_report *r = &p->report;
    for (size_t i = 0; i < r->len; i++) {
        free(r->items[i].rule);
        free(r->items[i].message);
        free(r->items[i].remedy);
    }
    free(r->items);
    r->len = 0; /* the analysis, as far as it got, stays */
    r->items = calloc(1, sizeof(*r->items));
    if (!text || !r->items)
        return err_nomem(err);
    r->len = 1;
    r->items[0] = (struct violation){.line = line,
                                     .column = column,
                                     .rule = strdup(rule),
                                     .message = take_ptr(text),
                                     .remedy = strdup(remedy)};
    p->outcome = outcome;
    return r->items[0].rule && r->items[0].remedy ? 0 : err_nomem(err);
}

static int refuse_text(struct program *p, uint32_t line, const char *message, struct err *err)
{
    p->error_type = strdup("SyntaxError");
    p->traceback = strdup("");
    if (!p->error_type || !p->traceback)
        return err_nomem(err);
    return set_finding(p, OUTCOME_SYNTAX_ERROR, line, 0, "syntax", strdup(message), "", err);
}

/* Errors that the compiler finds later than the parser have no source line with them: it is
 * looked for in a file called <sandbox>. */
static void add_source_line(PyObject *exc, uint32_t line)
{
    PySyntaxErrorObject *e = (PySyntaxErrorObject *)exc;
    if (e->text && e->text != Py_None)
        return;
    PyObject *text = source_line(line);
    if (text)
        Py_XSETREF(e->text, text);
    PyErr_Clear();
}

static uint32_t as_u32(PyObject *number)
{
    long v = number && PyLong_Check(number) ? PyLong_AsLong(number) : 0;
    PyErr_Clear();
    return v > 0 && v < UINT32_MAX ? (uint32_t)v : 0;
}

/* How a line begins that is no Python, but is found around it: in chats, notebooks and consoles. */
static const struct {
    const char *start, *hint;
    bool word; /* only with a letter behind it */
} strangers[] = {
    {"```", "leave the Markdown fence out", false},
    {">>>", "leave out the prompts of the interactive session, and what it printed", false},
    {"%", "a notebook's magic commands are not Python; leave the line out", true},
    {"%%", "a notebook's magic commands are not Python; leave the line out", true},
    {"!",
     "a shell command is not Python, and no package can be installed from here: "
     "get_sandbox_info lists the modules that there are",
     true},
};

/* What @exc, whose text is @message, should tell besides. NULL = nothing. */
static const char *hint_for(PyObject *exc, const char *message)
{
    /* Notebooks permit `await` at top level, and many programs are written for them. */
    if (strstr(message, " outside ") && (strstr(message, "'await'") || strstr(message, "async")))
        return "put it into an async function and run that: asyncio.run(main())";
    if (strstr(message, "Did you mean exec("))
        return "but exec() is not allowed here";
    PyObject *line = ((PySyntaxErrorObject *)exc)->text;
    auto_free char *text = line && PyUnicode_Check(line) ? text_from_str(line, 200) : NULL;
    const char *start = text ? text + strspn(text, " \t\f") : "";
    if (!text || as_u32(((PySyntaxErrorObject *)exc)->offset) != (uint32_t)(start - text) + 1)
        return NULL; /* it is something behind it */
    for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
        const char *behind = start + strlen(strangers[i].start);
        if (str_starts(start, strangers[i].start) &&
            (!strangers[i].word || isalpha((unsigned char)*behind)))
            return strangers[i].hint;
    }
    return NULL;
}

/* @message is owned and so is what is returned; NULL = no memory. */
static char *with_hint(PyObject *exc, char *message)
{
    auto_free char *text = message;
    const char *hint = text ? hint_for(exc, text) : NULL;
    char *longer = NULL;
    if (!hint)
        return take_ptr(text);
    return asprintf(&longer, "%s; %s", text, hint) < 0 ? NULL : longer;
}

static int syntax_error(struct program *p, PyObject *exc, struct err *err)
{
    PySyntaxErrorObject *e = (PySyntaxErrorObject *)exc;
    uint32_t line = as_u32(e->lineno), column = as_u32(e->offset);
    add_source_line(exc, line);
    struct traceback t = {0};
    if (traceback_describe(exc, &t, err) < 0)
        return -1;
    p->error_type = take_ptr(t.type);
    p->traceback = take_ptr(t.text);
    char *message = with_hint(exc, take_ptr(t.message));
    traceback_done(&t);
    return set_finding(p, OUTCOME_SYNTAX_ERROR, line, column, "syntax", message, "", err);
}

/* Why the pending exception ended the preparation. */
static int failed(struct program *p, struct err *err)
{
    auto_py PyObject *exc = exc_take();
    if (exc && PyErr_GivenExceptionMatches(exc, PyExc_SyntaxError))
        return syntax_error(p, exc, err);
    bool memory = exc && PyErr_GivenExceptionMatches(exc, PyExc_MemoryError);
    if (memory && memory_failed())
        return set_finding(p, OUTCOME_RESOURCE, 0, 0, "size",
                           strdup("The program is too large to be compiled"),
                           "Split it up, or build large data while it runs", err);
    if (memory || (exc && PyErr_GivenExceptionMatches(exc, PyExc_RecursionError)))
        return refuse_text(p, 0, "the program is nested too deeply to be compiled", err);
    struct traceback t = {0};
    if (exc && traceback_describe(exc, &t, err) < 0)
        return -1;
    int rc = refuse_text(p, 0, t.message && *t.message ? t.message : "cannot be compiled", err);
    traceback_done(&t);
    return rc;
}

/* ---- steps ---- */

/* The text as the parser takes it: checked, without a byte order mark, NUL-terminated. NULL and
 * *ret_rc set when it is refused. */
static char *checked_text(struct program *p, const struct msg_run *run, size_t *ret_n, int *ret_rc,
                          struct err *err)
{
    const char *code = (const char *)run->code;
    size_t n = run->code_len;
    /* a file saved by an editor that puts one there runs under python3, too */
    if (n >= 3 && memcmp(code, "\xef\xbb\xbf", 3) == 0) {
        code += 3;
        n -= 3;
    }
    const char *nul = n ? memchr(code, '\0', n) : NULL;
    if (nul) {
        *ret_rc = refuse_text(p, source_count_lines(code, (size_t)(nul - code) + 1),
                              "source code cannot contain null bytes", err);
        return NULL;
    }
    if (!utf8_valid(code, n)) {
        *ret_rc = refuse_text(p, 0, "the program is not valid UTF-8", err);
        return NULL;
    }
    char *text = malloc(n + 1);
    if (!text) {
        *ret_rc = err_nomem(err);
        return NULL;
    }
    if (n)
        memcpy(text, code, n);
    text[n] = '\0';
    *ret_n = n;
    return text;
}

static PyObject *parse(const char *text, size_t n)
{
    if (source_register(text, n) < 0)
        return NULL;
    PyCompilerFlags flags = {.cf_flags = PyCF_ONLY_AST | PyCF_SOURCE_IS_UTF8 | PyCF_IGNORE_COOKIE,
                             .cf_feature_version = PY_MINOR_VERSION};
    return Py_CompileStringObject(text, source_name(), Py_file_input, &flags, 0);
}

static PyObject *compile_tree(PyObject *tree, PyObject *mode, int flags)
{
    auto_py PyObject *flag = PyLong_FromLong(flags);
    auto_py PyObject *zero = PyLong_FromLong(0);
    if (!flag || !zero)
        return NULL;
    /* compile(source, filename, mode, flags, dont_inherit, optimize) */
    PyObject *args[] = {tree, source_name(), mode, flag, Py_True, zero};
    return PyObject_Vectorcall(compile_fn, args, 6, NULL);
}

/* Take the final expression statement off @module, as an ast.Expression. Py_None when the program
 * does not end in one. New reference. */
static PyObject *split_last(PyObject *module, Py_ssize_t *ret_left)
{
    auto_py PyObject *body = PyObject_GetAttr(module, body_attr);
    if (!body)
        return NULL;
    Py_ssize_t n = PyList_Size(body);
    if (n < 0)
        return NULL;
    *ret_left = n;
    if (n == 0 || (PyObject *)Py_TYPE(PyList_GET_ITEM(body, n - 1)) != expr_type)
        return Py_NewRef(Py_None);
    auto_py PyObject *value = PyObject_GetAttr(PyList_GET_ITEM(body, n - 1), value_attr);
    if (!value || PyList_SetSlice(body, n - 1, n, NULL) < 0)
        return NULL;
    *ret_left = n - 1;
    return PyObject_CallOneArg(expression_type, value);
}

/* -1 = Python exception */
static int compile_parts(struct program *p, PyObject *module)
{
    Py_ssize_t left;
    auto_py PyObject *last = split_last(module, &left);
    if (!last)
        return -1;
    int future = 0;
    if (left > 0) {
        p->body = compile_tree(module, exec_mode, 0);
        if (!p->body)
            return -1;
        /* `from __future__ import …` holds for the expression as well */
        future = ((PyCodeObject *)p->body)->co_flags & PyCF_MASK;
    }
    if (last != Py_None) {
        p->last = compile_tree(last, eval_mode, future);
        if (!p->last)
            return -1;
    }
    return 0;
}

/* Modules' contents are known here: see policy.h. */
static const char *withheld(const char *module, PyObject *name)
{
    const char *text = facade_withholds(module, name) ? PyUnicode_AsUTF8(name) : NULL;
    PyErr_Clear();
    return text ? facade_remedy(module, text) : NULL;
}

static int judge(struct program *p, const struct msg_launch *launch, const struct msg_run *run,
                 const char *text, size_t n, PyObject *module, struct err *err)
{
    struct policy_rules rules = {.permitted = &launch->modules,
                                 .narrowed = run->narrowed ? &run->imports : NULL,
                                 .profiles = launch->profiles,
                                 .imports_overridden = launch->imports_overridden,
                                 .withheld = withheld,
                                 .code = (const uint8_t *)text,
                                 .code_len = n};
    if (import_rule_narrow(run, err) < 0)
        return -1;
    if (policy_check(module, &rules, &p->report) < 0)
        return failed(p, err);
    if (p->report.too_complex)
        return set_finding(p, OUTCOME_RESOURCE, 0, 0, "complexity",
                           strdup("The program has too many parts or is nested too deeply"),
                           "Split it up, or build large data while it runs", err);
    p->outcome = p->report.len ? OUTCOME_REFUSED : OUTCOME_OK;
    return 0;
}

static int prepare(const struct msg_launch *launch, const struct msg_run *run, struct program *ret,
                   struct err *err)
{
    size_t n;
    int rc = 0;
    auto_free char *text = checked_text(ret, run, &n, &rc, err);
    if (!text)
        return rc;
    audit_compiling(true);
    auto_py PyObject *module = parse(text, n);
    audit_compiling(false);
    if (!module)
        return failed(ret, err);
    if (judge(ret, launch, run, text, n, module, err) < 0)
        return -1;
    if (ret->outcome != OUTCOME_OK)
        return 0;
    audit_compiling(true);
    int compiled = compile_parts(ret, module);
    audit_compiling(false);
    if (compiled < 0) {
        Py_CLEAR(ret->body);
        Py_CLEAR(ret->last);
        return failed(ret, err);
    }
    return 0;
}

int program_prepare(const struct msg_launch *launch, const struct msg_run *run, struct program *ret,
                    struct err *err)
{
    events_mute(true);
    int rc = prepare(launch, run, ret, err);
    events_mute(false);
    return rc;
}
