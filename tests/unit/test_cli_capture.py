"""Captures of every kind, order and clock; cut at every octet; damaged; and no captures at all."""

from __future__ import annotations

import io
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dpkt import pcap, pcapng

from statefulinspect.cli.capture import read_frames
from statefulinspect.cli.frame import CaptureError, Frame
from statefulinspect.cli.source import RECORD_MAX, CaptureSource, opened

CAPTURES = Path(__file__).parent.parent / "captures"
FRAMES = [b"first frame", b"", b"the third"]
ORDERS = {"little": "<", "big": ">"}
NANOSECONDS = 1_000_000_000


def frames_from(source: CaptureSource) -> Iterator[Frame]:
    return read_frames(source, "replay -")


def frames_of(octets: bytes) -> list[Frame]:
    return list(frames_from(CaptureSource(io.BytesIO(octets))))


def read_until_error(octets: bytes) -> tuple[list[Frame], str]:
    """Read what can be read; give it with the complaint, which is empty at a proper end."""
    found = []
    try:
        for frame in frames_from(CaptureSource(io.BytesIO(octets))):
            found.append(frame)  # noqa: PERF402 - what came before the error is wanted
    except CaptureError as error:
        return found, str(error)
    return found, ""


def pcap_file(order="<", magic=0xA1B2C3D4, version=(2, 4), link_type=1, more=b"", snap_length=99):
    header = struct.pack(order + "IHHIIII", magic, *version, 0, 0, snap_length, link_type)
    for number, octets in enumerate(FRAMES, start=1):
        header += struct.pack(order + "IIII", number, number * 1000, len(octets), len(octets) + 5)
        header += more + octets
    return header


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<", version: int = 1) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, version, 0, -1), order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(link_type: int = 1, options: bytes = b"", order: str = "<", snap: int = 0) -> bytes:
    return block(1, struct.pack(order + "HHI", link_type, 0, snap) + options, order)


def packet(
    octets: bytes, ticks: int = 0, number: int = 0, order: str = "<", options: bytes = b""
) -> bytes:
    head = struct.pack(
        order + "IIIII", number, ticks >> 32, ticks & 0xFFFF_FFFF, len(octets), len(octets) + 5
    )
    return block(6, head + octets + bytes(-len(octets) % 4) + options, order)


def pcapng_file(order: str = "<") -> bytes:
    packets = [packet(octets, n * 1_001_000, order=order) for n, octets in enumerate(FRAMES, 1)]
    return section(order) + interface(order=order) + b"".join(packets)


EXPECTED = [
    Frame(number * 1_001_000_000, 1, octets, len(octets) + 5, 99)
    for number, octets in enumerate(FRAMES, start=1)
]


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_pcap_in_both_byte_orders(order):
    assert frames_of(pcap_file(order)) == EXPECTED


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_pcap_in_nanoseconds(order):
    found = frames_of(pcap_file(order, magic=0xA1B23C4D))
    assert [frame.at_ns for frame in found] == [1_000_001_000, 2_000_002_000, 3_000_003_000]


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_pcap_with_longer_record_headers(order):
    assert frames_of(pcap_file(order, magic=0xA1B2CD34, more=bytes(8))) == EXPECTED


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_pcapng_in_both_byte_orders(order):
    assert frames_of(pcapng_file(order)) == [each._replace(snap_length=0) for each in EXPECTED]


@pytest.mark.parametrize("module", [pcap, pcapng])
def test_what_dpkt_writes_is_read(module):
    file = io.BytesIO()
    writer = module.Writer(file, snaplen=2000, linktype=101)
    for second, octets in enumerate(FRAMES):
        writer.writepkt(octets, ts=1_700_000_000.5 + second)
    found = frames_of(file.getvalue())
    assert [(frame.octets, frame.link_type, frame.snap_length) for frame in found] == [
        (octets, 101, 2000) for octets in FRAMES
    ]
    assert [frame.at_ns - found[0].at_ns for frame in found] == [0, NANOSECONDS, 2 * NANOSECONDS]


def test_the_link_type_is_the_lower_half_of_its_field():
    assert frames_of(pcap_file(link_type=0x5400_0065))[0].link_type == 101


CLOCKS = {
    "microseconds unless told": (b"", 1_500_000),
    "nanoseconds": (option(9, b"\x09"), 1_500_000_000),
    "picoseconds": (option(9, b"\x0c"), 1_500_000_000_000),
    "seconds and a half by two": (option(9, b"\x81"), 3),
    "1024ths": (option(9, b"\x8a"), 1536),
    "an offset": (option(14, struct.pack("<q", -7)), 8_500_000),
    "both, behind others": (
        option(2, b"eth0") + option(9, b"\x03") + option(14, struct.pack("<q", 1)) + option(0, b""),
        500,
    ),
    "another behind the end": (option(9, b"\x03") + option(0, b"") + option(9, b"\x09"), 1500),
    "an option cut short": (struct.pack("<HH", 9, 1), 1_500_000),
}


