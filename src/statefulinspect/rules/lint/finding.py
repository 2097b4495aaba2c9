"""What a look over a ruleset finds: where, of which kind, and in words."""

from __future__ import annotations

from typing import Final, NamedTuple

from statefulinspect.rules.rule import Place, Rule
from statefulinspect.rules.tables import Chain, Table

WARNING: Final = "warning"  # something that is hardly meant so
INFO: Final = "info"  # advice: maybe it is


class Finding(NamedTuple):
    """Hold one finding; `place` is a rule's, or that of a chain's first rule, or None.

    Kinds: shadowed, duplicate, unreachable, impossible, always, late, related, no-new, pointless.
    """

    place: Place | None
    kind: str
    message: str
    level: str = WARNING


def where(rule: Rule) -> str:
    """Name a rule by its line, or by its number where there is no line."""
    if rule.place is None:
        return "an earlier rule"
    if rule.place.line is None:
        return f"rule {rule.place.number}"
    return f"line {rule.place.line}" + (f" of {rule.place.file}" if rule.place.file else "")


def chain_place(chain: Chain) -> Place | None:
    """Give the place of a chain's first rule."""
    return chain.rules[0].place if chain.rules else None


def chain_name(chain: Chain, table: Table) -> str:
    """Name a chain with its table."""
    return f"chain {table.family} {table.name} {chain.name}"
