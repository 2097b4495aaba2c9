"""Packets in tcpdump's words."""

from __future__ import annotations

import struct

import pytest

import builders
from builders import CLIENT, CLIENT6, SERVER, SERVER6
from statefulinspect.cli.describe import describe
from statefulinspect.decoding import decode

SIX = {"source": CLIENT6, "destination": SERVER6}
BACK6 = {"source": SERVER6, "destination": CLIENT6}
UDP = builders.udp(1000, 53, bytes(33))
UDP6 = builders.udp(1000, 53, **SIX)
FRAGMENT6 = (44, bytes([17, 0]) + struct.pack("!HI", 8, 1))

DESCRIPTIONS = [
    (
        builders.tcp(40000, 80, "SYN", seq=1),
        "10.0.1.2.40000 > 10.0.2.2.80: tcp SYN seq 1 len 0",
    ),
    (
        builders.tcp(40000, 80, "PSH,ACK", seq=1, ack=4294967295, data=b"ab", options=b"\1" * 12),
        "10.0.1.2.40000 > 10.0.2.2.80: tcp PSH,ACK seq 1 ack 4294967295 len 2",
    ),
    (
        builders.tcp(1, 2, "FIN,SYN,RST,PSH,ACK,URG,ECE,CWR"),
        "10.0.1.2.1 > 10.0.2.2.2: tcp FIN,SYN,RST,PSH,ACK,URG,ECE,CWR seq 0 ack 0 len 0",
    ),
    (builders.tcp(1, 2, "none"), "10.0.1.2.1 > 10.0.2.2.2: tcp none seq 0 len 0"),
    (builders.tcp(1, 2, "RST", offset=15), "10.0.1.2.1 > 10.0.2.2.2: tcp RST seq 0 len 0"),
    (
        builders.tcp(40000, 80, "SYN", seq=7, **SIX),
        "fd00:1::2.40000 > fd00:2::2.80: tcp SYN seq 7 len 0",
    ),
    (builders.ip(CLIENT, SERVER, 6, bytes(19)), "10.0.1.2.0 > 10.0.2.2.0: tcp len 19"),
    (builders.ip(CLIENT, SERVER, 6, bytes(3)), "10.0.1.2 > 10.0.2.2: tcp len 3"),
    (UDP, "10.0.1.2.1000 > 10.0.2.2.53: udp len 33"),
    (builders.ip(CLIENT, SERVER, 17, bytes(7)), "10.0.1.2.0 > 10.0.2.2.0: udp len 7"),
    (UDP[:30], "10.0.1.2 > 10.0.2.2: udp len 10"),
    (builders.udp(data=bytes(8), fragment=0x2000), "10.0.1.2 > 10.0.2.2: udp fragment len 16"),
    (builders.udp(extensions=FRAGMENT6, **SIX), "fd00:1::2 > fd00:2::2: udp fragment len 8"),
    (builders.icmp(8, id_=7, seq=1), "10.0.1.2 > 10.0.2.2: icmp echo request id 7 seq 1"),
    (builders.icmp(14, id_=7, seq=1), "10.0.1.2 > 10.0.2.2: icmp timestamp reply id 7 seq 1"),
    (builders.icmp(10, data=bytes(2)), "10.0.1.2 > 10.0.2.2: icmp router solicitation len 2"),
    (builders.icmp(77, 3), "10.0.1.2 > 10.0.2.2: icmp type 77 code 3 len 0"),
    (
        builders.icmp(129, id_=7, seq=2, **SIX),
        "fd00:1::2 > fd00:2::2: icmpv6 echo reply id 7 seq 2",
    ),
    (
        builders.icmp(135, data=bytes(16), **SIX),
        "fd00:1::2 > fd00:2::2: icmpv6 neighbour solicitation len 16",
    ),
    (
        builders.icmp_error(UDP, 3, 3),
        "10.0.2.2 > 10.0.1.2: icmp port unreachable for 10.0.1.2.1000 > 10.0.2.2.53 udp",
    ),
    (
        builders.icmp_error(UDP, 11, 0, source="10.0.1.1"),
        "10.0.1.1 > 10.0.1.2: icmp time exceeded for 10.0.1.2.1000 > 10.0.2.2.53 udp",
    ),
    (
        builders.icmp_error(builders.icmp(8), 3, 99),
        "10.0.2.2 > 10.0.1.2: icmp unreachable for 10.0.1.2 > 10.0.2.2 icmp",
    ),
    (
        builders.icmp_error(builders.ip(CLIENT, SERVER, 89, b""), 11, 1),
        "10.0.2.2 > 10.0.1.2: icmp reassembly time exceeded for 10.0.1.2 > 10.0.2.2 protocol 89",
    ),
    (builders.icmp_error(UDP, cut=10), "10.0.2.2 > 10.0.1.2: icmp host unreachable"),
    (
        builders.icmp_error(UDP6, 1, 0, **BACK6),
        "fd00:2::2 > fd00:1::2: icmpv6 no route for fd00:1::2.1000 > fd00:2::2.53 udp",
    ),
    (
        builders.icmp_error(UDP6, 2, 0, **BACK6),
        "fd00:2::2 > fd00:1::2: icmpv6 packet too big for fd00:1::2.1000 > fd00:2::2.53 udp",
    ),
    (builders.ip(CLIENT, SERVER, 47, bytes(4)), "10.0.1.2 > 10.0.2.2: gre len 4"),
    (builders.ip(CLIENT, SERVER, 89, bytes(4)), "10.0.1.2 > 10.0.2.2: protocol 89 len 4"),
    (builders.ip(CLIENT6, SERVER6, 59, b""), "fd00:1::2 > fd00:2::2: protocol 59 len 0"),
    (
        builders.udp(1, 2, source="::ffff:1.2.3.4", destination="::"),
        "::ffff:1.2.3.4.1 > ::.2: udp len 0",
    ),
    (b"", "0 octets without an IP header"),
    (bytes(20), "20 octets without an IP header"),
    (b"\x45\x00", "2 octets without an IP header"),
]


@pytest.mark.parametrize(("wire", "words"), DESCRIPTIONS, ids=[words for _, words in DESCRIPTIONS])
def test_describe(wire, words):
    assert describe(decode(wire)) == words


@pytest.mark.parametrize("protocol", [1, 2, 6, 17, 33, 47, 58, 132, 136])
@pytest.mark.parametrize(("source", "destination"), [(CLIENT, SERVER), (CLIENT6, SERVER6)])
def test_no_payload_however_short_makes_it_fail(source, destination, protocol):
    for length in range(70):
        for octet in (b"\x00", b"\x03", b"\x45", b"\x60", b"\xff"):
            wire = builders.ip(source, destination, protocol, octet * length)
            assert describe(decode(wire)).startswith(source)


@pytest.mark.parametrize("protocol", [1, 58])
def test_every_icmp_message_has_a_name(protocol):
    ends = (CLIENT, SERVER) if protocol == 1 else (CLIENT6, SERVER6)
    for type_ in range(256):
        wire = builders.ip(*ends, protocol, bytes([type_, 200]) + bytes(6))
        assert "icmp" in describe(decode(wire))
