"""What ct helpers, timeouts and expectations of rules do, and which connections they are for."""

from __future__ import annotations

import pytest

from builders import CLIENT, CLIENT6, SERVER, SERVER6, tcp, udp
from fullway import FullWay
from statefulinspect import Action, Config, Reason, Ruleset, Tracker

V6 = {"source": CLIENT6, "destination": SERVER6}
OBJECTS = """
    ct helper any { type "sip" protocol udp; }
    ct helper four { type "sip" protocol udp; l3proto ip; }
    ct helper six { type "sip" protocol udp; l3proto ip6; }
    ct timeout any { protocol udp; policy = { unreplied : 7 } }
    ct timeout four { protocol udp; l3proto ip; policy = { unreplied : 7 } }
    ct timeout six { protocol udp; l3proto ip6; policy = { unreplied : 7 } }
    ct timeout short { protocol tcp; policy = { established : 50 } }
    ct expectation one { protocol tcp; dport 9876; timeout 60s; size 1; l3proto ip; }
    ct expectation two { protocol tcp; dport 9876; timeout 60s; size 2; l3proto ip; }
    ct expectation next { protocol tcp; dport 9877; timeout 60s; size 2; l3proto ip; }
"""


def tracker_of(*rules, kind=Tracker):
    """A tracker whose forward chain has these rules, and counts whom they let through."""
    text = "\n".join(f"{rule} counter" for rule in rules)
    head = "type filter hook forward priority filter; policy accept;"
    ruleset = Ruleset.parse(f"table inet t {{ {OBJECTS} chain c {{ {head}\n{text}\n}} }}")
    return kind(ruleset, Config.linux(verify_checksums=False))


def counters(tracker):
    return [int(line.split("counter packets ")[1].split()[0])
            for line in str(tracker.ruleset).splitlines() if "counter packets" in line]  # fmt: skip


UDP, UDP6, TCP = udp(5060, 5060), udp(5060, 5060, **V6), tcp(5060, 5060, "SYN")


@pytest.mark.parametrize(
    ("name", "packet", "is_for"),
    [
        ("any", UDP, True),
        ("any", UDP6, True),
        ("any", TCP, False),
        ("four", UDP, True),
        ("four", UDP6, False),
        ("six", UDP, False),
        ("six", UDP6, True),
    ],
    ids=["udp", "udp, ip6", "tcp", "ip: ip", "ip: ip6", "ip6: ip", "ip6: ip6"],
)
def test_a_helper_is_for_its_protocol_and_ip_version_and_the_rule_goes_on(name, packet, is_for):
    tracker = tracker_of(f'ct helper set "{name}"')
    tracker.process(packet, 0.0)
    assert next(iter(tracker)).helper == ("sip" if is_for else None)
    assert counters(tracker) == [1]


def test_a_helper_is_given_with_the_first_packet_only():
    tracker = tracker_of('ct direction reply ct helper set "any"')
    tracker.process(UDP, 0.0)
    tracker.process(udp(5060, 5060, source=SERVER, destination=CLIENT), 0.0)
    assert next(iter(tracker)).helper is None
    assert counters(tracker) == [1]


@pytest.mark.parametrize("name", ["any", "four", "six"])
def test_a_timeout_is_for_its_protocol_whatever_its_l3proto_and_the_rule_goes_on(name):
    """As in Linux, which keeps the l3proto of a timeout and never looks at it."""
    tracker = tracker_of(f'ct timeout set "{name}"')
    opened = [tracker.process(packet, 0.0).connection for packet in (UDP, UDP6, TCP)]
    assert [each.seconds_left(0.0) for each in opened] == [7, 7, 120]
    assert counters(tracker) == [3]


@pytest.mark.parametrize("kind", [Tracker, FullWay])
def test_a_timeout_holds_for_segments_in_order_too(kind):
    tracker = tracker_of('ct timeout set "short"', kind=kind)
    back = {"source": SERVER, "destination": CLIENT}
    tracker.process(tcp(flags="SYN", seq=1), 0.0)
    tracker.process(tcp(80, 1000, "SYN,ACK", 5, 2, **back), 0.0)
    for number in range(5):
        tracker.process(tcp(seq=2 + number, ack=6, data=b"x"), 0.0)
        tracker.process(tcp(80, 1000, "ACK", 6, 3 + number, **back), 0.0)
        assert next(iter(tracker)).seconds_left(0.0) == 50


def test_an_expectation_holds_as_long_as_it_says():
    tracker = tracker_of('ct expectation set "two"')
    tracker.process(udp(), 0.0)
    assert [each.expires_at for each in tracker.expectations] == [60.0]


@pytest.mark.parametrize(("last", "counted"), [("one", [1, 0]), ("two", [1, 1])])
def test_a_rule_ends_where_a_connection_expects_as_much_as_it_may(last, counted):
    tracker = tracker_of('ct expectation set "next"', f'ct expectation set "{last}"')
    assert tracker.process(udp(), 0.0).action is Action.ACCEPT
    assert counters(tracker) == counted
    assert len(tracker.expectations) == sum(counted)


def test_what_another_connection_expects_already_drops_the_packet():
    tracker = tracker_of('ct expectation set "two"')
    assert tracker.process(udp(1000, 53), 0.0).action is Action.ACCEPT
    verdict = tracker.process(udp(1001, 53), 0.0)
    assert (verdict.action, verdict.reason) == (Action.DROP, Reason.EXPECTATION_CLASH)
    assert counters(tracker) == [1]
    assert len(tracker) == len(tracker.expectations) == 1


def test_a_trace_expects_nothing_and_its_rule_goes_on():
    tracker = tracker_of('ct expectation set "two"')
    assert "(verdict continue)" in str(tracker.trace(udp(), 0.0))
    assert not list(tracker.expectations)
    tracker.process(udp(), 0.0)
    fulfilled = tcp(5, 9876, "SYN", source=SERVER, destination=CLIENT)
    assert tracker.process(fulfilled, 1.0).ct_state.value == "related"
