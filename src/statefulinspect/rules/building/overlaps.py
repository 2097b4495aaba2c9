"""What becomes of elements of a set that overlap: merged in a set, a conflict in a map.

nft merges what overlaps in sets without a name and in named ones with auto-merge; elsewhere two
elements for one key are an error, unless they are the same. Concatenations are never merged: Linux
enters them in the order of the text, and refuses one that begins or ends within another before it.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Iterable, Mapping, NoReturn  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.building.nodes import refuse
from statefulinspect.rules.engine.segments import Segments
from statefulinspect.rules.syntax.constants import (
    Anything,
    Constant,
    Element,
    Joined,
    Prefix,
    Span,
    Value,
    bounds_of,
    parts_of,
)


@attrs.frozen
class Origin:
    """Know where elements stand: `parts` are those of the tree, by identity; else `whole` is."""

    whole: object
    parts: Mapping[int, object]

    @classmethod
    def of(cls, whole: object, elements: Iterable[Element], parts: Iterable[object]) -> Origin:
        """Note what each element was read from."""
        return cls(whole, {id(element): part for element, part in zip(elements, parts)})

    def refuse(self, message: str, element: Element) -> NoReturn:
        """Raise `RuleError` for an element, where it stands if that is known."""
        refuse(message, self.parts.get(id(element)), self.whole)


def settled(elements: Iterable[Element], origin: Origin, *, merges: bool) -> tuple[Element, ...]:
    """Give the elements without repetition, and without overlaps."""
    unique = _without_repetition(elements, origin)
    keys = [each for each in unique if not isinstance(each.key, Anything)]
    if not keys or all(isinstance(each.key, Value) for each in keys):
        return tuple(unique)
    if isinstance(keys[0].key, Joined):
        if not all(isinstance(part, Value) for each in keys for part in parts_of(each.key)):
            _refuse_covered(keys, origin)
        return tuple(unique)
    merged = _merged(keys, origin, merges=merges)
    return (*merged, *(each for each in unique if isinstance(each.key, Anything)))


def _without_repetition(elements: Iterable[Element], origin: Origin) -> list[Element]:
    found: dict[object, Element] = {}
    for each in elements:
        key = each.key if isinstance(each.key, Anything) else bounds_of(each.key)
        before = found.setdefault(key, each)
        if before.data != each.data:
            origin.refuse(f"element {each.key}: two elements of a map have this key", each)
    return list(found.values())


def _merged(elements: list[Element], origin: Origin, *, merges: bool) -> list[Element]:
    """Merge what overlaps, in the order of the first of each; or refuse it."""
    rows: list[Any] = [(*bounds_of(each.key)[0], at) for at, each in enumerate(elements)]
    rows.sort(key=itemgetter(1), reverse=True)
    rows.sort(key=itemgetter(0))
    start, last, head = rows[0]
    kept = {head: elements[head]}
    for first, end, number in rows[1:]:
        if first > last:
            start, last, head = first, end, number
            kept[head] = elements[number]
            continue
        if not merges:
            each = elements[number]
            origin.refuse(f"conflicting intervals: {each.key} and {kept[head].key}", each)
        if end > last:
            last = end
            kept[head] = attrs.evolve(kept[head], key=_span(start, end, elements[number].key))
    return [kept[number] for number in sorted(kept)]


def _span(first: int, last: int, like: Constant) -> Constant:
    assert isinstance(like, (Value, Span, Prefix))
    return Span(first, last, like.type)


def _refuse_covered(elements: list[Element], origin: Origin) -> None:
    """Refuse keys of several parts that begin or end within one before them."""
    boxes = [bounds_of(each.key) for each in elements]
    segments = Segments(boxes, range(len(boxes)))
    for number, box in enumerate(boxes):
        for corner in zip(*box):
            first = min(segments.at(*corner))[0]
            if first < number:
                keys = f"{elements[number].key} overlaps {elements[first].key}"
                origin.refuse(f"conflicting intervals: {keys}", elements[number])
