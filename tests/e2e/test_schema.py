"""Every answer fits the output schema that its tool announces; every schema is a schema."""

import jsonschema
import pytest

PROGRAMS = {
    "success": {"code": "result = {'a': [1, 2.5, None, 'x']}\nprint(1)"},
    "null": {"code": "x = 1"},
    "list": {"code": "result = [1]"},
    "text": {"code": "result = 'x'"},
    "runtime error": {"code": "1 / 0"},
    "error in a library": {"code": "import json\njson.loads('{')"},
    "syntax error": {"code": "("},
    "refused import": {"code": "import os"},
    "refused attribute": {"code": "().__class__.__bases__"},
    "timeout": {"code": "while True: pass", "timeout": 0.2},
    "memory": {"code": "x = [0] * 10**9"},
    "truncated": {"code": "print('x' * 3_000_000)\nresult = 'x' * 3_000_000"},
    "wrong type": {"code": 5},
    "unknown argument": {"code": "1", "nope": 1},
    "blank": {"code": " "},
    "container": {"code": "1", "use_container": True},
    "limit": {"code": "1", "timeout": 10**6},
    "exit": {"code": "raise SystemExit(3)"},
}


@pytest.fixture
def schemas(server):
    return {tool["name"]: tool for tool in server.request("tools/list")["tools"]}


@pytest.mark.parametrize("side", ["inputSchema", "outputSchema"])
def test_a_schema_is_a_schema(schemas, side):
    for tool in schemas.values():
        jsonschema.Draft202012Validator.check_schema(tool[side])


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_answer_of_execute_code_fits_its_schema(server, schemas, name):
    answer = server.call("execute_code", PROGRAMS[name])["structuredContent"]
    jsonschema.validate(answer, schemas["execute_code"]["outputSchema"])


@pytest.mark.parametrize("code", ["x = 1", "import os", "(", "eval('1')", 5, ""])
def test_an_answer_of_validate_code_fits_its_schema(server, schemas, code):
    result = server.call("validate_code", {"code": code})
    if not result.get("isError"):
        jsonschema.validate(result["structuredContent"], schemas["validate_code"]["outputSchema"])


def test_an_answer_of_get_sandbox_info_fits_its_schema(server, schemas):
    jsonschema.validate(server.info(), schemas["get_sandbox_info"]["outputSchema"])


def test_the_input_schema_refuses_what_the_tool_refuses(schemas):
    schema = schemas["execute_code"]["inputSchema"]
    for wrong in (
        {},
        {"code": 1},
        {"code": "1", "x": 1},
        {"code": "1", "timeout": 0},
        {"code": "1", "timeout": 1e-300},
        {"code": "1", "allowed_imports": "m"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
    jsonschema.validate({"code": "1", "timeout": 1.5, "allowed_imports": [], "memory_limit": "64m"}, schema)


def test_the_output_schemas_are_strict_enough_to_mean_something(schemas):
    for name, tool in schemas.items():
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({}, tool["outputSchema"])
        assert tool["outputSchema"]["required"], name
