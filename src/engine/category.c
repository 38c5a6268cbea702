/* What an ending means: category, sentence and type of error, decided from what the engine itself
 * recorded (why it stopped the program, what the worker reported, how it exited), never from the
 * signal alone: inside its own pid namespace a program cannot be told apart by signal from one that
 * ran out of memory. Runs in the server; pure. The worker's result is hostile in content; it can
 * only misrepresent its own run. */
#include "engine/internal.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *exec_category_name(enum exec_category c)
{
    static const char *const names[] = {
        [CATEGORY_SYNTAX_ERROR] = "syntax_error",
        [CATEGORY_SECURITY_VIOLATION] = "security_violation",
        [CATEGORY_RUNTIME_ERROR] = "runtime_error",
        [CATEGORY_TIMEOUT] = "timeout",
        [CATEGORY_MEMORY_LIMIT] = "memory_limit",
        [CATEGORY_RESOURCE_LIMIT] = "resource_limit",
        [CATEGORY_CANCELLED] = "cancelled",
        [CATEGORY_INVALID_REQUEST] = "invalid_request",
        [CATEGORY_OVERLOADED] = "overloaded",
        [CATEGORY_CONTAINER_ERROR] = "container_error",
        [CATEGORY_INTERNAL_ERROR] = "internal_error",
    };
    return (unsigned)c < ARRAY_LEN(names) ? names[c] : NULL;
}

/* The error_type where no Python exception gave one. */
static const char *const default_types[] = {
    [CATEGORY_SYNTAX_ERROR] = "SyntaxError",
    [CATEGORY_SECURITY_VIOLATION] = "SecurityViolation",
    [CATEGORY_RUNTIME_ERROR] = "RuntimeError",
    [CATEGORY_TIMEOUT] = "TimeoutError",
    [CATEGORY_MEMORY_LIMIT] = "MemoryError",
    [CATEGORY_RESOURCE_LIMIT] = "ResourceLimitError",
    [CATEGORY_CANCELLED] = "CancelledError",
    [CATEGORY_INVALID_REQUEST] = "InvalidRequest",
    [CATEGORY_OVERLOADED] = "Overloaded",
    [CATEGORY_CONTAINER_ERROR] = "ContainerError",
    [CATEGORY_INTERNAL_ERROR] = "InternalError",
};

uint64_t exec_cpu_ms(const struct exec_request *req, const struct conf *conf)
{
    if (conf->cpu_limit_ms && req->mode == RUN_EXECUTE)
        return conf->cpu_limit_ms;
    return (req->timeout_ns + NS_PER_MS - 1) / NS_PER_MS;
}

static void say(struct decision *d, enum exec_category c, const char *fmt, ...) _printf_(3, 4);
static void say(struct decision *d, enum exec_category c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(d->text, sizeof(d->text), fmt, ap);
    va_end(ap);
    d->category = c;
    d->error = d->text;
    d->error_type = default_types[c];
}

void category_refuse(enum exec_category c, const char *text, struct decision *ret)
{
    say(ret, c, "%s", text);
}

struct text24 {
    char s[24];
};

static struct text24 size_text(uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB"};
    size_t u = 0;
    uint64_t v = bytes;
    while (u + 1 < ARRAY_LEN(units) && v >= 1024 && v % 1024 == 0) {
        v /= 1024;
        u++;
    }
    struct text24 t;
    snprintf(t.s, sizeof(t.s), "%llu %s", (unsigned long long)(v % 1000000000000ull), units[u]);
    return t;
}

static struct text24 time_text(uint64_t ns)
{
    struct text24 t;
    snprintf(t.s, sizeof(t.s), "%.6g s", (double)ns / 1e9);
    return t;
}

static void say_timeout(struct decision *d, const struct exec_request *req, const struct conf *conf)
{
    if (req->timeout_ns < conf->max_timeout_ns)
        say(d, CATEGORY_TIMEOUT,
            "The program did not finish within its time-out of %s; ask for a larger timeout (at "
            "most %s, SANDBOX_MAX_TIMEOUT) or do less at once",
            time_text(req->timeout_ns).s, time_text(conf->max_timeout_ns).s);
    else
        say(d, CATEGORY_TIMEOUT,
            "The program did not finish within its time-out of %s, the longest that "
            "SANDBOX_MAX_TIMEOUT allows; do less at once",
            time_text(req->timeout_ns).s);
}

