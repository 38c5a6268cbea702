"""The guarded __import__, its refusals, and a program's builtins."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


from room import BASIC, _python_room, error, main, result, run, start  # noqa: E402

INSTALLED, MISSING = start(modules=_python_room.profile_modules(BASIC) + ["vivarium_absent"])
SERVER = _python_room.profile_modules(BASIC)
NO, PATH, YES = 0, 1, 2

FORMS = {
    "import math\nresult = math.sqrt(4)": 2.0,
    "import json.decoder as d\nresult = d.JSONDecoder().decode('[1]')": [1],
    "import json.decoder\nresult = json.loads('[1]')": [1],
    "import xml.etree.ElementTree as ET\nresult = ET.fromstring('<a/>').tag": "a",
    "import xml.etree.ElementTree\nresult = xml.etree.ElementTree.fromstring('<a/>').tag": "a",
    "from xml.etree import ElementTree\nresult = ElementTree.fromstring('<a/>').tag": "a",
    "from xml.etree.ElementTree import fromstring as f\nresult = f('<a/>').tag": "a",
    "from xml import etree\nresult = etree.ElementTree.fromstring('<a/>').tag": "a",
    "from urllib import parse\nresult = parse.quote('a b')": "a%20b",
    "import urllib.parse\nresult = urllib.parse.quote('a b')": "a%20b",
    "import html, html.parser\nresult = html.escape('<')": "&lt;",
    "from html import parser, escape\nresult = escape('<')": "&lt;",
    "from math import *\nresult = floor(pi)": 3,
    "from json import *\nresult = loads(dumps([1]))": [1],
    "from collections import abc\nresult = isinstance([], abc.Sequence)": True,
    "from collections.abc import Mapping\nresult = isinstance({}, Mapping)": True,
    "from __future__ import annotations\ndef f(x: Undefined): pass\nresult = 1": 1,
    "def f():\n    import math\n    return math.pi\nresult = int(f())": 3,
    "class A:\n    from math import pi\nresult = int(A.pi)": 3,
    "try:\n    import os\nexcept ImportError as e:\n    result = str(e)": "Import 'os' is not allowed",
    "import math as m, cmath as c\nresult = m.pi == c.pi": True,
}
# Libraries import for themselves, in Python and in C, on behalf of a program that may not.
LAZY = {
    "import datetime\nresult = datetime.datetime.strptime('2024-02-03', '%Y-%m-%d').day": 3,
    "import time\nresult = time.strptime('2024', '%Y').tm_year": 2024,
    "import datetime\nresult = datetime.date(2024, 2, 3).strftime('%d')": "03",
    "import array, copy\nresult = list(copy.deepcopy(array.array('i', [1])))": [1],
    "result = 'é'.encode('ascii', 'namereplace')": b"\\N{LATIN SMALL LETTER E WITH ACUTE}",
    "import asyncio\nasync def f():\n    return await asyncio.to_thread(lambda: 5)\nresult = asyncio.run(f())": 5,
    "import decimal, copy\nresult = str(copy.copy(decimal.Decimal('1.5')))": "1.5",
    "from dataclasses import dataclass\n@dataclass(slots=True)\nclass P:\n    x: int\nresult = P(1).x": 1,
}
# text → what the refusal says
REFUSED = {
    "import os": "Import 'os' is not allowed",
    "import os.path": "Import 'os.path' is not allowed",
    "import os.path as p": "Import 'os.path' is not allowed",
    "from os import path": "Import 'os' is not allowed",
    "from os.path import join": "Import 'os.path' is not allowed",
    "import builtins": "Import 'builtins' is not allowed",
    "import _io": "Import '_io' is not allowed",
    "import numpy as np": "Import 'numpy' is not allowed",
    "from xml import dom": "Import 'xml.dom' is not allowed",
    "from xml.etree import ElementPath": "Import 'xml.etree.ElementPath' is not allowed",
    "import xml.etree.cElementTree": "Import 'xml.etree.cElementTree' is not allowed",
    "from urllib import request": "Import 'urllib.request' is not allowed",
    "import logging.config": "Import 'logging.config' is not allowed",
    "from logging import config": "Import 'logging.config' is not allowed",
    "import asyncio.subprocess": "Import 'asyncio.subprocess' is not allowed",
    "import json.tool": "Import 'json.tool' is not allowed",
    "import asyncio.__main__": "Import 'asyncio.__main__' is not allowed",
    "import importlib": "Import 'importlib' is not allowed",
    "import sys.modules": "Import 'sys.modules' is not allowed",
}
WITHHELD = [
    "from random import _os",
    "from uuid import os",
    "from dataclasses import sys",
    "from types import FunctionType",
    "from logging import FileHandler",
    "from traceback import walk_stack",
    "from io import open",
    "from io import FileIO",
    "from sys import modules",
    "from asyncio import create_subprocess_exec",
    "from contextlib import MethodType",
]


class Permitted(unittest.TestCase):
    def test_every_form_of_import_works(self):
        for code, expected in FORMS.items():
            with self.subTest(code=code):
                self.assertEqual(result(code), expected)

    def test_libraries_import_what_they_need(self):
        for code, expected in LAZY.items():
            with self.subTest(code=code):
                allowed = ["datetime", "time", "array", "copy", "asyncio", "decimal", "dataclasses"]
                self.assertEqual(result(code, allowed), expected)

    def test_every_basic_module_is_there(self):
        for name in SERVER:
            with self.subTest(name=name):
                self.assertIn(name, INSTALLED)
                self.assertEqual(error(f"import {name}"), ("", ""))
                self.assertEqual(error(f"from {name} import *"), ("", ""))
                self.assertEqual(_python_room.events(), [])

    def test_a_permitted_module_that_is_not_installed_says_so(self):
        self.assertEqual(MISSING, ["vivarium_absent"])
        try:
            run("import vivarium_absent")
        except ModuleNotFoundError as e:
            self.assertEqual(str(e), "No module named 'vivarium_absent'")
            self.assertIn("permitted", e.__notes__[0])
        else:
            self.fail("nothing was raised")

    def test_an_import_in_a_loop_is_cheap(self):
        code = "import time\nt = time.perf_counter()\nfor _ in range(100000):\n    import math\nresult = time.perf_counter() - t"
        self.assertLess(result(code), 1)


class Refused(unittest.TestCase):
    def test_the_text_is_exact_and_an_event_says_what_would_help(self):
        for code, text in REFUSED.items():
            with self.subTest(code=code):
                self.assertEqual(error(code), ("SecurityViolation", text))
                (event,) = _python_room.events()
                self.assertEqual((event[1], event[2]), ("import", text))
                self.assertTrue(event[3])

    def test_withheld_names_are_import_errors(self):
        for code in WITHHELD:
            with self.subTest(code=code):
                name, text = error(code)
                self.assertEqual(name, "SecurityViolation")
                self.assertIn("not available in the sandbox", text)
                self.assertEqual(len(_python_room.events()), 1)
                self.assertEqual(error(f"try:\n    {code}\nexcept ImportError:\n    pass"), ("", ""))

    def test_names_that_do_not_exist_are_plain_import_errors(self):
        self.assertEqual(
            error("from json import nope"), ("ImportError", "cannot import name 'nope' from 'json'")
        )
        self.assertEqual(error("import json.nope")[0], "ModuleNotFoundError")
        self.assertEqual(_python_room.events(), [])

    def test_relative_imports_are_import_errors(self):
        for code in ("from . import os", "from .. import x", "from .json import loads"):
            self.assertEqual(error(code)[0], "ImportError")

    def test_allowed_imports_narrow(self):
        self.assertEqual(error("import math", ["math"]), ("", ""))
        self.assertEqual(error("import math", []), ("SecurityViolation", "Import 'math' is not allowed"))
        self.assertIn("allowed_imports", _python_room.events()[0][3])
        self.assertEqual(error("from json import scanner", ["json.decoder"])[0], "SecurityViolation")
        code = "import json.decoder\nresult = [hasattr(json, n) for n in ('decoder', 'loads', 'scanner')]"
        self.assertEqual(result(code, ["json.decoder"]), [True, False, False])
        self.assertEqual(error("import math", ["math", "os"]), ("", ""))
        self.assertEqual(error("import os", ["math", "os"])[0], "SecurityViolation")

    def test_odd_names_are_refused_plainly(self):
        guarded = _python_room.builtins(None)["__import__"]
        for name in ("", ".", "a.", ".a", "a..b", "x" * 2000, "a\0b", "\ud800", 5, None, "math ", "mäth"):
            with self.subTest(name=name):
                self.assertRaises(ImportError, guarded, name, None, None, None, 0)

    def test_a_list_of_names_gives_nothing_away(self):
        """C code's own imports pass, but their value is never used."""
        guarded = _python_room.builtins([])["__import__"]
        self.assertIsNone(guarded("os", {}, {}, ["path"], 0))


