"""How a replay is written for people: a line a packet, then `conntrack -L`, then totals.

What can be aligned stands in front, and the packet, whose length nobody knows, behind it. Colour
comes only where rich finds a terminal that wants it; elsewhere lines go out as they are, for rich
would cost each of them more than the tracker does.
"""

from __future__ import annotations

import sys
from typing import Final

from rich.console import Console
from rich.text import Text

from statefulinspect.cli.describe import describe
from statefulinspect.cli.report import JudgedPacket, Summary, decided_by
from statefulinspect.cli.totals import Totals
from statefulinspect.connection import Verdict
from statefulinspect.events import Event, FragmentEvent
from statefulinspect.rules.engine.trace import Trace
from statefulinspect.terms import ACCEPT, OK, Action, CtState

STYLES: Final = {
    CtState.NEW: "cyan",
    CtState.ESTABLISHED: "green",
    CtState.RELATED: "blue",
    CtState.INVALID: "red",
    CtState.UNTRACKED: "dim",
}
REFUSED: Final = "bold red"
UNUSUAL: Final = "yellow"
NOTHING: Final = "-"
NOT_IP: Final = "not IP"


class TextReport:
    """Print to standard output for people."""

    def __init__(self, *, names_rules: bool = False) -> None:
        self._names_rules = names_rules
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._is_coloured = self._console.is_terminal and not self._console.no_color

    def packet(self, entry: JudgedPacket) -> None:
        """Print one judged packet."""
        verdict = entry.verdict
        self._line(
            (f"{entry.seconds:10.6f} ", ""),
            (f"{verdict.ct_state.value:<11} ", STYLES[verdict.ct_state]),
            (f"{verdict.direction.value if verdict.direction else NOTHING:<8} ", ""),
            (f"{verdict.action.value:<6} ", "" if verdict.action is ACCEPT else REFUSED),
            (describe(entry.packet), ""),
            ("" if verdict.reason is OK else f" {verdict.reason.name}", UNUSUAL),
            (_held(len(verdict.held)), ""),
            (self._refused_by(verdict), REFUSED),
        )

    def trace(self, _: int, trace: Trace) -> None:
        """Print how a packet went through the rules, below it."""
        for line in str(trace).splitlines():
            self._line((f"{'':10} {line}", "dim"))

    def not_ip(self, _: int, seconds: float, what: str) -> None:
        """Print one record that the tracker did not see."""
        words = f"{seconds:10.6f} {NOT_IP:<11} {NOTHING:<8} {NOTHING:<6} {what}"
        self._line((words, "dim"))

    def event(self, seconds: float, event: Event | FragmentEvent) -> None:
        """Print what happened to a connection as `conntrack -E` does, with its time in front."""
        self._line((f"{seconds:10.6f} {event}", "dim"))

    def summary(self, summary: Summary) -> None:
        """Print the connections left as `conntrack -L` does, and the totals."""
        totals = summary.totals
        if summary.connections:
            self._line((f"connections left at {totals.duration:.6f}", "bold"))
        for connection in summary.connections:
            self._line((connection.to_conntrack(totals.ended_at), ""))
        self._line(("totals", "bold"))
        for name, value in _rows(summary):
            self._line((f"  {name:<12} {value}", ""))

    def _refused_by(self, verdict: Verdict) -> str:
        """Say which rule of the user's refused a packet."""
        by = decided_by(verdict) if self._names_rules and verdict.action is not ACCEPT else ""
        return f" by {by}" if by else ""

    def _line(self, *parts: tuple[str, str]) -> None:
        if self._is_coloured:
            self._console.print(Text.assemble(*parts))
        else:
            sys.stdout.write("".join(words for words, _ in parts) + "\n")


def _held(fragments: int) -> str:
    """Say how many fragments, held until now, go with a packet."""
    return f" with {fragments} held" if fragments else ""


def _rows(summary: Summary) -> list[tuple[str, str]]:
    totals = summary.totals
    rows = [
        ("packets", _packets(totals)),
        ("not IP", str(totals.not_ip or "")),
        ("ct state", _counts({state.value: totals.ct_states[state] for state in CtState})),
        ("action", _counts({action.value: totals.actions[action] for action in Action})),
        ("reason", _counts(totals.reasons_seen)),
        ("connections", f"{totals.connections_seen} seen, {len(summary.connections)} left"),
        ("duration", f"{totals.duration:.6f} s"),
    ]
    return [(name, value) for name, value in rows if value]


def _packets(totals: Totals) -> str:
    cut = f", {totals.cut} of them cut by the capture" if totals.cut else ""
    return f"{totals.packets}{cut}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)
