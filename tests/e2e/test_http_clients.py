"""Clients, bridges and inspectors that people use, over HTTP, each with its own ways."""

import asyncio
import json
import secrets
import shlex
import socket
import subprocess
from contextlib import asynccontextmanager

import httpx
import mcp.types
import pytest
from drivers import (
    MODULES,
    NODE,
    PROMPTS,
    TOOLS,
    TypeScriptChecks,
    check_python2,
    drive_python2,
    drive_typescript,
    node_environment,
)
from http_client import HttpServer, eventually
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from stdio_client import MODERN, PATIENCE, VIVARIUM, Server, wait_until

from mcp import ClientSession

INSPECTOR = MODULES / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
MCP_REMOTE = MODULES / "mcp-remote/dist/proxy.js"
SUPERGATEWAY = MODULES / "supergateway/dist/index.js"
ROADS = {"mcp": ("http", "/mcp"), "root": ("http", "/"), "sse": ("sse", "/sse"), "root-sse": ("sse", "/")}


@pytest.fixture(scope="module")
def servers():
    """A server that wants no token and one that does."""
    token = secrets.token_hex(32)
    with HttpServer() as free, HttpServer({"SANDBOX_API_TOKEN": token}, token=token) as guarded:
        yield {False: free.wait_ready(), True: guarded.wait_ready()}
    for one in (free, guarded):
        assert one.process.returncode == 0, one.stderr()


@pytest.fixture
def server(servers):
    return servers[False]


@pytest.fixture
def guarded(servers):
    return servers[True]


def road_to(server, road, with_token=True):
    """What the drivers take: kind, URL and, where there is one, the token."""
    kind, path = ROADS[road]
    return [kind, server.url + path, *([server.token] if server.token and with_token else [])]


# ---- TypeScript ----
@pytest.fixture(
    scope="module",
    params=[
        ("old", "mcp", False),
        ("legacy", "mcp", False),
        ("auto", "mcp", False),
        ("pinned", "mcp", False),
        ("old", "root", False),
        ("auto", "root", False),
        ("old", "sse", False),
        ("legacy", "sse", False),
        ("old", "root-sse", False),
        ("old", "mcp", True),
        ("pinned", "mcp", True),
        ("old", "sse", True),
    ],
    ids=lambda one: "-".join([one[0], one[1], *(["token"] if one[2] else [])]),
)
def typescript(request, servers):
    client, road, token = request.param
    return client, drive_typescript(client, *road_to(servers[token], road))


class TestTypeScript(TypeScriptChecks):
    def test_what_it_cancelled_has_stopped(self, typescript, servers):
        for server in servers.values():
            assert eventually(lambda one=server: one.metrics()["vivarium_running"], 0) == 0


@pytest.mark.parametrize("client,road", [("old", "mcp"), ("auto", "mcp"), ("pinned", "mcp"), ("old", "sse")])
def test_a_typescript_client_without_the_token_is_told_so(guarded, client, road):
    with pytest.raises(AssertionError, match="401|Unauthorized"):
        drive_typescript(client, *road_to(guarded, road, with_token=False))


# ---- Python, second generation ----
@pytest.mark.parametrize(
    "mode,road,token",
    [
        ("legacy", "mcp", False),
        ("auto", "mcp", False),
        (MODERN, "mcp", False),
        (MODERN, "root", False),
        ("legacy", "sse", False),
        ("auto", "mcp", True),
        ("legacy", "sse", True),
    ],
)
def test_the_second_python_client_runs_programs(servers, mode, road, token):
    check_python2(mode, drive_python2(mode, *road_to(servers[token], road)))


