"""The composition: what `process` and its neighbours promise to an embedder."""

from __future__ import annotations

import gc
import sys
import weakref
from array import array
from decimal import Decimal
from fractions import Fraction

import dpkt
import pytest

from builders import CLIENT, CLIENT6, SERVER, SERVER6, icmp, icmp_error, tcp, udp
from fullway import FullWay
from statefulinspect import (
    Action,
    Config,
    ConfigError,
    CtState,
    Direction,
    Limits,
    Reason,
    Rule,
    RuleError,
    Ruleset,
    Timeouts,
    Tracker,
    decode,
)
from statefulinspect.machines.tcp_prediction import arm, take_back

BACK = {"source": SERVER, "destination": CLIENT}
ANSWER = udp(53, 1000, **BACK)


def established(tracker: Tracker) -> Tracker:
    """Shake hands at 0.0."""
    tracker.process(tcp(flags="SYN", seq=0), 0.0)
    tracker.process(tcp(80, 1000, "SYN,ACK", 0, 1, **BACK), 0.0)
    tracker.process(tcp(flags="ACK", seq=1, ack=1), 0.0)
    return tracker


def test_the_ready_verdict_is_handed_out_again():
    tracker = established(Tracker())
    first = tracker.process(tcp(seq=1, ack=1, data=b"a"), 1)
    assert tracker.process(tcp(seq=2, ack=1, data=b"b"), 2) is first
    assert first.ct_state is CtState.ESTABLISHED
    assert first.direction is Direction.ORIGINAL


def test_a_verdict_is_frozen():
    verdict = Tracker().process(udp(), 0)
    with pytest.raises(AttributeError):
        verdict.action = Action.DROP


def test_packets_and_octets_are_counted_by_side():
    tracker = established(Tracker())
    tracker.process(tcp(seq=1, ack=1, data=b"12345"), 1)
    connection = tracker.find(tcp())
    assert connection.count(Direction.ORIGINAL) == (3, 125)
    assert connection.count(Direction.REPLY) == (1, 40)


def test_what_is_ignored_is_not_counted():
    tracker = Tracker()
    for _ in range(3):
        tracker.process(tcp(flags="SYN", seq=0), 0)
    assert tracker.find(tcp()).count(Direction.ORIGINAL) == (1, 40)


def test_a_refused_opener_leaves_no_trace():
    tracker = Tracker(Ruleset([], policy=Action.REJECT))
    verdict = tracker.process(udp(), 0)
    assert verdict.action is Action.REJECT
    assert verdict.ct_state is CtState.NEW
    assert verdict.connection is None
    assert len(tracker) == 0
    assert tracker.next_expiry_at is None


def test_rules_judge_every_packet_anew_when_they_ask_for_the_interface():
    rules = Ruleset([Rule(Action.DROP, iif="wan0")], policy=Action.ACCEPT)
    tracker = established(Tracker(rules))
    packet = tcp(seq=1, ack=1)
    assert tracker.process(packet, 1, iif="lan0").action is Action.ACCEPT
    assert tracker.process(packet, 2, iif="wan0").action is Action.DROP
    assert tracker.process(packet, 3, iif="lan0", oif="wan0").action is Action.ACCEPT


def test_the_deciding_rule_is_told():
    rule = Rule(Action.ACCEPT, protocol="udp")
    tracker = Tracker(Ruleset([rule], policy=Action.DROP))
    assert tracker.process(udp(), 0).rule is rule
    assert tracker.process(tcp(flags="SYN"), 0).rule is None


def test_a_dropped_packet_of_a_known_connection_still_counts_for_its_state():
    rules = Ruleset([Rule(Action.DROP, source=SERVER)], policy=Action.ACCEPT)
    tracker = Tracker(rules)
    tracker.process(tcp(flags="SYN", seq=0), 0)
    verdict = tracker.process(tcp(80, 1000, "SYN,ACK", 0, 1, **BACK), 0)
    assert (verdict.action, verdict.ct_state) == (Action.DROP, CtState.ESTABLISHED)
    connection = tracker.find(tcp())
    assert connection.state_name == "SYN_RECV"
    assert connection.seen_reply


def test_what_the_ip_layer_discards_is_dropped_whatever_the_rules_say():
    tracker = Tracker(Ruleset([], policy=Action.ACCEPT))
    assert tracker.process(b"\x45", 0).action is Action.DROP
    assert tracker.process(tcp(flags="PSH"), 0).action is Action.ACCEPT


