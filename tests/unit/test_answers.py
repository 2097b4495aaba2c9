"""A verdict is made once and kept while it holds: never for a packet to which it does not apply."""

from __future__ import annotations

import pytest

from builders import icmp, ip, tcp, udp
from fullway import FullWay
from statefulinspect import Action, Config, Rule, Ruleset, Tracker, fates
from statefulinspect.rules.engine import foretelling

BACK = {"source": "10.0.2.2", "destination": "10.0.1.2"}
WAYS = pytest.mark.parametrize("kind", [Tracker, FullWay])


def tracker_of(rules, kind=Tracker, policy="drop", **config):
    head = f"type filter hook forward priority filter; policy {policy};"
    text = f"table inet t {{ chain c {{ {head} {rules} }} }}"
    return kind(Ruleset.parse(text), config=Config(**config))


def told(verdict):
    return f"{verdict.ct_state.value} {verdict.action.value}"


def counted(tracker):
    """What the counters of the rules tell, as (packets, octets)."""
    (table,) = tracker.ruleset.tables
    statements = [each for rule in table for each in rule.statements]
    return [(each.packets, each.octets) for each in statements if hasattr(each, "octets")]


@WAYS
def test_counters_count_every_packet_of_a_kept_verdict(kind):
    tracker = tracker_of("counter udp dport 53 counter accept\n counter accept", kind)
    packets = [udp(data=b"x" * size) for size in (1, 20, 300)]
    answers = [udp(53, 1000, data=b"y" * size, **BACK) for size in (4, 50, 600)]
    for packet in (*packets, *answers, *packets):
        assert tracker.process(packet, 0.5).action.value == "accept"
    there, back = 2 * sum(map(len, packets)), sum(map(len, answers))
    assert counted(tracker) == [(9, there + back), (6, there), (3, back)]


@WAYS
def test_a_verdict_is_kept_for_the_way_that_it_was_made_for(kind):
    """And is made anew for each other way, also for the one before."""
    rules = 'iifname "lan" oifname "wan" meta mark 1 accept\n iifname "wan" accept'
    tracker = tracker_of(rules, kind)
    ways = [
        ({"iif": "lan", "oif": "wan", "mark": 1}, "accept"),
        ({"iif": "lan", "oif": "wan", "mark": 2}, "drop"),
        ({"iif": "lan", "oif": "dmz", "mark": 1}, "drop"),
        ({"iif": "wan", "oif": "dmz", "mark": 2}, "accept"),
        ({"iif": "dmz", "oif": "wan", "mark": 1}, "drop"),
        ({}, "drop"),
    ]
    for _ in range(2):
        for way, action in (*ways, *ways[::-1]):
            found = [tracker.process(udp(), 0.5, **way).action.value for _ in range(3)]
            assert found == [action] * 3, way


@WAYS
def test_what_only_words_decided_is_foregone_for_the_next_of_its_sort(kind):
    tracker = tracker_of("ct state new counter accept\n ct state established counter accept", kind)
    for port in (1000, 1001, 1002):
        for _ in range(2):
            assert told(tracker.process(udp(port), 0.5)) == "new accept"
        answer = tracker.process(udp(53, port, **BACK), 0.5)
        assert told(answer) == "established accept"
        assert answer.connection.original.source_port == port
        assert answer.direction.value == "reply"
    assert counted(tracker) == [(6, 6 * 28), (3, 3 * 28)]


@pytest.mark.parametrize(
    ("rule", "is_foregone"),
    [
        ("ct state new accept", True),
        ("ct state new counter accept", True),
        ("counter ct state new counter accept", False),
        ("ct state new limit rate 1000/second accept", False),
        ("ct state new counter jump more", False),
        ("ct state new udp dport 53 counter accept", False),
        ("ct state new counter counter name named accept", True),
    ],
)
def test_what_is_foregone_are_words_and_counters(rule, is_foregone):
    text = f"""table t {{
        counter named {{ }}; chain more {{ accept; }}
        chain c {{ type filter hook forward priority 0; {rule}; }}
    }}"""
    tracker = Tracker(Ruleset.parse(text))
    for port in (1000, 1001):
        assert tracker.process(udp(port), 0.5).action.value == "accept"
    assert bool(tracker._judge.answers.fates._foregone) == is_foregone
    assert str(tracker.ruleset).count("packets 2 bytes 56") == rule.count("counter")


