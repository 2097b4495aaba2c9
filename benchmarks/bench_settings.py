"""What settings cost: the same packets, with right checksums, under `Config()` and otherwise.

    pytest benchmarks/bench_settings.py --benchmark-only
    python benchmarks/bench_settings.py            the table

Events are taken every so many packets, as a program would that passes them on.
"""

from __future__ import annotations

import argparse
import struct
import sys
from pathlib import Path
from typing import Callable, Final, Iterable, Iterator, Mapping  # noqa: UP035 - Python 3.9

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from bench_process import passed
from cases import PACE
from measuring import UNTOLD, Case, compare, fraction
from statefulinspect import Config, Limits, Ruleset, Tracker
from statefulinspect.checksums import WORD_MAX, summed
from workloads import ICMP, ICMPV6, TCP, UDP, WORKLOADS

ROUNDS = 5
NAMES = ("W1 bulk", "W3 dns", "W4 syn flood", "W5 internet mix")
NO_LIMITS = Limits(max_connections=None)
BEFORE_TRACKING = """table inet raw {
  chain prerouting { type filter hook prerouting priority raw; iifname "lo" notrack; }
}"""
SETTINGS: Final[Mapping[str, Callable[[], Tracker]]] = {
    "`Config()`": lambda: Tracker(config=Config(limits=NO_LIMITS)),
    "`Config.linux()`": lambda: Tracker(config=Config.linux(limits=NO_LIMITS)),
    "`Config(events=True)`": lambda: Tracker(config=Config(limits=NO_LIMITS, events=True)),
    "a chain before tracking": lambda: Tracker(
        Ruleset.parse(BEFORE_TRACKING), Config(limits=NO_LIMITS)
    ),
}
TAKEN_EVERY = 100  # packets
CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2}  # behind the beginning of the header


def with_checksums(packet: bytes) -> bytes:
    """Fill in the checksums of a packet without options."""
    is_ipv4 = packet[0] == 0x45
    start, protocol = (20, packet[9]) if is_ipv4 else (40, packet[6])
    addresses = packet[12:20] if is_ipv4 else packet[8:40]
    at = CHECKSUM_AT[protocol]
    head, tail = packet[start : start + at] + bytes(2), packet[start + at + 2 :]
    pseudo = addresses + struct.pack("!II", len(head + tail), protocol)
    octets = (b"" if protocol == ICMP else pseudo) + head + tail
    total = int.from_bytes(octets + bytes(len(octets) % 2), "big") % WORD_MAX
    payload = head[:-2] + (WORD_MAX - total).to_bytes(2, "big") + tail
    return (summed(packet[:20]) if is_ipv4 else packet[:40]) + payload


def drive(tracker: Tracker, packets: list[bytes]) -> None:
    """Send packets through a tracker, and take what it tells."""
    process, now = tracker.process, 0.0
    for at in range(0, len(packets), TAKEN_EVERY):
        for packet in packets[at : at + TAKEN_EVERY]:
            process(packet, now)
            now += PACE
        tracker.events()


def case_of(name: str, setting: str) -> Case:
    """Make the case of a workload under a setting."""
    return Case(
        lambda: [with_checksums(packet) for packet in WORKLOADS[name]()],
        lambda _: SETTINGS[setting](),
        drive,
    )


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", NAMES)
def test_setting(benchmark, request, name, setting):  # type: ignore[no-untyped-def]
    """Time a workload under a setting; all packets must pass."""
    case, subjects = case_of(name, setting), []
    packets = case.write()

    def setup():  # type: ignore[no-untyped-def]
        subjects[:] = [case.prepare(packets)]
        return (subjects[0], packets), {}

    rounds = request.config.option.benchmark_min_rounds
    benchmark.pedantic(case.run, setup=setup, rounds=rounds, warmup_rounds=UNTOLD)
    assert passed(subjects[0]) == len(packets)


def lines(rounds: int, at_most: int | None = None) -> Iterator[str]:
    """Write the table, each workload of at most so many packets."""
    yield f"| workload | {' | '.join(SETTINGS)} |"
    yield f"|---|{'---:|' * len(SETTINGS)}"
    for name in NAMES:
        cases = [case_of(name, setting) for setting in SETTINGS]
        packets = cases[0].write()[:at_most]
        yield f"| {name} | {' | '.join(cells(cases, packets, rounds))} |"


def cells(cases: Iterable[Case], packets: list[bytes], rounds: int) -> Iterator[str]:
    """Tell what a packet costs in each case, and beside dpkt's parse."""
    for case in cases:
        told = compare(case, packets, rounds)
        yield f"{told.nanoseconds.median:,.0f} ns, {fraction(told.of_dpkt.median)}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    for line in lines(parser.parse_args().rounds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
