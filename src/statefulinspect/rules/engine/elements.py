"""What a live set holds of one element: what it leads to, when it goes, what is counted for it.

Linux looks once a second, by a clock of each set's own, at the elements for which connections are
counted, and takes out those for which none is left: also what the text declares, also before the
first connection, and whatever else is counted for them. Here the seconds are those of `now`.
"""

from __future__ import annotations

from math import floor
from typing import Any, Final

import attrs

from statefulinspect.rules.engine.census import ConnectionsMemory
from statefulinspect.rules.engine.memory import Memory
from statefulinspect.rules.engine.walk import FindSides, Walk
from statefulinspect.rules.syntax.constants import Constant, Element, Joined, Value

GC_INTERVAL: Final = 1.0  # seconds until Linux forgets what was removed, or has ended


def second_of(now: float) -> int:
    """Give the interval in which Linux looks once at every element."""
    return floor(now / GC_INTERVAL)


@attrs.define(eq=False)
class Item:
    """Hold an element: what it leads to, when it goes, and what is counted for it."""

    element: Element
    data: Any = None
    expires_at: float | None = None
    memories: tuple[Memory, ...] = ()
    looked_in: int | None = None  # the last second in which its connections were looked at

    def is_there(self, now: float) -> bool:
        """Tell whether the element is not gone yet."""
        return self.expires_at is None or self.expires_at > now

    @property
    def counts(self) -> list[ConnectionsMemory]:
        """List what counts connections for the element."""
        return [each for each in self.memories if isinstance(each, ConnectionsMemory)]

    def is_due(self, now: float) -> bool:
        """Tell whether Linux has looked at its connections since it was looked at here."""
        return self.looked_in is not None and self.looked_in < second_of(now)

    def outlives(self, walk: Walk) -> bool:
        """Forget connections that have ended; say whether some are left, of each count."""
        self.looked_in = second_of(walk.now)
        return all(count.outlives(walk) for count in self.counts)

    def is_kept(self, now: float, find: FindSides) -> bool:
        """Tell whether the element would be there for a packet; change nothing."""
        return self.is_there(now) and not (
            self.is_due(now) and any(not count.has_living(now, find) for count in self.counts)
        )

    def written(self, now: float) -> Element:
        """Write the element with what is counted for it, and when it expires."""
        expires = self.element.expires if self.expires_at is None else self.expires_at - now
        counted = tuple(memory.written() for memory in self.memories)
        return attrs.evolve(self.element, expires=expires, statements=counted)


def key_of(constant: Constant) -> Any:
    """Give the key of a constant that is one value, or a tuple of them; None if it is more."""
    if isinstance(constant, Value):
        return constant.value
    if isinstance(constant, Joined):
        parts = tuple(key_of(part) for part in constant.parts)
        return None if None in parts else parts
    return None
