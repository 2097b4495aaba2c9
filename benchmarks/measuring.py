"""How cost is told: in ratios to what is measured beside it, round by round.

A round times the work, then dpkt's parse of the same packets, then the floor: one struct call and
one look-up in a dict for each packet, the least that Python could do. A machine that is slow or
busy is so for all three, and the ratios of a round cancel it. Told are the medians over the rounds,
and beside them the best: the least time of each, which was disturbed least.

The garbage collector stays on, as it is where the library is used. Only what earlier rounds have
left is collected before the clock starts, or one would pay for another. PyPy compiles what it has
seen often, so there the first rounds are not told: the mix takes five until its cost is steady.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from struct import Struct
from typing import Any, Callable, Iterable, NamedTuple, Sequence, TypeVar  # noqa: UP035 - Python 3.9

import attrs
import dpkt

Taken = TypeVar("Taken")
UNTOLD = 5 if sys.implementation.name == "pypy" else 0  # rounds for the compiler
FLOOR_PACKETS = 200_000  # as many at least: a moment's disturbance would be all of fewer
UNPACK = Struct("!BxHxxHxBxx12s").unpack_from


@attrs.frozen
class Case:
    """Hold what is timed: `write` the packets, `prepare` what they meet, and `run` that on them.

    Only `run` is timed.
    """

    write: Callable[[], list[bytes]]
    prepare: Callable[[list[bytes]], Any]
    run: Callable[[Any, list[bytes]], object]


class Round(NamedTuple):
    """Hold how many seconds each part of a round took."""

    own: float
    dpkt: float
    floor: float


class Figure(NamedTuple):
    """Hold what is told of some rounds."""

    median: float
    best: float


@attrs.frozen
class Comparison:
    """Tell the cost of a unit (a packet, an entry) by rounds of so many."""

    units: int
    rounds: Sequence[Round]

    @property
    def nanoseconds(self) -> Figure:
        """Tell what a unit costs."""
        costs = [each.own / self.units * 1e9 for each in self.rounds]
        return Figure(statistics.median(costs), min(costs))

    @property
    def of_dpkt(self) -> Figure:
        """Tell the cost as a multiple of dpkt's parse."""
        return self._ratio("dpkt")

    @property
    def of_floor(self) -> Figure:
        """Tell the cost as a multiple of the floor."""
        return self._ratio("floor")

    def _ratio(self, other: str) -> Figure:
        own, others = (
            [each.own for each in self.rounds],
            [getattr(each, other) for each in self.rounds],
        )
        ratios = [mine / its for mine, its in zip(own, others)]
        return Figure(statistics.median(ratios), min(own) / min(others))


def parse(packets: Iterable[bytes]) -> None:
    """Let dpkt parse packets."""
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


def seconds(work: Callable[..., object], *given: object) -> float:
    """Time a call, the garbage collector being on."""
    gc.collect()
    began = time.perf_counter()
    work(*given)
    return time.perf_counter() - began


def beside(packets: list[bytes], least: Callable[[list[bytes]], None]) -> tuple[float, float]:
    """Time what a round is compared with: dpkt, and the floor, of which one pass is too short."""
    passes = max(FLOOR_PACKETS // len(packets), 1)

    def many() -> None:
        for _ in range(passes):
            least(packets)

    return seconds(parse, packets), seconds(many) / passes


def repeat(one_round: Callable[[], Taken], rounds: int) -> list[Taken]:
    """Take so many rounds, and give what they tell."""
    return [one_round() for _ in range(UNTOLD + rounds)][UNTOLD:]


def compare(case: Case, packets: list[bytes], rounds: int) -> Comparison:
    """Run a case on packets, beside dpkt and the floor in each round."""
    least = floor(packets)

    def one_round() -> Round:
        own = seconds(case.run, case.prepare(packets), packets)
        return Round(own, *beside(packets, least))

    return Comparison(len(packets), repeat(one_round, rounds))


def fraction(ratio: float) -> str:
    """Write a ratio so that one below 1 reads as what it saves.

    >>> fraction(0.25), fraction(7.02)
    ('1/4.0', '7.0')
    """
    return f"1/{1 / ratio:.1f}" if ratio < 1 else f"{ratio:.1f}"
