"""Feed random and mutated packets to a tracker: nothing may raise, and `check()` must hold.

    python benchmarks/hostile.py --packets 1000000 --seed 1

Half of the packets are mutations of the recorded captures (bits flipped, cut, joined, repeated),
which reach deep into the machines; the rest are headers with random fields, fragments of few
datagrams that fit and do not fit each other, and plain noise.
"""

from __future__ import annotations

import argparse
import random
import struct
import time
from pathlib import Path

import dpkt

from statefulinspect import Config, Limits, Ruleset, TcpPolicy, Tracker

CAPTURES = Path(__file__).parent.parent / "tests" / "captures"
CHECK_EVERY = 50_000


def recorded_packets() -> list[bytes]:
    """Read the IP packets of the Ethernet captures."""
    packets = []
    for name in ("office", "ping", "ftp-active", "tftp"):
        with (CAPTURES / f"{name}.pcap").open("rb") as file:
            packets += [frame[14:] for _, frame in dpkt.pcap.Reader(file)]
    return packets


def noise(dice: random.Random) -> bytes:
    """Make bytes that are nothing."""
    return dice.randbytes(dice.randrange(100))


def header(dice: random.Random) -> bytes:
    """Make an IP packet with fields of a small universe and a random transport part."""
    protocol = dice.choice((0, 1, 6, 6, 6, 17, 17, 47, 58, 60, 89, 132, 136, dice.randrange(256)))
    body = dice.randbytes(dice.randrange(60))
    if protocol == 132:
        chunk = bytes((dice.randrange(15), dice.randrange(2), 0, dice.choice((4, 20))))
        body = bytes(8) + chunk + bytes(16) + body
    if protocol in (6, 17, 132, 136):
        body = struct.pack("!HH", dice.randrange(3), dice.randrange(3)) + body
    ends = bytes((10, 0, 0, dice.randrange(3), 10, 0, 0, dice.randrange(3)))
    if dice.random() < 0.5:
        return struct.pack("!BBHIBBH", 0x45, 0, 20 + len(body), 0, 64, protocol, 0) + ends + body
    addresses = bytes(12) + ends[:4] + bytes(12) + ends[4:]
    return struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + addresses + body


def fragment(dice: random.Random) -> bytes:
    """Make a fragment of one of few datagrams: any place, any end, any headers before it."""
    data = dice.randbytes(8 * dice.randrange(6) + dice.choice((0, 0, 0, 3)))
    more, padding = dice.randrange(2), b"\x2c\0\1\4\0\0\0\0"
    at = dice.choice((0, 0, 1, 2, 3, 5, 8, 8191))
    ends = bytes((10, 0, 0, dice.randrange(3), 10, 0, 0, dice.randrange(3)))
    protocol, number = dice.choice((6, 17, 1, 58, 89, 44, 60)), dice.randrange(8)
    if dice.random() < 0.5:
        head = struct.pack(
            "!BBHHH", 0x45, dice.randrange(4), 20 + len(data), number, more << 13 | at
        )
        return head + bytes((64, protocol, 0, 0)) + ends + data
    body = struct.pack("!BBHI", protocol, 0, at << 3 | more, number) + data
    body = body[: dice.randrange(8)] if dice.random() < 0.05 else body
    before, first = dice.choice(((b"", 44), (padding, 60), (padding, 0)))
    addresses = bytes(12) + ends[:4] + bytes(12) + ends[4:]
    head = struct.pack("!IHBB", 6 << 28, len(before + body), first, 64)
    return head + addresses + before + body


def mutated(dice: random.Random, packets: list[bytes]) -> bytes:
    """Take a recorded packet and spoil it a little."""
    packet = bytearray(dice.choice(packets))
    for _ in range(dice.randrange(4)):
        packet[dice.randrange(min(len(packet), 80))] ^= 1 << dice.randrange(8)
    way = dice.random()
    if way < 0.1:
        return bytes(packet[: dice.randrange(len(packet))])
    return bytes(packet + packet if way < 0.15 else packet)


def drawn(dice: random.Random, packets: list[bytes], kind: float) -> bytes:
    """Make a packet of the kind that a number from 0 to 1 says."""
    if kind < 0.5:
        return mutated(dice, packets)
    if kind < 0.75:
        return header(dice)
    return fragment(dice) if kind < 0.97 else noise(dice)


def trackers() -> list[Tracker]:
    """Make trackers of every temper."""
    loose = TcpPolicy(loose=True, be_liberal=True)
    tight = Limits(max_fragment_octets=9000, max_fragment_distance=3)
    helpers = {0: "sip", 1: "ftp", 2: "irc", 21: "ftp", 69: "tftp"}
    return [
        Tracker(),
        Tracker(config=Config.linux(verify_checksums=False, helpers=helpers)),
        Tracker(config=Config.linux(events=True)),
        Tracker(config=Config(events=True, limits=tight)),
        Tracker(Ruleset.outbound(inside=["10.0.0.0/31", "fd00::/16"]), Config(tcp=loose)),
    ]


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--packets", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    dice, packets, all_trackers = random.Random(arguments.seed), recorded_packets(), trackers()
    began, now = time.perf_counter(), 0.0
    for number in range(1, arguments.packets + 1):
        kind = dice.random()
        packet = drawn(dice, packets, kind)
        now += dice.choice((0, 0.001, 0.1, dice.random() * 10 if kind < 0.01 else 0))
        all_trackers[number % len(all_trackers)].process(packet, now)
        if number % CHECK_EVERY == 0:
            for tracker in all_trackers:
                tracker.check()
    seconds = time.perf_counter() - began
    left = ", ".join(str(len(tracker)) for tracker in all_trackers)
    print(f"{arguments.packets} hostile packets in {seconds:.0f} s: no exception, checks hold")
    print(f"connections left: {left}")


if __name__ == "__main__":
    main()
