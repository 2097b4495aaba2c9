"""What rules remember between packets: counters, limits, quotas, connections counted.

Each memory lets a packet pass or not, as Linux does it, and can be put back as it was, for a
trace leaves no mark. `written` gives the statement as it would be printed now.
"""

from __future__ import annotations

from typing import Any, Callable, Final, Iterable, Mapping, Union  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.engine.census import ConnectionsMemory
from statefulinspect.rules.engine.readers_meta import nanoseconds
from statefulinspect.rules.engine.walk import Walk
from statefulinspect.rules.syntax.stateful import (
    DEFAULT_BURST,
    Count,
    CountConnections,
    Last,
    Limit,
    Quota,
    Stateful,
)
from statefulinspect.rules.words.symbols_system import LIMIT_UNITS
from statefulinspect.rules.words.symbols_time import SECOND


@attrs.define(eq=False)
class CounterMemory:
    """Count packets and octets."""

    packets: int
    octets: int

    @classmethod
    def of(cls, count: Count) -> CounterMemory:
        """Begin with the numbers of a statement."""
        return cls(count.packets, count.octets)

    def passes(self, walk: Walk) -> bool:
        """Count the packet, which passes; note only that it would count, if this is a trial."""
        if not walk.is_foretold:
            if walk.saver is not None:
                walk.saver.touch(self)
            self.packets += 1
            self.octets += walk.packet.length
        if walk.tally is None:
            walk.tally = [self]
        else:
            walk.tally.append(self)
        return True

    def save(self) -> object:
        """Give the numbers."""
        return self.packets, self.octets

    def restore(self, saved: object) -> None:
        """Take the numbers back."""
        assert isinstance(saved, tuple)
        self.packets, self.octets = saved

    def written(self) -> Count:
        """Write the statement with the numbers of now."""
        return Count(self.packets, self.octets)


class LimitMemory:
    """Let packets pass at a rate: a bucket of tokens, each worth a nanosecond, as in Linux."""

    __slots__ = ("_cost", "_limit", "_most", "last_ns", "tokens")

    def __init__(self, limit: Limit) -> None:
        unit = LIMIT_UNITS[limit.unit] * SECOND
        burst = limit.burst
        self._limit = limit
        if limit.is_octets:
            self._most = unit * (limit.rate + (burst or 0)) // limit.rate
            self._cost = unit
        else:
            self._cost = unit // limit.rate
            self._most = self._cost * (DEFAULT_BURST if burst is None else burst)
        self.tokens = self._most
        self.last_ns: int | None = None

    def passes(self, walk: Walk) -> bool:
        """Say whether there are tokens for the packet, and take them."""
        walk.touch(self)
        now = nanoseconds(walk.now)
        passed = 0 if self.last_ns is None else now - self.last_ns
        self.last_ns = now
        self.tokens = min(self._most, self.tokens + passed)
        octets = walk.packet.length
        cost = self._cost * octets // self._limit.rate if self._limit.is_octets else self._cost
        if self.tokens < cost:
            return self._limit.is_over
        self.tokens -= cost
        return not self._limit.is_over

    def save(self) -> object:
        """Give the tokens left."""
        return self.tokens, self.last_ns

    def restore(self, saved: object) -> None:
        """Take the tokens back."""
        assert isinstance(saved, tuple)
        self.tokens, self.last_ns = saved

    def written(self) -> Limit:
        """Write the statement; what is left of a limit is not written."""
        return self._limit


@attrs.define(eq=False)
class QuotaMemory:
    """Let octets pass up to a number, or from there on."""

    quota: Quota
    used: int

    @classmethod
    def of(cls, quota: Quota) -> QuotaMemory:
        """Begin with what a statement says is used."""
        return cls(quota, quota.used)

    def passes(self, walk: Walk) -> bool:
        """Add up the packet, and say on which side of the quota it is."""
        walk.touch(self)
        self.used += walk.packet.length
        return (self.used > self.quota.octets) == self.quota.is_over

    def save(self) -> object:
        """Give what is used."""
        return self.used

    def restore(self, saved: object) -> None:
        """Take back what was used."""
        assert isinstance(saved, int)
        self.used = saved

    def written(self) -> Quota:
        """Write the statement with what is used now, as Linux never more than there is."""
        return attrs.evolve(self.quota, used=min(self.used, self.quota.octets))


class LastMemory:
    """Remember nothing: when a packet came last is not known to any rule."""

    __slots__ = ("_last",)

    def __init__(self, last: Last) -> None:
        self._last = last

    def passes(self, walk: Walk) -> bool:  # noqa: ARG002 - any packet
        """Let every packet pass."""
        return True

    def written(self) -> Last:
        """Write the statement as it was."""
        return self._last


Memory = Union[CounterMemory, LimitMemory, QuotaMemory, ConnectionsMemory, LastMemory]
MAKERS: Final[Mapping[type, Callable[..., Memory]]] = {
    Count: CounterMemory.of,
    Limit: LimitMemory,
    Quota: QuotaMemory.of,
    CountConnections: ConnectionsMemory,
    Last: LastMemory,
}


def memories_of(statements: Iterable[Any]) -> tuple[Memory, ...]:
    """Make the memories of what hangs on an element of a set."""
    return tuple(memory_of(each) for each in statements)


def memory_of(statement: Stateful) -> Memory:
    """Make the memory of a statement."""
    return MAKERS[type(statement)](statement)
