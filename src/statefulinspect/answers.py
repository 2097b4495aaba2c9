"""What the rules say to a packet: its verdict, made once and kept on the side while it holds.

It holds while nothing that the rules have looked at can differ: then the next packet of the side
gets the same verdict, if it comes the same way, and the counters that it would have met count it.
"""

from __future__ import annotations

from typing import Final, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.connection import Side, Verdict, verdict_of
from statefulinspect.fates import Fates, count, sort_of, stands_out, terms_of
from statefulinspect.flowkey import PORT_PROTOCOLS
from statefulinspect.rules.engine.filtering import Filter
from statefulinspect.rules.engine.foretelling import Way
from statefulinspect.rules.engine.path import Path, decide
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.terms import (
    ACCEPT,
    DROP,
    INVALID,
    OK,
    RELATED,
    UNTRACKED,
    Action,
    CtState,
    Effect,
    Reason,
)

IGNORE: Final = Effect.IGNORE
END: Final = Effect.END


class Answers:
    """Make verdicts; a barred packet's is to drop it, whatever the rules say."""

    def __init__(self, rules: Filter) -> None:
        self._paths: Mapping[str, Path] = rules.paths
        self._asks_way = rules.asks_way
        self._asks_any_ports = rules.asks_any_ports
        self._asks_flags = rules.asks_flags
        self.fates = Fates(rules)

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
        if (
            side.verdict is not None
            and is_usual
            and kept_way == way
            and not (self._asks_flags and stands_out(side, packet.wire, packet.l4))
        ):
            counters = counters[len(walk.tally or ()) :]  # those before tracking have counted it
            count(counters, packet.length)
            return side.verdict
        effect = reason.effect
        walk.is_counted, walk.is_ending = effect is not IGNORE, effect is END
        verdict = self._judge(side, walk, side.ct_state, reason)
        if is_usual and not walk.varies:
            side.verdict, side.terms = verdict, terms_of(way, walk.tally)
            if walk.by_words:  # then it is no reject, which has to be done
                fate = (
                    verdict.action, verdict.ct_state, side.direction, verdict.rule, walk.tally, True
                )  # fmt: skip
                name = self.fates.name_of(sort_of(side, way), packet.wire, packet.l4)
                self.fates.remember(name, fate)
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
