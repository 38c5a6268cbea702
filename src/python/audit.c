/* The audit hook: see audit.h. Runs in the worker on every audit event, some of which are frequent
 * (import, object.__getattr__, builtins.id): events without a rule must cost next to nothing. */
#include "python/audit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "catalog/profiles.h"
#include "python/compat.h"
#include "python/events.h"
#include "python/guard_readers.h"
#include "python/guard_trust.h"
#include "python/guards.h"
#include "python/imports_impl.h"
#include "python/policy.h"
#include "python/text.h"
#include "python/threads.h"

enum verdict {
    REFUSE,     /* nobody */
    READERS,    /* functions with the bit */
    COUNT,      /* everybody, as long as there are not too many threads */
    JUDGE_TEXT, /* functions with the bit; else the policy reads the text */
    /* a program may load what it may import, the library all but roads round the language. C code
     * alone raises the event: importlib, written in Python, does for what is not written in it */
    JUDGE_MODULE,
    JUDGE_NAME, /* library functions; a program obeys the rule about names */
};

/* An operator who permits a module that is made for such things has taken this wall down; the
 * kernel's hold. */
enum opened_by {
    NOTHING = 0,
    OVERRIDE = 1 << 0, /* SANDBOX_ALLOWED_IMPORTS */
    FILES = 1 << 1,    /* the filesystem profile */
    NETWORK = 1 << 2,  /* the network profile */
    SCIENCE = 1 << 3,  /* the data science profile, whose libraries load code of their own */
};

struct rule {
    const char *event; /* a name; or a family, when it ends in a dot */
    enum verdict verdict;
    unsigned readers;   /* enum guard_group */
    unsigned opened_by; /* enum opened_by */
    const char *what;   /* "open a file" */
    const char *remedy;
};

static const char no_remedy[] = "Nothing permits this to a program in the sandbox";
static const char files_remedy[] =
    "Keep data in memory (io.StringIO, io.BytesIO), or enable SANDBOX_ENABLE_FILESYSTEM";
static const char network_remedy[] = "Network access needs SANDBOX_ENABLE_NETWORK=true";

