/* The engine against a keeper, a zygote and workers that are real processes but run no Python (see
 * fake_zygote.h): what the hostile ones do costs their own execution and nothing else. */
#include "fake_zygote.h"

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

static void rig_up_raw(int max_concurrency, int queue_size, int pool_size)
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

static void rig_start(void)
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
    struct engine_hooks hooks = {on_state, may_start, on_finished, on_log, NULL};
    rig.e = engine_new(rig.loop, &rig.conf, pair[0], "/usr/lib/vivarium", &hooks, &err);
    REQUIRE(rig.e);
    rig.e->tuning.backoff_ns = 5 * MS;
    rig.e->tuning.backoff_max_ns = 20 * MS;
}

static void rig_up(int max_concurrency, int queue_size, int pool_size)
{
    rig_up_raw(max_concurrency, queue_size, pool_size);
    rig_start();
}

static void rig_down(void)
{
    engine_free(rig.e);
    loop_timer_free(rig.tick);
    loop_free(rig.loop);
    strv_done(&rig.conf.modules);
}

static struct exec_request request(const char *code)
{
    return (struct exec_request){
        .mode = RUN_EXECUTE,
        .code = code,
        .code_len = strlen(code),
        .timeout_ns = 10 * NS_PER_S,
        .mem_bytes = 64 << 20,
        .capture_output = true,
        .client = "test",
    };
}

static struct execution *submit(const char *code, struct answer *a)
{
    struct exec_request req = request(code);
    return engine_submit(rig.e, &req, &callbacks, a);
}

static void run(const char *code, struct answer *a)
{
    *a = (struct answer){0};
    submit(code, a);
    WAIT_UNTIL(a->done);
}

/* Whatever came before: the next program runs as if nothing had been. */
static void still_fine(void)
{
    struct answer a;
    run("12345", &a);
    CHECK(a.done == 1);
    CHECK(a.category == CATEGORY_NONE);
    CHECK_STR(a.result, "5");
}

static void idle(unsigned ms)
{
    uint64_t until = clock_mono_ns() + ms * MS;
    while (clock_mono_ns() < until)
        spin_once();
}

/* ---- the good case ---- */

TEST(a_program_is_answered_with_its_result)
{
    rig_up(2, 4, 2);
    struct answer a;
    run("123", &a);
    CHECK(a.category == CATEGORY_NONE);
    CHECK_STR(a.error, "");
    CHECK_STR(a.result, "3");
    CHECK_STR(a.isolation, "jail");
    CHECK(strlen(a.id) == UUID_TEXT_LEN);
    CHECK(a.wall_ns > 0 && a.wall_ns < NS_PER_S);
    CHECK(a.out_len[0] == 0 && a.out_len[1] == 0);
    CHECK(rig.finished == 1);
    struct engine_info info;
    engine_info(rig.e, &info);
    CHECK(info.proof == PROOF_PASSED && !info.failure && info.ready && info.hello);
    CHECK(info.proof_items && info.proof_items->len == 1);
    CHECK(info.running == 0 && info.queued == 0 && info.executions == 1);
    CHECK(rig.states == 1);
    rig_down();
}

TEST(every_program_gets_a_worker_of_its_own)
{
    rig_up(2, 4, 2);
    for (int i = 0; i < 20; i++)
        still_fine();
    WAIT_UNTIL(rig.e->active->count[WORKER_DYING] == 0 && rig.e->active->count[WORKER_WARM] == 2);
    CHECK(script->runs == 20);
    CHECK(script->spawns == 22);
    CHECK(script->kills <= 20);
    rig_down();
}

TEST(output_is_kept_repaired_and_free_of_what_warming_up_printed)
{
    rig_up(2, 4, 1);
    struct answer a;
    run("print", &a);
    CHECK_STR(a.out[0], "out \xe2\x82\xac \xef\xbf\xbd");
    CHECK_STR(a.out[1], "err");
    CHECK(!a.truncated[0] && !a.truncated[1]);
    rig_down();
}

