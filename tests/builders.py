"""Packets from words: each builder takes what a test wants to say and fills in the rest.

Checksums are right unless a test says otherwise, and are summed word by word here, so that they
also check the library's own way of summing.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from ipaddress import ip_address as parse_address

ip_address = lru_cache(maxsize=4096)(parse_address)

FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ECE": 64, "CWR": 128}
TCP, UDP, ICMP, ICMPV6, GRE, SCTP, UDPLITE = 6, 17, 1, 58, 47, 132, 136
CHUNKS = {
    "DATA": 0, "INIT": 1, "INIT_ACK": 2, "SACK": 3, "HEARTBEAT": 4, "HEARTBEAT_ACK": 5, "ABORT": 6,
    "SHUTDOWN": 7, "SHUTDOWN_ACK": 8, "ERROR": 9, "COOKIE_ECHO": 10, "COOKIE_ACK": 11,
    "SHUTDOWN_COMPLETE": 14,
}  # fmt: skip

CLIENT, SERVER = "10.0.1.2", "10.0.2.2"
CLIENT6, SERVER6 = "fd00:1::2", "fd00:2::2"


def internet_checksum(octets: bytes) -> int:
    total = 0
    for at in range(0, len(octets), 2):
        total += (octets[at] << 8) + (octets[at + 1] if at + 1 < len(octets) else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def address(packed):
    """Write 4 or 16 bytes as an address."""
    return str(ip_address(packed))


def packed(address_):
    """Give the 4 or 16 bytes of an address."""
    return ip_address(address_).packed


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


def piece(whole, start=0, stop=None, *, id_=1, more=None, ecn=0, data=None, before=(44, b""),
          options=b"", inner=None):  # fmt: skip
    """Cut a fragment out of a whole packet without options: its payload from `start` to `stop`.

    `data` replaces what is there, `more` says whether others follow, `before` is (first header
    number, bytes) of IPv6 headers before the fragment header, `inner` the number that announces
    what is behind it.
    """
    payload = whole[20 if whole[0] >> 4 == 4 else 40 :]
    stop = len(payload) if stop is None else stop
    data = payload[start:stop] if data is None else data
    more = start + len(data) < len(payload) if more is None else more
    if whole[0] >> 4 == 4:
        words = 5 + len(options) // 4
        head = bytes([0x40 | words, whole[1] | ecn]) + struct.pack(
            "!HHH", words * 4 + len(data), id_, more << 13 | start >> 3
        ) + whole[8:10] + bytes(2) + whole[12:20] + options  # fmt: skip
        return head[:10] + internet_checksum(head).to_bytes(2, "big") + head[12:] + data
    first, walked = before
    inner = whole[6] if inner is None else inner
    walked += struct.pack("!BBHI", inner, 0, start & 0xFFF8 | more, id_)
    length = (len(walked) + len(data)).to_bytes(2, "big")
    head = whole[:1] + bytes([whole[1] | ecn << 4]) + whole[2:4] + length + bytes([first])
    return head + whole[7:40] + walked + data


def pseudo_header(source, destination, protocol, length):
    return (
        ip_address(source).packed
        + ip_address(destination).packed
        + struct.pack("!II", length, protocol)
    )


def summed(segment, at, source, destination, protocol, covered=None):
    """Fill in the checksum at an offset."""
    checksum = internet_checksum(
        pseudo_header(source, destination, protocol, len(segment)) + segment[:covered]
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


def udplite(sport=1000, dport=53, data=b"", *, source=CLIENT, destination=SERVER, coverage=0,
            checksum=None, pseudo=UDPLITE, bad=False, **more):  # fmt: skip
    """Build UDP-Lite; `pseudo` is the protocol number in the pseudo header."""
    datagram = struct.pack("!HHHH", sport, dport, coverage, checksum or 0) + data
    if checksum is None:
        datagram = summed(datagram, 6, source, destination, pseudo, coverage or None)
    return ip(source, destination, UDPLITE, spoiled(datagram, 6) if bad else datagram, **more)


def gre(call_id=None, *, source=CLIENT, destination=SERVER, protocol=None, hex_="", **more):
    """Build GRE: version 1 with a call id, version 0 without; `hex_` is the payload."""
    if call_id is None:
        head = struct.pack("!HH", 0, 0x0800 if protocol is None else protocol)
    else:
        number = 0x880B if protocol is None else protocol
        head = struct.pack("!HHHH", 0x2001, number, len(hex_) // 2, call_id)
    return ip(source, destination, GRE, head + bytes.fromhex(hex_), **more)


def chunk(name, initiate_tag=0, *, reflected=False, length=None):
    """Build an SCTP chunk with a body of its usual size."""
    body = bytes(8)
    if name in ("INIT", "INIT_ACK"):
        body = struct.pack("!IIHHI", initiate_tag, 65536, 1, 1, 1)
    length = 4 + len(body) if length is None else length
    return struct.pack("!BBH", CHUNKS[name], reflected, length) + body


def sctp(chunks, tag=0, sport=1000, dport=80, *, source=CLIENT, destination=SERVER, tail=b"",
         bad=False, **more):  # fmt: skip
    """Build SCTP from chunks joined by +: NAME, NAME/initiate tag, NAME! (T bit), NAME#length."""
    octets = b"".join(map(_chunk, filter(None, chunks.split("+")))) + tail
    head = struct.pack("!HHII", sport, dport, tag, 0)
    wire = head[:8] + crc32c(head + octets).to_bytes(4, "little") + octets
    return ip(source, destination, SCTP, spoiled(wire, 8) if bad else wire, **more)


