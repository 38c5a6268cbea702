"""`vivarium history`: what ran, who sees it, and what it may cost the server when it cannot be written."""

import json
import os
import sqlite3
import subprocess

import pytest
from stdio_client import VIVARIUM, clean_environment, wait_until


@pytest.fixture
def state(tmp_path):
    return str(tmp_path / "state")


def vivarium(*args, stdin="", settings=None):
    return subprocess.run(
        [VIVARIUM, *args],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(settings),
    )


def history(state, *args):
    run = vivarium("history", "--json", *args, settings={"SANDBOX_STATE_DIR": state})
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def locked(state):
    """Somebody else's hands on the database, until it is closed."""
    other = sqlite3.connect(os.path.join(state, "history.db"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_a_server_writes_down_what_ran_while_it_runs(start, state):
    server = start({"SANDBOX_STATE_DIR": state})
    good = server.run("print('out')\nresult = 1")
    bad = server.run("1 / 0")
    server.validate("import os")
    wait_until(lambda: len(history(state)) == 3, 10, "three rows")
    judged, failed, ran = history(state)
    assert (ran["execution_id"], failed["execution_id"]) == (good["execution_id"], bad["execution_id"])
    assert (ran["success"], ran["category"], ran["client"], ran["mode"]) == (True, None, "stdio", "execute")
    assert (ran["stdout_bytes"], ran["code_bytes"]) == (4, 23)
    assert ran["wall_time"] == pytest.approx(good["execution_time"], abs=1e-5)
    assert ran["cpu_time"] == pytest.approx(good["resource_usage"]["cpu_time"], abs=1e-5)
    assert ran["peak_memory"] == good["resource_usage"]["peak_memory"]
    assert (failed["category"], failed["error_type"], failed["line"]) == (
        "runtime_error",
        "ZeroDivisionError",
        1,
    )
    assert (judged["mode"], judged["category"]) == ("validate", "security_violation")


def test_the_code_is_kept_only_where_it_is_asked_for(state):
    settings = {"SANDBOX_STATE_DIR": state}
    vivarium("run", "-", stdin="secret = 1", settings=settings)
    vivarium("run", "-", stdin="kept = 2", settings={**settings, "SANDBOX_HISTORY": "code"})
    kept, secret = history(state)
    assert "code" not in kept
    assert "code" not in history(state, secret["execution_id"])
    assert history(state, kept["execution_id"])["code"] == "kept = 2"
    for name in os.listdir(state):
        with open(os.path.join(state, name), "rb") as file:
            assert b"secret" not in file.read()
    shown = vivarium("history", kept["execution_id"], settings=settings)
    assert "kept = 2\n" in shown.stdout
    assert kept["code_sha256"] in shown.stdout


def test_the_table_is_newest_first_and_can_be_narrowed(state):
    settings = {"SANDBOX_STATE_DIR": state}
    for code in ("1", "1 / 0", "2"):
        vivarium("run", "-", stdin=code, settings=settings)
    lines = vivarium("history", settings=settings).stdout.splitlines()
    assert [line[21:].split()[0] for line in lines] == ["OUTCOME", "ok", "runtime_error", "ok"]
    assert all("command line" in line for line in lines[1:])
    assert len(vivarium("history", "-n", "2", settings=settings).stdout.splitlines()) == 3
    assert len(vivarium("history", "--failed", settings=settings).stdout.splitlines()) == 2
    some_id = history(state)[1]["execution_id"]
    assert history(state, some_id[-8:])["category"] == "runtime_error"
    assert len(history(state, "-")) == 3


def test_what_a_program_chose_cannot_drive_the_terminal(state):
    settings = {"SANDBOX_STATE_DIR": state}
    vivarium("run", "-", stdin=r"raise ValueError('\x1b[31mred\x9b')", settings=settings)
    [row] = history(state)
    assert "red" in row["error"]
    command = f"{VIVARIUM} history {row['execution_id']}"
    terminal = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        capture_output=True,
        env=clean_environment(settings) | {"NO_COLOR": "1"},
        timeout=60,
    )
    assert b"red" in terminal.stdout
    assert b"\x1b" not in terminal.stdout


def test_without_any_history_it_says_so(state):
    settings = {"SANDBOX_STATE_DIR": state}
    assert history(state) == []
    empty = vivarium("history", settings=settings)
    assert (empty.returncode, empty.stdout) == (0, "")
    assert "no executions" in empty.stderr
    one = vivarium("history", "0123", settings=settings)
    assert one.returncode == 1
    assert "0123" in one.stderr
    assert not os.path.exists(state)


@pytest.mark.parametrize(
    "args, hint",
    [
        (["-n", "0"], "-n"),
        (["-n", "many"], "-n"),
        (["-n"], "-n"),
        (["no such id"], "ID"),
        (["a", "b"], "[ID]"),
        (["--jsno"], "--json"),
    ],
)
def test_a_wrong_command_line_is_told(args, hint):
    run = vivarium("history", *args)
    assert (run.returncode, run.stdout) == (2, "")
    assert hint in run.stderr


@pytest.mark.parametrize("settings", [{"SANDBOX_HISTORY": "off"}, {"SANDBOX_AUDIT_LOG": "off"}])
def test_switched_off_nothing_is_kept(state, settings):
    vivarium("run", "-", stdin="1", settings={**settings, "SANDBOX_STATE_DIR": state})
    names = os.listdir(state) if os.path.isdir(state) else []
    assert not [name for name in names if "history" in name]


def test_a_locked_history_holds_nobody_up_and_loses_nothing(start, state):
    server = start({"SANDBOX_STATE_DIR": state})
    server.run("1")
    wait_until(lambda: len(history(state)) == 1, 10, "the first row")
    other = locked(state)
    for i in range(150):
        assert server.run(f"result = {i}")["result"] == i
    wait_until(lambda: "another process has locked it" in server.stderr(), 10, "a message")
    assert len(history(state)) == 1
    other.close()
    wait_until(lambda: len(history(state, "-n", "1000")) == 151, 10, "all rows")
    assert server.stderr().count("locked") == 1


def test_required_refuses_to_run_what_it_cannot_record(start, state):
    server = start({"SANDBOX_STATE_DIR": state, "SANDBOX_AUDIT_LOG": "required"})
    assert server.run("1")["success"]
    wait_until(lambda: len(history(state)) == 1, 10, "the first row")
    other = locked(state)
    assert server.run("2")["success"], "not known yet"
    wait_until(lambda: "locked" in server.stderr(), 10, "the first failure")
    refused = server.run("print('never')")
    assert (refused["error_category"], refused["stdout"]) == ("internal_error", "")
    assert "SANDBOX_AUDIT_LOG=required" in refused["error"]
    other.close()
    wait_until(lambda: server.run("3")["success"], 10, "a run")


def test_required_does_not_start_without_a_history(state):
    os.makedirs(os.path.join(state, "history.db"), mode=0o700)
    os.chmod(state, 0o700)
    run = vivarium(
        "run",
        "-",
        stdin="print('never')",
        settings={"SANDBOX_STATE_DIR": state, "SANDBOX_AUDIT_LOG": "required"},
    )
    assert (run.returncode, run.stdout) == (3, "")
    assert "history.db" in run.stderr


def test_a_damaged_history_is_set_aside(start, state):
    settings = {"SANDBOX_STATE_DIR": state}
    vivarium("run", "-", stdin="1", settings=settings)
    with open(os.path.join(state, "history.db"), "r+b") as file:
        file.write(b"this is no database" * 10)
    server = start(settings)
    assert server.run("2")["success"]
    wait_until(lambda: "history.db.damaged" in server.stderr(), 10, "a message")
    wait_until(lambda: len(history(state)) == 1, 10, "the new row")
    assert os.path.exists(os.path.join(state, "history.db.damaged"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_a_full_disk_is_told_and_stops_nobody(tmp_path):
    """In a mount namespace of its own: a state folder of 64 KiB, filled."""
    script = f"""
        mount -t tmpfs -o size=64k,mode=0755 tmpfs {tmp_path} && mkdir {tmp_path}/state || exit 77
        cat /dev/zero >{tmp_path}/fill 2>/dev/null
        echo 'print(6 * 7)' | {VIVARIUM} run -
        echo "status $?"
        echo 'print("never")' | SANDBOX_AUDIT_LOG=required {VIVARIUM} run -
        echo "status $?"
        {VIVARIUM} history
        echo "status $?"
    """
    run = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment({"SANDBOX_STATE_DIR": f"{tmp_path}/state"}),
    )
    if run.returncode == 77:
        pytest.skip(f"no mounts here: {run.stderr}")
    assert run.stdout == "42\nstatus 0\nstatus 3\nstatus 0\n", run.stderr
    assert "cannot write the audit log: No space left on device; programs run on" in run.stderr
    assert "history.db: No space left on device" in run.stderr
    assert "SANDBOX_AUDIT_LOG=required: cannot reserve disk space" in run.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_started_as_root_the_way_to_the_folder_may_be_closed_to_the_servers_user(start, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    state = str(closed / "state")
    server = start({"SANDBOX_STATE_DIR": state})
    server.run("1")
    wait_until(lambda: len(history(state)) == 1, 10, "a row")
    for name in ("history.db", "history.db-wal", "history.db-shm"):
        status = os.stat(os.path.join(state, name))
        assert (status.st_uid != 0, status.st_mode & 0o7777) == (True, 0o600)
    server.kill()
    assert len(history(state)) == 1
