"""Which bytes name one direction of a flow, how they are reversed, and how they are shown.

A flow key is a protocol number and a run of bytes, laid out as the wire lays them out so that the
hot path can cut them from a packet in one piece:

    source address | destination address | the protocol's own part

The own part is source port and destination port (4 bytes) for protocols with ports; identifier,
type and code (4 bytes) for ICMP and ICMPv6; source key and call id (4 bytes) for GRE, both zero
but in version 1; nothing for all others. The length tells the family:
at most 12 bytes are IPv4, at least 32 are IPv6. So protocol and bytes together name exactly one
direction, and no two directions share a name. Bytes are hashed with a secret key (unless
PYTHONHASHSEED is set), so nobody can choose addresses and ports that collide in a table.

The layout is Linux's (its `tuple`): code belongs to the key, the ICMP sequence number does not.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple, Union

Address = Union[IPv4Address, IPv6Address]

ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17
DCCP: Final = 33
GRE: Final = 47
ICMPV6: Final = 58
SCTP: Final = 132
UDPLITE: Final = 136

PROTOCOL_NAMES: Final = {
    ICMP: "icmp",
    TCP: "tcp",
    UDP: "udp",
    DCCP: "dccp",
    GRE: "gre",
    ICMPV6: "icmpv6",
    SCTP: "sctp",
    UDPLITE: "udplite",
}
PORT_PROTOCOLS: Final = frozenset({TCP, UDP, SCTP, UDPLITE})
ICMP_PROTOCOLS: Final = frozenset({ICMP, ICMPV6})

# Each query type beside the type that answers it (RFC 792, RFC 950, RFC 4443, RFC 4620).
ICMP_PAIRS: Final = ((8, 0), (13, 14), (15, 16), (17, 18))
ICMPV6_PAIRS: Final = ((128, 129), (139, 140))
ICMP_ANSWERS: Final = {
    ICMP: {a: b for pair in ICMP_PAIRS for a, b in (pair, pair[::-1])},
    ICMPV6: {a: b for pair in ICMPV6_PAIRS for a, b in (pair, pair[::-1])},
}

IPV4_KEY_MAX: Final = 12  # two addresses and four bytes; any longer key is IPv6
# The parts of a key by its length: two addresses, and twice two bytes of the protocol's own.
PARTS: Final = {2 * size + 4: struct.Struct(f"{size}s{size}s2s2s") for size in (4, 16)}
MAPPED_PREFIX: Final = bytes(10) + b"\xff\xff"  # RFC 4291 2.5.5.2


def address_size(wire: bytes) -> int:
    """Tell how many bytes each address of a key has: 4 or 16."""
    return 4 if len(wire) <= IPV4_KEY_MAX else 16


def against(wire: bytes) -> bytes:
    """Name the other direction of a key with ports."""
    parts = PARTS[len(wire)]
    source, destination, first, second = parts.unpack(wire)
    return parts.pack(destination, source, second, first)


def reverse(protocol: int, wire: bytes) -> bytes | None:
    """Name the other direction; None for an ICMP type that has no answer.

    Reversing twice gives the key back.
    """
    parts = PARTS.get(len(wire))
    if parts is None:  # addresses only
        return wire[len(wire) // 2 :] + wire[: len(wire) // 2]
    if protocol not in ICMP_PROTOCOLS:
        return against(wire)
    source, destination, first, (type_, code) = parts.unpack(wire)
    answer = ICMP_ANSWERS[protocol].get(type_)
    return None if answer is None else parts.pack(destination, source, first, bytes((answer, code)))


def is_link_local(octets: bytes) -> bool:
    """Say whether the 16 wire bytes of an IPv6 address name a host on the link (RFC 4291 2.5.6)."""
    return octets[0] == 0xFE and octets[1] & 0xC0 == 0x80


def address_of(octets: bytes) -> Address:
    """Turn 4 or 16 wire bytes into an address object."""
    return IPv4Address(octets) if len(octets) == 4 else IPv6Address(octets)


def show_address(address: Address) -> str:
    """Write an address as inet_ntop does, by which conntrack and nft print it (RFC 5952).

    It ends IPv4-mapped addresses in dots, which Python before 3.13 does not, and IPv4-compatible
    ones (RFC 4291 2.5.5.1) too.
    """
    head, tail = address.packed[:12], address.packed[12:]
    if head == MAPPED_PREFIX:
        return f"::ffff:{IPv4Address(tail)}"
    if head == bytes(12) and tail[:2] != bytes(2):
        return f"::{IPv4Address(tail)}"
    return str(address)


class FlowKey(NamedTuple):
    r"""Name one direction of a flow: the protocol number and the bytes described above.

    >>> key = FlowKey(6, bytes([10, 0, 0, 1, 10, 0, 0, 2]) + b"\x04\x00\x00\x50")
    >>> key
    FlowKey(tcp src=10.0.0.1 dst=10.0.0.2 sport=1024 dport=80)
    >>> key.reverse().reverse() == key
    True
    """

    protocol: int
    wire: bytes

    @property
    def family(self) -> int:
        """Tell the IP version, 4 or 6."""
        return 4 if len(self.wire) <= IPV4_KEY_MAX else 6

    @property
    def source(self) -> Address:
        """Give the sender's address."""
        return address_of(self.wire[: address_size(self.wire)])

    @property
    def destination(self) -> Address:
        """Give the receiver's address."""
        size = address_size(self.wire)
        return address_of(self.wire[size : 2 * size])

    @property
    def source_port(self) -> int | None:
        """Give the sender's port; None where the protocol has none."""
        return self._number(0) if self.protocol in PORT_PROTOCOLS else None

    @property
    def destination_port(self) -> int | None:
        """Give the receiver's port; None where the protocol has none."""
        return self._number(2) if self.protocol in PORT_PROTOCOLS else None

    @property
    def icmp_id(self) -> int | None:
        """Give the ICMP identifier; None for other protocols."""
        return self._number(0) if self.protocol in ICMP_PROTOCOLS else None

    @property
    def icmp_type(self) -> int | None:
        """Give the ICMP type; None for other protocols."""
        return self.wire[-2] if self.protocol in ICMP_PROTOCOLS else None

    @property
    def icmp_code(self) -> int | None:
        """Give the ICMP code; None for other protocols."""
        return self.wire[-1] if self.protocol in ICMP_PROTOCOLS else None

    def reverse(self) -> FlowKey:
        """Name the other direction; ValueError for an ICMP type that has no answer."""
        wire = reverse(self.protocol, self.wire)
        if wire is None:
            msg = f"ICMP type {self.icmp_type} has no answer, so no flow goes against it"
            raise ValueError(msg)
        return FlowKey(self.protocol, wire)

    def __str__(self) -> str:
        """Write the key as the conntrack tool does."""
        ends = f"src={show_address(self.source)} dst={show_address(self.destination)}"
        return ends + self._own_part()

    def __repr__(self) -> str:
        """Show protocol and ends."""
        return f"FlowKey({PROTOCOL_NAMES.get(self.protocol, self.protocol)} {self})"

    def _number(self, at: int) -> int:
        """Read two bytes of the protocol's own part."""
        start = 2 * address_size(self.wire) + at
        return int.from_bytes(self.wire[start : start + 2], "big")

    def _own_part(self) -> str:
        if self.protocol in PORT_PROTOCOLS:
            return f" sport={self.source_port} dport={self.destination_port}"
        if self.protocol in ICMP_PROTOCOLS:
            return f" type={self.icmp_type} code={self.icmp_code} id={self.icmp_id}"
        if self.protocol == GRE:
            return f" srckey={self._number(0):#x} dstkey={self._number(2):#x}"
        # Linux tracks DCCP by address alone; the tool prints the fields it would have.
        return " sport=0 dport=0" if self.protocol == DCCP else ""
