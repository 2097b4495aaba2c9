"""Which rule decides, at the edges of each field."""

from __future__ import annotations

import pytest

from builders import CLIENT, CLIENT6, SERVER, SERVER6, icmp, ip, tcp, udp
from judging import RuleJudge
from statefulinspect import Action, CtState, Rule, Ruleset
from statefulinspect.decoding import decode
from statefulinspect.rules.engine.intervals import Pieces, complement

V6 = {"source": CLIENT6, "destination": SERVER6}
NEW = CtState.NEW


def accepts(fields, wire, ct_state=NEW, **context):
    """Say whether a lone rule matches a packet."""
    rule = Rule(Action.ACCEPT, **fields)
    judge = RuleJudge(Ruleset([rule], policy=Action.DROP))
    answer = judge.judge(decode(wire, **context), ct_state)
    assert judge.traced(decode(wire, **context), ct_state) == answer
    assert answer in ((Action.ACCEPT, rule), (Action.DROP, None))
    return answer == (Action.ACCEPT, rule)


def deciding(rules, wire, policy=Action.DROP):
    """Give the number of the rule that decides; None is the policy."""
    ruleset = Ruleset(rules, policy=policy)
    action, rule = RuleJudge(ruleset).judge(decode(wire), NEW)
    assert action is (policy if rule is None else rule.action)
    return None if rule is None else ruleset.rules.index(rule)


@pytest.mark.parametrize("policy", [Action.ACCEPT, Action.DROP, Action.REJECT])
def test_without_rules_the_policy_decides(policy):
    action, rule = RuleJudge(Ruleset([], policy=policy)).judge(decode(udp()), NEW)
    assert action is policy
    rejects = policy is Action.REJECT  # nft's chains know no such policy: a rule does it
    assert str(rule) == ("reject" if rejects else "None")


def test_the_first_match_decides():
    anything, dns, datagrams = (
        Rule(Action.DROP),
        Rule(Action.ACCEPT, destination_port=53),
        Rule(Action.REJECT, protocol="udp"),
    )
    assert deciding([dns, datagrams, anything], udp(dport=53)) == 0
    assert deciding([dns, datagrams, anything], udp(dport=54)) == 1
    assert deciding([dns, datagrams, anything], tcp(dport=54)) == 2
    assert deciding([datagrams, dns], udp(dport=53)) == 0
    assert deciding([datagrams, dns], tcp(dport=54)) is None


def test_the_hundredth_rule_is_found_as_well():
    rules = [Rule(Action.DROP, destination_port=port) for port in range(100)]
    assert [deciding(rules, udp(dport=port)) for port in (0, 63, 64, 99, 100)] == [
        0, 63, 64, 99, None,
    ]  # fmt: skip


def test_all_fields_have_to_match():
    fields = {"protocol": "udp", "source": CLIENT, "destination_port": 53, "iif": "eth0"}
    assert accepts(fields, udp(dport=53), iif="eth0")
    assert not accepts(fields, udp(dport=53), iif="eth1")
    assert not accepts(fields, udp(dport=54), iif="eth0")
    assert not accepts(fields, tcp(dport=53), iif="eth0")
    assert not accepts(fields, udp(dport=53, source=SERVER), iif="eth0")


@pytest.mark.parametrize("ct_state", CtState)
def test_ct_state(ct_state):
    for asked in CtState:
        assert accepts({"ct_state": asked}, udp(), ct_state) is (asked is ct_state)
    assert accepts({}, udp(), ct_state)


