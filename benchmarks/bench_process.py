"""What a packet costs, beside dpkt's parse of the same bytes and the least that Python could do.

    pytest benchmarks --benchmark-only            every workload, as pytest-benchmark shows it
    python benchmarks/bench_process.py            ratios, taken side by side in one run

Ratios hold on any machine; nanoseconds only on the one that measured them.
"""

from __future__ import annotations

import argparse
import gc
import sys
from functools import partial
from pathlib import Path
from typing import Iterable, Iterator  # noqa: UP035 - Python 3.9

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from cases import CASES, LATER, PACE, dearest_sweep, filled, openers, sweep
from measuring import UNTOLD, Comparison, Round, beside, compare, floor, fraction, repeat
from statefulinspect import Reason, Tracker
from statefulinspect.keeper import SWEEP_AT_MOST
from workloads import WORKLOADS

ROUNDS = 5
HEAD = """\
| workload | ns each | best | of `dpkt.ip.IP(raw)` | best | times the floor | best |
|---|---:|---:|---:|---:|---:|---:|"""


@pytest.mark.parametrize("name", CASES)
def test_case(benchmark, request, name):  # type: ignore[no-untyped-def]  # pytest-benchmark's fixture
    """Time a case, and beside each round what it is compared with.

    All packets of W1 to W6 must pass, or the figures would be those of refusals.
    """
    case, others, subjects = CASES[name], [], []
    packets = case.write()
    least = floor(packets)

    def setup():  # type: ignore[no-untyped-def]
        others.append(beside(packets, least))
        subjects[:] = [case.prepare(packets)]
        gc.collect()
        return (subjects[0], packets), {}

    rounds = request.config.option.benchmark_min_rounds
    benchmark.pedantic(case.run, setup=setup, rounds=rounds, warmup_rounds=UNTOLD)
    subjects[0].check()
    assert name not in WORKLOADS or passed(subjects[0]) == len(packets)
    benchmark.extra_info["packets"] = len(packets)
    if benchmark.stats:  # None where --benchmark-disable
        data = zip(benchmark.stats.stats.data, others[UNTOLD:])
        rounds = [Round(own, *other) for own, other in data]
        benchmark.extra_info.update(told(Comparison(len(packets), rounds)))


def told(comparison: Comparison) -> dict[str, float]:
    """Tell a comparison in words and numbers, for JSON."""
    return {
        f"{name}_{kind}": value
        for name in ("nanoseconds", "of_dpkt", "of_floor")
        for kind, value in getattr(comparison, name)._asdict().items()
    }


def passed(tracker: Tracker) -> int:
    """Count the packets that connections have let pass."""
    return sum(each.original_side.packets + each.reply_side.packets for each in tracker)


def test_rules_decide_all_of_w7():  # type: ignore[no-untyped-def]
    """No packet is INVALID, or the figures would be those of refusals."""
    case = CASES["W7 10,000 rules"]
    packets = case.write()
    tracker = case.prepare(packets)
    for number, packet in enumerate(packets):
        assert tracker.process(packet, number * PACE).reason is Reason.OK


def test_all_of_w8_expires():  # type: ignore[no-untyped-def]
    """All connections are there before, and gone after, by whichever way."""
    packets = openers()[:1000]
    assert len(filled(packets)) == len(packets) == filled(packets).expire(LATER)
    tracker = filled(packets)
    sweep(tracker, packets)
    assert len(tracker._table) == 1, "only the packet that swept has a connection"


def test_no_cycles_are_left():  # type: ignore[no-untyped-def]
    """What expires is freed at once, so that the garbage collector may be off."""
    case = CASES["W5 internet mix"]
    packets = case.write()[:20_000]
    tracker = case.prepare(packets)
    gc.collect()
    gc.disable()
    case.run(tracker, packets)
    tracker.expire(LATER)
    found = gc.collect()
    gc.enable()
    assert found == 0 or sys.implementation.name == "pypy"  # which does not tell


def lines(names: Iterable[str], rounds: int, at_most: int | None = None) -> Iterator[str]:
    """Write the table of cases, each of at most so many packets."""
    yield HEAD
    for name in names:
        case = CASES[name]
        packets = case.write()[:at_most]
        yield row(name, compare(case, packets, rounds))


def row(name: str, comparison: Comparison) -> str:
    """Write a row of the table."""
    cost, of_dpkt, of_floor = comparison.nanoseconds, comparison.of_dpkt, comparison.of_floor
    cells = [name, *(f"{each:,.0f}" for each in cost), *map(fraction, of_dpkt)]
    return f"| {' | '.join(cells)} | {of_floor.median:.1f} | {of_floor.best:.1f} |"


def sweep_lines(rounds: int, at_most: int | None = None) -> Iterator[str]:
    """Tell what the dearest packet costs after time has jumped, in the least disturbed round."""
    packets = openers()[:at_most]
    dearest = min(repeat(partial(dearest_sweep, packets), rounds)) * 1e6
    yield (
        f"W8: with {len(packets):,} expired, a packet removes at most {SWEEP_AT_MOST}; "
        f"the dearest call of a round took {dearest:,.0f} us."
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    for line in lines(CASES, parser.parse_args().rounds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
