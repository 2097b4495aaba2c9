"""Captures, answered by the library and by the running kernel.

Those of tests/captures, or with `--captures DIR` those you have. Packets follow each other as fast
as both can take them. Helpers read on their usual ports. Checksums are not looked at, for captures
of the sending machine have wrong ones; so payload that a capture has cut can be filled up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kernel.differ import TOLERANCE, Answer, Exchange, configure
from kernel.kernel import HELPERS, Kernel
from kernel.talks import Packet
from recorded.answers import ROUTER, with_hops_left
from statefulinspect import Config, Tracker, decode
from statefulinspect.checksums import summed
from statefulinspect.cli.capture import read_frames
from statefulinspect.cli.describe import describe
from statefulinspect.cli.frame import CaptureError
from statefulinspect.cli.options import Way
from statefulinspect.cli.passing import Passage
from statefulinspect.cli.source import opened

CAPTURES = Path(__file__).parents[1] / "captures"
SUFFIXES = (".cap", ".pcap", ".pcapng")
NAMES = {port: name for (_, port), name in HELPERS.items()}
CONFIG = Config.linux(accounting=True, verify_checksums=False, helpers=NAMES)
LOOPBACK = bytes(15) + b"\1"  # ::1, which is discarded if it comes from another device


def pytest_generate_tests(metafunc):
    chosen = Path(metafunc.config.getoption("captures") or CAPTURES)
    paths = sorted(path for path in chosen.rglob("*") if path.suffix in SUFFIXES)
    metafunc.parametrize("path", paths, ids=[path.name for path in paths])


def packets(path: Path) -> Iterator[bytes]:
    """Read the packets that come to the kernel's tracker; no fragments, which have another test.

    A capture that cannot be read, or breaks off, is read as far as it goes.
    """
    passage = Passage(Tracker(), Way(), fills_up_cut=True)
    with suppress(CaptureError), opened(str(path)) as source:
        for frame in read_frames(source, ""):
            wire = passage.find(frame).wire
            packet = decode(wire)
            if packet.family and not packet.fragment_at and LOOPBACK not in _ends(wire):
                yield _forwardable(wire)


def _ends(wire: bytes) -> tuple[bytes, bytes]:
    return (wire[8:24], wire[24:40]) if wire[0] >> 4 == 6 else (b"", b"")


def _forwardable(wire: bytes) -> bytes:
    """Give a packet hops, and an IPv4 header its checksum: the router itself looks at both."""
    wire, end = with_hops_left(wire), (wire[0] & 15) * 4
    return wire if wire[0] >> 4 == 6 else summed(wire[:end]) + wire[end:]


def _unrouted(answer: Answer) -> Answer:
    """Leave out whether a packet was sent on: that depends on its addresses."""
    words = answer.words.split(" ")
    return answer._replace(words=" ".join(words[:2] + words[3:]))


def first_difference(path: Path) -> str:
    """Play a capture to both; describe the first packet after which they differ."""
    with Kernel(with_helpers=True) as kernel:
        configure(kernel, CONFIG)
        exchange = Exchange(kernel, CONFIG, ROUTER, is_real_time=True)
        for number, wire in enumerate(packets(path), start=1):
            found = exchange.send(Packet(wire, describe(decode(wire))))
            if found is not None:
                ours, theirs = _unrouted(found.library), _unrouted(found.kernel)
                if not ours.agrees(theirs, TOLERANCE):
                    told = f"IP packet {number}: {found.packets[-1].text}\n  {wire.hex()}"
                    return f"{told}\nlibrary: {ours}\nkernel:  {theirs}"
        exchange.tracker.check()
    return ""


def test_captured_packets_are_answered_as_the_kernel_answers(path):
    """UDP counts two seconds, at which a busy machine may be late once, but not twice."""
    difference = first_difference(path) and first_difference(path)
    assert not difference, difference
