"""Which base chains a packet meets, and in which order: by hook, IP version and priority.

A forwarded packet goes through prerouting, forward and postrouting; one for this machine through
prerouting and input; one from it through output and postrouting. Chains below conntrack's priority
at prerouting or output see packets before they are tracked.
"""

from __future__ import annotations

from typing import Final, Iterable, Mapping, NamedTuple, NoReturn  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.engine.program import ChainProgram
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.engine.wire import send_on
from statefulinspect.rules.tables import FAMILIES, Chain, Table, is_before_tracking
from statefulinspect.terms import ACCEPT, Action

PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "forward": ("prerouting", "forward", "postrouting"),
    "input": ("prerouting", "input"),
    "output": ("output", "postrouting"),
}
Programs = Mapping[tuple[str, str, str], ChainProgram]  # by family, table and chain


@attrs.frozen(eq=False)
class Base:
    """Hold a base chain's program, and which interfaces it sees on this path.

    `is_sent_on` tells that Linux has taken a hop off the packet before the chain sees it,
    `sees_other` that it sees other interfaces than the chain before it, or the packet's.
    """

    program: ChainProgram
    chain: Chain
    table: Table
    sees_iif: bool
    sees_oif: bool
    is_sent_on: bool
    sees_other: bool = False


Bases = tuple[Base, ...]


class Path(NamedTuple):
    """Hold the base chains of one path, by IP version: before packets are tracked, and after."""

    raw: Mapping[int, Bases]
    tracked: Mapping[int, Bases]


def refuse_hook(hook: object) -> NoReturn:
    """Raise ValueError for a hook that no packet takes."""
    msg = f"hook={hook!r}: expected one of {', '.join(PATHS)}"
    raise ValueError(msg)


def paths_of(
    tables: Iterable[Table], programs: Programs, *, asks_hops: bool = True
) -> dict[str, Path]:
    """Lay out the paths through the base chains of tables; `asks_hops` if a rule looks at them."""
    in_use = [table for table in tables if not table.is_dormant]
    return {name: _path(name, in_use, programs, asks_hops) for name in PATHS}


def _path(name: str, tables: list[Table], programs: Programs, asks_hops: bool) -> Path:  # noqa: FBT001
    raw: dict[int, list[Base]] = {4: [], 6: []}
    tracked: dict[int, list[Base]] = {4: [], 6: []}
    for hook in PATHS[name]:
        for table, chain in _hooked(tables, hook):
            program = programs[table.family, table.name, chain.name]
            sees_iif = name != "output"
            sees_oif = name == "output" or (name == "forward" and hook != "prerouting")
            is_sent_on = asks_hops and name == "forward" and hook != "prerouting"
            base = Base(program, chain, table, sees_iif, sees_oif, is_sent_on)
            is_raw = is_before_tracking(hook, chain.priority)
            for version in FAMILIES[table.family]:
                (raw if is_raw else tracked)[version].append(base)
    both = {version: _compared(raw[version] + tracked[version]) for version in raw}
    return Path(
        {version: bases[: len(raw[version])] for version, bases in both.items()},
        {version: bases[len(raw[version]) :] for version, bases in both.items()},
    )


def _compared(bases: list[Base]) -> Bases:
    """Note which chains see other interfaces than the one before."""
    views = [(True, True), *((base.sees_iif, base.sees_oif) for base in bases)]
    return tuple(
        attrs.evolve(base, sees_other=view != before)
        for base, before, view in zip(bases, views, views[1:])
    )


def _hooked(tables: list[Table], hook: str) -> list[tuple[Table, Chain]]:
    """List the base chains of a hook by priority; of equal ones the latest is first."""
    found = [(table, chain) for table in tables for chain in table.chains if chain.hook == hook]
    found.reverse()
    return sorted(found, key=lambda each: each[1].priority)


def decide(bases: Bases, walk: Walk) -> Action:
    """Let base chains decide one after the other; the first that refuses the packet ends it."""
    listener = walk.listener
    for base in bases:
        if base.sees_other:
            walk.iif = walk.packet.iif if base.sees_iif else ""
            walk.oif = walk.packet.oif if base.sees_oif else ""
        if base.is_sent_on and not walk.is_sent_on:
            send_on(walk)
        decision = base.program.run(walk) if listener is None else listener.run(base, walk)
        if decision is None:
            if base.chain.policy is not ACCEPT:
                walk.rule = None
                return base.chain.policy
        elif decision.action is not ACCEPT:
            return decision.action  # type: ignore[return-value]  # what ends a chain has one
    return ACCEPT
