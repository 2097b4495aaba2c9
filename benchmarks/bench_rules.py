"""What rules cost: a new packet among 10 to 10,000 of them, an established one with and without.

    pytest benchmarks/bench_rules.py --benchmark-only
    python benchmarks/bench_rules.py              the table

The rules are like ClassBench's firewalls: prefixes of all lengths, exact ports and ranges, TCP and
UDP.
"""

from __future__ import annotations

import random
import sys
import time
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from statefulinspect import Action, Config, Limits, Rule, Ruleset, Tracker, decode
from statefulinspect.judge import Judge
from statefulinspect.rules.engine.path import decide
from statefulinspect.rules.engine.walk import walk_of
from workloads import SYN, WORKLOADS, Flow

SIZES = (10, 100, 1000, 10_000)
LENGTHS = (8, 16, 20, 24, 24, 28, 32, 32)
PORTS = (22, 53, 80, 123, 443, 8080)
NEW_BIT = 8
PACKETS = 2000
COUNTING = """
table inet filter {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related counter accept
    iifname "lan0" ct state new counter accept
  }
}
"""


def draw_rules(number: int) -> list[Rule]:
    """Draw rules; seeded."""
    dice = random.Random(number)
    return [_draw_rule(dice) for _ in range(number)]


def _draw_rule(dice: random.Random) -> Rule:
    low = dice.randrange(1024, 60_000)
    ports = dice.choice([dice.choice(PORTS), (low, low + dice.randrange(1, 5000)), low, (0, 65535)])
    return Rule(
        dice.choice([Action.ACCEPT, Action.DROP]),
        protocol=dice.choice(["tcp", "udp"]),
        source=_draw_prefix(dice),
        destination=_draw_prefix(dice),
        source_port=dice.choice([(0, 65535), (1024, 65535)]),
        destination_port=ports,
    )


def _draw_prefix(dice: random.Random) -> str:
    length = dice.choice(LENGTHS)
    number = dice.getrandbits(32) >> (32 - length) << (32 - length)
    return f"{ip_address(number)}/{length}"


def draw_packets(rules: list[Rule]) -> list[bytes]:
    """Draw first packets of connections, three in four from and to where some rule looks."""
    dice = random.Random(7)
    return [_draw_packet(dice, dice.choice(rules)) for _ in range(PACKETS)]


def _draw_packet(dice: random.Random, rule: Rule) -> bytes:
    flow = Flow(dice.getrandbits(24), server_port=dice.choice(PORTS))
    if dice.random() < 0.75:
        ends = [each.right for each in rule.statements if "addr" in str(each)]
        flow.client, flow.server = (_within(dice, str(each)) for each in ends)
    return flow.tcp(SYN, 1, 0, is_reply=False)


def _within(dice: random.Random, prefix: str) -> bytes:
    network = ip_network(prefix)
    number = int(network.network_address) + dice.getrandbits(
        network.max_prefixlen - network.prefixlen
    )
    return number.to_bytes(4, "big")


def compiled(rules: list[Rule]) -> Judge:
    """Compile rules, and let a packet be judged, for indexes are made when first asked."""
    judge = Judge(Ruleset(rules, policy=Action.DROP), Config())
    judge_all(judge, draw_packets(rules)[:50])
    return judge


def judge_all(judge: Judge, packets: list[bytes]) -> None:
    """Ask the rules about packets, and nothing else."""
    path = judge.filter.paths["forward"].tracked[4]
    for packet in packets:
        walk = walk_of(decode(packet), 0.0)
        walk.ct_bits = NEW_BIT
        decide(path, walk)


def decode_all(_: Judge, packets: list[bytes]) -> None:
    """Do what `judge_all` does beside asking the rules."""
    for packet in packets:
        walk_of(decode(packet), 0.0)


def track(ruleset: Ruleset, packets: list[bytes]) -> Tracker:
    """Send packets through a new tracker."""
    tracker = Tracker(ruleset, Config(limits=Limits(max_connections=None)))
    process, now = tracker.process, 0.0
    for packet in packets:
        process(packet, now, iif="lan0")
        now += 1e-5
    return tracker


@pytest.mark.parametrize("number", SIZES)
def test_new_packets(benchmark, number):  # type: ignore[no-untyped-def]  # pytest-benchmark's fixture
    """Time the rules alone, for first packets."""
    rules = draw_rules(number)
    judge, packets = compiled(rules), draw_packets(rules)
    benchmark.extra_info["packets"] = len(packets)
    benchmark(judge_all, judge, packets)


@pytest.mark.parametrize("number", SIZES)
def test_compiling(benchmark, number):  # type: ignore[no-untyped-def]
    """Time how long it takes until the first packets are judged."""
    benchmark(compiled, draw_rules(number))


@pytest.mark.parametrize(
    "rules", [Ruleset.default(), Ruleset.parse(COUNTING)], ids=["default", "counting"]
)
def test_established(benchmark, rules):  # type: ignore[no-untyped-def]
    """Time the download of `workloads` under rules."""
    benchmark(track, rules, WORKLOADS["W1 bulk"]())


def best(work: object, *given: object, rounds: int = 5) -> float:
    """Tell the shortest of a few rounds, in seconds."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        work(*given)  # type: ignore[operator]
        took.append(time.perf_counter() - began)
    return min(took)


def main() -> None:
    """Print the table."""
    print(f"{'rules':>6} {'compiled':>10} {'a new packet':>13}")
    for number in SIZES:
        rules = draw_rules(number)
        judge, packets = compiled(rules), draw_packets(rules)
        whole, rest = best(judge_all, judge, packets), best(decode_all, judge, packets)
        built = best(compiled, rules, rounds=3)
        print(f"{number:>6} {built:>8.3f} s {(whole - rest) / len(packets) * 1e6:>10.2f} us")
    packets = WORKLOADS["W1 bulk"]()
    plain = best(track, Ruleset.default(), packets)
    counting = best(track, Ruleset.parse(COUNTING), packets)
    print(f"established: {plain / len(packets) * 1e9:.0f} ns by default rules, ", end="")
    print(f"{counting / plain:.2f} times that with counters and interfaces")


if __name__ == "__main__":
    main()
