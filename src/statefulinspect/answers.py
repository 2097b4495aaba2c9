"""What the rules say to a packet: its verdict, made once and kept on the side while it holds.

It holds while nothing that the rules have looked at can differ: then the next packet of the side
gets the same verdict, if it comes the same way, and the counters that it would have met count it.
"""

from __future__ import annotations

from typing import Final, Iterable, Mapping, Optional, Sequence  # noqa: UP035 - Python 3.9

from statefulinspect.connection import Side, Terms, Verdict, verdict_of
from statefulinspect.flowkey import ICMP_PROTOCOLS, PORT_PROTOCOLS, TCP, UDP
from statefulinspect.rules.engine.filtering import Filter
from statefulinspect.rules.engine.foretelling import (
    IS_ANNOUNCED,
    IS_REPLY,
    IS_STRAY,
    SEEN_REPLY,
    Foretelling,
    Sort,
    Way,
    state_of,
)
from statefulinspect.rules.engine.path import Path, decide
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.rule import Rule
from statefulinspect.rules.syntax.stateful import Tally
from statefulinspect.terms import (
    ACCEPT,
    DROP,
    INVALID,
    OK,
    ORIGINAL,
    REJECT,
    RELATED,
    REPLY,
    UNTRACKED,
    Action,
    CtState,
    Direction,
    Effect,
    Reason,
)


def count(tallies: Iterable[Tally], octets: int) -> None:
    """Have counters count one packet more."""
    for tally in tallies:
        tally.packets += 1
        tally.octets += octets


def terms_of(way: Way, tally: Sequence[Tally] | None) -> Terms | None:
    """Write down on which terms a verdict is kept: for which way, and for which counters."""
    return None if way is None and tally is None else (way, tally or ())


# What a verdict tells, and the counters that count the packet.
Fate = tuple[Action, CtState, Direction, Optional[Rule], Optional[list[Tally]]]
IGNORE: Final = Effect.IGNORE
END: Final = Effect.END
WITH_PORTS: Final = (TCP, UDP)  # of the protocols that go the short way
SORTS_AT_MOST: Final = 1 << 12  # sorts of packets whose fate is remembered: then it begins anew


def sort_of(side: Side, way: Way) -> Sort:
    """Name the words of a side's next packet: protocol, IP version, what leads to ct state, way."""
    connection = side.connection
    stage = SEEN_REPLY | side.is_reply if connection.seen_reply else side.is_reply
    if connection.rare is not None and connection.master is not None:
        stage |= IS_ANNOUNCED
    return connection.protocol, len(side.key), stage, way


