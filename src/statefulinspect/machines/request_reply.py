"""What a request and its answers do: the machine of every protocol without a state of its own.

UDP, ICMP queries and all protocols that are known by number only share it. A pair of addresses
(and ports, or an identifier) is UNREPLIED until something comes back, and REPLIED from then on;
where a stream may follow, it is STREAM once packets go on after the reply. Linux waits for UDP
until the connection is more than two seconds old, so that one question and its answer, a DNS
look-up say, never count as a stream. Each packet renews the timer of the state it leads to.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Callable, Final

from statefulinspect.connection import Connection, Side
from statefulinspect.fsm import BOTH, INVALID, Row, compile_rows
from statefulinspect.packet import Packet
from statefulinspect.terms import OK, ORIGINAL, REPLY, Reason


class PairState(IntEnum):
    """Name how far a pair of ends has come."""

    UNREPLIED = 0
    REPLIED = 1
    STREAM = 2


class PairEvent(IntEnum):
    """Name a packet by when it comes: EARLY, or after the time in which no stream begins."""

    EARLY = 0
    LATE = 1


UNREPLIED: Final = PairState.UNREPLIED
REPLIED: Final = PairState.REPLIED
STREAM: Final = PairState.STREAM
EARLY: Final = PairEvent.EARLY
LATE: Final = PairEvent.LATE

# fmt: off
ROWS: Final = (
    #   state      direction event  becomes    because
    Row(UNREPLIED, ORIGINAL, EARLY, UNREPLIED, "asked again"),
    Row(UNREPLIED, ORIGINAL, LATE,  UNREPLIED, "asked again, after a while"),
    Row(UNREPLIED, REPLY,    EARLY, REPLIED,   "the answer"),
    Row(UNREPLIED, REPLY,    LATE,  REPLIED,   "a late answer: an answer alone makes no stream"),
    Row(REPLIED,   BOTH,     EARLY, REPLIED,   "more of one question and its answer"),
    Row(REPLIED,   BOTH,     LATE,  STREAM,    "they go on talking"),
    Row(STREAM,    BOTH,     EARLY, STREAM,    "a stream stays one"),
    Row(STREAM,    BOTH,     LATE,  STREAM,    "they go on talking"),
)
# fmt: on
TRANSITIONS: Final = compile_rows(
    ROWS, PairState, PairEvent, initial=(UNREPLIED,), otherwise=INVALID
)

Validator = Callable[[Packet], Reason]


def nothing_to_check(_: Packet) -> Reason:
    """Accept every packet: the protocol is known by its number only."""
    return OK


class RequestReply:
    """Track pairs of ends; `settles_after` seconds after creation a stream may begin, or never."""

    names_states = False

    def __init__(
        self,
        timeouts: tuple[float, float, float],
        settles_after: float,
        validate: Validator = nothing_to_check,
    ) -> None:
        """Take the timeouts of UNREPLIED, REPLIED and STREAM in seconds, and the checks."""
        self.timeouts = timeouts
        self.settles_after = settles_after
        self._validate = validate

    def validate(self, packet: Packet) -> Reason:
        """Check the protocol's own header."""
        return self._validate(packet)

    def open(self, side: Side, packet: Packet, now: float) -> Reason:  # noqa: ARG002 - any packet
        """Begin as UNREPLIED; any packet may."""
        return self.begin(side, now)

    def step(self, side: Side, packet: Packet, now: float) -> Reason:  # noqa: ARG002 - any packet
        """Move on, and renew the timer."""
        return self.advance(side, now)

    def begin(self, side: Side, now: float) -> Reason:
        """Begin as UNREPLIED."""
        connection = side.connection
        connection.state = UNREPLIED
        connection.expires_at = now + self.timeouts[UNREPLIED]
        return OK

    def resume(self, connection: Connection, reply_packets: int, reply_octets: int) -> None:
        """Go on as UNREPLIED, or as REPLIED if there were answers."""
        connection.state = REPLIED if reply_packets else UNREPLIED
        connection.seen_reply = reply_packets > 0
        connection.reply_side.packets = reply_packets
        connection.reply_side.octets = reply_octets

    def advance(self, side: Side, now: float) -> Reason:
        """Move on, and renew the timer."""
        connection = side.connection
        event = LATE if now > connection.created_at + self.settles_after else EARLY
        becomes: Any = TRANSITIONS[side.is_reply][connection.state][event]  # a state: none refuses
        connection.state = becomes
        connection.is_assured = becomes is STREAM
        connection.expires_at = now + self.timeouts[becomes]
        return OK

    def reset(self, connection: Connection, now: float) -> None:
        """Leave the connection as it is: only TCP is reset."""

    def arm(self, connection: Connection) -> None:
        """Leave the sides as they are: the hot path knows TCP only."""
