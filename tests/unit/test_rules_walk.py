"""What a walk knows of a packet as it begins: what Linux tells rules, not what tracking reads."""

from __future__ import annotations

import struct

import pytest

from builders import icmp, ip, piece, tcp, udp
from statefulinspect.decoding import decode
from statefulinspect.rules.engine.walk import transport_for_rules, walk_of
from statefulinspect.zones import NO_ZONE

SIX = {"source": "fd00::1", "destination": "fd00::2"}
HOP, ROUTING, FRAGMENT, AH, OPTIONS, UDP, TCP = 0, 43, 44, 51, 60, 17, 6
UNKNOWN = (None, None)


def header(next_, size=8):
    """An extension header of so many octets."""
    return bytes([next_, size // 8 - 1]) + bytes(size - 2)


def authentication(next_, size=12):
    return bytes([next_, size // 4 - 2]) + bytes(size - 2)


def fragment(next_, offset=0, more=0):
    return struct.pack("!BBHI", next_, 0, offset << 3 | more, 7)


@pytest.mark.parametrize(
    ("first", "chain", "found"),
    [
        (UDP, b"", (UDP, 40)),
        (HOP, header(UDP), (UDP, 48)),
        (OPTIONS, header(ROUTING, 16) + header(TCP, 24), (TCP, 80)),
        (AH, authentication(UDP), (AH, 40)),
        (HOP, header(AH) + authentication(UDP), (AH, 48)),
        (59, b"", (59, 40)),
        (FRAGMENT, fragment(UDP), (UDP, 48)),
        (FRAGMENT, fragment(UDP, more=1), (UDP, 48)),
        (FRAGMENT, fragment(HOP) + header(UDP), (UDP, 56)),
        (FRAGMENT, fragment(UDP, offset=1), (UDP, None)),
        (FRAGMENT, fragment(UDP, offset=1, more=1), (UDP, None)),
        (FRAGMENT, fragment(UDP, offset=0x1FFF), (UDP, None)),
        (FRAGMENT, fragment(OPTIONS, offset=1), UNKNOWN),
        (FRAGMENT, fragment(AH, offset=1), UNKNOWN),
        (HOP, header(FRAGMENT) + fragment(TCP, offset=2), (TCP, None)),
    ],
)
def test_protocol_and_transport_header_behind_extensions(first, chain, found):
    wire = udp(**SIX, extensions=(first, chain))
    assert transport_for_rules(wire, len(wire)) == found


@pytest.mark.parametrize(
    ("first", "chain", "needed"),
    [(HOP, header(UDP), 2), (OPTIONS, header(UDP), 2), (FRAGMENT, fragment(UDP), 4)],
)
def test_of_a_header_that_is_cut_short_nothing_is_known(first, chain, needed):
    wire = udp(**SIX, extensions=(first, chain))
    for there in range(needed + 1):
        found = transport_for_rules(wire, 40 + there)
        assert found == (UNKNOWN if there < needed else (UDP, 48))
    behind = udp(**SIX, extensions=(OPTIONS, header(first) + chain))
    for there in range(needed + 1):
        found = transport_for_rules(behind, 48 + there)
        assert found == (UNKNOWN if there < needed else (UDP, 56))


@pytest.mark.parametrize(
    ("packet", "protocol", "l4"),
    [
        (udp(), UDP, 20),
        (tcp(), TCP, 20),
        (udp(options=bytes([1, 1, 1, 0])), UDP, 24),
        (udp(**SIX), UDP, 40),
        (udp(**SIX, extensions=(HOP, header(UDP))), UDP, 48),
        (udp(**SIX, extensions=(AH, authentication(UDP))), AH, 40),
        (piece(udp(data=bytes(99)), 0, 48), UDP, 20),
        (piece(udp(data=bytes(99)), 8, 48), UDP, None),
        (piece(udp(data=bytes(99)), 48), UDP, None),
        (piece(udp(data=bytes(99), **SIX), 0, 48), UDP, 48),
        (piece(udp(data=bytes(99), **SIX), 48), UDP, None),
    ],
)
def test_a_walk_begins_with_what_rules_may_know(packet, protocol, l4):
    walk = walk_of(decode(packet), 1.0)
    assert (walk.protocol, walk.l4) == (protocol, l4)


def test_a_walk_begins_with_what_the_caller_said():
    packet = decode(udp(), iif="lan", oif="wan", mark=7)
    walk = walk_of(packet, 2.5)
    assert (walk.now, walk.iif, walk.oif, walk.mark, walk.zone) == (2.5, "lan", "wan", 7, NO_ZONE)
    assert walk.wire is packet.wire
    assert not walk.find(NO_ZONE, UDP, packet.key, walk.now)
    assert walk.direction is None
    assert not any((walk.varies, walk.is_tracked, walk.is_exempt, walk.has_zone))
    assert walk.by_words


@pytest.mark.parametrize(
    ("packet", "type_", "code"),
    [
        (icmp(3, 13), 3, 13),
        (icmp(1, 4, **SIX), 1, 4),
        (udp(), None, None),
        (ip("10.0.0.1", "10.0.0.2", 1, b"\x03"), 3, None),
        (ip("10.0.0.1", "10.0.0.2", 1, b""), None, None),
        (piece(icmp(8, data=bytes(99)), 48), None, None),
    ],
)
def test_type_and_code_of_a_message(packet, type_, code):
    walk = walk_of(decode(packet), 0.0)
    assert (walk.message_type, walk.message_code) == (type_, code)


def test_a_memory_is_noted_before_it_changes():
    walk, noted = walk_of(decode(udp()), 0.0), []
    walk.touch("nobody listens")
    assert walk.varies
    walk.listener = type("Recorder", (), {"touch": noted.append})
    walk.touch("a memory")
    assert noted == ["a memory"]
