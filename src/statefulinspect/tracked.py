"""What is tracked: how it is found and listed, and how it ends when no packet ends it.

All that a tracker offers beside judging packets.
"""

from __future__ import annotations

from math import isfinite
from sys import float_info
from typing import Final, Iterator, NoReturn  # noqa: UP035 - Python 3.9

from statefulinspect.checks import refuse_other
from statefulinspect.config import Config
from statefulinspect.connection import Connection
from statefulinspect.decoding import decode
from statefulinspect.defragment import Defragmenter
from statefulinspect.events import EXPIRED, Cause, Event, FragmentEvent
from statefulinspect.expectation import Expectation
from statefulinspect.folded import Folded
from statefulinspect.integrity import check
from statefulinspect.judge import Judge
from statefulinspect.packet import PacketLike
from statefulinspect.rules.ruleset import Ruleset
from statefulinspect.terms import Direction, Reason
from statefulinspect.wheel import NOT_FILED
from statefulinspect.zones import Zone

BEGINNING: Final = -float_info.max  # before every packet


def in_seconds(now: float) -> float:
    """Make a float of a time: Decimal, as readers of captures give them, does not add to one."""
    if not hasattr(now, "__float__"):  # words are none, though float() reads them
        msg = f"now={now!r}: expected a number of seconds"
        raise TypeError(msg)
    try:
        return float(now)
    except OverflowError:
        msg = "now: expected a finite number of seconds"
        raise ValueError(msg) from None


class Tracked:
    """Hold what a tracker holds, and let it be asked and ended."""

    def __init__(self, rules: Ruleset, config: Config) -> None:
        self._judge = Judge(rules, config)
        self._classify = self._judge.classify
        self._table, self._wheel = self._judge.table, self._judge.wheel
        self._defragmenter = Defragmenter(config, self._judge)
        self._now = BEGINNING

    def _later(self, now: float) -> float:
        """Tell what time it is: an earlier `now` than the last, or a NaN, counts as the last.

        ValueError for a time that never comes, and for what is no time if there was none before.
        """
        now = in_seconds(now)
        is_first = self._now == BEGINNING
        if not (is_first or now > self._now):
            return self._now
        if not isfinite(now):
            msg = f"now={now}: expected a finite number of seconds"
            raise ValueError(msg)
        return now

    def find(
        self, packet: PacketLike, *, zone: int = 0, zone_direction: Direction | None = None
    ) -> Connection | None:
        """Find the connection that a packet's flow key leads to, or an ICMP error speaks of.

        Changes nothing, and does not judge: a packet that would be INVALID finds the connection it
        seems to belong to. What is past its deadline at the last `now` is not found.
        """
        given = Zone.of(zone, zone_direction)
        decoded = decode(packet, zone=given)
        lookup = self._judge.lookup
        decoded.key = lookup.keys.complete(decoded)
        if decoded.flow is None:
            return None
        side = lookup.live_side(given, decoded.flow, self._now)
        if side is None and self._judge.validation.check(decoded) is Reason.ERROR_ABOUT_CONNECTION:
            side, _ = lookup.quoted_side(decoded, self._now)
        return None if side is None else side.connection

    def expire(self, now: float, at_most: int | None = None) -> int:
        """Remove every connection whose deadline is not after `now`; tell how many.

        If `at_most` is given, no more than so many are looked at, and only those whose second has
        passed, so that a call takes no longer than its batch; what is left counts as gone all the
        same. Fragments that have waited too long are dropped too, and not counted. ValueError for a
        time that never comes, and for a number that is negative or not whole.
        """
        if at_most is not None and not (type(at_most) is int and at_most >= 0):
            msg = f"at_most={at_most!r}: expected a whole number from 0 on, or None"
            raise ValueError(msg)
        self._now = self._later(now)
        wheel, remove = self._wheel, self._judge.remove
        passed = wheel.take(self._now) if at_most is None else wheel.due(self._now, at_most)
        for connection in passed:
            remove(connection, EXPIRED, self._now)
        self._judge.expectations.expire_all(self._now)
        for table in self._defragmenter.tables.values():
            table.expire_all(self._now)
        return len(passed)

    @property
    def next_expiry_at(self) -> float | None:
        """Tell the earliest deadline, when `expire` has work to do; None if there is none."""
        tables = self._defragmenter.tables.values()
        deadlines = [
            self._wheel.earliest(),
            self._judge.expectations.wheel.earliest(),
            *(table.wheel.earliest() for table in tables),
        ]
        return min((each for each in deadlines if each is not None), default=None)

    @property
    def expectations(self) -> list[Expectation]:
        """List what is expected, by master in the order of their first announcements."""
        return [each for each in self._judge.expectations if each.expires_at > self._now]

    def __len__(self) -> int:
        """Count the connections that are not past their deadline at the last `now`."""
        return len(self._table) - sum(1 for _ in self._wheel.passed(self._now))

    def __repr__(self) -> str:
        """Tell how many connections are tracked."""
        return f"Tracker({len(self)} connections)"

    def __iter__(self) -> Iterator[Connection]:
        """Go over the live connections, in an order that depends on the calls only."""
        return iter([each for each in self._table if each.expires_at > self._now])

    def delete(self, connection: Connection) -> None:
        """Remove a connection; ValueError if this tracker does not hold it, or it has expired."""
        refuse_other("connection", connection, Connection, ValueError)
        if not self._table.holds(connection) or connection.expires_at <= self._now:
            msg = f"{connection!r} is not tracked here"
            raise ValueError(msg)
        self._judge.remove(connection, Cause.DELETED, self._now)

    def flush(self) -> None:
        """Remove every connection, and drop what fragments are held."""
        for kept in list(self._table.holders()):  # another that went may have ended or unfolded it
            connection = kept.holder if isinstance(kept, Folded) else kept
            if connection.filed_at != NOT_FILED:
                has_expired = connection.expires_at <= self._now
                self._judge.remove(connection, EXPIRED if has_expired else Cause.DELETED, self._now)
        for table in self._defragmenter.tables.values():
            table.flush(self._now)

    def events(self) -> list[Event | FragmentEvent]:
        """Take what has happened since the last call, the oldest first.

        Empty unless `Config(events=True)`. The latest 65,536 events are kept, as long as the
        fragments in them have no more than 16 MiB; `lost_events` counts the others.
        """
        return [] if self._judge.journal is None else self._judge.journal.take()

    @property
    def lost_events(self) -> int:
        """Count the events that were forgotten because nobody took them."""
        return 0 if self._judge.journal is None else self._judge.journal.lost

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled: rules remember what they count where no copy reaches."""
        msg = "a tracker cannot be copied or pickled; its verdicts and connections can"
        raise TypeError(msg)

    def check(self) -> None:
        """Assert every invariant of the tracker's structures; for tests."""
        check(self._judge, self._defragmenter)
