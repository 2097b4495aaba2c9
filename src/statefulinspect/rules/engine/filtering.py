"""A ruleset at work: its chains as programs, its sets and counters as they are now."""

from __future__ import annotations

from typing import Any, Final, Iterable, Iterator, Sequence  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.engine.conditions import FLAGS
from statefulinspect.rules.engine.entry import Entry
from statefulinspect.rules.engine.livesets import LiveSet
from statefulinspect.rules.engine.memory import Memory
from statefulinspect.rules.engine.path import paths_of
from statefulinspect.rules.engine.program import ChainProgram
from statefulinspect.rules.engine.scope import LiveScope, Provider, scope_of
from statefulinspect.rules.engine.walk import FindSides
from statefulinspect.rules.rule import Rule
from statefulinspect.rules.syntax.objects import (
    NamedCounter,
    NamedObject,
    NamedQuota,
    kind_of,
)
from statefulinspect.rules.syntax.stateful import Count, Quota
from statefulinspect.rules.syntax.statements import looked_at
from statefulinspect.rules.tables import Chain, Table
from statefulinspect.rules.words.selectors import Selector

ASKED_OF_CALLER: Final = frozenset(
    {"meta iif", "meta oif", "meta iifname", "meta oifname", "meta iiftype", "meta oiftype"}
    | {"meta iifgroup", "meta oifgroup", "meta mark"}
)


HOPS: Final = frozenset({"ip ttl", "ip6 hoplimit", "ip checksum", "meta priority"})

MESSAGES: Final = frozenset({"icmp type", "icmp code", "icmpv6 type", "icmpv6 code"})
ANY_PORTS: Final = frozenset({"th sport", "th dport", "dccp sport", "dccp dport"})


def _asked_by(table: Table) -> Iterator[Selector]:
    """Go over everything that a table's rules look at."""
    for statement in table.statements:
        yield from looked_at(statement)


class Filter:
    """Hold compiled tables; `asks_way` tells that the way a packet takes makes a difference.

    `asks_any_ports` tells that rules look for ports where tracking knows of none, `asks_messages`
    that they tell ICMP messages apart, `asks_flags` that they do so with TCP segments.
    """

    def __init__(self, tables: Iterable[Table], provide: Provider) -> None:
        self._tables = tuple(tables)
        self._scopes = [scope_of(table, provide) for table in self._tables]
        self._programs: dict[tuple[str, str, str], ChainProgram] = {}
        for table, scope in zip(self._tables, self._scopes):
            self._add_programs(table, scope)
        asked = {selector.text for table in self._tables for selector in _asked_by(table)}
        asks_hops = any(text in HOPS or text.startswith("@nh") for text in asked)
        self.paths = paths_of(self._tables, self._programs, asks_hops=asks_hops)
        self.has_raw = any(any(path.raw.values()) for path in self.paths.values())
        self.asks_any_ports = not asked.isdisjoint(ANY_PORTS)
        self.asks_messages = not asked.isdisjoint(MESSAGES)
        self.asks_flags = FLAGS in asked
        self.asks_way = self._differ() or not asked.isdisjoint(ASKED_OF_CALLER)

    def _add_programs(self, table: Table, scope: LiveScope) -> None:
        """Make the programs of a table's chains; chains of the very same rules share one."""
        by_rules: dict[int, ChainProgram] = {}
        by_name: dict[str, ChainProgram] = {}
        for chain in table.chains:
            program = by_rules.get(id(chain.rules)) if chain.rules else None
            if program is None:
                program = by_rules[id(chain.rules)] = ChainProgram(chain, scope, by_name)
            by_name[chain.name] = program
            self._programs[table.family, table.name, chain.name] = program

    def _differ(self) -> bool:
        """Say whether the paths lead through different rules."""
        shapes = {
            tuple(
                (version, base.program, base.chain.policy, base.is_sent_on)
                for bases in path
                for version, chain in bases.items()
                for base in chain
            )
            for path in self.paths.values()
        }
        return len(shapes) > 1

    @property
    def ageing_sets(self) -> list[LiveSet]:
        """List the sets with a name whose elements age, or go with their connections."""
        sets = (each for scope in self._scopes for each in scope.sets.values())
        return [each for each in sets if each.ages or each.counts]

    def tables(self, now: float, find: FindSides) -> tuple[Table, ...]:
        """Write the tables as they are now: counters, quotas and elements of sets."""
        return tuple(
            self._written(table, scope, now, find)
            for table, scope in zip(self._tables, self._scopes)
        )

    def _written(self, table: Table, scope: LiveScope, now: float, find: FindSides) -> Table:
        written: dict[int, Chain] = {}
        for chain in table.chains:
            program = self._programs[table.family, table.name, chain.name]
            entries = _by_rule(program)
            rules = tuple(_rewritten(rule, entries.get(id(rule), ())) for rule in chain.rules)
            written[id(chain)] = attrs.evolve(chain, rules=rules)
        return attrs.evolve(
            table,
            chains=tuple(written[id(chain)] for chain in table.chains),
            sets=tuple(
                attrs.evolve(each, elements=scope.sets[each.name].written(now, find))
                for each in table.sets
            ),
            objects=tuple(_object(each, scope) for each in table.objects),
        )


def _by_rule(program: ChainProgram) -> dict[int, list[Entry]]:
    found: dict[int, list[Entry]] = {}
    for entry in program.entries:
        found.setdefault(id(entry.rule), []).append(entry)
    return found


def _rewritten(rule: Rule, entries: Sequence[Entry]) -> Rule:
    """Write a rule with the numbers of now."""
    forms = [
        tuple(statement if deed.memory is None else _told(statement, deed.memory)
              for statement, deed in entry.deeds[-len(form):])
        for form, entry in zip(rule.forms, entries)
    ]  # fmt: skip
    changed = Rule.of((), comment=rule.comment, handle=rule.handle, place=rule.place)
    changed.forms = tuple(forms)
    return changed


def _told(statement: Any, memory: Memory) -> Any:
    """Write a statement with the numbers of now; one that names an object stays."""
    return memory.written() if type(memory.written()) is type(statement) else statement


def _object(named: NamedObject, scope: LiveScope) -> NamedObject:
    memory = scope.objects[kind_of(named), named.name]
    now = getattr(memory, "written", lambda: None)()
    if isinstance(named, NamedCounter) and isinstance(now, Count):
        return attrs.evolve(named, packets=now.packets, octets=now.octets)
    if isinstance(named, NamedQuota) and isinstance(now, Quota):
        return attrs.evolve(named, quota=now)
    return named
