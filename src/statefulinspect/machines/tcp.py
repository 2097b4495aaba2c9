"""What a TCP segment does to its connection: the decisions that need memory.

The rows of `tcp_table` say where a segment leads; `tcp_window` says whether its numbers fit. Here
stand, in the order in which a segment meets them, the cases that look at what came before:
reopening on used ports, re-synchronisation with a SYN that was let through, the challenge
acknowledgement (RFC 5961), simultaneous open, which resets are believed, and the timers.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from statefulinspect.checksums import transport_is_right
from statefulinspect.config import Config, Timeouts
from statefulinspect.connection import (
    CLOSED_FIRST,
    HIGHEST_ACK_KNOWN,
    LIBERAL,
    SACK_PERMITTED,
    UNACKNOWLEDGED,
    Connection,
    Side,
)
from statefulinspect.fsm import IGNORE, NoTransition
from statefulinspect.machines import tcp_window
from statefulinspect.machines.tcp_segment import (
    Segment,
    check_header,
    read_segment,
    scale_and_flags,
)
from statefulinspect.machines.tcp_table import (
    ACK,
    CLOSE,
    CLOSE_WAIT,
    ESTABLISHED,
    FIN,
    FIN_WAIT,
    LAST_ACK,
    NONE,
    RST,
    SYN,
    SYN_ACK,
    SYN_RECV,
    SYN_SENT,
    SYN_SENT2,
    TIME_WAIT,
    TRANSITIONS,
    TcpState,
)
from statefulinspect.packet import Packet
from statefulinspect.seqnum import M32, before
from statefulinspect.terms import OK, Effect, Reason

# Bits of `Connection.last_flags` beside the side flags that a remembered SYN would set.
CHALLENGED: Final = 0x40
OPENED_BOTH_WAYS: Final = 0x80

CLOSING: Final = frozenset({FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE})
SYN_SENT2_TIMEOUT: Final = 120  # the only state without a sysctl in Linux
NEVER_REPEATED: Final = 256  # more than the 8-bit counter of repeats reaches
LONG_LIFE: Final = 120  # seconds left from which a doubtful end shortens a connection's life


class Reset(Enum):
    """Tell how a reset is taken."""

    BELIEVED = "closes, whatever its window"
    CHECKED = "closes, if it is in the window"
    DOUBTED = "may be forged: the state stays, and the life is short, until the ends go on"
    REFUSED = "its receiver has long acknowledged more"


class TcpMachine:
    """Track TCP (RFC 9293) from the middle, as Linux 6.18 does."""

    names_states = True

    def __init__(self, config: Config) -> None:
        self._policy = config.tcp
        self._verify = config.verify_checksums
        self._max_retrans_timeout = config.timeouts.tcp_max_retrans
        self._unacknowledged_timeout = config.timeouts.tcp_unacknowledged
        self._timeouts = state_timeouts(config.timeouts)
        self.lifetimes = established_lifetimes(config)

    def validate(self, packet: Packet) -> Reason:
        """Check header and checksum."""
        reason = check_header(packet)
        if reason is OK and self._verify and not transport_is_right(packet):
            return Reason.CHECKSUM
        return reason

    def open(self, side: Side, packet: Packet, now: float) -> Reason:
        """Begin with a SYN, or in loose mode with a segment from the middle."""
        segment = read_segment(packet)
        side.connection.state = NONE
        if segment.event is SYN:
            tcp_window.learn_syn(side, segment)
        elif segment.event is not ACK:
            return Reason.TCP_NOT_AN_OPENING
        elif not self._policy.loose:
            return Reason.TCP_MIDSTREAM
        else:
            _adopt(side, segment)
        return self._advance(side, segment, now)

    def step(self, side: Side, packet: Packet, now: float) -> Reason:
        """Take the connection one segment further."""
        return self._advance(side, read_segment(packet), now)

    def arm(self, connection: Connection) -> None:
        """Tell the hot path which segment comes next in order, on either side.

        None does where checksums are verified: that is left to the full way.
        """
        if self._verify:
            return
        for side in (connection.original_side, connection.reply_side):
            side.next_seq = tcp_window.next_in_order(side)

    def _advance(self, side: Side, segment: Segment, now: float) -> Reason:
        """Decide in the order in which Linux does; the first case that applies answers."""
        connection = side.connection
        before_it = TcpState(connection.state)
        becomes = TRANSITIONS[side.is_reply][before_it][segment.event]
        if becomes is SYN_SENT and before_it in (TIME_WAIT, CLOSE):
            if _may_reopen(side):
                return Reason.PORTS_REUSED
            becomes = IGNORE
        if becomes is IGNORE:
            if not _answers_ignored_syn(side, segment):
                _remember_ignored(side, segment)
                return Reason.OUT_OF_STATE_IGNORED
            _resynchronise(side)
            before_it, becomes = SYN_SENT, SYN_RECV
        if isinstance(becomes, NoTransition):
            return Reason.OUT_OF_STATE
        if _is_challenge(side, segment):
            connection.last_flags &= ~CHALLENGED
            return Reason.CHALLENGE_ACK
        becomes = _simultaneous(side, segment, becomes)
        becomes, reason = self._judge(side, segment, becomes)
        if reason is not OK:
            return self._refused(side, segment, reason, now)
        return self._accepted(side, segment, (before_it, becomes), now)

    def _judge(self, side: Side, segment: Segment, becomes: TcpState) -> tuple[TcpState, Reason]:
        """Weigh a reset by its own rules, everything else by the window."""
        if segment.event is RST:
            reset = _weigh_reset(side, segment, ignore_old=self._policy.ignore_invalid_rst)
            if reset is Reset.BELIEVED:
                return becomes, OK
            if reset is Reset.REFUSED:
                return becomes, Reason.RST_BELOW_ACK
            if reset is Reset.DOUBTED:
                becomes = ESTABLISHED
        return becomes, self._check_window(side, segment)

    def _check_window(self, side: Side, segment: Segment) -> Reason:
        if tcp_window.learn_sender(side, segment):
            return OK
        tcp_window.normalise(side, segment)
        reason = tcp_window.check(side, segment)
        if reason is OK:
            tcp_window.learn(side, segment)
            return OK
        if reason is Reason.SEQ_JUST_ABOVE_WINDOW:
            tcp_window.learn_early(side, segment.end)
        return OK if self._policy.be_liberal or side.flags & LIBERAL else reason

    def _refused(self, side: Side, segment: Segment, reason: Reason, now: float) -> Reason:
        """Shorten the life of a connection whose two ends both try to end it out of window."""
        connection = side.connection
        wants_end = segment.event in (FIN, RST) and reason.effect is Effect.REFUSE
        if not (wants_end and connection.is_assured) or reason is Reason.RST_BELOW_ACK:
            return reason
        other_ended = connection.last_is_reply != side.is_reply and connection.last_event in (
            FIN,
            RST,
        )
        if not other_ended:
            connection.last_event, connection.last_is_reply = segment.event, side.is_reply
        elif connection.expires_at - now >= max(LONG_LIFE, self._unacknowledged_timeout):
            connection.expires_at = now + self._unacknowledged_timeout
        return reason

    def _accepted(
        self, side: Side, segment: Segment, move: tuple[TcpState, TcpState], now: float
    ) -> Reason:
        """Enter the new state and renew the timer."""
        before_it, becomes = move
        connection = side.connection
        connection.last_event, connection.last_is_reply = segment.event, side.is_reply
        connection.state = becomes
        if becomes is FIN_WAIT and before_it is not FIN_WAIT:
            side.flags |= CLOSED_FIRST
        lifetime = self._timeouts[CLOSE] if segment.event is RST else self._lifetime(side, becomes)
        if not connection.seen_reply:
            if segment.event is RST:
                return Reason.RESET_UNANSWERED
            if segment.event is SYN and before_it is SYN_SENT:
                return Reason.SYN_REPEATED
            if becomes is ESTABLISHED:
                lifetime = min(lifetime, self._unacknowledged_timeout)
        elif becomes is ESTABLISHED and before_it in (SYN_RECV, ESTABLISHED):
            connection.is_assured = True
        connection.expires_at = now + lifetime
        return OK

    def _lifetime(self, side: Side, state: TcpState) -> float:
        """Tell how long to live: the state's timeout, cut if the peers do not get on."""
        connection = side.connection
        full = self._timeouts[state]
        if connection.repeats >= self._policy.max_retrans and full > self._max_retrans_timeout:
            return self._max_retrans_timeout
        if (side.flags | side.other.flags) & UNACKNOWLEDGED and full > self._unacknowledged_timeout:
            return self._unacknowledged_timeout
        if connection.last_window == 0 and full > self._max_retrans_timeout:
            return self._max_retrans_timeout
        return full


