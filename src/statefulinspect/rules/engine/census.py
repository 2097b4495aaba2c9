"""How many connections came by a rule and still are: `ct count`."""

from __future__ import annotations

from itertools import islice
from typing import Final, NamedTuple

from statefulinspect.connection import Connection
from statefulinspect.flowkey import TCP
from statefulinspect.machines.tcp_table import CLOSE, TIME_WAIT
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.syntax.stateful import CountConnections
from statefulinspect.terms import Reason
from statefulinspect.zones import Zone

LOOKED_THROUGH: Final = 1024  # connections that one packet's count looks at: bounded work


class ConnectionsMemory:
    """Count the connections that came by and still are; closed ones do not count.

    They are known by their flow key. As in Linux one that is assured already is not counted anew,
    what belongs to none, an INVALID packet say, counts until it is looked for, and a packet that
    comes by more than once counts each time.
    """

    __slots__ = ("_count", "_seen", "_total")

    def __init__(self, count: CountConnections) -> None:
        self._count = count
        self._seen: dict[Name, int] = {}  # how often each was counted
        self._total = 0

    def passes(self, walk: Walk) -> bool:
        """Count the packet's connection, and say on which side of the number they are."""
        walk.touch(self)
        name, connection = _name_of(walk), _connection_of(walk)
        if name is None:
            walk.refused = walk.packet.reason
            return False
        is_counted = connection is None or not connection.is_assured
        comes_again = self in walk.counted_by
        if connection is not None and walk.is_fresh and not comes_again:
            self._forget_answered(connection)
        if self._total + is_counted > self._count.most and not comes_again:
            self._forget_ended(walk, name if is_counted else None)
        if is_counted and (comes_again or name not in self._seen):
            walk.counted_by = (*walk.counted_by, self)
            self._seen[name] = self._seen.get(name, 0) + 1
            self._total += 1
        return (self._total > self._count.most) == self._count.is_over

    def _forget_answered(self, connection: Connection) -> None:
        """Forget what a new connection answers: that was dropped, or there would be no new one."""
        answered = Name(connection.zones, connection.protocol, connection.original_side.other.key)
        self._total -= self._seen.pop(answered, 0)

    def _forget_ended(self, walk: Walk, own: Name | None) -> None:
        """Look through the connections from the oldest up to the packet's own; forget the ended.

        Of very many, those that were looked at and live on come last: so each has its turn.
        """
        looked_at = list(islice(self._seen, LOOKED_THROUGH))
        for name in looked_at:
            side = walk.find(*name)
            is_there = side is not None and side.connection.expires_at > walk.now
            is_own = name == own
            if is_own and is_there and not walk.is_ending:
                return
            if side is None or is_own or not is_there or is_closed(side.connection):
                self._total -= self._seen.pop(name)
        if len(looked_at) == LOOKED_THROUGH:
            for name in looked_at:
                if name in self._seen:
                    self._seen[name] = self._seen.pop(name)

    def save(self) -> object:
        """Give the connections counted."""
        return dict(self._seen)

    def restore(self, saved: object) -> None:
        """Take the connections back."""
        assert isinstance(saved, dict)
        self._seen, self._total = saved, sum(saved.values())

    def written(self) -> CountConnections:
        """Write the statement; nft prints no count."""
        return self._count


class Name(NamedTuple):
    """Name a flow: its zone, protocol and key."""

    zones: Zone
    protocol: int
    key: bytes


def _connection_of(walk: Walk) -> Connection | None:
    """Give the packet's connection, or the one that its flow key leads to."""
    packet = walk.packet
    if walk.connection is not None or packet.key is None:
        return walk.connection
    side = walk.find(packet.zone, packet.protocol, packet.key)
    return None if side is None or side.connection.expires_at <= walk.now else side.connection


def _name_of(walk: Walk) -> Name | None:
    """Name the packet's connection, or where it has none the packet's own flow."""
    packet, connection = walk.packet, walk.connection
    if connection is not None:
        return Name(connection.zones, connection.protocol, connection.original_side.key)
    if packet.key is None or packet.reason is Reason.GRE_PROTOCOL:  # which Linux reads no key of
        return None
    return Name(packet.zone, packet.protocol, packet.key)


def is_closed(connection: Connection) -> bool:
    """Say whether a connection is over for both ends, and only remembered."""
    return connection.protocol == TCP and connection.state in (TIME_WAIT, CLOSE)
