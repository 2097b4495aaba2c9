"""What is written about a replay, whatever the form: the entries and who can print them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from statefulinspect.cli.totals import Totals
from statefulinspect.connection import Connection, Verdict
from statefulinspect.events import Event, FragmentEvent
from statefulinspect.packet import Packet
from statefulinspect.rules.engine.trace import Trace
from statefulinspect.terms import Effect

# What happens to these packets, the rules do not decide.
UNASKED: Final = frozenset({Effect.BAR, Effect.DISCARD, Effect.HOLD})


class JudgedPacket(NamedTuple):
    """Hold what is known about one judged packet; `number` counts the records of the file."""

    number: int
    seconds: float
    packet: Packet
    verdict: Verdict
    is_cut: bool


class Summary(NamedTuple):
    """Hold what is left when the capture ends; `complaint` says why it ended early, if it did."""

    connections: Sequence[Connection]
    totals: Totals
    complaint: str


class Report(Protocol):
    """Say what every form of report can print."""

    def packet(self, entry: JudgedPacket) -> None:
        """Print one judged packet."""
        ...

    def trace(self, number: int, trace: Trace) -> None:
        """Print how a packet went through the rules."""
        ...

    def not_ip(self, number: int, seconds: float, what: str) -> None:
        """Print one record that the tracker did not see."""
        ...

    def event(self, seconds: float, event: Event | FragmentEvent) -> None:
        """Print what happened to a connection, or to fragments."""
        ...

    def summary(self, summary: Summary) -> None:
        """Print the connections left, and the totals."""
        ...


def decided_by(verdict: Verdict) -> str:
    """Name the place of the rule that decided; `policy` if none did, empty if none was asked."""
    if verdict.rule is not None:
        return "" if verdict.rule.place is None else str(verdict.rule.place)
    return "" if verdict.reason.effect in UNASKED else "policy"
