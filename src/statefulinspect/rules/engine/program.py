"""How a chain is run: the rules that a packet can match, in their order, until one decides.

The rules come from the index, which has looked at everything that can be looked up; what is left
of them are steps (`entry`). A traced walk goes through all rules instead, one by one, and tells its
listener how each went.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from statefulinspect.rules.engine.actions import NEXT, Decision
from statefulinspect.rules.engine.entry import Entry
from statefulinspect.rules.engine.index import Index
from statefulinspect.rules.engine.scope import LiveScope
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.tables import Chain


class ChainProgram:
    """Run the rules of one chain."""

    __slots__ = ("_chains", "_indexes", "entries")

    def __init__(self, chain: Chain, scope: LiveScope, chains: Mapping[str, ChainProgram]) -> None:
        self._chains = chains
        self.entries = [Entry(rule, form, scope) for rule in chain.rules for form in rule.forms]
        self._indexes: dict[int, Index] = {}  # by IP version

    def index(self, family: int) -> Index:
        """Give the index of an IP version, made when first asked for."""
        if family not in self._indexes:
            spread = [each for entry in self.entries for each in entry.spread()]
            self._indexes[family] = Index(spread, family)
        return self._indexes[family]

    def run(  # noqa: C901, PLR0912 - each new packet's way: flat is fast
        self, walk: Walk
    ) -> Decision | None:
        """Let the rules decide; None if none of them does."""
        packet = walk.packet
        try:
            index = self._indexes[packet.family]
            words = index.key_of(walk)
            plan = index.plans[words]
        except KeyError:
            index = self.index(packet.family)
            words = index.key_of(walk)
            plan = index.plan(words)
        if index.asks_flags and words in index.varying:
            walk.varies = True
        if plan.is_foregone:
            entry = plan.decided
            if entry is None:
                return None
            walk.rule = entry.rule
            ending: Decision | None = entry.decided or entry.run(walk)
            return ending
        walk.by_words = False
        wire, start, stop, found, fields = walk.wire, walk.l4, packet.stop, plan.found, plan.fields
        if start != plan.header or start + 4 > stop:
            found &= plan.at_ports(wire, start, stop)
            fields = plan.addresses
        for where, edges, sets in fields:
            found &= sets[bisect_right(edges, wire[where])]
            if not found:
                break
        entries = plan.entries
        while found:
            at = found.bit_length() - 1
            entry = entries[at]
            outcome: Decision | None = entry.decided or entry.run(walk)
            if outcome is not None and outcome is not NEXT:
                if outcome.action is not None:
                    walk.rule = entry.rule
                    return outcome
                kind = outcome.kind
                if kind == "return":
                    return None
                if kind == "goto":
                    return self._chains[outcome.chain].run(walk)
                if kind == "jump":
                    decided = self._chains[outcome.chain].run(walk)
                    if decided is not None:
                        return decided
            found ^= 1 << at
        return None

    def trace(self, walk: Walk, listener: Any) -> Decision | None:
        """Let the rules decide, going through all of them, and tell how each went."""
        for entry in self.entries:
            outcome: Decision | None = listener.rule(entry, walk)
            if outcome is None or outcome.kind == "continue":
                continue
            if outcome.action is not None:
                walk.rule = entry.rule
                return outcome
            if outcome.kind == "return":
                return None
            decided = self._chains[outcome.chain].trace(walk, listener)
            if decided is not None or outcome.kind == "goto":
                return decided
        return None
