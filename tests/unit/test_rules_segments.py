"""Which boxes a point lies in: as a look at each of them says, and without much memory."""

from __future__ import annotations

import gc
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statefulinspect.rules.engine.segments import Segments
from statefulinspect.rules.syntax.constants import Value, Wildcard, bounds_of
from statefulinspect.rules.words.datatypes import TYPES

SMALL = st.integers(0, 12)
INTERVALS = st.tuples(SMALL, SMALL).map(lambda ends: tuple(sorted(ends)))
BOXES = st.integers(1, 3).flatmap(
    lambda parts: st.lists(st.tuples(*[INTERVALS] * parts), min_size=1, max_size=20)
)


def holders(segments, point):
    """The numbers of the boxes around a point, in groups put together."""
    groups = segments.at(*point)
    assert all(list(group) == sorted(group) for group in groups)
    return sorted(number for group in groups for number in group)


@given(BOXES, st.data())
def test_boxes_around_a_point_are_those_that_hold_it(boxes, data):
    segments = Segments(boxes, range(len(boxes)))
    point = [data.draw(st.integers(-1, 14)) for _ in boxes[0]]
    expected = [
        number
        for number, box in enumerate(boxes)
        if all(first <= value <= last for (first, last), value in zip(box, point))
    ]
    assert holders(segments, point) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lan0", [0, 1, 2]),
        ("lan00", [0, 2]),
        ("lan", [2]),
        ("lao", []),
        ("la", []),
        ("lan0\U0010ffff", [0, 2]),
        ("", []),
    ],
)
def test_names_compare_by_their_letters(name, expected):
    keys = [Wildcard("lan0"), Value("lan0", TYPES["ifname"]), Wildcard("lan")]
    assert holders(Segments([bounds_of(key) for key in keys], range(3)), [name]) == expected


def apart(count, parts):
    """Boxes that do not overlap, as networks do."""
    return [((4 * at, 4 * at + 3),) * parts for at in range(count)]


def nested(count, parts):
    """Boxes of which every sixteenth holds the fifteen that follow it."""
    return [((at, at if at % 16 else at + 15),) * parts for at in range(count)]


def on_one_value(count, parts):
    """Boxes that have all parts but the last in common."""
    return [(*[(0, 9)] * (parts - 1), (at, at)) for at in range(count)]


def crossing(count, parts):
    """Boxes of which each overlaps the next half of all, whatever the part."""
    dice = random.Random(1)
    return [tuple((at + dice.randrange(3), at + count // 2) for _ in range(parts))
            for at in range(count)]  # fmt: skip


def octets_of(boxes):
    """Tell what the segments of boxes take in memory."""
    gc.collect()  # else tuples are made of those that were freed before, and not counted
    tracemalloc = pytest.importorskip("tracemalloc", reason="PyPy does not count memory")
    tracemalloc.start()
    try:
        segments = Segments(boxes, range(len(boxes)))
        return segments and tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("shape", [apart, nested, on_one_value, crossing])
def test_memory_grows_with_the_number_of_boxes(shape, parts):
    few, many = octets_of(shape(2500, parts)), octets_of(shape(5000, parts))
    assert many < 2.5 * few
