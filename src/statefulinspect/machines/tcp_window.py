"""Whether a segment fits the window that its receiver offered: the four bounds.

From G. van Rooij, "Real Stateful TCP Packet Filtering in IP Filter" (2001). The tracker sees what
each side sent, not what arrived, so it keeps for each side the highest `end` sent, the `max_end`
that the peer has allowed it, and the largest window it has itself offered. A segment [seq, end)
from sender to receiver with acknowledgement ack must hold:

      I   seq <= sender.max_end                          not beyond what the receiver allows
    III   ack <= receiver.end                            acknowledges only what was sent
     II   end >= sender.end - receiver.max_window        not data from a window ago
     IV   ack >= receiver.end - max(sender.max_window, 66000)    nor an ancient acknowledgement

tested in this order, as Linux does, which also lets pass what breaks II, IV, or I by little: it
is most likely old or early rather than forged, and the receiver drops it anyway. All comparisons
are serial (RFC 1982). Windows count shifted (RFC 7323 2.3), acknowledgements with SACK.

`check` reads and changes nothing; `learn_sender` comes before it, `learn` after.
"""

from __future__ import annotations

from typing import Final

from statefulinspect.connection import Side
from statefulinspect.machines.side_flags import (
    HIGHEST_ACK_KNOWN,
    LIBERAL,
    SACK_PERMITTED,
    SCALE_OFFERED,
    UNACKNOWLEDGED,
)
from statefulinspect.machines.tcp_flags import ACK_FLAG, RST_FLAG, SYN_FLAG
from statefulinspect.machines.tcp_segment import (
    Segment,
    highest_sack,
    scale_and_flags,
)
from statefulinspect.machines.tcp_table import ACK, SYN_RECV, SYN_SENT
from statefulinspect.seqnum import M32, after, before
from statefulinspect.terms import OK, Reason

LEAST_ACK_SPAN: Final = 66_000  # IV: more than any window without scaling, for delayed segments


def learn_syn(sender: Side, segment: Segment) -> None:
    """Begin a side's window with its SYN: nothing is allowed yet beyond the SYN itself."""
    sender.end = sender.max_end = segment.end
    sender.max_window = segment.window or 1  # a SYN's window is never scaled (RFC 7323 2.2)
    if segment.options:
        sender.scale, flags = scale_and_flags(segment.options)
        sender.flags = sender.flags & LIBERAL | flags


def learn_sender(sender: Side, segment: Segment) -> bool:
    """Begin, or begin again, the sender's window if this segment calls for it.

    True if the segment needs no further check: a SYN without acknowledgement, from the side that
    answers, has nothing yet to be compared with.
    """
    if sender.other.flags & SACK_PERMITTED:
        segment.sack = highest_sack(segment.options, segment.ack)
    has_syn = bool(segment.flags & SYN_FLAG)
    if sender.max_window == 0:
        if not has_syn:
            _learn_unseen(sender, segment)
            return False
        _learn_answer(sender, segment)
        return not segment.flags & ACK_FLAG
    opening = sender.connection.state in (SYN_SENT, SYN_RECV)
    if has_syn and opening and after(segment.end, sender.end):
        _learn_answer(sender, segment)
        return bool(sender.is_reply) and not segment.flags & ACK_FLAG
    return False


def _learn_answer(sender: Side, segment: Segment) -> None:
    """Begin with a SYN; in an answer, scaling holds only if both sides offered it."""
    learn_syn(sender, segment)
    if sender.is_reply and not sender.flags & sender.other.flags & SCALE_OFFERED:
        sender.scale = sender.other.scale = 0


def _learn_unseen(sender: Side, segment: Segment) -> None:
    """Begin with a segment from the middle of a connection, whose history is unknown."""
    receiver = sender.other
    sender.end = segment.end
    sender.max_window = (segment.window << sender.scale) or 1
    sender.max_end = (segment.end + sender.max_window) & M32
    if receiver.max_window == 0:
        receiver.end = receiver.max_end = segment.sack
    elif segment.sack == (receiver.end + 1) & M32:  # the answer to a keep-alive
        receiver.end = segment.sack


