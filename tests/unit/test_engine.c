/* The engine against workers that are real processes but run no Python (see fake_zygote.h):
 * programs, hostile workers, time-outs, the queue. What a hostile worker does costs its own
 * execution and nothing else. */
#include "engine_rig.h"

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

/* A rig in which one worker has answered and is not to be ended for a minute. */
static void leave_one_spent(void)
{
    rig_up(2, 4, 2);
    struct answer a;
    rig.e->tuning.retire_ns = 60 * NS_PER_S;
    WAIT_UNTIL(rig.e->active && rig.e->active->count[WORKER_WARM] == 2);
    run("12345", &a);
    CHECK(rig.e->active->count[WORKER_SPENT] == 1);
}

TEST(a_worker_is_ended_a_moment_after_its_answer_when_nobody_waits)
{
    leave_one_spent();
    CHECK(script->spawns == 2);
    pool_refill(rig.e->active); /* as the timer does */
    CHECK(rig.e->active->count[WORKER_SPENT] == 0);
    rig.e->tuning.retire_ns = 1;
    struct answer a;
    run("12345", &a);
    WAIT_UNTIL(rig.e->active->count[WORKER_SPENT] == 0 && rig.e->active->count[WORKER_WARM] == 2);
    rig_down();
}

TEST(a_worker_is_ended_with_its_answer_when_programs_wait)
{
    rig_up(1, 4, 2);
    struct answer a[4] = {0};
    rig.e->tuning.retire_ns = 60 * NS_PER_S;
    WAIT_UNTIL(rig.e->active && rig.e->active->count[WORKER_WARM] == 2);
    for (int i = 0; i < 4; i++)
        submit("slow", &a[i]);
    WAIT_UNTIL(a[0].done);
    CHECK(rig.e->active->count[WORKER_SPENT] == 0);
    for (int i = 1; i < 4; i++)
        WAIT_UNTIL(a[i].done);
    CHECK(rig.e->active->count[WORKER_SPENT] <= 2); /* no more than leave one warm */
    rig_down();
}

TEST(what_a_worker_says_after_its_answer_is_of_no_consequence)
{
    rig_up(2, 4, 2);
    struct answer a;
    int good = 0;
    rig.e->tuning.retire_ns = 20 * MS;
    for (int i = 0; i < 30; i++) {
        run("on and on", &a);
        good += a.category == CATEGORY_NONE; /* else its second result came along with the first */
        WAIT_UNTIL(rig.e->active->count[WORKER_SPENT] == 0);
        WAIT_UNTIL(rig.e->active->count[WORKER_WARM] == 2);
        CHECK(rig.e->active->spawn_failures == 0);
    }
    CHECK(good > 0);
    CHECK(!strstr(rig.log, "lost"));
    CHECK(script->launches == 1);
    rig_down();
}

TEST(a_zygote_is_replaced_and_ends_with_a_worker_that_has_answered)
{
    leave_one_spent();
    uint64_t id = rig.e->active->id;
    zygote_launch(rig.e);
    WAIT_UNTIL(rig.e->active->id != id && script->ends == 1);
    still_fine();
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

TEST(a_rehearsal_that_crosses_with_a_program_is_ignored)
{
    rig_up(2, 4, 2);
    struct answer a;
    run("late rehearsal", &a);
    CHECK(a.done == 1 && a.category == CATEGORY_NONE && a.has_worker);
    still_fine();
    rig_down();
}

TEST(noise_from_a_worker_is_an_answer_like_any_other)
{
    rig_up(4, 64, 4);
    for (int i = 0; i < 200; i++) {
        char code[32];
        snprintf(code, sizeof(code), "noise%d", i);
        struct answer a;
        run(code, &a);
        CHECK(a.done == 1);
        CHECK(a.category == CATEGORY_INTERNAL_ERROR || a.category == CATEGORY_RUNTIME_ERROR);
    }
    still_fine();
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
    rig.memory_kills = 7; /* before this program: none of its business */
    run("sigkill", &a);
    CHECK(a.category == CATEGORY_INTERNAL_ERROR);
    rig.new_kills = 1;
    run("sigkill", &a);
    CHECK(a.category == CATEGORY_MEMORY_LIMIT && strstr(a.error, "together"));
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

TEST(a_program_given_to_a_worker_that_has_just_died_goes_to_the_next)
{
    rig_up(2, 4, 2);
    WAIT_UNTIL(rig.e->active && rig.e->active->count[WORKER_WARM] == 2);
    struct worker *w;
    TAILQ_FOREACH(w, &rig.e->active->workers[WORKER_WARM], link) {
        kill(w->pid, SIGKILL);
    }
    usleep(20000); /* the loop has not seen it yet */
    still_fine();
    CHECK(script->launches == 1);
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

TEST(a_list_of_imports_that_no_message_could_carry_is_refused)
{
    rig_up(2, 4, 1);
    strv_add(&rig.conf.modules, "pkg", NULL);
    char name[400] = "pkg.";
    memset(name + 4, 'x', MSG_MAX_NAME);
    struct exec_request req = request("x");
    auto_strv struct strv imports = STRV_INIT;
    strv_add(&imports, name, NULL);
    req.narrowed = true;
    req.imports = &imports;
    struct answer a = {0};
    CHECK(!engine_submit(rig.e, &req, &callbacks, &a));
    CHECK(a.category == CATEGORY_INVALID_REQUEST && strstr(a.error, "longer than 256"));
    name[MSG_MAX_NAME] = '\0';
    strv_done(&imports);
    for (int i = 0; i <= MSG_MAX_LIST; i++)
        strv_add(&imports, name, NULL);
    CHECK(!engine_submit(rig.e, &req, &callbacks, &a));
    CHECK(a.category == CATEGORY_INVALID_REQUEST && strstr(a.error, "at most 1024"));
    CHECK(script->runs == 0);
    rig_down();
}

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

int main(void)
{
    return tap_main();
}
