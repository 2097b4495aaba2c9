"""The full way of a packet: from the decoded record to its verdict.

Check what can be checked alone; find the side that the flow key leads to; open a connection or let
the known one's machine step; let the rules look; make the answer, and keep it on the side while it
holds. An ICMP error takes the same way with the key of the packet that it quotes. State, timers
and counters of a known connection advance before the rules look; a new one enters the table only
if they accept it.
"""

from __future__ import annotations

from math import isinf
from typing import Final

from statefulinspect.checksums import header_is_right
from statefulinspect.config import Config
from statefulinspect.connection import Connection, Side, Verdict, join, part
from statefulinspect.conntable import ConnTable
from statefulinspect.flowkey import FlowKey, reverse
from statefulinspect.machines import make_machines
from statefulinspect.machines.icmp import quoted_flow
from statefulinspect.packet import Packet
from statefulinspect.rules.matcher import Matcher
from statefulinspect.rules.model import Ruleset
from statefulinspect.terms import (
    ACCEPT,
    DROP,
    INVALID,
    NEW,
    OK,
    ORIGINAL,
    RELATED,
    UNTRACKED,
    Effect,
    Reason,
)
from statefulinspect.wheel import Wheel

SWEEP_AT_MOST: Final = 64  # entries that one packet's sweep looks at: bounded work
ZONES: Final = range(1 << 16)


def refuse_endless(now: float) -> None:
    """Raise ValueError for a time that never comes, or is no number."""
    if isinf(now):  # a NaN as the very first `now` ends here too: as minus infinity
        msg = f"now={now}: expected a finite number of seconds"
        raise ValueError(msg)


