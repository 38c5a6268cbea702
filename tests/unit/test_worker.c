/* Zygote and worker, end to end behind the real jail: what a program gets back, and what is left when it
 * misbehaves. The test takes the server's place; see worker_fixture.h. */
#include "worker_fixture.h"

static struct site site;

static void open_site(void)
{
    site_start(&site, PROFILE_BASIC);
}

#define CHECK_RUN(r, expected)                                                                     \
    do {                                                                                           \
        if (!(r).answered || (r).result.outcome != (expected))                                     \
            printf("# answered %d outcome %d status %x: %s\n", (r).answered, (r).result.outcome,   \
                   (r).exited.wait_status, (r).result.error ? (r).result.error : (r).text[1]);     \
        CHECK((r).answered && (r).result.outcome == (expected));                                   \
    } while (0)

static bool has(const char *text, const char *part)
{
    bool found = text && strstr(text, part);
    if (!found)
        printf("# \"%s\" is not in \"%.500s\"\n", part, text ? text : "(null)");
    return found;
}

/* ---- a good program ---- */

TEST(a_program_returns_output_result_and_variables)
{
    open_site();
    struct run r = run_text(&site, "import math\n"
                                   "result = 2 + 2\n"
                                   "def f(): pass\n"
                                   "class C: pass\n"
                                   "_private = 1\n"
                                   "print(f'The answer is: {result}')\n");
    CHECK_RUN(r, OUTCOME_OK);
    CHECK_STR(r.result.result_json, "4");
    CHECK_STR(r.result.result_type, "int");
    CHECK_STR(r.text[0], "The answer is: 4\n");
    CHECK_STR(r.text[1], "");
    REQUIRE(r.result.variables.len == 3);
    CHECK_STR(r.result.variables.items[0], "result");
    CHECK_STR(r.result.variables.items[1], "f");
    CHECK_STR(r.result.variables.items[2], "C");
    CHECK(r.result.started_ns > 0 && r.result.ended_ns >= r.result.started_ns);
    CHECK(r.page.started_ns == r.result.started_ns);
    CHECK(r.exited.wait_status == 0);
    CHECK(r.events_len == 0);
    run_done(&r);
    site_stop(&site);
}

TEST(the_final_expression_wins_over_the_variable_result)
{
    static const struct {
        const char *code, *json;
    } cases[] = {
        {"result = 1\n2 + 3", "5"},
        {"result = 1\nNone", "1"},
        {"result = 1\nprint('x')", "1"},
        {"x = 5", "null"},
        {"'only a string'", "\"only a string\""},
        {"'doc'\nx = 1\n__doc__", "\"doc\""},
        {"", "null"},
        {"# nothing", "null"},
        {"(y := 7)", "7"},
        {"from __future__ import annotations\ndef f(x: Nowhere): pass\nf(1) is None", "true"},
        {"\xef\xbb\xbfx = 1\nx", "1"},
        {"x = 1\r\ny = 2\r\nx + y\r\n", "3"},
        {"x = 1\ry = 2\rx + y", "3"},
        {"x = 1\n\f\ny = 2\nx + y", "3"},
        {"# -*- coding: latin-1 -*-\n'\xc3\xa9'", "\"\xc3\xa9\""},
        {"import sys\nresult = 3\nsys.exit()", "3"},
        {"import sys\nresult = 3\nsys.exit(0)", "3"},
        {"raise SystemExit(False)", "null"},
        {"__name__", "\"__main__\""},
        {"import sys\nsys.stdin.read()", "\"\""},
        {"import asyncio\nasync def m():\n    await asyncio.sleep(0)\n    return 8\nasyncio.run(m())",
         "8"},
        {"from dataclasses import dataclass\n@dataclass\nclass P:\n    x: 'int'\n    y: int = "
         "2\nP(1).y",
         "2"},
        {"import typing\nclass A:\n    b: 'A'\ntyping.get_type_hints(A)['b'] is A", "true"},
        {"from collections import namedtuple\nT = namedtuple('T', 'a b')\nT(1, 2)._asdict()",
         "{\"a\":1,\"b\":2}"},
    };
    open_site();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct run r = run_text(&site, cases[i].code);
        CHECK_RUN(r, OUTCOME_OK);
        CHECK_STR(r.result.result_json, cases[i].json);
        run_done(&r);
    }
    site_stop(&site);
}

/* ---- errors ---- */

