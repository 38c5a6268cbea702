"""Legacy HTTP+SSE sessions."""

import pytest
from http_client import FOREVER, INITIALIZE, TOKEN, Session, cancelled, eventually, tokens_file
from stdio_client import wait_until


# ---- legacy sessions ----
@pytest.mark.parametrize("target", ["/sse", "/"])
def test_a_legacy_session_answers_on_its_stream(web, target):
    session = Session(web, target)
    assert session.request("initialize", INITIALIZE)["result"]["serverInfo"]["name"] == "vivarium"
    assert session.post({"method": "notifications/initialized"}).status == 202
    message = session.request("tools/call", {"name": "execute_code", "arguments": {"code": "2 ** 10"}}, 5)
    assert message["id"] == 5 and message["result"]["structuredContent"]["result"] == 1024
    session.stream.close()


def test_every_session_has_an_address_of_its_own_that_cannot_be_guessed(web):
    sessions = [Session(web) for _ in range(4)]
    addresses = {session.address for session in sessions}
    assert len(addresses) == 4
    for address in addresses:
        head, _, name = address.rpartition("/")
        assert head == "/messages" and len(name) == 32 and int(name, 16) >= 0
    for wrong in (
        "/messages/" + "0" * 32,
        "/messages/",
        sessions[0].address[:-1],
        sessions[0].address.upper(),
    ):
        assert web.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}, wrong).status == 404
    for session in sessions:
        session.stream.close()


def test_progress_and_cancellation_work_in_a_session(web):
    session = Session(web)
    before = cancelled(web)
    params = {
        "name": "execute_code",
        "arguments": {"code": "print('go')\n" + FOREVER},
        "_meta": {"progressToken": 3},
    }
    assert session.post({"id": 8, "method": "tools/call", "params": params}).status == 202
    assert session.stream.message()["params"]["message"] == "go\n"
    twice = session.request("ping", number=8)
    assert twice["error"]["code"] == -32600  # an id that is under way
    session.post({"method": "notifications/cancelled", "params": {"requestId": 8}})
    assert eventually(lambda: cancelled(web), before + 1) == before + 1
    assert session.request("ping", number=9) == {"jsonrpc": "2.0", "id": 9, "result": {}}
    session.stream.close()


def test_a_session_ends_with_its_stream_and_so_does_what_runs_in_it(web):
    before = cancelled(web)
    session = Session(web)
    params = {"name": "execute_code", "arguments": {"code": FOREVER}}
    for number in range(2):
        session.post({"id": number, "method": "tools/call", "params": params})
    wait_until(lambda: web.metric("vivarium_running") == 2, what="two programs")
    session.stream.close()
    assert eventually(lambda: cancelled(web), before + 2) == before + 2
    assert eventually(lambda: web.metric("vivarium_http_sessions"), 0) == 0
    assert session.post({"id": 3, "method": "ping"}).status == 404


def test_a_session_is_bounded_in_what_is_under_way(web):
    session = Session(web)
    params = {"name": "execute_code", "arguments": {"code": "import time\ntime.sleep(3)"}}
    statuses = [session.post({"id": i, "method": "tools/call", "params": params}).status for i in range(66)]
    assert statuses[:60] == [202] * 60 and 429 in statuses
    session.stream.close()
    assert eventually(lambda: web.metric("vivarium_queued") + web.metric("vivarium_running"), 0) == 0


def test_messages_of_a_session_are_judged_like_all_others(web):
    session = Session(web)
    assert session.post({"id": 1, "method": "ping"}, headers={"Content-Type": "text/plain"}).status == 415
    assert session.post({"id": 1, "method": "ping"}, headers={"Host": "evil.example.com"}).status == 403
    assert web.get(session.address).status == 405
    assert web.post(b"{", session.address).status == 202
    assert session.stream.message()["error"]["code"] == -32700
    session.stream.close()


def test_a_session_belongs_to_the_token_that_opened_it(serve, tmp_path):
    other = "another-token-0123456789abcdef0123456789"
    server = serve(
        {"SANDBOX_API_TOKEN": TOKEN, "SANDBOX_TOKENS_FILE": tokens_file(tmp_path, other)}, token=TOKEN
    )
    session = Session(server)
    message = {"id": 1, "method": "ping"}
    stolen = session.post(message, headers={"Authorization": f"Bearer {other}"})
    unknown = server.post({"jsonrpc": "2.0", **message}, "/messages/" + "0" * 32)
    assert (stolen.status, stolen.body) == (404, unknown.body)
    assert session.post(message, headers={"Authorization": None}).status == 401
    assert session.request("ping") == {"jsonrpc": "2.0", "id": 1, "result": {}}
    session.stream.close()