@pytest.mark.parametrize("verify", [False, True])
def test_the_ip_header_checksum(verify):
    packet = bytearray(udp())
    packet[8] += 1
    verdict = Tracker(config=Config(verify_checksums=verify)).process(bytes(packet), 0)
    assert verdict.reason is (Reason.IP_HEADER_CHECKSUM if verify else Reason.OK)


def test_find_changes_nothing():
    tracker = Tracker()
    assert tracker.find(udp()) is None
    opened = tracker.process(udp(), 0).connection
    assert tracker.find(udp()) is tracker.find(ANSWER) is opened
    assert tracker.find(icmp_error(udp())) is opened
    assert tracker.find(icmp_error(udp(dport=9))) is None
    assert tracker.find(b"") is None
    assert tracker.find(udp(), zone=3) is None
    assert opened.count(Direction.ORIGINAL).packets == 1
    tracker.process(udp(dport=7), 30.0)
    assert tracker.find(udp()) is None


def test_expiry_shows_no_granularity():
    tracker = Tracker(config=Config(timeouts=Timeouts(udp=0.25)))
    tracker.process(udp(), 0.1)
    assert tracker.next_expiry_at == pytest.approx(0.35)
    tracker.process(icmp(8), 0.3)
    assert len(tracker) == 2
    tracker.process(icmp(8), 0.36)
    assert len(tracker) == 1
    assert [c.protocol for c in tracker] == [1]
    assert tracker.expire(0.36) == 1
    assert tracker.expire(0.36) == 0


def test_a_timeout_of_zero_is_gone_at_once():
    tracker = Tracker(config=Config(timeouts=Timeouts(udp=0)))
    assert tracker.process(udp(), 0).ct_state is CtState.NEW
    assert tracker.process(ANSWER, 0).ct_state is CtState.NEW
    assert len(tracker) == 0


def test_a_long_jump_is_spread_over_calls():
    tracker = Tracker()
    for port in range(500):
        tracker.process(udp(port), 0)
    tracker.process(icmp(8), 1000)
    assert 1 < len(tracker._table) < 500
    assert len(tracker) == 1
    tracker.check()
    for later in range(10):
        tracker.process(icmp(8), 1000.1 + later)
    assert len(tracker._table) == 1
    assert tracker.expire(1e9) == 1


def test_a_wrong_hook_is_refused_whichever_way_the_packet_takes():
    tracker = established(Tracker())
    packets = [tcp(seq=1, ack=1, data=b"a"), udp(), tcp(flags="RST", seq=7), icmp(8)] * 2
    for packet in packets:
        with pytest.raises(
            ValueError, match="hook='bogus': expected one of forward, input, output"
        ):
            tracker.process(packet, 1, hook="bogus")
        tracker.process(packet, 1)


@pytest.mark.parametrize(
    ("context", "error", "message"),
    [
        ({"iif": b"eth0"}, TypeError, "iif=b'eth0': expected the name of an interface"),
        ({"oif": None}, TypeError, "oif=None: expected the name of an interface"),
        ({"mark": "5"}, TypeError, "mark='5': expected a whole number"),
        ({"mark": 1 << 32}, ValueError, "mark=4294967296: expected a number from 0 to 4294967295"),
        ({"mark": -1}, ValueError, "mark=-1: expected a number from 0 to 4294967295"),
    ],
)
def test_what_no_rule_could_find_is_refused(context, error, message):
    """A rule that drops by interface or mark would let the packet pass."""
    tracker = Tracker(Ruleset([Rule(Action.DROP, iif="eth0", mark=5)], policy=Action.ACCEPT))
    for packet in (udp(), tcp(flags="SYN"), b""):
        for ask in (tracker.process, tracker.trace):
            with pytest.raises(error, match=message):
                ask(packet, 1.0, **context)
        assert len(tracker) == 0


def test_what_has_expired_cannot_be_deleted_though_nobody_has_swept():
    tracker = Tracker()
    connection = tracker.process(udp(), 0.5).connection
    tracker.process(icmp(8), 30.6)
    assert len(tracker._table) == 2
    with pytest.raises(ValueError, match="not tracked here"):
        tracker.delete(connection)


def test_delete_and_flush():
    tracker = established(Tracker())
    connection = tracker.process(udp(), 0).connection
    tracker.delete(connection)
    assert tracker.find(udp()) is None
    with pytest.raises(ValueError, match="not tracked here"):
        tracker.delete(connection)
    again = tracker.process(udp(), 0).connection
    with pytest.raises(ValueError, match="not tracked here"):
        tracker.delete(connection)
    assert again.original == connection.original
    tracker.flush()
    tracker.check()
    assert len(tracker) == 0


