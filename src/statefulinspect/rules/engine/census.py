"""How many connections came by a rule and still are: `ct count`."""

from __future__ import annotations

from itertools import islice
from typing import Final, NamedTuple

from statefulinspect.connection import Connection, Side
from statefulinspect.flowkey import TCP
from statefulinspect.machines.tcp_table import CLOSE, TIME_WAIT
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.syntax.stateful import CountConnections
from statefulinspect.terms import Reason
from statefulinspect.zones import NO_ZONE, Zone

TICKS: Final = 250  # of Linux's clock in a second, as most distributions build it
FORGOTTEN_AT_ONCE: Final = 65  # by one packet, as in Linux
LOOKED_THROUGH: Final = 1024  # connections that one packet looks at, unlike Linux: bounded work


class ConnectionsMemory:
    """Count the connections that came by and still are; closed ones do not count.

    They are listed by their flow key in the order in which they came. Measured on Linux 6.18:

    - A packet of a connection that is in the table, but not assured, looks for its own from the
      oldest on, and adds it if it is not there.
    - Any other packet looks through all, if nobody has done so to the end in this tick. An assured
      connection is not added. A new one is, and so is what belongs to none, an INVALID packet say,
      each time that it comes by.
    - Whoever looks forgets what has ended on the way, even by this packet, but 65 and no more.
    """

    __slots__ = ("_count", "_names", "_tick")

    def __init__(self, count: CountConnections) -> None:
        self._count = count
        self._names: list[Name] = []
        self._tick: int | None = None  # the last in which all were looked through

    def passes(self, walk: Walk) -> bool:
        """Count the packet's connection, and say on which side of the number they are."""
        walk.touch(self)
        name = _own_name(walk)
        if name is None:
            walk.refused = walk.packet.reason
            return False
        side = walk.side or walk.find(*name, walk.now)
        if side is None or walk.is_fresh:
            self._look_through_all(walk)
            self._names.append(name)
        elif side.connection.is_assured:
            self._look_through_all(walk)
        elif not self._look_through(walk, name):
            self._names.append(name)
        return self._is_over == self._count.is_over

    @property
    def _is_over(self) -> bool:
        return len(self._names) > self._count.most

    def _look_through_all(self, walk: Walk) -> None:
        """Forget what has ended, once in a tick; but each time if very many are too many."""
        is_flood = self._is_over and len(self._names) > LOOKED_THROUGH
        if is_flood or self._tick != tick_of(walk):
            self._look_through(walk, None)

    def _look_through(self, walk: Walk, own: Name | None) -> bool:
        """Forget what has ended, from the oldest up to the packet's own; say whether that is there.

        Of very many, those that were looked at and live on come last: so each has its turn; and
        that its own is among the others, a packet takes for granted.
        """
        kept: list[Name] = []
        looked_at = 0
        for name in islice(self._names, LOOKED_THROUGH):
            side = _living(name, walk)
            if side is not None and own is not None and name.is_same(own, side):
                self._names[:looked_at] = kept
                return True
            looked_at += 1
            if side is not None and not is_closed(side.connection):
                kept.append(name)
            elif looked_at - len(kept) == FORGOTTEN_AT_ONCE:
                break
        self._tick = tick_of(walk)
        if looked_at < LOOKED_THROUGH:
            self._names[:looked_at] = kept
            return False
        del self._names[:looked_at]
        self._names += kept
        return own is not None

    def save(self) -> object:
        """Give the connections counted."""
        return list(self._names), self._tick

    def restore(self, saved: object) -> None:
        """Take the connections back."""
        assert isinstance(saved, tuple)
        self._names, self._tick = saved

    def written(self) -> CountConnections:
        """Write the statement; nft prints no count."""
        return self._count


class Name(NamedTuple):
    """Name a flow: its zone, protocol and key."""

    zones: Zone
    protocol: int
    key: bytes

    def is_same(self, other: Name, side: Side) -> bool:
        """Say whether another leads to this side as well: the other's zone does not matter."""
        number = self.zones[side.is_reply]
        return self[1:] == other[1:] and number == other.zones[side.is_reply]


def tick_of(walk: Walk) -> int:
    """Give the tick of Linux's clock in which a packet arrives."""
    return int(walk.now * TICKS)


def _own_name(walk: Walk) -> Name | None:
    """Name the packet's connection, or where it has none the packet's own flow.

    What was looked at by tracking, and belongs to no connection, is in no zone any more.
    """
    packet = walk.packet
    if walk.connection is not None:
        return _name_of(walk.connection)
    if packet.key is None or packet.reason is Reason.GRE_PROTOCOL:  # which Linux reads no key of
        return None
    return Name(NO_ZONE if walk.is_tracked else walk.zone, packet.protocol, packet.key)


def _name_of(connection: Connection) -> Name:
    return Name(connection.zones, connection.protocol, connection.original_side.key)


def _living(name: Name, walk: Walk) -> Side | None:
    """Find the side that a name leads to, unless the packet ends its connection."""
    side = walk.find(*name, walk.now)
    if side is None or walk.connection is None or not walk.is_ending:
        return side
    return None if _name_of(side.connection) == _name_of(walk.connection) else side


def is_closed(connection: Connection) -> bool:
    """Say whether a connection is over for both ends, and only remembered."""
    return connection.protocol == TCP and connection.state in (TIME_WAIT, CLOSE)
