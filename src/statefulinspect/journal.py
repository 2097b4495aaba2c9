"""Which events are written down, and kept until somebody takes them.

The tracker calls nobody: it writes events down, and `Tracker.events` takes them. A journal that
nobody reads does not grow without end; it forgets the oldest, and counts them.

What changed by a packet that the rules then dropped is told with the connection's next packet that
passes, or the next ICMP error about it, as Linux does, whose events go out when a packet leaves.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import Final, NamedTuple

from statefulinspect.connection import ALL_EVENTS, Connection
from statefulinspect.events import Cause, Event, EventKind, FragmentEvent
from statefulinspect.rules.words.symbols_system import CT_EVENT

KEPT: Final = 65_536  # events; about 40 MB
KEPT_OCTETS: Final = 1 << 24  # of the fragments that they hold

CHANGES: Final = (  # as in `Marks`
    Cause.REPLIED, Cause.ASSURED, Cause.STATE, Cause.STATE, Cause.MARK, Cause.LABEL
)  # fmt: skip
# The bits of `ct event` in nftables; an event with none of those that a rule set is not told.
EVENT_BITS: Final = {
    Cause.REPLIED: CT_EVENT["reply"], Cause.ASSURED: CT_EVENT["assured"],
    Cause.STATE: CT_EVENT["protoinfo"], Cause.MARK: CT_EVENT["mark"],
    Cause.LABEL: CT_EVENT["label"],
}  # fmt: skip


class Marks(NamedTuple):
    """Hold what of a connection an UPDATE is about.

    Ends that begin anew in SYN_RECV reach it again, by way of SYN_SENT: `restarts` tells.
    """

    seen_reply: bool
    is_assured: bool
    state: IntEnum | None
    restarts: int
    mark: int
    labels: int

    @classmethod
    def of(cls, connection: Connection) -> Marks:
        """Take them from a connection; the state only where the kernel names one."""
        state = connection.state if connection.machine.names_states else None
        restarts = labels = 0
        if connection.rare is not None:
            restarts, labels = connection.restarts, connection.labels
        mark = connection.mark
        return cls(connection.seen_reply, connection.is_assured, state, restarts, mark, labels)

    @classmethod
    def before(cls, connection: Connection) -> Marks:
        """Tell what they were before a new connection's first packet: its mark is its master's."""
        mark = 0 if connection.master is None else connection.master.mark
        return cls(seen_reply=False, is_assured=False, state=None, restarts=0, mark=mark, labels=0)

    def changes(self, now: Marks) -> tuple[Cause, ...]:
        """Name what is different now."""
        told = zip(CHANGES, self, now)
        return tuple(cause for cause, before, after in told if before != after)


class Journal:
    """Write events down until they are taken."""

    def __init__(self) -> None:
        self._events: deque[Event | FragmentEvent] = deque()
        self._octets = 0
        self._untold: dict[Connection, tuple[Cause, ...]] = {}
        self.lost = 0

    def take(self) -> list[Event | FragmentEvent]:
        """Give all events since the last call, the oldest first."""
        taken = list(self._events)
        self._events.clear()
        self._octets = 0
        return taken

    def opened(self, connection: Connection, now: float) -> None:
        """Write down that a connection has begun."""
        mask = connection.event_mask
        if mask == ALL_EVENTS or _bits_of_opening(connection) & mask:
            self._write(EventKind.NEW, connection, (Cause.OPENED,), now, now)

    def advanced(
        self, connection: Connection, before: Marks, now: float, *, has_passed: bool
    ) -> bool:
        """Write down what a packet changed, if it passed; say whether nothing is left untold."""
        causes, after = self._untold.pop(connection, ()), Marks.of(connection)
        if after != before:
            causes += before.changes(after)
        if not causes:
            return True
        if not has_passed:
            self._untold[connection] = causes
            return False
        mask = connection.event_mask
        if mask == ALL_EVENTS or _bits_of(causes) & mask:
            self._write(EventKind.UPDATE, connection, tuple(dict.fromkeys(causes)), now, now)
        return True

    def gone(self, connection: Connection, cause: Cause, now: float) -> None:
        """Write down that a connection has ended."""
        self._untold.pop(connection, None)
        if CT_EVENT["destroy"] & connection.event_mask:
            at = connection.expires_at if cause is Cause.EXPIRED else now
            self._write(EventKind.DESTROY, connection, (cause,), at, now)

    def lapsed(self, held: tuple[bytes, ...], cause: Cause, at: float) -> None:
        """Write down that held fragments are dropped."""
        self._keep(FragmentEvent(at, (cause,), held))

    def _write(
        self, kind: EventKind, connection: Connection, causes: tuple[Cause, ...], at: float,
        now: float,
    ) -> None:  # fmt: skip
        listing = connection.listing(now)
        if Cause.EXPIRED in causes:
            listing = listing._replace(seconds_left=None)
        self._keep(Event(kind, at, causes, listing, connection))

    def _keep(self, event: Event | FragmentEvent) -> None:
        self._events.append(event)
        self._octets += _octets_of(event)
        while len(self._events) > KEPT or self._octets > KEPT_OCTETS:
            self._octets -= _octets_of(self._events.popleft())
            self.lost += 1


def _bits_of(causes: tuple[Cause, ...]) -> int:
    """Give the bits of an UPDATE."""
    return sum({EVENT_BITS[cause] for cause in causes})


def _bits_of_opening(connection: Connection) -> int:
    """Give the bits of a NEW: what a state, a mark, labels or a helper make of it, too."""
    bits = CT_EVENT["new" if connection.master is None else "related"]
    bits |= _bits_of(Marks.before(connection).changes(Marks.of(connection)))
    return bits if connection.helper is None else bits | CT_EVENT["helper"]


def _octets_of(event: Event | FragmentEvent) -> int:
    """Count the octets of held fragments."""
    return sum(map(len, event.held)) if isinstance(event, FragmentEvent) else 0
