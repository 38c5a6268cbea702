/* One audit line: see line.h. Runs in the server. Texts come from programs and from workers, so
 * they are hostile: made well-formed, cut, and escaped by the JSON writer, which never emits a line
 * break. */
#include "record/line.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "record/sha256.h"
#include "json/write.h"

#define MAX_TEXT       400
#define MAX_LIST       20
#define MAX_IMPORTS    50
#define MAX_IMPORT_LEN 100

void record_time(uint64_t unix_ms, char out[32])
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 32 - n, ".%03uZ", (unsigned)(unix_ms % 1000));
}

/* At most @max bytes of @text, well-formed; NULL becomes null. */
static void put_text(struct json_out *o, const char *text, size_t max)
{
    if (!text) {
        json_put_null(o);
        return;
    }
    size_t n = strnlen(text, max);
    n = utf8_floor(text, n);
    size_t len = 0;
    char *good = utf8_repair(text, n, &len);
    if (good)
        json_put_strn(o, good, len);
    else
        o->bad = true;
    free(good);
}

static void pair_text(struct json_out *o, const char *key, const char *text)
{
    json_key(o, key);
    put_text(o, text, MAX_TEXT);
}

static void put_request(struct json_out *o, const struct record_entry *e)
{
    char digest[SHA256_TEXT_LEN + 1];
    if (e->code)
        sha256_hex(e->code, e->code_len, digest);
    json_pair_str(o, "code_sha256", e->code ? digest : NULL);
    json_pair_uint(o, "code_bytes", e->code_len);
    json_pair_seconds(o, "timeout", e->timeout_ns);
    json_pair_uint(o, "memory_limit", e->mem_bytes);
    json_pair_bool(o, "use_container", e->use_container);
    if (!e->narrowed)
        return;
    json_key(o, "allowed_imports");
    json_open_array(o);
    for (size_t i = 0; e->imports && i < MIN(e->imports->len, MAX_IMPORTS); i++)
        put_text(o, e->imports->items[i], MAX_IMPORT_LEN);
    json_close_array(o);
}

static void put_outcome(struct json_out *o, const struct record_entry *e)
{
    json_pair_bool(o, "success", !e->category_name);
    json_pair_str(o, "category", e->category_name);
    json_pair_str(o, "isolation", e->isolation);
    json_pair_seconds(o, "wall_time", e->wall_ns);
    json_pair_seconds(o, "cpu_time", e->cpu_ns);
    json_pair_uint(o, "peak_memory", e->peak_memory_bytes);
    json_pair_uint(o, "stdout_bytes", e->out_len[0]);
    json_pair_uint(o, "stderr_bytes", e->out_len[1]);
    json_pair_bool(o, "truncated", e->truncated);
    if (!e->category_name)
        return;
    pair_text(o, "error_type", e->error_type);
    pair_text(o, "error", e->error);
    if (e->line)
        json_pair_uint(o, "line", e->line);
}

static void put_findings(struct json_out *o, const struct record_entry *e)
{
    static const char *const layers[LAYERS] = {"policy",  "guard",  "audit",
                                               "seccomp", "kernel", "egress"};
    if (e->violations_len) {
        json_key(o, "violations");
        json_open_array(o);
        for (size_t i = 0; i < MIN(e->violations_len, MAX_LIST); i++) {
            json_open_object(o);
            json_pair_uint(o, "line", e->violations[i].line);
            pair_text(o, "rule", e->violations[i].rule);
            pair_text(o, "message", e->violations[i].message);
            json_close_object(o);
        }
        json_close_array(o);
    }
    if (!e->events_len)
        return;
    json_key(o, "security_events");
    json_open_array(o);
    for (size_t i = 0; i < MIN(e->events_len, MAX_LIST); i++) {
        const struct msg_event *event = &e->events[i];
        json_open_object(o);
        json_pair_str(o, "layer", event->layer < LAYERS ? layers[event->layer] : NULL);
        pair_text(o, "rule", event->rule);
        pair_text(o, "detail", event->detail);
        if (event->line)
            json_pair_uint(o, "line", event->line);
        json_close_object(o);
    }
    json_close_array(o);
    if (e->events_len > MAX_LIST)
        json_pair_uint(o, "security_events_total", e->events_len);
}

/* With @findings false the line is small whatever the program did. */
static int build(struct buf *line, const struct record_entry *e, bool findings, struct err *err)
{
    char time[32];
    record_time(e->unix_ms, time);
    struct json_out o = json_out_init(line);
    json_open_object(&o);
    json_pair_str(&o, "time", time);
    json_pair_str(&o, "execution_id", e->execution_id);
    json_pair_str(&o, "mode", e->mode);
    json_key(&o, "client");
    put_text(&o, e->client, 100);
    put_request(&o, e);
    put_outcome(&o, e);
    if (findings)
        put_findings(&o, e);
    else
        json_pair_bool(&o, "shortened", true);
    json_close_object(&o);
    if (o.bad)
        return err_set(err, ERR_LIMIT, "an audit line did not fit");
    return buf_add(line, "\n", 1, err);
}

int record_line(struct buf *out, const struct record_entry *e, struct err *err)
{
    auto_buf struct buf line = BUF_INIT(RECORD_MAX_LINE);
    if (build(&line, e, true, NULL) < 0) {
        buf_clear(&line);
        if (build(&line, e, false, err) < 0)
            return -1;
    }
    return buf_add(out, line.data, line.len, err);
}
