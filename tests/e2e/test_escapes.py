"""What a refusal tells. The ways out of the language that are refused are programs of the corpus: see
test_corpus.py, and tests/policy/bad and tests/policy/caught."""


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
