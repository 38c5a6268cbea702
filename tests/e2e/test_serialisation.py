"""The result: which Python value becomes which JSON value, and what bounds it."""

import json

import pytest

VALUES = [
    ("None", None, None),
    ("True", True, "bool"),
    ("0", 0, "int"),
    ("-5", -5, "int"),
    ("1.5", 1.5, "float"),
    ("1e100", 1e100, "float"),
    ("'text'", "text", "str"),
    ("''", "", "str"),
    ("'a\\0b'", "a\0b", "str"),
    ("'\\u20ac\\U0001f389'", "€🎉", "str"),
    ("2**53", 2**53, "int"),
    ("2**53 + 1", "9007199254740993", "int"),
    ("-2**53 - 1", "-9007199254740993", "int"),
    ("2**64", "18446744073709551616", "int"),
    ("float('nan')", "NaN", "float"),
    ("float('inf')", "Infinity", "float"),
    ("-float('inf')", "-Infinity", "float"),
    ("1j", "1j", "complex"),
    ("(1, 2)", [1, 2], "tuple"),
    ("[1, [2, (3,)]]", [1, [2, [3]]], "list"),
    ("{3}", [3], "set"),
    ("frozenset({3})", [3], "frozenset"),
    (
        "{'a': 1, 2: 'b', (1, 2): 4}",
        {"a": 1, "2": "b", "(1, 2)": 4},
        "dict",
    ),
    ("b'a\\xff'", "b'a\\xff'", "bytes"),
    ("bytearray(b'a')", "bytearray(b'a')", "bytearray"),
    ("range(3)", "range(0, 3)", "range"),
    ("object", "<class 'object'>", "type"),
    ("Ellipsis", "Ellipsis", "ellipsis"),
]
IMPORTED = [
    ("decimal", "Decimal('1.10')", "1.10", "decimal.Decimal"),
    ("fractions", "Fraction(1, 3)", "1/3", "fractions.Fraction"),
    ("uuid", "UUID(int=1)", "00000000-0000-0000-0000-000000000001", "uuid.UUID"),
    ("datetime", "datetime(2024, 1, 2, 3, 4, 5)", "2024-01-02T03:04:05", "datetime.datetime"),
    ("datetime", "date(2024, 1, 2)", "2024-01-02", "datetime.date"),
    ("datetime", "time(3, 4)", "03:04:00", "datetime.time"),
    ("datetime", "timedelta(days=1, seconds=5)", "1 day, 0:00:05", "datetime.timedelta"),
    ("collections", "OrderedDict(a=1)", {"a": 1}, "collections.OrderedDict"),
    ("collections", "Counter('aab')", {"a": 2, "b": 1}, "collections.Counter"),
    ("collections", "defaultdict(int, a=1)", {"a": 1}, "collections.defaultdict"),
    ("collections", "namedtuple('P', 'x y')(1, 2)", [1, 2], None),
    ("collections", "deque([1])", "deque([1])", "collections.deque"),
]


@pytest.mark.parametrize("expression, expected, kind", VALUES)
def test_a_built_in_value_becomes_json(server, expression, expected, kind):
    answer = server.run(f"result = {expression}")
    assert answer["success"], answer["error"]
    assert answer["result"] == expected
    assert type(answer["result"]) is type(expected)
    if kind:
        assert answer["result_type"] == kind


@pytest.mark.parametrize("module, expression, expected, kind", IMPORTED)
def test_a_value_of_the_standard_library_becomes_json(server, module, expression, expected, kind):
    answer = server.run(f"import {module}\nresult = {module}.{expression}")
    assert answer["success"], answer["error"]
    assert answer["result"] == expected
    if kind:
        assert answer["result_type"] == kind


def test_an_object_becomes_its_repr(server):
    answer = server.run("class A:\n    def __repr__(self): return 'A!'\nresult = A()")
    assert answer["result"] == "A!"
    assert answer["result_type"].split(".")[-1] == "A"


def test_values_deep_inside_follow_the_same_rules(server):
    answer = server.run(
        "import decimal\nresult = {'a': [(1, {2**60}), decimal.Decimal('0.5')], 'b': {'c': float('nan')}}"
    )
    assert answer["result"] == {"a": [[1, [str(2**60)]], "0.5"], "b": {"c": "NaN"}}


def test_keys_that_become_the_same_text_lose_nothing_silently(server):
    result = server.run("result = {1: 'a', '1': 'b'}")["result"]
    assert result.get("1") in ("a", "b")


