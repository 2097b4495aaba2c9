"""Which side a flow key leads to: the table of connections.

One dict per zone and protocol, from key bytes to `Side`; both sides of a connection are entered,
unless it is folded (`foldedtable`). The dicts are made once and kept, so the hot path may hold on
to one. When both keys of a connection are the same bytes (a host that talks to itself from one
port), the reply side is the one found, as in Linux.

Connections whose zone holds for one direction only are few. Their sides stand in dicts of their
own, by direction too, for there the same key in the same zone may name sides of two connections.
"""

from __future__ import annotations

from math import inf
from typing import Iterator  # noqa: UP035 - Python 3.9

from statefulinspect.connection import Connection, Side
from statefulinspect.flowkey import TCP
from statefulinspect.folded import Folded
from statefulinspect.foldedtable import FoldedTable, Sides
from statefulinspect.linking import part
from statefulinspect.zones import NO_ZONE, Zone


def _newest_first(side: Side) -> float:
    return -side.connection.created_at


class ConnTable(FoldedTable):
    """Hold every connection, found by the key of either side.

    `split_sides` are those whose zone holds for one direction only.
    """

    __slots__ = ("_whole", "split_sides")

    def __init__(self) -> None:
        super().__init__()
        self._whole: dict[tuple[int, int], Sides] = {}  # those of no zone are `_plain`, too
        self.split_sides: dict[tuple[int, int, int], Sides] = {}

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Connection]:
        """Go over the connections: by table in order of creation, then in order of entry."""
        if self._folded:
            for folded in [each for each in self.holders() if isinstance(each, Folded)]:
                folded.connection  # noqa: B018 - unfolds it
        return self.holders()  # type: ignore[return-value]  # by now all are connections

    def holders(self) -> Iterator[Connection | Folded]:
        """Go over what is kept of each connection, in the same order."""
        for sides in self._whole.values():
            for key, side in sides.items():
                if isinstance(side, Folded):
                    if key == side.key:
                        yield side
                elif key == side.connection.original_side.key:
                    yield side.connection
        for (is_reply, _, _), sides in self.split_sides.items():
            if not is_reply:
                yield from (side.connection for side in sides.values())

    def sides(self, number: int, protocol: int) -> Sides:
        """Give the dict of one zone and protocol, made when first asked for."""
        sides = self._whole.setdefault((number, protocol), {})
        if not number:
            self._plain[protocol] = sides
        return sides

    def _sides_of(self, connection: Connection) -> tuple[Sides, Sides]:
        """Give the dicts in which the two sides of a connection stand."""
        zone, protocol = connection.zones, connection.protocol
        if zone is NO_ZONE:
            sides = self._plain.get(protocol)
            return (sides, sides) if sides is not None else (self.sides(0, protocol),) * 2
        if zone.is_whole:
            sides = self.sides(zone.original, protocol)
            return sides, sides
        return (
            self.split_sides.setdefault((0, zone.original, protocol), {}),
            self.split_sides.setdefault((1, zone.reply, protocol), {}),
        )

    def find(self, zone: Zone, protocol: int, key: bytes, now: float = -inf) -> Side | None:
        """Find the side that a key leads to: one whose zone in its direction is the packet's.

        If there are two, Linux finds the newer in the same zone, else that of the original zone.
        Connections whose deadline is not after `now` are passed over.
        """
        if not self.split_sides and (zone is NO_ZONE or zone.is_whole):
            side = self._side(zone.original, protocol, key)
            return side if side is not None and side.connection.expires_at > now else None
        found = self.candidates(zone, protocol, key, now)
        return found[0] if found else None

    def candidates(self, zone: Zone, protocol: int, key: bytes, now: float) -> list[Side]:
        """List the sides that a key leads to: `find` finds the first, the next if that is gone."""
        if not self.split_sides and (zone is NO_ZONE or zone.is_whole):  # there is no other
            side = self._side(zone.original, protocol, key)
            return [] if side is None or side.connection.expires_at <= now else [side]
        found = [
            side for side in self._directed(zone, protocol, key) if side.connection.expires_at > now
        ]
        if zone.is_whole:
            found.sort(key=_newest_first)
        return found

    def _side(self, number: int, protocol: int, key: bytes) -> Side | None:
        """Find the side that a key leads to in one whole zone; what is folded is unfolded."""
        sides = self._whole.get((number, protocol))
        if sides is None:
            return None
        found = sides.get(key)
        if isinstance(found, Side):
            return found
        if number:
            return None
        if protocol == TCP:
            return self.unreplied_side(key, found)
        return None if found is None else self.unfolded_side(key, found)

    def _directed(self, zone: Zone, protocol: int, key: bytes) -> Iterator[Side]:
        """Go over the sides that a key leads to, the direction of each being looked at."""
        for is_reply, number in enumerate(zone):
            split = self.split_sides.get((is_reply, number, protocol), {})
            for side in (self._side(number, protocol, key), split.get(key)):
                if not isinstance(side, Side):
                    continue
                if side.is_reply == is_reply:
                    yield side
                elif side.other.key == key and not zone.is_whole:  # who talks to itself
                    yield side.other

    def rival_zone(self, connection: Connection) -> Zone | None:
        """Name the zone in which another connection may have a new one's reply key.

        None if none may: where all zones hold for both directions, who has it has both keys.
        """
        zone = connection.zones
        if zone.is_whole:
            return zone if self.split_sides else None
        return Zone(-1, zone.reply)  # no original side stands at -1

    def holds(self, connection: Connection) -> bool:
        """Say whether a connection is in the table."""
        reply, zone, protocol = connection.reply_side, connection.zones, connection.protocol
        if zone.is_whole:
            sides = self._whole.get((zone.original, protocol), {})
        else:
            sides = self.split_sides.get((1, zone.reply, protocol), {})
        return sides.get(reply.key) is reply and reply.connection is connection  # not a copy

    def enter(self, connection: Connection) -> None:
        """Enter both sides; neither key may be in the table."""
        originals, replies = self._sides_of(connection)
        originals[connection.original_side.key] = connection.original_side
        replies[connection.reply_side.key] = connection.reply_side
        self.count += 1

    def remove(self, connection: Connection) -> None:
        """Take both sides out and cut their links."""
        originals, replies = self._sides_of(connection)
        del originals[connection.original_side.key]
        replies.pop(connection.reply_side.key, None)  # gone already if both keys are the same
        if originals is not replies:
            self._drop_empty(connection)
        self.count -= 1
        part(connection)

    def _drop_empty(self, connection: Connection) -> None:
        """Drop dicts of one direction that are empty: each of them shuts the faster ways."""
        for is_reply, number in enumerate(connection.zones):
            name = is_reply, number, connection.protocol
            if not self.split_sides[name]:
                del self.split_sides[name]

    def check(self) -> None:
        """Assert every invariant of the structure."""
        holders = list(self.holders())
        assert len(holders) == self.count, "a connection is counted twice or not at all"
        entries = 0
        for connection in holders:
            if isinstance(connection, Folded):
                entries += self._check_folded(connection)
                continue
            originals, replies = self._sides_of(connection)
            original, reply = connection.original_side, connection.reply_side
            is_single = originals is replies and original.key == reply.key
            assert replies[reply.key] is reply, "the reply key leads elsewhere"
            assert originals[original.key] is (reply if is_single else original), "leads elsewhere"
            assert original.other is reply, "the sides are not each other's"
            assert reply.other is original, "the sides are not each other's"
            assert original.connection is reply.connection is connection
            entries += 2 - is_single
        self._check_counts([each for each in holders if isinstance(each, Folded)])
        assert all(self.split_sides.values()), "an empty dict shuts the faster ways"
        tables = [*self._whole.values(), *self.split_sides.values()]
        assert sum(map(len, tables)) == entries, "a side is entered under a foreign key"
