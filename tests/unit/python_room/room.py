"""What the tests of the room `python` share: programs run in it, and TAP.

usage of each test file: /usr/bin/python3 -I -S test_X.py FOLDER_OF_THE_EXTENSION [SITE_PACKAGES]

The programs run in this very process behind the language's walls: none of them may rely on the kernel's.
"""

import io
import json
import sys
import types
import unittest

sys.path.insert(0, sys.argv[1])
sys.path.extend(sys.argv[2:])

import _python_room  # noqa: E402

BASIC, DATA_SCIENCE, NETWORK, FILESYSTEM = 1, 2, 4, 8


def start(profiles=BASIC, modules=None, preload=None, overridden=False):
    """Prepare this process as a zygote is; once."""
    modules = _python_room.profile_modules(profiles) if modules is None else modules
    return _python_room.start(modules, modules if preload is None else preload, profiles, overridden)


def prepare(code, allowed=None, given=None):
    """The program as a function, and its module, whose globals hold those of @given."""
    _python_room.events()
    module = types.ModuleType("__main__")
    names = vars(module)
    names |= given or {}
    names["__builtins__"] = _python_room.builtins(allowed)
    return types.FunctionType(compile(code, "<sandbox>", "exec"), names), module


def run(code, allowed=None, given=None, arm=False, audited=False):
    """The program's globals after it ran, with those of @given from the start; what it raises is raised.
    With @arm this process is a worker from here on; when @audited no further program can be compiled in it."""
    program, module = prepare(code, allowed, given)
    before = sys.modules["__main__"]
    sys.modules["__main__"] = module
    try:
        if arm:
            _python_room.arm(audited)
        program()
    finally:
        sys.modules["__main__"] = before
    return vars(module)


def result(code, allowed=None):
    """The program's variable `result`."""
    return run(code, allowed)["result"]


def error(code, allowed=None):
    """(name of the exception's class, its text); ("", "") when the program ended well."""
    try:
        run(code, allowed)
    except BaseException as e:
        return type(e).__name__, str(e)
    return "", ""


def unique_pairs(pairs):
    """For json.loads: an object whose keys are all different."""
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError(f"duplicate keys in {keys}")
    return dict(pairs)


def refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def serialise(value, limit=1 << 20):
    """(parsed JSON, type, truncated) after checking that it is strict JSON within the limit."""
    text, kind, truncated = _python_room.serialise(value, limit)
    assert len(text) <= max(limit, 4), (len(text), limit)
    parsed = json.loads(text.decode("utf-8"), object_pairs_hook=unique_pairs, parse_constant=refuse_constant)
    return parsed, kind, truncated


class Tap(unittest.TestResult):
    """Prints one TAP line for each test."""

    number = 0

    def line(self, test, ok, note="", text=""):
        self.number += 1
        name = test._testMethodName.removeprefix("test_").replace("_", " ")
        for part in text.splitlines():
            print("#", part)
        print(f"{'ok' if ok else 'not ok'} {self.number} - {name}{note}", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.line(test, True)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line(test, True, f" # SKIP {reason}")

    def addError(self, test, err):
        super().addError(test, err)
        self.line(test, False, text=self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line(test, False, text=self.failures[-1][1])

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.failures.append((subtest, self._exc_info_to_string(err, test)))
            print(f"# {subtest}")
            for part in self.failures[-1][1].splitlines():
                print("#", part)
            self.failed_subtests = True


class SubTestTap(Tap):
    """A test with a failed part fails once, at its end."""

    failed_subtests = False

    def startTest(self, test):
        super().startTest(test)
        self.failed_subtests = False

    def stopTest(self, test):
        if self.failed_subtests:
            self.line(test, False)
        super().stopTest(test)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    print(f"TAP version 13\n1..{suite.countTestCases()}", flush=True)
    noise, sys.stderr = sys.stderr, io.StringIO()
    outcome = suite.run(SubTestTap())
    sys.stderr = noise
    sys.exit(0 if not outcome.failures and not outcome.errors else 1)
