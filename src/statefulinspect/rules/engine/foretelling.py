"""What rules say to a packet of plain form, of which no record is made.

Most rules only look, count and decide. They look at the bytes of the packet, at words and, if it is
known, at the connection; all that is there without a record. So they are asked by way of trial: one
walk serves all packets of a sort, and what it changes otherwise (a limit) can be put back; a blank
connection stands for the one that is not made yet. Where a rule wants to do more (fill a set, mark
the connection), the trial is broken off, all is as it was, and the packet is left to the full way.
Only sets that began to age go on: the full way looks at them, too, at the same time.
"""

from __future__ import annotations

from typing import Any, Final, Mapping, NamedTuple, Optional  # noqa: UP035 - Python 3.9

from statefulinspect.connection import Side
from statefulinspect.linking import connect
from statefulinspect.packet import Packet
from statefulinspect.rules.engine.index import HEADER_SIZES
from statefulinspect.rules.engine.path import Path, decide
from statefulinspect.rules.engine.undo import Undo
from statefulinspect.rules.engine.walk import Walk, walk_of
from statefulinspect.terms import (
    ACCEPT,
    ESTABLISHED,
    HOLD,
    INVALID,
    INVALID_BIT,
    NEW,
    REJECT,
    RELATED,
    Action,
    CtState,
)

Way = Optional[tuple[str, str, str, int]]  # hook, interfaces and mark; None if no rule asks
Sort = tuple[int, int, int, Way]  # protocol, size of the key, stage, way

# Bits of a stage, which leads to the ct state: the packet answers; the connection was answered, or
# has a master; there is no connection, and will be none.
IS_REPLY, SEEN_REPLY, IS_ANNOUNCED, IS_STRAY = 1, 2, 4, 8

FAMILY_OF_SIZE: Final = {12: 4, 36: 6}  # by the size of a key
PAYLOAD_AT: Final = {size: HEADER_SIZES[family] for size, family in FAMILY_OF_SIZE.items()}
WALKS_AT_MOST: Final = 1 << 10  # sorts whose walk is remembered: then it begins anew


def state_of(stage: int) -> CtState:
    """Tell the ct state of packets of a stage."""
    if stage & IS_STRAY:
        return INVALID
    if stage & (IS_REPLY | SEEN_REPLY):
        return ESTABLISHED
    return RELATED if stage & IS_ANNOUNCED else NEW


class Trial(NamedTuple):
    """Hold the walk of a sort's packets, the side of a blank connection and the ct state's bit.

    There is no such side for packets that belong to none.
    """

    walk: Walk
    packet: Packet
    blank: Side | None
    ct_bits: int


class Foretelling:
    """Ask the rules about packets of which there is no record."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = paths
        self._trials: dict[Sort, Trial] = {}
        self._changed = Undo()

    def ask(
        self, sort: Sort, wire: bytes, length: int, side: Side | None, now: float
    ) -> tuple[Action, Walk] | None:
        """Tell what they decide, and the walk that led there; None if they have to do more.

        `side` is the packet's, if its connection is known: a reject, which may end that, is more,
        and so is to keep it from being tracked. The walk is good until the next: it tells whether
        they got as far as tracking, or exempt the packet. The caller has its counters count.
        """
        walk, packet, blank, ct_bits = self._set_out(sort, wire, length, now)
        raw, tracked = self._paths[packet.hook]
        action = decide(raw[packet.family], walk)
        if action is ACCEPT:
            walk.is_tracked, walk.is_fresh = True, side is None
            found = blank if side is None else side
            if not walk.is_exempt:
                walk.ct_bits, walk.side = ct_bits, found
                walk.connection = None if found is None else found.connection
            action = decide(tracked[packet.family], walk)
        walk.side = walk.connection = None  # it is kept, and they may go
        is_more = side is not None and (action is REJECT or walk.is_exempt or not walk.is_tracked)
        if action is HOLD or is_more:
            self._changed.undo()
            return None
        return action, walk

    def lets_pass(self, sort: Sort, wire: bytes, length: int, now: float) -> bool:
        """Say whether rules that come before tracking let a packet pass; leave all as it was.

        Those behind are not asked: before the connection has advanced, they could not know what to
        look at. Once they are, these are asked again.
        """
        walk, packet, _, _ = self._set_out(sort, wire, length, now)
        action = decide(self._paths[packet.hook].raw[packet.family], walk)
        self._changed.undo()
        return action is ACCEPT and not walk.is_exempt

    def _set_out(self, sort: Sort, wire: bytes, length: int, now: float) -> Trial:
        """Set a packet of a sort on its way."""
        self._changed.forget()
        trial = self._trials.get(sort) or self._begin(sort)
        walk, packet, _, _ = trial
        walk.wire, packet.wire, packet.stop, walk.now = wire, wire, length, now
        walk.mark, walk.priority, walk.pkttype = packet.mark, 0, None
        walk.rule = walk.tally = None
        walk.by_words, walk.varies, walk.is_sent_on = True, False, False
        walk.ct_bits, walk.is_tracked, walk.is_exempt = INVALID_BIT, False, False
        return trial

    def _begin(self, sort: Sort) -> Trial:
        """Begin the walks of packets of a sort: one for all."""
        protocol, size, stage, way = sort
        start = PAYLOAD_AT[size]
        head = bytes(6) + bytes([protocol]) + bytes(start)  # where IPv6 has it
        packet = Packet(head, FAMILY_OF_SIZE[size], protocol, start)
        packet.hook, packet.iif, packet.oif, packet.mark = way or ("forward", "", "", 0)
        walk = walk_of(packet, 0.0)
        walk.is_foretold = walk.is_counted = True
        walk.saver = self._changed
        blank = None if stage & IS_STRAY else _blank(protocol, size)
        if len(self._trials) >= WALKS_AT_MOST:
            self._trials.clear()
        trial = self._trials[sort] = Trial(walk, packet, blank, state_of(stage).bit)
        return trial


def _blank(protocol: int, size: int) -> Side:
    """Make the side of a connection of which nothing is known but the protocol."""
    machine: Any = None
    return connect(protocol, bytes(size), bytes(size), machine, 0.0).original_side
