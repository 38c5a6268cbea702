"""Honest programs: what people and models write in good faith runs, and gives what Python gives."""

import pytest

PROGRAMS = {
    "functions call themselves and each other": (
        "def even(n):\n    return n == 0 or odd(n - 1)\n"
        "def odd(n):\n    return n != 0 and even(n - 1)\nresult = [even(10), odd(7)]",
        [True, True],
    ),
    "augmented assignment to a name": ("x = 1\nx += 1\nx *= 5\nx **= 2\nresult = x", 100),
    "augmented assignment to an item": (
        "d = {}\nfor w in 'abab':\n    d.setdefault(w, 0)\n    d[w] += 1\nresult = d",
        {"a": 2, "b": 2},
    ),
    "augmented assignment to an attribute": (
        "class C:\n    n = 1\nc = C()\nc.n += 4\nresult = c.n",
        5,
    ),
    "unpacking": ("a, (b, *c), d = 1, (2, 3, 4), 5\nresult = [a, b, c, d]", [1, 2, [3, 4], 5]),
    "a loop over the items of a dictionary": (
        "out = []\nfor k, v in {'a': 1, 'b': 2}.items():\n    out.append([k, v])\nresult = out",
        [["a", 1], ["b", 2]],
    ),
    "a class with a method": (
        "class Dog:\n    def __init__(self, name):\n        self.name = name\n"
        "    def speak(self):\n        return f'{self.name} says woof'\nresult = Dog('Rex').speak()",
        "Rex says woof",
    ),
    "inheritance and super": (
        "class A:\n    def __init__(self, x):\n        self._x = x\n"
        "class B(A):\n    def __init__(self, x):\n        super().__init__(x + 1)\nresult = B(1)._x",
        2,
    ),
    "star arguments": (
        "def f(*a, **k):\n    return [list(a), k]\nresult = f(*[1, 2], **{'z': 3})",
        [[1, 2], {"z": 3}],
    ),
    "annotations": (
        "x: int = 3\ndef f(a: int, b: 'str' = 'q') -> list[int]:\n    return [a]\nresult = f(x)",
        [3],
    ),
    "annotations from the future": (
        "from __future__ import annotations\ndef f(a: Undefined) -> Nothing:\n    return a\nresult = f(1)",
        1,
    ),
    "async functions": (
        "import asyncio\nasync def f(n):\n    await asyncio.sleep(0)\n    return n * 2\n"
        "async def main():\n    return await asyncio.gather(f(1), f(2))\nresult = asyncio.run(main())",
        [2, 4],
    ),
    "async comprehension and context manager": (
        "import asyncio\nclass CM:\n    async def __aenter__(self):\n        return 5\n"
        "    async def __aexit__(self, *a):\n        return None\n"
        "async def gen():\n    for i in range(3):\n        yield i\n"
        "async def main():\n    async with CM() as c:\n        return [c + i async for i in gen()]\n"
        "result = asyncio.run(main())",
        [5, 6, 7],
    ),
    "match on literals, sequences and mappings": (
        "def f(x):\n    match x:\n        case 0:\n            return 'zero'\n        case [a, *rest]:\n"
        "            return [a, len(rest)]\n        case {'k': v}:\n            return v\n"
        "        case str() as s:\n            return s.upper()\n        case _:\n            return None\n"
        "result = [f(0), f([1, 2, 3]), f({'k': 9}), f('q'), f(1.5)]",
        ["zero", [1, 2], 9, "Q", None],
    ),
    "match on a dataclass by position": (
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: int\n"
        "match P(1, 2):\n    case P(a, b):\n        result = [a, b]",
        [1, 2],
    ),
    "nonlocal": (
        "def counter():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n        return n\n    return up\n"
        "c = counter()\nresult = [c(), c()]",
        [1, 2],
    ),
    "global": ("n = 1\ndef f():\n    global n\n    n += 1\nf()\nresult = n", 2),
    "names with a leading underscore": ("_x = 4\n_ = 5\nresult = _x + _", 9),
    "__name__ is __main__": ("if __name__ == '__main__':\n    result = 'main'", "main"),
    "comprehensions see names of the module": ("k = 3\nresult = [k * i for i in range(3)]", [0, 3, 6]),
    "nested comprehensions": (
        "n = 3\nresult = [[i * j for j in range(n)] for i in range(n) if i]",
        [[0, 1, 2], [0, 2, 4]],
    ),
    "a last line with a comment": ("x = 2\nx * 21  # the answer", 42),
    "a last line with an equals sign in it": ("d = dict(a=1)\nd == {'a': 1}", True),
    "a last line with a string that has an equals sign": ("'a=b'", "a=b"),
    "a last expression over several lines": ("[\n  1,\n  2,\n]\n", [1, 2]),
    "the word builtins in a string": (
        "result = 'the word builtins, __builtins__ and eval(x)'",
        "the word builtins, __builtins__ and eval(x)",
    ),
    "the word import os in a comment": ("# import os\nresult = 'import os'", "import os"),
    "a decorator": (
        "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def g(*a):\n        return f(*a) * 2\n    return g\n"
        "@twice\ndef h(x):\n    'doc'\n    return x\nresult = [h(4), h.__name__, h.__doc__]",
        [8, "h", "doc"],
    ),
    "a property and a setter": (
        "class T:\n    def __init__(self):\n        self._c = 0\n    @property\n    def f(self):\n        return self._c * 2\n"
        "    @f.setter\n    def f(self, v):\n        self._c = v\nt = T()\nt.f = 4\nresult = t.f",
        8,
    ),
    "class and static methods": (
        "class A:\n    n = 0\n    @classmethod\n    def up(cls):\n        cls.n += 1\n        return cls\n"
        "    @staticmethod\n    def two():\n        return 2\nresult = [A.up().n, A.two()]",
        [1, 2],
    ),
    "generators": (
        "def g():\n    x = yield 1\n    yield x\n    yield from [7, 8]\ni = g()\nresult = [next(i), i.send(5), *i]",
        [1, 5, 7, 8],
    ),
    "a context manager": (
        "from contextlib import contextmanager\n@contextmanager\ndef c():\n    yield 3\nwith c() as v:\n    result = v",
        3,
    ),
    "exception groups": (
        "try:\n    raise ExceptionGroup('g', [ValueError(1), TypeError(2)])\nexcept* ValueError as e:\n"
        "    a = len(e.exceptions)\nexcept* TypeError:\n    b = 2\nresult = [a, b]",
        [1, 2],
    ),
    "try, else and finally": (
        "out = []\ntry:\n    out.append(1)\nexcept ZeroDivisionError:\n    out.append(2)\nelse:\n    out.append(3)\n"
        "finally:\n    out.append(4)\nresult = out",
        [1, 3, 4],
    ),
    "an exception of its own class": (
        "class Bad(Exception):\n    pass\ntry:\n    raise Bad('x') from ValueError('y')\nexcept Bad as e:\n"
        "    result = [type(e).__name__, str(e)]",
        ["Bad", "x"],
    ),
    "the walrus": ("result = [y for x in range(5) if (y := x * x) > 3]", [4, 9, 16]),
    "closures and lambdas": (
        "fs = [lambda x, i=i: x + i for i in range(3)]\nresult = [f(10) for f in fs]",
        [10, 11, 12],
    ),
    "f-strings": (
        "x = 3.14159\nresult = f'{x:.2f} {x!r:>8} {x=:.1f} {\"a\":*^5}'",
        "3.14  3.14159 x=3.1 **a**",
    ),
    "str.format": ("result = '{0} {name!r} {1[0]:>3}'.format(1, [2], name='q')", "1 'q'   2"),
    "operators of a class": (
        "class V:\n    def __init__(s, x):\n        s.x = x\n    def __add__(s, o):\n        return V(s.x + o.x)\n"
        "    def __eq__(s, o):\n        return s.x == o.x\n    def __hash__(s):\n        return hash(s.x)\n"
        "    def __repr__(s):\n        return f'V({s.x})'\n    def __len__(s):\n        return s.x\n"
        "    def __getitem__(s, i):\n        return i * s.x\n    def __contains__(s, i):\n        return i == s.x\n"
        "    def __call__(s, y):\n        return y + s.x\n    def __iter__(s):\n        return iter(range(s.x))\n"
        "    def __bool__(s):\n        return True\n"
        "v = V(1) + V(2)\nresult = [repr(v), len(v), v[4], 3 in v, v(1), list(v), v == V(3), len({v, V(3)})]",
        ["V(3)", 3, 12, True, 4, [0, 1, 2], True, 1],
    ),
    "dataclasses with slots, order and post-init": (
        "from dataclasses import dataclass, field, asdict, replace\n@dataclass(order=True, slots=True)\nclass P:\n"
        "    x: int\n    tags: list = field(default_factory=list)\n    def __post_init__(self):\n        self.x += 1\n"
        "p = P(1)\nresult = [asdict(p), P(1) < P(2), replace(p, x=5).x]",
        [{"x": 2, "tags": []}, True, 6],
    ),
    "enumerations": (
        "from enum import Enum, auto, IntFlag\nclass C(Enum):\n    RED = auto()\n    BLUE = auto()\n"
        "class F(IntFlag):\n    A = 1\n    B = 2\nresult = [C.RED.name, C(2).name, [c.value for c in C], int(F.A | F.B)]",
        ["RED", "BLUE", [1, 2], 3],
    ),
    "named tuples": (
        "from collections import namedtuple\nfrom typing import NamedTuple\nP = namedtuple('P', 'x y')\n"
        "class Q(NamedTuple):\n    a: int\n    b: str = 'z'\nresult = [P(1, 2)._asdict(), P(1, 2)._replace(x=9).x, Q(4)]",
        [{"x": 1, "y": 2}, 9, [4, "z"]],
    ),
    "abstract classes and protocols": (
        "from abc import ABC, abstractmethod\nfrom typing import Protocol, TypeVar, Generic\nT = TypeVar('T')\n"
        "class A(ABC):\n    @abstractmethod\n    def f(self): ...\nclass B(A, Generic[T]):\n    def f(self):\n        return 1\n"
        "class S(Protocol):\n    def f(self) -> int: ...\ntry:\n    A()\n    bad = False\nexcept TypeError:\n    bad = True\n"
        "result = [bad, B().f()]",
        [True, 1],
    ),
    "self.__class__.__name__ and type(e).__name__": (
        "class K:\n    def who(self):\n        return self.__class__.__name__\ntry:\n    1 / 0\nexcept Exception as e:\n"
        "    n = type(e).__name__\nresult = [K().who(), n]",
        ["K", "ZeroDivisionError"],
    ),
    "getattr and friends with plain names": (
        "class A:\n    x = 1\na = A()\nsetattr(a, 'y', 2)\ng = [getattr(a, 'y'), getattr(a, 'q', 3), hasattr(a, 'x')]\n"
        "delattr(a, 'y')\nresult = g + [hasattr(a, 'y')]",
        [2, 3, True, False],
    ),
    "slicing and star assignment": (
        "a = list(range(6))\na[1:3] = [9]\ndel a[0]\n*h, t = a\nresult = [h, t]",
        [[9, 3, 4], 5],
    ),
    "sorting with a key": ("result = sorted('bCa', key=str.lower, reverse=True)", ["C", "b", "a"]),
    "lru_cache": (
        "from functools import lru_cache\n@lru_cache(maxsize=None)\ndef fib(n):\n    return n if n < 2 else fib(n-1) + fib(n-2)\n"
        "result = fib(80)",
        "23416728348467685",
    ),
    "regular expressions": (
        "import re\nresult = re.sub(r'(\\d+)', lambda m: str(int(m[1]) * 2), 'a1b22')",
        "a2b44",
    ),
    "datetime": (
        "from datetime import datetime, timedelta\nd = datetime.strptime('2024-02-28', '%Y-%m-%d') + timedelta(days=2)\n"
        "result = d.strftime('%d.%m.%Y')",
        "01.03.2024",
    ),
    "time zones": (
        "from zoneinfo import ZoneInfo\nfrom datetime import datetime\n"
        "result = datetime(2024, 7, 1, 12, tzinfo=ZoneInfo('Europe/Berlin')).isoformat()",
        "2024-07-01T12:00:00+02:00",
    ),
    "json there and back": (
        "import json\nresult = json.loads(json.dumps({'a': [1, None, True]}))",
        {"a": [1, None, True]},
    ),
    "csv in memory": (
        "import csv, io\nf = io.StringIO()\ncsv.writer(f).writerow([1, 'a,b'])\nresult = f.getvalue()",
        '1,"a,b"\r\n',
    ),
    "hashes and encodings": (
        "import hashlib, base64, hmac, zlib\nresult = [hashlib.sha256(b'a').hexdigest()[:8], base64.b64encode(b'hi').decode(),"
        " hmac.new(b'k', b'm', 'sha256').hexdigest()[:8], zlib.decompress(zlib.compress(b'z')).decode()]",
        ["ca978112", "aGk=", "b60090e3", "z"],
    ),
    "exact decimals and fractions": (
        "from decimal import Decimal, getcontext\nfrom fractions import Fraction\ngetcontext().prec = 5\n"
        "result = [str(Decimal(1) / 3), str(Fraction(1, 3) + Fraction(1, 6))]",
        ["0.33333", "1/2"],
    ),
    "statistics and heaps": (
        "import statistics, heapq, bisect, itertools\nh = [3, 1, 2]\nheapq.heapify(h)\n"
        "result = [statistics.median([1, 5, 3]), heapq.heappop(h), bisect.bisect([1, 2, 3], 2), list(itertools.accumulate([1, 2, 3]))]",
        [3, 1, 2, [1, 3, 6]],
    ),
    "a seeded random number": (
        "import random\nrandom.seed(42)\nresult = random.randint(1, 10**9) == random.Random(42).randint(1, 10**9)",
        True,
    ),
    "configparser from a string": (
        "import configparser\nc = configparser.ConfigParser()\nc.read_string('[a]\\nb = 1')\nresult = c['a'].getint('b')",
        1,
    ),
    "logging to stderr": (
        "import logging\nlogging.basicConfig(format='%(levelname)s %(message)s')\nlogging.warning('careful')\nresult = 1",
        1,
    ),
    "sys facade": (
        "import sys\nprint('x', file=sys.stderr)\nsys.stdout.write('y')\nresult = [sys.version_info[0], sys.byteorder in ('little', 'big'), sys.maxsize > 0]",
        [3, True, True],
    ),
    "warnings": (
        "import warnings\nwith warnings.catch_warnings(record=True) as w:\n    warnings.simplefilter('always')\n    warnings.warn('old')\n"
        "result = str(w[0].message)",
        "old",
    ),
    "traceback formatting": (
        "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    result = traceback.format_exc().splitlines()[-1]",
        "ZeroDivisionError: division by zero",
    ),
    "structs and bytes": (
        "import struct\nresult = list(struct.unpack('<IH', struct.pack('<IH', 7, 8)))",
        [7, 8],
    ),
    "type hints read back": (
        "import typing\ndef f(a: 'int') -> 'list[str]': ...\nresult = str(typing.get_type_hints(f)['a'].__name__)",
        "int",
    ),
    "a metaclass of its own": (
        "class M(type):\n    def __new__(m, n, b, d):\n        d['tag'] = n.lower()\n        return super().__new__(m, n, b, d)\n"
        "class A(metaclass=M):\n    pass\nresult = A.tag",
        "a",
    ),
    "a descriptor": (
        "class D:\n    def __set_name__(s, o, n):\n        s.n = '_' + n\n    def __get__(s, i, o):\n        return getattr(i, s.n, 0)\n"
        "    def __set__(s, i, v):\n        setattr(i, s.n, v)\nclass A:\n    x = D()\na = A()\na.x = 4\nresult = a.x",
        4,
    ),
    "deep but honest recursion": (
        "def d(n):\n    return 0 if n == 0 else 1 + d(n - 1)\nresult = d(900)",
        900,
    ),
    "big integers": ("result = len(str(2 ** 10000))", 3011),
    "unicode everywhere": ("größe = 'ñandú 🎉'\nprint(größe)\nresult = größe[::-1]", "🎉 údnañ"),
    "a bare string is a result": ("'docstring like'", "docstring like"),
    "an empty class and a docstring": ('"""About."""\nclass A:\n    """Doc."""\nresult = A.__doc__', "Doc."),
    "assert and del": ("x = [1]\nassert x, 'never'\ndel x[0]\nresult = x", []),
    "print to several places": ("print(1, 2, sep='-', end='!')\nprint()\nresult = None", None),
    "input data as text": (
        "text = '''name,score\nann,3\nbob,5'''\nrows = [r.split(',') for r in text.splitlines()[1:]]\nresult = {n: int(s) for n, s in rows}",
        {"ann": 3, "bob": 5},
    ),
    "names that are members of an enum of texts": (
        "import enum, operator\nclass C(str, enum.Enum):\n    A = 'a'\nclass P:\n    a = 1\np = P()\nsetattr(p, C.A, 2)\n"
        "result = [getattr(p, C.A), operator.attrgetter(C.A)(p), hasattr(p, C.A)]",
        [2, 2, True],
    ),
    "type hints of a decorated function, a class and given names": (
        "import functools, typing\nclass A:\n    n: 'A'\n    k: 'typing.Optional[int]'\n"
        "def f(x: 'A') -> 'int': ...\n@functools.wraps(f)\ndef g(*a): ...\nclass B:\n    m: 'N'\n"
        "result = [typing.get_type_hints(A)['n'] is A, typing.get_type_hints(g)['x'] is A, "
        "typing.get_type_hints(B, globalns={'N': int})['m'] is int]",
        [True, True, True],
    ),
    "a library that is loaded on first use": (
        "import zoneinfo\nresult = 'UTC' in zoneinfo.available_timezones()",
        True,
    ),
    "a dataclass whose annotations are text": (
        "from __future__ import annotations\nimport dataclasses, typing\n@dataclasses.dataclass\nclass A:\n    a: int\n"
        "    b: typing.ClassVar[int] = 1\n    c: dataclasses.InitVar[int] = 2\n    d: typing.Optional[A] = None\n"
        "result = [f.name for f in dataclasses.fields(A)]",
        ["a", "d"],
    ),
    "redirected output": (
        "import contextlib, io\nb = io.StringIO()\nwith contextlib.redirect_stdout(b):\n    print('x')\nresult = b.getvalue()",
        "x\n",
    ),
    "a format with items and attributes": (
        "result = '{0[a.b]} {1.real:>{w}} {2!r}'.format({'a.b': 1}, 2, 'x', w=3)",
        "1   2 'x'",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_honest_program_gives_what_python_gives(server, name):
    code, expected = PROGRAMS[name]
    answer = server.run(code)
    assert answer.get("error") is None, (answer["error"], answer.get("validation_errors"))
    assert answer["result"] == expected
    assert answer["success"] is True


@pytest.mark.parametrize("name", PROGRAMS)
def test_validation_agrees_that_the_program_is_honest(server, name):
    verdict = server.validate(PROGRAMS[name][0])["validation"]
    assert verdict["errors"] == []
    assert verdict["valid"] is True


def test_print_inside_a_function_is_captured(server):
    answer = server.run("def f():\n    print('inside')\nf()")
    assert answer["stdout"] == "inside\n"


def test_what_was_printed_before_an_exception_comes_back(server):
    answer = server.run("print('before')\n1 / 0")
    assert answer["stdout"] == "before\n"
    assert answer["error_category"] == "runtime_error"


def test_an_integer_of_five_thousand_digits_is_a_result(server):
    answer = server.run("result = 10**5000")
    assert answer["success"] is True
    assert isinstance(answer["result"], str)
    assert answer["result_type"] == "int"


def test_a_seed_set_by_one_program_does_not_reach_the_next(server):
    draw = "import random\nresult = [random.random() for _ in range(4)]"
    server.run("import random\nrandom.seed(1)")
    first = server.run(draw)["result"]
    server.run("import random\nrandom.seed(1)")
    assert server.run(draw)["result"] != first


def test_nothing_a_program_changes_is_seen_by_the_next(server):
    server.run(
        "import json, math, decimal\nmath.pi = 3\njson.leak = 1\ndecimal.getcontext().prec = 3\n"
        "global_leak = 5\nimport sys\nsys.setrecursionlimit(50)"
    )
    answer = server.run(
        "import json, math, decimal, sys\ntry:\n    leak = global_leak\nexcept NameError:\n    leak = None\n"
        "result = [math.pi, hasattr(json, 'leak'), decimal.getcontext().prec, leak, sys.getrecursionlimit()]"
    )
    assert answer["result"] == [3.141592653589793, False, 28, None, 1000]
