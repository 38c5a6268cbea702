"""Vivarium's policy beside RestrictedPython's, measured with the programs of tests/policy. One table.

usage: restrictedpython.py [BUILD] [--quick] [--list] [--json FILE]

RestrictedPython is the newest of PyPI, installed by `scripts/setup compare`, and is set up in two ways
(restricted_guest.py):
  documented  safe_builtins, limited_builtins and utility_builtins, safer_getattr, full_write_guard,
              guarded_iter_unpack_sequence, the default item and iterator guards, PrintCollector
  generous    the same guards with every harmless built-in of Python added, instances of the program's
              own classes writable, as Zope has it
and in both, imports of the modules of Vivarium's basic profile. What is printed in functions is
collected too, and augmented assignment to names works.

The escapes are those of tests/policy: bad, which can be told from the text, and caught, which shows only
while it runs. One is *stopped* when the program is refused, or ends in an error that plain Python does not
end in, or is turned aside into lines that plain Python does not run. It is *let through* when it runs to
its end as in plain Python. It is undecided, and left out of that column, when it compiles and plain Python
does not run it to its end either, or never reaches the line that Vivarium refuses.
An honest program (tests/policy/good) is *broken* when it is refused, ends in an error, prints something
else or gives another result. Programs that need a profile, an argument or another Python are left out.
A loop's slowdown is the ratio of the best of many times to the best of plain Python's, taken in turn.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TREE = HERE.parents[1]
VENV = TREE / ".venv" / "restrictedpython"
sys.path[:0] = [str(TREE / "tests" / "e2e"), str(TREE / "tests" / "policy")]
import cases  # noqa: E402
import stdio_client  # noqa: E402

WAYS = ("vivarium", "documented", "generous")
FOUND = ("stopped", "let through", "undecided")
SUITES = {"bad": "escapes in the text", "caught": "escapes that the text hides"}
# Where programs look for harm to do; in the jail there is something (restricted_guest.py).
HOLES = {"trace": "/tmp/trace", "secret": "/tmp/secret", "unix": "/tmp/socket", "folder": "/tmp"}
HOLES |= {"port": 9000, "sibling": 1}

LOOP = """
import time

class Point:
    x = 1
    y = 2
    def step(self):
        return 3

def add(a, b):
    return a + b

def attributes(p, d, xs):
    total = 0
    for i in range(50):
        for j in range(50):
            total = total + p.x + p.y
    return total

def items(p, d, xs):
    for i in range(50):
        for j in range(50):
            d["a"] = d["b"] + xs[j]
    return d["a"]

def calls(p, d, xs):
    total = 0
    for i in range(50):
        for j in range(50):
            total = add(total, p.step())
    return total

def mixed(p, d, xs):
    total = 0
    for i in range(50):
        for x in xs:
            d["a"] = p.x + x
            total += add(d["a"], p.step())
    return total

def timed(work):
    start = time.perf_counter()
    work(Point(), {"a": 1, "b": 2}, [n for n in range(50)])
    return time.perf_counter() - start

