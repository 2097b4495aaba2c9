"""What in a ruleset is hardly meant so: rules that never match, chains that nobody comes to.

The look-over reads the rules only. What it says of a rule that never matches is proven, by the sets
of packets that rules ask for; where that cannot be told, nothing is said. It knows sets that are
constant, and takes others for what they may become.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from statefulinspect.rules.lint.cases import View
from statefulinspect.rules.lint.chains import (
    announces,
    chain_findings,
    late_findings,
    related_findings,
    sets_zones,
)
from statefulinspect.rules.lint.finding import INFO, WARNING, Finding
from statefulinspect.rules.lint.flow import flow_findings
from statefulinspect.rules.lint.impossible import impossible_findings
from statefulinspect.rules.lint.reach import arrivals
from statefulinspect.rules.lint.shadows import ending_chains, shadow_findings
from statefulinspect.rules.tables import Table

__all__ = ["INFO", "WARNING", "Finding", "lint"]


def lint(tables: Iterable[Table]) -> list[Finding]:
    """Look a ruleset over; findings come in the order of tables, chains and rules.

    >>> from statefulinspect.rules.rule import Rule
    >>> from statefulinspect.rules.tables import Chain
    >>> from statefulinspect.terms import Action
    >>> rules = (Rule(Action.DROP, source="10.0.0.0/8"), Rule(Action.ACCEPT, source="10.1.0.0/16"))
    >>> chain = Chain(name="forward", rules=rules, type="filter", hook="forward")
    >>> [finding.kind for finding in lint([Table(family="ip", name="filter", chains=(chain,))])]
    ['shadowed']
    """
    given = list(tables)
    in_use = [table for table in given if not table.is_dormant]
    found = [*flow_findings(in_use)]
    is_announced, is_zoned = announces(in_use), sets_zones(in_use)
    for table in given:
        found += _table_findings(table, is_announced=is_announced, is_zoned=is_zoned)
    order = {
        (table.family, table.name, chain.name): number
        for number, (table, chain) in enumerate((t, c) for t in given for c in t.chains)
    }
    return sorted(found, key=lambda each: _position(each, order))


def _position(finding: Finding, order: dict[tuple[str, str, str], int]) -> tuple[int, int]:
    place = finding.place
    return (-1, 0) if place is None else (order[place[:3]], place.number)


def _table_findings(table: Table, *, is_announced: bool, is_zoned: bool) -> Iterator[Finding]:
    names = arrivals(table)
    views = {chain.name: View.of(chain, table, is_zoned=is_zoned) for chain in table.chains}
    ending = ending_chains(table.chains, views)
    yield from chain_findings(table, names)
    for chain in table.chains:
        view, hooks = views[chain.name], names[chain.name]
        yield from impossible_findings(chain, view, hooks)
        yield from shadow_findings(chain, view, ending)
        yield from late_findings(chain, hooks)
        yield from related_findings(chain, view, is_announced=is_announced)
