"""How the right side of a comparison is read: constants, in the type of what stands on the left.

Arithmetic on constants is done at once, so `1 | 2` is the constant 3.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, Final, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.rules.building.nodes import at_place, only, refuse, shown, whole
from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.syntax.constants import (
    Anything,
    Bits,
    Constant,
    Joined,
    Prefix,
    Span,
    Value,
    Wildcard,
    bits_of,
)
from statefulinspect.rules.syntax.expressions import OPERATIONS, SHIFTS
from statefulinspect.rules.words.datatypes import TYPES, DataType, Scalar, interface_pattern

WIDEST: Final = 128  # bits; what is shifted further is nothing, or too much
MISSING: Final = "expected a constant"
INTEGER: Final = TYPES["integer"]
Types = tuple[DataType, ...]
Sizes = tuple[int, ...]


def scalar_of(part: object, kind: DataType, bits: int) -> Scalar:
    """Read one word or number."""
    if isinstance(part, float) and kind.name == "time":
        part = f"{round(part * 1000)}ms" if 0 <= part < 1e9 else "-"
    if isinstance(part, bool):
        part = int(part)
    if not isinstance(part, (str, int)) or (isinstance(part, str) and part[:1] == "@"):
        refuse(f"{shown(part)}: expected a constant of type {kind.name}", part)
    try:
        return kind.read(part, bits)
    except RuleError as error:
        raise at_place(error, part) from None


def number_of(part: object, kind: DataType, bits: int) -> int:
    """Read a number, or arithmetic on numbers, or a list of bits."""
    if isinstance(part, list):
        return _bits(part, kind, bits).mask
    if isinstance(part, Mapping):
        return _folded(part, kind, bits)
    value = scalar_of(part, kind, bits)
    if not isinstance(value, int):
        refuse(f"{shown(part)}: expected a number of type {kind.name}", part)
    return value


def constant_of(part: object, kind: DataType, bits: int) -> Constant:
    """Read a constant of one part."""
    if isinstance(part, list):
        return _bits(part, kind, bits)
    if not isinstance(part, Mapping):
        return _single(scalar_of(part, kind, bits), kind)
    key, inner = only(part, MISSING)
    if key == "concat":
        refuse(f"{_dotted(inner)}: expected one constant of type {kind.name}", part)
    if key == "range":
        return _span(inner, kind, bits, part)
    if key == "prefix":
        return _prefix(inner, kind, bits, part)
    return Value(_folded(part, kind, bits), kind)


def _dotted(parts: object) -> str:
    """Write a concatenation for an error; one of numbers may be an address that is none."""
    return ".".join(map(_as_typed, parts)) if isinstance(parts, list) else shown(parts)


def _as_typed(part: object) -> str:
    prefix = part.get("prefix") if isinstance(part, Mapping) else None
    if isinstance(prefix, Mapping):
        return f"{prefix.get('addr')}/{prefix.get('len')}"
    return shown(part) if isinstance(part, Mapping) else str(part)


def key_of(part: object, types: Types, sizes: Sizes) -> Constant:
    """Read the key of an element: of one part or of several, or * for whatever has no other."""
    if isinstance(part, str) and part == "*" and not getattr(part, "is_quoted", False):
        return Anything()
    return data_of(part, types, sizes)


def data_of(part: object, types: Types, sizes: Sizes) -> Constant:
    """Read a constant of one part or of several."""
    is_joined = isinstance(part, Mapping) and "concat" in part
    parts = part["concat"] if is_joined and isinstance(part, Mapping) else [part]
    if not isinstance(parts, list) or len(parts) != len(types):
        given = len(parts) if isinstance(parts, list) else 0
        wanted = " . ".join(kind.name for kind in types)
        refuse(f"a constant of {given} parts: expected {len(types)}, {wanted}", part)
    constants = tuple(
        _whole_bits(constant_of(*each)) if len(types) > 1 else constant_of(*each)
        for each in zip(parts, types, sizes)
    )
    return Joined(constants) if len(types) > 1 else _whole_bits(constants[0])


def _whole_bits(constant: Constant) -> Constant:
    """Take listed bits as one value, which they are wherever nft does not ask for any of them."""
    return Value(constant.mask, constant.type) if isinstance(constant, Bits) else constant


def _single(value: Scalar, kind: DataType) -> Constant:
    if not isinstance(value, str) or kind.name != "ifname":
        return Value(value, kind)
    start, is_open = interface_pattern(value)
    return Wildcard(start) if is_open else Value(start, kind)


def _bits(parts: list[Any], kind: DataType, bits: int) -> Bits:
    if not kind.is_bitmask:
        refuse(f"a list with commas: {kind.name} is no bit mask; expected a set in braces", parts)
    if not parts:
        refuse(f"an empty list: {MISSING} of type {kind.name}", parts)
    numbers = [number_of(each, kind, bits) for each in parts]
    return Bits(tuple(bit for each in numbers for bit in (*bits_of(each),) or (0,)), kind)


def _folded(part: Mapping[str, Any], kind: DataType, bits: int) -> int:
    operator, operands = only(part, MISSING)
    if operator not in OPERATIONS:
        refuse(f"{operator}: {MISSING} of type {kind.name}", part)
    if not isinstance(operands, list) or len(operands) < 2:
        refuse(f"{operator} {shown(operands)}: expected two operands", operands, part)
    first = number_of(operands[0], kind, bits)
    right = (INTEGER, 32) if operator in SHIFTS else (kind, bits)
    others = [number_of(each, *right) for each in operands[1:]]
    if operator in SHIFTS:
        others = [min(each, WIDEST) for each in others]
    value = reduce(OPERATIONS[operator], others, first)
    if bits and value >> bits:
        refuse(f"{value}: expected 0 to {(1 << bits) - 1}", part)
    return value


def _span(ends: object, kind: DataType, bits: int, part: object) -> Span:
    if not isinstance(ends, list) or len(ends) != 2:
        refuse(f"range {shown(ends)}: expected its two ends", ends, part)
    first, last = (scalar_of(end, kind, bits) for end in ends)
    if not isinstance(first, int) or not isinstance(last, int):
        refuse(f"a range of type {kind.name}: expected one name, or a set of them", part)
    if first > last:
        refuse(f"range {kind.show(first)}-{kind.show(last)}: the start is above the end", part)
    return Span(first, last, kind)


def _prefix(inner: object, kind: DataType, bits: int, part: object) -> Constant:
    if not isinstance(inner, Mapping):
        refuse(f"prefix {shown(inner)}: expected address and length", inner, part)
    address = scalar_of(inner.get("addr"), kind, bits)
    length = whole(inner.get("len"), "prefix length", bits)
    if not isinstance(address, int):
        refuse(f"a prefix of type {kind.name}: expected a name, or its beginning and *", part)
    if length == bits:
        return Value(address, kind)
    return Prefix(address >> (bits - length) << (bits - length), length, bits, kind)
