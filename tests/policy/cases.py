"""The corpus of programs: good ones that must pass, bad ones that the policy must refuse before they run,
and caught ones that it cannot see through and that another wall must stop while they run.

A file holds many programs. `### name` starts one; everything up to the next is its text. The rest of
the notation is comments, which are sent along, but for the settings, so that lines count from 1:

    #: profiles=filesystem    settings, see Case; several on a line
    #> 42                     a line of the expected stdout (good)
    #= 42                     the expected result as JSON (good; without it: not checked)
    #! import 1               a violation: rule and line (bad); all of them, in order
    #@ guard attribute 3      the first security event: layer, rule and line (caught); or
    #@ python TypeError 3     no wall of ours: CPython itself has nothing there, and says so
                              (several lines: one of them, for it depends on the isolation mode)
    #+ read the canary        what the program does where nothing stops it (harm)

Programs that are to do harm name it by holes, which fill() fills: {trace}, {secret} and so on.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
UNSET = object()


@dataclass
class Case:
    file: str
    name: str
    code: str
    profiles: list = field(default_factory=list)  # besides basic
    modules: list = field(default_factory=list)  # skip the run without these
    allowed: list | None = None  # allowed_imports of the call
    permitted: list | None = None  # SANDBOX_ALLOWED_IMPORTS of the server
    python: tuple = (3, 11)  # the oldest that knows the syntax
    until: tuple = (9, 9)  # and the first that does not mean it so any more
    stdout: str = ""
    result: object = UNSET
    violations: list = field(default_factory=list)  # (rule, line)
    walls: list = field(default_factory=list)  # (layer, rule or exception, line)
    harm: str = ""
    settings: list = field(default_factory=list)  # as written

    def __str__(self):
        return f"{self.file} {self.name}"


def _settings(case, line):
    for item in line.split():
        key, _, value = item.partition("=")
        if key in ("python", "until"):
            setattr(case, key, tuple(int(n) for n in value.split(".")))
        elif key in ("profiles", "modules", "allowed", "permitted"):
            setattr(case, key, [v for v in value.split(",") if v])
        else:
            raise ValueError(f"{case}: unknown setting {key}")


def _case(file, name, lines):
    code = "\n".join(line for line in lines if not line.startswith("#:"))
    case = Case(file, name, code.strip("\n") + "\n")
    for line in lines:
        if line.startswith("#:"):
            case.settings.append(line)
            _settings(case, line[2:])
        elif line.startswith("#>"):
            case.stdout += line[3:] + "\n"
        elif line.startswith("#="):
            case.result = json.loads(line[2:])
        elif line.startswith("#!"):
            rule, number = line[2:].split()
            case.violations.append((rule, int(number)))
        elif line.startswith("#@"):
            layer, rule, number = line[2:].split()
            case.walls.append((layer, rule, int(number)))
        elif line.startswith("#+"):
            case.harm = line[2:].strip()
    return case


def read(path):
    """All cases of one file."""
    name, lines, out = None, [], []
    for line in path.read_text(encoding="utf-8").split("\n") + ["### "]:
        if not line.startswith("### "):
            lines.append(line)
            continue
        if name:
            out.append(_case(path.name, name, lines))
        name, lines = line[4:].strip(), []
    return out


def folder(name):
    return [case for path in sorted((HERE / name).glob("*.txt")) for case in read(path)]


def good():
    return folder("good")


def bad():
    return folder("bad")


def caught():
    return folder("caught")


def fill(code, values):
    """@code with its holes filled: `{name}` for every name in @values, other braces as they are."""
    for name, value in values.items():
        code = code.replace("{" + name + "}", str(value))
    return code