TEST(output_that_is_not_wanted_comes_back_empty)
{
    rig_up(2, 4, 1);
    struct answer a = {0};
    struct exec_request req = request("print");
    req.capture_output = false;
    engine_submit(rig.e, &req, &callbacks, &a);
    WAIT_UNTIL(a.done);
    CHECK(a.out_len[0] == 0 && a.out_len[1] == 0 && !a.truncated[0]);
    rig_down();
}

TEST(a_flood_is_cut_at_the_limit_and_the_program_ends_normally)
{
    rig_up(2, 4, 1);
    struct answer a;
    run("flood", &a);
    CHECK(a.category == CATEGORY_NONE);
    CHECK(a.out_len[0] == 2000);
    CHECK(a.truncated[0] && !a.truncated[1]);
    still_fine();
    rig_down();
}

TEST(live_output_comes_in_whole_characters)
{
    rig_up(2, 4, 1);
    struct answer a = {0};
    struct exec_request req = request("lines");
    req.live_output = true;
    engine_submit(rig.e, &req, &callbacks, &a);
    WAIT_UNTIL(a.done);
    CHECK_STR(a.live, "[one\n][\xe2\x82\xac\n][three\n]");
    CHECK_STR(a.out[0], "one\n\xe2\x82\xac\nthree\n");
    rig_down();
}

TEST(cpu_time_and_memory_are_measured_from_outside)
{
    rig_up(2, 4, 1);
    struct answer a;
    run("spin", &a);
    CHECK(a.cpu_ns > 30 * MS && a.cpu_ns < 2000 * MS);
    CHECK(a.peak >= 23u << 20 && a.peak < 40u << 20);
    CHECK(a.wall_ns > 50 * MS);
    rig_down();
}

TEST(without_a_readable_proc_the_exit_tells_what_was_used)
{
    rig_up(2, 4, 1);
    WAIT_UNTIL(rig.e->active && rig.e->active->count[WORKER_WARM]);
    fd_close(&TAILQ_FIRST(&rig.e->active->workers[WORKER_WARM])->proc_fd);
    struct answer a;
    run("spin", &a);
    CHECK(a.category == CATEGORY_NONE && a.has_worker);
    CHECK(a.cpu_ns > 30 * MS);
    CHECK(a.peak >= 23u << 20);
    run("result, then exit", &a);
    CHECK(a.category == CATEGORY_NONE && a.has_worker);
    CHECK_STR(a.result, "1");
    rig_down();
}

TEST(a_program_larger_than_the_socket_takes_at_once_arrives_whole)
{
    rig_up(2, 4, 1);
    char *code = malloc(1000001);
    memset(code, 'x', 1000000);
    code[1000000] = '\0';
    struct answer a;
    run(code, &a);
    CHECK_STR(a.result, "1000000");
    free(code);
    rig_down();
}

TEST(a_validation_is_answered_with_a_verdict)
{
    rig_up(2, 4, 1);
    static const struct {
        const char *code;
        enum exec_category category;
    } cases[] = {
        {"valid 0", CATEGORY_NONE},
        {"valid 1", CATEGORY_SYNTAX_ERROR},
        {"valid 2", CATEGORY_SECURITY_VIOLATION},
        {"valid 6", CATEGORY_RESOURCE_LIMIT},
        {"valid 4", CATEGORY_INTERNAL_ERROR}, /* nothing may have run */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct answer a = {0};
        struct exec_request req = request(cases[i].code);
        req.mode = RUN_VALIDATE;
        engine_submit(rig.e, &req, &callbacks, &a);
        WAIT_UNTIL(a.done);
        CHECK(a.category == cases[i].category);
        CHECK(a.has_verdict == (i < 4));
        CHECK(!a.has_worker);
    }
    rig_down();
}

