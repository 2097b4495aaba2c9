"""How many connections a source has, and how fast it may open more.

A source is an address; of IPv6 it is the /64 that a host is given whole (RFC 4291 2.5.4), for in it
one host may have as many addresses as it likes. It counts in each zone by itself.

The pace is a leaky bucket, kept as one instant for each source: when it would be due if it had kept
the pace (the generic cell rate algorithm, ITU-T I.371). A source that is ahead of that by more than
a burst has to wait. Who is due already is as good as new, and is forgotten; so is who has opened
nothing for longest, once there are very many, for so many sources are no longer slowed down anyway.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from math import ceil
from typing import Final, Iterable  # noqa: UP035 - Python 3.9

from statefulinspect.flowkey import address_size
from statefulinspect.limits import Limits
from statefulinspect.terms import OK, Reason

PACED_AT_MOST: Final = 65_536  # sources whose pace is remembered
FORGET_AT_MOST: Final = 2  # for each that is remembered, so that none are left in the end

ROUNDING: Final = 1e-6  # seconds: instants since 1970 are no finer

Source = tuple[int, bytes]


def source_of(zone: int, key: bytes) -> Source:
    """Name who opens a connection of this key: zone and address, or the /64 of it."""
    return zone, key[: 4 if address_size(key) == 4 else 8]


class Sources:
    """Count and pace the sources of connections, as far as there are limits."""

    def __init__(self, limits: Limits) -> None:
        self._at_most = limits.max_per_source
        rate = limits.new_per_second_per_source
        self._interval = 1 / rate if rate else 0.0
        burst = limits.burst_per_source or ceil(rate or 1)
        self._ahead = (burst - 1) * self._interval
        self._counts: dict[Source, int] = {}
        self._due_at: OrderedDict[Source, float] = OrderedDict()

    def refusal(self, source: Source, now: float) -> Reason:
        """Say why a source may not open another connection now; OK if it may."""
        if self._at_most is not None and self._counts.get(source, 0) >= self._at_most:
            return Reason.SOURCE_FULL
        if self._interval and self._due_at.get(source, now) - now > self._ahead + ROUNDING:
            return Reason.SOURCE_TOO_FAST
        return OK

    def enter(self, source: Source, now: float) -> None:
        """Count a connection that a source has opened."""
        if self._at_most is not None:
            self._counts[source] = self._counts.get(source, 0) + 1
        if self._interval:
            due_at = max(self._due_at.pop(source, now), now)
            self._forget(now)
            self._due_at[source] = due_at + self._interval

    def leave(self, source: Source) -> None:
        """Count one connection less."""
        if self._at_most is not None:
            self._counts[source] -= 1
            if not self._counts[source]:
                del self._counts[source]

    def _forget(self, now: float) -> None:
        """Forget a few of those that have opened nothing for longest, if they are due."""
        for _ in range(FORGET_AT_MOST):
            source = next(iter(self._due_at), None)
            if source is None:
                return
            if self._due_at[source] > now and len(self._due_at) < PACED_AT_MOST:
                return
            del self._due_at[source]

    def check(self, sources: Iterable[Source]) -> None:
        """Assert that the counts are those of these, the source of each connection."""
        found = Counter(sources if self._at_most is not None else ())
        assert found == self._counts, "a source is counted wrongly"
        assert len(self._due_at) <= PACED_AT_MOST, "too many sources are remembered"
