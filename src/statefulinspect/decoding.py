"""How an IP packet is read: from its bytes to the decoded record.

`decode` finds the transport header, names the flow and says what is wrong with the packet before
any connection is looked at. It never raises: what cannot be read gives a `Packet` whose `reason`
is not OK. The hot path does without the record; it reads the same bytes by itself.
"""

from __future__ import annotations

import struct
from typing import Final

from statefulinspect.extensions import (
    EXTENSIONS,
    HOP_BY_HOP,
    LATER_FRAGMENT,
    NO_NEXT,
    find_fragment_header,
    hop_by_hop_stands,
    walk_extensions,
)
from statefulinspect.flowkey import GRE, ICMP, ICMP_PROTOCOLS, ICMPV6, PORT_PROTOCOLS
from statefulinspect.ipv4_options import options_pass
from statefulinspect.packet import Packet, PacketLike, refuse_context, to_bytes
from statefulinspect.terms import OK, Reason
from statefulinspect.zones import NO_ZONE, Zone

IPV4_HEADER: Final = struct.Struct("!BxHxxHxB").unpack_from  # RFC 791 3.1
IPV6_HEADER: Final = struct.Struct("!B3xHB").unpack_from  # RFC 8200 3

# What the hot path needs of a packet whose IP header is plain, in one call each. IPv4 without
# options gives first byte, length, fragment field, protocol, key, and the twelve bytes behind the
# ports: of TCP sequence, acknowledgement, offset and flags, window. IPv6 without extension headers
# gives payload length, protocol, key, and the same twelve bytes.
PLAIN_IPV4: Final = struct.Struct("!BxH2xHxB2x12sIIHH").unpack_from
PLAIN_IPV6: Final = struct.Struct("!4xHBx36sIIHH").unpack_from
DONT_FRAGMENT: Final = 0x4000  # the one bit of that field which a whole packet may well have set
MORE_FRAGMENTS: Final = 0x2000
FRAGMENT_OFFSET: Final = 0x1FFF
NOT_WHOLE: Final = MORE_FRAGMENTS | FRAGMENT_OFFSET
IPV4_FRAGMENT_FIELD: Final = 6  # its offset in the header

GROUP: Final = 0xFF  # an IPv6 group's first byte; the next one's low bits are its scope
SCOPE: Final = 0x0F  # RFC 4291 2.7: scope 0 is reserved, and no group sends

NO_GRE_KEY: Final = bytes(4)
GRE_VERSION: Final = 7  # of the second byte's bits
GRE_PPP: Final = b"\x88\x0b"  # RFC 2637 4.1


def decode(
    packet: PacketLike, iif: str = "", oif: str = "", mark: int = 0, zone: Zone = NO_ZONE
) -> Packet:
    """Read an IP packet, given as `Tracker.process` takes it; never raises, whatever its bytes are.

    TypeError or ValueError for interfaces and a mark that cannot be. Bytes behind the IP total
    length do not belong to the packet. Only the IP header and the key are looked at here; what
    follows is the business of the protocol's machine.

    >>> decode(bytes.fromhex("4500001c0000400040110000 0a000001 0a000002 00350400 00080000"))
    Packet(10.0.0.1:53 > 10.0.0.2:1024, protocol 17)
    """
    refuse_context(iif, oif, mark)
    wire = packet if type(packet) is bytes else to_bytes(packet)
    decoded = Packet(wire, iif=iif, oif=oif, mark=mark, zone=zone)
    version = wire[0] >> 4 if wire else 0
    if version == 4:
        decoded.reason = _read_ipv4(decoded)
    elif version == 6:
        decoded.reason = _read_ipv6(decoded)
    else:
        decoded.reason = Reason.NOT_IP
    if decoded.reason is OK:
        decoded.key, decoded.reason = flow_key(decoded)
    return decoded


def _read_ipv4(packet: Packet) -> Reason:
    """Check the header as Linux's IP layer does and find the transport header."""
    wire = packet.wire
    if len(wire) < 20:
        return Reason.IP_HEADER_MALFORMED
    first, length, fragment, protocol = IPV4_HEADER(wire)
    header_length = (first & 15) * 4
    if not 20 <= header_length <= length:
        return Reason.IP_HEADER_MALFORMED
    packet.family, packet.protocol, packet.l4 = 4, protocol, header_length
    packet.stop = min(length, len(wire))
    if length > len(wire):
        return Reason.IP_CUT_SHORT
    if not options_pass(wire[20:header_length]):
        packet.barred = Reason.IPV4_OPTIONS
    if not fragment & NOT_WHOLE:
        return OK
    packet.fragment_at = IPV4_FRAGMENT_FIELD
    return Reason.FRAGMENT


