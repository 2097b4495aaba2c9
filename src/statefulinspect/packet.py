"""The decoded record: one IP packet, as rules, machines, helpers and people look at it.

`decode` finds the transport header, names the flow and says what is wrong with the packet before
any connection is looked at. It never raises: what cannot be read gives a `Packet` whose `reason`
is not OK. The hot path does without this record; it reads the same bytes by itself (`wirefields`).

This is the one file of the library that knows dpkt: its packet objects are turned into the bytes
that they stand for.
"""

from __future__ import annotations

import struct
from typing import Final, Union

import attrs
import dpkt

from statefulinspect.extensions import NO_NEXT, walk_extensions
from statefulinspect.flowkey import (
    ICMP,
    ICMP_PROTOCOLS,
    ICMPV6,
    PORT_PROTOCOLS,
    Address,
    FlowKey,
    address_of,
)
from statefulinspect.terms import OK, Reason

PacketLike = Union[bytes, bytearray, memoryview, dpkt.ip.IP, dpkt.ip6.IP6, dpkt.ethernet.Ethernet]

IPV4_HEADER: Final = struct.Struct("!BxHxxHxB").unpack_from  # RFC 791 3.1
IPV6_HEADER: Final = struct.Struct("!B3xHB").unpack_from  # RFC 8200 3

# What the hot path needs of a TCP packet whose IP header is plain, in one call each: IPv4 without
# options gives length, fragment, protocol, key, sequence, acknowledgement, offset+flags, window;
# IPv6 without extension headers the same without the fragment field.
PLAIN_IPV4_TCP: Final = struct.Struct("!2xH2xHxB2x12sIIHH").unpack_from
PLAIN_IPV6_TCP: Final = struct.Struct("!4xHBx36sIIHH").unpack_from
MORE_FRAGMENTS: Final = 0x2000
FRAGMENT_OFFSET: Final = 0x1FFF
NOT_WHOLE: Final = MORE_FRAGMENTS | FRAGMENT_OFFSET


def to_bytes(packet: PacketLike) -> bytes:
    """Give the raw IP packet that a bytes-like or dpkt object stands for.

    An Ethernet frame gives its payload, IP or not. dpkt writes its objects anew, and not always as
    it read them: prefer raw bytes where there are any. What dpkt cannot write (ESP in IPv6) gives
    no bytes, which is not IP. TypeError for any other object.
    """
    if isinstance(packet, (bytes, bytearray, memoryview)):
        return bytes(packet)
    if isinstance(packet, dpkt.ethernet.Ethernet):
        packet = packet.data
    elif not isinstance(packet, (dpkt.ip.IP, dpkt.ip6.IP6)):
        msg = f"{type(packet).__name__}: expected bytes, dpkt.ip.IP, dpkt.ip6.IP6 or dpkt Ethernet"
        raise TypeError(msg)
    try:
        return bytes(packet)
    except Exception:  # whatever dpkt trips over, a packet never raises
        return b""


