"""Who reads which connection, and whose it is that was expected.

A connection gets its helper when it begins: from the expectation that it fulfils, from the rule
that accepted it, or by its protocol and destination port from `Config.helpers`. From then on the
helper reads what the rules let pass, and what it says is carried out (`obedience`).
"""

from __future__ import annotations

from typing import Final, Iterable, Mapping  # noqa: UP035 - Python 3.9

from statefulinspect.checks import ConfigError
from statefulinspect.config import Config
from statefulinspect.connection import Connection, Side, Verdict
from statefulinspect.expectation import Expectation
from statefulinspect.flowkey import GRE, TCP
from statefulinspect.helpers import make_helpers
from statefulinspect.helpers.gre_keys import GreKeys
from statefulinspect.helpers.model import EndingHelper, Helper, Message, WaryHelper
from statefulinspect.obedience import Obedience, Severing, Speaker
from statefulinspect.packet import Packet
from statefulinspect.rules.errors import RuleError
from statefulinspect.terms import ESTABLISHED, OK, Reason

UDP_HEADER: Final = 8
OFFERS: Final = ("name", "protocols", "families", "policies", "begin", "read")  # of a `Helper`


class Assistant:
    """Hold the helpers, and have them read."""

    def __init__(self, config: Config, keys: GreKeys, sever: Severing) -> None:
        self._obedience = Obedience(config, keys, sever)
        self.expectations = self._obedience.expectations
        self._keys = keys
        self._helpers = make_helpers(config.helper_policy)
        self._by_port = self._assignments(config.helpers)
        # Whether a class offers what a protocol wants takes 10 us to find out.
        helpers = self._helpers.items()
        self._enders = {name: each for name, each in helpers if isinstance(each, EndingHelper)}
        self._wary = {name: each for name, each in helpers if isinstance(each, WaryHelper)}
        self._policy = config.helper_policy

    def helper(self, name: str) -> Helper:
        """Give the helper of a name; RuleError if there is none."""
        if name not in self._helpers:
            raise RuleError(self._unknown(name))
        return self._helpers[name]

    def _assignments(self, given: Mapping[int, object]) -> dict[tuple[int, int], Helper]:
        """Map protocol and port to a helper; ConfigError for a name that is none, or two's."""
        objects = [each for each in given.values() if not isinstance(each, str)]
        self._helpers.update(self._by_name(objects))
        found: dict[tuple[int, int], Helper] = {}
        for port, named in given.items():
            helper = self._helpers.get(named) if isinstance(named, str) else named
            if not isinstance(helper, Helper):
                raise ConfigError(self._unknown(named))
            found.update({(protocol, port): helper for protocol in helper.protocols})
        return found

    def _by_name(self, objects: Iterable[object]) -> dict[str, Helper]:
        """Name the helpers that were given as objects, which take the place of the built-in."""
        named: dict[str, Helper] = {}
        for helper in objects:
            if isinstance(helper, type) or not isinstance(helper, Helper):
                raise ConfigError(self._unknown(helper))
            if named.setdefault(helper.name, helper) is not helper:
                msg = f"helpers: two are called {helper.name!r}, and nobody could tell them apart"
                raise ConfigError(msg)
        return named

    def _unknown(self, given: object) -> str:
        """Say that there is no such helper, and which there are; or what a helper lacks."""
        if isinstance(given, str):
            known = ", ".join(self._helpers)
            return f"helper {given!r}: expected one of {known}, or what Config.helpers holds"
        if isinstance(given, type):
            return f"helper {given!r}: expected an object of this class"
        missing = [name for name in OFFERS if getattr(given, name, None) is None]
        return f"helper {given!r}: expected a name, or an object that has {', '.join(missing)}, too"

    def helped_ports(self, protocol: int) -> frozenset[bytes]:
        """List the ports, as they stand on the wire, whose connections get a helper."""
        return frozenset(
            port.to_bytes(2, "big") for each, port in self._by_port if each == protocol
        )

    def introduce(self, connection: Connection, packet: Packet, now: float) -> None:
        """Tell a new connection whether it was expected, and by whom it is then to be read."""
        if not self.expectations:
            return
        expected = self.expectations.take(packet.zone, connection.original, now)
        if expected is not None:
            self.adopt(connection, expected)

    def adopt(self, connection: Connection, expected: Expectation) -> None:
        """Make a new connection what was expected."""
        connection.master = expected.master
        connection.mark = expected.master.mark
        self._assign(connection, self._helpers.get(expected.announced.helper or ""))

    def appoint(self, connection: Connection, helper: Helper) -> None:
        """Have a new connection read by whom a rule names.

        A connection that was expected to be read keeps its reader, and one of which rules expect
        something gets none.
        """
        if connection.helper is None and not self.expectations.of(connection):
            self._assign(connection, helper)

    def appoint_by_port(self, connection: Connection) -> None:
        """Have an accepted connection that nobody reads yet read by its port's helper."""
        port = connection.original.destination_port
        by_port = self._by_port.get((connection.protocol, -1 if port is None else port))
        if connection.helper is None:
            self._assign(connection, by_port)

    def _assign(self, connection: Connection, helper: Helper | None) -> None:
        """Have a connection read by a helper, if that reads such connections."""
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
        message = Message(side, payload, seq, now)
        wary = self._wary.get(helper.name) if self._policy.needs_proper_start else None
        if wary is not None and payload and wary.suspects(message):
            connection.helper = connection.helper_memory = None
            self.expectations.remove_of(connection)
            return OK
        return self._obedience.obey(Speaker(helper, connection, now), helper.read(message))

    def withdraw(self, connection: Connection) -> None:
        """Forget what a connection that was not let in has announced."""
        self.expectations.remove_of(connection)
        self._forget_keys(connection)

    def leave(self, connection: Connection, now: float) -> None:
        """Let go of all that hangs on a connection that is removed, which is still whole."""
        self.expectations.remove_of(connection)
        helper = self._enders.get(connection.helper or "")
        if helper is not None:
            self._obedience.obey(Speaker(helper, connection, now), helper.end(connection))
        self._forget_keys(connection)

    def _forget_keys(self, connection: Connection) -> None:
        """Unmap the keys of a call whose connection ends."""
        if connection.protocol == GRE and connection.master is not None:
            self._keys.unmap(connection.master)
