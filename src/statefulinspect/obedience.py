"""What becomes of what helpers say: each statement carried out, in their order.

The policy is asked about every announcement; what it forbids is passed over as if unsaid.
"""

from __future__ import annotations

from typing import Any, Callable, ClassVar, Iterable, Mapping, NamedTuple, NoReturn  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.config import Config
from statefulinspect.connection import Connection
from statefulinspect.expectation import Expectation
from statefulinspect.expecttable import ExpectationTable
from statefulinspect.flowkey import TCP, UDP, FlowKey
from statefulinspect.helpers.gre_keys import GreKeys
from statefulinspect.helpers.model import Helper
from statefulinspect.helpers.statements import (
    Activate,
    Announce,
    AnnounceCall,
    AnnounceEach,
    AnnouncePair,
    Outcome,
    Refuse,
    Remember,
    Renew,
    Sever,
    UnmapKeys,
    Withdraw,
)
from statefulinspect.terms import OK, Reason
from statefulinspect.zones import Zone

# End the connection of a zone that a flow key leads to; say whether there is one.
Severing = Callable[[Zone, FlowKey, float], bool]


class Speaker(NamedTuple):
    """Name who says something: a helper, about a connection, at a time."""

    helper: Helper
    connection: Connection
    now: float

    def expected(self, announced: Announce) -> Expectation:
        """Make what is expected by an announcement."""
        inactive = announced.is_inactive
        return Expectation(announced, self.connection, self.helper, is_inactive=inactive)


def _refuse(speaker: Speaker, said: object, expected: str) -> NoReturn:
    msg = f"helper {speaker.helper.name!r} said {said!r}: expected {expected}"
    raise TypeError(msg)


class Obedience:
    """Carry out what helpers say."""

    def __init__(self, config: Config, keys: GreKeys, sever: Severing) -> None:
        self.expectations = ExpectationTable(config.limits.max_expectations)
        self._policy, self._keys, self._sever = config.helper_policy, keys, sever

    def obey(self, speaker: Speaker, outcome: Outcome) -> Reason:
        """Carry out statements, up to the first that cannot be; OK, or why the packet goes.

        TypeError for what is no statement.
        """
        said: object = outcome.before if isinstance(outcome, Refuse) else outcome
        if not isinstance(said, Iterable):
            _refuse(speaker, said, "statements, or Refuse")
        for statement in said:
            way = self._WAYS.get(type(statement)) or _refuse(speaker, statement, "a statement")
            reason = way(self, speaker, statement)
            if reason is not OK:
                return reason
        return outcome.reason if isinstance(outcome, Refuse) else OK

    def _announce(self, speaker: Speaker, announced: Announce) -> Reason:
        _, reason = self._enter(speaker, (announced,))
        return OK if announced.is_optional else reason

    def _announce_each(self, speaker: Speaker, said: AnnounceEach) -> Reason:
        """Announce all, whatever becomes of each; tell what hindered the first that cannot be."""
        reasons = [self._announce(speaker, announced) for announced in said.each]
        return next((reason for reason in reasons if reason is not OK), OK)

    def _announce_pair(self, speaker: Speaker, pair: AnnouncePair) -> Reason:
        told = attrs.evolve(pair.first, destination_port=pair.told_port)
        if self.expectations.is_known(speaker.expected(told), speaker.now):
            return OK
        entered, reason = self._enter(speaker, (pair.first, pair.second))
        if reason is not OK:
            self._take_back(entered)
        return reason

    def _announce_call(self, speaker: Speaker, call: AnnounceCall) -> Reason:
        entered, reason = self._enter(speaker, call.either)
        if entered and not (reason is OK and self._keys.map(speaker.connection, call.keys)):
            self._take_back(entered)
        return OK

    def _enter(
        self, speaker: Speaker, announced: tuple[Announce, ...]
    ) -> tuple[list[Expectation], Reason]:
        """Enter expectations, if all may be; give those that were, and what hindered the next."""
        entered: list[Expectation] = []
        if not all(self._may(speaker.connection, each) for each in announced):
            return entered, OK
        for each in announced:
            if each.kind not in speaker.helper.policies:
                kinds = ", ".join(map(repr, speaker.helper.policies))
                _refuse(speaker, each, f"one of its kinds, {kinds}")
            expected = speaker.expected(each)
            reason = self.expectations.announce(expected, speaker.now)
            if reason is not OK:
                return entered, reason
            entered.append(expected)
        return entered, OK

    def _take_back(self, entered: list[Expectation]) -> None:
        for expected in entered:
            if self.expectations.holds(expected):
                self.expectations.remove(expected)

    def _may(self, connection: Connection, announced: Announce) -> bool:
        """Say whether the policy lets this connection announce that."""
        policy = self._policy
        if announced.destination_port < policy.lowest_port and announced.protocol in (TCP, UDP):
            return False
        return connection.is_assured or connection.protocol != TCP or not policy.needs_assured

    def _withdraw(self, speaker: Speaker, said: Withdraw) -> Reason:
        self.expectations.remove_of(speaker.connection, said.kinds)
        return OK

    def _activate(self, speaker: Speaker, said: Activate) -> Reason:
        self.expectations.activate(speaker.connection, said.kind, speaker.now + said.timeout)
        return OK

    def _renew(self, speaker: Speaker, said: Renew) -> Reason:
        speaker.connection.expires_at = speaker.now + said.timeout
        return OK

    def _remember(self, speaker: Speaker, said: Remember) -> Reason:
        speaker.connection.helper_memory = said.memory
        return OK

    def _unmap(self, speaker: Speaker, _: UnmapKeys) -> Reason:
        self._keys.unmap(speaker.connection)
        return OK

    def _end(self, speaker: Speaker, said: Sever) -> Reason:
        zones, flow = speaker.connection.zones, FlowKey(said.protocol, said.key)
        if not self._sever(zones, flow, speaker.now):
            self.expectations.withdraw(zones, flow)
        return OK

    _WAYS: ClassVar[Mapping[type, Callable[[Obedience, Speaker, Any], Reason]]] = {
        Announce: _announce,
        AnnounceEach: _announce_each,
        AnnouncePair: _announce_pair,
        AnnounceCall: _announce_call,
        Withdraw: _withdraw,
        Activate: _activate,
        Renew: _renew,
        Remember: _remember,
        UnmapKeys: _unmap,
        Sever: _end,
    }