def test_a_removed_connection_can_still_be_read():
    tracker = Tracker()
    connection = tracker.process(udp(), 0).connection
    tracker.flush()
    assert str(connection.original) == "src=10.0.1.2 dst=10.0.2.2 sport=1000 dport=53"
    assert connection.to_conntrack(0).startswith("udp      17 30 ")


def test_flush_passes_over_what_another_has_ended(monkeypatch):
    """As a PPTP control connection ends its calls."""
    tracker = Tracker()
    second = [tracker.process(udp(port, 53), 0).connection for port in (1000, 1001)][1]
    remove = tracker._judge.remove

    def both(connection, *given):
        remove(connection, *given)
        if connection is not second:
            remove(second, *given)

    monkeypatch.setattr(tracker._judge, "remove", both)
    tracker.flush()
    assert len(tracker._table) == 0
    tracker.check()


def test_connections_may_be_deleted_while_one_goes_over_them():
    tracker = Tracker()
    for port in range(5):
        tracker.process(udp(port), 0)
    for connection in tracker:
        tracker.delete(connection)
    assert len(tracker) == 0


def octets(wire):
    """Hold bytes in an array, as numpy does."""
    return array("B", wire)


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, octets, dpkt.ip.IP])
def test_every_form_of_packet(wrap):
    tracker = Tracker(config=Config.linux())
    assert str(decode(wrap(udp()))) == str(decode(udp()))
    assert tracker.process(wrap(udp(data=b"x")), 0).ct_state is CtState.NEW
    ethernet = dpkt.ethernet.Ethernet(bytes(12) + b"\x08\x00" + udp(53, 1000, b"y", **BACK))
    assert tracker.process(ethernet, 0).ct_state is CtState.ESTABLISHED


@pytest.mark.parametrize("zone", [0, 1])
@pytest.mark.parametrize("call", ["process", "trace"])
def test_a_direction_that_is_none_is_refused_in_any_zone(call, zone):
    with pytest.raises(ValueError, match="zone_direction='reply': expected a Direction"):
        getattr(Tracker(), call)(udp(), 0.0, zone=zone, zone_direction="reply")


def test_a_direction_that_is_none_is_refused_in_the_hot_path_too():
    tracker = established(Tracker())
    tracker.process(tcp(flags="ACK", seq=1, ack=1, data=b"first"), 0.0)
    with pytest.raises(ValueError, match="zone_direction='reply': expected a Direction"):
        tracker.process(tcp(flags="ACK", seq=6, ack=1, data=b"x"), 0.0, zone_direction="reply")


def test_what_is_expected_expires_too():
    tracker = Tracker(config=Config(helpers={69: "tftp"}, timeouts=Timeouts(udp=400)))
    tracker.process(udp(2000, 69, b"\0\1file\0octet\0"), 0.0)
    assert tracker.next_expiry_at == 300.0
    tracker.expire(300.0)
    assert (tracker.expectations, tracker.next_expiry_at) == ([], 400.0)


def test_a_tracker_tells_how_many_it_tracks():
    tracker = Tracker()
    tracker.process(udp(), 0.0)
    assert repr(tracker) == "Tracker(1 connections)"


def test_programmers_are_told():
    tracker = Tracker()
    with pytest.raises(TypeError, match="str: expected bytes"):
        tracker.process("packet", 0)
    for nothing in (None, 5, [], ["a"]):
        with pytest.raises(TypeError, match="expected bytes"):
            decode(nothing)
    with pytest.raises(ValueError, match="finite"):
        tracker.process(udp(), float("inf"))
    with pytest.raises(ValueError, match="finite"):
        tracker.expire(float("inf"))
    with pytest.raises(ValueError, match="finite"):
        tracker.process(udp(), float("nan"))
    with pytest.raises(ValueError, match="zone=65536"):
        tracker.process(udp(), 0, zone=65536)
    with pytest.raises(ValueError, match="connection=None: expected Connection"):
        tracker.delete(None)
    for number in (-1, 1.5, float("nan"), "3", True):
        with pytest.raises(ValueError, match="at_most="):
            tracker.expire(0, number)
    assert len(tracker) == 0