TEST(the_workers_outcome_is_the_category)
{
    rig_up(2, 4, 2);
    static const struct {
        const char *code, *error;
        enum exec_category category;
    } cases[] = {
        {"outcome 0", "", CATEGORY_NONE},
        {"outcome 1", "it failed", CATEGORY_SYNTAX_ERROR},
        {"outcome 2", "it failed", CATEGORY_SECURITY_VIOLATION},
        {"outcome 3", "it failed", CATEGORY_SECURITY_VIOLATION},
        {"outcome 4", "it failed", CATEGORY_RUNTIME_ERROR},
        {"outcome 5", "The program needed more memory than its limit of 64 MiB",
         CATEGORY_MEMORY_LIMIT},
        {"outcome 6", "it failed", CATEGORY_RESOURCE_LIMIT},
        {"outcome 7", "The worker broke the protocol", CATEGORY_INTERNAL_ERROR},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct answer a;
        run(cases[i].code, &a);
        CHECK(a.category == cases[i].category);
        CHECK(strncmp(a.error, cases[i].error, strlen(cases[i].error)) == 0);
    }
    struct answer a;
    run("event", &a);
    CHECK(a.events == 1 && a.layer == LAYER_GUARD);
    rig_down();
}

/* ---- hostile workers ---- */

TEST(a_worker_that_breaks_the_protocol_costs_its_own_execution_only)
{
    rig_up(2, 4, 2);
    static const char *const lies[] = {
        "garbage",    "lying length", "empty frame",     "malformed result",
        "warm again", "verdict",      "from the server", "descriptor",
        "events",     "long result",  "twice",
    };
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        struct answer a;
        run(lies[i], &a);
        CHECK(a.done == 1);
        CHECK(a.category == CATEGORY_INTERNAL_ERROR);
        CHECK(!a.has_worker);
        CHECK(strncmp(a.error, "The worker broke the protocol", 29) == 0);
        if (strncmp(a.error, "The worker broke the protocol", 29) != 0)
            printf("# %s: %s\n", lies[i], a.error);
        CHECK(a.events <= MSG_MAX_EVENTS);
        still_fine();
    }
    CHECK(script->launches == 1);
    rig_down();
}

TEST(a_worker_that_closes_its_socket_is_reported_as_internal_error)
{
    rig_up(2, 4, 2);
    struct answer a;
    run("close", &a);
    CHECK(a.category == CATEGORY_INTERNAL_ERROR);
    run("half a result", &a);
    CHECK(a.category == CATEGORY_INTERNAL_ERROR);
    still_fine();
    rig_down();
}

TEST(a_death_without_a_word_is_told_by_what_was_recorded)
{
    rig_up(2, 4, 2);
    struct answer a;
    run("exit3", &a);
    CHECK(a.category == CATEGORY_RUNTIME_ERROR);
    CHECK(strstr(a.error, "exit status 3"));
    run("segv", &a);
    CHECK(a.category == CATEGORY_RUNTIME_ERROR);
    CHECK(strstr(a.error, "SIGSEGV"));
    run("nomem", &a);
    CHECK(a.category == CATEGORY_MEMORY_LIMIT);
    CHECK(strstr(a.error, "64 MiB") && strstr(a.error, "2 GiB"));
    run("sigkill", &a);
    CHECK(a.category == CATEGORY_INTERNAL_ERROR);
    rig.conf.cpu_limit_ms = 200;
    run("cpu", &a);
    CHECK(a.category == CATEGORY_RESOURCE_LIMIT);
    CHECK(strstr(a.error, "SANDBOX_CPU_LIMIT"));
    CHECK(a.cpu_ns > 60 * MS);
    still_fine();
    rig_down();
}

TEST(what_was_printed_before_a_death_is_kept)
{
    rig_up(2, 4, 2);
    struct answer a;
    run("pending", &a);
    CHECK_STR(a.out[0], "written, pending\xef\xbf\xbd");
    CHECK(a.out_len[0] == strlen("written, pending") + 4); /* a NUL is a character like others */
    CHECK_STR(a.out[1], "oops");
    CHECK(a.wall_ns < NS_PER_S);
    run("lying pending", &a);
    CHECK(a.out_len[0] == 2000 && a.truncated[0]); /* zeros, up to the limit */
    CHECK(a.wall_ns == 0);
    rig_down();
}

