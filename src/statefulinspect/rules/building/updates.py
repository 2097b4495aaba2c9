"""How changes of sets by packets are read: add, update and delete, and the meters of old."""

from __future__ import annotations

from typing import Any, Final, Mapping  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.building.drafts import Scope
from statefulinspect.rules.building.expressions import (
    Data,
    expression_of,
    is_expression,
    refuse_mismatch,
)
from statefulinspect.rules.building.nodes import (
    Tree,
    fields,
    name_in,
    needed,
    one_of,
    only,
    refuse,
    several,
    shown,
    whole,
)
from statefulinspect.rules.building.sets import duration_of
from statefulinspect.rules.building.stateful import READERS as STATEFUL
from statefulinspect.rules.building.stateful import check_counting, stateful_of
from statefulinspect.rules.building.values import data_of
from statefulinspect.rules.syntax.constants import Value
from statefulinspect.rules.syntax.expressions import (
    Concat,
    Expression,
    Given,
    Lookup,
    Numgen,
    unmasked,
)
from statefulinspect.rules.syntax.objects import NamedSet
from statefulinspect.rules.syntax.statements import Statement, UpdateSet
from statefulinspect.rules.words.datatypes import DataType
from statefulinspect.rules.words.symbols_notation import M32

METERS: Final = 65535  # nft's default for the size of a meter
OPERATIONS: Final = ("add", "update", "delete")


def update_of(inner: object, scope: Scope) -> UpdateSet:
    """Read the change of a set or map by packets."""
    node = fields(inner, "set")
    operation = one_of(node.get("op"), OPERATIONS, "set operation")
    named = scope.find_set(node.get("set", node.get("map")))
    of_set = Data(named.types, named.sizes)
    key, timeout, statements = _element(needed(node, "elem", operation), node, scope, of_set)
    if not _is_raw(key, named):
        refuse_mismatch(key.types, named.types, f"{operation} @{named.name}", node)
    if {"constant", "interval"} & named.flags:
        flag = "constant" if "constant" in named.flags else "interval"
        refuse(f"{operation} @{named.name}: the set has flags {flag}", node)
    if timeout is not None and not named.takes_timeouts:
        refuse(f"{operation} @{named.name}: the set has no flags timeout", node)
    check_counting(statements, named, node)
    hung, given = (tuple(map(type, each)) for each in (named.statements, statements))
    if hung and given and hung != given:
        refuse(f"{operation} @{named.name}: the set has other statements of its own", node)
    scope.table.updated.add(named.name)
    data = _new_data(node.get("data"), named, scope, node)
    return UpdateSet(operation, named.name, key, data, timeout, statements)


def _is_raw(key: Expression, named: NamedSet) -> bool:
    """Tell whether the key is a bare number that is as wide as the keys of the set."""
    is_number = [kind.name for kind in key.types] == ["integer"]
    return is_number and not isinstance(key, Numgen) and key.sizes == named.sizes


def _element(
    part: object, node: Tree, scope: Scope, of_set: Data | None = None
) -> tuple[Expression, float | None, tuple[Statement, ...]]:
    """Read key, timeout and statements of a new element."""
    found: Tree = {}
    if isinstance(part, dict) and "elem" in part:
        found = fields(part["elem"], "element")
        part = needed(found, "val", "element")
    key = _key(part, scope, of_set)
    if "comment" in found:
        refuse("a comment on what packets add: expected it on the rule", node)
    timeout = found.get("timeout")
    given = [(kind, found[kind]) for kind in STATEFUL if kind in found]
    stated = [*several(found.get("stmt")), *several(node.get("stmt"))]
    given += [only(each, "a statement") for each in stated]
    for kind, _ in given:
        one_of(kind, tuple(STATEFUL), "statement of an element")
    seconds = None if timeout is None else duration_of(timeout, "timeout")
    return key, seconds, tuple(stateful_of(*each) for each in given)


def _key(part: object, scope: Scope, of_set: Data | None) -> Expression:
    """Read the key of a new element; a part that is a constant has the type that its set tells."""
    parts = _parts(part)
    if of_set is None or all(map(is_expression, parts)) or len(parts) != len(of_set.types):
        return expression_of(part, scope)
    return _joined(parts, scope, of_set)


def _parts(part: Any) -> list[Any]:
    return part["concat"] if isinstance(part, Mapping) and "concat" in part else [part]


def _joined(parts: list[Any], scope: Scope, wanted: Data) -> Expression:
    """Read what packets have and constants, in the types of a set."""
    found = tuple(
        expression_of(each, scope) if is_expression(each) else _given(each, kind, bits)
        for each, kind, bits in zip(parts, *wanted)
    )
    return found[0] if len(found) == 1 else Concat(found)


def _given(part: object, kind: DataType, bits: int) -> Given:
    constant = data_of(part, (kind,), (bits,))
    if not isinstance(constant, Value):
        refuse(f"{constant}: expected a single value of type {kind.name}", part)
    return Given(constant, bits)


def _new_data(part: Any, named: NamedSet, scope: Scope, node: Tree) -> Expression | None:
    if (part is None) == named.is_map:
        wanted = "data, for it is a map" if part is None else "a key only, for it is no map"
        refuse(f"{node['op']} @{named.name}: expected {wanted}", node)
    if part is None:
        return None
    if not named.data_types:
        refuse(f"{node['op']} @{named.name}: packets add no {named.data}s", node)
    of_map, parts = Data(named.data_types, named.data_sizes), _parts(part)
    if all(map(is_expression, parts)):
        data = expression_of(part, scope, of_map)
    else:
        _check_number(parts, named, part)
        data = _joined(parts, scope, of_map)
    if isinstance(data, Numgen) and len(named.data_types) == 1:
        return data
    refuse_mismatch(data.types, named.data_types, f"the data of @{named.name}", node)
    return data


def _check_number(parts: list[Any], named: NamedSet, node: Tree) -> None:
    """Refuse data of more or fewer parts than the map leads to."""
    if len(parts) != len(named.data_types):
        wanted = " . ".join(kind.name for kind in named.data_types)
        given, expected = len(parts), len(named.data_types)
        refuse(f"the data of @{named.name}: {given} parts, expected {expected}, {wanted}", node)


def _type_of(key: Expression) -> str:
    """Write the type of a meter's keys; to nft, typeof of what may be missing is of a field."""
    names = [kind.name for kind in key.types]
    if "boolean" in names and "integer" not in names:
        return f"type {' . '.join(names)}"
    return f"typeof {unmasked(key)}"


def meter_of(inner: object, scope: Scope) -> UpdateSet:
    """Read a meter: a set of its own, to which packets add elements that limit them."""
    node = fields(inner, "meter")
    name = name_in(node, "name", "meter")
    added = {"stmt": several(needed(node, "stmt", "meter"))}
    key, timeout, statements = _element(needed(node, "key", "meter"), added, scope)
    if isinstance(key, Lookup):
        refuse(f"meter {name}: expected what a packet has", node)
    named = NamedSet(
        name=name,
        key=_type_of(key),
        types=key.types,
        sizes=key.sizes,
        flags=frozenset({"dynamic", "timeout"} if timeout is not None else {"dynamic"}),
        size=whole(node.get("size", METERS), "meter size", M32),
    )
    check_counting(statements, named, node)
    before = scope.table.sets.setdefault(name, named)
    if attrs.evolve(before, elements=()) != named:
        refuse(f"meter {name}: the table has another set {shown(name)}", node)
    scope.table.updated.add(name)
    return UpdateSet("add" if timeout is None else "update", name, key, None, timeout, statements)
