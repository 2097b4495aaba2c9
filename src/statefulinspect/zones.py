"""Which connections can meet: zones, each a table of its own, for either direction or for both.

A zone is a number from 0 to 65535; 0 is where everything is that no zone was given. It may hold
for one direction only: then the other direction stays in zone 0. So packets that arrive from
several networks with the same addresses can be told apart by where they come from, while all the
answers, which come from one network, find their connection without a zone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from statefulinspect.terms import ORIGINAL, REPLY, Direction

NUMBERS: Final = range(1 << 16)
DIRECTIONS: Final[tuple[object, ...]] = (None, ORIGINAL, REPLY)


class Zone(NamedTuple):
    """Hold the number of each direction; they differ if the zone holds for one only.

    >>> Zone.of(5), Zone.of(6, Direction.ORIGINAL)
    (Zone(original=5, reply=5), Zone(original=6, reply=0))
    """

    original: int = 0
    reply: int = 0

    @classmethod
    def of(cls, number: int, direction: Direction | None = None) -> Zone:
        """Make the zone of a number, for one direction or for both; ValueError if there is none."""
        if type(number) is not int or number not in NUMBERS:
            msg = f"zone={number!r}: expected a whole number from 0 to 65535"
            raise ValueError(msg)
        if direction not in DIRECTIONS:
            msg = f"zone_direction={direction!r}: expected a Direction, or None for both"
            raise ValueError(msg)
        return cls(number * (direction is not REPLY), number * (direction is not ORIGINAL))

    @property
    def number(self) -> int:
        """Give the zone's number, whichever direction it holds for."""
        return self.original or self.reply

    @property
    def is_whole(self) -> bool:
        """Tell whether both directions are in the same zone."""
        return self.original == self.reply


NO_ZONE: Final = Zone()
