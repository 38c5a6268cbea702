"""Mutated programs, as TAP: python mutate.py FOLDER-OF-_policy_test [ROUNDS [SEED]]

Programs of the corpus are cut, spliced, renamed and nested. For each result that parses: the policy
answers, answers the same twice, reports in order and inside the text; and what it lets pass holds,
by a second and much simpler judge written in Python, none of the names that lead out.
"""

import ast
import random
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, sys.argv[1])
import _policy_test as policy  # noqa: E402
import cases  # noqa: E402
from mutations import NEVER, mutate  # noqa: E402


def leads_out(tree):
    """A name that the policy must not have passed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in NEVER:
            return node.attr
        if isinstance(node, ast.Name) and node.id in NEVER and node.id.startswith("__"):
            return node.id
        if isinstance(node, ast.MatchClass) and NEVER & set(node.kwd_attrs):
            return str(node.kwd_attrs)
        if isinstance(node, (ast.arg, ast.keyword)) and node.arg in NEVER and node.arg.startswith("__"):
            return node.arg
        if isinstance(node, ast.alias) and (
            node.name in NEVER or (node.asname or "").startswith("__") and node.asname in NEVER
        ):
            return node.name
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for name in (
                [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or "."]
            ):
                if name.partition(".")[0] in ("os", "sys_", "subprocess", "builtins", "importlib", "."):
                    return name
    return None


def check(text):
    try:
        tree = compile(text, "<sandbox>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    first = policy.check(tree, text, 1)
    if first != policy.check(tree, text, 1):
        return "another verdict the second time"
    places = [(v["line"], v["column"]) for v in first["violations"]]
    lines = text.count("\n") + text.count("\r") + 1
    if places != sorted(places) or any(not 1 <= line <= lines or column < 1 for line, column in places):
        return f"places out of order or outside the text: {places}"
    if not places and not first["too_complex"] and leads_out(tree):
        return f"passes with {leads_out(tree)}"
    return "" if places else None


def main():
    warnings.simplefilter("ignore")
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    texts = [c.code for c in cases.good() + cases.bad()]
    refused = 0
    print("TAP version 13\n1..1")
    for _ in range(rounds):
        text = mutate(rng, texts)
        why = check(text)
        refused += why == ""
        if why:
            print(f"not ok 1 - mutated programs are judged\n# {why} in {text!r}")
            return 1
    print(f"# {rounds} programs, {refused} refused\nok 1 - mutated programs are judged")
    return 0


if __name__ == "__main__":
    sys.exit(main())
