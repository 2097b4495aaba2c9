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
        and 0 < side.max_window < QUARTER
        and 0 < other.max_window < QUARTER
        and side.flags & HIGHEST_ACK_KNOWN
        and 0 <= side.max_end - side.end <= QUARTER
        and 0 <= other.max_end - other.end <= QUARTER
        and -EIGHTH <= other.end - side.highest_ack <= EIGHTH
    )
    return side.end if settled else NEVER


@attrs.frozen
class Lifetimes:
    """Hold how long an established connection lives on, laid out for `follow`.

    `max_retrans` and `unacknowledged_mask` are out of reach where the shorter life they would
    bring is not shorter.
    """

    max_retrans: int
    repeated: float
    unacknowledged_mask: int
    unacknowledged: float
    closed_window: float
    full: float


def follow(  # noqa: C901 - written out: see the docstring
    sender: Side, ack: int, end: int, window: int, lifetimes: Lifetimes
) -> float:
    """Take the segment that begins at `sender.end`; tell how long to live, or -1 if it is unusual.

    Header prediction (Jacobson 1990): for an ACK without SYN, FIN, RST, URG and SACK, of a side
    that `next_in_order` has found settled, the bounds come down to a few plain comparisons and
    learning to a few stores. Numbers that would pass the wrap are unusual. Nothing is changed if
    the segment is unusual; else all is as `check`, `learn` and the machine's timers leave it, which
    a property test compares. Written out, for in three functions with serial comparisons a packet
    cost 1290 ns instead of 1030 (CPython 3.11), and with distances looked at a sixth more than now.
    """
    receiver = sender.other
    scaled = window << sender.scale
    reach = ack + scaled
    behind = receiver.end - ack
    if (
        behind < 0
        or end > sender.max_end
        or reach >= M32
        or (behind > LEAST_ACK_SPAN and behind > sender.max_window)
    ):
        return -1
    connection = sender.connection
    if scaled > sender.max_window:  # noqa: PLR1730 - max() is a call
        sender.max_window = scaled
    if ack > sender.highest_ack:  # noqa: PLR1730 - as above
        sender.highest_ack = ack
    if reach >= receiver.max_end:
        receiver.max_end = reach if scaled else reach + 1
    if not behind:
        receiver.flags &= ALL_BUT_UNACKNOWLEDGED
    seq = sender.end
    repeats = 0
    if end != seq:  # data that goes on where the last ended repeats nothing
        sender.end = sender.next_seq = end
        sender.flags |= UNACKNOWLEDGED
    elif (
        ack == connection.last_ack
        and seq == connection.last_seq
        and window == connection.last_window
        and end == connection.last_end
        and sender.is_reply == connection.last_is_reply
    ):
        repeats = (connection.repeats + 1) & 0xFF
    connection.repeats = repeats
    connection.last_event = ACK
    connection.last_is_reply = sender.is_reply
    connection.last_seq = seq
    connection.last_ack = ack
    connection.last_end = end
    connection.last_window = window
    if repeats >= lifetimes.max_retrans:
        return lifetimes.repeated
    if (sender.flags | receiver.flags) & lifetimes.unacknowledged_mask:
        return lifetimes.unacknowledged
    return lifetimes.full if window else lifetimes.closed_window