class Judge:
    """Hold the table, the wheel, the machines and the rules, and take packets through them."""

    def __init__(self, rules: Ruleset, config: Config) -> None:
        self.table = ConnTable()
        self.wheel: Wheel[Connection] = Wheel()
        self.machines = make_machines(config)
        self._config = config
        self._matcher = Matcher(rules)

    def classify(self, packet: Packet, now: float) -> Verdict:
        """Judge a packet of any kind: the full way, which `process` only abbreviates."""
        refuse_endless(now)
        if packet.zone not in ZONES:
            msg = f"zone={packet.zone!r}: expected a whole number from 0 to 65535"
            raise ValueError(msg)
        reason = self.validate(packet)
        if reason is Reason.ERROR_ABOUT_CONNECTION:
            return self._relate(packet, now)
        if reason is not OK or packet.key is None:
            return self._answer_without_connection(packet, reason)
        side = self.table.find(packet.zone, packet.protocol, packet.key)
        if side is not None and side.connection.expires_at <= now:
            self.remove(side.connection)
            side = None
        return self._admit(packet, now) if side is None else self._advance(side, packet, now)

    def validate(self, packet: Packet) -> Reason:
        """Check everything that can be checked without a connection."""
        if self._config.verify_checksums and packet.family == 4 and not header_is_right(packet):
            return Reason.IP_HEADER_CHECKSUM
        if packet.reason is not OK:
            return packet.reason
        return self.machines[packet.protocol].validate(packet)

    def _admit(self, packet: Packet, now: float) -> Verdict:
        """Open a connection with its first packet, if the machine and the rules let it."""
        connection = self._connection_for(packet, now)
        side = connection.original_side
        reason = connection.machine.open(side, packet, now)
        if reason.effect is Effect.REFUSE:
            part(connection)
            return self._answer_without_connection(packet, reason)
        verdict = self._answer(side, packet, reason)
        if verdict.action is not ACCEPT:
            part(connection)
            return Verdict(verdict.action, NEW, ORIGINAL, OK, None, verdict.rule)
        self.table.enter(connection)
        self._settle(side, packet, reason)
        return verdict

    def _connection_for(self, packet: Packet, now: float) -> Connection:
        """Make the connection that a packet would open."""
        key = packet.key or b""
        original, reply = Side(key, 0), Side(reverse(packet.protocol, key) or b"", 1)
        connection = Connection(
            packet.protocol,
            original,
            reply,
            self.machines[packet.protocol],
            created_at=now,
            zone=packet.zone,
            is_accounted=self._config.accounting,
        )
        join(connection)
        return connection

    def _advance(self, side: Side, packet: Packet, now: float) -> Verdict:
        """Take a known connection one packet further."""
        connection = side.connection
        reason = connection.machine.step(side, packet, now)
        if reason.effect is Effect.REOPEN:
            self.remove(connection)
            return self._admit(packet, now)
        if reason.effect is Effect.REFUSE:
            self._renew(connection)
            return self._answer_without_connection(packet, reason)
        verdict = self._answer(side, packet, reason)
        self._settle(side, packet, reason)
        return verdict

    def _settle(self, side: Side, packet: Packet, reason: Reason) -> None:
        """Count a packet that passed, and let it change what comes next."""
        connection = side.connection
        if reason.effect is not Effect.IGNORE:
            side.packets += 1
            side.octets += packet.length
        if reason.effect is Effect.END:
            self.remove(connection)
            return
        if side.is_reply and not connection.seen_reply:
            connection.seen_reply = True
            side.other.verdict = None  # its next packet is ESTABLISHED
        self._renew(connection)

    def _renew(self, connection: Connection) -> None:
        """Bring the wheel and the hot path up to date with what a machine wrote."""
        if connection.expires_at < connection.filed_at:
            self.wheel.file(connection)
        connection.machine.arm(connection)

    def _answer(self, side: Side, packet: Packet, reason: Reason) -> Verdict:
        """Hand out the side's verdict; make it first if there is none that still holds."""
        if side.verdict is not None and reason is OK:
            return side.verdict
        ct_state = side.ct_state
        action, rule = self._matcher.judge(packet, ct_state)
        verdict = Verdict(action, ct_state, side.direction, reason, side.connection, rule)
        if reason is OK and not self._matcher.asks_packet:
            side.verdict = verdict
        return verdict

    def _answer_without_connection(self, packet: Packet, reason: Reason) -> Verdict:
        """Answer a packet that belongs to no connection."""
        if reason.effect is Effect.DISCARD:
            return Verdict(DROP, INVALID, None, reason)
        ct_state = UNTRACKED if reason.effect is Effect.EXEMPT else INVALID
        action, rule = self._matcher.judge(packet, ct_state)
        return Verdict(action, ct_state, None, reason, None, rule)

    def _relate(self, packet: Packet, now: float) -> Verdict:
        """Answer an ICMP error by the packet that it quotes."""
        side, reason = self.quoted_side(packet, now)
        if side is None:
            return self._answer_without_connection(packet, reason)
        action, rule = self._matcher.judge(packet, RELATED)
        return Verdict(action, RELATED, side.direction, reason, side.connection, rule)

    def quoted_side(self, packet: Packet, now: float) -> tuple[Side | None, Reason]:
        """Find the side that would answer the packet quoted in an ICMP error."""
        flow = quoted_flow(packet)
        if flow is None:
            return None, Reason.QUOTE_MALFORMED
        side = self.live_side(packet, flow, now)
        if side is None:
            return None, Reason.QUOTE_UNKNOWN
        if flow.destination != packet.destination:
            return None, Reason.QUOTE_MISDIRECTED
        return side, Reason.ERROR_ABOUT_CONNECTION

    def live_side(self, packet: Packet, flow: FlowKey, now: float) -> Side | None:
        """Find a side whose connection is not past its deadline; changes nothing."""
        side = self.table.find(packet.zone, *flow)
        return side if side is not None and side.connection.expires_at > now else None

    def remove(self, connection: Connection) -> None:
        """Take a connection out of the table and the wheel."""
        self.wheel.cancel(connection)
        self.table.remove(connection)

    def sweep(self, now: float) -> None:
        """Remove some of what has expired; look-ups treat the rest as gone already."""
        refuse_endless(now)
        for connection in self.wheel.due(now, SWEEP_AT_MOST):
            self.table.remove(connection)
