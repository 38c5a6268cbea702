"""Ways out of the language that others fell for: each is refused, and nothing outside is touched."""

import pytest

ESCAPES = {
    # modules that modules hold
    "uuid.os": "import uuid\nuuid.os.system('touch {trace}')",
    "contextlib.os": "import contextlib\ncontextlib.os.system('touch {trace}')",
    "configparser.os": "import configparser\nconfigparser.os.system('touch {trace}')",
    "random._os": "import random\nrandom._os.system('touch {trace}')",
    "statistics.sys": "import statistics\nstatistics.sys.modules['os'].system('touch {trace}')",
    "dataclasses.sys.modules": "import dataclasses\ndataclasses.sys.modules['os'].system('touch {trace}')",
    "json.codecs": "import json\njson.codecs.open('{secret}').read()",
    "logging.os": "import logging\nlogging.os.system('touch {trace}')",
    "typing.sys": "import typing\ntyping.sys.modules['os'].system('touch {trace}')",
    "collections._sys": "import collections\ncollections._sys.modules['os'].system('touch {trace}')",
    "enum.sys": "import enum\nenum.sys.modules['os'].system('touch {trace}')",
    "import os.path binds all of os": "import os.path\nos.system('touch {trace}')",
    "from random import _os": "from random import _os\n_os.system('touch {trace}')",
    "from dataclasses import sys": "from dataclasses import sys\nsys.modules['os'].system('touch {trace}')",
    "from xml.etree import ElementPath": "from xml.etree import ElementPath\nresult = ElementPath",
    "asyncio subprocess": "import asyncio\nasync def f():\n    p = await asyncio.create_subprocess_exec('touch', '{trace}')\n    await p.wait()\nasyncio.run(f())",
    "asyncio connection": "import asyncio\nasync def f():\n    await asyncio.open_connection('127.0.0.1', {port})\nasyncio.run(f())",
    "asyncio unix connection": "import asyncio\nasync def f():\n    await asyncio.open_unix_connection('{unix}')\nasyncio.run(f())",
    # attributes on the way to the class graph
    "the classes of everything": "().__class__.__bases__[0].__subclasses__()",
    "the mro": "().__class__.__mro__[1].__subclasses__()",
    "type.mro": "type.mro(int)[1].__subclasses__()",
    "globals of a function": "def f(): pass\nf.__globals__['__builtins__']",
    "code of a function": "def f(): pass\nf.__code__.replace(co_consts=())",
    "a closure": "def o():\n    x = 1\n    def i(): return x\n    return i\no().__closure__[0].cell_contents",
    "self of a built-in": "print.__self__.open('{secret}').read()",
    "a frame of a generator": "def g():\n    yield g.gi_frame.f_back.f_globals\ng = g()\nnext(g)",
    "a frame of a traceback": "try:\n    1/0\nexcept Exception as e:\n    e.__traceback__.tb_frame.f_globals",
    "the dictionary of an instance's class": "class A: pass\nA().__class__.__dict__['__weakref__']",
    "reduce": "[].__reduce_ex__(4)",
    "builtins of a module": "__builtins__.__import__('os')",
    "the loader": "__loader__.load_module('os')",
    "the spec of a module": "import math\nmath.__spec__.loader",
    "assignment to __class__": "class A: pass\nclass B: pass\na = A()\na.__class__ = B",
    # dynamic ways to the same
    "getattr": "getattr(getattr((), '__cla' + 'ss__'), '__ba' + 'se__').__subclasses__()",
    "attrgetter": "import operator\noperator.attrgetter('__class__.__bases__')(())",
    "methodcaller": "import operator\noperator.methodcaller('__subclasses__')(object)",
    "str.format": "'{0.__class__.__mro__}'.format(1)",
    "str.format_map": "'{a.__class__.__mro__}'.format_map({'a': 1})",
    "a format of a bound method taken before": "f = '{0.__class__.__mro__}'.format\nresult = f(1)",
    "Formatter.get_field": "import string\nstring.Formatter().get_field('0.__class__.__mro__', (1,), {})",
    "Formatter.format": "import string\nstring.Formatter().format('{0.__class__.__mro__}', 1)",
    "three-argument type": "type('X', (), {'__del__': lambda s: None})",
    "update_wrapper": "import functools, json\nclass W:\n    got = None\n    def __setattr__(s, n, v): W.got = v\n    def __getattr__(s, n): return {}\nfunctools.update_wrapper(W(), json.dumps, assigned=('__globals__',), updated=())\nW.got['__builtins__']['open']('{secret}')",
    "dataclass field names": "from dataclasses import make_dataclass\nmake_dataclass('A', ['x): __import__(\"os\").system(\"touch {trace}\")\\n #'])",
    "dataclass annotations": 'from dataclasses import dataclass\nclass A: pass\nA.__annotations__ = {\'x=__import__("os").system("touch {trace}")\': int}\ndataclass(init=False, eq=False)(A)',
    "namedtuple names": "from collections import namedtuple\nnamedtuple('A', ['__class__', 'x'], rename=False)",
    "get_type_hints": 'import typing\ndef f(a: \'__import__("os").system("touch {trace}")\'): pass\ntyping.get_type_hints(f)',
    "ForwardRef": 'import typing\ntyping.ForwardRef(\'__import__("os").system("touch {trace}")\')._evaluate({}, {}, frozenset())',
    "functools.reduce over getattr": "from functools import reduce\nreduce(getattr, ['__class__', '__base__'], ()).__subclasses__()",
    "map over getattr": "list(map(getattr, [()], ['__class__']))[0].__subclasses__()",
    "a class pattern": "match ():\n    case object(__class__=c):\n        c.__subclasses__()",
    "unicode that is read as a dunder": "().__ｃlass__.__bases__",
    "types.CodeType": "import types\ntypes.CodeType",
    "types.FunctionType": "import types\ntypes.FunctionType((lambda: 1).__code__, {})",
    # built-ins
    "eval": 'eval(\'__import__("os").system("touch {trace}")\')',
    "exec": "exec('import os; os.system(\"touch {trace}\")')",
    "compile": "compile('import os', 'x', 'exec')",
    "__import__": "__import__('os').system('touch {trace}')",
    "open to read": "open('{secret}').read()",
    "open to write": "open('{trace}', 'w').write('x')",
    "open by another name": "o = open\no('{trace}', 'w')",
    "globals": "globals()['__builtins__']",
    "locals": "locals()['__builtins__']",
    "vars of the module": "vars()['__builtins__']",
    "breakpoint": "breakpoint()",
    "input": "input()",
    # files by way of permitted modules
    "ElementTree.write": "import xml.etree.ElementTree as ET\nET.ElementTree(ET.Element('a')).write('{trace}')",
    "ElementTree.parse": "import xml.etree.ElementTree as ET\nresult = ET.parse('{secret}')",
    "an external entity": "import xml.etree.ElementTree as ET\nresult = ET.tostring(ET.fromstring('<!DOCTYPE a [<!ENTITY x SYSTEM \"file://{secret}\">]><a>&x;</a>')).decode()",
    "ConfigParser.read": "import configparser\nc = configparser.ConfigParser()\nresult = c.read('{secret}')\nassert result",
    "logging to a file": "import logging\nlogging.FileHandler('{trace}').emit(logging.LogRecord('a', 1, 'b', 1, 'c', (), None))",
    "logging.basicConfig to a file": "import logging\nlogging.basicConfig(filename='{trace}')\nlogging.warning('x')",
    "io.open": "import io\nresult = io.open('{secret}').read()",
    "io.FileIO": "import io\nresult = io.FileIO('{secret}').read()",
    "io.open_code": "import io\nresult = io.open_code('{secret}').read()",
    "zoneinfo from a path": "import zoneinfo\nresult = zoneinfo.ZoneInfo('../../../..{secret}')",
    "random.SystemRandom's os": "import random\nrandom.SystemRandom()._randbelow.__func__.__globals__",
    "traceback walk": "import traceback\nresult = [f.f_globals for f, _ in traceback.walk_stack(None)]",
    "warnings module of catch_warnings": "import warnings\nresult = warnings.catch_warnings()._module.sys.modules['os'].system('touch {trace}')",
    "uuid getnode by a command": "import uuid\nresult = uuid._ifconfig_getter",
    "difflib through a module": "import difflib\ndifflib.re.enum.sys.modules['os'].system('touch {trace}')",
    "linecache": "import traceback\ntraceback.linecache.getlines('{secret}')",
    "csv of an open file": "import csv\nresult = list(csv.reader(open('{secret}')))",
    "a destructor": "class A:\n    def __del__(self): pass\nA()",
    # library functions that act on names and texts with their own rights
    "get_type_hints fills a dict with builtins": "import typing\nd = {}\nclass A:\n    x: 'int'\ntyping.get_type_hints(A, globalns=d)\nresult = str(d['__builtins__'])",
    "get_type_hints in the globals of a wrapped function": "import functools, json, typing\ndef g(x: 'codecs'): pass\nfunctools.update_wrapper(g, json.loads, assigned=())\nresult = str(typing.get_type_hints(g))",
    "get_type_hints in the module that a class claims": "import functools, json, typing\nclass A:\n    x: 'codecs'\nfunctools.update_wrapper(A, json.loads, assigned=('__module__',), updated=())\nresult = str(typing.get_type_hints(A))",
    "get_type_hints in sys": "import typing\nA = type('A', (), {'__module__': 'sys', '__annotations__': {'x': 'modules'}})\nresult = str(typing.get_type_hints(A))",
    "a ForwardRef to a module": "import typing\nR = type(typing.List['X'].__args__[0])\nclass A:\n    x: R('codecs', module='json')\nresult = str(typing.get_type_hints(A))",
    "Enum._convert_": "import enum\nresult = str(enum.Enum._convert_('E', 'json', lambda n: n == 'codecs').codecs.value)",
    "redirect_stdout of another attribute": "import contextlib\nr = contextlib.redirect_stdout({})\nr._stream = 'modules'\ntry:\n    r.__enter__()\nexcept PermissionError:\n    pass\nresult = str(r._old_targets[0]['os'])",
    "the module in an AttributeError": "import contextlib\nr = contextlib.redirect_stdout({})\nr._stream = 'nonesuch'\ntry:\n    r.__enter__()\nexcept AttributeError as e:\n    result = str(e.obj.modules)",
    "update_wrapper of __getattribute__": "import functools\nclass W:\n    got = None\n    def __setattr__(s, n, v): W.got = v\nfunctools.update_wrapper(W(), object, assigned=('__getattribute__',), updated=())\nresult = str(W.got)",
    "update_wrapper with the namespace of a class": "import functools\nclass C:\n    got = None\n    def update(s, x): C.got = x\nclass W:\n    __slots__ = ()\n    def __getattr__(s, n): return C()\n    def __setattr__(s, n, v): pass\nfunctools.update_wrapper(W(), type, assigned=())\nassert C.got",
    "a dataclass field called __getattribute__": "import dataclasses\n@dataclasses.dataclass\nclass P:\n    a: int = 1\ndataclasses.fields(P)[0].name = '__getattribute__'\nresult = str(dataclasses.astuple(P()))",
    "a name that says it equals another": "class S(str):\n    def __hash__(self): return hash('__getattribute__')\n    def __eq__(self, other): return other == '__getattribute__'\nresult = str(getattr(object, S('x')))",
    "attrgetter of such a name": "import operator\nclass S(str):\n    def __hash__(self): return hash('__getattribute__')\n    def __eq__(self, other): return other == '__getattribute__'\nresult = str(operator.attrgetter(S('x'))(object))",
    "methodcaller of such a name": "import operator\nclass S(str):\n    def __hash__(self): return hash('__dir__')\n    def __eq__(self, other): return other == '__dir__'\nresult = str(operator.methodcaller(S('x'))(1))",
    "a format with a colon in brackets": "result = '{0[:].__class__.__dict__}'.format({':': 1})",
    "FrameSummary of any file": "import traceback\nresult = traceback.FrameSummary('{secret}', 1, 'x').line\nassert result",
}


@pytest.mark.parametrize("name", ESCAPES)
def test_an_escape_is_refused_and_nothing_outside_is_touched(server, harm, name):
    code = ESCAPES[name]
    for key in ("trace", "secret", "unix", "port"):
        code = code.replace("{" + key + "}", str(getattr(harm, key)))
    answer = server.run(code, timeout=5)
    assert harm.check(answer) == []
    assert answer["success"] is False, answer["result"]
    assert answer["error_category"] in ("security_violation", "runtime_error", "syntax_error"), answer


def test_a_refusal_says_which_wall_which_rule_and_what_would_permit_it(server):
    answer = server.run("open('/etc/passwd')")
    assert answer["error_category"] == "security_violation"
    event = answer["security_events"][0]
    assert event["layer"] in ("policy", "guard", "audit")
    assert event["rule"] and event["detail"] and event["remedy"]
    assert "SANDBOX_ENABLE_FILESYSTEM" in str(answer["security_events"])


def test_a_program_that_is_refused_has_not_run_at_all(server):
    answer = server.run("print('started')\nx = ().__class__.__bases__")
    assert answer["stdout"] == ""
    assert answer["variables"] == []
    assert answer["validation_errors"]
