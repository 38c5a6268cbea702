"""The wire: both eras over the raw stream, and every kind of bad input."""

import json
import time
from pathlib import Path

import pytest
from stdio_client import LEGACY, MODERN, MODERN_META, Server

OLDER = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
TOOLS = ["execute_code", "validate_code", "get_sandbox_info"]


# ---- legacy ----
@pytest.mark.parametrize("version", OLDER)
def test_initialize_agrees_on_the_clients_version(start, version):
    server = start(start=False)
    result = server.initialize(version)
    assert result["protocolVersion"] == version
    assert result["serverInfo"]["name"] and result["serverInfo"]["version"]
    assert "tools" in result["capabilities"]
    assert server.request("ping") == {}


@pytest.mark.parametrize("version", ["1999-01-01", "2030-01-01", "nonsense", ""])
def test_initialize_offers_its_own_newest_legacy_version_for_one_it_does_not_know(start, version):
    assert start(start=False).initialize(version)["protocolVersion"] == LEGACY


def test_the_tools_are_listed_with_all_that_the_contract_asks(server):
    tools = server.request("tools/list")["tools"]
    assert sorted(t["name"] for t in tools) == sorted(TOOLS)
    for tool in tools:
        assert tool["title"] and 20 < len(tool["description"]) < 8192
        assert not any(bad in tool["description"] for bad in ("&&", "||", "$(", "<"))
        assert tool["inputSchema"]["type"] == "object"
        assert tool["outputSchema"]["type"] == "object"
        hints = tool["annotations"]
        assert set(hints) >= {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
    by_name = {t["name"]: t for t in tools}
    run = by_name["execute_code"]
    assert set(run["inputSchema"]["properties"]) == {
        "code",
        "timeout",
        "capture_output",
        "allowed_imports",
        "use_container",
        "memory_limit",
        "files",
    }
    assert run["inputSchema"]["required"] == ["code"]
    assert run["inputSchema"]["additionalProperties"] is False
    hints = run["annotations"]
    assert (
        hints["readOnlyHint"],
        hints["destructiveHint"],
        hints["idempotentHint"],
        hints["openWorldHint"],
    ) == (False, False, False, False)
    for name in ("validate_code", "get_sandbox_info"):
        hints = by_name[name]["annotations"]
        assert (hints["readOnlyHint"], hints["openWorldHint"]) == (True, False)


def test_the_list_of_tools_is_always_the_same(server):
    assert server.request("tools/list") == server.request("tools/list")


def test_a_bad_cursor_is_invalid_params(server):
    assert server.error("tools/list", {"cursor": "nonsense"})["code"] == -32602


def test_an_unknown_tool_is_invalid_params_and_names_it(server):
    error = server.error("tools/call", {"name": "rm_rf", "arguments": {}})
    assert error["code"] == -32602
    assert "rm_rf" in error["message"]


@pytest.mark.parametrize("method", ["no/such/method", "tools/delete", "", "initialize2"])
def test_an_unknown_method_is_not_found(server, method):
    assert server.error(method)["code"] == -32601


def test_an_unknown_notification_is_ignored(server):
    server.notify("notifications/whatever", {"a": 1})
    server.request("ping")


@pytest.mark.parametrize("request_id", ["text", 0, -1, 2**53, "", "ü€🎉", 12345678901])
def test_an_answer_carries_the_id_of_its_request(server, request_id):
    server.send({"id": request_id, "method": "ping"})
    assert server.receive()["id"] == request_id


def test_a_text_id_and_a_number_id_are_different(server):
    server.send({"id": "7", "method": "ping"})
    server.send({"id": 7, "method": "ping"})
    assert {repr(server.receive()["id"]), repr(server.receive()["id"])} == {"'7'", "7"}


def test_params_may_be_left_out(server):
    server.send({"id": 900, "method": "tools/list"})
    assert server.receive()["result"]["tools"]


def test_work_before_initialize_is_answered_or_refused_but_never_ignored(start):
    server = start(start=False)
    message = server.answer(server.ask("tools/list"))
    assert ("result" in message) != ("error" in message)


def test_blank_lines_and_carriage_returns_are_tolerated(server):
    server.send_bytes(b"\n\r\n  \n")
    server.send_bytes(b'{"jsonrpc":"2.0","id":"crlf","method":"ping"}\r\n')
    assert server.receive()["id"] == "crlf"


def test_a_message_in_small_pieces_is_one_message(server):
    data = b'{"jsonrpc":"2.0","id":"slow","method":"ping"}\n'
    for i in range(len(data)):
        server.send_bytes(data[i : i + 1])
    assert server.receive()["id"] == "slow"


def test_many_messages_in_one_write_are_many(server):
    server.send_bytes(b"".join(b'{"jsonrpc":"2.0","id":%d,"method":"ping"}\n' % n for n in range(1000, 1200)))
    assert [server.receive()["id"] for _ in range(200)] == list(range(1000, 1200))


# ---- modern ----
@pytest.fixture
def modern(start):
    return start(modern=True)


def test_discover_tells_what_the_server_is(modern):
    result = modern.request("server/discover")
    assert result["resultType"] == "complete"
    assert MODERN in result["supportedVersions"]
    assert "tools" in result["capabilities"]
    assert result["ttlMs"] >= 0 and result["cacheScope"] in ("public", "private")
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"]


def test_the_modern_list_of_tools_is_cacheable(modern):
    result = modern.request("tools/list")
    assert sorted(t["name"] for t in result["tools"]) == sorted(TOOLS)
    assert result["resultType"] == "complete"
    assert result["ttlMs"] >= 0 and result["cacheScope"] in ("public", "private")


def test_a_modern_call_runs_a_program(modern):
    result = modern.call("execute_code", {"code": "result = 2 + 2"})
    assert result["resultType"] == "complete"
    assert result["structuredContent"]["result"] == 4


@pytest.mark.parametrize("missing", list(MODERN_META))
def test_a_modern_request_without_its_envelope_is_invalid_params(modern, missing):
    meta = {k: v for k, v in MODERN_META.items() if k != missing}
    modern.send({"id": 50, "method": "server/discover", "params": {"_meta": meta}})
    assert modern.receive()["error"]["code"] == -32602


def test_a_modern_request_of_an_unknown_version_is_told_the_known_ones(modern):
    meta = {**MODERN_META, "io.modelcontextprotocol/protocolVersion": "2031-01-01"}
    modern.send({"id": 51, "method": "tools/list", "params": {"_meta": meta}})
    error = modern.receive()["error"]
    assert error["code"] == -32022
    assert error["data"]["supported"] == [MODERN]
    assert error["data"]["requested"] == "2031-01-01"


@pytest.mark.parametrize(
    "method", ["initialize", "ping", "logging/setLevel", "resources/subscribe", "no/such"]
)
def test_what_the_modern_era_has_not_is_not_found(modern, method):
    assert modern.error(method)["code"] == -32601


def test_both_eras_share_one_stream(start):
    server = start()
    assert server.run("result = 1")["result"] == 1
    server.modern = True
    assert server.request("server/discover")["resultType"] == "complete"
    assert server.call("execute_code", {"code": "2"})["structuredContent"]["result"] == 2
    server.modern = False
    result = server.request("ping")
    assert "resultType" not in result


def test_a_modern_run_can_be_cancelled(modern):
    running = modern.ask_run("while True: pass", timeout=60)
    time.sleep(0.2)
    modern.notify("notifications/cancelled", {"requestId": running})
    assert modern.run("result = 1")["result"] == 1
    assert modern.receive(0.3) is None


def test_a_modern_progress_token_gives_live_output(modern):
    request = modern.ask_run("print('x')", meta={"progressToken": "t"})
    assert modern.ran(request)["stdout"] == "x\n"
    assert all(n["params"]["progressToken"] == "t" for n in modern.notifications)


# ---- bad input ----
NOT_JSON = [
    b"nonsense",
    b"{",
    b'{"jsonrpc":"2.0","id":1,"method":"ping"',
    b"{'jsonrpc':'2.0'}",
    b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping",}',
    b"\xff\xfe\x00\x01",
    b'{"jsonrpc":"2.0","id":1,"method":"\xff"}',
    b'{"jsonrpc":"2.0","id":1,"method":"p\\ud800ing"}',
    b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping"} trailing',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"\x00",
    b'"\x01"',
]
NOT_A_REQUEST = [
    b"5",
    b"null",
    b'"text"',
    b"true",
    b"{}",
    b"[]",
    b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
    b'{"id":1,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1}',
    b'{"jsonrpc":"2.0","id":1,"method":5}',
    b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
    b'{"jsonrpc":"2.0","id":[1],"method":"ping"}',
    b'{"jsonrpc":"2.0","id":true,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":5}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":"x"}',
]
BAD_PARAMS = [
    {"method": "tools/call"},
    {"method": "tools/call", "params": {}},
    {"method": "tools/call", "params": {"name": 5}},
    {"method": "tools/call", "params": {"name": None, "arguments": {}}},
    {"method": "tools/call", "params": {"arguments": {"code": "1"}}},
    {"method": "tools/call", "params": {"name": "execute_code", "arguments": 5}},
    {"method": "tools/call", "params": {"name": "execute_code", "arguments": ["code"]}},
    {"method": "tools/list", "params": {"cursor": 5}},
    {"method": "initialize", "params": {}},
    {"method": "initialize", "params": {"protocolVersion": 5, "capabilities": {}, "clientInfo": {}}},
]


def an_error(server, *codes):
    message = server.receive()
    assert message is not None and "error" in message, message
    assert message["error"]["code"] in codes, message
    assert message["error"]["message"]
    server.request("ping")


@pytest.mark.parametrize("line", NOT_JSON, ids=lambda line: repr(line[:40]))
def test_what_is_not_json_is_a_parse_error_and_the_server_goes_on(server, line):
    server.send_bytes(line + b"\n")
    an_error(server, -32700)


@pytest.mark.parametrize("line", NOT_A_REQUEST, ids=lambda line: repr(line[:60]))
def test_what_is_no_request_is_an_invalid_request_and_the_server_goes_on(server, line):
    server.send_bytes(line + b"\n")
    an_error(server, -32600, -32602)


@pytest.mark.parametrize("message", BAD_PARAMS, ids=json.dumps)
def test_wrong_parameters_are_invalid_params(server, message):
    server.send({"id": 800, **message})
    answer = server.receive()
    if "error" in answer:
        assert answer["error"]["code"] == -32602
    else:
        assert answer["result"]["isError"] is True
    server.request("ping")


def test_a_response_nobody_asked_for_is_ignored(server):
    server.send({"id": 1, "result": {}})
    server.send({"id": 1, "error": {"code": 1, "message": "x"}})
    server.request("ping")


def test_a_line_that_is_far_too_long_is_refused_and_the_server_goes_on(start):
    server = start()
    server.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"')
    for _ in range(64):
        server.send_bytes(b"x" * (1 << 20))
    server.send_bytes(b'"}}\n')
    message = server.receive(20)
    assert message["error"]["code"] in (-32700, -32600)
    server.request("ping")
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0])
    assert peak < 64 * 1024, "the server kept the line in memory"


