"""What becomes of elements of a set that overlap: merged in a set, a conflict in a map.

nft merges what overlaps in sets without a name and in named ones with auto-merge; elsewhere two
elements for one key are an error, unless they are the same.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Iterable  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.building.nodes import refuse
from statefulinspect.rules.syntax.constants import (
    Anything,
    Constant,
    Element,
    Interval,
    Joined,
    Prefix,
    Span,
    Value,
    Wildcard,
    intervals,
)

Box = tuple[Interval, ...]
LAST_LETTER = 0x10FFFF


def settled(elements: Iterable[Element], *, merges: bool, part: object) -> tuple[Element, ...]:
    """Give the elements without repetition, and without overlaps."""
    unique = _without_repetition(elements, part)
    keys = [each for each in unique if not isinstance(each.key, Anything)]
    if not keys or all(isinstance(each.key, Value) for each in keys):
        return tuple(unique)
    if isinstance(keys[0].key, Joined):
        if not all(isinstance(part, Value) for each in keys for part in _parts(each.key)):
            _refuse_crossing(keys, part)
        return tuple(unique)
    merged = _merged(keys, part, merges=merges)
    return (*merged, *(each for each in unique if isinstance(each.key, Anything)))


def _without_repetition(elements: Iterable[Element], part: object) -> list[Element]:
    found: dict[Constant, Element] = {}
    for each in elements:
        before = found.setdefault(each.key, each)
        if before.data != each.data:
            refuse(f"element {each.key}: two elements of a map have this key", part)
    return list(found.values())


def _interval(key: Constant) -> Interval:
    """Tell the interval of a key; of names, that of the numbers that their letters make."""
    if isinstance(key, Wildcard):
        return _number(key.start, 0), _number(key.start, LAST_LETTER)
    if isinstance(key, Value) and isinstance(key.value, str):
        number = _number(key.value, 0)
        return number, number
    return next(intervals(key))


def _number(name: str, filler: int) -> int:
    number = 0
    for place in range(16):
        letter = ord(name[place]) if place < len(name) else filler
        number = number << 21 | letter
    return number


def _merged(elements: list[Element], part: object, *, merges: bool) -> list[Element]:
    """Merge what overlaps, in the order of the first of each; or refuse it."""
    rows = [(*_interval(each.key), number) for number, each in enumerate(elements)]
    last, head, start = -1, 0, 0
    kept: dict[int, Element] = {}
    for first, end, number in sorted(rows, key=lambda row: (row[0], -row[1])):
        if first > last:
            head, start, last = number, first, end
            kept[head] = elements[number]
            continue
        if not merges:
            refuse(f"conflicting intervals: {elements[number].key} and {kept[head].key}", part)
        if end > last:
            last = end
            kept[head] = attrs.evolve(kept[head], key=_span(start, end, elements[number].key))
    return [kept[number] for number in sorted(kept)]


def _span(first: int, last: int, like: Constant) -> Constant:
    assert isinstance(like, (Value, Span, Prefix))
    return Span(first, last, like.type)


def _refuse_crossing(elements: list[Element], part: object) -> None:
    """Refuse keys of several parts that have packets in common."""
    boxes = [(tuple(map(_interval, _parts(each.key))), each.key) for each in elements]
    active: list[tuple[Box, Constant]] = []
    for box, key in sorted(boxes, key=itemgetter(0)):
        active = [each for each in active if each[0][0][1] >= box[0][0]]
        for other, before in active:
            if all(one[0] <= two[1] and two[0] <= one[1] for one, two in zip(box, other)):
                refuse(f"conflicting intervals: {key} overlaps {before}", part)
        active.append((box, key))


def _parts(key: Constant) -> tuple[Constant, ...]:
    return key.parts if isinstance(key, Joined) else (key,)
