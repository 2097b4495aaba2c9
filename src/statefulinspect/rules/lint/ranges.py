"""How a set of numbers is written as ranges, and how two such sets compare.

Ranges hold both their ends; they are sorted, and neither overlap nor touch. So equal sets are equal
tuples.
"""

from __future__ import annotations

from typing import Iterable  # noqa: UP035 - Python 3.9

from statefulinspect.rules.engine.intervals import disjoint

Range = tuple[int, int]
Ranges = tuple[Range, ...]


def joined(ranges: Iterable[Range]) -> Ranges:
    """Bring ranges into order, and make one of those that overlap or touch.

    >>> joined([(5, 9), (1, 4), (20, 20)])
    ((1, 9), (20, 20))
    """
    return tuple(disjoint(list(ranges)))


def single(numbers: Iterable[int]) -> Ranges:
    """Make the ranges of single numbers."""
    return joined((number, number) for number in numbers)


def everything(bits: int) -> Ranges:
    """Make the range of all numbers of so many bits."""
    return ((0, (1 << bits) - 1),)


def common(some: Ranges, others: Ranges) -> Ranges:
    """Give the numbers that are in both.

    >>> common(((1, 9),), ((5, 20), (30, 40)))
    ((5, 9),)
    """
    found: list[Range] = []
    i = k = 0
    while i < len(some) and k < len(others):
        first, last = max(some[i][0], others[k][0]), min(some[i][1], others[k][1])
        if first <= last:
            found.append((first, last))
        if some[i][1] < others[k][1]:
            i += 1
        else:
            k += 1
    return tuple(found)


def covers(some: Ranges, others: Ranges) -> bool:
    """Tell whether every number of the others is in the first."""
    if len(some) == 1 and others:  # nearly always
        return some[0][0] <= others[0][0] and others[-1][1] <= some[0][1]
    return common(some, others) == others