/* ---- time-out, cancel ---- */

TEST(a_program_that_hangs_is_ended_by_its_time_out)
{
    rig_up(2, 4, 2);
    struct answer a = {0};
    struct exec_request req = request("hang");
    req.timeout_ns = 60 * MS;
    uint64_t before = clock_mono_ns();
    engine_submit(rig.e, &req, &callbacks, &a);
    WAIT_UNTIL(a.done);
    CHECK(clock_mono_ns() - before < 500 * MS);
    CHECK(a.category == CATEGORY_TIMEOUT);
    CHECK_STR(a.error_type, "TimeoutError");
    CHECK(strstr(a.error, "0.06 s") && strstr(a.error, "300 s"));
    CHECK_STR(a.out[0], "before");
    CHECK(a.wall_ns >= 55 * MS && a.wall_ns < 400 * MS);
    still_fine();
    rig_down();
}

TEST(compiling_does_not_count_as_run_time_but_has_a_limit)
{
    rig_up(2, 4, 2);
    struct answer a = {0};
    struct exec_request req = request("slow compile");
    req.timeout_ns = 100 * MS;
    engine_submit(rig.e, &req, &callbacks, &a);
    WAIT_UNTIL(a.done);
    CHECK(a.category == CATEGORY_NONE);

    rig.e->tuning.compile_ns = 100 * MS;
    a = (struct answer){0};
    submit("long compile", &a);
    WAIT_UNTIL(a.done);
    CHECK(a.category == CATEGORY_RESOURCE_LIMIT);
    CHECK(strstr(a.error, "compile"));
    CHECK(a.wall_ns == 0);

    rig.e->tuning.validate_ns = 80 * MS;
    a = (struct answer){0};
    req.code = "hang";
    req.code_len = 4;
    req.mode = RUN_VALIDATE;
    engine_submit(rig.e, &req, &callbacks, &a);
    WAIT_UNTIL(a.done);
    CHECK(a.category == CATEGORY_RESOURCE_LIMIT);
    rig_down();
}

TEST(a_cancelled_program_is_answered_as_cancelled_in_every_state)
{
    rig_up(1, 4, 1);
    struct answer early = {0}, running = {0}, queued = {0}, live = {0};
    struct execution *x = submit("hang", &early); /* before the zygote is ready */
    engine_cancel(x);
    engine_cancel(x);
    CHECK(early.done == 0);
    WAIT_UNTIL(early.done);
    CHECK(early.category == CATEGORY_CANCELLED && script->runs == 0);

    x = submit("hang", &running);
    WAIT_UNTIL(rig.e->running == 1);
    struct execution *y = submit("hang", &queued);
    idle(20);
    engine_cancel(y);
    engine_cancel(x);
    engine_cancel(x);
    CHECK(running.done == 0 && queued.done == 0);
    WAIT_UNTIL(running.done && queued.done);
    CHECK(running.category == CATEGORY_CANCELLED && queued.category == CATEGORY_CANCELLED);
    CHECK_STR(running.out[0], "before");

    struct exec_request req = request("lines");
    req.live_output = true;
    live.cancel_on_output = engine_submit(rig.e, &req, &callbacks, &live);
    WAIT_UNTIL(live.done);
    CHECK(live.category == CATEGORY_CANCELLED);
    idle(20);
    CHECK(early.done == 1 && running.done == 1 && queued.done == 1 && live.done == 1);
    still_fine();
    rig_down();
}

/* ---- queue ---- */

TEST(what_does_not_fit_the_queue_is_refused_at_once)
{
    rig_up(2, 3, 2);
    struct answer a[8] = {0};
    for (int i = 0; i < 8; i++)
        submit("slow", &a[i]);
    for (int i = 5; i < 8; i++) {
        CHECK(a[i].done == 1 && a[i].category == CATEGORY_OVERLOADED);
        CHECK(strlen(a[i].id) == UUID_TEXT_LEN);
    }
    for (int i = 0; i < 5; i++)
        WAIT_UNTIL(a[i].done);
    for (int i = 0; i < 5; i++)
        CHECK(a[i].category == CATEGORY_NONE);
    CHECK(rig.finished == 8);
    still_fine();
    rig_down();
}

