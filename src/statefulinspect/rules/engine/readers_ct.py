"""How `ct` is read: what is known of the packet's connection; nothing where there is none."""

from __future__ import annotations

from typing import Callable, Final, Optional

from statefulinspect.connection import Connection, Side
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.words.datatypes import Scalar
from statefulinspect.rules.words.selectors import DIRECTIONS, NF_FAMILIES
from statefulinspect.rules.words.symbols_system import CT_STATUS
from statefulinspect.terms import ESTABLISHED_BIT

Reader = Callable[[Walk], Optional[Scalar]]
Asker = Callable[[Walk, Connection], Optional[Scalar]]

EXPECTED, SEEN_REPLY, ASSURED, CONFIRMED, DYING = (
    CT_STATUS[word] for word in ("expected", "seen-reply", "assured", "confirmed", "dying")
)


def _of_connection(ask: Asker) -> Reader:
    def read(walk: Walk) -> Scalar | None:
        return None if walk.connection is None else ask(walk, walk.connection)

    return read


def _status(walk: Walk, connection: Connection) -> int:
    is_answer = walk.side is not None and walk.side.is_reply and walk.ct_bits == ESTABLISHED_BIT
    return (
        EXPECTED * (connection.master is not None)
        | SEEN_REPLY * (connection.seen_reply or bool(is_answer))
        | ASSURED * connection.is_assured
        | CONFIRMED * (not walk.is_fresh)
        | DYING * walk.is_ending
    )


def _expiration(walk: Walk, connection: Connection) -> int:
    return 0 if walk.is_fresh else max(0, round((connection.expires_at - walk.now) * 1000))


def _helper(_: Walk, connection: Connection) -> str | None:
    """Name the helper that announced the connection; the one that reads it is not told of."""
    return None if connection.master is None else connection.master.helper


def _side(connection: Connection, is_reply: int) -> Side:
    return connection.reply_side if is_reply else connection.original_side


def _packets(walk: Walk, connection: Connection, is_reply: int) -> int:
    side = _side(connection, is_reply)
    return side.packets + (walk.is_counted and side is walk.side)


def _octets(walk: Walk, connection: Connection, is_reply: int) -> int:
    side = _side(connection, is_reply)
    return side.octets + (walk.packet.length if walk.is_counted and side is walk.side else 0)


Counter = Callable[[Walk, Connection, int], int]


def _both(count: Counter) -> Asker:
    return lambda walk, connection: count(walk, connection, 0) + count(walk, connection, 1)


def _one(count: Counter, is_reply: int) -> Asker:
    return lambda walk, connection: count(walk, connection, is_reply)


def _average(octets: Asker, packets: Asker) -> Asker:
    def average(walk: Walk, connection: Connection) -> int:
        count = packets(walk, connection)
        return octets(walk, connection) // count if count else 0  # type: ignore[operator]

    return average


def _flow(attribute: str, is_reply: int, family: int) -> Asker:
    """Read an address of one direction; None where the IP version is another."""

    def ask(_: Walk, connection: Connection) -> int | None:
        flow = connection.reply if is_reply else connection.original
        return int(getattr(flow, attribute)) if flow.family == family else None

    return ask


def _own_part(at: int, is_reply: int) -> Asker:
    """Read two octets of the key behind the addresses: a port, or an ICMP identifier."""

    def ask(_: Walk, connection: Connection) -> int:
        key = _side(connection, is_reply).key
        start = (8 if len(key) <= 12 else 32) + at
        return int.from_bytes(key[start : start + 2], "big")

    return ask


def _zone(is_reply: int) -> Asker:
    return lambda _, connection: connection.zones[is_reply]


_GENERAL: Final[dict[str, Asker]] = {
    "status": _status,
    "mark": lambda _, connection: connection.mark,
    "expiration": _expiration,
    "helper": _helper,
    "label": lambda _, connection: connection.labels,
    "zone": lambda _, connection: connection.zone,
    "bytes": _both(_octets),
    "packets": _both(_packets),
    "avgpkt": _average(_both(_octets), _both(_packets)),
    "l3proto": lambda _, connection: NF_FAMILIES[connection.original.family],
    "protocol": lambda _, connection: connection.protocol,
}


def _directed(is_reply: int) -> dict[str, Asker]:
    return {
        "bytes": _one(_octets, is_reply),
        "packets": _one(_packets, is_reply),
        "avgpkt": _average(_one(_octets, is_reply), _one(_packets, is_reply)),
        "zone": _zone(is_reply),
        "l3proto": _GENERAL["l3proto"],
        "protocol": _GENERAL["protocol"],
        "ip saddr": _flow("source", is_reply, 4),
        "ip daddr": _flow("destination", is_reply, 4),
        "ip6 saddr": _flow("source", is_reply, 6),
        "ip6 daddr": _flow("destination", is_reply, 6),
        "proto-src": _own_part(0, is_reply),
        "proto-dst": _own_part(2, is_reply),
    }


CT_READERS: Final[dict[str, Reader]] = {
    "ct state": lambda walk: walk.ct_bits,
    "ct direction": lambda walk: walk.direction,
    **{f"ct {key}": _of_connection(ask) for key, ask in _GENERAL.items()},
    **{
        f"ct {direction} {key}": _of_connection(ask)
        for is_reply, direction in enumerate(DIRECTIONS)
        for key, ask in _directed(is_reply).items()
    },
}
_VARIES: Final = ("status", "mark", "expiration", "helper", "label", "bytes", "packets", "avgpkt")
CT_SETTLED: Final = frozenset(text for text in CT_READERS if text.split()[-1] not in _VARIES)
