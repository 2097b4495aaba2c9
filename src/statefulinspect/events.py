"""What has happened: events as `conntrack -E` shows them, their causes, and lost fragments."""

from __future__ import annotations

from enum import Enum

import attrs

from statefulinspect.connection import Connection
from statefulinspect.flowkey import address_of, show_address
from statefulinspect.listing import Listing


class EventKind(Enum):
    """Name the kinds of events: three of connections, as `conntrack -E` does, and LAPSE.

    LAPSE is of fragments that were held, and are dropped before their datagram was whole.

    >>> EventKind.DESTROY.value
    'destroy'
    """

    NEW = "new"
    UPDATE = "update"
    DESTROY = "destroy"
    LAPSE = "lapse"


class Cause(Enum):
    """Name what brought an event about; its value is the sentence that explains it.

    >>> Cause.REPLIED.value
    'the first reply came'
    """

    OPENED = "its first packet was accepted"
    REPLIED = "the first reply came"
    ASSURED = "it has proven itself both ways"
    STATE = "the protocol's state changed"
    MARK = "a rule changed its mark"
    LABEL = "a rule changed its labels"
    EXPIRED = "its time ran out"
    RESET = "a reset ended it before any reply"
    REOPENED = "a SYN opens a new connection on its ports"
    DELETED = "it was deleted, or all were"
    HALF_OPEN = "the oldest unassured one made room, for too many are unassured"
    EARLY_DROP = "the oldest unassured one made room in a full table"
    OUTRUN = "too many other fragments of its source came in between"
    MISFIT = "a fragment of no multiple of 8 octets, which is judged by itself, ends it"


# Looking a member up through its class costs a tenth of what removing a connection does.
EXPIRED, HALF_OPEN, EARLY_DROP = Cause.EXPIRED, Cause.HALF_OPEN, Cause.EARLY_DROP


@attrs.frozen
class Event:
    """Tell one thing that happened; frozen.

    `at` is the `now` of the packet or call; for EXPIRED it is the deadline. `listing` is what the
    connection was then; `connection` is the connection itself, which moves on. `str()` gives the
    line of `conntrack -E`.

    >>> from statefulinspect import Config, Tracker
    >>> tracker = Tracker(config=Config(events=True))
    >>> _ = tracker.process(bytes.fromhex("4500001400000000405900000a0000010a000002"), now=0.0)
    >>> print(*tracker.events())
        [NEW] unknown  89 600 src=10.0.0.1 dst=10.0.0.2 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1
    """

    kind: EventKind
    at: float
    causes: tuple[Cause, ...]
    listing: Listing
    connection: Connection = attrs.field(eq=False, repr=False)

    def __str__(self) -> str:
        """Write the line of `conntrack -E`.

        It counts packets only at the end, where it names no helper any more; an update names the
        state only if that changed, and `mark=0` only if a mark was cleared.
        """
        is_last, is_update = self.kind is EventKind.DESTROY, self.kind is EventKind.UPDATE
        listing = self.listing
        if is_last:
            listing = listing._replace(helper=None)
        elif is_update and Cause.STATE not in self.causes:
            listing = listing._replace(state_name="")
        with_mark = Cause.MARK in self.causes
        return listing.event_line(self.kind.name, with_counts=is_last, with_mark=with_mark)


@attrs.frozen
class FragmentEvent:
    """Tell that held fragments are dropped, for their datagram is given up; frozen.

    `at` and `causes` are as in `Event`; `held` are the fragments as bytes, the first to come first.

    >>> print(FragmentEvent(30.0, (Cause.EXPIRED,), (bytes.fromhex(
    ...     "4500001c00072000401100000a0000010a0000020035040000080000"),)))
      [LAPSE] src=10.0.0.1 dst=10.0.0.2 fragments=1 bytes=28
    """

    at: float
    causes: tuple[Cause, ...]
    held: tuple[bytes, ...] = attrs.field(repr=False)
    kind: EventKind = attrs.field(default=EventKind.LAPSE, init=False)

    def __str__(self) -> str:
        """Write a line that goes with those of `conntrack -E`."""
        addresses = self.held[0][12:20] if self.held[0][0] >> 4 == 4 else self.held[0][8:40]
        half = len(addresses) // 2
        source, destination = address_of(addresses[:half]), address_of(addresses[half:])
        ends = f"src={show_address(source)} dst={show_address(destination)}"
        octets = sum(map(len, self.held))
        return f"  [LAPSE] {ends} fragments={len(self.held)} bytes={octets}"
