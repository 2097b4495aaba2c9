"""Who goes when there is no room, and what becomes of lives."""

from __future__ import annotations

import pytest

from builders import tcp, udp
from statefulinspect import (
    Action,
    Cause,
    Config,
    CtState,
    EventKind,
    Limits,
    Reason,
    Rule,
    Ruleset,
    Tracker,
)
from statefulinspect.config import Timeouts


def tracker_of(rules=None, **limits):
    return Tracker(rules, Config(limits=Limits(**limits), events=True))


def ask(tracker, port, now=0.0, **more):
    return tracker.process(udp(port, 53, **more), now)


def assure(tracker, port, now=0.0, **more):
    """Have a TCP connection shake hands."""
    back = {"source": "10.0.2.2", "destination": more.get("source", "10.0.1.2")}
    tracker.process(tcp(port, 80, "SYN", 1, **more), now)
    tracker.process(tcp(80, port, "SYN,ACK", 9, 2, **back), now)
    verdict = tracker.process(tcp(port, 80, "ACK", 2, 10, **more), now)
    assert verdict.connection.is_assured
    return verdict.connection


def ports(tracker):
    tracker.check()
    return [each.original.source_port for each in tracker]


def ends(tracker):
    return [
        (each.connection.original.source_port, *each.causes)
        for each in tracker.events()
        if each.kind is EventKind.DESTROY
    ]


def test_the_oldest_unassured_makes_room():
    tracker = tracker_of(max_connections=3)
    assure(tracker, 1)
    for port in (2, 3, 4):
        assert ask(tracker, port).ct_state is CtState.NEW
    assert sorted(ports(tracker)) == [1, 3, 4]
    assert ends(tracker) == [(2, Cause.EARLY_DROP)]


def test_whoever_was_assured_late_stays():
    tracker = tracker_of(max_connections=2)
    tracker.process(tcp(1, 80, "SYN", 1), 0.0)
    ask(tracker, 2)
    assure(tracker, 1)
    ask(tracker, 3)
    assert sorted(ports(tracker)) == [1, 3]


def test_a_table_full_of_assured_connections_takes_nobody_in():
    tracker = tracker_of(max_connections=2)
    assure(tracker, 1)
    assure(tracker, 2)
    verdict = ask(tracker, 3)
    assert (verdict.action, verdict.ct_state) == (Action.DROP, CtState.NEW)
    assert (verdict.reason, verdict.connection) == (Reason.TABLE_FULL, None)
    assert ports(tracker) == [1, 2]
    assert ends(tracker) == []
    tracker.delete(next(iter(tracker)))
    assert ask(tracker, 3).reason is Reason.OK


def test_what_has_expired_goes_first():
    tracker = tracker_of(max_connections=2)
    assure(tracker, 1)
    assure(tracker, 2, 10.0)
    assert ask(tracker, 3, 3605.0).reason is Reason.OK
    assert ends(tracker) == [(1, Cause.EXPIRED)]


def test_the_oldest_that_has_expired_is_told_so():
    """Within its last second nobody has noticed yet."""
    tracker = tracker_of(max_connections=1)
    ask(tracker, 1, 0.5)
    ask(tracker, 2, 30.6)
    assert ends(tracker) == [(1, Cause.EXPIRED)]


def test_what_has_expired_goes_though_nobody_is_unassured():
    tracker = tracker_of(max_connections=1)
    assure(tracker, 1)
    tracker._now = 4000.0
    assert tracker._judge.capacity.make_room(0, bytes(12), 4000.0) is Reason.OK
    assert ends(tracker) == [(1, Cause.EXPIRED)]


@pytest.mark.parametrize(("now", "cause"), [(29.99, Cause.EARLY_DROP), (30.0, Cause.EXPIRED)])
def test_who_goes_at_the_very_end_has_expired(now, cause):
    tracker = tracker_of(max_connections=1)
    ask(tracker, 1)
    ask(tracker, 2, now)
    assert ends(tracker) == [(1, cause)]


def test_a_wrong_count_is_noticed():
    tracker = tracker_of(max_per_source=5)
    ask(tracker, 1)
    capacity = tracker._judge.capacity
    capacity._sources._counts.clear()
    with pytest.raises(AssertionError, match="a source is counted wrongly"):
        tracker.check()
    capacity._unassured.count = 2
    with pytest.raises(AssertionError, match="somebody in line is counted wrongly"):
        tracker.check()


def test_half_open_ones_wash_out_each_other():
    tracker = tracker_of(max_connections=10, max_half_open=2)
    assure(tracker, 1)
    for port in (2, 3, 4):
        ask(tracker, port)
    assert sorted(ports(tracker)) == [1, 3, 4]
    assert ends(tracker) == [(2, Cause.HALF_OPEN)]


def test_a_refusal_costs_nobody_his_place():
    full = Ruleset([Rule(Action.DROP, destination_port=99)], policy=Action.ACCEPT)
    tracker = tracker_of(full, max_connections=1, new_per_second_per_source=1)
    ask(tracker, 1)
    assert tracker.process(udp(2, 99, source="10.0.1.3"), 0.0).rule is not None
    assert ask(tracker, 2).reason is Reason.SOURCE_TOO_FAST
    assert ports(tracker) == [1]
    assert ends(tracker) == []


def test_refused_openers_do_not_count_for_their_source():
    tracker = tracker_of(max_per_source=1, new_per_second_per_source=4)
    ask(tracker, 1)
    for _ in range(10):
        assert ask(tracker, 2).reason is Reason.SOURCE_FULL
    assert ask(tracker, 2, source="10.0.1.3").reason is Reason.OK
    tracker.flush()
    for port in (2, 3, 4):
        assert ask(tracker, port).reason is Reason.OK
        tracker.flush()
    assert ask(tracker, 5).reason is Reason.SOURCE_TOO_FAST


@pytest.mark.parametrize(("already", "life"), [(0, 30), (4, 30), (5, 24), (7, 12)])
def test_lives_shrink_from_adaptive_start_on(already, life):
    limits = {"max_connections": 8, "adaptive_start": 4, "adaptive_end": 9}
    tracker = tracker_of(**limits)
    for port in range(already):
        ask(tracker, 1000 + port)
    connection = ask(tracker, 1).connection
    assert connection.expires_at == pytest.approx(life)


def test_a_packet_renews_what_there_is_room_for():
    tracker = Tracker(
        config=Config(
            limits=Limits(max_connections=4, adaptive_start=1, adaptive_end=5),
            timeouts=Timeouts(tcp_established=100),
        )
    )
    connection = assure(tracker, 1)
    ask(tracker, 2)
    ask(tracker, 3)
    assert connection.expires_at == 100
    tracker.process(tcp(1, 80, "ACK", 2, 10), 10.0)
    assert connection.expires_at == 10 + 100 * 0.5
    assert tracker.process(tcp(1, 80, "ACK", 900_000, 10), 20.0).ct_state is CtState.INVALID
    assert connection.expires_at == 10 + 100 * 0.5
    tracker.check()
