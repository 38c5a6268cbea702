"""Prompts, resources and completion over stdio, in both eras; answers to what is not quite JSON."""

import pytest
from stdio_client import Server

PROMPTS = {
    "analyze_data": {"data": "a,b\n1,2", "question": "Which is larger?"},
    "explain_error": {"code": "1 / 0", "error": "ZeroDivisionError"},
    "plot": {"data": "1 4 9", "kind": "line"},
}


@pytest.fixture(params=["legacy", "modern"])
def either(request):
    with Server(modern=request.param == "modern") as server:
        yield server


def test_what_is_advertised_is_answered(either):
    method = "server/discover" if either.modern else "initialize"
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    capabilities = either.request(method, {} if either.modern else params)["capabilities"]
    lists = {} if either.modern else {"listChanged": False}
    assert capabilities == {"tools": lists, "resources": lists, "prompts": lists, "completions": {}}
    for listing in ("tools/list", "resources/list", "resources/templates/list", "prompts/list"):
        assert either.request(listing), listing


def test_every_prompt_that_is_listed_can_be_filled_in(either):
    listed = {prompt["name"]: prompt for prompt in either.request("prompts/list")["prompts"]}
    assert set(listed) == set(PROMPTS)
    for name, arguments in PROMPTS.items():
        assert set(arguments) <= {argument["name"] for argument in listed[name]["arguments"]}
        result = either.request("prompts/get", {"name": name, "arguments": arguments})
        (message,) = result["messages"]
        assert message["role"] == "user"
        for value in arguments.values():
            assert value in message["content"]["text"]
        assert "execute_code" in message["content"]["text"]


def test_an_artifact_that_is_not_there_is_not_found(either):
    uri = "sandbox://0190a5f0-0000-7000-8000-000000000000/plot.png"
    error = either.error("resources/read", {"uri": uri})
    assert error["code"] == (-32602 if either.modern else -32002)
    assert error["data"] == {"uri": uri}


def test_kinds_of_charts_are_completed(either):
    params = {"ref": {"type": "ref/prompt", "name": "plot"}, "argument": {"name": "kind", "value": "h"}}
    result = either.request("completion/complete", params)
    assert result["completion"]["values"] == ["heat map", "histogram"]


@pytest.mark.parametrize("trouble", ['"\\ud800"', "1e400", '{"a": 1, "a": 2}'])
def test_a_message_that_no_parser_can_hold_is_answered_by_its_id(server, trouble):
    server.send_bytes(
        b'{"jsonrpc": "2.0", "id": "odd", "method": "ping", "params": {"x": %s}}\n' % trouble.encode()
    )
    answer = server.receive()
    assert answer["id"] == "odd"
    assert answer["error"]["code"] == -32700


def test_meta_that_is_no_object_is_refused(server):
    error = server.error("tools/list", {"_meta": 5})
    assert error["code"] == -32602
    assert "_meta" in error["message"]
