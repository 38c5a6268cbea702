"""Values to JSON: contract "Serialisation"."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import collections  # noqa: E402
import datetime  # noqa: E402
import decimal  # noqa: E402
import enum  # noqa: E402
import fractions  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import uuid  # noqa: E402

from room import main, result, serialise, start  # noqa: E402

start()
LIMIT = 1 << 20


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


Point = collections.namedtuple("Point", "x y")
UTC = datetime.UTC

PLAIN = [
    (None, None, "NoneType"),
    (True, True, "bool"),
    (0, 0, "int"),
    (-(2**53), -(2**53), "int"),
    (2**53 + 1, str(2**53 + 1), "int"),
    (-(2**64), str(-(2**64)), "int"),
    (1.5, 1.5, "float"),
    (1e16, 1e16, "float"),
    (5e-324, 5e-324, "float"),
    (float("nan"), "NaN", "float"),
    (float("inf"), "Infinity", "float"),
    (float("-inf"), "-Infinity", "float"),
    (1j, "1j", "complex"),
    ('a"\\\n\t\x00\x1f\x7f/\u2028é€🎉', 'a"\\\n\t\x00\x1f\x7f/\u2028é€🎉', "str"),
    ("\ud800a\udfff", "\\ud800a\\udfff", "str"),
    (b"a\xff", "b'a\\xff'", "bytes"),
    (bytearray(b"a"), "bytearray(b'a')", "bytearray"),
    ([1, [2, (3,)]], [1, [2, [3]]], "list"),
    ({3}, [3], "set"),
    (frozenset(), [], "frozenset"),
    (
        {"a": 1, 2: "b", (1, 2): 4, None: 5, True: 6},
        {"a": 1, "2": "b", "(1, 2)": 4, "None": 5, "True": 6},
        "dict",
    ),
    ({1.5: 1, float("nan"): 2, b"k": 3}, {"1.5": 1, "NaN": 2, "b'k'": 3}, "dict"),
    (range(3), "range(0, 3)", "range"),
    (object, "<class 'object'>", "type"),
    (decimal.Decimal("1.10"), "1.10", "decimal.Decimal"),
    (fractions.Fraction(1, 3), "1/3", "fractions.Fraction"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001", "uuid.UUID"),
    (datetime.datetime(2024, 1, 2, 3, tzinfo=UTC), "2024-01-02T03:00:00+00:00", "datetime.datetime"),
    (datetime.date(2024, 1, 2), "2024-01-02", "datetime.date"),
    (datetime.time(3, 4), "03:04:00", "datetime.time"),
    (datetime.timedelta(1, 5), "1 day, 0:00:05", "datetime.timedelta"),
    (collections.OrderedDict(a=1), {"a": 1}, "collections.OrderedDict"),
    (collections.Counter("aab"), {"a": 2, "b": 1}, "collections.Counter"),
    (collections.deque([1]), "deque([1])", "collections.deque"),
    (Point(1, 2), [1, 2], "Point"),
    (Level.LOW, 1, "Level"),
    (Colour.RED, "<Colour.RED: 1>", "Colour"),
    ({decimal.Decimal("1"): 1, datetime.date(2024, 1, 2): 2}, {"1": 1, "2024-01-02": 2}, "dict"),
]

# Program that leaves a hostile result → its JSON, or None when any well-formed JSON will do.
HOSTILE = {
    "class A:\n    def __repr__(self): raise ValueError\nresult = A()": "<A object (repr raised ValueError)>",
    "class A:\n    def __repr__(self): raise SystemExit\nresult = A()": "<A object (repr raised SystemExit)>",
    "class A:\n    def __repr__(self): return 5\nresult = A()": "<A object (repr raised TypeError)>",
    "class A:\n    def __repr__(self): return repr(self)\nresult = A()": "<A object (repr raised RecursionError)>",
    "class E(Exception):\n    def __str__(self): raise self\n    __repr__ = __str__\n"
    "class A:\n    def __repr__(self): raise E\nresult = A()": "<A object (repr raised E)>",
    "class S(str):\n    def __str__(self): return 1\n    __repr__ = encode = __str__\nresult = S('q')": "q",
    "class I(int):\n    def __str__(self): raise ValueError\n    __repr__ = __index__ = __int__ = __str__\n"
    "result = I(3)": 3,
    "class F(float):\n    def __float__(self): raise ValueError\n    __repr__ = __float__\nresult = F(3)": 3.0,
    "class L(list):\n    def __len__(self): return 10**9\n    def __iter__(self): raise ValueError\n"
    "    __getitem__ = __iter__\nresult = L([1])": [1],
    "class D(dict):\n    def items(self): raise SystemExit\n    keys = __iter__ = __len__ = items\n"
    "result = D(a=1)": {"a": 1},
    "class T(set):\n    def __iter__(self): raise ValueError\nresult = T([1])": [1],
    "class B(bytes):\n    def __repr__(self): raise ValueError\nresult = B(b'a')": "b'a'",
    "import decimal\nclass D(decimal.Decimal):\n    def __str__(self): raise ValueError\nresult = D(1)": "1",
    "class K:\n    def __repr__(self): raise ValueError\nresult = {K(): 1}": {
        "<K object (str raised ValueError)>": 1
    },
    "class K(str):\n    def __hash__(self): return 1\n    def __eq__(self, o): return False\n"
    "result = {K('a'): 1, K('a'): 2, 'a': 3}": {"a": 1, "a (2)": 2, "a (3)": 3},
    "result = {1: 'a', '1': 'b', 1.5: 'c', '1.5': 'd'}": {"1": "a", "1 (2)": "b", "1.5": "c", "1.5 (2)": "d"},
    "result = {'\\ud800': 1, '\\\\ud800': 2}": {"\\ud800": 1, "\\ud800 (2)": 2},
    "x = [1, 2, 3]\nclass A:\n    def __repr__(self):\n        x.clear()\n        return 'gone'\nx[0] = A()\n"
    "result = x": ["gone"],
    "x = []\nclass A:\n    def __repr__(self):\n        x.extend([A()] * 5)\n        return 'more' * 100\nx.append(A())\n"
    "result = x": None,
    "x = {}\nclass A:\n    def __repr__(self):\n        x.clear()\n        return 'gone'\n"
    "for i in range(50): x[i] = A()\nresult = x": {"0": "gone"},
    "x = {}\nclass A:\n    def __repr__(self):\n        for i in range(99): x[i, len(x)] = A()\n        return 'grown'\n"
    "x[0] = A()\nresult = x": {"0": "grown"},
    "from collections import OrderedDict\nx = OrderedDict()\nclass A:\n    def __repr__(self):\n"
    "        x.popitem()\n        return 'popped'\nfor i in range(9): x[i] = A()\nresult = x": {
        "0": "popped"
    },
    "x = set()\nclass A:\n    def __repr__(self):\n        x.clear()\n        return 'gone'\n"
    "for i in range(9): x.add(A())\nresult = x": ["gone"],
    "class A: pass\nA.__name__ = A.__qualname__ = 'x' * 10_000_000\nresult = A()": None,
    "class M(type):\n    __module__ = property(lambda s: 1/0)\n    def __getattribute__(s, n): raise ValueError(n)\n"
    "class A(metaclass=M): pass\nresult = A()": None,
    "class A: pass\nA.__module__ = 'a\\ud800\\n\\0b'\nresult = A()": None,
    "class A:\n    __class__ = property(lambda s: 1/0)\nresult = A()": None,
    "class A:\n    def __repr__(self): return 'x' * 50_000_000\nresult = A()": None,
    "class A:\n    def __del__(self): raise ValueError\n    def __repr__(self): return A()\nresult = [A() for _ in 'abc']": None,
}


class Values(unittest.TestCase):
    def test_each_plain_value_has_its_json(self):
        for value, expected, kind in PLAIN:
            with self.subTest(value=repr(value)):
                got, got_kind, truncated = serialise(value)
                self.assertEqual((got, type(got)), (expected, type(expected)))
                self.assertFalse(truncated)
                self.assertEqual(got_kind, kind)

    def test_classes_of_the_program_have_no_module(self):
        value = result("class Outer:\n    class Inner: pass\nresult = Outer.Inner()")
        self.assertEqual(serialise(value)[1], "Outer.Inner")

    def test_an_ordered_dict_keeps_its_own_order(self):
        value = collections.OrderedDict(a=1, b=2, c=3)
        value.move_to_end("a")
        self.assertEqual(list(serialise(value)[0]), ["b", "c", "a"])

    def test_digits_beyond_the_interpreters_limit_are_written(self):
        self.assertEqual(serialise(10**5000)[::2], ("1" + "0" * 5000, False))
        self.assertEqual(serialise({10**5000: 1})[0], {"1" + "0" * 5000: 1})
        self.assertEqual(sys.get_int_max_str_digits(), 4300)

    def test_an_absurd_integer_is_described_at_once(self):
        begin = time.monotonic()
        text, kind, truncated = serialise(1 << 40_000_000)
        self.assertLess(time.monotonic() - begin, 1)
        self.assertEqual((kind, truncated), ("int", True))
        self.assertIn("digits", text)


class Bounds(unittest.TestCase):
    def test_cycles_and_depth_are_marked(self):
        a = []
        a.append(a)
        d = {}
        d["d"] = d
        self.assertEqual(serialise(a), (["[...]"], "list", True))
        self.assertEqual(serialise(d), ({"d": "{...}"}, "dict", True))
        deep = []
        for _ in range(100_000):
            deep = [deep]
        self.assertTrue(serialise(deep)[2])
        while deep:
            deep = deep.pop()

    def test_the_same_list_twice_is_not_a_cycle(self):
        a = [1]
        self.assertEqual(serialise([a, a]), ([[1], [1]], "list", False))

    def test_what_grows_exponentially_is_cut(self):
        x = [0]
        for _ in range(60):
            x = [x, x]
        self.assertTrue(serialise(x)[2])

    def test_every_limit_leaves_well_formed_json(self):
        value = [
            1,
            'aé€🎉"\\\n\ud800' * 3,
            {"k": [1.5, None, {"x": (True, b"b")}], "é": {2}},
            10**30,
            float("nan"),
        ]
        whole = serialise(value)
        self.assertFalse(whole[2])
        for limit in range(0, 260):
            with self.subTest(limit=limit):
                parsed, _, truncated = serialise(value, limit)
                self.assertTrue(truncated or parsed == whole[0])

    def test_large_values_are_cut_near_the_limit(self):
        for value in [
            "x" * 5_000_000,
            "é" * 3_000_000,
            list(range(2_000_000)),
            b"x" * 3_000_000,
            ["x" * 1000] * 10_000,
        ]:
            with self.subTest(kind=type(value)):
                parsed, _, truncated = serialise(value)
                self.assertTrue(truncated)
                self.assertGreater(len(str(parsed)), LIMIT // 3)


class Hostile(unittest.TestCase):
    def test_a_hostile_value_has_harmless_json(self):
        for code, expected in HOSTILE.items():
            with self.subTest(code=code):
                value = result(code)
                parsed, kind, _ = serialise(value)
                self.assertLess(len(kind), 1000)
                self.assertTrue(kind.isprintable() or "�" in kind, kind)
                if expected is not None:
                    self.assertEqual(parsed, expected)

    def test_a_list_that_another_thread_changes_is_survived(self):
        shared, stop = [0] * 1000, threading.Event()

        class Yields:
            def __repr__(self):
                time.sleep(0)
                return "y"

        def churn():
            while not stop.is_set():
                shared.clear()
                shared.extend([Yields()] * 500)

        thread = threading.Thread(target=churn)
        thread.start()
        for _ in range(200):
            serialise(shared)
            serialise({"k": shared, 1: shared})
        stop.set()
        thread.join()


if __name__ == "__main__":
    main()
