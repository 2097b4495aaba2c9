"""Intervals of numbers, against every number there is of a few bits."""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import pytest

from statefulinspect.rules.engine.intervals import Pieces, complement, disjoint, side_of

BITS = 3
NUMBERS = range(1 << BITS)
PAIRS = list(combinations_with_replacement(NUMBERS, 2))


def within(pairs):
    return {number for number in NUMBERS if any(first <= number <= last for first, last in pairs)}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_what_is_merged_and_what_is_left_out(count):
    for pairs in product(PAIRS, repeat=count):
        merged = disjoint(pairs)
        assert within(merged) == within(pairs)
        assert all(last + 1 < first for (_, last), (first, _) in zip(merged, merged[1:]))
        left = complement(pairs, BITS)
        assert within(left) == {*NUMBERS} - within(pairs)
        assert disjoint(left) == left
        assert all(first <= last for first, last in left)


def test_three_that_touch_are_one():
    assert disjoint([(5, 6), (0, 1), (2, 4), (0, 0)]) == [(0, 6)]
    assert disjoint([(0, 7), (1, 2)]) == [(0, 7)]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_sides_of_a_number(number):
    for sign, among in (
        ("<", [each for each in NUMBERS if each < number]),
        ("<=", [each for each in NUMBERS if each <= number]),
        (">", [each for each in NUMBERS if each > number]),
        (">=", [each for each in NUMBERS if each >= number]),
    ):
        found = side_of(sign, number, BITS)
        assert found == ([(among[0], among[-1])] if among else [])


@pytest.mark.parametrize("octets", [1, 2])
def test_a_value_meets_the_conditions_whose_intervals_it_lies_in(octets):
    highest = (1 << octets * 8) - 1
    conditions = {
        0: [(0, highest)],
        1: [(0, 0)],
        2: [(highest, highest)],
        3: [(5, 9), (7, 12), (13, 13), (200, highest)],
        4: [(5, 5), (7, 7)],
        5: [(9, 200)],
        6: [(0, 4), (6, 6)],
    }
    unasked = 1 << 7
    pieces = Pieces(conditions.items(), unasked, octets)
    for number in (*range(15), 199, 200, 201, highest - 1, highest):
        expected = unasked | sum(
            1 << each
            for each, pairs in conditions.items()
            if any(first <= number <= last for first, last in pairs)
        )
        assert pieces.at(number.to_bytes(octets, "big")) == expected
    assert pieces.at(None) == unasked
    assert len(pieces.sets) == len(pieces.edges) + 1 + (pieces.sets[-1] == unasked)


def test_without_conditions_all_that_is_left_holds():
    pieces = Pieces([], 5, 1)
    assert (pieces.at(b"\0"), pieces.at(b"\xff"), pieces.at(None)) == (5, 5, 5)
