"""How a TCP connection moves: the rows of the state machine, as seen from the middle.

The tracker stands between the two ends and sees what each sends, but not what arrives. So a state
here is what both ends may have reached: SYN_RECV when the answer to a SYN went by, ESTABLISHED
when the opener's acknowledgement did. ORIGINAL is the direction of the first packet. A segment
that is wrong for the state seen here may still be right for the ends, whose state may differ
after a loss or a crash: such cells are IGNORE, and the ends decide. INVALID are those that no
history explains.

States and moves are those of Linux 6.18. The first FIN may come from either end, and the table
does not remember whose it was: a repeated FIN therefore moves FIN_WAIT to LAST_ACK.

What needs memory stands beside the table: reopening from TIME_WAIT and CLOSE in `tcp.py`, which
resets are believed in `tcp_reset.py`, and in `tcp_memory.py` re-synchronisation on an ignored SYN,
the challenge acknowledgement and simultaneous open.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from statefulinspect.fsm import BOTH, IGNORE, INVALID, Row, compile_rows
from statefulinspect.terms import ORIGINAL, REPLY


class TcpState(IntEnum):
    """Name the states as the kernel prints them; the numbers are ctnetlink's."""

    NONE = 0
    SYN_SENT = 1
    SYN_RECV = 2
    ESTABLISHED = 3
    FIN_WAIT = 4
    CLOSE_WAIT = 5
    LAST_ACK = 6
    TIME_WAIT = 7
    CLOSE = 8
    SYN_SENT2 = 9


class TcpEvent(IntEnum):
    """Name what a segment is for the table; RST is looked at before SYN, FIN and ACK."""

    SYN = 0
    SYN_ACK = 1
    FIN = 2
    ACK = 3
    RST = 4


NONE: Final = TcpState.NONE
SYN_SENT: Final = TcpState.SYN_SENT
SYN_RECV: Final = TcpState.SYN_RECV
ESTABLISHED: Final = TcpState.ESTABLISHED
FIN_WAIT: Final = TcpState.FIN_WAIT
CLOSE_WAIT: Final = TcpState.CLOSE_WAIT
LAST_ACK: Final = TcpState.LAST_ACK
TIME_WAIT: Final = TcpState.TIME_WAIT
CLOSE: Final = TcpState.CLOSE
SYN_SENT2: Final = TcpState.SYN_SENT2

SYN: Final = TcpEvent.SYN
SYN_ACK: Final = TcpEvent.SYN_ACK
FIN: Final = TcpEvent.FIN
ACK: Final = TcpEvent.ACK
RST: Final = TcpEvent.RST

