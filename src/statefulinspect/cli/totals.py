"""What a replay adds up: packets by what became of them, connections, and time."""

from __future__ import annotations

from collections import Counter
from weakref import WeakSet

import attrs

from statefulinspect.cli.frame import SECOND
from statefulinspect.connection import Connection, Verdict
from statefulinspect.terms import OK, Action, CtState, Reason


@attrs.define
class Totals:
    """Hold the sums so far; the times are instants since 1970, in nanoseconds.

    `records` counts all, `not_ip` those that the tracker never saw, `cut` the packets of which the
    capture kept only the beginning.
    """

    first_ns: int | None = None
    last_ns: int = 0
    records: int = 0
    not_ip: int = 0
    cut: int = 0
    connections_seen: int = 0
    ct_states: Counter[CtState] = attrs.Factory(Counter)
    actions: Counter[Action] = attrs.Factory(Counter)
    reasons: Counter[Reason] = attrs.Factory(Counter)
    _live: WeakSet[Connection] = attrs.Factory(WeakSet)

    def begin_record(self, at_ns: int) -> float:
        """Count a record, and tell how many seconds after the first one it was captured."""
        if self.first_ns is None:
            self.first_ns = self.last_ns = at_ns
        self.last_ns = max(self.last_ns, at_ns)
        self.records += 1
        return (at_ns - self.first_ns) / SECOND

    def add(self, verdict: Verdict) -> None:
        """Count a judged packet, and its connection if it is the first of it."""
        self.ct_states[verdict.ct_state] += 1
        self.actions[verdict.action] += 1
        if verdict.reason is not OK:
            self.reasons[verdict.reason] += 1
        connection = verdict.connection
        # Remembered weakly: a counter must not keep alive what the tracker has let go.
        if connection is not None and connection not in self._live:
            self._live.add(connection)
            self.connections_seen += 1

    @property
    def reasons_seen(self) -> dict[str, int]:
        """Tell how often each unusual reason was given, by name, in the order of `Reason`."""
        return {reason.name: self.reasons[reason] for reason in Reason if reason in self.reasons}

    @property
    def packets(self) -> int:
        """Tell how many packets were judged."""
        return self.records - self.not_ip

    @property
    def duration(self) -> float:
        """Tell the seconds from the first record to the latest."""
        return (self.last_ns - (self.first_ns or 0)) / SECOND

    @property
    def ended_at(self) -> float:
        """Tell when the latest record was captured, in seconds since 1970."""
        return self.last_ns / SECOND

    def since_start(self, at: float) -> float:
        """Tell how many seconds after the first record an instant was, to the microsecond."""
        return round(at - (self.first_ns or 0) / SECOND, 6)
