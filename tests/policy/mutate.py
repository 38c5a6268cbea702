"""Mutated programs, as TAP: python mutate.py FOLDER-OF-_policy_test [ROUNDS [SEED]]

Programs of the corpus are cut, spliced, renamed and nested. For each result that parses: the policy
answers, answers the same twice, reports in order and inside the text; and what it lets pass holds,
by a second and much simpler judge written in Python, none of the names that lead out.
"""

import ast
import random
import re
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, sys.argv[1])
import _policy_test as policy  # noqa: E402
import cases  # noqa: E402

WORDS = """__subclasses__ __bases__ __base__ __mro__ mro __globals__ __builtins__ __code__ __closure__ __func__
__self__ __wrapped__ __dict__ __getattribute__ __reduce__ __reduce_ex__ __loader__ __spec__ __traceback__ gi_frame
cr_frame ag_frame tb_frame f_back f_globals f_builtins f_locals co_code"""
NEVER = set(WORDS.split())
NAMES = sorted(NEVER) + [
    "x",
    "eval",
    "open",
    "__class__",
    "__match_args__",
    "__name__",
    "é",
    "ｏs",
    "self",
    "_",
    "__x",
]
IDENTIFIER = re.compile(r"[^\W\d]\w*")


def mutate(rng, texts):
    text = rng.choice(texts)
    for _ in range(rng.randint(1, 4)):
        lines = text.split("\n")
        kind = rng.randrange(7)
        if kind == 0:
            i = rng.randrange(len(text) + 1)
            text = text[:i] + text[i + rng.randint(1, 8) :]
        elif kind == 1:
            other = rng.choice(texts).split("\n")
            i = rng.randrange(len(lines) + 1)
            lines[i:i] = other[rng.randrange(len(other)) :][: rng.randint(1, 5)]
            text = "\n".join(lines)
        elif kind == 2:
            found = list(IDENTIFIER.finditer(text))
            if found:
                m = rng.choice(found)
                text = text[: m.start()] + rng.choice(NAMES) + text[m.end() :]
        elif kind == 3:
            text = "def f():\n" + "\n".join("    " + line for line in lines)
        elif kind == 4:
            text = "class C:\n" + "\n".join("    " + line for line in lines)
        elif kind == 5:
            i = rng.randrange(len(text) + 1)
            text = text[:i] + rng.choice("()[]{}:,.=*@\\\n\r\f'\"#é") + text[i:]
        else:
            rng.shuffle(lines)
            text = "\n".join(lines)
    return text


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
