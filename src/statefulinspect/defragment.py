"""What becomes of a fragment: it is held, it completes its datagram, or it is dropped.

Linux tracks whole datagrams only. A fragment is held until the others are there; the one that
completes the datagram gets the verdict of the whole, which `held` says the others share. What
spoils a datagram drops all that was held of it.

The two IP versions differ in what a misfit costs: in IPv4 a contradiction about the end, or an
empty fragment, spoils the datagram, in IPv6 only itself; a fragment in the middle of no multiple
of 8 octets is cut in IPv4, while in IPv6 it ends its datagram and is judged by itself. So is a
first IPv6 fragment that does not hold the whole transport header (RFC 7112).
"""

from __future__ import annotations

from copy import copy
from typing import Callable, Final

import attrs

from statefulinspect.checksums import header_is_right, summed
from statefulinspect.config import Config
from statefulinspect.connection import Verdict
from statefulinspect.decoding import (
    FRAGMENT_OFFSET,
    GROUP,
    MORE_FRAGMENTS,
    decode_whole,
    take_as_whole,
)
from statefulinspect.events import Cause
from statefulinspect.extensions import (
    EXTENSIONS,
    FRAGMENT_HEADER,
    LATER_FRAGMENT,
    MORE_FOLLOW,
    NO_NEXT,
    find_fragment_header,
    fragment_field,
    walk_extensions,
)
from statefulinspect.flowkey import ICMPV6, TCP, UDP, is_link_local
from statefulinspect.fragment_queue import Fragment, FragmentQueue, Key
from statefulinspect.fragments import FragmentTable
from statefulinspect.judge import Judge
from statefulinspect.keeper import SWEEP_AT_MOST
from statefulinspect.packet import Packet
from statefulinspect.terms import DROP, HOLD, INVALID, OK, UNTRACKED, Effect, Reason

Classify = Callable[[Packet, float], Verdict]

LONGEST: Final = 65_535  # octets of a datagram
LEAST_IN_FIRST: Final = {TCP: 20, UDP: 8, ICMPV6: 8}  # of a first IPv6 fragment; 1 of any other

# What drops more than the fragment itself: the datagram of which it is a part.
SPOILS: Final = {
    4: frozenset({Reason.FRAGMENT_END, Reason.FRAGMENT_EMPTY, Reason.FRAGMENT_OVERLAP}),
    6: frozenset({Reason.FRAGMENT_OVERLAP}),
}
HELD: Final = Verdict(HOLD, UNTRACKED, None, Reason.FRAGMENT_HELD)


def ipv4_fragment(packet: Packet) -> Fragment:
    """Read an IPv4 fragment (RFC 791 3.1); one in the middle is cut to a multiple of 8 octets."""
    wire = packet.wire
    field = int.from_bytes(wire[6:8], "big")
    data, is_last = wire[packet.l4 : packet.stop], not field & MORE_FRAGMENTS
    if not is_last:
        data = data[: len(data) & ~7]
    head = wire[:6] + bytes(2) + wire[8 : packet.l4]
    return Fragment(wire, head, (field & FRAGMENT_OFFSET) * 8, data, is_last, wire[1] & 3)


def ipv6_fragment(packet: Packet) -> Fragment:
    """Read an IPv6 fragment (RFC 8200 4.5)."""
    wire = packet.wire
    at, announced_at = find_fragment_header(wire, packet.stop)
    field = fragment_field(wire, at)
    head = wire[:announced_at] + wire[at : at + 1] + wire[announced_at + 1 : at]
    data, ecn = wire[at + 8 : packet.stop], wire[1] >> 4 & 3
    return Fragment(wire, head, field & LATER_FRAGMENT, data, not field & MORE_FOLLOW, ecn)


def lacks_header(packet: Packet) -> bool:
    """Say whether a first IPv6 fragment ends before its transport header does."""
    protocol, l4, field = walk_extensions(
        packet.wire, FRAGMENT_HEADER, packet.fragment_at, packet.stop
    )
    if protocol in EXTENSIONS or protocol == NO_NEXT or field & LATER_FRAGMENT:
        return False  # where there is no transport header, Linux misses none
    return l4 + LEAST_IN_FIRST.get(protocol, 1) > packet.stop


def key_of(packet: Packet) -> Key:
    """Name the datagram that a fragment is of."""
    wire, at = packet.wire, packet.fragment_at
    source, destination = packet.source_octets, packet.destination_octets
    if packet.family == 4:
        return source, (destination, wire[4:6], packet.protocol, packet.zone)
    is_local = destination[0] == GROUP or is_link_local(destination)
    iif = packet.iif if is_local else ""
    return source, (destination, wire[at + 4 : at + 8], iif, packet.zone)


