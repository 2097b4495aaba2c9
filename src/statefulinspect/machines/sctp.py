"""What an SCTP packet does to its association: tags, and the decisions that need memory.

Each end chooses a verification tag for the packets sent to it and tells it in its INIT or INIT
ACK (RFC 9260 5.1). A packet's chunks are taken in turn: check the tag as the chunk wants it, take
the move of `sctp_table`, remember. A later chunk may refuse the packet when earlier ones have
moved the state already, as in Linux.
"""

from __future__ import annotations

from typing import Final

import attrs

from statefulinspect.config import Config
from statefulinspect.connection import Side
from statefulinspect.crc32c import sctp_is_right
from statefulinspect.machines.sctp_chunks import (
    DATA_CHUNK,
    Chunk,
    check_chunks,
    verification_tag,
    walk_chunks,
)
from statefulinspect.machines.sctp_table import (
    ABORT,
    CLOSED,
    COOKIE_ACK,
    COOKIE_ECHO,
    ESTABLISHED,
    HEARTBEAT,
    HEARTBEAT_ACK,
    INIT,
    INIT_ACK,
    NONE,
    SHUTDOWN_ACK,
    SHUTDOWN_COMPLETE,
    TRANSITIONS,
    SctpState,
)
from statefulinspect.machines.sctp_tags import Tags
from statefulinspect.packet import Packet
from statefulinspect.terms import OK, Effect, Reason

# Packets with one of these have their tag checked by the chunk, or not at all.
OWN_TAG_RULE: Final = frozenset(
    {INIT, SHUTDOWN_COMPLETE, COOKIE_ECHO, ABORT, SHUTDOWN_ACK, HEARTBEAT, HEARTBEAT_ACK}
)


@attrs.define(eq=False)
class SctpPassage:
    """Hold what one packet says while its chunks are taken in turn."""

    side: Side
    tags: Tags
    tag: int
    chunks: list[Chunk]
    reason: Reason = OK

    @property
    def has_data(self) -> bool:
        """Tell whether there is user data among the chunks."""
        return any(chunk.kind == DATA_CHUNK for chunk in self.chunks)


class SctpMachine:
    """Track SCTP (RFC 9260) from the middle, as Linux 6.18 does."""

    names_states = True

    def __init__(self, config: Config) -> None:
        timeouts = config.timeouts
        self._verify = config.verify_checksums
        self._timeouts = (
            0.0,
            timeouts.sctp_closed,
            timeouts.sctp_cookie_wait,
            timeouts.sctp_cookie_echoed,
            timeouts.sctp_established,
            timeouts.sctp_shutdown_sent,
            timeouts.sctp_shutdown_recd,
            timeouts.sctp_shutdown_ack_sent,
            timeouts.sctp_heartbeat_sent,
        )

    def validate(self, packet: Packet) -> Reason:
        """Check length, checksum and chunks; of two faults the one that Linux logs is told."""
        reason = check_chunks(packet)
        if reason is Reason.HEADER_CUT_SHORT or not self._verify:
            return reason
        return reason if sctp_is_right(packet.wire[packet.l4 : packet.stop]) else Reason.CHECKSUM

    def open(self, side: Side, packet: Packet, now: float) -> Reason:
        """Begin with an INIT, a heartbeat, or the little else that the table lets open."""
        connection = side.connection
        connection.state = NONE
        connection.memory = tags = Tags()
        passage = SctpPassage(side, tags, verification_tag(packet), [*walk_chunks(packet)])
        reason = self._begin(passage)
        return reason if reason is not OK else self._advance(passage, now)

    def step(self, side: Side, packet: Packet, now: float) -> Reason:
        """Take the association one packet further."""
        tags = side.connection.memory
        assert isinstance(tags, Tags)
        passage = SctpPassage(side, tags, verification_tag(packet), [*walk_chunks(packet)])
        return self._advance(passage, now)

    def reset(self, _: object, __: float) -> None:
        """Leave the association as it is: only TCP is reset."""

    def arm(self, _: object) -> None:
        """Leave the sides as they are: the hot path knows TCP only."""

    def _begin(self, passage: SctpPassage) -> Reason:
        """Check that every chunk may open an association; take the tags that they tell."""
        tags, opening = passage.tags, TRANSITIONS[0][NONE]
        for chunk in passage.chunks:
            if opening[chunk.event] is NONE:
                return Reason.SCTP_NOT_AN_OPENING
            if chunk.event is HEARTBEAT:
                tags.expected[0] = passage.tag
            elif chunk.event is SHUTDOWN_ACK:
                tags.expected[1] = passage.tag
        return OK

    def _advance(self, passage: SctpPassage, now: float) -> Reason:
        """Take the chunks in turn; renew the timer unless one asked to ignore the packet."""
        side, connection = passage.side, passage.side.connection
        events = {chunk.event for chunk in passage.chunks}
        if not events & OWN_TAG_RULE and passage.tag != passage.tags.expected[side.is_reply]:
            return Reason.SCTP_TAG
        for chunk in passage.chunks:
            reason = self._take(passage, chunk)
            if reason.effect is Effect.REFUSE:
                return reason
        if passage.reason is OK:
            connection.expires_at = now + self._timeouts[connection.state]
        return passage.reason

    def _take(self, passage: SctpPassage, chunk: Chunk) -> Reason:
        """Take one chunk: its tag, its move, what is to be remembered."""
        side, connection = passage.side, passage.side.connection
        reason = check_tag(passage, chunk)
        if reason is not OK:
            return reason
        before_it = connection.state
        becomes = TRANSITIONS[side.is_reply][before_it][chunk.event]
        if not isinstance(becomes, SctpState):
            return Reason.OUT_OF_STATE
        reason = remember(passage, chunk, opens=before_it is NONE)
        if reason is not OK:
            return reason
        if chunk.event is INIT and before_it is CLOSED is becomes:
            passage.reason = Reason.INIT_REPEATED
        if becomes is ESTABLISHED is not before_it:
            connection.is_assured = True
        connection.state = becomes
        return OK


