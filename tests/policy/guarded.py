"""The attributes that lead from an object to code, frames and globals, and a program that tries each of them by
a road on which no rule about names stands: what it does not get, the guard at the destination has refused.

tests/unit/python_room/test_guards.py checks that the table is all there is, tests/e2e/test_guards.py that a real
worker refuses all of it."""

# kind of object: names that are guarded for everybody but the functions of the library that need them
ATTRIBUTES = {
    "function": ["__builtins__", "__closure__", "__code__", "__globals__"],
    "method": ["__func__", "__reduce__", "__self__"],
    "builtin function": ["__reduce__", "__self__"],
    "method wrapper": ["__reduce__", "__self__"],
    "classmethod": ["__func__", "__wrapped__"],
    "staticmethod": ["__func__", "__wrapped__"],
    "class": ["__subclasses__"],
    "generator": ["gi_code", "gi_frame", "gi_yieldfrom"],
    "coroutine": ["cr_await", "cr_code", "cr_frame", "cr_origin"],
    "asynchronous generator": ["ag_await", "ag_code", "ag_frame"],
    "traceback": ["tb_frame"],
    "frame": ["clear", "f_back", "f_builtins", "f_code", "f_globals", "f_lineno", "f_locals", "f_trace"],
}

PROGRAM = f"""
import asyncio, functools
ATTRIBUTES = {ATTRIBUTES!r}
got, refused = [], []
class W:
    def __setattr__(self, name, value):
        if name != "__wrapped__":
            got.append(name)
def probe(kind, obj):
    for name in ATTRIBUTES[kind]:
        try:
            functools.update_wrapper(W(), obj, assigned=(name,), updated=())
        except PermissionError:
            refused.append([kind, name])
class C:
    def m(self): pass
    def __enter__(self): pass
    def __exit__(self, kind, value, traceback):
        probe("traceback", traceback)
        return True
def generator():
    yield
async def asynchronous():
    yield
async def main():
    probe("frame", asyncio.current_task().get_stack()[-1])
    probe("coroutine", asyncio.current_task().get_coro())
probe("function", main)
probe("method", C().m)
probe("builtin function", print)
probe("method wrapper", (1).__add__)
probe("classmethod", classmethod(len))
probe("staticmethod", staticmethod(len))
probe("class", object)
probe("generator", generator())
probe("asynchronous generator", asynchronous())
with C():
    1 / 0
asyncio.run(main())
result = [sorted(refused), got]
"""


def expected():
    return [sorted([kind, name] for kind, names in ATTRIBUTES.items() for name in names), []]
