"""The kernel's walls alone: with os, socket, ctypes and the rest permitted, nothing outside is touched.

The programs run as any code inside a worker could if every check in the interpreter had fallen."""

import platform
from pathlib import Path

import pytest

IMPORTS = "os,sys,socket,ctypes,subprocess,signal,resource,fcntl,mmap,threading,multiprocessing,time,glob,shutil,struct,select,errno,stat,pty,ssl,tempfile,builtins"


@pytest.fixture(scope="module")
def open_server():
    """A server that permits the modules of harm."""
    from stdio_client import Server

    with Server({"SANDBOX_ALLOWED_IMPORTS": IMPORTS}) as server:
        yield server


WALLS = {
    "reading a file": "import os\nresult = os.read(os.open('{secret}', os.O_RDONLY), 100).decode()",
    "reading a file through a link": "import os\nos.symlink('{secret}', '/tmp/link')\nresult = os.read(os.open('/tmp/link', 0), 100).decode()",
    "listing the folder": "import os\nresult = os.listdir('{folder}')\nassert 'secret.txt' in result",
    "writing a file": "import os\nos.write(os.open('{secret}', os.O_WRONLY), b'changed')",
    "making a file": "import os\nos.close(os.open('{trace}', os.O_CREAT | os.O_WRONLY))",
    "making a folder": "import os\nos.mkdir('{trace}')",
    "removing a file": "import os\nos.unlink('{secret}')",
    "renaming a file": "import os\nos.rename('{secret}', '{trace}')",
    "truncating a file": "import os\nos.truncate('{secret}', 0)",
    "changing a mode": "import os\nos.chmod('{secret}', 0)",
    "a device node": "import os, stat\nos.mknod('/tmp/sda', stat.S_IFBLK | 0o666, os.makedev(8, 0))\nos.open('/tmp/sda', 0)",
    "the host's passwd": "import os\nresult = os.read(os.open('/etc/passwd', 0), 4000).decode()\nassert 'daemon' in result",
    "the host's shadow": "import os\nos.open('/etc/shadow', 0)",
    "proc": "import os\nresult = os.listdir('/proc/1')",
    "sys": "import os\nresult = os.listdir('/sys/kernel')",
    "writing anywhere at all": "import os\nmade = []\nfor root, folders, files in os.walk('/'):\n    try:\n        os.close(os.open(root + '/w', os.O_CREAT | os.O_WRONLY))\n        made.append(root)\n    except OSError:\n        pass\nassert made, 'nowhere'\nresult = made",
    "connecting by TCP": "import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)",
    "connecting by TCP over IPv6": "import socket\nsocket.socket(socket.AF_INET6).connect(('::ffff:127.0.0.1', {port}))",
    "sending by UDP": "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
    "connecting by unix socket": "import socket\nsocket.socket(socket.AF_UNIX).connect('{unix}')",
    "listening": "import socket\nsocket.create_server(('127.0.0.1', 0))",
    "a raw socket": "import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "netlink": "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)",
    "vsock": "import socket\nsocket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)",
    "running a program": "import subprocess\nsubprocess.run(['touch', '{trace}'], check=True)",
    "running a shell": "import os\nassert os.system('touch {trace}') == 0",
    "exec": "import os, sys\nos.execv('/usr/bin/python3', ['python3', '-c', 'open(\"{trace}\", \"w\")'])",
    "fork": "import os\npid = os.fork()\nassert pid >= 0",
    "a pseudo terminal": "import pty\npty.fork()",
    "killing a sibling": "import os\nos.kill({sibling}, 9)",
    "killing everything": "import os\nos.kill(-1, 9)",
    "killing the parent": "import os\nassert os.getppid() > 0\nos.kill(os.getppid(), 9)",
    "ptrace of a sibling": "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nassert libc.ptrace(16, {sibling}, 0, 0) == 0",
    "reading another process' memory": "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nb = ctypes.create_string_buffer(8)\nclass V(ctypes.Structure):\n    _fields_ = [('p', ctypes.c_void_p), ('n', ctypes.c_size_t)]\nv = V(ctypes.addressof(b), 8)\nassert libc.process_vm_readv({sibling}, ctypes.byref(v), 1, ctypes.byref(v), 1, 0) == 8",
    "mount": "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nassert libc.mount(b'proc', b'/tmp', b'proc', 0, None) == 0",
    "unshare": "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nassert libc.unshare(0x10000000) == 0",
    "pivot_root": "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nassert libc.syscall(155, b'/', b'/') == 0",
    "chroot": "import os\nos.chroot('/usr')",
    "setuid": "import os\nos.setuid(0)\nassert os.getuid() == 12345678",
    "bpf": "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nassert libc.syscall(321, 0, 0, 0) >= 0",
    "io_uring": "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nb = ctypes.create_string_buffer(256)\nassert libc.syscall(425, 1, b) >= 0",
    "userfaultfd": "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nassert libc.syscall(323, 0) >= 0",
    "perf events": "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nb = ctypes.create_string_buffer(128)\nassert libc.syscall(298, b, 0, -1, -1, 0) >= 0",
    "the kernel keyring": "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nassert libc.syscall(250, 0, -3, 0) > 0",
    "a kernel module": "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nassert libc.syscall(175, b'x', 1, b'') == 0",
    "open by handle": "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nb = ctypes.create_string_buffer(128)\nassert libc.syscall(304, -100, b, 0) >= 0",
    "a pidfd of a sibling": "import os\nos.pidfd_open({sibling})",
    "shared memory of System V": "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nassert libc.shmget(0x1234, 4096, 0o1666) >= 0",
    "a message queue": "import ctypes\nlibc = ctypes.CDLL('librt.so.1', use_errno=True)\nassert libc.mq_open(b'/vivarium', 0o100 | 2, 0o666, None) >= 0",
    "raising its own limits": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "limits of a sibling": "import resource\nresource.prlimit({sibling}, resource.RLIMIT_NOFILE, (3, 3))",
    "the priority of others": "import os\nos.setpriority(os.PRIO_USER, 0, 19)\nos.setpriority(os.PRIO_PROCESS, {sibling}, 19)\nassert os.getpriority(os.PRIO_PROCESS, {sibling}) == 19",
    "setting the clock": "import time\ntime.clock_settime(time.CLOCK_REALTIME, 0)",
    "the host name": "import socket\nsocket.sethostname('pwned')",
    "signals by fcntl": "import fcntl, os\nr, w = os.pipe()\nfcntl.fcntl(r, fcntl.F_SETOWN, {sibling})\nfcntl.fcntl(r, fcntl.F_SETSIG, 9)",
    "terminal injection": "import fcntl\nfor fd in range(3):\n    fcntl.ioctl(fd, 0x5412, b'x')",
    "an executable mapping of a file": "import mmap, os\nfd = os.open('{secret}', os.O_RDONLY)\nmmap.mmap(fd, 4096, prot=mmap.PROT_EXEC | mmap.PROT_READ)",
    "a memory file that is executed": "import os\nfd = os.memfd_create('x')\nos.write(fd, b'#!/bin/sh\\ntouch {trace}\\n')\nos.execve(fd, ['x'], {})",
}


