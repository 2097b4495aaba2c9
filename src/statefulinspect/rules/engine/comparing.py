"""Whether a value is what the right side of a comparison says: made once, asked for each packet."""

from __future__ import annotations

import operator
from typing import Any, Callable, Final, Mapping, Sequence  # noqa: UP035 - Python 3.9

from statefulinspect.rules.engine.elements import Item
from statefulinspect.rules.engine.intervals import Pair, complement, side_of
from statefulinspect.rules.engine.livesets import LiveSet
from statefulinspect.rules.syntax.constants import (
    Bits,
    Constant,
    Element,
    Joined,
    Prefix,
    SetLiteral,
    Span,
    Value,
    Wildcard,
)
from statefulinspect.rules.syntax.statements import Match

Test = Callable[[Any], bool]

COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ORDERS: Final = COMPARISONS.keys() - {"==", "!="}


def test_of(sign: str, right: Constant | SetLiteral) -> Test:
    """Make the test of a value against a constant or an anonymous set."""
    if isinstance(right, (Value, Bits)):
        return _number_test(sign, right.value if isinstance(right, Value) else right.mask, right)
    if isinstance(right, (Span, Prefix)):
        first, last = right.interval
        return _negatable(sign, lambda value: first <= value <= last)
    if isinstance(right, Wildcard):
        start = right.start
        return _negatable(sign, lambda value: value.startswith(start))
    if isinstance(right, Joined):
        right = SetLiteral((Element(right),))
    assert isinstance(right, SetLiteral)
    found = LiveSet(map(Item, right.elements))
    return _negatable(sign, lambda value: found.find(value, 0) is not None)


def _number_test(sign: str, number: Any, right: Value | Bits) -> Test:
    """Make the test against one value; for bit masks `in` means any of its bits, ! none."""
    if right.type.is_bitmask and sign in ("in", "!"):
        wanted = sign == "in"
        return lambda value: bool(value & number) is wanted
    compare = COMPARISONS["==" if sign == "in" else sign]
    return lambda value: compare(value, number)


def _negatable(sign: str, test: Test) -> Test:
    return (lambda value: not test(value)) if sign == "!=" else test


def pairs_of(match: Match, bits: int) -> Sequence[Pair] | None:
    """Give the intervals of numbers that pass a match; None if it is no matter of intervals."""
    right = match.right
    if match.operator in ORDERS:
        number = right.value if isinstance(right, Value) else None
        return side_of(match.operator, number, bits) if isinstance(number, int) else None
    pairs: list[Pair] = []
    for key in (each.key for each in right.elements) if isinstance(right, SetLiteral) else (right,):
        if not isinstance(key, (Value, Span, Prefix)) or key.type.is_bitmask:
            return None
        pairs.append(key.interval)
    return complement(pairs, bits) if match.operator == "!=" else tuple(pairs)
