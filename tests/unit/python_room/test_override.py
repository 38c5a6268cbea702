"""SANDBOX_ALLOWED_IMPORTS: any module, still as a facade; the restricted ones stay restricted."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from room import _python_room, error, main, result, start  # noqa: E402

LIST = [
    "os",
    "sys",
    "socket",
    "ctypes",
    "builtins",
    "threading",
    "subprocess",
    "math",
    "logging.config",
    "inspect",
    "types",
]
INSTALLED, MISSING = start(modules=LIST, preload=["os", "sys", "math"], overridden=True)

PROGRAMS = {
    "import os\nresult = [os.path.basename('/a/b'), os.sep, 'PATH' in dir(os.environ), os.getpid() > 0]": ["b", "/", False, True],
    "import os.path\nresult = os.path.join('a', 'b') + os.sep": "a/b/",
    "from os import path, sep\nresult = path.join('a', 'b') + sep": "a/b/",
    "from os.path import join\nresult = join('a', 'b')": "a/b",
    "from os import *\nresult = sep": "/",
    "import ctypes\nlibc = ctypes.CDLL(None)\nclass P(ctypes.Structure):\n    _fields_ = [('x', ctypes.c_int)]\nresult = [libc.abs(-5), P(3).x]": [5, 3],
    "import socket\nresult = [socket.AF_INET.name, socket.inet_aton('127.0.0.1')]": ["AF_INET", b"\x7f\0\0\1"],
    "from socket import *\nresult = AF_INET.name": "AF_INET",
    "import threading\nr = []\nt = threading.Thread(target=r.append, args=(1,))\nt.start()\nt.join()\nresult = r": [1],
    "import builtins\nresult = [builtins.len([1]), callable(builtins.open), callable(builtins.eval)]": [1, True, True],
    "import subprocess\nresult = subprocess.PIPE": -1,
    "import inspect\ndef f(a, *, b=1): pass\nresult = str(inspect.signature(f))": "(a, *, b=1)",
    "import logging.config\nresult = callable(logging.config.dictConfig)": True,
    "import os, sys\nresult = [hasattr(os, n) for n in ('sys', 'abc', 'st')] + [hasattr(sys, 'modules'), hasattr(sys, 'exit')]": [False, False, False, False, True],
    "import types\nresult = hasattr(types, 'CodeType')": False,
}  # fmt: skip


class Override(unittest.TestCase):
    def test_modules_named_by_the_operator_work(self):
        self.assertEqual((INSTALLED, MISSING), (LIST, []))
        for code, expected in PROGRAMS.items():
            with self.subTest(code=code):
                self.assertEqual(result(code), expected)

    def test_what_is_not_listed_is_refused_and_the_list_is_named(self):
        self.assertEqual(error("import json"), ("SecurityViolation", "Import 'json' is not allowed"))
        self.assertIn("SANDBOX_ALLOWED_IMPORTS", _python_room.events()[0][3])
        self.assertEqual(error("import signal"), ("SecurityViolation", "Import 'signal' is not allowed"))
        self.assertIn("SANDBOX_ALLOWED_IMPORTS", _python_room.events()[0][3])

    def test_builtins_stay_as_they_are(self):
        self.assertEqual(error("open('/etc/passwd')")[0], "SecurityViolation")


if __name__ == "__main__":
    main()
