"""Serial numbers, just inside and just outside half a circle, and across the wrap."""

from __future__ import annotations

import pytest

from statefulinspect.seqnum import HALF, M32, after, before

IN_ORDER = [
    (0, 1),
    (M32, 0),
    (M32 - 9, 5),
    (0, HALF - 1),
    (HALF + 1, 0),
    (M32, HALF - 2),
    (HALF - 1, HALF),
]


@pytest.mark.parametrize(("first", "second"), IN_ORDER)
def test_order(first, second):
    assert before(first, second)
    assert after(second, first)
    assert not before(second, first)
    assert not after(first, second)


@pytest.mark.parametrize("number", [0, 1, HALF, M32])
def test_a_number_is_neither_before_nor_after_itself(number):
    assert not before(number, number)
    assert not after(number, number)


@pytest.mark.parametrize("number", [0, 1, HALF - 1, HALF, M32])
def test_half_a_circle_apart_each_is_before_and_after_the_other(number):
    opposite = (number + HALF) & M32
    for a, b in ((number, opposite), (opposite, number)):
        assert before(a, b)
        assert after(a, b)


def test_numbers_beyond_32_bits_are_taken_modulo():
    assert before(M32, M32 + 1)
    assert before(5, (1 << 32) + 6)
    assert not before(5, (1 << 32) + 5)
    assert after(-1, -2)


def test_half_is_half():
    assert M32 + 1 == 2 * HALF == 2**32