def state_timeouts(timeouts: Timeouts) -> tuple[float, ...]:
    """Lay the timeouts out by state."""
    by_state = {
        NONE: 0.0,
        SYN_SENT: timeouts.tcp_syn_sent,
        SYN_RECV: timeouts.tcp_syn_recv,
        ESTABLISHED: timeouts.tcp_established,
        FIN_WAIT: timeouts.tcp_fin_wait,
        CLOSE_WAIT: timeouts.tcp_close_wait,
        LAST_ACK: timeouts.tcp_last_ack,
        TIME_WAIT: timeouts.tcp_time_wait,
        CLOSE: timeouts.tcp_close,
        SYN_SENT2: SYN_SENT2_TIMEOUT,
    }
    return tuple(by_state[state] for state in TcpState)


def established_lifetimes(config: Config) -> tcp_window.Lifetimes:
    """Lay out `_lifetime` of ESTABLISHED for the hot path."""
    timeouts, full = config.timeouts, config.timeouts.tcp_established
    cuts = full > timeouts.tcp_max_retrans
    return tcp_window.Lifetimes(
        max_retrans=config.tcp.max_retrans if cuts else NEVER_REPEATED,
        repeated=timeouts.tcp_max_retrans,
        unacknowledged_mask=UNACKNOWLEDGED if full > timeouts.tcp_unacknowledged else 0,
        unacknowledged=timeouts.tcp_unacknowledged,
        closed_window=timeouts.tcp_max_retrans if cuts else full,
        full=full,
    )


