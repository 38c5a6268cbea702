"""execute_code: every argument, every field of the answer, every category."""

import base64
import re
import time

import pytest

UUID7 = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
ALWAYS = {
    "success",
    "execution_id",
    "stdout",
    "stderr",
    "execution_time",
    "variables",
    "result",
    "result_type",
    "truncated",
    "resource_usage",
    "isolation",
    "artifacts",
    "security_events",
}
ON_FAILURE = {"error", "error_type", "error_category"}


def refused(answer, *words):
    """The call was answered, not run, and says why."""
    assert answer["success"] is False
    assert answer["error_category"] == "invalid_request"
    for word in words:
        assert word in answer["error"], answer["error"]


def test_a_success_has_every_field_that_is_promised(server):
    answer = server.run("result = 1")
    assert set(answer) >= ALWAYS
    assert not set(answer) & ON_FAILURE
    assert UUID7.match(answer["execution_id"])
    assert answer["truncated"] == {"stdout": False, "stderr": False, "result": False}
    assert answer["isolation"] in ("jail", "landlock")
    assert answer["artifacts"] == []
    assert answer["security_events"] == []


def test_a_failure_has_every_field_that_is_promised(server):
    answer = server.run("print('a')\nx = 1\n1 / 0")
    assert set(answer) >= ALWAYS | ON_FAILURE
    assert answer["success"] is False
    assert answer["error_type"] == "ZeroDivisionError"
    assert answer["error_category"] == "runtime_error"
    assert "division by zero" in answer["error"]
    assert answer["line"] == 3
    assert answer["stdout"] == "a\n"
    assert UUID7.match(answer["execution_id"])


def test_execution_ids_are_unique_and_sorted_by_time(server):
    ids = [server.run("1")["execution_id"] for _ in range(20)]
    assert len(set(ids)) == 20
    assert [i[:13] for i in ids] == sorted(i[:13] for i in ids)


def test_the_execution_time_is_that_of_the_program(server):
    answer = server.run("import time\ntime.sleep(0.2)")
    assert 0.2 <= answer["execution_time"] < 2
    assert server.run("1")["execution_time"] < 0.2


def test_sleeping_costs_no_processor_time_and_working_does(server):
    asleep = server.run("import time\ntime.sleep(0.3)")["resource_usage"]["cpu_time"]
    awake = server.run("import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass")[
        "resource_usage"
    ]["cpu_time"]
    assert asleep < 0.15
    assert 0.25 < awake < 1


def test_peak_memory_is_what_the_program_added(server):
    small = server.run("1")["resource_usage"]["peak_memory"]
    large = server.run("x = bytearray(50 * 1024 * 1024)")["resource_usage"]["peak_memory"]
    assert small < 8 * 1024 * 1024
    assert 48 * 1024 * 1024 < large < 64 * 1024 * 1024


def test_the_traceback_names_only_the_program(server):
    answer = server.run("import json\ndef f():\n    json.loads('{')\nf()")
    text = answer["traceback"]
    assert 'File "<sandbox>", line 4' in text
    assert 'File "<sandbox>", line 3, in f' in text
    assert "/usr" not in text and "json/" not in text and ".py" not in text
    assert answer["error_type"].endswith("JSONDecodeError")
    assert answer["line"] == 3


def test_a_chained_exception_is_told_whole(server):
    text = server.run(
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('outer') from e"
    )["traceback"]
    assert "ZeroDivisionError" in text and "ValueError: outer" in text


def test_a_syntax_error_has_its_line_and_runs_nothing(server):
    answer = server.run("print('never')\nif True print('x')")
    assert answer["error_category"] == "syntax_error"
    assert answer["error_type"] == "SyntaxError"
    assert answer["line"] == 2
    assert answer["stdout"] == ""
    assert answer["variables"] == []


@pytest.mark.parametrize(
    "code, kind",
    [
        ("def f():\nreturn 1", "IndentationError"),
        ("if 1:\n\tx = 1\n        y = 2", "TabError"),
        ("x = 'open", "SyntaxError"),
        ("return 1", "SyntaxError"),
        ("await x", "SyntaxError"),
        ("x = " + "(" * 300 + ")" * 300, None),
        ("x = " + "-" * 50_000 + "1", None),
        ("x\0y = 1", None),
    ],
)
def test_a_program_that_does_not_parse_is_a_syntax_error(server, code, kind):
    answer = server.run(code)
    assert answer["success"] is False
    assert answer["error_category"] in ("syntax_error", "resource_limit")
    if kind:
        assert (answer["error_category"], answer["error_type"]) == ("syntax_error", kind)


@pytest.mark.parametrize(
    "name", ["os", "subprocess", "socket", "ctypes", "importlib", "builtins", "gc", "_thread", "pickle"]
)
def test_the_text_of_a_refused_import_is_exact(server, name):
    answer = server.run(f"x = 1\nimport {name}")
    assert answer["error_category"] == "security_violation"
    assert answer["validation_errors"] == [f"Line 2: Import '{name}' is not allowed"]
    assert f"Import '{name}' is not allowed" in answer["error"]
    assert answer["line"] == 2
    (event, *_) = answer["security_events"]
    assert event["layer"] == "policy"
    assert set(event) >= {"layer", "rule", "detail", "remedy"}
    assert event["remedy"]


