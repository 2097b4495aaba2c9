"""The datagrams of one IP version that fragments are waited for: keys, memory, time and distance.

A datagram is waited for from its first fragment on for a fixed time, which later ones do not renew.
When the held fragments take too much memory, nothing is pushed out: new ones are refused until
others are whole or have timed out. IPv4's identification is soon used again by a busy source, so
when many other fragments of the source come in between two of one datagram, what was held of it is
taken for another's, and it is begun anew.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Callable

from statefulinspect.events import Cause
from statefulinspect.fragment_queue import Fragment, FragmentQueue, Key, SourceCount
from statefulinspect.terms import Reason
from statefulinspect.wheel import NOT_FILED, Wheel

Lapsed = Callable[[FragmentQueue, Cause, float], None]


def _tell_nobody(_: FragmentQueue, __: Cause, ___: float) -> None:
    """Leave it at that: nothing was given up in earnest."""


class FragmentTable:
    """Hold the queues of one IP version; `lapsed` is told of each that is given up.

    `cost` is the memory that all queues count for; above `max_cost` nothing is taken in.
    `max_distance` is how far apart two fragments of a datagram may be among those of their source,
    0 for any.
    """

    def __init__(self, timeout: float, max_cost: int, max_distance: int, lapsed: Lapsed) -> None:
        self.wheel: Wheel[FragmentQueue] = Wheel()
        self.cost = 0
        self._timeout, self._max_cost, self._max_distance = timeout, max_cost, max_distance
        self._lapsed = lapsed
        self._queues: dict[Key, FragmentQueue] = {}
        self._sources: dict[bytes, SourceCount] = {}

    def __len__(self) -> int:
        return len(self._queues)

    @property
    def is_full(self) -> bool:
        """Say whether fragments take more memory than they may."""
        return self.cost > self._max_cost

    def queue(self, key: Key, now: float) -> FragmentQueue:
        """Find the queue that a fragment belongs to, or begin one."""
        queue = self._queues.get(key)
        if queue is not None and queue.expires_at <= now:
            self.give_up(queue, Cause.EXPIRED, now)
            queue = None
        queue = queue or self._begin(key, now)
        return self._begin(key, now) if self._is_outrun(queue, now) else queue

    def _begin(self, key: Key, now: float) -> FragmentQueue:
        sender, _ = key
        source = self._sources.setdefault(sender, SourceCount())
        source.queues += 1
        queue = self._queues[key] = FragmentQueue(key, source, now + self._timeout)
        queue.latest = source.fragments
        self.cost += queue.cost
        self.wheel.file(queue)
        return queue

    def _is_outrun(self, queue: FragmentQueue, now: float) -> bool:
        """Count a fragment of the queue's source; give the queue up if too many lie in between."""
        source = queue.source
        source.fragments += 1
        distance, queue.latest = source.fragments - queue.latest, source.fragments
        if not (queue.held and self._max_distance and distance > self._max_distance):
            return False
        self.give_up(queue, Cause.OUTRUN, now)
        return True

    def add(self, queue: FragmentQueue, fragment: Fragment) -> Reason:
        """Let a queue take a fragment in; OK, or why it cannot be."""
        before = queue.cost
        reason = queue.add(fragment)
        self.cost += queue.cost - before
        return reason

    def give_up(self, queue: FragmentQueue, cause: Cause, now: float) -> None:
        """Remove a queue, and tell that what it holds is dropped."""
        self.remove(queue)
        if queue.held:
            self._lapsed(queue, cause, queue.expires_at if cause is Cause.EXPIRED else now)

    def remove(self, queue: FragmentQueue) -> None:
        """Take a queue out: its datagram is whole, or spoiled."""
        del self._queues[queue.key]
        self.wheel.cancel(queue)
        self.cost -= queue.cost
        queue.source.queues -= 1
        if not queue.source.queues:
            sender, _ = queue.key
            del self._sources[sender]

    def expire(self, now: float, at_most: int) -> None:
        """Give up queues whose time is over; the work is bounded by `at_most`."""
        for queue in self.wheel.due(now, at_most):
            self.give_up(queue, Cause.EXPIRED, now)

    def expire_all(self, now: float) -> None:
        """Give up every queue whose deadline is not after `now`."""
        for queue in list(self.wheel.passed(now)):
            self.give_up(queue, Cause.EXPIRED, now)

    def flush(self, now: float) -> None:
        """Give up every queue."""
        for queue in list(self._queues.values()):
            self.give_up(queue, Cause.DELETED, now)

    def twin(self, key: Key) -> FragmentTable:
        """Copy what is held of one datagram, into a table of its own that tells nobody."""
        twin = FragmentTable(self._timeout, self._max_cost, self._max_distance, _tell_nobody)
        twin.cost = self.cost
        sender, _ = key
        queue, source = deepcopy((self._queues.get(key), self._sources.get(sender)))
        if source is not None:
            twin._sources[sender] = source
        if queue is not None:
            queue.filed_at = NOT_FILED
            twin._queues[key] = queue
            twin.wheel.file(queue)
        return twin

    def check(self) -> None:
        """Assert every invariant of the structure."""
        self.wheel.check()
        queues = list(self._queues.values())
        assert self.wheel.count() == len(queues), "a queue that never ends"
        assert self.cost == sum(queue.cost for queue in queues), "memory is miscounted"
        assert sum(each.queues for each in self._sources.values()) == len(queues), "a lost source"
        for key, queue in self._queues.items():
            assert queue.key == key, "a queue under a foreign key"
            assert queue.latest <= queue.source.fragments, "a fragment from the future"
            queue.check()