@pytest.mark.parametrize("name", WALLS)
def test_a_kernel_wall_holds_alone(open_server, harm, name):
    code = WALLS[name]
    if ".syscall(" in code and platform.machine() != "x86_64":
        pytest.skip("the numbers of system calls are those of x86-64")
    values = {"sibling": harm.sibling.pid, "folder": harm.folder}
    for key in ("trace", "secret", "unix", "port"):
        values[key] = getattr(harm, key)
    for key, value in values.items():
        code = code.replace("{" + key + "}", str(value))
    answer = open_server.run(code, timeout=5)
    assert harm.check(answer) == []
    assert answer["success"] is False, answer["result"]
    assert "Import '" not in answer["error"], f"never got as far as the kernel: {answer['error']}"
    assert open_server.run("result = 1")["result"] == 1


FLOODS = {
    "threads": "import threading, time\nfor _ in range(100_000): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    "forks": "import os\nn = 0\nfor _ in range(1000):\n    if os.fork() == 0: os._exit(0)",
    "descriptors": "import os\nx = []\nwhile True: x.append(os.dup(1))",
    "pipes": "import os\nx = []\nwhile True: x.append(os.pipe())",
    "memory files": "import os\nx = []\nwhile True:\n    fd = os.memfd_create('x')\n    os.ftruncate(fd, 1 << 40)\n    x.append(os.write(fd, b'x' * (1 << 20)))",
    "anonymous mappings": "import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 1 << 24))",
    "output to the descriptor itself": "import os\nwhile True: os.write(1, b'x' * 65536)",
    "writes to every descriptor": "import os\nfor fd in range(3, 64):\n    try:\n        for _ in range(100): os.write(fd, b'\\xff' * 65536)\n    except OSError: pass\nresult = 1",
    "closing every descriptor": "import os\nos.closerange(0, 1024)\nresult = 1",
    "its own death": "import os\nos._exit(0)",
    "its own death with a status": "import os\nos._exit(77)",
    "abort": "import os\nos.abort()",
    "a null pointer": "import ctypes\nctypes.string_at(0)",
    "its own SIGKILL": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\nimport ctypes\nctypes.string_at(0)",
    "its own SIGSTOP": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nwhile True: pass",
    "every signal ignored": "import signal\nfor s in range(1, 65):\n    try:\n        signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True: pass",
    "every signal caught": "import signal\nfor s in range(1, 65):\n    try:\n        signal.signal(s, lambda *a: None)\n    except (OSError, ValueError): pass\nwhile True: pass",
    "an alarm": "import signal\nsignal.alarm(1)\nimport time\ntime.sleep(10)",
    "garbage in the interpreter": "import ctypes\nfor i in range(0, 1 << 20, 8): ctypes.memset(id(int) + i, 0xff, 8)",
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_program_that_rages_costs_only_its_own_run(open_server, harm, name):
    neighbour = open_server.ask_run("import time\ntime.sleep(0.5)\nresult = 'unhurt'")
    answer = open_server.run("print('said', flush=True)\n" + FLOODS[name], timeout=2)
    assert open_server.ran(neighbour)["result"] == "unhurt"
    assert harm.check(answer) == []
    assert answer["success"] is False or name in (
        "writes to every descriptor",
        "closing every descriptor",
        "threads",
        "its own death",
    )
    assert open_server.run("result = 1")["result"] == 1


def test_what_was_printed_before_a_sudden_death_comes_back(open_server):
    answer = open_server.run("import os\nprint('last words', end='')\nos._exit(3)")
    assert answer["success"] is False
    assert answer["stdout"] == "last words"
    assert answer["error_category"] in ("runtime_error", "internal_error")


def test_a_stopped_program_meets_its_timeout(open_server):
    answer = open_server.run(
        "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nwhile True: pass", timeout=0.5
    )
    assert answer["error_category"] == "timeout"


def test_a_lying_worker_is_not_believed(open_server):
    """Forged messages on the worker's own channel change nothing but its own answer."""
    code = "import os\nfor fd in range(3, 10):\n    try:\n        os.write(fd, b'\\x04\\0\\0\\0' + bytes([18]) * 4)\n    except OSError: pass\nresult = 2"
    answer = open_server.run(code)
    assert answer["execution_time"] >= 0
    assert open_server.run("result = 1")["result"] == 1


def test_the_program_sees_neither_the_host_nor_the_environment(open_server):
    answer = open_server.run("import os\nresult = [dict(os.environ), os.getcwd(), os.getpid()]")
    environ, cwd, pid = answer["result"]
    assert not {name for name in environ if name.startswith(("SANDBOX", "VIVARIUM", "USER", "PY"))}
    assert {environ.get("HOME", "/"), environ.get("PATH", "/")} == {"/"}
    assert cwd == "/"
    assert pid < 100


@pytest.mark.parametrize(
    "path", ["/home", "/root", "/proc", "/sys", "/var", "/work", "/boot", "/run", "/opt"]
)
def test_the_folders_of_the_host_are_not_even_there(open_server, path):
    if open_server.run("1")["isolation"] == "landlock":
        pytest.skip("without a root of its own, names of the host can be seen")
    answer = open_server.run(f"import os\nos.stat('{path}')")
    assert answer["error_type"] in ("FileNotFoundError", "PermissionError")


def test_no_program_runs_as_root(open_server):
    answer = open_server.run("import os\nresult = [os.getuid(), os.geteuid(), os.getgid(), os.getegid()]")
    assert answer["success"], answer["error"]
    assert 0 not in answer["result"]


def test_the_server_itself_is_not_root(open_server):
    for pid, _ in open_server.pids():
        with open(f"/proc/{pid}/status") as file:
            uids = next(line for line in file if line.startswith("Uid")).split()[1:]
        assert "0" not in uids, f"process {pid} runs as root"
    status = Path(f"/proc/{open_server.process.pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in status


def test_a_warning_says_that_the_kernel_walls_are_alone(open_server):
    text = open_server.stderr()
    assert "SANDBOX_ALLOWED_IMPORTS" in text
    assert "os" in text


def test_a_blocked_system_call_is_reported_as_a_security_event(open_server):
    answer = open_server.run(
        "import socket\ntry:\n    socket.socket()\nexcept OSError:\n    pass\nresult = 1"
    )
    layers = {event["layer"] for event in answer["security_events"]}
    assert layers & {"seccomp", "audit", "kernel"}, answer["security_events"]
    assert all(event["remedy"] for event in answer["security_events"])


def test_the_self_test_held_on_this_machine(open_server):
    text = str(open_server.info()["isolation"])
    assert "broken" not in text.lower()
