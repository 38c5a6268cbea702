/* What an ending means, and who is next: the two parts of the engine that are pure. */
#include <limits.h>

#include <signal.h>

#include "engine/internal.h"
#include "tap.h"

static struct conf conf = {
    .max_timeout_ns = 300 * NS_PER_S,
    .max_memory_bytes = 2048ull << 20,
};
static struct exec_request req = {.timeout_ns = 2500 * NS_PER_MS, .mem_bytes = 128 << 20};

static struct decision decide(struct ending end)
{
    static struct decision d;
    category_decide(&end, &req, &conf, &d);
    return d;
}

static struct ending exited(int status)
{
    return (struct ending){.exited = true, .wait_status = (uint32_t)status};
}

TEST(every_category_has_a_name_and_success_has_none)
{
    CHECK(!exec_category_name(CATEGORY_NONE));
    for (int c = CATEGORY_NONE + 1; c <= CATEGORY_INTERNAL_ERROR; c++)
        CHECK(exec_category_name((enum exec_category)c));
    CHECK(!exec_category_name((enum exec_category)99));
    CHECK_STR(exec_category_name(CATEGORY_SECURITY_VIOLATION), "security_violation");
}

TEST(why_we_stopped_it_counts_more_than_how_it_exited)
{
    struct ending end = exited(SIGKILL);
    end.alloc_failed = true;
    static const struct {
        enum stop_reason stop;
        enum exec_category category;
    } cases[] = {
        {STOP_TIMEOUT, CATEGORY_TIMEOUT},       {STOP_COMPILE, CATEGORY_RESOURCE_LIMIT},
        {STOP_CANCEL, CATEGORY_CANCELLED},      {STOP_SECURITY, CATEGORY_SECURITY_VIOLATION},
        {STOP_BREACH, CATEGORY_INTERNAL_ERROR}, {STOP_LOST, CATEGORY_INTERNAL_ERROR},
        {STOP_SHUTDOWN, CATEGORY_CANCELLED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        end.stop = cases[i].stop;
        struct decision d = decide(end);
        CHECK(d.category == cases[i].category);
        CHECK(d.text[0] && d.error_type);
    }
}

TEST(a_limit_is_named_with_what_would_raise_it)
{
    struct decision d = decide((struct ending){.stop = STOP_TIMEOUT});
    CHECK(strstr(d.text, "2.5 s") && strstr(d.text, "300 s, SANDBOX_MAX_TIMEOUT"));
    req.timeout_ns = conf.max_timeout_ns;
    d = decide((struct ending){.stop = STOP_TIMEOUT});
    CHECK(strstr(d.text, "300 s, the longest"));
    req.timeout_ns = 2500 * NS_PER_MS;
    struct ending end = exited(SIGSEGV);
    end.alloc_failed = true;
    d = decide(end);
    CHECK(d.category == CATEGORY_MEMORY_LIMIT);
    CHECK(strstr(d.text, "128 MiB") && strstr(d.text, "2 GiB, SANDBOX_MAX_MEMORY_LIMIT"));
    req.mem_bytes = 100000;
    d = decide(end);
    CHECK(strstr(d.text, "100000 bytes"));
    req.mem_bytes = 128 << 20;
}

TEST(a_kill_is_the_cpu_limit_only_when_the_cpu_time_is_used_up)
{
    struct ending end = exited(SIGKILL);
    end.stop = STOP_SILENT;
    end.cpu_ns = 3900 * NS_PER_MS;
    struct decision d = decide(end);
    CHECK(d.category == CATEGORY_RESOURCE_LIMIT);
    CHECK(strstr(d.text, "timeout") && strstr(d.text, "SANDBOX_CPU_LIMIT"));
    end.cpu_ns = 2000 * NS_PER_MS;
    CHECK(decide(end).category == CATEGORY_INTERNAL_ERROR);
    conf.cpu_limit_ms = 2000;
    d = decide(end);
    CHECK(d.category == CATEGORY_RESOURCE_LIMIT && !strstr(d.text, "timeout"));
    conf.cpu_limit_ms = 0;
    end = exited(SIGXCPU);
    end.cpu_ns = 3000 * NS_PER_MS;
    CHECK(decide(end).category == CATEGORY_RESOURCE_LIMIT);
}

TEST(a_kill_is_the_memory_limit_when_the_kernel_has_killed_for_memory)
{
    struct ending end = exited(SIGKILL);
    end.stop = STOP_SILENT;
    end.memory_kill = true;
    struct decision d = decide(end);
    CHECK(d.category == CATEGORY_MEMORY_LIMIT && strstr(d.text, "together"));
    CHECK_STR(d.error_type, "MemoryError");
    end.memory_kill = false;
    CHECK(decide(end).category == CATEGORY_INTERNAL_ERROR);
    end = exited(SIGSEGV);
    end.memory_kill = true; /* another program's */
    CHECK(decide(end).category == CATEGORY_RUNTIME_ERROR);
    end = exited(SIGKILL);
    end.stop = STOP_TIMEOUT;
    end.memory_kill = true;
    CHECK(decide(end).category == CATEGORY_TIMEOUT);
}

TEST(a_silent_death_is_told_in_a_sentence)
{
    struct decision d = decide(exited(3 << 8));
    CHECK(d.category == CATEGORY_RUNTIME_ERROR && strstr(d.text, "exit status 3"));
    d = decide(exited(0));
    CHECK(d.category == CATEGORY_RUNTIME_ERROR && strstr(d.text, "exit status 0"));
    d = decide(exited(SIGABRT));
    CHECK(d.category == CATEGORY_RUNTIME_ERROR && strstr(d.text, "SIGABRT"));
    d = decide(exited(SIGSYS));
    CHECK(d.category == CATEGORY_SECURITY_VIOLATION);
    d = decide((struct ending){0});
    CHECK(d.category == CATEGORY_INTERNAL_ERROR);
    d = decide(exited(-1));
    CHECK(d.category == CATEGORY_INTERNAL_ERROR);
}

TEST(a_clean_exit_after_a_caught_memory_error_is_not_the_memory_limit)
{
    struct ending end = exited(0);
    end.alloc_failed = true;
    CHECK(decide(end).category == CATEGORY_RUNTIME_ERROR);
    end = exited(1 << 8); /* a library that gives up */
    end.alloc_failed = true;
    CHECK(decide(end).category == CATEGORY_MEMORY_LIMIT);
}

static struct queue queue;
static struct execution all[8];

static struct execution *push(int i, const char *client)
{
    all[i].req.client = client;
    queue_push(&queue, &all[i], NULL);
    return &all[i];
}

static struct execution *pop(void)
{
    return queue_pop(&queue, UINT_MAX);
}

TEST(clients_take_turns)
{
    queue_init(&queue);
    struct execution *a1 = push(0, "a"), *a2 = push(1, "a"), *a3 = push(2, "a");
    struct execution *b1 = push(3, "b"), *c1 = push(4, "c"), *c2 = push(5, "c");
    CHECK(queue.len == 6);
    CHECK(pop() == a1);
    CHECK(pop() == b1);
    queue_leave(&queue, c1);
    CHECK(pop() == c2);
    CHECK(pop() == a2);
    queue_put_back(&queue, a2); /* it could not be handed out */
    CHECK(pop() == a2);
    CHECK(pop() == a3);
    CHECK(!pop() && queue.len == 0);
}

TEST(whoever_has_fewest_running_is_next)
{
    queue_init(&queue);
    struct execution *a1 = push(0, "a"), *a2 = push(1, "a"), *a3 = push(2, "a");
    CHECK(pop() == a1 && pop() == a2); /* alone, it may have everything */
    struct execution *b1 = push(3, "b"), *b2 = push(4, "b"), *b3 = push(5, "b");
    CHECK(pop() == b1 && pop() == b2); /* two each now */
    CHECK(pop() == a3);
    CHECK(pop() == b3);
    queue_leave(&queue, a1);
    queue_leave(&queue, a2);
    struct execution *a4 = push(6, "a"), *b4 = push(7, "b");
    CHECK(pop() == a4); /* one running against three */
    CHECK(pop() == b4);
}

TEST(a_client_with_as_many_running_as_it_may_is_passed_over)
{
    queue_init(&queue);
    struct execution *a1 = push(0, "a"), *a2 = push(1, "a"), *b1 = push(2, "b");
    CHECK(queue_pop(&queue, 1) == a1);
    CHECK(queue_pop(&queue, 1) == b1);
    CHECK(!queue_pop(&queue, 1) && queue.len == 1);
    queue_leave(&queue, b1);
    CHECK(!queue_pop(&queue, 1));
    queue_leave(&queue, a1);
    CHECK(queue_pop(&queue, 1) == a2);
}

TEST(a_client_is_forgotten_when_nothing_of_it_waits_or_runs)
{
    queue_init(&queue);
    struct execution *a1 = push(0, "a"), *a2 = push(1, "a");
    CHECK(pop() == a1);
    queue_leave(&queue, a2);
    CHECK(!TAILQ_EMPTY(&queue.turn) && !a2->client);
    queue_leave(&queue, a2);
    CHECK(TAILQ_FIRST(&queue.turn)->running == 1); /* leaving twice counts once */
    queue_leave(&queue, a1);
    CHECK(TAILQ_EMPTY(&queue.turn));
}

TEST(the_newest_of_the_longest_queue_makes_room_for_a_shorter_one)
{
    queue_init(&queue);
    push(0, "a");
    push(1, "a");
    struct execution *a3 = push(2, "a");
    push(3, "b");
    CHECK(queue_waiting(&queue, "a") == 3 && queue_waiting(&queue, "b") == 1);
    CHECK(queue_waiting(&queue, "c") == 0);
    CHECK(queue_most_crowded(&queue, 2) == a3);
    CHECK(!queue_most_crowded(&queue, 3));
}

int main(void)
{
    return tap_main();
}
