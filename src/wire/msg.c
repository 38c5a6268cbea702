/* Encoders and decoders of every message: see msg.h. Linked into every process. Decoders of worker
 * and zygote messages face hostile bytes; all bounds are here or in msg_rules[]. */
#include "wire/msg.h"

#include <string.h>

#define MAX_NAME MSG_MAX_NAME /* rule names, module names, type names */
#define MAX_TEXT (16 * 1024)  /* sentences */
#define MAX_PATH 4096
#define MAX_LIST MSG_MAX_LIST
/* Code, result, traceback: bounded tighter by msg_check(). The largest output that can be
 * configured is 64 MiB, to which the serialiser adds a little when it cuts. */
#define MAX_BLOB (65u * 1024 * 1024)

const struct msg_rule msg_rules[MSG_TYPES] = {
    [MSG_LAUNCH] = {"LAUNCH", PEER_SERVER, PEER_KEEPER, MSG_MAX_DATAGRAM, 1},
    [MSG_END] = {"END", PEER_SERVER, PEER_KEEPER, 16, 0},
    [MSG_LAUNCHED] = {"LAUNCHED", PEER_KEEPER, PEER_SERVER, 32, 0},
    [MSG_LAUNCH_FAILED] = {"LAUNCH_FAILED", PEER_KEEPER, PEER_SERVER, MAX_TEXT + 32, 0},
    [MSG_GONE] = {"GONE", PEER_KEEPER, PEER_SERVER, 32, 0},
    [MSG_HELLO] = {"HELLO", PEER_ZYGOTE, PEER_SERVER, MAX_TEXT, 0},
    [MSG_LISTENER] = {"LISTENER", PEER_ZYGOTE, PEER_SERVER, 16, 1},
    [MSG_PROOF] = {"PROOF", PEER_ZYGOTE, PEER_SERVER, MSG_MAX_DATAGRAM, 0},
    [MSG_READY] = {"READY", PEER_ZYGOTE, PEER_SERVER, MSG_MAX_DATAGRAM, 0},
    [MSG_SPAWNED] = {"SPAWNED", PEER_ZYGOTE, PEER_SERVER, 16, 0},
    [MSG_SPAWN_FAILED] = {"SPAWN_FAILED", PEER_ZYGOTE, PEER_SERVER, MAX_TEXT + 32, 0},
    [MSG_EXITED] = {"EXITED", PEER_ZYGOTE, PEER_SERVER, 64, 0},
    [MSG_FATAL] = {"FATAL", PEER_ZYGOTE, PEER_SERVER, MAX_TEXT + 32, 0},
    [MSG_SPAWN] = {"SPAWN", PEER_SERVER, PEER_ZYGOTE, 16, 4},
    [MSG_KILL] = {"KILL", PEER_SERVER, PEER_ZYGOTE, 16, 0},
    [MSG_WARM] = {"WARM", PEER_WORKER, PEER_SERVER, 16, 0},
    [MSG_EVENT] = {"EVENT", PEER_WORKER, PEER_SERVER, 3 * MAX_TEXT + 64, 0},
    [MSG_RESULT] = {"RESULT", PEER_WORKER, PEER_SERVER, 4u << 20, 0},
    [MSG_VERDICT] = {"VERDICT", PEER_WORKER, PEER_SERVER, 4u << 20, 0},
    [MSG_RUN] = {"RUN", PEER_SERVER, PEER_WORKER, MAX_BLOB, 0},
};

int msg_check(const void *body, size_t n, size_t nfds, enum msg_peer from, enum msg_peer to,
              uint32_t max_body, struct err *err)
{
    if (n < 1)
        return err_set(err, ERR_PROTO, "empty message");
    int type = *(const uint8_t *)body;
    if (type >= MSG_TYPES || !msg_rules[type].name)
        return err_set(err, ERR_PROTO, "unknown message type %d", type);
    const struct msg_rule *rule = &msg_rules[type];
    if (rule->from != from || rule->to != to)
        return err_set(err, ERR_PROTO, "%s is not for this channel", rule->name);
    if (n > (max_body ? max_body : rule->max_body))
        return err_set(err, ERR_PROTO, "%s message of %zu bytes is too large", rule->name, n);
    if (nfds != rule->fds)
        return err_set(err, ERR_PROTO, "%s message with %zu descriptors", rule->name, nfds);
    return type;
}