def _chunk(text):
    name, _, length = text.partition("#")
    name, _, initiate_tag = name.partition("/")
    return chunk(
        name.rstrip("!"),
        int(initiate_tag or "0", 0),
        reflected=name.endswith("!"),
        length=int(length) if length else None,
    )


def crc32c(octets):
    """Sum up bit by bit (RFC 9260 appendix A)."""
    total = 0xFFFFFFFF
    for octet in octets:
        total ^= octet
        for _ in range(8):
            total = total >> 1 ^ (0x82F63B78 if total & 1 else 0)
    return total ^ 0xFFFFFFFF


def icmp(type_, code=0, id_=7, seq=1, data=b"", *, source=CLIENT, destination=SERVER, bad=False,
         rest=None, **more):  # fmt: skip
    """Build ICMP between IPv4 addresses, ICMPv6 between IPv6 addresses; `rest` is bytes 4 to 8."""
    rest = struct.pack("!HH", id_, seq) if rest is None else rest
    message = struct.pack("!BBH", type_, code, 0) + rest + data
    if ":" in source:
        message = summed(message, 2, source, destination, ICMPV6)
    else:
        message = message[:2] + internet_checksum(message).to_bytes(2, "big") + message[4:]
    protocol = ICMPV6 if ":" in source else ICMP
    return ip(source, destination, protocol, spoiled(message, 2) if bad else message, **more)


def icmp_error(quoted, type_=3, code=1, *, source=SERVER, destination=CLIENT, cut=None, bad=False,
               **more):  # fmt: skip
    """Build an ICMP error that quotes a packet, cut after `cut` bytes."""
    ends = {"source": source, "destination": destination}
    return icmp(type_, code, data=quoted[:cut], rest=bytes(4), bad=bad, **ends, **more)


def redirect(quoted, *, code=0, hops=255, option=4, length=1, source="fe80::1",
             destination=CLIENT6, cut=None, bad=False):  # fmt: skip
    """Build an ICMPv6 redirect that quotes a packet, as a router on the link sends it."""
    better_hop = packed("fe80::2") + packed(SERVER6)
    data = better_hop + bytes([option, length]) + bytes(6) + quoted[:cut]
    packet = icmp(
        137, code, rest=bytes(4), data=data, source=source, destination=destination, bad=bad
    )
    return packet[:7] + bytes([hops]) + packet[8:]


def spoiled(octets, at):
    """Make a checksum wrong, and not zero."""
    wrong = int.from_bytes(octets[at : at + 2], "big") ^ 0x5555 or 1
    return octets[:at] + wrong.to_bytes(2, "big") + octets[at + 2 :]
