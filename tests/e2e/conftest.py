"""Fixtures: a server shared by all tests that need nothing special, and one for a test of its own."""

import signal

import pytest
from harm import Harm
from http_client import HttpServer
from stdio_client import Server, ServerGone

SHARED = {}

# Started by nohup, a runner hands ignored hang-ups down to the servers, which then rightly ignore them too.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def server():
    """The shared server with default settings; a new one when the last test broke it."""
    shared = SHARED.get("server")
    if shared is None or shared.process.poll() is not None:
        shared = SHARED["server"] = Server()
    yield shared
    try:
        shared.request("ping", timeout=10)
        healthy = not shared.answers
    except (ServerGone, TimeoutError, BrokenPipeError, AssertionError):
        healthy = False
    if not healthy:
        SHARED.pop("server").kill()
        pytest.fail("the server did not answer a ping after this test")


@pytest.fixture
def web():
    """The shared HTTP server with default settings, ready to run programs."""
    shared = SHARED.get("web")
    if shared is None or shared.process.poll() is not None:
        shared = SHARED["web"] = HttpServer().wait_ready()
    yield shared
    assert shared.get("/health").status == 200, shared.stderr()


@pytest.fixture
def serve():
    """Start HTTP servers with settings of the test's own; they are ended afterwards."""
    started = []

    def make(settings=None, **kwargs):
        started.append(HttpServer(settings, **kwargs))
        return started[-1]

    yield make
    for one in started:
        one.close()


@pytest.fixture
def start():
    """Start servers with settings of the test's own; they are ended afterwards."""
    started = []

    def make(settings=None, **kwargs):
        started.append(Server(settings, **kwargs))
        return started[-1]

    yield make
    for one in started:
        one.__exit__()


def pytest_sessionfinish():
    if "server" in SHARED:
        SHARED.pop("server").__exit__()
    if "web" in SHARED:
        SHARED.pop("web").close()


@pytest.fixture
def harm():
    one = Harm()
    yield one
    one.close()
