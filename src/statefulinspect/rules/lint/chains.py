"""Which tables and chains are out of use or without effect, and statements that come too late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from statefulinspect.flowkey import PORT_PROTOCOLS
from statefulinspect.rules.lint.cases import View, cases_of
from statefulinspect.rules.lint.finding import INFO, Finding, chain_name, chain_place
from statefulinspect.rules.lint.ranges import covers, single
from statefulinspect.rules.lint.reach import HookPoint, has_open_map
from statefulinspect.rules.rule import Rule
from statefulinspect.rules.syntax.statements import Assign, Decide, Exempt, Match, UseObject
from statefulinspect.rules.tables import Chain, Table
from statefulinspect.terms import ACCEPT, RELATED_BIT

ANNOUNCING: Final = frozenset({"ct helper", "ct expectation"})  # what makes related connections
WITH_PORTS: Final = single(PORT_PROTOCOLS)


def chain_findings(table: Table, names: dict[str, frozenset[HookPoint]]) -> Iterator[Finding]:
    """Find the chains of a table that no packet comes to, or that change nothing."""
    if table.is_dormant:
        words = f"table {table.family} {table.name} is dormant: its chains are out of use"
        place = next((each for each in map(chain_place, table.chains) if each), None)
        yield Finding(place, "unreachable", words)
    for chain in table.chains:
        if not names[chain.name] and not has_open_map(table):
            words = f"{chain_name(chain, table)} hangs on no hook, and no packet is sent to it"
            yield Finding(chain_place(chain), "unreachable", words)
        if not table.gaps.within(chain.name) and _changes_nothing(chain):
            words = (
                f"{chain_name(chain, table)} accepts everything by its policy,"
                " and its rules accept only"
            )
            yield Finding(chain_place(chain), "pointless", words, INFO)


def late_findings(chain: Chain, arrivals: frozenset[HookPoint]) -> Iterator[Finding]:
    """Find the rules that exempt packets from tracking when they have been tracked."""
    is_late = bool(arrivals) and not any(each.is_early for each in arrivals)
    for rule in chain.rules if is_late else ():
        if any(isinstance(each, Exempt) for form in rule.forms for each in form):
            words = (
                "notrack comes too late: packets were tracked before. It belongs into a chain"
                " at prerouting or output with a priority below -200, as raw (-300)"
            )
            yield Finding(rule.place, "late", words)


def related_findings(chain: Chain, view: View, *, is_announced: bool) -> Iterator[Finding]:
    """Find the rules for announced connections, if the ruleset lets nobody announce any.

    ICMP errors are related, too, so only rules that leave them out are worth a word.
    """
    for rule in () if is_announced else chain.rules:
        accepted = [each for each in cases_of(rule, view) if each.decision == Decide("accept")]
        if accepted and all(_is_announced(each.box.ranges) for each in accepted):
            words = (
                "no rule sets a ct helper or expects anything, so nothing but ICMP errors is"
                " related here, and this rule leaves them out; it needs a helper from elsewhere"
            )
            yield Finding(rule.place, "related", words, INFO)


def announces(tables: list[Table]) -> bool:
    """Tell whether a rule of the tables lets connections be announced."""
    if any({"ct", *ANNOUNCING} & table.gaps.targets for table in tables):
        return True
    return any(
        isinstance(each, UseObject) and each.kind in ANNOUNCING
        for table in tables
        for rule in table
        for form in rule.forms
        for each in form
    )


def sets_zones(tables: list[Table]) -> bool:
    """Tell whether a rule of the tables gives packets zones."""
    if any({"ct", "ct zone"} & table.gaps.targets for table in tables):
        return True
    return any(
        isinstance(each, Assign) and each.target.text.endswith("zone")
        for table in tables
        for each in table.statements
    )


def _is_announced(ranges: object) -> bool:
    assert isinstance(ranges, dict)
    protocols = ranges.get("meta l4proto")
    is_related = ranges["ct state"] == single([RELATED_BIT])
    return is_related and protocols is not None and covers(WITH_PORTS, protocols)


def _changes_nothing(chain: Chain) -> bool:
    """Tell whether every rule does what the policy would do, and nothing beside."""
    is_open = chain.is_base and chain.policy is ACCEPT and bool(chain.rules)
    return is_open and all(map(_only_accepts, chain.rules))


def _only_accepts(rule: Rule) -> bool:
    forms = rule.forms
    return all(
        form and form[-1] == Decide("accept") and all(isinstance(each, Match) for each in form[:-1])
        for form in forms
    )