/* ---- decoding helpers ---- */

static struct wire_in begin(const void *body, size_t n)
{
    struct wire_in in = wire_in_init(body, n);
    wire_get_u8(&in);
    return in;
}

static uint8_t get_enum(struct wire_in *in, uint8_t count)
{
    uint8_t v = wire_get_u8(in);
    if (v >= count)
        in->bad = true;
    return v;
}

/* A count of items that follow, each of at least one byte: never allocates more than was sent. */
static size_t get_count(struct wire_in *in, size_t max)
{
    size_t n = wire_get_u32(in);
    if (n > max || n > in->left)
        in->bad = true;
    return in->bad ? 0 : n;
}

/* Finish a decoder: on failure release the half-filled struct. */
#define FINISH(type, what)                                                                         \
    do {                                                                                           \
        if (wire_end(&in, what, err) < 0) {                                                        \
            type##_done(&m);                                                                       \
            return -1;                                                                             \
        }                                                                                          \
        *ret = m;                                                                                  \
        return 0;                                                                                  \
    } while (0)

/* ---- ids and texts ---- */

void msg_put_id(struct wire_out *out, enum msg_type type, uint64_t id)
{
    wire_put_u8(out, (uint8_t)type);
    wire_put_u64(out, id);
}

int msg_get_id(const void *body, size_t n, uint64_t *ret_id, struct err *err)
{
    struct wire_in in = begin(body, n);
    uint64_t id = wire_get_u64(&in);
    if (wire_end(&in, "id", err) < 0)
        return -1;
    *ret_id = id;
    return 0;
}

void msg_put_text(struct wire_out *out, enum msg_type type, uint64_t id, const char *text)
{
    wire_put_u8(out, (uint8_t)type);
    wire_put_u64(out, id);
    /* It may quote a path of any bytes, and be cut anywhere; the reader takes nothing malformed. */
    size_t n;
    auto_free char *good = utf8_repair(text, strnlen(text, MAX_TEXT / 3), &n);
    if (good)
        wire_put_bytes(out, good, n);
    else
        out->bad = true;
}

int msg_get_text(const void *body, size_t n, struct msg_text *ret, struct err *err)
{
    struct wire_in in = begin(body, n);
    struct msg_text m = {.id = wire_get_u64(&in), .text = wire_get_str(&in, MAX_TEXT)};
    FINISH(msg_text, "text");
}

void msg_text_done(struct msg_text *m)
{
    free(m->text);
    *m = (struct msg_text){0};
}

/* ---- launch ---- */

void msg_put_launch(struct wire_out *out, const struct msg_launch *m)
{
    wire_put_u8(out, MSG_LAUNCH);
    wire_put_u64(out, m->id);
    wire_put_u8(out, m->isolation);
    wire_put_u8(out, m->profiles);
    wire_put_u8(out, m->imports_overridden);
    wire_put_u32(out, m->max_threads);
    wire_put_u64(out, m->work_bytes);
    wire_put_u32(out, m->work_files);
    wire_put_str(out, m->python);
    wire_put_str(out, m->extension_dir);
    wire_put_strv(out, &m->python_path);
    wire_put_strv(out, &m->modules);
    wire_put_strv(out, &m->preload);
    wire_put_str(out, m->cgroup);
}

int msg_get_launch(const void *body, size_t n, struct msg_launch *ret, struct err *err)
{
    struct wire_in in = begin(body, n);
    struct msg_launch m = {0};
    m.id = wire_get_u64(&in);
    m.isolation = get_enum(&in, ISOLATION_CONTAINER + 1);
    m.profiles = wire_get_u8(&in);
    m.imports_overridden = wire_get_bool(&in);
    m.max_threads = wire_get_u32(&in);
    m.work_bytes = wire_get_u64(&in);
    m.work_files = wire_get_u32(&in);
    m.python = wire_get_str(&in, MAX_PATH);
    m.extension_dir = wire_get_str(&in, MAX_PATH);
    wire_get_strv(&in, MAX_LIST, MAX_PATH, &m.python_path);
    wire_get_strv(&in, MAX_LIST, MAX_NAME, &m.modules);
    wire_get_strv(&in, MAX_LIST, MAX_NAME, &m.preload);
    m.cgroup = wire_get_str(&in, MAX_PATH);
    FINISH(msg_launch, "LAUNCH");
}