TEST(an_exception_is_described_by_sentence_type_line_and_traceback)
{
    open_site();
    struct run r = run_text(&site, "def f(x):\n    return 1 / x\n\nf(0)\n");
    CHECK_RUN(r, OUTCOME_EXCEPTION);
    CHECK_STR(r.result.error, "ZeroDivisionError: division by zero (line 2)");
    CHECK_STR(r.result.error_type, "ZeroDivisionError");
    CHECK(r.result.line == 2);
    CHECK_STR(r.result.traceback, "Traceback (most recent call last):\n"
                                  "  File \"<sandbox>\", line 4, in <module>\n"
                                  "    f(0)\n"
                                  "  File \"<sandbox>\", line 2, in f\n"
                                  "    return 1 / x\n"
                                  "           ~~^~~\n"
                                  "ZeroDivisionError: division by zero\n");
    CHECK_STR(r.result.result_json, "null");
    CHECK(strv_has(&r.result.variables, "f"));
    run_done(&r);
    site_stop(&site);
}

TEST(errors_name_what_a_person_can_act_on)
{
    static const struct {
        const char *code;
        enum run_outcome outcome;
        const char *type, *error;
    } cases[] = {
        {"import json\njson.loads('{')", OUTCOME_EXCEPTION, "json.decoder.JSONDecodeError",
         "property name"},
        {"answer = 1\nprint(anwser)", OUTCOME_EXCEPTION, "NameError", "Did you mean: 'answer'?"},
        {"[].appendd(1)", OUTCOME_EXCEPTION, "AttributeError", "Did you mean: 'append'?"},
        {"assert 1 == 2", OUTCOME_EXCEPTION, "AssertionError", "assert 1 == 2 (line 1)"},
        {"class E(Exception): pass\nraise E('mine')", OUTCOME_EXCEPTION, "E", "E: mine (line 2)"},
        {"class E(Exception):\n    def __str__(self): raise KeyboardInterrupt\nraise E",
         OUTCOME_EXCEPTION, "E", "E: <exception str() failed> (line 3)"},
        {"raise KeyboardInterrupt", OUTCOME_EXCEPTION, "KeyboardInterrupt", "(line 1)"},
        {"raise GeneratorExit", OUTCOME_EXCEPTION, "GeneratorExit", "(line 1)"},
        {"import sys\nsys.exit(3)", OUTCOME_EXCEPTION, "SystemExit", "exit code 3 (line 2)"},
        {"raise SystemExit('no luck')", OUTCOME_EXCEPTION, "SystemExit", "no luck (line 1)"},
        {"def f(): f()\nf()", OUTCOME_EXCEPTION, "RecursionError", "maximum recursion depth"},
        {"raise ExceptionGroup('both', [ValueError(1), KeyError(2)])", OUTCOME_EXCEPTION,
         "ExceptionGroup", "both (2 sub-exceptions)"},
        {"raise MemoryError", OUTCOME_MEMORY, "MemoryError", "limit of 128 MiB"},
        {"x = = 1", OUTCOME_SYNTAX_ERROR, "SyntaxError", "invalid syntax (line 1)"},
        {"\nprint('a'\n", OUTCOME_SYNTAX_ERROR, "SyntaxError", "'(' was never closed (line 2)"},
        {"return 5", OUTCOME_SYNTAX_ERROR, "SyntaxError", "outside function (line 1)"},
        {"def f():\n    nonlocal x", OUTCOME_SYNTAX_ERROR, "SyntaxError", "'x' found (line 2)"},
        {"  x = 1", OUTCOME_SYNTAX_ERROR, "IndentationError", "unexpected indent (line 1)"},
        {"if 1:\n\tx=1\n        y=2", OUTCOME_SYNTAX_ERROR, "TabError", "(line 3)"},
        {"import os", OUTCOME_REFUSED, "SecurityViolation", "Import 'os' is not allowed (line 1)"},
    };
    open_site();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct run r = run_text(&site, cases[i].code);
        CHECK_RUN(r, cases[i].outcome);
        CHECK_STR(r.result.error_type, cases[i].type);
        CHECK(has(r.result.error, cases[i].error));
        run_done(&r);
    }
    site_stop(&site);
}

