"""Time, memory and output: what no program can outrun, swallow or flood, and what comes back all the same."""

import time

import pytest

MIB = 1024 * 1024

ENDLESS = {
    "an empty loop": "while True: pass",
    "a sum in C": "sum(range(10**12))",
    "a list in C": "max(i for i in iter(int, 1))",
    "a loop that catches everything": "while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass",
    "a finally that goes on": "def f():\n    try:\n        while True: pass\n    finally:\n        f()\nf()",
    "a generator that refuses to close": "def g():\n    while True:\n        try:\n            yield\n        except GeneratorExit:\n            pass\nx = g()\nfor _ in x: pass",
    "a sleep": "import time\ntime.sleep(3600)",
    "a regular expression that explodes": "import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')",
    "a huge power": "x = 7 ** (10 ** 9)",
    "a huge power by pow": "pow(3, 10 ** 9)",
    "a huge factorial": "import math\nmath.factorial(10 ** 8)",
    "a binomial": "import math\nmath.comb(10 ** 7, 5 * 10 ** 6)",
    "itertools without end": "import itertools\nfor _ in itertools.count(): pass",
    "a deque without end": "import collections, itertools\ncollections.deque(itertools.repeat(1), maxlen=0)",
    "a set of colliding hashes": "class H:\n    def __hash__(self): return 1\n    def __eq__(self, o): return False\nx = {H() for _ in range(10 ** 6)}",
    "an asyncio loop": "import asyncio\nasync def f():\n    while True: await asyncio.sleep(0)\nasyncio.run(f())",
    "a comparison of twins": "a = []\nfor _ in range(60): a = [a, a]\nb = []\nfor _ in range(60): b = [b, b]\na == b",
    "decimal work": "import decimal\ndecimal.getcontext().prec = 10 ** 6\ndecimal.Decimal(2).sqrt() ** decimal.Decimal('0.3')",
    "a print loop": "while True: print('x')",
    "an endless comparison": "class A:\n    def __eq__(self, o):\n        while True: pass\n[A()].index(1)",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_no_program_outruns_its_timeout(server, name):
    start = time.monotonic()
    answer = server.run(ENDLESS[name], timeout=0.4, memory_limit="512m")
    spent = time.monotonic() - start
    assert answer["success"] is False
    assert answer["error_category"] == "timeout", answer["error"]
    assert "0.4" in answer["error"]
    assert spent < 2, f"answered after {spent:.1f} s"
    assert 0.3 < answer["execution_time"] < 1.5


def test_what_was_printed_before_a_timeout_comes_back(server):
    answer = server.run(
        "import sys\nprint('out')\nprint('err', file=sys.stderr)\nwhile True: pass", timeout=0.3
    )
    assert (answer["stdout"], answer["stderr"]) == ("out\n", "err\n")
    assert answer["error_category"] == "timeout"


def test_output_without_a_line_end_comes_back_after_a_timeout(server):
    answer = server.run("print('no end', end='')\nwhile True: pass", timeout=0.3)
    assert answer["stdout"] == "no end"


def test_much_output_before_a_timeout_comes_back_in_order(server):
    answer = server.run("for i in range(20_000): print(i)\nwhile True: pass", timeout=2)
    assert answer["stdout"] == "".join(f"{i}\n" for i in range(20_000))


def test_a_timeout_leaves_its_measurements(server):
    usage = server.run("while True: pass", timeout=0.5)["resource_usage"]
    assert 0.05 < usage["cpu_time"] < 1


def test_the_default_timeout_is_configured(start):
    server = start({"SANDBOX_TIMEOUT": "0.5"})
    began = time.monotonic()
    assert server.run("while True: pass")["error_category"] == "timeout"
    assert time.monotonic() - began < 3
    assert server.info()["resource_limits"]["timeout"] == 0.5


def test_the_clock_starts_with_the_program_not_with_the_queue(start):
    server = start({"SANDBOX_MAX_CONCURRENCY": "1", "SANDBOX_POOL_SIZE": "1"})
    ids = [server.ask_run("import time\ntime.sleep(0.3)\nresult = 1", timeout=0.8) for _ in range(4)]
    assert [server.ran(i)["result"] for i in ids] == [1, 1, 1, 1]


def test_processor_time_has_a_limit_of_its_own(start):
    server = start({"SANDBOX_CPU_LIMIT": "1"})
    answer = server.run("while True: pass", timeout=20)
    assert answer["error_category"] in ("resource_limit", "timeout")
    assert 0.5 < answer["resource_usage"]["cpu_time"] < 3


# ---- memory ----
GREEDY = {
    "a list": "x = []\nwhile True: x.append([0] * 100_000)",
    "one large list": "x = [0] * 10 ** 9",
    "a dictionary": "x = {}\ni = 0\nwhile True:\n    x[i] = str(i) * 50\n    i += 1",
    "a string that doubles": "x = 'x'\nwhile True: x += x",
    "one large bytes object": "x = b'x' * 10 ** 10",
    "a bytearray that grows": "x = bytearray()\nwhile True: x.extend(b'x' * 10 ** 6)",
    "nested lists": "x = []\nwhile True: x = [x, x[:], list(range(1000))]",
    "small tuples": "x = []\nwhile True: x.append((1, 2, 3, len(x)))",
    "a set of integers": "x = set()\ni = 0\nwhile True:\n    x.add(i)\n    i += 1",
    "objects of a class": "class A:\n    def __init__(self): self.a = self.b = [1]\nx = []\nwhile True: x.append(A())",
    "a memory error that is caught": "x = []\nwhile True:\n    try:\n        while True: x.append(bytes(10 ** 6))\n    except MemoryError:\n        raise",
    "a string by join": "x = ','.join(str(i) for i in range(10 ** 9))",
    "a huge integer": "x = 1 << (10 ** 10)",
    "a compressed bomb": "import zlib\nx = zlib.decompress(zlib.compress(bytes(10 ** 8)) , bufsize=10 ** 9)\ny = [bytes(10**8) for _ in range(50)]",
    "an array": "import array\nx = array.array('q', bytes(8 * 10 ** 6))\nwhile True: x.extend(x)",
    "a format width": "x = '%1000000000d' % 1",
    "a StringIO": "import io\ns = io.StringIO()\nwhile True: s.write('x' * 10 ** 6)",
}


@pytest.mark.parametrize("name", GREEDY)
def test_too_much_memory_is_a_memory_limit_and_not_a_crash(server, name):
    answer = server.run("print('before')\n" + GREEDY[name], timeout=20)
    assert answer["success"] is False
    assert answer["error_category"] == "memory_limit", (answer["error_category"], answer["error"])
    assert answer["stdout"] == "before\n"
    assert "128" in answer["error"]


def test_memory_within_the_limit_is_there(server):
    answer = server.run("x = bytearray(100 * 1024 * 1024)\nresult = len(x)")
    assert answer["result"] == 100 * MIB


def test_a_program_may_catch_a_memory_error_and_go_on(server):
    answer = server.run("try:\n    x = bytearray(10 ** 10)\nexcept MemoryError:\n    result = 'recovered'")
    assert answer["result"] == "recovered"


def test_a_larger_limit_gives_more_and_a_smaller_one_less(server):
    code = "x = bytearray(200 * 1024 * 1024)\nresult = 1"
    assert server.run(code)["error_category"] == "memory_limit"
    assert server.run(code, memory_limit="256m")["result"] == 1
    assert (
        server.run("x = bytearray(40 * 1024 * 1024)", memory_limit="32m")["error_category"] == "memory_limit"
    )


def test_the_smallest_useful_limit_still_runs_a_small_program(server):
    assert server.run("result = sum(range(100))", memory_limit="16m")["result"] == 4950


def test_source_that_is_expensive_to_compile_does_not_eat_the_programs_memory(server):
    code = "x = [" + "1," * 100_000 + "]\nresult = len(x)"
    answer = server.run(code, memory_limit="64m")
    assert answer["result"] == 100_000 or answer["error_category"] == "resource_limit"


# ---- recursion ----
@pytest.mark.parametrize(
    "code",
    [
        "def f(): f()\nf()",
        "class A:\n    def __getattr__(self, n): return getattr(self, n)\nA().x",
        "class A:\n    def __repr__(self): return repr(self)\nrepr(A())",
        "f = lambda x: x(x)\nf(f)",
        "import json\nx = []\nx.append(x)\njson.dumps([x], check_circular=False)",
    ],
)
def test_endless_recursion_is_a_runtime_error(server, code):
    answer = server.run(code, timeout=10)
    assert answer["error_category"] == "runtime_error", answer["error"]
    assert answer["error_type"] == "RecursionError"


def test_a_raised_recursion_limit_cannot_take_the_server_along(server):
    answer = server.run("import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()", timeout=5)
    assert answer["success"] is False
    assert answer["error_category"] != "internal_error"
    deep = "import sys\nsys.setrecursionlimit(10 ** 6)\nx = None\nfor _ in range(10 ** 6): x = (x,)\nrepr(x)"
    assert server.run(deep, timeout=5)["error_category"] != "internal_error"


# ---- output ----
def test_a_flood_is_cut_at_the_limit_and_said(server):
    answer = server.run("for _ in range(300_000): print('x' * 99)", timeout=20)
    assert answer["success"] is True
    assert answer["truncated"]["stdout"] is True
    assert len(answer["stdout"]) == 1048576
    assert answer["stdout"].startswith("x" * 99 + "\n")


def test_each_stream_has_a_limit_of_its_own(server):
    answer = server.run("import sys\nprint('a' * 2_000_000, file=sys.stderr)\nprint('small')")
    assert answer["truncated"] == {"stdout": False, "stderr": True, "result": False}
    assert answer["stdout"] == "small\n"
    assert len(answer["stderr"]) == 1048576


def test_output_of_exactly_the_limit_is_whole(server):
    answer = server.run("print('x' * 1048576, end='')")
    assert len(answer["stdout"]) == 1048576
    assert answer["truncated"]["stdout"] is False


def test_the_limit_is_configured_and_counts_bytes(start):
    server = start({"SANDBOX_MAX_OUTPUT_SIZE": "10"})
    answer = server.run("print('é' * 20)")
    assert answer["truncated"]["stdout"] is True
    assert len(answer["stdout"].encode()) <= 10
    assert answer["stdout"] == "é" * 5
    assert server.run("result = 'x' * 100")["truncated"]["result"] is True


def test_a_cut_through_a_character_gives_no_broken_one(start):
    server = start({"SANDBOX_MAX_OUTPUT_SIZE": "9"})
    assert server.run("print('€' * 20)")["stdout"].rstrip("\ufffd") == "€€€"
    assert server.run("print('é' * 20)")["stdout"].rstrip("\ufffd") == "éééé"


def test_a_flood_without_end_is_a_timeout_with_the_first_part_of_it(server):
    answer = server.run("i = 0\nwhile True:\n    print(i)\n    i += 1", timeout=1)
    assert answer["error_category"] == "timeout"
    assert answer["stdout"].startswith("0\n1\n2\n")
    assert len(answer["stdout"]) <= 1048576


def test_invalid_utf8_in_the_output_becomes_replacement_characters(server):
    answer = server.run("import sys\nsys.stdout.buffer.write(b'a\\xff\\xfeb\\xe2\\x82')")
    if answer["success"]:
        assert answer["stdout"].startswith("a") and "\ufffd" in answer["stdout"] and "b" in answer["stdout"]
    else:  # the facade need not have a buffer
        assert answer["error_type"] == "AttributeError"


def test_control_characters_come_back_as_they_are(server):
    assert server.run("print('\\x00\\x1b[31m\\r\\t\\x7f', end='')")["stdout"] == "\x00\x1b[31m\r\t\x7f"


def test_stdout_and_stderr_stay_apart(server):
    answer = server.run("import sys\nprint('o')\nprint('e', file=sys.stderr)\nsys.stderr.write('f')")
    assert (answer["stdout"], answer["stderr"]) == ("o\n", "e\nf")


def test_there_is_nothing_to_read_from_standard_input(server):
    answer = server.run("import sys\nresult = sys.stdin.read()")
    assert answer["result"] == "" or answer["success"] is False


@pytest.mark.parametrize(
    "code",
    [
        "import sys\nsys.stdout.close()\nprint('x')",
        "import sys\nsys.stdout = None\nprint('x')\nresult = 1",
        "import sys\nsys.stdout = 5\nprint('x')",
    ],
)
def test_a_program_that_breaks_its_own_streams_breaks_nothing_else(server, code):
    answer = server.run(code)
    assert answer.get("error_category") != "internal_error"
    assert server.run("print('fine')")["stdout"] == "fine\n"
