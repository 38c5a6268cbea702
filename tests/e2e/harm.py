"""What an escape would do, made visible from outside: a canary to read or to change, a listener to reach, a
process to see, to slow down or to kill."""

import contextlib
import os
import resource
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path


class Harm:
    """Set up before hostile programs run; check() afterwards says what was harmed.

    The folder is one that everybody may read and write: whoever cannot reach it was stopped by a wall."""

    SECRET = "canary-7f3b1c"

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="vivarium-harm-", dir="/var/tmp"))
        self.folder.chmod(0o777)
        self.secret = self.folder / "secret.txt"
        self.secret.write_text(self.SECRET)
        self.secret.chmod(0o666)
        self.trace = self.folder / "trace"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.unix = self.folder / "socket"
        self.unix_listener = socket.socket(socket.AF_UNIX)
        self.unix_listener.bind(str(self.unix))
        self.unix.chmod(0o777)
        self.unix_listener.listen()
        self.connections = []
        self.threads = []
        self.ending = False
        for one in (self.listener, self.unix_listener):
            self.watch(self._accept, one)
        self.sibling = subprocess.Popen(["sleep", "300"], cwd=self.folder)
        self.properties = self._properties()

    def watch(self, function, *args):
        self.threads.append(threading.Thread(target=function, args=args, daemon=True))
        self.threads[-1].start()

    def _accept(self, listener):
        listener.settimeout(0.2)
        while not self.ending:
            try:
                connection, peer = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self.connections.append(peer)
            connection.close()

    def _properties(self):
        pid = self.sibling.pid
        return os.getpriority(os.PRIO_PROCESS, pid), resource.prlimit(pid, resource.RLIMIT_NOFILE)

    def holes(self):
        """What the programs of the corpus leave open: see tests/policy/cases.py."""
        return {
            "trace": self.trace,
            "secret": self.secret,
            "folder": self.folder,
            "unix": self.unix,
            "port": self.port,
            "sibling": self.sibling.pid,
        }

    def check(self, answer=None):
        """A list of the harms done; empty when the walls held."""
        done = []
        if not self.secret.exists() or self.secret.read_text() != self.SECRET:
            done.append("the canary was changed")
        if set(os.listdir(self.folder)) - {"secret.txt", "socket"}:
            done.append(f"files appeared: {os.listdir(self.folder)}")
        if self.connections:
            done.append(f"connections arrived: {self.connections}")
        if self.sibling.poll() is not None:
            done.append("the sibling process was killed")
        elif self._properties() != self.properties:
            done.append(f"the sibling process was changed: {self._properties()}")
        if answer is not None and self.SECRET in str(answer):
            done.append("the canary was read")
        return done

    def close(self):
        self.ending = True
        for one in (self.listener, self.unix_listener):
            one.close()
        self.sibling.kill()
        self.sibling.wait()
        for thread in self.threads:
            thread.join()
        shutil.rmtree(self.folder, ignore_errors=True)


class WideHarm(Harm):
    """More of it, for programs that nothing but the kernel holds."""

    ENVIRONMENT = "environment-5d1e0a"
    SIBLING = "sibling-c4a97b"

    def __init__(self):
        super().__init__()
        self.sibling.kill()
        self.sibling.wait()
        self.sibling = subprocess.Popen([self.SIBLING, "300"], executable="sleep", cwd=self.folder)
        self.properties = self._properties()
        self.place = Path(tempfile.mkdtemp(prefix="vivarium-place-", dir="/dev/shm"))
        self.place.chmod(0o777)
        self.shared = Path(f"/dev/shm/vivarium-canary-{self.sibling.pid}")
        self.shared.write_text(self.SECRET)
        self.shared.chmod(0o666)
        self.state = self._state()
        self.abstract = f"vivarium-harm-{self.sibling.pid}"
        self.abstract_listener = socket.socket(socket.AF_UNIX)
        self.abstract_listener.bind("\0" + self.abstract)
        self.abstract_listener.listen()
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind(("127.0.0.1", 0))
        self.datagrams.setblocking(False)
        with socket.create_server(("127.0.0.1", 0)) as unused:
            self.free = unused.getsockname()[1]
        self.listens = False
        self.watch(self._accept, self.abstract_listener)
        self.watch(self._knock)

    def _state(self):
        """Mode and times of the canary, by which a change shows that leaves the content."""
        try:
            status = self.secret.stat()
        except OSError:
            return None
        return status.st_mode, status.st_mtime_ns

    def _knock(self):
        """Does anything answer at the port that nobody should listen at?"""
        while not self.ending:
            try:
                socket.create_connection(("127.0.0.1", self.free), 1).close()
                self.listens = True
            except OSError:
                time.sleep(0.02)

    def holes(self):
        return {
            **super().holes(),
            "shared": self.shared,
            "abstract": self.abstract,
            "datagrams": self.datagrams.getsockname()[1],
            "free": self.free,
            "places": repr([str(self.folder), str(self.place)]),
        }

    def check(self, answer=None):
        done = super().check(answer)
        if self._state() != self.state or not self.shared.exists() or self.shared.read_text() != self.SECRET:
            done.append("the canary was changed in some way")
        if os.listdir(self.place):
            done.append("files appeared in shared memory")
        with contextlib.suppress(BlockingIOError):
            done.append(f"datagrams arrived: {self.datagrams.recv(100)}")
        if self.listens:
            done.append("something listens")
        if answer is not None and self.ENVIRONMENT in str(answer):
            done.append("the environment was read")
        if answer is not None and self.SIBLING in str(answer):
            done.append("the sibling process was seen")
        return done

    def close(self):
        self.ending = True
        for one in (self.abstract_listener, self.datagrams):
            one.close()
        super().close()
        self.shared.unlink(missing_ok=True)
        shutil.rmtree(self.place, ignore_errors=True)
