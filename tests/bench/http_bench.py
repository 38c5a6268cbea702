"""Measures the server over HTTP against its goals, and against the official TypeScript SDK in the same run.

usage: http_bench.py [BUILD] [--quick] [--json FILE] [--only PART...]
PART: info flat programs fair idle

The load comes from this machine too and takes its share of the cores: wrk (one thread) where answers are
cheap, a loop over raw sockets where programs run.
"""

import argparse
import contextlib
import hashlib
import http.client
import json
import os
import re
import resource
import secrets
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from drivers import NODE  # noqa: E402
from http_client import HttpServer  # noqa: E402
from stdio_client import HERE, LEGACY, MODERN, MODERN_META, clean_environment, process_tree  # noqa: E402

row = bench.row
CONNECTIONS = 64
COMPARED = {
    "session": "TypeScript SDK 1.x, one session",
    "stateless": "TypeScript SDK 1.x, stateless",
    "second": "TypeScript SDK 2.x",
}
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


# ---- wrk ----
# The id is unique, as the SDK's sessions need it, and of constant length, so that only it is made anew.
SCRIPT = """
local n = 10000000
local head, tail = %(head)s, %(tail)s
function request()
    n = n + 1
    return head .. n .. tail
end
"""


def script_for(port, headers, message):
    """A request whose id is filled in by wrk, as Lua text."""
    before, after = json.dumps({"jsonrpc": "2.0", **message, "id": 0}).rsplit("0", 1)
    fields = {"Host": f"127.0.0.1:{port}", **headers, "Content-Length": len(before) + 8 + len(after)}
    head = "POST /mcp HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"
    return SCRIPT % {"head": json.dumps(head + before), "tail": json.dumps(after)}


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wrk(pid, port, headers, message, seconds):
    """A run without a bad answer: {"rate", "p99" (ms), "requests", "cpu" (µs of the server @pid for one)}."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(script_for(port, headers, message))
        script.flush()
        argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "--latency"]
        argv += ["-s", script.name, f"http://127.0.0.1:{port}/mcp"]
        before = cpu_seconds(pid)
        text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        spent = cpu_seconds(pid) - before
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(text)
    requests = int(re.search(r"(\d+) requests in", text)[1])
    return {
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        "requests": requests,
        "p99": milliseconds(text, "99%"),
        "cpu": spent * 1e6 / requests,
    }


def milliseconds(text, share):
    value, unit = re.search(rf"{share}\s+([\d.]+)(us|ms|s)", text).groups()
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def call_of(tool, arguments, modern=False):
    params = {"name": tool, "arguments": arguments}
    if not modern:
        return {"method": "tools/call", "params": params}, {**HEADERS, "MCP-Protocol-Version": LEGACY}
    params["_meta"] = MODERN_META
    more = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": tool}
    return {"method": "tools/call", "params": params}, {**HEADERS, **more}


# ---- the SDK's server ----
@contextlib.contextmanager
def compared(mode, tool):
    """(pid, port, headers) of the TypeScript SDK's server that offers @tool."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(tool, file)
        file.flush()
        argv = [NODE, HERE / "js/serve.mjs", mode, file.name]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            port = int(process.stdout.readline())
            try:
                yield process.pid, port, introduced(port, tool)
            finally:
                process.stdin.close()


def introduced(port, tool):
    """The headers of a client that has initialized, and has seen the right answer."""
    headers = {**HEADERS, "MCP-Protocol-Version": LEGACY}
    client = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
    answer, _ = post(port, headers, {"method": "initialize", "params": client})
    if session := answer.getheader("mcp-session-id"):
        headers["Mcp-Session-Id"] = session
    _, text = post(port, headers, call_of(tool["name"], {})[0])
    message = json.loads(text.removeprefix("event: message\ndata: "))
    assert message["result"]["structuredContent"] == tool["answer"], f"the wrong answer: {text[:1000]}"
    return headers


def post(port, headers, message):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/mcp", json.dumps({"jsonrpc": "2.0", "id": 1, **message}), headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def offered(server):
    """The tool get_sandbox_info with its answer."""
    tools = server.rpc("tools/list").message()["result"]["tools"]
    found = next(one for one in tools if one["name"] == "get_sandbox_info")
    keys = ("name", "title", "description", "annotations")
    return {key: found[key] for key in keys} | {
        "answer": server.call("get_sandbox_info", {})["structuredContent"]
    }


