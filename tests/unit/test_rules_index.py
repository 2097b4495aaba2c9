"""The first rule that a packet matches, found by the index, is the first in the text that does."""

from __future__ import annotations

from itertools import product

import pytest

from builders import gre, icmp, ip, piece, tcp, udp
from judging import RuleJudge
from statefulinspect import Action, CtState, Rule, Ruleset
from statefulinspect.decoding import decode
from statefulinspect.rules.engine import index

V6 = ["fd00::1", "fd00::2", "fd00::ffff", "fd01::1"]
V4 = ["10.0.0.0", "10.0.0.1", "10.0.0.255", "10.0.1.0"]
RULES = [
    "tcp dport 80 counter",
    "ip saddr 10.0.0.1 tcp dport { 22, 80-81 } counter drop",
    "ip6 saddr fd00::/112 udp sport 7 counter drop",
    "ip daddr 10.0.0.0/24 udp dport != 53 counter drop",
    "ip6 daddr != fd00::2 tcp sport 7 counter drop",
    "ip saddr 10.0.0.255 counter accept",
    "th dport 22 counter drop",
    "th sport 65535 counter accept",
    'iifname "lan" ip daddr 10.0.1.0 counter drop',
    "ct state new ip saddr 10.0.0.0-10.0.0.1 counter accept",
    "ct state established udp dport > 53 counter accept",
    "meta nfproto ipv6 counter accept",
    "icmp type echo-request counter drop",
    "meta l4proto { gre, 89 } counter accept",
]


def judge_of(rules, policy="drop"):
    head = f"type filter hook forward priority 0; policy {policy};"
    text = "\n".join(rules)
    return RuleJudge(Ruleset.parse(f"table inet t {{ chain c {{ {head}\n{text}\n}} }}"))


def packets():
    """Ends and ports on the edges of the rules above, and where no ports are or behind options."""
    for source, destination in (*product(V4, V4), *product(V6, V6)):
        ends = {"source": source, "destination": destination}
        for ports in ((7, 22), (65535, 80), (1, 81), (7, 53), (0, 54), (22, 0)):
            yield tcp(*ports, **ends)
            yield udp(*ports, **ends)
        yield icmp(8 if ":" not in source else 128, **ends)
        yield gre(**ends)
        yield ip(**ends, protocol=89, payload=b"\0\x07\0\x16")
        yield piece(udp(7, 22, bytes(99), **ends), 48)
    for options in (bytes([1, 1, 1, 0]), bytes([148, 4, 0, 0])):
        yield tcp(7, 80, source="10.0.0.1", destination="10.0.1.0", ip_options=options)
    yield udp(7, 22, source=V6[0], destination=V6[1], extensions=(0, bytes([17, 0]) + bytes(6)))
    short = ip("10.0.0.1", "10.0.1.0", 6, b"\0\x07\0")
    yield from (short, short + b"\x50", ip(V6[0], V6[1], 17, b"\0\x07\0"))


PACKETS = list(packets())


def asked(judged, iif, state):
    """Which rule decides of each packet, and how."""
    return [judged(decode(wire, iif=iif), state) for wire in PACKETS]


@pytest.mark.parametrize("state", [CtState.NEW, CtState.ESTABLISHED, CtState.INVALID])
@pytest.mark.parametrize("iif", ["lan", ""])
@pytest.mark.parametrize("rules", [RULES, RULES[::-1], RULES[::2], RULES[1::2]])
def test_the_index_finds_what_a_trace_finds(rules, iif, state):
    """A trace goes through every rule one by one."""
    judge = judge_of(rules)
    found = asked(judge.judge, iif, state)
    assert found == asked(judge.traced, iif, state)
    assert len({str(rule) for _, rule in found}) > 3


@pytest.mark.parametrize(
    "bounds",
    [
        {"KEYS_AT_MOST": 1},
        {"WORDS_AT_MOST": 1},
        {"PLANS": 0, "SPARE_ROOM": 0},
        {"PLANS": 0, "SPARE_ROOM": 20},
    ],
    ids=str,
)
def test_what_is_remembered_is_bounded_and_changes_nothing(bounds, monkeypatch):
    for name, value in bounds.items():
        monkeypatch.setattr(index, name, value)
    judge = judge_of(RULES)
    (base,) = judge.filter.paths["forward"].tracked[4]
    found = base.program.index(4)
    for iif, state in product(["lan", ""], [CtState.NEW, CtState.INVALID]):
        assert asked(judge.judge, iif, state) == asked(judge.traced, iif, state)
        assert len(found.plans) <= bounds.get("KEYS_AT_MOST", 1000)
        assert len(found._by_word) <= bounds.get("WORDS_AT_MOST", 1000)
        held = sum(len(plan.entries) + 1 for plan in found._by_rules.values())
        assert held <= index.PLANS * len(RULES) + index.SPARE_ROOM + 1


def test_rules_behind_one_that_takes_all_are_not_kept():
    rules = [Rule(Action.DROP, destination_port=port) for port in range(1, 9)]
    rules.insert(4, Rule(Action.ACCEPT))
    judge = RuleJudge(Ruleset(rules, policy=Action.DROP))
    packet = decode(udp(1, 7))
    assert judge.judge(packet, CtState.NEW)[0] is Action.ACCEPT
    (base,) = judge.filter.paths["forward"].tracked[4]
    (plan,) = base.program.index(4).plans.values()
    assert len(plan.entries) == 5


@pytest.mark.parametrize(
    ("leave", "action"), [("return", "accept"), ("goto other", "drop"), ("jump other", "drop")]
)
def test_a_rule_for_all_packets_that_leaves_its_chain_decides_nothing(leave, action):
    """What is decided by words alone is what ends a packet's way."""
    text = f"""table inet t {{
        chain other {{ udp dport 53 drop; }}
        chain c {{ type filter hook forward priority 0; ct state new {leave}; reject; }}
    }}"""
    judge = RuleJudge(Ruleset.parse(text))
    for judged in (judge.judge, judge.traced):
        assert judged(decode(udp(7, 53)), CtState.NEW)[0].value == action
