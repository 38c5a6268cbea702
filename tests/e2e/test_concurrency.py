"""Many things at once: nothing waits for a program but its own answer."""

import json
import time

import pytest


def test_a_ping_is_answered_while_programs_run(server):
    running = [server.ask_run("import time\ntime.sleep(1)\nresult = 1") for _ in range(3)]
    start = time.monotonic()
    server.request("ping")
    server.request("tools/list")
    server.info()
    assert time.monotonic() - start < 0.5
    assert [server.ran(i)["result"] for i in running] == [1, 1, 1]


def test_a_quick_program_overtakes_a_slow_one(server):
    slow = server.ask_run("import time\ntime.sleep(1)\nresult = 'slow'")
    start = time.monotonic()
    assert server.run("result = 'quick'")["result"] == "quick"
    assert time.monotonic() - start < 0.7
    assert server.ran(slow)["result"] == "slow"


def test_a_hundred_requests_at_once_each_get_their_own_answer(server):
    ids = [server.ask_run(f"print({n})\nresult = {n}") for n in range(100)]
    for n, request in enumerate(ids):
        answer = server.ran(request)
        assert (answer["result"], answer["stdout"]) == (n, f"{n}\n")


def test_programs_that_die_at_once_do_not_hurt_their_neighbours(server):
    kinds = ["while True: pass", "x = [0] * 10**9", "1/0", "result = 5"]
    ids = [server.ask_run(kinds[n % 4], timeout=1) for n in range(40)]
    answers = [server.ran(i) for i in ids]
    assert [a.get("error_category") for a in answers[:4]] == [
        "timeout",
        "memory_limit",
        "runtime_error",
        None,
    ]
    assert all(a["result"] == 5 for a in answers[3::4])


def test_a_full_queue_is_answered_at_once(start):
    server = start({"SANDBOX_MAX_CONCURRENCY": "1", "SANDBOX_QUEUE_SIZE": "2", "SANDBOX_POOL_SIZE": "1"})
    server.run("1")
    start_of_all = time.monotonic()
    ids = [server.ask_run("import time\ntime.sleep(0.5)\nresult = 1") for _ in range(6)]
    overloaded = []
    for request in ids[3:]:
        overloaded.append(server.ran(request))
    assert time.monotonic() - start_of_all < 0.45
    assert [a["error_category"] for a in overloaded] == ["overloaded"] * 3
    assert all(a["success"] is False and a["error"] for a in overloaded)
    assert [server.ran(i)["result"] for i in ids[:3]] == [1, 1, 1]
    assert server.run("result = 2")["result"] == 2


# ---- cancellation ----
def test_a_cancelled_run_is_stopped_and_gets_no_answer(start):
    server = start({"SANDBOX_MAX_CONCURRENCY": "1", "SANDBOX_POOL_SIZE": "1"})
    running = server.ask_run("while True: pass", timeout=60)
    time.sleep(0.2)
    server.notify("notifications/cancelled", {"requestId": running, "reason": "enough"})
    began = time.monotonic()
    assert server.run("result = 1")["result"] == 1, "the only worker was not freed"
    assert time.monotonic() - began < 2
    server.request("ping")
    assert running not in server.answers


def test_a_waiting_request_can_be_cancelled(start):
    server = start({"SANDBOX_MAX_CONCURRENCY": "1", "SANDBOX_POOL_SIZE": "1"})
    first = server.ask_run("import time\ntime.sleep(0.5)\nresult = 1")
    waiting = server.ask_run("result = 2")
    server.notify("notifications/cancelled", {"requestId": waiting})
    assert server.ran(first)["result"] == 1
    assert server.run("result = 3")["result"] == 3
    assert waiting not in server.answers


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"requestId": None},
        {"requestId": 10**9},
        {"requestId": "nobody"},
        {"requestId": [1]},
        {"reason": "x"},
    ],
)
def test_a_cancellation_of_nothing_is_ignored(server, params):
    server.notify("notifications/cancelled", params)
    assert server.run("result = 1")["result"] == 1


