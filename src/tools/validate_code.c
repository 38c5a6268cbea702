/* The tool validate_code: the verdict of the language policy, without running anything. Runs in the
 * server; the judging is done by a worker, in the jail, by the same code that judges before an
 * execution. */
#include <stdio.h>
#include <string.h>

#include "tools/args.h"
#include "tools/builtin.h"
#include "tools/program.h"
#include "tools/schema.h"

static const char *const known[] = {"code"};

/* ---- how it is shown ---- */

static void describe_validation(struct json_out *out)
{
    static const char *const required[] = {"valid", "errors", "message", "violations", NULL};
    static const char *const violation[] = {"line", "column", "rule", "message", "remedy", NULL};
    schema_begin_object(out, "validation");
    schema_property(out, "valid", "boolean", "execute_code would run the program.");
    schema_property(out, "errors", "string[]", "What would be refused, line by line.");
    schema_property(out, "message", "string", "The verdict in a few words.");
    schema_begin_items(out, "violations", "The errors in detail.");
    schema_property(out, "line", "integer|null", "Line, from 1.");
    schema_property(out, "column", "integer|null", "Column, from 1.");
    schema_property(out, "rule", "string", "The rule that applied.");
    schema_property(out, "message", "string", "What is refused.");
    schema_property(out, "remedy", "string", "What would permit it, or what to use instead.");
    schema_end_items(out, violation);
    schema_end_object(out, required, false);
}

static void describe_analysis(struct json_out *out)
{
    static const char *const levels[] = {"low", "medium", "high", NULL};
    schema_begin_property(out, "analysis", "object|null",
                          "Counts; null when nothing could be analysed.");
    json_key(out, "properties");
    json_open_object(out);
    schema_property(out, "line_count", "integer", "Lines.");
    schema_property(out, "character_count", "integer", "Characters.");
    schema_begin_property(out, "estimated_complexity", "string", "From cyclomatic_complexity.");
    schema_enum(out, levels);
    schema_end_property(out);
    schema_property(out, "cyclomatic_complexity", "integer", "Branches plus one.");
    schema_property(out, "functions", "integer", "Functions defined.");
    schema_property(out, "classes", "integer", "Classes defined.");
    schema_property(out, "imports", "string[]", "Modules imported, in order of appearance.");
    json_close_object(out);
    schema_end_property(out);
}

static void describe(const struct tools_env *env, struct json_out *out)
{
    static const char *const input[] = {"code", NULL};
    static const char *const output[] = {"validation", "analysis", "recommendations", NULL};
    static const struct tool_hints hints = {.read_only = true, .idempotent = true};
    schema_begin_tool(out, "validate_code", "Validate Python code",
                      "Check a Python program without running it: syntax, imports and language "
                      "policy. The verdict is the one execute_code would come to. Returns every "
                      "refusal with its line and what would permit it, and an analysis of the "
                      "program (lines, functions, classes, imports, complexity).",
                      &hints);
    schema_begin_object(out, "inputSchema");
    schema_begin_property(out, "code", "string", "The whole Python program.");
    json_pair_uint(out, "minLength", 1);
    json_pair_uint(out, "maxLength", env->conf->max_code_bytes);
    schema_end_property(out);
    schema_end_object(out, input, true);
    schema_begin_object(out, "outputSchema");
    describe_validation(out);
    describe_analysis(out);
    schema_property(out, "recommendations", "string[]", "Advice, most important first.");
    schema_property(out, "success", "boolean", "Only when no verdict was reached: false.");
    schema_property(out, "error", "string", "Only then: what went wrong, in one sentence.");
    schema_property(out, "error_type", "string", "Only then.");
    schema_property(out, "error_category", "string", "Only then: the kind of failure.");
    schema_end_object(out, output, false);
    json_close_object(out);
}

/* ---- the answer ---- */

bool validate_has_verdict(const struct exec_result *r)
{
    return r->verdict != NULL;
}

static void put_line_of(struct json_out *out, const char *key, uint32_t v)
{
    json_key(out, key);
    if (v > 0)
        json_put_uint(out, v);
    else
        json_put_null(out);
}

static void put_errors(struct json_out *out, const struct msg_verdict *v, const char *otherwise)
{
    json_key(out, "errors");
    json_open_array(out);
    for (size_t i = 0; i < v->violations_len; i++) {
        const struct violation *x = &v->violations[i];
        auto_free char *text = NULL;
        if (x->line == 0) {
            json_put_str(out, x->message);
        } else if (asprintf(&text, "Line %u: %s", x->line, x->message) < 0) {
            text = NULL;
            out->bad = true;
        } else {
            json_put_str(out, text);
        }
    }
    if (v->outcome != OUTCOME_OK && v->violations_len == 0)
        json_put_strn(out, otherwise, utf8_floor(otherwise, strlen(otherwise)));
    json_close_array(out);
}

