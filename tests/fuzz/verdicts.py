"""Is the verdict of validate_code that of execute_code? python verdicts.py VIVARIUM [OPTION...]

Mutated programs of tests/policy go to both tools of the real server. A program is valid if and only if
execution begins, and what keeps it from that is told in the same words.
"""

import argparse
import ast
import random
import sys
import time
import warnings
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TREE / "tests/policy"), str(TREE / "tests/e2e")]
import cases  # noqa: E402
import stdio_client  # noqa: E402
from mutations import mutate  # noqa: E402

AT_ONCE = 8
LIMITS = {"timeout": 2, "memory_limit": "64m"}


def difference(verdict, answer):
    """What the two tools say differently about one program; None when they agree."""
    if "validation" not in verdict or "internal_error" in (
        answer.get("error_category"),
        verdict.get("error_category"),
    ):
        return f"{answer.get('error')} / {verdict.get('error')}"
    validation, refused = verdict["validation"], answer.get("validation_errors", [])
    if validation["errors"] != refused:
        return f"validate_code says {validation['errors']}, execute_code {refused}"
    if validation["valid"] == bool(refused):
        return f"valid is {validation['valid']}, with {refused}"
    if refused and (answer["success"] or answer["execution_time"] or answer["stdout"]):
        return f"refused and run: {answer}"
    told = [(e["rule"], e.get("line")) for e in answer["security_events"] if e["layer"] == "policy"]
    found = [(v["rule"], v["line"]) for v in validation["violations"] if v["rule"] != "syntax"]
    return None if told == found[: len(told)] and bool(told) == bool(found) else f"{told} is not {found}"


def parses(code):
    try:
        compile(code, "<sandbox>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def some(rng, texts):
    """Programs, most of which are at least Python."""
    out = []
    while len(out) < AT_ONCE:
        code = mutate(rng, texts)
        if code.strip() and (parses(code) or rng.random() < 0.1):
            out.append(code)
    return out


def ask(server, codes):
    """(verdict, answer) of each."""
    asked = [
        (server.ask_tool("validate_code", {"code": code}), server.ask_run(code, **LIMITS)) for code in codes
    ]
    out = []
    for one, other in asked:
        verdict = server.answer(one, 60)["result"]["structuredContent"]
        out.append((verdict, server.ran(other, 60)))
    return out


def wrong(server, code):
    """Once more, alone: a busy machine must not look like a difference."""
    return difference(*ask(server, [code])[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vivarium")
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    stdio_client.VIVARIUM = args.vivarium
    warnings.simplefilter("ignore")
    rng = random.Random(args.seed)
    texts = [case.code for case in cases.good() * 3 + cases.bad() + cases.caught()]
    done = invalid = 0
    start = time.monotonic()
    problems = []
    with stdio_client.Server({"SANDBOX_AUDIT_LOG": "off", "SANDBOX_ENABLE_FILESYSTEM": None}) as server:
        while not problems and (
            time.monotonic() - start < args.seconds if args.seconds else done < args.rounds
        ):
            codes = some(rng, texts)
            for code, pair in zip(codes, ask(server, codes), strict=True):
                done += 1
                invalid += not pair[0]["validation"]["valid"]
                why = difference(*pair) and wrong(server, code)
                if why:
                    problems.append(f"{why}\n{code!r}")
    print(*problems, sep="\n")
    print(f"{done:,} programs, {invalid:,} refused")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
