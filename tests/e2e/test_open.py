"""The kernel's walls alone, with those of the language taken out of a test build (tests/open): every program
of the escape suite runs, with every module and every builtin, and none does harm.

So that this test can fail, each program that means harm is first run without any wall, by plain Python on
canaries of its own, and must do there what it says."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import stdio_client
from harm import WideHarm
from stdio_client import Server, ServerGone

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "policy"))
import cases  # noqa: E402

HARMFUL = [case for case in cases.bad() if case.harm]
# The libraries that these need are in the jail only when they are named.
MODULES = (
    "os,sys,ctypes,socket,subprocess,mmap,resource,signal,multiprocessing,sqlite3,tempfile,shutil,pathlib,"
    "threading,urllib,http,smtplib,tarfile,zipfile,importlib,logging,argparse,fileinput,linecache,codecs,asyncio"
)


@pytest.fixture(scope="module")
def outside():
    """What the programs in the jail could harm: never harmed, so one for all."""
    one = WideHarm()
    yield one
    one.close()


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """The server beside the extension module without walls; and nothing else differs."""
    built = Path(stdio_client.VIVARIUM).parent
    modules = list((built / "tests" / "open").glob("_vivarium*.so"))
    assert modules, f"the extension module without walls is not in {built}/tests/open"
    folder = tmp_path_factory.mktemp("open")
    for parent in (folder, folder.parent, folder.parent.parent):
        if parent.owner() != "root" or os.geteuid() == 0:
            parent.chmod(0o755)
    for path in (built / "vivarium", built / "vivarium-zygote", *modules):
        shutil.copy2(path, folder / path.name)
    return folder


@pytest.fixture(scope="module")
def server_in(build, outside):
    """A server of that build with some settings; it inherits a secret and an open canary."""
    servers = {}

    def get(**settings):
        key = tuple(sorted(settings.items()))
        if key not in servers or servers[key].process.poll() is not None:
            command = f"exec 9<{outside.secret}; exec {build}/vivarium serve"
            settings["VIVARIUM_TEST_SECRET"] = outside.ENVIRONMENT
            server = servers[key] = Server(settings, command=["sh", "-c", command])
            server.run("1")  # after which the interpreter is known
            version = server.info()["server"]["python_version"]
            server.version = tuple(int(n) for n in version.split(".")[:2])
        return servers[key]

    yield get
    for server in servers.values():
        server.__exit__()


def harm_without_walls(code):
    """What the program does on canaries of its own where nothing holds it."""
    alone = WideHarm()
    try:
        with open(alone.secret) as canary:
            ran = subprocess.Popen(
                ["/usr/bin/python3", "-I", "-S", "-c", cases.fill(code, alone.holes())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"VIVARIUM_TEST_SECRET": alone.ENVIRONMENT, "PATH": "/usr/bin:/bin"},
                cwd=alone.folder,
                pass_fds=[canary.fileno()],
            )
            answer = ran.communicate(timeout=20)[0].decode(errors="replace")
        for _ in range(100):
            if done := alone.check(answer):
                return done
            time.sleep(0.02)  # some act after their end
        return []
    finally:
        alone.close()


@pytest.mark.parametrize("case", HARMFUL, ids=str)
def test_a_harmful_program_does_harm_where_nothing_holds_it(case):
    done = harm_without_walls(case.code)
    assert any(one.startswith(case.harm) for one in done), f"{done}, not {case.harm}"


@pytest.mark.parametrize("isolation", ["auto", "landlock"])
@pytest.mark.parametrize("case", HARMFUL, ids=str)
def test_a_harmful_program_does_none_behind_the_kernels_walls(server_in, outside, case, isolation):
    try:
        server = server_in(SANDBOX_ALLOWED_IMPORTS=MODULES, SANDBOX_ISOLATION=isolation)
    except ServerGone as gone:
        assert isolation == "landlock" and "Landlock" in str(gone)
        pytest.skip("this kernel has no Landlock")
    answer = server.run(cases.fill(case.code, outside.holes()), timeout=3)
    assert outside.check(answer) == []
    never_got_there = ("ImportError", "ModuleNotFoundError", "NameError", "SyntaxError", "SecurityViolation")
    assert answer.get("error_type") not in never_got_there, answer["error"]


@pytest.mark.parametrize("case", cases.bad() + cases.caught(), ids=str)
def test_no_program_of_the_escape_suite_does_harm_with_the_language_walls_down(server_in, outside, case):
    server = server_in()
    if not case.python <= server.version < case.until:
        pytest.skip("not for this Python")
    answer = server.run(cases.fill(case.code, outside.holes()), timeout=2)
    assert outside.check(answer) == []
    assert answer.get("error_category") not in ("security_violation", "syntax_error") or "seccomp" in str(
        answer["security_events"]
    ), f"a wall of the language is up: {answer['error']}"
    assert server.request("ping") == {}


def test_nothing_acted_after_its_end(server_in, outside):
    """After all of the programs above: what one of them left behind would have acted by now."""
    time.sleep(0.5)
    assert outside.check() == []
    assert server_in().run("result = 2 + 2")["result"] == 4


def test_the_walls_of_the_language_are_really_down(server_in):
    server = server_in()
    answer = server.run("import os, ctypes\nresult = [eval('1'), type(os), ().__class__.__base__]")
    assert answer["success"], answer["error"]
    assert answer["security_events"] == []
    assert server.validate("import os; open('/etc/passwd')")["validation"]["valid"]
