"""What a table and a chain are: rules in their order, and where packets meet them.

A base chain hangs on a hook, in the order of priorities; packets that none of its rules decides
get its policy. Other chains are jumped to.
"""

from __future__ import annotations

from functools import partial
from typing import Callable, Final, Iterator, Mapping  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.gaps import Gaps
from statefulinspect.rules.rule import Place, Rule
from statefulinspect.rules.syntax.constants import quoted
from statefulinspect.rules.syntax.objects import NamedObject, NamedSet, block
from statefulinspect.rules.syntax.statements import Decide, Statement
from statefulinspect.terms import ACCEPT, DROP, Action

HOOKS: Final = ("prerouting", "input", "forward", "output", "postrouting")
PRIORITIES: Final[Mapping[str, int]] = {
    "raw": -300,
    "mangle": -150,
    "dstnat": -100,
    "filter": 0,
    "security": 50,
    "srcnat": 100,
}
TRACKING: Final = frozenset({"prerouting", "output"})  # hooks at which packets are tracked
CONNTRACK: Final = -200  # the priority at which they are
FAMILIES: Final = {"ip": (4,), "ip6": (6,), "inet": (4, 6)}  # IP versions of a table's packets


def is_before_tracking(hook: str, priority: int) -> bool:
    """Say whether packets come to a base chain before they are tracked."""
    return hook in TRACKING and priority < CONNTRACK


@attrs.frozen(kw_only=True)
class Chain:
    """Hold rules in their order; a base chain has a hook, a type, a priority and a policy.

    An anonymous one stands in the rule that jumps to it; its name is not of the text.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    type: str = ""
    hook: str = ""
    priority: int = 0
    policy: Action = ACCEPT
    comment: str = ""
    is_anonymous: bool = False

    @property
    def is_base(self) -> bool:
        """Tell whether packets come here by a hook."""
        return bool(self.hook)

    def __str__(self) -> str:
        """Write it as nft does."""
        return self.written(str)

    def written(self, write: Callable[[Statement], str]) -> str:
        """Write the chain, each statement as it is told."""
        lines = [f"comment {quoted(self.comment)}"] if self.comment else []
        if self.hook:
            policy = "drop" if self.policy is DROP else "accept"
            head = f"type {self.type} hook {self.hook} priority {self.priority}"
            lines.append(f"{head}; policy {policy};")
        rules = (rule.written(write) for rule in self.rules)
        return block(f"chain {self.name}", [*lines, *filter(None, rules)])


@attrs.frozen(kw_only=True)
class Table:
    """Hold chains, sets and objects; the family is ip, ip6 or inet.

    `gaps` tell of the rules that were left out because they are not supported.
    """

    family: str
    name: str
    chains: tuple[Chain, ...] = ()
    sets: tuple[NamedSet, ...] = ()
    objects: tuple[NamedObject, ...] = ()
    flags: tuple[str, ...] = ()
    comment: str = ""
    gaps: Gaps = attrs.field(default=Gaps(), eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Tell every rule where it stands."""
        for chain in self.chains:
            for number, rule in enumerate(chain.rules, 1):
                line, file = (rule.place.line, rule.place.file) if rule.place else (None, "")
                rule.place = Place(self.family, self.name, chain.name, number, line, file)

    @property
    def is_dormant(self) -> bool:
        """Tell whether its chains are out of use."""
        return "dormant" in self.flags

    def chain(self, name: str) -> Chain | None:
        """Find a chain by its name."""
        return next((chain for chain in self.chains if chain.name == name), None)

    def find_set(self, name: str) -> NamedSet | None:
        """Find a set or map by its name."""
        return next((each for each in self.sets if each.name == name), None)

    def __iter__(self) -> Iterator[Rule]:
        """Go over the rules of all chains."""
        for chain in self.chains:
            yield from chain.rules

    @property
    def statements(self) -> Iterator[Statement]:
        """Go over what the rules say; of chains that have the very same rules, once."""
        for rules in {id(chain.rules): chain.rules for chain in self.chains}.values():
            for rule in rules:
                for form in rule.forms:
                    yield from form

    def __str__(self) -> str:
        """Write it as nft does."""
        lines = [f"comment {quoted(self.comment)}"] if self.comment else []
        lines += [f"flags {','.join(self.flags)}"] if self.flags else []
        bodies = {chain.name: chain for chain in self.chains if chain.is_anonymous}
        write = partial(_with_body, bodies) if bodies else str
        chains = (chain.written(write) for chain in self.chains if not chain.is_anonymous)
        parts = [*map(str, (*self.objects, *self.sets)), *chains]
        return block(f"table {self.family} {self.name}", [*lines, "\n\n".join(parts)])


def _with_body(bodies: Mapping[str, Chain], statement: Statement) -> str:
    """Write a statement; a chain without a name stands where it is jumped to."""
    if isinstance(statement, Decide) and statement.chain in bodies:
        return block(statement.kind, map(str, bodies[statement.chain].rules))
    return str(statement)
