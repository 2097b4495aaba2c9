"""Packets from words: each builder takes what a test wants to say and fills in the rest.

Checksums are right unless a test says otherwise, and are summed word by word here, so that they
also check the library's own way of summing.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address

FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ECE": 64, "CWR": 128}
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58

CLIENT, SERVER = "10.0.1.2", "10.0.2.2"
CLIENT6, SERVER6 = "fd00:1::2", "fd00:2::2"


def internet_checksum(octets: bytes) -> int:
    total = 0
    for at in range(0, len(octets), 2):
        total += (octets[at] << 8) + (octets[at + 1] if at + 1 < len(octets) else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ip(source, destination, protocol, payload, *, options=b"", fragment=0, extensions=()):
    """Build an IPv4 or IPv6 packet; `extensions` is (first header number, bytes) for IPv6."""
    a, b = ip_address(source), ip_address(destination)
    if a.version == 4:
        words = 5 + len(options) // 4
        length = words * 4 + len(payload)
        head = struct.pack("!BBHHHBBH", 0x40 | words, 0, length, 0, fragment, 64, protocol, 0)
        head += a.packed + b.packed + options
        return head[:10] + internet_checksum(head).to_bytes(2, "big") + head[12:] + payload
    first, walked = extensions if extensions else (protocol, b"")
    body = walked + payload
    return struct.pack("!IHBB16s16s", 6 << 28, len(body), first, 64, a.packed, b.packed) + body


def pseudo_header(source, destination, protocol, length):
    return (
        ip_address(source).packed
        + ip_address(destination).packed
        + struct.pack("!II", length, protocol)
    )


def summed(segment, at, source, destination, protocol):
    """Fill in the checksum at an offset."""
    checksum = internet_checksum(
        pseudo_header(source, destination, protocol, len(segment)) + segment
    )
    return segment[:at] + checksum.to_bytes(2, "big") + segment[at + 2 :]


def tcp_segment(
    sport, dport, flags="ACK", seq=0, ack=0, *, window=65535, options=b"", data=b"", offset=None
):
    bits = sum(FLAGS[flag] for flag in flags.split(",") if flag and flag != "none")
    options += b"\0" * (-len(options) % 4)
    words = 5 + len(options) // 4 if offset is None else offset
    head = struct.pack("!HHIIHHHH", sport, dport, seq, ack, words << 12 | bits, window, 0, 0)
    return head + options + data


def tcp(sport=1000, dport=80, flags="ACK", seq=0, ack=0, *, source=CLIENT, destination=SERVER,
        bad=False, ip_options=b"", fragment=0, extensions=(), **more):  # fmt: skip
    segment = summed(
        tcp_segment(sport, dport, flags, seq, ack, **more), 16, source, destination, TCP
    )
    return ip(source, destination, TCP, spoiled(segment, 16) if bad else segment,
              options=ip_options, fragment=fragment, extensions=extensions)  # fmt: skip


def udp(sport=1000, dport=53, data=b"", *, source=CLIENT, destination=SERVER, length=None,
        checksum=None, bad=False, **more):  # fmt: skip
    length = 8 + len(data) if length is None else length
    datagram = struct.pack("!HHHH", sport, dport, length, 0) + data
    if checksum is None:
        datagram = summed(datagram, 6, source, destination, UDP)
    return ip(source, destination, UDP, spoiled(datagram, 6) if bad else datagram, **more)


def icmp(type_, code=0, id_=7, seq=1, data=b"", *, source=CLIENT, destination=SERVER, bad=False,
         rest=None):  # fmt: skip
    """Build ICMP between IPv4 addresses, ICMPv6 between IPv6 addresses; `rest` is bytes 4 to 8."""
    rest = struct.pack("!HH", id_, seq) if rest is None else rest
    message = struct.pack("!BBH", type_, code, 0) + rest + data
    if ":" in source:
        message = summed(message, 2, source, destination, ICMPV6)
    else:
        message = message[:2] + internet_checksum(message).to_bytes(2, "big") + message[4:]
    protocol = ICMPV6 if ":" in source else ICMP
    return ip(source, destination, protocol, spoiled(message, 2) if bad else message)


def icmp_error(quoted, type_=3, code=1, *, source=SERVER, destination=CLIENT, cut=None, bad=False):
    """Build an ICMP error that quotes a packet, cut after `cut` bytes."""
    ends = {"source": source, "destination": destination}
    return icmp(type_, code, data=quoted[:cut], rest=bytes(4), bad=bad, **ends)


def spoiled(octets, at):
    """Make a checksum wrong, and not zero."""
    wrong = int.from_bytes(octets[at : at + 2], "big") ^ 0x5555 or 1
    return octets[:at] + wrong.to_bytes(2, "big") + octets[at + 2 :]