static void put_violations(struct json_out *out, const struct msg_verdict *v)
{
    json_key(out, "violations");
    json_open_array(out);
    for (size_t i = 0; i < v->violations_len; i++) {
        const struct violation *x = &v->violations[i];
        json_open_object(out);
        put_line_of(out, "line", x->line);
        put_line_of(out, "column", x->column);
        json_pair_str(out, "rule", x->rule);
        json_pair_str(out, "message", x->message);
        json_pair_str(out, "remedy", x->remedy);
        json_close_object(out);
    }
    json_close_array(out);
}

static const char *verdict_message(const struct msg_verdict *v)
{
    if (v->outcome == OUTCOME_OK)
        return "Code passed validation";
    if (v->outcome == OUTCOME_SYNTAX_ERROR)
        return "Syntax error";
    return "Code contains restricted operations";
}

static void put_analysis(struct json_out *out, const struct msg_verdict *v)
{
    const char *level = v->cyclomatic_complexity <= 10   ? "low"
                        : v->cyclomatic_complexity <= 20 ? "medium"
                                                         : "high";
    json_key(out, "analysis");
    json_open_object(out);
    json_pair_uint(out, "line_count", v->line_count);
    json_pair_uint(out, "character_count", v->character_count);
    json_pair_str(out, "estimated_complexity", level);
    json_pair_uint(out, "cyclomatic_complexity", v->cyclomatic_complexity);
    json_pair_uint(out, "functions", v->functions);
    json_pair_uint(out, "classes", v->classes);
    json_pair_strv(out, "imports", &v->imports);
    json_close_object(out);
}

void validate_result_write(struct json_out *out, const struct exec_result *r)
{
    const struct msg_verdict *v = r->verdict;
    if (!v) {
        struct refusal why = {
            .category = r->category, .error = r->error, .error_type = r->error_type};
        if (why.category == CATEGORY_NONE)
            why.category = CATEGORY_INTERNAL_ERROR;
        validate_refusal_write(out, &why);
        return;
    }
    json_open_object(out);
    json_key(out, "validation");
    json_open_object(out);
    json_pair_bool(out, "valid", v->outcome == OUTCOME_OK);
    put_errors(out, v, r->error ? r->error : "The program is too large or nested too deeply");
    json_pair_str(out, "message", verdict_message(v));
    put_violations(out, v);
    json_close_object(out);
    put_analysis(out, v);
    json_pair_strv(out, "recommendations", &v->recommendations);
    json_close_object(out);
}

void validate_refusal_write(struct json_out *out, const struct refusal *why)
{
    static const struct strv none;
    const char *type = why->error_type;
    if (!type)
        type = why->category == CATEGORY_INVALID_REQUEST ? "InvalidRequest"
               : why->category == CATEGORY_OVERLOADED    ? "Overloaded"
                                                         : "InternalError";
    const char *error = why->error ? why->error : "The code could not be judged.";
    size_t n = utf8_floor(error, strlen(error));
    json_open_object(out);
    json_pair_bool(out, "success", false);
    json_key(out, "error");
    json_put_strn(out, error, n);
    json_pair_str(out, "error_type", type);
    json_pair_str(out, "error_category", exec_category_name(why->category));
    json_key(out, "validation");
    json_open_object(out);
    json_pair_bool(out, "valid", false);
    json_key(out, "errors");
    json_open_array(out);
    json_put_strn(out, error, n);
    json_close_array(out);
    json_pair_str(out, "message", "Code was not validated");
    json_pair_strv(out, "violations", &none);
    json_close_object(out);
    json_key(out, "analysis");
    json_put_null(out);
    json_pair_strv(out, "recommendations", &none);
    json_close_object(out);
}

/* ---- a call ---- */

static bool write_result(const struct tools_env *env _unused_, struct json_out *out,
                         const struct exec_result *r)
{
    validate_result_write(out, r);
    return !validate_has_verdict(r);
}

static void write_refusal(const struct tools_env *env _unused_, struct json_out *out,
                          const struct refusal *why)
{
    validate_refusal_write(out, why);
}

static const struct program_kind kind = {
    .tool = "validate_code", .write = write_result, .refuse = write_refusal};

static struct tool_call *start(const struct tools_env *env, const json_t *args,
                               const struct tool_caller *caller,
                               const struct tool_listener *listener, void *ctx)
{
    struct err err = ERR_INIT;
    const struct program_order order = {env, &kind, caller, listener, ctx};
    struct exec_request req = {
        .mode = RUN_VALIDATE,
        .timeout_ns = env->conf->timeout_ns,
        .mem_bytes = env->conf->memory_bytes,
        .client = caller->name,
        .profiles = caller->profiles,
    };
    if (args_check(args, known, ARRAY_LEN(known), &err) < 0 ||
        args_code(args, env->conf, &req.code, &req.code_len, &err) < 0)
        return program_refuse(&order, &err);
    return program_start(&order, &req);
}

const struct tool tool_validate_code = {
    .name = "validate_code", .describe = describe, .start = start};
