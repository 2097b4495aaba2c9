"""How sets and maps of a table are declared, and how elements come and go."""

from __future__ import annotations

from typing import Any, Final, Iterable, NamedTuple, Sequence  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.building.drafts import TableDraft, typeof_scope
from statefulinspect.rules.building.expressions import expression_of
from statefulinspect.rules.building.nodes import (
    Tree,
    flag,
    name_in,
    needed,
    one_of,
    only,
    refuse,
    refuse_missing,
    refuse_unsupported,
    several,
    shown,
    text,
    whole,
)
from statefulinspect.rules.building.overlaps import Origin, settled
from statefulinspect.rules.building.sets import Shape, duration_of, element_of
from statefulinspect.rules.building.stateful import READERS as STATEFUL
from statefulinspect.rules.building.stateful import check_counting, stateful_of
from statefulinspect.rules.building.values import INTEGER, Sizes, Types
from statefulinspect.rules.errors import RuleError, near_first
from statefulinspect.rules.language.tree import place_of
from statefulinspect.rules.syntax.constants import Anything, Constant, Element, Joined, Value
from statefulinspect.rules.syntax.expressions import unmasked
from statefulinspect.rules.syntax.objects import OBJECT_KINDS, NamedSet
from statefulinspect.rules.words.datatypes import TYPES
from statefulinspect.rules.words.selectors import SELECTORS
from statefulinspect.rules.words.symbols_notation import M32

FLAGS: Final = ("constant", "dynamic", "interval", "timeout")
POLICIES: Final = ("performance", "memory")
UNQUALIFIED: Final = frozenset({"integer", "string", "verdict", "bitmask"})
OWN_TYPES: Final = frozenset({"instant", "cgroup"})  # which nft calls otherwise
UNSUPPORTED_DATA: Final = frozenset({"secmark", "synproxy"})


EXPRESSIONS: Final = {
    **{selector.type.name: str(selector) for selector in reversed(list(SELECTORS.values()))},
    INTEGER.name: "meta length",
}


class Parts(NamedTuple):
    """Hold the words of a type, with the types and sizes of its parts."""

    words: str = ""
    types: Types = ()
    sizes: Sizes = ()
    is_typeof: bool = False


def declared(node: Tree, table: TableDraft) -> NamedSet:
    """Read the declaration of a set or map, with its elements."""
    name = name_in(node, "name", "set")
    key, data = _typed(node, table)
    named = NamedSet(
        name=name,
        key=f"{'typeof' if key.is_typeof else 'type'} {key.words}",
        types=key.types,
        sizes=key.sizes,
        data=data.words,
        data_types=data.types,
        data_sizes=data.sizes,
        flags=frozenset(one_of(each, FLAGS, "set flag") for each in several(node.get("flags"))),
        timeout=_seconds(node, "timeout"),
        gc_interval=_seconds(node, "gc-interval"),
        size=whole(node["size"], "set size", M32) if node.get("size") is not None else None,
        policy=one_of(node["policy"], POLICIES, "set policy") if node.get("policy") else "",
        is_merged=flag(node, "auto-merge", "set"),
        statements=tuple(_statement(each) for each in several(node.get("stmt"))),
        comment=text(node, "comment", "set"),
    )
    _check_flags(named, node)
    return with_elements(named, several(node.get("elem")), node)


def _typed(node: Tree, table: TableDraft) -> tuple[Parts, Parts]:
    """Read the types of keys and data, both by names or both by expressions."""
    given = node.get("type") if node.get("typeof") is None else {"typeof": node["typeof"]}
    key = _parts(given, table, node)
    data = _data(node, table) if node.get("map") is not None else Parts()
    if data.types and key.is_typeof != data.is_typeof:
        return _spoken(key), _spoken(data)
    return key, data


def _spoken(parts: Parts) -> Parts:
    """Name an expression of each type, where the type's own name will not do."""
    if parts.is_typeof:
        return parts
    words = " . ".join(EXPRESSIONS.get(kind.name, kind.name) for kind in parts.types)
    return parts._replace(words=words, is_typeof=True)


def _seconds(node: Tree, key: str) -> float | None:
    return None if node.get(key) is None else duration_of(node[key], f"set {key}")


def _statement(part: object) -> Any:
    kind, value = only(part, "a statement")
    if kind not in STATEFUL:
        refuse(f"{kind} of a set: expected one of {', '.join(STATEFUL)}", part)
    return stateful_of(kind, value)


def _parts(given: Any, table: TableDraft, node: Tree) -> Parts:
    """Read a type: by names, or as that of an expression.

    nft's JSON does not know typeof, and leaves open which size an integer has.
    """
    if isinstance(given, dict):
        expression = expression_of(needed(given, "typeof", "set type"), typeof_scope(table))
        if expression != unmasked(expression):
            refuse(f"typeof {expression}: expected it without masks and shifts", given, node)
        return Parts(str(expression), expression.types, expression.sizes, is_typeof=True)
    names = [each.strip() for part in several(given) for each in _words(part, node)]
    if not names:
        refuse("a set without type: expected type or typeof", node)
    is_listed = place_of(node)[0] is None
    for name in names:
        if is_listed and name == "string":
            refuse_unsupported("type string", "of what, nft lists only without -j", given, node)
        if not (is_listed and name == INTEGER.name):
            _check_type(name, given, node)
    types = tuple(TYPES[name] for name in names)
    parts = Parts(" . ".join(names), types, tuple(kind.bits or 32 for kind in types))
    return _spoken(parts) if INTEGER in types else parts