def test_a_module_of_another_profile_names_the_switch_that_permits_it(server):
    answer = server.run("import numpy")
    assert answer["error_category"] == "security_violation"
    assert "SANDBOX_ENABLE_DATA_SCIENCE" in str(answer["security_events"])


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n    import os\nf()",
        "try:\n    import os\nexcept BaseException:\n    pass",
        "from os import path",
        "from os.path import join",
        "import os.path",
        "import math, os",
        "from xml import etree, sax",
        "class A:\n    import os",
        "[__import__('os')]",
    ],
)
def test_an_import_is_refused_wherever_it_stands_and_nothing_runs(server, code):
    answer = server.run("print('ran')\n" + code)
    assert answer["error_category"] == "security_violation"
    assert answer["stdout"] == ""


def test_a_relative_import_is_an_error_and_nothing_more(server):
    answer = server.run("from . import os")
    assert answer["success"] is False


# ---- arguments ----
def test_capture_output_false_discards_both_streams(server):
    answer = server.run(
        "import sys\nprint('a')\nprint('b', file=sys.stderr)\nresult = 1", capture_output=False
    )
    assert (answer["stdout"], answer["stderr"], answer["result"]) == ("", "", 1)


def test_allowed_imports_narrow_what_may_be_imported(server):
    assert server.run("import math", allowed_imports=["math"])["success"]
    answer = server.run("import json", allowed_imports=["math"])
    assert answer["validation_errors"] == ["Line 1: Import 'json' is not allowed"]


def test_empty_allowed_imports_permit_none(server):
    assert server.run("result = 1", allowed_imports=[])["result"] == 1
    assert server.run("import math", allowed_imports=[])["error_category"] == "security_violation"


def test_allowed_imports_never_widen(server):
    refused(server.run("1", allowed_imports=["math", "os"]), "os")


def test_allowed_imports_name_the_profile_that_would_enable_a_module(server):
    refused(server.run("1", allowed_imports=["numpy"]), "numpy", "SANDBOX_ENABLE_DATA_SCIENCE")


def test_a_narrowed_library_still_imports_what_it_needs_itself(server):
    answer = server.run("import statistics\nresult = statistics.mean([1, 3])", allowed_imports=["statistics"])
    assert answer["result"] == 2


@pytest.mark.parametrize("timeout", [0.5, 1, 2.5, 300])
def test_a_timeout_may_be_a_fraction_and_as_large_as_the_maximum(server, timeout):
    assert server.run("result = 1", timeout=timeout)["result"] == 1


@pytest.mark.parametrize("timeout", [0, -1, 300.5, 1e9, 1e300])
def test_a_timeout_outside_the_limits_is_refused(server, timeout):
    refused(server.run("1", timeout=timeout), "timeout", "300")


@pytest.mark.parametrize("limit", ["128m", "65536k", "1g", "2g", "134217728", "64M", "1G"])
def test_a_memory_limit_is_understood(server, limit):
    assert server.run("result = 1", memory_limit=limit)["result"] == 1


@pytest.mark.parametrize(
    "limit", ["", "lots", "-1", "0", "3g", "1t", "12q", "99999999999999999999", "1.5.1g", "m"]
)
def test_a_memory_limit_that_makes_no_sense_is_refused(server, limit):
    refused(server.run("1", memory_limit=limit), "memory_limit")


def test_container_mode_never_falls_back_silently(server):
    answer = server.run("result = 1", use_container=True)
    assert answer["success"] is False
    assert answer["result"] is None
    assert answer["error_category"] in ("container_error", "invalid_request")
    assert "SANDBOX_ENABLE_CONTAINER_MODE" in answer["error"]


def test_files_need_the_filesystem_profile(server):
    blob = base64.b64encode(b"x").decode()
    refused(server.run("1", files=[{"path": "a.txt", "blob": blob}]), "files", "SANDBOX_ENABLE_FILESYSTEM")


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({}, ["code"]),
        ({"code": None}, ["code"]),
        ({"code": 5}, ["code"]),
        ({"code": ["x"]}, ["code"]),
        ({"code": ""}, ["code"]),
        ({"code": " \n\t "}, ["code"]),
        ({"code": "1", "cod": "2"}, ["cod"]),
        ({"code": "1", "timeout": "5"}, ["timeout"]),
        ({"code": "1", "timeout": None}, ["timeout"]),
        ({"code": "1", "timeout": True}, ["timeout"]),
        ({"code": "1", "capture_output": "yes"}, ["capture_output"]),
        ({"code": "1", "capture_output": 1}, ["capture_output"]),
        ({"code": "1", "allowed_imports": "math"}, ["allowed_imports"]),
        ({"code": "1", "allowed_imports": [1]}, ["allowed_imports"]),
        ({"code": "1", "allowed_imports": {"math": 1}}, ["allowed_imports"]),
        ({"code": "1", "use_container": "no"}, ["use_container"]),
        ({"code": "1", "memory_limit": 128}, ["memory_limit"]),
        ({"code": "1", "memory_limit": ["1g"]}, ["memory_limit"]),
    ],
)
def test_wrong_arguments_are_named(server, arguments, words):
    result = server.call("execute_code", arguments)
    assert result["isError"] is True
    refused(result["structuredContent"], *words)