@attrs.define(eq=False)
class Packet:
    """Hold one decoded IP packet; `wire` keeps its bytes, offsets point into them.

    `l4` is the offset of the transport header, `stop` the end of the IP payload. `key` names the
    flow; it is None when the packet has no transport header that could name one, and `reason`
    then says why. `iif`, `oif`, `mark` and `zone` are what the caller said of the packet.

    >>> decode(bytes.fromhex("4500001c0000400040110000 0a000001 0a000002 00350400 00080000"))
    Packet(10.0.0.1:53 > 10.0.0.2:1024, protocol 17)
    """

    wire: bytes = attrs.field()
    family: int = 0
    protocol: int = -1
    l4: int = 0
    stop: int = 0
    key: bytes | None = None
    reason: Reason = OK
    iif: str = ""
    oif: str = ""
    mark: int = 0
    zone: int = 0

    @property
    def length(self) -> int:
        """Tell the octets of the IP packet, header included: what the counters add up."""
        return self.stop

    @property
    def payload_length(self) -> int:
        """Tell the octets from the transport header to the end of the packet."""
        return self.stop - self.l4

    @property
    def flow(self) -> FlowKey | None:
        """Give the flow key as a view with addresses and ports; None if there is none."""
        return None if self.key is None else FlowKey(self.protocol, self.key)

    @property
    def source_octets(self) -> bytes:
        """Give the source address as it stands on the wire; empty if there is none."""
        return self.wire[12:16] if self.family == 4 else self.wire[8:24] if self.family else b""

    @property
    def destination_octets(self) -> bytes:
        """Give the destination address as it stands on the wire; empty if there is none."""
        return self.wire[16:20] if self.family == 4 else self.wire[24:40] if self.family else b""

    @property
    def source(self) -> Address | None:
        """Give the source address; None if the packet is not IP."""
        return address_of(self.source_octets) if self.family else None

    @property
    def destination(self) -> Address | None:
        """Give the destination address; None if the packet is not IP."""
        return address_of(self.destination_octets) if self.family else None

    @property
    def source_port(self) -> int | None:
        """Give the source port; None where the protocol or the packet has none."""
        return self._own_number(0, PORT_PROTOCOLS)

    @property
    def destination_port(self) -> int | None:
        """Give the destination port; None where the protocol or the packet has none."""
        return self._own_number(2, PORT_PROTOCOLS)

    @property
    def icmp_type(self) -> int | None:
        """Give the ICMP or ICMPv6 type; None for other protocols."""
        return self._icmp_octet(0)

    @property
    def icmp_code(self) -> int | None:
        """Give the ICMP or ICMPv6 code; None for other protocols."""
        return self._icmp_octet(1)

    def u16(self, at: int) -> int:
        """Read two bytes at an offset from the transport header."""
        return int.from_bytes(self.wire[self.l4 + at : self.l4 + at + 2], "big")

    def _own_number(self, at: int, protocols: frozenset[int]) -> int | None:
        has_it = self.key is not None and self.protocol in protocols
        return self.u16(at) if has_it else None

    def _icmp_octet(self, at: int) -> int | None:
        has_it = self.key is not None and self.protocol in ICMP_PROTOCOLS
        return self.wire[self.l4 + at] if has_it else None

    def __repr__(self) -> str:
        """Show the packet's ends and protocol."""
        if not self.family:
            return f"Packet({len(self.wire)} bytes, not IP)"
        ends = [
            f"{address}" if port is None else f"{address}:{port}"
            for address, port in (
                (self.source, self.source_port),
                (self.destination, self.destination_port),
            )
        ]
        return f"Packet({' > '.join(ends)}, protocol {self.protocol})"


def decode(wire: bytes, iif: str = "", oif: str = "", mark: int = 0, zone: int = 0) -> Packet:
    """Read an IP packet; never raises, whatever the bytes are.

    Bytes behind the IP total length do not belong to the packet. Only the IP header and the key
    are looked at here; what follows is the business of the protocol's machine.
    """
    packet = Packet(wire, iif=iif, oif=oif, mark=mark, zone=zone)
    version = wire[0] >> 4 if wire else 0
    if version == 4:
        packet.reason = _read_ipv4(packet)
    elif version == 6:
        packet.reason = _read_ipv6(packet)
    else:
        packet.reason = Reason.NOT_IP
    if packet.reason is OK:
        packet.key, packet.reason = flow_key(packet)
    return packet


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
    return Reason.FRAGMENT if fragment & NOT_WHOLE else OK


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
    protocol, l4, fragment = walk_extensions(wire, next_header, 40, packet.stop)
    packet.protocol, packet.l4 = protocol, l4
    if l4 > packet.stop:
        return Reason.EXTENSION_MALFORMED
    if fragment:
        return Reason.FRAGMENT
    return Reason.NO_NEXT_HEADER if protocol == NO_NEXT else OK


def flow_key(packet: Packet) -> tuple[bytes | None, Reason]:
    """Cut the flow key out of a packet whose transport header was found."""
    protocol, l4 = packet.protocol, packet.l4
    if protocol == (ICMPV6 if packet.family == 4 else ICMP):
        return None, Reason.WRONG_FAMILY
    addresses = packet.wire[12:20] if packet.family == 4 else packet.wire[8:40]
    needed = 4 if protocol in PORT_PROTOCOLS else 8 if protocol in ICMP_PROTOCOLS else 0
    if packet.stop - l4 < needed:
        return None, Reason.HEADER_CUT_SHORT
    own = packet.wire[l4 : l4 + needed]
    if protocol in ICMP_PROTOCOLS:
        own = own[4:6] + own[:2]
    return addresses + own, OK