TEST(chained_exceptions_and_groups_show_every_part)
{
    open_site();
    struct run r = run_text(&site, "try:\n"
                                   "    {}['a']\n"
                                   "except KeyError as e:\n"
                                   "    raise ValueError('second') from e\n");
    CHECK(has(r.result.traceback, "KeyError: 'a'"));
    CHECK(has(r.result.traceback, "direct cause"));
    CHECK(has(r.result.traceback, "ValueError: second"));
    run_done(&r);
    r = run_text(&site, "raise ExceptionGroup('g', [ValueError('one'), TypeError('two')])");
    CHECK(has(r.result.traceback, "| ValueError: one"));
    CHECK(has(r.result.traceback, "| TypeError: two"));
    run_done(&r);
    site_stop(&site);
}

TEST(no_path_of_the_machine_is_in_error_or_traceback)
{
    static const char *const programs[] = {
        "import json\njson.loads('{')",
        "from json import nowhere",
        "import decimal\ndecimal.Decimal('x')",
        "import re\nre.compile('(')",
        "import statistics\nstatistics.mean([])",
        "raise ValueError('/usr/lib/python3.11/json/__init__.py')",
        "import asyncio\nasync def f():\n    raise OSError('x')\nasyncio.run(f())",
    };
    open_site();
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        struct run r = run_text(&site, programs[i]);
        CHECK(r.answered && r.result.outcome != OUTCOME_OK);
        CHECK(!strstr(r.result.traceback, "/usr") && !strstr(r.result.error, "/usr"));
        CHECK(!strstr(r.result.traceback, "/packages") && !strstr(r.result.traceback, "/vivarium"));
        run_done(&r);
    }
    site_stop(&site);
}

TEST(text_that_cannot_be_a_program_is_a_syntax_error)
{
    static const struct {
        const char *code;
        size_t len;
    } cases[] = {{"x = 'a\0b'", 9}, {"\xff\xfe", 2}, {"x = '\xed\xa0\x80'", 9}};
    open_site();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct msg_run m = REQUEST("");
        m.code = (uint8_t *)(uintptr_t)cases[i].code;
        m.code_len = cases[i].len;
        struct run r = run_request(&site, &m);
        CHECK_RUN(r, OUTCOME_SYNTAX_ERROR);
        CHECK(r.result.violations_len == 1);
        run_done(&r);
    }
    site_stop(&site);
}

static char *repeated(const char *head, const char *piece, size_t times, const char *tail)
{
    auto_buf struct buf b = BUF_INIT(0);
    buf_add_str(&b, head, NULL);
    for (size_t i = 0; i < times; i++)
        buf_add_str(&b, piece, NULL);
    buf_add_str(&b, tail, NULL);
    return buf_take_str(&b);
}

TEST(a_program_that_is_too_much_for_the_compiler_is_refused_and_costs_nobody)
{
    static const struct {
        const char *head, *piece, *tail;
        size_t times;
    } cases[] = {
        {"x = ", "(", "", 250000},       {"x = ", "-", "1", 250000},   {"x = ", "[", "", 500},
        {"x = 0", "+1", "", 100000},     {"", "lambda:", "0", 40000},  {"x", ".a", "", 120000},
        {"x = ", "not ", "1", 60000},    {"", "if 1:\n ", "pass", 99}, {"x = 1 ", "if 1 else 1 ", "", 9},
        {"x = f'", "{f'", "", 200},      {"x = ", "{1:", "", 500},     {"a", "=a", "", 120000},
        {"x = [", "1,", "]", 120000},    {"", "x=1;", "", 60000},      {"", "def f(): pass\n", "", 2000},
        {"x = '", "\\N{DIGIT ONE}", "'", 18000},
    };
    open_site();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_free char *code =
            repeated(cases[i].head, cases[i].piece, cases[i].times, cases[i].tail);
        struct run r = run_text(&site, code);
        if (!r.answered)
            printf("# case %zu: status %x\n", i, r.exited.wait_status);
        CHECK(r.answered);
        CHECK(r.result.outcome == OUTCOME_OK || r.result.outcome == OUTCOME_SYNTAX_ERROR ||
              r.result.outcome == OUTCOME_RESOURCE || r.result.outcome == OUTCOME_EXCEPTION);
        run_done(&r);
    }
    struct run after = run_text(&site, "1 + 1");
    CHECK_STR(after.result.result_json, "2");
    run_done(&after);
    site_stop(&site);
}

/* ---- output ---- */

