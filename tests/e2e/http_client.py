"""A plain HTTP client over a raw socket, and a server to talk to: nothing is hidden, sent twice or retried."""

import hashlib
import json
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import time

from stdio_client import LEGACY, MODERN, MODERN_META, PATIENCE, VIVARIUM, clean_environment, wait_until

BOTH = "application/json, text/event-stream"
TOKEN = "0123456789abcdef0123456789abcdef-test"
FOREVER = "while True: pass"
INITIALIZE = {
    "protocolVersion": LEGACY,
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}
LISTENING = re.compile(r"listening on (https?)://(\[?[^\]\s]+\]?):(\d+)")


class Closed(Exception):
    """The server has closed the connection in the middle of something."""


class Connection:
    """One connection. Requests are written as given; answers are read to their last byte."""

    def __init__(self, address, port, tls=None, timeout=30):
        self.host = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        self.socket = socket.create_connection((address, port), timeout=timeout * PATIENCE)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=address)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def send_request(self, method, target, headers=None, body=None):
        """Host and Content-Length are made here unless @headers has them; None leaves one out."""
        fields = {"Host": self.host}
        if body is not None:
            fields["Content-Length"] = str(len(body))
        fields.update(headers or {})
        head = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items() if v is not None)]
        self.send("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + (body or b""))

    # ---- reading ----
    def fill(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise Closed(f"after {self.buffer[-200:]!r}")
        self.buffer += data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def exactly(self, n):
        while len(self.buffer) < n:
            self.fill()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def head(self):
        """(status, {lower-case name: value})"""
        status = self.line().split(b" ", 2)
        assert status[0] == b"HTTP/1.1", status
        fields = {}
        while line := self.line():
            name, _, value = line.partition(b":")
            fields[name.decode().lower()] = value.strip().decode("latin-1")
        return int(status[1]), fields

    def chunk(self):
        """The next piece of a chunked body, b"" at its end."""
        data = self.exactly(int(self.line(), 16))
        assert self.line() == b""
        return data

    def rest(self):
        """Whatever comes until the server closes."""
        data = self.buffer
        while piece := self.socket.recv(1 << 16):
            data += piece
        self.buffer = b""
        return data

    def answer(self, head_only=False):
        status, fields = self.head()
        if head_only or status == 204:
            body = b""
        elif fields.get("transfer-encoding") == "chunked":
            body = b"".join(iter(self.chunk, b""))
        else:
            body = self.exactly(int(fields.get("content-length", 0)))
        return Answer(status, fields, body)

    def is_closed(self, timeout=5):
        """Does the server end the connection within that time, sending nothing more?"""
        self.socket.settimeout(timeout * PATIENCE)
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def type(self):
        return self.headers.get("content-type", "").split(";")[0]

    @property
    def text(self):
        return self.body.decode()

    def message(self):
        """The one JSON-RPC message, from either form of answer."""
        if self.type == "text/event-stream":
            return self.messages()[-1]
        assert self.type == "application/json", (self.status, self.headers, self.body)
        return json.loads(self.body)

    def messages(self):
        return [json.loads(data) for name, data in events_of(self.body.decode()) if name == "message"]

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:500]!r}>"


def events_of(text):
    """[(event, data)] of a text of whole events; comments are ("", text)."""
    found = []
    for block in text.split("\n\n"):
        lines = block.split("\n")
        if block.startswith(":"):
            found.append(("", block[1:].strip()))
        elif block:
            fields = dict(line.split(": ", 1) for line in lines)
            found.append((fields.get("event", "message"), fields["data"]))
    return found


class Stream:
    """A stream of events being read."""

    def __init__(self, connection):
        self.connection = connection
        self.status, self.headers = connection.head()
        self.text = b""

    def event(self):
        """(event, data) of the next one, comments left out; None at the end of the stream."""
        while True:
            while b"\n\n" not in self.text:
                piece = self.connection.chunk()
                if not piece:
                    return None
                self.text += piece
            block, self.text = self.text.split(b"\n\n", 1)
            name, data = events_of(block.decode())[0]
            if name:
                return name, data

    def message(self):
        name, data = self.event()
        assert name == "message"
        return json.loads(data)

    def close(self):
        self.connection.close()