def _words(part: object, node: Tree) -> list[str]:
    if not isinstance(part, str):
        refuse(f"set type {shown(part)}: expected the name of a type", part, node)
    return part.split(".")


def _check_type(name: str, *parts: object) -> None:
    if name in UNQUALIFIED:
        refuse(f"type {name} has no size: expected typeof and an expression", *parts)
    if name not in TYPES or name in OWN_TYPES:
        known = near_first(name, [each for each in TYPES if each not in UNQUALIFIED | OWN_TYPES])
        refuse(f"type {name}: expected one of {', '.join(known)}", *parts)


def _data(node: Tree, table: TableDraft) -> Parts:
    """Read what a map leads to."""
    given = node["map"]
    if given == "verdict" or given in OBJECT_KINDS:
        return Parts(str(given), (), ())
    if isinstance(given, str) and given in UNSUPPORTED_DATA:
        refuse_unsupported(f"a map to {given}", f"there are {', '.join(OBJECT_KINDS)}", node)
    if isinstance(given, str) and given.split()[:1] == ["interval"]:
        refuse_unsupported("a map to ranges", "it serves address translation only", node)
    return _parts(given, table, node)


def _check_flags(named: NamedSet, node: Tree) -> None:
    """Refuse what the kernel does."""
    if named.is_merged and "interval" not in named.flags:
        refuse(f"set {named.name}: auto-merge is for sets with flags interval", node)
    if {"dynamic", "interval"} <= named.flags:
        refuse(f"set {named.name}: flags dynamic and interval exclude each other", node)
    is_timed = named.timeout is not None or "timeout" in named.flags
    if named.gc_interval is not None and not is_timed:
        refuse(f"set {named.name}: gc-interval is for sets with timeouts", node)
    check_counting(named.statements, named, node)


def shape_of(named: NamedSet) -> Shape:
    """Tell what elements of the set are like."""
    leads_to = named.data if named.data and not named.data_types else ""
    return Shape(named.types, named.sizes, named.data_types, named.data_sizes, leads_to)


def elements_of(named: NamedSet, parts: Iterable[Any], node: Tree) -> list[Element]:
    """Read elements for a set, and check that its flags allow them."""
    shape = shape_of(named)
    found = []
    for part in parts:
        each = element_of(part, shape)
        found.append(each)
        if "interval" not in named.flags and not _is_point(each.key):
            refuse(f"element {each.key}: set {named.name} has no flags interval", part, node)
        if each.timeout is not None and named.timeout is None and "timeout" not in named.flags:
            refuse(f"element {each.key}: set {named.name} has no flags timeout", part, node)
        check_counting(each.statements, named, node)
    return found


def _is_point(key: Constant) -> bool:
    if isinstance(key, Joined):
        return all(map(_is_point, key.parts))
    return isinstance(key, (Value, Anything))


def with_elements(named: NamedSet, parts: Sequence[Any], node: Tree) -> NamedSet:
    """Give the set with more elements."""
    added = elements_of(named, parts, node)
    if not added:
        return named
    origin = Origin.of(node, added, parts)
    elements = settled([*named.elements, *added], origin, merges=named.is_merged)
    if named.size is not None and len(elements) > named.size:
        refuse(f"set {named.name}: {len(elements)} elements, its size is {named.size}", node)
    return attrs.evolve(named, elements=elements)


def settle_pending(table: TableDraft) -> None:
    """Read the elements that were added since, all at once, for there may be thousands."""
    for name, nodes in table.pending.items():
        named = table.sets[name]
        try:
            parts = [part for node in nodes for part in several(node["elem"])]
            table.sets[name] = with_elements(named, parts, nodes[0])
        except RuleError:
            for node in nodes:  # pragma: no branch - one of them raises, and tells its place
                named = with_elements(named, several(node["elem"]), node)
    table.pending.clear()


def without_elements(named: NamedSet, parts: Iterable[Any], node: Tree) -> NamedSet:
    """Give the set without some of its elements, whatever they lead to."""
    shape = Shape(named.types, named.sizes)
    gone = {element_of(_key_only(part), shape).key for part in parts}
    missing = gone - {each.key for each in named.elements}
    if missing:
        refuse_missing(f"element {next(iter(missing))}: set {named.name} does not have it", node)
    left = tuple(each for each in named.elements if each.key not in gone)
    return attrs.evolve(named, elements=left)


def _key_only(part: object) -> object:
    is_pair = isinstance(part, (list, tuple)) and len(part) == 2
    return part[0] if is_pair and isinstance(part, (list, tuple)) else part
