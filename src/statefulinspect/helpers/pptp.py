"""Read PPTP control connections: which GRE packets a call will use (RFC 2637).

PPTP carries PPP in calls. Client (PNS) and server (PAC) first open a session on TCP port 1723, then
set up a call in it: the client asks for an outgoing one, or the server tells of an incoming one.
Each end chooses a call id, and the packets that an end is sent carry its own. Who sees only them
cannot tell that the two directions belong together; so the helper announces one connection that
either end may begin, and maps each direction's call id to the other one's (`gre_keys`).

The client is who opened the control connection. Messages that cannot follow, that come from the
wrong end or name another call are let pass and learned nothing from. One call at a time is
remembered, as in Linux, whichever call id a clearing or a disconnect names. Rows as found by asking
Linux 6.18.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Mapping, NamedTuple, Sequence  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.connection import Connection
from statefulinspect.flowkey import GRE, TCP
from statefulinspect.fsm import IGNORE, NoTransition, Row, compile_rows
from statefulinspect.helpers.model import Message, Policy
from statefulinspect.helpers.pptp_messages import ControlMessage, PptpEvent, read_message
from statefulinspect.helpers.statements import (
    NOTHING,
    Announce,
    AnnounceCall,
    MapKey,
    Outcome,
    Sever,
    Statement,
    UnmapKeys,
)
from statefulinspect.terms import ORIGINAL, REPLY


class SessionState(IntEnum):
    """Name how far the session is."""

    CLOSED = 0
    WANTED = 1
    OPEN = 2
    STOPPING = 3
    FAILED = 4


class CallState(IntEnum):
    """Name how far the call is; OUT ones are the client's, IN ones the server's."""

    IDLE = 0
    OUT_ASKED = 1
    OUT_UP = 2
    IN_ASKED = 3
    IN_GRANTED = 4
    IN_UP = 5
    CLEARING = 6


CLOSED, WANTED, OPEN, STOPPING, FAILED = SessionState
IDLE, OUT_ASKED, OUT_UP, IN_ASKED, IN_GRANTED, IN_UP, CLEARING = CallState
(
    START_ASKED, STARTED, START_REFUSED, STOP_ASKED, STOPPED, STOP_REFUSED,
    OUTGOING_ASKED, OUTGOING_GRANTED, OUTGOING_REFUSED,
    INCOMING_ASKED, INCOMING_GRANTED, INCOMING_REFUSED, INCOMING_CONNECTED,
    CLEAR_ASKED, DISCONNECTED,
) = PptpEvent  # fmt: skip

# fmt: off
SESSION_ROWS: Final = (
    #   state      direction event          becomes   because
    Row(CLOSED,    ORIGINAL, START_ASKED,   WANTED,   "the client asks for a session"),
    Row(WANTED,    REPLY,    STARTED,       OPEN,     "the server grants it"),
    Row(WANTED,    REPLY,    START_REFUSED, FAILED,   "the server refuses it"),
    Row(OPEN,      REPLY,    STARTED,       OPEN,     "the server repeats its answer"),
    Row(OPEN,      REPLY,    START_REFUSED, FAILED,   "the server takes its answer back"),
    *(Row(state,   ORIGINAL, STOP_ASKED,    STOPPING, "the client ends the session")
      for state in SessionState),
    *(Row(state,   REPLY,    STOPPED,       CLOSED,   "the server agrees: another may be opened")
      for state in (CLOSED, STOPPING, FAILED)),
    *(Row(state,   REPLY,    STOP_REFUSED,  FAILED,   "the server says that it cannot")
      for state in (CLOSED, STOPPING, FAILED)),
)
CALL_ROWS: Final = (
    #   state       direction event               becomes     because
    *(Row(state,    ORIGINAL, OUTGOING_ASKED,     OUT_ASKED,  "the client asks for a call")
      for state in CallState),
    Row(OUT_ASKED,  REPLY,    OUTGOING_GRANTED,   OUT_UP,     "the server grants it"),
    Row(OUT_UP,     REPLY,    OUTGOING_GRANTED,   OUT_UP,     "the server repeats its answer"),
    Row(OUT_ASKED,  REPLY,    OUTGOING_REFUSED,   IDLE,       "the server refuses it"),
    Row(OUT_UP,     REPLY,    OUTGOING_REFUSED,   IDLE,       "the server takes its answer back"),
    *(Row(state,    REPLY,    INCOMING_ASKED,     IN_ASKED,   "the server tells of a call")
      for state in CallState),
    Row(IN_ASKED,   ORIGINAL, INCOMING_GRANTED,   IN_GRANTED, "the client takes it"),
    Row(IN_GRANTED, ORIGINAL, INCOMING_GRANTED,   IN_GRANTED, "the client repeats its answer"),
    Row(IN_ASKED,   ORIGINAL, INCOMING_REFUSED,   IDLE,       "the client refuses it"),
    Row(IN_GRANTED, ORIGINAL, INCOMING_REFUSED,   IDLE,       "the client takes its answer back"),
    Row(IN_GRANTED, REPLY,    INCOMING_CONNECTED, IN_UP,      "the server connects it"),
    Row(IN_UP,      REPLY,    INCOMING_CONNECTED, IN_UP,      "the server says so again"),
    *(Row(state,    ORIGINAL, CLEAR_ASKED,        CLEARING,   "the client wants the call to end")
      for state in CallState),
    *(Row(state,    REPLY,    DISCONNECTED,       IDLE,       "the server says that it has ended")
      for state in CallState),
)
# fmt: on
SESSIONS: Final = compile_rows(
    SESSION_ROWS, SessionState, PptpEvent, initial=(CLOSED,), otherwise=IGNORE
)
CALLS: Final = compile_rows(CALL_ROWS, CallState, PptpEvent, initial=(IDLE,), otherwise=IGNORE)

# Linux hears these without an open session too.
WITHOUT_SESSION: Final = frozenset({INCOMING_GRANTED, INCOMING_REFUSED, DISCONNECTED})
TELLS_ID: Final = frozenset({OUTGOING_ASKED, OUTGOING_GRANTED, INCOMING_ASKED, INCOMING_GRANTED})
NAMES_PEER: Final = frozenset(
    {OUTGOING_GRANTED, OUTGOING_REFUSED, INCOMING_GRANTED, INCOMING_REFUSED, INCOMING_CONNECTED}
)
CONNECTS: Final = frozenset({OUTGOING_GRANTED, INCOMING_CONNECTED})
GROUP: Final = "call"


@attrs.define
class Progress:
    """Remember of one control connection how far it is, and the call ids: client's, server's."""

    session: SessionState = CLOSED
    call: CallState = IDLE
    call_ids: list[int] = attrs.field(factory=lambda: [0, 0])


class CallDirection(NamedTuple):
    """Name one direction of a call: its call id is the receiver's, its source key the sender's."""

    source: bytes
    destination: bytes
    source_key: int
    call_id: int

    @property
    def announced(self) -> Announce:
        """Expect the call's first packet in this direction."""
        return Announce(
            GRE,
            self.destination,
            self.call_id,
            source=self.source,
            source_port=self.source_key,
            group=GROUP,
        )

    @property
    def mapped(self) -> MapKey:
        """Give the packets of this direction their source key."""
        return MapKey(*self[:2], call_id=self.call_id, source_key=self.source_key)

    @property
    def flow_key(self) -> bytes:
        """Give the key that the packets of this direction then have."""
        keys = self.source_key.to_bytes(2, "big") + self.call_id.to_bytes(2, "big")
        return self.source + self.destination + keys


