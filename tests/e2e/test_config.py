"""Configuration: four sources in their order, an untrusted .env, and errors that help."""

import os
import re
import subprocess

import pytest
from stdio_client import LEGACY, TREE, VIVARIUM, Server, clean_environment

VARIABLES = [
    "SANDBOX_TIMEOUT",
    "SANDBOX_DEFAULT_TIMEOUT",
    "SANDBOX_MAX_TIMEOUT",
    "SANDBOX_MAX_OUTPUT_SIZE",
    "SANDBOX_MAX_CODE_SIZE",
    "SANDBOX_ENABLE_NETWORK",
    "SANDBOX_ENABLE_FILESYSTEM",
    "SANDBOX_ENABLE_DATA_SCIENCE",
    "SANDBOX_ALLOWED_IMPORTS",
    "SANDBOX_DEFAULT_MEMORY_LIMIT",
    "SANDBOX_MAX_MEMORY_LIMIT",
    "SANDBOX_ENABLE_CONTAINER_MODE",
    "SANDBOX_CONTAINER_IMAGE",
    "SANDBOX_CONTAINER_RUNTIME",
    "SANDBOX_ISOLATION",
    "SANDBOX_MAX_CONCURRENCY",
    "SANDBOX_CLIENT_CONCURRENCY",
    "SANDBOX_QUEUE_SIZE",
    "SANDBOX_POOL_SIZE",
    "SANDBOX_HOST",
    "SANDBOX_PORT",
    "SANDBOX_API_TOKEN",
    "SANDBOX_TOKENS_FILE",
    "SANDBOX_OAUTH_ISSUER",
    "SANDBOX_OAUTH_RESOURCE",
    "SANDBOX_OAUTH_JWKS",
    "SANDBOX_ALLOWED_HOSTS",
    "SANDBOX_ALLOWED_ORIGINS",
    "SANDBOX_TLS_CERT",
    "SANDBOX_TLS_KEY",
    "SANDBOX_GRACE",
    "SANDBOX_CPU_LIMIT",
    "SANDBOX_MAX_THREADS",
    "SANDBOX_WORK_SIZE",
    "SANDBOX_WORK_FILES",
    "SANDBOX_MAX_ARTIFACTS",
    "SANDBOX_ARTIFACT_TTL",
    "SANDBOX_CONTAINER_POOL_SIZE",
    "SANDBOX_RATE_LIMIT",
    "SANDBOX_NETWORK_ALLOW",
    "SANDBOX_NETWORK_DENY",
    "SANDBOX_PYTHON",
    "SANDBOX_PYTHON_PATH",
    "SANDBOX_STATE_DIR",
    "SANDBOX_AUDIT_LOG",
    "SANDBOX_LOG_LEVEL",
]


def info_with(settings=None, env=None, cwd=None, args=()):
    with Server(settings, args=args, cwd=cwd) as server:
        return server.info(), server.stderr()


