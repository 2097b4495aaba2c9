"""How a connection is told to people: the lines of `conntrack -L` and `conntrack -E` (1.4.7).

A `Listing` is what there is to tell at one instant; the connection itself moves on.
"""

from __future__ import annotations

from typing import NamedTuple

from statefulinspect.flowkey import PROTOCOL_NAMES, FlowKey
from statefulinspect.zones import Zone


def seconds_left(expires_at: float, now: float) -> int:
    """Tell the seconds left, rounded to milliseconds and then cut, as the kernel does; 0 at least.

    >>> seconds_left(30.0, 0.0003), seconds_left(30.0, 0.0006), seconds_left(30.0, 31.0)
    (30, 29, 0)
    """
    return max(0, int(expires_at - float(now) + 0.0005))


class Count(NamedTuple):
    """Count what one side sent and the tracker accepted: packets, and octets of whole packets."""

    packets: int
    octets: int


class Listing(NamedTuple):
    """Hold what a connection was at one instant.

    `seconds_left` is None when its time had run out; `counts` are of the original and the reply
    direction, or None where `Config.accounting` is off.
    """

    original: FlowKey
    reply: FlowKey
    state_name: str
    seconds_left: int | None
    seen_reply: bool
    is_assured: bool
    counts: tuple[Count, Count] | None
    mark: int
    zones: Zone
    helper: str | None

    def entry_line(self) -> str:
        """Write the line of `conntrack -L`."""
        words = [self._body(with_counts=True), f"mark={self.mark}", *self._tail(), "use=1"]
        return " ".join(words)

    def event_line(self, kind: str, *, with_counts: bool, with_mark: bool = False) -> str:
        """Write the line of `conntrack -E` for an event: NEW, UPDATE or DESTROY.

        A mark of 0 is written only if that is asked for.
        """
        marks = [f"mark={self.mark}"] if self.mark or with_mark else []
        words = [f"[{kind}]".rjust(9), self._body(with_counts=with_counts), *marks, *self._tail()]
        return " ".join(words)

    def _body(self, *, with_counts: bool) -> str:
        """Write what both lines share."""
        protocol = self.original.protocol
        words = [f"{PROTOCOL_NAMES.get(protocol, 'unknown'):<8} {protocol}"]
        words += [] if self.seconds_left is None else [str(self.seconds_left)]
        words += [self.state_name] if self.state_name else []
        words += [self._side(0, with_counts=with_counts)]
        words += [] if self.seen_reply else ["[UNREPLIED]"]
        words += [self._side(1, with_counts=with_counts)]
        words += ["[ASSURED]"] if self.is_assured else []
        return " ".join(words)

    def _side(self, is_reply: int, *, with_counts: bool) -> str:
        words = [str(self.reply if is_reply else self.original)]
        if self.zones[is_reply] and not self.zones.is_whole:
            words.append(f"zone-{'reply' if is_reply else 'orig'}={self.zones[is_reply]}")
        if with_counts and self.counts is not None:
            words.append("packets={} bytes={}".format(*self.counts[is_reply]))
        return " ".join(words)

    def _tail(self) -> list[str]:
        is_zoned = self.zones.is_whole and self.zones.original
        zone = [f"zone={self.zones.original}"] if is_zoned else []
        return [*zone, *([f"helper={self.helper}"] if self.helper else [])]
