"""Draw rulesets that nft accepts, as objects that can be made smaller and written as nft text.

A table has base chains at any hook and three regular chains: `side` may reject and may go on to
`deep`, which may go on to `leaf`; so nothing goes round in circles, and nothing rejects where the
kernel does not let it. Rates are so low that the clock does not matter, and bursts so small that
they end.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kernel.rule_matches import Scope, draw_match
from kernel.rule_neighbours import apart, together
from kernel.rule_objects import draw_lookup, draw_objects
from kernel.rule_statements import draw_statement, draw_verdict_map

REJECTS = {
    "ip": ["icmp host-unreachable", "icmp type admin-prohibited", "icmp port-unreachable"],
    "ip6": ["icmpv6 no-route", "icmpv6 port-unreachable", "icmpv6 type admin-prohibited"],
    "inet": ["icmpx admin-prohibited", "icmpx type no-route", "icmpx port-unreachable"],
}
# What a chain's rules end in; the rest end in nothing.
VERDICTS = {
    "prerouting": ["accept"] * 3 + ["drop"] + ["jump"] * 2 + ["goto", "return"] + [""] * 20,
    "postrouting": ["accept"] * 4 + ["drop"] + ["jump"] * 3 + ["goto", "return"] + [""] * 8,
    "deep": ["accept"] * 5 + ["drop"] * 2 + ["jump", "goto"] + ["return"] * 2 + [""] * 8,
    "leaf": ["accept"] * 5 + ["drop"] * 2 + ["return"] * 3 + ["continue"] + [""] * 6,
    "filter": ["accept"] * 8 + ["drop"] * 3 + ["reject"] * 6 + ["jump"] * 6 + ["goto"] * 2
    + ["return", "continue"] + [""] * 8,
}  # fmt: skip
REACHES = {"side": ["deep", "leaf"], "deep": ["leaf"], "leaf": []}
PLACES = [
    ("prerouting", "raw"), ("prerouting", "mangle"), ("prerouting", "-10"),
    ("prerouting", "filter"), ("forward", "filter"), ("forward", "filter"), ("forward", "-150"),
    ("forward", "filter + 5"),
    ("input", "filter"), ("input", "mangle"), ("output", "filter"), ("output", "mangle"),
    ("output", "raw"), ("postrouting", "mangle"), ("postrouting", "filter"), ("postrouting", "100"),
]  # fmt: skip
NATS = ["prerouting", "postrouting"]  # hooks where chains seldom drop, lest nothing get further


@dataclass(frozen=True)
class Chain:
    """A chain: its rules, each in parts, and if it is a base chain the line that says where."""

    name: str
    rules: tuple[tuple[str, ...], ...]
    base: str = ""

    def __str__(self) -> str:
        lines = [f"  chain {self.name} {{", *([f"    {self.base}"] if self.base else [])]
        return "\n".join([*lines, *(f"    {' '.join(rule)}" for rule in self.rules), "  }"])


@dataclass(frozen=True)
class DrawnTable:
    """A table: what it declares by name, and its chains, regular ones first."""

    family: str
    name: str
    objects: tuple[str, ...]
    chains: tuple[Chain, ...]

    def __str__(self) -> str:
        parts = [*(f"  {each}" for each in self.objects), *map(str, self.chains)]
        return "\n".join([f"table {self.family} {self.name} {{", *parts, "}"])


@dataclass(frozen=True)
class DrawnRuleset:
    """A ruleset; written out it is a file for `nft -f`."""

    tables: tuple[DrawnTable, ...]

    def __str__(self) -> str:
        return "\n".join([*map(str, self.tables), ""])

    @property
    def counts_connections(self) -> bool:
        """Tell whether connections are counted: the kernel forgets ended ones once in a tick."""
        return "ct count" in str(self)

    def smaller(self) -> Iterator[DrawnRuleset]:
        """Leave out one thing at a time: a table, a chain, a declaration, a rule, a part."""
        for at, table in enumerate(self.tables):
            yield replace(self, tables=self.tables[:at] + self.tables[at + 1 :])
            for fewer in _smaller_tables(table):
                yield replace(self, tables=(*self.tables[:at], fewer, *self.tables[at + 1 :]))


def _smaller_tables(table: DrawnTable) -> Iterator[DrawnTable]:
    chains, objects = table.chains, table.objects
    for at, chain in enumerate(chains):
        yield replace(table, chains=chains[:at] + chains[at + 1 :])
        for rules in _fewer_rules(chain.rules):
            fewer = replace(chain, rules=rules)
            yield replace(table, chains=(*chains[:at], fewer, *chains[at + 1 :]))
    for at in range(len(objects)):
        yield replace(table, objects=objects[:at] + objects[at + 1 :])


def _fewer_rules(rules: tuple[tuple[str, ...], ...]) -> Iterator[tuple[tuple[str, ...], ...]]:
    for number in range(len(rules)):
        yield rules[:number] + rules[number + 1 :]
    for number, rule in enumerate(rules):
        for at in range(len(rule) if len(rule) > 1 else 0):
            yield (*rules[:number], rule[:at] + rule[at + 1 :], *rules[number + 1 :])


def draw_ruleset(dice: random.Random) -> DrawnRuleset:
    """Draw a ruleset of one to three tables; there is something to forward in the first."""
    families = [
        dice.choice(["inet", "inet", "ip", "ip6"]) for _ in range(dice.choice([1, 2, 2, 3]))
    ]
    if families in (["ip"], ["ip6"]):
        families = ["ip", "ip6"]
    counts = dice.random() < 0.06
    tables = (_TableDrawer(dice, at, family, counts) for at, family in enumerate(families))
    return DrawnRuleset(tuple(each.draw() for each in tables))


@dataclass
class _TableDrawer:
    """Draw one table."""

    dice: random.Random
    number: int
    family: str
    counts_connections: bool

    def draw(self) -> DrawnTable:
        dice = self.dice
        regular = [self._chain(name, "", dice.randrange(1, 4)) for name in ("leaf", "deep", "side")]
        places = dice.sample(PLACES, dice.randrange(1, 6))
        if self.number == 0 or dice.random() < 0.5:
            places.append(("forward", dice.choice(["filter", "mangle"])))
            places += [("input", "filter")] if dice.random() < 0.5 else []
            places += [("output", "filter")] if dice.random() < 0.3 else []
        bases = [self._base(at, *place) for at, place in enumerate(places)]
        chains = (*regular, *bases)
        told = _used(draw_objects(dice, self.family), "\n".join(map(str, chains)))
        return DrawnTable(self.family, f"t{self.number}", told, chains)

    def _base(self, at: int, hook: str, priority: str) -> Chain:
        dice = self.dice
        drops = dice.random() < (0.03 if hook in NATS else 0.2)
        policy = dice.choice([" policy accept;", ""])
        line = f"type filter hook {hook} priority {priority};{' policy drop;' if drops else policy}"
        count = dice.randrange(1, 5) if hook in NATS else dice.randrange(2, 9)
        kind = "raw" if priority == "raw" else hook
        return replace(self._chain(f"{hook}{at}", kind, count), base=line)

    def _chain(self, name: str, kind: str, count: int) -> Chain:
        return Chain(name, tuple(self._rule(name, kind) for _ in range(count)))

    def _rule(self, chain: str, kind: str) -> tuple[str, ...]:
        """Draw a rule: matches, statements, and mostly a verdict."""
        dice, scope = self.dice, Scope(self.dice, self.family, self.counts_connections)
        if kind == "raw" and dice.random() < 0.6:
            return (draw_match(scope), _before_tracking(dice))
        parts = [draw_match(scope) for _ in range(dice.choice([0, 1, 1, 1, 1, 1, 2, 2, 2, 3]))]
        for _ in range(2):
            parts += [draw_lookup(scope)] if dice.random() < 0.15 else []
        chance = 0.8 if kind in NATS else 0.4
        parts += [draw_statement(scope)] if dice.random() < chance else []
        parts += [draw_statement(scope)] if dice.random() < 0.15 else []
        if dice.random() < 0.15:
            dice.shuffle(parts)
        parts = list(together(apart(parts)))
        parts.insert(dice.choice([0, len(parts), len(parts)]), _counter(dice))
        parts.append(self._verdict(chain, kind, scope))
        parts.append(f'comment "the {chain}"' if dice.random() < 0.03 else "")
        rule = tuple(filter(None, parts))
        return ("counter", *rule) if not rule or rule[0].startswith("comment") else rule

    def _verdict(self, chain: str, kind: str, scope: Scope) -> str:
        dice = self.dice
        usual = {"raw": "prerouting", "": chain}.get(kind, kind)
        verdict = dice.choice(VERDICTS.get(usual, VERDICTS["filter"]))
        reaches = REACHES.get(chain, ["deep", "leaf", "side", "side"])
        if usual == "postrouting":
            reaches = ["deep", "leaf"]
        if dice.random() < 0.15:
            return draw_verdict_map(scope, reaches)
        if verdict == "reject":
            return _reject(scope)
        return f"{verdict} {dice.choice(reaches)}" if verdict in ("jump", "goto") else verdict


def _used(objects: dict[str, str], text: str) -> tuple[str, ...]:
    """Declare what rules use, and what a map that they use does."""
    found: list[str] = []
    for title, body in reversed(objects.items()):
        if re.search(rf'[@"]{title.rpartition(" ")[2]}\b', text):
            found.insert(0, f"{title} {{ {body} }}")
            text += body
    return tuple(found)


def _counter(dice: random.Random) -> str:
    return dice.choice(["counter", "counter", "", "", "", "counter packets 5 bytes 100"])


def _before_tracking(dice: random.Random) -> str:
    """Draw what is only of use before conntrack has seen the packet."""
    return dice.choice(
        [
            "notrack", "notrack", "counter notrack", "notrack accept", "ct zone set 5",
            "ct original zone set 6", "ct reply zone set 6", "ct zone set 6 counter",
            "ct zone set meta mark map { 0 : 5, 1 : 6 }", 'ct zone set iif map { "lan0" : 5 }',
        ]
    )  # fmt: skip


def _reject(scope: Scope) -> str:
    """Draw a way to reject that nft allows here."""
    ways = [*REJECTS[scope.family], *([REJECTS["ip"][0]] if scope.l3 == 4 else [])]
    ways += [REJECTS["ip6"][0]] if scope.l3 == 6 else []
    ways += ["tcp reset"] * 2 if scope.l4 in (None, "tcp") else []
    return scope.dice.choice(["reject", *(f"reject with {way}" for way in ways)])
