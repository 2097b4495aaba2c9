"""Whether there is room for one more connection, and who goes if there is none.

A new connection takes these steps; each that is not its own end makes room, or finds it:

1. its source has too many already, or opens them too fast: it is dropped;
2. the table is full, and what has expired is taken out first;
3. the table is full of assured connections: it is dropped, for who has proven itself stays;
4. too many are unassured: the oldest of them goes (`Cause.HALF_OPEN`);
5. the table is full: the oldest unassured connection goes (`Cause.EARLY_DROP`).

So a flood of openers washes out itself. Linux takes some unassured connection near the new one's
place in its hash table, where this takes the oldest; and it does so before the rules have looked at
the new one, where here only what they accept may cost another its place.
"""

from __future__ import annotations

from typing import Callable, Final, Union

from statefulinspect.connection import Connection
from statefulinspect.conntable import ConnTable
from statefulinspect.events import EARLY_DROP, EXPIRED, HALF_OPEN, Cause
from statefulinspect.folded import Folded
from statefulinspect.limits import Limits
from statefulinspect.line import Line
from statefulinspect.sources import Source, Sources, source_of
from statefulinspect.terms import OK, Reason

NO_LIMIT: Final = 1 << 62  # a whole number, which compares faster than infinity
Removal = Callable[[Union[Connection, Folded], Cause, float], None]
Sweep = Callable[[float], None]


def _opener_of(connection: Connection | Folded) -> Source:
    if isinstance(connection, Folded):
        return source_of(0, connection.key)
    return source_of(connection.zones.original, connection.original_side.key)


class Capacity:
    """Watch over the numbers of connections."""

    def __init__(self, limits: Limits, table: ConnTable, remove: Removal, sweep: Sweep) -> None:
        self._limits, self._table = limits, table
        self._remove, self._sweep = remove, sweep
        self._most = limits.max_connections or NO_LIMIT
        self._most_unassured = limits.max_half_open or NO_LIMIT
        self._unassured: Line[Connection | Folded] = Line()
        self._sources = Sources(limits) if limits.looks_at_sources else None

    def shortened(self, expires_at: float, now: float) -> float:
        """Tell when a connection expires, with as many as there are (adaptive in pf.conf(5))."""
        start, end = self._limits.adaptive_start, self._limits.adaptive_end
        if start is None or end is None or len(self._table) <= start:
            return expires_at
        return now + (expires_at - now) * (end - len(self._table)) / (end - start)

    def make_room(self, zone: int, key: bytes, now: float) -> Reason:
        """Make room for a connection that is to be entered, or say why there is none for it.

        It is named by its original direction: the number of the zone, and the key.
        """
        if self._sources is not None:
            reason = self._sources.refusal(source_of(zone, key), now)
            if reason is not OK:
                return reason
        if self._table.count < self._most and self._unassured.count < self._most_unassured:
            return OK
        if self._table.count >= self._most:
            self._sweep(now)
            if self._is_full_of_assured:
                return Reason.TABLE_FULL
        if self._unassured.count >= self._most_unassured:
            self._evict(HALF_OPEN, now)
        if self._table.count >= self._most:
            self._evict(EARLY_DROP, now)
        return OK

    @property
    def _is_full_of_assured(self) -> bool:
        """Say whether the table is full of those who stay."""
        return self._table.count >= self._most and not self._unassured

    def refusal(self, zone: int, key: bytes, now: float) -> Reason:
        """Say why there would be no room for a connection; OK if it could be made."""
        sources = self._sources
        reason = OK if sources is None else sources.refusal(source_of(zone, key), now)
        if reason is not OK or not self._is_full_of_assured:
            return reason
        is_for_good = all(each.expires_at > now for each in self._table.holders())
        return Reason.TABLE_FULL if is_for_good else OK

    def _evict(self, cause: Cause, now: float) -> None:
        """Remove the oldest unassured connection, which may have expired unnoticed."""
        oldest = self._unassured.oldest
        assert oldest is not None, "only a crowd of the unassured is thinned out"
        self._remove(oldest, EXPIRED if oldest.expires_at <= now else cause, now)

    def enter(self, connection: Connection | Folded, now: float) -> None:
        """Count a connection that has been entered, or what is kept of it."""
        self._unassured.enter(connection)
        if self._sources is not None:
            self._sources.enter(_opener_of(connection), now)

    def replace(self, folded: Folded, connection: Connection) -> None:
        """Let a connection stand where that stood which was kept of it."""
        self._unassured.replace(folded, connection)

    def assure(self, connection: Connection) -> None:
        """Take note that a connection, which was not, is assured."""
        self._unassured.leave(connection)

    def leave(self, connection: Connection | Folded) -> None:
        """Count a connection no longer, or what is kept of it, before it is removed."""
        if connection.older is not None:
            self._unassured.leave(connection)
        if self._sources is not None:
            self._sources.leave(_opener_of(connection))

    def check(self) -> None:
        """Assert that everything is counted as it is."""
        connections = list(self._table.holders())
        self._unassured.check()
        unassured = {each for each in connections if not each.is_assured}
        assert unassured == set(self._unassured), "the unassured are not those in line"
        if self._sources is not None:
            self._sources.check(map(_opener_of, connections))
