"""How comparisons are read: what operator a rule means, and what may stand on its right side.

Without an operator a bit mask is asked for any of the bits, everything else for equality. A set
of one constant is that constant.
"""

from __future__ import annotations

from typing import Any, Final, Mapping, NoReturn  # noqa: UP035 - Python 3.9

from statefulinspect.rules.building.drafts import Scope
from statefulinspect.rules.building.expressions import expression_of, is_expression, refuse_mismatch
from statefulinspect.rules.building.nodes import (
    Tree,
    fields,
    needed,
    only,
    refuse,
    several,
    shown,
)
from statefulinspect.rules.building.sets import Shape, literal_of
from statefulinspect.rules.building.values import constant_of, scalar_of
from statefulinspect.rules.syntax.constants import (
    Anything,
    Bits,
    Constant,
    Joined,
    Prefix,
    Right,
    SetLiteral,
    SetRef,
    Span,
    Value,
    Wildcard,
)
from statefulinspect.rules.syntax.expressions import Binary, Concat, Expression, Lookup
from statefulinspect.rules.syntax.statements import Match

IMPLICIT: Final = frozenset({"in", "", "implicit"})
OPERATORS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "!"}) | IMPLICIT
ROUND: Final = frozenset({"hour", "day"})  # of which a range may go beyond the end
ORDERED: Final = frozenset({"<", "<=", ">", ">="})
NAMES: Final[Mapping[type, str]] = {
    SetLiteral: "sets",
    SetRef: "sets",
    Span: "ranges",
    Prefix: "prefixes",
    Wildcard: "wildcards",
}


def match_of(inner: object, scope: Scope) -> Match:
    """Read a comparison, and what it settles."""
    node = fields(inner, "match")
    given = node.get("op", "==")
    if not isinstance(given, str) or given not in OPERATORS:
        refuse(f"operator {shown(given)}: expected one of ==, !=, <, <=, >, >=, !", given, node)
    operator = "in" if given in IMPLICIT else str(given)
    left = expression_of(needed(node, "left", "match"), scope)
    if isinstance(left, Lookup):
        refuse("a map on the left side: expected what a packet has", node)
    part = needed(node, "right", "match")
    if is_expression(part):
        refuse(f"{shown(part)} on the right side: expected a constant or a set", part, node)
    if _is_overnight(left, part):
        match = _overnight(left, operator, part)
    else:
        match = _compared(left, operator, _right(left, part, scope, node), node)
    scope.protocols.learn(match)
    return match


def _right(left: Expression, part: Any, scope: Scope, node: Tree) -> Right:
    """Read the right side: a set, or a constant."""
    if isinstance(part, str) and part[:1] == "@":
        named = scope.find_set(part)
        refuse_mismatch(named.types, left.types, f"set {part}", part)
        return SetRef(named.name)
    if isinstance(part, Mapping) and "set" in part:
        elements = several(only(part, "a set")[1])
        if node.get("op") in ORDERED:
            _refuse_order(node["op"], SetLiteral, node)
        literal = literal_of(elements, Shape(left.types, left.sizes), part)
        return _single(literal)
    if isinstance(left, Concat):
        refuse("a concatenation is compared with sets only: expected { ... } or @name", part, node)
    return constant_of(part, left.types[0], left.sizes[0])


def _single(literal: SetLiteral) -> Right:
    key = literal.elements[0].key
    is_many = len(literal.elements) > 1 or isinstance(key, (Joined, Anything))
    return literal if is_many else key


def _compared(left: Expression, operator: str, right: Right, node: Tree) -> Match:
    """Settle on the operator, and refuse the ones that have no meaning for the right side."""
    if operator in ORDERED and type(right) in NAMES:
        _refuse_order(operator, type(right), node)
    is_mask = left.types[0].is_bitmask and isinstance(right, (Value, Bits))
    if operator == "!":
        if not is_mask:
            refuse("! is for bits of a mask: expected !=", node)
        return Match(left, "!", _plain(right))
    if operator == "in" and is_mask and not isinstance(left, Binary):
        return Match(left, "in", _plain(right))
    if isinstance(right, Bits):
        right = Value(right.mask, right.type)
    return Match(left, "==" if operator == "in" else operator, right)


def _refuse_order(operator: str, kind: type, node: Tree) -> NoReturn:
    refuse(f"{operator} has no meaning for {NAMES[kind]}: expected == or !=", node)


def _plain(right: Right) -> Right:
    """Take a list of one bit as that bit."""
    is_one = isinstance(right, Bits) and len(right.values) == 1
    return Value(right.mask, right.type) if is_one and isinstance(right, Bits) else right


def _ends(left: Expression, part: Any) -> tuple[Any, Any] | None:
    """Tell the ends of a range of hours or days."""
    if not isinstance(part, Mapping) or left.types[0].name not in ROUND:
        return None
    ends = part.get("range")
    return (ends[0], ends[1]) if isinstance(ends, list) and len(ends) == 2 else None


def _is_overnight(left: Expression, part: Any) -> bool:
    """Tell whether the part is a range that goes beyond midnight, or Saturday."""
    ends = _ends(left, part)
    if ends is None:
        return False
    first, last = (int(scalar_of(end, left.types[0], 32)) for end in ends)
    return first > last


def _overnight(left: Expression, operator: str, part: Any) -> Match:
    """Ask for what goes beyond the end, as nft does: not from the end to the beginning."""
    ends = _ends(left, part)
    assert ends is not None
    first, last = (int(scalar_of(end, left.types[0], 32)) for end in ends)
    span: Constant = Span(last, first, left.types[0])
    return Match(left, "==" if operator == "!=" else "!=", span)
