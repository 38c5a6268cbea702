"""However it ends, nothing is left: no process, no mount, no file."""

import contextlib
import os
import re
import signal
import time
from pathlib import Path

import pytest
from stdio_client import Server, ServerGone, alive, stat_of, wait_until

BUSY = "import time\nprint('running')\ntime.sleep(60)"
PLACES = ["/tmp", "/var/tmp", "/run", "/dev/shm", "/dev/mqueue"]
# What tests make, of which others may run at the same time. The product makes nothing of this form but
# the files of its self-test.
OTHER_RUNS = re.compile(r"vivarium-(?!self-)[a-z0-9]+-")


def ours(path):
    """Could the product have made this? The machine may be busy with other things meanwhile."""
    name = os.path.basename(path)
    if OTHER_RUNS.match(name):
        return False
    with contextlib.suppress(OSError):
        if os.lstat(path).st_uid in (61170, 61171):
            return True
    return "vivarium" in name


def mounts():
    return sorted(Path("/proc/self/mountinfo").read_text().splitlines())


def files():
    found = set()
    for place in PLACES:
        if os.path.isdir(place):
            found |= {path for name in os.listdir(place) if ours(path := os.path.join(place, name))}
    return found


@pytest.fixture
def nothing_left(tmp_path):
    """Everything around must be as before; the state folder is the test's own."""
    before = mounts(), files()
    yield {"SANDBOX_STATE_DIR": str(tmp_path / "state")}
    assert mounts() == before[0]
    assert files() - before[1] == set()


def busy_server(settings, programs=3):
    server = Server(settings)
    server.run("1")
    for _ in range(programs):
        server.ask_run(BUSY, meta={"progressToken": "busy"})
    for _ in range(programs):
        assert server.receive()["params"]["message"] == "running\n"
    return server


def all_gone(pids, seconds=5):
    wait_until(lambda: not alive(pids), seconds, f"the end of {alive(pids)}")


def first_to_die(pid):
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def test_where_memory_runs_out_programs_die_before_the_server(nothing_left):
    with busy_server(nothing_left) as server:
        own = first_to_die(os.getpid())
        assert first_to_die(server.process.pid) == own
        inside = [
            pid for pid, _ in server.pids() if Path(f"/proc/{pid}/comm").read_text().startswith("python")
        ]
        assert len(inside) >= 4  # the zygote and three programs
        assert {first_to_die(pid) for pid in inside} == {1000}


def test_end_of_input_ends_the_server_with_zero(nothing_left):
    server = Server(nothing_left)
    server.run("1")
    pids = server.pids()
    assert len(pids) > 2
    began = time.monotonic()
    assert server.close() == 0
    assert time.monotonic() - began < 2
    all_gone(pids, 1)
    server.__exit__()


def test_end_of_input_stops_running_programs(nothing_left):
    server = busy_server(nothing_left)
    pids = server.pids()
    began = time.monotonic()
    assert server.close() == 0
    assert time.monotonic() - began < 3
    all_gone(pids, 1)
    server.__exit__()


def test_requests_sent_just_before_the_end_of_input_do_not_keep_it(nothing_left):
    server = Server(nothing_left)
    for _ in range(20):
        server.ask_run("result = 1")
    pids = server.pids()
    assert server.close() == 0
    all_gone(pids, 1)
    server.__exit__()


def test_end_of_input_before_anything_was_said(nothing_left):
    server = Server(nothing_left, start=False)
    assert server.close() == 0
    server.__exit__()


def test_end_of_input_in_the_middle_of_a_message(nothing_left):
    server = Server(nothing_left)
    server.send_bytes(b'{"jsonrpc":"2.0","id":5,"meth')
    assert server.close() == 0
    server.__exit__()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_server_and_all_below_it(nothing_left, number):
    server = busy_server(nothing_left)
    pids = server.pids()
    server.process.send_signal(number)
    server.process.wait(5)
    all_gone(pids, 2)
    server.__exit__()


def test_kill_9_of_the_server_leaves_nothing(nothing_left):
    server = busy_server(nothing_left)
    pids = server.pids()
    assert len(pids) > 6
    server.kill()
    all_gone(pids, 3)
    server.__exit__()


@pytest.mark.parametrize("delay", [0, 0.005, 0.02, 0.05, 0.1, 0.2])
def test_kill_9_at_any_moment_of_the_start_leaves_nothing(nothing_left, delay):
    server = Server(nothing_left, start=False)
    time.sleep(delay)
    pids = server.pids()
    server.kill()
    all_gone(pids, 3)
    server.__exit__()


def test_the_server_survives_a_client_that_stops_reading_and_comes_back(nothing_left):
    server = Server(nothing_left)
    ids = [server.ask_run("print('x' * 500_000)") for _ in range(20)]
    time.sleep(1)
    assert all(len(server.ran(i)["stdout"]) == 500_001 for i in ids)
    server.__exit__()