TEST(no_more_programs_run_at_once_than_allowed)
{
    rig_up(2, 30, 4);
    struct answer a[12] = {0};
    WAIT_UNTIL(rig.e->active && rig.e->active->count[WORKER_WARM] == 4);
    for (int i = 0; i < 12; i++) {
        submit("slow", &a[i]);
        CHECK(rig.e->running <= 2);
    }
    for (int i = 0; i < 12; i++)
        WAIT_UNTIL((rig.e->running <= 2) && a[i].done);
    rig_down();
}

TEST(clients_take_turns_and_each_keeps_its_order)
{
    rig_up(1, 30, 1);
    struct answer a[9] = {0};
    static const char *const code[] = {"slow a1", "slow a2", "slow a3", "slow a4", "slow a5",
                                       "slow b1", "slow b2", "slow c1", "slow c2"};
    for (int i = 0; i < 9; i++) {
        struct exec_request req = request(code[i]);
        req.client = i < 5 ? "a" : i < 7 ? "b" : "c";
        engine_submit(rig.e, &req, &callbacks, &a[i]);
    }
    for (int i = 0; i < 9; i++)
        WAIT_UNTIL(a[i].done);
    static const char *const want[] = {"a1", "b1", "c1", "a2", "b2", "c2", "a3", "a4", "a5"};
    for (int i = 0; i < 9; i++)
        CHECK_STR(script->log[i] + 5, want[i]);
    rig_down();
}

TEST(without_a_pool_workers_are_made_on_demand)
{
    rig_up(2, 4, 0);
    idle(30);
    CHECK(script->spawns == 0);
    still_fine();
    still_fine();
    rig_down();
}

static void resubmit_done(void *ctx, const struct exec_result *r)
{
    struct answer *a = ctx;
    on_done(ctx, r);
    if (a->done < 20) {
        struct exec_request req = request("again");
        static const struct exec_callbacks cb = {NULL, resubmit_done};
        engine_submit(rig.e, &req, &cb, a);
    }
}

TEST(an_answer_may_bring_the_next_program_from_inside_the_callback)
{
    rig_up(2, 4, 2);
    struct answer a = {0};
    struct exec_request req = request("first");
    const struct exec_callbacks cb = {NULL, resubmit_done};
    engine_submit(rig.e, &req, &cb, &a);
    WAIT_UNTIL(a.done == 20);
    idle(10);
    CHECK(a.done == 20 && a.category == CATEGORY_NONE);
    rig_down();
}

/* ---- requests ---- */

TEST(a_request_beyond_the_limits_is_refused_and_says_which)
{
    rig_up(2, 4, 1);
    auto_strv struct strv imports = STRV_INIT;
    strv_add(&imports, "os", NULL);
    struct exec_request cases[] = {
        request(""),  request("x"), request("x"),    request("x"),
        request("x"), request("x"), request("\xff"), request("x"),
    };
    cases[1].timeout_ns = 0;
    cases[2].timeout_ns = rig.conf.max_timeout_ns + 1;
    cases[3].mem_bytes = 0;
    cases[4].mem_bytes = rig.conf.max_memory_bytes + 1;
    cases[5].narrowed = true;
    cases[5].imports = &imports;
    char *large = calloc(1, (1 << 20) + 1);
    memset(large, 'x', (1 << 20) + 1);
    cases[7].code = large;
    cases[7].code_len = (1 << 20) + 1;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct answer a = {0};
        CHECK(!engine_submit(rig.e, &cases[i], &callbacks, &a));
        CHECK(a.done == 1 && a.category == CATEGORY_INVALID_REQUEST);
        CHECK(a.error[0]);
    }
    free(large);
    struct answer a = {0};
    struct exec_request req = request("x");
    req.use_container = true;
    engine_submit(rig.e, &req, &callbacks, &a);
    CHECK(a.category == CATEGORY_CONTAINER_ERROR);
    CHECK(strstr(a.error, "Container mode is not enabled"));
    CHECK(strstr(a.error, "SANDBOX_ENABLE_CONTAINER_MODE"));
    CHECK_STR(a.isolation, "container");
    rig.conf.container_enabled = true;
    engine_submit(rig.e, &req, &callbacks, &a);
    CHECK(strstr(a.error, "no container backend"));
    CHECK(script->runs == 0);
    rig_down();
}

