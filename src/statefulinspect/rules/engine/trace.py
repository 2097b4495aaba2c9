"""What a traced walk tells: every rule tried, how far it got, and what decided.

It is written in the manner of `nft monitor trace`: a line a rule, with why it did not match.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import attrs

from statefulinspect.connection import Verdict
from statefulinspect.rules.engine.actions import NEXT, Decision
from statefulinspect.rules.engine.entry import Entry
from statefulinspect.rules.engine.path import Base
from statefulinspect.rules.engine.undo import Undo
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.rule import Place, Rule
from statefulinspect.rules.syntax.statements import Match, Statement
from statefulinspect.terms import CtState


class RuleStep(NamedTuple):
    """Tell how one rule went: `outcome` is its verdict, or empty if it did not match.

    `failed` is the statement that it did not pass, `why` what the packet has instead.
    """

    rule: Rule
    place: Place | None
    outcome: str
    failed: Statement | None = None
    why: str = ""

    def __str__(self) -> str:
        """Write it as nft does."""
        head = f"trace {self.place or ''} {self.rule}"
        if self.failed is None:
            return f"{head} (verdict {self.outcome})"
        why = f": {self.why}" if self.why else ""
        return f"{head} (no match at {self.failed}{why})"


class ChainEnd(NamedTuple):
    """Tell that a packet came to the end of a base chain, and what its policy is."""

    chain: str
    outcome: str

    def __str__(self) -> str:
        """Write it as nft does."""
        return f"trace {self.chain} policy {self.outcome}"


class Arrival(NamedTuple):
    """Tell that a packet came to a base chain."""

    chain: str
    hook: str
    ct_state: str

    def __str__(self) -> str:
        """Write it as nft does."""
        return f"trace {self.chain} packet: hook {self.hook} ct state {self.ct_state}"


@attrs.frozen(eq=False, repr=False)
class Trace:
    """Hold what became of a packet and everything that led to it, in order.

    `steps` are the rules tried, the base chains met and their policies; str() writes them.

    >>> from statefulinspect import Tracker
    >>> Tracker().trace(bytes.fromhex("4500001400000000405900000a0000010a000002"), now=0.0)
    <Trace: accept, 3 steps>
    """

    verdict: Verdict
    steps: tuple[RuleStep | ChainEnd | Arrival, ...]

    def __str__(self) -> str:
        """Write the trace, a line a step, and the verdict."""
        verdict = self.verdict
        words = ["verdict", verdict.action.value, "ct state", verdict.ct_state.value]
        words += ["reason", verdict.reason.name]
        words += ["by", str(verdict.rule.place)] if verdict.rule and verdict.rule.place else []
        return "\n".join([*map(str, self.steps), " ".join(words)])

    def __repr__(self) -> str:
        """Show what became of the packet, and how many steps led there."""
        return f"<Trace: {self.verdict.action.value}, {len(self.steps)} steps>"


class Recorder(Undo):
    """Listen to a walk, and put back afterwards what it has changed."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[RuleStep | ChainEnd | Arrival] = []

    def run(self, base: Base, walk: Walk) -> Decision | None:
        """Take the packet through a base chain; tell what decides, and note it; None is policy."""
        state = STATE_NAMES.get(walk.ct_bits, "invalid") if walk.is_tracked else "none yet"
        self.steps.append(Arrival(_name(base), base.chain.hook, state))
        decision = base.program.trace(walk, self)
        if decision is None:
            self.steps.append(ChainEnd(_name(base), base.chain.policy.value))
        return decision

    def rule(self, entry: Entry, walk: Walk) -> Decision | None:
        """Take all steps of a rule; tell how it ended, and note it."""
        for statement, deed in entry.deeds:
            outcome = deed.step(walk)
            if outcome is NEXT:
                self._note(entry, "", statement, _found(statement, deed, walk))
                return outcome
            if outcome is not None:
                self._note(entry, f"{outcome.kind} {outcome.chain}".strip())
                return outcome
        self._note(entry, NEXT.kind)
        return None

    def _note(
        self, entry: Entry, outcome: str, failed: Statement | None = None, why: str = ""
    ) -> None:
        self.steps.append(RuleStep(entry.rule, entry.rule.place, outcome, failed, why))


STATE_NAMES: Final = {state.bit: state.value for state in CtState}


def _name(base: Base) -> str:
    return f"{base.table.family} {base.table.name} {base.chain.name}"


def _found(statement: Statement, deed: Any, walk: Walk) -> str:
    """Say what the packet has where a match wanted something else."""
    if not isinstance(statement, Match) or deed.read is None:
        return ""
    value = deed.read(walk)
    if value is None:
        return "the packet has none"
    values = value if isinstance(value, tuple) else (value,)
    types = statement.left.types
    return "is " + " . ".join(kind.show(each) for kind, each in zip(types, values))
