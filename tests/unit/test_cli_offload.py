"""TCP packets without a length, as a sender captures them before its network card cuts them."""

from __future__ import annotations

import pytest

import builders
from builders import CLIENT6, SERVER6
from statefulinspect.cli.offload import with_length

SIX = {"source": CLIENT6, "destination": SERVER6}
DATA = bytes(3000)
WHOLE = {
    "IPv4": builders.tcp(data=DATA),
    "with IP options": builders.tcp(data=DATA, ip_options=b"\1" * 8),
    "no longer than padding, but for one octet": builders.tcp(data=bytes(7)),
    "as long as can be": builders.tcp(data=bytes(65_495)),
    "IPv6": builders.tcp(data=DATA, **SIX),
    "IPv6, as long as can be": builders.tcp(data=bytes(65_515), **SIX),
}


def without_length(packet: bytes) -> bytes:
    at = 2 if packet[0] >> 4 == 4 else 4
    return packet[:at] + bytes(2) + packet[at + 2 :]


@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE)
def test_the_frame_tells_the_length_and_the_header_checksum_is_right_again(whole):
    assert with_length(without_length(whole), len(whole)) == whole


@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE)
def test_what_the_capture_cut_counts(whole):
    assert with_length(without_length(whole)[:46], len(whole)) == whole[:46]


def test_a_writer_may_forget_the_original_length():
    whole = builders.tcp(data=DATA)
    assert with_length(without_length(whole), 0) == whole


TOO_LONG = bytes(65_500)
OTHERS = {
    "with a length": builders.tcp(data=DATA)[:-9],
    "perhaps padded": without_length(builders.tcp(data=bytes(6))),
    "BIG TCP": without_length(builders.tcp()) + TOO_LONG,
    "BIG TCP over IPv6": without_length(builders.tcp(**SIX)) + TOO_LONG + bytes(20),
    "udp": without_length(builders.udp(data=DATA)),
    "udp over IPv6": without_length(builders.udp(data=DATA, **SIX)),
    "a jumbogram": without_length(builders.tcp(data=DATA, extensions=(0, bytes(8)), **SIX)),
    "no IP": bytes(3000),
    "next to nothing": b"\x45",
}


@pytest.mark.parametrize("wire", OTHERS.values(), ids=OTHERS)
def test_others_are_left_alone(wire):
    assert with_length(wire, len(wire)) == wire


def test_a_packet_cut_within_its_header_is_left_alone():
    assert with_length(b"\x45\0\0\0", 3000) == b"\x45\0\0\0"


@pytest.mark.parametrize("first", [0x40, 0x4F])
def test_a_header_length_that_cannot_be_stays_as_it_is(first):
    wire = bytes([first]) + without_length(builders.tcp(data=bytes(7)))[1:]
    mended = with_length(wire, 3000)
    assert (mended[:2], mended[2:4], mended[12:]) == (wire[:2], b"\x0b\xb8", wire[12:])
