"""What attacks cost, and whether the promises hold while they go on.

    python benchmarks/attacks.py                                 all, full size: minutes, 2 GB
    python benchmarks/attacks.py --quick                         all, small, for CI
    python benchmarks/attacks.py --only syn_flood --size 2000000

Promises are asserted: who is assured lives on, tables stay as small as they may be, no call looks
at more entries than its share. Costs are told as ratios to an honest opener at an empty table,
taken in the same run; nanoseconds hold on one machine only.
"""

from __future__ import annotations

import argparse
import gc
import random
import struct
import sys
import time
from pathlib import Path
from typing import Callable, Iterable  # noqa: UP035 - Python 3.9

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from builders import CLIENT, SERVER, piece, tcp, udp
from collisions import KEYS, compare
from statefulinspect import Config, CtState, Direction, Limits, Tracker, Verdict
from statefulinspect.keeper import SWEEP_AT_MOST

BACK = {"source": SERVER, "destination": CLIENT}
YEAR = 365 * 86_400.0
SYN, QUERY = tcp(flags="SYN"), udp()
OPENERS = 50_000  # for the cost of an honest one


def from_key(packet: bytes, key: bytes) -> bytes:
    """Give a packet other addresses and ports."""
    return packet[:12] + key + packet[24:]


def random_openers(count: int, packet: bytes = SYN, seed: int = 1) -> Iterable[bytes]:
    """Open from sources that do not exist, from 11.0.0.0 on, so that none is honest."""
    dice = random.Random(seed)
    for _ in range(count):
        yield from_key(packet, struct.pack("!Q", dice.getrandbits(56) | 11 << 56) + bytes(4))


def spent(tracker: Tracker, packets: Iterable[bytes], now: float = 0.0, pace: float = 0.0) -> float:
    """Process packets; tell the nanoseconds of each."""
    packets = list(packets)
    process, clock = tracker.process, time.perf_counter_ns
    began = clock()
    for packet in packets:
        now += pace
        process(packet, now)
    return (clock() - began) / len(packets)


