"""What an SCTP packet says: its verification tag and its chunks (RFC 9260 3).

A chunk is type, flags, length (the four bytes of these included) and a body; the next begins at a
multiple of four. As in Linux a length of 1 to 3 counts as 4, and one beyond the packet ends the
walk; only a length of zero is an error.
"""

from __future__ import annotations

from typing import Final, Iterator, NamedTuple  # noqa: UP035 - Python 3.9

from statefulinspect.machines.sctp_table import (
    ABORT,
    COOKIE_ACK,
    COOKIE_ECHO,
    ERROR,
    HEARTBEAT,
    HEARTBEAT_ACK,
    INIT,
    INIT_ACK,
    OTHER,
    SHUTDOWN,
    SHUTDOWN_ACK,
    SHUTDOWN_COMPLETE,
    SctpEvent,
)
from statefulinspect.packet import Packet
from statefulinspect.terms import OK, Reason

HEADER: Final = 12  # ports, verification tag, checksum
INIT_BODY: Final = 16  # tag, window, stream counts, first sequence number (RFC 9260 3.3.2)
DATA_CHUNK: Final = 0

EVENTS: Final = {
    1: INIT,
    2: INIT_ACK,
    4: HEARTBEAT,
    5: HEARTBEAT_ACK,
    6: ABORT,
    7: SHUTDOWN,
    8: SHUTDOWN_ACK,
    9: ERROR,
    10: COOKIE_ECHO,
    11: COOKIE_ACK,
    14: SHUTDOWN_COMPLETE,
}
ALONE: Final = frozenset({INIT, INIT_ACK, SHUTDOWN_COMPLETE})
FIRST: Final = frozenset({COOKIE_ECHO, COOKIE_ACK})


class Chunk(NamedTuple):
    """Hold one chunk; `rest` is all that follows its header, to the end of the packet."""

    kind: int
    flags: int
    length: int
    rest: bytes

    @property
    def event(self) -> SctpEvent:
        """Tell what the chunk is to the state machine."""
        return EVENTS.get(self.kind, OTHER)

    @property
    def is_reflected(self) -> bool:
        """Tell whether the T bit is set: the tag is the receiver's own, sent back."""
        return bool(self.flags & 1)

    @property
    def initiate_tag(self) -> int | None:
        """Give the tag that an INIT or INIT ACK asks to be sent; None if it is cut short."""
        return None if len(self.rest) < INIT_BODY else int.from_bytes(self.rest[:4], "big")


def verification_tag(packet: Packet) -> int:
    """Read the tag that the receiver is to know the association by."""
    return int.from_bytes(packet.wire[packet.l4 + 4 : packet.l4 + 8], "big")


def walk_chunks(packet: Packet) -> Iterator[Chunk]:
    """Go over the chunks; one without length is the last."""
    octets = packet.wire[packet.l4 : packet.stop]
    at = HEADER
    while at + 4 <= len(octets):
        length = int.from_bytes(octets[at + 2 : at + 4], "big")
        yield Chunk(octets[at], octets[at + 1], length, octets[at + 4 :])
        if length == 0:
            return
        at += length + 3 & ~3


def check_chunks(packet: Packet) -> Reason:
    """Check that there are chunks, and that none stands where it may not."""
    if packet.payload_length < HEADER:
        return Reason.HEADER_CUT_SHORT
    chunks = list(walk_chunks(packet))
    events = [chunk.event for chunk in chunks]
    if not chunks or chunks[-1].length == 0 or misplaced(events):
        return Reason.SCTP_CHUNKS
    return OK


def misplaced(events: list[SctpEvent]) -> bool:
    """Say whether one that must be alone has company, or one that must be first follows."""
    if ALONE.intersection(events) and len(events) > 1:
        return True
    return bool(FIRST.intersection(events[1:]))
