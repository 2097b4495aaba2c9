"""What only a SYN has opened: kept as one small object until somebody asks for it."""

from __future__ import annotations

import copy
import gc
import sys
import weakref

import attrs
import pytest

from builders import icmp_error, tcp
from fullway import FullWay, snapshot
from statefulinspect import (
    Action,
    Cause,
    Config,
    CtState,
    Direction,
    Limits,
    Reason,
    Tracker,
    decode,
    openings,
)
from statefulinspect.connection import Connection, Verdict
from statefulinspect.folded import Unreplied
from statefulinspect.zones import NO_ZONE

BACK = {"source": "10.0.2.2", "destination": "10.0.1.2"}
OPTIONS = bytes.fromhex("020405b40103030704020101")


@pytest.fixture(autouse=True)
def flood_at_once(monkeypatch):
    """What SYNs open is not made, from the first of them on."""
    monkeypatch.setattr(openings, "FEW", 0)


def syn(port, **more):
    return tcp(port, 80, "SYN", 1, options=OPTIONS, **more)


def answer(port):
    return tcp(80, port, "SYN,ACK", 5, 2, options=OPTIONS, **BACK)


def flooded(*ports, kind=Tracker, **limits):
    """A tracker with SYNs from these ports, which have gone the short way."""
    tracker = kind(config=Config(limits=Limits(**limits)))
    verdicts = [tracker.process(syn(port), port / 1000) for port in ports]
    return tracker, verdicts


def kept(tracker):
    return [type(each) for each in tracker._judge.table.holders()]


def ports(tracker):
    return [each.original.source_port for each in tracker]


def test_a_flood_leaves_one_object_and_one_entry_for_each():
    tracker, _ = flooded(1000, 1001, 1002)
    assert kept(tracker) == [Unreplied] * 3
    assert len(tracker) == 3
    assert sum(map(len, tracker._judge.table._whole.values())) == 3
    tracker.check()


@pytest.mark.skipif(sys.implementation.name == "pypy", reason="PyPy counts no references")
@pytest.mark.parametrize("is_removed", [False, True])
def test_what_is_unfolded_leaves_no_cycle_for_the_collector(is_removed):
    """Whether it was unfolded while it was tracked, or is afterwards."""
    tracker, verdicts = flooded(1000, 1001)
    gc.collect()
    gc.disable()
    try:
        if is_removed:
            tracker.flush()
        gone = weakref.ref(verdicts[1].connection)
        tracker.flush()
        verdicts.clear()
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.skipif(sys.implementation.name == "pypy", reason="PyPy counts no references")
def test_a_verdict_that_is_kept_does_not_keep_the_tracker():
    tracker, verdicts = flooded(1000, 1001, 1002)
    assert verdicts[1].connection is not None
    judge = weakref.ref(tracker._judge)
    tracker.flush()
    del tracker
    gc.collect()
    assert judge() is None
    assert verdicts[2].connection.original.source_port == 1002


def test_what_is_answered_soon_is_made_at_once(monkeypatch):
    monkeypatch.setattr(openings, "FEW", 2)
    tracker, _ = flooded(1000, 1001, 1002, 1003)
    assert kept(tracker) == [Connection] * 2 + [Unreplied] * 2
    tracker.process(answer(1003), 2.0)
    for port in (1004, 1005, 1006):
        tracker.process(syn(port), 2.0)
    assert kept(tracker)[3:] == [Connection] * 3 + [Unreplied]
    tracker.check()


def test_the_answer_unfolds_what_it_answers():
    tracker, verdicts = flooded(1000, 1001, 1002)
    answered = tracker.process(answer(1001), 2.0)
    assert (answered.ct_state, answered.direction) == (CtState.ESTABLISHED, Direction.REPLY)
    assert answered.connection is verdicts[1].connection
    assert kept(tracker) == [Unreplied, Connection, Unreplied]
    tracker.check()


def test_the_same_syn_again_finds_it():
    tracker, verdicts = flooded(1000, 1001)
    again = tracker.process(syn(1001), 2.0)
    assert again.connection is verdicts[1].connection
    assert again.ct_state is CtState.NEW
    assert len(tracker) == 2


def test_whoever_lists_sees_what_the_full_way_gives():
    short, _ = flooded(1000, 1001, 1002)
    full, _ = flooded(1000, 1001, 1002, kind=FullWay)
    assert snapshot(short) == snapshot(full)
    lines = [[each.to_conntrack(2.0) for each in tracker] for tracker in (short, full)]
    assert lines[0] == lines[1]
    assert kept(short) == [Connection] * 3
    short.check()


def test_find_gives_the_verdicts_connection():
    tracker, verdicts = flooded(1000, 1001)
    found = tracker.find(answer(1001))
    assert found is verdicts[1].connection is tracker.find(syn(1001))