@pytest.mark.parametrize(
    ("spans", "inside", "outside"),
    [
        (80, [80], [79, 81]),
        ((80, 90), [80, 85, 90], [79, 91]),
        ((0, 65535), [0, 65535], []),
        (0, [0], [1]),
        (65535, [65535], [65534]),
        ([80, 82], [80, 82], [79, 81, 83]),
        ([(80, 90), (85, 95)], [80, 84, 85, 90, 91, 95], [79, 96]),
        ([(80, 90), (82, 84)], [80, 82, 84, 85, 90], [79, 91]),
        ([(80, 84), (85, 90)], [80, 84, 85, 90], [79, 91]),
        ([(80, 90), 80, 90], [80, 81, 90], [79, 91]),
    ],
)
@pytest.mark.parametrize("field", ["source_port", "destination_port"])
def test_ports(field, spans, inside, outside):
    name = {"source_port": "sport", "destination_port": "dport"}[field]
    for make in (udp, tcp):
        assert [each for each in inside if not accepts({field: spans}, make(**{name: each}))] == []
        assert [each for each in outside if accepts({field: spans}, make(**{name: each}))] == []


def test_ports_of_two_rules_that_overlap():
    rules = [Rule(Action.DROP, source_port=(5, 6)), Rule(Action.DROP, source_port=(4, 9))]
    found = [deciding(rules, udp(sport=port)) for port in range(3, 11)]
    assert found == [None, 1, 0, 0, 1, 1, 1, None]


@pytest.mark.parametrize(
    "wire", [icmp(8), ip(CLIENT, SERVER, 47, b"\0\x50\0\x50"), tcp(fragment=1)]
)
def test_a_packet_without_ports_matches_no_range(wire):
    assert not accepts({"source_port": (0, 65535)}, wire)
    assert not accepts({"destination_port": (0, 65535)}, wire)
    assert accepts({}, wire)


@pytest.mark.parametrize(
    ("prefix", "inside", "outside"),
    [
        ("10.0.0.0/30", ["10.0.0.0", "10.0.0.3"], ["9.255.255.255", "10.0.0.4"]),
        ("10.0.0.1", ["10.0.0.1"], ["10.0.0.0", "10.0.0.2"]),
        ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::ffff:ffff", "ff::"]),
        ("::/0", ["::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"], ["0.0.0.0", "10.0.0.0"]),
        ("fd00::/16", ["fd00::", "fd00:ffff::1"], ["fd01::", "fcff::", "253.0.0.0"]),
        ("::10.0.0.0/104", ["::10.0.0.1"], ["10.0.0.1", "::11.0.0.0"]),
        ("::ffff:10.0.0.0/104", ["::ffff:10.0.0.1"], ["10.0.0.1"]),
        ("255.255.255.255", ["255.255.255.255"], ["255.255.255.254", "::"]),
        (["0.0.0.0/0", "::/0"], ["0.0.0.0", "::", "255.255.255.255", "ffff::"], []),
        (["10.0.0.0/31", "10.0.0.2/31"], ["10.0.0.0", "10.0.0.3"], ["10.0.0.4"]),
        (["10.0.0.0/8", "10.1.0.0/16"], ["10.0.0.1", "10.1.0.1", "10.2.0.1"], ["11.0.0.0"]),
    ],
)
def test_prefixes(prefix, inside, outside):
    for expected, addresses in ((True, inside), (False, outside)):
        for address in addresses:
            other = SERVER6 if ":" in address else SERVER
            assert accepts({"source": prefix}, udp(source=address, destination=other)) is expected
            there = udp(source=other, destination=address)
            assert accepts({"destination": prefix}, there) is expected


@pytest.mark.parametrize(
    ("protocol", "matching"),
    [("udp", [17]), (["tcp", 89], [6, 89]), ("icmp", [1]), (0, [0]), (255, [255])],
)
def test_protocols(protocol, matching):
    for number in (0, 1, 6, 17, 89, 255):
        wire = ip(CLIENT, SERVER, number, bytes(20))
        assert accepts({"protocol": protocol}, wire) is (number in matching)


