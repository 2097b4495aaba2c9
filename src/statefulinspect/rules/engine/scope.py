"""What the rules of one table can name: its live sets, and its objects ready for use."""

from __future__ import annotations

from typing import Any, Callable, Container, Iterable, Mapping  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.engine.elements import Item
from statefulinspect.rules.engine.livesets import LiveSet
from statefulinspect.rules.engine.memory import (
    CounterMemory,
    LimitMemory,
    Memory,
    QuotaMemory,
    memories_of,
)
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.syntax.objects import (
    NamedCounter,
    NamedLimit,
    NamedObject,
    NamedQuota,
    NamedSet,
    kind_of,
)
from statefulinspect.rules.syntax.stateful import Count, CountConnections
from statefulinspect.rules.syntax.statements import Assign, Exempt, UpdateSet
from statefulinspect.rules.tables import Table

Use = Callable[[Walk], bool]  # what using an object does to a packet; says whether it passes
Provider = Callable[[NamedObject], Use]  # makes the use of objects that act on connections


@attrs.frozen(eq=False)
class LiveScope:
    """Hold sets by name, and memories or uses of objects by kind and name.

    `changes_state` tells that some rule changes what a packet's ct state is, `changes_headers` that
    some rule writes into a packet.
    """

    sets: Mapping[str, LiveSet]
    objects: Mapping[tuple[str, str], Any]
    changes_state: bool = False
    changes_headers: bool = False


def scope_of(table: Table, provide: Provider) -> LiveScope:
    """Make the scope of a table's rules."""
    changes = [each for each in table.statements if isinstance(each, (UpdateSet, Assign, Exempt))]
    updates = [each for each in changes if isinstance(each, UpdateSet)]
    filled = {each.name for each in updates}
    counting = {each.name for each in updates if _counts_connections(each.statements)}
    targets = [each.target.text for each in changes if isinstance(each, Assign)]
    changes_headers = any(not text.startswith(("meta ", "ct ")) for text in targets)
    changes_state = any(isinstance(each, Exempt) for each in changes) or any(
        text.endswith("zone") for text in targets
    )
    sets = {each.name: _live(each, filled, counting) for each in table.sets}
    objects = {(kind_of(each), each.name): _usable(each, provide) for each in table.objects}
    return LiveScope(sets, objects, changes_state, changes_headers)


def _counts_connections(statements: Iterable[object]) -> bool:
    return any(isinstance(each, CountConnections) for each in statements)


def _live(named: NamedSet, filled: Container[str], counting: Container[str]) -> LiveSet:
    """Make a set live; rules fill those `filled`, and count connections for what they put there."""
    items = [
        Item(each, each.data, memories=memories_of(each.statements or named.statements))
        for each in named.elements
    ]
    hanging = [named.statements, *(each.statements for each in named.elements)]
    return LiveSet(
        items,
        timeout=named.timeout,
        size=named.size,
        is_dynamic=named.name in filled or "dynamic" in named.flags,
        statements=named.statements,
        may_count=named.name in counting or any(map(_counts_connections, hanging)),
    )


def _usable(named: NamedObject, provide: Provider) -> Memory | Use:
    if isinstance(named, NamedCounter):
        return CounterMemory.of(Count(named.packets, named.octets))
    if isinstance(named, NamedQuota):
        return QuotaMemory.of(named.quota)
    if isinstance(named, NamedLimit):
        return LimitMemory(named.limit)
    return provide(named)
