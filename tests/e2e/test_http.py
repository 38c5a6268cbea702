"""MCP over HTTP: both eras on one endpoint, the form of messages, live output, cancellation."""

import json
import socket
import threading

import pytest
from http_client import BOTH, FOREVER, INITIALIZE, Session, Stream, cancelled, eventually
from stdio_client import LEGACY, MODERN, PATIENCE, wait_until


# ---- both eras on one endpoint ----
@pytest.mark.parametrize("target", ["/mcp", "/mcp/", "/"])
@pytest.mark.parametrize("modern", [False, True])
def test_every_address_of_the_endpoint_serves_both_eras(web, target, modern):
    answer = web.rpc("tools/list", modern=modern, target=target)
    assert (answer.status, answer.type) == (200, "application/json")
    names = [tool["name"] for tool in answer.message()["result"]["tools"]]
    assert "execute_code" in names and "get_sandbox_info" in names


@pytest.mark.parametrize("modern", [False, True])
def test_a_program_is_run_and_answered_as_json(web, modern):
    result = web.call("execute_code", {"code": "print('hi')\n6 * 7"}, modern)
    assert result["structuredContent"]["result"] == 42
    assert result["structuredContent"]["stdout"] == "hi\n"
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]


def test_initialize_is_answered_with_a_session_that_nothing_depends_on(web):
    first = web.rpc("initialize", INITIALIZE)
    assert first.message()["result"]["protocolVersion"] == LEGACY
    session = first.headers["mcp-session-id"]
    assert len(session) == 32 and session != web.rpc("initialize", INITIALIZE).headers["mcp-session-id"]
    for sent in (session, "f" * 32, "anything at all"):
        answer = web.rpc("tools/list", headers={"Mcp-Session-Id": sent})
        assert answer.status == 200 and "mcp-session-id" not in answer.headers


def test_an_accepted_notification_is_202_without_a_body(web):
    answer = web.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (answer.status, answer.body) == (202, b"")
    assert "content-type" not in answer.headers


def test_discover_answers_at_once_and_lists_the_modern_version(web):
    answer = web.rpc("server/discover", modern=True)
    assert answer.message()["result"]["supportedVersions"] == [MODERN]
    assert "mcp-session-id" not in answer.headers


@pytest.mark.parametrize(
    "change, code",
    [
        ({"MCP-Protocol-Version": None}, -32020),
        ({"MCP-Protocol-Version": "2025-11-25"}, -32020),
        ({"Mcp-Method": None}, -32020),
        ({"Mcp-Method": "TOOLS/CALL"}, -32020),
        ({"Mcp-Name": None}, -32020),
        ({"Mcp-Name": "validate_code"}, -32020),
        ({"Mcp-Name": "=?base64?dmFsaWRhdGVfY29kZQ==?="}, -32020),
    ],
)
def test_headers_that_disagree_with_the_body_are_refused(web, change, code):
    params = {"name": "get_sandbox_info", "arguments": {}}
    answer = web.rpc("tools/call", params, modern=True, headers=change)
    assert (answer.status, answer.message()["error"]["code"]) == (400, code)


def test_a_name_in_base64_agrees_with_the_plain_one(web):
    params = {"name": "get_sandbox_info", "arguments": {}}
    encoded = {"Mcp-Name": "=?base64?Z2V0X3NhbmRib3hfaW5mbw==?="}
    assert web.rpc("tools/call", params, modern=True, headers=encoded).status == 200
    assert (
        web.rpc("tools/call", params, modern=True, headers={"Mcp-Name": "  get_sandbox_info\t"}).status == 200
    )


def test_a_header_of_the_protocol_that_comes_twice_is_refused(web):
    message, fields = web.request("tools/list", modern=True)
    body = json.dumps(message).encode()
    with web.connect() as connection:
        connection.send_request("POST", "/mcp", {**fields, "mcp-method": "tools/list"}, body)
        assert connection.answer().status == 400


@pytest.mark.parametrize(
    "message, modern, status, code",
    [
        (b"{", False, 400, -32700),
        (b"", False, 400, -32700),
        (b"[]", False, 400, -32600),
        ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, False, 400, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "nothing/like/it"}, False, 200, -32601),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, False, 400, -32600),
    ],
)
def test_messages_that_make_no_sense_have_the_status_that_fits(web, message, modern, status, code):
    answer = web.post(message)
    assert (answer.status, answer.message()["error"]["code"]) == (status, code)


