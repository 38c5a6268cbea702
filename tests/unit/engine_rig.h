/* An engine on a loop of its own over the fake keeper, and programs to give it: for the tests of
 * the engine. One rig for each test process. */
#ifndef TESTS_ENGINE_RIG_H
#define TESTS_ENGINE_RIG_H

#include "fake_zygote.h"

#include "catalog/profiles.h"
#include "engine/internal.h"

#define MS NS_PER_MS

struct answer {
    int done; /* how often on_done came */
    enum exec_category category;
    char error[700], error_type[64], out[2][4096], result[64], id[64], isolation[16], live[256];
    size_t out_len[2], events;
    bool truncated[2], has_worker, has_verdict;
    char rule[64];
    uint8_t layer;
    uint64_t wall_ns, cpu_ns, peak;
    unsigned order;
    struct execution *cancel_on_output;
};

struct rig {
    struct loop *loop;
    struct conf conf;
    struct engine *e;
    struct loop_timer *tick;
    unsigned states, finished, order;
    bool refuse_start;
    uint64_t memory_kills, new_kills; /* so far; more each time somebody asks */
    char log[1024];
};
static struct rig rig;

static void on_output(void *ctx, const char *text, size_t n)
{
    struct answer *a = ctx;
    size_t at = strlen(a->live);
    snprintf(a->live + at, sizeof(a->live) - at, "[%.*s]", (int)n, text);
    if (a->cancel_on_output)
        engine_cancel(a->cancel_on_output);
}

static void on_done(void *ctx, const struct exec_result *r)
{
    struct answer *a = ctx;
    a->done++;
    a->order = ++rig.order;
    a->category = r->category;
    snprintf(a->error, sizeof(a->error), "%s", r->error ? r->error : "");
    snprintf(a->error_type, sizeof(a->error_type), "%s", r->error_type ? r->error_type : "");
    snprintf(a->id, sizeof(a->id), "%s", r->execution_id);
    snprintf(a->isolation, sizeof(a->isolation), "%s", r->isolation);
    for (int i = 0; i < 2; i++) {
        a->out_len[i] = r->out_len[i];
        a->truncated[i] = r->out_truncated[i];
        memcpy(a->out[i], r->out[i], MIN(r->out_len[i], sizeof(a->out[i]) - 1));
    }
    a->has_worker = r->worker;
    a->has_verdict = r->verdict;
    if (r->worker)
        snprintf(a->result, sizeof(a->result), "%.60s", r->worker->result_json);
    a->events = r->events_len;
    if (r->events_len) {
        snprintf(a->rule, sizeof(a->rule), "%s", r->events[0].rule);
        a->layer = r->events[0].layer;
    }
    a->wall_ns = r->wall_ns;
    a->cpu_ns = r->cpu_ns;
    a->peak = r->peak_memory_bytes;
}
static const struct exec_callbacks callbacks = {on_output, on_done};

static void on_tick(void *ctx _unused_)
{
    loop_stop(rig.loop);
}
static void on_state(void *ctx _unused_, struct engine *e _unused_)
{
    rig.states++;
}
static bool may_start(void *ctx _unused_, struct err *err)
{
    if (rig.refuse_start)
        err_set(err, ERR_REFUSED, "the audit log cannot be written");
    return !rig.refuse_start;
}
static void on_finished(void *ctx _unused_, const struct exec_request *req,
                        const struct exec_result *result)
{
    rig.finished += req->code_len > 0 && result->execution_id[0];
}
static void on_log(void *ctx _unused_, enum log_level level, const char *text)
{
    size_t at = strlen(rig.log);
    snprintf(rig.log + at, sizeof(rig.log) - at, "%d %s\n", (int)level, text);
}

static void spin_once(void)
{
    loop_timer_arm(rig.tick, 2 * MS);
    loop_run(rig.loop, NULL);
}

#define WAIT_UNTIL(expr)                                                                           \
    do {                                                                                           \
        for (int wait_i = 0; wait_i < 5000 && !(expr); wait_i++)                                   \
            spin_once();                                                                           \
        if (!(expr))                                                                               \
            printf("# log: %s\n", rig.log);                                                        \
        REQUIRE(expr);                                                                             \
    } while (0)

static inline void rig_up_raw(int max_concurrency, int queue_size, int pool_size)
{
    signal(SIGPIPE, SIG_IGN);
    script = mmap(NULL, sizeof(*script), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    rig.conf = (struct conf){
        .timeout_ns = 30 * NS_PER_S,
        .max_timeout_ns = 300 * NS_PER_S,
        .max_output_bytes = 2000,
        .max_code_bytes = 1 << 20,
        .profiles = 1,
        .memory_bytes = 128 << 20,
        .max_memory_bytes = 2048u << 20,
        .max_concurrency = (unsigned)max_concurrency,
        .queue_size = (unsigned)queue_size,
        .pool_size = (unsigned)pool_size,
        .max_threads = 16,
        .python = (char *)(uintptr_t) "/usr/bin/python3",
    };
    strv_add(&rig.conf.modules, "math", NULL);
    strv_add(&rig.conf.modules, "json", NULL);
    rig.loop = loop_new(NULL);
    rig.tick = loop_timer_new(rig.loop, on_tick, NULL, NULL);
}

static uint64_t memory_kills(void *ctx _unused_)
{
    return rig.memory_kills += rig.new_kills;
}

static inline void rig_start(void)
{
    int pair[2];
    struct err err = ERR_INIT;
    REQUIRE(sock_pair(SOCK_SEQPACKET, pair, &err) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        fake_keeper(pair[1]);
    }
    close(pair[1]);
    struct engine_hooks hooks = {.cgroup = "/cgroup/programs",
                                 .memory_kills = memory_kills,
                                 .on_state = on_state,
                                 .may_start = may_start,
                                 .on_finished = on_finished,
                                 .on_log = on_log};
    rig.e = engine_new(rig.loop, &rig.conf, pair[0], "/usr/lib/vivarium", &hooks, &err);
    REQUIRE(rig.e);
    rig.e->tuning.backoff_ns = 5 * MS;
    rig.e->tuning.backoff_max_ns = 20 * MS;
}

static inline void rig_up(int max_concurrency, int queue_size, int pool_size)
{
    rig_up_raw(max_concurrency, queue_size, pool_size);
    rig_start();
}

static inline void rig_down(void)
{
    engine_free(rig.e);
    loop_timer_free(rig.tick);
    loop_free(rig.loop);
    strv_done(&rig.conf.modules);
}

static inline struct exec_request request(const char *code)
{
    return (struct exec_request){
        .mode = RUN_EXECUTE,
        .code = code,
        .code_len = strlen(code),
        .timeout_ns = 10 * NS_PER_S,
        .mem_bytes = 64 << 20,
        .capture_output = true,
        .client = "test",
        .profiles = PROFILE_ALL,
    };
}

static inline struct execution *submit(const char *code, struct answer *a)
{
    struct exec_request req = request(code);
    return engine_submit(rig.e, &req, &callbacks, a);
}

static inline void run(const char *code, struct answer *a)
{
    *a = (struct answer){0};
    submit(code, a);
    WAIT_UNTIL(a->done);
}

/* Whatever came before: the next program runs as if nothing had been. */
static inline void still_fine(void)
{
    struct answer a;
    run("12345", &a);
    CHECK(a.done == 1);
    CHECK(a.category == CATEGORY_NONE);
    CHECK_STR(a.result, "5");
}

static inline void idle(unsigned ms)
{
    uint64_t until = clock_mono_ns() + ms * MS;
    while (clock_mono_ns() < until)
        spin_once();
}

#endif
