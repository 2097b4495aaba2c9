"""Which packets a condition lets pass, as far as that can be told without a packet.

A box is a set of packets: for each axis (`ip saddr`, `th dport`, `ct state`) the numbers that the
packet has there, and riddles: conditions known only by what they say. A condition on an axis also
says that the packet has it: by `tcp dport != 22` no datagram passes. Ports are one axis whatever
the protocol, which is an axis of its own, so that `th dport 53` is wider than `udp dport 53`.
"""

from __future__ import annotations

from typing import Final, Iterable, Mapping, Optional, Union  # noqa: UP035 - Python 3.9

import attrs

from statefulinspect.rules.lint.ranges import Ranges, common, covers, everything, joined, single
from statefulinspect.rules.syntax.constants import (
    NAME_OCTETS,
    Anything,
    Constant,
    Joined,
    Value,
    Wildcard,
)
from statefulinspect.rules.words.selectors import IPV4_FAMILY, IPV6_FAMILY, Selector
from statefulinspect.terms import CtState

CT_STATES: Final = tuple(sorted(state.bit for state in CtState))  # what `ct state` can be
PORT_HEADERS: Final = frozenset({"tcp", "udp", "udplite", "sctp", "dccp"})
FAMILY_NUMBERS: Final = {
    "ip": (IPV4_FAMILY,),
    "ip6": (IPV6_FAMILY,),
    "inet": (IPV4_FAMILY, IPV6_FAMILY),
}


@attrs.frozen
class Box:
    """Hold a set of packets: their numbers on each axis, and what else they pass."""

    ranges: Mapping[str, Ranges] = attrs.field(factory=dict)
    riddles: frozenset[object] = frozenset()

    def holds(self, other: Box) -> bool:
        """Tell whether every packet of the other is surely in this one."""
        for axis, ranges in self.ranges.items():
            if axis not in other.ranges or not covers(ranges, other.ranges[axis]):
                return False
        return self.riddles <= other.riddles

    def within(self, other: Box) -> Box | None:
        """Give the packets that are in both; None if there surely are none."""
        ranges = dict(self.ranges)
        for axis, wanted in other.ranges.items():
            ranges[axis] = common(ranges[axis], wanted) if axis in ranges else wanted
            if not ranges[axis]:
                return None
        return Box(ranges, self.riddles | other.riddles)


def base_box(family: str) -> Box:
    """Make the box of all packets that a table of a family sees."""
    return Box({"meta nfproto": single(FAMILY_NUMBERS[family]), "ct state": single(CT_STATES)})


def axis_of(selector: Selector) -> str:
    """Name the axis of a selector: that of its text, or of one that reads the same octets."""
    header, _, field = selector.text.partition(" ")
    if header in PORT_HEADERS and field in ("sport", "dport"):
        return f"th {field}"
    return "meta l4proto" if selector.text == "ip protocol" else selector.text


def box_of(selector: Selector, ranges: Ranges | None, riddle: object = None) -> Box | None:
    """Make the box of what a selector is to be, and of what it needs; None if there is none."""
    box: Box | None = Box({}, frozenset() if riddle is None else frozenset([riddle]))
    wanted = [(text, single(numbers)) for text, numbers in selector.needs]
    wanted += [] if ranges is None else [(axis_of(selector), ranges)]
    for axis, numbers in wanted:
        box = box and (box.within(Box({axis: numbers})) if numbers else None)
    return box


def number_of(name: str) -> int:
    """Turn a name into a number, such that names that begin alike are neighbours."""
    return int.from_bytes(name.encode()[:NAME_OCTETS].ljust(NAME_OCTETS, b"\0"), "big")


def ranges_of(constants: Iterable[Constant], bits: int) -> Ranges | None:
    """Give the numbers that constants of one part stand for; None if that cannot be told."""
    parts = [_ranges_of_one(each, bits) for each in constants]
    if any(part is None for part in parts):
        return None
    return joined(each for part in parts if part is not None for each in part)


Part = Optional[Union[Ranges, "list[tuple[int, int]]"]]


def _ranges_of_one(constant: Constant, bits: int) -> Part:
    if isinstance(constant, Anything):
        return everything(bits)
    if isinstance(constant, Wildcard):
        return _names(constant.start, is_start=True)
    if isinstance(constant, Value) and isinstance(constant.value, str):
        return _names(constant.value, is_start=False)
    return None if isinstance(constant, Joined) else [constant.interval]


def _names(name: str, *, is_start: bool) -> Ranges | None:
    if len(name.encode()) >= NAME_OCTETS:
        return None  # no interface is called so
    first = number_of(name)
    rest = 8 * (NAME_OCTETS - len(name.encode()))
    return ((first, first | (1 << rest) - 1 if is_start else first),)
