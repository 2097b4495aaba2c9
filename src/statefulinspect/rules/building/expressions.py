"""How expressions are read: what a rule looks at, through masks, shifts and maps."""

from __future__ import annotations

from typing import Any, Callable, Final, Mapping, NamedTuple, Optional  # noqa: UP035 - Python 3.9

from statefulinspect.rules.building.drafts import Scope
from statefulinspect.rules.building.nodes import (
    fields,
    needed,
    only,
    refuse,
    refuse_unsupported,
    shown,
    whole,
)
from statefulinspect.rules.building.selectors import READERS as SELECTING
from statefulinspect.rules.building.selectors import selector_of
from statefulinspect.rules.building.sets import Shape, literal_of
from statefulinspect.rules.building.values import INTEGER, Sizes, Types, number_of
from statefulinspect.rules.syntax.constants import AnySet, SetRef, Value
from statefulinspect.rules.syntax.expressions import (
    OPERATIONS,
    SHIFTS,
    Binary,
    Concat,
    Expression,
    Lookup,
    Numgen,
    Select,
)
from statefulinspect.rules.words.datatypes import DataType
from statefulinspect.rules.words.symbols_notation import M32

DEEPEST: Final = 64  # nft 1.0.6 crashes at fewer
EXPECTED: Final = "what a rule can look at, as tcp dport or meta mark"
UNSUPPORTED: Final[Mapping[str, str]] = {
    "fib": "there is no routing table; match addresses and interfaces",
    "socket": "there are no sockets; match ports and addresses",
    "osf": "there is no database of fingerprints",
    "rt": "there is no routing table; match addresses and interfaces",
    "ipsec": "there are no IPsec policies; meta secpath tells whether a packet was decrypted",
    "jhash": "the kernel's hash is seeded; use numgen inc",
    "symhash": "the kernel's hash is seeded; use numgen inc",
    "dccp option": "match dccp ports or the type",
    "tunnel": "rules see the outermost headers only",
}
NO_READING: Final = frozenset({"ct event", "ct count", "meta nftrace"})


class Data(NamedTuple):
    """Hold what a map is to lead to: the types and sizes of its data."""

    types: Types
    sizes: Sizes


def is_expression(part: object) -> bool:
    """Tell whether a part of the tree looks at something, and is no constant."""
    if not isinstance(part, Mapping) or len(part) != 1:
        return False
    key, inner = next(iter(part.items()))
    if key in OPERATIONS or key == "concat":
        return isinstance(inner, list) and any(map(is_expression, inner))
    return key in READERS or key in UNSUPPORTED


def expression_of(part: object, scope: Scope, data: Data | None = None) -> Expression:
    """Read an expression; `data` is what it is to give, should it be a map without a name."""
    key, inner = only(part, EXPECTED)
    if key in UNSUPPORTED:
        refuse_unsupported(key, UNSUPPORTED[key], part)
    if key not in READERS:
        refuse(f"{key}: expected {EXPECTED}", part)
    if scope.depth == DEEPEST:
        refuse(f"{key}: expected at most {DEEPEST} operations within each other", part)
    scope.depth += 1
    found = READERS[key](key, inner, scope, data)
    scope.depth -= 1
    return found


def _select(key: str, inner: Any, scope: Scope, _: Data | None) -> Expression:
    selector = selector_of(key, inner, scope.protocols)
    if selector.text in NO_READING:
        refuse(f"{selector}: expected {EXPECTED}; it can only be set", inner)
    return Select(selector)


def _binary(operator: str, operands: Any, scope: Scope, data: Data | None) -> Expression:
    if not isinstance(operands, list) or len(operands) < 2:
        refuse(f"{operator} {shown(operands)}: expected two operands", operands)
    expression = expression_of(operands[0], scope, data)
    if isinstance(expression, Concat):
        refuse(f"{operator} of a concatenation: expected it on each part", operands)
    for each in operands[1:]:
        if is_expression(each):
            refuse(f"the right side of {operator} is no constant", each, operands)
        kind, bits = expression.types[0], expression.sizes[0]
        right = (INTEGER, 32) if operator in SHIFTS else (kind, bits)
        operand = _operand(each, *right)
        if operator in SHIFTS and int(operand.value) >= bits:
            refuse(f"{operator} {operand}: expected less than {bits}, the bits there are", each)
        expression = Binary(operator, expression, operand)
    return expression


def _operand(part: object, kind: DataType, bits: int) -> Value:
    return Value(number_of(part, kind, bits), kind)


def _concat(_: str, parts: Any, scope: Scope, __: Data | None) -> Expression:
    if not isinstance(parts, list) or not parts:
        refuse(f"concatenation {shown(parts)}: expected its parts", parts)
    found = tuple(expression_of(each, scope) for each in parts)
    if len(found) > 1 and any(str(each) == "ct helper" for each in found):
        refuse("ct helper in a concatenation: expected parts of a fixed size", parts)
    return found[0] if len(found) == 1 else Concat(found)


def _numgen(_: str, inner: Any, __: Scope, ___: Data | None) -> Expression:
    node = fields(inner, "numgen")
    if node.get("mode") != "inc":
        refuse_unsupported("numgen random", "results have to repeat; use numgen inc", node)
    modulus = whole(node.get("mod"), "numgen mod", M32)
    offset = whole(node.get("offset", 0), "numgen offset", M32 - modulus + 1)
    if not modulus:
        refuse("numgen mod 0: expected at least 1", node)
    return Numgen(modulus, offset, (INTEGER,))


def _map(_: str, inner: Any, scope: Scope, data: Data | None) -> Expression:
    node = fields(inner, "map")
    key = expression_of(needed(node, "key", "map"), scope)
    if data is None and not isinstance(node.get("data"), str):
        refuse("a map in braces: what it leads to has no type here; expected @name", node)
    shape = Shape(key.types, key.sizes, *(data or ((), ())))
    found = data_set(needed(node, "data", "map"), shape, scope, "")
    if isinstance(found, SetRef):
        named = scope.find_set(node["data"])
        return Lookup(key, found, named.data_types, named.data_sizes)
    return Lookup(key, found, shape.data_types, shape.data_sizes)


def data_set(part: object, shape: Shape, scope: Scope, data: str) -> AnySet:
    """Read the map that a key is looked up in; `data` is verdict, a kind of object or empty."""
    if not isinstance(part, str):
        key, elements = only(part, "a map, in braces or @name")
        if key != "set":
            refuse(f"{key}: expected a map, in braces or @name", part)
        return literal_of(elements, shape, part)
    found = scope.find_set(part)
    refuse_mismatch(found.types, shape.types, f"map @{found.name}", part)
    is_object = bool(found.data) and not found.data_types
    if (found.data if is_object else "") != data or not found.is_map:
        refuse(f"map @{found.name}: expected one that leads to {data or 'values'}", part)
    return SetRef(found.name)


def refuse_mismatch(given: Types, wanted: Types, what: str, part: object) -> None:
    """Refuse types that differ."""
    one, other = (" . ".join(kind.name for kind in kinds) for kinds in (given, wanted))
    if one != other:
        refuse(f"datatype mismatch: {what} has {one}, expected {other}", part)


Reader = Callable[[str, Any, Scope, Optional[Data]], Expression]
READERS: Final[Mapping[str, Reader]] = {
    **dict.fromkeys(SELECTING, _select),
    **dict.fromkeys(OPERATIONS, _binary),
    "concat": _concat,
    "numgen": _numgen,
    "map": _map,
}