# ---- Python, first generation ----
@asynccontextmanager
async def python_session(road, url, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(headers=headers, timeout=60) as http:
        opened = (
            sse_client(url, headers=headers)
            if road == "sse"
            else streamable_http_client(url, http_client=http)
        )
        async with opened as streams, ClientSession(*streams[:2]) as session:
            await session.initialize()
            yield session


def with_session(road, use):
    async def run():
        async with python_session(*road) as session:
            return await use(session)

    return asyncio.run(asyncio.wait_for(run(), 60 * PATIENCE))


@pytest.fixture(params=[("mcp", False), ("sse", False), ("root", True), ("root-sse", True)], ids=str)
def python_road(request, servers):
    return road_to(servers[request.param[1]], request.param[0])


def test_the_python_client_lists_and_calls(python_road):
    async def use(session):
        await session.send_ping()
        result = await session.call_tool("execute_code", {"code": "result = 2 + 2"})
        return await session.list_tools(), await session.list_prompts(), result

    tools, prompts, result = with_session(python_road, use)
    assert sorted(one.name for one in tools.tools) == TOOLS
    assert sorted(one.name for one in prompts.prompts) == PROMPTS
    assert result.structuredContent["result"] == 4
    assert json.loads(result.content[0].text) == result.structuredContent


def test_the_python_client_gets_progress(python_road):
    seen = []

    async def progress(done, total, message):
        seen.append(message)

    async def use(session):
        code = "import time\nfor i in range(3):\n    print(i)\n    time.sleep(0.1)"
        return await session.call_tool("execute_code", {"code": code}, progress_callback=progress)

    result = with_session(python_road, use)
    assert "".join(seen) == result.structuredContent["stdout"] == "0\n1\n2\n"


def test_the_python_client_runs_many_programs_at_once(python_road):
    async def use(session):
        calls = [session.call_tool("execute_code", {"code": f"result = {n}"}) for n in range(20)]
        return await asyncio.gather(*calls)

    answers = with_session(python_road, use)
    assert [one.structuredContent["result"] for one in answers] == list(range(20))


async def send_endless(session):
    """Start a program that never ends; the task that waits for it and the id of the request."""
    params = mcp.types.CallToolRequestParams(name="execute_code", arguments={"code": "while True: pass"})
    call = mcp.types.ClientRequest(mcp.types.CallToolRequest(params=params))
    number = session._request_id
    return asyncio.create_task(session.send_request(call, mcp.types.CallToolResult)), number


@pytest.mark.parametrize("road", ["mcp", "sse"])
def test_the_python_client_can_cancel(server, road):
    def cancelled():
        return server.metrics()['vivarium_executions_total{category="cancelled"}']

    def running():
        return server.metrics()["vivarium_running"]

    async def use(session):
        waiting, number = await send_endless(session)
        await asyncio.to_thread(eventually, running, 1)
        params = mcp.types.CancelledNotificationParams(requestId=number)
        await session.send_notification(
            mcp.types.ClientNotification(mcp.types.CancelledNotification(params=params))
        )
        await asyncio.to_thread(eventually, running, 0)
        after = await session.call_tool("execute_code", {"code": "result = 1"})
        waiting.cancel()
        return after

    before = cancelled()
    assert with_session(road_to(server, road), use).structuredContent["result"] == 1
    assert eventually(cancelled, before + 1) == before + 1


def test_the_python_client_without_the_token_is_told_so(guarded):
    with pytest.raises(BaseExceptionGroup) as caught:
        with_session(road_to(guarded, "mcp", with_token=False), lambda session: session.send_ping())
    assert "401" in str(leaf(caught.value))


def leaf(error):
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def test_a_client_that_was_introduced_is_not_given_a_session_of_the_older_kind(server):
    opened = server.metrics()["vivarium_http_sessions_total"]
    answer = server.get("/", {"Accept": "text/event-stream", "Mcp-Session-Id": "0" * 32})
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert server.metrics()["vivarium_http_sessions_total"] == opened


# ---- the Inspector ----
def inspect(target, *args, era="legacy", expect=0):
    run = subprocess.run(
        [NODE, INSPECTOR, "--cli", "--format", "json", "--protocol-era", era, *target, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
        env=node_environment(),
    )
    assert run.returncode == expect, run.stdout[-2000:] + run.stderr[-4000:]
    return run


def inspected(target, *args, era="legacy"):
    return json.loads(inspect(target, *args, era=era).stdout)["result"]


INSPECTIONS = [("mcp", "legacy"), ("mcp", "modern"), ("sse", "legacy"), ("stdio", "auto")]


@pytest.fixture(scope="module", params=INSPECTIONS, ids="-".join)
def inspection(request, servers):
    road, era = request.param
    if road == "stdio":
        return [VIVARIUM, "serve"], era
    kind, path = ROADS[road]
    return ["--transport", kind, "--server-url", servers[False].url + path], era


def test_the_inspector_finds_no_fault_with_the_tools(inspection):
    target, era = inspection
    run = inspect(target, "--method", "tools/list", "--strict", era=era)
    assert "Issue:" not in run.stderr, run.stderr
    assert sorted(one["name"] for one in json.loads(run.stdout)["result"]["tools"]) == TOOLS


def test_the_inspector_calls_tools(inspection):
    target, era = inspection
    call = ["--method", "tools/call", "--tool-name", "execute_code", "--tool-args-json"]
    result = inspected(target, *call, json.dumps({"code": "print('hi')\nresult = 2 + 2"}), era=era)
    assert (result["structuredContent"]["result"], result["structuredContent"]["stdout"]) == (4, "hi\n")


def test_the_inspector_lists_prompts_and_templates(inspection):
    target, era = inspection
    prompts = inspected(target, "--method", "prompts/list", era=era)["prompts"]
    assert sorted(one["name"] for one in prompts) == PROMPTS
    templates = inspected(target, "--method", "resources/templates/list", era=era)["resourceTemplates"]
    assert [one["uriTemplate"] for one in templates] == ["sandbox://{execution_id}/{name}"]


def test_the_inspector_comes_in_with_the_token_only(guarded):
    target = ["--transport", "http", "--server-url", f"{guarded.url}/mcp", "--stored-auth-only"]
    header = ["--header", f"Authorization: Bearer {guarded.token}"]
    tools = inspected([*target, *header], "--method", "tools/list")["tools"]
    assert sorted(one["name"] for one in tools) == TOOLS
    refused = subprocess.run(
        [NODE, INSPECTOR, "--cli", *target, "--method", "tools/list"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
        env=node_environment(),
    )
    assert refused.returncode != 0
    assert "auth" in refused.stderr.lower()


# ---- bridges to stdio ----
def bridge(*argv):
    """A client of the bridge's standard streams."""
    return Server(command=[NODE, *argv], settings={"PATH": node_environment()["PATH"]})


def bridges(server):
    token = ["--header", f"Authorization: Bearer {server.token}"] if server.token else []
    return {
        "mcp-remote": [MCP_REMOTE, f"{server.url}/mcp", "--transport", "http-only", *token],
        "mcp-remote-sse": [MCP_REMOTE, f"{server.url}/sse", "--transport", "sse-only", *token],
        "mcp-remote-root": [MCP_REMOTE, f"{server.url}/", *token],
        "supergateway": [SUPERGATEWAY, "--streamableHttp", f"{server.url}/mcp", *token],
        "supergateway-sse": [SUPERGATEWAY, "--sse", f"{server.url}/sse", *token],
    }


@pytest.mark.parametrize("token", [False, True], ids=["free", "token"])
@pytest.mark.parametrize(
    "name", ["mcp-remote", "mcp-remote-sse", "mcp-remote-root", "supergateway", "supergateway-sse"]
)
def test_a_bridge_makes_a_stdio_server_of_it(servers, name, token):
    with bridge(*bridges(servers[token])[name]) as client:
        assert sorted(one["name"] for one in client.request("tools/list")["tools"]) == TOOLS
        answer = client.run("print('hi')\nresult = 2 + 2")
        assert (answer["result"], answer["stdout"]) == (4, "hi\n")
        assert client.run("1 / 0")["error_type"] == "ZeroDivisionError"
        many = [client.ask_run(f"result = {n}") for n in range(10)]
        assert [client.ran(number)["result"] for number in many] == list(range(10))


# supergateway passes no progress on.
@pytest.mark.parametrize("name", ["mcp-remote", "mcp-remote-sse"])
def test_live_output_crosses_a_bridge(server, name):
    with bridge(*bridges(server)[name]) as client:
        number = client.ask_run(
            "import time\nfor i in range(3):\n    print(i)\n    time.sleep(0.1)", meta={"progressToken": "p"}
        )
        assert client.ran(number)["stdout"] == "0\n1\n2\n"
        notes = [one["params"] for one in client.notifications if one["method"] == "notifications/progress"]
        assert "".join(one["message"] for one in notes) == "0\n1\n2\n"


# ---- a bridge from stdio ----
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("output,kind,path", [("streamableHttp", "http", "/mcp"), ("sse", "sse", "/sse")])
def test_supergateway_serves_the_stdio_server_over_http(output, kind, path):
    port = free_port()
    command = [NODE, SUPERGATEWAY, "--stdio", shlex.join([VIVARIUM, "serve"]), "--outputTransport", output]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--logLevel", "none"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=node_environment(),
    )
    try:
        wait_until(lambda: is_open(port), 30, "supergateway's port")
        seen = drive_python2("legacy", kind, f"http://127.0.0.1:{port}{path}")
        check_python2("legacy", seen)
    finally:
        process.terminate()
        process.wait(10)
        process.stdin.close()
