"""Which connections are expected: the table of what helpers have announced.

The first packet of a connection that fits an expectation uses it up (unless it is permanent): that
connection is then RELATED to the `master` that announced it. Nothing can be announced twice, for
then nobody could tell whose the connection is.

A connection has few expectations of a kind; one more takes the place of its oldest. All go when
their time is up, and with their master.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, Final, Iterator  # noqa: UP035 - Python 3.9

from statefulinspect.connection import Connection
from statefulinspect.expectation import Expectation
from statefulinspect.flowkey import FlowKey, address_size
from statefulinspect.terms import OK, Reason
from statefulinspect.wheel import Wheel
from statefulinspect.zones import Zone

SWEEP_AT_MOST: Final = 64  # what one announcement removes of what has expired
MASTERS_AT_MOST: Final = 8  # of a connection, their masters', and so on: each keeps its own alive


class ExpectationTable:
    """Hold every expectation, found by where the expected connection goes."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._by_place: dict[tuple[int, bytes, int], list[Expectation]] = {}
        self._by_master: dict[Connection, list[Expectation]] = {}
        self.count = 0
        self.wheel: Wheel[Expectation] = Wheel()

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Expectation]:
        """Go over all, by master in the order of their first announcement."""
        return chain.from_iterable(self._by_master.values())

    def announce(self, expected: Expectation, now: float) -> Reason:
        """Enter an expectation, or say why it cannot be.

        The same announced again by its master takes the place of the old one, if it is of the same
        kind. If it is not, or of another master, one that may be known already need not be entered.
        Who was announced by a long row of others announces nothing more.
        """
        self.expire(now, SWEEP_AT_MOST)
        if _is_far_down(expected.master):
            return Reason.EXPECTATIONS_FULL
        for other in list(self._by_place.get(expected.place, ())):
            if other.expires_at <= now or expected.renews(other):
                self.remove(other)
            elif expected.announced.may_be_known and expected.is_same(other):
                return OK
            elif expected.overlaps(other):
                return Reason.EXPECTATION_CLASH
        self._make_room(expected)
        if self.count >= self._at_most:
            return Reason.EXPECTATIONS_FULL
        self._enter(expected, now)
        return OK

    def is_known(self, expected: Expectation, now: float) -> bool:
        """Say whether another master expects exactly the same, as the same kind.

        Only masters of the same protocol count.
        """
        return any(
            expected.is_same(other) and expected.kind == other.kind and other.expires_at > now
            for other in self._by_place.get(expected.place, ())
            if other.master is not expected.master
            and other.master.protocol == expected.master.protocol
        )

    def _make_room(self, expected: Expectation) -> None:
        """Remove the oldest of its kind and master if there are as many as there may be."""
        at_most = expected.helper.policies[expected.kind].at_most
        like = [each for each in self.of(expected.master) if each.kind == expected.kind]
        if len(like) >= at_most:
            self.remove(like[0])

    def _enter(self, expected: Expectation, now: float) -> None:
        self._by_place.setdefault(expected.place, []).insert(0, expected)
        self._by_master.setdefault(expected.master, []).append(expected)
        self.count += 1
        self.renew(expected, now + expected.helper.policies[expected.kind].timeout)

    def renew(self, expected: Expectation, expires_at: float) -> None:
        """Give an expectation another deadline."""
        expected.expires_at = expires_at
        self.wheel.file(expected)

    def activate(self, master: Connection, kind: str, expires_at: float) -> None:
        """Let what a connection has announced of a kind hold, until another deadline."""
        for expected in self.of(master):
            if expected.kind == kind:
                expected.is_inactive = False
                self.renew(expected, expires_at)

    def of(self, master: Connection) -> list[Expectation]:
        """List what a connection has announced, the oldest first."""
        return list(self._by_master.get(master, ()))

    def find(self, zone: Zone, flow: FlowKey, now: float) -> Expectation | None:
        """Find what a new connection fulfils; changes nothing.

        Of the zone only the number counts, as in Linux, not the direction that it holds for.
        """
        place, source, source_port = _parts(flow)
        for expected in self._by_place.get(place, ()):
            is_there = not expected.is_inactive and expected.expires_at > now
            in_zone = expected.master.zone == zone.number and expected.master.expires_at > now
            if is_there and in_zone and expected.fits(source, source_port):
                return expected
        return None

    def take(self, zone: Zone, flow: FlowKey, now: float) -> Expectation | None:
        """Find what a new connection fulfils, and use it up unless it is permanent."""
        expected = self.find(zone, flow, now)
        if expected is not None:
            self._use(expected)
        return expected

    def _use(self, expected: Expectation) -> None:
        """Take out what has been fulfilled, unless it is permanent, and the others of its group."""
        if not expected.is_permanent:
            self.remove(expected)
        group = expected.announced.group
        for other in self.of(expected.master) if group else ():
            if other.announced.group == group:
                self.remove(other)

    def holds(self, expected: Expectation) -> bool:
        """Say whether an expectation is in the table."""
        return expected in self._by_master.get(expected.master, ())

    def withdraw(self, zone: Zone, flow: FlowKey) -> None:
        """Take out what is expected of exactly one flow, whoever announced it."""
        place, source, source_port = _parts(flow)
        for expected in list(self._by_place.get(place, ())):
            is_exact = (expected.source, expected.source_port) == (source, source_port)
            if is_exact and expected.master.zone == zone.number:
                self.remove(expected)

    def remove(self, expected: Expectation) -> None:
        """Take an expectation out."""
        self.wheel.cancel(expected)
        _leave(self._by_place, expected.place, expected)
        _leave(self._by_master, expected.master, expected)
        self.count -= 1

    def remove_of(self, master: Connection, kinds: tuple[str, ...] | None = None) -> None:
        """Take out what a connection has announced: all, or some kinds."""
        for expected in self.of(master):
            if kinds is None or expected.kind in kinds:
                self.remove(expected)

    def expire(self, now: float, at_most: int) -> None:
        """Remove up to so many whose time is up."""
        for expected in self.wheel.due(now, at_most):
            self.remove(expected)

    def expire_all(self, now: float) -> None:
        """Remove all whose time is up."""
        for expected in list(self.wheel.passed(now)):
            self.remove(expected)

    def check(self) -> None:
        """Assert every invariant of the structure."""
        self.wheel.check()
        placed = list(chain.from_iterable(self._by_place.values()))
        assert len(placed) == len(list(self)) == self.count == self.wheel.count()
        assert set(placed) == set(self), "an expectation is in one index only"
        for index in (self._by_place, self._by_master):
            assert all(index.values()), "a place or master of nothing is kept"
        for expected in placed:
            assert expected in self._by_place[expected.place]
            assert expected in self._by_master[expected.master]


def _is_far_down(connection: Connection) -> bool:
    """Say whether a connection has so many masters above it that it may be none itself."""
    above = connection.master
    for _ in range(MASTERS_AT_MOST - 1):
        above = above and above.master
    return above is not None


def _parts(flow: FlowKey) -> tuple[tuple[int, bytes, int], bytes, int]:
    """Cut a flow key: where it goes, as in `Expectation.place`, source address and port."""
    key, size = flow.wire, address_size(flow.wire)
    place = flow.protocol, key[size : 2 * size], int.from_bytes(key[-2:], "big")
    return place, key[:size], int.from_bytes(key[-4:-2], "big")


def _leave(index: dict[Any, list[Expectation]], name: object, expected: Expectation) -> None:
    """Take an expectation out of a list, and an empty list out of its index."""
    index[name].remove(expected)
    if not index[name]:
        del index[name]
