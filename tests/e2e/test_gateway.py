"""At home behind a gateway: the real ContextForge gateway registers the server, lists its tools and calls them.

The gateway runs on loopback with a data base of its own, and is asked only what any user of it can ask."""

import asyncio
import json
import os
import secrets
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest
from http_client import HttpServer, eventually
from mcp.client.streamable_http import streamable_http_client
from stdio_client import PATIENCE, TREE, wait_until

from mcp import ClientSession

PYTHON = TREE / ".venv/gateway/bin/python"
ADMIN = "admin@example.com"
TOOLS = ["execute_code", "get_sandbox_info", "validate_code"]
pytestmark = pytest.mark.timeout(300)  # it takes half a minute to start
# What the requirements post to /gateways, but for the port: a name, a URL without a path, no transport.
COMMAND = {"name": "python-sandbox", "description": "Secure Python code execution sandbox"}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


class Gateway:
    """One gateway process. @folder: where it may write."""

    def __init__(self, folder):
        self.folder, self.port, self.log = folder, free_port(), folder / "gateway.log"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DATABASE_URL": f"sqlite:///{folder}/gateway.db",
            "CACHE_TYPE": "memory",
            "PLATFORM_ADMIN_EMAIL": ADMIN,
            **{
                name: f"Aa1-{secrets.token_urlsafe(32)}"
                for name in (
                    "JWT_SECRET_KEY",
                    "AUTH_ENCRYPTION_SECRET",
                    "PLATFORM_ADMIN_PASSWORD",
                    "DEFAULT_USER_PASSWORD",
                    "BASIC_AUTH_PASSWORD",
                )
            },
            # Without these two it registers no address of this machine.
            "SSRF_ALLOW_LOCALHOST": "true",
            "SSRF_ALLOW_PRIVATE_NETWORKS": "true",
            "MCPGATEWAY_UI_ENABLED": "false",
            "HEALTH_CHECK_INTERVAL": "2",
            "RATE_LIMITING_ENABLED": "false",
        }
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [PYTHON, "-m", "mcpgateway"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=folder,
            )
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=60 * PATIENCE)

    def is_up(self):
        assert self.process.poll() is None, f"the gateway ended: {self.tail()}"
        try:
            return self.http.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def tail(self):
        return self.log.read_text(errors="replace")[-4000:]

    def log_in(self):
        """A bearer token made by the gateway's own tool."""
        made = subprocess.run(
            [
                PYTHON,
                "-m",
                "mcpgateway.utils.create_jwt_token",
                "--username",
                ADMIN,
                "--exp",
                "600",
                "--admin",
            ],
            capture_output=True,
            text=True,
            timeout=60 * PATIENCE,
            env=self.env,
            cwd=self.folder,
        )
        assert made.returncode == 0, made.stderr
        self.http.headers["Authorization"] = f"Bearer {made.stdout.split()[-1]}"

    def register(self, url, **more):
        return self.http.post("/gateways", json={**COMMAND, "url": url, **more})

    def registered(self):
        return self.http.get("/gateways").json()

    def forget_all(self):
        for one in self.registered():
            assert self.http.delete(f"/gateways/{one['id']}").status_code == 200

    def rpc(self, method, params):
        answer = self.http.post("/rpc", json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        assert answer.status_code == 200, answer.text
        message = answer.json()
        assert "error" not in message, message
        return message["result"]

    def call(self, tool, arguments):
        """The result of one of our tools, under the name that the gateway gives it."""
        name = f"python-sandbox-{tool.replace('_', '-')}"
        return self.rpc("tools/call", {"name": name, "arguments": arguments})

    def run(self, code):
        return self.call("execute_code", {"code": code})["structuredContent"]

    def close(self):
        self.http.close()
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    assert PYTHON.exists(), f"{PYTHON} is missing: run `scripts/setup test`, which needs a package registry"
    one = Gateway(tmp_path_factory.mktemp("gateway"))
    try:
        wait_until(one.is_up, 180, f"the gateway's health (log: {one.log})")
        one.log_in()
        yield one
    finally:
        one.close()


@pytest.fixture(
    scope="module",
    params=[(None, False), (None, True), ("STREAMABLEHTTP", False), ("STREAMABLEHTTP", True)],
    ids=["sse", "sse-token", "streamable", "streamable-token"],
)
def registration(request, gateway):
    """Our server, registered over one transport, with and without a token of ours."""
    transport, guarded = request.param
    token = secrets.token_hex(32) if guarded else None
    more = {"transport": transport} if transport else {}
    if token:
        more |= {"auth_type": "bearer", "auth_token": token}
    with HttpServer({"SANDBOX_API_TOKEN": token}, token=token) as server:
        server.wait_ready()
        answer = gateway.register(f"http://localhost:{server.port}", **more)
        yield SimpleNamespace(answer=answer, transport=transport, server=server, token=token)
        gateway.forget_all()
    assert server.process.returncode == 0, server.stderr()


def test_the_gateway_registers_the_server_by_the_command_of_the_requirements(gateway, registration):
    assert registration.answer.status_code in (200, 201), registration.answer.text
    seen = registration.answer.json()
    assert seen["name"] == "python-sandbox"
    assert seen["transport"] == (registration.transport or "SSE")
    assert (seen["enabled"], seen["reachable"], seen["skippedTools"]) == (True, True, [])


def test_the_gateway_lists_the_tools(gateway, registration):
    listed = gateway.rpc("tools/list", {})["tools"]
    assert sorted(one["name"] for one in listed) == [f"python-sandbox-{t.replace('_', '-')}" for t in TOOLS]
    by_name = {one["originalName"]: one for one in gateway.http.get("/tools").json()}
    assert sorted(by_name) == TOOLS
    assert by_name["execute_code"]["inputSchema"]["required"] == ["code"]
    for one in by_name.values():
        assert one["description"] and one["annotations"]


def test_the_gateway_calls_the_tools(gateway, registration):
    result = gateway.call("execute_code", {"code": "print('hi')\nresult = 2 + 2", "timeout": 10})
    answer = result["structuredContent"]
    assert (result["isError"], answer["result"], answer["stdout"]) == (False, 4, "hi\n")
    assert json.loads(result["content"][0]["text"]) == answer
    verdict = gateway.call("validate_code", {"code": "import os\nos.system('rm -rf /')"})
    assert verdict["structuredContent"]["validation"]["errors"] == ["Line 1: Import 'os' is not allowed"]
    assert gateway.call("get_sandbox_info", {})["structuredContent"]["success"] is True


def test_a_failure_comes_through_the_gateway_as_one(gateway, registration):
    result = gateway.call("execute_code", {"code": "print('so far')\n1 / 0"})
    answer = result["structuredContent"]
    assert result["isError"] is True
    assert (answer["error_type"], answer["stdout"]) == ("ZeroDivisionError", "so far\n")
    assert gateway.run("import os")["validation_errors"] == ["Line 1: Import 'os' is not allowed"]


def test_a_program_that_takes_its_time_is_waited_for(gateway, registration):
    answer = gateway.run(
        "import time\nfor i in range(3):\n    print(i)\n    time.sleep(0.5)\nresult = 'done'"
    )
    assert (answer["result"], answer["stdout"]) == ("done", "0\n1\n2\n")


def test_calls_through_the_gateway_do_not_mix(gateway, registration):
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: gateway.run(f"result = {n}")["result"], range(12)))
    assert answers == list(range(12))


