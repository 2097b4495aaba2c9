"""What a walk knows of a packet as it begins: what Linux tells rules, not what tracking reads."""

from __future__ import annotations

import pytest

from builders import icmp, ip, piece, tcp, udp
from statefulinspect.decoding import decode
from statefulinspect.rules.engine.walk import walk_of
from statefulinspect.zones import NO_ZONE

SIX = {"source": "fd00::1", "destination": "fd00::2"}
HOP, AH, UDP, TCP = 0, 51, 17, 6


@pytest.mark.parametrize(
    ("packet", "protocol", "l4"),
    [
        (udp(), UDP, 20),
        (tcp(), TCP, 20),
        (udp(options=bytes([1, 1, 1, 0])), UDP, 24),
        (udp(**SIX), UDP, 40),
        (udp(**SIX, extensions=(HOP, bytes([UDP, *bytes(7)]))), UDP, 48),
        (udp(**SIX, extensions=(AH, bytes([UDP, 1, *bytes(10)]))), AH, 40),
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
    walk.touch("nobody saves")
    assert walk.varies
    walk.saver = type("Saver", (), {"touch": noted.append})
    walk.touch("a memory")
    assert noted == ["a memory"]