def test_a_time_that_is_no_number_counts_as_the_last():
    tracker = Tracker()
    tracker.process(udp(), 5)
    connection = tracker.process(udp(), float("nan")).connection
    assert connection.expires_at == 35


def test_an_unassured_reset_removes_the_connection_at_once():
    tracker = Tracker()
    tracker.process(tcp(flags="SYN", seq=0), 0)
    verdict = tracker.process(tcp(80, 1000, "RST,ACK", 0, 1, **BACK), 0)
    assert verdict.reason is Reason.RESET_UNANSWERED
    assert verdict.ct_state is CtState.ESTABLISHED
    assert len(tracker) == 0
    tracker.check()


def test_a_mark_is_the_users_to_write():
    tracker = Tracker()
    tracker.process(udp(), 0).connection.mark = 31
    assert " mark=31 " in tracker.find(udp()).to_conntrack(0)


def test_the_same_calls_give_the_same_answers():
    def run() -> list[str]:
        tracker = established(Tracker())
        for port in range(50):
            tracker.process(udp(port), port / 10)
        return [connection.to_conntrack(5) for connection in tracker]

    assert run() == run()


def test_a_zone_keeps_its_own_established_connections():
    tracker = established(Tracker())
    assert tracker.process(tcp(seq=1, ack=1), 1, zone=5).reason is Reason.TCP_MIDSTREAM
    assert tracker.process(tcp(seq=1, ack=1), 1).reason is Reason.OK


def test_a_segment_in_order_can_bring_the_deadline_forward():
    tracker = established(Tracker())
    for now in (100, 200):
        tracker.process(icmp(8), now)
    tracker.process(tcp(seq=1, ack=1, data=b"unacknowledged"), 200)
    tracker.check()
    assert tracker.find(tcp()).expires_at == 500
    tracker.process(icmp(8), 502)
    assert len(tracker._table) == 1


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="only CPython counts references")
def test_a_removed_connection_leaves_no_cycle_for_the_collector():
    tracker = established(Tracker())
    gone = weakref.ref(tracker.process(tcp(seq=1, ack=1), 1).connection)
    gc.collect()
    gc.disable()
    try:
        tracker.flush()
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="only CPython counts references")
@pytest.mark.parametrize("kind", [Tracker, FullWay])
@pytest.mark.parametrize(
    "packet",
    [tcp(flags="ACK", seq=1, ack=1), tcp(flags="SYN"), udp(1000, 55)],
    ids=["by its machine", "by a rule", "for want of room"],
)
def test_an_opening_that_is_refused_leaves_no_cycle_for_the_collector(packet, kind):
    rules = Ruleset([Rule(Action.DROP, protocol="tcp")], policy=Action.ACCEPT)
    tracker = kind(rules, Config(limits=Limits(max_per_source=1)))
    tracker.process(udp(1000, 54), 0)
    gc.collect()
    gc.disable()
    try:
        assert tracker.process(packet, 1).action is Action.DROP
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_what_refused_packets_shorten_expires_in_time():
    tracker = established(Tracker(config=Config.linux(verify_checksums=False)))
    tracker.process(tcp(flags="FIN,ACK", seq=900_001, ack=1), 2)
    ends = {"source": SERVER, "destination": CLIENT}
    verdict = tracker.process(tcp(80, 1000, "FIN,ACK", 905_001, 1, **ends), 3)
    assert verdict.ct_state is CtState.INVALID
    assert tracker.next_expiry_at <= 304
    assert (tracker.expire(302), tracker.expire(303)) == (0, 1)


def test_rules_and_configuration_of_another_kind_are_refused():
    with pytest.raises(RuleError, match=r"^rules=\[\]: expected Ruleset\(...\)"):
        Tracker(rules=[])
    with pytest.raises(RuleError, match=r"^rules=Config\(...\): expected Ruleset\(...\)$"):
        Tracker(Config())
    with pytest.raises(ConfigError, match=r"config=0: expected Config\(...\)"):
        Tracker(config=0)


def test_time_that_stands_still_still_expires():
    """A clock of whole seconds must not keep what has expired: 64 go with each packet."""
    tracker = Tracker()
    for number in range(500):
        tracker.process(udp(number, 53), 0)
    for number in range(10):
        tracker.process(udp(number, 54), 31)
    assert len(tracker._table) == 10


