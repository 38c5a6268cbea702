/* Limits, validation, isolation between runs and the zygote's own life, behind the real jail. The
 * test takes the server's place; see worker_fixture.h. */
#include "worker_fixture.h"

/* ---- limits ---- */

TEST(running_out_of_memory_is_reported_as_such_with_its_output)
{
    static const char *const programs[] = {
        "print('before')\nx = [0] * (400 * 1024 * 1024)",
        "print('before')\nx = []\nwhile True: x.append('y' * 1000)",
        "print('before')\nx = []\nwhile True: x.append([x])",
        "print('before')\nd = {}\ni = 0\nwhile True:\n    d[i] = str(i)\n    i += 1",
        "print('before')\nx = 'a'\nwhile True: x += x",
        "print('before')\nx = 1\nwhile True: x = x << 50000000",
        "print('before')\nbytearray(1 << 40)",
        "print('before')\nx = [[]]\nfor i in range(30): x = x + x\n",
    };
    open_site();
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        struct run r = run_text(&site, programs[i]);
        if (!r.answered)
            printf("# program %zu died: %x, alloc_failed %u\n", i, r.exited.wait_status,
                   r.page.alloc_failed);
        CHECK_RUN(r, OUTCOME_MEMORY);
        CHECK_STR(r.text[0], "before\n");
        run_done(&r);
    }
    /* caught, it is the program's own business */
    struct run r = run_text(&site, "try:\n    x = bytearray(1 << 30)\n"
                                   "except MemoryError:\n    print('caught')\n'fine'");
    CHECK_RUN(r, OUTCOME_OK);
    CHECK_STR(r.text[0], "caught\n");
    run_done(&r);
    site_stop(&site);
}

TEST(the_memory_limit_is_what_was_asked_for)
{
    open_site();
    struct msg_run m = REQUEST("x = bytearray(40 << 20)\nlen(x)");
    struct run r = run_request(&site, &m);
    CHECK_RUN(r, OUTCOME_OK);
    run_done(&r);
    m.mem_bytes = 32 << 20;
    r = run_request(&site, &m);
    CHECK_RUN(r, OUTCOME_MEMORY);
    CHECK(has(r.result.error, "limit of 32 MiB"));
    run_done(&r);
    m = REQUEST("x = bytearray(600 << 20)\nlen(x)");
    m.mem_bytes = 1ull << 30;
    r = run_request(&site, &m);
    CHECK_RUN(r, OUTCOME_OK);
    run_done(&r);
    site_stop(&site);
}

TEST(deep_recursion_ends_cleanly_or_by_its_own_signal)
{
    static const char *const clean[] = {
        "def f(n): return f(n + 1)\nf(0)",
        "class A:\n    def __repr__(self): return repr(self)\nrepr(A())",
        "x = []\nfor i in range(100000): x = [x]\nrepr(x)",
        "class A:\n    def __getattr__(self, n): return getattr(self, n + 'x')\nA().y",
        "import json\nx = []\nx.append(x)\njson.dumps(x)",
        "import copy\nx = []\nfor i in range(100000): x = [x]\ncopy.deepcopy(x)",
        "f = lambda: f()\nsorted([1, 2], key=lambda x: f())",
    };
    open_site();
    for (size_t i = 0; i < ARRAY_LEN(clean); i++) {
        struct run r = run_text(&site, clean[i]);
        CHECK_RUN(r, OUTCOME_EXCEPTION);
        run_done(&r);
    }
    struct run r = run_text(&site, "import sys\nsys.setrecursionlimit(10 ** 8)\n"
                                   "class A:\n    def __repr__(self): return repr(self)\n"
                                   "print('x')\nrepr(A())");
    CHECK(!r.answered || r.result.outcome != OUTCOME_OK);
    CHECK_STR(r.text[0], "x\n");
    run_done(&r);
    site_stop(&site);
}

TEST(cpu_time_is_limited)
{
    open_site();
    struct worker w;
    struct run r = {0};
    worker_spawn(&site, &w);
    struct msg_run m = REQUEST("print('x')\nwhile True: pass");
    m.cpu_ms = 500;
    worker_send(&w, &m);
    worker_listen(&w, &r, 15000);
    worker_end(&site, &w, &r);
    CHECK(!r.answered);
    CHECK(r.exited.cpu_ns < 4000000000ull);
    CHECK_STR(r.text[0], "x\n");
    run_done(&r);
    site_stop(&site);
}

/* ---- validation ---- */

static struct run validate(const char *code)
{
    struct msg_run m = REQUEST(code);
    m.mode = RUN_VALIDATE;
    return run_request(&site, &m);
}

