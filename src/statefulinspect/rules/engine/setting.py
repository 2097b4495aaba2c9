"""What rules set: the packet's mark, the connection's mark, labels, events and zone, header fields.

Nothing else hangs on `meta priority`, `meta nftrace`, `meta pkttype` and a segment size: setting
them does nothing here. A changed header field is seen by the rules behind, not by the caller.
"""

from __future__ import annotations

from typing import Any, Callable, Final

from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.words.headers import FIELDS
from statefulinspect.rules.words.selectors import Selector
from statefulinspect.terms import NEW
from statefulinspect.zones import Zone

Setter = Callable[[Walk, Any], None]

M32: Final = 0xFFFF_FFFF
NEW_BIT: Final = NEW.bit


def setter(target: Selector) -> tuple[Setter, bool]:
    """Give what sets a target, and whether it changes more than the packet at hand."""
    if target.text in SETTERS:
        return SETTERS[target.text], target.text != "meta mark"
    words = tuple(target.text.split(" ", 1))
    if words in FIELDS:
        return _header_setter(*words), True
    return _nothing, False


def _nothing(_: Walk, __: Any) -> None:
    """Change nothing that a rule could see."""


def _packet_mark(walk: Walk, value: int) -> None:
    walk.mark = value & M32


def _connection_mark(walk: Walk, value: int) -> None:
    if walk.connection is not None:
        walk.connection.mark = value & M32


def _labels(walk: Walk, value: int) -> None:
    if walk.connection is not None:
        walk.connection.labels |= value


def _events(walk: Walk, value: int) -> None:
    if walk.connection is not None and walk.is_fresh:
        walk.connection.event_mask = value


def _zone(way: int | None) -> Setter:
    """Make what sets the zone of a packet that is not tracked yet, of one direction or of both.

    In Linux that gives the packet a template of a connection, which nothing replaces: no other
    zone, and no notrack; and from then on it is new to the rules.
    """

    def assign(walk: Walk, value: int) -> None:
        if walk.is_tracked or walk.has_zone:
            return
        walk.has_zone, walk.is_exempt, walk.ct_bits = True, False, NEW_BIT
        original = walk.zone.original if way == 1 else value
        reply = walk.zone.reply if way == 0 else value
        walk.zone = Zone(original, reply)

    return assign


SETTERS: Final[dict[str, Setter]] = {
    "meta mark": _packet_mark,
    "ct mark": _connection_mark,
    "ct label": _labels,
    "ct event": _events,
    "ct zone": _zone(None),
    "ct original zone": _zone(0),
    "ct reply zone": _zone(1),
}


def _header_setter(protocol: str, name: str) -> Setter:
    """Make what writes a header field; checksums are not looked at again, and stay."""
    row = FIELDS[protocol, name]
    first, last = row.offset // 8, (row.offset + row.bits + 7) // 8
    shift = last * 8 - row.offset - row.bits
    mask = ((1 << row.bits) - 1) << shift
    is_network = protocol in ("ip", "ip6")

    def assign(walk: Walk, value: int) -> None:
        at = 0 if is_network else walk.l4
        if at is None or at + last > walk.packet.stop:
            return
        found = int.from_bytes(walk.wire[at + first : at + last], "big")
        changed = (found & ~mask | value << shift & mask).to_bytes(last - first, "big")
        walk.wire = walk.wire[: at + first] + changed + walk.wire[at + last :]

    return assign
