/* The tool execute_code: how it is shown, and how its arguments become a request to the engine.
 * Runs in the server; the arguments are whatever a client sent. */
#include <inttypes.h>
#include <string.h>

#include "catalog/profiles.h"
#include "tools/args.h"
#include "tools/builtin.h"
#include "tools/program.h"
#include "tools/schema.h"

static const char *const known[] = {
    "code",          "timeout",      "capture_output", "allowed_imports",
    "use_container", "memory_limit", "files"};

/* ---- how it is shown ---- */

#define LISTED_MODULES 120

static void describe_modules(struct buf *text, const struct strv *modules)
{
    size_t shown = MIN(modules->len, (size_t)LISTED_MODULES);
    for (size_t i = 0; i < shown; i++)
        buf_addf(text, NULL, "%s%s", i ? ", " : "", modules->items[i]);
    if (modules->len > shown)
        buf_addf(text, NULL, " and %zu more (see get_sandbox_info)", modules->len - shown);
    if (modules->len == 0)
        buf_add_str(text, "none", NULL);
}

/* NULL: no memory. */
static char *description(const struct conf *conf)
{
    auto_buf struct buf text = BUF_INIT(0);
    char seconds[2][32];
    char sizes[2][24];
    buf_add_str(
        &text,
        "Run a Python 3 program in a fresh, isolated process and return what it printed and "
        "computed. Nothing is kept between calls: send a whole program each time. The value "
        "of the last expression, or else of the variable named result, comes back as result; "
        "variables lists the names bound at top level. Modules that can be imported, with "
        "their submodules: ",
        NULL);
    describe_modules(&text, &conf->modules);
    buf_add_str(&text, ". ", NULL);
    if (!(conf->profiles & PROFILE_NETWORK))
        buf_add_str(&text, "There is no network. ", NULL);
    if (!(conf->profiles & PROFILE_FILESYSTEM))
        buf_add_str(&text, "There are no files. ", NULL);
    buf_addf(
        &text, NULL,
        "There are no subprocesses and no input(). Limits: %s seconds (timeout raises this to at "
        "most %s), %s of memory (memory_limit raises this to at most %s), %" PRIu64
        " bytes each of stdout, stderr and result. On failure, error says what happened and line "
        "where; security_events say what was refused and what would permit it.",
        args_seconds_text(seconds[0], conf->timeout_ns),
        args_seconds_text(seconds[1], conf->max_timeout_ns),
        args_size_text(sizes[0], conf->memory_bytes),
        args_size_text(sizes[1], conf->max_memory_bytes), conf->max_output_bytes);
    return buf_take_str(&text);
}

static void describe_code(const struct conf *conf, struct json_out *out)
{
    schema_begin_property(out, "code", "string",
                          "The whole Python program. Print, or end with an expression, or bind a "
                          "variable named result.");
    json_pair_uint(out, "minLength", 1);
    /* in characters; the limit is on bytes of UTF-8, of which there are at least as many */
    json_pair_uint(out, "maxLength", conf->max_code_bytes);
    schema_end_property(out);
}

static void describe_files(struct json_out *out)
{
    static const char *const required[] = {"path", NULL};
    schema_begin_items(out, "files",
                       "Input files, put into the work folder before the run. Needs the filesystem "
                       "profile, which SANDBOX_ENABLE_FILESYSTEM=true enables on the server.");
    schema_property(out, "path", "string", "Relative to the work folder.");
    schema_property(out, "text", "string", "The contents as text; either this or blob.");
    schema_property(out, "blob", "string", "The contents in base64.");
    schema_end_items(out, required);
}

static void pair_number(struct json_out *out, const char *key, const char *text)
{
    json_key(out, key);
    json_put_raw(out, text, strlen(text));
}

