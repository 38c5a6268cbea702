/* One program: see run.h. Runs in the worker, once for the warm-up and once for the real thing.
 * From the first line of the program on nothing in this process can be trusted any more: what is
 * reported here is the program's own word, which costs nobody but its author; all that matters to
 * others is measured and enforced outside.
 *
 * Order at the end, as CPython keeps it: the uncaught exception is described, then threads that are
 * not daemons are waited for, then atexit functions run, then output is flushed. Finalisers are
 * never run: the process simply ends. */
#include "python/run.h"

#include <Python.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "python/audit.h"
#include "python/capture.h"
#include "python/compat.h"
#include "python/events.h"
#include "python/imports.h"
#include "python/memory.h"
#include "python/namespace.h"
#include "python/program.h"
#include "python/serialise.h"
#include "python/source.h"
#include "python/text.h"
#include "python/traceback.h"
#include "sys/clock.h"

static PyObject *threads_shutdown; /* threading._shutdown */
static PyObject *run_exit_funcs;   /* atexit._run_exitfuncs */
static PyObject *exit_func_count;  /* atexit._ncallbacks */
/* logging's handlers, and how many were there before any program; NULL without logging */
static PyObject *log_handlers, *log_shutdown;
static Py_ssize_t log_handlers_before;

static int find_logging(void)
{
    PyObject *logging = PyDict_GetItemString(PyImport_GetModuleDict(), "logging");
    if (!logging)
        return 0;
    log_handlers = PyObject_GetAttrString(logging, "_handlerList");
    log_shutdown = PyObject_GetAttrString(logging, "shutdown");
    if (!log_handlers || !log_shutdown)
        return -1;
    log_handlers_before = PyList_Size(log_handlers);
    return log_handlers_before < 0 ? -1 : 0;
}

int run_init(void)
{
    auto_py PyObject *threading = PyImport_ImportModule("threading");
    auto_py PyObject *atexit = PyImport_ImportModule("atexit");
    if (!threading || !atexit)
        return -1;
    threads_shutdown = PyObject_GetAttrString(threading, "_shutdown");
    run_exit_funcs = PyObject_GetAttrString(atexit, "_run_exitfuncs");
    exit_func_count = PyObject_GetAttrString(atexit, "_ncallbacks");
    if (!threads_shutdown || !run_exit_funcs || !exit_func_count)
        return -1;
    return find_logging();
}

static void relax(const struct run_env *env)
{
    if (env->limits.relax)
        env->limits.relax(env->limits.ctx);
}

/* ---- what went wrong, for a person ---- */

static int set_error(struct msg_result *ret, struct err *err, const char *fmt, ...) _printf_(3, 4);
static int set_error(struct msg_result *ret, struct err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = NULL;
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        return err_nomem(err);
    if (ret->line) {
        char *with_line = NULL;
        n = asprintf(&with_line, "%s (line %u)", text, ret->line);
        free(text);
        if (n < 0)
            return err_nomem(err);
        text = with_line;
    }
    free(ret->error);
    ret->error = text;
    return 0;
}

/* Nothing ran: the findings of program_prepare() become the result's. */
static int report_unfit(struct program *p, struct msg_result *ret, struct err *err)
{
    struct policy_report *r = &p->report;
    ret->outcome = (uint8_t)p->outcome;
    ret->line = r->len ? r->items[0].line : 0;
    ret->error_type = p->error_type ? take_ptr(p->error_type) : NULL;
    ret->traceback = p->traceback ? take_ptr(p->traceback) : NULL;
    const char *message = r->len ? r->items[0].message : "";
    int rc;
    if (p->outcome == OUTCOME_SYNTAX_ERROR)
        rc = set_error(ret, err, "%s: %s", ret->error_type, message);
    else
        rc = set_error(ret, err, "%s", message);
    if (rc < 0)
        return -1;
    if (p->outcome == OUTCOME_REFUSED)
        for (size_t i = 0; i < r->len; i++)
            events_report(LAYER_POLICY, r->items[i].line, r->items[i].rule, r->items[i].message,
                          r->items[i].remedy);
    if (!ret->error_type)
        ret->error_type =
            strdup(p->outcome == OUTCOME_REFUSED ? "SecurityViolation" : "ProgramTooLarge");
    if (p->outcome != OUTCOME_RESOURCE) {
        ret->violations = take_ptr(r->items);
        ret->violations_len = r->len;
        r->len = 0;
    }
    return ret->error_type ? 0 : err_nomem(err);
}

