"""Every guard is armed in a real worker, from the first program on."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "policy"))
import guarded  # noqa: E402


def test_every_guarded_attribute_is_refused_at_its_destination(server):
    answer = server.run(guarded.PROGRAM)
    assert answer["success"], answer["error"]
    assert answer["result"] == guarded.expected()
    assert {(e["layer"], e["rule"]) for e in answer["security_events"]} == {("guard", "reflection")}


def test_every_worker_is_armed_and_not_only_the_first(server):
    asked = [server.ask_run(guarded.PROGRAM) for _ in range(8)]
    assert [server.ran(one)["result"] for one in asked] == [guarded.expected()] * 8


def test_the_road_itself_is_open(server):
    """Or the tests above would prove nothing: what is not guarded comes through."""
    answer = server.run(
        "import functools\ngot = []\nclass W:\n    def __setattr__(self, name, value): got.append((name, value))\n"
        "functools.update_wrapper(W(), print, assigned=('__name__', '__doc__'), updated=())\n"
        "result = [name for name, _ in got]"
    )
    assert answer["result"] == ["__name__", "__doc__", "__wrapped__"]


def test_the_audit_hook_and_the_roads_are_armed_too(server):
    tries = {
        "import xml.etree.ElementTree as ET\nET.parse('/etc/passwd')": ("audit", "open"),
        "getattr(print, '__self__')": ("guard", "attribute"),
        "'{0.__self__}'.format(print)": ("guard", "attribute"),
        "import random\nrandom._os": ("guard", "facade"),
        "type('A', (), {'__del__': print})": ("guard", "attribute"),
        "import typing\ntyping.get_type_hints(type('A', (), {'__annotations__': {'x': 'a.__mro__'}}))": (
            "audit",
            "compile",
        ),
    }
    for code, wall in tries.items():
        event = server.run(code)["security_events"][0]
        assert (event["layer"], event["rule"]) == wall, code