class Answers:
    """Make verdicts; a barred packet's is to drop it, whatever the rules say."""

    def __init__(self, rules: Filter) -> None:
        self._paths: Mapping[str, Path] = rules.paths
        self._asks_way = rules.asks_way
        self._asks_any_ports = rules.asks_any_ports
        self._asks_messages = rules.asks_messages
        self._foregone: dict[Sort, Fate] = {}
        self._foretelling = Foretelling(rules.paths)

    def before_tracking(self, walk: Walk) -> Verdict | None:
        """Let the rules look that come before tracking; a verdict if they refuse the packet."""
        packet = walk.packet
        bases = self._paths[packet.hook].raw.get(packet.family, ())
        action = decide(bases, walk)
        if action is not ACCEPT:
            return Verdict(action, INVALID, None, packet.reason, None, walk.rule)
        packet.zone = walk.zone
        return None

    def of(self, side: Side, walk: Walk, reason: Reason) -> Verdict:
        """Hand out the side's verdict; make it first if there is none that still holds."""
        packet = walk.packet
        if packet.barred is not OK:
            return Verdict(DROP, side.ct_state, side.direction, packet.barred, side.connection)
        way: Way = None
        if self._asks_way:
            way = (packet.hook, packet.iif, packet.oif, packet.mark)
        is_usual = reason is OK and self._reads_flow(walk)
        kept_way, counters = side.terms or (way, ())
        if side.verdict is not None and is_usual and kept_way == way:
            counters = counters[len(walk.tally or ()) :]  # those before tracking have counted it
            count(counters, packet.length)
            return side.verdict
        effect = reason.effect
        walk.is_counted, walk.is_ending = effect is not IGNORE, effect is END
        verdict = self._judge(side, walk, side.ct_state, reason)
        if is_usual and not walk.varies:
            side.verdict, side.terms = verdict, terms_of(way, walk.tally)
            if walk.by_words:  # then it is no reject, which has to be done
                fate = verdict.action, verdict.ct_state, side.direction, verdict.rule, None
                self._remember(sort_of(side, way), fate)
        return verdict

    def _remember(self, sort: Sort, fate: Fate) -> None:
        """Remember what becomes of packets whose words are these."""
        protocol, _, _, _ = sort
        if self._asks_messages and protocol in ICMP_PROTOCOLS:
            return
        if len(self._foregone) >= SORTS_AT_MOST:
            self._foregone.clear()
        self._foregone[sort] = fate

    def fate_of(self, sort: Sort, key: bytes) -> Fate | None:
        """Tell what becomes of a packet of such words and this key, if that can be told."""
        return self._foregone.get(sort) or self._foretell(sort, key)

    def of_stray(
        self, protocol: int, key: bytes, way: Way, octets: int, reason: Reason
    ) -> Verdict | None:
        """Answer a packet that is of no connection, if it can be told what the rules conclude."""
        fate = self.fate_of((protocol, len(key), IS_STRAY, way), key)
        if fate is None:
            return None
        action, state, _, rule, tally = fate
        if tally is not None:
            count(tally, octets)
        return verdict_of(action, state, None, reason, None, rule)

    def _foretell(self, sort: Sort, key: bytes) -> Fate | None:
        """Ask the rules about a packet that nobody has decoded; None if they have to see it."""
        protocol, _, stage, _ = sort
        foretold = self._foretelling.ask(sort, key) if protocol in WITH_PORTS else None
        if foretold is None:
            return None
        action, walk = foretold
        direction = REPLY if stage & IS_REPLY else ORIGINAL
        fate = action, state_of(stage), direction, walk.rule, walk.tally
        if walk.by_words:
            self._remember(sort, fate)
        return fate

    def can_tell(self, side: Side, way: Way) -> bool:
        """Say whether there is a verdict `ready` for the next packet of a side."""
        verdict, terms = side.verdict, side.terms
        if verdict is not None and (terms is None or terms[0] == way):
            return verdict.action is not REJECT
        return self.fate_of(sort_of(side, way), side.key) is not None

    def ready(self, side: Side, way: Way, octets: int) -> Verdict | None:
        """Hand out the verdict of a packet that fits its connection, if the rules need not look.

        They need not if the side's verdict holds, or if it can be told what they conclude about
        such packets. A reject, which may end the connection, is not for here.
        """
        verdict, terms = side.verdict, side.terms
        counters: Sequence[Tally] | None = None
        if terms is not None:
            kept_way, counters = terms
            if kept_way != way:
                verdict = None
        if verdict is None:
            sort = sort_of(side, way)
            fate = self.fate_of(sort, side.key)
            if fate is None:
                return None
            action, state, direction, rule, counters = fate
            verdict = verdict_of(action, state, direction, OK, side.connection, rule)
            protocol, _, _, _ = sort
            if side.packets or protocol == TCP:  # the first answer to a question is often the last
                side.verdict, side.terms = verdict, terms_of(way, counters)
        elif verdict.action is REJECT:
            return None
        if counters is not None:
            count(counters, octets)
        return verdict

    def _reads_flow(self, walk: Walk) -> bool:
        """Say whether what the rules read as protocol and ports is what names the flow.

        It is not behind an IPv6 authentication header, which rules take for a protocol and tracking
        walks over, and not where rules ask for the ports of a protocol that is known by number.
        """
        packet = walk.packet
        if walk.l4 != packet.l4 or walk.protocol != packet.protocol:
            return False
        return packet.protocol in PORT_PROTOCOLS or not self._asks_any_ports

    def _judge(self, side: Side, walk: Walk, ct_state: CtState, reason: Reason) -> Verdict:
        """Ask the rules about a packet that belongs to a connection, or speaks of one."""
        walk.side, walk.connection = side, side.connection
        action = self._ask(walk, ct_state)
        why = reason if walk.refused is None else walk.refused
        return verdict_of(action, ct_state, side.direction, why, side.connection, walk.rule)

    def _ask(self, walk: Walk, ct_state: CtState) -> Action:
        """Ask the rules that look at tracked packets."""
        packet = walk.packet
        walk.is_tracked, walk.ct_bits = True, ct_state.bit
        return decide(self._paths[packet.hook].tracked[packet.family], walk)

    def without_connection(self, walk: Walk, reason: Reason) -> Verdict:
        """Answer a packet that belongs to no connection."""
        ct_state = UNTRACKED if reason.effect is Effect.EXEMPT else INVALID
        if reason.effect is Effect.DISCARD or walk.packet.barred is not OK:
            return Verdict(DROP, ct_state, None, reason)
        action = self._ask(walk, ct_state)
        return verdict_of(action, ct_state, None, reason, None, walk.rule)

    def about(self, side: Side, walk: Walk, reason: Reason) -> Verdict:
        """Answer an ICMP error about a packet of this side."""
        packet = walk.packet
        if packet.barred is not OK:
            return Verdict(DROP, RELATED, side.direction, packet.barred, side.connection)
        return self._judge(side, walk, RELATED, reason)
