"""Drawn rulesets and traffic, judged by the library and by the running kernel.

`pytest tests/kernel/test_rules.py --rulesets 5000` compares more, `--seed 7` others; the first
differences are told with the fewest rules and packets that still differ.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import pytest

from builders import CLIENT, CLIENT6, SERVER, SERVER6, icmp, tcp, udp
from kernel.rule_differ import run
from kernel.rule_drawing import draw_ruleset
from kernel.rule_kernel import RefusedError, RuleKernel
from kernel.rule_traffic import draw_traffic
from statefulinspect import Ruleset

PACKETS = 300  # to each ruleset
AWAITED = pytest.mark.skipif(not hasattr(Ruleset, "parse"), reason="there is no language of rules")
BY_HAND = """
table inet filter {
  counter asked { }
  set seen { type ipv4_addr; flags dynamic; size 8; }
  chain early {
    type filter hook prerouting priority -150; policy accept;
    tcp dport 81 drop
    counter
  }
  chain through {
    type filter hook forward priority 0; policy drop;
    tcp dport 80 accept
    tcp dport 22 reject with tcp reset
    add @seen { ip saddr }
    udp dport 53 counter name "asked" reject
    ct state established counter accept
  }
  chain in {
    type filter hook input priority 0; policy accept;
    tcp dport 22 reject
    udp dport 53 drop
  }
  chain out {
    type filter hook output priority 0; policy drop;
    tcp sport 80 accept
    meta mark 7 accept
    udp dport 53 reject
  }
  chain late {
    type filter hook postrouting priority 0; policy accept;
    tcp sport 1001 drop
  }
}
"""
TCP, UDP = 6, 17
ROUTERS = {CLIENT: "10.0.1.1", CLIENT6: "fd00:1::1"}


@pytest.fixture(scope="module")
def kernel():
    with RuleKernel() as made:
        yield made


@pytest.mark.parametrize(("client", "server"), [(CLIENT, SERVER), (CLIENT6, SERVER6)])
def test_harness_sees_every_fate_at_every_hook(kernel, client, server):
    kernel.load(BY_HAND)
    router = ROUTERS[client]
    through, inward, outward = (
        {"source": source, "destination": destination}
        for source, destination in ((client, server), (client, router), (router, client))
    )
    told = [
        kernel.arrive(packet, "lan0").fate
        for packet in (
            tcp(1000, 80, "SYN", **through),
            tcp(1000, 81, "SYN", **through),
            tcp(1000, 443, "SYN", **through),
            tcp(1001, 80, "SYN", **through),
            udp(1000, 53, **through),
            tcp(1000, 80, "SYN", **inward),
            tcp(1000, 22, "SYN", **inward),
            udp(1000, 53, **inward),
        )
    ]
    assert told == ["accept", "drop", "drop", "drop", "reject", "accept", "reject", "drop"]
    told = [
        kernel.emit(packet, mark).fate
        for packet, mark in (
            (tcp(80, 1000, "SYN,ACK", ack=1, **outward), 0),
            (udp(1, 2, **outward), 0),
            (udp(1, 2, **outward), 7),
            (udp(1, 53, **outward), 0),
        )
    ]
    assert told == ["accept", "drop", "accept", "reject"]


def test_harness_shows_the_answer_to_what_is_rejected(kernel):
    kernel.load(BY_HAND)
    reset = kernel.arrive(tcp(1000, 22, "SYN"), "lan0").answer
    assert (reset[9], reset[12:20]) == (TCP, tcp(source=SERVER, destination=CLIENT)[12:20])
    error = kernel.arrive(udp(1000, 53), "lan0").answer
    assert error[20:22] == bytes([3, 3])  # port unreachable
    assert error[28 + 9] == UDP  # of the packet quoted
    assert kernel.arrive(tcp(1000, 22, "RST"), "lan0") == ("reject", None)  # is not answered


def test_harness_reads_what_was_counted_and_learnt(kernel):
    kernel.load(BY_HAND)
    for _ in range(3):
        kernel.arrive(udp(1000, 53), "lan0")
    counted = kernel.counted()
    assert counted.counters == {
        ("inet", "filter", "early", 1): (3, 84),
        ("inet", "filter", "through", 4): (0, 0),
        ("inet", "filter", "asked"): (3, 84),
    }
    assert counted.elements == {("inet", "filter", "seen"): {CLIENT}}


def test_harness_forgets_with_every_ruleset(kernel):
    only_answers = """
    table inet filter {
      chain through {
        type filter hook forward priority 0; policy drop;
        ct state established accept
      }
    }"""
    kernel.load("")
    assert kernel.arrive(icmp(8), "lan0").fate == "accept"
    kernel.load(only_answers)
    assert kernel.arrive(icmp(0, source=SERVER, destination=CLIENT), "wan0").fate == "drop"
    with pytest.raises(RefusedError, match="syntax error"):
        kernel.load("table inet filter { nonsense")


def test_all_traffic_passes_where_there_are_no_rules(kernel):
    kernel.load("")
    traffic = draw_traffic(random.Random(1), 2000)
    fates = Counter(
        (kernel.emit if packet.hook == "output" else kernel.arrive)(
            packet.wire, packet.mark if packet.hook == "output" else packet.device
        ).fate
        for packet in traffic
    )
    assert fates == {"accept": 2000}
    assert {packet.hook for packet in traffic} == {"forward", "input", "output"}


def test_nft_accepts_every_drawn_ruleset(kernel):
    for seed in range(100):
        kernel.load(str(draw_ruleset(random.Random(seed))))


@AWAITED
def test_packets_fare_as_in_the_kernel(pytestconfig):
    rulesets, seed = pytestconfig.getoption("rulesets"), pytestconfig.getoption("seed")
    workers = os.cpu_count() or 1
    share = -(-rulesets // workers)
    seeds = [seed * 1_000_000 + worker * 10_000 for worker in range(workers)]
    with ProcessPoolExecutor(workers) as pool:
        tallies = list(pool.map(run, seeds, [share] * workers, [PACKETS] * workers))
    fates = sum((tally.fates for tally in tallies), Counter())
    print(f"{sum(tally.rulesets for tally in tallies)} rulesets, {sorted(fates.items())}")  # noqa: T201 - for -s
    for tally in tallies:
        assert not tally.differences, "\n\n".join(tally.differences)
        assert not tally.refused, "\n".join(tally.refused)
    assert sum(tally.rulesets for tally in tallies) == share * workers
    assert all(fates[hook, fate] for hook in ("forward", "input", "output")
               for fate in ("accept", "drop", "reject"))  # fmt: skip
