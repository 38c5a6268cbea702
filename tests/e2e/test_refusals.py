"""What a refusal tells: which wall, which rule, what would permit it or what to do instead. The ways out of
the language that are refused are programs of the corpus: see test_corpus.py."""

import pytest


def test_a_refusal_says_which_wall_which_rule_and_what_would_permit_it(server):
    answer = server.run("open('/etc/passwd')")
    assert answer["error_category"] == "security_violation"
    event = answer["security_events"][0]
    assert event["layer"] in ("policy", "guard", "audit")
    assert event["rule"] and event["detail"] and event["remedy"]
    assert "SANDBOX_ENABLE_FILESYSTEM" in str(answer["security_events"])


def test_a_program_that_is_refused_has_not_run_at_all(server):
    answer = server.run("print('started')\nx = ().__class__.__bases__")
    assert answer["stdout"] == ""
    assert answer["variables"] == []
    assert answer["validation_errors"]


def remedy(server, code):
    answer = server.run(code)
    (event,) = answer["security_events"]
    verdict = server.validate(code)["validation"]
    assert [v["remedy"] for v in verdict["violations"]] == [event["remedy"]]
    return event["remedy"]


def test_a_misspelt_module_is_corrected(server):
    assert remedy(server, "import maths").startswith("Did you mean 'math'? ")
    assert remedy(server, "from colections import Counter").startswith("Did you mean 'collections'? ")
    assert "Did you mean" not in remedy(server, "import subprocess")


def test_an_import_that_no_profile_permits_names_who_could_permit_it(server):
    assert "SANDBOX_ALLOWED_IMPORTS" in remedy(server, "import os")


def test_where_the_operator_has_replaced_the_list_the_remedy_names_it(start):
    server = start({"SANDBOX_ALLOWED_IMPORTS": "math,json"})
    assert "SANDBOX_ALLOWED_IMPORTS" in remedy(server, "import re")
    assert remedy(server, "import mat").startswith("Did you mean 'math'? ")


@pytest.mark.parametrize(
    ("code", "right"),
    [
        ("from math import squrt", "sqrt"),
        ("from collections import nametuple", "namedtuple"),
        ("import math\nmath.squrt(2)", "sqrt"),
        ("print(lenght([1]))\nlength = 1", None),
        ("valeu = 1\nprint(value)", "valeu"),
        ("[].apend(1)", "append"),
        ("from math import qqqqqq", None),
    ],
)
def test_a_misspelt_name_is_corrected(server, code, right):
    answer = server.run(code)
    assert answer["error_category"] == "runtime_error"
    assert ("Did you mean" in answer["error"]) is (right is not None), answer["error"]
    assert right is None or f"'{right}'" in answer["error"]


def test_a_hidden_name_is_said_to_be_hidden_and_not_misspelt(server):
    for code in (
        "import sys\nsys.exc_info()",
        "import types\ntypes.FunctionType",
        "import random\nrandom._os",
    ):
        answer = server.run(code)
        assert "it is hidden" in answer["error"], answer["error"]
        assert "Did you mean" not in answer["error"] + answer["traceback"]
    answer = server.run("import sys\nsys.exc_info()")
    assert "except … as e" in answer["error"] and "except … as e" in answer["security_events"][0]["remedy"]


@pytest.mark.parametrize(
    "name",
    ["logging.FileHandler", "sys.exc_info", "json.codecs", "random._os", "types.FunctionType", "io.open"],
)
def test_a_withheld_name_is_refused_by_validation_as_by_execution(server, name):
    module, _, name = name.rpartition(".")
    code = f"if False:\n    from {module} import {name} as x"
    answer = server.run(code)
    verdict = server.validate(code)["validation"]
    assert answer["error_category"] == "security_violation"
    assert (
        verdict["errors"]
        == answer["validation_errors"]
        == [f"Line 2: Import '{module}.{name}' is not allowed"]
    )


def test_names_that_a_module_shows_pass_validation(server):
    code = "from json import JSONDecodeError, decoder\nfrom sys import stdout, argv\nfrom types import TracebackType"
    assert server.validate(code)["validation"]["valid"]
    assert server.run(code)["success"]


@pytest.mark.parametrize(
    "code", ["await x()", "async with a: pass", "x = [y async for y in z]", "for x in await y(): pass"]
)
def test_await_at_top_level_gets_a_hint(server, code):
    answer = server.run(code)
    assert answer["error_category"] == "syntax_error"
    assert "asyncio.run(main())" in answer["error"]
    assert "asyncio.run(main())" in server.validate(code)["validation"]["errors"][0]


def test_other_syntax_errors_get_no_such_hint(server):
    assert "asyncio" not in server.run("return 1")["error"]


@pytest.mark.parametrize(
    "attribute", ["__cause__", "__context__", "__traceback__", "__dict__", "__subclasses__"]
)
def test_the_remedy_for_what_honest_programs_ask_for_names_another_way(server, attribute):
    text = remedy(server, f"try:\n    1 / 0\nexcept Exception as e:\n    e.{attribute}")
    assert "choose another name" not in text and len(text) > 20


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.abort()",
        "import os\nos.close(3)",
        "import os\nos.closerange(0, 99)",
        "import os\nos._exit(5)",
    ],
)
def test_a_worker_that_dies_of_its_program_says_nothing_to_standard_error(start, code):
    server = start({"SANDBOX_ALLOWED_IMPORTS": "os"})
    answer = server.run(f"import sys\nprint('before', file=sys.stderr, flush=True)\n{code}")
    assert answer["stderr"] in ("before\n", "")
    assert "vivarium" not in answer["stderr"]


def test_threads_end_at_their_limit(start):
    server = start({"SANDBOX_MAX_THREADS": "8"})
    code = (
        "import logging.handlers, time\nclass Q:\n    def get(self, block): time.sleep(9)\nn = 0\n"
        "try:\n    while n < 64:\n        logging.handlers.QueueListener(Q()).start()\n        n += 1\n"
        "except RuntimeError as e:\n    print(e)\nresult = n"
    )
    answer = server.run(code)
    assert answer["result"] == 7, answer
    assert "more than 8 threads" in answer["stdout"]


def test_a_thread_pool_of_the_default_size_fits_into_the_limit(start):
    server = start({"SANDBOX_MAX_THREADS": "8"})
    code = (
        "import asyncio, time\nasync def main():\n    return len(await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.01) "
        "for _ in range(64))))\nresult = asyncio.run(main())"
    )
    assert server.run(code)["result"] == 64