static void describe_input(const struct conf *conf, struct json_out *out)
{
    static const char *const required[] = {"code", NULL};
    char size[24];
    char seconds[32];
    schema_begin_object(out, "inputSchema");
    describe_code(conf, out);
    schema_begin_property(
        out, "timeout", "number",
        "Seconds the program may take before it is stopped. What it printed until "
        "then is returned.");
    pair_number(out, "default", args_seconds_text(seconds, conf->timeout_ns));
    pair_number(out, "minimum", args_seconds_text(seconds, MIN_TIMEOUT_NS));
    pair_number(out, "maximum", args_seconds_text(seconds, conf->max_timeout_ns));
    schema_end_property(out);
    schema_begin_property(out, "capture_output", "boolean",
                          "False discards stdout and stderr: both come back empty.");
    json_pair_bool(out, "default", true);
    schema_end_property(out);
    schema_property(out, "allowed_imports", "string[]",
                    "Narrows the modules this program may import; an empty list permits none. "
                    "Without it, everything that the server permits. It cannot add to that.");
    schema_begin_property(out, "use_container", "boolean",
                          "Run in the container tier, behind a kernel of its own. Fails where the "
                          "server has none; there is no silent fallback.");
    json_pair_bool(out, "default", false);
    schema_end_property(out);
    schema_begin_property(
        out, "memory_limit", "string",
        "Memory the program may use beyond the bare interpreter: 128m, 1g, 65536k "
        "or bytes.");
    json_pair_str(out, "default", args_size_text(size, conf->memory_bytes));
    json_pair_str(out, "pattern", "^[0-9]+ *([kKmMgGtT]([iI]?[bB])?|[bB])?$");
    schema_end_property(out);
    describe_files(out);
    schema_end_object(out, required, true);
}

static void describe_measures(struct json_out *out)
{
    static const char *const truncated[] = {"stdout", "stderr", "result", NULL};
    static const char *const usage[] = {"cpu_time", "peak_memory", NULL};
    json_key(out, "truncated");
    json_open_object(out);
    json_pair_str(out, "type", "object");
    json_pair_str(out, "description", "Which of these were cut at SANDBOX_MAX_OUTPUT_SIZE.");
    json_key(out, "properties");
    json_open_object(out);
    schema_property(out, "stdout", "boolean", "Standard output was cut.");
    schema_property(out, "stderr", "boolean", "Standard error was cut.");
    schema_property(out, "result", "boolean", "The result was cut.");
    schema_end_object(out, truncated, false);
    schema_begin_object(out, "resource_usage");
    schema_property(out, "cpu_time", "number", "CPU seconds, measured from outside.");
    schema_property(out, "peak_memory", "integer",
                    "Bytes the program added to the warm interpreter at its peak.");
    schema_end_object(out, usage, false);
}

static void describe_lists(struct json_out *out)
{
    static const char *const isolations[] = {"jail", "landlock", "container", NULL};
    static const char *const layers[] = {"policy", "guard",  "audit", "seccomp",
                                         "kernel", "egress", NULL};
    static const char *const artifact[] = {"name", "mime_type", "size", "uri", NULL};
    static const char *const event[] = {"layer", "rule", "detail", "remedy", NULL};
    schema_begin_property(out, "isolation", "string", "What held the program.");
    schema_enum(out, isolations);
    schema_end_property(out);
    schema_begin_items(out, "artifacts", "Files and figures the program left.");
    schema_property(out, "name", "string", "File name.");
    schema_property(out, "mime_type", "string", "Media type.");
    schema_property(out, "size", "integer", "Bytes.");
    schema_property(out, "uri", "string", "Where resources/read finds it.");
    schema_end_items(out, artifact);
    schema_begin_items(out, "security_events", "What was stopped, and by which wall.");
    schema_begin_property(out, "layer", "string", "The wall.");
    schema_enum(out, layers);
    schema_end_property(out);
    schema_property(out, "rule", "string", "The rule that applied.");
    schema_property(out, "detail", "string", "What the program tried.");
    schema_property(out, "line", "integer", "Line of the program, where known.");
    schema_property(out, "remedy", "string", "What would permit it.");
    schema_end_items(out, event);
}

static void describe_failure(struct json_out *out)
{
    static const char *const categories[] = {
        "syntax_error", "security_violation", "runtime_error",  "timeout",
        "memory_limit", "resource_limit",     "cancelled",      "invalid_request",
        "overloaded",   "container_error",    "internal_error", NULL};
    schema_property(out, "error", "string", "On failure: what went wrong, in one sentence.");
    schema_property(out, "error_type", "string", "On failure: the exception's type, or the like.");
    schema_begin_property(out, "error_category", "string", "On failure: the kind of failure.");
    schema_enum(out, categories);
    schema_end_property(out);
    schema_property(out, "line", "integer", "On failure: line of the program, where known.");
    schema_property(out, "traceback", "string",
                    "On failure: the program's own frames; empty when there are none.");
    schema_property(out, "validation_errors", "string[]",
                    "On failure: what the policy refused, line by line.");
}

