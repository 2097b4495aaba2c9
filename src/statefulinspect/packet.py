"""The decoded record: one IP packet, as rules, machines, helpers and people look at it.

`decoding` makes it from bytes; the hot path does without it.

This is the one file of the library proper that knows dpkt: its packet objects are turned into the
bytes that they stand for.
"""

from __future__ import annotations

from typing import Protocol, Union

import attrs
import dpkt

from statefulinspect.flowkey import (
    ICMP_PROTOCOLS,
    PORT_PROTOCOLS,
    Address,
    FlowKey,
    address_of,
    show_address,
)
from statefulinspect.seqnum import M32
from statefulinspect.terms import OK, Reason
from statefulinspect.zones import NO_ZONE, Zone


class DpktPacket(Protocol):
    """Name what tells dpkt's objects from words and numbers to a type checker: it has no types."""

    __hdr_len__: int

    def __bytes__(self) -> bytes:
        """Write the packet."""
        ...


PacketLike = Union[bytes, bytearray, memoryview, DpktPacket]


def to_bytes(packet: PacketLike) -> bytes:
    """Give the raw IP packet that a bytes-like or dpkt object stands for.

    An Ethernet frame gives its payload, IP or not. dpkt writes its objects anew, and not always as
    it read them, nor leaves its objects as they were: missing checksums and lengths are filled in.
    Prefer raw bytes where there are any. What dpkt cannot write (ESP in IPv6) gives
    no bytes, which is not IP. TypeError for any other object.
    """
    if isinstance(packet, dpkt.ethernet.Ethernet):
        packet = packet.data
    elif not isinstance(packet, (dpkt.ip.IP, dpkt.ip6.IP6)):
        return _octets(packet)
    try:
        return bytes(packet)
    except Exception:  # whatever dpkt trips over, a packet never raises
        return b""


def _octets(packet: object) -> bytes:
    """Give the bytes of what has some as Python understands it: a buffer."""
    try:
        return bytes(memoryview(packet))  # type: ignore[arg-type]  # that is the question
    except TypeError:
        msg = f"{type(packet).__name__}: expected bytes, dpkt.ip.IP, dpkt.ip6.IP6 or dpkt Ethernet"
        raise TypeError(msg) from None


def refuse_context(iif: object, oif: object, mark: object) -> None:
    """Raise for what can be no interface and no mark: rules would not find it, and let it pass."""
    for name, given in (("iif", iif), ("oif", oif)):
        if not isinstance(given, str):
            msg = f"{name}={given!r}: expected the name of an interface"
            raise TypeError(msg)
    if not isinstance(mark, int):
        msg = f"mark={mark!r}: expected a whole number"
        raise TypeError(msg)
    if not 0 <= mark <= M32:
        msg = f"mark={mark!r}: expected a number from 0 to {M32}"
        raise ValueError(msg)


@attrs.define(eq=False)
class Packet:
    """Hold one decoded IP packet; `wire` keeps its bytes, offsets point into them.

    `l4` is the offset of the transport header, `stop` the end of the IP payload. `key` names the
    flow; it is None when the packet has no transport header that could name one. `reason` says
    what is wrong with the packet, and `barred` why it is dropped after it was tracked, if they are
    not OK. `fragment_at` is where an IPv6 fragment header is, or in IPv4 the fragment field of a
    fragment; 0 if there is none. `iif`, `oif`, `mark`, `zone` and `hook` are what the caller said
    of the packet.

    >>> from statefulinspect import decode
    >>> packet = decode(bytes.fromhex("4500001c00004000401100000a000102080808089c40003500080000"))
    >>> packet, packet.destination_port, packet.payload_length, packet.reason.name
    (Packet(10.0.1.2:40000 > 8.8.8.8:53, protocol 17), 53, 8, 'OK')
    """

    wire: bytes
    family: int = 0
    protocol: int = -1
    l4: int = 0
    stop: int = 0
    key: bytes | None = None
    reason: Reason = OK
    barred: Reason = OK
    fragment_at: int = 0
    iif: str = ""
    oif: str = ""
    mark: int = 0
    zone: Zone = NO_ZONE
    hook: str = "forward"

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
        return self._port(0)

    @property
    def destination_port(self) -> int | None:
        """Give the destination port; None where the protocol or the packet has none."""
        return self._port(2)

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

    def _port(self, at: int) -> int | None:
        has_it = self.key is not None and self.protocol in PORT_PROTOCOLS
        return self.u16(at) if has_it else None

    def _icmp_octet(self, at: int) -> int | None:
        has_it = self.key is not None and self.protocol in ICMP_PROTOCOLS
        return self.wire[self.l4 + at] if has_it else None

    def __repr__(self) -> str:
        """Show the packet's ends and protocol."""
        if not self.family:
            return f"Packet({len(self.wire)} bytes, not IP)"
        source = _end(self.source_octets, self.source_port)
        destination = _end(self.destination_octets, self.destination_port)
        return f"Packet({source} > {destination}, protocol {self.protocol})"


def _end(octets: bytes, port: int | None) -> str:
    """Write an address, with a port as URLs have it (RFC 3986 3.2.2)."""
    shown = show_address(address_of(octets))
    if port is None:
        return shown
    return f"{shown}:{port}" if len(octets) == 4 else f"[{shown}]:{port}"
