"""How statements with a memory are read: counters, limits, quotas, and connections counted."""

from __future__ import annotations

from typing import Any, Callable, Final, Iterable, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.rules.building.nodes import (
    M64,
    Tree,
    fields,
    flag,
    one_of,
    refuse,
    whole,
    word,
)
from statefulinspect.rules.syntax.objects import NamedSet
from statefulinspect.rules.syntax.stateful import (
    DEFAULT_BURST,
    Count,
    CountConnections,
    Last,
    Limit,
    Quota,
    Stateful,
)
from statefulinspect.rules.words.symbols_notation import M32
from statefulinspect.rules.words.symbols_system import LIMIT_UNITS, OCTET_UNITS

M63: Final = (1 << 63) - 1  # Linux counts the octets of a quota with a sign


def _count(node: Tree) -> Count:
    packets = whole(node.get("packets", 0), "counter packets")
    return Count(packets, whole(node.get("bytes", 0), "counter bytes"))


def _octets(node: Tree, key: str, unit: str, what: str) -> int:
    factor = OCTET_UNITS[one_of(node.get(unit, "bytes"), OCTET_UNITS, f"{what} unit")]
    return whole(node.get(key), what, M64 // factor) * factor


def limit_of(node: Tree) -> Limit:
    """Read a limit; the default burst is left to whoever keeps it."""
    unit = one_of(node.get("per", "second"), LIMIT_UNITS, "limit: unit of time")
    is_over, burst = flag(node, "inv", "limit"), node.get("burst")
    is_octets = node.get("rate_unit", "packets") != "packets"
    if is_octets:
        rate = _octets(node, "rate", "rate_unit", "limit rate")
        burst = _octets(node, "burst", "burst_unit", "limit burst") if burst else None
    else:
        rate = whole(node.get("rate"), "limit rate")
        burst = None if burst is None else whole(burst, "limit burst", M32)
    if not rate or (burst == 0 and not is_octets):
        refuse(f"limit {'burst' if rate else 'rate'} 0: expected at least 1", node)
    is_default = not is_octets and burst == DEFAULT_BURST
    return Limit(rate, unit, is_over, None if is_default else burst, is_octets)


def quota_of(node: Tree) -> Quota:
    """Read a quota of a rule, or of a table, which spells its fields otherwise."""
    if "val" in node:
        octets = _octets(node, "val", "val_unit", "quota")
    else:
        octets = whole(node.get("bytes"), "quota")
    used = _octets(node, "used", "used_unit", "quota used") if node.get("used") else 0
    if octets > M63:
        refuse(f"quota {octets} bytes: expected 0 to {M63}", node)
    if used > octets:
        refuse(f"quota used {used} bytes: expected 0 to {octets}, the quota", node)
    return Quota(octets, flag(node, "inv", "quota"), used)


def _count_connections(node: Tree) -> CountConnections:
    most = whole(node.get("val"), "ct count", M32)
    return CountConnections(most, flag(node, "inv", "ct count"))


def _last(node: Tree) -> Last:
    used = node.get("used")
    return Last() if used is None or isinstance(used, int) else Last(word(node, "used", "last"))


READERS: Final[Mapping[str, Callable[[Tree], Stateful]]] = {
    "counter": _count,
    "limit": limit_of,
    "quota": quota_of,
    "ct count": _count_connections,
    "last": _last,
}


def stateful_of(kind: str, value: Any) -> Stateful:
    """Read a statement with a memory of its own."""
    return READERS[kind](fields(value, kind))


def check_counting(statements: Iterable[object], named: NamedSet, part: object) -> None:
    """Refuse to count connections for an element that time takes away."""
    if named.takes_timeouts and any(isinstance(each, CountConnections) for each in statements):
        refuse(f"set {named.name} has timeouts: ct count wants one without", part)
