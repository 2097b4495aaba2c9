"""Segments of which nothing surprises: what `TcpMachine.advance` comes to for them, written out.

Nearly every connection is opened by a SYN and its answer, talks in order, and is closed by two
FINs. For such segments the bounds (`tcp_window`), what is learned, and the timers come down to a
few comparisons and stores. `ask` takes the SYN; `answer` and `follow` take the others, if they are
such: else they say no, and have changed nothing. What follows next in order of a settled connection
is for the hot path, which `Tracker.process` has written out once more. Property tests hold all of
it to the full way.
"""

from __future__ import annotations

from typing import Final

from statefulinspect.connection import Side
from statefulinspect.machines.side_flags import (
    CLOSED_FIRST,
    HIGHEST_ACK_KNOWN,
    SACK_PERMITTED,
    SCALE_OFFERED,
    UNACKNOWLEDGED,
)
from statefulinspect.machines.tcp_prediction import QUARTER
from statefulinspect.machines.tcp_segment import SACK, highest_sack, scale_and_flags
from statefulinspect.machines.tcp_table import (
    ACK,
    ESTABLISHED,
    FIN_WAIT,
    SYN,
    SYN_ACK,
    SYN_RECV,
    SYN_SENT,
    TRANSITIONS,
    TcpEvent,
    TcpState,
)
from statefulinspect.machines.tcp_timers import TcpTimers
from statefulinspect.machines.tcp_window import LEAST_ACK_SPAN
from statefulinspect.seqnum import HALF, M32

ALL_BUT_UNACKNOWLEDGED: Final = ~UNACKNOWLEDGED


def ask(side: Side, end: int, window: int, scale: int, flags: int) -> None:
    """Take the SYN that opens a connection: nothing was seen before it."""
    connection, other = side.connection, side.other
    connection.state, connection.last_event = SYN_SENT, SYN
    connection.last_is_reply = connection.last_seq = connection.last_ack = 0
    connection.last_end = connection.last_window = connection.repeats = 0
    side.end = side.max_end = end
    side.max_window = other.max_end = window or 1
    side.scale, side.flags = scale, flags
    side.highest_ack = other.highest_ack = 0
    other.end = other.max_window = other.scale = other.flags = 0


def answer(  # noqa: PLR0913, PLR0917 - the numbers of a segment
    side: Side, ack: int, end: int, window: int, options: bytes, expires_at: float
) -> bool:
    """Take the SYN/ACK that answers a SYN; say whether it is one that does."""
    connection, opener = side.connection, side.other
    if not (
        connection.state is SYN_SENT
        and side.is_reply
        and connection.rare is None
        and ack == opener.end == opener.max_end
        and not side.max_window
        and not side.flags
        and not opener.flags & UNACKNOWLEDGED
        and not connection.last_window
        and not connection.repeats
    ):
        return False
    scale = flags = 0
    if options:
        if SACK in options and opener.flags & SACK_PERMITTED and highest_sack(options, ack) != ack:
            return False
        scale, flags = scale_and_flags(options)
    if not flags & opener.flags & SCALE_OFFERED:
        scale = opener.scale = 0
    side.scale, side.flags = scale, flags | HIGHEST_ACK_KNOWN
    side.end = side.max_end = end
    side.max_window = window or 1
    side.highest_ack = opener.end
    opener.max_end = (ack + (window or 1)) & M32
    connection.last_event, connection.last_is_reply = SYN_ACK, 1
    connection.state = SYN_RECV
    connection.expires_at = expires_at
    return True


def follow(  # noqa: C901, PLR0912, PLR0913, PLR0917 - a call costs a tenth
    side: Side, event: TcpEvent, seq: int, ack: int, end: int, window: int,
    timers: TcpTimers, now: float,
) -> bool:  # fmt: skip
    """Take an ACK or FIN without SACK blocks that begins where its side left off, if it is one."""
    connection, receiver = side.connection, side.other
    state, scaled = connection.state, window << side.scale
    becomes = TRANSITIONS[side.is_reply][state][event]
    behind = receiver.end - ack
    if not (
        becomes.__class__ is TcpState
        and seq == side.end
        and end <= side.max_end <= seq + QUARTER
        and 0 <= behind <= LEAST_ACK_SPAN
        and 0 < side.max_window < QUARTER
        and 0 < receiver.max_window < QUARTER
        and scaled
        and connection.rare is None
        and connection.seen_reply
        and not connection.repeats
    ):
        return False
    end = side.end if end == seq else end  # equal numbers are one object: there may be a million
    seq, ack = side.end, ack if behind else receiver.end
    if event is ACK:
        if (
            seq == connection.last_seq
            and end == connection.last_end
            and ack == connection.last_ack
            and window == connection.last_window
            and side.is_reply == connection.last_is_reply
        ):
            return False
        connection.last_seq, connection.last_ack = seq, ack
        connection.last_end, connection.last_window = end, window
    elif not connection.last_window:
        return False
    flags = side.flags
    if scaled > side.max_window:  # noqa: PLR1730 - max() is a call
        side.max_window = scaled
    if not flags & HIGHEST_ACK_KNOWN or (side.highest_ack - ack) & M32 >= HALF:
        side.highest_ack = ack
    if (receiver.max_end - 1 - ack - scaled) & M32 >= HALF:
        receiver.max_end = (ack + scaled) & M32
    if end != seq:
        side.end = end
        flags |= UNACKNOWLEDGED
    if becomes is ESTABLISHED:
        if state is SYN_RECV or state is ESTABLISHED:
            connection.is_assured = True
    elif becomes is FIN_WAIT and state is not FIN_WAIT:
        flags |= CLOSED_FIRST
    side.flags = flags | HIGHEST_ACK_KNOWN
    if not behind:
        receiver.flags &= ALL_BUT_UNACKNOWLEDGED
    connection.last_event, connection.last_is_reply = event, side.is_reply
    connection.state = becomes
    is_waiting = (flags | receiver.flags) & UNACKNOWLEDGED
    connection.expires_at = now + (timers.waiting if is_waiting else timers.unhindered)[becomes]
    return True
