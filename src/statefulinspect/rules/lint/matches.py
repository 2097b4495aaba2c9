"""Which packets a match lets pass: a comparison turned into boxes.

What has few values is tried value by value, masks and all. What cannot be turned into numbers stays
a riddle: two rules that ask the same riddle of a packet get the same answer, if nothing between
them can change it.
"""

from __future__ import annotations

from typing import Callable, Final, Optional

import attrs

from statefulinspect.rules.engine.intervals import complement, side_of
from statefulinspect.rules.lint.boxes import CT_STATES, Box, box_of, ranges_of
from statefulinspect.rules.lint.ranges import Ranges, single
from statefulinspect.rules.syntax.constants import (
    Bits,
    Constant,
    Joined,
    Right,
    SetLiteral,
    SetRef,
    Value,
)
from statefulinspect.rules.syntax.expressions import (
    OPERATIONS,
    SHIFTS,
    Binary,
    Concat,
    Expression,
    Lookup,
    Select,
    selectors_in,
)
from statefulinspect.rules.syntax.objects import NamedSet
from statefulinspect.rules.syntax.statements import Match
from statefulinspect.rules.words.selectors import Selector

FEW: Final = 8  # bits; so many values are tried one by one
MANY: Final = 64  # boxes; more are not looked at
FindSet = Callable[[str], Optional[NamedSet]]


@attrs.frozen
class Known:
    """Hold what a comparison lets pass: all of it is in these boxes.

    `is_exact` tells that every packet in the boxes passes, too.
    """

    boxes: tuple[Box, ...]
    is_exact: bool = True


UNKNOWN: Final = Known((Box(),), is_exact=False)


def known_of(match: Match, find_set: FindSet) -> Known:
    """Turn a match into boxes."""
    if isinstance(match.left, Concat):
        return _concat(match, find_set) or _riddle(match)
    selector = _only_selector(match.left)
    ranges = None if selector is None else _ranges(match, selector, find_set)
    if selector is None or ranges is None:
        return _riddle(match)
    box = box_of(selector, ranges)
    return Known(() if box is None else (box,))


def _riddle(match: Match) -> Known:
    """Keep a match as it is, and what its selectors need."""
    box: Box | None = Box({}, frozenset([match]))
    for selector in selectors_in(match.left):
        needed = box_of(selector, None)
        box = box and needed and box.within(needed)
    return Known(() if box is None else (box,))


def _only_selector(left: Expression) -> Selector | None:
    """Give the selector that the left side reads, alone or through constants."""
    found = selectors_in(left)
    return found[0] if len(found) == 1 and not isinstance(left, (Lookup, Concat)) else None


def _ranges(match: Match, selector: Selector, find_set: FindSet) -> Ranges | None:
    """Give the numbers of the selector that pass; None if that cannot be told."""
    passes = _test(match, selector.bits, find_set)
    if passes is None:
        return None
    tried = CT_STATES if selector.text == "ct state" else range(1 << min(selector.bits, FEW))
    if selector.text == "ct state" or selector.bits <= FEW:
        values = [(each, _compute(match.left, each)) for each in tried]
        if any(value is None for _, value in values):
            return None
        return single(each for each, value in values if value is not None and passes.has(value))
    return passes.ranges if isinstance(match.left, Select) else None


@attrs.frozen
class _Passes:
    """Hold which numbers a comparison lets pass: by ranges, or by bits."""

    ranges: Ranges | None
    mask: int = 0
    is_any: bool = True

    def has(self, value: int) -> bool:
        """Tell whether a number passes."""
        if self.ranges is None:
            return bool(value & self.mask) is self.is_any
        return any(first <= value <= last for first, last in self.ranges)


def _test(match: Match, bits: int, find_set: FindSet) -> _Passes | None:
    right = match.right
    if match.operator in ("in", "!"):
        mask = right.mask if isinstance(right, Bits) else getattr(right, "value", None)
        is_mask = isinstance(right, (Bits, Value)) and right.type.is_bitmask
        is_any = match.operator == "in"
        return _Passes(None, mask, is_any) if is_mask and isinstance(mask, int) else None
    constants = constants_of(right, find_set)
    wanted = None if constants is None else ranges_of(constants, bits)
    if wanted is None:
        return None
    if match.operator in ("==", "!="):
        return _Passes(wanted if match.operator == "==" else tuple(complement(wanted, bits)))
    is_number = isinstance(right, Value) and isinstance(right.value, int)
    return _Passes(tuple(side_of(match.operator, wanted[0][0], bits))) if is_number else None


def constants_of(right: Right, find_set: FindSet) -> list[Constant] | None:
    """List what the right side holds; None if it is a set that may change."""
    if isinstance(right, SetLiteral):
        is_plain = not any(each.statements for each in right.elements)
        return [each.key for each in right.elements] if is_plain else None
    if not isinstance(right, SetRef):
        return [right]
    named = find_set(right.name)
    if named is None or named.flags & {"dynamic", "timeout"} or "constant" not in named.flags:
        return None
    return constants_of(SetLiteral(named.elements), find_set)


def _compute(left: Expression, value: int) -> int | None:
    """Compute the left side for a value of its only selector; None if constants are missing."""
    if isinstance(left, Select):
        return value
    if not isinstance(left, Binary) or not isinstance(left.right, Value):
        return None
    inner = _compute(left.left, value)
    number = left.right.value
    if inner is None or not isinstance(number, int) or left.operator in SHIFTS:
        return None  # what a shift carries out of the field is for the engine to say
    return OPERATIONS[left.operator](inner, number)


def _concat(match: Match, find_set: FindSet) -> Known | None:
    """Make a box for each element of a set of several parts."""
    assert isinstance(match.left, Concat)
    selectors = [each.selector for each in match.left.parts if isinstance(each, Select)]
    constants = constants_of(match.right, find_set)
    if constants is None or match.operator != "==" or len(constants) > MANY:
        return None
    if len(selectors) < len(match.left.parts):
        return None
    boxes: list[Box] = []
    for constant in constants:
        parts = constant.parts if isinstance(constant, Joined) else ()
        box = _joined_box(selectors, parts) if len(parts) == len(selectors) else None
        if box is None:
            return None
        boxes.append(box)
    return Known(tuple(boxes))


def _joined_box(selectors: list[Selector], parts: tuple[Constant, ...]) -> Box | None:
    box: Box | None = Box()
    for selector, part in zip(selectors, parts):
        ranges = ranges_of([part], selector.bits)
        inner = None if ranges is None else box_of(selector, ranges)
        box = box and inner and box.within(inner)
    return box
