"""What rules remember between packets: counters, limits, quotas, and which connections came by."""

from __future__ import annotations

from fractions import Fraction

import pytest

from builders import udp
from statefulinspect.decoding import decode
from statefulinspect.rules.engine.memory import memories_of, memory_of
from statefulinspect.rules.engine.walk import walk_of
from statefulinspect.rules.syntax.stateful import Count, CountConnections, Last, Limit, Quota
from statefulinspect.rules.words.symbols_system import LIMIT_UNITS


def walk_at(now=0.0, size=100):
    return walk_of(decode(udp(data=bytes(size - 28))), now)


class Noted:
    """What listens to a walk: whoever is about to change."""

    def __init__(self):
        self.touched = []

    def touch(self, memory):
        self.touched.append(memory)


STATEFUL = [Count(3, 5), Limit(5, "second"), Quota(1000, used=300), CountConnections(5), Last("1s")]


def test_each_statement_is_written_as_it_began():
    assert [each.written() for each in memories_of(STATEFUL)] == STATEFUL


@pytest.mark.parametrize("statement", STATEFUL[:4], ids=lambda each: type(each).__name__)
def test_what_changes_says_so_before_and_can_be_put_back(statement):
    memory, walk = memory_of(statement), walk_at()
    walk.saver = Noted()
    before = memory.save()
    memory.passes(walk)
    assert walk.saver.touched == [memory]
    assert memory.save() != before
    memory.restore(before)
    assert memory.save() == before


@pytest.mark.parametrize("statement", STATEFUL[1:4], ids=lambda each: type(each).__name__)
def test_what_may_differ_for_the_next_packet_says_so(statement):
    walk = walk_at()
    memory_of(statement).passes(walk)
    assert walk.varies


def test_a_counter_counts_and_is_met_again():
    first, second = memories_of([Count(), Count(1, 2)])
    walk = walk_at()
    assert first.passes(walk)
    assert second.passes(walk)
    assert walk.tally == [first, second]
    assert not walk.varies
    assert (first.written(), second.written()) == (Count(1, 100), Count(2, 102))


def test_a_counter_waits_for_a_packet_that_is_foretold():
    memory, walk = memory_of(Count()), walk_at()
    walk.is_foretold = True
    assert memory.passes(walk)
    assert (memory.written(), walk.tally) == (Count(), [memory])


def test_when_a_packet_came_last_lets_all_pass():
    walk = walk_at()
    assert memory_of(Last()).passes(walk)
    assert not walk.varies


@pytest.mark.parametrize("is_over", [False, True])
def test_a_quota_is_over_once_more_has_passed_than_it_has(is_over):
    memory = memory_of(Quota(300, is_over, used=50))
    passed = [memory.passes(walk_at(size=size)) for size in (100, 150, 28)]
    assert passed == ([False, False, True] if is_over else [True, True, False])
    assert memory.written() == Quota(300, is_over, used=300)


LIMITS = [
    Limit(1, "second"),
    Limit(3, "second", burst=1),
    Limit(7, "minute", burst=2),
    Limit(40, "hour", burst=3),
    Limit(1, "day", burst=1),
    Limit(2, "week", burst=2),
    Limit(2, "second", burst=0),
    Limit(100, "second", is_octets=True),
    Limit(100, "second", is_octets=True, burst=50),
    Limit(250, "minute", is_octets=True, burst=100),
]


class Bucket:
    """A bucket of tokens in whole nanoseconds, filled by the time that passed."""

    def __init__(self, limit):
        self.limit, self.last = limit, None
        second = Fraction(LIMIT_UNITS[limit.unit])
        if limit.is_octets:
            self.each = second / limit.rate
            self.most = second + (limit.burst or 0) * self.each
        else:
            self.each = Fraction(int(second * 10**9 // limit.rate), 10**9)
            self.most = self.each * (5 if limit.burst is None else limit.burst)
        self.level = self.most

    def lets(self, now, octets):
        now = Fraction(now)
        self.level = min(self.most, self.level + (now - (now if self.last is None else self.last)))
        self.last = now
        cost = self.each * (octets if self.limit.is_octets else 1)
        if self.level < cost:
            return False
        self.level -= cost
        return True


@pytest.mark.parametrize("is_over", [False, True])
@pytest.mark.parametrize("limit", LIMITS, ids=str)
def test_a_limit_lets_pass_what_a_bucket_has(limit, is_over):
    """At times that binary fractions name, in bursts and apart, up to the whole unit and beyond."""
    unit = LIMIT_UNITS[limit.unit]
    times = [1.5] * 7 + [1.5 + unit * part for part in (0.25, 0.25, 0.5, 0.75, 1, 1, 1, 2, 9, 9)]
    said = Limit(limit.rate, limit.unit, is_over, limit.burst, limit.is_octets)
    memory, bucket = memory_of(said), Bucket(limit)
    for number, now in enumerate(times):
        size = (28, 60, 100, 150)[number % 4]
        assert memory.passes(walk_at(now, size)) is (bucket.lets(now, size) is not is_over)


@pytest.mark.parametrize(("rate", "passed"), [(1, 0.999), (4, 0.249), (1000, 0.000_998)])
def test_a_limit_fills_by_the_nanosecond(rate, passed):
    memory = memory_of(Limit(rate, "second", burst=1))
    assert memory.passes(walk_at(5.0))
    assert not memory.passes(walk_at(5.0 + passed))
    assert memory.passes(walk_at(5.0 + 1 / rate + 0.000_001))
