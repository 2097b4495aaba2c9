"""Questions and answers: a few are one small object until somebody asks for the connection."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import weakref

import attrs
import pytest

from builders import UDP, icmp, icmp_error, udp
from fullway import FullWay, snapshot
from statefulinspect import (
    Action,
    Cause,
    Config,
    CtState,
    Direction,
    Limits,
    Rule,
    Ruleset,
    Timeouts,
    Tracker,
    folded,
    openings,
)
from statefulinspect.connection import Connection, Verdict
from statefulinspect.folded import Exchange
from statefulinspect.helpers.model import Policy
from statefulinspect.helpers.statements import Sever

BACK = {"source": "10.0.2.2", "destination": "10.0.1.2"}
V6 = {"source": "fd00:1::2", "destination": "fd00:2::2"}
BACK6 = {"source": "fd00:2::2", "destination": "fd00:1::2"}
KINDS = {
    "UDP": (lambda port: udp(port, 53), lambda port: udp(53, port, b"answer", **BACK)),
    "UDP in IPv6": (
        lambda port: udp(port, 53, **V6), lambda port: udp(53, port, b"answer", **BACK6)
    ),
    "echo": (lambda port: icmp(8, id_=port), lambda port: icmp(0, id_=port, **BACK)),
    "echo in IPv6": (
        lambda port: icmp(128, id_=port, **V6), lambda port: icmp(129, id_=port, **BACK6)
    ),
}  # fmt: skip
of_every_kind = pytest.mark.parametrize(("ask", "answer"), KINDS.values(), ids=KINDS)
ask, answer = KINDS["UDP"]
OTHER = 999  # its packets teach what becomes of such


@pytest.fixture(autouse=True)
def folded_at_once(monkeypatch):
    """Questions are kept as exchanges, from the first of them on whose answers are known."""
    monkeypatch.setattr(openings, "WANTED", 0)


def asked(*ports, kind=Tracker, ask=ask, answer=answer, rules=None, **more):
    """A tracker that knows what becomes of packets, and has taken questions from these ports."""
    tracker = kind(rules, Config(**more))
    for packet in (ask(OTHER), ask(OTHER), answer(OTHER), answer(OTHER), ask(OTHER)):
        tracker.process(packet, 0.0)
    tracker.flush()
    return tracker, [tracker.process(ask(port), port / 1000) for port in ports]


def kept(tracker):
    return [type(each) for each in tracker._judge.table.holders()]


@of_every_kind
def test_a_question_and_its_answer_leave_one_object(ask, answer):
    tracker, _ = asked(1000, 1001, ask=ask, answer=answer)
    for port in (1000, 1001):
        verdict = tracker.process(answer(port), 2.0)
        assert (verdict.action, verdict.ct_state) == (Action.ACCEPT, CtState.ESTABLISHED)
        assert verdict.direction is Direction.REPLY
        tracker.check()
    assert kept(tracker) == [Exchange] * 2
    assert len(tracker) == 2
    assert sum(map(len, tracker._judge.table._whole.values())) == 4


@of_every_kind
@pytest.mark.parametrize("answers", [0, 1, 2])
@pytest.mark.parametrize("accounting", [False, True])
def test_it_unfolds_to_what_the_full_way_has(accounting, answers, ask, answer):
    snapshots, lines = [], []
    for kind in (Tracker, FullWay):
        more = {"kind": kind, "ask": ask, "answer": answer, "accounting": accounting}
        tracker, _ = asked(1000, 1001, 1002, **more)
        for number in range(answers):
            assert tracker.process(answer(1001), 2.0 + number).ct_state is CtState.ESTABLISHED
        assert tracker.process(ask(1002), 4.0).ct_state is CtState.NEW
        snapshots.append(snapshot(tracker))
        lines.append([each.to_conntrack(5.0) for each in tracker])
        tracker.check()
    assert snapshots[0] == snapshots[1]
    assert lines[0] == lines[1]


@of_every_kind
def test_a_few_packets_do_not_unfold_it(ask, answer):
    """Whoever sends them; more most likely go on."""
    for kind in (Tracker, FullWay):
        tracker, verdicts = asked(1000, 1001, 1002, kind=kind, ask=ask, answer=answer)
        packets = [ask(1001), ask(1001), *[answer(1001), ask(1001)] * 3]
        states = [tracker.process(each, 1.5).ct_state.value for each in packets[:7]]
        assert states == ["new", "new", *["established"] * 5]
        tracker.check()
        if kind is Tracker:
            assert kept(tracker) == [Exchange] * 3
        last = tracker.process(packets[7], 1.5)
        if kind is Tracker:
            assert kept(tracker) == [Exchange, Connection, Exchange]
        assert last.connection is verdicts[1].connection
        assert last.connection.count(Direction.ORIGINAL) == (6, 6 * len(ask(1001)))
        assert last.connection.count(Direction.REPLY) == (3, 3 * len(answer(1001)))
        assert not last.connection.is_assured
        tracker.check()


@pytest.mark.parametrize("kind", [Tracker, FullWay])
def test_a_stream_unfolds_it(kind):
    tracker, _ = asked(1000, 1001, kind=kind)
    for packet in (answer(1000), answer(1001)):
        assert tracker.process(packet, 2.5).ct_state is CtState.ESTABLISHED
    for packet, at, is_assured in ((ask(1000), 3.0, False), (ask(1001), 3.002, True)):
        verdict = tracker.process(packet, at)
        assert (verdict.ct_state, verdict.connection.is_assured) == (
            CtState.ESTABLISHED, is_assured
        )  # fmt: skip


@pytest.mark.parametrize("kind", [Tracker, FullWay])
def test_who_asks_again_and_late_begins_no_stream(kind):
    tracker, _ = asked(1000, kind=kind)
    assert tracker.process(ask(1000), 20.0).ct_state is CtState.NEW
    assert tracker.process(answer(1000), 45.0).ct_state is CtState.ESTABLISHED
    assert not tracker.find(ask(1000)).is_assured
    assert tracker.next_expiry_at == 75.0


@pytest.mark.parametrize("kind", [Tracker, FullWay])
def test_what_is_kept_from_tracking_opens_nothing_and_is_of_nobody(kind):
    """The way decides: what became of openings by it holds for who asks again by it, too."""
    rules = Ruleset.parse(
        "table ip t { chain early { type filter hook prerouting priority raw;"
        ' iifname "bad" drop; } }'
    )
    tracker = kind(rules)
    assert tracker.process(ask(1000), 0.1, iif="bad").ct_state is CtState.INVALID
    for iif, state in (("lan", CtState.NEW), ("lan", CtState.NEW), ("bad", CtState.INVALID)):
        verdict = tracker.process(ask(1001), 0.2, iif=iif)
        assert verdict.ct_state is state
    assert verdict.action is Action.DROP
    assert tracker.find(ask(1001)).count(Direction.ORIGINAL).packets == 2


@pytest.mark.parametrize("port", [OTHER, 1000], ids=["unknown", "asked"])
def test_an_answer_of_which_nothing_is_known_is_looked_at(port):
    """The first answer of all meets the rules; those that come after meet what they said."""
    tracker = Tracker()
    tracker.process(ask(port), 0.0)
    assert tracker.process(answer(port), 0.1).ct_state is CtState.ESTABLISHED
    assert kept(tracker) == [Connection]


def test_rules_may_drop_answers_and_count_them():
    rules = Ruleset.parse(
        "table ip t { chain forward { type filter hook forward priority 0;"
        " ct state established counter drop; } }"
    )
    tracker, _ = asked(1000, 1001, rules=rules)
    for port in (1000, 1001):
        verdict = tracker.process(answer(port), 2.0)
        assert (verdict.action, verdict.ct_state) == (Action.DROP, CtState.ESTABLISHED)
    assert "packets 5 bytes" in str(tracker.ruleset)
    assert kept(tracker) == [Exchange] * 2
    assert all(each.seen_reply for each in tracker)


def test_where_answers_have_to_be_looked_at_the_next_ones_are_made_at_once(monkeypatch):
    monkeypatch.setattr(openings, "WANTED", 2)
    rules = Ruleset([Rule(Action.ACCEPT, source_port=53)], policy=Action.ACCEPT)
    tracker, _ = asked(1000, 1001, 1002, rules=rules)
    assert kept(tracker) == [Connection, Connection, Exchange]


def test_where_rules_ask_for_the_way_each_has_answers_of_its_own():
    rules = Ruleset.parse(
        "table ip t { chain forward { type filter hook forward priority 0; policy drop;"
        ' ct state new accept; iifname "wan" ct state established accept; } }'
    )
    for kind in (Tracker, FullWay):
        tracker = kind(rules)
        for port in (1000, 1001, 1002):
            tracker.process(ask(port), 0.1, iif="lan")
        fates = [tracker.process(answer(port), 0.2, iif="wan") for port in (1000, 1001)]
        fates.append(tracker.process(answer(1002), 0.2, iif="dmz"))
        assert [each.action.value for each in fates] == ["accept", "accept", "drop"]
        if kind is Tracker:
            assert kept(tracker) == [Connection, Exchange, Connection]


def test_its_time_runs_from_the_answer():
    for kind in (Tracker, FullWay):
        tracker, _ = asked(1000, 1001, kind=kind, timeouts=Timeouts(udp=30))
        tracker.process(answer(1001), 20.0)
        assert tracker.next_expiry_at == 31.0
        assert tracker.expire(31.0) == 1
        assert tracker.next_expiry_at == 50.0
        tracker.check()
        assert tracker.process(answer(1001), 50.0).ct_state is CtState.NEW


@pytest.mark.parametrize("kind", [Tracker, FullWay])
def test_each_state_has_a_time_of_its_own(kind, monkeypatch):
    """Which no setting gives UDP, but the machine of pairs knows three."""
    tracker, _ = asked(kind=kind)
    monkeypatch.setattr(tracker._judge.machines[UDP], "timeouts", (10, 20, 30))
    for packet, now, expires_at in (
        (ask(1), 1.0, 11.0),
        (ask(1), 3.0, 13.0),
        (answer(1), 4.0, 24.0),
    ):
        tracker.process(packet, now)
        assert tracker.next_expiry_at == expires_at


def test_it_expires_and_is_opened_anew():
    tracker, verdicts = asked(1000)
    verdict = tracker.process(ask(1000), 31.0)
    assert verdict.ct_state is CtState.NEW
    assert verdict.connection is not verdicts[0].connection
    assert len(tracker) == 1
    tracker.check()


@pytest.mark.parametrize("kind", [Tracker, FullWay])
def test_an_answer_that_comes_too_late_is_new(kind):
    """Also while the question is past its deadline and not swept yet."""
    tracker, _ = asked(1500, kind=kind)
    assert tracker.process(answer(1500), 31.7).ct_state is CtState.NEW


def test_who_is_removed_has_a_connection_all_the_same():
    tracker, verdicts = asked(1000, 1001)
    verdicts.append(tracker.process(answer(1001), 2.0))
    assert tracker.expire(100.0) == 2
    tracker.check()
    gone = verdicts[1].connection
    assert gone is verdicts[2].connection
    assert str(gone.reply) == "src=10.0.2.2 dst=10.0.1.2 sport=53 dport=1001"
    assert gone.seen_reply
    assert not verdicts[0].connection.seen_reply
    with pytest.raises(ValueError, match="is not tracked here"):
        tracker.delete(gone)


@pytest.mark.skipif(sys.implementation.name == "pypy", reason="PyPy counts no references")
def test_a_verdict_that_is_kept_does_not_keep_the_tracker():
    tracker, verdicts = asked(1000, 1001)
    verdicts.append(tracker.process(answer(1000), 2.0))
    judge = weakref.ref(tracker._judge)
    tracker.flush()
    del tracker
    gc.collect()
    assert judge() is None
    assert verdicts[2].connection is verdicts[0].connection


def test_a_verdict_is_as_every_other():
    tracker, verdicts = asked(1000)
    verdict = tracker.process(answer(1000), 2.0)
    assert isinstance(verdict, Verdict)
    assert repr(verdict).startswith("Verdict(")
    assert copy.copy(verdict).connection is verdicts[0].connection
    assert attrs.evolve(verdict, connection=None).connection is None
    twin = pickle.loads(pickle.dumps(verdict))
    assert (type(twin), twin.ct_state) == (Verdict, CtState.ESTABLISHED)
    assert twin.connection.to_conntrack(2.0) == verdict.connection.to_conntrack(2.0)


def test_it_is_found_by_either_key():
    for packet in (ask(1000), answer(1000)):
        tracker, verdicts = asked(1000)
        tracker.process(answer(1000), 2.0)
        assert tracker.find(packet) is verdicts[0].connection
        tracker.check()


@pytest.mark.parametrize("is_answered", [False, True])
def test_an_icmp_error_speaks_of_it(is_answered):
    tracker, verdicts = asked(1000)
    if is_answered:
        tracker.process(answer(1000), 2.0)
    verdict = tracker.process(icmp_error(ask(1000), **BACK), 3.0)
    assert verdict.ct_state is CtState.RELATED
    assert verdict.connection is verdicts[0].connection


@pytest.mark.parametrize("packet", [ask(1000), answer(1000)], ids=["question", "answer"])
def test_another_zone_does_not_see_it(packet):
    tracker, verdicts = asked(1000)
    verdict = tracker.process(packet, 2.0, zone=5)
    assert verdict.ct_state is CtState.NEW
    assert Exchange in kept(tracker)
    assert verdict.connection is not verdicts[0].connection


def test_a_zone_for_replies_sees_the_question_in_zone_0():
    tracker, verdicts = asked(1000)
    seen = tracker.process(ask(1000), 2.0, zone=6, zone_direction=Direction.REPLY)
    assert seen.connection is verdicts[0].connection


def test_the_oldest_goes_first_unfolded_or_not():
    tracker, verdicts = asked(1000, 1001, 1002, limits=Limits(max_connections=3))
    assert verdicts[1].connection.original.source_port == 1001
    for port, left in ((1003, [1001, 1002, 1003]), (1004, [1002, 1003, 1004])):
        tracker.process(ask(port), 2.0)
        tracker.check()
        keys = [
            each.original_side.key if isinstance(each, Connection) else each.key
            for each in tracker._judge.table.holders()
        ]
        assert [int.from_bytes(key[8:10], "big") for key in keys] == left


def test_a_source_is_full_of_them():
    tracker, _ = asked(1000, 1001, limits=Limits(max_per_source=2))
    assert tracker.process(ask(1002), 2.0).action is Action.DROP
    tracker.expire(31.5)
    assert tracker.process(ask(1002), 32.0).action is Action.ACCEPT
    tracker.check()


def test_flush_and_delete():
    tracker, verdicts = asked(1000, 1001, 1002)
    tracker.delete(verdicts[1].connection)
    assert kept(tracker) == [Exchange] * 2
    tracker.flush()
    assert len(tracker) == 0
    tracker.check()


class Ender:
    """A helper with whose connection the one from port 1024 to port 53 ends."""

    name, protocols, families = "ender", frozenset({UDP}), frozenset({4})
    policies = {"": Policy(3, 5.0)}  # noqa: RUF012 - as the protocol has it

    def begin(self):
        return None

    def read(self, _):
        return ()

    def end(self, connection):
        return (Sever(UDP, connection.original_side.key[:8] + bytes([4, 0, 0, 53])),)


@pytest.mark.parametrize("kind", [Tracker, FullWay])
def test_who_is_unfolded_while_all_are_flushed_goes_too(kind):
    tracker, _ = asked(kind=kind, helpers={5000: Ender()})
    for packet in (udp(7000, 5000), ask(1024)):
        tracker.process(packet, 0.9)
    tracker.process(udp(5000, 7000, **BACK), 1.5)
    tracker.process(udp(7001, 54), 30.95)  # what was asked is past its deadline, and not swept
    tracker.flush()
    assert (len(tracker._judge.table), tracker.next_expiry_at) == (0, None)
    tracker.check()


def test_who_reads_verdicts_has_the_next_ones_made_at_once(monkeypatch):
    monkeypatch.setattr(folded, "WANTED", 2)
    tracker, verdicts = asked(1000, 1001)
    assert verdicts[1].connection.original.source_port == 1001
    for port in (1002, 1003, 1004):
        tracker.process(ask(port), 2.0)
    assert kept(tracker) == [Exchange, Connection, Connection, Connection, Exchange]
    tracker.process(ask(1005), 2.0)
    assert kept(tracker)[-1] is Exchange


def test_events_tell_of_connections():
    tracker = Tracker(config=Config(events=True))
    for packet in (ask(1000), answer(1000)):
        tracker.process(packet, 1.0)
    assert kept(tracker) == [Connection]
    assert [each.causes for each in tracker.events()] == [(Cause.OPENED,), (Cause.REPLIED,)]


def test_rules_before_tracking_see_the_answer():
    rules = Ruleset.parse(
        "table ip t { chain early { type filter hook prerouting priority raw;"
        " udp sport 53 udp dport 1001 drop; } }"
    )
    tracker, _ = asked(1000, 1001, rules=rules)
    assert tracker.process(answer(1001), 2.0).action is Action.DROP
    assert tracker.process(answer(1000), 2.0).ct_state is CtState.ESTABLISHED


def test_where_rules_tell_answers_apart_they_are_asked():
    rules = Ruleset([Rule(Action.DROP, destination_port=1001)], policy=Action.ACCEPT)
    for kind in (Tracker, FullWay):
        tracker, _ = asked(1000, 1001, kind=kind, rules=rules)
        fates = [tracker.process(answer(port), 2.0).action for port in (1000, 1001)]
        assert fates == [Action.ACCEPT, Action.DROP]