def whole_wire(queue: FragmentQueue, family: int) -> bytes:
    """Put a datagram together."""
    head, payload = queue.head, queue.payload()
    congested = (3 if family == 4 else 0x30) * queue.is_congested  # RFC 3168 5.3
    head = head[:1] + bytes([head[1] | congested]) + head[2:]
    if family == 4:
        length = len(head) + len(payload)
        return summed(head[:2] + length.to_bytes(2, "big") + head[4:]) + payload
    length = len(head) - 40 + len(payload)
    return head[:4] + length.to_bytes(2, "big") + head[6:] + payload


def length_of(queue: FragmentQueue, family: int) -> int:
    """Tell the length of a whole datagram as its header would say it."""
    return len(queue.head) - (40 if family == 6 else 0) + queue.end


class Defragmenter:
    """Answer fragments, and have whole datagrams judged, by `classify`."""

    def __init__(self, config: Config, judge: Judge) -> None:
        limits, timeouts = config.limits, config.timeouts
        room = limits.max_fragment_octets
        self.tables = {
            4: FragmentTable(timeouts.ipfrag, room, limits.max_fragment_distance, self._lapsed),
            6: FragmentTable(timeouts.frag6, room, 0, self._lapsed),
        }
        self._mode = config.fragments
        self._verifies = config.verify_checksums
        self._journal = judge.journal
        self._screen = judge.validation.screen
        self.classify: Classify = judge.classify

    def _lapsed(self, queue: FragmentQueue, cause: Cause, at: float) -> None:
        if self._journal is not None:
            self._journal.lapsed(tuple(queue.held), cause, at)

    def sweep(self, now: float) -> None:
        """Give up some of what waits in vain; what is left is not taken for anything."""
        for table in self.tables.values():
            table.expire(now, SWEEP_AT_MOST)

    def rehearsed(self, packet: Packet, now: float, classify: Classify) -> Verdict:
        """Tell what `process` would answer, if `classify` judged what is whole; changes nothing."""
        twin = copy(self)
        twin.classify = classify
        twin.tables = {packet.family: self.tables[packet.family].twin(key_of(packet))}
        return twin.process(packet, now)

    def process(self, packet: Packet, now: float) -> Verdict:
        """Judge a packet with a fragment header, or hold it; an atomic one is a fragment too."""
        is_atomic = packet.reason is not Reason.FRAGMENT
        if self._mode == "track" or (self._mode == "drop" and is_atomic):
            return self.classify(packet, now)
        if self._mode == "drop":
            return _dropped(Reason.FRAGMENT_UNWANTED)
        if self._verifies and packet.family == 4 and not header_is_right(packet):
            return self.classify(packet, now)
        reason = self._screen.check(packet)
        if reason.effect is Effect.DISCARD:
            return _dropped(reason)
        return self._collect(packet, now)

    def _collect(self, packet: Packet, now: float) -> Verdict:
        family = packet.family
        if family == 6:
            if packet.wire[4:6] == bytes(2) or lacks_header(packet):
                return self.classify(take_as_whole(packet), now)
            if packet.fragment_at + 8 > packet.stop:
                return _dropped(Reason.FRAGMENT_HEADER)
        fragment = ipv4_fragment(packet) if family == 4 else ipv6_fragment(packet)
        table = self.tables[family]
        table.expire(now, SWEEP_AT_MOST)
        if table.is_full:
            return _dropped(Reason.FRAGMENTS_FULL)
        queue = table.queue(key_of(packet), now)
        if family == 6:
            if fragment.stop > LONGEST:
                return _dropped(Reason.FRAGMENTS_TOO_LONG)
            if not fragment.is_last and fragment.stop % 8:
                table.give_up(queue, Cause.MISFIT, now)
                return self.classify(take_as_whole(packet), now)
        return self._enter(queue, fragment, packet, now)

    def _enter(
        self, queue: FragmentQueue, fragment: Fragment, packet: Packet, now: float
    ) -> Verdict:
        """Let the queue take the fragment in, and judge the datagram if it is whole then."""
        family = packet.family
        table = self.tables[family]
        reason = table.add(queue, fragment)
        if reason in SPOILS[family]:
            table.remove(queue)
            return _dropped(reason, queue.held)
        if reason is not OK:
            return _dropped(reason)
        if not queue.is_whole:
            return HELD
        table.remove(queue)
        return self._judge(queue, packet, now)

    def _judge(self, queue: FragmentQueue, packet: Packet, now: float) -> Verdict:
        """Judge a whole datagram as one packet, which came as its latest fragment did."""
        before = queue.held[:-1]
        if queue.has_mixed_ecn:
            return _dropped(Reason.FRAGMENTS_ECN, before)
        if length_of(queue, packet.family) > LONGEST:
            return _dropped(Reason.FRAGMENTS_TOO_LONG, before)
        whole = decode_whole(whole_wire(queue, packet.family), packet)
        verdict = self.classify(whole, now)
        return attrs.evolve(verdict, held=tuple(before)) if before else verdict


def _dropped(reason: Reason, held: list[bytes] | None = None) -> Verdict:
    return Verdict(DROP, INVALID, None, reason, held=tuple(held or ()))
