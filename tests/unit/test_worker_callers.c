/* What a caller may import who may not use all profiles of the server: in a real worker. */
#include "worker_fixture.h"

static struct run run_limited(const char *code, unsigned may_use, enum run_mode mode)
{
    struct msg_run m = REQUEST(code);
    m.profiles = (uint8_t)may_use;
    m.mode = (uint8_t)mode;
    return run_request(&site, &m);
}

static void open_site_with_files(void)
{
    site_start(&site, PROFILE_BASIC | PROFILE_FILESYSTEM);
}

TEST(a_caller_without_a_profile_cannot_import_its_modules_in_any_form)
{
    static const char *const codes[] = {"import pathlib", "from pathlib import Path",
                                        "def f():\n    import glob as g", "import math, shutil",
                                        "open('x')"};
    open_site_with_files();
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        struct run r = run_limited(codes[i], PROFILE_BASIC, RUN_EXECUTE);
        CHECK_RUN(r, OUTCOME_REFUSED);
        REQUIRE(r.result.violations_len == 1);
        if (strstr(codes[i], "import"))
            CHECK(strstr(r.result.violations[0].remedy, "token of this call") &&
                  strstr(r.result.violations[0].remedy, "filesystem"));
        struct run v = run_limited(codes[i], PROFILE_BASIC, RUN_VALIDATE);
        CHECK(v.answered && v.verdict.outcome == OUTCOME_REFUSED);
        CHECK(v.verdict.violations_len == 1);
        run_done(&r);
        run_done(&v);
    }
    site_stop(&site);
}

TEST(the_basic_profile_is_everybodys)
{
    open_site_with_files();
    struct run r = run_limited("import math, json\nmath.floor(2.5)", 0, RUN_EXECUTE);
    CHECK_RUN(r, OUTCOME_OK);
    CHECK_STR(r.result.result_json, "2");
    run_done(&r);
    site_stop(&site);
}

TEST(a_caller_with_the_profile_may_import_its_modules)
{
    open_site_with_files();
    static const unsigned bits[] = {PROFILE_FILESYSTEM, PROFILE_ALL};
    for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
        struct run r =
            run_limited("import pathlib\npathlib.PurePosixPath('a/b').name", bits[i], RUN_VALIDATE);
        CHECK(r.answered && r.verdict.outcome == OUTCOME_OK);
        run_done(&r);
    }
    site_stop(&site);
}

TEST(what_the_server_does_not_permit_is_not_blamed_on_the_token)
{
    open_site_with_files();
    struct run r = run_limited("import numpy", PROFILE_BASIC, RUN_EXECUTE);
    CHECK_RUN(r, OUTCOME_REFUSED);
    REQUIRE(r.result.violations_len == 1);
    CHECK(!strstr(r.result.violations[0].remedy, "token"));
    CHECK(strstr(r.result.violations[0].remedy, "SANDBOX_ENABLE_DATA_SCIENCE"));
    run_done(&r);
    site_stop(&site);
}

TEST(the_calls_own_list_narrows_further)
{
    open_site_with_files();
    struct msg_run m = REQUEST("import json");
    m.profiles = PROFILE_BASIC;
    m.narrowed = true;
    REQUIRE(strv_add(&m.imports, "math", NULL) == 0);
    struct run r = run_request(&site, &m);
    CHECK_RUN(r, OUTCOME_REFUSED);
    REQUIRE(r.result.violations_len == 1);
    CHECK(strstr(r.result.violations[0].remedy, "allowed_imports"));
    run_done(&r);
    strv_done(&m.imports);
    site_stop(&site);
}

int main(void)
{
    return tap_main();
}
