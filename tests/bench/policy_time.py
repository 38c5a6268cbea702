"""How long the policy takes, beside what CPython itself takes for the same text: run by bench.py in the stock
interpreter with the folder of _policy_test, prints nanoseconds as JSON.

Each figure is CPU time, the best of many: what else the machine does can only add to it."""

import ast
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, sys.argv[1])
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "policy"))
import _policy_test as policy  # noqa: E402
import cases  # noqa: E402

# Two honest programs of the corpus, 48 lines together.
FIFTY = "".join(c.code for c in cases.good() if c.name in ("dijkstra", "bank_account_with_private_state"))
ONCE = FIFTY * 8  # four times that still fits into the processor's caches: the ratios tell of the walk alone
LARGEST = FIFTY * ((256 << 10) // len(FIFTY.encode()))  # SANDBOX_MAX_CODE_SIZE, as it is by default


def best(function, rounds):
    times = []
    for _ in range(rounds):
        start = time.thread_time_ns()
        function()
        times.append(time.thread_time_ns() - start)
    return min(times)


def parse(code):
    return compile(code, "<sandbox>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)


def plain(code):
    return compile(code, "<sandbox>", "exec", dont_inherit=True)


def ours(code):
    """As a worker does it: to the tree, judge it, and the tree to code."""
    tree = parse(code)
    policy.check(tree, code, 1)
    return compile(tree, "<sandbox>", "exec", dont_inherit=True)


def main():
    rounds = int(sys.argv[2])
    out = {"lines": FIFTY.count("\n"), "walk": policy.walk_ns(parse(FIFTY), rounds)}
    out["plain"], out["ours"] = best(lambda: plain(FIFTY), rounds), best(lambda: ours(FIFTY), rounds)
    out["sizes"] = {n: policy.walk_ns(parse(ONCE * n), max(rounds // 10, 3)) for n in (1, 2, 4)}
    out["largest"] = policy.walk_ns(parse(LARGEST), max(rounds // 50, 3))
    hostile = parse(";".join(["x.__dict__"] * 20_000))
    out["violations"] = policy.walk_ns(hostile, max(rounds // 50, 3))
    print(json.dumps(out))


if __name__ == "__main__":
    main()
