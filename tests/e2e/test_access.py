"""Who may come in over HTTP, with what: the tokens file, OAuth access tokens, rates, profiles, and secrets that stay secret."""

import json
import subprocess
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from http_client import HttpServer
from stdio_client import VIVARIUM, Server, clean_environment

SECRET = "0123456789abcdef0123456789abcdef-only"
ISSUER = "https://auth.example.org"
RESOURCE = "https://sandbox.example.org/mcp"


def make_token(*args):
    """(token, line) as `vivarium token` prints them."""
    run = subprocess.run(
        [VIVARIUM, "token", *args],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment({}),
        check=True,
    )
    token, line = run.stdout.splitlines()
    assert run.stderr == ""
    return token, line


def private_file(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def start_fails(settings):
    run = subprocess.run(
        [VIVARIUM, "serve", "--http", "--port", "0"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(settings),
    )
    assert run.returncode == 2, run
    return run.stderr


# ---- the command ----


def test_a_token_is_shown_once_and_its_line_holds_only_a_digest(tmp_path):
    token, line = make_token(
        "ci", "--rate", "30", "--profiles", "data_science", "--expires", "2030-12-30T10:00:00Z"
    )
    other, _ = make_token("ci")
    assert token.startswith("viv_") and len(token) == 47 and token != other
    assert token not in line and token[4:] not in line
    assert line.startswith("ci sha256:") and line.endswith(
        " rate=30 profiles=basic,data_science expires=2030-12-30T10:00:00Z"
    )


@pytest.mark.parametrize(
    "args, word",
    [
        ([], "NAME"),
        (["a b"], "name"),
        (["stdio"], "server's own"),
        (["ci", "--rate", "fast"], "rate"),
        (["ci", "--profiles", "everything"], "profiles"),
        (["ci", "--expires", "2030-02-30"], "expires"),
        (["ci", "di"], "one too many"),
    ],
)
def test_a_mistake_makes_no_token(args, word):
    run = subprocess.run(
        [VIVARIUM, "token", *args], capture_output=True, text=True, timeout=60, env=clean_environment({})
    )
    assert run.returncode == 2 and run.stdout == "" and word in run.stderr


# ---- the tokens file ----


def test_each_token_of_the_file_has_its_own_name_rate_and_profiles(tmp_path):
    small, small_line = make_token("small", "--rate", "2", "--profiles", "basic")
    large, large_line = make_token("large")
    old, old_line = make_token("old", "--expires", "2099-01-01")
    old_line = old_line.replace("expires=2099-01-02", "expires=2020-01-02")
    path = private_file(tmp_path / "tokens", f"# ours\n{small_line}\n\n{large_line}\n{old_line}\n")
    settings = {
        "SANDBOX_TOKENS_FILE": path,
        "SANDBOX_ENABLE_FILESYSTEM": "true",
        "SANDBOX_STATE_DIR": str(tmp_path / "state"),
    }
    with HttpServer(settings, token=small).wait_ready() as server:
        answer = server.run("import pathlib")
        assert answer["error_category"] == "security_violation"
        assert answer["error"].startswith("Import 'pathlib' is not allowed")
        remedy = answer["security_events"][0]["remedy"]
        assert "token" in remedy and "filesystem" in remedy and "SANDBOX_" not in remedy
        narrowed = server.call("execute_code", {"code": "1", "allowed_imports": ["pathlib"]})
        assert narrowed["isError"] and "token of this call" in narrowed["structuredContent"]["error"]
        # a refused list of modules is no execution; one is left
        assert server.run("import math\nresult = math.floor(2.5)")["result"] == 2
        answer = server.rpc("tools/call", {"name": "execute_code", "arguments": {"code": "1"}})
        assert answer.status == 429 and 1 <= int(answer.headers["retry-after"]) <= 30
        assert answer.message()["result"]["structuredContent"]["error_category"] == "overloaded"
        answer = server.rpc("tools/call", {"name": "validate_code", "arguments": {"code": "1"}})
        assert answer.status == 429, "judging takes a worker, too"
        assert server.rpc("ping").status == 200 and not server.call("get_sandbox_info", {})["isError"]
        server.token = large
        assert server.call("validate_code", {"code": "import pathlib"})["structuredContent"]["validation"][
            "valid"
        ]
        assert server.run("result = 5")["result"] == 5
        server.token = old
        answer = server.rpc("ping")
        assert answer.status == 401 and "expired" in answer.headers["www-authenticate"]
        for token in (small, large, old):
            assert token not in server.stderr()
    log = (tmp_path / "state" / "audit.jsonl").read_text()
    assert '"small"' in log and '"large"' in log
    assert not any(token in log for token in (small, large, old))


def test_validation_says_for_a_token_what_execution_says(tmp_path):
    token, line = make_token("small", "--profiles", "basic")
    settings = {
        "SANDBOX_TOKENS_FILE": private_file(tmp_path / "tokens", line + "\n"),
        "SANDBOX_ENABLE_FILESYSTEM": "true",
    }
    with HttpServer(settings, token=token).wait_ready() as server:
        for code in ("import glob", "def f():\n    from shutil import copy", "open('x')", "import math"):
            verdict = server.call("validate_code", {"code": code})["structuredContent"]["validation"]
            answer = server.run(code)
            assert verdict["valid"] == answer["success"] == (code == "import math"), (code, verdict, answer)
            assert verdict["errors"] == answer.get("validation_errors", [])


@pytest.mark.parametrize("mode, word", [(0o644, "chmod o-r"), (0o620, "chmod go-w"), (0o602, "chmod go-w")])
def test_a_tokens_file_that_others_can_touch_is_refused(tmp_path, mode, word):
    _, line = make_token("x")
    text = start_fails({"SANDBOX_TOKENS_FILE": private_file(tmp_path / "tokens", line, mode)})
    assert word in text and "SANDBOX_TOKENS_FILE" in text


def test_a_mistake_in_the_tokens_file_names_its_line_and_not_the_token(tmp_path):
    token, _ = make_token("x")
    text = start_fails({"SANDBOX_TOKENS_FILE": private_file(tmp_path / "tokens", f"# x\nci {token}\n")})
    assert "line 2" in text and token not in text
    assert "holds no token" in start_fails({"SANDBOX_TOKENS_FILE": private_file(tmp_path / "empty", "\n")})


# ---- secrets ----


def test_the_token_is_wiped_from_the_environment_of_the_server():
    with HttpServer({"SANDBOX_API_TOKEN": SECRET}, token=SECRET).wait_ready() as server:
        assert server.run("result = 1")["result"] == 1
        environ = Path(f"/proc/{server.process.pid}/environ")
        try:
            text = environ.read_bytes()
        except PermissionError:
            pytest.skip("the server's environment cannot be read at all")
        assert SECRET.encode() not in text
        assert SECRET.encode() not in Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
        assert SECRET not in server.stderr()


# ---- OAuth ----


KEYS = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def key_set(names=tuple(KEYS)):
    keys = []
    for name in names:
        algorithm = jwt.get_algorithm_by_name(name)
        key = json.loads(algorithm.to_jwk(KEYS[name].public_key()))
        keys.append({**key, "kid": name, "use": "sig", "alg": name, "key_ops": ["verify"]})
    return json.dumps({"keys": keys})


def access_token(name="RS256", headers=None, **claims):
    body = {
        "iss": ISSUER,
        "aud": RESOURCE,
        "sub": "alice",
        "iat": int(time.time()),
        "exp": int(time.time()) + 300,
        "scope": "openid execute",
        **claims,
    }
    body = {k: v for k, v in body.items() if v is not None}
    return jwt.encode(body, KEYS[name], algorithm=name, headers={"kid": name, **(headers or {})})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server that accepts OAuth access tokens, and one static token."""
    folder = tmp_path_factory.mktemp("oauth")
    settings = {
        "SANDBOX_OAUTH_ISSUER": ISSUER,
        "SANDBOX_OAUTH_RESOURCE": RESOURCE,
        "SANDBOX_OAUTH_JWKS": private_file(folder / "jwks.json", key_set(), 0o644),
        "SANDBOX_API_TOKEN": SECRET,
        "SANDBOX_ENABLE_FILESYSTEM": "true",
        "SANDBOX_RATE_LIMIT": "1000",
    }
    with HttpServer(settings).wait_ready() as server:
        yield server


def come_in(server, token):
    return server.rpc("ping", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("name", KEYS)
def test_tokens_that_another_library_signed_are_accepted(guarded, name):
    assert come_in(guarded, access_token(name)).status == 200
    assert come_in(guarded, access_token(name, aud=["https://other.example", RESOURCE])).status == 200


def test_a_static_token_is_accepted_beside_them(guarded):
    assert come_in(guarded, SECRET).status == 200


def tampered(token):
    head, body, signature = token.split(".")
    return ".".join([head, body, ("A" if signature[0] != "A" else "B") + signature[1:]])


@pytest.mark.parametrize(
    "make, why",
    [
        (lambda: access_token(exp=int(time.time()) - 120), "expired"),
        (lambda: access_token(exp=None), "exp"),
        (lambda: access_token(nbf=int(time.time()) + 600), "not valid yet"),
        (lambda: access_token(aud="https://other.example"), "aud"),
        (lambda: access_token(aud=RESOURCE + "/"), "aud"),
        (lambda: access_token(iss="https://evil.example"), "iss"),
        (lambda: access_token(sub=None), "sub"),
        (lambda: access_token(cnf={"jkt": "x"}), "cnf"),
        (lambda: access_token(headers={"kid": "unknown"}), "kid"),
        (lambda: access_token("ES256", headers={"kid": "RS256"}), "algorithm"),
        (lambda: access_token(headers={"typ": "dpop+jwt"}), "type"),
        (lambda: access_token(headers={"crit": ["exp"]}), "extensions"),
        (lambda: tampered(access_token()), "signature"),
        (lambda: jwt.encode({"sub": "alice"}, None, algorithm="none"), ""),
        (
            lambda: jwt.encode({"sub": "alice"}, SECRET, algorithm="HS256", headers={"kid": "RS256"}),
            "algorithm",
        ),
        (lambda: "a.b.c", ""),
        (lambda: "x" * 9000, ""),
    ],
)
def test_a_token_that_is_not_good_is_refused_and_told_why(guarded, make, why):
    answer = come_in(guarded, make())
    assert answer.status == 401
    challenge = answer.headers["www-authenticate"]
    assert 'error="invalid_token"' in challenge and why in challenge
    assert '/.well-known/oauth-protected-resource/mcp"' in challenge


def test_a_token_without_the_scope_is_told_which_one(guarded):
    answer = come_in(guarded, access_token(scope="openid"))
    assert answer.status == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert 'scope="execute"' in answer.headers["www-authenticate"]


def test_scopes_say_which_profiles_a_caller_may_use(guarded):
    def verdict(scope):
        headers = {"Authorization": f"Bearer {access_token(scope=scope)}"}
        return guarded.call("validate_code", {"code": "import pathlib"}, headers=headers)[
            "structuredContent"
        ]["validation"]

    assert verdict("execute execute:filesystem")["valid"] and verdict("execute:all")["valid"]
    refused = verdict("execute")
    assert refused["errors"] == ["Line 1: Import 'pathlib' is not allowed"]
    assert "execute:filesystem" in refused["violations"][0]["remedy"]


def test_a_client_finds_the_way_to_the_authorization_server(guarded):
    challenge = guarded.rpc("ping").headers["www-authenticate"]
    assert "error" not in challenge and "execute:filesystem" in challenge
    url = challenge.split('resource_metadata="')[1].split('"')[0]
    assert url == "https://sandbox.example.org/.well-known/oauth-protected-resource/mcp"
    answer = guarded.get(url.removeprefix("https://sandbox.example.org"))
    assert answer.status == 200
    document = json.loads(answer.body)
    assert document["resource"] == RESOURCE and document["authorization_servers"] == [ISSUER]
    assert "execute" in document["scopes_supported"] and document["bearer_methods_supported"] == ["header"]


def test_without_oauth_there_is_no_metadata():
    with HttpServer({"SANDBOX_API_TOKEN": SECRET}) as server:
        assert server.get("/.well-known/oauth-protected-resource").status == 404
        assert "resource_metadata" not in server.rpc("ping").headers["www-authenticate"]


def test_half_a_configuration_of_oauth_is_refused(tmp_path):
    text = start_fails({"SANDBOX_OAUTH_ISSUER": ISSUER})
    assert "SANDBOX_OAUTH_JWKS" in text and "SANDBOX_OAUTH_RESOURCE" in text
    settings = {"SANDBOX_OAUTH_ISSUER": ISSUER, "SANDBOX_OAUTH_RESOURCE": RESOURCE}
    private = json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(KEYS["RS256"]))
    path = private_file(tmp_path / "jwks.json", json.dumps({"keys": [private]}))
    assert "secret" in start_fails({**settings, "SANDBOX_OAUTH_JWKS": path})
    for bad in (
        "http://auth.example.org",
        "ftp://x",
        "https://",
        "https://a.example/?x=1",
        'https://a.example/"',
    ):
        assert "SANDBOX_OAUTH_ISSUER" in start_fails({**settings, "SANDBOX_OAUTH_ISSUER": bad})


# ---- the rate on stdio ----


def test_the_rate_limit_holds_on_stdio_when_it_is_set():
    with Server({"SANDBOX_RATE_LIMIT": "2"}) as server:
        assert server.run("result = 1")["result"] == 1
        assert server.run("result = 2")["result"] == 2
        answer = server.run("result = 3")
        assert answer["error_category"] == "overloaded" and "SANDBOX_RATE_LIMIT" in answer["error"]
        assert "second" in answer["error"]
        assert server.info()["success"]
