/* Which modules show less than their public names. Every row names what it keeps from a program;
 * the kernel would stop most of it as well, but later and less legibly. */
#include "python/facade.h"

#include <string.h>

#include "base/str.h"

/* No sockets, no processes; the event loop's own methods for these end at the kernel's walls. */
static const char *const asyncio[] = {
    "subprocess", "base_subprocess", "streams", "sslproto", "trsock", "selector_events",
    "unix_events", "proactor_events", "windows_events", "windows_utils", "base_events",
    "create_subprocess_exec", "create_subprocess_shell", "SubprocessProtocol",
    "SubprocessTransport", "open_connection", "start_server", "open_unix_connection",
    "start_unix_server", "StreamReader", "StreamWriter", "StreamReaderProtocol",
    "AbstractChildWatcher", "SafeChildWatcher", "FastChildWatcher", "MultiLoopChildWatcher",
    "PidfdChildWatcher", "ThreadedChildWatcher", "get_child_watcher", "set_child_watcher",
    /* they follow a program's coroutines to their frames */
    "print_call_graph", "format_call_graph", "capture_call_graph", "FrameCallGraphEntry", "graph",
    "tools", NULL};
/* The working folder is the process's. */
static const char *const contextlib[] = {"chdir", NULL};
/* They write a program's names into the module that its class claims to be from. */
static const char *const enumeration[] = {"global_enum", "global_enum_repr", "global_flag_repr",
                                          "global_str", NULL};
static const char *const io[] = {"StringIO",
                                 "BytesIO",
                                 "IOBase",
                                 "RawIOBase",
                                 "BufferedIOBase",
                                 "TextIOBase",
                                 "SEEK_SET",
                                 "SEEK_CUR",
                                 "SEEK_END",
                                 "UnsupportedOperation",
                                 "DEFAULT_BUFFER_SIZE",
                                 NULL};
/* It tells copy() what to call for an object of a class. */
static const char *const copy[] = {"dispatch_table", NULL};
/* A command-line tool. */
static const char *const json[] = {"tool", NULL};
/* config builds any object from its dotted name; currentframe() is a frame. */
static const char *const logging[] = {"config", "FileHandler", "currentframe", NULL};
static const char *const logging_handlers[] = {"BufferingHandler", "MemoryHandler", "QueueHandler",
                                               "QueueListener", NULL};
/* Formatting and printing only: these yield frames, or empty them. */
static const char *const traceback[] = {"walk_stack", "walk_tb", "clear_frames", NULL};
/* No types of code, functions, cells, modules and frames: they can be called to make one. One of
 * tracebacks can be made of others only, and what they hold is guarded; honest programs write it
 * into the signature of __exit__. */
static const char *const types[] = {"AsyncGeneratorType",
                                    "BuiltinFunctionType",
                                    "BuiltinMethodType",
                                    "CoroutineType",
                                    "DynamicClassAttribute",
                                    "EllipsisType",
                                    "GeneratorType",
                                    "GenericAlias",
                                    "MappingProxyType",
                                    "MethodType",
                                    "NoneType",
                                    "NotImplementedType",
                                    "SimpleNamespace",
                                    "TracebackType",
                                    "UnionType",
                                    "coroutine",
                                    "get_original_bases",
                                    "new_class",
                                    "prepare_class",
                                    "resolve_bases",
                                    NULL};
/* A ForwardRef evaluates text in the names of any module that it is told. io and re are the pseudo
 * modules of 3.11. */
static const char *const typing[] = {"ForwardRef", "evaluate_forward_ref", "io", "re", NULL};
/* The live list is swapped by catch_warnings(): a copy would be wrong. */
static const char *const warnings[] = {"filters", "onceregistry", "defaultaction", NULL};
/* The whole contents of the sys facade are made in facade_sys.c. */
static const char *const none[] = {NULL};

static const struct facade_rule rules[] = {
    {"asyncio", FACADE_WITHOUT, asyncio},
    {"contextlib", FACADE_WITHOUT, contextlib},
    {"copy", FACADE_WITHOUT, copy},
    {"enum", FACADE_WITHOUT, enumeration},
    {"io", FACADE_ONLY, io},
    {"json", FACADE_WITHOUT, json},
    {"logging", FACADE_WITHOUT, logging},
    {"logging.handlers", FACADE_ONLY, logging_handlers},
    {"sys", FACADE_ONLY, none},
    {"traceback", FACADE_WITHOUT, traceback},
    {"types", FACADE_ONLY, types},
    {"typing", FACADE_WITHOUT, typing},
    {"warnings", FACADE_WITHOUT, warnings},
};