void msg_launch_done(struct msg_launch *m)
{
    free(m->python);
    free(m->extension_dir);
    free(m->cgroup);
    strv_done(&m->python_path);
    strv_done(&m->modules);
    strv_done(&m->preload);
    *m = (struct msg_launch){0};
}

void msg_put_launched(struct wire_out *out, const struct msg_launched *m)
{
    msg_put_id(out, MSG_LAUNCHED, m->id);
    wire_put_u32(out, m->pid);
}

int msg_get_launched(const void *body, size_t n, struct msg_launched *ret, struct err *err)
{
    struct wire_in in = begin(body, n);
    struct msg_launched m = {.id = wire_get_u64(&in), .pid = wire_get_u32(&in)};
    FINISH(msg_launched, "LAUNCHED");
}

void msg_launched_done(struct msg_launched *m)
{
    *m = (struct msg_launched){0};
}

void msg_put_gone(struct wire_out *out, const struct msg_gone *m)
{
    msg_put_id(out, MSG_GONE, m->id);
    wire_put_u32(out, m->wait_status);
}

int msg_get_gone(const void *body, size_t n, struct msg_gone *ret, struct err *err)
{
    struct wire_in in = begin(body, n);
    struct msg_gone m = {.id = wire_get_u64(&in), .wait_status = wire_get_u32(&in)};
    FINISH(msg_gone, "GONE");
}

void msg_gone_done(struct msg_gone *m)
{
    *m = (struct msg_gone){0};
}

/* ---- zygote ---- */

void msg_put_hello(struct wire_out *out, const struct msg_hello *m)
{
    wire_put_u8(out, MSG_HELLO);
    wire_put_u8(out, m->isolation);
    wire_put_str(out, m->isolation_note);
    wire_put_str(out, m->python_version);
    wire_put_str(out, m->python_build);
}

int msg_get_hello(const void *body, size_t n, struct msg_hello *ret, struct err *err)
{
    struct wire_in in = begin(body, n);
    struct msg_hello m = {0};
    m.isolation = get_enum(&in, ISOLATION_CONTAINER + 1);
    m.isolation_note = wire_get_str(&in, MAX_TEXT);
    m.python_version = wire_get_str(&in, MAX_NAME);
    m.python_build = wire_get_str(&in, MAX_TEXT);
    FINISH(msg_hello, "HELLO");
}

void msg_hello_done(struct msg_hello *m)
{
    free(m->isolation_note);
    free(m->python_version);
    free(m->python_build);
    *m = (struct msg_hello){0};
}

void msg_put_proof(struct wire_out *out, const struct msg_proof *m)
{
    wire_put_u8(out, MSG_PROOF);
    wire_put_u32(out, (uint32_t)m->len);
    for (size_t i = 0; i < m->len; i++) {
        wire_put_str(out, m->items[i].layer);
        wire_put_str(out, m->items[i].name);
        wire_put_u8(out, m->items[i].state);
        wire_put_str(out, m->items[i].detail);
    }
}

int msg_get_proof(const void *body, size_t n, struct msg_proof *ret, struct err *err)
{
    struct wire_in in = begin(body, n);
    struct msg_proof m = {0};
    size_t count = get_count(&in, MSG_MAX_PROOF);
    if (count > 0) {
        m.items = calloc(count, sizeof(*m.items));
        if (!m.items)
            return err_nomem(err);
        m.len = count;
    }
    for (size_t i = 0; i < m.len && !in.bad; i++) {
        m.items[i].layer = wire_get_str(&in, MAX_NAME);
        m.items[i].name = wire_get_str(&in, MAX_NAME);
        m.items[i].state = get_enum(&in, PROOF_ABSENT + 1);
        m.items[i].detail = wire_get_str(&in, MAX_TEXT);
    }
    FINISH(msg_proof, "PROOF");
}

