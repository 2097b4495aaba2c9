"""Which kind of capture a file is, and who reads it: told by its first four octets."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from statefulinspect.cli import pcap, pcapng
from statefulinspect.cli.frame import CaptureError, Frame
from statefulinspect.cli.options import PROGRAM
from statefulinspect.cli.source import CaptureSource

# What people hand over by mistake, and what unpacks it.
UNPACKERS: Final = {
    b"\x1f\x8b": "gunzip",
    b"BZh": "bunzip2",
    b"\xfd7zX": "xz -d",
    b"\x28\xb5\x2f\xfd": "zstd -d",
    b"\x04\x22\x4d\x18": "lz4 -d",
}


def read_frames(source: CaptureSource, piped: str) -> Generator[Frame, None, None]:
    """Read the frames of a pcap or pcapng capture; CaptureError if it is neither.

    `piped` is the command that would read it from standard input, for advice.
    """
    magic = source.peek(4)
    if magic in pcap.MAGICS:
        return pcap.read_pcap(source)
    if magic == pcapng.SECTION_MAGIC:
        return pcapng.read_pcapng(source)
    raise CaptureError(_what_else(magic, piped))


def _what_else(magic: bytes, piped: str) -> str:
    """Say what a file is that is no capture."""
    if not magic:
        return "the file is empty"
    for beginning, tool in UNPACKERS.items():
        if magic.startswith(beginning):
            return f"compressed; try: {tool} -c CAPTURE | {PROGRAM} {piped}"
    return "neither a pcap nor a pcapng file"
