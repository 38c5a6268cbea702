"""What an escape would do, made visible: a canary to read, a listener to reach, a process to kill."""

import os
import resource
import socket
import subprocess
import threading


class Harm:
    """Set up before hostile programs run; check() afterwards says what was harmed."""

    SECRET = "canary-7f3b1c"

    def __init__(self, folder):
        self.folder = folder
        os.chmod(folder, 0o777)
        self.secret = folder / "secret.txt"
        self.secret.write_text(self.SECRET)
        self.secret.chmod(0o666)
        self.trace = folder / "trace"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.2)
        self.port = self.listener.getsockname()[1]
        self.unix = folder / "socket"
        self.unix_listener = socket.socket(socket.AF_UNIX)
        self.unix_listener.bind(str(self.unix))
        self.unix.chmod(0o777)
        self.unix_listener.listen()
        self.unix_listener.settimeout(0.2)
        self.connections = []
        self.threads = [
            threading.Thread(target=self._accept, args=(one,), daemon=True)
            for one in (self.listener, self.unix_listener)
        ]
        self.ending = False
        for thread in self.threads:
            thread.start()
        self.sibling = subprocess.Popen(["sleep", "300"])
        self.properties = self._properties()

    def _accept(self, listener):
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
        if self.secret.read_text() != self.SECRET:
            done.append("the canary was changed")
        if sorted(os.listdir(self.folder)) != ["secret.txt", "socket"]:
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
