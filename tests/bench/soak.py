"""Hours of a bad day in minutes: mixed load over HTTP from clients that behave and clients that vanish in the
middle of anything. Afterwards nothing may be left of it.

usage: soak.py [BUILD] [--minutes N]        (default: SOAK_MINUTES, else 30)

Prints what was done and what the server held meanwhile; exit status 1 when something grew, hangs or was
answered wrongly. No check is about time.
"""

import argparse
import asyncio
import collections
import contextlib
import json
import os
import random
import resource
import signal
import socket
import statistics
import struct
import sys
import time
from pathlib import Path

import bench

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import http_client  # noqa: E402
from http_client import HttpServer, eventually  # noqa: E402
from stdio_client import LEGACY, MODERN, MODERN_META, clean_environment, process_tree  # noqa: E402

HONEST, VANISHING, ROUNDS = 16, 16, 6
SLOW = "import time\nfor i in range(5):\n    print(i)\n    time.sleep(0.05)"
# (program, arguments, category of the answer or None for success, what the answer must hold)
PROGRAMS = [
    ("result = 2 + 2", {}, None, {"result": 4}),
    ("print('x' * 100_000)", {}, None, {"stdout": "x" * 100_000 + "\n"}),
    (SLOW, {}, None, {"stdout": "0\n1\n2\n3\n4\n"}),
    ("1 / 0", {}, "runtime_error", {"error_type": "ZeroDivisionError"}),
    ("import os", {}, "security_violation", {}),
    ("def", {}, "syntax_error", {}),
    ("while True: pass", {"timeout": 0.3}, "timeout", {}),
    ("x = bytearray(100_000_000)", {"memory_limit": "16m"}, "memory_limit", {}),
    ("result = 1", {"timeout": -1}, "invalid_request", {}),
]
# What memory at rest may grow by, KiB.
GROWTH = {"heap in use (KiB)": 1024, "memory of the server (KiB)": 1024, "memory of the others (KiB)": 4096}
NOTHING = [0] * 5  # see quiet()
done = collections.Counter()
wrong = []


# ---- one connection ----
class Peer:
    """A client's connection. Whoever leaves the block in the middle of something has vanished."""

    def __init__(self, server, brutal=False):
        self.server, self.brutal = server, brutal

    async def __aenter__(self):
        address = (self.server.address, self.server.port)
        self.reader, self.writer = await asyncio.open_connection(*address, limit=1 << 24)
        return self

    async def __aexit__(self, *_):
        if self.brutal:  # a reset instead of an end
            option = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        self.writer.transport.abort()

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def head(self):
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), fields

    async def chunk(self):
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:size]

    async def answer(self):
        """(status, last message) of a whole answer in either form."""
        status, fields = await self.head()
        if "content-length" in fields:
            body = await self.reader.readexactly(int(fields["content-length"]))
            return status, json.loads(body) if body else None
        body = b""
        while piece := await self.chunk():
            body += piece
        events = [one for one in body.decode().split("\n\n") if one.startswith("event: message")]
        return status, json.loads(events[-1].split("data: ", 1)[1])

    async def event(self):
        """Data of the next event of a stream."""
        text = ""
        while "\n\n" not in text:
            text += (await self.chunk()).decode()
            if text.startswith(":"):
                text = text.partition("\n\n")[2]
        return text.partition("\n\n")[0].split("data: ", 1)[1]


def request(method, params, modern=False, path="/mcp", progress=False):
    """The bytes of a POST."""
    meta = dict(MODERN_META) if modern else {}
    if progress:
        meta["progressToken"] = "p"
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    body = json.dumps(message).encode()
    fields = {
        "Host": "localhost",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MODERN if modern else LEGACY,
        "Content-Length": len(body),
    }
    if modern:
        fields |= {"Mcp-Method": method} | ({"Mcp-Name": params["name"]} if "name" in params else {})
    head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items())
    return head.encode() + b"\r\n" + body


def tool(name, arguments, **kwargs):
    return request("tools/call", {"name": name, "arguments": arguments}, **kwargs)


def slow(modern=False, **kwargs):
    return tool("execute_code", {"code": SLOW}, modern=modern, **kwargs)


def expect(condition, what):
    if not condition and len(wrong) < 20:
        wrong.append(what)


# ---- clients that behave ----
async def one_program(peer, **kwargs):
    code, arguments, category, fields = random.choice(PROGRAMS)
    await peer.send(tool("execute_code", {"code": code, **arguments}, modern=random.random() < 0.5, **kwargs))
    status, message = await peer.answer()
    answer = message["result"]["structuredContent"]
    good = answer.get("error_category") == category and all(answer[k] == v for k, v in fields.items())
    expect(status == 200 and good, f"{code!r}: {status} {str(answer)[:300]}")
    done["programs"] += 1