def refuses(settings, cwd=None, args=()):
    """Standard error of a server that does not start."""
    run = subprocess.run(
        [VIVARIUM, "serve", *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        env=clean_environment(settings),
        cwd=cwd,
    )
    assert run.returncode == 2, (run.returncode, run.stderr)
    assert run.stdout == ""
    return run.stderr


def env_file(folder, text, mode=0o600):
    path = folder / ".env"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_environment_beats_the_default():
    info, _ = info_with({"SANDBOX_TIMEOUT": "7"})
    assert info["resource_limits"]["timeout"] == 7


def test_the_older_name_of_the_timeout_works_too():
    info, _ = info_with({"SANDBOX_DEFAULT_TIMEOUT": "8"})
    assert info["resource_limits"]["timeout"] == 8


def test_a_file_in_the_working_folder_beats_the_default(tmp_path):
    env_file(tmp_path, "# comment\nSANDBOX_TIMEOUT=9\n\nexport SANDBOX_MAX_OUTPUT_SIZE='1MB'\n")
    info, _ = info_with(cwd=tmp_path)
    assert info["resource_limits"]["timeout"] == 9


def test_the_environment_beats_the_file(tmp_path):
    env_file(tmp_path, "SANDBOX_TIMEOUT=9\n")
    info, _ = info_with({"SANDBOX_TIMEOUT": "10"}, cwd=tmp_path)
    assert info["resource_limits"]["timeout"] == 10


def test_a_flag_beats_the_environment():
    info, _ = info_with({"SANDBOX_TIMEOUT": "10"}, args=["--timeout", "11"])
    assert info["resource_limits"]["timeout"] == 11


def test_a_named_file_is_trusted_with_everything(tmp_path):
    path = tmp_path / "mine"
    path.write_text("SANDBOX_ALLOWED_IMPORTS=math\nSANDBOX_TIMEOUT=12\n")
    path.chmod(0o600)
    with Server(args=["--env-file", str(path)]) as server:
        assert server.info()["resource_limits"]["timeout"] == 12
        assert server.run("import json")["error_category"] == "security_violation"
        assert server.run("import math\nresult = 1")["result"] == 1


@pytest.mark.parametrize(
    "line",
    [
        "SANDBOX_ALLOWED_IMPORTS=os,subprocess",
        "SANDBOX_PYTHON=/tmp/evil",
        "SANDBOX_PYTHON_PATH=/tmp/evil",
        "SANDBOX_STATE_DIR=/tmp/evil",
        "SANDBOX_API_TOKEN=" + "x" * 40,
        "SANDBOX_TOKENS_FILE=/tmp/evil",
        "SANDBOX_OAUTH_ISSUER=https://evil.example",
        "SANDBOX_OAUTH_RESOURCE=https://evil.example/mcp",
        "SANDBOX_OAUTH_JWKS=/tmp/evil",
        "SANDBOX_CONTAINER_RUNTIME=/tmp/evil",
    ],
)
def test_what_a_stranger_could_abuse_is_ignored_in_an_implicit_file(tmp_path, line):
    env_file(tmp_path, line + "\nSANDBOX_TIMEOUT=13\n")
    with Server(cwd=tmp_path) as server:
        assert server.info()["resource_limits"]["timeout"] == 13
        assert server.run("import os")["error_category"] == "security_violation"
        assert line.split("=")[0] in server.stderr()
        assert "x" * 40 not in server.stderr()


def test_a_link_in_place_of_the_file_is_not_read(tmp_path):
    (tmp_path / "other").write_text("SANDBOX_TIMEOUT=14\n")
    (tmp_path / ".env").symlink_to("other")
    info, stderr = info_with(cwd=tmp_path)
    assert info["resource_limits"]["timeout"] == 30
    assert ".env" in stderr


def test_a_file_of_another_user_is_not_read(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root to give a file away")
    path = env_file(tmp_path, "SANDBOX_TIMEOUT=14\n", 0o644)
    os.chown(path, 12345, 12345)
    info, stderr = info_with(cwd=tmp_path)
    assert info["resource_limits"]["timeout"] == 30
    assert ".env" in stderr


@pytest.mark.parametrize("make", [lambda p: os.mkfifo(p), lambda p: p.mkdir()])
def test_something_that_is_no_file_is_not_read_and_does_not_block(tmp_path, make):
    make(tmp_path / ".env")
    info, _ = info_with(cwd=tmp_path)
    assert info["resource_limits"]["timeout"] == 30


def test_an_unknown_variable_is_a_warning_with_the_nearest_name():
    info, stderr = info_with({"SANDBOX_TIMOUT": "5"})
    assert info["resource_limits"]["timeout"] == 30
    assert "SANDBOX_TIMOUT" in stderr and "SANDBOX_TIMEOUT" in stderr


BAD = [
    ("SANDBOX_TIMEOUT", "soon"),
    ("SANDBOX_TIMEOUT", "0"),
    ("SANDBOX_TIMEOUT", "-5"),
    ("SANDBOX_MAX_OUTPUT_SIZE", "much"),
    ("SANDBOX_MAX_OUTPUT_SIZE", "-1"),
    ("SANDBOX_ENABLE_NETWORK", "maybe"),
    ("SANDBOX_DEFAULT_MEMORY_LIMIT", "12q"),
    ("SANDBOX_ISOLATION", "none"),
    ("SANDBOX_MAX_CONCURRENCY", "0"),
    ("SANDBOX_MAX_CONCURRENCY", "1.5"),
    ("SANDBOX_CLIENT_CONCURRENCY", "0"),
    ("SANDBOX_OAUTH_ISSUER", "http://auth.example.org"),
    ("SANDBOX_OAUTH_JWKS", "jwks.json"),
    ("SANDBOX_PORT", "70000"),
    ("SANDBOX_HOST", "some.name"),
    ("SANDBOX_ALLOWED_HOSTS", "http://name"),
    ("SANDBOX_ALLOWED_ORIGINS", "app.test"),
    ("SANDBOX_TLS_CERT", "cert.pem"),
    ("SANDBOX_POOL_SIZE", "99999999999"),
    ("SANDBOX_ALLOWED_IMPORTS", "os;rm -rf"),
    ("SANDBOX_LOG_LEVEL", "loud"),
    ("SANDBOX_API_TOKEN", "short"),
    ("SANDBOX_PYTHON", "/no/such/python"),
]


@pytest.mark.parametrize("name, value", BAD)
def test_a_bad_value_names_variable_value_and_what_is_allowed(name, value):
    text = refuses({name: value})
    assert name in text
    if name != "SANDBOX_API_TOKEN":
        assert value in text
    else:
        assert value not in text, "a token is never shown"
    assert len(text) > len(name) + len(value) + 10


def test_limits_that_contradict_each_other_are_an_error():
    assert "SANDBOX_MAX_TIMEOUT" in refuses({"SANDBOX_TIMEOUT": "100", "SANDBOX_MAX_TIMEOUT": "50"})


def test_imports_are_trimmed_and_replace_the_whole_list():
    with Server({"SANDBOX_ALLOWED_IMPORTS": " math , json ,"}) as server:
        assert server.run("import math, json\nresult = 1")["result"] == 1
        assert server.run("import random")["error_category"] == "security_violation"


def test_sizes_take_units(tmp_path):
    info, _ = info_with({"SANDBOX_MAX_OUTPUT_SIZE": "2MB", "SANDBOX_DEFAULT_MEMORY_LIMIT": "256m"})
    assert info["resource_limits"]["max_output_size"] == 2 * 1048576
    assert info["resource_limits"]["memory_limit"] == "256m"


def test_the_maximum_code_size_is_configured():
    with Server({"SANDBOX_MAX_CODE_SIZE": "20"}) as server:
        assert server.run("result = 1")["result"] == 1
        answer = server.run("result = 1 # " + "x" * 20)
        assert answer["error_category"] == "invalid_request"


def test_the_maximum_timeout_is_configured():
    with Server({"SANDBOX_MAX_TIMEOUT": "40"}) as server:
        answer = server.run("1", timeout=41)
        assert "40" in answer["error"]


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_is_in_the_example_file(name):
    text = (TREE / ".env.example").read_text()
    assert re.search(rf"\b{name}\b", text)


def test_the_example_file_is_a_working_configuration(tmp_path):
    text = (TREE / ".env.example").read_text()
    env_file(tmp_path, text)
    with Server(cwd=tmp_path) as server:
        assert server.run("result = 1")["result"] == 1


def test_a_bad_configuration_is_told_before_anything_is_answered():
    run = subprocess.run(
        [VIVARIUM, "serve"],
        input=b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"'
        + LEGACY.encode()
        + b'"}}\n',
        capture_output=True,
        timeout=20,
        env=clean_environment({"SANDBOX_TIMEOUT": "x"}),
    )
    assert run.returncode == 2
    assert run.stdout == b""


def test_container_mode_that_cannot_be_is_said_and_not_silently_dropped():
    with Server(
        {"SANDBOX_ENABLE_CONTAINER_MODE": "true", "SANDBOX_CONTAINER_RUNTIME": "no-such-runtime"}
    ) as server:
        answer = server.run("result = 1", use_container=True)
        assert answer["success"] is False
        assert answer["error_category"] == "container_error"
