"""The corpus through the real server, as TAP: python end_to_end.py VIVARIUM

Every good program runs and gives its result; every bad one is refused by execute_code and by
validate_code with the same words.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import cases  # noqa: E402


class Server:
    def __init__(self, vivarium, case):
        # the machine may be busy with the rest of the tests
        env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "SANDBOX_AUDIT_LOG": "off"}
        env |= {k: v for k, v in os.environ.items() if k.startswith(("ASAN_", "UBSAN_", "LSAN_", "SANDBOX_"))}
        env |= {f"SANDBOX_ENABLE_{p.upper()}": "true" for p in case.profiles}
        if case.permitted is not None:
            env["SANDBOX_ALLOWED_IMPORTS"] = ",".join(case.permitted)
        self.process = subprocess.Popen(
            [vivarium, "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=env,
        )
        self.last = 0
        self.request(
            "initialize",
            {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "corpus", "version": "1"},
            },
        )
        self.send({"method": "notifications/initialized"})
        self.call("execute_code", {"code": "1"})  # after which the interpreter is known
        info = self.call("get_sandbox_info", {})
        self.python = tuple(int(n) for n in info["server"]["python_version"].split(".")[:2])

    def send(self, message):
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def request(self, method, params):
        self.last += 1
        self.send({"id": self.last, "method": method, "params": params})
        for line in self.process.stdout:
            message = json.loads(line)
            if message.get("id") == self.last:
                if "error" in message:
                    raise RuntimeError(message["error"]["message"])
                return message["result"]
        raise RuntimeError(f"the server ended: {self.process.wait()}")

    def call(self, tool, arguments):
        return self.request("tools/call", {"name": tool, "arguments": arguments})["structuredContent"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)


def arguments(case):
    out = {"code": case.code}
    if case.allowed is not None:
        out["allowed_imports"] = case.allowed
    return out


def check_good(server, case):
    answer = server.call("execute_code", arguments(case))
    if not answer["success"]:
        return f"{answer['error_category']}: {answer['error']}\n{answer['traceback']}"
    if answer["stdout"] != case.stdout:
        return f"printed {answer['stdout']!r}, not {case.stdout!r}"
    if case.result is not cases.UNSET and answer["result"] != case.result:
        return f"result {answer['result']!r}, not {case.result!r}"
    return None


def check_bad(server, case):
    answer = server.call("execute_code", arguments(case))
    if answer.get("error_category") == "invalid_request" and case.allowed:
        return None  # an allowed_imports that would widen
    if answer["success"] or answer["error_category"] != "security_violation":
        return f"success {answer['success']}, {answer.get('error')}"
    lines = [f"Line {line}: " for _, line in case.violations]
    errors = answer["validation_errors"]
    if len(errors) != len(lines) or not all(e.startswith(x) for e, x in zip(errors, lines, strict=True)):
        return f"{errors}"
    if [e["layer"] for e in answer["security_events"][:1]] != ["policy"]:
        return f"{answer['security_events']}"
    if case.allowed is not None:
        return None  # validate_code has no such argument
    verdict = server.call("validate_code", {"code": case.code})["validation"]
    if verdict["valid"] or verdict["errors"] != errors:
        return f"validate_code: {verdict['errors']}"
    found = [(v["rule"], v["line"]) for v in verdict["violations"]]
    return None if found == case.violations else f"{found}"


def served(case):
    """Needs a case more than the basic profile? Those run where POLICY_PROFILES names what there is."""
    there = os.environ.get("POLICY_PROFILES", "").split(",")
    return all(p in there for p in case.profiles) if not case.violations else True


def main():
    servers = {}
    work = [(check_good, c) for c in cases.good()] + [(check_bad, c) for c in cases.bad()]
    print(f"TAP version 13\n1..{len(work)}", flush=True)
    bad = 0
    for i, (check, case) in enumerate(work, 1):
        key = (tuple(case.profiles), None if case.permitted is None else tuple(case.permitted))
        if key not in servers:
            servers[key] = Server(sys.argv[1], case)
        server = servers[key]
        if not case.python <= server.python < case.until or not served(case):
            print(f"ok {i} - {case} # SKIP not for this server")
            continue
        why = check(server, case)
        bad += bool(why)
        print(f"{'not ok' if why else 'ok'} {i} - {case}")
        for line in (why or "").splitlines():
            print("#", line)
        sys.stdout.flush()
    for server in servers.values():
        server.close()
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