@pytest.mark.parametrize(("options", "ticks"), CLOCKS.values(), ids=CLOCKS)
def test_pcapng_clocks(options, ticks):
    octets = section() + interface(options=options) + packet(b"x", ticks)
    assert frames_of(octets)[0].at_ns == 1_500_000_000


def test_times_of_today_are_exact_to_the_nanosecond():
    ticks = 1_795_446_561_940_350_123
    octets = section() + interface(options=option(9, b"\x09")) + packet(b"x", ticks)
    assert frames_of(octets)[0].at_ns == ticks


def test_each_packet_has_the_link_type_and_the_clock_of_its_interface():
    octets = (
        section()
        + interface(1, snap=96)
        + interface(101, option(9, b"\x09"))
        + packet(b"a", 1_000_000, 0)
        + packet(b"b", 1_000_000_000, 1)
        + interface(113, option(9, b"\x03"))
        + packet(b"c", 1000, 2)
    )
    assert frames_of(octets) == [
        Frame(NANOSECONDS, 1, b"a", 6, 96),
        Frame(NANOSECONDS, 101, b"b", 6, 0),
        Frame(NANOSECONDS, 113, b"c", 6, 0),
    ]


def test_each_section_has_its_own_byte_order_and_interfaces():
    octets = pcapng_file("<") + pcapng_file(">") + section() + interface(101) + packet(b"z")
    found = frames_of(octets)
    assert [frame.octets for frame in found] == [*FRAMES, *FRAMES, b"z"]
    assert [frame.link_type for frame in found] == [1] * 6 + [101]


def test_a_section_does_not_inherit_interfaces():
    found, complaint = read_until_error(pcapng_file() + section() + packet(b"z"))
    assert len(found) == 3
    assert complaint == "damaged: it holds a packet of interface 0, which is not described"


def test_obsolete_packet_blocks_are_read():
    head = struct.pack("<HHIIII", 0, 9, 0, 5, 3, 60)
    octets = section() + interface() + block(2, head + b"abc\0")
    assert frames_of(octets) == [Frame(5000, 1, b"abc", 60, 0)]


def test_other_blocks_and_comments_in_any_encoding_are_passed_over():
    comment = option(1, b"\xff\xfe caf\xe9") + option(0, b"")
    octets = section() + block(5, b"statistics") + interface(options=comment)
    octets += block(0xBAD, b"custom") + packet(b"x", options=comment) + block(4, b"names")
    assert [frame.octets for frame in frames_of(octets)] == [b"x"]


def test_simple_packets_are_refused_for_they_have_no_time():
    octets = pcapng_file() + block(3, struct.pack("<I", 4) + b"abcd")
    found, complaint = read_until_error(octets)
    assert len(found) == 3
    assert "no time" in complaint


WHOLE = {
    "pcap": (pcap_file(), 24),
    "pcap, big": (pcap_file(">"), 24),
    "pcapng": (pcapng_file(), 28),
    "pcapng, big": (pcapng_file(">"), 28),
}


@pytest.mark.parametrize(("octets", "header"), WHOLE.values(), ids=WHOLE)
def test_a_file_cut_anywhere_gives_all_that_is_whole_and_one_complaint(octets, header):
    everything = frames_of(octets)
    proper_ends = 0
    for end in range(len(octets)):
        found, complaint = read_until_error(octets[:end])
        assert found == everything[: len(found)]
        proper_ends += not complaint
        if end >= max(4, header):
            assert not complaint or complaint.startswith("cut short: the file ends within"), end
    blocks_without_packets = 1 if header == 24 else 2
    assert proper_ends == blocks_without_packets + len(FRAMES) - 1


@pytest.mark.parametrize("name", ["office.pcapng", "raw.pcap", "nanosecond.pcap"])
def test_a_real_file_with_any_octet_changed_never_fails_otherwise(name):
    octets = bytearray((CAPTURES / name).read_bytes()[:600])
    for at in range(len(octets)):
        for value in (0x00, 0x7F, 0xFF):
            was, octets[at] = octets[at], value
            read_until_error(bytes(octets))
            octets[at] = was


DAMAGED = {
    "a record of gigabytes": (
        pcap_file() + struct.pack("<IIII", 0, 0, 0xFFFF_FFFF, 0),
        f"damaged: a record at octet {len(pcap_file()) + 16} claims 4294967295 octets",
    ),
    "a block of gigabytes": (
        pcapng_file() + struct.pack("<II", 6, 0xFFFF_FFF0),
        f"damaged: a record at octet {len(pcapng_file()) + 8} claims 4294967272 octets",
    ),
    "a block of nothing": (
        pcapng_file() + struct.pack("<III", 6, 8, 8),
        "damaged: it holds a block of 8 octets",
    ),
    "an interface whose clock is off by ages": (
        pcapng_file() + interface(options=option(14, b"\x7f" * 400)) + packet(b"x", 0),
        "damaged: it holds an interface whose clock is off by 400 octets: expected 8",
    ),
    "a short packet block": (
        pcapng_file() + block(6, bytes(8)),
        "damaged: it holds a block of 20 octets",
    ),
    "two lengths": (
        pcapng_file() + block(5, bytes(8))[:-4] + struct.pack("<I", 16),
        "damaged: it holds a block whose two lengths differ",
    ),
    "a packet beyond its block": (
        pcapng_file() + block(6, struct.pack("<IIIII", 0, 0, 0, 9, 9) + bytes(8)),
        "damaged: it holds a packet of 9 octets in a block of 40",
    ),
    "a section of no order": (
        pcapng_file() + struct.pack("<III", 0x0A0D0D0A, 28, 7),
        "damaged: it holds a section without a byte order",
    ),
    "a section of another version": (
        pcapng_file() + section(version=2),
        "pcapng version 2 is not supported, only 1",
    ),
}