#define NO_FRAMES  "Programs cannot read frames; the functions of traceback tell them as text"
#define IN_MEMORY  "io.StringIO and io.BytesIO keep data in memory"
#define NO_SOCKETS "Programs have neither sockets nor subprocesses here"
#define OWN_TYPE   "callable(f) tells a function, and type(f).__name__ what kind it is"

static const struct {
    const char *module, *name, *remedy;
} remedies[] = {
    {"sys", "exc_info", "except … as e names the exception; traceback.format_exc() tells it whole"},
    {"sys", "modules", "Import a module by its name"},
    {"sys", "path", "Import a module by its name"},
    {"sys", "executable", "Programs cannot start others"},
    {"sys", "settrace", "Programs cannot trace; time.perf_counter() measures them"},
    {"sys", "setprofile", "Programs cannot trace; time.perf_counter() measures them"},
    {"sys", "excepthook", "Catch the exception with except"},
    {"sys", "_getframe", NO_FRAMES},
    {"logging", "currentframe", NO_FRAMES},
    {"logging", "FileHandler",
     "logging.StreamHandler() writes to standard error, or to an "
     "io.StringIO"},
    {"traceback", "walk_tb", NO_FRAMES},
    {"traceback", "walk_stack", NO_FRAMES},
    {"types", "FunctionType", OWN_TYPE},
    {"types", "LambdaType", OWN_TYPE},
    {"types", "ModuleType", "types.SimpleNamespace holds attributes"},
    {"types", "CodeType", "Programs cannot make code"},
    {"types", "FrameType", NO_FRAMES},
    {"typing", "ForwardRef", "Write the name of the type as text where it is used"},
    {"io", "open", IN_MEMORY},
    {"io", "FileIO", IN_MEMORY},
    {"io", "TextIOWrapper", IN_MEMORY},
    {"io", "BufferedReader", IN_MEMORY},
    {"asyncio", "open_connection", NO_SOCKETS},
    {"asyncio", "start_server", NO_SOCKETS},
    {"asyncio", "StreamReader", NO_SOCKETS},
    {"asyncio", "StreamWriter", NO_SOCKETS},
    {"asyncio", "subprocess", NO_SOCKETS},
    {"asyncio", "create_subprocess_exec", NO_SOCKETS},
    {"asyncio", "create_subprocess_shell", NO_SOCKETS},
    {"contextlib", "chdir", "There are no folders to change to"},
    {"warnings", "filters", "warnings.simplefilter() and filterwarnings() change them"},
};

const char *facade_rule_remedy(const char *dotted, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(remedies); i++)
        if (str_eq(remedies[i].module, dotted) && str_eq(remedies[i].name, name))
            return remedies[i].remedy;
    return NULL;
}

const struct facade_rule *facade_rule_of(const char *dotted)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (str_eq(rules[i].module, dotted))
            return &rules[i];
    return NULL;
}

bool facade_rule_permits(const struct facade_rule *rule, const char *name)
{
    if (!rule)
        return true;
    for (const char *const *n = rule->names; *n; n++)
        if (str_eq(*n, name))
            return rule->mode == FACADE_ONLY;
    return rule->mode == FACADE_WITHOUT;
}

/* The rule of the module called dotted[0..n). */
static const struct facade_rule *rule_of_prefix(const char *dotted, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (strlen(rules[i].module) == n && memcmp(rules[i].module, dotted, n) == 0)
            return &rules[i];
    return NULL;
}

bool facade_submodule_withheld(const char *dotted)
{
    for (const char *dot = strchr(dotted, '.'); dot; dot = strchr(dot + 1, '.')) {
        size_t n = strcspn(dot + 1, ".");
        char name[64];
        if (n == strlen("__main__") && memcmp(dot + 1, "__main__", n) == 0)
            return true; /* command-line tools: they act on being imported */
        if (dot[1] == '_')
            return true; /* the library's own business */
        const struct facade_rule *rule = rule_of_prefix(dotted, (size_t)(dot - dotted));
        if (!rule || n >= sizeof(name))
            continue;
        memcpy(name, dot + 1, n);
        name[n] = '\0';
        if (!facade_rule_permits(rule, name))
            return true;
    }
    return false;
}