def test_an_unknown_method_is_404_in_the_modern_era(web):
    answer = web.rpc("nothing/like/it", modern=True)
    assert (answer.status, answer.message()["error"]["code"]) == (404, -32601)


def test_an_unknown_version_in_the_header_is_refused(web):
    answer = web.rpc("tools/list", headers={"MCP-Protocol-Version": "1999-01-01"})
    assert answer.status == 400


def test_a_batch_is_answered_as_one_array(web):
    batch = [
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    answer = web.post(batch, headers={"MCP-Protocol-Version": "2025-03-26"})
    assert answer.status == 200
    assert sorted(one["id"] for one in json.loads(answer.body)) == [1, 2]
    only_notes = web.post([batch[1]], headers={"MCP-Protocol-Version": "2025-03-26"})
    assert (only_notes.status, only_notes.body) == (202, b"")
    assert web.post(batch).status == 200  # no header stands for 2025-03-26
    assert web.post(batch, headers={"MCP-Protocol-Version": LEGACY}).status == 400


def test_many_clients_with_the_same_ids_are_served_at_the_same_time(web):
    seen = {}

    def one(number):
        message, fields = web.request("tools/call")
        message |= {"id": 1, "params": {"name": "execute_code", "arguments": {"code": f"{number} * 2"}}}
        seen[number] = web.post(message, headers=fields).message()

    threads = [threading.Thread(target=one, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60 * PATIENCE)
    assert {n: m["result"]["structuredContent"]["result"] for n, m in seen.items()} == {
        n: 2 * n for n in range(12)
    }
    assert all(m["id"] == 1 for m in seen.values())


def test_requests_in_a_pipeline_are_answered_in_order(web):
    with web.connect() as connection:
        for i in range(3):
            body = json.dumps({"jsonrpc": "2.0", "id": i, "method": "ping"}).encode()
            fields = {"Content-Type": "application/json", "Accept": BOTH}
            connection.send_request("POST", "/mcp", fields, body)
        assert [connection.answer().message()["id"] for _ in range(3)] == [0, 1, 2]


# ---- form ----
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("target", ["/mcp", "/mcp/"])
def test_the_endpoint_takes_nothing_but_post(web, method, target):
    answer = web.ask(method, target, {"Accept": "text/event-stream"})
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("accept", ["text/plain", "image/*", "application/json;q=0", "*/*;q=0"])
def test_a_client_that_takes_no_form_of_answer_is_refused(web, accept):
    answer = web.rpc("ping", headers={"Accept": accept})
    assert answer.status == 406 and "text/event-stream" in answer.message()["error"]["message"]


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", BOTH, "application/*"])
def test_json_is_sent_to_whoever_takes_it(web, accept):
    answer = web.rpc("ping", headers={"Accept": accept})
    assert (answer.status, answer.type) == (200, "application/json")


def test_a_client_that_takes_only_streams_gets_one(web):
    answer = web.rpc("ping", headers={"Accept": "text/event-stream"})
    assert (answer.status, answer.type) == (200, "text/event-stream")
    assert answer.message()["result"] == {}
    wrong = web.rpc("nothing/like/it", modern=True, headers={"Accept": "text/event-stream"})
    assert wrong.status == 404


@pytest.mark.parametrize(
    "change",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": None},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Encoding": "gzip"},
    ],
)
def test_a_body_that_is_not_plain_json_is_refused(web, change):
    assert web.rpc("ping", headers=change).status == 415


def test_a_message_that_is_too_long_is_refused_and_the_longest_program_is_not(web):
    with web.connect() as connection:
        fields = {"Content-Type": "application/json", "Accept": BOTH, "Content-Length": str(64 << 20)}
        connection.send_request("POST", "/mcp", fields)
        assert connection.answer().status == 413
    code = "#" * (262144 - 3) + "\n42"
    assert web.run(code)["result"] == 42


def test_a_large_body_is_not_read_from_who_may_not_send_it(web):
    with web.connect() as connection:
        fields = {"Content-Type": "application/json", "Accept": BOTH, "Content-Length": "1000000"}
        connection.send_request("POST", "/mcp", {**fields, "Origin": "https://evil.example.com"})
        assert connection.answer().status == 403
        assert connection.is_closed()


# ---- live output, streams ----
@pytest.mark.parametrize("modern", [False, True])
def test_progress_comes_as_events_while_the_program_runs(web, modern):
    code = "import time\nprint('first')\ntime.sleep(0.3)\nprint('second')\n7"
    connection, request = web.begin(code, modern, meta={"progressToken": "p"})
    stream = Stream(connection)
    assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
    assert stream.headers["x-accel-buffering"] == "no"
    assert "no-cache" in stream.headers["cache-control"]
    notes = []
    while "id" not in (message := stream.message()):
        assert message["method"] == "notifications/progress"
        assert message["params"]["progressToken"] == "p"
        notes.append(message["params"])
    assert "".join(note["message"] for note in notes) == "first\nsecond\n"
    values = [note["progress"] for note in notes]
    assert len(values) >= 2 and values == sorted(set(values))
    assert message["id"] == request and message["result"]["structuredContent"]["result"] == 7
    assert stream.event() is None
    # The connection is good for the next request.
    body = json.dumps({"jsonrpc": "2.0", "id": 9, "method": "ping"}).encode()
    connection.send_request("POST", "/mcp", {"Content-Type": "application/json"}, body)
    assert connection.answer().message()["id"] == 9
    connection.close()


def test_a_client_that_takes_no_streams_gets_the_whole_answer_only(web):
    params = {"name": "execute_code", "arguments": {"code": "print('x')\n1"}}
    answer = web.rpc("tools/call", params, meta={"progressToken": 1}, headers={"Accept": "application/json"})
    assert answer.type == "application/json"
    assert answer.message()["result"]["structuredContent"]["stdout"] == "x\n"


def test_a_stream_to_an_http_1_0_client_ends_with_the_connection(web):
    message, fields = web.request(
        "tools/call", {"name": "execute_code", "arguments": {"code": "print('x')"}}, meta={"progressToken": 1}
    )
    body = json.dumps(message).encode()
    head = {"Host": "localhost", **fields, "Content-Length": len(body)}
    with web.connect() as connection:
        lines = ["POST /mcp HTTP/1.0", *(f"{k}: {v}" for k, v in head.items())]
        connection.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        text = connection.rest().decode()
    assert text.startswith("HTTP/1.1 200 ") and "chunked" not in text
    assert text.count("event: message\n") == 2


def test_a_quiet_stream_gets_comments_and_a_slow_answer_becomes_a_stream(serve):
    server = serve().wait_ready()
    quiet, _ = server.begin("import time\ntime.sleep(22)\n5", meta={"progressToken": 1})
    wildcard = server.connect()
    message, fields = server.request(
        "tools/call", {"name": "execute_code", "arguments": {"code": "import time\ntime.sleep(22)\n6"}}
    )
    wildcard.send_request("POST", "/mcp", {**fields, "Accept": "*/*"}, json.dumps(message).encode())
    session = Session(server)
    text = b""
    assert quiet.head()[1]["content-type"] == "text/event-stream"
    while piece := quiet.chunk():
        text += piece
    assert text.startswith(b": ") and b'"result":5' in text
    assert wildcard.answer().type == "application/json"
    assert session.stream.connection.chunk().startswith(b": ")


# ---- cancellation ----
@pytest.mark.parametrize("streaming", [False, True])
def test_a_modern_client_that_closes_has_cancelled(web, streaming):
    before = cancelled(web)
    code = "print('started')\n" + FOREVER
    connection, _ = web.begin(code, modern=True, meta={"progressToken": 1} if streaming else None)
    if streaming:
        assert Stream(connection).message()["params"]["message"] == "started\n"
    else:
        wait_until(lambda: web.metric("vivarium_running") == 1, what="the program")
    connection.close()
    assert eventually(lambda: cancelled(web), before + 1) == before + 1
    assert web.metric("vivarium_running") == 0


def test_a_modern_client_that_resets_its_connection_has_cancelled(web):
    before = cancelled(web)
    connection, _ = web.begin(FOREVER, modern=True)
    wait_until(lambda: web.metric("vivarium_running") == 1, what="the program")
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
    assert eventually(lambda: cancelled(web), before + 1) == before + 1


def test_a_modern_client_that_closes_behind_another_request_has_cancelled(web):
    before = cancelled(web)
    connection, _ = web.begin(FOREVER, modern=True)
    wait_until(lambda: web.metric("vivarium_running") == 1, what="the program")
    connection.send_request("GET", "/health")
    connection.close()
    assert eventually(lambda: cancelled(web), before + 1) == before + 1


def test_a_legacy_client_that_closes_has_not_cancelled(web):
    before = web.metric('vivarium_executions_total{category="success"}')
    connection, _ = web.begin("import time\ntime.sleep(0.5)")
    wait_until(lambda: web.metric("vivarium_running") == 1, what="the program")
    connection.close()
    success = 'vivarium_executions_total{category="success"}'
    assert eventually(lambda: web.metric(success), before + 1) == before + 1


def test_a_legacy_client_cancels_by_a_notification(web):
    before = cancelled(web)
    connection, request = web.begin(FOREVER)
    wait_until(lambda: web.metric("vivarium_running") == 1, what="the program")
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request}}
    assert web.post(note).status == 202
    answer = connection.answer()
    assert (answer.status, answer.body) == (202, b"")
    assert eventually(lambda: cancelled(web), before + 1) == before + 1
    connection.close()


