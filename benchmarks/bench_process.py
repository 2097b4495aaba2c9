"""What a packet costs, beside dpkt's parse of the same bytes and the least that Python could do.

    pytest benchmarks --benchmark-only            every workload, as pytest-benchmark shows it
    python benchmarks/bench_process.py            ratios, taken side by side in one run

The floor is one struct call and one look-up in a dict. Ratios hold on any machine; nanoseconds only
on the one that measured them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from struct import Struct
from typing import Callable, Iterable  # noqa: UP035 - Python 3.9

import dpkt
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from statefulinspect import Config, CtState, Limits, Tracker
from workloads import WORKLOADS

UNPACK = Struct("!BxHxxHxBxx12s").unpack_from
PACE = 1e-5  # seconds between two packets
UNBOUNDED = Config(limits=Limits(max_connections=None))


def track(packets: Iterable[bytes]) -> Tracker:
    """Send packets through a new tracker."""
    tracker = Tracker(config=UNBOUNDED)
    process, now = tracker.process, 0.0
    for packet in packets:
        process(packet, now)
        now += PACE
    return tracker


def parse(packets: Iterable[bytes]) -> None:
    """Let dpkt parse the same packets."""
    ipv4, ipv6 = dpkt.ip.IP, dpkt.ip6.IP6
    for packet in packets:
        if packet[0] == 0x45:
            ipv4(packet)
        else:
            ipv6(packet)


def floor(packets: Iterable[bytes]) -> Callable[[list[bytes]], None]:
    """Make what reads the header and looks something up, and no more."""
    look_up = {UNPACK(packet)[4]: packet for packet in packets}.get

    def least(packets: Iterable[bytes]) -> None:
        for packet in packets:
            _, _, _, _, ends = UNPACK(packet)
            look_up(ends)

    return least


@pytest.mark.parametrize("name", WORKLOADS)
def test_process(benchmark, name):  # type: ignore[no-untyped-def]  # pytest-benchmark's fixture
    """Time a whole workload."""
    packets = WORKLOADS[name]()
    benchmark.extra_info["packets"] = len(packets)
    tracker = benchmark(track, packets)
    tracker.check()


@pytest.mark.parametrize("name", WORKLOADS)
def test_workloads_are_healthy(name):  # type: ignore[no-untyped-def]
    """No packet of a workload is INVALID, or the figures would be those of refusals."""
    tracker = Tracker(config=UNBOUNDED)
    for number, packet in enumerate(WORKLOADS[name]()):
        assert tracker.process(packet, number * PACE).ct_state is not CtState.INVALID


def seconds(work: Callable[[list[bytes]], object], packets: list[bytes]) -> float:
    """Time one round."""
    began = time.perf_counter()
    work(packets)
    return time.perf_counter() - began


def compare(packets: list[bytes], rounds: int) -> tuple[float, float, float]:
    """Tell nanoseconds a packet, and the medians of the ratios to dpkt and to the floor."""
    least = floor(packets)
    own, dpkts, floors = [], [], []
    for _ in range(rounds):
        took = seconds(track, packets)
        own.append(took)
        dpkts.append(took / seconds(parse, packets))
        floors.append(took / seconds(least, packets))
    middle = statistics.median
    return middle(own) / len(packets) * 1e9, middle(dpkts), middle(floors)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"{'workload':<16} {'ns/packet':>9} {'of dpkt.ip.IP(raw)':>19} {'of the floor':>13}")
    for name, workload in WORKLOADS.items():
        cost, of_dpkt, of_floor = compare(workload(), rounds)
        print(f"{name:<16} {cost:>9.0f} {of_dpkt:>19.2f} {of_floor:>13.1f}")


if __name__ == "__main__":
    main()
