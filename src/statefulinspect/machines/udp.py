"""Whether a UDP or UDP-Lite datagram is whole and right (RFC 768, RFC 3828)."""

from __future__ import annotations

from functools import partial

from statefulinspect.checksums import transport_is_right
from statefulinspect.config import Config
from statefulinspect.flowkey import UDP
from statefulinspect.machines.request_reply import Validator
from statefulinspect.packet import Packet
from statefulinspect.terms import OK, Reason


def udp_check(config: Config) -> Validator:
    """Choose what is checked of UDP."""
    return check_lengths_and_checksum if config.verify_checksums else check_lengths


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


def udplite_check(config: Config) -> Validator:
    """Choose what is checked of UDP-Lite, whose checksum Linux sums up wrongly."""
    if not config.verify_checksums:
        return check_coverage
    return partial(check_coverage_and_checksum, UDP if config.udplite_sums_as_udp else None)


def check_coverage(packet: Packet) -> Reason:
    """Check that the datagram has its header and a checksum, and that its coverage can be."""
    if packet.payload_length < 8:
        return Reason.HEADER_CUT_SHORT
    if 0 < packet.u16(4) < 8 or packet.u16(4) > packet.payload_length:  # 0 is all of it
        return Reason.UDPLITE_COVERAGE
    return OK if packet.u16(6) else Reason.CHECKSUM_MISSING


def check_coverage_and_checksum(protocol: int | None, packet: Packet) -> Reason:
    """Check the checksum too, over the octets that it covers."""
    reason = check_coverage(packet)
    if reason is OK and not transport_is_right(packet, packet.u16(4) or None, protocol):
        return Reason.CHECKSUM
    return reason
