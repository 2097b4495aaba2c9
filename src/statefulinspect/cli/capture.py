"""Which kind of capture a file is, and who reads it: told by its first four octets."""

from __future__ import annotations

from collections.abc import Generator

from statefulinspect.cli import pcap, pcapng
from statefulinspect.cli.frame import CaptureError, Frame
from statefulinspect.cli.source import Source

# What people hand over by mistake, and what to do about it.
OTHERS = {
    b"\x1f\x8b": "compressed; try: gunzip -c FILE | statefulinspect replay -",
    b"\x28\xb5\x2f\xfd": "compressed; try: zstd -dc FILE | statefulinspect replay -",
    b"\xfd7zX": "compressed; try: xz -dc FILE | statefulinspect replay -",
}


def read_frames(source: Source) -> Generator[Frame, None, None]:
    """Read the frames of a pcap or pcapng capture; CaptureError if it is neither."""
    magic = source.peek(4)
    if magic in pcap.MAGICS:
        return pcap.read_pcap(source)
    if magic == pcapng.SECTION_MAGIC:
        return pcapng.read_pcapng(source)
    raise CaptureError(_what_else(magic))


def _what_else(magic: bytes) -> str:
    """Say what a file is that is no capture."""
    if not magic:
        return "the file is empty"
    for beginning, what in OTHERS.items():
        if magic.startswith(beginning):
            return what
    return "neither a pcap nor a pcapng file"
