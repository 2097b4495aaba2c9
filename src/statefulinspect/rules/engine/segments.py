"""Which boxes a point lies in, of a hundred thousand: a tree of segments for each part.

After Bentley (1977): the ends of all intervals of the first part cut the line into pieces, the
leaves of a binary tree. An interval stands at the few nodes that it covers together, so a value
lies in the intervals that stand on the way from its leaf to the root. What stands at a node is a
tree again, for the next part; at the last it is the numbers of the boxes. Intervals that do not
overlap stand at one node each, others at no more than two on each level: so memory grows with the
number of boxes, for each part but for a logarithm, and a look-up takes no more than logarithms.

Values are numbers, or names, which compare by their letters.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Iterator, Sequence  # noqa: UP035 - Python 3.9

Box = Sequence[tuple[Any, Any]]  # the first and the last value of each part
Groups = Sequence[tuple[int, ...]]


class Segments:
    """Find the boxes that a point lies in.

    `found[n]` is what stands on the way to the root from the piece that ends before `edges[n]`.
    """

    __slots__ = ("edges", "found")

    def __init__(self, boxes: Sequence[Box], numbers: Sequence[int], part: int = 0) -> None:
        """Take the boxes of these numbers, in this order, and look at them from a part on."""
        bounds = [boxes[number][part] for number in numbers]
        behind = [after(last) for _, last in bounds]
        self.edges: list[Any] = sorted({first for first, _ in bounds}.union(behind))
        leaf = {edge: at for at, edge in enumerate(self.edges, len(self.edges) + 2)}
        nodes: dict[int, list[int]] = {}
        for number, (first, _), end in zip(numbers, bounds, behind):
            for node in covering(leaf[first], leaf[end]):
                nodes.setdefault(node, []).append(number)
        is_last = part + 1 == len(boxes[numbers[0]])
        below = {
            node: tuple(held) if is_last else Segments(boxes, held, part + 1)
            for node, held in nodes.items()
        }
        self.found = ways(below, len(self.edges) + 1)

    def at(self, value: Any, *others: Any) -> Groups:
        """Give the numbers of the boxes around a point, in groups that are each in their order."""
        groups: Sequence[Any] = self.found[bisect_right(self.edges, value)]
        for other in others:
            groups = [
                each for tree in groups for each in tree.found[bisect_right(tree.edges, other)]
            ]
        return groups


def after(value: Any) -> Any:
    """Give the next value: no name lies between one and the same with a zero behind it."""
    return value + "\0" if isinstance(value, str) else value + 1


def covering(low: int, high: int) -> Iterator[int]:
    """Go over the nodes that together cover the leaves from one up to before another."""
    while low < high:
        if low & 1:
            yield low
            low += 1
        if high & 1:
            high -= 1
            yield high
        low >>= 1
        high >>= 1


def ways(below: dict[int, Any], leaves: int) -> list[tuple[Any, ...]]:
    """Collect for each leaf what stands at the nodes from the root to it.

    The root is node 1, and node n is above 2n and 2n + 1; leaves come last.
    """
    found: list[tuple[Any, ...]] = [(), ()]
    for node in range(2, 2 * leaves):
        way = found[node >> 1]
        found.append((*way, below[node]) if node in below else way)
    return found[leaves:]
