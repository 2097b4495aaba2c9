"""How elements of sets and maps are read: keys of the set's types, and what they lead to."""

from __future__ import annotations

from typing import Any, Final, Iterable, Mapping, NamedTuple  # noqa: UP035 - Python 3.9

from statefulinspect.rules.building.nodes import (
    Tree,
    fields,
    needed,
    only,
    refuse,
    refuse_unsupported,
    several,
    shown,
    text,
    word,
)
from statefulinspect.rules.building.overlaps import Origin, settled
from statefulinspect.rules.building.stateful import READERS as STATEFUL
from statefulinspect.rules.building.stateful import stateful_of
from statefulinspect.rules.building.values import Sizes, Types, data_of, key_of, scalar_of
from statefulinspect.rules.syntax.constants import Constant, Element, SetLiteral, Value
from statefulinspect.rules.syntax.stateful import Stateful
from statefulinspect.rules.syntax.statements import Decide
from statefulinspect.rules.words.datatypes import TYPES

VERDICTS: Final = ("accept", "drop", "continue", "return")
JUMPS: Final = ("jump", "goto")
VERDICT: Final = "a verdict: accept, drop, continue, return, jump or goto"
NO_VERDICTS: Final = frozenset({"queue", "reject"})


class Shape(NamedTuple):
    """Hold what the elements of a set are like; `leads_to` is verdict or a kind of object."""

    types: Types
    sizes: Sizes
    data_types: Types = ()
    data_sizes: Sizes = ()
    leads_to: str = ""

    @property
    def is_map(self) -> bool:
        """Tell whether elements lead to something."""
        return bool(self.data_types or self.leads_to)


def verdict_of(part: object) -> Decide:
    """Read a verdict."""
    key, inner = only(part, VERDICT)
    if key in JUMPS:
        return Decide(key, word(fields(inner, key), "target", key))
    if key in NO_VERDICTS:
        refuse(f"{key} in a map: expected {VERDICT}", part)
    if key not in VERDICTS:
        refuse(f"{key}: expected {VERDICT}", part)
    return Decide(key)


def duration_of(part: object, what: str) -> float:
    """Read a duration in seconds."""
    if isinstance(part, str):
        milliseconds = scalar_of(part, TYPES["time"], 64)
        return int(milliseconds) / 1000
    if not isinstance(part, (int, float)) or isinstance(part, bool) or not 0 <= part < 1e9:
        refuse(f"{what} {shown(part)}: expected a duration", part)
    return float(part)


def element_of(part: object, shape: Shape) -> Element:
    """Read an element of a set, or a pair of key and data of a map."""
    if not shape.is_map:
        if isinstance(part, (list, tuple)) and not shape.types[0].is_bitmask:
            refuse("an element that leads to something: expected none, for the set is no map", part)
        return _keyed(part, shape, None)
    if not isinstance(part, (list, tuple)) or len(part) != 2:
        refuse(f"{shown(part)}: expected key and data, for the set is a map", part)
    key, data = part
    return _keyed(key, shape, _data(data, shape))


def _data(part: object, shape: Shape) -> object:
    """Read what an element leads to."""
    if shape.leads_to == "verdict":
        return verdict_of(part)
    if shape.leads_to:
        if not isinstance(part, str) or not part:
            refuse(f"{shown(part)}: expected the name of a {shape.leads_to}", part)
        return str(part)
    data = data_of(part, shape.data_types, shape.data_sizes)
    if not _is_single(data):
        refuse_unsupported("a map to ranges", "it serves address translation only", part)
    return data


def _is_single(constant: Constant) -> bool:
    parts: Iterable[Constant] = getattr(constant, "parts", (constant,))
    return all(isinstance(each, Value) for each in parts)


def _keyed(part: object, shape: Shape, data: object) -> Element:
    if not isinstance(part, Mapping) or "elem" not in part:
        return Element(key_of(part, shape.types, shape.sizes), data)
    node = fields(part["elem"], "element")
    timeout, expires = (
        None if node.get(key) is None else duration_of(node[key], key)
        for key in ("timeout", "expires")
    )
    key = key_of(needed(node, "val", "element"), shape.types, shape.sizes)
    comment = text(node, "comment", "element")
    return Element(key, data, timeout, expires, comment, tuple(_statements(node)))


def _statements(node: Tree) -> list[Stateful]:
    """Read the statements of an element in their order, each a field of it, or all in a list."""
    found = [(kind, value) for kind, value in node.items() if kind in STATEFUL]
    found += [only(each, "a statement") for each in several(node.get("stmt"))]
    for kind, _ in found:
        if kind not in STATEFUL:
            refuse(f"{kind}: expected one of {', '.join(STATEFUL)}", node)
    return [stateful_of(kind, value) for kind, value in found]


def literal_of(elements: Any, shape: Shape, part: object) -> SetLiteral:
    """Read a set or map without a name."""
    parts = several(elements)
    found = [element_of(each, shape) for each in parts]
    if not found:
        refuse("an empty set: expected elements", part)
    if any(each.timeout is not None for each in found):
        refuse("a set without a name has no timeouts: expected a named one", part)
    if shape.is_map and any(each.statements for each in found):
        refuse("a map without a name has no statements on its elements: expected none", part)
    return SetLiteral(settled(found, Origin.of(part, found, parts), merges=not shape.is_map))
