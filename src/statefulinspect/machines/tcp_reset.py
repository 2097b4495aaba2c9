"""How far a reset can be believed, as seen from the middle (RFC 5961 3).

A forged reset kills a connection if its receiver takes it, so receivers take only one at exactly
the number they expect, and challenge others. The tracker knows what the receiver has acknowledged,
but not what reached it: a reset that may be right closes the connection, one that is certainly old
is refused, and one that is only plausible leaves the state and shortens the life, until an answer
shows that the ends go on.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from statefulinspect.connection import Side
from statefulinspect.machines.side_flags import HIGHEST_ACK_KNOWN
from statefulinspect.machines.tcp_segment import Segment
from statefulinspect.machines.tcp_table import (
    ACK,
    CLOSE,
    CLOSE_WAIT,
    ESTABLISHED,
    FIN_WAIT,
    LAST_ACK,
    SYN,
    SYN_SENT,
    TIME_WAIT,
)
from statefulinspect.seqnum import before

CLOSING: Final = frozenset({FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE})


class Reset(Enum):
    """Tell how a reset is taken."""

    BELIEVED = "closes, whatever its window"
    CHECKED = "closes, if it is in the window"
    DOUBTED = "may be forged: the state stays, and the life is short, until the ends go on"
    REFUSED = "its receiver has long acknowledged more"


def weigh_reset(side: Side, segment: Segment, *, ignore_old: bool) -> Reset:
    """Tell how far a reset can be believed."""
    connection = side.connection
    if connection.state in CLOSING:
        return Reset.BELIEVED
    if side.other.flags & HIGHEST_ACK_KNOWN and connection.last_event is not SYN:
        return _compare_with_highest_ack(side, segment, ignore_old=ignore_old)
    answers_ignored = segment.ack == connection.last_end and (
        (
            connection.seen_reply
            and connection.last_event is SYN
            and connection.last_is_reply != side.is_reply
        )
        or (not connection.is_assured and connection.last_event is ACK)
    )
    answers_challenge = (
        connection.state is SYN_SENT
        and connection.last_event is ACK
        and segment.seq == connection.last_ack
    )
    return Reset.BELIEVED if answers_ignored or answers_challenge else Reset.CHECKED


def _compare_with_highest_ack(side: Side, segment: Segment, *, ignore_old: bool) -> Reset:
    """Hold a reset's sequence number against what its receiver has acknowledged."""
    connection = side.connection
    settled = connection.state is ESTABLISHED and connection.is_assured
    expected = side.other.highest_ack
    if segment.seq == 0 and not settled:
        return Reset.CHECKED
    if before(segment.seq, expected) and not ignore_old:
        return Reset.REFUSED
    follows_own = (
        connection.last_event is ACK
        and connection.last_is_reply == side.is_reply
        and segment.seq == connection.last_end
    )
    if not settled or segment.seq == expected or follows_own:
        return Reset.CHECKED
    return Reset.DOUBTED
