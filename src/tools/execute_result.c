/* The answer of execute_code, as JSON text: see results.h. Runs in the server. What the engine
 * measured is believed; the worker's own words are bounded and well-formed (wire checked them), but
 * their content is the program's: text goes out as text, and the result is checked before it may be
 * JSON. */
#include <stdio.h>
#include <string.h>

#include "sys/clock.h"
#include "tools/results.h"

static const char *const layer_names[LAYERS] = {"policy",  "guard",  "audit",
                                                "seccomp", "kernel", "egress"};

/* Messages may have been cut at a fixed size: never inside a character. */
static void pair_sentence(struct json_out *out, const char *key, const char *text)
{
    json_key(out, key);
    json_put_strn(out, text, utf8_floor(text, strlen(text)));
}

static void put_event(struct json_out *out, const struct msg_event *e)
{
    json_open_object(out);
    json_pair_str(out, "layer", e->layer < LAYERS ? layer_names[e->layer] : "kernel");
    json_pair_str(out, "rule", e->rule ? e->rule : "");
    json_pair_str(out, "detail", e->detail ? e->detail : "");
    if (e->line > 0)
        json_pair_uint(out, "line", e->line);
    json_pair_str(out, "remedy", e->remedy ? e->remedy : "");
    json_close_object(out);
}

static void put_truncated(struct json_out *out, const bool output[2], bool result)
{
    json_key(out, "truncated");
    json_open_object(out);
    json_pair_bool(out, "stdout", output[0]);
    json_pair_bool(out, "stderr", output[1]);
    json_pair_bool(out, "result", result);
    json_close_object(out);
}

static void put_usage(struct json_out *out, uint64_t cpu_ns, uint64_t peak_bytes)
{
    json_key(out, "resource_usage");
    json_open_object(out);
    json_pair_seconds(out, "cpu_time", cpu_ns);
    json_pair_uint(out, "peak_memory", peak_bytes);
    json_close_object(out);
}

/* True when the worker's result is not JSON, and null stands in its place. */
static bool put_value(struct json_out *out, const struct msg_result *w)
{
    const char *json = w && w->result_json ? w->result_json : "null";
    json_key(out, "result");
    bool bad = json_put_untrusted(out, json, strlen(json), NULL) < 0;
    if (bad)
        json_put_null(out);
    bool has_type = !bad && w && !str_empty(w->result_type);
    json_pair_str(out, "result_type", has_type ? w->result_type : NULL);
    return bad;
}

static void put_events(struct json_out *out, const struct exec_result *r, bool bad_result)
{
    char rule[] = "result";
    char detail[] = "The result that the worker reported was not valid JSON and was dropped";
    const struct msg_event unreadable = {.layer = LAYER_GUARD, .rule = rule, .detail = detail};
    json_key(out, "security_events");
    json_open_array(out);
    for (size_t i = 0; i < r->events_len; i++)
        put_event(out, &r->events[i]);
    if (bad_result)
        put_event(out, &unreadable);
    json_close_array(out);
}

static void put_violation(struct json_out *out, const struct violation *v)
{
    auto_free char *text = NULL;
    if (v->line == 0) {
        json_put_str(out, v->message);
    } else if (asprintf(&text, "Line %u: %s", v->line, v->message) < 0) {
        text = NULL;
        out->bad = true;
    } else {
        json_put_str(out, text);
    }
}

static uint32_t failing_line(const struct msg_result *w)
{
    if (!w)
        return 0;
    if (w->line > 0)
        return w->line;
    return w->violations_len > 0 ? w->violations[0].line : 0;
}

static void put_failure(struct json_out *out, const struct exec_result *r)
{
    const struct msg_result *w = r->worker;
    uint32_t line = failing_line(w);
    pair_sentence(out, "error", r->error ? r->error : "The execution failed.");
    pair_sentence(out, "error_type", r->error_type ? r->error_type : "");
    json_pair_str(out, "error_category", exec_category_name(r->category));
    if (line > 0)
        json_pair_uint(out, "line", line);
    json_pair_str(out, "traceback", w && w->traceback ? w->traceback : "");
    json_key(out, "validation_errors");
    json_open_array(out);
    for (size_t i = 0; w && i < w->violations_len; i++)
        put_violation(out, &w->violations[i]);
    json_close_array(out);
}

void execute_result_write(struct json_out *out, const struct exec_result *r)
{
    static const struct strv none;
    const struct msg_result *w = r->worker;
    json_open_object(out);
    json_pair_bool(out, "success", r->category == CATEGORY_NONE);
    json_pair_str(out, "execution_id", r->execution_id);
    json_key(out, "stdout");
    json_put_strn(out, r->out[0] ? r->out[0] : "", r->out[0] ? r->out_len[0] : 0);
    json_key(out, "stderr");
    json_put_strn(out, r->out[1] ? r->out[1] : "", r->out[1] ? r->out_len[1] : 0);
    json_pair_seconds(out, "execution_time", r->wall_ns);
    json_pair_strv(out, "variables", w ? &w->variables : &none);
    bool bad_result = put_value(out, w);
    put_truncated(out, r->out_truncated, bad_result || (w && w->result_truncated));
    put_usage(out, r->cpu_ns, r->peak_memory_bytes);
    json_pair_str(out, "isolation", r->isolation);
    json_key(out, "artifacts");
    json_open_array(out);
    json_close_array(out);
    put_events(out, r, bad_result);
    if (r->category != CATEGORY_NONE)
        put_failure(out, r);
    json_close_object(out);
}

void execute_refusal_write(const struct tools_env *env, struct json_out *out,
                           const struct refusal *why)
{
    struct engine_info info;
    struct exec_result r = {
        .category = why->category,
        .error = why->error,
        .error_type = why->category == CATEGORY_INVALID_REQUEST ? "InvalidRequest"
                      : why->category == CATEGORY_OVERLOADED    ? "Overloaded"
                                                                : "InternalError",
    };
    engine_info(env->engine, &info);
    unsigned isolation = info.hello ? info.hello->isolation : env->conf->isolation;
    r.isolation = isolation == ISOLATION_LANDLOCK ? "landlock" : "jail";
    memcpy(r.execution_id, why->execution_id, sizeof(r.execution_id));
    execute_result_write(out, &r);
}
