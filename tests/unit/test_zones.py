"""Zones: numbers for both directions or for one."""

from __future__ import annotations

import pytest

from statefulinspect import Direction
from statefulinspect.zones import NO_ZONE, Zone


def test_a_zone_holds_for_both_directions_or_for_one():
    assert Zone.of(5) == (5, 5)
    assert Zone.of(5, Direction.ORIGINAL) == (5, 0)
    assert Zone.of(5, Direction.REPLY) == (0, 5)
    assert Zone.of(0, Direction.REPLY) == NO_ZONE


def test_whole_are_those_with_one_number():
    assert Zone.of(65535).is_whole
    assert not Zone.of(1, Direction.ORIGINAL).is_whole
    assert not Zone.of(1, Direction.REPLY).is_whole


@pytest.mark.parametrize("number", [-1, 65536, None, "", True, 5.0])
def test_numbers_that_are_none(number):
    with pytest.raises(ValueError, match="expected a whole number from 0 to 65535"):
        Zone.of(number)


def test_directions_that_are_none():
    with pytest.raises(ValueError, match="expected a Direction"):
        Zone.of(1, "original")