static const struct rule rules[] = {
    {"open", READERS, MAY_OPEN, OVERRIDE | FILES | SCIENCE, "open a file", files_remedy},
    {"os.listdir", READERS, MAY_OPEN, OVERRIDE | FILES | SCIENCE, "list files", files_remedy},
    {"os.scandir", READERS, MAY_OPEN, OVERRIDE | FILES | SCIENCE, "list files", files_remedy},
    {"os.walk", READERS, MAY_OPEN, OVERRIDE | FILES | SCIENCE, "list files", files_remedy},
    {"os.", REFUSE, 0, OVERRIDE | FILES | SCIENCE, "call the operating system", files_remedy},
    {"shutil.", REFUSE, 0, OVERRIDE | FILES, "change files", files_remedy},
    {"tempfile.", REFUSE, 0, OVERRIDE | FILES | SCIENCE, "make a temporary file", files_remedy},
    {"glob.", REFUSE, 0, OVERRIDE | FILES | SCIENCE, "list files", files_remedy},
    {"pathlib.", REFUSE, 0, OVERRIDE | FILES | SCIENCE, "list files", files_remedy},
    {"socket.__new__", READERS, MAY_PAIR | MAY_PAIR_ITSELF, OVERRIDE | NETWORK, "open a socket",
     network_remedy},
    {"_thread.start_new_thread", COUNT, 0, NOTHING, "start a thread", no_remedy},
    {"_thread.start_joinable_thread", COUNT, 0, NOTHING, "start a thread", no_remedy},
    {"socket.", REFUSE, 0, OVERRIDE | NETWORK, "use the network", network_remedy},
    {"urllib.", REFUSE, 0, OVERRIDE | NETWORK, "use the network", network_remedy},
    {"http.", REFUSE, 0, OVERRIDE | NETWORK, "use the network", network_remedy},
    {"ftplib.", REFUSE, 0, OVERRIDE | NETWORK, "use the network", network_remedy},
    {"smtplib.", REFUSE, 0, OVERRIDE | NETWORK, "use the network", network_remedy},
    {"imaplib.", REFUSE, 0, OVERRIDE | NETWORK, "use the network", network_remedy},
    {"subprocess.", REFUSE, 0, OVERRIDE, "start a process", no_remedy},
    {"pty.", REFUSE, 0, OVERRIDE, "start a process", no_remedy},
    {"webbrowser.", REFUSE, 0, OVERRIDE, "start a browser", no_remedy},
    {"ctypes.", REFUSE, 0, OVERRIDE | SCIENCE, "call machine code", no_remedy},
    {"mmap.", REFUSE, 0, OVERRIDE | SCIENCE, "map memory", no_remedy},
    {"fcntl.", REFUSE, 0, OVERRIDE | FILES, "control a file descriptor", no_remedy},
    {"resource.", REFUSE, 0, OVERRIDE, "change a limit", no_remedy},
    {"signal.", REFUSE, 0, OVERRIDE, "send a signal", no_remedy},
    {"syslog.", REFUSE, 0, OVERRIDE, "write to the system log", no_remedy},
    {"sqlite3.", REFUSE, 0, OVERRIDE | FILES, "open a database", files_remedy},
    {"gc.", REFUSE, 0, OVERRIDE, "search the interpreter's objects", no_remedy},
    {"sys._getframe", READERS, READS_FRAME, OVERRIDE | SCIENCE, "read a frame", no_remedy},
    {"sys._getframemodulename", READERS, READS_FRAME, OVERRIDE | SCIENCE, "read a frame",
     no_remedy},
    {"import", JUDGE_MODULE, 0, OVERRIDE | SCIENCE, "load a module that is not for programs",
     no_remedy},
    {"sys._current_frames", REFUSE, 0, OVERRIDE, "read frames", no_remedy},
    {"sys._current_exceptions", REFUSE, 0, OVERRIDE, "read frames", no_remedy},
    {"sys.setprofile", REFUSE, 0, OVERRIDE, "profile", no_remedy},
    {"sys.settrace", REFUSE, 0, OVERRIDE, "trace", no_remedy},
    {"sys.monitoring.", REFUSE, 0, OVERRIDE, "trace", no_remedy},
    {"sys.addaudithook", REFUSE, 0, OVERRIDE, "add an audit hook", no_remedy},
    {"sys.remote_exec", REFUSE, 0, NOTHING, "run code in another process", no_remedy},
    {"code.__new__", READERS, READS_CODE, OVERRIDE | SCIENCE, "make a code object", no_remedy},
    {"function.__new__", READERS, MAY_MAKE_FUNCTION, OVERRIDE | SCIENCE,
     "make a function from code", no_remedy},
    /* object.__setattr__(obj, "__class__", …): a road that no name in the text gives away */
    {"object.__setattr__", JUDGE_NAME, 0, NOTHING, "change what an object is",
     "Make a new object of the other class"},
    {"object.__delattr__", JUDGE_NAME, 0, NOTHING, "change what an object is",
     "Make a new object of the other class"},
    {"marshal.", READERS, MAY_UNMARSHAL, OVERRIDE | SCIENCE, "load or store code objects",
     no_remedy},
    {"pickle.", REFUSE, 0, OVERRIDE | SCIENCE, "unpickle", "Use json to store and load data"},
    {"exec", READERS, MAY_EXECUTE, OVERRIDE | SCIENCE, "execute code", no_remedy},
    {"compile", JUDGE_TEXT, MAY_COMPILE | MAY_COMPILE_LIBRARY, OVERRIDE, "compile", no_remedy},
    {"cpython.", REFUSE, 0, OVERRIDE, "run the interpreter's own start-up code", no_remedy},
    {"builtins.input", REFUSE, 0, NOTHING, "read from the keyboard",
     "Put the input into the program as a variable"},
    {"builtins.breakpoint", REFUSE, 0, NOTHING, "start a debugger", no_remedy},
};

static unsigned opened; /* enum opened_by bits in force */
static const struct msg_launch *launched;
static const struct msg_run *current;
static bool compiling; /* we ourselves, the program or a text to be judged: that compile passes */

static bool matches(const char *event, const char *pattern)
{
    size_t n = strlen(pattern);
    return pattern[n - 1] == '.' ? strncmp(event, pattern, n) == 0 : strcmp(event, pattern) == 0;
}

static const struct rule *find_rule(const char *event)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (rules[i].event[0] == event[0] && matches(event, rules[i].event))
            return &rules[i];
    return NULL;
}

static int refuse(const struct rule *rule, const char *event, const char *why)
{
    char detail[512];
    snprintf(detail, sizeof(detail), "The program tried to %s (%s)%s%s", rule->what, event,
             *why ? ": " : "", why);
    events_report(LAYER_AUDIT, 0, event, detail, rule->remedy);
    PyErr_SetString(events_violation_type, detail);
    return -1;
}

