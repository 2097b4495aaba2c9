"""Options are walked by length, and whatever cannot be walked ends the walk."""

from __future__ import annotations

import pytest

from builders import tcp
from statefulinspect.decoding import decode
from statefulinspect.machines.side_flags import SACK_PERMITTED, SCALE_OFFERED
from statefulinspect.machines.tcp_segment import (
    check_header,
    highest_sack,
    read_segment,
    scale_and_flags,
)
from statefulinspect.machines.tcp_table import ACK, FIN, RST, SYN, SYN_ACK
from statefulinspect.terms import OK, Reason

BOTH = SACK_PERMITTED | SCALE_OFFERED


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", (0, 0)),
        ("030307", (7, SCALE_OFFERED)),
        ("03030e", (14, SCALE_OFFERED)),
        ("03030f", (14, SCALE_OFFERED)),
        ("0303ff", (14, SCALE_OFFERED)),
        ("0402", (0, SACK_PERMITTED)),
        ("01010402010303 02", (2, BOTH)),
        ("00030307", (0, 0)),
        ("0304 0700", (0, 0)),
        ("0403 00", (0, 0)),
        ("0303", (0, 0)),
        ("03", (0, 0)),
        ("0200 0402", (0, 0)),
        ("0201 0402", (0, 0)),
        ("020405b4 0402", (0, SACK_PERMITTED)),
        ("ff02 0402", (0, SACK_PERMITTED)),
    ],
)
def test_what_a_syn_offers(options, expected):
    assert scale_and_flags(bytes.fromhex(options)) == expected


def block(*edges: int) -> str:
    return "".join(f"{edge:08x}" for edge in edges)


@pytest.mark.parametrize(
    ("options", "highest"),
    [
        ("", 100),
        ("0101080a" + block(1, 2), 100),
        ("050a" + block(150, 200), 200),
        ("0512" + block(150, 200, 300, 400), 400),
        ("0512" + block(300, 400, 150, 200), 400),
        ("050a" + block(10, 20), 100),
        ("0101080a" + block(1, 2) + "050a" + block(150, 200), 200),
        ("0502" + "050a" + block(150, 200), 200),
        ("050c" + block(150, 200) + "0000", 100),
        ("050a" + block(150, 200) + "050a" + block(300, 400), 200),
        ("050a" + block(0xFFFF_FF00, 0x8000_0063), 0x8000_0063),
        ("050a" + block(0, 0x9000_0000), 100),
    ],
)
def test_the_highest_edge_that_is_acknowledged(options, highest):
    assert highest_sack(bytes.fromhex(options), 100) == highest


LEGAL = {
    "SYN": SYN, "SYN,URG": SYN, "SYN,ACK": SYN_ACK, "RST": RST, "RST,ACK": RST, "FIN,ACK": FIN,
    "FIN,ACK,URG": FIN, "ACK": ACK, "ACK,URG": ACK,
}  # fmt: skip
NAMES = ["FIN", "SYN", "RST", "ACK", "URG"]
SETS = [",".join(n for i, n in enumerate(NAMES) if bits >> i & 1) for bits in range(32)]


@pytest.mark.parametrize("flags", SETS)
@pytest.mark.parametrize("free", ["", "PSH", "ECE,CWR"])
def test_every_set_of_flags(flags, free):
    packet = decode(tcp(flags=f"{flags},{free}"))
    legal = {frozenset(key.split(",")): event for key, event in LEGAL.items()}
    event = legal.get(frozenset(flags.split(",")))
    assert check_header(packet) is (Reason.TCP_FLAGS if event is None else OK)
    if event is not None:
        assert read_segment(packet).event is event


@pytest.mark.parametrize(
    ("flags", "length", "end"),
    [
        ("ACK", 0, 5),
        ("ACK", 10, 15),
        ("SYN", 0, 6),
        ("SYN", 3, 9),
        ("FIN,ACK", 2, 8),
        ("RST", 0, 5),
    ],
)
def test_the_end_counts_data_syn_and_fin(flags, length, end):
    assert read_segment(decode(tcp(flags=flags, seq=5, data=bytes(length)))).end == end


def test_the_end_wraps():
    assert read_segment(decode(tcp(seq=0xFFFF_FFFF, data=b"abc"))).end == 2


@pytest.mark.parametrize(
    ("offset", "reason"), [(4, "TCP_DATA_OFFSET"), (5, "OK"), (6, "TCP_DATA_OFFSET")]
)
def test_the_data_offset(offset, reason):
    assert check_header(decode(tcp(offset=offset))).name == reason


def test_a_header_cut_short():
    packet = tcp()[:-1]
    packet = packet[:2] + len(packet).to_bytes(2, "big") + packet[4:]
    assert check_header(decode(packet)) is Reason.HEADER_CUT_SHORT