def test_a_cancellation_after_the_answer_is_ignored(server):
    request = server.ask_run("result = 1")
    server.ran(request)
    server.notify("notifications/cancelled", {"requestId": request})
    assert server.run("result = 2")["result"] == 2


# ---- live output ----
def progress_of(server, token):
    return [
        n["params"]
        for n in server.notifications
        if n["method"] == "notifications/progress" and n["params"]["progressToken"] == token
    ]


@pytest.mark.parametrize("token", ["a-token", 77])
def test_output_arrives_while_the_program_runs_when_asked_for(server, token):
    server.notifications.clear()
    code = "import time\nfor i in range(4):\n    print('line', i)\n    time.sleep(0.15)"
    request = server.ask_run(code, meta={"progressToken": token})
    first = server.receive(0.5)
    assert first is not None and first.get("method") == "notifications/progress", first
    server.notifications.append(first)
    answer = server.ran(request)
    seen = progress_of(server, token)
    assert "".join(p["message"] for p in seen) == answer["stdout"] == "line 0\nline 1\nline 2\nline 3\n"
    values = [p["progress"] for p in seen]
    assert values == sorted(set(values)), "values must rise"
    assert len(seen) >= 3
    assert server.receive(0.3) is None, "progress after the result"


def test_no_progress_is_sent_unasked(server):
    server.notifications.clear()
    server.run("for i in range(100): print(i)")
    assert server.notifications == []


def test_progress_of_a_flood_is_bounded_by_the_output_limit(server):
    server.notifications.clear()
    request = server.ask_run(
        "for _ in range(100_000): print('x' * 99)", meta={"progressToken": "flood"}, timeout=20
    )
    answer = server.ran(request, 40)
    text = "".join(p["message"] for p in progress_of(server, "flood"))
    assert len(text) <= 1048576 + 100
    assert answer["stdout"].startswith(text[:1000])
    server.notifications.clear()


def test_progress_never_splits_a_character(server):
    server.notifications.clear()
    code = "import time, sys\nfor i in range(3000):\n    print('€' * 37)\n"
    answer = server.ran(server.ask_run(code, meta={"progressToken": "utf"}))
    assert "\ufffd" not in json.dumps([p["message"] for p in progress_of(server, "utf")], ensure_ascii=False)
    assert answer["stdout"] == ("€" * 37 + "\n") * 3000
    server.notifications.clear()


# ---- what must differ between workers ----
RANDOM = {
    "random": "import random\nresult = random.random()",
    "random.SystemRandom": "import random\nresult = random.SystemRandom().random()",
    "random.Random()": "import random\nresult = random.Random().random()",
    "uuid.uuid4": "import uuid\nresult = str(uuid.uuid4())",
    "uuid.uuid1": "import uuid\nresult = str(uuid.uuid1())",
    "secrets": "import secrets\nresult = secrets.token_hex(16)",
    "shuffle": "import random\nx = list(range(50))\nrandom.shuffle(x)\nresult = str(x)",
}


@pytest.mark.parametrize("source", RANDOM)
def test_no_two_programs_share_a_random_number(server, source):
    ids = [server.ask_run(RANDOM[source]) for _ in range(60)]
    values = [server.ran(i)["result"] for i in ids]
    assert None not in values
    assert len(set(values)) == 60


def test_no_two_programs_share_a_temporary_name(start):
    server = start({"SANDBOX_ALLOWED_IMPORTS": "tempfile,random"})
    code = "import tempfile\nresult = next(tempfile._get_candidate_names())"
    values = [server.run(code) for _ in range(30)]
    if not values[0]["success"]:
        pytest.skip(f"the policy refuses the name itself: {values[0]['error']}")
    assert len({v["result"] for v in values}) == 30


def test_no_two_programs_share_the_random_numbers_of_openssl(start):
    server = start({"SANDBOX_ALLOWED_IMPORTS": "ssl,os"})
    answers = [server.run("import ssl\nresult = ssl.RAND_bytes(16).hex()") for _ in range(30)]
    assert answers[0]["success"], answers[0]["error"]
    assert len({a["result"] for a in answers}) == 30