def _adopt(side: Side, segment: Segment) -> None:
    """Pick up a connection in its middle: window-liberal for life, SACK taken for granted."""
    side.end = segment.end
    side.max_window = segment.window or 1
    side.max_end = (segment.end + side.max_window) & M32
    side.flags = side.other.flags = SACK_PERMITTED | LIBERAL


def _may_reopen(side: Side) -> bool:
    """Say whether a SYN on used ports is a new connection: the old one ended, or was reset."""
    connection = side.connection
    reset_by_sender = connection.last_event is RST and connection.last_is_reply == side.is_reply
    return bool((side.flags | side.other.flags) & CLOSED_FIRST) or reset_by_sender


def _answers_ignored_syn(side: Side, segment: Segment) -> bool:
    """Say whether a SYN/ACK answers the SYN that was let through just before."""
    connection = side.connection
    return (
        segment.event is SYN_ACK
        and connection.last_event is SYN
        and connection.last_is_reply != side.is_reply
        and segment.ack == connection.last_end
    )


def _resynchronise(side: Side) -> None:
    """Take over the SYN let through before: the ends have begun anew, unseen by the table."""
    connection, opener = side.connection, side.other
    opener.end = opener.max_end = connection.last_end
    opener.max_window = connection.last_window or 1
    opener.scale = connection.last_scale
    opener.flags = connection.last_flags & ~CHALLENGED
    side.end = side.max_end = side.max_window = side.scale = side.highest_ack = 0
    side.flags &= LIBERAL


def _remember_ignored(side: Side, segment: Segment) -> None:
    """Keep what an ignored segment said, in case an answer shows that it was right."""
    connection = side.connection
    connection.last_event, connection.last_is_reply = segment.event, side.is_reply
    connection.last_seq, connection.last_end = segment.seq, segment.end
    connection.last_window = segment.window
    if segment.event is SYN and not side.is_reply:
        connection.last_scale, connection.last_flags = scale_and_flags(segment.options)
        if connection.state is LAST_ACK:
            connection.last_flags |= CHALLENGED
    if connection.state is SYN_SENT and segment.event is ACK and side.is_reply:
        connection.last_ack = segment.ack


def _is_challenge(side: Side, segment: Segment) -> bool:
    """Say whether an ACK in LAST_ACK only challenges a SYN that was let through."""
    connection = side.connection
    return (
        connection.state is LAST_ACK
        and segment.event is ACK
        and connection.last_event is SYN
        and connection.last_is_reply != side.is_reply
        and bool(connection.last_flags & CHALLENGED)
    )


def _simultaneous(side: Side, segment: Segment, becomes: TcpState) -> TcpState:
    """Let a simultaneous open end with an acknowledgement from either side."""
    connection = side.connection
    if becomes is SYN_SENT2:
        connection.last_flags |= OPENED_BOTH_WAYS
    ends_open = becomes is SYN_RECV and segment.event is ACK and side.is_reply
    return ESTABLISHED if ends_open and connection.last_flags & OPENED_BOTH_WAYS else becomes


def _weigh_reset(side: Side, segment: Segment, *, ignore_old: bool) -> Reset:
    """Tell how far a reset can be believed (RFC 5961 3, as seen from the middle)."""
    connection = side.connection
    if connection.state in CLOSING:
        return Reset.BELIEVED
    if side.other.flags & HIGHEST_ACK_KNOWN and connection.last_event is not SYN:
        reset = _compare_with_highest_ack(side, segment, ignore_old=ignore_old)
        if reset is not None:
            return reset
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
        and bool(connection.last_is_reply)
        and segment.seq == connection.last_ack
    )
    return Reset.BELIEVED if answers_ignored or answers_challenge else Reset.CHECKED


def _compare_with_highest_ack(side: Side, segment: Segment, *, ignore_old: bool) -> Reset | None:
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
