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
#include "python/guards.h"
#include "python/policy.h"

enum verdict {
    REFUSE,     /* nobody */
    READERS,    /* functions with the bit */
    JUDGE_TEXT, /* functions with the bit; else the policy reads the text */
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
    {"os.", REFUSE, 0, OVERRIDE | FILES | SCIENCE, "call the operating system", files_remedy},
    {"shutil.", REFUSE, 0, OVERRIDE | FILES, "change files", files_remedy},
    {"tempfile.", REFUSE, 0, OVERRIDE | FILES | SCIENCE, "make a temporary file", files_remedy},
    {"glob.", REFUSE, 0, OVERRIDE | FILES | SCIENCE, "list files", files_remedy},
    {"pathlib.", REFUSE, 0, OVERRIDE | FILES | SCIENCE, "list files", files_remedy},
    {"socket.__new__", READERS, MAY_PAIR, OVERRIDE | NETWORK, "open a socket", network_remedy},
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
    {"sys._current_frames", REFUSE, 0, OVERRIDE, "read frames", no_remedy},
    {"sys._current_exceptions", REFUSE, 0, OVERRIDE, "read frames", no_remedy},
    {"sys.setprofile", REFUSE, 0, OVERRIDE, "profile", no_remedy},
    {"sys.settrace", REFUSE, 0, OVERRIDE, "trace", no_remedy},
    {"sys.monitoring.", REFUSE, 0, OVERRIDE, "trace", no_remedy},
    {"sys.addaudithook", REFUSE, 0, OVERRIDE, "add an audit hook", no_remedy},
    {"sys.remote_exec", REFUSE, 0, NOTHING, "run code in another process", no_remedy},
    {"code.__new__", REFUSE, 0, OVERRIDE | SCIENCE, "make a code object", no_remedy},
    {"function.__new__", REFUSE, 0, OVERRIDE | SCIENCE, "make a function from code", no_remedy},
    {"marshal.", READERS, MAY_UNMARSHAL, OVERRIDE | SCIENCE, "load or store code objects",
     no_remedy},
    {"pickle.", REFUSE, 0, OVERRIDE | SCIENCE, "unpickle", "Use json to store and load data"},
    {"exec", READERS, MAY_EXECUTE, OVERRIDE | SCIENCE, "execute code", no_remedy},
    {"compile", JUDGE_TEXT, MAY_COMPILE, OVERRIDE, "compile", no_remedy},
    {"cpython.", REFUSE, 0, OVERRIDE, "run the interpreter's own start-up code", no_remedy},
    {"builtins.input", REFUSE, 0, NOTHING, "read from the keyboard",
     "Put the input into the program as a variable"},
    {"builtins.breakpoint", REFUSE, 0, NOTHING, "start a debugger", no_remedy},
};

static unsigned opened; /* enum opened_by bits in force */
static const struct msg_launch *launched;
static const struct msg_run *current;
static bool judging; /* the policy itself parses: that compile passes */

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

/* Parse @source as CPython is about to, and give the tree to the policy. A text that does not parse
 * passes: the compile that follows fails by itself. */
static int judge_text(const struct rule *rule, PyObject *source)
{
    Py_ssize_t n;
    const char *text = NULL;
    if (PyUnicode_Check(source))
        text = PyUnicode_AsUTF8AndSize(source, &n);
    else if (PyBytes_Check(source) && PyBytes_AsStringAndSize(source, (char **)&text, &n) < 0)
        text = NULL;
    if (!text) {
        PyErr_Clear();
        return refuse(rule, "compile", "only text can be compiled");
    }
    static const int modes[] = {Py_file_input, Py_eval_input};
    PyObject *tree = NULL;
    for (size_t i = 0; i < ARRAY_LEN(modes) && !tree; i++) {
        PyCompilerFlags flags = {.cf_flags =
                                     PyCF_ONLY_AST | PyCF_IGNORE_COOKIE | PyCF_SOURCE_IS_UTF8,
                                 .cf_feature_version = PY_MINOR_VERSION};
        PyErr_Clear();
        tree = Py_CompileStringExFlags(text, "<text>", modes[i], &flags, 0);
    }
    if (!tree) {
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

/* zoneinfo opens its data from C, so the innermost frame is the program's: for this folder of
 * public data the path decides. */
static bool is_zone_data(const char *event, PyObject *args)
{
    static const char folder[] = "/usr/share/zoneinfo/";
    if (strcmp(event, "open") != 0 || PyTuple_GET_SIZE(args) < 2)
        return false;
    PyObject *path = PyTuple_GET_ITEM(args, 0);
    PyObject *mode = PyTuple_GET_ITEM(args, 1);
    const char *text = PyUnicode_Check(path) ? PyUnicode_AsUTF8(path) : NULL;
    PyErr_Clear();
    return text && str_starts(text, folder) && !strstr(text, "/..") && PyUnicode_Check(mode) &&
           (PyUnicode_CompareWithASCIIString(mode, "r") == 0 ||
            PyUnicode_CompareWithASCIIString(mode, "rb") == 0);
}

static int on_event(const char *event, PyObject *args, void *ctx _unused_)
{
    if (!guards_armed || judging)
        return 0;
    const struct rule *rule = find_rule(event);
    if (!rule || (rule->opened_by & opened))
        return 0;
    if (rule->readers && (guards_reader_bits() & rule->readers))
        return 0;
    if (is_zone_data(event, args))
        return 0;
    if (rule->verdict != JUDGE_TEXT)
        return refuse(rule, event, "");
    judging = true;
    int rc = judge_text(rule, PyTuple_GET_ITEM(args, 0));
    judging = false;
    return rc;
}

int audit_init(const struct msg_launch *launch)
{
    launched = launch;
    opened = (launch->imports_overridden ? OVERRIDE : 0u) |
             (launch->profiles & PROFILE_FILESYSTEM ? FILES : 0u) |
             (launch->profiles & PROFILE_NETWORK ? NETWORK : 0u) |
             (launch->profiles & PROFILE_DATA_SCIENCE ? SCIENCE : 0u);
    return PySys_AddAuditHook(on_event, NULL);
}

void audit_set_run(const struct msg_run *run)
{
    current = run;
}
