"""Runs programs as RestrictedPython's users do, or plainly, for restrictedpython.py: one JSON object a
line in, one out. Runs in a virtual environment that holds RestrictedPython, inside a throw-away jail:
the programs are hostile. Each has a process of its own, with limits on memory and time.

in:  {"how": "plain" | "documented" | "generous", "code", "modules", "trace"}
out: {"stage": "compile" | "run" | "done" | "ended", "error", "stdout", "result", "lines"}
"""

import ast
import builtins
import contextlib
import io
import json
import operator
import os
import resource
import select
import signal
import socket
import sys
import types
import warnings

from RestrictedPython import (
    PrintCollector,
    compile_restricted_exec,
    limited_builtins,
    safe_builtins,
    utility_builtins,
)
from RestrictedPython.Eval import default_guarded_getitem, default_guarded_getiter
from RestrictedPython.Guards import (
    full_write_guard,
    guarded_iter_unpack_sequence,
    guarded_unpack_sequence,
    safer_getattr,
    safer_getattr_raise,
)

FILE = "<sandbox>"
LAST = "value_of_the_last_line"
SECONDS = 10
MEMORY = 1 << 30

# What no deployment would withhold from honest programs, beyond RestrictedPython's own sets.
WORDS = """NotImplemented all any ascii bin bytearray bytes classmethod dict enumerate filter format frozenset
iter list map max memoryview min next object property range reversed set sorted staticmethod sum super tuple
zip"""

INPLACE = {
    "+=": operator.iadd,
    "-=": operator.isub,
    "*=": operator.imul,
    "/=": operator.itruediv,
    "//=": operator.ifloordiv,
    "%=": operator.imod,
    "**=": operator.ipow,
    "<<=": operator.ilshift,
    ">>=": operator.irshift,
    "&=": operator.iand,
    "|=": operator.ior,
    "^=": operator.ixor,
    "@=": operator.imatmul,
}


def import_guard(modules):
    """Permits the same modules as Vivarium does, and their submodules."""

    def guarded_import(name, space=None, local=None, fromlist=(), level=0):
        if level == 0 and any(name == one or name.startswith(one + ".") for one in modules):
            return __import__(name, space, local, fromlist, level)
        raise ImportError(f"import of {name} is not allowed")

    return guarded_import


def shared_print(texts):
    """A PrintCollector for each function, as RestrictedPython wants it, and one text for all."""

    class Shared(PrintCollector):
        def __init__(self, _getattr_=None):
            super().__init__(_getattr_)
            self.txt = texts

    return Shared


def one_argument_type(value, /):
    return type(value)


def writable_class(name, bases, space, **keywords):
    """The metaclass of Zope's AccessControl: instances of the program's own classes may be written."""
    made = type(name, bases, space, **keywords)
    made._guarded_writes = 1
    return made


def guards(how, modules, texts):
    space = {**safe_builtins, **limited_builtins, **utility_builtins, "__import__": import_guard(modules)}
    get = safer_getattr
    if how == "generous":
        get = safer_getattr_raise
        space |= {name: getattr(builtins, name) for name in WORDS.split()}
        space |= {name: x for name, x in vars(builtins).items() if isinstance(x, type) and is_error(x)}
        space |= {"type": one_argument_type, "getattr": get_like_builtin, "hasattr": has_attribute}
    return {
        "__builtins__": space,
        "__name__": "restricted_module",
        "__metaclass__": writable_class if how == "generous" else type,
        "_getattr_": get,
        "_getitem_": default_guarded_getitem,
        "_getiter_": default_guarded_getiter,
        "_iter_unpack_sequence_": guarded_iter_unpack_sequence,
        "_unpack_sequence_": guarded_unpack_sequence,
        "_write_": full_write_guard,
        "_inplacevar_": lambda op, x, y: INPLACE[op](x, y),
        "_apply_": lambda f, *a, **kw: f(*a, **kw),
        "_print_": shared_print(texts),
    }


def is_error(kind):
    return issubclass(kind, BaseException)


def get_like_builtin(value, name, *default):
    return safer_getattr_raise(value, name, *default)


def has_attribute(value, name):
    try:
        safer_getattr_raise(value, name)
    except (AttributeError, TypeError, NotImplementedError):
        return False
    return True


def parse(code):
    """The tree, with the value of a final expression kept under a name."""
    tree = ast.parse(code, FILE)
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = tree.body[-1]
        target = ast.copy_location(ast.Name(LAST, ast.Store()), last)
        tree.body[-1] = ast.copy_location(ast.Assign([target], last.value), last)
        ast.fix_missing_locations(tree)
    return tree


def compiled(how, code):
    """(code object, namespace to be filled) or the reason why not."""
    tree = parse(code)
    if how == "plain":
        return compile(tree, FILE, "exec", dont_inherit=True)
    answer = compile_restricted_exec(tree, FILE)
    if answer.errors:
        raise SyntaxError("; ".join(map(str, answer.errors)))
    return answer.code


def tracer(lines):
    """Which lines of the program do something: the places of the instructions that run."""
    places = {}

    def trace(frame, event, _):
        code = frame.f_code
        if code.co_filename != FILE:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            table = places.setdefault(code, [place[0] for place in code.co_positions()])
            lines.add(table[frame.f_lasti // 2])
        return trace

    return trace


def run(job):
    """In the process that is thrown away."""
    how, lines, texts, printed = job["how"], set(), [], io.StringIO()
    answer = {"stage": "compile"}
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
            warnings.simplefilter("ignore")
            code = compiled(how, job["code"])
            main = types.ModuleType("__main__")
            if how == "plain":
                sys.modules["__main__"] = main
            else:
                main.__dict__.update(guards(how, job["modules"], texts))
            answer["stage"] = "run"
            if job.get("trace"):
                sys.settrace(tracer(lines))
            exec(code, main.__dict__)
            sys.settrace(None)
            answer["stage"] = "done"
    except BaseException as e:
        sys.settrace(None)
        if isinstance(e, SystemExit) and e.code in (None, 0):
            answer["stage"] = "done"
        answer["error"] = f"{type(e).__name__}: {e}"
    answer["stdout"] = printed.getvalue() if how == "plain" else "".join(texts)
    answer["lines"] = sorted(line for line in lines if line)
    if answer["stage"] == "done":
        value = main.__dict__.get(LAST)
        value = value if value is not None else main.__dict__.get("result")
        with contextlib.suppress(TypeError, ValueError, RecursionError):
            answer["result"] = json.loads(json.dumps(value))
    return answer


def child(job, end):
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(0, 1)
    os.dup2(0, 2)
    sys.stdin = io.StringIO()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(end, "w") as out:
        json.dump(run(job), out)
    os._exit(0)


def thrown_away(job):
    here, there = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(here)
        os.setsid()
        child(job, there)
    os.close(there)
    text = b""
    while select.select([here], [], [], SECONDS)[0]:
        data = os.read(here, 1 << 16)
        if not data:
            break
        text += data
    os.close(here)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    try:
        return json.loads(text)
    except ValueError:
        return {"stage": "ended", "error": "killed, or out of time", "stdout": "", "lines": []}


def set_up_harm():
    """What an escape could touch: a file to read, doors to knock at. All of it is gone with the jail."""
    with open("/tmp/secret", "w") as canary:
        canary.write("canary")
    doors = [socket.create_server(("127.0.0.1", 9000)), socket.socket(socket.AF_UNIX)]
    doors[1].bind("/tmp/socket")
    doors[1].listen(1000)
    return doors


def main():
    doors = set_up_harm()  # noqa: F841
    for line in sys.stdin:
        print(json.dumps(thrown_away(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