# ---- parts ----
def info(quick):
    """Rounds of each in turn, so that what disturbs the machine disturbs all of them."""
    seconds, rounds = (2, 2) if quick else (5, 5)
    with HttpServer() as server, contextlib.ExitStack() as stack:
        tool = offered(server.wait_ready())
        others = {mode: stack.enter_context(compared(mode, tool)) for mode in COMPARED}
        call, headers = call_of("get_sandbox_info", {})
        modern, modern_headers = call_of("get_sandbox_info", {}, modern=True)
        runs = {name: [] for name in ("ours", "modern", *others)}
        for _ in range(rounds):
            at = (server.process.pid, server.port)
            runs["ours"].append(wrk(*at, headers, call, seconds))
            runs["modern"].append(wrk(*at, modern_headers, modern, seconds))
            for mode, (pid, port, fields) in others.items():
                runs[mode].append(wrk(pid, port, fields, call, seconds))
    rates, slow, cpu = (
        {name: statistics.median(one[what] for one in many) for name, many in runs.items()}
        for what in ("rate", "p99", "cpu")
    )
    what = f"get_sandbox_info, {CONNECTIONS} connections"
    row(f"{what}: Vivarium", rates["ours"], "/s")
    row(f"{what}: Vivarium, 2026-07-28", rates["modern"], "/s")
    for mode, name in COMPARED.items():
        row(f"{what}: {name}", rates[mode], "/s")
    ratio = rates["ours"] / max(rates[mode] for mode in COMPARED)
    row("  times the fastest of them", ratio, "×", "≥ 10", ratio >= 10)
    row("  99th percentile: Vivarium", slow["ours"], "ms", "< 10", slow["ours"] < 10)
    for mode, name in COMPARED.items():
        row(f"  99th percentile: {name}", slow[mode], "ms")
    row("  CPU time of the server for one: Vivarium", cpu["ours"], "µs")
    for mode, name in COMPARED.items():
        row(f"  CPU time of the server for one: {name}", cpu[mode], "µs")
    row("  times less than the least of them", min(cpu[mode] for mode in COMPARED) / cpu["ours"], "×")
    row("  bytes of one answer", len(json.dumps(tool["answer"], separators=(",", ":"))), "")


def flat(quick):
    total = 100_000 if quick else 1_000_000
    with HttpServer() as server:
        server.wait_ready()
        call, headers = call_of("get_sandbox_info", {})
        done, warm = 0, None
        while done < total:
            done += wrk(server.process.pid, server.port, headers, call, 1 if quick else 5)["requests"]
            if warm is None and done >= total / 10:
                warm, first = bench.rss_kib(server.process.pid), done
        grown = bench.rss_kib(server.process.pid) - warm
    row(f"growth of the server from {first:,} to {done:,} requests", grown, "KiB", "0", grown <= 64)


