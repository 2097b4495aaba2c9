"""The next segment in order of an established connection: `tcp_window` in one short step.

Nearly every packet is an acknowledgement, with or without data, that begins where its side left
off. For it the bounds, what is learned and the timers come down to a few comparisons and stores.
It is shaped by speed; a property test holds it to what the full way does.
"""

from __future__ import annotations

from typing import Final

import attrs

from statefulinspect.connection import HIGHEST_ACK_KNOWN, NEVER, UNACKNOWLEDGED, Side
from statefulinspect.machines.tcp_table import ACK, ESTABLISHED
from statefulinspect.machines.tcp_window import LEAST_ACK_SPAN
from statefulinspect.seqnum import M32

ALL_BUT_UNACKNOWLEDGED: Final = ~UNACKNOWLEDGED
QUARTER, EIGHTH = 1 << 30, 1 << 29  # numbers nearer than this cannot be confused by the wrap


def next_in_order(side: Side) -> int:
    """Tell which sequence number `follow` may take from this side; NEVER if none.

    It may when nothing but the numbers of an established connection can change: both sides have
    been seen, the acknowledging too, and the verdict is ready; and when the numbers lie so near
    each other that plain comparisons are serial ones. Then they stay so while only `follow` moves
    them: what is sent stays below `max_end`, and that within a window of what is acknowledged.
    """
    connection, other = side.connection, side.other
    settled = (
        connection.state is ESTABLISHED
        and connection.is_assured
        and side.verdict is not None
        and connection.helper is None
        and connection.last_event is ACK
        and not connection.repeats
        and 0 < side.max_window < QUARTER
        and 0 < other.max_window < QUARTER
        and side.flags & HIGHEST_ACK_KNOWN
        and 0 <= side.max_end - side.end <= QUARTER
        and 0 <= other.max_end - other.end <= QUARTER
        and -EIGHTH <= other.end - side.highest_ack <= EIGHTH
    )
    return side.end if settled else NEVER
