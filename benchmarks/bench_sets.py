"""What sets of intervals cost: to make, to keep, and to look a key up, by their size.

    python benchmarks/bench_sets.py

Boxes are concatenations of an address and a port of which each overlaps many others, the worst that
a set can hold; networks and pairs of a network and a port do not overlap. Octets are those of all
objects that a set makes of its elements, and not of the elements.
"""

from __future__ import annotations

import random
import statistics
import tracemalloc
from functools import partial
from typing import Any, Callable, Iterator  # noqa: UP035 - Python 3.9

from measuring import repeat, seconds
from statefulinspect.rules.engine.elements import Item
from statefulinspect.rules.engine.livesets import LiveSet
from statefulinspect.rules.syntax.constants import Element, Joined, Prefix, Span, Value
from statefulinspect.rules.words.datatypes import TYPES

SIZES, ROUNDS, KEYS = (1000, 10_000, 100_000), 5, 2000
ADDRESS, PORT = TYPES["ipv4_addr"], TYPES["inet_service"]
HEAD = """\
| a set of | elements | made | octets for each | a key that is there | one that is not |
|---|---:|---:|---:|---:|---:|"""


def networks(dice: random.Random, number: int) -> Iterator[Prefix]:
    """Draw networks that do not overlap."""
    for each in dice.sample(range(1 << 16, 224 << 16), number):
        yield Prefix(each << 8, 24, 32, ADDRESS)


def pairs(dice: random.Random, number: int) -> Iterator[Joined]:
    """Draw networks with a port each."""
    for network in networks(dice, number):
        yield Joined((network, Value(dice.randrange(1 << 16), PORT)))


def boxes(dice: random.Random, number: int) -> Iterator[Joined]:
    """Draw ranges of addresses with ranges of ports."""
    for _ in range(number):
        addresses, ports = (sorted(dice.sample(range(1 << bits), 2)) for bits in (32, 16))
        yield Joined((Span(*addresses, ADDRESS), Span(*ports, PORT)))


Draw = Callable[[random.Random, int], Iterator[Any]]
KINDS: dict[str, tuple[Draw, tuple[int, ...]]] = {
    "networks": (networks, SIZES),
    "networks and ports": (pairs, SIZES),
    "boxes": (boxes, SIZES[:-1]),  # more take minutes
}


def made(elements: list[Element]) -> LiveSet:
    """Make a set."""
    return LiveSet(map(Item, elements))


def octets(elements: list[Element]) -> int:
    """Tell how much memory a set takes."""
    tracemalloc.start()
    kept = made(elements)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del kept
    return taken


def within(dice: random.Random, constant: Any) -> Any:
    """Draw a key that an element holds."""
    if isinstance(constant, Joined):
        return tuple(within(dice, part) for part in constant.parts)
    if isinstance(constant, Value):
        return constant.value
    first, last = constant.span if isinstance(constant, Prefix) else (constant.first, constant.last)
    return dice.randint(first, last)


def find_all(held: LiveSet, keys: list[Any]) -> None:
    """Look keys up."""
    for key in keys:
        held.find(key, 0.0)


def line(kind: str, draw: Draw, size: int) -> str:
    """Measure the sets of one kind and size."""
    dice = random.Random(size)
    elements = [Element(key) for key in draw(dice, size)]
    building = statistics.median(repeat(partial(seconds, made, elements), 3))
    held = made(elements)
    there = [within(dice, dice.choice(elements).key) for _ in range(KEYS)]
    absent = [within(dice, key) for key in draw(random.Random(-1), KEYS)]
    found, missed = (
        min(repeat(partial(seconds, find_all, held, keys), ROUNDS)) / KEYS * 1e9
        for keys in (there, absent)
    )
    return (
        f"| {kind} | {size:,} | {building * 1e3:,.0f} ms | {octets(elements) / size:,.0f} "
        f"| {found:,.0f} ns | {missed:,.0f} ns |"
    )


def main() -> None:
    """Print the table."""
    print(HEAD)
    for kind, (draw, sizes) in KINDS.items():
        for size in sizes:
            print(line(kind, draw, size), flush=True)


if __name__ == "__main__":
    main()