class Client:
    """A connection that asks for a program again and again."""

    def __init__(self, server, token=None):
        self.socket = socket.create_connection((server.address, server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        message, headers = call_of("execute_code", {"code": bench.PROGRAM})
        body = json.dumps({"jsonrpc": "2.0", "id": 1, **message}).encode()
        fields = {"Host": f"127.0.0.1:{server.port}", **headers, "Content-Length": len(body)}
        if token:
            fields["Authorization"] = f"Bearer {token}"
        head = "POST /mcp HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"
        self.request, self.seen, self.answered, self.times = head.encode() + body, b"", 0, []

    def send(self):
        self.began = time.perf_counter()
        self.socket.sendall(self.request)

    def receive(self):
        """True when an answer is whole."""
        self.seen += self.socket.recv(1 << 16)
        head, blank, body = self.seen.partition(b"\r\n\r\n")
        if not blank or len(body) < int(re.search(rb"Content-Length: (\d+)", head)[1]):
            return False
        if not head.startswith(b"HTTP/1.1 200 ") or b'"structuredContent":{"success":true' not in body:
            raise RuntimeError(f"a program did not run: {self.seen[:1000]}")
        self.times.append(time.perf_counter() - self.began)
        self.seen = b""
        return True


def drive(clients, seconds):
    """Keep every client waiting for one answer, for so long. What comes later is read, not counted."""
    selector = selectors.DefaultSelector()
    start = time.perf_counter()
    for one in clients:
        selector.register(one.socket, selectors.EVENT_READ, one)
        one.send()
    waiting = len(clients)
    while waiting:
        for key, _ in selector.select(30):
            if not key.data.receive():
                continue
            if time.perf_counter() - start < seconds:
                key.data.answered += 1
                key.data.send()
            else:
                waiting -= 1
    for one in clients:
        one.socket.close()
    selector.close()


def programs(quick):
    with HttpServer() as server:
        server.wait_ready()
        clients = [Client(server) for _ in range(16)]
        seconds = 3 if quick else 15
        drive(clients, seconds)
    counts = sorted(one.answered for one in clients)
    times = sorted(took for one in clients for took in one.times)
    rate = sum(counts) / seconds
    row("execute_code, 16 connections, no error", rate, "/s", "≥ 500", rate >= 500)
    row("  median", statistics.median(times) * 1000, "ms")
    row("  99th percentile", bench.percentile(times, 0.99) * 1000, "ms")
    row("  programs of the connection with the fewest", counts[0], "")
    row("  programs of the connection with the most", counts[-1], "")


def fair(quick):
    """One client with many connections against three with one each: each token is a client."""
    tokens = {f"client{n}": secrets.token_hex(32) for n in range(4)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tokens"
        lines = [f"{k} sha256:{hashlib.sha256(v.encode()).hexdigest()} rate=0\n" for k, v in tokens.items()]
        file.write_text("".join(lines))
        file.chmod(0o600)
        with HttpServer({"SANDBOX_TOKENS_FILE": str(file)}, token=tokens["client0"]) as server:
            server.wait_ready()
            greedy, *modest = tokens.values()
            many = [Client(server, greedy) for _ in range(45)]
            few = [Client(server, token) for token in modest for _ in range(4)]
            seconds = 3 if quick else 15
            drive(many + few, seconds)
    shares = [sum(one.answered for one in many)]
    shares += [sum(one.answered for one in few[n : n + 4]) for n in range(0, 12, 4)]
    row("one client with 45 connections, three with 4: together", sum(shares) / seconds, "/s")
    row("  share of the one", shares[0] * 100 / sum(shares), "%", "25")
    for share in sorted(shares[1:]):
        row("  share of one of the three", share * 100 / sum(shares), "%", "25")


def pss_mb(pids):
    return sum(bench.pss_kib(pid) for pid in pids) * 1024 / 1e6


def idle_memory(open_one, name):
    with HttpServer() as server:
        server.wait_ready()
        server.run(bench.PROGRAM)
        time.sleep(1)
        tree = [pid for pid, _ in process_tree(server.process.pid)]
        before = pss_mb([server.process.pid])
        held = [open_one(server) for _ in range(1000)]
        time.sleep(1)
        assert server.metrics()["vivarium_http_connections"] >= 1000
        alone, everything = pss_mb([server.process.pid]), pss_mb(tree)
        for one in held:
            one.close()
    row(f"1,000 idle {name}: the server (PSS)", alone, "MB")
    row(f"1,000 idle {name}: server, keeper, zygote, pool (PSS)", everything, "MB", "≤ 50", everything <= 50)
    row("  one connection", (alone - before) * 1e6 / 1000 / 1024, "KiB")


def open_session(server):
    connection = server.connect()
    connection.send_request("GET", "/sse", {"Accept": "text/event-stream"})
    status, _ = connection.head()
    assert status == 200 and b"endpoint" in connection.chunk()
    return connection


def open_kept(server):
    connection = server.connect()
    message, headers = call_of("get_sandbox_info", {})
    connection.send_request(
        "POST", "/mcp", headers, json.dumps({"jsonrpc": "2.0", "id": 1, **message}).encode()
    )
    assert connection.answer().status == 200
    connection.buffer = b""
    return connection


def idle(quick):
    idle_memory(open_session, "SSE sessions")
    idle_memory(open_kept, "keep-alive connections")


PARTS = {"info": info, "flat": flat, "programs": programs, "fair": fair, "idle": idle}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?", default="build")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    args = parser.parse_args()
    import http_client

    http_client.VIVARIUM = str(Path(args.build).resolve() / "vivarium")
    os.environ.update(clean_environment())
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    if not shutil.which("wrk"):
        sys.exit("wrk is missing: scripts/setup bench")
    for name in args.only:
        PARTS[name](args.quick)
    bench.table()
    if args.json:
        Path(args.json).write_text(json.dumps(bench.rows, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
