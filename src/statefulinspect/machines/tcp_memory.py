"""What a segment that was let through leaves behind, for the answer that explains it.

A SYN in the middle of a connection may come from an end that restarted, or from nowhere. The
tracker lets it pass, learns nothing, but remembers it: if the other side answers it with a
SYN/ACK, the ends have begun anew, and the remembered SYN is taken over; if with an acknowledgement
(a challenge, RFC 5961 4), nothing has changed. A simultaneous open is remembered here too.
"""

from __future__ import annotations

from typing import Final

from statefulinspect.connection import Side
from statefulinspect.machines.side_flags import LIBERAL
from statefulinspect.machines.tcp_segment import Segment, scale_and_flags
from statefulinspect.machines.tcp_table import (
    ACK,
    ESTABLISHED,
    LAST_ACK,
    SYN,
    SYN_ACK,
    SYN_RECV,
    SYN_SENT,
    SYN_SENT2,
    TcpState,
)

# Bits of `Connection.last_flags` beside the side flags that a remembered SYN would set.
CHALLENGED: Final = 0x40
OPENED_BOTH_WAYS: Final = 0x80


def answers_ignored_syn(side: Side, segment: Segment) -> bool:
    """Say whether a SYN/ACK answers the SYN that was let through just before."""
    connection = side.connection
    return (
        segment.event is SYN_ACK
        and connection.last_event is SYN
        and connection.last_is_reply != side.is_reply
        and segment.ack == connection.last_end
    )


def resynchronise(side: Side) -> None:
    """Take over the SYN let through before: the ends have begun anew, unseen by the table."""
    connection, opener = side.connection, side.other
    opener.end = opener.max_end = connection.last_end
    opener.max_window = connection.last_window or 1
    opener.scale = connection.last_scale
    opener.flags = connection.last_flags & ~CHALLENGED
    side.end = side.max_end = side.max_window = side.scale = side.highest_ack = 0
    side.flags &= LIBERAL
    connection.restarts += 1


def remember_ignored(side: Side, segment: Segment) -> None:
    """Keep what an ignored segment said, in case an answer shows that it was right.

    Of SYNs only the opener's are ignored, and in SYN_SENT only the answerer's ACKs.
    """
    connection = side.connection
    connection.last_event, connection.last_is_reply = segment.event, side.is_reply
    connection.last_seq, connection.last_end = segment.seq, segment.end
    connection.last_window = segment.window
    if segment.event is SYN:
        connection.last_scale, connection.last_flags = scale_and_flags(segment.options)
        if connection.state is LAST_ACK:
            connection.last_flags |= CHALLENGED
    if connection.state is SYN_SENT:
        connection.last_ack = segment.ack


def is_challenge(side: Side, segment: Segment) -> bool:
    """Say whether an ACK in LAST_ACK only challenges a SYN that was let through."""
    connection = side.connection
    return (
        connection.state is LAST_ACK
        and segment.event is ACK
        and connection.last_event is SYN
        and connection.last_is_reply != side.is_reply
        and bool(connection.last_flags & CHALLENGED)
    )


def simultaneous(side: Side, segment: Segment, becomes: TcpState) -> TcpState:
    """Let a simultaneous open end with an acknowledgement from either side."""
    connection = side.connection
    if becomes is SYN_SENT2:
        connection.last_flags |= OPENED_BOTH_WAYS
    ends_open = becomes is SYN_RECV and segment.event is ACK
    return ESTABLISHED if ends_open and connection.last_flags & OPENED_BOTH_WAYS else becomes
