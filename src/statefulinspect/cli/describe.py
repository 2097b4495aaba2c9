"""How one packet is written in one line, in the manner of tcpdump."""

from __future__ import annotations

from typing import Final

from statefulinspect.cli.words import message_name
from statefulinspect.flowkey import (
    ICMP_PROTOCOLS,
    PROTOCOL_NAMES,
    TCP,
    UDP,
    Address,
    show_address,
)
from statefulinspect.machines.icmp import MessageKind, kind_of, quoted_flow
from statefulinspect.machines.tcp_flags import ACK_FLAG
from statefulinspect.packet import Packet
from statefulinspect.terms import Reason

# The TCP flags from the lowest bit up (RFC 9293 3.1, RFC 3168).
FLAGS: Final = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")


def describe(packet: Packet) -> str:
    """Write a packet as `10.0.1.2.40000 > 10.0.2.2.80: tcp SYN seq 1 len 0`."""
    source, destination = packet.source, packet.destination
    if source is None or destination is None:
        return f"{len(packet.wire)} octets without an IP header"
    sender = _end(source, packet.source_port)
    receiver = _end(destination, packet.destination_port)
    return f"{sender} > {receiver}: {_contents(packet)}"


def protocol_name(protocol: int) -> str:
    """Name an IP protocol; by its number if it has no name here."""
    return PROTOCOL_NAMES.get(protocol, f"protocol {protocol}")


def _end(address: Address, port: int | None) -> str:
    shown = show_address(address)
    return shown if port is None else f"{shown}.{port}"


def _contents(packet: Packet) -> str:
    if packet.key is not None and packet.protocol == TCP and packet.payload_length >= 20:
        return _tcp(packet)
    if packet.key is not None and packet.protocol == UDP and packet.payload_length >= 8:
        return f"udp len {packet.payload_length - 8}"
    if packet.key is not None and packet.protocol in ICMP_PROTOCOLS:
        return _icmp(packet)
    fragment = " fragment" if packet.reason is Reason.FRAGMENT else ""
    return f"{protocol_name(packet.protocol)}{fragment} len {packet.payload_length}"


def _tcp(packet: Packet) -> str:
    bits, header_length = packet.u16(12) & 0xFF, (packet.u16(12) >> 12) * 4
    flags = ",".join(flag for bit, flag in enumerate(FLAGS) if bits >> bit & 1) or "none"
    acknowledged = f" ack {_u32(packet, 8)}" if bits & ACK_FLAG else ""
    data_length = max(0, packet.payload_length - header_length)
    return f"tcp {flags} seq {_u32(packet, 4)}{acknowledged} len {data_length}"


def _icmp(packet: Packet) -> str:
    wire, at = packet.wire, packet.l4
    words = f"{PROTOCOL_NAMES[packet.protocol]} "
    words += message_name(packet.protocol, wire[at], wire[at + 1])
    kind = kind_of(packet)
    if kind is MessageKind.ERROR:
        return words + _quote(packet)
    if kind in (MessageKind.OPENING, MessageKind.ANSWER):
        return f"{words} id {packet.u16(4)} seq {packet.u16(6)}"
    return f"{words} len {packet.payload_length - 8}"


def _quote(packet: Packet) -> str:
    """Write which packet an error is about; nothing if it cannot be read."""
    against = quoted_flow(packet)
    if against is None:
        return ""
    sender = _end(against.destination, against.destination_port)
    receiver = _end(against.source, against.source_port)
    return f" for {sender} > {receiver} {protocol_name(against.protocol)}"


def _u32(packet: Packet, at: int) -> int:
    return packet.u16(at) << 16 | packet.u16(at + 2)
