"""What has expired: entries filed by the second in which they may.

A heap of seconds and a dict of buckets. An entry is filed under the second of its deadline; when
the deadline moves later nothing is done here, and the entry is filed again when its old second
has passed. Only a sooner deadline is filed at once. So a busy connection costs one store a packet,
and passing time costs what it expires, however far it jumps.

A bucket is a dict without values: taking an entry out is one step, so a removed connection leaves
nothing behind, and the order is that of filing in every run, which a set would not promise.
"""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf
from typing import Final, Generic, Iterator, Protocol, TypeVar  # noqa: UP035 - Python 3.9

NOT_FILED: Final = inf


class Filed(Protocol):
    """Name what the wheel needs of an entry; it alone writes `filed_at`."""

    expires_at: float
    filed_at: float


Entry = TypeVar("Entry", bound=Filed)


class Wheel(Generic[Entry]):
    """File entries by deadline, and give back those whose deadline has passed."""

    __slots__ = ("_buckets", "_seconds", "next_tick_at")

    def __init__(self) -> None:
        self._buckets: dict[float, dict[Entry, None]] = {}
        self._seconds: list[float] = []
        self.next_tick_at: float = inf

    def file(self, entry: Entry) -> None:
        """File an entry under its deadline; from then on it is given back once due."""
        second = entry.expires_at // 1
        if second == entry.filed_at:
            return
        self.cancel(entry)
        bucket = self._buckets.get(second)
        if bucket is None:
            bucket = self._buckets[second] = {}
            heappush(self._seconds, second)
            self.next_tick_at = self._seconds[0] + 1
        bucket[entry] = None
        entry.filed_at = second

    def cancel(self, entry: Entry) -> None:
        """Take an entry out; one that is not filed stays so."""
        if entry.filed_at != NOT_FILED:
            del self._buckets[entry.filed_at][entry]
            entry.filed_at = NOT_FILED

    def due(self, now: float, at_most: int) -> list[Entry]:
        """Take out up to `at_most` entries whose deadline, and the second it lies in, are past.

        The work is bounded by `at_most` too, for entries that only need filing again count.
        """
        taken: list[Entry] = []
        for _ in range(at_most):
            entry = self._next_past(now)
            if entry is None:
                break
            entry.filed_at = NOT_FILED
            if entry.expires_at <= now:
                taken.append(entry)
            else:
                self.file(entry)
        return taken

    def _next_past(self, now: float) -> Entry | None:
        """Take any entry out of the earliest second that is wholly past."""
        while self.next_tick_at <= now:
            bucket = self._buckets[self._seconds[0]]
            if bucket:
                return bucket.popitem()[0]
            self._drop_first_second()
        return None

    def _drop_first_second(self) -> None:
        del self._buckets[heappop(self._seconds)]
        self.next_tick_at = self._seconds[0] + 1 if self._seconds else inf

    def earliest(self) -> float | None:
        """Tell the earliest deadline of all entries; None if there is none.

        Entries whose deadline has moved on are filed again on the way.
        """
        while self._seconds:
            second = self._seconds[0]
            bucket = self._buckets[second]
            for entry in [entry for entry in bucket if entry.expires_at // 1 > second]:
                self.file(entry)
            if bucket:
                return min(entry.expires_at for entry in bucket)
            self._drop_first_second()
        return None

    def passed(self, now: float) -> Iterator[Entry]:
        """Look at every entry past its deadline that has not been taken out yet."""
        for second, bucket in self._buckets.items():
            if second <= now:
                yield from (entry for entry in bucket if entry.expires_at <= now)

    def count(self) -> int:
        """Count the entries that are filed."""
        return sum(map(len, self._buckets.values()))

    def check(self) -> None:
        """Assert every invariant of the structure."""
        assert sorted(self._seconds) == sorted(self._buckets), "a second without its bucket"
        assert self.next_tick_at == (min(self._seconds) + 1 if self._seconds else inf)
        for second, bucket in self._buckets.items():
            for entry in bucket:
                assert entry.filed_at == second, "an entry in two buckets, or in the wrong one"
                assert entry.expires_at >= second, "an entry filed after its deadline"
