"""What a set or map holds now: elements found by their key, or by the interval it lies in.

Keys of one value each are found in a dict; intervals, and concatenations of them, by their
segments. Where concatenations overlap the first one decides; one of single values is never behind
another that holds it, for such sets are refused. Only sets without intervals change while packets
pass. An element with a timeout is gone at its deadline, and leaves its keys to the next; elements
of the text begin to age with the first packet.
"""

from __future__ import annotations

from heapq import merge
from itertools import islice
from typing import Any, Final, Iterable, Iterator  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.engine.memory import Memory
from statefulinspect.rules.engine.segments import Groups, Segments
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.syntax.constants import (
    Anything,
    Constant,
    Element,
    Joined,
    Value,
    bounds_of,
)

DYNAMIC_SIZE: Final = 65_535  # elements of a set that rules fill and whose size nobody said
GC_INTERVAL: Final = 1.0  # seconds until Linux forgets what was removed
LOOKED_THROUGH: Final = 64  # elements that one addition looks at for expired ones: bounded work


@attrs.define(eq=False)
class Item:
    """Hold an element: what it leads to, when it goes, and what is counted for it."""

    element: Element
    data: Any = None
    expires_at: float | None = None
    memories: tuple[Memory, ...] = ()

    def is_there(self, now: float) -> bool:
        """Tell whether the element is not gone yet."""
        return self.expires_at is None or self.expires_at > now


def key_of(constant: Constant) -> Any:
    """Give the key of a constant that is one value, or a tuple of them; None if it is more."""
    if isinstance(constant, Value):
        return constant.value
    if isinstance(constant, Joined):
        parts = tuple(key_of(part) for part in constant.parts)
        return None if None in parts else parts
    return None


def around(key: Any, segments: Segments) -> Groups:
    """Give the numbers of the boxes around a key."""
    return segments.at(*key) if isinstance(key, tuple) else segments.at(key)


class LiveSet:
    """Hold the elements of one set or map."""

    def __init__(
        self,
        items: Iterable[Item],
        *,
        timeout: float | None = None,
        size: int | None = None,
        is_dynamic: bool = False,
        statements: tuple[Any, ...] = (),
    ) -> None:
        self.timeout, self.size, self.is_dynamic = timeout, size, is_dynamic
        self.statements = statements  # what hangs on each element
        self.exact: dict[Any, Item] = {}
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

    def admits(self, key: Any, walk: Walk) -> Item | None:
        """Find the item of a packet's key, if what is counted for it lets the packet pass."""
        item = self.find(key, walk.now)
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
        return True

    def _forget_expired(self, now: float) -> None:
        """Take out what has expired, of the elements that were entered first."""
        for key in list(islice(self.exact, LOOKED_THROUGH)):
            if not self.exact[key].is_there(now):
                del self.exact[key]

    def remove(self, key: Any, now: float) -> None:
        """Take an element out, if it is there; its place is free a second later, as in Linux."""
        if self.exact.pop(key, None) is not None:
            self._removed += 1
            self._clean_at = max(self._clean_at, now + GC_INTERVAL)

    def save(self) -> object:
        """Give the elements as they are."""
        items = {key: attrs.evolve(item) for key, item in self.exact.items()}
        others = [(item, item.expires_at) for item in (*self._ranges, self._default) if item]
        return items, others, self._removed, self._clean_at, self._is_started, self.ages

    def restore(self, saved: object) -> None:
        """Take the elements back."""
        assert isinstance(saved, tuple)
        self.exact, others, self._removed, self._clean_at, self._is_started, self.ages = saved
        for item, expires_at in others:
            item.expires_at = expires_at

    def renew(self, key: Any, item: Item, deadline: float) -> None:
        """Let an element live on; those that are not renewed come before it."""
        item.expires_at = deadline
        if key in self.exact:
            self.exact[key] = self.exact.pop(key)

    def written(self, now: float) -> tuple[Element, ...]:
        """Write the elements that are there now; before the first packet none has aged."""
        return tuple(_written(item, now) for item in self if item.is_there(now))


def _written(item: Item, now: float) -> Element:
    expires = item.element.expires if item.expires_at is None else item.expires_at - now
    counted = tuple(memory.written() for memory in item.memories)
    return attrs.evolve(item.element, expires=expires, statements=counted)
