"""Packets that the capture cut: filled up when all headers are there, else left alone."""

from __future__ import annotations

from math import inf

import pytest

import builders
from builders import CLIENT6, SERVER6
from statefulinspect.cli.cut import filled_up, octets_missing
from statefulinspect.cli.frame import Frame

SIX = {"source": CLIENT6, "destination": SERVER6}
BACK6 = {"source": SERVER6, "destination": CLIENT6}
DATA = bytes(range(1, 101))
HOP_BY_HOP = (0, bytes([17, 1, 0x1E, 12]) + bytes(12))  # one option that is not known
ECHO_OF_100 = builders.icmp(8, data=DATA)

# Each packet, and how many octets tracking needs of it.
PACKETS = {
    "tcp": (builders.tcp(data=DATA), 40),
    "tcp with options": (builders.tcp(data=DATA, options=b"\1" * 12), 52),
    "tcp with IP options": (builders.tcp(data=DATA, ip_options=b"\1" * 8), 48),
    "tcp with a data offset of 0": (builders.tcp(data=DATA, offset=0), 40),
    "tcp over IPv6": (builders.tcp(data=DATA, **SIX), 60),
    "udp": (builders.udp(data=DATA), 28),
    "udp over IPv6": (builders.udp(data=DATA, **SIX), 48),
    "udp behind hop by hop": (builders.udp(data=DATA, extensions=HOP_BY_HOP, **SIX), 64),
    "echo": (builders.icmp(8, data=DATA), 28),
    "echo over IPv6": (builders.icmp(128, data=DATA, **SIX), 48),
    "error about udp": (builders.icmp_error(builders.udp(data=DATA)), 56),
    "error about udp over IPv6": (
        builders.icmp_error(builders.udp(data=DATA, **SIX), 1, **BACK6),
        96,
    ),
    "error about hop by hop": (
        builders.icmp_error(builders.udp(data=DATA, extensions=HOP_BY_HOP, **SIX), 1, **BACK6),
        112,
    ),
    "error that quotes little": (builders.icmp_error(builders.udp(data=DATA), cut=24), 52),
    "other protocol": (builders.ip("1.1.1.1", "2.2.2.2", 89, DATA), 28),
}


@pytest.mark.parametrize(("whole", "needed"), PACKETS.values(), ids=PACKETS)
def test_zeros_stand_for_what_tracking_does_not_read(whole, needed):
    for kept in range(len(whole)):
        wire = whole[:kept]
        gone = octets_missing(wire, len(whole) - kept)
        if kept < needed:
            assert filled_up(wire, gone) == wire, kept
        else:
            assert filled_up(wire, gone) == wire + bytes(len(whole) - kept), kept


def test_a_packet_that_is_all_there_misses_nothing():
    assert octets_missing(ECHO_OF_100, inf) == 0
    assert octets_missing(ECHO_OF_100 + b"padding", inf) == 0
    assert octets_missing(b"\x00" * 20, inf) == 0


@pytest.mark.parametrize("kept", range(6))
def test_a_packet_without_its_length_was_as_long_as_any_header_at_least(kept):
    wire = ECHO_OF_100[:kept]
    assert octets_missing(wire, 100) == octets_missing(wire, inf) == 20 - kept
    assert octets_missing(wire, 0) == 0


def test_a_packet_that_was_short_on_the_wire_is_not_made_whole():
    wire = ECHO_OF_100[:60]
    assert octets_missing(wire, 0) == 0
    assert octets_missing(wire, 5) == 5
    assert octets_missing(wire, inf) == len(ECHO_OF_100) - 60


def test_what_is_no_ip_is_left_alone():
    assert filled_up(b"\x00\x01", 10) == b"\x00\x01"


@pytest.mark.parametrize(
    ("captured", "original", "snap_length", "missing"),
    [
        (60, 60, 262144, 0),
        (60, 60, 0, 0),
        (60, 100, 60, 40),
        (60, 100, 0, 40),
        (60, 60, 60, inf),  # the writer may have put down what it kept
        (60, 20, 262144, 0),
    ],
)
def test_what_a_record_says_of_its_frame(captured, original, snap_length, missing):
    assert Frame(0, 1, bytes(captured), original, snap_length).missing == missing