TEST(output_is_bounded_and_says_so)
{
    open_site();
    struct msg_run m = REQUEST("for i in range(100000): print('0123456789')\n"
                               "import sys\nprint('fine', file=sys.stderr)");
    m.max_output = 50000;
    struct run r = run_request(&site, &m);
    CHECK_RUN(r, OUTCOME_OK);
    CHECK(r.text_len[0] == 50000);
    CHECK(r.result.out_truncated[0] && !r.result.out_truncated[1]);
    CHECK_STR(r.text[1], "fine\n");
    run_done(&r);
    m = REQUEST("print('\xc3\xa9' * 10)");
    m.max_output = 5;
    r = run_request(&site, &m);
    CHECK_STR(r.text[0], "\xc3\xa9\xc3\xa9");
    run_done(&r);
    m = REQUEST("print('x' * 300000)");
    r = run_request(&site, &m);
    CHECK(r.text_len[0] == 300001 && !r.result.out_truncated[0]);
    run_done(&r);
    m = REQUEST("print('gone')\n5");
    m.capture_output = false;
    r = run_request(&site, &m);
    CHECK_STR(r.text[0], "");
    CHECK_STR(r.result.result_json, "5");
    CHECK(!r.result.out_truncated[0]);
    run_done(&r);
    site_stop(&site);
}

TEST(every_way_to_write_arrives_in_order)
{
    open_site();
    struct run r = run_text(&site, "import sys\n"
                                   "print('a', end='')\n"
                                   "sys.stdout.write('b')\n"
                                   "sys.stdout.flush()\n"
                                   "sys.stdout.buffer.write(b'c')\n"
                                   "sys.stdout.buffer.write(bytearray(b'd'))\n"
                                   "sys.stdout.writelines(['e', '\xc3\xa9'])\n"
                                   "print('\\ud800', end='')\n"
                                   "sys.stdout.reconfigure(write_through=False)\n"
                                   "print('f', end='')\n"
                                   "(sys.stdout.encoding, sys.stdout.isatty(), "
                                   "sys.stdout.writable(), sys.stdout.name)\n");
    CHECK_RUN(r, OUTCOME_OK);
    CHECK_STR(r.text[0], "abcde\xc3\xa9\\ud800f");
    CHECK_STR(r.result.result_json, "[\"utf-8\",false,true,\"<stdout>\"]");
    run_done(&r);
    r = run_text(&site, "import io, contextlib, sys\n"
                        "b = io.StringIO()\n"
                        "with contextlib.redirect_stdout(b):\n"
                        "    print('inside')\n"
                        "print('outside')\n"
                        "b.getvalue()\n");
    CHECK_STR(r.text[0], "outside\n");
    CHECK_STR(r.result.result_json, "\"inside\\n\"");
    run_done(&r);
    r = run_text(&site, "import sys\nsys.stdout.close()\nprint('x')");
    CHECK(has(r.result.error, "closed file"));
    run_done(&r);
    site_stop(&site);
}

TEST(warnings_and_the_traceback_module_quote_the_program)
{
    open_site();
    struct run r = run_text(&site, "import warnings, traceback\n"
                                   "warnings.warn('careful')\n"
                                   "try:\n"
                                   "    1 / 0\n"
                                   "except Exception:\n"
                                   "    traceback.print_exc()\n");
    CHECK_RUN(r, OUTCOME_OK);
    CHECK(has(r.text[1], "<sandbox>:2: UserWarning: careful\n  warnings.warn('careful')\n"));
    CHECK(has(r.text[1], "    1 / 0\n    ~~^~~\n"));
    run_done(&r);
    r = run_text(&site, "x = 5\nx is 5");
    CHECK(has(r.text[1], "SyntaxWarning"));
    run_done(&r);
    site_stop(&site);
}

TEST(live_output_comes_line_by_line_while_the_program_runs)
{
    open_site();
    struct worker w;
    struct run r = {0};
    worker_spawn(&site, &w);
    struct msg_run m = REQUEST("print('first')\nprint('half', end='')\nwhile True: pass\n");
    m.live_output = true;
    worker_send(&w, &m);
    worker_listen(&w, &r, 700);
    CHECK(!r.answered);
    CHECK_STR(r.text[0], "first\n");
    worker_kill(&site, &w);
    worker_end(&site, &w, &r);
    CHECK_STR(r.text[0], "first\nhalf");
    run_done(&r);
    site_stop(&site);
}