void msg_proof_done(struct msg_proof *m)
{
    for (size_t i = 0; i < m->len; i++) {
        free(m->items[i].layer);
        free(m->items[i].name);
        free(m->items[i].detail);
    }
    free(m->items);
    *m = (struct msg_proof){0};
}

void msg_put_ready(struct wire_out *out, const struct msg_ready *m)
{
    wire_put_u8(out, MSG_READY);
    wire_put_u64(out, m->preload_ns);
    wire_put_strv(out, &m->installed);
    wire_put_strv(out, &m->missing);
    wire_put_strv(out, &m->safe_builtins);
}

int msg_get_ready(const void *body, size_t n, struct msg_ready *ret, struct err *err)
{
    struct wire_in in = begin(body, n);
    struct msg_ready m = {.preload_ns = wire_get_u64(&in)};
    wire_get_strv(&in, MAX_LIST, MAX_NAME, &m.installed);
    wire_get_strv(&in, MAX_LIST, MAX_NAME, &m.missing);
    wire_get_strv(&in, MAX_LIST, MAX_NAME, &m.safe_builtins);
    FINISH(msg_ready, "READY");
}

void msg_ready_done(struct msg_ready *m)
{
    strv_done(&m->installed);
    strv_done(&m->missing);
    strv_done(&m->safe_builtins);
    *m = (struct msg_ready){0};
}

void msg_put_exited(struct wire_out *out, const struct msg_exited *m)
{
    msg_put_id(out, MSG_EXITED, m->id);
    wire_put_u32(out, m->wait_status);
    wire_put_u64(out, m->cpu_ns);
    wire_put_u64(out, m->max_rss_bytes);
}

int msg_get_exited(const void *body, size_t n, struct msg_exited *ret, struct err *err)
{
    struct wire_in in = begin(body, n);
    struct msg_exited m = {0};
    m.id = wire_get_u64(&in);
    m.wait_status = wire_get_u32(&in);
    m.cpu_ns = wire_get_u64(&in);
    m.max_rss_bytes = wire_get_u64(&in);
    FINISH(msg_exited, "EXITED");
}

void msg_exited_done(struct msg_exited *m)
{
    *m = (struct msg_exited){0};
}

/* ---- worker ---- */

void msg_put_warm(struct wire_out *out, const struct msg_warm *m)
{
    wire_put_u8(out, MSG_WARM);
    wire_put_u64(out, m->max_rss_bytes);
}

int msg_get_warm(const void *body, size_t n, struct msg_warm *ret, struct err *err)
{
    struct wire_in in = begin(body, n);
    struct msg_warm m = {.max_rss_bytes = wire_get_u64(&in)};
    FINISH(msg_warm, "WARM");
}

void msg_warm_done(struct msg_warm *m)
{
    *m = (struct msg_warm){0};
}

void msg_put_event(struct wire_out *out, const struct msg_event *m)
{
    wire_put_u8(out, MSG_EVENT);
    wire_put_u8(out, m->layer);
    wire_put_u32(out, m->line);
    wire_put_str(out, m->rule);
    wire_put_str(out, m->detail);
    wire_put_str(out, m->remedy);
}

int msg_get_event(const void *body, size_t n, struct msg_event *ret, struct err *err)
{
    struct wire_in in = begin(body, n);
    struct msg_event m = {0};
    m.layer = get_enum(&in, LAYERS);
    m.line = wire_get_u32(&in);
    m.rule = wire_get_str(&in, MAX_NAME);
    m.detail = wire_get_str(&in, MAX_TEXT);
    m.remedy = wire_get_str(&in, MAX_TEXT);
    FINISH(msg_event, "EVENT");
}

void msg_event_done(struct msg_event *m)
{
    free(m->rule);
    free(m->detail);
    free(m->remedy);
    *m = (struct msg_event){0};
}