@pytest.mark.parametrize(("octets", "expected"), DAMAGED.values(), ids=DAMAGED)
def test_damage_is_named_after_what_came_before_it(octets, expected):
    found, complaint = read_until_error(octets)
    assert (len(found), complaint) == (3, expected)


NO_CAPTURES = {
    "empty": (b"", "the file is empty"),
    "text": (b"hello", "neither a pcap nor a pcapng file"),
    "one octet": (b"\xa1", "neither a pcap nor a pcapng file"),
    "old pcap": (pcap_file(version=(2, 2)), "pcap version 2.2 is not supported, only 2.4"),
    "future pcap": (pcap_file(version=(3, 0)), "pcap version 3.0 is not supported, only 2.4"),
    "half a header": (pcap_file()[:20], "cut short: the file ends within a record, at octet 20"),
    "half a magic": (pcapng_file()[:10], "cut short: the file ends within a record, at octet 10"),
}


@pytest.mark.parametrize(("octets", "expected"), NO_CAPTURES.values(), ids=NO_CAPTURES)
def test_what_is_no_capture(octets, expected):
    assert read_until_error(octets) == ([], expected)


COMPRESSED = {
    "gunzip": b"\x1f\x8b\x08\x00",
    "bunzip2": b"BZh91AY&SY",
    "xz -d": b"\xfd7zXZ",
    "zstd -d": b"\x28\xb5\x2f\xfd",
    "lz4 -d": b"\x04\x22\x4d\x18",
}


@pytest.mark.parametrize(("tool", "octets"), COMPRESSED.items(), ids=COMPRESSED)
def test_a_compressed_capture_is_advised_to_be_unpacked(tool, octets):
    expected = f"compressed; try: {tool} -c CAPTURE | statefulinspect replay -"
    assert read_until_error(octets) == ([], expected)


def test_a_link_type_that_cannot_be_read_is_refused_before_any_packet():
    found, complaint = read_until_error(pcap_file(link_type=105))
    assert found == []
    assert complaint.startswith("link type 105 is not supported")


def test_a_source_counts_what_it_hands_out(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with opened(str(path)) as source:
        assert (source.peek(4), source.position, source.size) == (b"0123", 0, 10)
        assert (source.take(3), source.position) == (b"012", 3)
        assert (source.peek(4), source.take(7), source.position) == (b"3456", b"3456789", 10)
        assert source.take_or_end(1) == b""
        with pytest.raises(CaptureError, match="cut short"):
            source.take(1)


def test_records_are_not_read_beyond_reason():
    file = io.BytesIO(bytes(RECORD_MAX + 1))
    assert len(CaptureSource(file).take(RECORD_MAX)) == RECORD_MAX
    with pytest.raises(CaptureError, match="damaged"):
        CaptureSource(file).take(RECORD_MAX + 1)


def test_only_regular_files_have_a_size():
    assert CaptureSource(io.BytesIO(b"12345")).size == 0
    read_end, write_end = os.pipe()
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        assert CaptureSource(pipe).size == 0


@pytest.mark.parametrize(
    ("name", "expected"), [("missing", "No such file or directory"), (".", "Is a directory")]
)
def test_what_cannot_be_opened(tmp_path, name, expected):
    with pytest.raises(CaptureError, match=expected), opened(str(tmp_path / name)):
        pass


def test_a_disk_that_fails_is_a_complaint_too():
    class Broken(io.BytesIO):
        def read(self, _=-1):
            raise OSError(5, "Input/output error")

    with pytest.raises(CaptureError, match="Input/output error"):
        list(frames_from(CaptureSource(Broken())))


def test_standard_input_is_called_minus(monkeypatch):
    class Standard:
        buffer = io.BytesIO(b"abc")

    monkeypatch.setattr(sys, "stdin", Standard)
    with opened("-") as source:
        assert source.take(3) == b"abc"
    assert not Standard.buffer.closed


REAL = {path.name: path for path in sorted(CAPTURES.glob("*.pcap*"))}


@pytest.mark.parametrize("path", REAL.values(), ids=REAL)
def test_real_captures_are_read_as_dpkt_reads_them(path):
    with path.open("rb") as file:
        expected = [octets for _, octets in pcap.UniversalReader(file)]
    found = frames_of(path.read_bytes())
    assert [frame.octets for frame in found] == expected
    assert all(frame.missing == 0 for frame in found)