def test_negative_zero_and_small_floats_survive(server):
    assert server.run("result = [5e-324, 0.1 + 0.2, 1e16]")["result"] == [5e-324, 0.30000000000000004, 1e16]


def test_a_lone_surrogate_is_escaped(server):
    assert server.run("result = 'a\\ud800b'")["result"] == "a\\ud800b"
    assert server.run("print('a\\ud800b')")["stdout"] == "a\\ud800b\n"


@pytest.mark.parametrize(
    "code",
    [
        "a = []\na.append(a)\nresult = a",
        "d = {}\nd['d'] = d\nresult = d",
        "a = [1]\nresult = (a, [a], {'x': a})\na.append(result)",
        "x = []\nfor _ in range(100_000): x = [x]\nresult = x",
        "x = {}\nfor _ in range(2_000): x = {'k': x}\nresult = x",
    ],
)
def test_cycles_and_depth_are_bounded_and_said(server, code):
    answer = server.run(code)
    assert answer["success"], answer["error"]
    assert answer["truncated"]["result"] is True


def test_the_same_list_twice_is_not_a_cycle(server):
    answer = server.run("a = [1]\nresult = [a, a]")
    assert answer["result"] == [[1], [1]]
    assert answer["truncated"]["result"] is False


@pytest.mark.parametrize(
    "code",
    [
        "'x' * 5_000_000",
        "list(range(2_000_000))",
        "{str(i): i for i in range(500_000)}",
        "['x' * 1000] * 10_000",
        "b'x' * 3_000_000",
    ],
)
def test_a_large_result_is_cut_to_the_limit_and_said(server, code):
    answer = server.run(f"result = {code}")
    assert answer["success"], answer["error"]
    assert answer["truncated"]["result"] is True
    assert len(json.dumps(answer["result"])) < 2 * 1048576


def test_a_shared_list_that_grows_exponentially_is_cut(server):
    answer = server.run("x = [0]\nfor _ in range(40): x = [x, x]\nresult = x", timeout=10)
    assert answer["success"], answer["error"]
    assert answer["truncated"]["result"] is True


HOSTILE = {
    "a repr that raises": "class A:\n    def __repr__(self): raise ValueError('no')\nresult = A()",
    "a repr that exits": "class A:\n    def __repr__(self): raise SystemExit(3)\nresult = A()",
    "a repr that is no string": "class A:\n    def __repr__(self): return 5\nresult = A()",
    "a repr that is huge": "class A:\n    def __repr__(self): return 'x' * 50_000_000\nresult = A()",
    "a repr that recurses": "class A:\n    def __repr__(self): return repr(self)\nresult = A()",
    "a list that lies about its length": "class L(list):\n    def __len__(self): return 10**9\n    def __iter__(self): raise ValueError\nresult = L([1])",
    "a dictionary with hostile items": "class D(dict):\n    def items(self): raise SystemExit\n    def keys(self): raise KeyError\nresult = D(a=1)",
    "a string subclass with hostile methods": "class S(str):\n    def encode(self, *a): raise ValueError\n    def __str__(self): return 1\nresult = S('q')",
    "an integer subclass with hostile methods": "class I(int):\n    def __str__(self): raise ValueError\n    def __index__(self): return 'x'\nresult = I(3)",
    "a key whose text raises": "class K:\n    def __repr__(self): raise ValueError\n    __str__ = __repr__\nresult = {K(): 1}",
    "a list changed while it is read": "x = [1, 2, 3]\nclass A:\n    def __repr__(self):\n        x.clear()\n        return 'gone'\nx[0] = A()\nresult = x",
    "a dictionary changed while it is read": "x = {}\nclass A:\n    def __repr__(self):\n        x.clear()\n        return 'gone'\nfor i in range(50): x[i] = A()\nresult = x",
    "a class whose name is hostile": "class A: pass\nA.__name__ = 'x' * 10_000_000\nresult = A()",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_costs_only_its_own_run(server, name):
    answer = server.run(HOSTILE[name], timeout=10)
    assert answer["error_category" if not answer["success"] else "stdout"] != "internal_error"
    assert server.run("result = 'fine'")["result"] == "fine"


def test_a_repr_that_never_ends_is_a_timeout(server):
    answer = server.run(
        "class A:\n    def __repr__(self):\n        while True: pass\nresult = A()", timeout=0.5
    )
    assert answer["error_category"] == "timeout"


def test_a_repr_that_prints_adds_to_the_output(server):
    answer = server.run(
        "class A:\n    def __repr__(self):\n        print('from repr')\n        return 'A'\nresult = A()"
    )
    assert answer["result"] == "A"
    assert answer["stdout"] in ("", "from repr\n")
