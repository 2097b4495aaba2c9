"""Whether the Internet checksum of a header or a payload is right (RFC 1071).

A one's complement sum of 16-bit words is the number read as one big integer, modulo 65535: each
word weighs 65536**n, which is 1 modulo 65535. So a few conversions and one division do in C what a
loop over words would do in Python. A right checksum makes the sum zero modulo 65535.

As in Linux, transport checksums cover the whole IP payload, whatever a length field inside says.
"""

from __future__ import annotations

from typing import Final

from statefulinspect.flowkey import ICMP, UDP
from statefulinspect.packet import Packet

WORD_MAX: Final = 0xFFFF
PART: Final = 384  # octets read at once, whole words: longer numbers cost more for each octet
NO_CHECKSUM: Final = bytes(2)  # of a UDP datagram that has none (RFC 768, RFC 6935)


def is_zero_sum(octets: bytes, more: int = 0) -> bool:
    """Say whether 16-bit words, with `more` added, sum to zero in one's complement.

    Words that are all zero do not: one's complement has two zeros, and a checksum makes the sum
    the other one.
    """
    padded = octets if len(octets) % 2 == 0 else octets + b"\0"
    if len(padded) <= PART:
        total = int.from_bytes(padded, "big") + more
    else:
        total = more
        for at in range(0, len(padded), PART):
            total += int.from_bytes(padded[at : at + PART], "big")
    return total % WORD_MAX == 0 and total != 0


def summed(header: bytes) -> bytes:
    """Fill in the checksum of an IPv4 header."""
    blank = header[:10] + bytes(2) + header[12:]
    checksum = WORD_MAX - int.from_bytes(blank, "big") % WORD_MAX
    return header[:10] + checksum.to_bytes(2, "big") + header[12:]


def header_is_right(packet: Packet) -> bool:
    """Verify the IPv4 header checksum (RFC 791 3.1)."""
    return is_zero_sum(packet.wire[: (packet.wire[0] & 15) * 4])


def payload_is_right(packet: Packet) -> bool:
    """Verify a checksum over the IP payload alone: ICMP (RFC 792)."""
    return is_zero_sum(packet.wire[packet.l4 : packet.stop])


def transport_is_right(
    packet: Packet, covered: int | None = None, protocol: int | None = None
) -> bool:
    """Verify a checksum with the pseudo header: TCP, UDP, ICMPv6 (RFC 9293 3.1, RFC 8200 8.1).

    `covered` is how many octets of the payload the sum reaches over, if not all; `protocol`
    stands in the pseudo header, if not the packet's own.
    """
    octets = packet.wire[packet.l4 : packet.stop]
    addresses = packet.source_octets + packet.destination_octets
    number = packet.protocol if protocol is None else protocol
    pseudo = int.from_bytes(addresses, "big") + number + len(octets)
    return is_zero_sum(octets[:covered], pseudo)


def plain_is_right(packet: bytes, protocol: int, start: int, length: int) -> bool:
    """Verify every checksum of a packet of TCP, UDP or ICMP, of which no record is made.

    It has neither options nor extension headers: the payload begins at 20 in IPv4, at 40 in IPv6,
    with the addresses right in front of it. The packet ends at `length`.
    """
    if start == 20 and int.from_bytes(packet[:20], "big") % WORD_MAX:  # its version is not zero
        return False
    if protocol == UDP and packet[start + 6 : start + 8] == NO_CHECKSUM:
        return True
    if protocol == ICMP:
        return is_zero_sum(packet[start:length])
    addresses_at = 12 if start == 20 else 8
    return is_zero_sum(packet[addresses_at:length], protocol + length - start)