class Rule(unittest.TestCase):
    def test_the_remedy_names_what_would_permit_it(self):
        for dotted, narrowed, word in [
            ("numpy.linalg", None, "SANDBOX_ENABLE_DATA_SCIENCE=true"),
            ("os.path", None, "SANDBOX_ENABLE_FILESYSTEM=true"),
            ("smtplib", None, "SANDBOX_ENABLE_NETWORK=true"),
            ("os", None, "No profile permits it"),
            ("math", [], "allowed_imports"),
            ("numpy", ["math"], "SANDBOX_ENABLE_DATA_SCIENCE=true"),
        ]:
            with self.subTest(dotted=dotted):
                verdict, message, remedy = _python_room.refusal(SERVER, narrowed, dotted)
                self.assertEqual(verdict, NO)
                self.assertEqual(message, f"Import '{dotted}' is not allowed")
                self.assertIn(word, remedy)

    def test_verdicts(self):
        for dotted, verdict in [
            ("xml", PATH),
            ("xml.etree", PATH),
            ("xml.etree.ElementTree", YES),
            ("xml.dom", NO),
            ("json.decoder", YES),
            ("jsonx", NO),
            ("logging.handlers", YES),
            ("logging.config", NO),
            ("logging.config.x", NO),
        ]:
            self.assertEqual(_python_room.refusal(SERVER, None, dotted)[0], verdict, dotted)
        named = SERVER + ["logging.config", "numpy"]
        self.assertEqual(_python_room.refusal(named, None, "logging.config")[0], YES)
        self.assertEqual(_python_room.refusal(named, ["numpy.linalg"], "numpy")[0], PATH)


