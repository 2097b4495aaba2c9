"""What a TCP segment does to its connection: the decisions that need memory.

The rows of `tcp_table` say where a segment leads; `tcp_window` says whether its numbers fit. Here
stands the order in which a segment meets the cases that look at what came before: reopening on used
ports, SYNs let through (`tcp_memory`), resets (`tcp_reset`), the window, the timers (`tcp_timers`).
"""

from __future__ import annotations

from typing import Final

from statefulinspect.checksums import transport_is_right
from statefulinspect.config import Config
from statefulinspect.connection import Connection, Side
from statefulinspect.fsm import IGNORE, NoTransition
from statefulinspect.machines import tcp_window
from statefulinspect.machines.side_flags import CLOSED_FIRST, LIBERAL, SACK_PERMITTED
from statefulinspect.machines.tcp_in_order import ask
from statefulinspect.machines.tcp_memory import (
    CHALLENGED,
    answers_ignored_syn,
    is_challenge,
    remember_ignored,
    resynchronise,
    simultaneous,
)
from statefulinspect.machines.tcp_prediction import arm, take_back
from statefulinspect.machines.tcp_reset import Reset, weigh_reset
from statefulinspect.machines.tcp_segment import (
    Segment,
    check_header,
    read_segment,
    scale_and_flags,
)
from statefulinspect.machines.tcp_table import (
    ACK,
    CLOSE,
    ESTABLISHED,
    FIN,
    FIN_WAIT,
    NONE,
    RST,
    SYN,
    SYN_RECV,
    SYN_SENT,
    TIME_WAIT,
    TRANSITIONS,
    TcpEvent,
    TcpState,
)
from statefulinspect.machines.tcp_timers import SYN_SENT2_TIMEOUT, TcpTimers
from statefulinspect.packet import Packet
from statefulinspect.seqnum import M32
from statefulinspect.terms import OK, Effect, Reason

LONG_LIFE: Final = 120  # seconds left from which a doubtful end shortens a connection's life


class TcpMachine:
    """Track TCP (RFC 9293) from the middle, as Linux 6.18 does."""

    names_states = True
    arm = staticmethod(arm)

    def __init__(self, config: Config, syn_sent2: float = SYN_SENT2_TIMEOUT) -> None:
        self._policy = config.tcp
        self._verify = config.verify_checksums
        self.timers = TcpTimers(config, syn_sent2)

    def validate(self, packet: Packet) -> Reason:
        """Check lengths, checksum and flags; of two faults the one that Linux logs is told."""
        reason = check_header(packet)
        has_header = reason is OK or reason is Reason.TCP_FLAGS
        if has_header and self._verify and not transport_is_right(packet):
            return Reason.CHECKSUM
        return reason

    def open(self, side: Side, packet: Packet, now: float) -> Reason:
        """Begin with a SYN, or in loose mode with a segment from the middle."""
        return self.begin(side, read_segment(packet), now)

    def begin(self, side: Side, segment: Segment, now: float) -> Reason:
        """Begin with a segment."""
        if segment.event is SYN:
            scale, flags = scale_and_flags(segment.options)
            ask(side, segment.end, segment.window, scale, flags)
            side.connection.expires_at = now + self.timers.opening
            return OK
        _set_out(side.connection)
        reason = self.refusal(segment.event)
        if reason is not OK:
            return reason
        _adopt(side, segment)
        return self.advance(side, segment, now)

    def refusal(self, event: TcpEvent) -> Reason:
        """Say why a segment other than a SYN begins nothing; OK if it is picked up."""
        if event is not ACK:
            return Reason.TCP_NOT_AN_OPENING
        return OK if self._policy.loose else Reason.TCP_MIDSTREAM

    def step(self, side: Side, packet: Packet, now: float) -> Reason:
        """Take the connection one segment further."""
        take_back(side.connection)
        return self.advance(side, read_segment(packet), now)

    def reset(self, connection: Connection, now: float) -> None:
        """Close the connection, as Linux does when a rule rejects one of its segments so.

        One that is closed already keeps its deadline.
        """
        if connection.state is CLOSE:
            return
        connection.state = CLOSE
        connection.expires_at = now + self.timers.by_state[CLOSE]

    def advance(self, side: Side, segment: Segment, now: float) -> Reason:
        """Take the connection one segment further.

        Decides in the order in which Linux does; the first case that applies answers.
        """
        connection = side.connection
        before_it = connection.state
        assert isinstance(before_it, TcpState)
        becomes = TRANSITIONS[side.is_reply][before_it][segment.event]
        if becomes is SYN_SENT and before_it in (TIME_WAIT, CLOSE):
            if _may_reopen(side):
                return Reason.PORTS_REUSED
            becomes = IGNORE
        if becomes is IGNORE:
            if not answers_ignored_syn(side, segment):
                remember_ignored(side, segment)
                return Reason.OUT_OF_STATE_IGNORED
            resynchronise(side)
            before_it, becomes = SYN_SENT, SYN_RECV
        if isinstance(becomes, NoTransition):
            return Reason.OUT_OF_STATE
        if is_challenge(side, segment):
            connection.last_flags &= ~CHALLENGED
            return Reason.CHALLENGE_ACK
        becomes = simultaneous(side, segment, becomes)
        becomes, reason = self._judge(side, segment, becomes)
        if reason is not OK:
            return self._refused(side, segment, reason, now)
        return self._accepted(side, segment, (before_it, becomes), now)

    def _judge(self, side: Side, segment: Segment, becomes: TcpState) -> tuple[TcpState, Reason]:
        """Weigh a reset by its own rules, everything else by the window."""
        if segment.event is RST:
            reset = weigh_reset(side, segment, ignore_old=self._policy.ignore_invalid_rst)
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
        elif connection.expires_at - now >= max(LONG_LIFE, self.timers.unacknowledged):
            connection.expires_at = now + self.timers.unacknowledged
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
        lifetime = self.timers.lifetime(side, becomes, is_reset=segment.event is RST)
        if not connection.seen_reply:
            if segment.event is RST:
                return Reason.RESET_UNANSWERED
            if segment.event is SYN and before_it is SYN_SENT:
                return Reason.SYN_CROSSED if side.is_reply else Reason.SYN_REPEATED
            if becomes is ESTABLISHED:
                lifetime = min(lifetime, self.timers.unacknowledged)
        elif becomes is ESTABLISHED and before_it in (SYN_RECV, ESTABLISHED):
            connection.is_assured = True
        connection.expires_at = now + lifetime
        return OK


def _set_out(connection: Connection) -> None:
    """Give a new connection and its sides what only TCP needs: nothing is known yet."""
    connection.state, connection.last_event = NONE, None
    connection.last_is_reply = connection.last_seq = connection.last_ack = 0
    connection.last_end = connection.last_window = connection.repeats = 0
    for side in (connection.original_side, connection.reply_side):
        side.end = side.max_end = side.max_window = 0
        side.highest_ack = side.scale = side.flags = 0


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
