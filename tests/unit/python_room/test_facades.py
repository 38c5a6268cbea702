"""Facades: what they hold, what they hide, and that nothing leads from them to a real module."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import types  # noqa: E402
import warnings  # noqa: E402

from room import BASIC, _python_room, error, main, result, run, start  # noqa: E402

start()
MODULES = _python_room.profile_modules(BASIC)
DEPTH = 5
FORBIDDEN = (types.FrameType, types.CodeType, types.TracebackType, types.CellType)

# Programs in good faith → result.
HONEST = {
    "import random\nrandom.seed(1)\na = random.random()\nrandom.seed(1)\nresult = a == random.random()": True,
    "import decimal\ndecimal.getcontext().prec = 5\nresult = str(decimal.Decimal(1) / 3)": "0.33333",
    "import math\nresult = [math.__name__, repr(math), type(math).__name__]": [
        "math",
        "<module 'math'>",
        "module",
    ],
    "import json\nresult = 'Return' in (json.loads.__doc__ or '') or bool(json.__doc__)": True,
    "import math\nresult = 'sqrt' in dir(math) and hasattr(math, 'sqrt') and not hasattr(math, 'nope')": True,
    "import math\nmath.tau = 3\nresult = math.tau": 3,
    "import csv, io\nf = io.StringIO()\ncsv.writer(f).writerow([1, 'a,b'])\nresult = f.getvalue()": '1,"a,b"\r\n',
    "import configparser\nc = configparser.ConfigParser()\nc.read_string('[a]\\nb = 1')\nresult = c['a'].getint('b')": 1,
    "import calendar\nresult = [calendar.January, calendar.monthrange(2024, 2)[1]]": [1, 29],
    "import enum\nclass C(enum.IntFlag):\n    A = enum.auto()\n    B = enum.auto()\nresult = int(C.A | C.B)": 3,
    "import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def f(self): ...\ntry:\n    A()\nexcept TypeError:\n    result = 1": 1,
    "import typing\nT = typing.TypeVar('T')\nclass B(typing.Generic[T]): pass\nresult = B[int] is not None": True,
    "import typing\ndef f(a: 'int') -> 'list[str]': ...\nresult = typing.get_type_hints(f)['a'] is int": True,
    "import types\ns = types.SimpleNamespace(a=1)\nresult = [s.a, isinstance((i for i in ()), types.GeneratorType)]": [
        1,
        True,
    ],
    "import functools\n@functools.lru_cache(None)\ndef f(n): return n if n < 2 else f(n-1) + f(n-2)\nresult = f(50)": 12586269025,
    "import logging, io\nb = io.StringIO()\nlogging.basicConfig(stream=b, force=True)\nlogging.warning('x')\nresult = b.getvalue()": "WARNING:root:x\n",
    "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    result = traceback.format_exc().splitlines()[-1]": "ZeroDivisionError: division by zero",
    "import uuid\nresult = [uuid.uuid1().version, uuid.uuid4().version, uuid.uuid5(uuid.NAMESPACE_DNS, 'a').version]": [
        1,
        4,
        5,
    ],
    "import zoneinfo, datetime\nresult = str(datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo('UTC')).utcoffset())": "0:00:00",
    "import secrets, hashlib, hmac\nresult = [len(secrets.token_hex(4)), hmac.compare_digest('a', 'a')]": [
        8,
        True,
    ],
    "import asyncio\nasync def w(n):\n    await asyncio.sleep(0)\n    return n\nasync def f():\n    q = asyncio.Queue()\n    await q.put(1)\n"
    "    async with asyncio.timeout(5), asyncio.TaskGroup() as g:\n        t = g.create_task(w(2))\n"
    "    return [await q.get(), t.result(), *await asyncio.gather(w(3), w(4)), await asyncio.to_thread(len, 'ab')]\n"
    "result = asyncio.run(f())": [1, 2, 3, 4, 2],
    "import xml.etree.ElementTree as ET\nr = ET.Element('a')\nET.SubElement(r, 'b').text = 'x'\nresult = ET.tostring(r, encoding='unicode')": "<a><b>x</b></a>",
    "import warnings\nwith warnings.catch_warnings(record=True) as w:\n    warnings.simplefilter('always')\n    warnings.warn('old')\n"
    "result = [str(x.message) for x in w]": ["old"],
    "import warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('error')\n    try:\n        warnings.warn('old')\n"
    "    except UserWarning as e:\n        result = str(e)": "old",
    "import sys, io\nold, sys.stdout = sys.stdout, io.StringIO()\nprint('x')\nresult, sys.stdout = sys.stdout.getvalue(), old": "x\n",
    "import contextlib, io, sys\nb = io.StringIO()\nwith contextlib.redirect_stdout(b):\n    print('x')\n    sys.stdout.write('y')\nresult = b.getvalue()": "x\ny",
    "import contextlib, io, sys\nb = io.StringIO()\nwith contextlib.redirect_stderr(b):\n    print('x', file=sys.stderr)\nresult = b.getvalue()": "x\n",
    "import sys\nn = sys.getrecursionlimit()\nsys.setrecursionlimit(n + 1)\nresult = sys.getrecursionlimit() - n\nsys.setrecursionlimit(n)": 1,
    "import sys\nresult = [sys.argv, sys.version_info[0], sys.maxsize > 1, sys.byteorder in ('little', 'big'), sys.getsizeof([]) > 0, "
    "sys.float_info.dig, sys.int_info.sizeof_digit, sys.version[:2]]": [
        ["<sandbox>"],
        3,
        True,
        True,
        True,
        15,
        4,
        "3.",
    ],
    "import string\nresult = [string.ascii_letters[:2], string.Template('$a').substitute(a=1), string.capwords('a b')]": [
        "ab",
        "1",
        "A B",
    ],
    "import re\nresult = [type(re.compile('a')) is re.Pattern, re.sub('a', 'b', 'aa')]": [True, "bb"],
    "import operator\nresult = operator.itemgetter(1)([1, 2]), operator.attrgetter('real')(5)": (2, 5),
    "import copy, pprint, reprlib, textwrap, difflib, graphlib, heapq, bisect, struct, zlib, html, base64\n"
    "result = [copy.deepcopy([1]), reprlib.repr([1]), textwrap.shorten('a b', 9), zlib.crc32(b'a')]": [
        [1],
        "[1]",
        "a b",
        3904355907,
    ],
}
GONE = {
    "random": ["_os", "_inst", "_urandom"],
    "uuid": ["os", "sys"],
    "statistics": ["sys", "random"],
    "json": ["codecs", "tool"],
    "contextlib": ["os", "sys", "chdir", "MethodType"],
    "configparser": ["os", "io"],
    "dataclasses": ["sys", "types", "inspect", "builtins", "FunctionType"],
    "collections": ["_sys"],
    "enum": ["sys", "bltns", "global_enum"],
    "typing": ["sys", "types", "ForwardRef", "io", "re"],
    "types": ["FunctionType", "LambdaType", "CodeType", "CellType", "ModuleType", "FrameType"],
    "io": ["open", "open_code", "FileIO", "TextIOWrapper", "BufferedReader", "text_encoding"],
    "logging": ["os", "sys", "FileHandler", "currentframe", "config", "threading"],
    "traceback": ["walk_stack", "walk_tb", "linecache", "sys"],
    "warnings": ["sys", "filters", "_warnings_defaults"],
    "asyncio": ["sys", "subprocess", "streams", "create_subprocess_exec", "create_subprocess_shell", "open_connection", "start_server",
                "open_unix_connection", "unix_events", "base_events", "sslproto"],
    "sys": ["modules", "_getframe", "path", "meta_path", "settrace", "addaudithook", "__stdout__", "stdlib_module_names", "exc_info"],
    "datetime": ["sys", "datetime_CAPI"],
    "xml.etree.ElementTree": ["ElementPath", "io", "contextlib"],
    "html": ["_re"],
    "string": ["_re", "_string"],
    "functools": ["RLock", "GenericAlias"],
}  # fmt: skip

# CPython takes sys.modules["json.decoder"] when the facade lacks the name at the moment of IMPORT_FROM.
FALLBACKS = [
    "import json, json.decoder\nclass D(dict):\n    def __setitem__(self, k, v):\n        super().__setitem__(k, v)\n"
    "        if k == 'dumps': del json.decoder\nclass M(type):\n    @classmethod\n    def __prepare__(cls, *a): return D()\n"
    "class X(metaclass=M):\n    from json import dumps, decoder\nresult = X.decoder",
    "import xml.etree.ElementTree, xml\nclass D(dict):\n    def __setitem__(self, k, v):\n        super().__setitem__(k, v)\n"
    "        if k == 'a': del xml.etree\nclass M(type):\n    @classmethod\n    def __prepare__(cls, *a): return D()\n"
    "class X(metaclass=M):\n    from xml import etree as a, etree as b\nresult = X.b",
]
IMMUTABLE = [
    "json.__class__ = type('P', (type(json),), {'__getattr__': lambda s, n: 1})",
    "json.__name__ = 'os'",
    "json.__getattr__ = print",
    "json.__dict__ = {}",
    "del json.__name__",
    "setattr(json, '__path__', [])",
    "object.__setattr__(json, '__class__', type('P', (type(json),), {'__getattr__': print}))",
    "del sys.stdout",
]


class Contents(unittest.TestCase):
    def test_honest_programs_work_through_facades(self):
        for code, expected in HONEST.items():
            with self.subTest(code=code):
                self.assertEqual(result(code), expected)

    def test_public_functions_are_the_real_ones(self):
        """So they cost what they always did."""
        import json
        import math

        self.assertIs(result("import math\nresult = math.sqrt"), math.sqrt)
        self.assertIs(result("import json\nresult = json.dumps"), json.dumps)

    def test_withheld_names_are_attribute_errors(self):
        for module, names in GONE.items():
            for name in names:
                with self.subTest(module=module, name=name):
                    kind, text = error(f"import {module} as m\nm.{name}")
                    self.assertEqual(kind, "AttributeError")
                    self.assertIn(f"module '{module}' has no attribute '{name}'", text)
                    self.assertFalse(result(f"import {module} as m\nresult = hasattr(m, '{name}')"))

    def test_a_withheld_name_is_an_event_and_an_absent_one_is_not(self):
        error("import uuid\nuuid.os")
        ((layer, rule, detail, remedy),) = _python_room.events()
        self.assertEqual((rule, detail), ("facade", "'uuid.os' is not available in the sandbox"))
        self.assertTrue(remedy)
        error("import uuid\nuuid.nope")
        self.assertEqual(_python_room.events(), [])

    def test_what_a_program_changes_stays_in_its_facade(self):
        import math

        before = math.pi
        run("import math\nmath.pi = 3\nmath.extra = 1")
        self.assertEqual(math.pi, before)
        self.assertFalse(hasattr(math, "extra"))
        run(f"import math\nmath.pi = {before!r}")

    def test_the_real_modules_are_as_they_were(self):
        import os

        self.assertTrue(callable(os.path.join))
        self.assertTrue(sys.modules["random"]._os is os)
        sys.modules["random"].__dict__["vivarium_probe"] = 1
        del sys.modules["random"].vivarium_probe


class Walls(unittest.TestCase):
    def test_nothing_leads_from_a_facade_to_a_real_module_frame_or_code(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.assertEqual(Crawler().crawl(), [])

    def test_the_crawler_finds_what_real_modules_hold(self):
        found = Crawler().visit_all({"uuid": sys.modules["uuid"].UUID, "real": sys.modules["random"]})
        self.assertEqual(found, ["real: random"])
        holder = types.SimpleNamespace(_inner=[{"k": sys.modules["os"]}])
        self.assertEqual(Crawler().visit_all({"h": holder}), ["h._inner[0]['k']: os"])

    def test_functions_of_sys_do_not_know_the_real_sys(self):
        names = result("import sys\nresult = sys")
        for name, value in vars(names).items():
            if isinstance(value, types.BuiltinFunctionType):
                self.assertNotIsInstance(value.__self__, types.ModuleType, name)

    def test_no_function_in_a_facade_knows_a_module_that_leads_out(self):
        for name in MODULES:
            for key, value in vars(result(f"import {name} as result")).items():
                owner = getattr(value, "__self__", None)
                if isinstance(value, types.BuiltinFunctionType) and isinstance(owner, types.ModuleType):
                    held = [k for k, v in vars(owner).items() if isinstance(v, types.ModuleType)]
                    self.assertEqual(held, [], f"{name}.{key} of {owner.__name__}")
                    self.assertNotIn(owner.__name__, ("sys", "builtins", "posix", "_io", "_imp", "marshal"))

    def test_import_from_never_falls_back_on_sys_modules(self):
        for code in FALLBACKS:
            with self.subTest(code=code):
                kind, text = error(code)
                if not kind:
                    self.assertNotIn(id(result(code)), {id(m) for m in sys.modules.values()})
                else:
                    self.assertEqual(kind, "ImportError", text)

    def test_special_names_of_a_facade_stay(self):
        for code in IMMUTABLE:
            with self.subTest(code=code):
                self.assertIn(error("import json, sys\n" + code)[0], ("AttributeError", "TypeError"))

    def test_facades_of_submodules_are_facades(self):
        real = {id(m) for m in sys.modules.values()}
        code = "import asyncio, json, collections.abc, html.parser, xml.etree.ElementTree as e\n"
        code += (
            "result = [asyncio.tasks, json.decoder, json.decoder.scanner, collections.abc, html.parser, e]"
        )
        for facade in result(code):
            self.assertNotIn(id(facade), real, facade)

    def test_catch_warnings_keeps_its_module_to_itself(self):
        for code in (
            "warnings.catch_warnings()._module",
            "getattr(warnings.catch_warnings(), '_module')",
            "warnings.catch_warnings(module=5)._module",
            "class C(warnings.catch_warnings):\n    def f(self): return self._module\nC().f()",
        ):
            self.assertEqual(error("import warnings\n" + code)[0], "AttributeError")


class Crawler:
    """Follows every public road from values: attributes (with one underscore, too), items, new instances."""

    def __init__(self):
        self.real = {id(m): name for name, m in sys.modules.items()}
        self.found, self.seen, self.kept = [], {}, []

    def crawl(self):
        return self.visit_all({name: result(f"import {name} as result") for name in MODULES})

    def visit_all(self, values):
        for name, value in values.items():
            self.visit(value, name, DEPTH)
        return self.found

    def visit(self, value, path, depth):
        if id(value) in self.real:
            self.found.append(f"{path}: {self.real[id(value)]}")
        elif isinstance(value, FORBIDDEN):
            self.found.append(f"{path}: {type(value).__name__}")
        elif self.seen.get(id(value), -1) < depth and not isinstance(value, (str, bytes, int, float)):
            self.seen[id(value)] = depth
            self.kept.append(value)  # or its address would be taken by another
            if depth:
                for name, part in self.parts(value, path):
                    self.visit(part, path + name, depth - 1)

    def parts(self, value, path):
        if isinstance(value, (list, tuple, set, frozenset)):
            yield from ((f"[{i}]", part) for i, part in enumerate(list(value)[:300]))
        elif isinstance(value, (dict, types.MappingProxyType)):
            for key, part in list(value.items())[:300]:
                yield ".key", key
                yield f"[{key!r}]", part
        for name in dir(value):
            if not name.startswith("__"):
                try:
                    yield "." + name, getattr(value, name)
                except Exception:  # noqa: S112
                    continue
        if (
            isinstance(value, type)
            and not path.startswith("asyncio")
            and not issubclass(value, BaseException)
        ):
            try:
                yield "()", value()
            except Exception:
                return


if __name__ == "__main__":
    main()