static void say_memory(struct decision *d, const struct exec_request *req, const struct conf *conf)
{
    if (req->mem_bytes < conf->max_memory_bytes)
        say(d, CATEGORY_MEMORY_LIMIT,
            "The program needed more memory than its limit of %s; ask for a larger memory_limit "
            "(at most %s, SANDBOX_MAX_MEMORY_LIMIT) or use less",
            size_text(req->mem_bytes).s, size_text(conf->max_memory_bytes).s);
    else
        say(d, CATEGORY_MEMORY_LIMIT,
            "The program needed more memory than its limit of %s, the most that "
            "SANDBOX_MAX_MEMORY_LIMIT allows; use less",
            size_text(req->mem_bytes).s);
}

static void say_cpu(struct decision *d, const struct exec_request *req, const struct conf *conf)
{
    struct text24 limit = time_text(exec_cpu_ms(req, conf) * NS_PER_MS);
    if (conf->cpu_limit_ms)
        say(d, CATEGORY_RESOURCE_LIMIT,
            "The program used up its CPU time of %s; SANDBOX_CPU_LIMIT would raise it", limit.s);
    else
        say(d, CATEGORY_RESOURCE_LIMIT,
            "The program used up its CPU time of %s (as long as its timeout, all threads "
            "together); a larger timeout or SANDBOX_CPU_LIMIT would raise it",
            limit.s);
}

/* The worker reported a result: its outcome is the category. */
static void by_result(const struct msg_result *r, const struct exec_request *req,
                      const struct conf *conf, struct decision *d)
{
    static const enum exec_category of[OUTCOMES] = {
        [OUTCOME_OK] = CATEGORY_NONE,
        [OUTCOME_SYNTAX_ERROR] = CATEGORY_SYNTAX_ERROR,
        [OUTCOME_REFUSED] = CATEGORY_SECURITY_VIOLATION,
        [OUTCOME_BLOCKED] = CATEGORY_SECURITY_VIOLATION,
        [OUTCOME_EXCEPTION] = CATEGORY_RUNTIME_ERROR,
        [OUTCOME_MEMORY] = CATEGORY_MEMORY_LIMIT,
        [OUTCOME_RESOURCE] = CATEGORY_RESOURCE_LIMIT,
    };
    enum exec_category c = of[r->outcome];
    if (c == CATEGORY_NONE)
        return;
    if (c == CATEGORY_MEMORY_LIMIT)
        say_memory(d, req, conf);
    else
        say(d, c, "%s",
            c == CATEGORY_RESOURCE_LIMIT ? "The program exceeded a limit" : "The program failed");
    if (c != CATEGORY_MEMORY_LIMIT && !str_empty(r->error))
        d->error = r->error;
    if (!str_empty(r->error_type))
        d->error_type = r->error_type;
}

static void by_verdict(const struct msg_verdict *v, const struct exec_request *req,
                       const struct conf *conf, struct decision *d)
{
    const char *first = v->violations_len ? v->violations[0].message : NULL;
    switch ((enum run_outcome)v->outcome) {
    case OUTCOME_OK:
        return;
    case OUTCOME_SYNTAX_ERROR:
        say(d, CATEGORY_SYNTAX_ERROR, "%s", str_empty(first) ? "Syntax error" : first);
        return;
    case OUTCOME_REFUSED:
        say(d, CATEGORY_SECURITY_VIOLATION, "%s",
            str_empty(first) ? "Code contains restricted operations" : first);
        return;
    case OUTCOME_MEMORY:
        say_memory(d, req, conf);
        return;
    default:
        say(d, CATEGORY_RESOURCE_LIMIT, "%s",
            str_empty(first) ? "The code is too large or too deeply nested to be judged" : first);
    }
}

/* RLIMIT_CPU counts in whole seconds, rounded up; in a pid namespace it acts by SIGKILL only. */
static bool cpu_used_up(uint64_t cpu_ns, uint64_t limit_ms)
{
    uint64_t limit_ns = (limit_ms + 999) / 1000 * NS_PER_S;
    return cpu_ns + 50 * NS_PER_MS >= limit_ns;
}

