"""`Tracker.check` looks into everything that a tracker keeps: damage in any of it is noticed."""

from __future__ import annotations

import operator

import pytest

from builders import gre, piece, tcp, udp
from statefulinspect import Config, HelperPolicy, Limits, Tracker
from statefulinspect.helpers.statements import MapKey
from statefulinspect.machines.tcp_table import FIN_WAIT

BACK = {"source": "10.0.2.2", "destination": "10.0.1.2"}


@pytest.fixture
def tracker():
    """One that has something of everything."""
    config = Config(
        helpers={69: "tftp"},
        helper_policy=HelperPolicy(lowest_port=0),
        limits=Limits(max_per_source=9),
    )
    tracker = Tracker(config=config)
    for packet in (
        udp(3000, 69, b"\0\1file\0octet\0"),
        udp(2000, 53),
        tcp(1000, 80, "SYN", 1),
        tcp(80, 1000, "SYN,ACK", 5, 2, **BACK),
        tcp(1000, 80, "ACK", 2, 6),
        tcp(80, 1000, "ACK", 6, 2, **BACK),
        tcp(1000, 80, "ACK", 2, 6),
        piece(udp(data=bytes(99)), 0, 48),
        gre(),
    ):
        tracker.process(packet, 1.0)
    connection = tracker.find(tcp(1000, 80, "ACK", 2, 6))
    tracker._judge.lookup.keys.map(connection, (MapKey(b"1234", b"5678", 1, 2),))
    tracker.check()
    return tracker


def held(tracker):
    return next(table for table in tracker._defragmenter.tables.values() if len(table))


def take_out(tracker, connection):
    """Take it out of the wheel behind its back."""
    tracker._judge.wheel.cancel(connection)
    connection.filed_at = 0.0


DAMAGES = {
    "the sides are not each other's": lambda _, side: setattr(side, "other", side),
    "a source is counted wrongly": lambda t, _: t._judge.capacity._sources._counts.clear(),
    "memory is miscounted": lambda t, _: setattr(held(t), "cost", 1),
    "a wrong first second": lambda t, _: setattr(t._judge.wheel, "next_tick_at", 1e9),
    "filed after its deadline": lambda _, side: setattr(side.connection, "expires_at", 2.0),
    "assured without a reply": lambda _, side: setattr(side.connection, "seen_reply", False),
    "expects a wrong number": lambda _, side: setattr(side, "next_seq", 77),
    "in another state": lambda _, side: setattr(side.connection, "state", FIN_WAIT),
    "with repetitions": lambda _, side: setattr(side.connection, "repeats", 1),
    "that never acknowledged": lambda _, side: setattr(side, "flags", 0),
    "numbers out of their order": lambda _, side: setattr(side, "max_end", 0),
    "without a window": lambda _, side: setattr(side, "max_window", 0),
    "the wheel holds others": lambda t, _: take_out(t, t.find(gre())),
}


@pytest.mark.parametrize("is_reply", [False, True])
@pytest.mark.parametrize(("message", "damage"), DAMAGES.items(), ids=DAMAGES)
def test_damage_is_noticed(tracker, message, damage, is_reply):
    """On either side, where it is one's."""
    connection = tracker.find(tcp(1000, 80, "ACK", 2, 6))
    damage(tracker, connection.reply_side if is_reply else connection.original_side)
    with pytest.raises(AssertionError) as caught:
        tracker.check()
    assert message in str(caught.value)


@pytest.mark.parametrize("part", ["expectations._by_place", "lookup.keys._by_owner"])
def test_an_index_that_lost_something_is_noticed(tracker, part):
    operator.attrgetter(part)(tracker._judge).clear()
    with pytest.raises(AssertionError):
        tracker.check()
