/* A small TAP producer for unit tests in C. Each test is a function with a sentence for a name and
 * runs in a child of its own, so that a SIGSYS, a SIGSEGV or an exit in the code under test fails
 * that test and no other.
 *
 *   TEST(an_empty_list_has_no_items) { CHECK(list.len == 0); }
 *   int main(void) { return tap_main(); }
 *
 * CHECK goes on after a failure, REQUIRE ends the test. SKIP("why") ends it as skipped. */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAP_MAX     512
#define TAP_SKIPPED 77

struct tap_test {
    const char *name;
    void (*run)(void);
};
static struct tap_test tap_tests[TAP_MAX];
static int tap_len;
static int tap_failed_checks;

#define TEST(name)                                                                                 \
    static void name(void);                                                                        \
    __attribute__((constructor)) static void tap_register_##name(void)                             \
    {                                                                                              \
        tap_tests[tap_len++] = (struct tap_test){#name, name};                                     \
    }                                                                                              \
    static void name(void)

#define CHECK(expr)                                                                                \
    do {                                                                                           \
        if (!(expr)) {                                                                             \
            printf("# %s:%d: %s\n", __FILE__, __LINE__, #expr);                                    \
            tap_failed_checks++;                                                                   \
        }                                                                                          \
    } while (0)
#define REQUIRE(expr)                                                                              \
    do {                                                                                           \
        if (!(expr)) {                                                                             \
            printf("# %s:%d: %s (required)\n", __FILE__, __LINE__, #expr);                         \
            fflush(stdout);                                                                        \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)
#define CHECK_STR(a, b)                                                                            \
    do {                                                                                           \
        const char *tap_a = (a), *tap_b = (b);                                                     \
        if (!tap_a || !tap_b || strcmp(tap_a, tap_b) != 0) {                                       \
            printf("# %s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #a,                  \
                   tap_a ? tap_a : "(null)", tap_b ? tap_b : "(null)");                            \
            tap_failed_checks++;                                                                   \
        }                                                                                          \
    } while (0)
#define SKIP(why)                                                                                  \
    do {                                                                                           \
        printf("# skipped: %s\n", why);                                                            \
        fflush(stdout);                                                                            \
        _exit(TAP_SKIPPED);                                                                        \
    } while (0)

__attribute__((unused)) static int tap_main(void)
{
    int bad = 0;
    printf("TAP version 13\n1..%d\n", tap_len);
    for (int i = 0; i < tap_len; i++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid < 0)
            return 2;
        if (pid == 0) {
            tap_tests[i].run();
            fflush(stdout);
            /* exit, not _exit: LeakSanitizer reports at exit */
            exit(tap_failed_checks ? 1 : 0);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        bool skipped = WIFEXITED(status) && WEXITSTATUS(status) == TAP_SKIPPED;
        bool ok = skipped || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
        if (WIFSIGNALED(status))
            printf("# ended by signal %d\n", WTERMSIG(status));
        printf("%sok %d - %s%s\n", ok ? "" : "not ", i + 1, tap_tests[i].name,
               skipped ? " # SKIP" : "");
        bad += !ok;
    }
    return bad ? 1 : 0;
}

#endif