timed(mixed)
result = [[timed(work) for work in (attributes, items, calls, mixed)] for n in range(150)]
"""
LOOPS = ("attributes", "items", "calls", "all three")


class Guest:
    """restricted_guest.py in a jail of bubblewrap: what it runs is hostile."""

    def __init__(self):
        jail = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
        jail += [
            "--ro-bind",
            "/usr",
            "/usr",
            "--symlink",
            "usr/lib",
            "/lib",
            "--symlink",
            "usr/lib64",
            "/lib64",
        ]
        jail += ["--symlink", "usr/bin", "/bin", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
        jail += ["--ro-bind", str(VENV), str(VENV), "--ro-bind", str(HERE), str(HERE), "--chdir", "/tmp"]
        self.process = subprocess.Popen(
            [*jail, "--", str(VENV / "bin/python"), "-I", str(HERE / "restricted_guest.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, how, code, modules, trace=False):
        job = {"how": how, "code": code, "modules": modules, "trace": trace}
        print(json.dumps(job), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the jail ended with {self.process.wait()}: does bwrap work here?")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)


def chosen(some):
    """Programs that mean the same in all three."""
    version = sys.version_info[:2]
    return [
        one
        for one in some
        if not one.profiles
        and not one.modules
        and one.allowed is None
        and one.permitted is None
        and one.python <= version < one.until
    ]


def verdict(answer, plain, wanted):
    """What became of an escape: see the top. @wanted: the lines that must do something."""
    if answer["stage"] == "compile":
        return "stopped"
    reaches = plain["stage"] == "done" and wanted <= set(plain["lines"])
    if answer["stage"] == "done":
        aside = set(answer.get("lines", ())) - set(plain["lines"])
        return "undecided" if not reaches else "stopped" if aside else "let through"
    return "stopped" if reaches or answer["error"] != plain.get("error") else "undecided"


class Comparison:
    def __init__(self, server, guest):
        self.server, self.guest = server, guest
        self.modules = server.info()["security_profiles"]["basic"]["modules"]
        self.escapes = {suite: {way: {found: [] for found in FOUND} for way in WAYS} for suite in SUITES}
        self.honest = {way: {"works": [], "broken": []} for way in WAYS}
        self.slowdown = {}

    def execute(self, way, code, trace=False):
        if way != "vivarium":
            return self.guest.run(way, code, self.modules, trace)
        answer = self.server.run(code, timeout=10)
        stage = "done" if answer["success"] else "compile" if answer.get("validation_errors") else "run"
        # as the guest says it, so that an error which plain Python has too is seen as the same
        error = re.sub(r" \(line \d+\)$", "", answer.get("error") or "")
        return {**answer, "stage": stage, "error": error}

    def is_right(self, way, case):
        answer = self.execute(way, case.code)
        if answer["stage"] != "done" or answer["stdout"] != case.stdout:
            return False
        return case.result is cases.UNSET or answer.get("result") == case.result

    def run_suites(self):
        for suite in SUITES:
            for case in chosen(cases.folder(suite)):
                code = cases.fill(case.code, HOLES)
                plain = self.execute("plain", code, True)
                wanted = {line for _, line in case.violations}
                for way in WAYS:
                    found = verdict(self.execute(way, code, True), plain, wanted)
                    self.escapes[suite][way][found].append(case)
        for case in chosen(cases.good()):
            for way in WAYS:
                self.honest[way]["works" if self.is_right(way, case) else "broken"].append(case)

    def time_loops(self, rounds):
        best = {}
        for _ in range(rounds):
            for way in ("plain", *WAYS):
                answer = self.execute(way, LOOP)
                if answer["stage"] != "done":
                    raise SystemExit(f"{way} does not run the loop: {answer['error']}")
                times = [*answer["result"], *best.get(way, [])]
                best[way] = [[min(column) for column in zip(*times, strict=True)]]
        for way in WAYS:
            self.slowdown[way] = [a / b for a, b in zip(best[way][0], best["plain"][0], strict=True)]

    def table(self, version):
        names = ("Vivarium", f"RestrictedPython {version}", "generous")
        yield "| | " + " | ".join(names) + " |"
        yield "|---|" + "---|" * len(names)
        for suite, title in SUITES.items():
            sums = [{k: len(v) for k, v in self.escapes[suite][way].items()} for way in WAYS]
            shown = [f"{s['stopped']} of {s['stopped'] + s['let through']}" for s in sums]
            yield f"| {title}, stopped | " + " | ".join(shown) + " |"
        sums = [{k: len(v) for k, v in self.honest[way].items()} for way in WAYS]
        shown = [f"{s['broken']} of {s['works'] + s['broken']}" for s in sums]
        yield "| honest programs broken | " + " | ".join(shown) + " |"
        for i, name in enumerate(LOOPS):
            times = [self.slowdown[way][i] for way in WAYS]
            shown = [f"{ratio:.{2 if ratio < 2 else 1}f} ×" for ratio in times]
            yield f"| loop over {name}, time against plain Python | " + " | ".join(shown) + " |"

    def details(self):
        for way in WAYS:
            for suite in SUITES:
                for found in FOUND[1:]:
                    for case in self.escapes[suite][way][found]:
                        yield f"{way}: {found}: {suite}/{case}"
            for case in self.honest[way]["broken"]:
                yield f"{way}: broken: {case}"


def installed_version():
    code = "import importlib.metadata as m; print(m.version('RestrictedPython'))"
    return subprocess.check_output([str(VENV / "bin/python"), "-c", code], text=True).strip()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("build", nargs="?", default="build")
    parser.add_argument("--quick", action="store_true", help="three rounds of the loops instead of ten")
    parser.add_argument("--list", action="store_true", help="name the programs behind the figures")
    parser.add_argument("--json")
    args = parser.parse_args()
    subprocess.run([str(TREE / "scripts/setup"), "compare"], check=True)
    stdio_client.VIVARIUM = str(Path(args.build).resolve() / "vivarium")
    os.environ.update(stdio_client.clean_environment())
    guest = Guest()
    with stdio_client.Server({"SANDBOX_MAX_TIMEOUT": "60", "SANDBOX_AUDIT_LOG": "off"}) as server:
        comparison = Comparison(server, guest)
        comparison.run_suites()
        comparison.time_loops(3 if args.quick else 10)
    guest.close()
    if args.list:
        print(*comparison.details(), sep="\n")
        print()
    table = list(comparison.table(installed_version()))
    print(*table, sep="\n")
    if args.json:
        Path(args.json).write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
