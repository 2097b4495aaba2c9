"""Whether a connection can begin: which packets the chains of a hook let pass, jumps included.

A chain that accepts what is established, and drops all else, accepts nothing if no chain ever
accepts what is new. Forwarded connections begin at the forward hook; those of the machine itself at
input or at output. In doubt a packet passes.
"""

from __future__ import annotations

from typing import Final, Iterator, Mapping, NamedTuple  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.lint.boxes import FAMILY_NUMBERS, Box
from statefulinspect.rules.lint.cases import Case, View, cases_of
from statefulinspect.rules.lint.finding import Finding, chain_name, chain_place
from statefulinspect.rules.lint.ranges import single
from statefulinspect.rules.syntax.statements import Decide
from statefulinspect.rules.tables import Chain, Table
from statefulinspect.terms import ACCEPT, ESTABLISHED_BIT, NEW_BIT

# Where the connections may have begun whose packets a hook sees.
BEGINNINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "forward": ("forward",),
    "input": ("input", "output"),
    "output": ("output", "input"),
}
LOCAL: Final = "a new one is accepted neither at input nor at output: no connection ever begins"
NOWHERE: Final[Mapping[str, str]] = {
    "forward": "no new one is accepted at forward: no connection ever begins",
    "input": LOCAL,
    "output": LOCAL,
}


class Fate(NamedTuple):
    """Tell what may become of packets in a chain: be accepted there, or come to its end."""

    accepts: bool
    falls: bool


IN_DOUBT: Final = Fate(accepts=True, falls=True)


@attrs.frozen
class Asked:
    """Ask about packets of a ct state and an IP version."""

    state: int
    family: int

    @property
    def box(self) -> Box:
        """Give the box of all such packets."""
        return Box({"ct state": single([self.state]), "meta nfproto": single([self.family])})


@attrs.define(eq=False)
class Flows:
    """Know what may become of packets in the chains of a table; each is gone through once."""

    table: Table
    _cases: dict[str, list[Case]] = attrs.Factory(dict)
    _fates: dict[tuple[str, Asked], Fate] = attrs.Factory(dict)

    def passes(self, chain: Chain, asked: Asked) -> bool:
        """Tell whether such packets may pass a base chain."""
        if asked.family not in FAMILY_NUMBERS[self.table.family]:
            return True
        fate = self._fate(chain, asked)
        return fate.accepts or (fate.falls and chain.policy is ACCEPT)

    def _fate(self, chain: Chain, asked: Asked) -> Fate:
        key = chain.name, asked
        if key not in self._fates:
            self._fates[key] = IN_DOUBT  # for chains that lead back to themselves
            self._fates[key] = self._go_through(chain, asked)
        return self._fates[key]

    def _go_through(self, chain: Chain, asked: Asked) -> Fate:
        accepts = falls = self.table.gaps.within(chain.name)
        box = asked.box
        for case in self._cases_in(chain):
            if case.box.within(box) is None:
                continue
            fate, goes_on = self._outcome(case, asked)
            accepts, falls = accepts or fate.accepts, falls or fate.falls
            if case.is_sure and not goes_on and case.box.holds(box):
                return Fate(accepts, falls)
        return Fate(accepts, falls=True)

    def _cases_in(self, chain: Chain) -> list[Case]:
        if chain.name not in self._cases:
            view = View.of(chain, self.table)
            found = [case for rule in chain.rules for case in cases_of(rule, view)]
            self._cases[chain.name] = found
        return self._cases[chain.name]

    def _outcome(self, case: Case, asked: Asked) -> tuple[Fate, bool]:
        """Tell how a case may end the chain, and whether packets may go on to the next rule."""
        decision = case.decision
        if not isinstance(decision, Decide):
            return Fate(accepts=False, falls=False), decision is None
        if decision.kind in ("jump", "goto"):
            target = self.table.chain(decision.chain)
            fate = IN_DOUBT if target is None else self._fate(target, asked)
            is_goto = decision.kind == "goto"
            return Fate(fate.accepts, is_goto and fate.falls), not is_goto and fate.falls
        is_return = decision.kind == "return"
        return Fate(decision.kind == "accept", is_return), decision.kind == "continue"


Based = tuple[Chain, Flows]


def flow_findings(tables: list[Table]) -> Iterator[Finding]:
    """Find the chains that accept what is established, while nothing can become so."""
    flows = [Flows(table) for table in tables]
    hooked: dict[str, list[Based]] = {hook: [] for hook in BEGINNINGS}
    for each in flows:
        for chain in each.table.chains:
            if chain.hook in hooked:
                hooked[chain.hook].append((chain, each))
    for hook, beginnings in BEGINNINGS.items():
        paths = [hooked[each] for each in beginnings]
        for chain, found in hooked[hook]:
            if _waits_in_vain(chain, found, paths):
                name = chain_name(chain, found.table)
                words = f"{name} accepts established packets, but {NOWHERE[hook]}"
                yield Finding(chain_place(chain), "no-new", words)


def _waits_in_vain(chain: Chain, flows: Flows, paths: list[list[Based]]) -> bool:
    """Tell whether a chain accepts what is established only, and no path lets any begin."""
    numbers = FAMILY_NUMBERS[flows.table.family]
    families = [each for each in numbers if flows.passes(chain, Asked(ESTABLISHED_BIT, each))]
    news = [Asked(NEW_BIT, each) for each in families]
    if not news or any(flows.passes(chain, each) for each in news):
        return False
    return not any(
        all(other.passes(base, new) for base, other in path) for new in news for path in paths
    )
