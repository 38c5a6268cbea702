/* Programs and errors, behind the real jail: what a program gets back. The test takes the server's
 * place; see worker_fixture.h. */
#include "worker_fixture.h"

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
        {"import asyncio\nasync def m():\n    await asyncio.sleep(0)\n    return "
         "8\nasyncio.run(m())",
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
    /* later versions underline the call as well */
    CHECK(has(r.result.traceback, "Traceback (most recent call last):\n"
                                  "  File \"<sandbox>\", line 4, in <module>\n"
                                  "    f(0)\n"));
    CHECK(has(r.result.traceback, "  File \"<sandbox>\", line 2, in f\n"
                                  "    return 1 / x\n"
                                  "           ~~^~~\n"
                                  "ZeroDivisionError: division by zero\n"));
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
        {"raise MemoryError('mine')", OUTCOME_EXCEPTION, "MemoryError", "MemoryError: mine"},
        {"class E(MemoryError): pass\nraise E('mine')", OUTCOME_EXCEPTION, "E", "E: mine"},
        {"print('%d of %d'\n      %done, total n)", OUTCOME_SYNTAX_ERROR, "SyntaxError",
         "comma? (line"},
        {"b'x' * (1 << 62)", OUTCOME_MEMORY, "MemoryError", "limit of 128 MiB"},
        {"```python\nprint(1)\n```", OUTCOME_SYNTAX_ERROR, "SyntaxError",
         "leave the Markdown fence out"},
        {"x = 1\n```", OUTCOME_SYNTAX_ERROR, "SyntaxError", "fence out (line 2)"},
        {">>> 1 + 1\n2", OUTCOME_SYNTAX_ERROR, "SyntaxError", "leave out the prompts"},
        {"  %matplotlib inline", OUTCOME_SYNTAX_ERROR, "IndentationError", "unexpected indent"},
        {"%timeit f()", OUTCOME_SYNTAX_ERROR, "SyntaxError", "magic commands are not Python"},
        {"%%time\nf()", OUTCOME_SYNTAX_ERROR, "SyntaxError", "magic commands are not Python"},
        {"!pip install numpy", OUTCOME_SYNTAX_ERROR, "SyntaxError", "no package can be installed"},
        {"exec \"1\"", OUTCOME_SYNTAX_ERROR, "SyntaxError", "exec() is not allowed here"},
        {"% 5", OUTCOME_SYNTAX_ERROR, "SyntaxError", "SyntaxError: invalid syntax (line 1)"},
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
        "import sys\n"
        "p = 'usr/lib/python3.%d/json/__init__.py' % sys.version_info[1]\n"
        "raise ValueError('/' + p)",
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
        {"x = ", "(", "", 250000},
        {"x = ", "-", "1", 250000},
        {"x = ", "[", "", 500},
        {"x = 0", "+1", "", 100000},
        {"", "lambda:", "0", 40000},
        {"x", ".a", "", 120000},
        {"x = ", "not ", "1", 60000},
        {"", "if 1:\n ", "pass", 99},
        {"x = 1 ", "if 1 else 1 ", "", 9},
        {"x = f'", "{f'", "", 200},
        {"x = ", "{1:", "", 500},
        {"a", "=a", "", 120000},
        {"x = [", "1,", "]", 120000},
        {"", "x=1;", "", 60000},
        {"", "def f(): pass\n", "", 2000},
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

int main(void)
{
    return tap_main();
}
