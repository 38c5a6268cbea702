"""Guards: that all of them are there, whom they answer, and that trust is not passed on. Each check runs in a
child of its own, for a process that has been armed stays so."""

import inspect
import json
import os
import sys
import types
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "policy"))

import guarded  # noqa: E402
from room import main, run, start  # noqa: E402

start()
TYPES = {
    "function": types.FunctionType,
    "method": types.MethodType,
    "builtin function": types.BuiltinFunctionType,
    "method wrapper": types.MethodWrapperType,
    "classmethod": classmethod,
    "staticmethod": staticmethod,
    "generator": types.GeneratorType,
    "coroutine": types.CoroutineType,
    "asynchronous generator": types.AsyncGeneratorType,
    "traceback": types.TracebackType,
    "frame": types.FrameType,
}
# Everybody's, but for functions of the library, which keep theirs.
LIBRARYS_OWN = {"function": {"__defaults__", "__dict__", "__kwdefaults__"}}


class Shadowed:
    y = 2

    @property
    def __dict__(self):
        return {"x": 1}


def armed(code, audited=False, **given):
    """The variable `result` of a program in an armed process, or what it raised."""
    here, there = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = run(code, None, given, arm=True, audited=audited)["result"]
        except BaseException as e:
            answer = f"{type(e).__name__}: {e}"
        os.write(there, json.dumps(answer, default=str).encode())
        os._exit(0)
    os.close(there)
    with os.fdopen(here) as f:
        answer = json.load(f)
    os.waitpid(pid, 0)
    return answer


class Guards(unittest.TestCase):
    def test_the_table_names_every_guard_that_there_is(self):
        for kind, type_ in TYPES.items():
            found = {n for n in dir(type_) if type(vars(type_).get(n)).__name__ == "guarded_attribute"}
            self.assertEqual(found - LIBRARYS_OWN.get(kind, set()), set(guarded.ATTRIBUTES[kind]), kind)
            self.assertLessEqual(LIBRARYS_OWN.get(kind, set()), found)

    def test_every_guard_refuses_a_program(self):
        self.assertEqual(armed(guarded.PROGRAM), guarded.expected())

    def test_until_they_are_armed_they_let_everything_pass(self):
        self.assertIs((lambda: 0).__globals__, globals())
        self.assertEqual([].append.__self__, [])

    def test_a_trusted_function_reads_what_it_needs(self):
        """partialmethod reads __self__ of the method that it makes."""
        code = "import functools\nclass A:\n    def f(self, n): return n\n    g = functools.partialmethod(f, 5)\nresult = A().g()"
        self.assertEqual(armed(code), 5)

    def test_what_a_trusted_function_calls_reads_nothing_in_its_name(self):
        """The real getattr, called by partialmethod: its frame is the innermost, its instruction is another."""
        code = (
            "import functools\nclass F: pass\nf = F()\nf.__get__ = real\npm = functools.partialmethod(print)\n"
            "pm.func = f\nresult = str(pm.__get__(print, '__self__'))"
        )
        self.assertIn("Reading '__self__' of a builtin function is not allowed", armed(code, real=getattr))

    def test_a_trusted_function_is_known_by_its_code_and_not_by_its_name(self):
        code = (
            "def walk_tb(tb): return getattr(tb, name)\nwalk_tb.__qualname__ = 'walk_tb'\nname = 'tb_' + 'frame'\n"
            "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    result = str(walk_tb(e))"
        )
        self.assertIn("SecurityViolation", armed(code))

    def test_the_interpreters_own_import_loads_for_a_program_only_what_it_may_import(self):
        for name in ("turtle", "encodings.rot_13", "_testcapi", "no_such_module"):
            code = f"result = 1\nreal('{name}')"
            self.assertIn(
                f"load a module that is not for programs (import): {name}", armed(code, True, real=__import__)
            )
        code = (
            "real('logging.handlers')\nresult = 1"  # permitted; what it needs itself is the library's affair
        )
        self.assertEqual(armed(code, True, real=__import__), 1)

    def test_c_code_and_the_library_load_what_they_need_for_a_program(self):
        code = (
            "import datetime, decimal\nresult = [datetime.datetime.strptime('2026', '%Y').year, 'a'.encode('cp037')[0]]\n"
            "result.append((1 << 20000) // 3**6000 % 1000)\n"
            "result.append(f'{decimal.Decimal(\"1.5\"):>5}')"
        )
        self.assertEqual(armed(code, True), [2026, 0x81, (1 << 20000) // 3**6000 % 1000, "  1.5"])

    def test_the_library_looks_attributes_up_statically(self):
        self.assertIs(inspect.getattr_static(5, "real"), vars(int)["real"])
        self.assertIs(inspect.getattr_static(bool, "real"), vars(int)["real"])
        self.assertEqual(inspect.getattr_static(Shadowed(), "x", "none"), "none")
        self.assertEqual(inspect.getattr_static(Shadowed(), "y"), 2)

    def test_library_functions_keep_their_defaults_and_attributes(self):
        for name in ("__defaults__", "__kwdefaults__", "__dict__"):
            code = f"import json\nresult = 1\nobject.__setattr__(json.dumps, '{name}', {{}})"
            self.assertIn(f"Setting '{name}' of a function is not allowed", armed(code), name)

    def test_functions_of_the_program_are_its_own(self):
        code = (
            "def f(a, *, b=1): return a, b\nobject.__setattr__(f, '__kwdefaults__', {'b': 2})\nresult = f(1)"
        )
        self.assertEqual(armed(code), [1, 2])

    def test_what_is_shown_of_a_library_functions_attributes_is_a_copy(self):
        code = (
            "import functools, json\nkept = []\nclass W:\n    def __setattr__(self, name, value): kept.append(value)\n"
            "json.dumps.mark = 1\nfunctools.update_wrapper(W(), json.dumps, assigned=('__dict__',), updated=())\n"
            "kept[0]['mark'] = 2\nresult = json.dumps.mark"
        )
        self.assertIn(armed(code), (1, "SecurityViolation: Attribute '__dict__' may not be assigned"))


if __name__ == "__main__":
    main()