def test_a_verdict_is_as_every_other():
    _, (first, second) = flooded(1000, 1001)
    assert isinstance(second, Verdict)
    first = attrs.evolve(first, connection=first.connection)
    assert repr(second).startswith("Verdict(")
    assert repr(second).endswith(repr(first).partition("(")[2].replace("1000", "1001"))
    changed = attrs.evolve(second, action=Action.DROP)
    assert (changed.action, changed.connection) == (Action.DROP, second.connection)
    assert attrs.evolve(second, connection=None).connection is None
    assert copy.copy(second).connection is second.connection
    assert type(copy.copy(second)) is Verdict
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        second.connection = None


def test_an_icmp_error_speaks_of_it():
    tracker, verdicts = flooded(1000, 1001)
    error = icmp_error(syn(1001), **BACK)
    verdict = tracker.process(error, 2.0)
    assert verdict.ct_state is CtState.RELATED
    assert verdict.connection is verdicts[1].connection


def test_both_ends_may_begin():
    tracker, verdicts = flooded(1000, 1001)
    crossed = tracker.process(tcp(80, 1001, "SYN", 9, **BACK), 2.0)
    assert crossed.connection is verdicts[1].connection
    assert crossed.reason is Reason.SYN_CROSSED
    assert len(tracker) == 2


@pytest.mark.parametrize("packet", [answer(1001), syn(1001)], ids=["answer", "syn"])
def test_another_zone_does_not_see_it(packet):
    tracker, verdicts = flooded(1000, 1001)
    verdict = tracker.process(packet, 2.0, zone=5)
    assert kept(tracker)[1] is Unreplied
    assert verdict.connection is not verdicts[1].connection


@pytest.mark.parametrize(
    ("packet", "is_seen"), [(answer(1001), False), (syn(1001), True)], ids=["answer", "syn"]
)
def test_a_zone_for_replies_sees_the_original_in_zone_0(packet, is_seen):
    tracker, verdicts = flooded(1000, 1001)
    verdict = tracker.process(packet, 2.0, zone=6, zone_direction=Direction.REPLY)
    assert (verdict.connection is verdicts[1].connection) == is_seen


def test_it_expires_and_is_opened_anew():
    tracker, verdicts = flooded(1000, 1001)
    second = tracker.process(syn(1001), 1.001 + 120)
    assert second.connection is not verdicts[1].connection
    tracker.check()
    assert tracker.process(answer(1002), 122.0).ct_state is CtState.INVALID


def test_who_is_removed_has_a_connection_all_the_same():
    tracker, verdicts = flooded(1000, 1001, 1002)
    assert tracker.expire(1.001 + 120) == 2
    gone = verdicts[1].connection
    assert str(gone.original) == "src=10.0.1.2 dst=10.0.2.2 sport=1001 dport=80"
    assert str(gone.reply) == "src=10.0.2.2 dst=10.0.1.2 sport=80 dport=1001"
    assert gone is verdicts[1].connection
    assert gone not in list(tracker)
    with pytest.raises(ValueError, match="is not tracked here"):
        tracker.delete(gone)
    tracker.check()


def test_the_oldest_goes_first_unfolded_or_not():
    tracker, verdicts = flooded(1000, 1001, 1002, 1003, max_connections=4)
    assert verdicts[2].connection.original.source_port == 1002
    for port, left in ((1004, [1001, 1002, 1003, 1004]), (1005, [1002, 1003, 1004, 1005])):
        tracker.process(syn(port), 2.0)
        assert kept(tracker).count(Connection) == 1
        tracker.check()
        assert [str(each.key[8:10].hex()) if isinstance(each, Unreplied) else "unfolded"
                for each in tracker._judge.table.holders()] == [
            "unfolded" if port == 1002 else f"{port:04x}" for port in left
        ]  # fmt: skip
    tracker.process(syn(1006), 2.0)
    assert ports(tracker) == [1003, 1004, 1005, 1006]


def test_flush_and_delete():
    tracker, verdicts = flooded(1000, 1001, 1002)
    tracker.delete(verdicts[1].connection)
    assert kept(tracker) == [Unreplied, Unreplied]
    tracker.flush()
    assert len(tracker) == 0
    tracker.check()
    assert tracker.next_expiry_at is None


def test_who_is_unfolded_while_it_is_being_removed_goes_too():
    """As when the helper of another that expires with it looks for it."""
    tracker, (first, second) = flooded(1000, 1001)
    judge = tracker._judge
    both = judge.wheel.take(200.0)
    assert judge.lookup.live_side(NO_ZONE, first.connection.original, 200.0) is None
    found = judge.table.find(NO_ZONE, *decode(syn(1001)).flow)
    assert found.connection is second.connection
    for each in both:
        judge.remove(each, Cause.EXPIRED, 200.0)
    assert len(judge.table) == 0
    tracker.check()
