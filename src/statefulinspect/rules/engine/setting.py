"""What rules set: the packet's mark, the connection's mark, labels, events and zone, header fields.

Nothing hangs on `meta nftrace`: setting it does nothing here. A changed header field or TCP option
is seen by the rules behind, not by the caller. Where the header is not there, the rule ends.
"""

from __future__ import annotations

from typing import Any, Callable, Final

from statefulinspect.rules.engine.readers import BitPlace, finder_of, place_of
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.engine.wire import NO_OPERATION, option_length, options_of
from statefulinspect.rules.words.header_parts import OPTION_KINDS
from statefulinspect.rules.words.selectors import Selector
from statefulinspect.rules.words.symbols_notation import M32
from statefulinspect.terms import NEW_BIT
from statefulinspect.zones import Zone

Setter = Callable[[Walk, Any], bool]  # says whether the rule goes on

PATH_MTU: Final = "rt mtu"
MAXSEG: Final = OPTION_KINDS["maxseg"]


def setter(target: Selector) -> tuple[Setter, bool]:
    """Give what sets a target, and whether packets of one flow may fare differently by it."""
    if target.text in SETTERS:
        return SETTERS[target.text], target.text not in OF_THE_PACKET
    if target.text.startswith("tcp option"):
        return _option_setter(target.text), True
    where = place_of(target.text)
    return (_nothing, False) if where is None else (_bits_setter(where), True)


def _nothing(_: Walk, __: Any) -> bool:
    """Change nothing that a rule could see."""
    return True


def _packet_mark(walk: Walk, value: int) -> bool:
    walk.mark = value & M32
    return True


def _priority(walk: Walk, value: int) -> bool:
    walk.priority = value
    return True


def _pkttype(walk: Walk, value: int) -> bool:
    walk.pkttype = value
    return True


def _connection_mark(walk: Walk, value: int) -> bool:
    if walk.connection is not None:
        walk.connection.mark = value & M32
    return True


def _labels(walk: Walk, value: int) -> bool:
    if walk.connection is not None:
        walk.connection.labels |= value
    return True


def _events(walk: Walk, value: int) -> bool:
    if walk.connection is not None:
        walk.connection.event_mask = value
    return True


def _zone(is_reply: int | None) -> Setter:
    """Make what sets the zone of a packet that is not tracked yet, of one direction or of both.

    In Linux that gives the packet a template of a connection, which nothing replaces: no other
    zone, and no notrack; and from then on it is new to the rules.
    """

    def assign(walk: Walk, value: int) -> bool:
        if walk.is_tracked or walk.has_zone:
            return True
        walk.has_zone, walk.is_exempt, walk.ct_bits = True, False, NEW_BIT
        original = walk.zone.original if is_reply == 1 else value
        reply = walk.zone.reply if is_reply == 0 else value
        walk.zone = Zone(original, reply)
        return True

    return assign


SETTERS: Final[dict[str, Setter]] = {
    "meta mark": _packet_mark,
    "meta priority": _priority,
    "meta pkttype": _pkttype,
    "meta nftrace": _nothing,
    "ct mark": _connection_mark,
    "ct label": _labels,
    "ct event": _events,
    "ct zone": _zone(None),
    "ct original zone": _zone(0),
    "ct reply zone": _zone(1),
}


OF_THE_PACKET: Final = frozenset({"meta mark", "meta priority", "meta pkttype", "meta nftrace"})


def _bits_setter(where: BitPlace) -> Setter:
    """Make what writes bits into a header; checksums are not looked at again, and stay."""

    def assign(walk: Walk, value: int) -> bool:
        at = where.find(walk)
        if at is None or at + where.size > walk.packet.stop:
            return False
        _write(walk, at, where, value)
        return True

    return assign


def _option_setter(text: str) -> Setter:
    """Make what changes the first TCP option of a kind, or without a field fills it with NOPs.

    A packet without the option passes, one without room for it does not. The segment size is only
    ever lowered, and not to a path's MTU, which is not known.
    """
    where = place_of(text) or BitPlace(finder_of(text), 0, 0)

    def assign(walk: Walk, value: Any) -> bool:
        span, at = options_of(walk), where.find(walk)
        if span is None or at is None:
            return span is not None
        _, stop = span
        length = option_length(walk.wire, at)
        if at + length > stop or where.size > length:
            return False
        if not where.size:
            walk.wire = walk.wire[:at] + bytes([NO_OPERATION]) * length + walk.wire[at + length :]
        elif value != PATH_MTU and (walk.wire[at] != MAXSEG or value < _read(walk, at, where)):
            _write(walk, at, where, value)
        return True

    return assign


def _read(walk: Walk, at: int, where: BitPlace) -> int:
    found = int.from_bytes(walk.wire[at + where.first : at + where.size], "big")
    return found >> where.shift & where.mask


def _write(walk: Walk, at: int, where: BitPlace, value: int) -> None:
    first, stop, mask = at + where.first, at + where.size, where.mask << where.shift
    found = int.from_bytes(walk.wire[first:stop], "big")
    changed = (found & ~mask | value << where.shift & mask).to_bytes(stop - first, "big")
    walk.wire = walk.wire[:first] + changed + walk.wire[stop:]