static void describe_output(struct json_out *out)
{
    static const char *const required[] = {
        "success",   "execution_id", "stdout",          "stderr",    "execution_time",
        "variables", "result",       "result_type",     "truncated", "resource_usage",
        "isolation", "artifacts",    "security_events", NULL};
    schema_begin_object(out, "outputSchema");
    schema_property(out, "success", "boolean", "The program ran to its end without an error.");
    schema_property(out, "execution_id", "string", "UUID (version 7) of this execution.");
    schema_property(out, "stdout", "string", "What the program printed, also before a failure.");
    schema_property(out, "stderr", "string", "What it wrote to standard error.");
    schema_property(out, "execution_time", "number", "Seconds from the program's first line.");
    schema_property(out, "variables", "string[]", "Public names bound at top level, in order.");
    schema_property(out, "result", "object|array|string|number|boolean|null",
                    "Value of the last expression, or of the variable result, or null.");
    schema_property(out, "result_type", "string|null", "Qualified type name of the result.");
    describe_measures(out);
    describe_lists(out);
    describe_failure(out);
    schema_end_object(out, required, false);
}

static void describe(const struct tools_env *env, struct json_out *out)
{
    const struct tool_hints hints = {
        .open_world = (env->conf->profiles & PROFILE_NETWORK) != 0,
    };
    auto_free char *text = description(env->conf);
    out->bad = out->bad || !text;
    schema_begin_tool(out, "execute_code", "Execute Python code", text, &hints);
    describe_input(env->conf, out);
    describe_output(out);
    json_close_object(out);
}

/* ---- a call ---- */

static bool write_result(const struct tools_env *env _unused_, struct json_out *out,
                         const struct exec_result *r)
{
    execute_result_write(out, r);
    return r->category != CATEGORY_NONE;
}

static const struct program_kind kind = {
    .tool = "execute_code", .write = write_result, .refuse = execute_refusal_write};

/* Input files come with the filesystem profile; the answer says so rather than "unknown". */
static int check_files(const struct tools_env *env, const json_t *args, struct err *err)
{
    if (!json_object_get(args, "files"))
        return 0;
    if (env->conf->profiles & PROFILE_FILESYSTEM)
        return err_set(err, ERR_INVALID,
                       "Argument 'files' is not offered by this version of the server.");
    return err_set(err, ERR_INVALID,
                   "Argument 'files' needs the filesystem profile, which "
                   "SANDBOX_ENABLE_FILESYSTEM=true enables on the server.");
}

static int read_args(const struct tools_env *env, const json_t *args, struct exec_request *req,
                     struct strv *imports, struct err *err)
{
    if (check_files(env, args, err) < 0 || args_check(args, known, ARRAY_LEN(known), err) < 0)
        return -1;
    if (args_code(args, env->conf, &req->code, &req->code_len, err) < 0 ||
        args_timeout(args, env->conf, &req->timeout_ns, err) < 0 ||
        args_bool(args, "capture_output", &req->capture_output, err) < 0 ||
        args_imports(args, env->conf, req->profiles, &req->narrowed, imports, err) < 0 ||
        args_bool(args, "use_container", &req->use_container, err) < 0)
        return -1;
    return args_memory(args, env->conf, &req->mem_bytes, err);
}

static struct tool_call *start(const struct tools_env *env, const json_t *args,
                               const struct tool_caller *caller,
                               const struct tool_listener *listener, void *ctx)
{
    struct err err = ERR_INIT;
    const struct program_order order = {env, &kind, caller, listener, ctx};
    auto_strv struct strv imports = STRV_INIT;
    struct exec_request req = {
        .mode = RUN_EXECUTE,
        .capture_output = true,
        .imports = &imports,
        .client = caller->name,
        .profiles = caller->profiles,
    };
    if (read_args(env, args, &req, &imports, &err) < 0)
        return program_refuse(&order, &err);
    req.live_output = listener->on_output && req.capture_output;
    return program_start(&order, &req);
}

const struct tool tool_execute_code = {
    .name = "execute_code", .describe = describe, .start = start};