/* sys.exit(): 1 = a successful end, 0 = described, -1 = no memory. */
static int report_exit(PyObject *exc, struct msg_result *ret, struct err *err)
{
    auto_py PyObject *code = PyObject_GetAttrString(exc, "code");
    PyErr_Clear();
    if (!code || code == Py_None)
        return 1;
    if (PyLong_Check(code)) {
        int overflow;
        long n = PyLong_AsLongAndOverflow(code, &overflow);
        PyErr_Clear();
        if (n == 0 && !overflow)
            return 1;
    }
    auto_py PyObject *text = PyObject_Str(code);
    PyErr_Clear();
    auto_free char *said = text ? text_from_str(text, TEXT_MAX_SENTENCE) : NULL;
    return set_error(ret, err,
                     PyLong_Check(code) ? "The program ended itself with exit code %s"
                                        : "The program ended itself: %s",
                     said ? said : "?");
}

static int report_memory(const struct msg_run *run, struct msg_result *ret, struct err *err)
{
    ret->outcome = OUTCOME_MEMORY;
    if (run->mem_bytes >= 1 << 20)
        return set_error(ret, err, "The program needs more memory than its limit of %llu MiB",
                         (unsigned long long)(run->mem_bytes >> 20));
    return set_error(ret, err, "The program needs more memory than its limit of %llu KiB",
                     (unsigned long long)(run->mem_bytes >> 10));
}

static int report_plain(const struct traceback *t, struct msg_result *ret, struct err *err)
{
    if (*t->message)
        return set_error(ret, err, "%s: %s", t->type, t->message);
    if (strcmp(t->type, "AssertionError") != 0)
        return set_error(ret, err, "%s", t->type);
    /* the type alone says nothing: show what was asserted */
    auto_py PyObject *line = ret->line ? source_line(ret->line) : NULL;
    PyErr_Clear();
    auto_free char *source = line ? text_from_str(line, 200) : NULL;
    const char *start = source ? source + strspn(source, " \t\f") : "";
    return *start ? set_error(ret, err, "%s: %s", t->type, start)
                  : set_error(ret, err, "%s", t->type);
}

static bool is_violation(PyObject *exc)
{
    return PyErr_GivenExceptionMatches(exc, events_violation_type) ||
           PyErr_GivenExceptionMatches(exc, events_import_violation_type);
}

/* MemoryError itself, or a class that the program derived from it. */
static bool is_own_class(PyTypeObject *type)
{
    if (type == (PyTypeObject *)PyExc_MemoryError)
        return true;
    auto_py PyObject *module = PyObject_GetAttrString((PyObject *)type, "__module__");
    PyErr_Clear();
    return module && PyUnicode_CheckExact(module) &&
           PyUnicode_CompareWithASCIIString(module, "__main__") == 0;
}

/* Did the limit end the program? CPython 3.11 forgets to raise MemoryError when a frame cannot be
 * allocated, and then says SystemError. A MemoryError with a text that no allocation caused is the
 * program's own; but libraries of the data science profile, and those that an operator names, have
 * allocators that are not watched, and say "std::bad_alloc". */
static bool is_memory(const struct msg_launch *launch, PyObject *exc)
{
    if (memory_failed() && PyErr_GivenExceptionMatches(exc, PyExc_SystemError))
        return true;
    if (!PyErr_GivenExceptionMatches(exc, PyExc_MemoryError))
        return false;
    PyObject *args = ((PyBaseExceptionObject *)exc)->args;
    bool said = args && PyTuple_Check(args) && PyTuple_GET_SIZE(args) > 0;
    bool watched = !(launch->profiles & PROFILE_DATA_SCIENCE) && !launch->imports_overridden;
    return memory_failed() || !said || !watched || !is_own_class(Py_TYPE(exc));
}

static int report_exception(const struct run_env *env, const struct msg_run *run, PyObject *exc,
                            struct msg_result *ret, struct err *err)
{
    bool memory = is_memory(env->launch, exc);
    if (memory)
        relax(env);
    struct traceback t = {0};
    events_mute(true);
    int rc = traceback_describe(exc, &t, err);
    events_mute(false);
    if (rc < 0)
        return -1;
    ret->outcome = OUTCOME_EXCEPTION;
    ret->line = t.line;
    if (memory) {
        rc = report_memory(run, ret, err);
    } else if (PyErr_GivenExceptionMatches(exc, PyExc_SystemExit)) {
        rc = report_exit(exc, ret, err);
    } else if (is_violation(exc)) {
        ret->outcome = OUTCOME_BLOCKED;
        rc = set_error(ret, err, "%s", t.message);
    } else {
        rc = report_plain(&t, ret, err);
    }
    if (rc == 0) {
        ret->error_type = take_ptr(t.type);
        ret->traceback = take_ptr(t.text);
    } else if (rc > 0) {
        ret->outcome = OUTCOME_OK;
        ret->line = 0;
        rc = 0;
    }
    traceback_done(&t);
    return rc;
}