@WAYS
@pytest.mark.parametrize(
    ("rule", "other"),
    [
        ("udp dport 53 accept", udp(dport=54)),
        ("ip saddr 10.0.1.2 accept", udp(source="10.0.1.3")),
        ("ip daddr 10.0.2.2 accept", udp(destination="10.0.2.3")),
        ("meta nfproto ipv4 accept", udp(source="fd00::1", destination="fd00::2")),
        ("meta l4proto udp accept", tcp(flags="SYN")),
        ("ip length 28 accept", udp(data=b"longer")),
    ],
)
def test_what_was_decided_by_more_is_asked_again(rule, other, kind):
    tracker = tracker_of(rule, kind)
    for packet, action in ((udp(), "accept"), (other, "drop")) * 2:
        assert tracker.process(packet, 0.5).action.value == action


@WAYS
def test_messages_are_told_apart_if_rules_ask_for_them(kind):
    tracker = tracker_of("icmp type timestamp-request drop\n meta l4proto icmp accept", kind)
    for id_ in (1, 2):
        for type_, action in ((8, "accept"), (13, "drop")):
            assert tracker.process(icmp(type_, id_=id_), 0.5).action.value == action


@WAYS
def test_a_reject_is_asked_for_each_connection_and_ends_it(kind):
    """Also where nothing but words has led to it."""
    tracker = tracker_of("ct state established reject with tcp reset\n ct state new accept", kind)
    for port in (1000, 1001, 1002):
        opened = tracker.process(tcp(port, 80, "SYN", 1), 0.5)
        assert told(opened) == "new accept"
        answer = tracker.process(tcp(80, port, "SYN,ACK", 5, 2, **BACK), 0.6)
        assert told(answer) == "established reject"
        assert opened.connection.state_name == "CLOSE"


@WAYS
def test_what_is_remembered_is_bounded(kind, monkeypatch):
    monkeypatch.setattr(fates, "SORTS_AT_MOST", 2)
    monkeypatch.setattr(foretelling, "WALKS_AT_MOST", 3)
    tracker = tracker_of('iifname "lan*" ct state new,established accept', kind)
    remembered = tracker._judge.answers.fates._foregone
    trials = tracker._judge.answers.fates._foretelling._trials
    for number in (1, 2, 3, 4, 1, 2):
        for packet in (udp(number), udp(53, number, **BACK), udp(number)):
            verdict = tracker.process(packet, 0.5, iif=f"lan{number}")
            assert verdict.action.value == "accept"
            assert len(remembered) <= 2
            assert len(trials) <= 3
    assert tracker.process(udp(9), 0.5, iif="wan").action.value == "drop"


@WAYS
def test_behind_an_authentication_header_rules_see_another_protocol(kind):
    """Tracking walks over it, so both packets are of one connection."""
    tracker = tracker_of("meta l4proto udp accept", kind)
    ends = {"source": "fd00::1", "destination": "fd00::2"}
    header = bytes([17, 1, 0, 0]) + bytes(8)
    plain, covered = udp(**ends), udp(**ends, extensions=(51, header))
    for _ in range(2):
        assert told(tracker.process(plain, 0.5)) == "new accept"
        assert told(tracker.process(covered, 0.5)) == "new drop"
    assert len(tracker) == 1


@WAYS
def test_ports_of_a_protocol_known_by_number_are_asked_for_each_packet(kind):
    tracker = tracker_of("th dport 53 accept", kind)
    right, wrong = (
        ip("10.0.1.2", "10.0.2.2", 33, bytes([0, 99, 0, port]) + bytes(12)) for port in (53, 54)
    )
    for _ in range(2):
        assert told(tracker.process(right, 0.5)) == "new accept"
        assert told(tracker.process(wrong, 0.5)) == "new drop"
    assert len(tracker) == 1


