"""Whether a UDP datagram is whole and right (RFC 768)."""

from __future__ import annotations

from statefulinspect.checksums import transport_is_right
from statefulinspect.packet import Packet
from statefulinspect.terms import OK, Reason


def check_lengths(packet: Packet) -> Reason:
    """Check that the datagram has its header, and that its length field can be."""
    if packet.payload_length < 8:
        return Reason.HEADER_CUT_SHORT
    return OK if 8 <= packet.u16(4) <= packet.payload_length else Reason.UDP_LENGTH


def check_lengths_and_checksum(packet: Packet) -> Reason:
    """Check the checksum too; 0 means that there is none, in IPv6 as well (RFC 6935)."""
    reason = check_lengths(packet)
    if reason is OK and packet.u16(6) and not transport_is_right(packet):
        return Reason.CHECKSUM
    return reason
