"""How what a rule looks at is read: masks, concatenations and maps over the selectors' readers."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence  # noqa: UP035 - Python 3.9

from statefulinspect.rules.engine.elements import Item
from statefulinspect.rules.engine.livesets import LiveSet
from statefulinspect.rules.engine.readers import SETTLED, reader
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.syntax.constants import Joined, Prefix, SetLiteral, SetRef, Span, Value
from statefulinspect.rules.syntax.expressions import (
    OPERATIONS,
    Binary,
    Concat,
    Given,
    Lookup,
    Numgen,
    Select,
    parts_of,
    selectors_in,
)
from statefulinspect.rules.syntax.statements import Match

Read = Callable[[Walk], Any]


class Need(NamedTuple):
    """Hold what has to be before something can be read: a reader and the values it may give."""

    read: Read
    allowed: frozenset[int]


class Reading(NamedTuple):
    """Hold how something is read, and whether packets of one flow may differ in it."""

    read: Read
    varies: bool


class Round:
    """Count up from packet to packet, and begin anew at a modulus: numgen inc."""

    __slots__ = ("_modulus", "_offset", "_rounds")

    def __init__(self, modulus: int, offset: int) -> None:
        self._modulus, self._offset, self._rounds = modulus, offset, 0

    def next(self, walk: Walk) -> int:
        """Give the next number."""
        walk.touch(self)
        self._rounds += 1
        return (self._rounds - 1) % self._modulus + self._offset

    def save(self) -> object:
        """Give the number of packets so far."""
        return self._rounds

    def restore(self, saved: object) -> None:
        """Take the number back."""
        assert isinstance(saved, int)
        self._rounds = saved


Sets = Mapping[str, LiveSet]


def reading_of(expression: object, sets: Sets) -> Reading:
    """Make the reader of an expression or a constant; None is read where there is nothing."""
    if isinstance(expression, Select):
        selector = expression.selector
        return Reading(reader(selector.text), selector.text not in SETTLED)
    if isinstance(expression, Binary):
        return _binary(expression, sets)
    if isinstance(expression, Concat):
        return _concat([reading_of(part, sets) for part in expression.parts])
    if isinstance(expression, Lookup):
        return _lookup(expression, sets)
    if isinstance(expression, Numgen):
        return Reading(Round(expression.modulus, expression.offset).next, varies=True)
    value = constant_of(expression.value if isinstance(expression, Given) else expression)
    return Reading(lambda _: value, varies=False)


def constant_of(constant: object) -> Any:
    """Give the value of a constant, a tuple for a concatenation."""
    if isinstance(constant, Joined):
        return tuple(map(constant_of, constant.parts))
    assert isinstance(constant, Value)
    return constant.value


def _binary(expression: Binary, sets: Sets) -> Reading:
    left, operate = reading_of(expression.left, sets), operation_of(expression)

    def read(walk: Walk) -> int | None:
        value = left.read(walk)
        return None if value is None else operate(value)

    return Reading(read, left.varies)


def operation_of(expression: Binary) -> Callable[[int], int]:
    """Make what an operation with a constant does to the value on its left."""
    operate, number = OPERATIONS[expression.operator], constant_of(expression.right)
    mask = (1 << max(expression.sizes[0], 1)) - 1
    return lambda value: operate(value, number) & mask


def _concat(parts: list[Reading]) -> Reading:
    reads = [part.read for part in parts]

    def read(walk: Walk) -> tuple[Any, ...] | None:
        values = tuple([each(walk) for each in reads])
        return None if None in values else values

    return Reading(read, any(part.varies for part in parts))


def live_set(data: SetLiteral | SetRef, sets: Sets) -> LiveSet:
    """Give the set of a name, or make an anonymous one."""
    if isinstance(data, SetRef):
        return sets[data.name]
    return LiveSet(Item(each, each.data) for each in data.elements)


def may_change(found: LiveSet) -> bool:
    """Say whether a set may hold something else for the next packet."""
    return found.is_dynamic or found.ages or found.remembers


def can_be_tried(expression: object, sets: Sets) -> bool:
    """Say whether what changes when this is read, or looked up, can be put back at little cost."""
    return not any(
        isinstance(part, SetRef) and sets[part.name].may_count for part in parts_of(expression)
    )


def counts_on(match: Match, sets: Sets) -> bool:
    """Say whether to look at a match is to change something, as numgen does."""
    if isinstance(match.left, Select) and isinstance(match.right, (Value, Prefix, Span)):
        return False
    for part in (*parts_of(match.left), *parts_of(match.right)):
        if isinstance(part, Numgen):
            return True
        if isinstance(part, SetRef) and (sets[part.name].is_dynamic or sets[part.name].remembers):
            return True
    return False


def _lookup(expression: Lookup, sets: Sets) -> Reading:
    key, found = reading_of(expression.key, sets), live_set(expression.data, sets)

    def read(walk: Walk) -> Any:
        value = key.read(walk)
        item = None if value is None else found.admits(value, walk)
        return None if item is None else constant_of(item.data)

    return Reading(read, key.varies or may_change(found))


def are_met(needs: Sequence[Need], walk: Walk) -> bool:
    """Say whether a packet has all that has to be before something can be read."""
    for need in needs:  # noqa: SIM110 - all() takes three times as long
        if need.read(walk) not in need.allowed:
            return False
    return True


def needs_of(expression: object) -> Iterator[Need]:
    """Go over what has to be before an expression can be read, in nft's order."""
    for selector in selectors_in(expression):
        for text, allowed in selector.needs:
            yield Need(reader(text), allowed)
