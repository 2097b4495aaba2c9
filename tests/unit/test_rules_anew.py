"""Which rules are asked anew for every packet of a connection: those by which the next may differ.

Where no rule is one of these, the verdict of a side is kept; see test_answers.
"""

from __future__ import annotations

import pytest

from builders import CLIENT, icmp, tcp, udp
from fullway import FullWay
from statefulinspect import Config, Ruleset, Tracker

WAYS = pytest.mark.parametrize("kind", [Tracker, FullWay])
LINUX = Config.linux(verify_checksums=False)
FATES = {"A": "accept", "D": "drop", "R": "reject"}


def tracker_of(rules, kind=Tracker, more="", config=LINUX):
    head = "type filter hook forward priority filter; policy drop;"
    text = f"table inet t {{ {more}\n chain c {{ {head} {rules}\n }} }}"
    return kind(Ruleset.parse(text), config=config)


def fates(tracker, packets, **context):
    return "".join(
        next(letter for letter, word in FATES.items() if word == verdict.action.value)
        for verdict in (tracker.process(packet, 0.5, **context) for packet in packets)
    )


SETS = """
  set s { type inet_service; flags dynamic; size 9; }
  set full { type inet_service; flags dynamic; size 0; }
  set brief { type inet_service; flags dynamic,timeout; timeout 10s; }
  set sizes { typeof tcp option maxseg size; flags dynamic; size 9; }
  map m { type inet_service : mark; flags dynamic; size 9; }
  map v { type inet_service : verdict; elements = { 53 : accept }; }
  limit l { rate 1/hour burst 2 packets }
  quota q { 60 bytes }
  quota over { over 60 bytes }
  counter n { }
  ct helper h { type "tftp" protocol udp; }
"""
REPEATED = [
    ("limit rate 1/hour burst 2 packets accept", "AADD"),
    ("limit rate over 1/hour burst 2 packets accept", "DDAA"),
    ("limit name l accept", "AADD"),
    ("limit name udp dport map { 53 : l } accept", "AADD"),
    ("limit name udp dport map { 54 : l } accept", "DDDD"),
    ("quota 60 bytes accept", "AADD"),
    ("quota over 60 bytes accept", "DDAA"),
    ("quota name q accept", "AADD"),
    ("quota name over accept", "DDAA"),
    ("counter name n accept", "AAAA"),
    ("counter name tcp dport map { 53 : n } accept", "DDDD"),
    ("ct helper set h accept", "AAAA"),
    ("numgen inc mod 2 0 accept", "ADAD"),
    ("numgen inc mod 3 vmap { 0 : accept, 1 : drop, 2 : accept }", "ADAADA"),
    ("numgen inc mod 2 vmap { 1 : accept } drop", "DADA"),
    ("numgen inc mod 2 offset 1 vmap { 1 : accept, 2 : drop }", "ADAD"),
    ("ct mark 1 drop\n ct mark set 1 accept", "ADDD"),
    ("ct mark set ct mark or 2\n ct mark 2 accept", "AAAA"),
    ("ct mark set numgen inc mod 2\n ct mark 1 accept", "DADA"),
    ("meta mark set numgen inc mod 2\n meta mark 1 accept", "DADA"),
    ("udp sport @s accept\n add @s { udp sport }", "DAAA"),
    ("udp sport != @s add @s { udp sport } accept", "ADDD"),
    ("add @s { udp sport } accept", "AAAA"),
    ("add @full { udp sport } accept", "DDDD"),
    ("udp sport @s delete @s { udp sport } drop\n add @s { udp sport } accept", "ADAD"),
    ("update @s { udp sport limit rate 1/hour burst 2 packets } accept", "AADD"),
    ("update @s { udp sport quota over 60 bytes } accept", "DDAA"),
    ("add @s { tcp sport } accept", "DDDD"),
    ("meta mark set udp sport map @m\n meta mark 7 accept\n add @m { udp sport : 7 }", "DAAA"),
    ("meta mark set udp sport map @m\n meta mark 7 accept\n add @m { udp sport : 6 }", "DDDD"),
    ("udp dport vmap @v", "AAAA"),
    ("udp sport vmap @v", "DDDD"),
    ("ct original packets 2 drop\n accept", "ADAA"),
    ("ct original bytes > 60 drop\n accept", "AADD"),
    ("ct count over 9 drop\n accept", "AAAA"),
    ("continue accept", "AAAA"),
    ("udp dport vmap { 53 : continue } accept", "AAAA"),
    ("log accept", "AAAA"),
    ("notrack ct state new accept", "AAAA"),
    ("reject", "RRRR"),
]


@WAYS
@pytest.mark.parametrize(("rules", "expected"), REPEATED, ids=[rules for rules, _ in REPEATED])
def test_the_same_packet_again_and_again(rules, expected, kind):
    tracker = tracker_of(rules, kind, SETS)
    assert fates(tracker, [udp()] * len(expected)) == expected


@WAYS
@pytest.mark.parametrize(("rules", "expected"), REPEATED, ids=[rules for rules, _ in REPEATED])
def test_a_trace_tells_each_time_what_comes_and_leaves_it_as_it_was(rules, expected, kind):
    tracker = tracker_of(rules, kind, SETS)
    for letter in expected:
        for _ in range(2):
            assert tracker.trace(udp(), 0.5).verdict.action.value == FATES[letter]
        assert fates(tracker, [udp()]) == letter