class Builtins(unittest.TestCase):
    def test_refused_functions_say_what_to_use(self):
        calls = "eval('1') exec('1') compile('1','','exec') input() breakpoint() help() globals() locals() open('x')"
        for call in calls.split():
            with self.subTest(call=call):
                name, text = error(call)
                self.assertEqual(name, "SecurityViolation")
                self.assertIn(call.split("(")[0] + "() is not available in the sandbox. ", text)
                self.assertEqual(len(_python_room.events()), 1)

    def test_vars_answers_for_own_instances_only(self):
        self.assertEqual(result("class A: pass\na = A()\na.x = 1\nresult = vars(a)"), {"x": 1})
        code = "from types import SimpleNamespace\nresult = vars(SimpleNamespace(x=1))"
        self.assertEqual(result(code), {"x": 1})
        for call in (
            "vars()",
            "import json\nvars(json)",
            "class A: pass\nvars(A)",
            "vars(1)",
            "vars(int)",
            "vars([], 1)",
        ):
            with self.subTest(call=call):
                self.assertEqual(error(call)[0], "SecurityViolation")
        self.assertEqual(error("class A: __slots__ = ()\nvars(A())")[0], "TypeError")

    def test_exit_is_that_of_sys(self):
        for code in ("exit(3)", "quit(3)", "import sys\nsys.exit(3)"):
            self.assertEqual(error(code), ("SystemExit", "3"))
        self.assertEqual(error("exit()"), ("SystemExit", ""))

    def test_the_loader_of_builtins_is_not_there(self):
        names = _python_room.builtins(None)
        self.assertFalse({"__loader__", "__spec__"} & set(names))
        self.assertIn("__build_class__", names)

    def test_each_program_has_its_own(self):
        a, b = _python_room.builtins(None), _python_room.builtins(None)
        a["print"] = None
        self.assertIs(b["print"], print)
        self.assertIs(_python_room.builtins(None)["print"], print)

    def test_the_safe_ones_are_listed(self):
        safe = _python_room.safe_builtins()
        self.assertEqual(safe, sorted(safe))
        self.assertTrue({"print", "len", "vars", "exit", "getattr", "ValueError"} <= set(safe))
        self.assertFalse({"eval", "exec", "open", "globals", "__import__", "input"} & set(safe))


if __name__ == "__main__":
    main()
