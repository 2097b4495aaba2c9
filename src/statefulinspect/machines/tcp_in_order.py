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

from statefulinspect.connection import NEVER, Connection, Side
from statefulinspect.machines.tcp_flags import (
    CLOSED_FIRST,
    HIGHEST_ACK_KNOWN,
    SACK_PERMITTED,
    SCALE_OFFERED,
    UNACKNOWLEDGED,
)
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
QUARTER, EIGHTH = 1 << 30, 1 << 29  # numbers nearer than this cannot be confused by the wrap


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
    side.highest_ack = ack
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


def arm(connection: Connection) -> None:
    """Write into both sides with which number the segment begins that the hot path may take.

    NEVER where it may not. It may if the connection is established, assured, and settled: nothing
    but numbers can change. Both sides have been seen, the acknowledging too, the verdict is ready,
    and no screen would look at the addresses, whatever device they came by (`screening`); and the
    numbers lie so near each other that plain comparisons are serial ones. Then they stay so while
    only the hot path moves them: what is sent stays below `max_end`, and that within a window of
    what is acknowledged.
    """
    original, reply = connection.original_side, connection.reply_side
    if (
        connection.state is not ESTABLISHED
        or connection.last_event is not ACK
        or connection.repeats
        or not connection.is_assured
        or not 0 < original.max_window < QUARTER
        or not 0 < reply.max_window < QUARTER
        or not 0 <= original.max_end - original.end <= QUARTER
        or not 0 <= reply.max_end - reply.end <= QUARTER
        or (connection.rare is not None and not connection.is_ordinary)
    ):
        original.next_seq = reply.next_seq = NEVER
        return
    original.next_seq = original.end if _acknowledges(original, reply) else NEVER
    reply.next_seq = reply.end if _acknowledges(reply, original) else NEVER


def _acknowledges(side: Side, other: Side) -> bool:
    """Say whether a side has a verdict, and has acknowledged what lies near what was sent."""
    return (
        side.verdict is not None
        and bool(side.flags & HIGHEST_ACK_KNOWN)
        and -EIGHTH <= other.end - side.highest_ack <= EIGHTH
    )
