"""What a rule can count and limit: statements with a memory of their own.

The objects here are what the text says, initial values included; the memory is in `memory`.
"""

from __future__ import annotations

from typing import Final, Optional, Protocol, Union

import attrs

from statefulinspect.rules.words.symbols_system import OCTET_UNITS

Number = Optional[int]
DEFAULT_BURST: Final = 5  # packets; of octets a second's worth


def in_units(octets: int) -> str:
    """Write a number of octets in the largest unit that it is a multiple of.

    >>> in_units(3 << 20), in_units(1536), in_units(0)
    ('3 mbytes', '1536 bytes', '0 bytes')
    """
    for unit, size in reversed(list(OCTET_UNITS.items())):
        if octets and octets % size == 0:
            return f"{octets // size} {unit}"
    return f"{octets} bytes"


class Tally(Protocol):
    """Say what a counter in a rule offers."""

    packets: int
    octets: int


@attrs.frozen
class Count:
    """Count packets and octets, from these numbers on."""

    packets: int = 0
    octets: int = 0

    def __str__(self) -> str:
        """Write it as nft does."""
        return f"counter packets {self.packets} bytes {self.octets}"


@attrs.frozen
class Limit:
    """Let packets pass up to a rate, or beyond it if `is_over`; `burst` None is nft's default.

    `rate` counts packets, or octets if `is_octets`; `unit` is second, minute, hour, day or week.
    """

    rate: int
    unit: str
    is_over: bool = False
    burst: Number = None
    is_octets: bool = False

    def __str__(self) -> str:
        """Write it as nft does."""
        return f"limit {self.terms}"

    @property
    def terms(self) -> str:
        """Write what stands behind the word limit."""
        rate = in_units(self.rate) if self.is_octets else str(self.rate)
        over, burst = "over " if self.is_over else "", ""
        if self.burst is not None:
            burst = in_units(self.burst) if self.is_octets else f"{self.burst} packets"
        return f"rate {over}{rate}/{self.unit}{burst and f' burst {burst}'}"


@attrs.frozen
class Quota:
    """Let packets pass until so many octets have, or only then if `is_over`."""

    octets: int
    is_over: bool = False
    used: int = 0

    def __str__(self) -> str:
        """Write it as nft does."""
        return f"quota {self.terms}"

    @property
    def terms(self) -> str:
        """Write what stands behind the word quota."""
        used = f" used {in_units(self.used)}" if self.used else ""
        return f"{'over ' if self.is_over else ''}{in_units(self.octets)}{used}"


@attrs.frozen
class CountConnections:
    """Let packets pass while at most so many connections are counted, or beyond if `is_over`."""

    most: int
    is_over: bool = False

    def __str__(self) -> str:
        """Write it as nft does."""
        return f"ct count {'over ' if self.is_over else ''}{self.most}"


@attrs.frozen
class Last:
    """Remember when a packet came last; the library only prints it again."""

    used: str = "never"

    def __str__(self) -> str:
        """Write it as nft does."""
        return f"last used {self.used}"


Stateful = Union[Count, Limit, Quota, CountConnections, Last]