/* @text as a tree, as a program or as an expression; NULL with an exception. */
static PyObject *parse(const char *text, int how)
{
    static const int modes[] = {Py_file_input, Py_eval_input};
    PyObject *tree = NULL;
    for (size_t i = 0; i < ARRAY_LEN(modes) && !tree; i++) {
        PyCompilerFlags flags = {.cf_flags = PyCF_ONLY_AST | how,
                                 .cf_feature_version = PY_MINOR_VERSION};
        PyErr_Clear();
        tree = Py_CompileStringExFlags(text, "<text>", modes[i], &flags, 0);
    }
    return tree;
}

/* The tree of @source, read as CPython is about to read it: a text is UTF-8, bytes may name their
 * encoding. NULL with an exception; without one when it is neither. */
static PyObject *parse_source(PyObject *source)
{
    if (PyUnicode_Check(source)) {
        const char *text = PyUnicode_AsUTF8(source);
        return text ? parse(text, PyCF_IGNORE_COOKIE | PyCF_SOURCE_IS_UTF8) : NULL;
    }
    return PyBytes_Check(source) ? parse(PyBytes_AS_STRING(source), 0) : NULL;
}

/* Give the tree of @source to the policy. A text that is no Python passes: the compile that follows
 * fails by itself. */
static int judge_text(const struct rule *rule, PyObject *source)
{
    PyObject *tree = parse_source(source);
    if (!tree) {
        if (!PyErr_Occurred())
            return refuse(rule, "compile", "only text can be compiled");
        if (!PyErr_ExceptionMatches(PyExc_SyntaxError) && !PyErr_ExceptionMatches(PyExc_ValueError))
            return -1; /* no memory: it has not been judged */
        PyErr_Clear();
        return 0;
    }
    struct policy_rules policy = {.permitted = &launched->modules,
                                  .narrowed =
                                      current && current->narrowed ? &current->imports : NULL,
                                  .profiles = launched->profiles,
                                  .imports_overridden = launched->imports_overridden,
                                  .generated = true};
    struct policy_report report = {0};
    int rc = policy_check(tree, &policy, &report);
    if (rc == 0 && (report.len > 0 || report.too_complex))
        rc = refuse(rule, "compile", report.len ? report.items[0].message : "too complex");
    policy_report_done(&report);
    Py_DECREF(tree);
    return rc;
}

static bool is_to_read(PyObject *mode)
{
    return PyUnicode_Check(mode) && (PyUnicode_CompareWithASCIIString(mode, "r") == 0 ||
                                     PyUnicode_CompareWithASCIIString(mode, "rb") == 0);
}

/* May a file be opened or a folder listed? Library functions that read source and data are told by
 * programs what to read (a FrameSummary's file name), so for them the path decides as well.
 * zoneinfo opens its data from C, with the program's frame innermost; CPython itself looks for the
 * source of text called "<string>". */
static bool may_open(const char *event, PyObject *args, unsigned reader)
{
    PyObject *path = PyTuple_GET_SIZE(args) > 0 ? PyTuple_GET_ITEM(args, 0) : Py_None;
    const char *text = PyUnicode_Check(path) ? PyUnicode_AsUTF8(path) : NULL;
    PyErr_Clear();
    if (!text || strstr(text, "/.."))
        return false;
    if (strcmp(event, "open") == 0 &&
        (PyTuple_GET_SIZE(args) < 2 || !is_to_read(PyTuple_GET_ITEM(args, 1))))
        return false;
    return *text == '<' || str_starts(text, "/usr/share/zoneinfo") ||
           ((reader & MAY_OPEN) && text_in_library(text));
}

/* May a text be compiled without being judged? A module of the library that has no compiled file
 * beside it, when the importer loads it; and what is only parsed. */
static bool may_compile(PyObject *args, unsigned reader)
{
    PyObject *file = PyTuple_GET_SIZE(args) > 1 ? PyTuple_GET_ITEM(args, 1) : Py_None;
    const char *path = PyUnicode_Check(file) ? PyUnicode_AsUTF8(file) : NULL;
    PyErr_Clear();
    if (reader & MAY_COMPILE_LIBRARY)
        return path && !strstr(path, "/..") && text_in_library(path);
    return reader != 0;
}

/* No finaliser of the program's may run while one of its texts is being judged. */
static int judge_alone(const struct rule *rule, PyObject *source)
{
    int collecting = PyGC_Disable();
    compiling = true;
    int rc = judge_text(rule, source);
    compiling = false;
    if (collecting)
        PyGC_Enable();
    return rc;
}

/* A socket made from a descriptor of the program's choice would be any socket of the process: the
 * class serves socketpair() alone. */
