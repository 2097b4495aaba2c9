"""How many connections a source may have, and how fast it may open them."""

from __future__ import annotations

import pytest

from builders import udp
from statefulinspect import Limits, Reason, Tracker, sources
from statefulinspect.sources import Sources, source_of

A, B = (0, b"\n\0\0\1"), (0, b"\n\0\0\2")


def opener(source, zone=0, ports=(1000, 53), destination=None):
    destination = destination or ("10.0.2.2" if "." in source else "fd00:2::2")
    packet = udp(*ports, source=source, destination=destination)
    connection = Tracker().process(packet, 0.0, zone=zone).connection
    return source_of(connection.zone, connection.original.wire)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("10.0.1.2", "10.0.1.2", True),
        ("10.0.1.2", "10.0.1.3", False),
        ("fd00:1::1", "fd00:1::ffff:1", True),
        ("fd00:1::1", "fd00:1:0:1::1", False),
        ("fd00:1::1", "fd00:1::ff00:0:0:1", True),
    ],
)
def test_who_counts_as_the_same_source(one, other, is_same):
    assert (opener(one) == opener(other)) == is_same
    assert opener(one, zone=5) != opener(one)


@pytest.mark.parametrize("source", ["10.0.1.2", "fd00:1::1"])
def test_where_to_does_not_matter(source):
    there = "172.16.9.9" if "." in source else "2001:9::9"
    assert opener(source, ports=(7, 8), destination=there) == opener(source)


def test_as_many_as_may_be():
    found = Sources(Limits(max_per_source=2))
    for _ in range(2):
        assert found.refusal(A, 0.0) is Reason.OK
        found.enter(A, 0.0)
    assert found.refusal(A, 0.0) is Reason.SOURCE_FULL
    assert found.refusal(B, 0.0) is Reason.OK
    found.leave(A)
    assert found.refusal(A, 0.0) is Reason.OK
    found.check([A])
    found.leave(A)
    found.check([])


def test_a_burst_and_then_the_pace():
    found = Sources(Limits(new_per_second_per_source=2, burst_per_source=3))
    for _ in range(3):
        assert found.refusal(A, 0.0) is Reason.OK
        found.enter(A, 0.0)
    assert found.refusal(A, 0.0) is found.refusal(A, 0.49) is Reason.SOURCE_TOO_FAST
    assert found.refusal(B, 0.0) is Reason.OK
    assert found.refusal(A, 0.5) is Reason.OK
    found.enter(A, 0.5)
    assert found.refusal(A, 0.99) is Reason.SOURCE_TOO_FAST
    assert found.refusal(A, 1.0) is Reason.OK


@pytest.mark.parametrize(("rate", "burst"), [(0.5, 1), (1, 1), (2.5, 3), (4, 4)])
def test_a_burst_is_a_seconds_worth(rate, burst):
    found = Sources(Limits(new_per_second_per_source=rate))
    for _ in range(burst):
        assert found.refusal(A, 7.0) is Reason.OK
        found.enter(A, 7.0)
    assert found.refusal(A, 7.0) is Reason.SOURCE_TOO_FAST


@pytest.mark.parametrize("now", [0.0, 1.7e9])
@pytest.mark.parametrize("rate", [3, 7, 10, 1000])
def test_the_pace_is_kept_to_the_microsecond(rate, now):
    found = Sources(Limits(new_per_second_per_source=rate, burst_per_source=1))
    for number in range(100):
        at = now + number / rate
        assert found.refusal(A, at) is Reason.OK
        found.enter(A, at)
        assert found.refusal(A, at + 0.99 / rate) is Reason.SOURCE_TOO_FAST


def test_waiting_saves_up_a_burst_and_no_more():
    found = Sources(Limits(new_per_second_per_source=1, burst_per_source=2))
    found.enter(A, 0.0)
    for _ in range(2):
        assert found.refusal(A, 1000.0) is Reason.OK
        found.enter(A, 1000.0)
    assert found.refusal(A, 1000.0) is Reason.SOURCE_TOO_FAST


def test_who_is_due_is_forgotten():
    found = Sources(Limits(new_per_second_per_source=1))
    for number in range(100):
        found.enter((0, bytes([number])), 0.0)
    assert len(found._due_at) == 100
    for number in range(100):
        found.enter((1, bytes([number])), 10.0)
    assert len(found._due_at) == 100
    assert all(zone == 1 for zone, _ in found._due_at)


def test_so_many_are_remembered(monkeypatch):
    monkeypatch.setattr(sources, "PACED_AT_MOST", 3)
    found = Sources(Limits(new_per_second_per_source=1))
    for number in range(10):
        found.enter((0, bytes([number])), 0.0)
        found.check([])
    assert [source[1][0] for source in found._due_at] == [7, 8, 9]


def test_without_limits_nothing_is_kept():
    found = Sources(Limits())
    for number in range(10):
        found.enter((0, bytes([number])), 0.0)
    found.leave(A)
    assert not found._counts
    assert not found._due_at
