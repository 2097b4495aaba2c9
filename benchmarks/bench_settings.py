"""What settings and kinds of rules cost: the same packets, under `Config()` and otherwise.

    pytest benchmarks/bench_settings.py --benchmark-only
    python benchmarks/bench_settings.py            the tables

Packets have right checksums. Events are taken every so many packets, as a program would that passes
them on. Rules of each kind stand where people write them, in front of what accepts the established.
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
from cases import PACE, UNBOUNDED
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
Columns = Mapping[str, Callable[[], Tracker]]
SETTINGS: Final[Columns] = {
    "`Config()`": lambda: Tracker(config=Config(limits=NO_LIMITS)),
    "`Config.linux()`": lambda: Tracker(config=Config.linux(limits=NO_LIMITS)),
    "`Config(events=True)`": lambda: Tracker(config=Config(limits=NO_LIMITS, events=True)),
    "a chain before tracking": lambda: Tracker(
        Ruleset.parse(BEFORE_TRACKING), Config(limits=NO_LIMITS)
    ),
}
CHAIN = """table inet filter {{
  set blocked {{ type ipv4_addr; flags timeout; elements = {{ 192.0.2.1 timeout 30d }}; }}
  chain forward {{ type filter hook forward priority filter; policy accept;
    {}
    ct state established,related accept
    meta l4proto {{ tcp, udp, icmp, icmpv6 }} accept
  }}
}}"""
KINDS: Final[Mapping[str, str]] = {
    "none": "",
    "`tcp flags`": """tcp flags & (fin | syn) == fin | syn drop
                      tcp flags & (fin | syn | rst | ack) != syn ct state new drop""",
    "`ct state vmap`": "ct state vmap { established : accept, related : accept, invalid : drop }",
    "a blocklist that ages": "ip saddr @blocked drop",
    "`ip ttl`": "ip ttl < 2 drop",
    "`limit`": "ct state new limit rate over 1000000/second drop",
    "`ct mark set`": "ct state new ct mark set 1",
}


def behind(rules: str) -> Callable[[], Tracker]:
    """Make what makes a tracker with such rules in front."""
    return lambda: Tracker(Ruleset.parse(CHAIN.format(rules)), UNBOUNDED)


LOOKING: Final[Columns] = {name: behind(rules) for name, rules in KINDS.items()}
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


def case_of(name: str, make: Callable[[], Tracker]) -> Case:
    """Make the case of a workload and its tracker."""
    return Case(
        lambda: [with_checksums(packet) for packet in WORKLOADS[name]()], lambda _: make(), drive
    )


@pytest.mark.parametrize("column", [*SETTINGS, *LOOKING])
@pytest.mark.parametrize("name", NAMES)
def test_setting(benchmark, request, name, column):  # type: ignore[no-untyped-def]
    """Time a workload under a setting, or behind rules; all packets must pass."""
    case, subjects = case_of(name, {**SETTINGS, **LOOKING}[column]), []
    packets = case.write()

    def setup():  # type: ignore[no-untyped-def]
        subjects[:] = [case.prepare(packets)]
        return (subjects[0], packets), {}

    rounds = request.config.option.benchmark_min_rounds
    benchmark.pedantic(case.run, setup=setup, rounds=rounds, warmup_rounds=UNTOLD)
    assert passed(subjects[0]) == len(packets)


def lines(columns: Columns, rounds: int, at_most: int | None = None) -> Iterator[str]:
    """Write a table, each workload of at most so many packets."""
    yield f"| workload | {' | '.join(columns)} |"
    yield f"|---|{'---:|' * len(columns)}"
    for name in NAMES:
        cases = [case_of(name, make) for make in columns.values()]
        packets = cases[0].write()[:at_most]
        yield f"| {name} | {' | '.join(cells(cases, packets, rounds))} |"


def cells(cases: Iterable[Case], packets: list[bytes], rounds: int) -> Iterator[str]:
    """Tell what a packet costs in each case, and beside dpkt's parse."""
    for case in cases:
        told = compare(case, packets, rounds)
        yield f"{told.nanoseconds.median:,.0f} ns, {fraction(told.of_dpkt.median)}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    for columns in (SETTINGS, LOOKING):
        print(*lines(columns, rounds), sep="\n", end="\n\n", flush=True)


if __name__ == "__main__":
    main()
