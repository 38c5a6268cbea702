"""Who may come in over HTTP, and what everybody is shown."""

import pytest
from http_client import TOKEN, Session


# ---- pages ----
def test_the_root_tells_people_what_this_is(web):
    page = web.get("/", {"Accept": "text/html,*/*"})
    assert (page.status, page.type) == (200, "text/html")
    assert f"{web.url}/mcp" in page.text and "default-src 'none'" in page.headers["content-security-policy"]
    plain = web.get("/")
    assert plain.type == "text/plain" and f"{web.url}/mcp" in plain.text
    assert web.ask("HEAD", "/").body == b""


def test_what_is_not_there_is_404_and_says_where_mcp_is(web):
    answer = web.get("/nowhere")
    assert answer.status == 404 and "/mcp" in answer.text
    assert web.get("/.well-known/oauth-protected-resource").status == 404


def test_health_ready_and_metrics(web):
    assert web.get("/health").text == "ok\n"
    assert web.get("/ready").text == "ready\n"
    before = web.metrics()
    web.run("1")
    web.run("1 / 0")
    web.rpc("ping", headers={"Content-Type": "text/plain"})
    after = web.metrics()

    def grown(name):
        return after.get(name, 0) - before.get(name, 0)

    assert grown('vivarium_executions_total{category="success"}') == 1
    assert grown('vivarium_executions_total{category="runtime_error"}') == 1
    assert grown('vivarium_http_requests_total{route="mcp",status="200"}') == 2
    assert grown('vivarium_http_requests_total{route="mcp",status="415"}') == 1
    assert grown("vivarium_execution_duration_seconds_count") == 2
    assert (
        after['vivarium_execution_duration_seconds_bucket{le="+Inf"}']
        == after["vivarium_execution_duration_seconds_count"]
    )
    assert after["vivarium_idle_workers"] + after["vivarium_running"] >= 0
    assert after["process_resident_memory_bytes"] > 1e6 and after["process_open_fds"] > 5
    assert any(name.startswith("vivarium_build_info{version=") for name in after)
    page = web.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    names = [line.split()[2] for line in page.text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names)), "a family is there twice"


def test_refused_calls_are_counted_too(web):
    before = web.metric('vivarium_executions_total{category="invalid_request"}')
    assert web.run("1", timeout=-1)["error_category"] == "invalid_request"
    assert web.metric('vivarium_executions_total{category="invalid_request"}') == before + 1


# ---- who is addressed, from where ----
@pytest.mark.parametrize(
    "host", ["evil.example.com", "evil.example.com:9000", "127.0.0.1.evil.example.com", "10.9.8.7"]
)
@pytest.mark.parametrize("target", ["/mcp", "/health", "/metrics", "/sse"])
def test_a_host_that_is_not_ours_is_403_and_the_text_says_what_to_set(web, host, target):
    method = "POST" if target == "/mcp" else "GET"
    answer = web.ask(method, target, {"Host": host}, b"{}" if method == "POST" else None)
    assert answer.status == 403 and "SANDBOX_ALLOWED_HOSTS" in answer.text


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "[::1]:80", "127.0.0.1"])
def test_names_of_this_machine_are_good_with_any_port(web, host):
    assert web.rpc("ping", headers={"Host": host, "Origin": f"http://{host}"}).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://localhost.evil.example.com"])
def test_an_origin_that_is_not_ours_is_403_and_the_text_says_what_to_set(web, origin):
    answer = web.rpc("ping", headers={"Origin": origin})
    assert answer.status == 403
    error = answer.message()
    assert "SANDBOX_ALLOWED_ORIGINS" in error["error"]["message"] and "id" not in error
    assert web.get("/sse", {"Origin": origin}).status == 403


def test_configured_hosts_and_origins_are_good_and_may_read_the_answers(serve):
    server = serve(
        {"SANDBOX_ALLOWED_HOSTS": "sandbox.test,*.inner.test", "SANDBOX_ALLOWED_ORIGINS": "https://app.test"}
    )
    for host in ("sandbox.test", "sandbox.test:9000", "a.inner.test"):
        assert server.rpc("ping", headers={"Host": host}).status == 200
    assert server.rpc("ping", headers={"Host": "other.test"}).status == 403
    page = server.rpc("ping", headers={"Origin": "https://app.test"})
    assert (page.status, page.headers["access-control-allow-origin"]) == (200, "https://app.test")
    assert page.headers["vary"] == "Origin"
    asked = {"Origin": "https://app.test", "Access-Control-Request-Method": "POST"}
    answer = server.ask("OPTIONS", "/mcp", asked)
    assert answer.status == 204 and "Authorization" in answer.headers["access-control-allow-headers"]
    assert server.ask("OPTIONS", "/mcp", {"Origin": "http://localhost:3000"}).status == 405
    local = server.rpc("ping", headers={"Origin": "http://localhost:3000"})
    assert local.status == 200 and "access-control-allow-origin" not in local.headers


def test_a_stream_to_a_permitted_page_may_be_read_by_it(serve):
    server = serve({"SANDBOX_ALLOWED_ORIGINS": "https://app.test"}).wait_ready()
    params = {"name": "execute_code", "arguments": {"code": "print(1)"}}
    answer = server.rpc(
        "tools/call", params, meta={"progressToken": 1}, headers={"Origin": "https://app.test"}
    )
    assert (
        answer.type == "text/event-stream"
        and answer.headers["access-control-allow-origin"] == "https://app.test"
    )


# ---- tokens ----
def test_without_its_token_nobody_is_served_and_the_probe_is(serve):
    server = serve({"SANDBOX_API_TOKEN": TOKEN})
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
    ):
        answer = server.rpc("ping", headers=headers)
        assert answer.status == 401 and answer.headers["www-authenticate"].startswith("Bearer")
        assert server.get("/sse", headers).status == 401
    good = {"Authorization": f"Bearer {TOKEN}"}
    assert server.rpc("ping", headers=good).status == 200
    assert server.rpc("ping", headers={"Authorization": f"bearer {TOKEN}"}).status == 200
    assert server.get("/health").status == 200
    assert "Bearer TOKEN" in server.get("/").text
    assert TOKEN not in server.stderr()


def test_a_token_in_the_query_is_refused_even_if_it_is_right(serve):
    server = serve({"SANDBOX_API_TOKEN": TOKEN}, token=TOKEN)
    for name in ("access_token", "token", "api_key"):
        answer = server.rpc("ping", target=f"/mcp?{name}={TOKEN}")
        assert answer.status == 400 and "Authorization" in answer.message()["error"]["message"]
        assert TOKEN not in answer.text
    assert server.rpc("ping", target="/mcp?other=1").status == 200
    assert TOKEN not in server.stderr()


def test_beyond_the_rate_limit_the_answer_is_429_and_says_when(serve):
    server = serve({"SANDBOX_RATE_LIMIT": "2"}).wait_ready()
    params = {"name": "execute_code", "arguments": {"code": "1"}}
    assert [server.rpc("tools/call", params).status for _ in range(2)] == [200, 200]
    answer = server.rpc("tools/call", params)
    assert answer.status == 429 and 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.message()["result"]["structuredContent"]["error_category"] == "overloaded"
    assert server.rpc("ping").status == 200
    session = Session(server)
    message = session.request("tools/call", params)
    assert message["result"]["structuredContent"]["error_category"] == "overloaded"
    session.stream.close()