def test_an_id_used_twice_at_once_gets_two_answers_or_an_error(start):
    server = start()
    call = {
        "id": "same",
        "method": "tools/call",
        "params": {"name": "execute_code", "arguments": {"code": "import time\ntime.sleep(0.2)\nresult = 1"}},
    }
    server.send(call)
    server.send(call)
    first, second = server.receive(), server.receive()
    assert first["id"] == second["id"] == "same" or None in (first["id"], second["id"])
    assert any("result" in m for m in (first, second))


def test_a_batch_is_answered_only_in_the_version_that_has_them(start):
    server = start(start=False)
    server.initialize("2025-03-26")
    server.send_bytes(
        b'[{"jsonrpc":"2.0","id":"a","method":"ping"},{"jsonrpc":"2.0","id":"b","method":"ping"}]\n'
    )
    line = json.loads(server.read_line(5))
    ids = (
        {m["id"] for m in line}
        if isinstance(line, list)
        else {line["id"], json.loads(server.read_line(5))["id"]}
    )
    assert ids == {"a", "b"}
    other = start()
    other.send_bytes(b'[{"jsonrpc":"2.0","id":"a","method":"ping"}]\n')
    assert json.loads(other.read_line(5))["error"]["code"] == -32600


# ---- start and end ----
def test_initialize_is_answered_before_the_walls_are_proven(start):
    server = start(start=False)
    began = time.monotonic()
    server.initialize()
    assert time.monotonic() - began < 0.5
    assert server.info()["isolation"]


def test_nothing_but_messages_is_on_standard_output():
    with Server() as server:
        server.run("print('x')")
        server.send_bytes(b"nonsense\n")
        server.receive()
        server.process.stdin.close()
        while True:
            try:
                line = server.read_line(5)
            except Exception:
                break
            assert line is None or json.loads(line)["jsonrpc"] == "2.0"


def test_the_server_works_without_standard_error():
    import subprocess

    from stdio_client import VIVARIUM, clean_environment

    request = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
    run = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" serve 2>&-', VIVARIUM],
        input=request,
        stdout=subprocess.PIPE,
        env=clean_environment(),
        timeout=20,
    )
    assert json.loads(run.stdout.splitlines()[0])["id"] == 1