def test_the_last_wrong_argument_does_not_hide_the_program(server):
    """After every refusal the next call works."""
    server.call("execute_code", {"code": 1})
    assert server.run("result = 2")["result"] == 2


def test_code_of_the_largest_size_runs_and_one_byte_more_is_refused(server):
    limit = 262144
    body = "result = 1\n#"
    assert server.run(body + "x" * (limit - len(body)))["result"] == 1
    refused(server.run(body + "x" * (limit + 1 - len(body))), "262144")


def test_the_size_of_code_is_counted_in_bytes_not_characters(server):
    body = "result = 1\n#" + "é" * 131070
    assert len(body.encode()) > 262144 - 12
    refused(server.run(body + "é" * 10), "262144")


# ---- result and variables ----
def test_a_final_expression_wins_over_the_variable_result(server):
    answer = server.run("result = 1\n2")
    assert (answer["result"], answer["result_type"]) == (2, "int")


def test_a_final_expression_that_is_none_leaves_the_variable_result(server):
    assert server.run("result = 1\nNone")["result"] == 1
    assert server.run("result = 1\nprint('x')")["result"] == 1


def test_without_either_the_result_is_null(server):
    answer = server.run("x = 1")
    assert answer["result"] is None


def test_variables_are_the_public_names_in_order_without_modules(server):
    answer = server.run(
        "import math\nfrom math import pi\nz = 1\n_hidden = 2\ndef f(): pass\nclass C: pass\na = 3\nz = 4\n"
        "for i in range(2): pass\nwith_walrus = (w := 5)\ndel a"
    )
    assert answer["variables"] == ["pi", "z", "f", "C", "i", "w", "with_walrus"]


def test_a_failed_program_still_tells_the_variables_it_bound(server):
    assert server.run("a = 1\nb = 2\n1 / 0\nc = 3")["variables"] == ["a", "b"]


# ---- exits ----
@pytest.mark.parametrize(
    "code",
    [
        "raise SystemExit",
        "raise SystemExit(0)",
        "raise SystemExit(None)",
        "import sys\nsys.exit()",
        "import sys\nsys.exit(0)",
    ],
)
def test_leaving_with_zero_or_nothing_is_success(server, code):
    answer = server.run(f"print('a')\nx = 1\n{code}\nprint('never')")
    assert answer["success"] is True
    assert answer["stdout"] == "a\n"
    assert "x" in answer["variables"]


@pytest.mark.parametrize(
    "code, says",
    [
        ("raise SystemExit(3)", "3"),
        ("raise SystemExit('bad things')", "bad things"),
        ("import sys\nsys.exit(1)", "1"),
        ("raise SystemExit(False + 2)", "2"),
        ("raise SystemExit([1])", "1"),
    ],
)
def test_leaving_with_anything_else_is_a_runtime_error(server, code, says):
    answer = server.run(f"print('a')\n{code}")
    assert answer["error_category"] == "runtime_error"
    assert answer["error_type"] == "SystemExit"
    assert says in answer["error"]
    assert answer["stdout"] == "a\n"


@pytest.mark.parametrize(
    "code, kind",
    [
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("class B(BaseException): pass\nraise B('x')", "B"),
        ("raise ValueError", "ValueError"),
        ("raise", "RuntimeError"),
        ("undefined_name", "NameError"),
        ("raise StopIteration(1)", "StopIteration"),
        ("raise 5", "TypeError"),
        ("import asyncio\nasync def f(): raise asyncio.CancelledError\nasyncio.run(f())", "CancelledError"),
    ],
)
def test_an_uncaught_exception_of_any_kind_is_a_runtime_error(server, code, kind):
    answer = server.run(code)
    assert answer["error_category"] == "runtime_error"
    assert answer["error_type"].split(".")[-1] == kind


def test_an_exception_whose_text_raises_costs_only_its_own_run(server):
    answer = server.run(
        "class E(Exception):\n    def __str__(self): raise ValueError\n    __repr__ = __str__\nraise E"
    )
    assert answer["error_category"] == "runtime_error"
    assert server.run("result = 1")["result"] == 1


def test_a_very_long_exception_text_is_cut(server):
    answer = server.run("raise ValueError('x' * 50_000_000)")
    assert answer["error_category"] == "runtime_error"
    assert len(answer["error"]) < 2_000_000


def test_the_next_answer_is_quick_after_every_kind_of_failure(server):
    for code in ("1/0", "(", "import os", "raise SystemExit(9)"):
        server.run(code)
    start = time.monotonic()
    assert server.run("result = 1")["result"] == 1
    assert time.monotonic() - start < 1
