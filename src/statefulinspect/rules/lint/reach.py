"""From which hooks packets come to each chain, by jumps from chain to chain."""

from __future__ import annotations

from typing import Final, Iterator  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.rule import Rule
from statefulinspect.rules.syntax.constants import Element, SetLiteral, SetRef
from statefulinspect.rules.syntax.statements import Decide, DecideBy
from statefulinspect.rules.tables import HOOKS, Chain, Table, is_before_tracking


@attrs.frozen
class HookPoint:
    """Say at which hook, and how early, packets come to a chain."""

    hook: str
    priority: int

    @property
    def is_early(self) -> bool:
        """Tell whether packets come here before they are tracked."""
        return is_before_tracking(self.hook, self.priority)


# Where packets may come from that rules send which were left out: nobody knows.
ANYWHERE: Final = frozenset(HookPoint(hook, each) for hook in HOOKS for each in (-300, 0))


def arrivals(table: Table) -> dict[str, frozenset[HookPoint]]:
    """Tell for each chain of a table from which hooks packets come to it; none if it is unused."""
    found: dict[str, set[HookPoint]] = {chain.name: set() for chain in table.chains}
    for chain in table.chains:
        if chain.is_base:
            for each in behind(chain, table):
                found[each.name].add(HookPoint(chain.hook, chain.priority))
        if chain.name in table.gaps.chains:
            for each in behind(chain, table):
                found[each.name] |= ANYWHERE
    return {name: frozenset(hooks) for name, hooks in found.items()}


def has_open_map(table: Table) -> bool:
    """Tell whether a rule decides by a named map, to which jumps may be added at any time."""
    if table.gaps.is_open:
        return True
    used = (
        each.data.name
        for rule in table
        for form in rule.forms
        for each in form
        if isinstance(each, DecideBy) and isinstance(each.data, SetRef)
    )
    named = (table.find_set(name) for name in used)
    return any(each is None or "constant" not in each.flags for each in named)


def behind(chain: Chain, table: Table) -> tuple[Chain, ...]:
    """Give a chain and all that its packets may be sent to."""
    seen = {chain.name: chain}
    waiting = [chain]
    while waiting:
        for rule in waiting.pop().rules:
            for decision in decisions_of(rule, table):
                target = table.chain(decision.chain) if decision.chain else None
                if target is not None and target.name not in seen:
                    seen[target.name] = target
                    waiting.append(target)
    return tuple(seen.values())


def decisions_of(rule: Rule, table: Table) -> Iterator[Decide]:
    """Go over all that a rule may decide, verdict maps included."""
    for form in rule.forms:
        for statement in form:
            if isinstance(statement, Decide):
                yield statement
            elif isinstance(statement, DecideBy):
                data = (each.data for each in elements_of(statement, table))
                yield from (each for each in data if isinstance(each, Decide))


def elements_of(statement: DecideBy, table: Table) -> tuple[Element, ...]:
    """Give the elements of a verdict map, as far as they are known."""
    if isinstance(statement.data, SetLiteral):
        return statement.data.elements
    named = table.find_set(statement.data.name)
    return () if named is None else named.elements
