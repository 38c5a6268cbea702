/* The engine against a keeper and zygotes that fail, lie and hang (see fake_zygote.h), workers that
 * are lost before they have a program, reported system calls, and its own end. */
#include "engine_rig.h"

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

TEST(a_zygote_is_told_of_the_delegated_cgroup)
{
    rig_up(2, 4, 1);
    struct engine_info info;
    WAIT_UNTIL(script->spawns > 0);
    engine_info(rig.e, &info);
    CHECK_STR(script->cgroup, "/cgroup/programs");
    CHECK_STR(info.cgroup, "/cgroup/programs");
    rig_down();
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
    still_fine();
    WAIT_UNTIL(rig.e->active->count[WORKER_DYING] == 0);
    rig.e->tuning.kill_ns = 200 * MS;
    script->mood = MOOD_IGNORES_KILL;
    struct answer a = {0};
    struct exec_request req = request("hang");
    req.timeout_ns = 50 * MS;
    engine_submit(rig.e, &req, &callbacks, &a);
    WAIT_UNTIL(a.done);
    CHECK(a.category == CATEGORY_TIMEOUT);
    CHECK_STR(a.out[0], "before");
    WAIT_UNTIL(script->ends >= 1);
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

TEST(a_successor_that_cannot_start_costs_nothing)
{
    rig_up(2, 64, 2);
    still_fine();
    rig.e->tuning.recycle_runs = 1;
    rig.e->tuning.max_failures = 2;
    rig.e->tuning.retry_ns = 20 * MS;
    script->mood = MOOD_FATAL;
    for (int i = 0; i < 20; i++)
        still_fine();
    WAIT_UNTIL(script->launches >= 4);
    CHECK(!rig.e->failure && rig.states == 1);
    script->mood = MOOD_GOOD;
    WAIT_UNTIL(rig.e->active->id > 1 && !rig.e->next);
    still_fine();
    rig_down();
}

TEST(a_wall_found_broken_in_a_successor_stops_everything)
{
    rig_up(2, 64, 2);
    still_fine();
    struct answer a = {0}, b = {0};
    submit("hang", &a);
    rig.e->tuning.recycle_runs = 1;
    script->mood = MOOD_PROOF_BROKEN;
    submit("1", &b);
    WAIT_UNTIL(rig.e->failure && a.done && b.done);
    CHECK(a.category == CATEGORY_INTERNAL_ERROR);
    CHECK(rig.e->final && !rig.e->active);
    WAIT_UNTIL(script->zygotes_dead == 2);
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
