"""The HTTP server's start and end, and what a service manager is told."""

import os
import signal
import socket
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from http_client import FOREVER, TOKEN, Connection, Session, Stream, cancelled, eventually
from stdio_client import PATIENCE, VIVARIUM, alive, process_tree, wait_until


def make_certificate(folder, until=timedelta(hours=1)):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + until)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (folder / "key.pem").chmod(0o600)
    return str(folder / "cert.pem"), str(folder / "key.pem")


def is_refused(server):
    try:
        server.connect().close()
        return False
    except ConnectionRefusedError:
        return True


# ---- start ----
@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_it_does_not_start_on_a_public_address_without_a_token(serve, address):
    server = serve(args=["--host", address], start=False)
    assert server.wait() == 2
    assert "SANDBOX_API_TOKEN" in server.stderr() and "listening" not in server.stderr()


def test_on_a_public_address_ready_and_metrics_want_the_token(serve):
    server = serve({"SANDBOX_API_TOKEN": TOKEN}, args=["--host", "0.0.0.0"])
    assert "unencrypted" in server.stderr()
    assert server.get("/health").status == 200
    for target in ("/ready", "/metrics"):
        assert server.get(target).status == 401
        assert server.get(target, {"Authorization": f"Bearer {TOKEN}"}).status != 401
    assert (
        server.rpc("ping", headers={"Authorization": f"Bearer {TOKEN}", "Host": "10.9.8.7:9000"}).status
        == 200
    )
    assert server.rpc("ping", headers={"Authorization": f"Bearer {TOKEN}", "Host": "name.test"}).status == 403


def test_a_port_that_is_taken_is_said_with_what_to_do(serve):
    first = serve()
    second = serve(args=["--port", str(first.port)], start=False)
    assert second.wait() == 3
    assert "another program" in second.stderr() and "SANDBOX_PORT" in second.stderr()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
def test_a_port_that_needs_privileges_is_said_with_what_to_do(serve):
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80:
        pytest.skip("everybody may here")
    server = serve(args=["--port", "80"], start=False)
    assert server.wait() == 3 and "1024" in server.stderr()


@pytest.mark.parametrize("host", ["no.such.name", "1.2.3", "192.0.2.1"])
def test_an_address_that_cannot_be_listened_on_is_said(serve, host):
    server = serve({"SANDBOX_API_TOKEN": TOKEN}, args=["--host", host], start=False)
    assert server.wait() in (2, 3)
    assert host in server.stderr()


def test_the_start_message_tells_how_to_connect(serve):
    server = serve()
    text = server.stderr()
    assert f"{server.url}/mcp" in text and f"{server.url}/sse" in text and "no token needed" in text
    locked = serve({"SANDBOX_API_TOKEN": TOKEN})
    assert "token is needed" in locked.stderr()
    assert server.process.stdout.fileno() and server.get("/health").status == 200


def test_lists_and_info_are_answered_before_the_self_test_is_through(serve):
    server = serve()
    assert server.call("get_sandbox_info", {})["structuredContent"]["success"] is True
    first = server.get("/ready")
    assert first.status in (200, 503)
    assert first.status == 200 or "self-test" in first.text
    server.wait_ready()
    assert server.metric("vivarium_ready") == 1


def test_everything_goes_over_tls_when_a_certificate_is_set(serve, tmp_path):
    cert, key = make_certificate(tmp_path)
    server = serve({"SANDBOX_TLS_CERT": cert, "SANDBOX_TLS_KEY": key}, tls=True).wait_ready()
    assert server.run("6 * 7", modern=True)["result"] == 42
    assert f"https://127.0.0.1:{server.port}/mcp" in server.get("/").text
    before = cancelled(server)
    connection, _ = server.begin("print('x')\n" + FOREVER, modern=True, meta={"progressToken": 1})
    assert Stream(connection).message()["params"]["message"] == "x\n"
    connection.close()
    assert eventually(lambda: cancelled(server), before + 1) == before + 1


@pytest.mark.parametrize("name", ["SANDBOX_TLS_CERT", "SANDBOX_TLS_KEY"])
def test_half_of_a_certificate_is_refused(serve, name):
    server = serve({name: "/etc/vivarium/x.pem"}, start=False)
    assert server.wait() == 2 and "both" in server.stderr()