def _read_ipv6(packet: Packet) -> Reason:
    """Check the header and walk the extension headers to the transport header."""
    wire = packet.wire
    if len(wire) < 40:
        return Reason.IP_HEADER_MALFORMED
    _, payload_length, next_header = IPV6_HEADER(wire)
    packet.family, packet.protocol, packet.l4 = 6, next_header, 40
    packet.stop = min(40 + payload_length, len(wire))
    if 40 + payload_length > len(wire):
        return Reason.IP_CUT_SHORT
    if wire[8] == GROUP or (wire[24] == GROUP and wire[25] & SCOPE == 0):
        return Reason.GROUP_ADDRESS
    if next_header == HOP_BY_HOP:
        packet.stop = packet.stop if payload_length else len(wire)  # RFC 2675 3: its own length
        if not hop_by_hop_stands(wire, packet.stop):
            return Reason.HOP_BY_HOP_MALFORMED
    return _find_transport(packet)


def _find_transport(packet: Packet) -> Reason:
    """Walk over extension headers, whatever is in them."""
    wire, first = packet.wire, packet.wire[6]
    packet.protocol, packet.l4, fragment = walk_extensions(wire, first, 40, packet.stop)
    if first in EXTENSIONS:
        packet.fragment_at, _ = find_fragment_header(wire, packet.stop)
    return Reason.FRAGMENT if fragment else _transport(packet.protocol)


def _transport(protocol: int) -> Reason:
    """Say what is wrong with where a walk over extension headers has ended."""
    if protocol in EXTENSIONS:
        return Reason.EXTENSION_MALFORMED
    return Reason.NO_NEXT_HEADER if protocol == NO_NEXT else OK


def decode_whole(wire: bytes, last: Packet) -> Packet:
    """Read a datagram that was put together, which came as its latest fragment did.

    Hop-by-hop options behind a fragment header are not for routers: Linux does not look at them.
    """
    whole = decode(wire, last.iif, last.oif, last.mark, last.zone)
    whole.hook = last.hook
    if whole.reason is Reason.HOP_BY_HOP_MALFORMED:
        whole.reason = _find_transport(whole)
        if whole.reason is OK:
            whole.key, whole.reason = flow_key(whole)
    return take_as_whole(whole)


def take_as_whole(packet: Packet) -> Packet:
    """Read a first IPv6 fragment as if it were a whole packet; a later one stays a fragment.

    So Linux judges fragments that it has not put together.
    """
    if packet.reason is not Reason.FRAGMENT:
        return packet
    _, _, fragment = walk_extensions(packet.wire, packet.wire[6], 40, packet.stop)
    if not fragment & LATER_FRAGMENT:
        packet.reason = _transport(packet.protocol)
        if packet.reason is OK:
            packet.key, packet.reason = flow_key(packet)
    return packet


def flow_key(packet: Packet) -> tuple[bytes | None, Reason]:
    """Cut the flow key out of a packet whose transport header was found."""
    protocol, l4 = packet.protocol, packet.l4
    if protocol == (ICMPV6 if packet.family == 4 else ICMP):
        return None, Reason.WRONG_FAMILY
    addresses = packet.wire[12:20] if packet.family == 4 else packet.wire[8:40]
    if protocol == GRE:
        part, reason = _gre_part(packet.wire[l4 : min(l4 + 8, packet.stop)])
        return addresses + part, reason
    needed = 4 if protocol in PORT_PROTOCOLS else 8 if protocol in ICMP_PROTOCOLS else 0
    if needed and packet.stop - l4 < needed:
        return None, Reason.HEADER_CUT_SHORT
    own = packet.wire[l4 : l4 + needed]
    if protocol in ICMP_PROTOCOLS:
        own = own[4:6] + own[:2]
    return addresses + own, OK


def _gre_part(header: bytes) -> tuple[bytes, Reason]:
    """Give source key and call id of enhanced GRE (RFC 2637); none for other versions."""
    if len(header) < 8 or header[1] & GRE_VERSION != 1:
        return NO_GRE_KEY, OK
    reason = OK if header[2:4] == GRE_PPP else Reason.GRE_PROTOCOL
    return NO_GRE_KEY[:2] + header[6:8], reason
