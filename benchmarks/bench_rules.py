"""What rules cost: a new packet among 10 to 10,000 of them, an established one with and without.

pytest benchmarks/bench_rules.py --benchmark-only
python benchmarks/bench_rules.py              the table
"""

from __future__ import annotations

import argparse
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Iterable, Iterator  # noqa: UP035 - Python 3.9

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from cases import PACE, UNBOUNDED
from measuring import UNTOLD, Case, compare, fraction, repeat, seconds
from rulebase import draw_packets, draw_rules
from statefulinspect import Action, Config, Rule, Ruleset, Tracker, decode
from statefulinspect.judge import Judge
from statefulinspect.rules.engine.path import decide
from statefulinspect.rules.engine.walk import Walk, walk_of
from workloads import bulk

SIZES = (10, 100, 1000, 10_000)
ROUNDS = 5
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


HEAD = """\
| rules | built | a new packet | best | of `dpkt.ip.IP(raw)` | times the floor |
|---:|---:|---:|---:|---:|---:|"""


def compiled(rules: list[Rule]) -> Judge:
    """Compile rules, and let packets be judged, for indexes are made when first asked for."""
    judge = Judge(Ruleset(rules, policy=Action.DROP), Config())
    decide_all(judge, walks(draw_packets(rules, 50)))
    return judge


def walks(packets: list[bytes]) -> list[Walk]:
    """Make of packets what rules look at: decoded, and NEW."""
    made = [walk_of(decode(packet), 0.0) for packet in packets]
    for walk in made:
        walk.ct_bits = NEW_BIT
    return made


def decide_all(judge: Judge, walks: list[Walk]) -> None:
    """Ask the rules about packets, and nothing else."""
    path = judge.filter.paths["forward"].tracked[4]
    for walk in walks:
        decide(path, walk)


def case_of(rules: list[Rule]) -> Case:
    """Make the case of the matcher alone."""
    judge = compiled(rules)
    return Case(
        partial(draw_packets, rules, PACKETS), walks, lambda made, _: decide_all(judge, made)
    )


def track(ruleset: Ruleset, packets: list[bytes]) -> None:
    """Send packets through a new tracker."""
    process, now = Tracker(ruleset, UNBOUNDED).process, 0.0
    for packet in packets:
        process(packet, now, iif="lan0")
        now += PACE


@pytest.mark.parametrize("number", SIZES)
def test_new_packets(benchmark, request, number):  # type: ignore[no-untyped-def]  # pytest-benchmark's
    """Time the rules alone, for first packets."""
    case = case_of(draw_rules(number))
    packets = case.write()
    benchmark.extra_info["packets"] = len(packets)
    benchmark.pedantic(
        case.run,
        setup=lambda: ((walks(packets), packets), {}),
        rounds=request.config.option.benchmark_min_rounds,
        warmup_rounds=UNTOLD,
    )


@pytest.mark.parametrize("number", SIZES)
def test_compiling(benchmark, number):  # type: ignore[no-untyped-def]
    """Time how long it takes until the first packets are judged."""
    benchmark(compiled, draw_rules(number))


@pytest.mark.parametrize(
    "rules", [Ruleset.default(), Ruleset.parse(COUNTING)], ids=["default", "counting"]
)
def test_established(benchmark, rules):  # type: ignore[no-untyped-def]
    """Time the download of `workloads` under rules."""
    benchmark(track, rules, bulk())


def lines(sizes: Iterable[int], rounds: int) -> Iterator[str]:
    """Write the table of the matcher alone, by the number of rules."""
    yield HEAD
    for size in sizes:
        rules = draw_rules(size)
        built = statistics.median(repeat(partial(seconds, compiled, rules), min(rounds, 3)))
        case = case_of(rules)
        told = compare(case, case.write(), rounds)
        cost, of_floor = told.nanoseconds, told.of_floor
        yield (
            f"| {size:,} | {built * 1e3:,.0f} ms | {cost.median:,.0f} ns | {cost.best:,.0f} ns "
            f"| {fraction(told.of_dpkt.median)} | {of_floor.median:.1f} |"
        )


def established_line(rounds: int) -> str:
    """Tell what rules that look at interfaces and count cost an established packet."""
    packets = bulk()
    plain, counting = Ruleset.default(), Ruleset.parse(COUNTING)

    def ratio() -> float:
        return seconds(track, counting, packets) / seconds(track, plain, packets)

    return (
        "An established packet under rules with counters and interfaces costs "
        f"{statistics.median(repeat(ratio, rounds)):.2f} times what it costs by default rules."
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    for line in lines(SIZES, rounds):
        print(line, flush=True)
    print("\n" + established_line(rounds))


if __name__ == "__main__":
    main()