TEST(nothing_runs_that_may_not_be_recorded)
{
    rig_up(2, 4, 1);
    rig.refuse_start = true;
    struct answer a;
    run("1", &a);
    CHECK(a.category == CATEGORY_INTERNAL_ERROR);
    CHECK_STR(a.error, "the audit log cannot be written");
    CHECK(script->runs == 0);
    rig.refuse_start = false;
    still_fine();
    rig_down();
}

/* ---- zygotes ---- */

TEST(programs_wait_for_the_proof)
{
    rig_up(2, 4, 1);
    struct answer a = {0};
    submit("1", &a);
    struct engine_info info;
    engine_info(rig.e, &info);
    CHECK(info.proof == PROOF_PENDING && !info.failure && info.queued == 1 && !info.hello);
    CHECK(a.done == 0);
    WAIT_UNTIL(a.done);
    CHECK(a.category == CATEGORY_NONE);
    rig_down();
}

static void expect_refusal(enum mood mood, const char *text, unsigned launches)
{
    rig_up_raw(2, 4, 1);
    script->mood = mood;
    rig_start();
    rig.e->tuning.start_ns = 200 * MS;
    rig.e->tuning.start_grace_ns = 50 * MS;
    rig.e->tuning.max_failures = 3;
    struct answer a = {0};
    submit("1", &a);
    WAIT_UNTIL(a.done);
    CHECK(a.category == CATEGORY_INTERNAL_ERROR);
    CHECK(strstr(a.error, text));
    if (!strstr(a.error, text))
        printf("# %s\n", a.error);
    struct engine_info info;
    engine_info(rig.e, &info);
    CHECK(info.proof == PROOF_FAILED && info.failure);
    CHECK(script->launches == launches);
    CHECK(script->runs == 0);
    CHECK(rig.states == 1);
    a = (struct answer){0};
    submit("1", &a);
    CHECK(a.done == 1 && a.category == CATEGORY_INTERNAL_ERROR);
    rig_down();
}

TEST(a_broken_wall_is_final)
{
    expect_refusal(MOOD_PROOF_BROKEN, "read /etc/passwd", 1);
}
TEST(a_proof_of_nothing_is_final)
{
    expect_refusal(MOOD_PROOF_EMPTY, "proved nothing", 1);
}
TEST(ready_without_a_proof_is_not_believed)
{
    expect_refusal(MOOD_READY_FIRST, "READY without a proof", 3);
}
TEST(a_zygote_that_says_why_it_cannot_start_is_quoted)
{
    expect_refusal(MOOD_FATAL, "install CPython 3.11", 3);
}
TEST(a_keeper_that_cannot_launch_is_quoted)
{
    expect_refusal(MOOD_LAUNCH_FAILS, "user namespaces are off", 3);
}
TEST(a_zygote_that_dies_at_start_is_told_by_its_exit)
{
    expect_refusal(MOOD_DIES_AT_START, "exit status 5", 3);
}

TEST(the_server_recovers_when_the_reason_has_gone)
{
    rig_up_raw(2, 4, 1);
    script->mood = MOOD_LAUNCH_FAILS;
    rig_start();
    rig.e->tuning.max_failures = 2;
    rig.e->tuning.retry_ns = 50 * MS;
    struct answer a = {0};
    submit("1", &a);
    WAIT_UNTIL(a.done);
    CHECK(a.category == CATEGORY_INTERNAL_ERROR);
    script->mood = MOOD_GOOD;
    WAIT_UNTIL(!rig.e->failure);
    still_fine();
    CHECK(rig.states == 2);
    rig_down();
}

