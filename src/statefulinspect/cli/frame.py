"""What one record of a capture file is, and how a file that cannot be read is reported.

A frame is a packet with the link layer around it, as an interface sent or received it. Times are
whole nanoseconds since 1970: in float seconds, today's date leaves only a quarter of a microsecond.
"""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple

SECOND: Final = 1_000_000_000  # in nanoseconds


class CaptureError(Exception):
    """Report a capture that cannot be read, or not any further: the cause, without the name."""


class Frame(NamedTuple):
    """Hold one record: its instant, its link type (tcpdump.org/linktypes.html) and its octets.

    `original_length` is how long the frame was before the capture cut it, `snap_length` after how
    many octets the capture was told to cut (0: never).
    """

    at_ns: int
    link_type: int
    octets: bytes
    original_length: int
    snap_length: int

    @property
    def missing(self) -> float:
        """Tell at most how many octets the capture left out.

        Some writers set the original length to the captured one; then a frame that fills the snap
        length may have been of any size.
        """
        captured = len(self.octets)
        if self.original_length > captured:
            return self.original_length - captured
        return inf if captured == self.snap_length else 0
