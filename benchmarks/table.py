"""All that docs/performance.md tells of one interpreter: workloads, rules, memory and collisions.

    python benchmarks/table.py                       the whole, in Markdown: half an hour, 2 GB
    python benchmarks/table.py --only W1 W5 rules    some parts and workloads, by how they begin
    python benchmarks/table.py --quick               one round, and small: that it runs

How to read it says docs/performance.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Iterator  # noqa: UP035 - Python 3.9

sys.path.insert(0, str(Path(__file__).parent))
import attrs

import bench_process
import bench_rules
import bench_settings
import collisions
import memory
from cases import CASES
from machine import describe

PARTS = ("workloads", "rules", "settings", "memory", "collisions")
ROUNDS = 5


@attrs.frozen
class Size:
    """Hold how much is measured; `packets` bounds those of a workload, None being all."""

    rounds: int
    packets: int | None
    rules: tuple[int, ...]
    connections: int
    flows: int


FULL = Size(ROUNDS, None, bench_rules.SIZES, memory.CONNECTIONS, collisions.FLOWS)
QUICK = Size(1, 5_000, bench_rules.SIZES[:3], 10_000, collisions.FEW)


def workloads(size: Size, names: list[str]) -> Iterator[str]:
    """Write the table of workloads."""
    yield "### Workloads\n"
    yield from bench_process.lines(names, size.rounds, size.packets)
    if any(name.startswith("W8") for name in names):
        yield ""
        yield from bench_process.sweep_lines(size.rounds, size.packets)


def rules(size: Size) -> Iterator[str]:
    """Write what rules cost."""
    yield "### Rules: the matcher alone, for first packets\n"
    yield from bench_rules.lines(size.rules, size.rounds)
    yield f"\n{bench_rules.established_line(size.rounds)}"


def settings(size: Size) -> Iterator[str]:
    """Write what settings cost."""
    yield "### Settings: a packet with right checksums, beside `dpkt.ip.IP(raw)`\n"
    yield from bench_settings.lines(bench_settings.SETTINGS, size.rounds, size.packets)
    yield "\n### Rules in front of what accepts the established\n"
    yield from bench_settings.lines(bench_settings.LOOKING, size.rounds, size.packets)


def memory_taken(size: Size) -> Iterator[str]:
    """Write what connections take."""
    yield "### Memory\n"
    yield from memory.lines(size.connections)


def collisions_chosen(size: Size) -> Iterator[str]:
    """Write what an attacker's choice costs."""
    yield "### Chosen collisions\n"
    yield from collisions.lines(size.flows, size.rounds)


def lines(size: Size, only: list[str]) -> Iterator[str]:
    """Write all parts, or those that are asked for by the beginnings of their names."""

    def is_asked_for(name: str) -> bool:
        return not only or name.lower().startswith(tuple(map(str.lower, only)))

    yield f"## {describe()}"
    names = [name for name in CASES if is_asked_for("workloads") or is_asked_for(name)]
    if names:
        yield ""
        yield from workloads(size, names)
    parts = (rules, settings, memory_taken, collisions_chosen)
    for name, part in zip(PARTS[1:], parts):
        if is_asked_for(name):
            yield ""
            yield from part(size)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, help=f"rounds of each, by default {ROUNDS}")
    parser.add_argument("--only", nargs="+", default=[], metavar="PART", help=f"{PARTS}, W1 to W8")
    parser.add_argument("--quick", action="store_true", help="one round, and small")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else FULL
    if arguments.rounds:
        size = attrs.evolve(size, rounds=arguments.rounds)
    for line in lines(size, arguments.only):
        print(line, flush=True)


if __name__ == "__main__":
    main()