TEST(a_zygote_that_hangs_at_start_is_ended_and_replaced)
{
    rig_up_raw(2, 4, 1);
    script->mood = MOOD_SILENT_START;
    script->times = 1;
    rig.conf.profiles = 1;
    rig_start();
    loop_timer_arm(rig.e->next->watch, 50 * MS);
    still_fine();
    CHECK(script->launches == 2 && script->ends == 1);
    rig_down();
}

TEST(a_zygote_that_dies_is_replaced_and_what_waited_is_run)
{
    rig_up(1, 8, 1);
    struct answer running = {0}, waiting[3] = {0};
    submit("hang", &running);
    WAIT_UNTIL(rig.e->running == 1);
    for (int i = 0; i < 3; i++)
        submit("1", &waiting[i]);
    idle(20);
    /* what a crash of the zygote looks like from here: the keeper says it is gone */
    zygote_break(rig.e->active, "it was ended by signal 11");
    WAIT_UNTIL(running.done && waiting[0].done && waiting[1].done && waiting[2].done);
    CHECK(running.category == CATEGORY_INTERNAL_ERROR);
    for (int i = 0; i < 3; i++)
        CHECK(waiting[i].category == CATEGORY_NONE);
    CHECK(script->launches == 2);
    WAIT_UNTIL(script->zygotes_dead == 1);
    rig_down();
}

TEST(a_zygote_that_does_not_kill_is_ended_and_the_time_out_still_told)
{
    rig_up(2, 8, 2);
    rig.e->tuning.kill_ns = 100 * MS;
    still_fine();
    script->mood = MOOD_IGNORES_KILL;
    struct answer a = {0};
    struct exec_request req = request("hang");
    req.timeout_ns = 50 * MS;
    engine_submit(rig.e, &req, &callbacks, &a);
    WAIT_UNTIL(a.done);
    CHECK(a.category == CATEGORY_TIMEOUT);
    CHECK_STR(a.out[0], "before");
    WAIT_UNTIL(script->ends == 1);
    script->mood = MOOD_GOOD;
    still_fine();
    rig_down();
}

TEST(a_zygote_that_babbles_is_ended_and_replaced)
{
    rig_up_raw(2, 8, 1);
    script->mood = MOOD_BABBLES;
    script->times = 1;
    rig_start();
    still_fine();
    WAIT_UNTIL(script->launches == 2);
    still_fine();
    rig_down();
}

TEST(a_zygote_is_replaced_after_its_runs_without_a_failed_request)
{
    rig_up(2, 64, 2);
    rig.e->tuning.recycle_runs = 10;
    struct answer a[60] = {0};
    for (int i = 0; i < 60; i++)
        submit(i % 3 ? "1" : "slow", &a[i]);
    for (int i = 0; i < 60; i++)
        WAIT_UNTIL(a[i].done);
    for (int i = 0; i < 60; i++)
        CHECK(a[i].category == CATEGORY_NONE);
    CHECK(script->launches >= 4);
    CHECK(script->runs == 60);
    CHECK(rig.states == 1);
    WAIT_UNTIL(script->zygotes_dead == script->launches - 1);
    rig_down();
}

TEST(the_end_of_the_keeper_is_the_end_of_everything)
{
    rig_up(1, 8, 1);
    struct answer running = {0}, waiting = {0};
    submit("hang", &running);
    WAIT_UNTIL(rig.e->running == 1);
    submit("1", &waiting);
    shutdown(rig.e->keeper_fd, SHUT_RDWR);
    WAIT_UNTIL(running.done && waiting.done);
    CHECK(running.category == CATEGORY_INTERNAL_ERROR);
    CHECK(waiting.category == CATEGORY_INTERNAL_ERROR);
    CHECK(strstr(waiting.error, "vivarium-zygote"));
    CHECK(rig.e->final);
    rig_down();
}

/* ---- workers that fail before they have a program ---- */

