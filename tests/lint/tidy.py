#!/usr/bin/python3
"""clang-tidy over every source of the rooms: each file once, one process for each core.

usage: tests/lint/tidy.py BUILD

A file that passed is not examined again until what the compiler would see of it changes: the
preprocessed text with its comments (they can silence a check), its options, .clang-tidy or clang-tidy
itself. What passed is remembered in BUILD/tidy. Exit status 0 when every file passes.
"""

import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
GCC_ONLY = {"-ftrivial-auto-var-init=zero"}
# An option and, for some, the word behind it: what makes files beside the object.
OUTPUTS = {"-o": 1, "-MF": 1, "-MQ": 1, "-MD": 0, "-c": 0}


def without_outputs(words):
    kept, skip = [], 0
    for word in words:
        if skip:
            skip -= 1
        elif word in OUTPUTS:
            skip = OUTPUTS[word]
        else:
            kept.append(word)
    return kept


def entries_of(build):
    """One entry of the compilation database for each source of ours: that of the product, not that of a
    test which compiles the file again."""
    chosen = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = os.path.realpath(os.path.join(entry["directory"], entry["file"]))
        entry["arguments"] = [word for word in shlex.split(entry.pop("command")) if word not in GCC_ONLY]
        product = entry.get("output", "").startswith("src/")
        if path.startswith(f"{TREE}/src/") and (product or path not in chosen):
            chosen[path] = entry
    return chosen


def fingerprint(entry, tool):
    """None when it cannot even be preprocessed: clang-tidy will say why."""
    words = without_outputs(entry["arguments"])
    argv = ["clang", *words[1:], "-Wno-unknown-warning-option", "-E", "-CC", "-o", "-"]
    text = subprocess.run(argv, cwd=entry["directory"], capture_output=True)
    if text.returncode:
        return None
    return hashlib.sha256(b"\0".join([tool, " ".join(words).encode(), text.stdout])).hexdigest()


def examine(path, entry, tool, folder, passed):
    """What is wrong with the file; empty when nothing is."""
    mark = fingerprint(entry, tool)
    if mark and (passed / mark).exists():
        return ""
    argv = ["clang-tidy", "--quiet", "-p", folder, "--extra-arg=-Wno-unknown-warning-option", path]
    run = subprocess.run(argv, cwd=TREE, capture_output=True, text=True)
    if run.returncode:
        return run.stdout + run.stderr
    if mark:
        (passed / mark).touch()
    return ""


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: tests/lint/tidy.py BUILD")
    build = Path(sys.argv[1]).resolve()
    entries = entries_of(build)
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    tool = version + (TREE / ".clang-tidy").read_bytes()
    passed = build / "tidy"
    passed.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as threads:
        Path(folder, "compile_commands.json").write_text(json.dumps(list(entries.values())))
        # The longest first: none is left over for one core at the end.
        order = sorted(entries, key=os.path.getsize, reverse=True)
        said = list(threads.map(lambda path: examine(path, entries[path], tool, folder, passed), order))
    complaints = [text for text in said if text]
    print("\n".join(complaints))
    print(f"clang-tidy: {len(entries)} files, {len(complaints)} with complaints")
    return 1 if complaints or not entries else 0


if __name__ == "__main__":
    sys.exit(main())