static bool may_pair(unsigned reader)
{
    PyFrameObject *frame = reader & MAY_PAIR ? PyEval_GetFrame() : NULL;
    PyFrameObject *caller = frame ? PyFrame_GetBack(frame) : NULL;
    PyCodeObject *code = caller ? PyFrame_GetCode(caller) : NULL;
    bool ok = code && (guards_code_bits(code) & MAY_PAIR);
    Py_XDECREF(code);
    Py_XDECREF(caller);
    return ok || (reader & MAY_PAIR_ITSELF);
}

/* Attributes that are not the object's but the interpreter's: __class__, __bases__, __defaults__.
 */
static int judge_name(const struct rule *rule, const char *event, PyObject *args)
{
    PyObject *name = PyTuple_GET_SIZE(args) > 1 ? PyTuple_GET_ITEM(args, 1) : Py_None;
    const char *text =
        PyUnicode_Check(name) && guards_caller_is_program() ? PyUnicode_AsUTF8(name) : NULL;
    PyErr_Clear();
    const char *message = text ? policy_name_verdict_assign(text) : NULL;
    return message ? refuse(rule, event, message) : 0;
}

/* Is it one of those by which the library, or its tests, reach memory, code or other processes? */
static bool is_dangerous(const char *name)
{
    static const char *const prefixes[] = {
        "_test",  "_ctypes",  "_xx",         "_posixsubprocess", "_interp",
        "ctypes", "xxl",      "_posixshmem", "_curses",          "_dbm",
        "_gdbm",  "readline", "_tkinter",    "_multiprocessing"};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_starts(name, prefixes[i]))
            return true;
    return false;
}

/* Does CPython's own C code import it, for a program whose frame is the innermost then? */
static bool is_for_c(const char *name)
{
    static const char *const names[] = {"_strptime",   "_pylong",       "_pydecimal",
                                        "_pydatetime", "annotationlib", "string.templatelib"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* What gets here was not loaded yet. The program's own imports have been judged before, by the
 * guarded __import__; one that it causes otherwise came by another road. */
static bool may_load(const char *name)
{
    if (is_dangerous(name))
        return false;
    return !guards_caller_is_program() || is_for_c(name) || import_rule_verdict(name) != MODULE_NO;
}

static int judge_module(const struct rule *rule, const char *event, PyObject *args)
{
    PyObject *name = PyTuple_GET_SIZE(args) > 0 ? PyTuple_GET_ITEM(args, 0) : Py_None;
    const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    PyErr_Clear();
    return text && may_load(text) ? 0 : refuse(rule, event, text ? text : "");
}

/* The loaders execute through _call_with_frames_removed(), which a program could call as well. */
static bool may_execute(unsigned reader)
{
    return reader && (!(guards_reader_bits() & MAY_COMPILE_LIBRARY) || guards_called_by_library());
}

static int on_event(const char *event, PyObject *args, void *ctx _unused_)
{
    if (!guards_armed)
        return 0;
    const struct rule *rule = find_rule(event);
    if (!rule || (rule->opened_by & opened))
        return 0;
    if (compiling && rule->verdict == JUDGE_TEXT)
        return 0;
    unsigned reader = rule->readers ? guards_reader_bits() & rule->readers : 0;
    if (rule->verdict == COUNT)
        return threads_count(event);
    if (rule->verdict == JUDGE_NAME)
        return judge_name(rule, event, args);
    if (rule->verdict == JUDGE_MODULE)
        return judge_module(rule, event, args);
    if (rule->readers == MAY_OPEN      ? may_open(event, args, reader)
        : rule->readers & MAY_PAIR     ? may_pair(reader)
        : rule->readers == MAY_EXECUTE ? may_execute(reader)
        : rule->readers & MAY_COMPILE  ? may_compile(args, reader)
                                       : reader != 0)
        return 0;
    if (rule->verdict != JUDGE_TEXT)
        return refuse(rule, event, "");
    return judge_alone(rule, PyTuple_GET_ITEM(args, 0));
}

void audit_compiling(bool on)
{
    compiling = on;
}

int audit_init(const struct msg_launch *launch)
{
    launched = launch;
    opened = (launch->imports_overridden ? OVERRIDE : 0u) |
             (launch->profiles & PROFILE_FILESYSTEM ? FILES : 0u) |
             (launch->profiles & PROFILE_NETWORK ? NETWORK : 0u) |
             (launch->profiles & PROFILE_DATA_SCIENCE ? SCIENCE : 0u);
    return threads_init(launch) < 0 ? -1 : PySys_AddAuditHook(on_event, NULL);
}

void audit_set_run(const struct msg_run *run)
{
    current = run;
}
