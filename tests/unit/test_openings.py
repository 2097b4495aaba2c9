"""What opens the short way is what the full way would have made, and is refused where that is."""

from __future__ import annotations

import pytest

from builders import icmp, tcp, udp
from fullway import FullWay, snapshot
from statefulinspect import (
    Action,
    Config,
    HelperPolicy,
    Limits,
    Reason,
    Rule,
    Ruleset,
    Tracker,
    openings,
)
from statefulinspect.connection import Connection
from statefulinspect.folded import Unreplied
from statefulinspect.openings import FEW

OPTIONS = {
    "none": b"",
    "MSS": bytes.fromhex("020405b4"),
    "scale 3": bytes.fromhex("03030301"),
    "scale 15": bytes.fromhex("03030f01"),
    "SACK": bytes.fromhex("04020101"),
    "all": bytes.fromhex("020405b40402080a000000010000000001030307"),
    "broken": bytes.fromhex("03000000"),
}
KINDS = {
    "UDP": udp,
    "echo": lambda port: icmp(8, id_=port),
    "SYN": lambda port: tcp(port, 80, "SYN", 1),
}
BACK = {"source": "10.0.2.2", "destination": "10.0.1.2"}


@pytest.mark.parametrize("few", [0, 9], ids=["kept unreplied", "made at once"])
@pytest.mark.parametrize("window", [0, 1, 65_535])
@pytest.mark.parametrize("seq", [0, 1 << 31, (1 << 32) - 1])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_syn_is_known_as_the_full_way_knows_it(options, seq, window, few, monkeypatch):
    monkeypatch.setattr(openings, "FEW", few)
    short, full = Tracker(config=Config()), FullWay(config=Config())
    packets = [
        tcp(1000, 80, "SYN", seq, options=options, window=window),
        tcp(1001, 80, "SYN", seq, options=options, window=window, data=b"fast open"),
    ]
    for packet in packets:
        verdicts = [each.process(packet, 0.5) for each in (short, full)]
        assert verdicts[0].action is verdicts[1].action is Action.ACCEPT
    kept = {type(each) for each in short._judge.table.holders()}
    assert kept == {Connection if few else Unreplied}
    assert snapshot(short) == snapshot(full)
    short.check()


def test_openers_are_a_flood_from_the_ninth_on_that_nobody_answers():
    tracker = Tracker(config=Config())
    for port in range(1000, 1000 + FEW + 2):
        tracker.process(tcp(port, 80, "SYN", 1), 0.5)
    kept = [type(each) for each in tracker._judge.table.holders()]
    assert kept == [Connection] * 8 + [Unreplied] * 2


@pytest.mark.parametrize("few", [0, 8])
@pytest.mark.parametrize("kind", [Tracker, FullWay])
@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_a_source_that_is_full_opens_nothing_more(make, kind, few, monkeypatch):
    monkeypatch.setattr(openings, "FEW", few)
    rule = Rule(Action.ACCEPT, ct_state="new")
    config = Config(limits=Limits(max_per_source=2))
    tracker = kind(Ruleset([rule], policy=Action.DROP), config=config)
    for port in (1000, 1001):
        assert tracker.process(make(port), 0.5).reason is Reason.OK
    verdict = tracker.process(make(1002), 0.5)
    assert (verdict.action, verdict.reason) == (Action.DROP, Reason.SOURCE_FULL)
    assert verdict.connection is None
    assert verdict.ct_state.value == "new"
    assert len(tracker) == 2
    tracker.check()


@pytest.mark.parametrize("kind", [Tracker, FullWay])
@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_what_rules_refuse_opens_nothing(make, kind):
    config = Config(limits=Limits(max_per_source=1))
    tracker = kind(Ruleset([], policy=Action.DROP), config=config)
    for port in (1000, 1001):
        verdict = tracker.process(make(port), 0.5)
        assert (verdict.action, verdict.reason) == (Action.DROP, Reason.OK)
        assert verdict.connection is None
    assert len(tracker) == 0


@pytest.mark.parametrize("kind", [Tracker, FullWay])
@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_what_opens_is_counted_as_accounts_are_kept(make, kind):
    for accounting in (False, True):
        tracker = kind(config=Config(accounting=accounting))
        packet = make(1000)
        connection = tracker.process(packet, 0.5).connection
        assert connection.original_side.packets == 1
        assert connection.original_side.octets == len(packet)
        assert (" packets=1 " in connection.to_conntrack(0.5)) is accounting


@pytest.mark.parametrize("kind", [Tracker, FullWay])
def test_what_goes_to_a_helper_or_is_expected_has_one(kind):
    """Such ports, and all that comes while something is expected, take the full way."""
    policy = HelperPolicy(lowest_port=0)
    tracker = kind(config=Config(helpers={69: "tftp", 21: "ftp"}, helper_policy=policy))
    assert tracker.process(udp(999, 70), 0.1).connection.helper is None
    assert tracker.process(tcp(999, 70, "SYN"), 0.1).connection.helper is None
    assert tracker.process(tcp(1000, 21, "SYN"), 0.2).connection.helper == "ftp"
    assert tracker.process(tcp(1000, 69, "SYN"), 0.2).connection.helper is None
    request = tracker.process(udp(1000, 69, b"\0\1file\0octet\0"), 0.3)
    assert request.connection.helper == "tftp"
    assert tracker.process(udp(2000, 1001, **BACK), 0.4).ct_state.value == "new"
    assert tracker.process(udp(2000, 1000, **BACK), 0.4).ct_state.value == "related"
    assert tracker.process(udp(2001, 1000, **BACK), 0.4).ct_state.value == "new"