async def run_programs(server):
    async with Peer(server) as peer:
        for _ in range(random.randint(1, 10)):
            await one_program(peer, progress=random.random() < 0.3)


async def ask(server):
    async with Peer(server) as peer:
        for _ in range(random.randint(1, 50)):
            await peer.send(tool("get_sandbox_info", {}))
            status, message = await peer.answer()
            good = status == 200 and message["result"]["structuredContent"]["success"]
            expect(good, f"get_sandbox_info: {status}")
            done["answers"] += 1


async def validate(server):
    async with Peer(server) as peer:
        await peer.send(tool("validate_code", {"code": "import os"}))
        _, message = await peer.answer()
        verdict = message["result"]["structuredContent"]["validation"]
        expect(verdict["errors"] == ["Line 1: Import 'os' is not allowed"], f"validate_code: {verdict}")
        done["answers"] += 1


async def read_lists(server):
    async with Peer(server) as peer:
        for kind, name in (
            ("tools", "tools"),
            ("prompts", "prompts"),
            ("resources/templates", "resourceTemplates"),
        ):
            await peer.send(request(f"{kind}/list", {}, modern=random.random() < 0.5))
            _, message = await peer.answer()
            expect(message.get("result", {}).get(name), f"{kind}/list: {str(message)[:300]}")
            done["answers"] += 1