NAMES = {
    "echo-reply": (0, 129),
    "destination-unreachable": (3, 1),
    "source-quench": (4, None),
    "redirect": (5, None),
    "echo-request": (8, 128),
    "time-exceeded": (11, 3),
    "parameter-problem": (12, 4),
    "timestamp-request": (13, None),
    "timestamp-reply": (14, None),
    "packet-too-big": (None, 2),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_an_icmp_type_means_another_number_in_each_family(name):
    numbers = [*range(20), *range(125, 135)]
    v4 = [number for number in numbers if accepts({"icmp_type": name}, icmp(number))]
    v6 = [number for number in numbers if accepts({"icmp_type": name}, icmp(number, **V6))]
    assert (v4, v6) == tuple([number] if number is not None else [] for number in NAMES[name])


def test_a_number_of_an_icmp_type_means_the_same_in_both_families():
    for wire, expected in ((icmp(8), True), (icmp(8, **V6), True), (icmp(9), False)):
        assert accepts({"icmp_type": [8, 128]}, wire) is expected
    assert not accepts({"icmp_type": list(range(256))}, udp())


@pytest.mark.parametrize("field", ["iif", "oif"])
def test_interfaces(field):
    assert accepts({field: ["eth0", "eth1"]}, udp(), **{field: "eth1"})
    assert not accepts({field: ["eth0", "eth1"]}, udp(), **{field: "eth2"})
    assert not accepts({field: "eth0"}, udp())


def test_marks():
    assert accepts({"mark": [1, 2]}, udp(), mark=2)
    assert accepts({"mark": 0}, udp())
    assert not accepts({"mark": [1, 2]}, udp(), mark=3)


@pytest.mark.parametrize(
    ("fields", "asks"),
    [
        ({"iif": "eth0"}, True),
        ({"oif": "eth0"}, True),
        ({"mark": 0}, True),
        ({"source": CLIENT, "protocol": "tcp", "source_port": 1, "ct_state": "new"}, False),
        ({"icmp_type": 8, "destination": CLIENT}, False),
    ],
)
def test_what_may_differ_between_packets_of_one_side(fields, asks):
    rules = [Rule(Action.DROP), Rule(Action.ACCEPT, **fields)]
    assert RuleJudge(Ruleset(rules, policy=Action.DROP)).filter.asks_way is asks


def test_pieces_hold_sets_of_conditions():
    pieces = Pieces([(0, [(5, 9)]), (2, [(9, 9), (1, 2)]), (3, [])], 0b010, octets=1)
    found = [pieces.at(bytes([value])) for value in (0, 1, 3, 5, 9, 10)]
    assert found == [0b010, 0b110, 0b010, 0b011, 0b111, 0b010]
    assert pieces.at(None) == 0b010


def test_pieces_of_octets_end_with_the_last_value():
    pieces = Pieces([(0, [(65534, 65535)])], 0b10, octets=2)
    assert [pieces.at(at.to_bytes(2, "big")) for at in (0, 65533, 65534, 65535)] == [2, 2, 3, 3]


@pytest.mark.parametrize(
    ("pairs", "rest"),
    [
        ([], [(0, 255)]),
        ([(0, 255)], []),
        ([(0, 4), (6, 255)], [(5, 5)]),
        ([(5, 9), (7, 12)], [(0, 4), (13, 255)]),
    ],
)
def test_what_intervals_leave_out(pairs, rest):
    assert complement(pairs, 8) == rest


def test_many_protocols_make_no_more_plans_than_there_is_room_for():
    rules = [Rule(Action.DROP, protocol=number, source="10.0.1.0/24") for number in range(100)]
    rules += [Rule(Action.REJECT, destination_port=port) for port in range(50)]
    judge = RuleJudge(Ruleset(rules, policy=Action.ACCEPT))
    index = judge.filter.paths["forward"].tracked[4][0].program.index(4)
    room = index._room
    for ct_state in (CtState.NEW, CtState.INVALID):
        for number in range(256):
            wire = ip(CLIENT if number % 2 else SERVER, SERVER, number, bytes(20))
            packet = decode(wire)
            expected = judge.traced(packet, ct_state)
            assert judge.judge(packet, ct_state) == expected
    assert 0 <= index._room < room
    assert sum(len(plan.entries) for plan in index._by_rules.values()) <= room
