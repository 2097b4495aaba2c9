"""What is read of an SCTP packet: its tag, its chunks, and which may stand where."""

from __future__ import annotations

from itertools import product

import pytest

from builders import CHUNKS, CLIENT, CLIENT6, SCTP, SERVER, SERVER6, chunk, ip, sctp
from statefulinspect import Reason
from statefulinspect.decoding import decode
from statefulinspect.machines.sctp_chunks import (
    Chunk,
    check_chunks,
    misplaced,
    verification_tag,
    walk_chunks,
)
from statefulinspect.machines.sctp_table import SctpEvent

KINDS = {
    1: "INIT",
    2: "INIT_ACK",
    4: "HEARTBEAT",
    5: "HEARTBEAT_ACK",
    6: "ABORT",
    7: "SHUTDOWN",
    8: "SHUTDOWN_ACK",
    9: "ERROR",
    10: "COOKIE_ECHO",
    11: "COOKIE_ACK",
    14: "SHUTDOWN_COMPLETE",
}
V6 = {"source": CLIENT6, "destination": SERVER6}


def packet_of(octets, header=bytes(12)):
    return decode(ip(CLIENT, SERVER, SCTP, header + octets))


def walked(octets):
    return [(each.kind, each.length) for each in walk_chunks(packet_of(octets))]


def data(length, size):
    """A DATA chunk that claims a length; its body is what would be HEARTBEATs of four octets."""
    assert size % 4 == 0
    return bytes([0, 0]) + length.to_bytes(2, "big") + b"\4\0\0\4" * (size // 4 - 1)


@pytest.mark.parametrize("kind", range(256))
def test_what_a_chunk_is_to_the_machine(kind):
    assert Chunk(kind, 0, 4, b"").event is SctpEvent[KINDS.get(kind, "OTHER")]


@pytest.mark.parametrize("flags", range(256))
def test_the_tag_is_reflected_if_the_last_flag_says_so(flags):
    assert Chunk(6, flags, 4, b"").is_reflected is bool(flags % 2)


@pytest.mark.parametrize("size", range(20))
def test_an_initiate_tag_is_read_if_the_body_is_whole(size):
    body = (b"\x01\x02\x03\x04" + bytes(16))[:size]
    assert Chunk(1, 0, 20, body).initiate_tag == (0x01020304 if size >= 16 else None)


@pytest.mark.parametrize("names", [{}, V6], ids=["IPv4", "IPv6"])
def test_the_verification_tag(names):
    assert verification_tag(decode(sctp("DATA", tag=0x01020304, **names))) == 0x01020304


def test_a_chunk_and_what_follows_it():
    octets = chunk("HEARTBEAT", reflected=True) + chunk("DATA") + b"odd"
    first, second = walk_chunks(packet_of(octets))
    assert first == (4, 1, 12, octets[4:])
    assert second == (0, 0, 12, octets[16:])


@pytest.mark.parametrize("length", range(4, 17))
def test_the_next_chunk_begins_at_a_multiple_of_four(length):
    taken = -(-length // 4)
    heartbeats = [(4, 4)] * (4 - taken)
    assert walked(data(length, 16)) == [(0, length), *heartbeats]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_length_below_that_of_a_chunk_header_counts_as_one(length):
    assert walked(data(length, 12)) == [(0, length), (4, 4), (4, 4)]


@pytest.mark.parametrize("length", [17, 500, 65535])
def test_a_length_beyond_the_packet_ends_the_walk(length):
    assert walked(data(length, 16)) == [(0, length)]
    assert check_chunks(packet_of(data(length, 16))) is Reason.OK


def test_a_length_of_zero_ends_the_walk():
    assert walked(chunk("SACK") + data(0, 16)) == [(3, 12), (0, 0)]
    assert check_chunks(packet_of(chunk("SACK") + data(0, 16))) is Reason.SCTP_CHUNKS


@pytest.mark.parametrize("size", range(5))
def test_a_rest_that_is_too_short_for_a_chunk_is_none(size):
    rest = b"\4\0\0\4"[:size]
    assert walked(chunk("DATA") + rest) == [(0, 12)] + [(4, 4)] * (size == 4)
    assert check_chunks(packet_of(rest)).name == ("OK" if size == 4 else "SCTP_CHUNKS")


def test_bytes_behind_the_packet_are_no_chunks():
    packet = decode(ip(CLIENT, SERVER, SCTP, bytes(12)) + chunk("DATA"))
    assert list(walk_chunks(packet)) == []
    assert check_chunks(packet) is Reason.SCTP_CHUNKS


@pytest.mark.parametrize("size", range(4, 13))
def test_a_header_cut_short(size):
    packet = packet_of(b"", bytes(size))
    expected = "HEADER_CUT_SHORT" if size < 12 else "SCTP_CHUNKS"
    assert check_chunks(packet).name == expected


@pytest.mark.parametrize("name", CHUNKS)
def test_any_chunk_may_be_alone(name):
    assert check_chunks(decode(sctp(name))) is Reason.OK


ALONE = {"INIT", "INIT_ACK", "SHUTDOWN_COMPLETE"}
FIRST = {"COOKIE_ECHO", "COOKIE_ACK"}


@pytest.mark.parametrize(("first", "second"), list(product(CHUNKS, repeat=2)))
def test_two_chunks(first, second):
    stands = not {first, second} & ALONE and second not in FIRST
    assert check_chunks(decode(sctp(f"{first}+{second}"))).name == (
        "OK" if stands else "SCTP_CHUNKS"
    )


@pytest.mark.parametrize("name", CHUNKS)
def test_a_third_chunk(name):
    packet = decode(sctp(f"COOKIE_ECHO+DATA+{name}"))
    expected = "SCTP_CHUNKS" if name in ALONE | FIRST else "OK"
    assert check_chunks(packet).name == expected


def test_nothing_is_not_misplaced():
    assert not misplaced([])
