"""What the rules' ct objects do to connections: give them a helper, other timeouts, a follower.

Each is made once, when the tracker is; a rule that names it then uses it. All are given to a
connection with its first packet only, as in Linux: in later ones, and in ICMP errors about it, a
rule goes on behind a helper or timeout, and ends at an expectation.
"""

from __future__ import annotations

from typing import Final, Mapping  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.assistance import Assistant
from statefulinspect.config import Config, Timeouts
from statefulinspect.connection import Connection, Machine, Side
from statefulinspect.expectation import Expectation
from statefulinspect.flowkey import TCP, address_size
from statefulinspect.helpers.model import Message, Policy
from statefulinspect.helpers.statements import Announce, Outcome
from statefulinspect.machines import make_machines
from statefulinspect.machines.tcp import TcpMachine
from statefulinspect.machines.tcp_timers import SYN_SENT2_TIMEOUT
from statefulinspect.rules.engine.scope import Use
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.syntax.objects import (
    TIMEOUT_STATES,
    CtExpectation,
    CtHelper,
    CtTimeout,
    NamedObject,
)
from statefulinspect.terms import OK

ADDRESS_SIZES: Final = {"ip": 4, "ip6": 16}


class Provision:
    """Make what ct objects do, for one tracker."""

    def __init__(self, config: Config, assistant: Assistant) -> None:
        self._config, self._assistant = config, assistant

    def use_of(self, named: NamedObject) -> Use:
        """Make what using an object does to a packet's connection, and whether the packet passes.

        RuleError for a helper there is not.
        """
        if isinstance(named, CtHelper):
            return self._helper(named)
        if isinstance(named, CtTimeout):
            return self._timeout(named)
        assert isinstance(named, CtExpectation)
        return self._expectation(named)

    def _helper(self, named: CtHelper) -> Use:
        helper = self._assistant.helper(named.helper)

        def use(walk: Walk) -> bool:
            connection = walk.connection
            if connection is not None and walk.is_fresh and _is_for(named, connection):
                self._assistant.appoint(connection, helper)
            return True

        return use

    def _timeout(self, named: CtTimeout) -> Use:
        """Make the use of other timeouts; Linux asks for their protocol, not for their l3proto."""
        machine, first = self._other_machine(named)

        def use(walk: Walk) -> bool:
            connection = walk.connection
            if connection is not None and walk.is_fresh and connection.protocol == named.protocol:
                connection.machine, connection.expires_at = machine, walk.now + first
            return True

        return use

    def _other_machine(self, named: CtTimeout) -> tuple[Machine, float]:
        """Make the machine of other timeouts, and tell how long its connections live at first.

        States that the object does not name have nft's own timeouts, which are those that Linux
        boots with, whatever the configuration says.
        """
        names, policy = TIMEOUT_STATES[named.protocol], named.policy.items()
        changes = {names[state]: seconds for state, seconds in policy if names[state]}
        timeouts = Timeouts.linux(**changes)
        return self._machine(named, timeouts), getattr(timeouts, next(iter(names.values())))

    def _machine(self, named: CtTimeout, timeouts: Timeouts) -> Machine:
        config = attrs.evolve(self._config, timeouts=timeouts)
        if named.protocol == TCP:
            return TcpMachine(config, named.policy.get("syn_sent2", SYN_SENT2_TIMEOUT))
        return make_machines(config)[named.protocol]

    def _expectation(self, named: CtExpectation) -> Use:
        announcer = Announcer(named)

        def use(walk: Walk) -> bool:
            side, connection = walk.side, walk.connection
            if side is None or connection is None or not walk.is_fresh:
                return False
            known = self._assistant.expectations.of(connection)
            if sum(each.kind == announcer.kind for each in known) >= named.size:
                return False
            if walk.listener is not None:
                return True
            expected = Expectation(announcer.announced(side), connection, announcer)
            reason = self._assistant.expectations.announce(expected, walk.now)
            if reason is not OK:
                walk.refused = reason
            return True

        return use


class Announcer:
    """Stand as the helper of what rules expect: it reads nothing."""

    families = frozenset({4, 6})
    protocols = frozenset(range(256))

    def __init__(self, named: CtExpectation) -> None:
        self._named = named
        self.name = ""
        self.kind = ""
        self.policies: Mapping[str, Policy] = {self.kind: Policy(named.size, named.timeout)}

    def begin(self) -> object:
        """Remember nothing."""
        return None

    def read(self, message: Message) -> Outcome:  # noqa: ARG002 - any message
        """Say nothing."""
        return ()

    def announced(self, side: Side) -> Announce:
        """Announce a connection from the receiver of a packet to its sender."""
        key = side.other.key
        size = address_size(key)
        source, destination = self._fitted(key[:size]), self._fitted(key[size : 2 * size])
        return Announce(self._named.protocol, destination, self._named.port, source=source)

    def _fitted(self, address: bytes) -> bytes:
        """Cut an address, or fill it up, to the size of the object's IP version, as Linux does."""
        size = ADDRESS_SIZES.get(self._named.family, len(address))
        return address[:size].ljust(size, b"\0")


def _is_for(named: CtHelper, connection: Connection) -> bool:
    """Say whether a helper is for connections of this protocol and IP version."""
    is_protocol = named.protocol in (None, connection.protocol)
    size = address_size(connection.original_side.key)
    return is_protocol and ADDRESS_SIZES.get(named.family, size) == size