static void put_violations(struct wire_out *out, const struct violation *items, size_t len)
{
    wire_put_u32(out, (uint32_t)len);
    for (size_t i = 0; i < len; i++) {
        wire_put_u32(out, items[i].line);
        wire_put_u32(out, items[i].column);
        wire_put_str(out, items[i].rule);
        wire_put_str(out, items[i].message);
        wire_put_str(out, items[i].remedy);
    }
}

static void get_violations(struct wire_in *in, struct violation **ret, size_t *ret_len)
{
    size_t count = get_count(in, MSG_MAX_VIOLATIONS);
    if (count == 0)
        return;
    *ret = calloc(count, sizeof(**ret));
    if (!*ret) {
        in->bad = true;
        return;
    }
    *ret_len = count;
    for (size_t i = 0; i < count && !in->bad; i++) {
        struct violation *v = &(*ret)[i];
        v->line = wire_get_u32(in);
        v->column = wire_get_u32(in);
        v->rule = wire_get_str(in, MAX_NAME);
        v->message = wire_get_str(in, MAX_TEXT);
        v->remedy = wire_get_str(in, MAX_TEXT);
    }
}

static void violations_done(struct violation *items, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        free(items[i].rule);
        free(items[i].message);
        free(items[i].remedy);
    }
    free(items);
}

void msg_put_result(struct wire_out *out, const struct msg_result *m)
{
    wire_put_u8(out, MSG_RESULT);
    wire_put_u8(out, m->outcome);
    wire_put_u64(out, m->started_ns);
    wire_put_u64(out, m->ended_ns);
    wire_put_str(out, m->result_json);
    wire_put_str(out, m->result_type);
    wire_put_u8(out, m->result_truncated);
    wire_put_u8(out, m->out_truncated[0]);
    wire_put_u8(out, m->out_truncated[1]);
    wire_put_strv(out, &m->variables);
    wire_put_str(out, m->error);
    wire_put_str(out, m->error_type);
    wire_put_u32(out, m->line);
    wire_put_str(out, m->traceback);
    put_violations(out, m->violations, m->violations_len);
}

int msg_get_result(const void *body, size_t n, struct msg_result *ret, struct err *err)
{
    struct wire_in in = begin(body, n);
    struct msg_result m = {0};
    m.outcome = get_enum(&in, OUTCOMES);
    m.started_ns = wire_get_u64(&in);
    m.ended_ns = wire_get_u64(&in);
    m.result_json = wire_get_str(&in, MAX_BLOB);
    m.result_type = wire_get_str(&in, MAX_TEXT);
    m.result_truncated = wire_get_bool(&in);
    m.out_truncated[0] = wire_get_bool(&in);
    m.out_truncated[1] = wire_get_bool(&in);
    wire_get_strv(&in, MSG_MAX_VARIABLES, MAX_NAME, &m.variables);
    m.error = wire_get_str(&in, MAX_TEXT);
    m.error_type = wire_get_str(&in, MAX_NAME);
    m.line = wire_get_u32(&in);
    m.traceback = wire_get_str(&in, MAX_BLOB);
    get_violations(&in, &m.violations, &m.violations_len);
    FINISH(msg_result, "RESULT");
}

void msg_result_done(struct msg_result *m)
{
    free(m->result_json);
    free(m->result_type);
    strv_done(&m->variables);
    free(m->error);
    free(m->error_type);
    free(m->traceback);
    violations_done(m->violations, m->violations_len);
    *m = (struct msg_result){0};
}

void msg_put_verdict(struct wire_out *out, const struct msg_verdict *m)
{
    wire_put_u8(out, MSG_VERDICT);
    wire_put_u8(out, m->outcome);
    put_violations(out, m->violations, m->violations_len);
    wire_put_u32(out, m->line_count);
    wire_put_u32(out, m->functions);
    wire_put_u32(out, m->classes);
    wire_put_u32(out, m->cyclomatic_complexity);
    wire_put_u64(out, m->character_count);
    wire_put_strv(out, &m->imports);
    wire_put_strv(out, &m->recommendations);
}

