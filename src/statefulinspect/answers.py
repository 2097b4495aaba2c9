"""What the rules say to a packet: its verdict, made once and kept on the side while it holds."""

from __future__ import annotations

from statefulinspect.connection import Side, Verdict
from statefulinspect.packet import Packet
from statefulinspect.rules.matcher import Matcher
from statefulinspect.rules.model import Ruleset
from statefulinspect.terms import DROP, INVALID, OK, RELATED, UNTRACKED, Effect, Reason


class Answers:
    """Make verdicts; a barred packet's is to drop it, whatever the rules say."""

    def __init__(self, rules: Ruleset) -> None:
        self._matcher = Matcher(rules)

    def of(self, side: Side, packet: Packet, reason: Reason) -> Verdict:
        """Hand out the side's verdict; make it first if there is none that still holds."""
        if packet.barred is not OK:
            return Verdict(DROP, side.ct_state, side.direction, packet.barred, side.connection)
        if side.verdict is not None and reason is OK:
            return side.verdict
        ct_state = side.ct_state
        action, rule = self._matcher.judge(packet, ct_state)
        verdict = Verdict(action, ct_state, side.direction, reason, side.connection, rule)
        if reason is OK and not self._matcher.asks_packet:
            side.verdict = verdict
        return verdict

    def without_connection(self, packet: Packet, reason: Reason) -> Verdict:
        """Answer a packet that belongs to no connection."""
        ct_state = UNTRACKED if reason.effect is Effect.EXEMPT else INVALID
        if reason.effect is Effect.DISCARD or packet.barred is not OK:
            return Verdict(DROP, ct_state, None, reason)
        action, rule = self._matcher.judge(packet, ct_state)
        return Verdict(action, ct_state, None, reason, None, rule)

    def about(self, side: Side, packet: Packet, reason: Reason) -> Verdict:
        """Answer an ICMP error about a packet of this side."""
        if packet.barred is not OK:
            return Verdict(DROP, RELATED, side.direction, packet.barred, side.connection)
        action, rule = self._matcher.judge(packet, RELATED)
        return Verdict(action, RELATED, side.direction, reason, side.connection, rule)
