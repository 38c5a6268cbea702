"""Hostile requests, each on a connection of its own: the answer that is expected, and then the end."""

import time
from concurrent.futures import ThreadPoolExecutor

import http_hostile
import pytest
from http_client import Closed, Connection
from stdio_client import PATIENCE


def send(connection, items):
    for item in items:
        if isinstance(item, bytes):
            try:
                connection.send(item)
            except (BrokenPipeError, ConnectionResetError):
                return  # it has heard enough
        else:
            time.sleep(item)


def judge(server, row):
    """What is wrong with the server's reaction to @row; None when it is right."""
    start = time.monotonic()
    with Connection(server.address, server.port, timeout=row.limit + 5) as connection:
        send(connection, row.sends)
        answers = []
        try:
            answers = [connection.answer() for status in row.status if status]
        except (Closed, ConnectionError) as error:
            return f"{len(answers)} answers, then {error!r}"
        seen = tuple(answer.status for answer in answers)
        wanted = tuple(status for status in row.status if status)
        if seen != wanted:
            return f"{seen} instead of {wanted}: {answers}"
        if row.says and row.says.lower() not in answers[-1].text.lower():
            return f"no {row.says!r} in {answers[-1].text!r}"
        if row.stays:
            connection.send(http_hostile.GOOD)
            if connection.answer().status != 200:
                return "the connection is of no use any more"
        elif connection.buffer or not connection.is_closed(row.limit):
            return f"the connection goes on: {connection.buffer[:100]!r}"
    if time.monotonic() - start > row.limit * PATIENCE + 1:
        return f"it took {time.monotonic() - start:.1f} s"
    return None


@pytest.mark.parametrize("row", http_hostile.ALL, ids=lambda row: row.name)
def test_a_hostile_request_is_answered_as_expected(web, row):
    assert judge(web, row) is None


def test_the_table_is_long_enough():
    assert len({row.name for row in http_hostile.ALL + http_hostile.SLOW}) >= 60


@pytest.mark.slow
def test_slow_clients_are_given_up(web):
    with ThreadPoolExecutor(len(http_hostile.SLOW)) as pool:
        found = list(pool.map(lambda row: (row.name, judge(web, row)), http_hostile.SLOW))
    assert [one for one in found if one[1]] == []
