"""The corpus of tests/policy through the real server: every honest program gives its result, every escape
is stopped by the wall it is meant for, and validation says what execution says."""

import sys
from pathlib import Path

import pytest
from harm import Harm
from stdio_client import Server

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "policy"))
import cases  # noqa: E402

SERVERS = {}
RUN = {"data_science"}  # profiles whose programs can run on any machine; of the others, the verdict is tested


@pytest.fixture(scope="module")
def outside():
    """What an escape would touch. None does, so there is one for all."""
    one = Harm()
    yield one
    one.close()


@pytest.fixture(scope="module", autouse=True)
def end_servers():
    yield
    while SERVERS:
        SERVERS.popitem()[1].__exit__()


def server_for(case):
    """A server with the settings of @case; skips what its interpreter or its modules cannot run."""
    key = tuple(case.profiles), None if case.permitted is None else tuple(case.permitted)
    if key not in SERVERS:
        settings = {f"SANDBOX_ENABLE_{name.upper()}": "true" for name in case.profiles}
        if case.permitted is not None:
            settings["SANDBOX_ALLOWED_IMPORTS"] = ",".join(case.permitted)
        server = SERVERS[key] = Server(settings)
        server.run("1")  # after which the interpreter is known
        info = server.info()
        server.version = tuple(int(n) for n in info["server"]["python_version"].split(".")[:2])
        server.missing = {m for one in info["security_profiles"].values() for m in one["missing"]}
    server = SERVERS[key]
    if not case.python <= server.version < case.until:
        pytest.skip(f"not for Python {'.'.join(map(str, server.version))}")
    if server.missing & set(case.modules):
        pytest.skip("a module that it needs is not installed")
    return server


def arguments(case):
    return {} if case.allowed is None else {"allowed_imports": case.allowed}


@pytest.mark.parametrize("case", cases.good(), ids=str)
def test_an_honest_program_gives_its_result(case):
    server = server_for(case)
    if set(case.profiles) <= RUN:
        answer = server.run(case.code, **arguments(case))
        check_result(case, answer)
    assert server.validate(case.code)["validation"]["valid"]


def check_result(case, answer):
    assert answer["success"], f"{answer['error']}\n{answer['traceback']}"
    assert answer["stdout"] == case.stdout
    if case.result is not cases.UNSET:
        assert answer["result"] == case.result
    assert answer["security_events"] == []


@pytest.mark.parametrize("case", cases.bad(), ids=str)
def test_an_escape_in_the_text_is_refused_by_the_policy_before_it_runs(case):
    server = server_for(case)
    answer = server.run(case.code, **arguments(case))
    if answer.get("error_category") == "invalid_request" and case.allowed:
        return  # an allowed_imports that would widen
    assert answer["error_category"] == "security_violation", answer
    errors = answer["validation_errors"]
    assert [e.split(":")[0] for e in errors] == [f"Line {line}" for _, line in case.violations]
    found = [(e["layer"], e["rule"]) for e in answer["security_events"]]
    assert found == [("policy", rule) for rule, _ in case.violations][: len(found)]
    assert found and all(e["remedy"] for e in answer["security_events"])
    assert answer["stdout"] == "" and answer["variables"] == []
    if case.allowed is None:  # validate_code has no such argument
        verdict = server.validate(case.code)["validation"]
        assert verdict["errors"] == errors
        assert [(v["rule"], v["line"]) for v in verdict["violations"]] == case.violations


def wall_of(answer):
    """(layer, rule, line) of what stopped the program, as the corpus names it."""
    if answer["security_events"]:
        first = answer["security_events"][0]
        assert first["detail"] and first["remedy"]
        return first["layer"], first["rule"], first.get("line", 0)
    return "python", answer["error_type"].rpartition(".")[2], answer.get("line", 0)


@pytest.mark.parametrize("case", cases.caught(), ids=str)
def test_an_escape_that_the_text_hides_is_stopped_by_its_wall(outside, case):
    server = server_for(case)
    code = cases.fill(case.code, outside.holes())
    answer = server.run(code, timeout=5, **arguments(case))
    assert outside.check(answer) == []
    assert answer["success"] is False, answer["result"]
    assert wall_of(answer) in case.walls, answer
    verdict = server.validate(code)["validation"]
    assert verdict["valid"] is all(layer != "policy" for layer, _, _ in case.walls), verdict["errors"]
