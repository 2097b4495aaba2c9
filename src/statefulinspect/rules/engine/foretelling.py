"""What rules would say to a packet of which no more is known than its flow key, ct state and way.

Most rules look at addresses, ports and words alone, and only count and decide. Then that is enough:
the key is looked at as a packet of a header and ports would be. A rule that does or reads more
leaves it open.
"""

from __future__ import annotations

from typing import Final, Mapping, Optional  # noqa: UP035 - Python 3.9

from statefulinspect.connection import Side
from statefulinspect.packet import Packet
from statefulinspect.rules.engine.path import Bases, Path, decide
from statefulinspect.rules.engine.walk import Walk, walk_of
from statefulinspect.terms import (
    ACCEPT,
    ESTABLISHED,
    HOLD,
    INVALID,
    INVALID_BIT,
    NEW,
    RELATED,
    Action,
    CtState,
)

Way = Optional[tuple[str, str, str, int]]  # hook, interfaces and mark; None if no rule asks
Sort = tuple[int, int, int, Way]  # protocol, size of the key, stage, way

# Bits of a stage, which leads to the ct state: the packet answers; the connection was answered, or
# has a master; there is no connection, and will be none.
IS_REPLY, SEEN_REPLY, IS_ANNOUNCED, IS_STRAY = 1, 2, 4, 8

FAMILY_OF_SIZE: Final = {12: 4, 36: 6}  # by the size of a key with ports
BEFORE_ADDRESSES: Final = {12: bytes(12), 36: bytes(8)}  # of a header
WALKS_AT_MOST: Final = 1 << 10  # sorts whose walk is remembered: then it begins anew


def state_of(stage: int) -> CtState:
    """Tell the ct state of packets of a stage."""
    if stage & IS_STRAY:
        return INVALID
    if stage & (IS_REPLY | SEEN_REPLY):
        return ESTABLISHED
    return RELATED if stage & IS_ANNOUNCED else NEW


class Foretelling:
    """Ask the rules about packets that are none yet."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = paths
        self._walks: dict[Sort, Walk] = {}

    def ask(self, sort: Sort, key: bytes) -> tuple[Action, Walk] | None:
        """Tell what they decide, and the walk that led there; None if they have to see the packet.

        They have to if they reject it, which sends something. The walk is good until the next. It
        is for the caller to have its counters count.
        """
        walk = self._walks.get(sort) or self._begin(sort)
        walk.wire, walk.rule = BEFORE_ADDRESSES[len(key)] + key, None
        walk.by_words, walk.tally = True, None
        packet, path = walk.packet, self._paths[walk.packet.hook]
        raw = path.raw[packet.family]
        if raw and not self._passes(raw, walk):
            return None
        action = decide(path.tracked[packet.family], walk)
        return None if action is HOLD else (action, walk)

    def _passes(self, raw: Bases, walk: Walk) -> bool:
        """Say whether the rules that come before tracking let a packet pass, and only count it."""
        side, walk.side, ct_bits, walk.ct_bits = walk.side, None, walk.ct_bits, INVALID_BIT
        action = decide(raw, walk)
        walk.side, walk.ct_bits = side, ct_bits
        return action is ACCEPT

    def _begin(self, sort: Sort) -> Walk:
        """Begin the walks of packets of a sort: one for all, as nothing but the key differs."""
        protocol, size, stage, way = sort
        head = BEFORE_ADDRESSES[size][:6] + bytes([protocol])  # where IPv6 has it
        packet = Packet(head, FAMILY_OF_SIZE[size], protocol)
        packet.hook, packet.iif, packet.oif, packet.mark = way or ("forward", "", "", 0)
        packet.stop = len(BEFORE_ADDRESSES[size]) + size
        packet.l4 = packet.stop - 4
        walk = walk_of(packet, 0.0)
        walk.side = None if stage & IS_STRAY else Side(b"", stage & IS_REPLY)
        walk.ct_bits = state_of(stage).bit
        walk.is_foretold = walk.is_tracked = walk.is_sent_on = True
        if len(self._walks) >= WALKS_AT_MOST:
            self._walks.clear()
        self._walks[sort] = walk
        return walk