@pytest.mark.parametrize("kind", [int, Fraction, Decimal])
def test_a_time_may_be_of_any_type_that_makes_a_float(kind):
    """Readers of captures give Decimal, which does not add to a float."""
    tracker = Tracker()
    asked = tracker.process(udp(data=bytes(40)), kind(1))
    assert tracker.process(udp(53, 1000, **BACK), kind(2)).ct_state is CtState.ESTABLISHED
    assert (asked.connection.created_at, asked.connection.expires_at) == (1.0, 32.0)
    assert type(asked.connection.created_at) is float
    assert [each.reason for each in tracker.process_many([udp()], kind(3))] == [Reason.OK]
    assert tracker.process_many([udp()], iter([kind(4)]))[0].connection is asked.connection
    assert tracker.expire(kind(1000)) == 1
    tracker.check()


class Coarse(float):
    """A float that adds to its own kind, as numpy's do."""

    def __add__(self, other):
        return Coarse(round(float(self) + other, -2))


@pytest.mark.parametrize("kind", [int, Fraction, Decimal, Coarse])
def test_the_hot_path_takes_any_such_time_and_keeps_floats(kind):
    tracker = established(Tracker(config=Config(events=True)))
    connection = tracker.find(tcp())
    for seq in (1, 2, 3):
        tracker.process(tcp(seq=seq, ack=1, data=b"a"), kind(seq))
    assert (connection.expires_at, connection.original_side.next_seq) == (303.0, 4)
    assert type(connection.expires_at) is float
    tracker.check()
    tracker.delete(connection)
    last = tracker.events()[-1]
    assert (last.at, type(last.at)) == (3.0, float)


@pytest.mark.parametrize("now", [float("nan"), Decimal("NaN")])
def test_the_hot_path_takes_what_is_no_number_for_the_last_time(now):
    """A comparison with such a Decimal raises."""
    tracker = established(Tracker())
    tracker.process(tcp(seq=1, ack=1, data=b"a"), 5.0)
    assert tracker.process(tcp(seq=2, ack=1, data=b"a"), now).reason is Reason.OK
    assert tracker.find(tcp()).expires_at == 305.0


@pytest.mark.parametrize("now", ["1", b"1", None, []])
def test_what_is_no_time_is_refused_before_anything_is_done(now):
    tracker = Tracker()
    for call in (tracker.process, tracker.trace):
        with pytest.raises(TypeError, match="now="):
            call(udp(), now)
    with pytest.raises(TypeError, match="now="):
        tracker.expire(now)
    tracker.process(udp(), 1.0)
    assert len(tracker) == 1


@pytest.mark.parametrize("packet", [b"", udp(), tcp(flags="SYN")])
def test_a_time_beyond_all_floats_never_comes(packet):
    tracker = Tracker()
    with pytest.raises(ValueError, match="finite"):
        tracker.process(packet, 10**400)
    assert tracker.process(udp(), 1.0).connection.expires_at == 31.0


@pytest.mark.parametrize("wrong", [{"packet": "x"}, {"zone": -1}, {"hook": "x"}])
def test_a_wrong_call_does_not_move_the_clock(wrong):
    tracker = Tracker()
    tracker.process(udp(), 0.0)
    with pytest.raises((TypeError, ValueError)):
        tracker.process(**{"packet": udp(), "now": 20.0, **wrong})
    assert tracker.process(udp(), 1.0).connection.expires_at == 31.0


def test_a_time_that_never_comes_is_not_remembered():
    tracker = Tracker()
    tracker.process(udp(), 0)
    with pytest.raises(ValueError, match="finite"):
        tracker.process(udp(), float("inf"))
    assert tracker.process(udp(), 1).connection.expires_at == 31


@pytest.mark.parametrize("zone", [None, "", [], -1, 65536, True, 5.0])
def test_a_zone_is_checked_on_every_way(zone):
    """Established TCP goes the hot path, which must not let pass what the full way refuses."""
    tracker = Tracker(config=Config.linux(verify_checksums=False))
    tracker.process(tcp(flags="SYN", seq=0), 0)
    tracker.process(tcp(80, 1000, "SYN,ACK", 0, 1, **BACK), 0)
    tracker.process(tcp(flags="ACK", seq=1, ack=1), 0)
    with pytest.raises(ValueError, match="expected a whole number from 0 to 65535"):
        tracker.process(tcp(flags="ACK", seq=1, ack=1, data=b"in order"), 0, zone=zone)
    with pytest.raises(ValueError, match="expected a whole number from 0 to 65535"):
        tracker.find(tcp(), zone=zone)


def asked(number):
    return udp(1000 + number, 53, b"a question")