/* ---- running ---- */

/* The value of the final expression (new reference, NULL when there is none), or NULL with an
 * exception set. */
static PyObject *execute(const struct program *p, PyObject *globals)
{
    if (p->body) {
        PyObject *none = PyEval_EvalCode(p->body, globals, globals);
        if (!none)
            return NULL;
        Py_DECREF(none);
    }
    return p->last ? PyEval_EvalCode(p->last, globals, globals) : NULL;
}

/* What CPython does before it finalises: wait for threads, call atexit functions. */
static void wind_down(void)
{
    /* no thread but this one: nothing to wait for */
    PyInterpreterState *interp = PyInterpreterState_Get();
    if (PyThreadState_Next(PyInterpreterState_ThreadHead(interp)))
        Py_XDECREF(PyObject_CallNoArgs(threads_shutdown));
    PyErr_Clear();
    auto_py PyObject *count = PyObject_CallNoArgs(exit_func_count);
    if (!count || PyLong_AsLong(count) != 0)
        Py_XDECREF(PyObject_CallNoArgs(run_exit_funcs));
    PyErr_Clear();
    if (log_handlers && PyList_GET_SIZE(log_handlers) != log_handlers_before)
        Py_XDECREF(PyObject_CallNoArgs(log_shutdown));
    PyErr_Clear();
}

/* What the program leaves as its result; borrowed from @globals or @value. NULL = nothing. */
static PyObject *result_of(PyObject *value, PyObject *globals)
{
    if (value && value != Py_None)
        return value;
    PyObject *named = PyDict_GetItemString(globals, "result");
    return named;
}

static int serialise_result(const struct run_env *env, const struct msg_run *run, PyObject *result,
                            struct msg_result *ret, struct err *err)
{
    struct err first = ERR_INIT;
    if (serialise_value(result, run->max_output, &ret->result_json, &ret->result_type,
                        &ret->result_truncated, &first) == 0)
        return 0;
    PyErr_Clear();
    relax(env);
    ret->outcome = OUTCOME_MEMORY;
    ret->error_type = strdup("MemoryError");
    if (!ret->error_type)
        return err_nomem(err);
    return set_error(ret, err, "There is not enough memory left to return the result");
}

/* From the first line to the last word. Leaks what it holds unless the process goes on: a finaliser
 * of the program must not run after its result has been taken. */
static int run_prepared(const struct run_env *env, const struct msg_run *run,
                        const struct program *p, struct msg_result *ret, struct err *err)
{
    PyObject *globals = namespace_new(run);
    if (!globals) {
        PyErr_Clear();
        return err_set(err, ERR_NOMEM, "no memory for the program's namespace");
    }
    if (env->limits.program && env->limits.program(env->limits.ctx, run, err) < 0)
        return -1;
    ret->started_ns = clock_mono_ns();
    __atomic_store_n(&env->status->started_ns, ret->started_ns, __ATOMIC_RELEASE);

    PyObject *value = execute(p, globals);
    PyObject *exc = exc_take();
    int rc = exc ? report_exception(env, run, exc, ret, err) : 0;
    if (!env->rehearsal)
        wind_down();
    PyObject *result = rc == 0 && ret->outcome == OUTCOME_OK ? result_of(value, globals) : NULL;
    if (result)
        rc = serialise_result(env, run, result, ret, err);
    if (rc == 0 && namespace_public_names(globals, &ret->variables) < 0)
        rc = err_nomem(err);
    if (env->rehearsal) {
        Py_XDECREF(exc);
        Py_XDECREF(value);
        namespace_free(globals);
    }
    return rc;
}

int run_program(const struct run_env *env, const struct msg_run *run, struct msg_result *ret,
                struct err *err)
{
    struct program p = {0};
    audit_set_run(run);
    capture_begin(run->capture_output, run->live_output, run->max_output);
    int rc = env->limits.compile ? env->limits.compile(env->limits.ctx, err) : 0;
    if (rc == 0)
        rc = program_prepare(env->launch, run, &p, err);
    bool fit = rc == 0 && p.outcome == OUTCOME_OK;
    if (rc == 0)
        rc = fit ? run_prepared(env, run, &p, ret, err) : report_unfit(&p, ret, err);
    PyErr_Clear();
    capture_end(ret->out_truncated);
    ret->ended_ns = ret->started_ns ? clock_mono_ns() : 0;
    if (env->rehearsal || !fit)
        program_done(&p);
    if (env->rehearsal)
        source_forget();
    if (rc == 0 && !ret->result_json && !(ret->result_json = strdup("null")))
        return err_nomem(err);
    return rc;
}
