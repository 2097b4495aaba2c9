"""What a rule looks at: one thing or several, through masks, shifts and maps."""

from __future__ import annotations

import operator
from typing import Callable, Final, Mapping, Union  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.syntax.constants import AnySet, Constant, SetRef, Value, bare
from statefulinspect.rules.words.datatypes import DataType
from statefulinspect.rules.words.selectors import Selector

OPERATIONS: Final[Mapping[str, Callable[[int, int], int]]] = {
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
}
SHIFTS: Final = frozenset({"<<", ">>"})


@attrs.frozen
class Select:
    """Look at one thing."""

    selector: Selector

    @property
    def types(self) -> tuple[DataType, ...]:
        """Tell the type of each part."""
        return (self.selector.type,)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Tell the size of each part in bits."""
        return (self.selector.bits,)

    def __str__(self) -> str:
        """Write it as nft does."""
        return str(self.selector)


@attrs.frozen
class Binary:
    """Look at something through a mask or a shift; the operator is one of `OPERATIONS`."""

    operator: str
    left: Expression
    right: Expression | Constant

    @property
    def types(self) -> tuple[DataType, ...]:
        """Tell the type of each part."""
        return self.left.types

    @property
    def sizes(self) -> tuple[int, ...]:
        """Tell the size of each part in bits."""
        return self.left.sizes

    def __str__(self) -> str:
        """Write it as nft does."""
        left, right = str(self.left), _operand(self.right)
        if isinstance(self.left, Binary) and self.left.operator != self.operator:
            left = f"({left})"
        right = f"({right})" if isinstance(self.right, Binary) or " | " in right else right
        return f"{left} {self.operator} {right}"


def _operand(right: Expression | Constant) -> str:
    """Write the right side; a word could be taken for the beginning of a match there."""
    if isinstance(right, Value) and isinstance(right.value, int) and not right.type.is_bitmask:
        return bare(right.value, right.type)
    return str(right)


@attrs.frozen
class Concat:
    """Look at several things at once."""

    parts: tuple[Expression, ...]

    @property
    def types(self) -> tuple[DataType, ...]:
        """Tell the type of each part."""
        return tuple(each for part in self.parts for each in part.types)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Tell the size of each part in bits."""
        return tuple(each for part in self.parts for each in part.sizes)

    def __str__(self) -> str:
        """Write it as nft does."""
        return " . ".join(map(str, self.parts))


@attrs.frozen
class Given:
    """Stand a constant among what is looked at, as in `add @knocked { ip saddr . 1234 }`."""

    value: Value
    bits: int

    @property
    def types(self) -> tuple[DataType, ...]:
        """Tell the type of each part."""
        return (self.value.type,)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Tell the size of each part in bits."""
        return (self.bits,)

    def __str__(self) -> str:
        """Write it as nft does."""
        return str(self.value)


@attrs.frozen
class Lookup:
    """Look a key up in a map, whose data have these types."""

    key: Expression
    data: AnySet
    types: tuple[DataType, ...]
    sizes: tuple[int, ...]

    def __str__(self) -> str:
        """Write it as nft does."""
        return f"{self.key} map {self.data}"


@attrs.frozen
class Numgen:
    """Count up, packet by packet, from `offset` on and around at `modulus`."""

    modulus: int
    offset: int
    types: tuple[DataType, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Tell the size in bits."""
        return (32,)

    def __str__(self) -> str:
        """Write it as nft does."""
        offset = f" offset {self.offset}" if self.offset else ""
        return f"numgen inc mod {self.modulus}{offset}"


Expression = Union[Select, Binary, Concat, Given, Lookup, Numgen]


def parts_of(expression: object) -> list[object]:
    """List an expression and everything that it is made of, in the order of its text."""
    if isinstance(expression, Select):  # as nearly all are
        return [expression]
    if isinstance(expression, Binary):
        return [expression, *parts_of(expression.left), *parts_of(expression.right)]
    if isinstance(expression, Concat):
        return [expression, *(each for part in expression.parts for each in parts_of(part))]
    if isinstance(expression, Lookup):
        return [expression, *parts_of(expression.key), expression.data]
    return [expression]


def unmasked(expression: Expression) -> Expression:
    """Give what is looked at without the masks and shifts, all that nft's typeof takes."""
    if isinstance(expression, Binary):
        return unmasked(expression.left)
    if isinstance(expression, Concat):
        return Concat(tuple(map(unmasked, expression.parts)))
    return expression


def selectors_in(expression: object) -> list[Selector]:
    """List everything that an expression looks at."""
    if isinstance(expression, Select):
        return [expression.selector]
    return [each.selector for each in parts_of(expression) if isinstance(each, Select)]


def sets_in(expression: object) -> list[str]:
    """List the names of the sets and maps that an expression looks things up in."""
    return [each.name for each in parts_of(expression) if isinstance(each, SetRef)]
