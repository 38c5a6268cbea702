"""The programs of the requirements, each through the real server."""

import sys

import pytest
from stdio_client import TREE

sys.path.insert(0, str(TREE / "scripts"))
from examples import EXAMPLES, judge  # noqa: E402


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["title"])
def test_an_example_of_the_requirements_gives_its_answer(server, example):
    answer = server.call(example["tool"], example["arguments"])["structuredContent"]
    assert judge(example, answer) == []


def test_the_basic_profile_lists_the_modules_of_the_requirements(server):
    modules = server.info()["security_profiles"]["basic"]["modules"]
    assert {"math", "random", "datetime", "json", "base64"} <= set(modules)


BASIC_MODULES = [
    "math",
    "cmath",
    "random",
    "statistics",
    "decimal",
    "fractions",
    "numbers",
    "datetime",
    "time",
    "calendar",
    "ipaddress",
    "logging",
    "warnings",
    "traceback",
    "zoneinfo",
    "collections",
    "itertools",
    "functools",
    "operator",
    "heapq",
    "bisect",
    "array",
    "copy",
    "string",
    "textwrap",
    "re",
    "difflib",
    "unicodedata",
    "base64",
    "binascii",
    "hashlib",
    "hmac",
    "secrets",
    "json",
    "csv",
    "html",
    "html.parser",
    "xml.etree.ElementTree",
    "urllib.parse",
    "configparser",
    "uuid",
    "dataclasses",
    "enum",
    "typing",
    "types",
    "abc",
    "asyncio",
    "sys",
    "contextlib",
    "graphlib",
    "pprint",
    "reprlib",
    "io",
    "struct",
    "zlib",
]


@pytest.mark.parametrize("module", BASIC_MODULES)
def test_a_module_of_the_basic_profile_can_be_imported(server, module):
    answer = server.run(f"import {module}\nresult = {module}.__name__")
    assert (answer["result"], answer.get("error")) == (module, None)


@pytest.mark.parametrize(
    "statement, use",
    [
        ("from xml.etree import ElementTree", "ElementTree.fromstring('<a><b/></a>')[0].tag"),
        ("import xml.etree.ElementTree as ET", "ET.fromstring('<a><b/></a>')[0].tag"),
        ("from xml.etree.ElementTree import fromstring", "fromstring('<a><b/></a>')[0].tag"),
        ("import xml.etree.ElementTree", "xml.etree.ElementTree.fromstring('<a><b/></a>')[0].tag"),
        ("from urllib import parse", "parse.quote('b') or 'b'"),
        ("from urllib.parse import quote", "quote('b')"),
        ("import urllib.parse as up", "up.quote('b')"),
        ("from html import parser", "'b' if parser.HTMLParser else ''"),
        ("from collections import abc", "'b' if abc.Mapping else ''"),
        ("import collections.abc", "'b' if collections.abc.Mapping else ''"),
        ("from math import *", "'b' * int(floor(1.5))"),
        ("import json.decoder", "'b' if json.decoder.JSONDecodeError else ''"),
    ],
)
def test_a_permitted_module_is_reached_by_every_form_of_import(server, statement, use):
    answer = server.run(f"{statement}\nresult = {use}")
    assert (answer["result"], answer.get("error")) == ("b", None)
