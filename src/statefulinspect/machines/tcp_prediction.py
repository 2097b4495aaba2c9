"""When the hot path may take a segment by itself, and what it leaves to be told from the rest.

Header prediction (Jacobson 1990): most segments are the next one in order of a connection of which
nothing surprises. `Tracker.process` takes such a segment with a few comparisons and stores. `arm`
gives it a connection that is settled: nothing but numbers can change, and they lie in order and so
near each other that plain comparisons are serial ones. They stay so while only the hot path moves
them: what is sent stays below `max_end`, and that within a window of what is acknowledged, which
never falls. So no acknowledgement that is not below the last reaches too far back (bound IV), and
none needs to be asked.

What follows from other numbers is not written for each segment. While the hot path has a
connection, data of a side waits for an acknowledgement if it has sent more than the other side has
acknowledged. And the last segment that the hot path took ended where its side's data ends,
acknowledged that side's highest, and had the window that is kept as `seen_window`: so it is no
repetition if it has data, a higher acknowledgement, or another window. Whoever looks at a segment
otherwise must `take_back` the connection first, which writes that down; so must who removes it.
"""

from __future__ import annotations

from typing import Final

from statefulinspect.connection import NO_NUMBER, Connection, Side
from statefulinspect.machines.side_flags import HIGHEST_ACK_KNOWN, UNACKNOWLEDGED
from statefulinspect.machines.tcp_table import ACK, ESTABLISHED
from statefulinspect.machines.tcp_window import ack_span

QUARTER: Final = 1 << 30  # numbers nearer than this cannot be confused by the wrap
KNOWN_AND_WAITING: Final = HIGHEST_ACK_KNOWN | UNACKNOWLEDGED


def arm(connection: Connection) -> None:
    """Give a connection, which must have been taken back, to the hot path, if it is settled.

    That then takes the segments that begin with the `next_seq` of their side, of which a side
    without a ready verdict has none. A connection whose addresses some screen would look at, by
    whatever device its packets come, is not settled (`screening`).
    """
    original, reply = connection.original_side, connection.reply_side
    if original.verdict is reply.verdict is None:  # rules ask for each segment
        return
    if (
        connection.state is ESTABLISHED
        and connection.last_event is ACK
        and connection.is_assured
        and not connection.repeats
        and _is_settled(original, reply)
        and _is_settled(reply, original)
        and not _looks_like_next(connection, reply if connection.last_is_reply else original)
        and (connection.rare is None or connection.is_ordinary)
    ):
        original.next_seq = original.end if original.verdict is not None else NO_NUMBER
        reply.next_seq = reply.end if reply.verdict is not None else NO_NUMBER
        original.seen_window = reply.seen_window = NO_NUMBER


def _is_settled(side: Side, other: Side) -> bool:
    """Say whether plain comparisons tell all of what a side sends.

    Its numbers lie in their order, no farther than a window, and so do flags and numbers agree on
    whether data waits for an acknowledgement.
    """
    acknowledged, end = other.highest_ack, side.end
    expected = HIGHEST_ACK_KNOWN if end == acknowledged else KNOWN_AND_WAITING
    return (
        0 < side.max_window < QUARTER
        and acknowledged <= end <= side.max_end <= acknowledged + ack_span(other)
        and other.flags & HIGHEST_ACK_KNOWN | side.flags & UNACKNOWLEDGED == expected
    )


def _looks_like_next(connection: Connection, side: Side) -> bool:
    """Say whether a side's next segment in order could equal the last one kept, though it is new.

    It would count as a repetition. The last one was the side's, but the numbers kept may be others:
    those of an ignored SYN, or of the other side if this one's were let pass out of window. What
    the other side sends next is none: the last one was not its own.
    """
    return connection.last_seq == side.end and not (
        connection.last_end == side.end and connection.last_ack == side.highest_ack
    )


def take_back(connection: Connection) -> None:
    """Take a connection from the hot path, and write down what that has left out."""
    original, reply = connection.original_side, connection.reply_side
    if original.next_seq == reply.next_seq == NO_NUMBER:
        return
    original.next_seq = reply.next_seq = NO_NUMBER
    last = reply if connection.last_is_reply else original
    if last.seen_window == NO_NUMBER:  # it has taken nothing
        return
    connection.last_ack, connection.last_end = last.highest_ack, last.end
    connection.last_window = last.seen_window
    for side in (original, reply):
        if side.end != side.other.highest_ack:
            side.flags |= UNACKNOWLEDGED
        else:
            side.flags &= ~UNACKNOWLEDGED
