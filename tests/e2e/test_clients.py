"""The official clients, old and new, in Python and TypeScript, each with its own ways."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import mcp.types
import pytest
from drivers import TOOLS, TypeScriptChecks, check_python2, drive_python2, drive_typescript
from mcp.client.stdio import stdio_client
from stdio_client import MODERN, VIVARIUM, clean_environment

from mcp import ClientSession, StdioServerParameters


# ---- TypeScript ----
@pytest.fixture(scope="module", params=["old", "legacy", "auto", "pinned"])
def typescript(request):
    return request.param, drive_typescript(request.param, "stdio", VIVARIUM, "serve")


class TestTypeScript(TypeScriptChecks):
    """Over stdio."""


# ---- Python, second generation ----
@pytest.mark.parametrize("mode", ["legacy", "auto", MODERN])
def test_the_second_python_client_runs_programs(mode):
    check_python2(mode, drive_python2(mode, "stdio", VIVARIUM, "serve"))


# ---- Python, first generation ----
def with_session(use, command=VIVARIUM, args=("serve",)):
    async def run():
        parameters = StdioServerParameters(command=str(command), args=list(args), env=clean_environment())
        async with stdio_client(parameters) as (read, write):
            async with ClientSession(read, write) as session:
                await session.initialize()
                return await use(session)

    return asyncio.run(asyncio.wait_for(run(), 60))


def test_the_python_client_lists_and_calls():
    async def use(session):
        tools = await session.list_tools()
        result = await session.call_tool("execute_code", {"code": "result = 2 + 2"})
        await session.send_ping()
        return tools, result

    tools, result = with_session(use)
    assert sorted(t.name for t in tools.tools) == TOOLS
    assert result.structuredContent["result"] == 4
    assert json.loads(result.content[0].text) == result.structuredContent


def test_the_python_client_gets_progress():
    seen = []

    async def progress(done, total, message):
        seen.append((done, message))

    async def use(session):
        code = "import time\nfor i in range(3):\n    print(i)\n    time.sleep(0.1)"
        return await session.call_tool("execute_code", {"code": code}, progress_callback=progress)

    result = with_session(use)
    assert "".join(message for _, message in seen) == result.structuredContent["stdout"] == "0\n1\n2\n"


def test_the_python_client_can_cancel():
    async def use(session):
        call = mcp.types.ClientRequest(
            mcp.types.CallToolRequest(
                params=mcp.types.CallToolRequestParams(
                    name="execute_code", arguments={"code": "while True: pass"}
                )
            )
        )
        running = asyncio.create_task(session.send_request(call, mcp.types.CallToolResult))
        await asyncio.sleep(0.2)
        request_id = session._request_id - 1
        notification = mcp.types.CancelledNotification(
            params=mcp.types.CancelledNotificationParams(requestId=request_id)
        )
        await session.send_notification(mcp.types.ClientNotification(notification))
        result = await session.call_tool("execute_code", {"code": "result = 1"})
        running.cancel()
        return result

    assert with_session(use).structuredContent["result"] == 1


PROGRAMMATIC = """
def fibonacci(n):
    if n <= 1:
        return n
    return fibonacci(n-1) + fibonacci(n-2)

result = [fibonacci(i) for i in range(10)]
print("Fibonacci sequence:", result)
                """


def test_the_programmatic_example_of_the_requirements_works_with_its_own_command_line():
    async def use(session):
        return await session.call_tool("execute_code", {"code": PROGRAMMATIC})

    result = with_session(use, sys.executable, ["-m", "python_sandbox_server.server_fastmcp"])
    answer = json.loads(result.content[0].text)
    assert answer["result"] == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]


def test_the_launcher_passes_its_arguments_on():
    run = subprocess.run(
        [sys.executable, "-m", "python_sandbox_server.server_fastmcp", "--help"],
        capture_output=True,
        text=True,
        timeout=20,
        env=clean_environment(),
    )
    assert run.returncode == 0
    assert "usage" in run.stdout.lower()


def test_the_validation_then_execution_example_works():
    async def use(session):
        refused = await session.call_tool("validate_code", {"code": "import os; os.system('ls')"})
        verdict = await session.call_tool("validate_code", {"code": "print('Safe code execution')"})
        assert verdict.structuredContent["validation"]["valid"]
        ran = await session.call_tool("execute_code", {"code": "print('Safe code execution')"})
        return refused, ran

    refused, ran = with_session(use)
    assert refused.structuredContent["validation"]["valid"] is False
    assert ran.structuredContent["stdout"] == "Safe code execution\n"


def test_a_client_in_a_folder_that_only_root_can_enter_is_served(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    run = subprocess.run(["cp", "-a", str(Path(VIVARIUM).parent), str(private / "build")], check=True)
    assert run.returncode == 0

    async def use(session):
        return await session.call_tool("execute_code", {"code": "result = 1"})

    result = with_session(use, private / "build" / "vivarium")
    assert result.structuredContent["result"] == 1, result.structuredContent
