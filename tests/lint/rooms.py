#!/usr/bin/python3
"""Which room may include which: reads docs/rooms.txt and every source under src/.

usage: rooms.py [TREE]          lint
       rooms.py --self-test     show that each kind of violation is found

A room is a folder of src/. Its files include their own room and rooms of lower levels. The room's own
library is linked only where the table says, so a room for the server never includes one that only the
zygote or the extension has, and the other way round. Libraries with one keeper each are named in OWNERS.
"""

import re
import sys
import tempfile
from pathlib import Path

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# header (or prefix) of an outside library → the only rooms that may include it
OWNERS = {
    "jansson.h": {"json"},
    "event2/": {"loop", "http"},
    "openssl/ssl.h": {"http"},
    "Python.h": {"python", "zygote"},
    "seccomp.h": {"jail"},
    "sqlite3.h": {"record"},
}
# where a room is linked → the parts of the product it ends up in
LINKED = {
    "both": {"server", "zygote", "extension"},
    "server": {"server"},
    "zygote": {"zygote", "extension"},
    "extension": {"extension"},
    "each": set(),
}


def read_rooms(path):
    """{room: (level, parts)}; raises ValueError on a line that is not understood."""
    rooms = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fields = line.split("#")[0].split()
        if not fields:
            continue
        if len(fields) != 3 or not fields[0].isdigit() or fields[2] not in LINKED:
            raise ValueError(f"{path}:{number}: not `level room linked-into`: {line}")
        rooms[fields[1]] = (int(fields[0]), LINKED[fields[2]])
    return rooms


def check_include(room, kind, target, rooms, own_header_exists):
    """Why @room may not include @target, or None."""
    for header, owners in OWNERS.items():
        if (target == header or (header.endswith("/") and target.startswith(header))) and room not in owners:
            return f"<{target}> belongs to {', '.join(sorted(owners))}"
    if kind == "<":
        return None
    other = target.split("/")[0]
    if "/" not in target:
        return None if own_header_exists else f'"{target}": include by room, "room/header.h"'
    if other not in rooms:
        return f'"{target}" names no room of docs/rooms.txt'
    if other == room:
        return None
    level, parts = rooms[room]
    other_level, other_parts = rooms[other]
    if other_level >= level:
        return f"{room} is level {level} and may not include {other}, level {other_level}"
    if not parts <= other_parts:
        return f"{room} is linked into {', '.join(sorted(parts))}, but {other} is not"
    return None


def lint(tree):
    """All violations in @tree as lines of text."""
    src = tree / "src"
    rooms = read_rooms(tree / "docs" / "rooms.txt")
    problems = []
    for folder in sorted(p for p in src.iterdir() if p.is_dir()):
        if folder.name not in rooms and any(folder.rglob("*.[ch]")):
            problems.append(f"{folder}: a room that docs/rooms.txt does not list")
    for path in sorted(src.rglob("*.[ch]")):
        room = path.relative_to(src).parts[0]
        if room not in rooms:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            kind, target = found.groups()
            why = check_include(room, kind, target, rooms, (path.parent / target).exists())
            if why:
                problems.append(f"{path.relative_to(tree)}:{number}: {why}")
    return problems


def self_test():
    table = "0 base both\n1 json server\n3 jail zygote\n3 transport server\n4 engine server\n7 app each\n"
    cases = {
        '#include "engine/engine.h"': ("base", True),
        '#include "jail/jail.h"': ("engine", True),
        "#include <jansson.h>": ("engine", True),
        '#include "nowhere/x.h"': ("engine", True),
        '#include "loose.h"': ("engine", True),
        '#include "transport/x.h"': ("jail", True),
        '#include "base/err.h"': ("engine", False),
        "#include <stdio.h>": ("base", False),
        '#include "engine/own.h"': ("engine", False),
    }
    for text, (room, wrong) in cases.items():
        with tempfile.TemporaryDirectory() as name:
            tree = Path(name)
            (tree / "docs").mkdir()
            (tree / "docs" / "rooms.txt").write_text(table)
            (tree / "src" / room).mkdir(parents=True)
            (tree / "src" / room / "x.c").write_text(text + "\n")
            if bool(lint(tree)) != wrong:
                return [f"self-test: {room}: {text}: expected {'a' if wrong else 'no'} violation"]
    return []


def main():
    args = sys.argv[1:]
    if args == ["--self-test"]:
        problems = self_test()
    else:
        problems = lint(Path(args[0]) if args else Path(__file__).resolve().parents[2])
    print("\n".join(problems) if problems else "rooms: ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
