"""What the rules say to a packet: its verdict, made once and kept on the side while it holds.

It holds while nothing that the rules have looked at can differ: then the next packet of the side
gets the same verdict, if it comes the same way, and the counters that it would have met count it.
"""

from __future__ import annotations

from typing import Final, Iterable, Mapping, Optional  # noqa: UP035 - Python 3.9

from statefulinspect.connection import Side, Verdict, verdict_of
from statefulinspect.flowkey import ICMP_PROTOCOLS, PORT_PROTOCOLS, TCP, UDP
from statefulinspect.rules.engine.filtering import Filter
from statefulinspect.rules.engine.path import Path, decide
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.rule import Rule
from statefulinspect.rules.syntax.stateful import Tally
from statefulinspect.terms import (
    ACCEPT,
    DROP,
    INVALID,
    OK,
    REJECT,
    RELATED,
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


Way = Optional[tuple[str, str, str, int]]  # hook, interfaces and mark; None if no rule asks
Sort = tuple[int, int, "int | bytes", Way]
Fate = tuple[Action, CtState, Optional[Direction], Optional[Rule]]
ANNOUNCED: Final = 4  # a stage's bit: the connection has a master
SORTS_AT_MOST: Final = 1 << 12  # sorts of packets whose fate is remembered: then it begins anew


def sort_of(side: Side, path: Way) -> Sort:
    """Name the words of a side's next packet: protocol, IP version, what leads to ct state, way.

    In the place of that an opening may have its destination port.
    """
    connection = side.connection
    stage = connection.seen_reply << 1 | side.is_reply
    if connection.rare is not None and connection.master is not None:
        stage |= ANNOUNCED
    return connection.protocol, len(side.key), stage, path


class Answers:
    """Make verdicts; a barred packet's is to drop it, whatever the rules say."""

    def __init__(self, rules: Filter) -> None:
        self._paths: Mapping[str, Path] = rules.paths
        self._asks_path = rules.asks_path
        self._asks_any_ports = rules.asks_any_ports
        self._asks_messages = rules.asks_messages
        self._foregone: dict[Sort, Fate] = {}

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
        path: Way = None
        if self._asks_path:
            path = (packet.hook, packet.iif, packet.oif, packet.mark)
        is_usual = reason is OK and self._reads_flow(walk)
        if side.verdict is not None and is_usual and side.path == path:
            if side.tally is not None:  # those before tracking have counted the packet already
                count(side.tally[len(walk.tally or ()) :], packet.length)
            return side.verdict
        effect = reason.effect
        walk.is_counted, walk.is_ending = effect is not Effect.IGNORE, effect is Effect.END
        verdict = self._judge(side, walk, side.ct_state, reason)
        if is_usual and not walk.varies:
            side.verdict, side.path, side.tally = verdict, path, walk.tally
            if (walk.by_words or walk.by_port) and verdict.action is not REJECT:
                self._remember(side, walk, path, verdict)
        return verdict

    def _remember(self, side: Side, walk: Walk, path: Way, verdict: Verdict) -> None:
        """Remember what becomes of packets whose words are these; or of openings to this port."""
        protocol = side.connection.protocol
        sort = sort_of(side, path)
        if walk.by_words:
            if self._asks_messages and protocol in ICMP_PROTOCOLS:
                return
        elif sort[2] == 0 and protocol in (TCP, UDP):
            sort = protocol, len(side.key), side.key[-2:], path
        else:
            return
        if len(self._foregone) >= SORTS_AT_MOST:
            self._foregone.clear()
        self._foregone[sort] = verdict.action, verdict.ct_state, verdict.direction, verdict.rule

    def of_openings(self, protocol: int, key: bytes, path: Way) -> Fate | None:
        """Tell what becomes of packets that open such connections, if that is foregone."""
        size, foregone = len(key), self._foregone
        return foregone.get((protocol, size, 0, path)) or foregone.get(
            (protocol, size, key[-2:], path)
        )

    def ready(self, side: Side, path: Way, octets: int) -> Verdict | None:
        """Hand out the verdict of a packet that fits its connection, if the rules need not look.

        They need not if the side's verdict holds, or if their conclusion about such packets is
        foregone: it depends on words alone, and is known. A reject, which may end the connection,
        is not for here.
        """
        verdict = side.verdict
        if verdict is None or side.path != path:
            fate = self._foregone.get(sort_of(side, path))
            if fate is None:
                return None
            action, state, direction, rule = fate
            verdict = verdict_of(action, state, direction, OK, side.connection, rule)
            side.verdict, side.path, side.tally = verdict, path, None
        elif verdict.action is REJECT:
            return None
        elif side.tally is not None:
            count(side.tally, octets)
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
