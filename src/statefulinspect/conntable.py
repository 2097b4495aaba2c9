"""Which side a flow key leads to: the table of connections.

One dict per zone and protocol, from key bytes to `Side`; both sides of a connection are entered.
The dicts are made once and kept, so the hot path may hold on to one. When both keys of a
connection are the same bytes (a host talking to itself from one port), the reply side is the one
found, as in Linux.
"""

from __future__ import annotations

from typing import Iterator  # noqa: UP035 - Python 3.9

from statefulinspect.connection import Connection, Side, part

Sides = dict[bytes, Side]


class ConnTable:
    """Hold every connection, found by the key of either side."""

    __slots__ = ("_count", "_tables")

    def __init__(self) -> None:
        self._tables: dict[tuple[int, int], Sides] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Connection]:
        """Go over the connections: by table in order of creation, then in order of entry."""
        for sides in self._tables.values():
            for key, side in sides.items():
                if key == side.connection.original_side.key:
                    yield side.connection

    def sides(self, zone: int, protocol: int) -> Sides:
        """Give the dict of one zone and protocol, made when first asked for."""
        return self._tables.setdefault((zone, protocol), {})

    def find(self, zone: int, protocol: int, key: bytes) -> Side | None:
        """Find the side that a key leads to."""
        sides = self._tables.get((zone, protocol))
        return None if sides is None else sides.get(key)

    def enter(self, connection: Connection) -> None:
        """Enter both sides; neither key may be in the table."""
        sides = self.sides(connection.zone, connection.protocol)
        sides[connection.original_side.key] = connection.original_side
        sides[connection.reply_side.key] = connection.reply_side
        self._count += 1

    def remove(self, connection: Connection) -> None:
        """Take both sides out and cut their links."""
        sides = self.sides(connection.zone, connection.protocol)
        del sides[connection.original_side.key]
        sides.pop(connection.reply_side.key, None)  # gone already if both keys are the same
        self._count -= 1
        part(connection)

    def check(self) -> None:
        """Assert every invariant of the structure."""
        connections = list(self)
        assert len(connections) == self._count, "a connection is counted twice or not at all"
        for connection in connections:
            sides = self.sides(connection.zone, connection.protocol)
            original, reply = connection.original_side, connection.reply_side
            assert sides[reply.key] is reply, "the reply key leads elsewhere"
            assert sides[original.key] in (original, reply), "the original key leads elsewhere"
            assert original.other is reply, "the sides are not each other's"
            assert reply.other is original, "the sides are not each other's"
            assert original.connection is reply.connection is connection
        entries = sum(map(len, self._tables.values()))
        single = sum(c.original_side.key == c.reply_side.key for c in connections)
        assert entries == 2 * self._count - single, "a side is entered under a foreign key"