@WAYS
@pytest.mark.parametrize(
    "packet", [tcp(flags="SYN"), tcp(flags="ACK"), icmp(0)], ids=["SYN", "ACK", "echo reply"]
)
def test_what_is_barred_is_dropped_whatever_the_rules_say(packet, kind):
    """IPv4 options with a source route; whether it would open a connection or not."""
    tracker = tracker_of("accept", kind)
    assert tracker.process(packet, 0.5).action.value == "accept"
    routed = bytes([0x47]) + packet[1:20] + bytes([131, 7, 4, 1, 2, 3, 4, 0]) + packet[20:]
    routed = routed[:2] + len(routed).to_bytes(2, "big") + routed[4:]
    verdict = tracker.process(routed, 0.5)
    assert verdict.action.value == "drop"


@WAYS
def test_rules_see_whether_a_packet_is_counted(kind):
    """A SYN that is sent again is not; what follows the answer is."""
    tracker = tracker_of("ct original packets 2 drop", kind, policy="accept")
    syn, ack = tcp(1000, 80, "SYN", 1), tcp(1000, 80, "ACK", 2, 6)
    for _ in range(3):
        assert told(tracker.process(syn, 0.5)) == "new accept"
    tracker.process(tcp(80, 1000, "SYN,ACK", 5, 2, **BACK), 0.6)
    assert told(tracker.process(ack, 0.7)) == "established drop"
    assert told(tracker.process(ack, 0.7)) == "established accept"


@WAYS
def test_rules_see_whether_a_packet_ends_its_connection(kind):
    tracker = tracker_of("ct status dying counter accept\n ct state new accept", kind)
    for port in (1000, 1001):
        assert told(tracker.process(tcp(port, 80, "SYN", 1), 0.5)) == "new accept"
    assert told(tracker.process(tcp(1000, 80, "RST", 2), 0.6)) == "new accept"
    assert counted(tracker) == [(1, 40)]
    assert len(tracker) == 1


@WAYS
@pytest.mark.parametrize("make", [udp, lambda port: tcp(port, 80, "SYN")], ids=["UDP", "TCP"])
def test_an_opening_is_rejected_however_many_were_before(make, kind):
    tracker = tracker_of("ct state new reject", kind)
    for port in (1000, 1001, 1002):
        assert told(tracker.process(make(port), 0.5)) == "new reject"


RELATED = "ct state related accept\n ct state new udp dport 69 accept"


@WAYS
def test_what_becomes_of_what_is_announced_says_nothing_about_others(kind):
    tracker = tracker_of(RELATED, kind, helpers={69: "tftp"})
    request = udp(3000, 69, b"\0\1file\0octet\0")
    assert told(tracker.process(request, 0.5)) == "new accept"
    for _ in range(2):
        assert told(tracker.process(udp(2000, 3000, **BACK), 0.6)) == "related accept"
    assert told(tracker.process(udp(2001, 3001, **BACK), 0.7)) == "new drop"
    assert told(tracker.process(udp(2000, 3000, **BACK), 0.8)) == "related accept"


@WAYS
def test_what_users_write_on_a_connection_announces_nothing(kind):
    tracker = tracker_of("ct state new accept", kind)
    tracker.process(udp(), 0.5).connection.labels = 4
    assert told(tracker.process(udp(), 0.6)) == "new accept"


@WAYS
def test_of_a_rule_of_keywords_every_form_is_kept_for_itself(kind):
    rule = Rule(Action.ACCEPT, source=["10.0.0.0/8", "fd00::/8"], ct_state="new")
    tracker = kind(Ruleset([rule], policy=Action.DROP), config=Config())
    for source, destination, action in (
        ("10.0.0.1", "10.0.0.2", "accept"),
        ("fd00::1", "fd00::2", "accept"),
        ("11.0.0.1", "10.0.0.2", "drop"),
        ("fe00::1", "fd00::2", "drop"),
    ) * 2:
        packet = udp(source=source, destination=destination)
        assert tracker.process(packet, 0.5).action.value == action
