"""What rules remember between packets: counters, limits, quotas, and which connections came by."""

from __future__ import annotations

from fractions import Fraction

import pytest

from builders import gre, icmp, tcp, udp
from statefulinspect.decoding import decode
from statefulinspect.linking import connect
from statefulinspect.machines.tcp_table import CLOSE, ESTABLISHED, TIME_WAIT
from statefulinspect.rules.engine import census
from statefulinspect.rules.engine.memory import memories_of, memory_of
from statefulinspect.rules.engine.walk import walk_of
from statefulinspect.rules.syntax.stateful import Count, CountConnections, Last, Limit, Quota
from statefulinspect.rules.words.symbols_system import LIMIT_UNITS
from statefulinspect.terms import Reason
from statefulinspect.zones import NO_ZONE, Zone


def walk_at(now=0.0, size=100, find=None):
    return walk_of(decode(udp(data=bytes(size - 28))), now, find or (lambda *_: None))


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
    walk.listener = Noted()
    before = memory.save()
    memory.passes(walk)
    assert walk.listener.touched == [memory]
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


class Census:
    """A count of connections, and the connections that there are."""

    def __init__(self, most=2, *, is_over=False):
        self.memory = memory_of(CountConnections(most, is_over))
        self.sides = {}
        self.now = 0.0

    def find(self, zone, protocol, key):
        return self.sides.get((zone, protocol, key))

    def walk(self, port, *, make=udp, is_fresh=False):
        packet = decode(make(port))
        walk = walk_of(packet, self.now, self.find)
        walk.is_fresh = is_fresh
        side = self.find(packet.zone, packet.protocol, packet.key)
        walk.side, walk.connection = side, side and side.connection
        return walk

    def connect(self, port, *, make=udp, expires_at=30.0):
        """Enter a connection, as a packet that the rules have let pass does."""
        packet = decode(make(port))
        reply = packet.key[4:8] + packet.key[:4] + packet.key[10:12] + packet.key[8:10]
        connection = connect(packet.protocol, packet.key, reply, None, self.now)
        connection.expires_at, connection.state = expires_at, ESTABLISHED
        for side in (connection.original_side, connection.reply_side):
            self.sides[NO_ZONE, packet.protocol, side.key] = side
        return connection

    def end(self, connection):
        for side in (connection.original_side, connection.reply_side):
            del self.sides[NO_ZONE, connection.protocol, side.key]

    def comes(self, port, **more):
        """Have a packet come by; whether it passes."""
        return self.memory.passes(self.walk(port, **more))

    @property
    def counted(self):
        seen = self.memory.save()
        assert self.memory._total == sum(seen.values())
        return [int.from_bytes(name.key[8:10], "big") for name, times in seen.items()
                for _ in range(times)]  # fmt: skip


@pytest.mark.parametrize("is_over", [False, True])
def test_connections_are_counted_up_to_a_number(is_over):
    scene = Census(2, is_over=is_over)
    for port in (1, 2, 3):
        scene.connect(port)
    passed = [scene.comes(port) for port in (1, 2, 1, 2, 3, 1)]
    assert passed == [each is not is_over for each in (True, True, True, True, False, False)]
    assert scene.counted == [1, 2, 3]


def test_what_ended_makes_room_only_when_room_is_needed():
    scene = Census(2)
    first, second = scene.connect(1), scene.connect(2)
    assert [scene.comes(port) for port in (1, 2)] == [True, True]
    scene.end(first)
    assert scene.counted == [1, 2]
    assert scene.comes(2)  # counted already: it looks as far as itself
    scene.connect(3)
    assert scene.comes(3)
    assert scene.counted == [2, 3]
    second.expires_at = scene.now = 5.0  # past its deadline, though not removed
    scene.connect(4)
    assert scene.comes(4)
    assert scene.counted == [3, 4]
    scene.connect(5)
    assert not scene.comes(5)


@pytest.mark.parametrize(
    ("state", "is_forgotten"), [(TIME_WAIT, True), (CLOSE, True), (ESTABLISHED, False)]
)
@pytest.mark.parametrize("make", [tcp, udp], ids=["TCP", "UDP"])
def test_who_is_closed_for_both_ends_is_forgotten(make, state, is_forgotten):
    scene = Census(1)
    scene.connect(1, make=make)
    assert scene.comes(1, make=make)
    scene.find(NO_ZONE, *decode(make(1)).flow).connection.state = state
    scene.connect(2, make=make)
    assert scene.comes(2, make=make) is (is_forgotten and make is tcp)


def test_who_is_assured_is_not_counted_anew_but_held_to_the_number():
    scene = Census(1)
    scene.connect(1).is_assured = True
    assert scene.comes(1)
    assert scene.counted == []
    for port in (2, 3):
        scene.connect(port)
    assert [scene.comes(2), scene.comes(3)] == [True, False]
    assert not scene.comes(1)
    assert scene.counted == [2, 3]


