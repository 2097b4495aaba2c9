"""One datagram's fragments: overlap, repetition, ends, ECN, and what is kept."""

from __future__ import annotations

from itertools import combinations, permutations, product

import pytest

from statefulinspect import Reason
from statefulinspect.fragment_queue import (
    FRAGMENT_COST,
    QUEUE_COST,
    Fragment,
    FragmentQueue,
    SourceCount,
)

OK, REPEATED, OVERLAP = "OK", "FRAGMENT_REPEATED", "FRAGMENT_OVERLAP"
END, EMPTY = "FRAGMENT_END", "FRAGMENT_EMPTY"


def new_queue():
    return FragmentQueue((b"source", b"rest"), SourceCount(), 30.0)


def fragment(start, stop, *, last=False, ecn=0):
    data = bytes(at % 251 for at in range(start, stop))
    return Fragment(b"wire" + data, b"head", start, data, last, ecn)


def add(queue, *places):
    """Add (start, stop) or (start, stop, "last"); name the reasons."""
    reasons = []
    for start, stop, *last in places:
        reasons.append(queue.add(fragment(start, stop, last=bool(last))).name)
        queue.check()
    return reasons


def test_whole_in_every_order():
    parts = [(0, 8), (8, 24), (24, 32), (32, 37, "last")]
    for order in permutations(parts):
        queue = new_queue()
        for number, part in enumerate(order):
            assert not queue.is_whole
            assert add(queue, part) == [OK], order[: number + 1]
        assert queue.is_whole
        assert queue.payload() == bytes(range(37))
        assert (queue.head, queue.end, queue.received) == (b"head", 37, 37)


@pytest.mark.parametrize("missing", range(3))
def test_not_whole_without_any_part(missing):
    parts = [(0, 8), (8, 24), (24, 32, "last")]
    queue = new_queue()
    add(queue, *(part for number, part in enumerate(parts) if number != missing))
    assert not queue.is_whole


@pytest.mark.parametrize(("start", "stop"), list(combinations(range(9), 2)))
def test_every_second_fragment_beside_one_in_the_middle(start, stop):
    """[3, 5) is there; in units of 8 octets."""
    expected = OK if stop <= 3 or start >= 5 else REPEATED if start >= 3 and stop <= 5 else OVERLAP
    queue = new_queue()
    assert add(queue, (24, 40), (start * 8, stop * 8)) == [OK, expected]


def test_neighbours_that_came_in_order_are_one_run():
    assert add(new_queue(), (0, 8), (8, 16), (0, 16)) == [OK, OK, REPEATED]
    assert add(new_queue(), (0, 8), (8, 16), (16, 24), (8, 24)) == [OK, OK, OK, REPEATED]


def test_neighbours_that_did_not_are_two():
    assert add(new_queue(), (8, 16), (0, 8), (0, 16)) == [OK, OK, OVERLAP]
    assert add(new_queue(), (32, 40), (0, 8), (8, 16), (0, 16)) == [OK, OK, OK, OVERLAP]


def test_a_gap_filled_exactly():
    assert add(new_queue(), (0, 8), (16, 24), (8, 16)) == [OK, OK, OK]
    assert add(new_queue(), (0, 8), (16, 24), (8, 17)) == [OK, OK, OVERLAP]


@pytest.mark.parametrize(
    ("places", "reasons"),
    [
        ([(0, 16), (8, 12, "last")], [OK, END]),  # ends before what is known
        ([(8, 16, "last"), (16, 24)], [OK, END]),  # beyond the end
        ([(8, 16, "last"), (16, 24, "last")], [OK, END]),  # another end
        ([(8, 16, "last"), (0, 8, "last")], [OK, END]),
        ([(8, 16, "last"), (8, 16, "last")], [OK, REPEATED]),  # the same end
        ([(8, 16, "last"), (8, 16)], [OK, REPEATED]),
        ([(8, 8)], [EMPTY]),
        ([(8, 8, "last")], [EMPTY]),
        ([(8, 8, "last"), (8, 16)], [EMPTY, END]),  # the empty one has set the end
        ([(0, 8), (8, 8, "last")], [OK, EMPTY]),
    ],
)
def test_ends(places, reasons):
    assert add(new_queue(), *places) == reasons


def test_a_refused_last_fragment_may_make_the_next_complete_it():
    queue = new_queue()
    assert add(queue, (0, 8), (16, 16, "last"), (8, 16)) == [OK, EMPTY, OK]
    assert queue.is_whole


def test_what_is_refused_is_not_kept():
    queue = new_queue()
    add(queue, (0, 16), (8, 24), (0, 8), (8, 8))
    assert queue.held == [fragment(0, 16).wire]
    assert (queue.received, queue.payload()) == (16, bytes(range(16)))
    assert queue.cost == QUEUE_COST + FRAGMENT_COST + 20


@pytest.mark.parametrize("seen", [set(each) for each in product(range(4), repeat=3)], ids=str)
def test_ecn(seen):
    """RFC 3168 5.3: 0 is Not-ECT, 3 is CE."""
    queue = new_queue()
    for number, ecn in enumerate(seen):
        assert queue.add(fragment(8 * number, 8 * number + 8, ecn=ecn)) is Reason.OK
    assert queue.has_mixed_ecn == (0 in seen and seen != {0})
    assert queue.is_congested == (3 in seen)


def test_many_fragments_backwards():
    queue = new_queue()
    for number in range(8191, -1, -1):
        assert queue.add(fragment(number * 8, number * 8 + 7 + (number != 8191))) is Reason.OK
    queue.check()
    assert queue.received == 65_535
