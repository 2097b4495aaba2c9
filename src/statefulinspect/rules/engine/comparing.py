"""Whether a value is what the right side of a comparison says: made once, asked for each packet."""

from __future__ import annotations

import operator
from functools import partial
from typing import Any, Callable, Final, Mapping, Sequence  # noqa: UP035 - Python 3.9

from statefulinspect.rules.engine.elements import Item
from statefulinspect.rules.engine.intervals import Pair, complement, side_of
from statefulinspect.rules.engine.livesets import LiveSet
from statefulinspect.rules.syntax.constants import (
    Bits,
    Constant,
    Prefix,
    SetLiteral,
    Span,
    Value,
    Wildcard,
)
from statefulinspect.rules.syntax.statements import Match

Test = Callable[[Any], bool]

COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {  # of the number with a value
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.gt,
    "<=": operator.ge,
    ">": operator.lt,
    ">=": operator.le,
}
ORDERS: Final = COMPARISONS.keys() - {"==", "!="}


def test_of(sign: str, right: Constant | SetLiteral) -> Test:
    """Make the test of a value against a constant or an anonymous set."""
    if isinstance(right, (Value, Bits)):
        return _number_test(sign, right.value if isinstance(right, Value) else right.mask)
    if isinstance(right, (Span, Prefix)):
        first, last = right.interval
        return _negatable(sign, lambda value: first <= value <= last)
    if isinstance(right, Wildcard):
        start = right.start
        return _negatable(sign, lambda value: value.startswith(start))
    assert isinstance(right, SetLiteral)
    found = LiveSet(map(Item, right.elements))
    return _negatable(sign, lambda value: found.find(value, 0) is not None)


def _number_test(sign: str, number: Any) -> Test:
    """Make the test against one value; `in` means any of the bits of a mask, ! none."""
    if sign in ("in", "!"):
        wanted = sign == "in"
        return lambda value: bool(value & number) is wanted
    return partial(COMPARISONS[sign], number)


def _negatable(sign: str, test: Test) -> Test:
    return (lambda value: not test(value)) if sign == "!=" else test


def pairs_of(match: Match, bits: int) -> Sequence[Pair] | None:
    """Give the intervals of numbers that pass a match; None if it is no matter of intervals."""
    right = match.right
    if match.operator in ORDERS:
        assert isinstance(right, Value)
        return side_of(match.operator, int(right.value), bits)
    pairs: list[Pair] = []
    for key in (each.key for each in right.elements) if isinstance(right, SetLiteral) else (right,):
        if not isinstance(key, (Value, Span, Prefix)):
            return None
        pairs.append(key.interval)
    return complement(pairs, bits) if match.operator == "!=" else tuple(pairs)