int msg_get_verdict(const void *body, size_t n, struct msg_verdict *ret, struct err *err)
{
    struct wire_in in = begin(body, n);
    struct msg_verdict m = {0};
    m.outcome = get_enum(&in, OUTCOMES);
    get_violations(&in, &m.violations, &m.violations_len);
    m.line_count = wire_get_u32(&in);
    m.functions = wire_get_u32(&in);
    m.classes = wire_get_u32(&in);
    m.cyclomatic_complexity = wire_get_u32(&in);
    m.character_count = wire_get_u64(&in);
    wire_get_strv(&in, MAX_LIST, MAX_NAME, &m.imports);
    wire_get_strv(&in, MAX_LIST, MAX_TEXT, &m.recommendations);
    FINISH(msg_verdict, "VERDICT");
}

void msg_verdict_done(struct msg_verdict *m)
{
    violations_done(m->violations, m->violations_len);
    strv_done(&m->imports);
    strv_done(&m->recommendations);
    *m = (struct msg_verdict){0};
}

void msg_put_run(struct wire_out *out, const struct msg_run *m)
{
    wire_put_u8(out, MSG_RUN);
    wire_put_u8(out, m->mode);
    wire_put_u8(out, m->capture_output);
    wire_put_u8(out, m->live_output);
    wire_put_u8(out, m->narrowed);
    wire_put_strv(out, &m->imports);
    wire_put_u8(out, m->profiles);
    wire_put_u64(out, m->mem_bytes);
    wire_put_u64(out, m->cpu_ms);
    wire_put_u64(out, m->max_output);
    wire_put_bytes(out, m->code, m->code_len);
}

int msg_get_run(const void *body, size_t n, struct msg_run *ret, struct err *err)
{
    struct wire_in in = begin(body, n);
    struct msg_run m = {0};
    m.mode = get_enum(&in, RUN_VALIDATE + 1);
    m.capture_output = wire_get_bool(&in);
    m.live_output = wire_get_bool(&in);
    m.narrowed = wire_get_bool(&in);
    wire_get_strv(&in, MAX_LIST, MAX_NAME, &m.imports);
    m.profiles = wire_get_u8(&in);
    m.mem_bytes = wire_get_u64(&in);
    m.cpu_ms = wire_get_u64(&in);
    m.max_output = wire_get_u64(&in);
    size_t len;
    const uint8_t *code = wire_get_bytes(&in, MAX_BLOB, &len);
    if (code) {
        m.code = malloc(len + 1);
        if (m.code) {
            memcpy(m.code, code, len);
            m.code[len] = '\0';
            m.code_len = len;
        } else {
            in.bad = true;
        }
    }
    FINISH(msg_run, "RUN");
}

void msg_run_done(struct msg_run *m)
{
    strv_done(&m->imports);
    free(m->code);
    *m = (struct msg_run){0};
}

/* ---- framing ---- */

int msg_frame(struct wire_out *out, struct err *err)
{
    size_t n = out->buf.len;
    if (out->bad || n > UINT32_MAX)
        return err_set(err, ERR_LIMIT, "message too large or out of memory");
    if (buf_reserve(&out->buf, MSG_FRAME_HEADER, err) < 0)
        return -1;
    memmove(out->buf.data + MSG_FRAME_HEADER, out->buf.data, n);
    for (size_t i = 0; i < MSG_FRAME_HEADER; i++)
        out->buf.data[i] = (uint8_t)(n >> (8 * i));
    out->buf.len = n + MSG_FRAME_HEADER;
    return 0;
}

int msg_unframe(const struct buf *in, uint32_t max_body, const uint8_t **ret_body, size_t *ret_n,
                struct err *err)
{
    if (in->len < MSG_FRAME_HEADER)
        return 0;
    uint32_t n = 0;
    for (size_t i = 0; i < MSG_FRAME_HEADER; i++)
        n |= (uint32_t)in->data[i] << (8 * i);
    if (n == 0 || n > max_body)
        return err_set(err, ERR_PROTO, "a frame of %u bytes (at most %u)", n, max_body);
    if (in->len - MSG_FRAME_HEADER < n)
        return 0;
    *ret_body = in->data + MSG_FRAME_HEADER;
    *ret_n = n;
    return 1;
}
