"""How a connection and its two sides are linked, from the first packet to the last."""

from __future__ import annotations

from statefulinspect.connection import NO_NUMBER, Connection, Machine, Side
from statefulinspect.zones import NO_ZONE, Zone


def connect(  # noqa: PLR0913, PLR0917 - what a connection begins with
    protocol: int, key: bytes, reply_key: bytes, machine: Machine, now: float,
    zones: Zone = NO_ZONE, is_accounted: bool = False,  # noqa: FBT001, FBT002 - as `Connection`
) -> Connection:  # fmt: skip
    """Make a connection and its two sides, linked to each other and to it."""
    original, reply = Side(key, 0), Side(reply_key, 1)
    connection = Connection(protocol, original, reply, machine, now, zones, is_accounted)
    original.connection = reply.connection = connection
    original.other, reply.other = reply, original
    return connection


def part(connection: Connection) -> None:
    """Cut the links that `connect` made: what is left holds no reference cycle."""
    original, reply = connection.original_side, connection.reply_side
    original.verdict = reply.verdict = None
    original.next_seq = reply.next_seq = NO_NUMBER
    del original.connection, original.other, reply.connection, reply.other