def resident() -> float:
    """Tell the memory of this process in megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def honest_cost(packet: bytes = SYN) -> float:
    """Tell what an opener costs while there are few."""
    tracker = Tracker(config=Config(limits=Limits(max_connections=None)))
    return spent(tracker, random_openers(OPENERS, packet))


def shake_hands(tracker: Tracker, port: int, server_port: int = 80) -> Verdict:
    """Open a connection whose ends both prove themselves."""
    tracker.process(tcp(port, server_port, "SYN", 100), 0.0)
    tracker.process(tcp(server_port, port, "SYN,ACK", 900, 101, **BACK), 0.0)
    return tracker.process(tcp(port, server_port, "ACK", 101, 901), 0.0)


def syn_flood(size: int) -> str:
    """Open from random sources at a table that is full, beside a tenth that is assured."""
    room = max(size // 20, 100)
    tracker = Tracker(config=Config(limits=Limits(max_connections=room)))
    honest = [shake_hands(tracker, port).connection for port in range(room // 10)]
    base = honest_cost()
    spent(tracker, random_openers(room, seed=2))
    gc.collect()
    batch, costs, memory = max(size // 20, 1), [], []
    for number in range(20):
        costs.append(spent(tracker, random_openers(batch, seed=3 + number), now=number * 0.01))
        memory.append(resident())
        assert len(tracker._table) == room, "the table is larger than it may be, or has shrunk"
    tracker.check()
    for port, connection in enumerate(honest):
        verdict = tracker.process(tcp(80, port, "PSH,ACK", 901, 101, data=b"x", **BACK), 1.0)
        answer = verdict.ct_state, verdict.direction, verdict.connection
        assert answer == (CtState.ESTABLISHED, Direction.REPLY, connection), answer
    cost = sum(costs) / len(costs)
    return (
        f"{size} openers into {room}: {cost:.0f} ns each, {cost / base:.2f} of {base:.0f}; "
        f"{len(honest)} assured ones alive; "
        f"memory {memory[9]:.0f} MB at half of it, {memory[-1]:.0f} MB at the end"
    )


def stray_flood(size: int) -> str:
    """Send segments that belong to no connection, as if they answered."""
    tracker, base = Tracker(), honest_cost()
    kinds = [tcp(flags=flags) for flags in ("ACK", "RST", "SYN,ACK", "FIN,ACK")]
    strays = [
        packet
        for number, kind in enumerate(kinds)
        for packet in random_openers(size // len(kinds), kind, seed=number)
    ]
    cost = spent(tracker, strays)
    assert len(tracker) == 0, "a segment of no connection has opened one"
    return f"{len(strays)} stray segments: {cost:.0f} ns each, {cost / base:.2f} of an opener"


def half_open_flood(size: int) -> str:
    """Open from one source that may open ten a second."""
    limits = Limits(new_per_second_per_source=10, max_per_source=100)
    tracker, base = Tracker(config=Config(limits=limits)), honest_cost()
    openers = (tcp(number % 65_536, number >> 16, "SYN") for number in range(size))
    cost = spent(tracker, openers, pace=0.0001)
    assert len(tracker) <= 100, "a source has more than it may"
    return f"{size} openers of one source: {cost:.0f} ns each, {cost / base:.2f} of an opener"


def fragment_flood(size: int) -> str:
    """Send first fragments of datagrams that never become whole."""
    room, dice = 1 << 20, random.Random(1)
    tracker = Tracker(config=Config(limits=Limits(max_fragment_octets=room)))
    whole = udp(data=bytes(1400))
    fragments = (
        from_key(piece(whole, 0, 1000, id_=dice.getrandbits(16)), dice.randbytes(8) + whole[20:24])
        for _ in range(size)
    )
    base, cost = honest_cost(QUERY), spent(tracker, fragments, pace=0.001)
    tracker.check()
    return (
        f"{size} fragments into {room} octets: {cost:.0f} ns each, {cost / base:.2f} of an opener"
    )


def expectation_flood(size: int) -> str:
    """Announce by FTP over and over, on as many control connections as it takes."""
    talks = max(size // 100, 1)
    limits = Limits(max_expectations=max(talks // 2, 1))
    tracker = Tracker(config=Config(limits=limits))
    for port in range(talks):
        shake_hands(tracker, port, 21)
        tracker.process(tcp(21, port, "PSH,ACK", 901, 101, data=b"220 hi\r\n", **BACK), 0.0)
        tracker.process(tcp(port, 21, "PSH,ACK", 101, 909, data=b"USER me\r\n"), 0.0)
    commands = (
        tcp(port, 21, "PSH,ACK", 110 + 23 * turn, 909, data=b"PORT 10,0,1,2,%03d,%03d\r\n" % told)
        for turn in range(size // talks)
        for port in range(talks)
        for told in [divmod(1024 + (port * 7 + turn * 31) % 60_000, 256)]
    )
    cost, base = spent(tracker, commands), honest_cost()
    assert len(tracker.expectations) <= limits.max_expectations
    tracker.check()
    return (
        f"{size} announcements on {talks} connections: {cost:.0f} ns each, "
        f"{cost / base:.2f} of an opener; {len(tracker.expectations)} expected at the end"
    )


def collisions(size: int) -> str:
    """Open flows whose keys would all have one hash, were they integers or tuples."""
    ratios = {name: compare(make, size, 5).best for name, make in KEYS.items()}
    told = ", ".join(f"{ratio:.2f} {name}" for name, ratio in ratios.items())
    return f"{size} flows that would collide, of random ones: {told}"


def _idle(size: int) -> Tracker:
    tracker = Tracker(config=Config(limits=Limits(max_connections=None)))
    spent(tracker, random_openers(size, QUERY))
    return tracker


def _drain(size: int, at: float) -> str:
    """Let all time out at once, then send packets until nothing of it is left."""
    tracker, calls, worst, total = _idle(size), 0, 0, 0
    clock = time.perf_counter_ns
    gc.collect()
    while len(tracker._table) > 1:
        left, began = len(tracker._table), clock()
        verdict = tracker.process(QUERY, at)
        took = clock() - began
        worst, total, calls = max(worst, took), total + took, calls + 1
        assert verdict.ct_state is CtState.NEW, "what has expired answers"
        assert left - len(tracker._table) <= SWEEP_AT_MOST, "a call has removed too many"
    return (
        f"{size} idle entries gone in {calls} calls: {total / size:.0f} ns an entry, "
        f"worst call {worst / 1000:.0f} us"
    )


def mass_expiry(size: int) -> str:
    """Have as many entries expire at one instant."""
    return _drain(size, 31.0)


def year(size: int) -> str:
    """Jump a year ahead with as many entries in the table."""
    return _drain(size, YEAR)


# attack: sizes of a full and of a quick run
ATTACKS: dict[Callable[[int], str], tuple[int, int]] = {
    syn_flood: (2_000_000, 40_000),
    stray_flood: (200_000, 10_000),
    half_open_flood: (200_000, 10_000),
    fragment_flood: (200_000, 10_000),
    expectation_flood: (200_000, 10_000),
    collisions: (50_000, 5_000),
    mass_expiry: (1_000_000, 20_000),
    year: (1_000_000, 20_000),
}


def main() -> None:
    """Run and report."""
    names = {attack.__name__: attack for attack in ATTACKS}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument(
        "--only",
        choices=names,
        nargs="+",
        default=[*names],
        metavar="ATTACK",
        help=f"some of {', '.join(names)}",
    )
    parser.add_argument("--size", type=int, help="packets or entries")
    arguments = parser.parse_args()
    for name, attack in names.items():
        if name in arguments.only:
            size = arguments.size or ATTACKS[attack][arguments.quick]
            print(f"{name:18} {attack(size)}", flush=True)


if __name__ == "__main__":
    main()
