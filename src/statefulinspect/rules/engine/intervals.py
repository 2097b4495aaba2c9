"""Which of many conditions a value meets: intervals cut into pieces, a set of bits for each.

After Lakshman and Stiliadis (1998): the ends of all intervals cut the line of values into pieces,
and every piece knows the set of conditions that hold there, as one Python int with a bit for each.
Values are bytes of one length, which compare in the order of their numbers and cost no conversion.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Iterable, Sequence  # noqa: UP035 - Python 3.9

Pair = tuple[int, int]


class Pieces:
    """Map a value to the set of conditions that hold for it."""

    __slots__ = ("edges", "sets", "unasked")

    def __init__(
        self, accepted: Iterable[tuple[int, Sequence[Pair]]], unasked: int, octets: int
    ) -> None:
        """Take, by number of the condition, the intervals (first, last) in which it holds.

        `unasked` is the set of conditions that hold everywhere. Edges are bytes of length `octets`;
        `sets[n]` holds from `edges[n - 1]` up to before `edges[n]`.
        """
        self.unasked = unasked
        cuts: dict[int, int] = {}
        for number, pairs in accepted:
            bit = 1 << number
            for first, last in disjoint(pairs):
                cuts[first] = cuts.get(first, 0) ^ bit
                cuts[last + 1] = cuts.get(last + 1, 0) ^ bit
        edges = sorted(cuts)
        self.sets = [unasked]
        held = unasked
        for edge in edges:
            held ^= cuts[edge]
            self.sets.append(held)
        if edges and edges[-1] >> octets * 8:
            edges.pop()  # behind the last value there is
        self.edges = [edge.to_bytes(octets, "big") for edge in edges]

    def at(self, value: bytes | None) -> int:
        """Give the conditions that hold for a value; None is a packet without it."""
        return self.unasked if value is None else self.sets[bisect_right(self.edges, value)]


def disjoint(pairs: Sequence[Pair]) -> Sequence[Pair]:
    """Merge intervals that overlap or touch, so that each edge opens or closes one once."""
    if len(pairs) < 2:  # as nearly always
        return pairs
    merged: list[Pair] = []
    for first, last in sorted(pairs):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def complement(pairs: Sequence[Pair], bits: int) -> list[Pair]:
    """Give the intervals of numbers of so many bits that the given ones leave out."""
    found: list[Pair] = []
    at = 0
    for first, last in disjoint(pairs):
        if first > at:
            found.append((at, first - 1))
        at = last + 1
    if at < 1 << bits:
        found.append((at, (1 << bits) - 1))
    return found


def side_of(sign: str, number: int, bits: int) -> list[Pair]:
    """Give the intervals of numbers of so many bits that are <, <=, > or >= a number."""
    last = (1 << bits) - 1
    pair = {
        "<": (0, number - 1),
        "<=": (0, number),
        ">": (number + 1, last),
        ">=": (number, last),
    }[sign]
    return [pair] if pair[0] <= pair[1] else []