def test_the_gateway_takes_over_prompts_and_resource_templates(gateway, registration):
    prompts = {one["originalName"]: one["name"] for one in gateway.http.get("/prompts").json()}
    assert "explain_error" in prompts
    got = gateway.rpc("prompts/get", {"name": prompts["explain_error"], "arguments": {"code": "1 / 0"}})
    assert "1 / 0" in json.dumps(got["messages"])
    templates = gateway.http.get("/resources/templates/list").json()["resource_templates"]
    assert [one["uriTemplate"] for one in templates] == ["sandbox://{execution_id}/{name}"]


def test_the_gateways_health_checks_find_the_server_well(gateway, registration):
    def last_seen():
        return gateway.registered()[0]["lastSeen"]

    for _ in range(2):
        before = last_seen()
        eventually(lambda was=before: last_seen() != was, True, 60)
        assert last_seen() != before, gateway.tail()
    found = gateway.registered()[0]
    assert (found["enabled"], found["reachable"]) == (True, True)


def test_the_gateway_leaves_no_session_behind(gateway, registration):
    gateway.run("result = 1")
    assert eventually(lambda: registration.server.metrics()["vivarium_http_sessions"], 0) == 0
    ever = registration.server.metrics()["vivarium_http_sessions_total"]
    assert (ever == 0) is (registration.transport == "STREAMABLEHTTP")


def test_a_client_of_the_gateway_reaches_the_server(gateway, registration):
    headers = {"Authorization": gateway.http.headers["Authorization"]}

    async def use():
        async with (
            httpx.AsyncClient(headers=headers, timeout=60) as http,
            streamable_http_client(f"{gateway.url}/mcp/", http_client=http) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = await session.list_tools()
            called = await session.call_tool("python-sandbox-execute-code", {"code": "result = 6 * 7"})
            return tools, called

    tools, called = asyncio.run(asyncio.wait_for(use(), 60 * PATIENCE))
    assert "python-sandbox-execute-code" in [tool.name for tool in tools.tools]
    assert called.structuredContent["result"] == 42


@pytest.mark.parametrize("transport", [None, "STREAMABLEHTTP"])
@pytest.mark.parametrize("auth", [{}, {"auth_type": "bearer", "auth_token": "not-the-token" * 4}])
def test_without_the_right_token_the_server_is_not_registered(gateway, transport, auth):
    token = secrets.token_hex(32)
    with HttpServer({"SANDBOX_API_TOKEN": token}, token=token) as server:
        more = {"transport": transport} if transport else {}
        url = f"http://localhost:{server.port}"
        answer = gateway.register(url, name="no-token", **more, **auth)
        assert answer.status_code >= 400, answer.text
        assert url not in [one["url"] for one in gateway.registered()]
        assert server.run("result = 1")["result"] == 1