TEST(validation_gives_the_verdict_of_execution_and_counts_truly)
{
    open_site();
    struct run r = validate("import os\nos.system('rm -rf /')");
    CHECK(r.answered && r.verdict.outcome == OUTCOME_REFUSED);
    CHECK(r.verdict.line_count == 2 && r.verdict.character_count == 31);
    REQUIRE(r.verdict.violations_len == 1);
    CHECK(r.verdict.violations[0].line == 1);
    CHECK_STR(r.verdict.violations[0].message, "Import 'os' is not allowed");
    REQUIRE(r.verdict.recommendations.len >= 1);
    CHECK_STR(r.verdict.recommendations.items[0],
              "Some operations may be restricted in sandbox environment");
    CHECK(r.verdict.imports.len == 1);
    CHECK(r.page.started_ns == 0);
    run_done(&r);
    r = validate("def f(x):\n    return x\n\nclass A:\n    def m(self): pass\n");
    CHECK(r.verdict.outcome == OUTCOME_OK);
    CHECK(r.verdict.line_count == 5 && r.verdict.functions == 2 && r.verdict.classes == 1);
    CHECK(r.verdict.recommendations.len == 0 && r.verdict.violations_len == 0);
    run_done(&r);
    r = validate("\xc3\xa9 = 1\r\n\xe2\x82\xac");
    CHECK(r.verdict.character_count == 8 && r.verdict.line_count == 2);
    CHECK(r.verdict.outcome == OUTCOME_SYNTAX_ERROR);
    run_done(&r);
    r = validate("def f():\n    return 1\nreturn 2");
    CHECK(r.verdict.outcome == OUTCOME_SYNTAX_ERROR);
    CHECK(r.verdict.violations_len == 1 && r.verdict.violations[0].line == 3);
    run_done(&r);
    site_stop(&site);
}

TEST(a_refused_program_does_not_start_and_is_reported_as_events)
{
    open_site();
    struct run r = run_text(&site, "print('never')\nimport os\nimport socket\n");
    CHECK_RUN(r, OUTCOME_REFUSED);
    CHECK(r.result.started_ns == 0 && r.page.started_ns == 0);
    CHECK_STR(r.text[0], "");
    CHECK(r.result.violations_len == 2);
    REQUIRE(r.events_len == 2);
    CHECK(r.events[0].layer == LAYER_POLICY && r.events[0].line == 2);
    CHECK_STR(r.events[0].detail, "Import 'os' is not allowed");
    run_done(&r);
    struct msg_run m = REQUEST("import math");
    m.narrowed = true;
    r = run_request(&site, &m);
    CHECK_RUN(r, OUTCOME_REFUSED);
    run_done(&r);
    REQUIRE(strv_add(&m.imports, "math", NULL) == 0);
    r = run_request(&site, &m);
    CHECK_RUN(r, OUTCOME_OK);
    run_done(&r);
    strv_done(&m.imports);
    site_stop(&site);
}

/* ---- isolation between runs ---- */

TEST(two_workers_draw_different_numbers)
{
    static const char *const draws[] = {
        "import random\n[random.random(), random.getrandbits(64)]",
        "import uuid\nstr(uuid.uuid4())",
        "import uuid\nstr(uuid.uuid1())",
        "import secrets\nsecrets.token_hex(16)",
        "import random\nrandom.SystemRandom().random()",
        "import random\nrandom.Random().random()",
        "import random\nx = list(range(50))\nrandom.shuffle(x)\nx",
    };
    open_site();
    for (size_t i = 0; i < ARRAY_LEN(draws); i++) {
        struct run a = run_text(&site, draws[i]), b = run_text(&site, draws[i]);
        CHECK_RUN(a, OUTCOME_OK);
        CHECK_RUN(b, OUTCOME_OK);
        CHECK(strcmp(a.result.result_json, b.result.result_json) != 0);
        run_done(&a);
        run_done(&b);
    }
    site_stop(&site);
}

TEST(modules_that_are_never_permitted_by_default_draw_different_numbers_too)
{
    site_spec(&site, PROFILE_BASIC);
    site.spec.imports_overridden = true;
    static const char *const more[] = {"ssl", "tempfile", "os"};
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        REQUIRE(strv_add(&site.spec.modules, more[i], NULL) == 0);
        REQUIRE(strv_add(&site.spec.preload, more[i], NULL) == 0);
    }
    site_launch(&site);
    static const char *const draws[] = {
        "import ssl\nssl.RAND_bytes(16).hex()",
        "import os\nos.urandom(8).hex()",
        "import tempfile\ntempfile.mktemp(dir='/')",
    };
    for (size_t i = 0; i < ARRAY_LEN(draws); i++) {
        struct run a = run_text(&site, draws[i]), b = run_text(&site, draws[i]);
        if (a.result.outcome == OUTCOME_REFUSED || a.result.outcome == OUTCOME_BLOCKED) {
            printf("# refused, so nothing to draw: %s\n", draws[i]);
        } else {
            CHECK_RUN(a, OUTCOME_OK);
            CHECK(strcmp(a.result.result_json, b.result.result_json) != 0);
        }
        run_done(&a);
        run_done(&b);
    }
    site_stop(&site);
}

