"""What a rule compares with: constants, ranges, sets.

Constants are numbers already, in the type of what they are compared with, and print as nft prints
them. Each tells the interval that it stands for; interface names alone are words.
"""

from __future__ import annotations

from typing import Any, Final, Iterator, Optional, Union  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.words.datatypes import DataType, Scalar
from statefulinspect.rules.words.symbols_time import show_duration

Interval = tuple[int, int]
Bounds = tuple[Any, Any]  # two numbers, or two names
NAME_OCTETS: Final = 16  # of interfaces and helpers, the zero octet at the end included
LAST_LETTER: Final = chr(0x10FFFF)


@attrs.frozen
class Value:
    """Hold one constant of a type; a word for interface and helper names."""

    value: Scalar
    type: DataType

    @property
    def interval(self) -> Bounds:
        """Tell the first and the last of what it stands for: itself."""
        return self.value, self.value

    def __str__(self) -> str:
        """Write it as nft does; several bits of a bit mask joined by |."""
        if self.type.is_bitmask and isinstance(self.value, int) and self.value & (self.value - 1):
            return " | ".join(self.type.show(bit) for bit in bits_of(self.value))
        if isinstance(self.value, str) and self.value.endswith("*"):
            return self.type.show(rf"{self.value[:-1]}\*")  # no wildcard
        return self.type.show(self.value)


@attrs.frozen
class Span:
    """Hold a range of constants, both ends included."""

    first: int
    last: int
    type: DataType

    @property
    def interval(self) -> Interval:
        """Tell the first and the last of them."""
        return self.first, self.last

    def __str__(self) -> str:
        """Write it as nft does."""
        return f"{bare(self.first, self.type)}-{bare(self.last, self.type)}"


@attrs.frozen
class Prefix:
    """Hold the constants that share their first `length` bits of `bits`."""

    value: int
    length: int
    bits: int
    type: DataType

    @property
    def interval(self) -> Interval:
        """Tell the first and the last of them."""
        rest = (1 << (self.bits - self.length)) - 1
        return self.value & ~rest, self.value | rest

    def __str__(self) -> str:
        """Write it as nft does."""
        return f"{bare(self.value, self.type)}/{self.length}"


@attrs.frozen
class Wildcard:
    """Hold the interface names that begin alike: `eth*`."""

    start: str

    def __str__(self) -> str:
        """Write it as nft does."""
        return f'"{self.start}*"'


@attrs.frozen
class Bits:
    """Hold bits of a mask, listed with commas: any of them will do."""

    values: tuple[int, ...]
    type: DataType

    @property
    def mask(self) -> int:
        """Tell all the bits together."""
        mask = 0
        for value in self.values:
            mask |= value
        return mask

    @property
    def interval(self) -> Interval:
        """Tell the first and the last of what they stand for together."""
        return self.mask, self.mask

    def __str__(self) -> str:
        """Write them as nft does."""
        return ",".join(self.type.show(value) for value in self.values)


@attrs.frozen
class Joined:
    """Hold one constant for each part of a concatenation."""

    parts: tuple[Constant, ...]

    def __str__(self) -> str:
        """Write it as nft does."""
        return " . ".join(map(str, self.parts))


@attrs.frozen
class Anything:
    """Stand for every key that no other element of a map has."""

    def __str__(self) -> str:
        """Write it as nft does."""
        return "*"


Constant = Union[Value, Span, Prefix, Wildcard, Bits, Joined, Anything]


@attrs.frozen
class Element:
    """Hold one element of a set, or of a map if it has data; times are in seconds.

    `data` is a constant, or whatever a verdict map or a map of objects leads to.
    """

    key: Constant
    data: object = None
    timeout: Optional[float] = None  # noqa: UP045 - Python 3.9
    expires: Optional[float] = None  # noqa: UP045 - Python 3.9
    comment: str = ""
    statements: tuple[object, ...] = ()

    def __str__(self) -> str:
        """Write it as nft does."""
        words = [str(self.key)]
        words += [str(each) for each in self.statements]
        words += [f"timeout {duration(self.timeout)}"] if self.timeout is not None else []
        words += [f"expires {duration(self.expires)}"] if self.expires is not None else []
        words += [f"comment {quoted(self.comment)}"] if self.comment else []
        data = "" if self.data is None else f" : {_data(self.data)}"
        return " ".join(words) + data


@attrs.frozen
class SetLiteral:
    """Hold an anonymous set or map."""

    elements: tuple[Element, ...]

    def __str__(self) -> str:
        """Write it as nft does."""
        return f"{{ {', '.join(map(str, self.elements))} }}"


@attrs.frozen
class SetRef:
    """Name a set or map of the table."""

    name: str

    def __str__(self) -> str:
        """Write it as nft does."""
        return f"@{self.name}"


AnySet = Union[SetLiteral, SetRef]
Right = Union[Constant, SetLiteral, SetRef]


def bits_of(mask: int) -> Iterator[int]:
    """Go over the bits of a mask, the lowest first."""
    while mask:
        yield mask & -mask
        mask &= mask - 1


def parts_of(constant: Constant) -> tuple[Constant, ...]:
    """Give the parts of a constant; what is no concatenation has one."""
    return constant.parts if isinstance(constant, Joined) else (constant,)


def bounds_of(key: Constant) -> tuple[Bounds, ...]:
    """Tell the first and the last scalar of each part of a key."""
    return tuple(map(_bounds, parts_of(key)))


def _bounds(part: Any) -> Bounds:
    if isinstance(part, Wildcard):
        return part.start, part.start.ljust(NAME_OCTETS, LAST_LETTER)
    interval: Bounds = part.interval
    return interval


def meet(one: Constant, other: Constant) -> bool:
    """Tell whether there is something that both keys stand for."""
    return all(
        start <= last and first <= end
        for (start, end), (first, last) in zip(bounds_of(one), bounds_of(other))
    )


def bare(value: int, kind: DataType) -> str:
    """Write a number without a word: in ranges nft reads none, and behind & other ones."""
    if not kind.symbols:
        return kind.show(value)
    return f"{value:#x}" if kind.is_bitmask else kind.number_form.format(value)


def _data(data: object) -> str:
    return quoted(data) if isinstance(data, str) else str(data)


def quoted(word: str) -> str:
    """Write a word in quotation marks."""
    return f'"{word}"'


def duration(seconds: float) -> str:
    """Write a duration as nft does: 1d2h3m4s500ms."""
    return show_duration(round(seconds * 1000))