# ---- end ----
@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_may_end_after_a_signal(serve, signo):
    server = serve().wait_ready()
    slow, _ = server.begin("print('x')\nimport time\ntime.sleep(1)\n5", meta={"progressToken": 1})
    stream = Stream(slow)
    assert "progress" in stream.message()["params"]
    session = Session(server)
    idle = server.connect()
    half = server.connect()
    half.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n")
    time.sleep(0.1)
    server.signal(signo)
    wait_until(lambda: "stopping on" in server.stderr(), what="the message")
    assert session.stream.event() is None
    assert idle.is_closed()
    assert eventually(lambda: is_refused(server), True)
    half.send(b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
    late = half.answer()
    assert (late.status, late.headers["connection"]) == (503, "close")
    assert stream.message()["result"]["structuredContent"]["result"] == 5
    assert stream.event() is None
    assert server.wait() == 0


def test_what_does_not_end_in_its_grace_is_stopped_and_answered(serve):
    server = serve({"SANDBOX_GRACE": "0.2"}).wait_ready()
    pids = process_tree(server.process.pid)
    connection, _ = server.begin("print('so far')\n" + FOREVER)
    wait_until(lambda: server.metric("vivarium_running") == 1, what="the program")
    server.signal()
    result = connection.answer().message()["result"]["structuredContent"]
    assert (result["error_category"], result["stdout"]) == ("cancelled", "so far\n")
    assert "server is ending" in result["error"] and "client" not in result["error"]
    assert server.wait() == 0
    wait_until(lambda: not alive(pids), what="the end of every process")


def test_a_second_signal_ends_at_once(serve):
    server = serve({"SANDBOX_GRACE": "1h", "SANDBOX_MAX_TIMEOUT": "300"}).wait_ready()
    pids = process_tree(server.process.pid)
    connection, _ = server.begin(FOREVER, timeout=300)
    wait_until(lambda: server.metric("vivarium_running") == 1, what="the program")
    server.signal()
    wait_until(lambda: "stopping on" in server.stderr(), what="the message")
    server.signal()
    assert server.wait() == 0
    result = connection.answer().message()["result"]["structuredContent"]
    assert result["error_category"] == "cancelled"
    wait_until(lambda: not alive(pids), what="the end of every process")


def test_an_idle_server_ends_promptly(serve):
    server = serve().wait_ready()
    with server.connect() as idle:
        idle.send_request("GET", "/health")
        assert idle.answer().status == 200
        server.signal()
        assert idle.is_closed()
        assert server.wait(10) == 0


# ---- the service manager ----
def notifications(tmp_path):
    path = str(tmp_path / "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(30 * PATIENCE)
    return path, listener


def test_the_service_manager_is_told(serve, tmp_path):
    path, listener = notifications(tmp_path)
    server = serve({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000"})
    seen = []
    while not any("READY=1" in one for one in seen) or seen.count("WATCHDOG=1") < 3:
        seen.append(listener.recv(4096).decode())
    assert server.get("/ready").status == 200
    server.signal()
    while "STOPPING=1" not in seen[-1]:
        seen.append(listener.recv(4096).decode())
    assert server.wait() == 0


def test_who_stops_before_it_is_ready_never_says_that_it_is(serve, tmp_path):
    path, listener = notifications(tmp_path)
    server = serve({"NOTIFY_SOCKET": path})
    connection, _ = server.begin("6 * 7")
    assert server.get("/health").status == 200  # and what was sent before has been read
    server.signal()
    assert connection.answer().message()["result"]["structuredContent"]["result"] == 42
    assert server.wait() == 0
    listener.settimeout(0)
    seen = []
    while not seen or seen[-1] is not None:
        try:
            seen.append(listener.recv(4096).decode())
        except BlockingIOError:
            seen.append(None)
    told = [one for one in seen if one and one.startswith(("READY=1", "STOPPING=1"))]
    assert told[-1].startswith("STOPPING=1")


def test_an_abstract_notify_socket_works_and_a_wrong_one_is_an_error(serve):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    name = f"vivarium-test-{os.getpid()}"
    listener.bind("\0" + name)
    listener.settimeout(30 * PATIENCE)
    serve({"NOTIFY_SOCKET": "@" + name})
    assert b"READY=1" in listener.recv(4096)
    wrong = serve({"NOTIFY_SOCKET": "/no/such/socket"}, start=False)
    assert wrong.wait() == 3 and "NOTIFY_SOCKET" in wrong.stderr()


def test_ipv6_works_as_ipv4_does(serve):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    server = serve(args=["--host", "::1"], address="::1")
    assert f"http://[::1]:{server.port}/mcp" in server.stderr()
    with Connection("::1", server.port) as connection:
        connection.send_request("GET", "/health")
        assert connection.answer().status == 200


def test_a_key_that_others_can_read_is_refused_and_a_certificate_of_yesterday_is_told(serve, tmp_path):
    cert, key = make_certificate(tmp_path, until=timedelta(minutes=-30))
    server = serve({"SANDBOX_TLS_CERT": cert, "SANDBOX_TLS_KEY": key}, tls=True)
    assert "certificate has expired" in server.stderr()
    os.chmod(key, 0o644)
    server = serve({"SANDBOX_TLS_CERT": cert, "SANDBOX_TLS_KEY": key}, start=False)
    assert server.wait() == 2
    assert "chmod 600" in server.stderr() and key in server.stderr()


def test_every_web_page_without_a_token_is_warned_of(serve):
    open_to_all = serve({"SANDBOX_ALLOWED_ORIGINS": "*"})
    assert open_to_all.get("/health").status == 200 and "every web page" in open_to_all.stderr()
    locked = serve({"SANDBOX_ALLOWED_ORIGINS": "*", "SANDBOX_API_TOKEN": TOKEN})
    assert locked.get("/health").status == 200 and "every web page" not in locked.stderr()


def test_who_is_refused_is_logged_and_not_a_thousand_times(serve):
    server = serve({"SANDBOX_API_TOKEN": TOKEN})
    for _ in range(30):
        assert server.rpc("ping", headers={"Authorization": "Bearer wrong"}).status == 401
    told = [line for line in server.stderr().splitlines() if "from 127.0.0.1 with 401" in line]
    assert len(told) == 10 and "wrong" not in server.stderr()


def test_a_file_of_expired_tokens_is_warned_of(serve, tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"old sha256:{'0' * 64} expires=2020-01-01\n")
    path.chmod(0o600)
    assert "has expired" in serve({"SANDBOX_TOKENS_FILE": str(path)}).stderr()


@pytest.mark.parametrize("args", [["--port", "1234"], ["--host=127.0.0.1"]])
def test_where_to_listen_is_a_usage_error_without_http(args):
    argv = [VIVARIUM, "serve", *args]
    got = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert got.returncode == 2 and b"--http" in got.stderr


def test_a_token_that_has_expired_already_is_not_made():
    argv = [VIVARIUM, "token", "a", "--expires", "2020-01-01"]
    got = subprocess.run(argv, capture_output=True, check=False)
    assert got.returncode == 2 and got.stdout == b"" and b"in the past" in got.stderr


# ---- the end of what runs the programs ----
def keeper_of(server):
    """The process that starts interpreters: a child of the server."""
    pid = server.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def test_a_server_that_could_never_run_a_program_again_ends_and_says_why(serve, tmp_path):
    path, listener = notifications(tmp_path)
    server = serve({"NOTIFY_SOCKET": path, "SANDBOX_MAX_CONCURRENCY": "1"}).wait_ready()
    running, _ = server.begin(FOREVER)
    wait_until(lambda: server.metric("vivarium_running") == 1, what="the program")
    waiting, _ = server.begin(FOREVER)
    wait_until(lambda: server.metric("vivarium_queued") == 1, what="the second program")
    os.kill(keeper_of(server), signal.SIGKILL)
    for connection in (running, waiting):
        result = connection.answer().message()["result"]["structuredContent"]
        assert result["error_category"] == "internal_error", result
    assert server.wait() == 3
    assert "vivarium-zygote" in server.stderr() and "started anew" in server.stderr()
    seen = []
    while not any("STOPPING=1" in one for one in seen):
        seen.append(listener.recv(4096).decode())
