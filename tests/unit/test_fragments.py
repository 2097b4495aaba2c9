"""The table of datagrams that are waited for: time, memory, distance, and what is given up."""

from __future__ import annotations

import pytest

from statefulinspect import Cause, Reason
from statefulinspect.fragment_queue import FRAGMENT_COST, QUEUE_COST, Fragment
from statefulinspect.fragments import FragmentTable

ONE = Fragment(b"wire" * 5, b"head", 8, bytes(8), is_last=False, ecn=0)
COST = QUEUE_COST + FRAGMENT_COST + 20


class Waiting(FragmentTable):
    """A table that remembers what was given up."""

    def __init__(self, timeout=30.0, max_cost=1 << 20, max_distance=0):
        self.lapses = []
        super().__init__(timeout, max_cost, max_distance, self.note)

    def note(self, queue, cause, at):
        self.lapses.append((queue.key[1], cause, at))

    def take(self, name, now=0.0, source=b"source"):
        queue = self.queue((source, name), now)
        self.add(queue, ONE)
        self.check()
        return queue


def test_a_queue_is_found_again():
    table = Waiting()
    assert table.take(1) is table.take(1, 29.9)
    assert table.take(2) is not table.take(1)
    assert table.take(1, source=b"other") is not table.take(1)
    assert len(table) == 3


def test_a_queue_past_its_deadline_is_another():
    table = Waiting()
    first = table.take(1, 5.5)
    assert table.take(1, 35.5) is not first
    assert table.lapses == [(1, Cause.EXPIRED, 35.5)]
    assert len(table) == 1


def test_expiry_takes_no_more_than_it_may():
    table = Waiting()
    for number in range(10):
        table.take(number)
    table.expire(30.5, 99)  # the second is not over
    assert len(table) == 10
    table.expire(31, 3)
    assert len(table) == 7
    table.expire_all(29)
    assert len(table) == 7
    table.expire_all(30)
    assert (len(table), table.cost, table.wheel.count()) == (0, 0, 0)
    assert {lapse[1:] for lapse in table.lapses} == {(Cause.EXPIRED, 30.0)}
    assert [number for number, _, _ in table.lapses] == [9, 8, 7, 0, 1, 2, 3, 4, 5, 6]
    table.check()


def test_flush():
    table = Waiting()
    table.take(1), table.take(2)
    table.flush(7)
    assert (len(table), table.cost) == (0, 0)
    assert table.lapses == [(1, Cause.DELETED, 7), (2, Cause.DELETED, 7)]


def test_what_holds_nothing_goes_without_a_word():
    table = Waiting()
    table.queue((b"source", 1), 0)
    assert table.cost == QUEUE_COST
    table.flush(1)
    assert (table.lapses, table.cost) == ([], 0)


@pytest.mark.parametrize("queues", [1, 3])
def test_memory(queues):
    table = Waiting(max_cost=queues * COST)
    for number in range(queues):
        table.take(number)
        assert not table.is_full  # up to the limit, and at it
    table.queue((b"source", "one more"), 0)
    assert table.is_full
    table.remove(table.queue((b"source", 0), 0))
    assert not table.is_full


def test_a_refused_fragment_costs_nothing():
    table = Waiting()
    queue = table.take(1)
    assert table.add(queue, ONE) is Reason.FRAGMENT_REPEATED
    assert table.cost == COST
    table.remove(queue)
    assert table.cost == 0
    table.check()


@pytest.mark.parametrize("between", [3, 4, 5])
def test_distance(between):
    """Of the fragments of one source; with 4 in between, the next is the fifth."""
    table = Waiting(max_distance=4)
    first = table.take(1)
    for number in range(between):
        table.take(100 + number)
        table.take(200 + number, source=b"other")
    is_outrun = between >= 4
    assert (table.take(1) is not first) == is_outrun
    assert table.lapses == [(1, Cause.OUTRUN, 0.0)] * is_outrun


def test_distance_is_counted_from_the_latest_fragment():
    table = Waiting(max_distance=2)
    first = table.take(1)
    for _ in range(5):
        table.take(2)
        assert table.take(1) is first


def test_an_outrun_queue_begins_anew():
    table = Waiting(max_distance=2)
    table.take(1, 0)
    for _ in range(3):
        table.take(2, 1)
    again = table.take(1, 2)
    assert (again.expires_at, len(again.held)) == (32, 1)


def test_what_holds_nothing_is_not_outrun():
    table = Waiting(max_distance=1)
    first = table.queue((b"source", 1), 0)
    for _ in range(5):
        table.take(2)
    assert table.queue((b"source", 1), 0) is first


def test_a_source_is_forgotten_with_its_last_queue():
    table = Waiting(max_distance=2)
    for queue in [table.take(1), table.take(2), table.take(3)]:
        table.remove(queue)
    assert not table._sources
