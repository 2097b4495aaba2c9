"""Which segment the hot path may take by itself: the next in order of a settled connection.

Nearly every packet is an acknowledgement, with or without data, that begins where its side left
off. For it the bounds (`tcp_window`), what is learned and the timers come down to a few comparisons
and stores, which `Tracker.process` has written out; a property test holds them to the full way.
"""

from __future__ import annotations

from typing import Final

from statefulinspect.connection import HIGHEST_ACK_KNOWN, NEVER, UNACKNOWLEDGED, Side
from statefulinspect.machines.tcp_table import ACK
from statefulinspect.screening import is_ordinary

ALL_BUT_UNACKNOWLEDGED: Final = ~UNACKNOWLEDGED
QUARTER, EIGHTH = 1 << 30, 1 << 29  # numbers nearer than this cannot be confused by the wrap


def next_in_order(side: Side) -> int:
    """Tell with which number a settled side's next segment begins; NEVER if it is not settled.

    The side is an established, assured connection's. It is settled when nothing but numbers can
    change: both sides have been seen, the acknowledging too, the verdict is ready, and no screen
    would look at the addresses, whatever device they came by (`screening`); and when the
    numbers lie so near each other that plain comparisons are serial ones. Then they stay so while
    only the hot path moves them: what is sent stays below `max_end`, and that within a window of
    what is acknowledged.
    """
    connection, other = side.connection, side.other
    settled = (
        side.verdict is not None
        and connection.helper is None
        and connection.last_event is ACK
        and not connection.repeats
        and 0 < side.max_window < QUARTER
        and 0 < other.max_window < QUARTER
        and side.flags & HIGHEST_ACK_KNOWN
        and 0 <= side.max_end - side.end <= QUARTER
        and 0 <= other.max_end - other.end <= QUARTER
        and -EIGHTH <= other.end - side.highest_ack <= EIGHTH
        and is_ordinary(side.key)
    )
    return side.end if settled else NEVER