def normalise(sender: Side, segment: Segment) -> None:
    """Replace numbers that mean nothing by ones that fit."""
    receiver, flags = sender.other, segment.flags
    if not flags & ACK_FLAG or (flags & RST_FLAG and segment.ack == 0):
        segment.ack = segment.sack = receiver.end
    if flags & RST_FLAG and segment.seq == 0 and sender.connection.state is SYN_SENT:
        segment.seq = segment.end = sender.end  # RFC 9293 3.10.7.1: a refusal has sequence number 0


def check(sender: Side, segment: Segment) -> Reason:
    """Say whether a segment fits; bounds I, III, II, IV in this order. Changes nothing."""
    receiver = sender.other
    if after(segment.seq, sender.max_end):
        return _overshoot(sender, segment)
    if after(segment.sack, receiver.end):
        return Reason.ACK_ABOVE_SENT
    if receiver.max_window and before(segment.end, sender.end - receiver.max_window):
        return Reason.SEQ_BELOW_WINDOW
    if before(segment.sack, receiver.end - ack_span(sender)):
        return Reason.ACK_BELOW_WINDOW
    return OK


def _overshoot(sender: Side, segment: Segment) -> Reason:
    """Tell a segment sent a little early from one that cannot be."""
    receiver = sender.other
    excess = (segment.end - sender.max_end + 1) & M32
    others_hold = (
        receiver.max_window != 0
        and after(segment.end, sender.end - receiver.max_window - 1)
        and not after(segment.sack, receiver.end)
        and after(segment.sack, receiver.end - ack_span(sender) - 1)
    )
    little = others_hold and excess <= receiver.max_window
    return Reason.SEQ_JUST_ABOVE_WINDOW if little else Reason.SEQ_ABOVE_WINDOW


def ack_span(sender: Side) -> int:
    """Tell how far back an acknowledgement may reach (bound IV)."""
    return max(sender.max_window, LEAST_ACK_SPAN)


def learn(sender: Side, segment: Segment) -> None:
    """Take over what a segment within all four bounds says about both sides."""
    receiver = sender.other
    window = segment.window if segment.flags & SYN_FLAG else segment.window << sender.scale
    sender.max_window = max(sender.max_window, (window + segment.sack - segment.ack) & M32)
    if after(segment.end, sender.end):
        sender.end = segment.end
        sender.flags |= UNACKNOWLEDGED
    if segment.flags & ACK_FLAG:
        learn_highest_ack(sender, segment.ack)
    if receiver.max_window and after(segment.end, sender.max_end):
        receiver.max_window = (receiver.max_window + segment.end - sender.max_end) & M32
    if after(segment.sack + window, receiver.max_end - 1):
        receiver.max_end = (segment.sack + window + (window == 0)) & M32
    if segment.ack == receiver.end:
        receiver.flags &= ~UNACKNOWLEDGED
    if segment.event is ACK:
        count_repeats(sender, segment)


def learn_highest_ack(sender: Side, ack: int) -> None:
    """Keep the highest acknowledgement sent: a reset below it is not its peer's."""
    if not sender.flags & HIGHEST_ACK_KNOWN or after(ack, sender.highest_ack):
        sender.highest_ack = ack
    sender.flags |= HIGHEST_ACK_KNOWN


def count_repeats(sender: Side, segment: Segment) -> None:
    """Count how often the very same segment came; an 8-bit counter that wraps, as in Linux."""
    connection = sender.connection
    seen = (
        connection.last_is_reply,
        connection.last_seq,
        connection.last_ack,
        connection.last_end,
        connection.last_window,
    )
    if seen == (sender.is_reply, segment.seq, segment.ack, segment.end, segment.window):
        connection.repeats = (connection.repeats + 1) & 0xFF
        return
    connection.last_is_reply = sender.is_reply
    connection.last_seq, connection.last_ack = segment.seq, segment.ack
    connection.last_end, connection.last_window = segment.end, segment.window
    connection.repeats = 0


def learn_early(sender: Side, end: int) -> None:
    """Remember data let through just beyond the window, so that its acknowledgement passes."""
    sender.end = end
    sender.flags |= UNACKNOWLEDGED