def test_a_notification_reaches_only_requests_of_its_session(web):
    sessions = ["a" * 32, "b" * 32]
    before = cancelled(web)
    message, fields = web.request(
        "tools/call", {"name": "execute_code", "arguments": {"code": "import time\ntime.sleep(1)\n1"}}
    )
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": message["id"]}}
    open_ones = []
    for session in sessions:
        open_ones.append(web.connect())
        head = {**fields, "Mcp-Session-Id": session}
        open_ones[-1].send_request("POST", "/mcp", head, json.dumps(message).encode())
    wait_until(lambda: web.metric("vivarium_running") == 2, what="two programs")
    assert web.post(note, headers={"Mcp-Session-Id": sessions[0]}).status == 202
    assert open_ones[0].answer().body == b""
    assert open_ones[1].answer().message()["result"]["structuredContent"]["result"] == 1
    assert eventually(lambda: cancelled(web), before + 1) == before + 1


def test_a_legacy_client_that_half_closes_is_answered_and_a_modern_one_has_cancelled(web):
    connection, _ = web.begin("import time\ntime.sleep(0.5)\n6 * 7")
    connection.socket.shutdown(socket.SHUT_WR)
    assert connection.answer().message()["result"]["structuredContent"]["result"] == 42
    before = cancelled(web)
    connection, _ = web.begin(FOREVER, modern=True)
    connection.socket.shutdown(socket.SHUT_WR)
    assert eventually(lambda: cancelled(web), before + 1) == before + 1


def test_a_notification_that_could_mean_two_requests_cancels_neither(web):
    before = cancelled(web)
    code = "import time\ntime.sleep(1)\n1"
    message, fields = web.request("tools/call", {"name": "execute_code", "arguments": {"code": code}})
    open_ones = []
    for _ in range(2):
        open_ones.append(web.connect())
        open_ones[-1].send_request("POST", "/mcp", fields, json.dumps(message).encode())
    wait_until(lambda: web.metric("vivarium_running") == 2, what="two programs")
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": message["id"]}}
    assert web.post(note).status == 202
    assert [one.answer().message()["result"]["structuredContent"]["result"] for one in open_ones] == [1, 1]
    assert cancelled(web) == before


def test_clients_that_come_and_vanish_leave_nothing_behind(web):
    for i in range(30):
        connection, _ = web.begin(FOREVER, modern=True, meta={"progressToken": i} if i % 2 else None)
        connection.close()
    assert eventually(lambda: web.metric("vivarium_http_messages_open"), 0) == 0
    assert eventually(lambda: web.metric("vivarium_running"), 0) == 0
    assert web.run("1 + 1")["result"] == 2