DIFFERING = [
    (
        "tcp option maxseg size 1460 accept",
        [tcp(flags="SYN", options=each) for each in (b"\2\4\5\xb4", b"", b"\2\4\5\xb5")],
        "ADD",
    ),
    (
        "add @sizes { tcp option maxseg size } accept",
        [tcp(flags="SYN", options=each) for each in (b"", b"\2\4\5\xb4", b"")],
        "DAD",
    ),
    ("ip length 28 accept", [udp(), udp(data=b"x"), udp()], "ADA"),
    ("udp length vmap { 8 : accept, 9 : drop }", [udp(), udp(data=b"x"), udp(data=b"xy")], "ADD"),
    ("meta length 28 accept", [udp(data=b"x"), udp(), udp(data=b"x")], "DAD"),
    ("@ih,0,8 120 accept", [udp(data=b"x"), udp(data=b"y"), udp()], "ADD"),
    ("icmp sequence 2 accept", [icmp(8, seq=n) for n in (1, 2, 3, 2)], "DADA"),
    ("tcp flags syn accept", [tcp(flags="SYN"), tcp(flags="RST"), tcp(flags="SYN")], "ADA"),
    ("tcp window 9 accept", [tcp(flags="SYN", window=each) for each in (8, 9, 8)], "DAD"),
    ("ip dscp cs1 accept", [bytes([0x45, tos]) + udp()[2:] for tos in (0, 32, 0, 32)], "DADA"),
    ("ip id & 1 == 1 accept", [udp()[:4] + bytes([0, n]) + udp()[6:] for n in (7, 8, 7)], "ADA"),
    (
        "meta mark set ip id map { 7 : 1, 8 : 2 }\n meta mark 1 accept",
        [udp()[:4] + bytes([0, n]) + udp()[6:] for n in (7, 8, 7)],
        "ADA",
    ),
    ("ip id 7 accept", [udp()[:4] + bytes([0, n]) + udp()[6:] for n in (7, 8, 7)], "ADA"),
]


@WAYS
@pytest.mark.parametrize(
    ("rules", "packets", "expected"), DIFFERING, ids=[rules for rules, _, _ in DIFFERING]
)
def test_packets_of_a_flow_that_differ(rules, packets, expected, kind):
    assert fates(tracker_of(rules, kind, SETS), packets) == expected


@WAYS
@pytest.mark.parametrize(
    "rules",
    [
        "udp sport @s drop\n accept",
        "meta mark set udp sport map @m\n meta mark 7 drop\n accept",
        "udp sport . udp dport @pairs drop\n accept",
    ],
)
def test_what_packets_of_another_flow_have_filled(rules, kind):
    more = f"{SETS}\n set pairs {{ type inet_service . inet_service; flags dynamic; size 9; }}"
    fill = "add @s { udp sport } add @m { udp sport : 7 } add @pairs { udp sport . 53 } accept"
    tracker = tracker_of(f"udp dport 54 {fill}\n {rules}", kind, more)
    assert fates(tracker, [udp(), udp(), udp(dport=54), udp()]) == "AAAD"


@WAYS
def test_the_time_differs(kind):
    tracker = tracker_of("meta day 4 accept", kind)
    for now, fate in ((86_390.0, "accept"), (86_410.0, "drop")):
        assert tracker.process(udp(), now).action.value == fate


@WAYS
def test_elements_go_when_their_time_is_up_unless_they_are_renewed(kind):
    for verb, last in (("add", "drop"), ("update", "accept")):
        rules = f"udp dport 53 {verb} @brief {{ udp sport }} accept\n udp sport @brief accept"
        tracker = tracker_of(rules, kind, SETS)
        told = [
            tracker.process(udp(dport=port), now).action.value
            for now, port in ((0.0, 54), (1.0, 53), (10.9, 54), (10.95, 53), (12.0, 54))
        ]
        assert told == ["drop", "accept", "accept", "accept", last]


HOOKS = """table inet t {
  chain i { type filter hook input priority 0; policy drop; %s
  }
  chain f { type filter hook forward priority 0; policy accept; %s
  }
  chain o { type filter hook output priority 0; policy accept; %s
  }
}"""


@WAYS
@pytest.mark.parametrize("rules", ["", "udp dport 53 counter", "ct state new"])
def test_hooks_that_differ_only_by_their_policies_are_told_apart(rules, kind):
    tracker = kind(Ruleset.parse(HOOKS % ((rules,) * 3)), config=LINUX)
    for hook, letter in (("forward", "A"), ("input", "D"), ("output", "A")) * 3:
        assert fates(tracker, [udp()], hook=hook) == letter


@WAYS
def test_versions_of_ip_that_meet_different_chains_are_told_apart(kind):
    text = "table ip6 t { chain c { type filter hook forward priority 0; policy drop;\n } }"
    tracker = kind(Ruleset.parse(text), config=LINUX)
    six = udp(source="fd00::1", destination="fd00::2")
    assert fates(tracker, [udp(), six] * 3) == "ADADAD"


@WAYS
def test_what_is_written_is_what_is_held_now(kind):
    rules = (
        "counter\n counter name n\n quota name q\n quota 1000 bytes\n"
        f' ip saddr {CLIENT} add @s {{ udp sport }}\n limit name l counter comment "seen"\n accept'
    )
    tracker = tracker_of(rules, kind, SETS)
    before = str(tracker.ruleset)
    assert fates(tracker, [udp()] * 3) == "AAA"
    after = str(tracker.ruleset)
    lines = [line.strip() for line in after.splitlines()]
    changed = [line for line in lines if line not in before]
    assert changed == [
        "60 bytes used 60 bytes",  # of the quota q
        "packets 3 bytes 84",  # of the counter n
        "elements = { 1000 }",
        "counter packets 3 bytes 84",
        "quota 1000 bytes used 84 bytes",
        'limit name "l" counter packets 2 bytes 56 comment "seen"',
    ]
    assert "over 60 bytes" in lines
    assert str(Ruleset.parse(after)) == after
