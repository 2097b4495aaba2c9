"""How many connections came by a rule and still are: `ct count`."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from statefulinspect.connection import Connection, Side
from statefulinspect.flowkey import TCP
from statefulinspect.machines.tcp_table import CLOSE, TIME_WAIT
from statefulinspect.rules.engine.readers_meta import nanoseconds
from statefulinspect.rules.engine.walk import FindSides, Walk
from statefulinspect.rules.syntax.stateful import CountConnections
from statefulinspect.rules.words.symbols_time import SECOND
from statefulinspect.terms import Reason
from statefulinspect.zones import NO_ZONE, Zone

TICKS: Final = 250  # of Linux's clock in a second, as most distributions build it
FORGOTTEN_AT_ONCE: Final = 65  # by one packet, as in Linux
CONNECTIONS_AT_ONCE: Final = 128  # connections that one packet looks at, unlike Linux: bounded work


class ConnectionsMemory:
    """Count the connections that came by and still are; closed ones do not count.

    They are listed by their flow key in the order in which they came. Measured on Linux 6.18:

    - A packet of a connection that is in the table, but not assured, looks through the list from
      the oldest on, up to its own, which is added if it is not there.
    - What is new, and what belongs to none, an INVALID packet say, looks only if nobody has come to
      the end in this tick, and is added each time that it comes by. If it finds its own, that is
      because zones of one direction let a key lead to another connection.
    - An assured connection looks as seldom, always to the end, and is not added.
    - Whoever looks forgets what has ended on the way, even by this packet, but 65 and no more.
    """

    __slots__ = ("_count", "_names", "_tick")

    def __init__(self, count: CountConnections) -> None:
        self._count = count
        self._names: deque[Name] = deque()
        self._tick: int | None = None  # the last in which all were looked through

    def passes(self, walk: Walk) -> bool:
        """Count the packet's connection, and say on which side of the number they are."""
        walk.touch(self)
        name = _own_name(walk)
        if name is None:
            walk.refused = walk.packet.reason
            return False
        side = walk.side or next(iter(walk.find(*name, walk.now)), None)
        is_known = side is not None and not walk.is_fresh
        if side is not None and side.connection.is_assured:
            if self._is_due(walk):
                self._look_through(walk, None)
        elif not self._is_there(walk, name, is_known=is_known):
            self._names.append(name)
        return self._is_over == self._count.is_over

    @property
    def _is_over(self) -> bool:
        return len(self._names) > self._count.most

    def _is_due(self, walk: Walk) -> bool:
        """Say whether to look to the end: once in a tick, or always if very many are too many."""
        is_flood = self._is_over and len(self._names) > CONNECTIONS_AT_ONCE
        return is_flood or self._tick != tick_of(walk)

    def _is_there(self, walk: Walk, own: Name, *, is_known: bool) -> bool:
        """Say whether the packet's own is listed; among very many that is taken for granted."""
        if (is_known or self._is_due(walk)) and self._look_through(walk, own):
            return True
        return is_known and len(self._names) > CONNECTIONS_AT_ONCE

    def _look_through(self, walk: Walk, own: Name | None) -> bool:
        """Forget what has ended, from the oldest up to the packet's own; say whether that is there.

        Of very many, those that were looked at and live on come last: so each has its turn.
        """
        names, forgotten = self._names, 0
        kept: list[Name] = []
        for _ in range(min(len(names), CONNECTIONS_AT_ONCE)):
            name = names.popleft()
            side = _living(name, walk)
            if side is not None and own is not None and _is_own(name, side, own):
                names.appendleft(name)
                names.extendleft(reversed(kept))
                return True
            if side is not None and not is_closed(side.connection):
                kept.append(name)
                continue
            forgotten += 1
            if forgotten == FORGOTTEN_AT_ONCE:
                break
        self._tick = tick_of(walk)
        if len(kept) + forgotten < CONNECTIONS_AT_ONCE:
            names.extendleft(reversed(kept))
        else:
            names.extend(kept)
        return False

    @property
    def listed(self) -> int:
        """Tell how many are listed, be it that some of them have ended."""
        return len(self._names)

    def outlives(self, walk: Walk) -> bool:
        """Forget what ended before this packet came; say whether anything is left.

        So Linux does once a second for each element of a set. Measured: it forgets whatever has
        ended, up to the first that lives behind 65 of these.
        """
        walk.touch(self)
        own = None if walk.connection is None else _name_of(walk.connection)
        names, forgotten = self._names, 0
        kept: list[Name] = []
        for _ in range(min(len(names), CONNECTIONS_AT_ONCE)):
            name = names.popleft()
            lives = not walk.is_fresh if name == own else _goes_on(name, walk.now, walk.find)
            if not lives:
                forgotten += 1
                continue
            kept.append(name)
            if forgotten >= FORGOTTEN_AT_ONCE:
                break
        names.extendleft(reversed(kept))
        return bool(names)

    def has_living(self, now: float, find: FindSides) -> bool:
        """Tell whether any connection that is listed has not ended."""
        return any(_goes_on(name, now, find) for name in self._names)

    def save(self) -> object:
        """Give the connections counted."""
        return self._names.copy(), self._tick

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


def tick_of(walk: Walk) -> int:
    """Give the tick of Linux's clock in which a packet arrives."""
    return nanoseconds(walk.now) * TICKS // SECOND


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


def _goes_on(name: Name, now: float, find: FindSides) -> bool:
    """Tell whether a name leads to a connection that is not over."""
    return any(not is_closed(side.connection) for side in find(*name, now)[:1])


def _living(name: Name, walk: Walk) -> Side | None:
    """Find the side that a name leads to; one of a connection that the packet ends is gone."""
    for side in walk.find(*name, walk.now):
        if not walk.is_ending or not _is_of(side.connection, walk):
            return side
    return None


def _is_of(connection: Connection, walk: Walk) -> bool:
    """Say whether a connection is the packet's, be that a copy."""
    return walk.connection is not None and _name_of(connection) == _name_of(walk.connection)


def _is_own(name: Name, side: Side, own: Name) -> bool:
    """Say whether a name, and where it leads, are a packet's own, as Linux compares zones."""
    is_same = name.key == own.key and name.protocol == own.protocol
    return is_same and side.connection.zones.original == own.zones.original


def is_closed(connection: Connection) -> bool:
    """Say whether a connection is over for both ends, and only remembered."""
    return connection.protocol == TCP and connection.state in (TIME_WAIT, CLOSE)