class HttpServer:
    """One `vivarium serve --http` on a port of the kernel's choice."""

    def __init__(self, settings=None, args=(), address="127.0.0.1", start=True, token=None, tls=False):
        self.address, self.token = address, token
        self.tls = ssl._create_unverified_context() if tls else None
        self.last_id = 0
        self.stderr_file = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [VIVARIUM, "serve", "--http", "--port", "0", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.stderr_file,
            env=clean_environment({"SANDBOX_RATE_LIMIT": "0", **(settings or {})}),
        )
        self.port = None
        if start:
            wait_until(self.is_listening, 30, "the start message")
            assert self.port, self.stderr()

    def is_listening(self):
        found = LISTENING.search(self.stderr())
        self.port = int(found[3]) if found else None
        return found or self.process.poll() is not None

    def stderr(self):
        self.stderr_file.seek(0)
        return self.stderr_file.read().decode(errors="replace")

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://{self.address}:{self.port}"

    # ---- requests ----
    def connect(self, **kwargs):
        return Connection(self.address, self.port, self.tls, **kwargs)

    def fields(self, headers):
        token = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {**token, **(headers or {})}

    def ask(self, method, target, headers=None, body=None):
        """One request on a connection of its own, and its whole answer."""
        with self.connect() as connection:
            connection.send_request(method, target, self.fields(headers), body)
            return connection.answer(head_only=method == "HEAD")

    def get(self, target, headers=None):
        return self.ask("GET", target, headers)

    def post(self, message, target="/mcp", headers=None):
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        fields = {"Content-Type": "application/json", "Accept": BOTH, **(headers or {})}
        return self.ask("POST", target, fields, body)

    def metrics(self):
        """{"name{labels}": value}"""
        text = self.get("/metrics").text
        return {
            k: float(v) for k, _, v in (line.rpartition(" ") for line in text.splitlines() if line[0] != "#")
        }

    def metric(self, name):
        return self.metrics().get(name, 0)

    def wait_ready(self):
        wait_until(lambda: self.get("/ready").status == 200, 60, "/ready")
        return self

    # ---- MCP ----
    def request(self, method, params=None, modern=False, meta=None):
        """(message, headers) of a request, unsent."""
        self.last_id += 1
        params = dict(params or {})
        headers = {"Content-Type": "application/json", "Accept": BOTH}
        if modern:
            params["_meta"] = {**MODERN_META, **(meta or {})}
            headers |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
            if name := params.get("name") or params.get("uri"):
                headers["Mcp-Name"] = name
        else:
            headers["MCP-Protocol-Version"] = LEGACY
            if meta:
                params["_meta"] = meta
        return {"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}, headers

    def rpc(self, method, params=None, modern=False, meta=None, headers=None, target="/mcp"):
        """Send a request and wait; the whole answer."""
        message, fields = self.request(method, params, modern, meta)
        return self.post(message, target, {**fields, **(headers or {})})

    def call(self, name, arguments, modern=False, **kwargs):
        """The result of a tool."""
        answer = self.rpc("tools/call", {"name": name, "arguments": arguments}, modern, **kwargs)
        message = answer.message()
        assert answer.status == 200 and "error" not in message, answer
        return message["result"]

    def run(self, code, modern=False, **arguments):
        return self.call("execute_code", {"code": code, **arguments}, modern)["structuredContent"]

    def begin(self, code, modern=False, meta=None, target="/mcp", **arguments):
        """Start a program; the connection on which its answer comes, and the id of the request."""
        message, fields = self.request(
            "tools/call", {"name": "execute_code", "arguments": {"code": code, **arguments}}, modern, meta
        )
        connection = self.connect()
        connection.send_request("POST", target, self.fields(fields), json.dumps(message).encode())
        return connection, message["id"]

    # ---- end ----
    def signal(self, signo=signal.SIGTERM):
        self.process.send_signal(signo)

    def wait(self, timeout=30):
        return self.process.wait(timeout * PATIENCE)

    def close(self):
        """End it, if it has not ended; it must do so in order."""
        running = self.process.poll() is None
        if running:
            self.signal()
            try:
                self.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.process.stdout.close()
        assert not running or self.process.returncode == 0, (self.process.returncode, self.stderr())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def eventually(read, wanted, timeout=20):
    """Read again and again until it is @wanted; the last that was read."""
    deadline = time.monotonic() + timeout * PATIENCE
    while (seen := read()) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    return seen


class Session:
    """A legacy session: a stream, and the address to post to."""

    def __init__(self, server, target="/sse", headers=None):
        self.server = server
        connection = server.connect()
        connection.send_request(
            "GET", target, server.fields({"Accept": "text/event-stream", **(headers or {})})
        )
        self.stream = Stream(connection)
        assert (self.stream.status, self.stream.headers["content-type"]) == (200, "text/event-stream")
        name, self.address = self.stream.event()
        assert name == "endpoint"

    def post(self, message, **kwargs):
        return self.server.post({"jsonrpc": "2.0", **message}, self.address, **kwargs)

    def request(self, method, params=None, number=1):
        answer = self.post({"id": number, "method": method, "params": params or {}})
        assert (answer.status, answer.body) == (202, b""), answer
        return self.stream.message()


def cancelled(server):
    """How many programs were cancelled so far."""
    return server.metric('vivarium_executions_total{category="cancelled"}')


def tokens_file(tmp_path, token):
    """A file with one token, as the server's own command writes its lines."""
    path = tmp_path / "tokens"
    path.write_text(f"other sha256:{hashlib.sha256(token.encode()).hexdigest()}\n")
    path.chmod(0o600)
    return str(path)
