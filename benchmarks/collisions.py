"""What flows cost that an attacker has chosen to collide, beside random ones.

    python benchmarks/collisions.py

Python's hash of an integer is its remainder by 2**61 - 1, and a tuple's is mixed from those of its
items: there is no secret in either. So for a table with such keys an attacker can compute flows
that all fall in one place, where each look-up walks over all of them. Keys here are bytes, hashed
with a secret that each process draws.
"""

from __future__ import annotations

import argparse
import random
import statistics
from itertools import islice
from typing import Callable, Iterable, Iterator  # noqa: UP035 - Python 3.9

from cases import drive, fresh
from measuring import Figure, repeat, seconds
from rulebase import FIRST_OCTETS
from workloads import SYN, Flow

MERSENNE = (1 << 61) - 1
FLOWS, FEW, ROUNDS = 50_000, 5_000, 5
FIRST_IPV4 = int.from_bytes(bytes((11, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 80)), "big")
FIRST_IPV6 = 0x2001_0DB8 << 96
SPREAD = 77  # bits: so far apart are the chosen flows of a full run, and so the random ones too
HEAD = """\
| flows that would collide | of random ones | best |
|---|---:|---:|"""


def by_integer(offset: int) -> bytes | None:
    """Open an IPv4 flow whose addresses and ports, as one integer, are so far from the first.

    None where its server has no host's address: what is refused costs less.
    """
    key = (FIRST_IPV4 + offset).to_bytes(12, "big")
    return opener(key[:4], key[4:8], key[8:]) if key[4] in FIRST_OCTETS else None


def by_tuple(offset: int) -> bytes:
    """Open an IPv6 flow whose source is so far from the first; all else is the same."""
    source, server = FIRST_IPV6 + offset, FIRST_IPV6
    return opener(source.to_bytes(16, "big"), server.to_bytes(16, "big"), bytes((4, 0, 0, 80)))


def opener(client: bytes, server: bytes, ports: bytes) -> bytes:
    """Write a SYN."""
    flow = Flow(0, is_ipv6=len(client) == 16)
    flow.client, flow.server = client, server
    flow.port, flow.server_port = int.from_bytes(ports[:2], "big"), int.from_bytes(ports[2:], "big")
    return flow.tcp(SYN, 1, 0, is_reply=False)


def chosen() -> Iterator[int]:
    """Keep the hash: what differs by multiples of the divisor has the same remainder."""
    for number in range(1, 1 << 17):
        assert hash(FIRST_IPV6 + number * MERSENNE) == hash(FIRST_IPV6)
        yield number * MERSENNE


def usual() -> Iterator[int]:
    """Draw offsets."""
    dice = random.Random(1)
    while True:
        yield dice.getrandbits(SPREAD)


KEYS: dict[str, Callable[[int], bytes | None]] = {
    "as integers (IPv4 addresses and ports)": by_integer,
    "as tuples with an integer (IPv6 source)": by_tuple,
}


def write(make: Callable[[int], bytes | None], offsets: Iterable[int], size: int) -> list[bytes]:
    """Write so many openers."""
    made = (make(offset) for offset in offsets)
    return list(islice((packet for packet in made if packet is not None), size))


def opening_all(packets: list[bytes]) -> float:
    """Tell the seconds that it takes to open so many flows at an empty table."""
    tracker = fresh(packets)
    took = seconds(drive, tracker, packets)
    assert len(tracker) == len(packets), "a flow was refused"
    return took


def compare(make: Callable[[int], bytes | None], size: int, rounds: int) -> Figure:
    """Tell what chosen flows cost as multiple of what random ones do."""
    attack, honest = write(make, chosen(), size), write(make, usual(), size)
    took = repeat(lambda: (opening_all(attack), opening_all(honest)), rounds)
    attacks, others = zip(*took)
    return Figure(statistics.median(a / b for a, b in took), min(attacks) / min(others))


def lines(size: int, rounds: int) -> Iterator[str]:
    """Write the table."""
    yield HEAD
    for name, make in KEYS.items():
        ratio = compare(make, size, rounds)
        yield f"| {size:,} {name} | {ratio.median:.2f} | {ratio.best:.2f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help=f"{FEW:,} flows")
    arguments = parser.parse_args()
    for line in lines(FEW if arguments.quick else FLOWS, arguments.rounds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
