"""Where in a packet's bytes headers and options are: for the selectors that name them."""

from __future__ import annotations

from typing import Callable, Final, Optional

from statefulinspect.extensions import find_for_rules
from statefulinspect.flowkey import GRE, SCTP, TCP, UDP
from statefulinspect.ipv4_options import ROUTER_ALERT
from statefulinspect.machines.sctp_chunks import HEADER as SCTP_HEADER
from statefulinspect.rules.engine.walk import Walk

Finder = Callable[[Walk], Optional[int]]

END_OF_OPTIONS, NO_OPERATION = 0, 1  # kinds of TCP and IPv4 options that have no length
TCP_HEADER: Final = 20
UDP_HEADER: Final = 8
GRE_HEADER: Final = 4
GRE_ROUTING, GRE_VERSION = 0x40, 7  # in the first octets; Linux looks into neither but 0
IPV4_INSIDE: Final = 4
TOS_PRIORITIES: Final = (0, 2, 6, 4)  # by throughput and delay in the type of service: man tc-prio


def transport(walk: Walk) -> int | None:
    """Find the transport header."""
    return walk.l4


def inner(walk: Walk) -> int | None:
    """Find what follows the transport header: the bytes of the user."""
    at, protocol = walk.l4, walk.protocol
    if at is None:
        return None
    if protocol == UDP:
        return at + UDP_HEADER
    if protocol == GRE:
        return _inside_gre(walk.wire, at, walk.packet.stop)
    if protocol == IPV4_INSIDE:
        return at
    span = options_of(walk)
    if span is None:
        return None
    _, stop = span
    return stop


def _inside_gre(wire: bytes, at: int, stop: int) -> int | None:
    """Find what GRE carries: checksum, key and number come before it, if it has them (RFC 2890)."""
    if at + GRE_HEADER > stop or wire[at] & GRE_ROUTING or wire[at + 1] & GRE_VERSION:
        return None
    return at + GRE_HEADER + 4 * bin(wire[at] & 0xB0).count("1")


def find_chunk(kind: int) -> Finder:
    """Make the finder of an SCTP chunk, which gives the offset of its type octet."""

    def find(walk: Walk) -> int | None:
        wire, stop = walk.wire, walk.packet.stop
        if walk.protocol != SCTP or walk.l4 is None:
            return None
        at = walk.l4 + SCTP_HEADER
        while at + 4 <= stop:
            length = chunk_length(wire, at)
            if length == 0:
                return None
            if wire[at] == kind:
                return at
            at += length + 3 & ~3
        return None

    return find


def chunk_length(wire: bytes, at: int) -> int:
    """Tell how long an SCTP chunk says to be; 0 is an error."""
    return int.from_bytes(wire[at + 2 : at + 4], "big")


def within_chunk(find: Finder, size: int) -> Finder:
    """Make the finder of an SCTP chunk whose first octets are asked for, or 0 if it is enough."""

    def found(walk: Walk) -> int | None:
        at = find(walk)
        if at is None or size == 0:
            return at
        length = chunk_length(walk.wire, at)
        return at if size <= length <= walk.packet.stop - at else None

    return found


def find_extension(number: int) -> Finder:
    """Make the finder of an IPv6 extension header, which gives its offset."""

    def find(walk: Walk) -> int | None:
        packet = walk.packet
        return find_for_rules(walk.wire, number, packet.stop) if packet.family == 6 else None

    return find


def options_of(walk: Walk) -> tuple[int, int] | None:
    """Find where the options of a TCP header begin and end; None if there is no whole header."""
    end, at = walk.packet.stop, walk.l4
    if walk.protocol != TCP or at is None or at + TCP_HEADER > end:
        return None
    stop = at + (walk.wire[at + 12] >> 4) * 4
    return None if stop > end else (at + TCP_HEADER, stop)


def find_tcp_option(kind: int) -> Finder:
    """Make the finder of a TCP option, which gives the offset of its kind octet."""

    def find(walk: Walk) -> int | None:
        span = options_of(walk)
        return None if span is None else _find_tcp_option(walk.wire, kind, *span)

    return find


def within_option(find: Finder, size: int) -> Finder:
    """Make the finder of a TCP option that lies in the header and has so many octets."""

    def found(walk: Walk) -> int | None:
        at, span = find(walk), options_of(walk)
        if at is None or span is None:
            return None
        _, stop = span
        return at if size <= option_length(walk.wire, at) <= stop - at else None

    return found


def find_ipv4_option(kind: int) -> Finder:
    """Make the finder of an IPv4 option, which gives the offset of its type octet."""

    def find(walk: Walk) -> int | None:
        packet = walk.packet
        if packet.family != 4:
            return None
        return _find_option(walk.wire, kind, 20, packet.l4)

    return find


def _find_tcp_option(wire: bytes, kind: int, at: int, stop: int) -> int | None:
    """Go over options as Linux does for rules: up to the octet before the last, ends included."""
    while at < stop - 1:
        if wire[at] == kind:
            return at
        at += option_length(wire, at)
    return None


def option_length(wire: bytes, at: int) -> int:
    """Tell how long a TCP option says to be; 1 if it has no length or says none."""
    return 1 if wire[at] <= NO_OPERATION else max(wire[at + 1], 1)


def _find_option(wire: bytes, kind: int, at: int, stop: int) -> int | None:
    """Go over IPv4 options for one, of router alerts for the last; what is malformed ends it.

    Linux takes no router alert for one whose value is not 0, which has no meaning (RFC 2113 2.1).
    """
    alert = None
    while at < stop and wire[at] != END_OF_OPTIONS:
        if wire[at] == kind != ROUTER_ALERT:
            return at
        if wire[at] == NO_OPERATION:
            at += 1
            continue
        if at + 1 >= stop or wire[at + 1] < 2:
            break
        if wire[at] == kind and not any(wire[at + 2 : at + 4]):
            alert = at
        at += wire[at + 1]
    return alert


def send_on(walk: Walk) -> None:
    """Take a hop off the packet, as Linux does before the rules of forward see it.

    Type of service tells the priority of IPv4 packets from now on, whatever rules have set. The
    IPv4 checksum is brought up to date as it is done on the way (RFC 1624), right or wrong.
    """
    walk.is_sent_on = True
    wire = walk.wire
    if walk.packet.family == 6:
        walk.wire = wire[:7] + bytes([max(wire[7] - 1, 0)]) + wire[8:]
        return
    walk.priority = TOS_PRIORITIES[wire[1] >> 3 & 3]
    checksum = int.from_bytes(wire[10:12], "big") + 0x0100
    checksum = (checksum + (checksum >= 0xFFFF)) & 0xFFFF
    head = bytes([max(wire[8] - 1, 0), wire[9]]) + checksum.to_bytes(2, "big")
    walk.wire = wire[:8] + head + wire[12:]