def test_a_batch_is_judged_as_packet_by_packet():
    packets = [asked(0), udp(53, 1000, b"an answer", **BACK), asked(1), b""]
    for now, times in ((1.0, [1.0] * 4), ([1, 2, 40, 41], [1, 2, 40, 41])):
        many, one = Tracker(), Tracker()
        verdicts = many.process_many(iter(packets), now, iif="lan")
        told = [one.process(each, at, iif="lan") for each, at in zip(packets, times)]
        assert [(v.ct_state, v.reason) for v in verdicts] == [(v.ct_state, v.reason) for v in told]
        assert [c.to_conntrack(50) for c in many] == [c.to_conntrack(50) for c in one]


@pytest.mark.parametrize("times", [[1.0], [1.0, 2.0, 3.0]])
def test_a_batch_needs_a_time_for_each_packet(times):
    tracker = Tracker()
    with pytest.raises(ValueError, match=r"^[12] packets were judged: expected a time for each"):
        tracker.process_many([asked(0), asked(1)], times)
    assert len(tracker) == min(len(times), 2)


@pytest.mark.parametrize(("at_most", "removed"), [(None, 5), (0, 0), (2, 2), (5, 5), (99, 5)])
def test_expire_removes_no_more_than_asked_for_and_the_rest_is_gone_all_the_same(at_most, removed):
    tracker = Tracker()
    tracker.process_many(map(asked, range(5)), 0.0)
    assert tracker.expire(100.0, at_most) == removed
    assert len(tracker) == 0
    tracker.check()
    assert tracker.expire(100.0) == 5 - removed


def test_expire_refuses_a_negative_number():
    with pytest.raises(ValueError, match=r"^at_most=-1: expected a whole number from 0 on"):
        Tracker().expire(1.0, -1)


def test_the_hot_path_keeps_a_verdict_for_its_mark_only():
    rules = Ruleset.parse("""
        table inet filter { chain forward {
          type filter hook forward priority filter; policy accept; meta mark 9 drop
        } }""")
    tracker = established(Tracker(rules))
    for seq, mark, action in ((1, 0, "ACCEPT"), (2, 9, "DROP"), (3, 0, "ACCEPT"), (4, 9, "DROP")):
        segment = tcp(flags="ACK", seq=seq, ack=1, data=b"x")
        assert tracker.process(segment, 1.0, mark=mark).action is Action[action]


@pytest.mark.parametrize("nibble", [*range(4), 5, *range(7, 16)])
@pytest.mark.parametrize("hosts", [(CLIENT, SERVER), (CLIENT6, SERVER6)], ids=["IPv4", "IPv6"])
def test_the_hot_path_looks_at_the_ip_version(hosts, nibble):
    tracker = Tracker()
    there, back = (dict(zip(("source", "destination"), each)) for each in (hosts, hosts[::-1]))
    tracker.process(tcp(flags="SYN", seq=0, **there), 0.0)
    tracker.process(tcp(80, 1000, "SYN,ACK", 0, 1, **back), 0.0)
    tracker.process(tcp(flags="ACK", seq=1, ack=1, **there), 0.0)
    segment = tcp(flags="ACK", seq=1, ack=1, data=b"x", **there)
    strange = bytes([nibble << 4 | segment[0] & 15]) + segment[1:]
    assert tracker.process(strange, 1.0).reason is Reason.NOT_IP
    assert tracker.process(segment, 1.0).reason is Reason.OK


@pytest.mark.parametrize(
    ("window", "reason"), [(66_000, Reason.ACK_BELOW_WINDOW), (66_001, Reason.OK)]
)
def test_an_old_acknowledgement_passes_within_the_largest_window(window, reason):
    scale = bytes.fromhex("01030307")
    tracker = Tracker()
    tracker.process(tcp(flags="SYN", seq=0, options=scale), 0.0)
    tracker.process(tcp(80, 1000, "SYN,ACK", 0, 1, options=scale, **BACK), 0.0)
    tracker.process(tcp(flags="ACK", seq=1, ack=1), 0.0)
    for seq in range(1, 140_001, 1400):
        tracker.process(tcp(80, 1000, "ACK", seq, 1, data=bytes(1400), **BACK), 0.0)
    client = tracker.find(tcp()).original_side
    take_back(client.connection)
    client.max_window = window
    arm(client.connection)
    late = tcp(flags="ACK", seq=1, ack=client.other.end - 66_001, data=b"x", window=1)
    assert tracker.process(late, 0.0).reason is reason
