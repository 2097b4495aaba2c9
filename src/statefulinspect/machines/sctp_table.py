"""How an SCTP association moves: the rows of the state machine, as seen from the middle.

Each chunk of a packet is one event (RFC 9260 3.2). An association opens in four steps: INIT, INIT
ACK, COOKIE ECHO, COOKIE ACK, each of which may be lost; it ends in three: SHUTDOWN, SHUTDOWN ACK,
SHUTDOWN COMPLETE. A heartbeat may open one that was not seen to begin, as a second path of a
host with several addresses does. ORIGINAL is the direction of the first packet.

States and moves are those of Linux 6.18. A chunk without a row leaves the state as it is. From
NONE only rows lead on: a first packet with another chunk opens nothing; that some rows from NONE
end in CLOSED is the kernel's, for such packets pass if their verification tag is zero.

What needs memory stands in `sctp.py`: the verification tags, and which INIT answers which.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from statefulinspect.fsm import BOTH, INVALID, STAY, Row, compile_rows
from statefulinspect.terms import ORIGINAL, REPLY


class SctpState(IntEnum):
    """Name the states as the kernel prints them; the numbers are ctnetlink's."""

    NONE = 0
    CLOSED = 1
    COOKIE_WAIT = 2
    COOKIE_ECHOED = 3
    ESTABLISHED = 4
    SHUTDOWN_SENT = 5
    SHUTDOWN_RECD = 6
    SHUTDOWN_ACK_SENT = 7
    HEARTBEAT_SENT = 8


class SctpEvent(IntEnum):
    """Name the chunks that move an association; OTHER are DATA, SACK and all the rest."""

    INIT = 0
    INIT_ACK = 1
    ABORT = 2
    SHUTDOWN = 3
    SHUTDOWN_ACK = 4
    ERROR = 5
    COOKIE_ECHO = 6
    COOKIE_ACK = 7
    SHUTDOWN_COMPLETE = 8
    HEARTBEAT = 9
    HEARTBEAT_ACK = 10
    OTHER = 11


(
    NONE, CLOSED, COOKIE_WAIT, COOKIE_ECHOED, ESTABLISHED,
    SHUTDOWN_SENT, SHUTDOWN_RECD, SHUTDOWN_ACK_SENT, HEARTBEAT_SENT,
) = SctpState  # fmt: skip
(
    INIT, INIT_ACK, ABORT, SHUTDOWN, SHUTDOWN_ACK, ERROR, COOKIE_ECHO, COOKIE_ACK,
    SHUTDOWN_COMPLETE, HEARTBEAT, HEARTBEAT_ACK, OTHER,
) = SctpEvent  # fmt: skip

