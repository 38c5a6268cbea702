"""A plain client for the raw stream: sees every byte, sends anything, waits for nothing unasked."""

import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TREE = HERE.parents[1]
VIVARIUM = os.environ.get("VIVARIUM", str(TREE / "build" / "vivarium"))
# Sanitizers make everything slower, never different.
PATIENCE = 5 if os.environ.get("VIVARIUM_SANITIZED") else 1

LEGACY = "2025-11-25"
MODERN = "2026-07-28"
MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}


class ServerGone(Exception):
    """The server's end of the stream is closed."""


def clean_environment(extra=None):
    """Nothing of the caller's own settings, so that a test means the same everywhere."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
    env.update({"SANDBOX_STATE_DIR": os.path.join(tempfile.gettempdir(), "vivarium-state")})
    env.update(extra or {})
    return {name: value for name, value in env.items() if value is not None}


class Server:
    """One `vivarium serve` and the stream to it.

    @settings: environment variables for it. @modern: speak 2026-07-28 instead of the older revisions."""

    def __init__(self, settings=None, args=(), cwd=None, modern=False, start=True, command=None):
        self.stderr_file = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [*(command or [VIVARIUM, "serve"]), *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr_file,
            env=clean_environment(settings),
            cwd=cwd,
            bufsize=0,
        )
        self.modern = modern
        self.buffer = b""
        self.last_id = 0
        self.answers = {}
        self.notifications = []
        self.unread = []
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        if start and not modern:
            self.initialize()

    # ---- bytes ----
    def send_bytes(self, data):
        self.process.stdin.write(data)

    def read_line(self, timeout):
        """The next whole line without its end, or None when @timeout seconds have passed."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            if not self.selector.select(max(0, deadline - time.monotonic())):
                return None
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                raise ServerGone(f"exit status {self.process.wait()}, stderr: {self.stderr()}")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    # ---- messages ----
    def send(self, message):
        self.send_bytes(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def receive(self, timeout=10):
        """The next message of any kind; None when @timeout has passed."""
        line = self.read_line(timeout * PATIENCE)
        if line is None:
            return None
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0", message
        return message

    def ask(self, method, params=None, meta=None):
        """Send a request; its id."""
        self.last_id += 1
        params = dict(params or {})
        if self.modern:
            params["_meta"] = {**MODERN_META, **(meta or {})}
        elif meta:
            params["_meta"] = meta
        self.send({"id": self.last_id, "method": method, "params": params})
        return self.last_id

    def notify(self, method, params=None):
        self.send({"method": method, "params": params or {}})

    def answer(self, request_id, timeout=30):
        """The response to a request sent earlier; others that arrive meanwhile are kept."""
        deadline = time.monotonic() + timeout * PATIENCE
        while request_id not in self.answers:
            left = deadline - time.monotonic()
            message = self.receive(max(left, 0) / PATIENCE) if left > 0 else None
            if message is None:
                raise TimeoutError(f"no answer to request {request_id}; stderr: {self.stderr()}")
            if "method" in message:
                self.notifications.append(message)
            else:
                self.answers[message["id"]] = message
        return self.answers.pop(request_id)

    def request(self, method, params=None, timeout=30, meta=None):
        """The result of a request; AssertionError when it is an error."""
        message = self.answer(self.ask(method, params, meta), timeout)
        assert "error" not in message, message
        return message["result"]

    def error(self, method, params=None, timeout=30):
        message = self.answer(self.ask(method, params), timeout)
        assert "result" not in message, message
        return message["error"]

    def initialize(self, version=LEGACY):
        params = {
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": {"name": "tests", "version": "1"},
        }
        result = self.request("initialize", params)
        self.notify("notifications/initialized")
        return result

    # ---- tools ----
    def ask_tool(self, name, arguments, meta=None):
        return self.ask("tools/call", {"name": name, "arguments": arguments}, meta)

    def call(self, name, arguments, timeout=30):
        return self.request("tools/call", {"name": name, "arguments": arguments}, timeout)

    def ask_run(self, code, meta=None, **arguments):
        return self.ask_tool("execute_code", {"code": code, **arguments}, meta)

    def ran(self, request_id, timeout=30):
        """The structured content of the answer to ask_run(), its outer shape checked."""
        message = self.answer(request_id, timeout)
        assert "error" not in message, message
        return checked(message["result"])

    def run(self, code, wait=30, **arguments):
        """Execute @code; the structured content."""
        return self.ran(self.ask_run(code, **arguments), wait)

    def validate(self, code):
        return self.call("validate_code", {"code": code})["structuredContent"]

    def info(self):
        return self.call("get_sandbox_info", {})["structuredContent"]

    # ---- end ----
    def stderr(self):
        self.stderr_file.seek(0)
        return self.stderr_file.read().decode(errors="replace")

    def pids(self):
        """The server and everything below it, with start times, so that a reused number is not confused."""
        return process_tree(self.process.pid)

    def close(self, timeout=10):
        """End of input; the exit status."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        return self.process.wait(timeout * PATIENCE)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        return self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            try:
                self.close()
            except (subprocess.TimeoutExpired, BrokenPipeError):
                self.kill()
        self.selector.close()
        self.process.stdout.close()


def checked(result):
    """What holds for every answer of execute_code; its structured content."""
    answer = result["structuredContent"]
    texts = [json.loads(item["text"]) for item in result["content"] if item["type"] == "text"]
    assert answer in texts, "the text block is not the structured content"
    assert result.get("isError", False) is (not answer["success"])
    return answer


def stat_of(pid):
    """(parent, start time) of a process; None when there is none or it is only waiting to be reaped."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else (int(fields[1]), int(fields[19]))


def process_tree(root):
    """{(pid, start time)} of @root and all its descendants."""
    seen = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := stat_of(int(name))):
            seen[int(name)] = found
    tree, grown = {root}, True
    while grown:
        more = {pid for pid, (parent, _) in seen.items() if parent in tree} - tree
        tree |= more
        grown = bool(more)
    return {(pid, seen[pid][1]) for pid in tree if pid in seen}


def alive(pids):
    """Those of @pids (as from process_tree()) that still run."""
    return {(pid, start) for pid, start in pids if (now := stat_of(pid)) and now[1] == start}


def wait_until(condition, timeout=10, what="condition"):
    deadline = time.monotonic() + timeout * PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {timeout} s")
        time.sleep(0.01)
