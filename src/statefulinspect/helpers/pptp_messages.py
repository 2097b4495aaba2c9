"""What PPTP's two ends say to each other: control messages, read from their octets (RFC 2637 2).

Each message is a fixed layout of big-endian fields behind a common header: length, message type,
magic cookie, control message type, reserved. Only those that open and close a session or a call are
read here; echoes, link information and error reports change nothing. Linux looks at the first
message of each segment, takes it if the segment is long enough for its layout, and does not compare
the length that it claims.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

CONTROL_MESSAGE: Final = b"\x00\x01\x1a\x2b\x3c\x4d"  # message type 1 and the magic cookie
HEADER: Final = 12  # octets before the fields of the message itself
GRANTED: Final = 1  # the result code that says yes; all others say no


class PptpEvent(IntEnum):
    """Name what a message says; the answers are two events each, by their result code."""

    START_ASKED = 0
    STARTED = 1
    START_REFUSED = 2
    STOP_ASKED = 3
    STOPPED = 4
    STOP_REFUSED = 5
    OUTGOING_ASKED = 6
    OUTGOING_GRANTED = 7
    OUTGOING_REFUSED = 8
    INCOMING_ASKED = 9
    INCOMING_GRANTED = 10
    INCOMING_REFUSED = 11
    INCOMING_CONNECTED = 12
    CLEAR_ASKED = 13
    DISCONNECTED = 14


class Layout(NamedTuple):
    """Say how long a message is, what it says, and where: offsets from the end of the header.

    `refusal` is what it says if the octet at `result_at` is not `GRANTED`.
    """

    size: int
    event: PptpEvent
    call_at: int | None = None
    peer_at: int | None = None
    result_at: int | None = None
    refusal: PptpEvent | None = None


# fmt: off
LAYOUTS: Final = {
    1:  Layout(156, PptpEvent.START_ASKED),
    2:  Layout(156, PptpEvent.STARTED, result_at=2, refusal=PptpEvent.START_REFUSED),
    3:  Layout(16,  PptpEvent.STOP_ASKED),
    4:  Layout(16,  PptpEvent.STOPPED, result_at=0, refusal=PptpEvent.STOP_REFUSED),
    7:  Layout(168, PptpEvent.OUTGOING_ASKED, call_at=0),
    8:  Layout(32,  PptpEvent.OUTGOING_GRANTED, 0, 2, 4, PptpEvent.OUTGOING_REFUSED),
    9:  Layout(220, PptpEvent.INCOMING_ASKED, call_at=0),
    10: Layout(24,  PptpEvent.INCOMING_GRANTED, 0, 2, 4, PptpEvent.INCOMING_REFUSED),
    11: Layout(28,  PptpEvent.INCOMING_CONNECTED, peer_at=0),
    12: Layout(16,  PptpEvent.CLEAR_ASKED),
    13: Layout(148, PptpEvent.DISCONNECTED),
}  # by control message type: RFC 2637 2.1 to 2.14
# fmt: on


class ControlMessage(NamedTuple):
    """Hold one message: what it says, its sender's call id, and the one it says its peer has.

    An id that the layout has no place for is 0.
    """

    event: PptpEvent
    call_id: int = 0
    peer_id: int = 0


def read_message(payload: bytes) -> ControlMessage | None:
    """Read the message that a segment begins with; None if it is none that is known and whole."""
    layout = LAYOUTS.get(int.from_bytes(payload[8:10], "big"))
    if payload[2:8] != CONTROL_MESSAGE or layout is None or len(payload) < layout.size:
        return None
    fields = payload[HEADER : layout.size]
    is_refused = layout.result_at is not None and fields[layout.result_at] != GRANTED
    event = layout.refusal if is_refused and layout.refusal is not None else layout.event
    return ControlMessage(event, _number(fields, layout.call_at), _number(fields, layout.peer_at))


def _number(fields: bytes, at: int | None) -> int:
    return 0 if at is None else int.from_bytes(fields[at : at + 2], "big")