def test_who_is_assured_since_it_was_counted_is_not_looked_for_as_its_own():
    """It looks through all of them, also those behind itself."""
    scene = Census(1)
    first, second = scene.connect(1), scene.connect(2)
    assert [scene.comes(1), scene.comes(2)] == [True, False]
    first.is_assured = True
    scene.end(second)
    assert scene.comes(1)
    assert scene.counted == [1]


def test_what_belongs_to_nothing_counts_until_it_is_looked_for():
    scene = Census(1)
    assert scene.comes(1)
    assert scene.counted == [1]
    assert scene.comes(2)
    assert scene.counted == [2]
    assert scene.comes(2)
    assert scene.counted == [2]


def test_one_that_ends_with_this_packet_makes_room_for_itself_only():
    scene = Census(1)
    scene.connect(1)
    scene.comes(1)
    scene.connect(2)
    scene.comes(2)
    walk = scene.walk(1)
    walk.is_ending = True
    assert not scene.memory.passes(walk)
    assert scene.counted == [2, 1]


def test_a_packet_that_comes_by_twice_counts_twice():
    scene = Census(1)
    scene.connect(1)
    walk = scene.walk(1)
    assert scene.memory.passes(walk)
    assert not scene.memory.passes(walk)
    assert scene.counted == [1, 1]
    assert walk.counted_by == (scene.memory, scene.memory)


@pytest.mark.parametrize(("is_fresh", "counted"), [(True, [53]), (False, [1, 53])])
def test_a_new_connection_takes_the_place_of_what_it_answers(is_fresh, counted):
    """That was dropped when it was counted, or there would be no new one."""
    scene = Census(9)
    assert scene.comes(1)
    asked = scene.connect(1)
    answering = connect(17, asked.reply_side.key, asked.original_side.key, None, 0.0)
    walk = scene.walk(1)
    walk.connection, walk.side = answering, answering.original_side
    walk.is_fresh = is_fresh
    assert scene.memory.passes(walk)
    assert scene.counted == counted


def test_what_it_answers_is_forgotten_once():
    scene = Census(9)
    asked = scene.connect(1)
    answering = connect(17, asked.reply_side.key, asked.original_side.key, None, 0.0)
    walk = scene.walk(1)
    walk.connection, walk.side, walk.is_fresh = answering, answering.original_side, True
    assert scene.memory.passes(walk)
    assert scene.comes(1)
    assert scene.memory.passes(walk)
    assert scene.counted == [53, 53, 1]


def test_before_tracking_the_key_leads_to_the_connection_if_it_still_is():
    scene = Census(1)
    connection = scene.connect(1)
    connection.is_assured = True
    for now, counted in ((29.0, []), (30.0, [1])):
        walk = walk_of(decode(udp(1)), now, scene.find)
        assert scene.memory.passes(walk)
        assert scene.counted == counted


def test_zones_are_told_apart():
    scene = Census(1)
    packet = decode(udp(1))
    packet.zone = Zone.of(5)
    asked = []
    walk = walk_of(packet, 0.0, lambda *name: asked.append(name))
    assert scene.memory.passes(walk)
    assert asked == [(Zone.of(5), 17, packet.key)]
    assert [name.zones for name in scene.memory.save()] == [Zone.of(5)]


@pytest.mark.parametrize(
    ("packet", "is_named"),
    [(icmp(8), True), (gre(), True), (udp()[:24], False)],
    ids=["echo", "GRE", "cut short"],
)
def test_what_has_no_flow_key_is_refused(packet, is_named):
    memory, decoded = memory_of(CountConnections(9, is_over=True)), decode(packet)
    walk = walk_of(decoded, 0.0)
    assert not memory.passes(walk)
    assert len(memory.save()) == is_named
    assert walk.refused is (None if is_named else decoded.reason)


def test_what_linux_reads_no_key_of_is_refused():
    memory, decoded = memory_of(CountConnections(9)), decode(udp())
    decoded.reason = Reason.GRE_PROTOCOL
    walk = walk_of(decoded, 0.0)
    assert not memory.passes(walk)
    assert walk.refused is Reason.GRE_PROTOCOL


def test_of_very_many_each_has_its_turn(monkeypatch):
    """Those that were looked at and live on come last."""
    monkeypatch.setattr(census, "LOOKED_THROUGH", 3)
    scene = Census(5)
    connections = [scene.connect(port) for port in range(1, 6)]
    assert all(scene.comes(port) for port in range(1, 6))
    scene.end(connections[1])
    scene.end(connections[3])
    scene.connect(6)
    assert scene.comes(6)
    assert scene.counted == [4, 5, 1, 3, 6]
    scene.connect(7)
    assert scene.comes(7)
    assert scene.counted == [3, 6, 5, 1, 7]