TEST(a_kill_at_any_moment_loses_and_repeats_nothing)
{
    open_site();
    for (unsigned ms = 1; ms <= 60; ms += 7) {
        struct worker w;
        struct run r = {0};
        worker_spawn(&site, &w);
        struct msg_run m = REQUEST("i = 0\nwhile True:\n    print(i)\n    i += 1\n");
        m.max_output = 64 << 20;
        worker_send(&w, &m);
        worker_listen(&w, &r, ms);
        worker_kill(&site, &w);
        worker_end(&site, &w, &r);
        CHECK(WIFSIGNALED(r.exited.wait_status) && WTERMSIG(r.exited.wait_status) == SIGKILL);
        /* numbers in unbroken order, the last one possibly not there */
        unsigned long expected = 0;
        bool good = true;
        char *p = r.text[0], *end = p ? p + r.text_len[0] : p;
        while (good && p < end) {
            char *nl = memchr(p, '\n', (size_t)(end - p));
            if (!nl)
                break;
            good = strtoul(p, NULL, 10) == expected++;
            p = nl + 1;
        }
        CHECK(good);
        run_done(&r);
    }
    site_stop(&site);
}

/* ---- ends ---- */

TEST(threads_are_waited_for_and_exit_functions_run)
{
    open_site();
    struct run r = run_text(&site, "import asyncio, time\n"
                                   "def slow():\n"
                                   "    time.sleep(0.2)\n"
                                   "    print('thread done')\n"
                                   "async def main():\n"
                                   "    loop = asyncio.get_running_loop()\n"
                                   "    loop.run_in_executor(None, slow)\n"
                                   "    await asyncio.sleep(0)\n"
                                   "asyncio.run(main())\n"
                                   "print('main done')\n");
    CHECK_RUN(r, OUTCOME_OK);
    CHECK(has(r.text[0], "thread done"));
    CHECK(has(r.text[0], "main done"));
    run_done(&r);
    r = run_text(&site, "import logging, sys\n"
                        "class H(logging.Handler):\n"
                        "    def flush(self): print('flushed')\n"
                        "    def emit(self, record): pass\n"
                        "logging.getLogger().addHandler(H())\n"
                        "print('end')\n");
    CHECK(has(r.text[0], "end\nflushed\n"));
    run_done(&r);
    site_stop(&site);
}

TEST(a_thread_that_fails_prints_the_programs_frames_only)
{
    site_spec(&site, PROFILE_BASIC);
    site.spec.imports_overridden = true;
    REQUIRE(strv_add(&site.spec.modules, "threading", NULL) == 0);
    site_launch(&site);
    struct run r = run_text(&site, "import threading\n"
                                   "def f():\n"
                                   "    raise ValueError('in a thread')\n"
                                   "t = threading.Thread(target=f)\n"
                                   "t.start()\n"
                                   "t.join()\n");
    CHECK_RUN(r, OUTCOME_OK);
    CHECK(has(r.text[1], "Exception in thread Thread-1 (f):\nTraceback"));
    CHECK(has(r.text[1], "    raise ValueError('in a thread')\nValueError: in a thread\n"));
    CHECK(!strstr(r.text[1], "/usr"));
    run_done(&r);
    /* not a daemon and never joined: waited for */
    r = run_text(&site, "import threading, time\n"
                        "def f():\n"
                        "    time.sleep(0.2)\n"
                        "    print('late')\n"
                        "threading.Thread(target=f).start()\n"
                        "1 / 0\n");
    CHECK_RUN(r, OUTCOME_EXCEPTION);
    CHECK_STR(r.text[0], "late\n");
    run_done(&r);
    r = run_text(&site, "import threading, time\n"
                        "def f():\n"
                        "    while True: pass\n"
                        "threading.Thread(target=f, daemon=True).start()\n"
                        "5\n");
    CHECK_RUN(r, OUTCOME_OK);
    CHECK_STR(r.result.result_json, "5");
    run_done(&r);
    site_stop(&site);
}

TEST(a_finaliser_does_not_run_after_the_result)
{
    open_site();
    struct run r = run_text(&site, "class G:\n"
                                   "    def close(self): pass\n"
                                   "def gen():\n"
                                   "    try:\n"
                                   "        yield 1\n"
                                   "    finally:\n"
                                   "        print('finalised')\n"
                                   "g = gen()\n"
                                   "next(g)\n");
    CHECK_RUN(r, OUTCOME_OK);
    CHECK_STR(r.text[0], "");
    run_done(&r);
    site_stop(&site);
}

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