class PptpHelper:
    """Expect the GRE packets of PPTP calls."""

    name = "pptp"
    protocols = frozenset({TCP})
    families = frozenset({4})
    policies: Mapping[str, Policy] = {"": Policy(2, 300.0)}

    def begin(self) -> Progress:
        """Begin without session and call."""
        return Progress()

    def read(self, message: Message) -> Outcome:
        """Announce a call that gets connected, and sever one that ends; never refuse anything."""
        said, progress = read_message(message.payload), message.memory
        assert isinstance(progress, Progress)
        if said is None or not _advance(progress, said, message.side.is_reply):
            return NOTHING
        if said.event in CONNECTS:
            return (_announce(message.connection, progress),)
        return _sever(message.connection, progress) if said.event is DISCONNECTED else NOTHING

    def end(self, connection: Connection) -> Sequence[Statement]:
        """Sever the call of a control connection that is removed."""
        progress = connection.helper_memory
        assert isinstance(progress, Progress)
        return _sever(connection, progress)


def _advance(progress: Progress, said: ControlMessage, is_reply: int) -> bool:
    """Take session or call one message further; say whether the call got further."""
    event, ids = said.event, progress.call_ids
    session = SESSIONS[is_reply][progress.session][event]
    if not isinstance(session, NoTransition):
        progress.session = session
        return False
    call = CALLS[is_reply][progress.call][event]
    is_early = progress.session is not OPEN and event not in WITHOUT_SESSION
    is_other = event in NAMES_PEER and said.peer_id != ids[1 - is_reply]
    if isinstance(call, NoTransition) or is_early or is_other:
        return False
    progress.call = call
    if event in TELLS_ID:
        ids[is_reply] = said.call_id
    return True


def _announce(connection: Connection, progress: Progress) -> AnnounceCall:
    """Expect the call from either end, and map the keys of both directions."""
    both = _directions(connection, progress)
    return AnnounceCall(tuple(each.announced for each in both), tuple(each.mapped for each in both))


def _sever(connection: Connection, progress: Progress) -> tuple[Statement, ...]:
    """End the connection of the call, or else what is expected of it, and forget its keys."""
    both = _directions(connection, progress)
    return (*(Sever(GRE, each.flow_key) for each in both), UnmapKeys())


def _directions(connection: Connection, progress: Progress) -> tuple[CallDirection, CallDirection]:
    """Give the call's two directions, that from the client first."""
    key = connection.original_side.key
    client, server = key[:4], key[4:8]
    client_id, server_id = progress.call_ids
    forth = CallDirection(client, server, client_id, server_id)
    return forth, CallDirection(server, client, server_id, client_id)
