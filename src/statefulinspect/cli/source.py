"""Where the octets of a capture come from: a file or standard input, read once and in order.

Nothing is read ahead but what the buffer of the file takes, so captures may be larger than memory
and may still be growing. Every way in which reading can fail ends in a `CaptureError`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import BinaryIO, Final

from statefulinspect.cli.frame import CaptureError
from statefulinspect.cli.streams import standard_input

STANDARD_INPUT: Final = "-"

# No real record comes near; a damaged length must not make us allocate gigabytes.
RECORD_MAX: Final = 1 << 24


class CaptureSource:
    """Hand out the octets of a capture in order; `position` counts those handed out."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._ahead = b""
        self.position = 0

    @property
    def size(self) -> int:
        """Tell the size of a regular file; 0 for pipes and devices, whose size nobody knows."""
        try:
            status = os.fstat(self._file.fileno())
        except OSError:  # a file that is in memory only
            return 0
        return status.st_size if stat.S_ISREG(status.st_mode) else 0

    def peek(self, count: int) -> bytes:
        """Give the next octets without handing them out: fewer than `count` if no more are left."""
        self._ahead += self._read(count - len(self._ahead))
        return self._ahead[:count]

    def take_or_end(self, count: int) -> bytes:
        """Give exactly `count` octets, or none at the end of the capture."""
        octets = self._ahead[:count]
        self._ahead = self._ahead[count:]
        octets += self._read(count - len(octets))
        self.position += len(octets)
        if octets and len(octets) < count:
            self._report_cut()
        return octets

    def take(self, count: int) -> bytes:
        """Give exactly `count` octets; CaptureError if the capture ends before."""
        if count > RECORD_MAX:
            msg = f"damaged: a record at octet {self.position} claims {count} octets"
            raise CaptureError(msg)
        octets = self.take_or_end(count)
        if len(octets) < count:
            self._report_cut()
        return octets

    def _report_cut(self) -> None:
        msg = f"cut short: the file ends within a record, at octet {self.position}"
        raise CaptureError(msg)

    def _read(self, count: int) -> bytes:
        try:
            return self._file.read(count)
        except OSError as error:
            raise CaptureError(error.strerror) from error


@contextmanager
def opened(name: str) -> Iterator[CaptureSource]:
    """Open a capture by name for as long as the block runs; `-` is standard input."""
    is_own = name != STANDARD_INPUT
    try:  # not around the `with` below, whose errors are not those of opening
        file = open(name, "rb") if is_own else standard_input()  # noqa: SIM115 - see above
    except OSError as error:
        raise CaptureError(error.strerror) from error
    with file if is_own else nullcontext():
        yield CaptureSource(file)
