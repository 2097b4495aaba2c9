"""What a whole ruleset is: tables of chains, from nft's text or JSON, or simply rules in order.

A ruleset does not change, and prints as text that nft loads to the same ruleset.
"""

from __future__ import annotations

from typing import Any, Final, Iterable, Iterator  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules import fields
from statefulinspect.rules.building.builder import build
from statefulinspect.rules.building.jsonform import Json, read_json
from statefulinspect.rules.errors import RuleError
from statefulinspect.rules.language.reading import read_text
from statefulinspect.rules.language.variables import Resolve
from statefulinspect.rules.rule import Rule
from statefulinspect.rules.syntax.objects import CtHelper
from statefulinspect.rules.syntax.statements import UseObject
from statefulinspect.rules.tables import Chain, Table
from statefulinspect.terms import (
    ACCEPT,
    DROP,
    ESTABLISHED,
    INVALID,
    NEW,
    REJECT,
    RELATED,
    UNTRACKED,
    Action,
)

SIMPLE_HOOKS: Final = ("input", "output", "forward")  # rules say that they stand in the last


def _rules(value: Any) -> tuple[Rule, ...]:
    if isinstance(value, Rule) or not isinstance(value, Iterable):
        msg = f"{value!r}: expected a collection of Rule"
        raise RuleError(msg)
    rules: list[Rule] = []
    for rule in value:
        if not isinstance(rule, Rule):
            msg = f"{rule!r}: expected a Rule"
            raise RuleError(msg)
        rules.append(rule if rule.place is None else rule.copied())  # it stands elsewhere too
    return tuple(rules)


def _helpers(rules: Iterable[Rule]) -> Iterator[CtHelper]:
    """Make an object for each helper that rules name."""
    uses = [each for rule in rules for form in rule.forms for each in form]
    names = (each.name for each in uses if isinstance(each, UseObject) and each.kind == "ct helper")
    for name in dict.fromkeys(names):
        if isinstance(name, str):
            yield CtHelper(name, name)


@attrs.frozen(init=False, repr=False)
class Ruleset:
    """Hold the tables that packets go through; rules in order, and `policy` where none matches.

    Made of rules, a ruleset is short for the table `inet filter`, where the chains input, forward
    and output have these rules and this policy. `rules` are those of all chains, here each once.

    >>> Ruleset([Rule(Action.DROP, ct_state="invalid")], policy=Action.ACCEPT).policy.value
    'accept'
    """

    tables: tuple[Table, ...]
    warnings: tuple[str, ...] = attrs.field(eq=False)
    rules: tuple[Rule, ...]
    policy: Action

    def __init__(self, rules: Iterable[Rule], *, policy: Action) -> None:
        given, decided = _rules(rules), fields.action(policy)
        # A policy of nft is accept or drop: who rejects has a rule for it at the end.
        held = (*given, Rule(REJECT)) if decided is REJECT else given
        chains = tuple(
            Chain(
                name=hook,
                rules=held,
                type="filter",
                hook=hook,
                policy=ACCEPT if decided is ACCEPT else DROP,
            )
            for hook in SIMPLE_HOOKS
        )
        objects = tuple(_helpers(given))
        table = Table(family="inet", name="filter", chains=chains, objects=objects)
        self._hold((table,), (), given, decided)

    @classmethod
    def of_tables(cls, tables: Iterable[Table], warnings: Iterable[str] = ()) -> Ruleset:
        """Make a ruleset of tables; its policy is that of the first base chain."""
        held = tuple(tables)
        chains = [chain for table in held for chain in table.chains]
        policy = next((chain.policy for chain in chains if chain.is_base), ACCEPT)
        ruleset = cls.__new__(cls)
        ruleset._hold(  # noqa: SLF001 - it is one of us
            held, tuple(warnings), tuple(rule for chain in chains for rule in chain.rules), policy
        )
        return ruleset

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        resolve: Resolve | None = None,
        unsupported: str = "error",
    ) -> Ruleset:
        """Read nft's text; `resolve` gives the text of a file that is included.

        Where that is another file than the one named, or are several, it gives a mapping of their
        names, which errors then tell, to their texts.

        What nftables has and this library has not is an error, or with `unsupported="ignore"` left
        out with a warning. Raises `RuleError`, which knows line and column.

        >>> Ruleset.parse("add table ip t; add chain t c; add rule t c tcp dport 22 drop").rules
        (Rule('tcp dport 22 drop'),)
        """
        return cls.of_tables(*build(read_text(text, resolve), unsupported))

    @classmethod
    def from_json(cls, text_or_object: Json, *, unsupported: str = "error") -> Ruleset:
        """Read what `nft -j list ruleset` prints, as text or taken apart already.

        >>> Ruleset.from_json('{"nftables": [{"table": {"family": "ip", "name": "t"}}]}')
        <Ruleset ip t: 0 rules>
        """
        return cls.of_tables(*build(read_json(text_or_object), unsupported))

    @classmethod
    def default(cls) -> Ruleset:
        """Make the rules that a tracker has when none are given: only INVALID is dropped."""
        return cls([Rule(DROP, ct_state=INVALID)], policy=ACCEPT)

    @classmethod
    def outbound(cls, inside: fields.Prefixes) -> Ruleset:
        """Make rules under which `inside` prefixes may open, and the outside may only answer.

        UNTRACKED is accepted: it is IPv6 neighbour discovery and its like, which never crosses a
        router and without which IPv6 does not work. Everything else is dropped.
        """
        if fields.prefixes(inside) is None:
            msg = "inside=None: expected prefixes; every source would match"
            raise RuleError(msg)
        return cls(
            [
                Rule(ACCEPT, ct_state=[ESTABLISHED, RELATED, UNTRACKED]),
                Rule(ACCEPT, ct_state=NEW, source=inside),
            ],
            policy=DROP,
        )

    def _hold(
        self,
        tables: tuple[Table, ...],
        warnings: tuple[str, ...],
        rules: tuple[Rule, ...],
        policy: Action,
    ) -> None:
        """Set what is held, once."""
        self.__attrs_init__(tables, warnings, rules, policy)

    def __str__(self) -> str:
        """Write nft's text, which `nft -f` loads."""
        return "\n\n".join(map(str, self.tables))

    def __repr__(self) -> str:
        """Show the tables, and how many rules there are."""
        names = ", ".join(f"{table.family} {table.name}" for table in self.tables)
        return f"<Ruleset {names}: {len(self.rules)} rules>"
