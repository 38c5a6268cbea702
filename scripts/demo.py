#!/usr/bin/python3
"""Runs the examples of the requirements through the real server, over stdio as a client would, and shows
program and answer. Needs nothing but the standard library.

usage: scripts/demo.py [path of vivarium]
Exit status 1 when an answer is not the expected one.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time

from examples import EXAMPLES, judge

COLOUR = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")
STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "cyan": "36"}


def paint(text, style):
    return f"\033[{STYLES[style]}m{text}\033[0m" if COLOUR else text


class Client:
    """As much of an MCP client as the demonstration needs."""

    def __init__(self, vivarium, state):
        self.process = subprocess.Popen(
            [vivarium, "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | {"SANDBOX_STATE_DIR": state},
        )
        self.last_id = 0

    def send(self, message):
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def request(self, method, params):
        self.last_id += 1
        self.send({"id": self.last_id, "method": method, "params": params})
        while True:
            line = self.process.stdout.readline()
            if not line:
                sys.exit(f"the server ended (exit status {self.process.wait()}) before it answered {method}")
            message = json.loads(line)
            if message.get("id") == self.last_id:
                if "error" in message:
                    sys.exit(f"{method}: {message['error']['message']}")
                return message["result"]

    def start(self):
        info = self.request(
            "initialize",
            {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "demo", "version": "1"},
            },
        )
        self.send({"method": "notifications/initialized"})
        return info

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        return self.process.wait(timeout=10)


def indented(text, style=None):
    lines = text.rstrip("\n").split("\n")
    return "\n".join("    " + (paint(line, style) if style else line) for line in lines)


def show_request(number, example):
    heading = f"{number}. {example['title']}"
    print(paint(heading, "bold") + paint(f"  ({example['tool']})", "dim"))
    arguments = dict(example["arguments"])
    code = arguments.pop("code", "")
    if code:
        print(indented(code.strip("\n"), "cyan"))
    if arguments:
        print(paint("    with " + json.dumps(arguments), "dim"))


def show_execution(answer, millis):
    for stream in ("stdout", "stderr"):
        if answer.get(stream):
            print(f"  {stream}:")
            print(indented(answer[stream]))
    if answer.get("success"):
        if answer["result"] is not None:
            print(f"  result: {json.dumps(answer['result'])}")
        if answer["variables"]:
            print(f"  variables: {', '.join(answer['variables'])}")
    else:
        print(f"  {answer.get('error_category')}: {answer.get('error')}")
    spent = f"{millis:.2f} ms from request to answer, isolation: {answer.get('isolation')}"
    print(paint(f"  {spent}", "dim"))


def show_validation(answer):
    validation, analysis = answer["validation"], answer["analysis"]
    print(f"  {validation['message']}")
    for error in validation["errors"]:
        print(f"    {error}")
    lines = analysis["line_count"]
    print(
        f"  {lines} line{'' if lines == 1 else 's'}, {analysis['character_count']} characters,"
        f" complexity {analysis['estimated_complexity']}"
    )
    for line in answer["recommendations"]:
        print(f"  advice: {line}")


def show_info(answer):
    for name, profile in answer["security_profiles"].items():
        modules = ", ".join(profile["modules"][:8]) + (", …" if len(profile["modules"]) > 8 else "")
        print(f"  {name:13}{'on ' if profile['enabled'] else 'off'}  {modules}")
    limits = [f"{name} {value}" for name, value in answer["resource_limits"].items() if value is not None]
    print("  limits: " + ", ".join(limits))


def show_answer(example, answer, millis):
    if example["tool"] == "execute_code":
        show_execution(answer, millis)
    elif example["tool"] == "validate_code":
        show_validation(answer)
    else:
        show_info(answer)


def connect(client):
    """Wait until the server is ready to run programs: later times are those of programs alone."""
    start = time.perf_counter()
    server = client.start()["serverInfo"]
    answer = client.request("tools/call", {"name": "execute_code", "arguments": {"code": "None"}})
    if answer.get("isError"):
        sys.exit(f"nothing can be run: {answer['structuredContent']['error']} (`vivarium doctor` tells more)")
    print(
        f"Connected to {server['name']} {server['version']}: interpreter started, walls tested, first program"
        f" run after {time.perf_counter() - start:.2f} s\n"
    )


def demonstrate(client):
    connect(client)
    bad = 0
    for number, example in enumerate(EXAMPLES, 1):
        show_request(number, example)
        start = time.perf_counter()
        result = client.request("tools/call", {"name": example["tool"], "arguments": example["arguments"]})
        millis = (time.perf_counter() - start) * 1000
        answer = result["structuredContent"]
        show_answer(example, answer, millis)
        wrong = judge(example, answer)
        bad += bool(wrong)
        print(paint("  ✗ " + "; ".join(wrong), "red") if wrong else paint("  ✓ as expected", "green"))
        print()
    status = client.close()
    if status:
        print(paint(f"the server ended with exit status {status}", "red"))
    print(f"{len(EXAMPLES) - bad} of {len(EXAMPLES)} answers as expected")
    if not bad and not status:
        print("Next: `make install`, then let an MCP client start `vivarium serve` (README.md shows how).")
    return 1 if bad or status else 0


def main():
    tree = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    vivarium = sys.argv[1] if len(sys.argv) > 1 else os.path.join(tree, "build", "vivarium")
    with tempfile.TemporaryDirectory(prefix="vivarium-demo-") as folder:
        client = Client(vivarium, os.path.join(folder, "state"))
        try:
            return demonstrate(client)
        finally:
            client.close()  # before its folder goes


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\ndemo: stopped")