async def hold_a_session(server):
    async with Peer(server) as stream:
        await stream.send(b"GET /sse HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        await stream.head()
        path = await stream.event()
        async with Peer(server) as peer:
            for number in range(random.randint(1, 5)):
                await peer.send(tool("execute_code", {"code": f"result = {number}"}, path=path))
                status, _ = await peer.answer()
                result = json.loads(await stream.event())["result"]["structuredContent"]
                expect(status == 202 and result["result"] == number, f"session: {status} {result}")
        done["sessions"] += 1


# ---- clients that vanish ----
async def vanish_in_a_request(server):
    data = slow()
    async with Peer(server, brutal=random.random() < 0.5) as peer:
        await peer.send(data[: random.randrange(len(data))])
        await asyncio.sleep(random.random() / 10)


async def vanish_while_it_runs(server):
    async with Peer(server, brutal=random.random() < 0.5) as peer:
        await peer.send(slow(modern=random.random() < 0.5))
        await asyncio.sleep(random.random() / 2)


async def vanish_in_a_stream(server):
    async with Peer(server, brutal=random.random() < 0.5) as peer:
        await peer.send(slow(modern=random.random() < 0.5, progress=True))
        await peer.head()
        await peer.chunk()


async def vanish_with_more_waiting(server):
    async with Peer(server, brutal=random.random() < 0.5) as peer:
        await peer.send(slow(modern=True) * 3)
        await asyncio.sleep(random.random() / 5)


async def vanish_from_a_session(server):
    async with Peer(server, brutal=random.random() < 0.5) as stream:
        await stream.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        await stream.head()
        path = await stream.event()
        async with Peer(server) as peer:
            await peer.send(slow(path=path) * random.randint(1, 3))
            await asyncio.sleep(random.random() / 5)


async def never_read(server):
    flood = "import time\nfor i in range(50):\n    print('y' * 20_000)\n    time.sleep(0.02)"
    async with Peer(server, brutal=random.random() < 0.5) as peer:
        peer.writer.transport.pause_reading()
        await peer.send(tool("execute_code", {"code": flood}, modern=random.random() < 0.5, progress=True))
        await asyncio.sleep(random.random() * 2)


async def drip(server):
    data = slow()
    async with Peer(server) as peer:
        for n in range(random.randint(1, 20)):
            await peer.send(data[n : n + 1])
            await asyncio.sleep(0.1)


async def say_nothing(server):
    async with Peer(server, brutal=random.random() < 0.5):
        await asyncio.sleep(random.random())


async def talk_nonsense(server):
    async with Peer(server) as peer:
        await peer.send(random.randbytes(random.randint(1, 5000)))
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(peer.reader.read(), 1)


GOOD = [run_programs, run_programs, run_programs, ask, validate, read_lists, hold_a_session]
BAD = [vanish_in_a_request, vanish_while_it_runs, vanish_in_a_stream, vanish_with_more_waiting]
BAD += [vanish_from_a_session, never_read, drip, say_nothing, talk_nonsense]
GONE = (ConnectionError, asyncio.IncompleteReadError, BrokenPipeError)


async def actor(server, plays, until, honest):
    while time.monotonic() < until:
        play = random.choice(plays)
        try:
            await asyncio.wait_for(play(server), 120)
        except GONE as error:
            expect(not honest, f"{play.__name__}: {error!r}")
        except Exception as error:
            expect(False, f"{play.__name__}: {error!r}")
        done["visits" if honest else "vanished"] += 1


# ---- what the server holds ----
def pss(pids):
    return sum(bench.pss_kib(pid) for pid in pids)


def held(server):
    pid = server.process.pid
    others = [other for other, _ in process_tree(pid) if other != pid]
    return {
        "memory of the server (KiB)": pss([pid]),
        "memory of the others (KiB)": pss(others),
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
        "processes": len(others) + 1,
    }


async def watch(server, until, samples):
    while time.monotonic() < until:
        samples.append((time.monotonic(), held(server)))
        await asyncio.sleep(1)


async def load(server, seconds):
    samples = []
    until = time.monotonic() + seconds
    people = [actor(server, GOOD, until, True) for _ in range(HONEST)]
    people += [actor(server, BAD, until, False) for _ in range(VANISHING)]
    await asyncio.gather(*people, watch(server, until, samples))
    return samples


def quiet(server):
    """What runs, waits or is connected, but for the one who asks."""
    seen = server.metrics()
    names = ("running", "queued", "http_messages_open", "http_sessions")
    return [seen[f"vivarium_{name}"] for name in names] + [seen["vivarium_http_connections"] - 1]


def settled(server):
    """Waits for the end of all that is under way: (what is, what is held then)."""
    state = eventually(lambda: quiet(server), NOTHING, 60)
    time.sleep(2)  # the pool fills, memory is given back
    heap = int(server.metrics()["vivarium_heap_bytes"]) // 1024
    return state, held(server) | {"heap in use (KiB)": heap}


# ---- verdict ----
def fallen(server, name, wanted):
    """What is held at last, once it has had time to fall to what is @wanted."""
    eventually(lambda: held(server)[name] <= wanted, True, 30)
    return held(server)[name]


def verdict(server, fresh, ends, state):
    """[(what, how it stands, passed)] from what is held before any load and at rest after each round."""
    rows = [("no answer was wrong", "; ".join(wrong) or f"{done['programs']:,} programs", not wrong)]
    rows.append(("no execution, session or connection is stuck", str(state), state == NOTHING))
    errors = server.metrics()['vivarium_executions_total{category="internal_error"}']
    rows.append(("no internal error", f"{errors:.0f}", errors == 0))
    for name in ("processes", "descriptors"):
        now = fallen(server, name, fresh[name])
        rows.append((f"no {name} left", f"{fresh[name]} → {now}", now <= fresh[name]))
    for name, allowed in GROWTH.items():
        values = [end[name] for end in ends]
        # The level at rest goes up and down with what was last freed; a leak only goes up.
        grown = min(values[-2:]) - max(values[:2])
        rows.append((f"no growth: {name}", " → ".join(f"{one:,}" for one in values), grown <= allowed))
    answer = server.run(bench.PROGRAM)
    rows.append(("it still serves", str(answer.get("result")), answer.get("result") == 4))
    server.signal(signal.SIGTERM)
    status = server.wait(60)
    rows.append(("it ends when told to", f"exit status {status}", status == 0))
    return rows


def report(samples, rows):
    print(f"\n{', '.join(f'{count:,} {what}' for what, count in sorted(done.items()))}\n")
    print(f"{'':28}{'first':>10}{'median':>10}{'most':>10}{'last':>10}")
    for name in samples[0][1]:
        values = [one[name] for _, one in samples]
        shown = (values[0], statistics.median(values), max(values), values[-1])
        print(f"{name:28}" + "".join(f"{value:>10,.0f}" for value in shown))
    print()
    for what, how, passed in rows:
        print(f"{'ok' if passed else 'FAILED':7}{what}: {how}")
    failed = sum(not passed for *_, passed in rows)
    print(f"\n{len(rows) - failed} passed, {failed} failed")
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?", default="build")
    parser.add_argument("--minutes", type=float, default=float(os.environ.get("SOAK_MINUTES") or 30))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    random.seed(args.seed)
    http_client.VIVARIUM = str(Path(args.build).resolve() / "vivarium")
    os.environ.update(clean_environment())
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    print(
        f"{args.minutes:g} minutes, seed {args.seed}, {HONEST} clients behave, {VANISHING} vanish", flush=True
    )
    with HttpServer() as server:
        server.wait_ready()
        server.run(bench.PROGRAM)
        time.sleep(1)
        fresh, samples, ends = held(server), [], []
        for _ in range(ROUNDS):
            samples += asyncio.run(load(server, args.minutes * 60 / ROUNDS))
            state, end = settled(server)
            ends.append(end)
        failed = report(samples, verdict(server, fresh, ends, state))
        if failed:
            print(server.stderr()[-4000:], file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
