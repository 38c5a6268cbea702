"""validate_code and get_sandbox_info."""

import time

import pytest


def test_validation_of_the_requirements_example_is_exact(server):
    answer = server.validate("import os\nos.system('rm -rf /')")
    assert answer["validation"]["errors"] == ["Line 1: Import 'os' is not allowed"]
    assert answer["validation"]["message"] == "Code contains restricted operations"
    assert answer["analysis"]["line_count"] == 2
    assert answer["analysis"]["character_count"] == 31
    assert answer["analysis"]["estimated_complexity"] == "low"
    assert answer["recommendations"][0] == "Some operations may be restricted in sandbox environment"


def test_violations_say_line_column_rule_and_remedy(server):
    (violation,) = server.validate("x = 1\nif x:\n    import socket")["validation"]["violations"]
    assert violation["line"] == 3
    assert violation["column"] >= 1
    assert violation["rule"] and violation["remedy"]
    assert violation["message"] == "Import 'socket' is not allowed"


def test_every_violation_is_told_in_order(server):
    errors = server.validate("import os\nimport json\nimport socket, ctypes")["validation"]["errors"]
    assert errors == [
        "Line 1: Import 'os' is not allowed",
        "Line 3: Import 'socket' is not allowed",
        "Line 3: Import 'ctypes' is not allowed",
    ]


def test_a_syntax_error_is_said_with_its_line(server):
    verdict = server.validate("x = 1\ny = (")["validation"]
    assert verdict["valid"] is False
    assert verdict["message"] == "Syntax error"
    assert verdict["errors"][0].startswith("Line 2: ")


def test_the_analysis_counts_truly(server):
    code = "import math\nfrom json import loads\n\ndef f(x):\n    if x:\n        return 1\n    return 2\n\nclass A:\n    def g(self): pass\n"
    analysis = server.validate(code)["analysis"]
    assert analysis["line_count"] == 10
    assert analysis["character_count"] == len(code)
    assert sorted(analysis["imports"]) == ["json", "math"]
    assert (analysis["functions"], analysis["classes"]) == (2, 1)
    assert analysis["cyclomatic_complexity"] >= 2


def test_characters_are_counted_as_characters(server):
    assert server.validate("x = 'é🎉'")["analysis"]["character_count"] == 8


def test_complexity_rises_with_the_branches(server):
    def complexity(branches):
        body = "".join(f"if x == {i}:\n    x += 1\n" for i in range(branches))
        return server.validate("x = 0\n" + body)["analysis"]["estimated_complexity"]

    assert [complexity(n) for n in (0, 100)] == ["low", "high"]
    assert "medium" in {complexity(n) for n in range(5, 40, 5)}


def test_validation_runs_nothing(server):
    start = time.monotonic()
    assert server.validate("while True: pass")["validation"]["valid"] is True
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("code", ["", "  \n", None, 5])
def test_validation_of_nothing_is_an_invalid_request(server, code):
    result = server.call("validate_code", {"code": code})
    assert result["isError"] is True
    assert "code" in str(result["structuredContent"])


def test_validation_refuses_unknown_arguments(server):
    result = server.call("validate_code", {"code": "1", "timeout": 5})
    assert result["isError"] is True
    assert "timeout" in str(result["structuredContent"])


VERDICTS = [
    "import os",
    "x = ().__class__.__bases__",
    "eval('1')",
    "import math",
    "def f(): yield",
    "(",
    "import numpy",
    "open('x')",
    "'{0.__class__}'.format(1)",
]


@pytest.mark.parametrize("code", VERDICTS)
def test_validation_and_execution_agree(server, code):
    valid = server.validate(code)["validation"]["valid"]
    category = server.run(code).get("error_category")
    if valid:
        assert category not in ("syntax_error",)
    else:
        assert category in ("syntax_error", "security_violation")


def test_hostile_source_does_not_hurt_validation(server):
    for code in (
        "(" * 5000,
        "x = " + "-" * 100_000 + "1",
        "a" * 200_000,
        "[" * 90 + "]" * 90,
        "x=1\n" * 60_000,
    ):
        assert server.validate(code)["validation"]["message"]
    assert server.run("result = 1")["result"] == 1


# ---- info ----
def test_the_info_has_the_shape_of_the_requirements(server):
    info = server.info()
    assert info["success"] is True
    assert set(info["security_profiles"]) == {"basic", "data_science", "network", "filesystem"}
    for name, profile in info["security_profiles"].items():
        assert profile["enabled"] is (name == "basic")
        assert profile["modules"]
    assert info["resource_limits"]["timeout"] == 30
    assert info["resource_limits"]["max_output_size"] == 1048576
    assert info["resource_limits"]["memory_limit"] == "128m"
    assert set(info["container_mode"]) >= {"available", "enabled"}
    assert info["container_mode"]["enabled"] is False


def test_the_info_tells_what_is_installed_and_what_is_missing(server):
    server.run("1")
    basic = server.info()["security_profiles"]["basic"]
    assert set(basic) >= {"enabled", "modules", "installed", "missing"}
    assert "math" in basic["installed"]
    assert basic["missing"] == []


def test_the_info_names_the_walls_and_their_proof(server):
    server.run("1")
    isolation = server.info()["isolation"]
    text = str(isolation).lower()
    for wall in ("seccomp", "namespaces", "landlock", "limits"):
        assert wall in text
    assert "proof" in text
    assert "pending" not in text


def test_the_info_answers_before_the_proof_is_through(start):
    server = start(start=False)
    first = time.monotonic()
    server.initialize()
    info = server.info()
    assert time.monotonic() - first < 0.3
    assert info["success"] is True


def test_the_info_names_server_protocols_python_and_builtins(server):
    server.run("1")
    info = server.info()
    assert info["server"]["name"] and info["server"]["version"]
    assert {"2025-11-25", "2026-07-28"} <= set(info["server"]["protocol_versions"])
    assert info["server"]["python_version"].startswith("3.")
    assert {"print", "len", "range", "sorted"} <= set(info["safe_builtins"])
    assert not {"eval", "exec", "compile", "open", "__import__", "input"} & set(info["safe_builtins"])


def test_the_info_refuses_arguments(server):
    result = server.call("get_sandbox_info", {"verbose": True})
    assert result["isError"] is True


def test_enabled_profiles_show(start):
    profiles = start({"SANDBOX_ENABLE_FILESYSTEM": "true"}).info()["security_profiles"]
    assert profiles["filesystem"]["enabled"] is True
    assert profiles["network"]["enabled"] is False
