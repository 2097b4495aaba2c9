"""CRC32c against known sums, and against one that works bit by bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import builders
from builders import sctp
from statefulinspect.crc32c import crc32c, sctp_is_right

# RFC 3720 B.4, but for the first two.
KNOWN = {
    "nothing": (b"", 0),
    "digits": (b"123456789", 0xE306_9283),
    "32 zeros": (bytes(32), 0x8A91_36AA),
    "32 ones": (b"\xff" * 32, 0x62A8_AB43),
    "ascending": (bytes(range(32)), 0x46DD_794E),
    "descending": (bytes(range(31, -1, -1)), 0x113F_DB5C),
}
PACKET = sctp("DATA+SACK", tag=0x01020304, tail=b"odd")[20:]


@pytest.mark.parametrize(("octets", "total"), KNOWN.values(), ids=KNOWN)
def test_known_sums(octets, total):
    assert crc32c(octets) == total


@given(st.binary(max_size=300))
def test_a_table_sums_up_as_bits_do(octets):
    assert crc32c(octets) == builders.crc32c(octets)


def test_a_right_packet():
    assert sctp_is_right(PACKET)
    assert sctp_is_right(PACKET[:8] + crc32c(PACKET[:8] + bytes(4)).to_bytes(4, "little"))


def test_every_flipped_bit_is_noticed():
    for at in range(len(PACKET)):
        for bit in range(8):
            wrong = PACKET[:at] + bytes([PACKET[at] ^ 1 << bit]) + PACKET[at + 1 :]
            assert not sctp_is_right(wrong), (at, bit)


def test_the_sum_stands_in_the_packet_with_its_low_octet_first():
    assert not sctp_is_right(PACKET[:8] + PACKET[8:12][::-1] + PACKET[12:])