def check_tag(passage: SctpPassage, chunk: Chunk) -> Reason:
    """Say whether the verification tag is what this chunk wants; heartbeats learn it."""
    tags, is_reply, tag = passage.tags, passage.side.is_reply, passage.tag
    event = chunk.event
    if event is INIT:
        fits = tag == 0
    elif event in (ABORT, SHUTDOWN_COMPLETE):
        fits = tag == tags.expected[1 - is_reply if chunk.is_reflected else is_reply]
    elif event is COOKIE_ECHO:
        fits = tag == tags.expected[is_reply]
    elif event in (HEARTBEAT, HEARTBEAT_ACK):
        return check_heartbeat(passage, chunk)
    else:
        fits = True
    return OK if fits else Reason.SCTP_TAG


def check_heartbeat(passage: SctpPassage, chunk: Chunk) -> Reason:
    """Learn the tag of a path not seen before; doubt another tag until it is acknowledged."""
    tags, is_reply, tag = passage.tags, passage.side.is_reply, passage.tag
    if tags.expected[is_reply] == 0:
        tags.expected[is_reply] = tag
    elif tags.expected[is_reply] == tag:
        tags.doubted = None
    elif passage.has_data or passage.reason is not OK:
        return Reason.SCTP_TAG
    elif chunk.event is HEARTBEAT:
        tags.doubted = is_reply
        passage.reason = Reason.HEARTBEAT_DOUBTED
        return passage.reason
    elif tags.doubted is None or tags.doubted == is_reply:
        return Reason.SCTP_TAG
    else:
        tags.doubted = None
        tags.expected[is_reply], tags.expected[1 - is_reply] = tag, 0
    return OK


def remember(passage: SctpPassage, chunk: Chunk, *, opens: bool) -> Reason:
    """Keep the tags that INIT and INIT ACK tell, and which sides have sent an INIT."""
    tags, is_reply = passage.tags, passage.side.is_reply
    if chunk.event is COOKIE_ACK:
        tags.init_seen = [False, False]
    if chunk.event not in (INIT, INIT_ACK):
        return OK
    told = chunk.initiate_tag
    if told is None:
        return Reason.HEADER_CUT_SHORT
    if chunk.event is INIT_ACK:
        return tags.take_init_ack(is_reply, told)
    if opens or told != tags.expected[1 - is_reply]:
        tags.take_init(is_reply, told)
    return OK
