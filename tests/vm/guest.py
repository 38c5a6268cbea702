"""Pid 1 of the virtual machine: see run.sh. Tries the delegated cgroup as root and as an ordinary user."""

import ctypes
import json
import os
import subprocess
import sys
import time
import traceback

CGROUP = "/sys/fs/cgroup"
OURS = f"{CGROUP}/vivarium"
LEAF = f"{OURS}/programs/vivarium-zygote-1"
libc = ctypes.CDLL(None, use_errno=True)


def say(text):
    print(f"vm: {text}", flush=True)


def mount(kind, where, flags=0):
    os.makedirs(where, exist_ok=True)
    if libc.mount(kind.encode(), where.encode(), kind.encode(), flags, None) < 0:
        raise OSError(ctypes.get_errno(), f"mount {kind}")


def read(path):
    with open(path) as f:
        return f.read()


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


class Server:
    """`vivarium serve`, started inside a cgroup, spoken to over its standard input and output."""

    def __init__(self, cgroup, uid=0):
        def enter():
            write(f"{cgroup}/cgroup.procs", "0")
            if uid:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)

        self.process = subprocess.Popen(
            ["/vivarium/vivarium", "serve", "--audit-log=off", "--pool-size=2"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=enter,
            cwd="/tmp",
            env={"HOME": "/tmp"},
        )
        self.last = 0
        self.request("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}})

    def request(self, method, params):
        self.last += 1
        line = json.dumps({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params})
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        while True:
            answer = json.loads(self.process.stdout.readline())
            if answer.get("id") == self.last:
                return answer["result"]

    def call(self, tool, **arguments):
        return self.request("tools/call", {"name": tool, "arguments": arguments})["structuredContent"]

    def run(self, code, **arguments):
        return self.call("execute_code", code=code, **arguments)

    def cgroup_layer(self):
        layers = self.call("get_sandbox_info")["isolation"]["layers"]
        return next(layer for layer in layers if layer["layer"] == "cgroup")

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0, self.process.returncode


def make_folder(owner=0, marked=False):
    os.mkdir(OURS)
    for name in ("", "/cgroup.procs", "/cgroup.subtree_control"):
        os.chown(OURS + name, owner, owner)
    if marked:
        os.setxattr(OURS, "trusted.delegate", b"1")


def remove_folder():
    """Every process is gone when the server is, and every leaf when the keeper is."""
    for _ in range(100):
        left = [pid for path, _, _ in os.walk(OURS) for pid in read(f"{path}/cgroup.procs").split()]
        if not left:
            break
        time.sleep(0.1)
    assert not left, left
    assert not os.path.exists(LEAF), "the zygote's leaf was left behind"
    for path, _, _ in os.walk(OURS, topdown=False):
        os.rmdir(path)


def delegated(uid):
    server = Server(OURS, uid)
    first = server.run("print(6 * 7)")
    assert first["success"] and first["stdout"] == "42\n", first
    layer = server.cgroup_layer()
    assert layer["active"] and layer["why_not"] is None, layer
    assert read(f"{OURS}/server/cgroup.procs").split() == [str(server.process.pid)]
    assert len(read(f"{OURS}/programs/keeper/cgroup.procs").split()) == 1
    assert len(read(f"{LEAF}/cgroup.procs").split()) >= 4, "init, zygote, workers"
    assert read(f"{OURS}/cgroup.procs") == "" and read(f"{OURS}/programs/cgroup.procs") == ""
    assert read(f"{LEAF}/pids.max") == "4096\n"
    assert int(read(f"{LEAF}/memory.max")) < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE")
    assert os.stat(f"{OURS}/programs/memory.max").st_uid == uid, "the folder's own limits stay ours"
    worker = os.stat(LEAF).st_uid
    assert worker == uid if uid else worker != 0
    ceilings(server)
    server.end()


def ceilings(server):
    """What the leaf's limits stop costs programs, not the server."""
    room = int(read(f"{LEAF}/memory.current")) + (24 << 20)
    write(f"{LEAF}/memory.max", str(room))
    big = server.run("x = bytearray(100 << 20)\nprint(len(x))")
    assert not big["success"], big
    say(f"  memory.max: {big['error_category']}: {big['error']}")
    assert big["error_category"] == "memory_limit", big
    assert "oom_kill 0" not in read(f"{LEAF}/memory.events").splitlines()
    write(f"{LEAF}/memory.max", "max")
    after = server.run("print(1)")
    assert after["success"], after
    write(f"{LEAF}/pids.max", "1")
    assert server.run("print(2)")["success"], "by a worker that was there before"
    time.sleep(1)
    assert int(read(f"{LEAF}/pids.events").split()[1]) > 0, "no worker could be made in its place"
    write(f"{LEAF}/pids.max", "max")
    for _ in range(3):
        assert server.run("print(3)")["success"]


def as_root():
    make_folder(marked=True)
    delegated(0)
    remove_folder()


def as_user():
    make_folder(owner=1000)
    delegated(1000)
    remove_folder()


def without_mark():
    make_folder()
    server = Server(OURS)
    assert server.run("1")["success"]
    layer = server.cgroup_layer()
    assert not layer["active"] and "not marked as delegated" in layer["why_not"], layer
    assert str(server.process.pid) in read(f"{OURS}/cgroup.procs").split()
    server.end()
    assert not os.path.exists(f"{OURS}/server")
    remove_folder()


def with_company():
    make_folder(marked=True)
    other = subprocess.Popen(["/bin/busybox", "sleep", "1000"])
    write(f"{OURS}/cgroup.procs", str(other.pid))
    server = Server(OURS)
    assert server.run("1")["success"]
    layer = server.cgroup_layer()
    assert not layer["active"] and "other processes live in it" in layer["why_not"], layer
    assert str(other.pid) in read(f"{OURS}/cgroup.procs").split()
    server.end()
    other.kill()
    other.wait()
    remove_folder()


def main():
    mount("proc", "/proc")
    mount("sysfs", "/sys")
    mount("cgroup2", CGROUP)
    subprocess.run(["/bin/busybox", "ip", "link", "set", "lo", "up"], check=False)
    write(f"{CGROUP}/cgroup.subtree_control", "+memory +pids")
    for test in (as_root, as_user, without_mark, with_company):
        started = time.monotonic()
        test()
        say(f"ok {test.__name__} ({time.monotonic() - started:.0f} s)")
    say("all is well")


try:
    main()
except BaseException:
    traceback.print_exc()
    for line in traceback.format_exc().splitlines():
        say(line)
sys.stdout.flush()
time.sleep(0.5)
libc.reboot(0x4321FEDC)