static void expect_replacement(enum mood mood, unsigned times)
{
    rig_up_raw(2, 8, 2);
    script->mood = mood;
    script->times = times;
    rig_start();
    rig.e->tuning.warm_ns = 50 * MS;
    struct answer a = {0};
    submit("12345", &a);
    WAIT_UNTIL(a.done);
    CHECK(a.category == CATEGORY_NONE);
    still_fine();
    CHECK(script->launches == 1);
    rig_down();
}

TEST(a_worker_that_dies_cold_is_replaced)
{
    expect_replacement(MOOD_WORKER_DIES_COLD, 3);
}
TEST(a_worker_that_sends_garbage_before_it_is_warm_is_replaced)
{
    expect_replacement(MOOD_WORKER_GARBAGE_COLD, 3);
}
TEST(a_worker_that_never_gets_warm_is_replaced)
{
    expect_replacement(MOOD_WORKER_NEVER_WARM, 2);
}
TEST(a_worker_that_dies_while_it_waits_is_replaced)
{
    rig_up_raw(2, 8, 2);
    script->mood = MOOD_WORKER_DIES_WARM;
    script->times = 3;
    rig_start();
    idle(200);
    still_fine();
    CHECK(script->launches == 1);
    rig_down();
}
TEST(a_worker_that_talks_before_it_is_asked_is_replaced)
{
    rig_up_raw(2, 8, 2);
    script->mood = MOOD_WORKER_TALKS_WARM;
    script->times = 3;
    rig_start();
    idle(200);
    still_fine();
    CHECK(script->launches == 1);
    rig_down();
}

TEST(a_zygote_whose_workers_all_die_is_given_up_with_a_reason)
{
    rig_up_raw(2, 8, 2);
    script->mood = MOOD_WORKER_DIES_COLD;
    rig_start();
    rig.e->tuning.max_spawn_failures = 4;
    rig.e->tuning.max_failures = 2;
    struct answer a = {0};
    submit("1", &a);
    WAIT_UNTIL(a.done);
    CHECK(a.category == CATEGORY_INTERNAL_ERROR);
    CHECK(strstr(a.error, "could not make workers: vivarium worker: enter the jail: no"));
    CHECK(script->launches == 2);
    rig_down();
}

/* ---- reported system calls ---- */

static void rig_up_listening(void)
{
    rig_up_raw(2, 8, 2);
    script->listener = true;
    rig_start();
    WAIT_UNTIL(rig.e->active || rig.log[0]);
    if (!rig.e->active || rig.e->active->listener_fd < 0)
        SKIP("no seccomp user notification here");
}

TEST(a_reported_system_call_is_refused_and_recorded)
{
    rig_up_listening();
    struct answer a;
    run("socket", &a);
    CHECK(a.category == CATEGORY_NONE);
    CHECK_STR(a.result, "\"EPERM\"");
    CHECK(a.events == 1 && a.layer == LAYER_SECCOMP);
    CHECK_STR(a.rule, "socket");
    run("thread socket", &a);
    CHECK_STR(a.result, "\"EPERM\"");
    CHECK(a.events == 1);
    still_fine();
    rig_down();
}

TEST(a_program_that_will_not_stop_trying_is_ended)
{
    rig_up_listening();
    struct answer a;
    run("many sockets", &a);
    CHECK(a.category == CATEGORY_SECURITY_VIOLATION);
    CHECK(strstr(a.error, "256"));
    CHECK(a.events == 1);
    still_fine();
    rig_down();
}

/* ---- end ---- */

TEST(the_end_of_the_engine_answers_everything_and_leaves_nothing)
{
    rig_up(1, 8, 2);
    struct answer a[3] = {0};
    submit("hang", &a[0]);
    WAIT_UNTIL(rig.e->running == 1);
    submit("1", &a[1]);
    struct execution *x = submit("2", &a[2]);
    engine_cancel(x);
    idle(1);
    rig_down();
    for (int i = 0; i < 3; i++)
        CHECK(a[i].done == 1 && a[i].category == CATEGORY_CANCELLED);
    int status;
    CHECK(wait(&status) > 0); /* the keeper, and with it the rest */
}

int main(void)
{
    return tap_main();
}