# fmt: off
ROWS: Final = (
    #   state             direction event              becomes            because
    Row(NONE,              ORIGINAL, INIT,              CLOSED,            "first step of the opening"),
    Row(CLOSED,            REPLY,    INIT_ACK,          COOKIE_WAIT,       "second step of the opening"),
    Row(COOKIE_WAIT,       BOTH,     COOKIE_ECHO,       COOKIE_ECHOED,     "third step of the opening"),
    Row(COOKIE_ECHOED,     BOTH,     COOKIE_ACK,        ESTABLISHED,       "fourth step; both ends agreed"),
    Row(COOKIE_ECHOED,     REPLY,    ERROR,             CLOSED,            "the cookie was refused"),

    Row(ESTABLISHED,       ORIGINAL, SHUTDOWN,          SHUTDOWN_SENT,     "the opener ends"),
    Row(ESTABLISHED,       REPLY,    SHUTDOWN,          SHUTDOWN_RECD,     "the answerer ends"),
    Row(SHUTDOWN_SENT,     BOTH,     SHUTDOWN_ACK,      SHUTDOWN_ACK_SENT, "the end is agreed to"),
    Row(SHUTDOWN_RECD,     BOTH,     SHUTDOWN_ACK,      SHUTDOWN_ACK_SENT, "the end is agreed to"),
    Row(SHUTDOWN_ACK_SENT, BOTH,     SHUTDOWN_COMPLETE, CLOSED,            "ended"),
    Row(SHUTDOWN_SENT,     ORIGINAL, INIT,              CLOSED,            "begun anew while ending"),
    Row(SHUTDOWN_RECD,     ORIGINAL, INIT,              CLOSED,            "begun anew while ending"),

    Row(COOKIE_WAIT,       BOTH,     ABORT,             CLOSED,            "given up while opening"),
    Row(COOKIE_ECHOED,     BOTH,     ABORT,             CLOSED,            "given up while opening"),
    Row(ESTABLISHED,       BOTH,     ABORT,             CLOSED,            "broken off"),
    Row(SHUTDOWN_SENT,     BOTH,     ABORT,             CLOSED,            "broken off while ending"),
    Row(SHUTDOWN_RECD,     BOTH,     ABORT,             CLOSED,            "broken off while ending"),
    Row(SHUTDOWN_ACK_SENT, BOTH,     ABORT,             CLOSED,            "broken off while ending"),

    Row(NONE,              ORIGINAL, HEARTBEAT,         HEARTBEAT_SENT,    "a path of an unseen association"),
    Row(HEARTBEAT_SENT,    REPLY,    HEARTBEAT_ACK,     ESTABLISHED,       "the path works"),
    Row(HEARTBEAT_SENT,    ORIGINAL, INIT,              COOKIE_WAIT,       "opened on a path being tried"),
    Row(HEARTBEAT_SENT,    ORIGINAL, INIT_ACK,          CLOSED,            "the trying end gives up"),
    Row(HEARTBEAT_SENT,    ORIGINAL, ABORT,             CLOSED,            "the trying end gives up"),
    Row(HEARTBEAT_SENT,    ORIGINAL, SHUTDOWN,          CLOSED,            "the trying end gives up"),
    Row(HEARTBEAT_SENT,    ORIGINAL, SHUTDOWN_ACK,      SHUTDOWN_ACK_SENT, "the unseen association ends"),
    Row(HEARTBEAT_SENT,    ORIGINAL, ERROR,             CLOSED,            "the trying end gives up"),
    Row(HEARTBEAT_SENT,    ORIGINAL, COOKIE_ECHO,       CLOSED,            "the trying end gives up"),
    Row(HEARTBEAT_SENT,    ORIGINAL, COOKIE_ACK,        CLOSED,            "the trying end gives up"),
    Row(HEARTBEAT_SENT,    ORIGINAL, SHUTDOWN_COMPLETE, CLOSED,            "the trying end gives up"),
    Row(HEARTBEAT_SENT,    REPLY,    INIT,              INVALID,           "the heartbeat is not acknowledged"),
    Row(HEARTBEAT_SENT,    REPLY,    INIT_ACK,          INVALID,           "the heartbeat is not acknowledged"),
    Row(HEARTBEAT_SENT,    REPLY,    ABORT,             INVALID,           "the heartbeat is not acknowledged"),
    Row(HEARTBEAT_SENT,    REPLY,    SHUTDOWN,          INVALID,           "the heartbeat is not acknowledged"),
    Row(HEARTBEAT_SENT,    REPLY,    SHUTDOWN_ACK,      INVALID,           "the heartbeat is not acknowledged"),
    Row(HEARTBEAT_SENT,    REPLY,    ERROR,             INVALID,           "the heartbeat is not acknowledged"),
    Row(HEARTBEAT_SENT,    REPLY,    COOKIE_ECHO,       INVALID,           "the heartbeat is not acknowledged"),
    Row(HEARTBEAT_SENT,    REPLY,    COOKIE_ACK,        INVALID,           "the heartbeat is not acknowledged"),
    Row(HEARTBEAT_SENT,    REPLY,    SHUTDOWN_COMPLETE, INVALID,           "the heartbeat is not acknowledged"),

    Row(NONE,              ORIGINAL, SHUTDOWN_ACK,      SHUTDOWN_ACK_SENT, "the end of an unseen association"),
    Row(NONE,              ORIGINAL, INIT_ACK,          CLOSED,            "passes, if its tag is zero"),
    Row(NONE,              ORIGINAL, SHUTDOWN,          CLOSED,            "passes, if its tag is zero"),
    Row(NONE,              ORIGINAL, ERROR,             CLOSED,            "passes, if its tag is zero"),
    Row(NONE,              ORIGINAL, COOKIE_ECHO,       CLOSED,            "passes, if its tag is zero"),
    Row(NONE,              ORIGINAL, HEARTBEAT_ACK,     CLOSED,            "passes: its tag is learned"),
)
# fmt: on
TRANSITIONS: Final = compile_rows(ROWS, SctpState, SctpEvent, initial=(NONE,), otherwise=STAY)
