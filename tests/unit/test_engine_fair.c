/* Fairness between clients: turns, shares of workers and of the queue. The workers are scripted. */
#include "engine_rig.h"

#include "tap.h"

static struct execution *submit_as(const char *client, const char *code, struct answer *a)
{
    struct exec_request req = request(code);
    req.client = client;
    return engine_submit(rig.e, &req, &callbacks, a);
}

static const struct client *client_named(const char *name)
{
    const struct client *c;
    TAILQ_FOREACH(c, &rig.e->queue.turn, link) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

static unsigned running_of(const char *name)
{
    const struct client *c = client_named(name);
    return c ? c->running : 0;
}

TEST(a_client_that_is_alone_may_use_every_worker)
{
    rig_up(3, 10, 3);
    struct answer a[5] = {0};
    WAIT_UNTIL(rig.e->active && rig.e->active->count[WORKER_WARM] == 3);
    for (int i = 0; i < 5; i++)
        submit_as("a", "slow", &a[i]);
    CHECK(rig.e->running == 3 && running_of("a") == 3);
    for (int i = 0; i < 5; i++)
        WAIT_UNTIL(a[i].done);
    CHECK(TAILQ_EMPTY(&rig.e->queue.turn));
    rig_down();
}

TEST(the_first_place_that_comes_free_is_for_whoever_has_none)
{
    rig_up(2, 20, 2);
    struct answer a[8] = {0}, b = {0};
    struct execution *x[8];
    WAIT_UNTIL(rig.e->active && rig.e->active->count[WORKER_WARM] == 2);
    for (int i = 0; i < 8; i++)
        x[i] = submit_as("a", "hang", &a[i]);
    CHECK(running_of("a") == 2);
    submit_as("b", "slow", &b);
    CHECK(running_of("b") == 0);
    engine_cancel(x[0]);
    WAIT_UNTIL(b.done); /* though six of a's came before */
    CHECK(b.category == CATEGORY_NONE);
    for (int i = 1; i < 8; i++) {
        CHECK(!a[i].done);
        engine_cancel(x[i]);
        WAIT_UNTIL(a[i].done);
    }
    CHECK(TAILQ_EMPTY(&rig.e->queue.turn));
    still_fine();
    rig_down();
}

TEST(two_clients_share_the_workers_evenly_whatever_they_ask_for)
{
    rig_up(4, 60, 4);
    struct answer a[30] = {0}, b[6] = {0};
    for (int i = 0; i < 30; i++)
        submit_as("a", "slow", &a[i]);
    for (int i = 0; i < 6; i++)
        submit_as("b", "slow", &b[i]);
    for (int i = 0; i < 6; i++)
        WAIT_UNTIL(b[i].done);
    unsigned before = 0; /* of a's that went before the last of b's */
    for (int i = 0; i < 30; i++)
        before += a[i].done && a[i].order < b[5].order;
    CHECK(before <= 4 + 6 + 4); /* those that were first, as many as b, what was under way */
    for (int i = 0; i < 30; i++)
        WAIT_UNTIL(a[i].done);
    rig_down();
}

TEST(a_client_has_no_more_running_than_its_share_and_the_rest_stays_free)
{
    rig_up_raw(3, 20, 3);
    rig.conf.client_concurrency = 1;
    rig_start();
    struct answer a[4] = {0}, b = {0};
    WAIT_UNTIL(rig.e->active && rig.e->active->count[WORKER_WARM] == 3);
    for (int i = 0; i < 4; i++)
        submit_as("a", "slow", &a[i]);
    CHECK(rig.e->running == 1 && rig.e->queue.len == 3);
    submit_as("b", "slow", &b);
    CHECK(running_of("b") == 1); /* at once */
    for (int i = 0; i < 4; i++) {
        WAIT_UNTIL((running_of("a") <= 1) && a[i].done);
        CHECK(a[i].category == CATEGORY_NONE);
    }
    CHECK(b.done == 1 && rig.e->running == 0);
    rig_down();
}

TEST(a_full_queue_makes_room_for_a_client_with_less_in_it)
{
    rig_up(1, 4, 1);
    struct answer a[6] = {0}, b[3] = {0};
    struct execution *last;
    for (int i = 0; i < 5; i++)
        last = submit_as("a", "slow", &a[i]);
    submit_as("a", "slow", &a[5]);
    CHECK(a[5].done == 1 && a[5].category == CATEGORY_OVERLOADED); /* it fills its own queue only */
    CHECK(strstr(a[5].error, "SANDBOX_QUEUE_SIZE"));
    submit_as("b", "slow", &b[0]);
    CHECK(!b[0].done);
    CHECK(!a[4].done);   /* not from inside somebody else's call */
    engine_cancel(last); /* too late, and no harm */
    WAIT_UNTIL(a[4].done);
    CHECK(a[4].category == CATEGORY_OVERLOADED && strstr(a[4].error, "another client"));
    for (int i = 0; i < 4; i++)
        WAIT_UNTIL(a[i].done);
    WAIT_UNTIL(b[0].done);
    for (int i = 0; i < 4; i++)
        CHECK(a[i].category == CATEGORY_NONE);
    CHECK(b[0].category == CATEGORY_NONE && rig.finished == 7);
    rig_down();
}

TEST(an_even_queue_makes_room_for_nobody)
{
    rig_up(1, 3, 1);
    struct answer a[3] = {0}, b[2] = {0}, more = {0}, other = {0};
    WAIT_UNTIL(rig.e->active && rig.e->active->count[WORKER_WARM] == 1);
    submit_as("a", "hang", &a[0]);
    submit_as("a", "slow", &a[1]);
    submit_as("b", "slow", &b[0]);
    submit_as("b", "slow", &b[1]);
    submit_as("a", "slow", &more); /* one against two: it would only turn round */
    CHECK(more.done == 1 && more.category == CATEGORY_OVERLOADED && !b[1].done);
    submit_as("c", "slow", &other); /* none against two */
    CHECK(!other.done);
    WAIT_UNTIL(b[1].done);
    CHECK(b[1].category == CATEGORY_OVERLOADED);
    rig_down();
    CHECK(a[1].done == 1 && b[0].done == 1 && other.done == 1);
}

TEST(the_answer_names_the_limits_that_were_met)
{
    rig_up_raw(2, 1, 2);
    rig.conf.client_concurrency = 1;
    rig_start();
    struct answer a[4] = {0};
    for (int i = 0; i < 4; i++)
        submit_as("a", "slow", &a[i]);
    CHECK(a[3].done == 1 && a[3].category == CATEGORY_OVERLOADED);
    CHECK(strstr(a[3].error, "SANDBOX_QUEUE_SIZE"));
    CHECK(strstr(a[3].error, "SANDBOX_CLIENT_CONCURRENCY lets 1 "));
    for (int i = 0; i < 3; i++)
        WAIT_UNTIL(a[i].done);
    rig_down();
}

TEST(many_clients_come_and_go_and_none_is_left_behind)
{
    rig_up(2, 100, 2);
    static struct answer a[60];
    for (int i = 0; i < 60; i++) {
        char name[16];
        snprintf(name, sizeof(name), "client %d", i % 20);
        struct execution *x = submit_as(name, i % 3 ? "1" : "exit3", &a[i]);
        if (x && i % 7 == 0)
            engine_cancel(x);
    }
    for (int i = 0; i < 60; i++)
        WAIT_UNTIL(a[i].done);
    CHECK(TAILQ_EMPTY(&rig.e->queue.turn) && rig.e->queue.len == 0);
    CHECK(rig.finished == 60);
    rig_down();
}

/* ---- what a client may import ---- */

static enum exec_category refused_imports(unsigned may_use, const char *name, char error[700])
{
    struct answer a = {0};
    auto_strv struct strv imports = STRV_INIT;
    strv_add(&imports, name, NULL);
    struct exec_request req = request("1");
    req.narrowed = true;
    req.imports = &imports;
    req.profiles = may_use;
    engine_submit(rig.e, &req, &callbacks, &a);
    WAIT_UNTIL(a.done);
    snprintf(error, 700, "%s", a.error);
    return a.category;
}

TEST(a_call_cannot_list_modules_that_its_client_may_not_use)
{
    char error[700];
    rig_up_raw(1, 4, 1);
    strv_add(&rig.conf.modules, "numpy", NULL);
    strv_add(&rig.conf.modules, "socket", NULL);
    rig_start();
    CHECK(refused_imports(PROFILE_ALL, "numpy", error) == CATEGORY_NONE);
    CHECK(refused_imports(PROFILE_DATA_SCIENCE, "numpy.linalg", error) == CATEGORY_NONE);
    CHECK(refused_imports(PROFILE_DATA_SCIENCE, "math", error) == CATEGORY_NONE);
    CHECK(refused_imports(PROFILE_BASIC, "numpy", error) == CATEGORY_INVALID_REQUEST);
    CHECK(strstr(error, "numpy"));
    CHECK(refused_imports(0, "numpy", error) == CATEGORY_INVALID_REQUEST);
    CHECK(refused_imports(PROFILE_ALL & ~PROFILE_OTHER, "socket", error) ==
          CATEGORY_INVALID_REQUEST);
    CHECK(refused_imports(PROFILE_ALL, "socket", error) == CATEGORY_NONE);
    CHECK(refused_imports(PROFILE_ALL, "os", error) == CATEGORY_INVALID_REQUEST);
    rig_down();
}

int main(void)
{
    return tap_main();
}
