"""What a packet costs, beside dpkt's parse of the same bytes.

    pytest benchmarks --benchmark-only            every case, as pytest-benchmark shows it
    python benchmarks/bench_process.py            ratios to dpkt.ip.IP(raw), taken in one run

Ratios hold on any machine; nanoseconds only on the one that measured them.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Callable, Iterable  # noqa: UP035 - Python 3.9

import dpkt
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from builders import CLIENT, SERVER, tcp, udp
from statefulinspect import Config, Tracker

SEGMENTS, FLOWS = 20_000, 2_000
TIMESTAMPS = bytes.fromhex("0101080a0000000100000002")
BACK = {"source": SERVER, "destination": CLIENT}


def handshake(port: int) -> list[bytes]:
    """Open a connection from one port."""
    return [
        tcp(port, 80, "SYN", 0),
        tcp(80, port, "SYN,ACK", 5000, 1, **BACK),
        tcp(port, 80, "ACK", 1, 5001),
    ]


def bulk(options: bytes = b"") -> list[bytes]:
    """One download: full segments down, an acknowledgement up for every second."""
    packets, seq = handshake(1000), 5001
    for number in range(SEGMENTS):
        packets.append(tcp(80, 1000, "ACK", seq, 1, data=bytes(1448), options=options, **BACK))
        seq = (seq + 1448) % 2**32
        if number % 2:
            packets.append(tcp(1000, 80, "ACK", 1, seq, options=options))
    return packets


def interleaved() -> list[bytes]:
    """Many connections in turn, ten segments each."""
    packets = [packet for port in range(FLOWS) for packet in handshake(port)]
    for number in range(10):
        packets += [
            tcp(80, port, "ACK", 5001 + 100 * number, 1, data=bytes(100), **BACK)
            for port in range(FLOWS)
        ]
    return packets


def lookups() -> list[bytes]:
    """DNS: every question from a new port, answered at once."""
    return [
        packet
        for number in range(SEGMENTS // 2)
        for packet in (
            udp(number, 53, bytes(30)),
            udp(53, number, bytes(100), **BACK),
        )
    ]


def flood() -> list[bytes]:
    """SYNs from one new port after the other, never answered."""
    return [tcp(number, 80, "SYN", number) for number in range(SEGMENTS)]


WORKLOADS: dict[str, Callable[[], list[bytes]]] = {
    "bulk": bulk,
    "bulk-timestamps": lambda: bulk(TIMESTAMPS),
    "interleaved": interleaved,
    "dns": lookups,
    "syn-flood": flood,
}


def track(packets: Iterable[bytes]) -> Tracker:
    """Send packets 10 microseconds apart through a new tracker."""
    tracker = Tracker(config=Config())
    process, now = tracker.process, 0.0
    for packet in packets:
        process(packet, now)
        now += 1e-5
    return tracker


def parse(packets: Iterable[bytes]) -> None:
    """Let dpkt parse the same packets."""
    for packet in packets:
        dpkt.ip.IP(packet)


@pytest.mark.parametrize("name", WORKLOADS)
def test_process(benchmark, name):  # type: ignore[no-untyped-def]  # pytest-benchmark's fixture
    """Time a whole workload."""
    packets = WORKLOADS[name]()
    benchmark.extra_info["packets"] = len(packets)
    tracker = benchmark(track, packets)
    tracker.check()


def ratio(packets: list[bytes], rounds: int = 7) -> tuple[float, float]:
    """Tell nanoseconds a packet, and the median of the ratios to dpkt taken side by side."""
    own, ratios = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        track(packets)
        between = time.perf_counter()
        parse(packets)
        own.append(between - began)
        ratios.append((between - began) / (time.perf_counter() - between))
    return statistics.median(own) / len(packets) * 1e9, statistics.median(ratios)


def main() -> None:
    """Print the table."""
    print(f"{'workload':<16} {'ns/packet':>9} {'of dpkt.ip.IP(raw)':>19}")
    for name, workload in WORKLOADS.items():
        cost, share = ratio(workload())
        print(f"{name:<16} {cost:>9.0f} {share:>19.2f}")


if __name__ == "__main__":
    main()