TEST(numpy_draws_different_numbers_and_multiplies_under_a_memory_limit)
{
    const char *packages = getenv("VIVARIUM_TEST_PACKAGES");
    if (!packages)
        SKIP("VIVARIUM_TEST_PACKAGES names no folder with numpy in it");
    site_spec(&site, PROFILE_BASIC);
    site.spec.profiles |= PROFILE_DATA_SCIENCE;
    REQUIRE(strv_add(&site.spec.python_path, packages, NULL) == 0);
    REQUIRE(strv_add(&site.spec.modules, "numpy", NULL) == 0);
    REQUIRE(strv_add(&site.spec.preload, "numpy", NULL) == 0);
    site_launch(&site);
    static const char *const draws[] = {
        "import numpy as np\nnp.random.rand(3).tolist()",
        "import numpy as np\nnp.random.default_rng().random(3).tolist()",
        "import random\nrandom.random()",
    };
    for (size_t i = 0; i < ARRAY_LEN(draws); i++) {
        struct run a = run_text(&site, draws[i]), b = run_text(&site, draws[i]);
        CHECK_RUN(a, OUTCOME_OK);
        CHECK_RUN(b, OUTCOME_OK);
        CHECK(strcmp(a.result.result_json, b.result.result_json) != 0);
        run_done(&a);
        run_done(&b);
    }
    struct run r = run_text(&site, "import numpy as np\n"
                                   "a = np.ones((500, 500))\n"
                                   "print(np.linalg.inv(a @ a + np.eye(500) * 3).shape)\n"
                                   "np.array([[1, 2], [3, 4]]).mean()");
    CHECK_RUN(r, OUTCOME_OK);
    CHECK_STR(r.text[0], "(500, 500)\n");
    CHECK_STR(r.result.result_json, "2.5");
    run_done(&r);
    r = run_text(&site, "import numpy as np\nprint('x')\nnp.ones((20000, 20000))");
    CHECK_RUN(r, OUTCOME_MEMORY);
    CHECK_STR(r.text[0], "x\n");
    run_done(&r);
    site_stop(&site);
}

TEST(the_rehearsal_leaves_no_trace)
{
    open_site();
    struct run r = run_text(&site, "import sys, warnings\n"
                                   "names = [n for n in ('Point', 'norm', 'table') if n in dir()]\n"
                                   "names");
    CHECK_STR(r.result.result_json, "[]");
    CHECK(r.result.variables.len == 1);
    CHECK(r.text_len[0] == 0 && r.page.alloc_failed == 0);
    CHECK(r.page.out_truncated[0] == 0);
    run_done(&r);
    site_stop(&site);
}

/* ---- the zygote's own life ---- */

TEST(the_zygote_says_what_it_is_and_what_it_has)
{
    open_site();
    CHECK(site.hello.isolation == ISOLATION_NAMESPACES ||
          site.hello.isolation == ISOLATION_LANDLOCK);
    CHECK(str_starts(site.hello.python_build, site.hello.python_version));
    CHECK(strv_has(&site.ready.installed, "math") && site.ready.missing.len == 0);
    CHECK(site.ready.safe_builtins.len > 50);
    CHECK(site.ready.preload_ns > 0);
    CHECK(site.proof.len > 5);
    site_stop(&site);
}

TEST(killing_an_unknown_worker_or_one_twice_does_no_harm)
{
    open_site();
    struct worker w;
    struct run r = {0};
    struct worker nobody = {.id = 999};
    worker_kill(&site, &nobody);
    worker_spawn(&site, &w);
    worker_kill(&site, &w);
    worker_kill(&site, &w);
    worker_end(&site, &w, &r);
    run_done(&r);
    r = run_text(&site, "1");
    CHECK_RUN(r, OUTCOME_OK);
    run_done(&r);
    site_stop(&site);
}

TEST(a_worker_whose_server_vanishes_ends_by_itself)
{
    open_site();
    struct worker w;
    struct run r = {0};
    worker_spawn(&site, &w);
    worker_end(&site, &w, &r);
    CHECK(r.exited.wait_status == 0);
    run_done(&r);
    site_stop(&site);
}

TEST(a_zygote_ends_when_it_is_told_nonsense)
{
    open_site();
    struct err err = ERR_INIT;
    uint8_t nonsense[] = {MSG_RESULT, 1, 2, 3};
    REQUIRE(sock_send(site.control, nonsense, sizeof(nonsense), NULL, 0, 0, &err) == 0);
    uint8_t body[4096];
    size_t n;
    int type = from_zygote(&site, body, &n);
    CHECK(type == MSG_FATAL);
    CHECK(from_zygote(&site, body, &n) == -1);
    site_stop(&site);
}

TEST(nothing_is_left_when_the_server_goes)
{
    open_site();
    struct worker w;
    worker_spawn(&site, &w);
    struct msg_run m = REQUEST("while True: pass");
    worker_send(&w, &m);
    REQUIRE(w.pid > 0 && kill(w.pid, 0) == 0);
    site_stop(&site);
    for (int i = 0; i < 200 && kill(w.pid, 0) == 0; i++)
        usleep(10000);
    CHECK(kill(w.pid, 0) < 0 && errno == ESRCH);
}

int main(void)
{
    return tap_main();
}
