"""What becomes of a helper's reading: who reads which connection, and what is expected from it.

A connection gets its helper when it begins: from the expectation that it fulfils, from the rule
that accepted it, or by its protocol and destination port from `Config.helpers`. From then on the
helper reads what the rules let pass, and its statements are carried out here, in their order.
"""

from __future__ import annotations

from typing import Final, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.config import Config, ConfigError
from statefulinspect.connection import Connection, Side, Verdict
from statefulinspect.expectation import Expectation
from statefulinspect.expecttable import ExpectationTable
from statefulinspect.flowkey import TCP, UDP
from statefulinspect.helpers import make_helpers
from statefulinspect.helpers.model import (
    Announce,
    Helper,
    Message,
    Outcome,
    Refuse,
    Renew,
    Statement,
    Withdraw,
)
from statefulinspect.packet import Packet
from statefulinspect.rules.fields import RuleError
from statefulinspect.rules.model import Ruleset
from statefulinspect.terms import ESTABLISHED, OK, Reason

UDP_HEADER: Final = 8


class Assistant:
    """Hold the helpers and what they expect."""

    def __init__(self, config: Config, rules: Ruleset) -> None:
        self.expectations = ExpectationTable()
        self._helpers = make_helpers(config.helper_policy)
        self._by_port = self._assignments(config.helpers)
        self._policy = config.helper_policy
        self._refuse_unknown(rules)

    def _refuse_unknown(self, rules: Ruleset) -> None:
        """Raise RuleError for a rule that names a helper there is not."""
        for rule in rules.rules:
            if rule.helper is not None and rule.helper not in self._helpers:
                msg = f"helper {rule.helper!r}: there is none; there are {', '.join(self._helpers)}"
                raise RuleError(msg)

    def _assignments(self, given: Mapping[int, object]) -> dict[tuple[int, int], Helper]:
        """Map protocol and port to a helper; ConfigError for a name that is none."""
        found: dict[tuple[int, int], Helper] = {}
        for port, named in given.items():
            helper = self._helpers.get(named) if isinstance(named, str) else named
            if not isinstance(helper, Helper):
                msg = f"helpers: {named!r} is none; there are {', '.join(self._helpers)}"
                raise ConfigError(msg)
            self._helpers.setdefault(helper.name, helper)
            found.update({(protocol, port): helper for protocol in helper.protocols})
        return found

    def introduce(self, connection: Connection, packet: Packet, now: float) -> None:
        """Tell a new connection whether it was expected, and who is to read it."""
        expected = None
        if self.expectations:
            key = connection.original_side.key
            expected = self.expectations.take(packet.zone, packet.protocol, key, now)
        if expected is not None:
            connection.master = expected.master
            connection.mark = expected.master.mark
            self.assign(connection, expected.announced.helper)
            return
        port = connection.original.destination_port
        helper = None if port is None else self._by_port.get((packet.protocol, port))
        self.assign(connection, None if helper is None else helper.name)

    def assign(self, connection: Connection, name: str | None) -> None:
        """Have a connection read by the helper of that name, if it reads such connections."""
        helper = self._helpers.get(name or "")
        if helper is None or connection.protocol not in helper.protocols:
            return
        if connection.original.family in helper.families:
            connection.helper, connection.helper_memory = helper.name, helper.begin()

    def read(self, side: Side, packet: Packet, verdict: Verdict, now: float) -> Reason:
        """Let the helper read a packet; OK, or why the packet is dropped for it."""
        connection = side.connection
        helper = self._helpers[connection.helper or ""]
        if connection.protocol == TCP:
            is_doubtful = verdict.reason is not OK and self._policy.needs_in_window
            if verdict.ct_state is not ESTABLISHED or is_doubtful:
                return OK
            header = (packet.wire[packet.l4 + 12] >> 4) * 4
            seq = int.from_bytes(packet.wire[packet.l4 + 4 : packet.l4 + 8], "big")
        else:
            header, seq = UDP_HEADER, 0
        payload = packet.wire[packet.l4 + header : packet.stop]
        return self._carry_out(
            helper, connection, helper.read(Message(side, payload, seq, now)), now
        )

    def _carry_out(
        self, helper: Helper, connection: Connection, outcome: Outcome, now: float
    ) -> Reason:
        """Carry statements out, up to the first that cannot be."""
        if isinstance(outcome, Refuse):
            return outcome.reason
        for statement in outcome:
            reason = self._obey(helper, connection, statement, now)
            if reason is not OK:
                return reason
        return OK

    def _obey(
        self, helper: Helper, connection: Connection, statement: Statement, now: float
    ) -> Reason:
        expectations = self.expectations
        if isinstance(statement, Announce):
            if not self._may(connection, statement):
                return OK
            expected = Expectation(statement, connection, helper, is_inactive=statement.is_inactive)
            return expectations.announce(expected, now)
        if isinstance(statement, Withdraw):
            expectations.remove_of(connection, statement.kinds)
        elif isinstance(statement, Renew):
            connection.expires_at = now + statement.timeout
        else:
            expectations.activate(connection, statement.kind, now + statement.timeout)
        return OK

    def _may(self, connection: Connection, announced: Announce) -> bool:
        """Say whether the policy lets this connection announce that."""
        policy = self._policy
        if announced.destination_port < policy.lowest_port and announced.protocol in (TCP, UDP):
            return False
        return connection.is_assured or connection.protocol != TCP or not policy.needs_assured
