"""What a set or map holds now: elements found by their key, or by the interval it lies in.

Keys of one value each are found in a dict; intervals, and concatenations of them, by their
segments. Where concatenations overlap the first one decides; one of single values is never behind
another that holds it, for such sets are refused. Only sets without intervals change while packets
pass. An element with a timeout is gone at its deadline, and leaves its keys to the next; elements
of the text begin to age with the first packet.

An element for which connections are counted goes when none of them is left. Linux looks at all of
them once a second; here each has its turn once in every second of `now`: when it is asked for, or
when others are added, a few at a time. What was looked at and stays comes last, so the order of a
set that rules fill is that of the turns; nft's own is that of a hash table, and tells nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from heapq import merge
from itertools import islice
from typing import Any, Final, Iterable, Iterator  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.engine.census import CONNECTIONS_AT_ONCE
from statefulinspect.rules.engine.elements import GC_INTERVAL, Item, key_of, second_of
from statefulinspect.rules.engine.segments import Groups, Segments
from statefulinspect.rules.engine.walk import FindSides, Walk, find_none
from statefulinspect.rules.syntax.constants import Anything, Element, bounds_of

DYNAMIC_SIZE: Final = 65_535  # elements of a set that rules fill and whose size nobody said
ELEMENTS_AT_ONCE: Final = 64  # elements that one addition looks at for those gone: bounded work


def around(key: Any, segments: Segments) -> Groups:
    """Give the numbers of the boxes around a key."""
    return segments.at(*key) if isinstance(key, tuple) else segments.at(key)


class LiveSet:
    """Hold the elements of one set or map."""

    def __init__(  # noqa: PLR0913 - what is told of a set
        self,
        items: Iterable[Item],
        *,
        timeout: float | None = None,
        size: int | None = None,
        is_dynamic: bool = False,
        statements: tuple[Any, ...] = (),
        may_count: bool = False,
    ) -> None:
        self.timeout, self.size, self.is_dynamic = timeout, size, is_dynamic
        self.statements = statements  # what hangs on each element
        self.may_count = may_count  # connections, for some element
        # To find its first, a dict walks past all that have gone from there.
        self.exact: dict[Any, Item] = OrderedDict() if is_dynamic else {}
        self._ranges: list[Item] = []
        self._default: Item | None = None
        self._is_started = False
        self._removed, self._clean_at = 0, float("-inf")
        for item in items:
            self._enter(item)
        self._segments = self._cut()
        self.remembers = bool(statements) or any(item.memories for item in self)
        self.ages = any(item.element.timeout or item.element.expires for item in self)
        self.ages = self.ages or timeout is not None
        self.counts = is_dynamic and any(item.counts for item in self)  # connections

    def _enter(self, item: Item) -> None:
        key = key_of(item.element.key)
        if isinstance(item.element.key, Anything):
            self._default = item
        elif key is None:
            self._ranges.append(item)
        else:
            self.exact.setdefault(key, item)

    def _cut(self) -> Segments | None:
        """Cut the lines of values by the keys that are no single values."""
        boxes = [bounds_of(item.element.key) for item in self._ranges]
        return Segments(boxes, range(len(boxes))) if boxes else None

    def __iter__(self) -> Any:
        """Go over the items."""
        yield from self.exact.values()
        yield from self._ranges
        if self._default is not None:
            yield self._default

    def find(self, key: Any, now: float) -> Item | None:
        """Find the item of a key: a scalar, or a tuple where keys are concatenations."""
        if self.ages:
            return self._find_aged(key, now)
        item = self.exact.get(key)
        if item is None and self._segments is not None:
            groups = around(key, self._segments)
            item = self._ranges[min(groups)[0]] if groups else None
        return self._default if item is None else item

    def _find_aged(self, key: Any, now: float) -> Item | None:
        """Find the first item of a key that is not gone."""
        self._start(now)
        item = self.exact.get(key)
        if item is not None and item.is_there(now):
            return item
        return next((each for each in self._others(key) if each.is_there(now)), None)

    def _others(self, key: Any) -> Iterator[Item]:
        """Go over the items of a key that are for others, too."""
        groups = () if self._segments is None else around(key, self._segments)
        for number in merge(*groups):
            yield self._ranges[number]
        if self._default is not None:
            yield self._default

    def seek(self, key: Any, walk: Walk) -> Item | None:
        """Find the item of a packet's key, unless all connections counted for it have ended."""
        if self.counts:
            self._start(walk.now)
            item = self.exact.get(key)
            if item is not None and item.is_due(walk.now):
                self._look_at(key, item, walk)
        return self.find(key, walk.now)

    def admits(self, key: Any, walk: Walk) -> Item | None:
        """Find the item of a packet's key, if what is counted for it lets the packet pass."""
        item = self.seek(key, walk)
        if item is None or all(memory.passes(walk) for memory in item.memories):
            return item
        return None

    def _start(self, now: float) -> None:
        """Let the elements of the text begin to age."""
        if self._is_started:
            return
        self._is_started = True
        for item in self:
            left = item.element.expires
            left = item.element.timeout or self.timeout if left is None else left
            if left and item.expires_at is None:
                item.expires_at = now + left
        for item in self.exact.values():
            item.looked_in = second_of(now)

    def add(self, key: Any, item: Item, now: float) -> bool:
        """Add an item; say whether there was room."""
        self._start(now)
        size = self.size if self.size is not None else DYNAMIC_SIZE
        if now >= self._clean_at:
            self._removed = 0
            self._forget_expired(now)
        if len(self.exact) + self._removed >= size:
            return False
        self.exact.pop(key, None)
        self.exact[key] = item
        self.ages = self.ages or item.expires_at is not None
        self.counts = self.counts or bool(item.counts)
        item.looked_in = second_of(now)
        return True

    def _forget_expired(self, now: float) -> None:
        """Take out what has expired, of the elements that were entered first."""
        for key in list(islice(self.exact, ELEMENTS_AT_ONCE)):
            if not self.exact[key].is_there(now):
                del self.exact[key]

    def forget_ended(self, walk: Walk) -> None:
        """Take out elements whose connections have ended, of those whose turn it is."""
        left = CONNECTIONS_AT_ONCE
        for key in list(islice(self.exact, ELEMENTS_AT_ONCE)) if self.counts else ():
            item = self.exact[key]
            if left <= 0 or not item.is_due(walk.now):
                return
            left -= sum(count.listed for count in item.counts)
            self._look_at(key, item, walk)

    def _look_at(self, key: Any, item: Item, walk: Walk) -> None:
        """Let an element go whose connections have ended; others have had their turn."""
        del self.exact[key]
        if item.outlives(walk):
            self.exact[key] = item

    def remove(self, key: Any, now: float) -> None:
        """Take an element out, if it is there; its place is free a second later, as in Linux."""
        if self.exact.pop(key, None) is not None:
            self._removed += 1
            self._clean_at = max(self._clean_at, now + GC_INTERVAL)

    def save(self) -> object:
        """Give the elements as they are."""
        items = type(self.exact)((key, attrs.evolve(item)) for key, item in self.exact.items())
        others = [(item, item.expires_at) for item in (*self._ranges, self._default) if item]
        flags = self._is_started, self.ages, self.counts
        return items, others, self._removed, self._clean_at, flags

    def restore(self, saved: object) -> None:
        """Take the elements back."""
        assert isinstance(saved, tuple)
        self.exact, others, self._removed, self._clean_at, flags = saved
        self._is_started, self.ages, self.counts = flags
        for item, expires_at in others:
            item.expires_at = expires_at

    def renew(self, key: Any, item: Item, deadline: float) -> None:
        """Let an element live on; those that are not renewed come before it."""
        item.expires_at = deadline
        if key in self.exact:
            self.exact[key] = self.exact.pop(key)

    def written(self, now: float, find: FindSides = find_none) -> tuple[Element, ...]:
        """Write the elements that are there now; before the first packet none has aged."""
        return tuple(item.written(now) for item in self if item.is_kept(now, find))
