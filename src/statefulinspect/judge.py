"""The full way of a packet: from the decoded record to its verdict.

Check what can be checked alone; find the side that the flow key leads to; open a connection or let
the known one's machine step; let the rules look; make the answer, and keep it on the side while it
holds. An ICMP error takes the same way with the key of the packet that it quotes. State, timers
and counters of a known connection advance before the rules look; a new one enters the table only
if they accept it.
"""

from __future__ import annotations

from typing import Final

import attrs

from statefulinspect.answers import Answers
from statefulinspect.checksums import transport_is_right
from statefulinspect.config import Config
from statefulinspect.connection import Connection, Side, Verdict
from statefulinspect.events import Cause
from statefulinspect.flowkey import TCP, reverse
from statefulinspect.journal import Marks
from statefulinspect.keeper import Keeper
from statefulinspect.linking import connect, part
from statefulinspect.machines import make_machines
from statefulinspect.machines.tcp_flags import RST_FLAG
from statefulinspect.machines.tcp_prediction import take_back
from statefulinspect.packet import Packet
from statefulinspect.provision import Provision
from statefulinspect.rules.engine.filtering import Filter
from statefulinspect.rules.engine.walk import Walk, walk_of
from statefulinspect.rules.ruleset import Ruleset
from statefulinspect.terms import ACCEPT, DROP, OK, REJECT, Effect, Reason
from statefulinspect.validation import Validation
from statefulinspect.zones import Zone

DISCARD: Final = Effect.DISCARD
END: Final = Effect.END
IGNORE: Final = Effect.IGNORE
REFUSE: Final = Effect.REFUSE
REOPEN: Final = Effect.REOPEN
ERROR_ABOUT_CONNECTION: Final = Reason.ERROR_ABOUT_CONNECTION


