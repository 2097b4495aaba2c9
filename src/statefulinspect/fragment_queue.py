"""The fragments of one datagram: what fits, what repeats, what contradicts, and when it is whole.

Octets that were received once are kept (RFC 5722 and RFC 8200 4.5 forbid to choose between two
versions): a fragment that lies wholly within a run is a repetition, whatever it holds, and is
left out; one that overlaps a run in part spoils the datagram. A run is what arrived as one: it
grows only while it is the last one and the next fragment begins at its very end, so that a
fragment may repeat two neighbours together only if they arrived in order. Linux counts so.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final, NamedTuple

import attrs

from statefulinspect.terms import OK, Reason
from statefulinspect.wheel import NOT_FILED

Key = tuple[bytes, object]  # of a datagram: its source, and what else tells it apart

NOT_ECT, CE = 1 << 0, 1 << 3  # bits of `FragmentQueue.ecn`, by codepoint (RFC 3168 5)

# What a held fragment occupies beside its octets, and a datagram's record: about what Linux counts.
FRAGMENT_COST: Final = 800
QUEUE_COST: Final = 200


class Fragment(NamedTuple):
    """Hold one fragment: the packet's bytes, what goes before the data, and the data's place.

    `head` is the IP header, of IPv6 all headers before the fragment header, as the whole datagram
    has them but for length and checksum. `ecn` is the codepoint, 0 to 3.
    """

    wire: bytes
    head: bytes
    start: int
    data: bytes
    is_last: bool
    ecn: int

    @property
    def stop(self) -> int:
        """Tell where the data ends in the datagram."""
        return self.start + len(self.data)


@attrs.define(eq=False)
class SourceCount:
    """Count the fragments of one source while any of its datagrams is waited for."""

    fragments: int = 0
    queues: int = 0


@attrs.define(eq=False)
class FragmentQueue:
    """Hold what has arrived of one datagram.

    `end` is the highest end of a fragment, and the datagram's once `has_last`; `received` are the
    octets that are there. `latest` is the number of its latest fragment among those of its source;
    `cost` is the memory that it counts for, in octets.
    """

    key: Key
    source: SourceCount
    expires_at: float
    filed_at: float = NOT_FILED
    latest: int = 0
    cost: int = QUEUE_COST
    held: list[bytes] = attrs.field(factory=list)
    head: bytes = b""
    end: int = 0
    received: int = 0
    has_last: bool = False
    ecn: int = 0
    _data: dict[int, bytes] = attrs.field(factory=dict)
    _starts: list[int] = attrs.field(factory=list)
    _stops: list[int] = attrs.field(factory=list)

    @property
    def is_whole(self) -> bool:
        """Say whether nothing is missing."""
        return self.has_last and self.received == self.end

    def add(self, fragment: Fragment) -> Reason:
        """Take a fragment in; OK, or why it cannot be.

        As in Linux a refused fragment may leave its trace on where the datagram ends.
        """
        if fragment.is_last:
            if fragment.stop < self.end or (self.has_last and fragment.stop != self.end):
                return Reason.FRAGMENT_END
            self.has_last, self.end = True, fragment.stop
        elif fragment.stop > self.end:
            if self.has_last:
                return Reason.FRAGMENT_END
            self.end = fragment.stop
        if not fragment.data:
            return Reason.FRAGMENT_EMPTY
        reason = self._place(fragment.start, fragment.stop)
        if reason is OK:
            self._keep(fragment)
        return reason

    def _place(self, start: int, stop: int) -> Reason:
        """Enter [start, stop) among the runs, or say that octets of it are there already."""
        starts, stops = self._starts, self._stops
        if stops and start == stops[-1]:
            stops[-1] = stop
            return OK
        at = bisect_right(starts, start)
        if at and start < stops[at - 1]:
            is_within = stop <= stops[at - 1]
            return Reason.FRAGMENT_REPEATED if is_within else Reason.FRAGMENT_OVERLAP
        if at < len(starts) and stop > starts[at]:
            return Reason.FRAGMENT_OVERLAP
        starts.insert(at, start)
        stops.insert(at, stop)
        return OK

    def _keep(self, fragment: Fragment) -> None:
        self.held.append(fragment.wire)
        self.cost += FRAGMENT_COST + len(fragment.wire)
        self._data[fragment.start] = fragment.data
        self.received += len(fragment.data)
        self.ecn |= 1 << fragment.ecn
        if fragment.start == 0:
            self.head = fragment.head

    @property
    def has_mixed_ecn(self) -> bool:
        """Say whether some fragments are ECN-capable and some are not (RFC 3168 5.3)."""
        return bool(self.ecn & NOT_ECT) and self.ecn != NOT_ECT

    @property
    def is_congested(self) -> bool:
        """Say whether any fragment has met congestion."""
        return bool(self.ecn & CE)

    def payload(self) -> bytes:
        """Put the data together; it must be whole."""
        return b"".join(data for _, data in sorted(self._data.items()))

    def check(self) -> None:
        """Assert every invariant of the structure."""
        assert len(self._starts) == len(self._stops), "a run without an end"
        edges = [edge for run in zip(self._starts, self._stops) for edge in run]
        assert edges == sorted(edges), "runs overlap"
        covered = sum(self._stops) - sum(self._starts)
        assert covered == self.received == sum(map(len, self._data.values())), "miscounted octets"
        assert len(self._data) == len(self.held), "a fragment is held twice or not at all"
        octets = sum(map(len, self.held))
        assert self.cost == QUEUE_COST + len(self.held) * FRAGMENT_COST + octets, "a wrong cost"
