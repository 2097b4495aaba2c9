"""What has expired: entries filed by the second in which they may.

A sorted dict of seconds, each with its bucket. An entry is filed under the second of its deadline;
when the deadline moves later nothing is done here, and the entry is filed again when its old second
has passed. Only a sooner deadline is filed at once. So a busy connection costs one store a packet,
and passing time costs what it expires, however far it jumps.

A bucket is a dict, of few values: taking an entry out is one step, and the order is that of filing
in every run, which a set would not promise. A bucket that empties is kept for a while, as it most
often fills again at once; only so many are kept, and removed connections leave nothing else.
"""

from __future__ import annotations

from math import inf
from typing import Final, Generic, Iterable, Iterator, Optional, Protocol, TypeVar  # noqa: UP035 - Python 3.9

from sortedcontainers import SortedDict

NOT_FILED: Final = inf
EMPTY_AT_MOST: Final = 64  # buckets kept: making one anew costs as much as filing ten entries


class Filed(Protocol):
    """Name what the wheel needs of an entry; it alone writes `filed_at`."""

    expires_at: float
    filed_at: float


Entry = TypeVar("Entry", bound=Filed)


class Bucket(dict[Entry, Optional[Entry]]):
    """Hold the entries of one second, and the number that all of them are filed under.

    A value is an entry that has taken the place of its key.
    """

    __slots__ = ("second",)

    def __init__(self, second: float) -> None:
        self.second = second


class Wheel(Generic[Entry]):
    """File entries by deadline, and give back those whose deadline has passed."""

    __slots__ = ("_buckets", "_empty", "_places", "next_tick_at")

    def __init__(self) -> None:
        self._buckets: SortedDict[float, Bucket[Entry]] = SortedDict()
        self._empty: dict[float, None] = {}  # seconds whose bucket may be empty, the oldest first
        self._places: dict[Entry, Entry] = {}  # of those that have taken another's
        self.next_tick_at: float = inf

    def file(self, entry: Entry) -> None:
        """File an entry under its deadline; from then on it is given back once due."""
        second, filed_at = entry.expires_at // 1, entry.filed_at
        if second == filed_at:
            return
        if filed_at != NOT_FILED:
            self.cancel(entry)
        bucket = self._buckets.get(second)
        if bucket is None:
            bucket = self._buckets[second] = Bucket(second)
            self._note_first_second()
        bucket[entry] = None
        entry.filed_at = bucket.second  # the same object for all: a float takes 24 bytes

    def replace(self, entry: Entry, another: Entry) -> None:
        """File another of the same deadline in the place of an entry, if that is filed."""
        if entry.filed_at == NOT_FILED:
            return
        place = self._places.pop(entry, entry)
        self._buckets[entry.filed_at][place] = another
        self._places[another] = place
        another.filed_at, entry.filed_at = entry.filed_at, NOT_FILED

    def cancel(self, entry: Entry) -> None:
        """Take an entry out; one that is not filed stays so."""
        if entry.filed_at == NOT_FILED:
            return
        bucket = self._buckets[entry.filed_at]
        del bucket[self._places.pop(entry, entry) if self._places else entry]
        if not bucket:
            self._keep_empty(entry.filed_at)
        entry.filed_at = NOT_FILED

    def _keep_empty(self, second: float) -> None:
        """Note that a bucket is empty; drop the one that was noted longest ago if it still is."""
        self._empty[second] = None
        if len(self._empty) > EMPTY_AT_MOST:
            oldest = next(iter(self._empty))
            del self._empty[oldest]
            if not self._buckets[oldest]:
                self._drop(oldest)

    def _drop(self, second: float) -> None:
        del self._buckets[second]
        self._empty.pop(second, None)
        self._note_first_second()

    def _note_first_second(self) -> None:
        self.next_tick_at = self._buckets.peekitem(0)[0] + 1 if self._buckets else inf

    def due(self, now: float, at_most: int) -> list[Entry]:
        """Take out up to `at_most` entries whose deadline, and the second it lies in, are past.

        The work is bounded by `at_most` too, for entries that only need filing again count.
        """
        taken: list[Entry] = []
        while at_most and self.next_tick_at <= now:
            second, bucket = self._buckets.peekitem(0)
            while bucket and at_most:
                at_most -= 1
                entry, another = bucket.popitem()
                if another is not None:
                    entry = another
                    del self._places[entry]
                entry.filed_at = NOT_FILED
                if entry.expires_at <= now:
                    taken.append(entry)
                else:
                    self.file(entry)
            if not bucket:
                self._drop(second)
        return taken

    def take(self, now: float) -> list[Entry]:
        """Take out every entry past its deadline, in the order of filing."""
        taken: list[Entry] = []
        for second in list(self._buckets.irange(maximum=now)):
            bucket = self._buckets[second]
            passed = [entry for entry in self._entries(bucket) if entry.expires_at <= now]
            if len(passed) == len(bucket):
                self._drop(second)
                for entry in passed:
                    entry.filed_at = NOT_FILED
                    if self._places:
                        self._places.pop(entry, None)
            else:
                for entry in passed:
                    self.cancel(entry)
            taken += passed
        return taken

    def earliest(self) -> float | None:
        """Tell the earliest deadline of all entries; None if there is none.

        Entries whose deadline has moved on are filed again on the way.
        """
        while self._buckets:
            second, bucket = self._buckets.peekitem(0)
            moved = [each for each in self._entries(bucket) if each.expires_at // 1 > second]
            for entry in moved:
                self.file(entry)
            if not bucket:
                self._drop(second)
            else:
                earliest: float = min(entry.expires_at for entry in self._entries(bucket))
                return earliest
        return None

    def passed(self, now: float) -> Iterator[Entry]:
        """Look at every entry past its deadline that has not been taken out yet."""
        for second in self._buckets.irange(maximum=now):
            entries = self._entries(self._buckets[second])
            yield from (entry for entry in entries if entry.expires_at <= now)

    def _entries(self, bucket: Bucket[Entry]) -> Iterable[Entry]:
        """Go over the entries of a bucket, those in another's place too."""
        if not self._places:
            return bucket
        return [place if entry is None else entry for place, entry in bucket.items()]

    def count(self) -> int:
        """Count the entries that are filed."""
        return sum(map(len, self._buckets.values()))

    def check(self) -> None:
        """Assert every invariant of the structure."""
        assert self.next_tick_at == min(self._buckets, default=inf) + 1, "a wrong first second"
        empty = {second for second, bucket in self._buckets.items() if not bucket}
        assert empty <= set(self._empty) <= set(self._buckets), "an empty bucket that is not noted"
        assert len(self._empty) <= EMPTY_AT_MOST, "too many empty buckets"
        placed = [pair for bucket in self._buckets.values() for pair in bucket.items()]
        places = {entry: place for place, entry in placed if entry}
        assert places == self._places, "a wrong place"
        for second, bucket in self._buckets.items():
            for entry in self._entries(bucket):
                assert entry.filed_at == second, "an entry in two buckets, or in the wrong one"
                assert entry.expires_at >= second, "an entry filed after its deadline"