/* No result came, and we had no hand in it: all there is is how the process exited. */
static void by_exit(const struct ending *end, const struct exec_request *req,
                    const struct conf *conf, struct decision *d)
{
    int status = (int)end->wait_status;
    if (!end->exited || (!WIFSIGNALED(status) && !WIFEXITED(status))) {
        say(d, CATEGORY_INTERNAL_ERROR, "The program's process vanished without an answer");
        return;
    }
    if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGXCPU) &&
        cpu_used_up(end->cpu_ns, exec_cpu_ms(req, conf))) {
        say_cpu(d, req, conf);
        return;
    }
    if (end->alloc_failed && (WIFSIGNALED(status) || WEXITSTATUS(status) != 0)) {
        say_memory(d, req, conf);
        return;
    }
    if (WIFEXITED(status)) {
        say(d, CATEGORY_RUNTIME_ERROR,
            "The program ended the interpreter with exit status %d before it was through; end it "
            "with sys.exit() or by reaching its last line instead",
            WEXITSTATUS(status));
        d->error_type = "InterpreterExit";
        return;
    }
    int sig = WTERMSIG(status);
    const char *abbrev = sigabbrev_np(sig);
    if (sig == SIGKILL && end->memory_kill) {
        say(d, CATEGORY_MEMORY_LIMIT,
            "The programs running at this moment used up the memory that they have together, and "
            "the kernel ended this one; use less memory, or try again when fewer run");
        return;
    }
    if (sig == SIGKILL) {
        say(d, CATEGORY_INTERNAL_ERROR,
            "The program's process was killed from outside or cut off its connection; most often "
            "the machine itself ran out of memory");
        return;
    }
    if (sig == SIGSYS) {
        say(d, CATEGORY_SECURITY_VIOLATION,
            "The program made a system call that the jail ends a process for");
        return;
    }
    say(d, CATEGORY_RUNTIME_ERROR,
        "The program crashed the interpreter (signal %d, SIG%s); the usual causes are too deep "
        "recursion and a fault in an extension module",
        sig, abbrev ? abbrev : "unknown");
    d->error_type = "InterpreterCrash";
}

void category_decide(const struct ending *end, const struct exec_request *req,
                     const struct conf *conf, struct decision *ret)
{
    ret->category = CATEGORY_NONE;
    ret->error = ret->error_type = NULL;
    switch (end->stop) {
    case STOP_TIMEOUT:
        say_timeout(ret, req, conf);
        return;
    case STOP_COMPILE:
        if (req->mode == RUN_VALIDATE)
            say(ret, CATEGORY_RESOURCE_LIMIT,
                "The code took too long to judge; make it smaller or less deeply nested");
        else
            say(ret, CATEGORY_RESOURCE_LIMIT,
                "The program took too long to compile (more than 2 s); make it smaller or less "
                "deeply nested");
        return;
    case STOP_CANCEL:
        say(ret, CATEGORY_CANCELLED, "The execution was cancelled by the client");
        return;
    case STOP_SHUTDOWN:
        say(ret, CATEGORY_CANCELLED, "The execution was cancelled because the server is ending");
        return;
    case STOP_SECURITY:
        say(ret, CATEGORY_SECURITY_VIOLATION,
            "The program was ended after %d forbidden system calls; the security events name "
            "them and what would permit them",
            MAX_NOTIFIED);
        return;
    case STOP_BREACH:
        say(ret, CATEGORY_INTERNAL_ERROR, "The worker broke the protocol: %s",
            end->breach ? end->breach : "unknown");
        return;
    case STOP_LOST:
        say(ret, CATEGORY_INTERNAL_ERROR,
            "The process that holds the Python interpreters ended while the program ran; it is "
            "being restarted, try again");
        return;
    case STOP_NONE:
    case STOP_SILENT:
        break;
    }
    if (end->result)
        by_result(end->result, req, conf, ret);
    else if (end->verdict)
        by_verdict(end->verdict, req, conf, ret);
    else
        by_exit(end, req, conf, ret);
}
