"""The next segment in order of an established connection: `tcp_window` in one short step.

Nearly every packet is an acknowledgement, with or without data, that begins where its side left
off. For it the bounds, what is learned and the timers come down to a few comparisons and stores.
It is shaped by speed; a property test holds it to what the full way does.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from statefulinspect.connection import HIGHEST_ACK_KNOWN, NEVER, UNACKNOWLEDGED, Side
from statefulinspect.machines.tcp_table import ACK, ESTABLISHED
from statefulinspect.machines.tcp_window import LEAST_ACK_SPAN
from statefulinspect.seqnum import M32

ALL_BUT_UNACKNOWLEDGED: Final = ~UNACKNOWLEDGED
QUARTER: Final = 1 << 30  # numbers nearer than this cannot be confused by the wrap


def next_in_order(side: Side) -> int:
    """Tell which sequence number `follow` may take from this side; NEVER if none.

    It may when nothing but the numbers of an established connection can change: both sides have
    been seen, the acknowledging too, and the verdict is ready.
    """
    connection = side.connection
    settled = (
        connection.state is ESTABLISHED
        and connection.is_assured
        and side.verdict is not None
        and connection.helper is None
        and 0 < side.max_window < QUARTER
        and 0 < side.other.max_window < QUARTER
        and side.flags & HIGHEST_ACK_KNOWN
    )
    return side.end if settled else NEVER


class Lifetimes(NamedTuple):
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


def follow(  # noqa: C901, PLR0912 - written out: see the docstring
    sender: Side, ack: int, end: int, window: int, lifetimes: Lifetimes
) -> float:
    """Take the segment that begins at `sender.end`; tell how long to live, or -1 if it is unusual.

    Header prediction (Jacobson 1990): for an ACK without SYN, FIN, RST, URG and SACK whose
    numbers are near the last ones, the bounds come down to four comparisons and learning to a few
    stores. Numbers near the wrap count as unusual, so plain comparisons will do: masking to 32
    bits costs 40 ns a time. Nothing is changed if the segment is unusual; else all is as `check`,
    `learn` and the machine's timers leave it, which a property test compares. Written out, for in
    three functions with serial comparisons a packet cost 1290 ns instead of 1030 (CPython 3.11).
    """
    receiver = sender.other
    scaled = window << sender.scale
    reach = ack + scaled
    if not (
        0 <= receiver.end - ack <= LEAST_ACK_SPAN
        and 0 <= sender.max_end - end <= QUARTER
        and -QUARTER <= ack - sender.highest_ack <= QUARTER
        and -QUARTER <= reach - receiver.max_end <= QUARTER
        and reach < M32
    ):
        return -1
    connection = sender.connection
    max_retrans, repeated, mask, unacknowledged, closed_window, full = lifetimes
    seq = sender.end
    if scaled > sender.max_window:  # noqa: PLR1730 - max() is a call
        sender.max_window = scaled
    if end != seq:
        sender.end = sender.next_seq = end
        sender.flags |= UNACKNOWLEDGED
    if ack > sender.highest_ack:  # noqa: PLR1730 - as above
        sender.highest_ack = ack
    if reach >= receiver.max_end:
        receiver.max_end = reach if scaled else reach + 1
    if ack == receiver.end:
        receiver.flags &= ALL_BUT_UNACKNOWLEDGED
    connection.last_event = ACK
    if (
        seq == connection.last_seq
        and ack == connection.last_ack
        and end == connection.last_end
        and window == connection.last_window
        and sender.is_reply == connection.last_is_reply
    ):
        repeats = connection.repeats = (connection.repeats + 1) & 0xFF
    else:
        connection.last_is_reply = sender.is_reply
        connection.last_seq = seq
        connection.last_ack = ack
        connection.last_end = end
        connection.last_window = window
        repeats = connection.repeats = 0
    if repeats >= max_retrans:
        return repeated
    if (sender.flags | receiver.flags) & mask:
        return unacknowledged
    return full if window else closed_window