class Judge(Keeper):
    """Hold machines and rules too, and take packets through them."""

    def __init__(self, rules: Ruleset, config: Config) -> None:
        super().__init__(config)
        self._find = self.table.candidates
        self.machines = make_machines(config)
        self.validation = Validation(config, self.machines)
        self._adapts = config.limits.adaptive_start is not None
        self._config = config
        self.filter = Filter(rules.tables, Provision(config, self.assistant).use_of)
        self.answers = Answers(self.filter)

    def classify(self, packet: Packet, now: float) -> Verdict:
        """Judge a packet of any kind: the full way, which `process` only abbreviates."""
        reason = self.validation.check(packet)
        walk = walk_of(packet, now, self._find)
        if self.filter.has_raw and reason.effect is not DISCARD:
            verdict = self.answers.before_tracking(walk)
            if verdict is not None:
                return verdict
            reason = Reason.EXEMPT_BY_RULE if walk.is_exempt else reason
        if reason is ERROR_ABOUT_CONNECTION:
            return self._relate(walk)
        if reason is not OK or packet.key is None:
            if self.expectations and reason.effect is REFUSE:
                self._use_up(packet, now)
            return self.answers.without_connection(walk, reason)
        return self._track(walk, self.lookup.keys.complete(packet) or packet.key)

    def _track(self, walk: Walk, key: bytes) -> Verdict:
        """Judge a packet that may belong to a connection, or open one."""
        packet = walk.packet
        side = self._find_live(packet.zone, packet.protocol, key, walk.now)
        return self._admit(walk, key) if side is None else self._advance(side, walk)

    def _admit(self, walk: Walk, key: bytes) -> Verdict:
        """Judge a packet that belongs to no known connection, and let it open one."""
        packet, now = walk.packet, walk.now
        connection = self.connection_for(packet.protocol, key, packet.zone, now)
        connection.is_screened = not self.validation.screen.spares(key)
        self.assistant.introduce(connection, packet, now)
        side = connection.original_side
        reason = connection.machine.open(side, packet, now)
        if reason.effect is REFUSE:
            part(connection)
            return self.answers.without_connection(walk, reason)
        walk.is_fresh = True
        verdict = self.answers.of(side, walk, reason)
        if self._adapts:  # what a ct timeout gave, too
            connection.expires_at = self.capacity.shortened(connection.expires_at, now)
        if verdict.action is ACCEPT:
            self.assistant.appoint_by_port(connection)
            verdict = self._assist(side, packet, verdict, now)
        if verdict.action is ACCEPT:
            verdict = self._make_room(connection, verdict, now)
        if verdict.action is not ACCEPT:
            self.assistant.withdraw(connection)
            part(connection)
            return attrs.evolve(verdict, connection=None)
        self.table.enter(connection)
        self.capacity.enter(connection, now)
        self.settle(side, packet.length, reason, now)
        if self.journal is not None:
            self.journal.opened(connection, now)
        return verdict

    def _make_room(self, connection: Connection, verdict: Verdict, now: float) -> Verdict:
        """Drop a new connection for which there is no room, or none of its name."""
        zone, key = self.table.rival_zone(connection), connection.reply_side.key
        rival = None if zone is None else self._find_live(zone, connection.protocol, key, now)
        opener = connection.zones.original, connection.original_side.key
        reason = self.capacity.make_room(*opener, now) if rival is None else Reason.REPLY_TAKEN
        return verdict if reason is OK else attrs.evolve(verdict, action=DROP, reason=reason)

    def connection_for(self, protocol: int, key: bytes, zones: Zone, now: float) -> Connection:
        """Make the connection that a packet of this key would open."""
        against = reverse(protocol, key)
        assert against is not None, "a validated ICMP type has an answer"
        machine, is_accounted = self.machines[protocol], self._config.accounting
        return connect(protocol, key, against, machine, now, zones, is_accounted)

    def _advance(self, side: Side, walk: Walk) -> Verdict:
        """Take a known connection one packet further."""
        connection, packet, now = side.connection, walk.packet, walk.now
        marks = None if self.journal is None else Marks.of(connection)
        return self.conclude(side, walk, self.step(side, packet, now), marks)

    def tell(
        self, connection: Connection, before: Marks | None, verdict: Verdict, now: float
    ) -> None:
        """Write down what a packet has changed, if anybody wants to know."""
        if self.journal is None or before is None:
            return
        has_passed = verdict.action is ACCEPT and verdict.connection is connection
        if not self.journal.advanced(connection, before, now, has_passed=has_passed):
            take_back(connection)  # the hot path tells nothing

    def conclude(self, side: Side, walk: Walk, reason: Reason, before: Marks | None) -> Verdict:
        """Let the rules look at a packet that its connection has taken so, and do what follows."""
        connection, now = side.connection, walk.now
        if reason.effect is REOPEN:
            self.remove(connection, Cause.REOPENED, now)
            return self._track(walk, side.key)
        if reason.effect is END:
            return self._end(side, walk, reason)
        verdict = self._taken(side, walk, reason)
        self.tell(connection, before, verdict, now)
        return verdict

    def _taken(self, side: Side, walk: Walk, reason: Reason) -> Verdict:
        """Let the rules look at a packet that leaves its connection where it is."""
        connection, packet, now = side.connection, walk.packet, walk.now
        if reason.effect is REFUSE:
            self.renew(connection)
            return self.answers.without_connection(walk, reason)
        verdict = self._assist(side, packet, self.answers.of(side, walk, reason), now)
        if verdict.action is REJECT and packet.protocol == TCP and self._resets(verdict, packet):
            connection.machine.reset(connection, now)
        self.settle(side, packet.length, reason, now)
        return verdict

    def _resets(self, verdict: Verdict, packet: Packet) -> bool:
        """Say whether a reject ends the connection: if it answers the segment with a reset.

        Nothing answers a reset, and Linux no segment with a wrong checksum; so far nobody has
        looked at that of what this machine itself sends.
        """
        rule = verdict.rule
        if rule is None or not rule.resets or packet.wire[packet.l4 + 13] & RST_FLAG:
            return False
        return not self._config.verify_checksums or transport_is_right(packet)

    def _end(self, side: Side, walk: Walk, reason: Reason) -> Verdict:
        """Let the rules look at what ends its connection, and remove that as it was before.

        Linux removes it, and tells so, before they look: what they set comes too late.
        """
        connection, packet, now = side.connection, walk.packet, walk.now
        mark, event_mask = connection.mark, connection.event_mask
        verdict = self._assist(side, packet, self.answers.of(side, walk, reason), now)
        connection.mark, connection.event_mask = mark, event_mask
        self.settle(side, packet.length, reason, now)
        return verdict

    def step(self, side: Side, packet: Packet, now: float) -> Reason:
        """Let the machine step, and shorten what it leaves to live if lives are to be shortened."""
        connection = side.connection
        if not self._adapts:
            return connection.machine.step(side, packet, now)
        before = connection.expires_at
        reason = connection.machine.step(side, packet, now)
        if connection.expires_at != before:
            connection.expires_at = self.capacity.shortened(connection.expires_at, now)
        return reason

    def _assist(self, side: Side, packet: Packet, verdict: Verdict, now: float) -> Verdict:
        """Let the connection's helper, if it has one, read a packet that the rules let pass."""
        if side.connection.helper is None or verdict.action is not ACCEPT:
            return verdict
        reason = self.assistant.read(side, packet, verdict, now)
        return verdict if reason is OK else attrs.evolve(verdict, action=DROP, reason=reason)

    def settle(self, side: Side, octets: int, reason: Reason, now: float) -> None:
        """Count a packet that passed, and let it change what comes next."""
        connection = side.connection
        if reason is OK or reason.effect is not IGNORE:
            side.packets += 1
            side.octets += octets
        if reason is not OK and reason.effect is END:
            self.remove(connection, Cause.RESET, now)
            return
        if side.is_reply and not connection.seen_reply:
            connection.seen_reply = True
            side.other.verdict = None  # its next packet is ESTABLISHED
        self.renew(connection)

    def renew(self, connection: Connection) -> None:
        """Bring the wheel and the hot path up to date with what a machine wrote."""
        if connection.expires_at < connection.filed_at:
            self.wheel.file(connection)
        if not connection.is_assured:
            return
        if connection.older is not None:
            self.capacity.assure(connection)
        is_usual = connection.machine is self.machines[connection.protocol] and not self._adapts
        if is_usual:  # the hot path knows the lives of the configuration only
            connection.machine.arm(connection)

    def _relate(self, walk: Walk) -> Verdict:
        """Answer an ICMP error by the packet that it quotes."""
        side, reason = self.lookup.quoted_side(walk.packet, walk.now)
        if side is None:
            return self.answers.without_connection(walk, reason)
        marks = None if self.journal is None else Marks.of(side.connection)
        verdict = self.answers.about(side, walk, reason)
        self.tell(side.connection, marks, verdict, walk.now)
        return verdict
