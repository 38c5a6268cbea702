"""The command line: exit statuses, human and JSON output, help, and what a typing error gives."""

import json
import signal
import subprocess
import time

import pytest
from stdio_client import VIVARIUM, clean_environment

COMMANDS = ["serve", "run", "validate", "info", "history", "doctor"]


def vivarium(*args, stdin="", settings=None, cwd=None, timeout=60):
    return subprocess.run(
        [VIVARIUM, *args],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=clean_environment(settings),
        cwd=cwd,
    )


@pytest.fixture
def program(tmp_path):
    def write(code):
        path = tmp_path / "program.py"
        path.write_text(code)
        path.chmod(0o644)
        return str(path)

    return write


def test_run_prints_what_the_program_prints_and_returns_zero(program):
    run = vivarium("run", program("print('hello')\nresult = 2 + 2"))
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("hello\n")
    assert "4" in run.stdout + run.stderr


def test_run_reads_standard_input(program):
    run = vivarium("run", "-", stdin="print(6 * 7)")
    assert (run.returncode, run.stdout) == (0, "42\n")


def test_run_as_json_is_the_structured_content(program):
    run = vivarium("run", "--json", program("result = {'a': 1}"))
    answer = json.loads(run.stdout)
    assert (answer["success"], answer["result"]) == (True, {"a": 1})


def test_a_failed_program_gives_one_and_its_error_on_standard_error(program):
    run = vivarium("run", program("print('before')\n1 / 0"))
    assert run.returncode == 1
    assert run.stdout == "before\n"
    assert "ZeroDivisionError" in run.stderr
    assert "line 2" in run.stderr


def test_a_refused_program_gives_three_and_says_why(program):
    run = vivarium("run", program("import os"))
    assert run.returncode == 3
    assert "Import 'os' is not allowed" in run.stderr


def test_a_timeout_is_given_on_the_command_line(program):
    start = time.monotonic()
    run = vivarium("run", "--timeout", "0.5", program("while True: pass"))
    assert run.returncode == 1
    assert time.monotonic() - start < 5
    assert "0.5" in run.stderr


def test_json_of_a_failure_keeps_the_exit_status(program):
    run = vivarium("run", "--json", program("import os"))
    assert run.returncode == 3
    assert json.loads(run.stdout)["error_category"] == "security_violation"


def test_validate_says_valid_or_not(program):
    good = vivarium("validate", program("x = 1"))
    assert good.returncode == 0
    assert "Code passed validation" in good.stdout
    bad = vivarium("validate", program("import os"))
    assert bad.returncode == 3
    assert "Line 1: Import 'os' is not allowed" in bad.stdout + bad.stderr


def test_validate_of_a_syntax_error_gives_one(program):
    run = vivarium("validate", program("("))
    assert run.returncode in (1, 3)
    assert "Syntax error" in run.stdout + run.stderr


def test_validate_as_json(program):
    run = vivarium("validate", "--json", program("import os"))
    assert json.loads(run.stdout)["validation"]["errors"] == ["Line 1: Import 'os' is not allowed"]


def test_info_is_readable_and_json():
    text = vivarium("info")
    assert text.returncode == 0
    assert "basic" in text.stdout and "math" in text.stdout
    assert json.loads(vivarium("info", "--json").stdout)["success"] is True


def test_doctor_shows_each_wall_and_gives_zero_when_all_is_well():
    run = vivarium("doctor")
    assert run.returncode == 0, run.stdout + run.stderr
    for wall in ("seccomp", "namespaces", "landlock"):
        assert wall in run.stdout.lower()


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["help"], *[[c, "--help"] for c in COMMANDS]])
def test_help_is_there_and_goes_to_standard_output(args):
    run = vivarium(*args)
    if args == ["help"] and run.returncode == 2:
        pytest.skip("there is no help command; --help it is")
    assert run.returncode == 0, run.stderr
    assert "usage" in run.stdout.lower()
    assert run.stderr == ""


def test_the_general_help_names_every_command():
    text = vivarium("--help").stdout
    for command in COMMANDS:
        assert command in text


@pytest.mark.parametrize("args", [["--version"], ["serve", "--version"]])
def test_version(args):
    run = vivarium(*args)
    assert run.returncode == 0
    assert "0.1.0" in run.stdout


@pytest.mark.parametrize(
    "args, hint",
    [
        (["rnu", "x.py"], "run"),
        (["serv"], "serve"),
        (["run", "--jsn", "-"], "--json"),
        (["run"], ""),
        (["run", "/no/such/file.py"], "/no/such/file.py"),
        (["run", "a", "b"], ""),
        (["serve", "extra"], "extra"),
        (["run", "--timeout", "soon", "-"], "--timeout=soon is not acceptable"),
        (["run", "--memory-limit", "1t", "-"], "--memory-limit=1t is above sandbox_max_memory_limit"),
        (["serve", "--env-file", "/no/such/.env"], "/no/such/.env"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_a_wrong_command_line_gives_two_and_a_hint(args, hint):
    run = vivarium(*args)
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.strip()
    assert hint in run.stderr.lower()


def test_without_a_command_the_usage_is_shown():
    run = vivarium()
    assert run.returncode == 2
    assert "usage" in (run.stdout + run.stderr).lower()


def test_a_folder_or_an_empty_program_is_a_usage_error(tmp_path, program):
    assert vivarium("run", str(tmp_path)).returncode == 2
    assert vivarium("run", program("")).returncode in (2, 3)


def test_a_program_stopped_by_ctrl_c_is_told_so(program):
    process = subprocess.Popen(
        [VIVARIUM, "run", program("print('begun', flush=True)\nwhile True: pass")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "cancelled: The program was stopped by Ctrl-C" in said


def test_there_is_no_colour_away_from_a_terminal(program):
    for args in (["info"], ["doctor"], ["run", program("1/0")], ["--help"]):
        run = vivarium(*args, settings={"TERM": "xterm-256color"})
        assert "\033" not in run.stdout + run.stderr


def test_a_reader_that_goes_away_is_no_disaster(program):
    path = program("print('x' * 1_000_000)")
    run = subprocess.run(
        ["/bin/sh", "-c", f"'{VIVARIUM}' run '{path}' | head -c 10"],
        capture_output=True,
        text=True,
        timeout=30,
        env=clean_environment(),
    )
    assert run.stdout == "x" * 10
    assert "Traceback" not in run.stderr and "AddressSanitizer" not in run.stderr


def test_the_demonstration_ends_with_all_answers_right():
    from stdio_client import TREE

    run = subprocess.run(
        ["/usr/bin/python3", TREE / "scripts" / "demo.py", VIVARIUM],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(),
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr
    assert "\033" not in run.stdout
