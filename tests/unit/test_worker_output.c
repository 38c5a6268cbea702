/* Output and the end of a run, behind the real jail: nothing lost, nothing repeated, nothing after
 * the result. The test takes the server's place; see worker_fixture.h. */
#include "worker_fixture.h"

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

int main(void)
{
    return tap_main();
}