def test_a_client_that_vanishes_ends_the_server(nothing_left):
    server = Server(nothing_left)
    for _ in range(10):
        server.ask_run("print('x' * 500_000)")
    pids = server.pids()
    server.process.stdout.close()
    server.process.stdin.close()
    server.process.wait(10)
    all_gone(pids, 3)
    server.selector.close()


def test_a_client_that_closes_only_its_reading_end_is_gone_too(nothing_left):
    server = Server(nothing_left)
    pids = server.pids()
    server.process.stdout.close()
    for _ in range(50):
        try:
            server.ask_run("print('x' * 100_000)")
        except BrokenPipeError:
            break
        time.sleep(0.01)
    server.process.stdin.close()
    server.process.wait(10)
    all_gone(pids, 3)
    server.selector.close()


def children_of(parent, pids):
    return [pid for pid, _ in pids if (found := stat_of(pid)) and found[0] == parent]


def test_a_killed_zygote_is_restarted_and_its_programs_are_answered(nothing_left):
    server = Server(nothing_left)
    server.run("1")
    running = server.ask_run(BUSY)
    time.sleep(0.2)
    pids = server.pids()
    (keeper,) = children_of(server.process.pid, pids)
    for pid, _ in pids:
        if pid not in (server.process.pid, keeper):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    answer = server.ran(running, 10)
    assert answer["error_category"] == "internal_error"
    assert answer["error"]
    wait_until(lambda: server.run("result = 1", wait=20)["success"], 20, "recovery")
    assert server.info()["success"] is True
    server.__exit__()


def test_without_its_keeper_the_server_answers_says_why_and_ends(nothing_left):
    server = Server(nothing_left)
    server.run("1")
    running = server.ask_run(BUSY)
    time.sleep(0.2)
    below = alive(server.pids())
    (keeper,) = children_of(server.process.pid, below)
    os.kill(keeper, signal.SIGKILL)
    assert server.ran(running, 10)["error_category"] == "internal_error"
    assert server.process.wait(20) == 3
    all_gone(below, 3)
    assert "vivarium-zygote" in server.stderr() and "started anew" in server.stderr()


def test_a_killed_worker_costs_only_its_own_run(nothing_left):
    server = Server(nothing_left)
    server.run("1")
    waiting = server.ask_run("import time\ntime.sleep(1)\nresult = 'other'")
    code = "import time\nprint('partial')\nt = time.process_time()\nwhile time.process_time() - t < 30: pass"
    victim = server.ask_run(code)

    def ticks():
        """{pid: CPU time} of everything there is."""
        found = {}
        for pid, _ in server.pids():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                found[pid] = int(fields[11]) + int(fields[12])
        return found

    def busiest_since(start):
        """Who has used a quarter of a second since; the zygote has used much, but before."""
        used = {pid: now - start.get(pid, 0) for pid, now in ticks().items()}
        pid = max(used, key=used.get)
        return pid if used[pid] >= os.sysconf("SC_CLK_TCK") / 4 else None

    start = ticks()
    wait_until(lambda: busiest_since(start), 10, "a program that is busy")
    busiest = busiest_since(start)
    assert busiest != server.process.pid
    os.kill(busiest, signal.SIGKILL)
    answer = server.ran(victim, 10)
    assert answer["success"] is False
    assert answer["stdout"] == "partial\n"
    assert server.ran(waiting)["result"] == "other"
    assert server.run("result = 1")["result"] == 1
    server.__exit__()


def test_no_process_is_left_of_the_programs_that_ran(server):
    for _ in range(30):
        server.run("result = 1")
    time.sleep(0.5)
    idle = len(server.pids())
    ids = [server.ask_run("while True: pass", timeout=0.3) for _ in range(8)]
    for i in ids:
        server.ran(i)
    for code in ("1/0", "x = [0] * 10**9", "raise SystemExit(1)"):
        server.run(code)
    wait_until(
        lambda: len(server.pids()) <= idle, 5, f"a return to {idle} processes, now {len(server.pids())}"
    )


def test_no_descriptor_leaks_in_the_server(server):
    def count():
        return len(os.listdir(f"/proc/{server.process.pid}/fd"))

    for _ in range(50):
        server.run("result = 1")
    try:
        before = count()
    except PermissionError:
        pytest.skip("started as root, the server belongs to another user")
    for _ in range(300):
        server.run("print(1)")
    # The pool is being filled again: some descriptors belong to workers that are on their way.
    wait_until(lambda: count() <= before + 4, 5, f"a return to {before} descriptors")


def test_a_program_that_runs_on_after_its_answer_is_impossible(server):
    """Threads and children of a program end with it."""
    code = "import asyncio\nasync def f():\n    while True: await asyncio.sleep(0.01)\nasync def main():\n    asyncio.create_task(f())\nasyncio.run(main())\nresult = 1"
    assert server.run(code)["result"] == 1


def test_the_stream_ends_when_the_server_does():
    server = Server()
    server.kill()
    with pytest.raises(ServerGone):
        server.read_line(5)
    server.__exit__()