# fmt: off
ROWS: Final = (
    #   state        direction event    becomes      because
    Row(NONE,        ORIGINAL, SYN,     SYN_SENT,    "a SYN opens"),
    Row(NONE,        ORIGINAL, ACK,     ESTABLISHED, "loose pickup: the opening was not seen"),

    Row(SYN_SENT,    ORIGINAL, SYN,     SYN_SENT,    "the opener repeats its SYN"),
    Row(SYN_SENT,    REPLY,    SYN,     SYN_SENT2,   "both ends open at once"),
    Row(SYN_SENT,    REPLY,    SYN_ACK, SYN_RECV,    "second step of the handshake"),
    Row(SYN_SENT,    REPLY,    ACK,     IGNORE,      "an end that holds an older one"),
    Row(SYN_SENT,    BOTH,     RST,     CLOSE,       "refused, or given up"),

    Row(SYN_SENT2,   BOTH,     SYN,     SYN_SENT2,   "a SYN of the simultaneous open, repeated"),
    Row(SYN_SENT2,   BOTH,     SYN_ACK, SYN_RECV,    "one end has seen the other's SYN"),
    Row(SYN_SENT2,   REPLY,    ACK,     IGNORE,      "too early here, but the ends may know more"),
    Row(SYN_SENT2,   BOTH,     RST,     CLOSE,       "refused, or given up"),

    Row(SYN_RECV,    ORIGINAL, SYN,     IGNORE,      "its SYN/ACK was lost, or it starts over"),
    Row(SYN_RECV,    ORIGINAL, SYN_ACK, SYN_RECV,    "the other half of a simultaneous open"),
    Row(SYN_RECV,    REPLY,    SYN_ACK, IGNORE,      "the SYN/ACK, repeated"),
    Row(SYN_RECV,    ORIGINAL, ACK,     ESTABLISHED, "third step; both ends agreed"),
    Row(SYN_RECV,    REPLY,    ACK,     SYN_RECV,    "the answerer speaks before the third step"),
    Row(SYN_RECV,    BOTH,     FIN,     FIN_WAIT,    "closed as soon as opened"),
    Row(SYN_RECV,    BOTH,     RST,     CLOSE,       "aborted during the handshake"),

    Row(ESTABLISHED, ORIGINAL, SYN,     IGNORE,      "restarted? The answer will tell"),
    Row(ESTABLISHED, REPLY,    SYN_ACK, IGNORE,      "repeated, or answers an ignored SYN"),
    Row(ESTABLISHED, BOTH,     ACK,     ESTABLISHED, "data and acknowledgements"),
    Row(ESTABLISHED, BOTH,     FIN,     FIN_WAIT,    "one end has no more to send"),
    Row(ESTABLISHED, BOTH,     RST,     CLOSE,       "aborted"),

    Row(FIN_WAIT,    ORIGINAL, SYN,     IGNORE,      "restarted? The answer will tell"),
    Row(FIN_WAIT,    REPLY,    SYN_ACK, IGNORE,      "old, or answers an ignored SYN"),
    Row(FIN_WAIT,    BOTH,     ACK,     CLOSE_WAIT,  "taken to acknowledge the FIN"),
    Row(FIN_WAIT,    BOTH,     FIN,     LAST_ACK,    "the second FIN, or the first again"),
    Row(FIN_WAIT,    BOTH,     RST,     CLOSE,       "aborted while closing"),

    Row(CLOSE_WAIT,  ORIGINAL, SYN,     IGNORE,      "restarted? The answer will tell"),
    Row(CLOSE_WAIT,  REPLY,    SYN_ACK, IGNORE,      "old, or answers an ignored SYN"),
    Row(CLOSE_WAIT,  BOTH,     ACK,     CLOSE_WAIT,  "half closed: data flows one way"),
    Row(CLOSE_WAIT,  BOTH,     FIN,     LAST_ACK,    "the second FIN"),
    Row(CLOSE_WAIT,  BOTH,     RST,     CLOSE,       "aborted while closing"),

    Row(LAST_ACK,    ORIGINAL, SYN,     IGNORE,      "restarted? The answer will tell"),
    Row(LAST_ACK,    REPLY,    SYN_ACK, IGNORE,      "old, or answers an ignored SYN"),
    Row(LAST_ACK,    BOTH,     ACK,     TIME_WAIT,   "the last acknowledgement"),
    Row(LAST_ACK,    BOTH,     FIN,     LAST_ACK,    "a FIN, repeated"),
    Row(LAST_ACK,    BOTH,     RST,     CLOSE,       "aborted while closing"),

    Row(TIME_WAIT,   BOTH,     SYN,     SYN_SENT,    "the ports are used again, from either end"),
    Row(TIME_WAIT,   REPLY,    SYN_ACK, IGNORE,      "old, or answers an ignored SYN"),
    Row(TIME_WAIT,   BOTH,     ACK,     TIME_WAIT,   "the last acknowledgement, repeated"),
    Row(TIME_WAIT,   BOTH,     FIN,     TIME_WAIT,   "its acknowledgement was lost"),
    Row(TIME_WAIT,   BOTH,     RST,     CLOSE,       "an end has forgotten already"),

    Row(CLOSE,       ORIGINAL, SYN,     SYN_SENT,    "the ports are used again"),
    Row(CLOSE,       REPLY,    SYN_ACK, IGNORE,      "old, or answers an ignored SYN"),
    Row(CLOSE,       BOTH,     ACK,     CLOSE,       "still on its way when the reset passed"),
    Row(CLOSE,       BOTH,     FIN,     CLOSE,       "still on its way when the reset passed"),
    Row(CLOSE,       BOTH,     RST,     CLOSE,       "the reset, repeated"),
)
# fmt: on
TRANSITIONS: Final = compile_rows(ROWS, TcpState, TcpEvent, initial=(NONE,), otherwise=INVALID)
